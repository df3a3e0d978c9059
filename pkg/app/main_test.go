package app

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/due"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
)

// TestMain is the service child, if a test has started it as such.
func TestMain(m *testing.M) {
	if os.Getenv("CHILD_DATABASE_URL") != "" {
		os.Args = os.Args[:1]
		Main("child", child)
		os.Exit(0)
	}
	// A server that refused a request lingers half a second, for the client to read it.
	goleak.VerifyTestMain(ended{m}, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// ended is tests that hang up on brokers in the end.
type ended struct{ *testing.M }

func (e ended) Run() int {
	defer event.Disconnect()
	return e.M.Run()
}

type visit struct {
	Name string `path:"name"`
	Took int    `query:"took" description:"milliseconds"`
}

// child is a service with one of everything.
func child(ctx context.Context, a *App, c Config) error {
	b, err := a.Open(ctx, c, fstest.MapFS{"0001_a.sql": {Data: []byte("-- +goose Up\nCREATE TABLE a ();")}}, auth.Roles(nil))
	if err != nil {
		return err
	}
	var underWay atomic.Int64
	stay := func(_ context.Context, v visit) (string, error) {
		underWay.Add(1)
		defer underWay.Add(-1)
		time.Sleep(time.Duration(v.Took) * time.Millisecond)
		return "whole", nil
	}
	kit.Route(b.API, "GET /people/{name}", "Visit", auth.Public, stay, kit.Within(10*time.Second))
	kit.Route(b.API, "GET /under-way", "UnderWay", auth.Public, func(context.Context, struct{}) (int64, error) { return underWay.Load(), nil })
	kit.Route(b.API, "GET /tips/{name}", "Tip", auth.Public, stay, kit.Unseen)
	kit.Route(b.API, "GET /peer", "Peer", auth.Public, func(context.Context, struct{}) (string, error) {
		resp, err := b.Peers.Get("http://nobody/")
		if err == nil {
			err = resp.Body.Close()
		}
		return "", err
	})
	b.Consume(event.Mux{}, "rulebook.events")
	b.Due(due.Timer{Name: "none", Next: func(context.Context, pgx.Tx, day.Date) (string, error) { return "", fault.NotFound }})
	return b.Serve()
}
