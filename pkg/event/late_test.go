package event_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"xunguan/pkg/event"
)

// TestLateCommit is an event that is appended first and committed last: a relay
// that remembers how far it has read never comes back to it.
func TestLateCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	tx, err := w.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if err := event.Append(t.Context(), tx, topic, "a", wrapperspb.String("late")); err != nil {
		t.Fatal(err)
	}
	w.start(t, record)
	w.append(t, "b", "early")
	w.await(t, "b", []string{"early"})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.await(t, "a", []string{"late"})
}

// await waits until the values of key have been handled.
func (w *world) await(t *testing.T, key string, want []string) {
	t.Helper()
	var got []string
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		rows, err := w.db.Query(t.Context(), `SELECT value FROM handled WHERE key = $1 ORDER BY n`, key)
		if err == nil {
			got, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(got, want) {
			return
		}
	}
	t.Errorf("of %s was handled %v, want %v", key, got, want)
}

// TestNewer is events of a producer that is a version ahead: a field that this
// consumer does not know, and a fact that it does not know.
func TestNewer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	m := event.Mux{}
	event.On(m, func(ctx context.Context, tx pgx.Tx, key string, e *wrapperspb.StringValue) error {
		_, err := tx.Exec(ctx, `INSERT INTO handled (key, value) VALUES ($1, $2)`, key, e.GetValue())
		return err
	})
	w.start(t, m.Handle)
	newer := wrapperspb.String("known")
	newer.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 7))
	err := pgx.BeginFunc(t.Context(), w.db, func(tx pgx.Tx) error {
		return errors.Join(event.Append(t.Context(), tx, topic, "a", wrapperspb.Int64(1)), event.Append(t.Context(), tx, topic, "a", newer))
	})
	if err != nil {
		t.Fatal(err)
	}
	w.await(t, "a", []string{"known"})
}
