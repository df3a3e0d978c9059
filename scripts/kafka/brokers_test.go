//go:build real

package kafka

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
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
			var got []string
			eventually(t, func() error { // a group that is still being loaded is asked again, as a subscription does
				for len(got) == 0 || got[len(got)-1] != "2" {
					m, err := r.FetchMessage(ctx)
					if err != nil {
						return err
					}
					got = append(got, string(m.Value))
				}
				return nil
			})
			if got[0] != "1" || !slices.IsSorted(got) { // one may be there twice: the first time nobody knew
				t.Errorf("got %v, want 1 and 2", got)
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
