// Command inspection serves package inspection.
package main

import (
	"context"
	"slices"

	"xunguan/pkg/app"
	"xunguan/pkg/attach"
	"xunguan/pkg/event"
	"xunguan/pkg/rule"
	"xunguan/services/inspection"
)

type config struct {
	app.Config `embed:""`
	Objects    attach.Config `embed:""`
}

func main() { app.Main("inspection", build) }

func build(ctx context.Context, a *app.App, c config) error {
	b, err := a.Open(ctx, c.Config, inspection.Migrations(), inspection.Grants)
	if err != nil {
		return err
	}
	objects, err := attach.Open(c.Objects)
	if err != nil {
		return err
	}
	b.Report("objects", objects.Reachable)
	s := &inspection.Service{DB: b.DB, Now: b.Clock.Now, Photos: &attach.Box{DB: b.DB, Objects: objects, Now: b.Clock.Now}}
	s.Routes(b.API)
	m := event.Mux{}
	b.Rules(m, inspection.Rules...)
	s.On(m)
	b.Consume(m, slices.Concat([]string{rule.Topic}, inspection.Topics)...)
	b.Due(s.Timers()...)
	b.Seed(s.SeedReady(b.Peers), s.Seed)
	return b.Serve()
}
