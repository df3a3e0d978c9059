//go:build real

package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"xunguan/pkg/consul"
	"xunguan/pkg/fault"
	"xunguan/services/portal"
)

// names are the services that the agent of these tests knows. A token may not
// see any other.
var names = []string{"licensing", "escrow", "portal"}

// agent is a real agent that starts with a policy for each of names.
func agent(t *testing.T) *consulAgent {
	t.Helper()
	a, err := startConsul(t.Context(), t.TempDir(), names)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(a.log())
			t.Logf("agent: %s", log[max(0, len(log)-4000):])
		}
	})
	return a
}

// as is the suite's own client with the token of service.
func (a *consulAgent) as(t *testing.T, service string) *consul.Agent {
	t.Helper()
	c, err := consul.Open(a.addr, a.tokens[service], slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// instance is a service that answers /readyz by ready.
type instance struct {
	addr  string
	ready atomic.Bool
	leave func() // takes it back and waits for that
}

// announce starts an instance of service that keeps itself announced.
func (a *consulAgent) announce(t *testing.T, service string) *instance {
	t.Helper()
	i := new(instance)
	i.ready.Store(true)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !i.ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(s.Close)
	i.addr = s.Listener.Addr().String()
	client := a.as(t, service)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := client.Register(ctx, service, i.addr); err != nil {
			t.Error(err)
		}
	}()
	i.leave = func() { stop(); <-done }
	t.Cleanup(i.leave)
	return i
}

// eventually waits until find finds want, and says how long that took.
func eventually(t *testing.T, within time.Duration, find func() []string, want ...string) time.Duration {
	t.Helper()
	slices.Sort(want)
	start := time.Now()
	for {
		got := slices.Sorted(slices.Values(find()))
		if slices.Equal(got, want) {
			return time.Since(start)
		}
		if time.Since(start) > within {
			t.Fatalf("%v after %v; want %v", got, within, want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// finder asks c where service is.
func finder(t *testing.T, c *consul.Agent, service string) func() []string {
	t.Helper()
	return func() []string {
		at, err := c.Find(t.Context(), service)
		if err != nil && !errors.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		return at
	}
}

// catalog is what the agent itself says of service, sick instances as well.
func (a *consulAgent) catalog(t *testing.T, service string) func() []string {
	t.Helper()
	return func() []string {
		var list []struct{ ServiceID string }
		if err := a.call(t.Context(), http.MethodGet, "/v1/catalog/service/"+service, a.management, nil, &list); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, e := range list {
			ids = append(ids, e.ServiceID)
		}
		return ids
	}
}

// TestConsulRefusesStrangers: nobody announces a service but the holder of its
// token, and nobody sees what its token does not name.
func TestConsulRefusesStrangers(t *testing.T) {
	t.Parallel()
	a := agent(t)
	token := func(service string) string {
		secret, err := os.ReadFile(a.tokens[service])
		if err != nil {
			t.Fatal(err)
		}
		return string(secret)
	}
	register := func(token, service string) error {
		return a.call(t.Context(), http.MethodPut, "/v1/agent/service/register", token, map[string]any{"Name": service, "Address": "127.0.0.1", "Port": 1}, nil)
	}
	for _, tt := range []struct {
		who, token, service string
		want                error
	}{
		{"nobody", "", "escrow", statusError(http.StatusForbidden)},
		{"licensing", token("licensing"), "escrow", statusError(http.StatusForbidden)},
		{"a made-up token", "3f8b1b9e-0000-4000-8000-000000000000", "escrow", statusError(http.StatusForbidden)},
		{"escrow itself", token("escrow"), "escrow", nil},
	} {
		if err := register(tt.token, tt.service); !errors.Is(err, tt.want) {
			t.Errorf("%s announces %s: %v, want %v", tt.who, tt.service, err, tt.want)
		}
	}
	for service, file := range a.tokens {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o400 {
			t.Errorf("token of %s: %v, %v", service, info.Mode(), err)
		}
	}
	if err := a.call(t.Context(), http.MethodPut, "/v1/acl/bootstrap", "", nil, nil); !errors.Is(err, statusError(http.StatusForbidden)) {
		t.Errorf("bootstrapped twice: %v", err)
	}
	for who, secret := range map[string]string{"nobody": "", "escrow": token("escrow")} {
		if err := a.call(t.Context(), http.MethodGet, "/v1/acl/tokens", secret, nil, nil); !errors.Is(err, statusError(http.StatusForbidden)) {
			t.Errorf("%s lists all tokens: %v", who, err)
		}
	}
}

// TestConsulSaysWhenItHides: by this header pkg/consul tells what a token may
// not see from what is not there.
func TestConsulSaysWhenItHides(t *testing.T) {
	t.Parallel()
	a := agent(t)
	if err := a.call(t.Context(), http.MethodPut, "/v1/agent/service/register", a.management, map[string]any{"Name": "secret", "Port": 1}, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, a.catalog(t, "secret"), "secret")
	secret, err := os.ReadFile(a.tokens["escrow"])
	if err != nil {
		t.Fatal(err)
	}
	for service, want := range map[string]string{"secret": "true", "licensing": ""} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.addr+"/v1/health/service/"+service, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Consul-Token", string(secret))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if got := resp.Header.Get("X-Consul-Results-Filtered-By-ACLs"); err != nil || resp.StatusCode != http.StatusOK || string(body) != "[]" || got != want {
			t.Errorf("%s: %s %s, hidden: %q, want %q", service, resp.Status, body, got, want)
		}
	}
}

// TestConsulFollowsReadiness: an instance is found while its /readyz says so,
// and gone at once when it leaves.
func TestConsulFollowsReadiness(t *testing.T) {
	t.Parallel()
	a := agent(t)
	first, second := a.announce(t, "escrow"), a.announce(t, "escrow")
	found := finder(t, a.as(t, "portal"), "escrow")
	t.Logf("two instances found after %v", eventually(t, 15*time.Second, found, first.addr, second.addr))
	second.ready.Store(false)
	t.Logf("one that is not ready gone after %v", eventually(t, 10*time.Second, found, first.addr))
	second.ready.Store(true)
	t.Logf("ready again found after %v", eventually(t, 10*time.Second, found, first.addr, second.addr))
	second.leave()
	t.Logf("one that left gone after %v", eventually(t, 5*time.Second, found, first.addr))
	first.leave()
	eventually(t, 5*time.Second, a.catalog(t, "escrow"))
	took := eventually(t, 35*time.Second, found)
	t.Logf("that there is none believed after %v", took)
	if took < 25*time.Second {
		t.Error("emptiness believed too soon")
	}
}

// TestConsulKilled: while the agent is away, and while it comes back, nobody
// loses anybody.
func TestConsulKilled(t *testing.T) {
	t.Parallel()
	a := agent(t)
	escrow := a.announce(t, "escrow")
	found := finder(t, a.as(t, "portal"), "escrow")
	eventually(t, 15*time.Second, found, escrow.addr)
	for _, tt := range []struct {
		name   string
		forget []string // what of the agent's data is lost
	}{
		{"data kept", nil},
		{"its services lost", []string{"services", "checks"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := a.kill(); err != nil {
				t.Fatal(err)
			}
			for _, name := range tt.forget {
				if err := os.RemoveAll(filepath.Join(a.dir, "data", name)); err != nil {
					t.Fatal(err)
				}
			}
			always := func(until time.Duration) {
				for start := time.Now(); time.Since(start) < until; time.Sleep(10 * time.Millisecond) {
					if at := found(); !slices.Equal(at, []string{escrow.addr}) {
						t.Fatalf("%v, the agent was killed", at)
					}
				}
			}
			always(8 * time.Second)
			start := time.Now()
			if err := a.start(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Logf("agent leads after %v", time.Since(start))
			passing := a.passing(t, "escrow")
			for len(passing()) == 0 && time.Since(start) < 15*time.Second {
				always(50 * time.Millisecond)
			}
			eventually(t, 0, passing, "escrow@"+escrow.addr)
			t.Logf("and calls the service healthy after %v", time.Since(start))
			always(12 * time.Second)
			eventually(t, 0, a.told(t), "escrow@"+escrow.addr)
		})
	}
	second := a.announce(t, "escrow") // found by news from the new agent
	eventually(t, 15*time.Second, found, escrow.addr, second.addr)
}

// told is what has been announced to the agent itself, and not forgotten.
func (a *consulAgent) told(t *testing.T) func() []string {
	t.Helper()
	return func() []string {
		var byID map[string]any
		if err := a.call(t.Context(), http.MethodGet, "/v1/agent/services", a.management, nil, &byID); err != nil {
			t.Fatal(err)
		}
		return slices.Collect(maps.Keys(byID))
	}
}

// passing is the instances that Consul itself calls healthy.
func (a *consulAgent) passing(t *testing.T, service string) func() []string {
	t.Helper()
	return func() []string {
		var list []struct{ Service struct{ ID string } }
		if err := a.call(t.Context(), http.MethodGet, "/v1/health/service/"+service+"?passing=1", a.management, nil, &list); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, e := range list {
			ids = append(ids, e.Service.ID)
		}
		return ids
	}
}

// TestConsulLeadsPortal: portal finds those behind it, and again after a kill.
func TestConsulLeadsPortal(t *testing.T) {
	t.Parallel()
	a := agent(t)
	for _, name := range []string{"licensing", "escrow"} {
		a.announce(t, name)
	}
	p := &portal.Service{Find: a.as(t, "portal").Find, Names: []string{"licensing", "escrow"}}
	ready := func() []string {
		if p.PeersReady(t.Context()) == nil {
			return []string{"ready"}
		}
		return nil
	}
	t.Logf("portal ready after %v", eventually(t, 15*time.Second, ready, "ready"))
	if err := a.kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.PeersReady(t.Context()); err != nil {
		t.Errorf("without the agent: %v", err)
	}
	if err := a.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, 15*time.Second, ready, "ready")
}
