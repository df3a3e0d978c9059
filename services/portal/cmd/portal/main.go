// Command portal serves package portal.
package main

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"xunguan/pkg/app"
	"xunguan/pkg/auth"
	"xunguan/pkg/clock"
	"xunguan/pkg/consul"
	"xunguan/pkg/event"
	"xunguan/pkg/mend"
	"xunguan/pkg/peer"
	"xunguan/pkg/pg"
	"xunguan/services/portal"
)

// Each field is a flag, -public-addr, and a variable, PORTAL_PUBLIC_ADDR.
type config struct {
	PublicAddr           string            `default:"127.0.0.1:8080" help:"Where the public and families come in."`
	StaffAddr            string            `default:"127.0.0.1:8081" help:"Where officials and institutions come in."`
	PublicURL            string            `name:"public-url" help:"Where browsers reach public-addr; http:// and that if empty."`
	StaffURL             string            `name:"staff-url" help:"Where browsers reach staff-addr; http:// and that if empty."`
	DatabaseURL          string            `name:"database-url" required:"" help:"PostgreSQL URL of portal's own database and role."`
	KafkaBrokers         []string          `required:"" help:"Kafka brokers, separated by commas."`
	KafkaCopies          int               `default:"3" help:"Copies that Kafka must keep of each event: 3, or 1 where there is one broker."`
	SigningKeyFile       string            `required:"" help:"Ed25519 private key that signs caller tokens, PEM (PKCS #8)."`
	Peers                map[string]string `required:"" help:"The services behind portal: name=host:port, separated by semicolons. With Consul only the names count."`
	Consul               string            `help:"Consul agent: host:port, or https://host:port."`
	ConsulTokenFile      string            `help:"File with portal's own Consul token."`
	OIDCIssuer           string            `name:"oidc-issuer" help:"Identity provider; without one nobody can log in."`
	OIDCClientID         string            `name:"oidc-client-id" help:"Portal's name at the provider."`
	OIDCClientSecretFile string            `name:"oidc-client-secret-file" help:"File with portal's secret at the provider."`
	PublicIdle           time.Duration     `default:"60m" help:"A session of the public listener ends after this long without a request."`
	StaffIdle            time.Duration     `default:"15m" help:"A session of the staff listener ends after this long without a request."`
	SessionCap           time.Duration     `default:"8h" help:"A session ends this long after login."`
	Rate                 float64           `default:"50" help:"Requests a second of one session, or of one address without one; 0 is no limit."`
	Burst                int               `default:"200" help:"Requests at once beyond rate."`
	Busy                 int               `default:"256" help:"Requests under way at one listener; 0 is no limit."`
	Proxies              []netip.Prefix    `help:"Networks of the proxies in front, as 10.0.0.0/8. Without, all who come through one share its rate."`
	event.Keep           `embed:""`
	Trial                bool `help:"Trial mode: log in as anybody, move the clock, look at traces; cookies without TLS."`
}

func main() { app.Main("portal", build) }

func build(ctx context.Context, a *app.App, c config) error {
	key, err := auth.ReadKey(c.SigningKeyFile)
	if err != nil {
		return err
	}
	login, err := c.login()
	if err != nil {
		return err
	}
	db, err := pg.Open(ctx, c.DatabaseURL)
	if err != nil {
		return err
	}
	a.OnStop("database", func() error { db.Close(); return nil })
	if err := pg.Migrate(ctx, db, portal.Migrations()); err != nil {
		return err
	}
	if err := a.Topics(ctx, event.Cluster{Brokers: c.KafkaBrokers, Copies: c.KafkaCopies}); err != nil {
		return err
	}
	find := peer.Static(c.Peers)
	if c.Consul != "" {
		agent, err := consul.Open(c.Consul, c.ConsulTokenFile, a.Log)
		if err != nil {
			return err
		}
		a.OnStop("consul", agent.Close)
		find = agent.Find
	}
	s := &portal.Service{
		DB: db, Signer: portal.NewSigner(key), Find: find, Peers: peer.Client(find), Names: names(c.Peers), Login: login,
		Terms:  portal.Terms{Idle: map[portal.Listener]time.Duration{portal.Public: c.PublicIdle, portal.Staff: c.StaffIdle}, Cap: c.SessionCap},
		Limits: portal.Limits{Rate: c.Rate, Burst: c.Burst, Busy: c.Busy, Proxies: c.Proxies},
		Trial:  c.Trial, Clock: new(clock.Clock), Machine: time.Now, Log: a.Log,
	}
	if err := s.Clock.Load(ctx, db); err != nil {
		return err
	}
	reader := event.NewReader(c.KafkaBrokers, a.Name, portal.Topics...)
	a.OnStop("kafka reader", reader.Close)
	m := event.Mux{}
	s.On(m)
	consumer := &event.Consumer{Name: a.Name, DB: db, Reader: reader, Handle: m.Handle, Concerns: m.Concerns, Log: a.Log}
	a.Go(consumer.Run)
	a.Go(consumer.Watch)
	a.Go((&event.Pruner{DB: db, Keep: c.Keep, Pressure: new(event.Pressure), Log: a.Log}).Run)
	s.Desk = &mend.Desk{DB: db, Consumer: consumer, Log: a.Log}
	a.Go(s.Purge)
	event.Observe(db)
	a.Ready("database", db.Ping)
	a.Ready("peers", portal.Held(s.PeersReady))
	a.Ready("directory", portal.Held(s.CaughtUp))
	a.Report("peers now", s.PeersReady)
	a.Report("broker", event.Reachable(c.KafkaBrokers))
	doors := s.Handlers()
	a.Listen(c.PublicAddr, doors[portal.Public])
	a.Listen(c.StaffAddr, doors[portal.Staff])
	return nil
}

// login is how people log in; nil if no provider is configured.
func (c config) login() (*portal.Login, error) {
	base := map[portal.Listener]string{portal.Public: c.PublicURL, portal.Staff: c.StaffURL}
	for l, addr := range map[portal.Listener]string{portal.Public: c.PublicAddr, portal.Staff: c.StaffAddr} {
		if base[l] == "" {
			base[l] = "http://" + addr
		}
		base[l] = strings.TrimSuffix(base[l], "/")
		if !c.Trial && c.OIDCIssuer != "" && !strings.HasPrefix(base[l], "https://") {
			return nil, errors.New("outside trial mode browsers must reach portal by https: set public-url and staff-url")
		}
	}
	if c.OIDCIssuer == "" {
		return nil, nil
	}
	secret, err := os.ReadFile(c.OIDCClientSecretFile)
	return &portal.Login{Issuer: c.OIDCIssuer, ClientID: c.OIDCClientID, ClientSecret: strings.TrimSpace(string(secret)), Base: base}, err
}

// names is the services of peers, in order.
func names(peers map[string]string) []string {
	var all []string
	for n := range peers {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}
