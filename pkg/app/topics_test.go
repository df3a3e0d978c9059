package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"xunguan/pkg/event"
)

// broker is one on what data holds.
func broker(t *testing.T, data string, port int) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(kfake.Ports(port), kfake.NumBrokers(1), kfake.DataDir(data))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// A service starts without its broker, and runs on once the broker has come with
// the topics as declared; a wrong cluster stops it.
func TestTopics(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]bool{"as declared": false, "wrong": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lis, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := lis.Addr().(*net.TCPAddr)
			_ = lis.Close()
			a := &App{Name: "test", Log: slog.New(slog.DiscardHandler)}
			cluster := event.Cluster{Brokers: []string{addr.String()}, Copies: 1}
			if err := a.Topics(t.Context(), cluster); err != nil {
				t.Fatalf("without a broker: %v", err)
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			ended := make(chan error, 1)
			go func() { ended <- a.workers[0].run() }()
			if a.ready.checks[0].f(ctx) == nil || a.ready.checks[0].needed {
				t.Error("the topics count as checked, or as needed")
			}
			data := t.TempDir()
			if !wrong {
				first := broker(t, data, 0)
				if err := (event.Cluster{Brokers: first.ListenAddrs(), Copies: 1}).Apply(ctx); err != nil {
					t.Fatal(err)
				}
				first.Close()
			}
			broker(t, data, addr.Port)
			if wrong {
				select {
				case err := <-ended:
					if !errors.Is(err, event.ErrTopics) || !strings.Contains(err.Error(), "escrow.events does not exist") {
						t.Errorf("a broker without topics came: %v", err)
					}
				case <-time.After(time.Minute):
					t.Error("a broker without topics came, and the service runs on")
				}
				return
			}
			for deadline := time.Now().Add(20 * time.Second); a.ready.checks[0].f(ctx) != nil; time.Sleep(10 * time.Millisecond) {
				select {
				case err := <-ended:
					t.Fatalf("stopped: %v", err)
				default:
				}
				if time.Now().After(deadline) {
					t.Fatal("the topics are not checked")
				}
			}
			a.workers[0].stop(nil)
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTopicsRefuses(t *testing.T) {
	t.Parallel()
	a := &App{Name: "test", Log: slog.New(slog.DiscardHandler)}
	err := a.Topics(t.Context(), event.Cluster{Brokers: broker(t, t.TempDir(), 0).ListenAddrs(), Copies: 1})
	if !errors.Is(err, event.ErrTopics) || len(a.workers) > 0 {
		t.Errorf("a broker without topics: %v", err)
	}
}
