// Command provider is the identity provider of trial mode: it lets anybody be
// any persona, and refuses to start anywhere else.
package main

import (
	"context"
	"errors"
	"os"
	"strings"

	"xunguan/pkg/app"
	"xunguan/services/portal"
)

// Each field is a flag, -http-addr, and a variable, PROVIDER_HTTP_ADDR.
type config struct {
	HTTPAddr         string   `name:"http-addr" env:"PROVIDER_HTTP_ADDR,PROVIDER_ADDR" default:"127.0.0.1:8110" help:"HTTP listen address; the issuer is http://, this, and /oidc."`
	ClientID         string   `name:"client-id" default:"portal" help:"Portal's name here."`
	ClientSecretFile string   `required:"" help:"File with portal's secret."`
	Redirects        []string `help:"Where browsers may be sent back to; /callback on this machine if empty."`
	Trial            bool     `env:"PROVIDER_TRIAL,PROVIDER_DEV" help:"Confirms that this is a trial: whoever comes is believed."`
}

func main() { app.Main("provider", build) }

func build(_ context.Context, a *app.App, c config) error {
	if !c.Trial {
		return errors.New("provider believes whoever comes: it starts with --trial only")
	}
	secret, err := os.ReadFile(c.ClientSecretFile)
	if err != nil {
		return err
	}
	p, err := portal.NewProvider(c.HTTPAddr, c.ClientID, strings.TrimSpace(string(secret)), c.Redirects...)
	if err != nil {
		return err
	}
	a.Listen(c.HTTPAddr, p.Handler())
	return nil
}
