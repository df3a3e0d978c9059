package app

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"xunguan/pkg/auth"
	"xunguan/pkg/clock"
	"xunguan/pkg/consul"
	"xunguan/pkg/due"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
	"xunguan/pkg/mend"
	"xunguan/pkg/peer"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// Config is the settings that every service has. Each field is a flag,
// -kafka-brokers, and a variable, LICENSING_KAFKA_BROKERS.
type Config struct {
	HTTPAddr        string            `name:"http-addr" default:"127.0.0.1:8080" help:"HTTP listen address."`
	DatabaseURL     string            `name:"database-url" required:"" help:"PostgreSQL URL of this service's own database and role."`
	KafkaBrokers    []string          `required:"" help:"Kafka brokers, separated by commas."`
	KafkaCopies     int               `default:"3" help:"Copies that Kafka must keep of each event: 3, or 1 where there is one broker."`
	CallerKeys      map[string]string `required:"" help:"The portal's public keys: kid=base64, separated by semicolons."`
	Peers           map[string]string `help:"Where other services are, without Consul: name=host:port, separated by semicolons."`
	Consul          string            `help:"Consul agent: host:port, or https://host:port. Without it peers have static addresses."`
	ConsulTokenFile string            `help:"File with the service's own Consul token."`
	Advertise       string            `help:"Where peers and the Consul agent reach http-addr, host:port; with Consul only."`
	Deadline        time.Duration     `default:"5s" help:"How long a request may take, unless its route or its caller has another limit."`
	Busy            int               `default:"64" help:"Requests under way, at most; while they are slow it is fewer."`
	event.Limits    `embed:""`
	event.Keep      `embed:""`
	Trial           bool `help:"Trial mode: demo data, and a clock that the portal may move."`
}

// Base is what every service stands on: its database, API, legal clock, and the
// two ends of its events.
type Base struct {
	*App
	Config Config
	DB     *pgxpool.Pool
	API    *kit.API
	Clock  *clock.Clock
	Peers  *http.Client

	clockwork *due.Clockwork
	desk      *mend.Desk
	pressure  *event.Pressure
}

// Open connects, migrates and prepares a service. Its API accepts tokens made
// for the service's name, and grants what may says.
func (a *App) Open(ctx context.Context, c Config, migrations fs.FS, may auth.Policy) (*Base, error) {
	keys, err := PublicKeys(c.CallerKeys)
	if err != nil {
		return nil, err
	}
	db, err := pg.Open(ctx, c.DatabaseURL)
	if err != nil {
		return nil, err
	}
	a.OnStop("database", func() error { db.Close(); return nil })
	a.Ready("database", db.Ping)
	if err := pg.Migrate(ctx, db, migrations); err != nil {
		return nil, err
	}
	if err := a.Topics(ctx, event.Cluster{Brokers: c.KafkaBrokers, Copies: c.KafkaCopies}); err != nil {
		return nil, err
	}
	b := &Base{App: a, Config: c, DB: db, Clock: new(clock.Clock)}
	b.API = &kit.API{Title: a.Name, Verifier: &auth.Verifier{Keys: keys, Audience: a.Name}, Policy: may, Log: a.Log, Deadline: c.Deadline, Most: c.Busy}
	b.clockwork = &due.Clockwork{DB: db, Now: b.Clock.Now, Log: a.Log}
	b.operated(may)
	find := peer.Static(c.Peers)
	if c.Consul != "" {
		agent, err := consul.Open(c.Consul, c.ConsulTokenFile, a.Log)
		if err != nil {
			return nil, err
		}
		a.OnStop("consul", agent.Close)
		find = agent.Find
		a.Announce(func(ctx context.Context) error { return agent.Register(ctx, a.Name, c.Advertise) })
	}
	b.Peers = peer.Client(find)
	if !c.Trial {
		return b, nil
	}
	b.API.Policy = clock.Trial(b.API.Policy)
	b.Clock.Route(b.API, db, b.settle)
	return b, b.Clock.Load(ctx, db)
}

// settle applies what is due and waits until the events of it are with the broker.
func (b *Base) settle(ctx context.Context) (int, error) {
	applied, err := b.clockwork.Settle(ctx)
	if err != nil {
		return applied, err
	}
	return applied, event.Drained(ctx, b.DB)
}

// Rules keeps the service's copy of the rulebook, by m; the service is not ready
// without keys.
func (b *Base) Rules(m event.Mux, keys ...string) {
	rule.On(m)
	b.Ready("rules", rule.Have(b.DB, keys...))
}

// Due runs timers.
func (b *Base) Due(timers ...due.Timer) { b.clockwork.Timers = append(b.clockwork.Timers, timers...) }

// Seed runs f once the rules are here, in trial mode only; the service is not
// ready before f has ended. f must find its own work done when it runs again.
func (b *Base) Seed(ready, f func(context.Context) error) {
	if !b.Config.Trial {
		return
	}
	var done atomic.Bool
	b.Ready("seed", func(context.Context) error {
		if !done.Load() {
			return fault.Unavailable.Errorf("演示数据尚未就绪")
		}
		return nil
	})
	b.Go(func(ctx context.Context) error {
		for err := ready(ctx); err != nil; err = ready(ctx) {
			if !pause(ctx, 100*time.Millisecond) {
				return nil
			}
		}
		for err := f(ctx); err != nil; err = f(ctx) {
			b.Log.ErrorContext(ctx, "seed", "err", err)
			if !pause(ctx, time.Second) {
				return nil
			}
		}
		done.Store(true)
		<-ctx.Done()
		return nil
	})
}

// Serve adds the API, the relay and the timers. Call it last.
func (b *Base) Serve() error {
	w := event.NewWriter(b.Config.KafkaBrokers)
	b.OnStop("kafka writer", w.Close)
	b.Report("broker", event.Reachable(b.Config.KafkaBrokers))
	b.Go((&event.Relay{DB: b.DB, Writer: w, Log: b.Log}).Run)
	event.Observe(b.DB)
	b.operate()
	if len(b.clockwork.Timers) > 0 {
		b.Go(b.clockwork.Run)
	}
	b.Listen(b.Config.HTTPAddr, otelhttp.NewHandler(b.API.Handler(), b.Name, otelhttp.WithFilter(b.API.Seen)))
	return nil
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// PublicKeys reads Ed25519 public keys in base64, by key id.
func PublicKeys(byID map[string]string) (map[string]ed25519.PublicKey, error) {
	keys := make(map[string]ed25519.PublicKey)
	for id, text := range byID {
		k, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(k) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("caller key %q is not an Ed25519 public key", id)
		}
		keys[id] = k
	}
	return keys, nil
}
