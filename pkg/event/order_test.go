package event_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"

	"xunguan/pkg/event"
	"xunguan/pkg/event/eventtest"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg/pgtest"
)

// stage is a database, and a consumer that reads scripts.
type stage struct {
	db       *pgxpool.Pool
	handle   event.Handle
	concerns func(event.Message) bool
}

func newStage(t testing.TB) *stage {
	t.Helper()
	return &stage{handle: record, db: pgtest.New(t, fstest.MapFS{"0001_handled.sql": {Data: []byte(`-- +goose Up
		CREATE TABLE handled (n bigint GENERATED ALWAYS AS IDENTITY, key text, value text);`)}})}
}

// play has a new consumer, as after a restart, read all of it.
func (s *stage) play(t rapid.TB, all ...kafka.Message) *event.Consumer {
	t.Helper()
	c := &event.Consumer{Name: "test", DB: s.db, Handle: s.handle, Concerns: s.concerns, Log: slog.New(slog.DiscardHandler)}
	eventtest.Read(t, c, all...)
	return c
}

// fact is the event of key with version, which is its value too.
func fact(key string, version int) kafka.Message {
	return kafka.Message{
		Topic: topic, Key: []byte(key), Value: append([]byte{10, 3}, fmt.Sprintf("%03d", version)...),
		Headers: []kafka.Header{
			{Key: "id", Value: fmt.Appendf(nil, "%s/%d", key, version)},
			{Key: "type", Value: []byte("google.protobuf.StringValue")},
			{Key: "version", Value: fmt.Append(nil, version)},
		},
	}
}

func facts(key string, versions ...int) (all []kafka.Message) {
	for _, v := range versions {
		all = append(all, fact(key, v))
	}
	return all
}

// of is the versions of key that had their effect, in order, and those parked.
func (s *stage) of(t rapid.TB, key string) (done, parked []int) {
	t.Helper()
	err := s.db.QueryRow(context.Background(), `SELECT coalesce((SELECT array_agg(value::int ORDER BY n) FROM handled WHERE key = $1), '{}'),
		coalesce((SELECT array_agg(version ORDER BY version) FROM parked WHERE key = $1), '{}')`, key).Scan(&done, &parked)
	if err != nil {
		t.Fatal(err)
	}
	return done, parked
}

func (s *stage) want(t *testing.T, key string, done, parked []int) {
	t.Helper()
	gotDone, gotParked := s.of(t, key)
	if diff := cmp.Diff([][]int{done, parked}, [][]int{gotDone, gotParked}); diff != "" {
		t.Errorf("done and parked: %s", diff)
	}
}

func (s *stage) halted(t *testing.T) []event.Halted {
	t.Helper()
	var all []event.Halted
	if err := pgx.BeginFunc(t.Context(), s.db, func(tx pgx.Tx) (err error) {
		all, err = event.ListHalted(t.Context(), tx, 10)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestAppendCounts: each key's events are counted from 1 in the order of their
// commits, also by twenty who append without a lock of their own.
func TestAppendCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for _, key := range []string{"a", "b"} {
				w.append(t, key, "x", "y")
			}
		})
	}
	all.Wait()
	w.append(t, "a", "last")
	for key, n := range map[string]int{"a": 41, "b": 40} {
		var versions []int
		if err := w.db.QueryRow(t.Context(), `SELECT array_agg(version ORDER BY id) FROM outbox WHERE key = $1`, key).Scan(&versions); err != nil {
			t.Fatal(err)
		}
		want := make([]int, n)
		for i := range want {
			want[i] = i + 1
		}
		if !slices.Equal(versions, want) {
			t.Errorf("%s: versions %v", key, versions)
		}
	}
}

