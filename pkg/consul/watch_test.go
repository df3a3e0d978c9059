package consul

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"xunguan/pkg/fault"
)

// watching starts a watch of escrow at a fake that has a and b. want checks what
// is found after some time.
func watching(t *testing.T) (f *fake, want func(after time.Duration, hosts ...string)) {
	t.Helper()
	f = new(fake)
	f.has(7, "a", "b")
	agent := f.open(t, "")
	want = func(after time.Duration, hosts ...string) {
		t.Helper()
		time.Sleep(after)
		at, err := agent.Find(t.Context(), "escrow")
		var found []string
		for _, addr := range at {
			found = append(found, addr[:len(addr)-len(":80")])
		}
		if !slices.Equal(found, hosts) || errors.Is(err, fault.Unavailable) != (hosts == nil) {
			t.Fatalf("found %v, %v; want %v", found, err, hosts)
		}
	}
	want(0, "a", "b")
	return f, want
}

func TestWatchFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, want := watching(t)
		f.has(8, "a", "b", "c")
		want(time.Second, "a", "b", "c")
		f.has(9, "c")
		want(time.Second, "c")
		want(time.Hour, "c")
	})
}

// TestWatchIndexBackwards: Consul lost its state, and is asked as if anew.
func TestWatchIndexBackwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, want := watching(t)
		f.has(3, "b")
		want(2*time.Second, "b")
		f.has(4, "c")
		want(2*time.Second, "c")
		var indexes []string
		for _, r := range f.asked() {
			indexes = append(indexes, r.URL.Query().Get("index"))
		}
		if !slices.Equal(indexes, []string{"", "7", "", "3", "4"}) {
			t.Errorf("asked with %q", indexes)
		}
	})
}

// TestWatchIndexZero: such a query does not block, and must not become a hot loop.
func TestWatchIndexZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, want := watching(t)
		f.has(0, "e")
		want(2*time.Second, "e")
		f.asked()
		want(time.Minute, "e")
		if n := len(f.asked()); n < 50 || n > 60+burst {
			t.Errorf("%d queries in a minute", n)
		}
		f.has(0, "f")
		want(2*time.Second, "f")
	})
}

// TestWatchBackwardsAfterRestart: an agent that comes back with a lower index is
// asked without one, and not for a minute with the old.
func TestWatchBackwardsAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, want := watching(t)
		f.change(func(f *fake) { f.down = true })
		want(time.Second, "a", "b")
		f.has(7, "c")
		want(5*time.Second, "c")
	})
}

func TestWatchKeepsTheLastListTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, want := watching(t)
		f.change(func(f *fake) { f.down = true })
		want(9*time.Minute+59*time.Second, "a", "b")
		if n := len(f.asked()); n > 70 {
			t.Errorf("an agent that fails was asked %d times", n)
		}
		want(time.Second)
		f.has(9, "c")
		want(most+time.Second, "c")
	})
}

// TestWatchQuietIsNotOld: a list that does not change is confirmed by each query.
func TestWatchQuietIsNotOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, want := watching(t)
		want(time.Hour, "a", "b")
		f.change(func(f *fake) { f.down = true })
		want(8*time.Minute, "a", "b")
	})
}

func TestWatchDoubtsEmptyThirtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, want := watching(t)
		f.has(8)
		want(29*time.Second, "a", "b")
		f.has(9, "b") // it was a restart
		want(2*time.Second, "b")
		want(time.Minute, "b")
		f.has(10)
		want(29*time.Second, "b")
		f.has(11)
		want(2 * time.Second) // said twice, the second time does not start it anew
		f.has(12, "d")
		want(2*time.Second, "d")
	})
}

// TestWatchEmptyThenError: after an error nobody says any more that there is none.
func TestWatchEmptyThenError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, want := watching(t)
		f.has(8)
		want(20*time.Second, "a", "b")
		f.change(func(f *fake) { f.down = true })
		want(5*time.Minute, "a", "b")
		want(6 * time.Minute)
	})
}

// TestWatchHiddenIsNotEmpty: Consul answers a token that may not see a service
// with an empty list and 200.
func TestWatchHiddenIsNotEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, want := watching(t)
		f.change(func(f *fake) { f.hidden, f.index = true, 8 })
		want(9*time.Minute, "a", "b")
	})
}

func TestWatchWithoutAnAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{down: true}
		start := time.Now()
		if at, err := f.open(t, "").Find(t.Context(), "escrow"); !errors.Is(err, fault.Unavailable) || time.Since(start) > 0 {
			t.Errorf("%v, %v after %v; want an error at once", at, err, time.Since(start))
		}
	})
}

func TestFindEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{hung: true}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := f.open(t, "").Find(ctx, "escrow"); !errors.Is(err, fault.Unavailable) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// TestFindBracketsIPv6: peers dial what Find returns.
func TestFindBracketsIPv6(t *testing.T) {
	f := new(fake)
	f.has(1, "fd00::1")
	at, err := f.open(t, "").Find(t.Context(), "escrow")
	if err != nil || !slices.Equal(at, []string{"[fd00::1]:80"}) {
		t.Errorf("%v, %v", at, err)
	}
}

// TestOneQueryForAll: a call asks Consul nothing, and makes no connection to it;
// Close ends the query at once.
func TestOneQueryForAll(t *testing.T) {
	var queries, connections atomic.Int32
	waits, gone := make(chan struct{}), make(chan struct{})
	agent := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Consul-Index", "5")
		if queries.Add(1) > 1 {
			close(waits)
			<-r.Context().Done()
			close(gone)
			return
		}
		_, _ = w.Write([]byte(`[{"Node":{"Address":"a"},"Service":{"Port":80}}]`))
	}))
	agent.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	agent.Start()
	defer agent.Close()
	a, err := Open(agent.Listener.Addr().String(), "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, err := a.Find(t.Context(), "escrow"); err != nil {
			t.Fatal(err)
		}
	}
	if n := queries.Load(); n > 2 {
		t.Errorf("%d queries for 1000 calls", n)
	}
	if n := connections.Load(); n > 2 { // the second query may not wait for the first's to be free
		t.Errorf("%d connections for one watch", n)
	}
	<-waits
	_ = a.Close()
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Error("the blocking query outlives Close")
	}
	if _, err := a.Find(t.Context(), "licensing"); err == nil {
		t.Error("found after Close")
	}
}
