package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"xunguan/pkg/event"
	"xunguan/pkg/pg/pgtest"
)

// TestMain is also the broker that the test kills.
func TestMain(m *testing.M) {
	if os.Getenv("BROKER_DATA") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

const topic = "escrow.events"

// broker is a broker as a process, on a port and a folder that outlast it.
type broker struct {
	port, data string
	cmd        *exec.Cmd
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(lis.Addr().(*net.TCPAddr).Port)
	_ = lis.Close()
	b := &broker{port: port, data: t.TempDir()}
	b.start(t)
	t.Cleanup(func() { _ = b.end(syscall.SIGKILL) })
	return b
}

// start returns when the broker answers, and has the topics.
func (b *broker) start(t *testing.T) {
	t.Helper()
	b.cmd = exec.CommandContext(context.Background(), os.Args[0]) //nolint:gosec // it outlives the test's context
	b.cmd.Env = append(os.Environ(), "BROKER_PORT="+b.port, "BROKER_DATA="+b.data)
	b.cmd.Stderr = os.Stderr
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cluster := event.Cluster{Brokers: []string{b.addr()}, Copies: 1}
	for deadline := time.Now().Add(20 * time.Second); cluster.Check(t.Context()) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the broker does not answer")
		}
	}
}

func (b *broker) addr() string { return "127.0.0.1:" + b.port }

// end ends the broker by sig and returns how it ended.
func (b *broker) end(sig syscall.Signal) error {
	_ = b.cmd.Process.Signal(sig)
	return b.cmd.Wait()
}

// service is a service's two ends of its events: its outbox and its consumer.
type service struct {
	db *pgxpool.Pool
}

func newService(t *testing.T) service {
	t.Helper()
	return service{pgtest.New(t, fstest.MapFS{"0001_handled.sql": {Data: []byte(`-- +goose Up
		CREATE TABLE handled (n bigint GENERATED ALWAYS AS IDENTITY, key text, value text);`)}})}
}

// append records facts from..to-1, spread over 8 keys.
func (s service) append(t *testing.T, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		err := pgx.BeginFunc(t.Context(), s.db, func(tx pgx.Tx) error {
			return event.Append(t.Context(), tx, topic, fmt.Sprint("contract", i%8), wrapperspb.String(fmt.Sprint(i)))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// run relays (if asked to) and consumes until end is called.
func (s service) run(t *testing.T, b *broker, relay bool) (end func()) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	log := slog.New(slog.DiscardHandler)
	brokers := []string{b.addr()}
	writer, reader := event.NewWriter(brokers), event.NewReader(brokers, "escrow", topic)
	var wg sync.WaitGroup
	if relay {
		wg.Go(func() { _ = (&event.Relay{DB: s.db, Writer: writer, Log: log}).Run(ctx) })
	}
	consumer := &event.Consumer{Name: "escrow", DB: s.db, Reader: reader, Log: log, Handle: func(ctx context.Context, tx pgx.Tx, m event.Message) error {
		_, err := tx.Exec(ctx, `INSERT INTO handled (key, value) VALUES ($1, $2)`, m.Key, string(m.Data[2:]))
		return err
	}}
	wg.Go(func() { _ = consumer.Run(ctx) })
	return func() { stop(); wg.Wait(); _ = writer.Close(); _ = reader.Close() }
}

// handled waits for n events and returns each key's values in order.
func (s service) handled(t *testing.T, n int) map[string]string {
	t.Helper()
	var count int
	for deadline := time.Now().Add(90 * time.Second); count < n; time.Sleep(20 * time.Millisecond) {
		if err := s.db.QueryRow(t.Context(), `SELECT count(*) FROM handled`).Scan(&count); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d events handled, want %d", count, n)
		}
	}
	rows, err := s.db.Query(t.Context(), `SELECT key, string_agg(value, ' ' ORDER BY n) FROM handled GROUP BY key`)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	var k, v string
	if _, err := pgx.ForEachRow(rows, []any{&k, &v}, func() error { got[k] = v; return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

// wantInOrder checks that each key got its own of the facts 0..n-1, in order, once.
func wantInOrder(t *testing.T, got map[string]string, n int) {
	t.Helper()
	want := make(map[string][]string)
	for i := range n {
		key := fmt.Sprint("contract", i%8)
		want[key] = append(want[key], fmt.Sprint(i))
	}
	for key, values := range want {
		if got[key] != strings.Join(values, " ") {
			t.Errorf("%s: got %s, want %s", key, got[key], strings.Join(values, " "))
		}
	}
}

// A kill -9 in the middle of the stream loses nothing, repeats nothing and keeps
// each key's order.
func TestKilled(t *testing.T) {
	t.Parallel()
	b, s := newBroker(t), newService(t)
	end := s.run(t, b, true)
	defer end()
	s.append(t, 0, 40)
	s.handled(t, 40)
	s.append(t, 40, 80) // under way as the broker dies
	_ = b.end(syscall.SIGKILL)
	s.append(t, 80, 120) // while it is away
	b.start(t)
	began := time.Now()
	wantInOrder(t, s.handled(t, 120), 120)
	t.Logf("all applied %s after the restart", time.Since(began))
}

// Events and consumers' offsets outlast the process, ended in order or not.
func TestKeeps(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]syscall.Signal{"stopped": syscall.SIGTERM, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := newBroker(t), newService(t)
			end := s.run(t, b, true)
			s.append(t, 0, 20)
			s.handled(t, 20)
			end()
			if err := b.end(sig); sig == syscall.SIGTERM && err != nil {
				t.Errorf("a stop in order: %v", err)
			}
			b.start(t)

			// A consumer without an inbox knows only what the broker remembers.
			blank := newService(t)
			endBlank := blank.run(t, b, false)
			defer endBlank()
			endRelay := s.run(t, b, true)
			defer endRelay()
			s.append(t, 20, 28)
			total := func() int { return len(blank.values(t)) + len(s.values(t)) - 20 }
			for deadline := time.Now().Add(60 * time.Second); total() < 8; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%d of 8 events after the restart", total())
				}
			}
			for _, v := range blank.values(t) {
				if n, _ := strconv.Atoi(v); n < 20 {
					t.Errorf("event %d came again: its offset was lost", n)
				}
			}
		})
	}
}

// values are what s has handled.
func (s service) values(t *testing.T) []string {
	t.Helper()
	rows, err := s.db.Query(t.Context(), `SELECT value FROM handled`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}
