//go:build real

package kafka

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go" //nolint:depguard // only the name of a message

	"xunguan/pkg/event"
	"xunguan/scripts/stack"
)

// A cluster takes events while one broker of three is dead, and again after the
// only one was killed; it keeps what it acknowledged.
func TestKilled(t *testing.T) {
	for _, count := range []int{1, 3} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			ctx := t.Context()
			dir := stack.Dir(t.TempDir())
			b := brokers(t, dir, count)
			sup := stack.NewSupervisor(dir, t.Logf)
			if err := sup.Start(b.Processes()...); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(sup.Stop)
			began := time.Now()
			eventually(t, func() error { return b.Cluster().Apply(ctx) })
			t.Logf("%d brokers with topics after %s", count, time.Since(began))
			w := event.NewWriter(b.Cluster().Brokers)
			t.Cleanup(func() { _ = w.Close() })
			write := func(n int) {
				eventually(t, func() error {
					return w.WriteMessages(ctx, kafka.Message{Topic: "escrow.events", Key: []byte("k"), Value: fmt.Append(nil, n)})
				})
			}
			write(1)
			pid := sup.PID(b.Processes()[count-1].Name)
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			began = time.Now()
			write(2)
			t.Logf("written again %s after a kill -9", time.Since(began))
			r := event.NewReader(b.Cluster().Brokers, "test", "escrow.events")
			t.Cleanup(func() { _ = r.Close() })
			wait, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			for _, want := range []string{"1", "2"} {
				m, err := r.FetchMessage(wait)
				for want == "2" && err == nil && string(m.Value) == "1" { // sent twice: the first time nobody knew
					m, err = r.FetchMessage(wait)
				}
				if err != nil || string(m.Value) != want {
					t.Fatalf("got %q (%v), want %s", m.Value, err, want)
				}
			}
		})
	}
}

func brokers(t *testing.T, dir stack.Dir, count int) Brokers {
	t.Helper()
	java, err := FindJava(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	jars, err := Fetch(t.Context(), java, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = lis.Close()
	// Below the ports that the kernel gives to connections.
	b := Brokers{Jars: jars, Java: java, Dir: stack.Dir(filepath.Join(string(dir), "kafka")), Port: 20000 + lis.Addr().(*net.TCPAddr).Port%10000, Count: count}
	if err := b.Format(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// eventually calls f until it succeeds.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
