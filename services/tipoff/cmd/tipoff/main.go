// Command tipoff serves package tipoff.
package main

import (
	"context"

	"xunguan/pkg/app"
	"xunguan/pkg/attach"
	"xunguan/pkg/event"
	"xunguan/pkg/rule"
	"xunguan/services/tipoff"
)

type config struct {
	app.Config   `embed:""`
	Objects      attach.Config `embed:""`
	Keys         string        `default:".xunguan/keys/tipoff" help:"Folder of receipt.key, identity.pub and, for trials alone, identity.key."`
	Import       string        `default:"../shared/data/citizen-messages.csv" help:"In trial mode, a file of the hotline to begin with; a sample of 30 rows if it is not there."`
	Jurisdiction string        `default:"320508" help:"Division whose intake office gets tip-offs that name no place."`
}

func main() { app.Main("tipoff", build) }

func build(ctx context.Context, a *app.App, c config) error {
	b, err := a.Open(ctx, c.Config, tipoff.Migrations(), tipoff.Grants)
	if err != nil {
		return err
	}
	objects, err := attach.Open(c.Objects)
	if err != nil {
		return err
	}
	b.Report("objects", objects.Reachable)
	photos := &attach.Box{DB: b.DB, Objects: objects, Now: b.Clock.Now, Blind: true}
	s := &tipoff.Service{DB: b.DB, Now: b.Clock.Now, Home: c.Jurisdiction, Photos: photos}
	if s.Pepper, s.Seal, err = tipoff.Secrets(c.Keys, c.Trial); err != nil {
		return err
	}
	m := event.Mux{}
	b.Rules(m, tipoff.Rules...)
	s.Listen(m)
	b.Consume(m, rule.Topic, "licensing.events", "inspection.events")
	b.Due(s.Timers()...)
	b.Seed(rule.Have(b.DB, tipoff.Rules...), s.Seed(c.Import))
	s.Routes(b.API)
	return b.Serve()
}
