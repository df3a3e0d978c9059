package portal

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"xunguan/pkg/peer"
)

// TestReady is what portal waits for at its start, once: its peers, and as many
// institutions as licensing has.
func TestReady(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	var ready atomic.Bool
	licensing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/summary":
			_, _ = w.Write([]byte(`{"institutions":2}`))
		case !ready.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer licensing.Close()
	s.Find = peer.Static(map[string]string{"licensing": licensing.Listener.Addr().String()})
	s.Peers, s.Names = peer.Client(s.Find), []string{"licensing", "escrow"}
	peers, caught := Held(s.PeersReady), Held(s.CaughtUp)
	want := func(f func(context.Context) error, ok bool, when string) {
		t.Helper()
		if err := f(t.Context()); (err == nil) != ok {
			t.Errorf("%s: %v", when, err)
		}
	}
	want(peers, false, "licensing not ready, escrow unknown")
	ready.Store(true)
	want(peers, false, "escrow unknown")
	s.Names = []string{"licensing"}
	want(peers, true, "all ready")
	ready.Store(false)
	want(peers, true, "held once")
	want(s.PeersReady, false, "as it is now")
	want(caught, false, "no institution yet")
	s.open(school("a", "甲"))
	want(caught, false, "one of two")
	s.open(school("b", "乙"))
	want(caught, true, "both")
	licensing.Close()
	want(caught, true, "held once")
	want(s.CaughtUp, false, "licensing is away")
}

// TestPeersReadyByAnyInstance: Consul may still name one that has just died.
func TestPeersReadyByAnyInstance(t *testing.T) {
	t.Parallel()
	live := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer live.Close()
	dead := httptest.NewServer(nil)
	dead.Close()
	for _, tt := range []struct {
		at []string
		ok bool
	}{
		{[]string{dead.Listener.Addr().String(), live.Listener.Addr().String()}, true},
		{[]string{dead.Listener.Addr().String()}, false},
		{nil, false},
	} {
		s := &Service{Names: []string{"escrow"}, Find: func(context.Context, string) ([]string, error) { return tt.at, nil }}
		if err := s.PeersReady(t.Context()); (err == nil) != tt.ok {
			t.Errorf("%v: %v", tt.at, err)
		}
	}
}
