package event

import (
	"context"

	"github.com/segmentio/kafka-go"
)

// Rejoin makes s leave its group and join it anew.
func Rejoin(s *Subscription) { s.rejoin() }

// Look is one look of p.
func Look(ctx context.Context, p *Pressure) (Level, error) { return p.look(ctx) }

// Client asks brokers for what no consumer does. It leaves nothing running.
func Client(brokers []string) *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport}
}
