package event

import "context"

// Rejoin makes s leave its group and join it anew.
func Rejoin(s *Subscription) { s.rejoin() }

// Look is one look of p.
func Look(ctx context.Context, p *Pressure) (Level, error) { return p.look(ctx) }
