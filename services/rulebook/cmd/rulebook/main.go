// Command rulebook serves package rulebook.
package main

import (
	"context"

	"xunguan/pkg/app"
	"xunguan/services/rulebook"
)

func main() { app.Main("rulebook", build) }

func build(ctx context.Context, a *app.App, c app.Config) error {
	b, err := a.Open(ctx, c, rulebook.Migrations(), rulebook.Grants)
	if err != nil {
		return err
	}
	s := &rulebook.Service{DB: b.DB, Now: b.Clock.Now}
	if err := s.Seed(ctx); err != nil {
		return err
	}
	s.Routes(b.API)
	return b.Serve()
}
