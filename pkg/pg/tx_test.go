package pg_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

// counted counts what is written: each is a round trip.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(b)
}

// TestRoundTrips is how often a transaction goes over the wire once its statements are
// prepared: it begins with the first and, by Finish, ends with the last.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	var trips atomic.Int64
	config := narrow(t).Config()
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return counted{c, &trips}, err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	write := func(finish bool) func(pgx.Tx) (int, error) {
		return func(tx pgx.Tx) (int, error) {
			var b pgx.Batch
			b.Queue(`INSERT INTO a (id) VALUES (gen_random_uuid()::text)`)
			if finish {
				return 0, pg.Finish(t.Context(), tx, &b)
			}
			return 0, tx.SendBatch(t.Context(), &b).Close()
		}
	}
	for _, tt := range []struct {
		name string
		want int64
		f    func(pgx.Tx) (int, error)
	}{
		{"nothing is asked", 0, func(pgx.Tx) (int, error) { return 0, nil }},
		{"first and last are one", 1, write(true)},
		{"COMMIT comes after", 2, write(false)},
		{"a statement, and COMMIT after", 3, func(tx pgx.Tx) (n int, err error) {
			return n, tx.QueryRow(t.Context(), `SELECT n FROM a LIMIT 1`).Scan(&n)
		}},
	} {
		for range 2 { // the first time it prepares
			trips.Store(0)
			if _, err := pg.InTx(t.Context(), pool, tt.f); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
		}
		if n := trips.Load(); n != tt.want {
			t.Errorf("%s: %d round trips, want %d", tt.name, n, tt.want)
		}
	}
}

// TestFinish is a transaction whose COMMIT goes with its last statement: it is done,
// or nothing is, and why is said.
func TestFinish(t *testing.T) {
	t.Parallel()
	pool := narrow(t)
	ctx := t.Context()
	if _, err := pool.Exec(ctx, `CREATE TABLE b (a text REFERENCES a DEFERRABLE INITIALLY DEFERRED)`); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, sql string
		want      error
		rows      int
	}{
		{"all is well", `INSERT INTO a (id) VALUES ('1')`, nil, 1},
		{"the statement fails", `INSERT INTO a (id) VALUES ('1')`, fault.Conflict, 1},
		{"the commit fails", `INSERT INTO b VALUES ('2')`, fault.Internal, 1},
		{"the next one is well", `INSERT INTO a (id) VALUES ('3')`, nil, 2},
	} {
		_, err := pg.InTx(ctx, pool, func(tx pgx.Tx) (int, error) {
			var b pgx.Batch
			b.Queue(tt.sql)
			return 0, pg.Finish(ctx, tx, &b)
		})
		if (err == nil) != (tt.want == nil) || err != nil && !errors.Is(fault.KindOf(err), tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		var rows int
		if err := pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b)`).Scan(&rows); err != nil || rows != tt.rows {
			t.Errorf("%s: %d rows, %v", tt.name, rows, err)
		}
	}
	if n := pool.Stat().NewConnsCount(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestFirstStatement is each kind of statement as a transaction's first: it is in the
// transaction, and its results are its own.
func TestFirstStatement(t *testing.T) {
	t.Parallel()
	pool := narrow(t)
	ctx := pg.Worker(t.Context(), "test")
	const scope = `SELECT current_setting('app.scope')`
	undone := errors.New("undone")
	for name, first := range map[string]func(pgx.Tx) (string, error){
		"QueryRow": func(tx pgx.Tx) (s string, err error) { return s, tx.QueryRow(ctx, scope).Scan(&s) },
		"Query": func(tx pgx.Tx) (string, error) {
			rows, err := tx.Query(ctx, scope)
			if err != nil {
				return "", err
			}
			return pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
		},
		"Exec": func(tx pgx.Tx) (s string, err error) {
			if _, err := tx.Exec(ctx, `INSERT INTO a (id) VALUES ('exec')`); err != nil {
				return "", err
			}
			return s, tx.QueryRow(ctx, scope).Scan(&s)
		},
		"SendBatch": func(tx pgx.Tx) (s string, err error) {
			var b pgx.Batch
			b.Queue(scope)
			b.Queue(`SELECT 1`)
			results := tx.SendBatch(ctx, &b)
			return s, errors.Join(results.QueryRow().Scan(&s), results.Close())
		},
		"CopyFrom": func(tx pgx.Tx) (s string, err error) {
			if _, err := tx.CopyFrom(ctx, pgx.Identifier{"a"}, []string{"id"}, pgx.CopyFromRows([][]any{{"copied"}})); err != nil {
				return "", err
			}
			return s, tx.QueryRow(ctx, scope).Scan(&s)
		},
		"Begin": func(tx pgx.Tx) (s string, err error) {
			err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO a (id) VALUES ('inner')`)
				return errors.Join(err, undone)
			})
			if !errors.Is(err, undone) {
				return "", err
			}
			var ids []string
			if err := tx.QueryRow(ctx, `SELECT coalesce(array_agg(id), '{}') FROM a WHERE id = 'inner'`).Scan(&ids); err != nil || slices.Contains(ids, "inner") {
				return "", errors.Join(err, errors.New("what was undone is there"))
			}
			return s, tx.QueryRow(ctx, scope).Scan(&s)
		},
	} {
		_, err := pg.InTx(ctx, pool, func(tx pgx.Tx) (int, error) {
			if s, err := first(tx); err != nil || s != "worker" {
				t.Errorf("%s: %q %v", name, s, err)
			}
			return 0, undone
		})
		if !errors.Is(err, undone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var n int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM a`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows stayed, %v", n, err)
	}
}

// TestNothingAlone is who goes on after a transaction that did not begin, failed to
// commit, or is over: no statement of theirs has an effect of its own, and none is
// taken for done.
func TestNothingAlone(t *testing.T) {
	t.Parallel()
	pool := narrow(t)
	ctx := t.Context()
	if _, err := pool.Exec(ctx, `CREATE TABLE b (a text REFERENCES a DEFERRABLE INITIALLY DEFERRED)`); err != nil {
		t.Fatal(err)
	}
	send := func(tx pgx.Tx, sql string, how func(context.Context, pgx.Tx, *pgx.Batch) error) error {
		var b pgx.Batch
		b.Queue(sql)
		return how(ctx, tx, &b)
	}
	for name, before := range map[string]func(pgx.Tx) error{
		"it did not begin":     func(tx pgx.Tx) error { _ = send(tx, `SELECT * FROM nowhere`, pg.Finish); return nil },
		"its COMMIT failed":    func(tx pgx.Tx) error { _ = send(tx, `INSERT INTO b VALUES ('2')`, pg.Finish); return nil },
		"a statement was late": func(tx pgx.Tx) error { return send(tx, `SELECT 1`, pg.Finish) },
	} {
		_, err := pg.InTx(ctx, pool, func(tx pgx.Tx) (int, error) {
			if err := before(tx); err != nil {
				return 0, err
			}
			_, err := tx.Exec(ctx, `INSERT INTO a (id) VALUES ('alone')`)
			batch := send(tx, `INSERT INTO a (id) VALUES ('alone too')`, func(ctx context.Context, tx pgx.Tx, b *pgx.Batch) error { return tx.SendBatch(ctx, b).Close() })
			if err == nil || batch == nil {
				t.Errorf("%s: %v, %v", name, err, batch)
			}
			return 0, nil
		})
		if late := name == "a statement was late"; (err == nil) != late {
			t.Errorf("%s: InTx says %v", name, err)
		}
	}
	var n int
	if err := pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b)`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}
