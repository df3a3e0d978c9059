// Command licensing serves package licensing.
package main

import (
	"context"

	"xunguan/pkg/app"
	"xunguan/pkg/event"
	"xunguan/pkg/rule"
	"xunguan/services/licensing"
)

func main() { app.Main("licensing", build) }

func build(ctx context.Context, a *app.App, c app.Config) error {
	b, err := a.Open(ctx, c, licensing.Migrations(), licensing.Grants)
	if err != nil {
		return err
	}
	s := &licensing.Service{DB: b.DB, Now: b.Clock.Now}
	s.Routes(b.API)
	m := event.Mux{}
	b.Rules(m, licensing.Rules...)
	s.Events(m)
	b.Consume(m, rule.Topic, licensing.InspectionTopic)
	b.Due(s.Timers()...)
	b.Seed(rule.Have(b.DB, licensing.Rules...), s.Seed)
	return b.Serve()
}
