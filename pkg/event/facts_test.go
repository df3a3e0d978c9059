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

// TestAppendAllToAYoungTopic is a topic that has grown since the statement was planned:
// a join, planned for few keys, would go through all of them for each fact.
func TestAppendAllToAYoungTopic(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, fstest.MapFS{"0001_x.sql": {Data: []byte("-- +goose Up\nCREATE TABLE x ();")}})
	const keys, facts = 5000, 100
	var all []Fact
	for i := range facts {
		f, err := NewFact(t.Context(), fmt.Sprint(i+1), wrapperspb.String("x"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	read, err := pg.InTx(t.Context(), db, func(tx pgx.Tx) (read int, err error) {
		var b pgx.Batch
		// As a group of confirmations has it: one plan for all, by index.
		b.Queue(`SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
			set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`)
		AppendAll(&b, "young", all[:1])
		b.Queue(`INSERT INTO stream (topic, key, version) SELECT 'young', n::text, 1 FROM generate_series(2, $1) n`, keys)
		AppendAll(&b, "young", all)
		if err := tx.SendBatch(t.Context(), &b).Close(); err != nil {
			return 0, err
		}
		return read, tx.QueryRow(t.Context(), `SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'stream'::regclass`).Scan(&read)
	})
	if err != nil {
		t.Fatal(err)
	}
	if read > 3*facts {
		t.Errorf("%d rows were read for %d facts", read, facts)
	}
}
