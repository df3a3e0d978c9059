package due_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"xunguan/pkg/day"
	"xunguan/pkg/due"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg/pgtest"
)

func next(ctx context.Context, tx pgx.Tx, today day.Date) (id string, err error) {
	err = tx.QueryRow(ctx, `SELECT id FROM c WHERE due < $1 AND fired = 0 ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED`, today).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fault.NotFound
	}
	return id, err
}

func fire(ctx context.Context, tx pgx.Tx, id string) error {
	if id == "poison" {
		return errors.New("cannot")
	}
	_, err := tx.Exec(ctx, `UPDATE c SET fired = fired + 1 WHERE id = $1`, id)
	return err
}

func newClockwork(t *testing.T, now string) (*due.Clockwork, *pgxpool.Pool) {
	t.Helper()
	db := pgtest.New(t, fstest.MapFS{"0001_c.sql": {Data: []byte("-- +goose Up\nCREATE TABLE c (id text, due date, fired int DEFAULT 0);")}})
	at, err := time.Parse(time.RFC3339, now)
	if err != nil {
		t.Fatal(err)
	}
	return &due.Clockwork{
		DB: db, Now: func() time.Time { return at }, Log: slog.New(slog.DiscardHandler),
		Timers: []due.Timer{{Name: "c", Next: next, Apply: fire}},
	}, db
}

func TestSettle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		now  string
		want int
	}{
		{"2026-03-02T23:59:59+08:00", 1}, // the last day belongs to the period
		{"2026-03-03T00:00:00+08:00", 2}, // a day in Shanghai, not in UTC
	} {
		c, db := newClockwork(t, tt.now)
		if _, err := db.Exec(t.Context(), `INSERT INTO c VALUES ('a', '2026-03-01'), ('b', '2026-03-02'), ('c', '2026-03-03')`); err != nil {
			t.Fatal(err)
		}
		got, err := c.Settle(t.Context())
		again, err2 := c.Settle(t.Context())
		if got != tt.want || again != 0 || errors.Join(err, err2) != nil {
			t.Errorf("%s: %d then %d, %v; want %d then 0", tt.now, got, again, errors.Join(err, err2), tt.want)
		}
	}
}

func TestReplicasShare(t *testing.T) {
	t.Parallel()
	c, db := newClockwork(t, "2026-03-03T00:00:00+08:00")
	if _, err := db.Exec(t.Context(), `INSERT INTO c SELECT i::text, '2026-01-01' FROM generate_series(1, 100) i`); err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	for range 20 {
		g.Go(func() error { _, err := c.Settle(t.Context()); return err })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	var once int
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM c WHERE fired = 1`).Scan(&once); err != nil || once != 100 {
		t.Errorf("%d of 100 fired once, %v", once, err)
	}
}

func TestOneTimerDoesNotHoldTheOthers(t *testing.T) {
	t.Parallel()
	c, db := newClockwork(t, "2026-03-03T00:00:00+08:00")
	c.Timers = []due.Timer{
		{Name: "poison", Next: func(context.Context, pgx.Tx, day.Date) (string, error) { return "poison", nil }, Apply: fire},
		c.Timers[0],
	}
	if _, err := db.Exec(t.Context(), `INSERT INTO c VALUES ('a', '2026-03-01')`); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Settle(t.Context()); n != 1 || err == nil {
		t.Errorf("%d applied, %v; want 1 and the poison's error", n, err)
	}
}

// TestAtOnce is that a timer's transactions go side by side, as many as it says, and that
// no case is applied twice.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	c, db := newClockwork(t, "2026-03-03T00:00:00+08:00")
	var met sync.WaitGroup
	met.Add(2)
	var applied atomic.Int32
	c.Timers[0].AtOnce = 2
	c.Timers[0].Apply = func(ctx context.Context, tx pgx.Tx, id string) error {
		if applied.Add(1) <= 2 { // neither goes on without the other
			met.Done()
			met.Wait()
		}
		return fire(ctx, tx, id)
	}
	if _, err := db.Exec(t.Context(), `INSERT INTO c SELECT i::text, '2026-01-01' FROM generate_series(1, 20) i`); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Settle(t.Context()); n != 20 || err != nil || applied.Load() != 20 {
		t.Errorf("%d found, %d applied, %v; want 20", n, applied.Load(), err)
	}
}

// TestTogether is that cases which share a transaction are all applied, once, and that
// one which cannot be applied leaves those before it applied.
func TestTogether(t *testing.T) {
	t.Parallel()
	c, db := newClockwork(t, "2026-03-03T00:00:00+08:00")
	transactions := map[pgx.Tx]bool{}
	c.Timers[0].Together = 8
	c.Timers[0].Apply = func(ctx context.Context, tx pgx.Tx, id string) error {
		transactions[tx] = true
		return fire(ctx, tx, id)
	}
	if _, err := db.Exec(t.Context(), `INSERT INTO c SELECT i::text, '2026-01-01' FROM generate_series(1, 20) i`); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Settle(t.Context()); n != 20 || err != nil || len(transactions) != 3 {
		t.Errorf("%d applied in %d transactions, %v; want 20 in 3", n, len(transactions), err)
	}
	if _, err := db.Exec(t.Context(), `INSERT INTO c VALUES ('a', '2026-01-01'), ('b', '2026-01-02'), ('poison', '2026-01-03'), ('c', '2026-01-04')`); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Settle(t.Context()); n != 2 || err == nil {
		t.Errorf("%d applied, %v; want the two before the poison, and its error", n, err)
	}
	var fired int
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM c WHERE fired = 1`).Scan(&fired); err != nil || fired != 22 {
		t.Errorf("%d fired once, want 22, %v", fired, err)
	}
}
