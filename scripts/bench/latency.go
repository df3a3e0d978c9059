package main

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/segmentio/kafka-go" //nolint:depguard // only the name of a message, to see when a batch is applied
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/event"
	"xunguan/pkg/pg"
	escrowv1 "xunguan/proto/escrow/v1"
	"xunguan/scripts/stack"
)

const (
	perSecond  = 500   // events
	backlog    = 20000 // events to drain
	committers = 32    // commits under way at most
	partitions = 6     // as the suite's topics have
	topic      = "bench.events"
	bareTopic  = "bench.bare"
)

//go:embed migrations/*.sql
var migrations embed.FS

// latency is an event's way from end to end, by package event, with a database of
// its own on the suite's server and topics of its own on a broker.
type latency struct {
	key     string // of its figures, and its database's name
	engine  string // the broker's name
	length  time.Duration
	db      *pgxpool.Pool // as large as a service's
	commits *pgxpool.Pool // of those who commit
	brokers []string
	bare    *kgo.Client // waits for nothing
	applied *applied
	fetched chan struct{} // one for each record that bare fetched
	data    []byte        // of one event
	n       int           // events so far
}

// openLatency makes database and topics and starts the consumers. The measurement
// ends with ctx, or with end.
func openLatency(ctx context.Context, key, engine string, brokers []string, length time.Duration, s *suite) (l *latency, end func(), err error) {
	l = &latency{key: key, engine: engine, length: length, brokers: brokers, fetched: make(chan struct{})}
	_, m := fact(0)
	if l.data, err = proto.Marshal(m); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	end = func() {
		cancel()
		wait.Wait()
		for _, db := range []*pgxpool.Pool{l.db, l.commits} {
			if db != nil {
				db.Close()
			}
		}
		if l.bare != nil {
			l.bare.Close()
		}
	}
	if err := errors.Join(l.database(ctx, s), l.topics(ctx)); err != nil {
		end()
		return nil, nil, err
	}
	reader := event.NewReader(l.brokers, "bench", topic)
	l.applied = &applied{Reader: reader}
	mux := event.Mux{}
	event.On(mux, l.applied.handle)
	wait.Go(func() {
		_ = (&event.Consumer{Name: "bench", DB: l.db, Reader: l.applied, Handle: mux.Handle, Log: slog.Default()}).Run(ctx) // ends with ctx
		_ = reader.Close()
	})
	wait.Go(func() {
		for ctx.Err() == nil {
			l.bare.PollFetches(ctx).EachRecord(func(*kgo.Record) {
				select {
				case l.fetched <- struct{}{}:
				case <-ctx.Done():
				}
			})
		}
	})
	return l, end, nil
}

func (l *latency) database(ctx context.Context, s *suite) error {
	server, err := s.process("postgresql")
	if err != nil {
		return err
	}
	d := stack.Database{Name: "bench_" + l.key, Password: rand.Text()}
	if err := stack.Provision(ctx, server.Database, "xunguan bench", d); err != nil {
		return err
	}
	url, err := d.URL(server.Database)
	if err != nil {
		return err
	}
	if l.db, err = pg.Open(ctx, url); err != nil {
		return err
	}
	if l.commits, err = pg.Open(ctx, fmt.Sprintf("%s&pool_max_conns=%d&pool_min_conns=%d", url, committers, committers)); err != nil {
		return err
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return pg.Migrate(ctx, l.db, dir)
}

func (l *latency) topics(ctx context.Context) (err error) {
	l.bare, err = kgo.NewClient(kgo.SeedBrokers(l.brokers...), kgo.ConsumeTopics(bareTopic), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10_000
	for _, name := range []string{topic, bareTopic} {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, 1
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, l.bare)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		err = errors.Join(err, kerr.ErrorForCode(t.ErrorCode))
	}
	return err
}

// arrivals is when each event arrived, by number.
type arrivals struct {
	mu sync.Mutex
	at map[int]time.Time
}

func (a *arrivals) note(numbers ...int) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at == nil {
		a.at = make(map[int]time.Time)
	}
	for _, n := range numbers {
		a.at[n] = now
	}
}

