package event_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"xunguan/pkg/event"
)

// A term is a life of a consumer.
type term struct {
	reader *event.Subscription
	end    func()
}

// begin consumes until end is called.
func (w *world) begin(t *testing.T) term {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	r := event.NewReader(w.brokers, "test", topic)
	c := &event.Consumer{Name: "test", DB: w.db, Reader: r, Handle: record, Log: slog.New(slog.DiscardHandler)}
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.Run(ctx) })
	end := sync.OnceFunc(func() { stop(); wg.Wait(); _ = r.Close() })
	t.Cleanup(end)
	return term{r, end}
}

// relay publishes what was appended.
func (w *world) relay(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	writer := event.NewWriter(w.brokers)
	var wg sync.WaitGroup
	wg.Go(func() { _ = (&event.Relay{DB: w.db, Writer: writer, Log: slog.New(slog.DiscardHandler)}).Run(ctx) })
	if err := event.Drained(t.Context(), w.db); err != nil {
		t.Fatal(err)
	}
	stop()
	wg.Wait()
	_ = writer.Close()
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (w *world) count(t *testing.T, sql string) (n int) {
	t.Helper()
	if err := w.db.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// committed waits until the group is at n in the only partition.
func (w *world) committed(t *testing.T, n int64) {
	t.Helper()
	client := newClient(t, w.brokers)
	until(t, "offset", func() bool {
		got, err := client.OffsetFetch(t.Context(), &kafka.OffsetFetchRequest{GroupID: "test", Topics: map[string][]int{topic: {0}}})
		return err == nil && len(got.Topics[topic]) == 1 && got.Topics[topic][0].CommittedOffset == n
	})
}

// TestRetention: what retention took while the consumer was away is told, the key
// that misses some of it is halted, and what the owner sends again heals it.
func TestRetention(t *testing.T) {
	if os.Getenv("TEST_KAFKA_BROKERS") != "" {
		t.Skip("takes events away with kfake's own hands")
	}
	t.Parallel()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	w := newWorldAt(t, broker.ListenAddrs())
	w.append(t, "a", "1")
	w.append(t, "b", "1")
	w.relay(t)
	first := w.begin(t)
	w.handled(t, 2)
	w.committed(t, 2)
	if err := first.reader.Whole(t.Context()); err != nil {
		t.Errorf("nothing is gone, but %v", err)
	}
	first.end()

	w.append(t, "a", "2", "3")
	w.relay(t)
	if err := broker.DeleteRecords(topic, 0, 4); err != nil {
		t.Fatal(err)
	}
	w.append(t, "a", "4")
	w.append(t, "b", "2")
	w.relay(t)
	second := w.begin(t)
	if got := w.handled(t, 3); got["a"] != "1" || got["b"] != "1 2" {
		t.Errorf("handled %v", got)
	}
	until(t, "told", func() bool { return second.reader.Whole(t.Context()) != nil })
	until(t, "parked", func() bool { return w.count(t, `SELECT count(*) FROM parked`) == 1 })

	if _, err := w.db.Exec(t.Context(), `UPDATE outbox SET pub = false`); err != nil { // as Resend does
		t.Fatal(err)
	}
	w.relay(t)
	if got := w.handled(t, 6); got["a"] != "1 2 3 4" || got["b"] != "1 2" {
		t.Errorf("handled %v", got)
	}
}

// TestMadeAnew: a topic that was lost and made anew ends before where the group
// was. It is read from its beginning.
func TestMadeAnew(t *testing.T) {
	if os.Getenv("TEST_KAFKA_BROKERS") != "" {
		t.Skip("its topic is shared")
	}
	t.Parallel()
	w := newWorld(t, 1)
	w.append(t, "a", "1", "2", "3", "4", "5")
	w.relay(t)
	first := w.begin(t)
	w.handled(t, 5)
	w.committed(t, 5)
	first.end()

	client := newClient(t, w.brokers)
	if _, err := client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{topic}}); err != nil {
		t.Fatal(err)
	}
	until(t, "topic made", func() bool {
		made, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}}})
		return err == nil && made.Errors[topic] == nil
	})
	if _, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{
		GroupID: "test", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: 0, Offset: 5}}},
	}); err != nil { // deleting a topic takes its offsets along here, not everywhere
		t.Fatal(err)
	}
	w.committed(t, 5)
	w.append(t, "a", "6")
	w.relay(t)
	second := w.begin(t)
	if got := w.handled(t, 6); got["a"] != "1 2 3 4 5 6" {
		t.Errorf("handled %v", got)
	}
	if second.reader.Whole(t.Context()) == nil {
		t.Error("nobody was told")
	}
}

// TestLateOffset: an offset that jumps back, as a late commit makes it, has nothing
// applied twice.
func TestLateOffset(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.append(t, "a", "1", "2", "3")
	w.relay(t)
	first := w.begin(t)
	w.handled(t, 3)
	w.committed(t, 3)
	first.end()
	client := newClient(t, w.brokers)
	until(t, "offset set back", func() bool {
		done, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{
			GroupID: "test", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: 0, Offset: 1}}},
		})
		return err == nil && done.Topics[topic][0].Error == nil
	})
	w.committed(t, 1)
	w.append(t, "a", "4")
	w.relay(t)
	w.begin(t)
	if got := w.handled(t, 4); got["a"] != "1 2 3 4" {
		t.Errorf("handled %v", got)
	}
	w.committed(t, 4)
}

// TestLarge: an event too large for Kafka is refused when it is appended, and many
// that are as large as may be reach the broker.
func TestLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	err := pgx.BeginFunc(t.Context(), w.db, func(tx pgx.Tx) error {
		return event.Append(t.Context(), tx, topic, "a", wrapperspb.String(strings.Repeat("x", 256<<10)))
	})
	if err == nil {
		t.Error("an event of more than 256 KiB was appended")
	}
	for range 12 {
		w.append(t, "a", strings.Repeat("x", 250<<10))
	}
	w.relay(t)
	w.begin(t)
	until(t, "all read", func() bool { return w.count(t, `SELECT count(*) FROM inbox`) == 12 })
}
