package pg_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
	"xunguan/pkg/pg/pgtest"
)

// narrow is a pool of one connection, as Open makes it, on a database of its own.
func narrow(t *testing.T) *pgxpool.Pool {
	t.Helper()
	made := pgtest.New(t, fstest.MapFS{"0001_a.sql": {Data: []byte("-- +goose Up\nCREATE TABLE a (id text PRIMARY KEY, n int NOT NULL DEFAULT 0);")}})
	pool, err := pg.Open(t.Context(), made.Config().ConnString()+"&pool_max_conns=1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// TestAcquireEnds is a transaction that finds every connection in use.
func TestAcquireEnds(t *testing.T) {
	t.Parallel()
	pool := narrow(t)
	held, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	start := time.Now()
	_, err = pg.InTx(t.Context(), pool, func(pgx.Tx) (int, error) { return 0, nil })
	if took := time.Since(start); !errors.Is(err, fault.Unavailable) || took > 15*time.Second {
		t.Errorf("%v after %v, want unavailable after 10 s", err, took)
	}
}

// TestCancelKeepsTheConnection is many callers who hang up: none costs a connection.
func TestCancelKeepsTheConnection(t *testing.T) {
	t.Parallel()
	pool := narrow(t)
	before := pool.Stat().NewConnsCount()
	for range 3 {
		ctx, hangUp := context.WithCancel(t.Context())
		_, err := pg.InTx(ctx, pool, func(tx pgx.Tx) (int, error) {
			time.AfterFunc(20*time.Millisecond, hangUp)
			_, err := tx.Exec(ctx, `SELECT pg_sleep(2)`)
			return 0, err
		})
		if !errors.Is(err, fault.Unavailable) {
			t.Errorf("cancelled: %v, want unavailable", err)
		}
	}
	n, err := pg.InTx(t.Context(), pool, func(tx pgx.Tx) (n int, err error) {
		return n, tx.QueryRow(t.Context(), `SELECT 7`).Scan(&n)
	})
	if err != nil || n != 7 {
		t.Errorf("afterwards: %d, %v", n, err)
	}
	if made := pool.Stat().NewConnsCount() - before; made != 0 {
		t.Errorf("%d new connections for 3 cancelled calls", made)
	}
}

// TestPanicGivesTheConnectionBack is a use case that panics within its transaction.
func TestPanicGivesTheConnectionBack(t *testing.T) {
	t.Parallel()
	pool := narrow(t)
	func() {
		defer func() { _ = recover() }()
		_, _ = pg.InTx(t.Context(), pool, func(pgx.Tx) (int, error) { panic("bug") })
	}()
	if used := pool.Stat().AcquiredConns(); used != 0 {
		t.Errorf("%d connections are still in use", used)
	}
}

// TestOldPlan is a replica that goes on while another one migrates.
func TestOldPlan(t *testing.T) {
	t.Parallel()
	pool := narrow(t)
	var runs atomic.Int32
	read := func() (any, error) {
		return pg.InTx(t.Context(), pool, func(tx pgx.Tx) (n any, err error) {
			runs.Add(1)
			return n, tx.QueryRow(t.Context(), `SELECT coalesce(max(n), 0) FROM a`).Scan(&n)
		})
	}
	if _, err := read(); err != nil {
		t.Fatal(err)
	}
	other, err := pgx.Connect(t.Context(), pool.Config().ConnString()[:len(pool.Config().ConnString())-len("&pool_max_conns=1")])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(t.Context()) }()
	if _, err := other.Exec(t.Context(), `ALTER TABLE a ALTER n TYPE bigint`); err != nil {
		t.Fatal(err)
	}
	if n, err := read(); err != nil || n != int64(0) || runs.Load() != 3 {
		t.Errorf("after a migration: %v (%T), %v, in %d runs; want 0 in a second one", n, n, err, runs.Load()-1)
	}
}

// TestCommitOfAFailedTransaction is an error that f swallows: PostgreSQL rolls
// back, and InTx must say so.
func TestCommitOfAFailedTransaction(t *testing.T) {
	t.Parallel()
	pool := narrow(t)
	_, err := pg.InTx(t.Context(), pool, func(tx pgx.Tx) (int, error) {
		_, _ = tx.Exec(t.Context(), `SELECT 1/0`)
		return 1, nil
	})
	if !errors.Is(err, pgx.ErrTxCommitRollback) {
		t.Errorf("%v, want ErrTxCommitRollback", err)
	}
}

func TestNoSimpleProtocol(t *testing.T) {
	t.Parallel()
	pool := narrow(t)
	if db, err := pg.Open(t.Context(), pool.Config().ConnString()+"&default_query_exec_mode=simple_protocol"); err == nil {
		db.Close()
		t.Error("the simple protocol is taken")
	}
}