// TestGap: what is early waits for what is missing, over a restart too, and other
// keys go on. When the missing one comes, all that follows it takes effect.
func TestGap(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.play(t, slices.Concat(facts("a", 7, 8, 10, 11), facts("b", 1), facts("a", 14))...)
	s.want(t, "a", []int{7, 8}, []int{10, 11, 14})
	s.play(t, slices.Concat(facts("a", 12), facts("b", 2))...)
	s.want(t, "a", []int{7, 8}, []int{10, 11, 12, 14})
	s.want(t, "b", []int{1, 2}, []int{})
	if h := s.halted(t); len(h) != 1 || h[0].Last != 8 || h[0].Version != 10 || h[0].Count != 4 || h[0].Error != "" {
		t.Errorf("halted %+v", h)
	}
	s.play(t, facts("a", 9)...)
	s.want(t, "a", []int{7, 8, 9, 10, 11, 12}, []int{14})
	s.play(t, facts("a", 8, 9, 13, 15)...)
	s.want(t, "a", []int{7, 8, 9, 10, 11, 12, 13, 14, 15}, []int{})
}

// TestGapGivenUp: what is missing may be given up by a release; if it comes after
// all, it is too late.
func TestGapGivenUp(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	c := s.play(t, facts("a", 1, 3, 4, 6)...)
	err := pgx.BeginFunc(t.Context(), s.db, func(tx pgx.Tx) error {
		n, err := c.Release(t.Context(), tx, topic, "a")
		if n != 3 {
			t.Errorf("%d released", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.play(t, facts("a", 2, 5, 7)...)
	s.want(t, "a", []int{1, 3, 4, 6, 7}, []int{})
}

// TestUncounted: events from before there were versions are applied as they come,
// and wait behind poison as others do.
func TestUncounted(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	old := func(n int) kafka.Message {
		k := fact("a", n)
		k.Headers = slices.DeleteFunc(k.Headers, func(h kafka.Header) bool { return h.Key == "version" })
		k.Headers[0].Value = fmt.Appendf(nil, "old/%d", n)
		return k
	}
	sick := true
	s.handle = func(ctx context.Context, tx pgx.Tx, m event.Message) error {
		if value(m) == "902" && sick {
			return errors.New("poison")
		}
		return record(ctx, tx, m)
	}
	c := s.play(t, old(901), old(902), old(903), fact("a", 1), fact("a", 2))
	s.want(t, "a", []int{901}, []int{0, 0, 1, 2})
	sick = false
	if err := pgx.BeginFunc(t.Context(), s.db, func(tx pgx.Tx) error { _, err := c.Release(t.Context(), tx, topic, "a"); return err }); err != nil {
		t.Fatal(err)
	}
	s.play(t, fact("a", 2), fact("a", 3), old(904))
	s.want(t, "a", []int{901, 902, 903, 1, 2, 3, 904}, []int{})
}

// TestPassedOver: of events that do not concern it a consumer keeps no note, and its
// place in their key goes on, whoever of twenty is slow; one before which another is
// missing waits.
func TestPassedOver(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.concerns = func(event.Message) bool { return false }
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() { s.play(t, facts("a", []int{1, 2, 3, 4, 5, 6, 7, 8}[:3+n%6]...)...) })
	}
	all.Wait()
	s.play(t, facts("b", 1, 3, 3, 4)...)
	state := func() (got [4]int) {
		err := s.db.QueryRow(t.Context(), `SELECT (SELECT last FROM progress WHERE key = 'a'), (SELECT last FROM progress WHERE key = 'b'),
			(SELECT count(*) FROM inbox), (SELECT count(*) FROM parked)`).Scan(&got[0], &got[1], &got[2], &got[3])
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got, want := state(), [4]int{8, 1, 2, 2}; got != want {
		t.Errorf("a is at %d, b at %d, %d noted, %d parked, want %v", got[0], got[1], got[2], got[3], want)
	}
	s.play(t, facts("b", 2, 2)...)
	if got, want := state(), [4]int{8, 4, 3, 0}; got != want {
		t.Errorf("then a is at %d, b at %d, %d noted, %d parked, want %v", got[0], got[1], got[2], got[3], want)
	}
	s.want(t, "a", []int{}, []int{})
}

// TestOrder drops, repeats and reorders the events of a key, makes some of them poison
// for a while, and some none of the consumer's concern: whatever comes how, the effects of a key are in order
// and without a hole, each once; and once all has come and is well, none is missing.
func TestOrder(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var mu sync.Mutex
	sick, dull := map[string]bool{}, map[string]bool{}
	s.concerns = func(m event.Message) bool { mu.Lock(); defer mu.Unlock(); return !dull[m.ID] }
	s.handle = func(ctx context.Context, tx pgx.Tx, m event.Message) error {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case dull[m.ID]:
			return nil
		case sick[m.ID]:
			return errors.New("poison")
		}
		return record(ctx, tx, m)
	}
	example := 0
	rapid.Check(t, func(t *rapid.T) {
		example++
		key := fmt.Sprint("k", example)
		n := rapid.IntRange(2, 12).Draw(t, "events")
		rest := make([]int, n-1)
		for i := range rest {
			rest[i] = i + 2
		}
		came := append([]int{1}, rapid.SliceOf(rapid.SampledFrom(rest)).Draw(t, "came")...) // dropped, repeated, in any order
		ill := rapid.SliceOfDistinct(rapid.IntRange(1, n), rapid.ID[int]).Draw(t, "poison")
		passed := rapid.SliceOfDistinct(rapid.IntRange(1, n), rapid.ID[int]).Draw(t, "passed over")
		ill = slices.DeleteFunc(ill, func(v int) bool { return slices.Contains(passed, v) })
		mu.Lock()
		clear(sick)
		for _, v := range ill {
			sick[fmt.Sprintf("%s/%d", key, v)] = true
		}
		for _, v := range passed {
			dull[fmt.Sprintf("%s/%d", key, v)] = true
		}
		mu.Unlock()
		cut := rapid.IntRange(0, len(came)).Draw(t, "restart")
		for _, part := range [][]int{came[:cut], came[cut:]} {
			if len(part) > 0 {
				s.play(t, facts(key, part...)...)
			}
		}
		concern := func(all []int) []int {
			return slices.DeleteFunc(slices.Clone(all), func(v int) bool { return slices.Contains(passed, v) })
		}
		wantDone, wantParked := model(came, ill)
		wantDone = concern(wantDone)
		if done, parked := s.of(t, key); !slices.Equal(done, wantDone) || !slices.Equal(parked, wantParked) {
			t.Fatalf("came %v, poison %v, passed over %v: done %v, parked %v, want %v, %v", came, ill, passed, done, parked, wantDone, wantParked)
		}
		mu.Lock()
		clear(sick)
		mu.Unlock()
		c := s.play(t, facts(key, append([]int{1}, rest...)...)...) // the owner sends all of them again
		err := pgx.BeginFunc(context.Background(), s.db, func(tx pgx.Tx) error {
			_, err := c.Release(context.Background(), tx, topic, key)
			return err
		})
		if err != nil && !errors.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
		if done, parked := s.of(t, key); !slices.Equal(done, concern(append([]int{1}, rest...))) || len(parked) != 0 {
			t.Fatalf("came %v, poison %v: in the end %v, parked %v", came, ill, done, parked)
		}
	})
}

// model is what has its effect of what came, the first of which is 1: all before
// the first that is missing or poison; what else came is parked.
func model(came, ill []int) (done, parked []int) {
	next := 1
	for slices.Contains(came, next) && !slices.Contains(ill, next) {
		done = append(done, next)
		next++
	}
	for v := next; v <= slices.Max(came); v++ {
		if slices.Contains(came, v) {
			parked = append(parked, v)
		}
	}
	return done, parked
}

// TestPoison is what is parked and what is not, and what is told of why.
func TestPoison(t *testing.T) {
	t.Parallel()
	m := event.Mux{}
	event.On(m, func(ctx context.Context, tx pgx.Tx, key string, e *wrapperspb.StringValue) error {
		switch strings.Trim(e.GetValue(), "0123456789") {
		case "crash":
			return errors.New([]string{}[len(e.GetValue())])
		case "words":
			panic("王小明 13912345678")
		case "sql":
			_, err := tx.Exec(ctx, `SELECT $1::date`, "王小明")
			return err
		case "cast":
			_, err := tx.Exec(ctx, `SELECT ('王' || $1)::int`, key)
			return err
		case "told":
			return fault.Invalid.Errorf("学员“王小明”的证件 320508201001011234 无效")
		}
		return nil
	})
	with := func(header string, to []byte) func(*kafka.Message) {
		return func(k *kafka.Message) {
			for i := range k.Headers {
				if k.Headers[i].Key == header {
					k.Headers[i].Value = to
				}
			}
		}
	}
	says := func(text string) func(*kafka.Message) {
		return func(k *kafka.Message) { k.Value, _ = proto.Marshal(wrapperspb.String(text)) }
	}
	for _, tt := range []struct {
		name   string
		change func(*kafka.Message)
		parked bool
		says   string
	}{
		{"good", says("fine"), false, ""},
		{"no protobuf", func(k *kafka.Message) { k.Value = []byte{0xff, 0xff, 0xff} }, true, "proto"},
		{"nothing", func(k *kafka.Message) { k.Value = nil }, false, ""},
		{"another's type", with("type", []byte("school.v1.Bell")), false, ""},
		{"another version of a type that concerns us", with("type", []byte("google.v2.protobuf.StringValue")), true, "版本未知"},
		{"nothing that can be read", func(k *kafka.Message) { k.Value, k.Headers = nil, nil }, true, "without a type"},
		{"no type", with("type", nil), true, "without a type"},
		{"a type of bytes", with("type", []byte{0xff, 0, 'x'}), false, ""},
		{"a version of words", with("version", []byte("seven")), false, ""},
		{"an id with a NUL", with("id", []byte("x\x00y")), false, ""},
		{"a long id", with("id", []byte(strings.Repeat("x", 1<<20))), false, ""},
		{"a crash", says("crash"), true, "panic: runtime error: index out of range"},
		{"a panic with words", says("words"), true, "panic: string"},
		{"an argument that is none", says("sql"), true, "PostgreSQL 22007"},
		{"a statement that fails", says("cast"), true, "PostgreSQL 22P02"},
		{"a fault", says("told"), true, "学员…的证件 … 无效"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.handle, s.concerns = m.Handle, m.Concerns
			k := fact("a", 1)
			tt.change(&k)
			s.play(t, k)
			h := s.halted(t)
			if (len(h) == 1) != tt.parked {
				t.Fatalf("halted %+v", h)
			}
			if !tt.parked {
				return
			}
			if !strings.Contains(h[0].Error, tt.says) {
				t.Errorf("told %q, want %q", h[0].Error, tt.says)
			}
			for _, secret := range []string{"王", "小明", "1391234", "320508"} {
				if strings.Contains(h[0].Error+h[0].Stack, secret) {
					t.Errorf("told %+v", h[0])
				}
			}
			if strings.HasPrefix(h[0].Error, "panic") != strings.Contains(h[0].Stack, "order_test.go") {
				t.Errorf("stack %q", h[0].Stack)
			}
		})
	}
}

// TestSlow: an event whose time runs out is tried again, and is poison at last; one
// that was only unlucky is not.
func TestSlow(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	tries := map[string]int{}
	s.handle = func(ctx context.Context, tx pgx.Tx, m event.Message) error {
		tries[m.Key]++
		if m.Key == "slow" && value(m) == "002" || m.Key == "unlucky" && tries[m.Key] < 4 {
			_, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)`)
			return err
		}
		return record(ctx, tx, m)
	}
	s.play(t, slices.Concat(facts("unlucky", 1), facts("slow", 1, 2, 3))...)
	s.want(t, "unlucky", []int{1}, []int{})
	s.want(t, "slow", []int{1}, []int{2, 3})
	if h := s.halted(t); len(h) != 1 || h[0].Error != "5 次处理均超过时限" {
		t.Errorf("halted %+v", h)
	}
}

// TestPrune: what is old goes, except what is not published, what is parked, and
// what counts.
func TestPrune(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	if _, err := s.db.Exec(t.Context(), `
		INSERT INTO outbox (topic, key, type, data, pub, at) SELECT 't', 'k', 'x', '', i % 10 <> 0, now() - i * interval '1 day' FROM generate_series(1, 200) i;
		INSERT INTO inbox (consumer, event, at) SELECT 'c', i, now() - (i % 100) * interval '1 day' FROM generate_series(1, 20000) i;
		INSERT INTO once (caller, call, key, sum, answer, at) SELECT 'c', 'x', i, '', '{}', now() - i * interval '1 hour' FROM generate_series(1, 100) i;
		INSERT INTO parked (consumer, topic, key, event, type, data, trace, error, at) VALUES ('c', 't', 'k', 'e', 'x', '', '', 'poison', now() - interval '1 year');
		INSERT INTO stream (topic, key, version) VALUES ('t', 'k', 200)`); err != nil {
		t.Fatal(err)
	}
	p := &event.Pruner{DB: s.db, Pressure: new(event.Pressure), Log: slog.New(slog.DiscardHandler)}
	if n, err := p.Prune(t.Context()); n != 0 || err != nil {
		t.Errorf("of what is kept for ever went %d, %v", n, err)
	}
	p.Keep = event.Keep{Outbox: 90 * 24 * time.Hour, Inbox: 30 * 24 * time.Hour, Once: 72 * time.Hour}
	if n, err := p.Prune(t.Context()); n != 99+14000+29 || err != nil {
		t.Errorf("%d rows went, %v", n, err)
	}
	var left []int
	if err := s.db.QueryRow(t.Context(), `SELECT ARRAY[(SELECT count(*) FROM outbox), (SELECT count(*) FROM outbox WHERE NOT pub), (SELECT count(*) FROM inbox),
		(SELECT count(*) FROM once), (SELECT count(*) FROM parked), (SELECT count(*) FROM progress), (SELECT count(*) FROM stream)]`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if want := []int{101, 20, 6000, 71, 1, 1, 1}; !slices.Equal(left, want) {
		t.Errorf("left %v, want %v", left, want)
	}
}

// TestPressure is where the levels begin, and what the backlog is.
func TestPressure(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	if n, age, err := event.Backlog(t.Context(), s.db); n != 0 || age != 0 || err != nil {
		t.Errorf("of nothing: %d, %s, %v", n, age, err)
	}
	if _, err := s.db.Exec(t.Context(), `INSERT INTO outbox (topic, key, type, data, at) SELECT 't', 'k', 'x', '', now() - interval '30 s' FROM generate_series(1, 5)`); err != nil {
		t.Fatal(err)
	}
	if n, age, err := event.Backlog(t.Context(), s.db); n != 5 || age < 30*time.Second || age > 2*time.Minute || err != nil {
		t.Errorf("backlog %d, %s, %v", n, age, err)
	}
	for _, tt := range []struct {
		limits event.Limits
		want   event.Level
	}{
		{event.Limits{}, event.Calm},
		{event.Limits{Busy: 5, Age: time.Hour, Crowded: 6}, event.Calm},
		{event.Limits{Busy: 4, Age: time.Hour, Crowded: 6}, event.Busy},
		{event.Limits{Busy: 5, Age: 20 * time.Second, Crowded: 6}, event.Busy},
		{event.Limits{Busy: 2, Age: time.Hour, Crowded: 4}, event.Crowded},
	} {
		ctx, stop := context.WithCancel(t.Context())
		p := &event.Pressure{DB: s.db, Limits: tt.limits, Log: slog.New(slog.DiscardHandler)}
		got, err := event.Look(ctx, p)
		if got != tt.want || err != nil {
			t.Errorf("%+v: level %d, %v, want %d", tt.limits, got, err, tt.want)
		}
		stop()
	}
}
