package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

type conn = pgx.Conn

// tx is a transaction that goes over the wire as rarely as it can: BEGIN, and what is
// to be said first, go with its first statement, and COMMIT may go with its last.
type tx struct {
	*conn
	first  *pgx.Batch // what has not been sent yet; nil once it is
	done   bool       // COMMIT went with the last statement, and succeeded
	points int        // savepoints so far
}

// newTx is a transaction on conn that says first before anything else.
func newTx(c *pgx.Conn, first func(*pgx.Batch)) *tx {
	t := &tx{conn: c, first: new(pgx.Batch)}
	t.first.Queue("begin")
	first(t.first)
	return t
}

// open begins, if nothing has yet. A transaction that never began, or is over, takes no
// statement: each would be one of its own, and nobody's.
func (t *tx) open(ctx context.Context) error {
	if t.first == nil {
		if t.PgConn().TxStatus() == 'I' {
			return pgx.ErrTxClosed
		}
		return nil
	}
	return t.SendBatch(ctx, new(pgx.Batch)).Close()
}

func (t *tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if t.first == nil {
		if err := t.open(ctx); err != nil {
			return failed{err}
		}
		return t.conn.SendBatch(ctx, b)
	}
	all := t.first
	t.first = nil
	opening := all.Len()
	all.QueuedQueries = append(all.QueuedQueries, b.QueuedQueries...)
	return &opened{t.conn.SendBatch(ctx, all), opening}
}

// opened is the results of a batch that others went before.
type opened struct {
	pgx.BatchResults
	before int
}

// skip goes past them; what was wrong with one is wrong with all that follow.
func (r *opened) skip() pgx.BatchResults {
	for ; r.before > 0; r.before-- {
		_, _ = r.BatchResults.Exec()
	}
	return r.BatchResults
}

func (r *opened) Exec() (pgconn.CommandTag, error) { return r.skip().Exec() }
func (r *opened) Query() (pgx.Rows, error)         { return r.skip().Query() }
func (r *opened) QueryRow() pgx.Row                { return r.skip().QueryRow() }

func (t *tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := t.open(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}
	return t.conn.Exec(ctx, sql, args...)
}

func (t *tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.open(ctx); err != nil {
		return nil, err
	}
	return t.conn.Query(ctx, sql, args...)
}

func (t *tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := t.open(ctx); err != nil {
		return failed{err}
	}
	return t.conn.QueryRow(ctx, sql, args...)
}

// failed is the row, and the results, of what was not sent.
type failed struct{ err error }

func (f failed) Scan(...any) error                { return f.err }
func (f failed) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, f.err }
func (f failed) Query() (pgx.Rows, error)         { return nil, f.err }
func (f failed) QueryRow() pgx.Row                { return f }
func (f failed) Tx() pgx.Tx                       { return nil }
func (f failed) Close() error                     { return f.err }

func (t *tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	if err := t.open(ctx); err != nil {
		return 0, err
	}
	return t.conn.CopyFrom(ctx, table, columns, rows)
}

// running reports whether the server is in the transaction.
func (t *tx) running() bool { return t.first == nil && !t.IsClosed() && t.PgConn().TxStatus() != 'I' }

// Commit commits, unless that went with the last statement, or there was none.
func (t *tx) Commit(ctx context.Context) error {
	if t.first != nil || t.done {
		return nil
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	done, err := t.conn.Exec(ctx, "commit")
	if err == nil && done.String() == "ROLLBACK" {
		return pgx.ErrTxCommitRollback
	}
	return err
}

// Rollback undoes what has not been committed.
func (t *tx) Rollback(ctx context.Context) error {
	if !t.running() {
		return nil
	}
	_, err := t.conn.Exec(ctx, "rollback")
	return err
}

// Begin begins a savepoint.
func (t *tx) Begin(ctx context.Context) (pgx.Tx, error) {
	t.points++
	s := &savepoint{tx: t, name: fmt.Sprintf("sp_%d", t.points)}
	_, err := t.Exec(ctx, "savepoint "+s.name)
	return s, err
}

func (t *tx) LargeObjects() pgx.LargeObjects { panic("no large objects here") }
func (t *tx) Conn() *pgx.Conn                { return t.conn }

// savepoint is a part of a transaction that can be undone alone.
type savepoint struct {
	*tx
	name  string
	ended bool
}

func (s *savepoint) Commit(ctx context.Context) error   { return s.end(ctx, "release savepoint ") }
func (s *savepoint) Rollback(ctx context.Context) error { return s.end(ctx, "rollback to savepoint ") }

func (s *savepoint) end(ctx context.Context, how string) error {
	if s.ended {
		return pgx.ErrTxClosed
	}
	s.ended = true
	_, err := s.Exec(ctx, how+s.name)
	return err
}
