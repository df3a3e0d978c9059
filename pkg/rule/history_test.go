package rule_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"xunguan/pkg/day"
	"xunguan/pkg/pg/pgtest"
	"xunguan/pkg/rule"
)

// TestHistory is that a history says what Known says, of rules enacted and ended
// at random at every level; also of one that is only proposed.
func TestHistory(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, none)
	ctx := t.Context()
	tx, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // to be repeated
	places := []string{"000000", "320000", "320500", "320508", "330000"}
	anyDay := func() day.Date { return day.MustParse("2025-01-01").AddDays(r.IntN(400)) }
	for n := range 40 {
		key, place, from, to := fmt.Sprint("k", n%2), places[r.IntN(len(places))], anyDay(), ""
		if r.IntN(4) == 0 {
			to = from.AddDays(r.IntN(60)).String()
		}
		apply(ctx, t, tx, enacted(key, place, int32(n+1), fmt.Sprint(n), "lesson", from.String(), to))
	}
	h, err := rule.Load(ctx, tx, "k0", "k1")
	if err != nil {
		t.Fatal(err)
	}
	agree := func(what string) {
		t.Helper()
		known := 0
		for range 500 {
			place, on := []string{"320508", "320500", "320000", "330106", "000000", "110101"}[r.IntN(6)], anyDay()
			want, err := rule.Known(ctx, tx, place, on, "k0", "k1")
			if err != nil {
				t.Fatal(err)
			}
			got := h.Known(place, on)
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b day.Date) bool { return a == b }), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s: %s on %s:\n%s", what, place, on, diff)
			}
			if len(got) == 2 {
				known++
			}
		}
		if known < 100 || known == 500 {
			t.Errorf("%s: known %d of 500 times: too one-sided to tell", what, known)
		}
	}
	agree("as enacted")
	value, from := []byte("7"), day.MustParse("2025-06-01")
	h = h.With(rule.Rule{Key: "k1", Jurisdiction: "320500", Value: value, Unit: "lesson", EffectiveFrom: from, Source: "测试", Provenance: "D"})
	proposed := h.Known("320508", from)
	apply(ctx, t, tx, enacted("k1", "320500", int32(proposed["k1"].Version), "7", "lesson", from.String(), "")) //nolint:gosec // about 41
	agree("as proposed")
}