// wait returns when each of n events from first on arrived, once all have.
func (a *arrivals) wait(ctx context.Context, first, n int) ([]time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var all []time.Time
	for len(all) < n {
		a.mu.Lock()
		at, ok := a.at[first+len(all)]
		a.mu.Unlock()
		if ok {
			all = append(all, at)
			continue
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%d 个事件只到了 %d 个:%w", n, len(all), ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return all, nil
}

// applied notes when events are applied: a Consumer commits the offsets of a batch
// as soon as its transaction is committed.
type applied struct {
	event.Reader
	arrivals
	pending []int // handled, not yet committed; the Consumer's goroutine alone has it
}

func (a *applied) handle(ctx context.Context, tx pgx.Tx, key string, e *escrowv1.LessonConfirmed) error {
	a.pending = append(a.pending, int(e.GetLesson()))
	_, err := tx.Exec(ctx, `INSERT INTO applied (contract, lesson) VALUES ($1, $2)`, key, e.GetLesson())
	return err
}

// CommitMessages implements event.Reader.
func (a *applied) CommitMessages(ctx context.Context, m ...kafka.Message) error {
	a.note(a.pending...)
	a.pending = a.pending[:0]
	return a.Reader.CommitMessages(ctx, m...)
}

// relay publishes until stop is called.
func (l *latency) relay(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	w := event.NewWriter(l.brokers)
	var wait sync.WaitGroup
	wait.Go(func() { _ = (&event.Relay{DB: l.db, Writer: w, Log: slog.Default()}).Run(ctx) }) // ends with ctx
	return func() { cancel(); wait.Wait(); _ = w.Close() }
}

// fact is event n, of one of 1000 contracts.
func fact(n int) (key string, m *escrowv1.LessonConfirmed) {
	key = fmt.Sprintf("0199e000-0000-7000-8000-%012d", n%1000)
	return key, &escrowv1.LessonConfirmed{Lesson: int32(n), Contract: &escrowv1.Contract{ //nolint:gosec // a few 100,000
		Id: key, InstitutionId: "0199e000-0000-7000-8000-000000000000", Jurisdiction: "320508", State: "PAID", Course: "少儿美术(启蒙班)",
		Lessons: 48, FirstLesson: "2026-03-01", LastLesson: "2026-05-15", PriceFen: 480000, PaidFen: 480000, ReleasedFen: 10000,
	}}
}

// run measures once: the way, its two floors, and the drain.
func (l *latency) run(ctx context.Context, r *report) error {
	for _, f := range []func(context.Context, *report) error{l.way, l.bareCommit, l.bareBroker, l.drain} {
		if err := f(ctx, r); err != nil {
			return err
		}
	}
	r.ratio(l.key+".ratio", l.engine+":事件 p99 ÷(裸提交 p99 + 裸收发 p99)", []string{l.key + ".p99"}, []string{l.key + ".commit.p99", l.key + ".broker.p99"})
	return nil
}

// way commits events at the fixed rate and waits until all are applied.
func (l *latency) way(ctx context.Context, r *report) error {
	say("%s:每秒 %d 个事件", l.engine, perSecond)
	defer l.relay(ctx)()
	err := l.commit(ctx, l.n) // once it is applied, the consumer has its partitions
	if _, werr := l.applied.wait(ctx, l.n, 1); err != nil || werr != nil {
		return errors.Join(err, werr)
	}
	first := l.n + 1
	due, done, err := paced(ctx, perSecond, committers, l.length, func(ctx context.Context, i int) error { return l.commit(ctx, first+i) })
	if err != nil {
		return err
	}
	l.n = first + len(due)
	at, err := l.applied.wait(ctx, first, len(due))
	if err != nil {
		return err
	}
	whole := between(due, at)
	name := fmt.Sprintf("%s,事件 %d/s:该提交 → 已生效 ", l.engine, perSecond)
	r.add(l.key+".p50", name+"p50", "ms", quantile(whole, 0.5))
	r.add(l.key+".p99", name+"p99", "ms", quantile(whole, 0.99))
	r.add(l.key+".max", name+"最大", "ms", quantile(whole, 1))
	r.add(l.key+".after.p99", "  其中提交返回之后 p99", "ms", quantile(between(done, at), 0.99))
	return nil
}

// commit is one use case: a transaction that appends event n.
func (l *latency) commit(ctx context.Context, n int) error {
	_, err := pg.InTx(ctx, l.commits, func(tx pgx.Tx) (struct{}, error) {
		key, m := fact(n)
		return struct{}{}, event.Append(ctx, tx, topic, key, m)
	})
	return err
}

// bareCommit is what PostgreSQL alone takes to make a row of that size durable, one
// after the other.
func (l *latency) bareCommit(ctx context.Context, r *report) error {
	_, took, err := closed(ctx, 1, l.length/2, func(ctx context.Context, _ int) error {
		_, err := l.commits.Exec(ctx, `INSERT INTO bare (data) VALUES ($1)`, l.data)
		return err
	})
	r.add(l.key+".commit.p99", "  裸提交(一行,逐个)p99", "ms", quantile(took, 0.99))
	return err
}

// bareBroker is what the broker alone takes from produce to fetch, one after the
// other.
func (l *latency) bareBroker(ctx context.Context, r *report) error {
	_, took, err := closed(ctx, 1, l.length/2, func(ctx context.Context, _ int) error {
		if err := l.bare.ProduceSync(ctx, &kgo.Record{Topic: bareTopic, Value: l.data}).FirstErr(); err != nil {
			return err
		}
		select {
		case <-l.fetched:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	r.add(l.key+".broker.p99", "  裸收发(一条,逐个)p99", "ms", quantile(took, 0.99))
	return err
}

// drain fills the outbox while nobody relays, and then lets it empty.
func (l *latency) drain(ctx context.Context, r *report) error {
	say("%s:积压 %d 个事件,再放行", l.engine, backlog)
	first := l.n
	l.n += backlog
	_, err := pg.InTx(ctx, l.commits, func(tx pgx.Tx) (_ struct{}, err error) {
		for n := first; n < l.n && err == nil; n++ {
			key, m := fact(n)
			err = event.Append(ctx, tx, topic, key, m)
		}
		return struct{}{}, err
	})
	if err != nil {
		return err
	}
	began := time.Now()
	defer l.relay(ctx)()
	at, err := l.applied.wait(ctx, first, backlog)
	if err != nil {
		return err
	}
	took := slices.MaxFunc(at, time.Time.Compare).Sub(began)
	r.add(l.key+".drain", fmt.Sprintf("%s,积压 %d 个事件排空", l.engine, backlog), "个/s", backlog/took.Seconds())
	return nil
}
