// Command escrow serves package escrow.
package main

import (
	"context"

	"xunguan/pkg/app"
	"xunguan/pkg/event"
	"xunguan/pkg/rule"
	"xunguan/services/escrow"
)

func main() { app.Main("escrow", build) }

func build(ctx context.Context, a *app.App, c app.Config) error {
	b, err := a.Open(ctx, c, escrow.Migrations(), escrow.Grants)
	if err != nil {
		return err
	}
	s := &escrow.Service{DB: b.DB, Now: b.Clock.Now}
	s.Routes(b.API)
	m := event.Mux{}
	b.Rules(m, escrow.Rules...)
	s.Events(m)
	b.Consume(m, rule.Topic, "licensing.events", "tipoff.events")
	b.Due(s.Timers()...)
	b.Seed(s.SeedReady(b.Peers), s.Seed)
	return b.Serve()
}
