package pg_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/pg"
	"xunguan/pkg/pg/pgtest"
)

// TestScope is the second wall alone: a query without a WHERE.
func TestScope(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, fstest.MapFS{"0001_a.sql": {Data: []byte(`-- +goose Up
		CREATE TABLE a (place text, owner text);
		ALTER TABLE a ENABLE ROW LEVEL SECURITY;
		ALTER TABLE a FORCE ROW LEVEL SECURITY;
		CREATE POLICY scope ON a USING (in_scope(place, ARRAY['education', 'culture'], ARRAY[owner]));`)}})
	all := pg.Worker(t.Context(), "test")
	if _, err := count(all, db.Begin, `INSERT INTO a VALUES ('320508', 'anna'), ('320506', 'ben'), ('330106', 'anna')`); err != nil {
		t.Fatal(err)
	}
	as := func(c auth.Caller) context.Context { return auth.With(t.Context(), c) }
	for _, tt := range []struct {
		name string
		ctx  context.Context
		want int64
	}{
		{"worker", all, 3},
		{"nobody", t.Context(), 0},
		{"county", as(auth.Caller{Subject: "x", Agency: "education", Jurisdiction: "320508"}), 1},
		{"city", as(auth.Caller{Subject: "x", Agency: "education", Jurisdiction: "320500"}), 2},
		{"province", as(auth.Caller{Subject: "x", Agency: "culture", Jurisdiction: "330000"}), 1},
		{"nation", as(auth.Caller{Subject: "x", Agency: "education", Jurisdiction: "000000"}), 3},
		{"other agency", as(auth.Caller{Subject: "x", Agency: "fire", Jurisdiction: "320500"}), 0},
		{"official without a jurisdiction", as(auth.Caller{Subject: "anna", Agency: "education"}), 0},
		{"owner", as(auth.Caller{Subject: "anna"}), 2},
		{"owner's jurisdiction counts for nothing", as(auth.Caller{Subject: "anna", Jurisdiction: "320500"}), 2},
		{"stranger", as(auth.Caller{Subject: "carl"}), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := count(tt.ctx, db.Begin, `UPDATE a SET owner = owner`); err != nil || got != tt.want {
				t.Errorf("%d rows, %v; want %d", got, err, tt.want)
			}
		})
	}
	t.Run("nobody writes out of scope", func(t *testing.T) {
		if _, err := count(as(auth.Caller{Subject: "carl"}), db.Begin, `INSERT INTO a VALUES ('320508', 'anna')`); err == nil {
			t.Error("carl wrote anna's row")
		}
	})
}

// TestTally: an official counts its own, all others everything.
func TestTally(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		caller auth.Caller
		want   string
	}{
		{auth.Caller{Subject: "x", Agency: "education", Jurisdiction: "320508"}, "320508"},
		{auth.Caller{}, ""},
		{auth.Caller{Subject: "anna", Jurisdiction: "320508"}, ""}, // a person has none
		{auth.Caller{Subject: "x", Agency: "education"}, ""},
	} {
		if _, got := pg.Tally(auth.With(t.Context(), tt.caller), "test"); got != tt.want {
			t.Errorf("%+v counts %q, want %q", tt.caller, got, tt.want)
		}
	}
}

// count runs sql in a marked transaction and returns how many rows it touched.
func count(ctx context.Context, begin func(context.Context) (pgx.Tx, error), sql string) (int64, error) {
	tx, err := begin(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if err := pg.Mark(ctx, tx); err != nil {
		return 0, err
	}
	tag, err := tx.Exec(ctx, sql)
	if err != nil {
		return 0, err
	}
	return tag.RowsAffected(), tx.Commit(ctx)
}
