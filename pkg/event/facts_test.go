package event

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"xunguan/pkg/pg"
	"xunguan/pkg/pg/pgtest"
)

// TestAppendAll is facts of several keys at once, between facts alone: each key's
// are counted on, in their order.
func TestAppendAll(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, fstest.MapFS{"0001_x.sql": {Data: []byte("-- +goose Up\nCREATE TABLE x ();")}})
	ctx := t.Context()
	var got []string
	_, err := pg.InTx(ctx, db, func(tx pgx.Tx) (_ struct{}, err error) {
		if err = Append(ctx, tx, "t", "a", wrapperspb.String("first")); err != nil {
			return
		}
		var facts []Fact
		for i, key := range []string{"b", "a", "b", "a", "c"} {
			f, ferr := NewFact(ctx, key, wrapperspb.String(fmt.Sprint(i)))
			if ferr != nil {
				return struct{}{}, ferr
			}
			facts = append(facts, f)
		}
		var b pgx.Batch
		AppendAll(&b, "t", facts)
		if err = tx.SendBatch(ctx, &b).Close(); err != nil {
			return
		}
		if err = Append(ctx, tx, "t", "b", wrapperspb.String("last")); err != nil {
			return
		}
		rows, err := tx.Query(ctx, `SELECT key || version || ' ' || convert_from(substr(data, 3), 'UTF8') || ' ' || type FROM outbox WHERE topic = 't' ORDER BY id`)
		if err == nil {
			got, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return struct{}{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	const kind = " google.protobuf.StringValue"
	want := []string{"a1 first" + kind, "b1 0" + kind, "a2 1" + kind, "b2 2" + kind, "a3 3" + kind, "c1 4" + kind, "b3 last" + kind}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
