package ruletest_test

import (
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/pg"
	"xunguan/pkg/pg/pgtest"
	"xunguan/pkg/rule"
	"xunguan/pkg/rule/ruletest"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, fstest.MapFS{"0001_x.sql": {Data: []byte("-- +goose Up\nCREATE TABLE x ();")}})
	ruletest.Load(t, db)
	_, err := pg.InTx(t.Context(), db, func(tx pgx.Tx) (struct{}, error) {
		set, err := rule.InForce(t.Context(), tx, "320508", day.MustParse("2026-03-01"), "fee.max_lessons", "tip.mediation", "licence.decide")
		if err != nil {
			return struct{}{}, err
		}
		if n := set["fee.max_lessons"].Int(); n != 60 {
			t.Errorf("fee.max_lessons is %d, want 60", n)
		}
		if r := set["tip.mediation"]; r.Int() != 45 || r.EffectiveTo == nil || r.EffectiveTo.String() != "2026-04-14" {
			t.Errorf("tip.mediation is %+v, want 45 until 2026-04-14", r)
		}
		due, err := rule.Due(t.Context(), tx, set["licence.decide"], day.MustParse("2026-02-02")) // 02-03..06, 02-09..14, 02-24..28, 03-02..06
		if due.On.String() != "2026-03-06" || due.Provisional {
			t.Errorf("20 working days after 2026-02-02 end on %v, want 2026-03-06", due)
		}
		return struct{}{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
}
