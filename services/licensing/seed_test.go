package licensing_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
	"xunguan/pkg/pg/pgtest"
	"xunguan/pkg/rule/ruletest"
	"xunguan/services/licensing"
)

// counts is how many rows of each kind there are, as a worker sees them.
func counts(t *testing.T, db *pgxpool.Pool) map[string]int {
	t.Helper()
	n, err := pg.InTx(pg.Worker(t.Context(), "test"), db, func(tx pgx.Tx) (map[string]int, error) {
		rows, err := tx.Query(t.Context(), `
			SELECT 'application ' || state, count(*) FROM applications GROUP BY 1 UNION ALL
			SELECT 'institution ' || status, count(*) FROM institutions GROUP BY 1 UNION ALL
			SELECT 'entry ' || list || ' ' || state, count(*) FROM list_entries GROUP BY 1 UNION ALL
			SELECT 'audit', count(*) FROM audit UNION ALL SELECT 'outbox', count(*) FROM outbox UNION ALL
			SELECT 'registered', count(*) FROM institutions WHERE uscc <> ''`)
		if err != nil {
			return nil, err
		}
		n := map[string]int{}
		var what string
		var many int
		_, err = pgx.ForEachRow(rows, []any{&what, &many}, func() error { n[what] = many; return nil })
		return n, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func seeded(t *testing.T, now string) *licensing.Service {
	t.Helper()
	db := pgtest.New(t, licensing.Migrations())
	ruletest.Load(t, db)
	at, err := time.Parse(time.RFC3339, now)
	if err != nil {
		t.Fatal(err)
	}
	return &licensing.Service{DB: db, Now: func() time.Time { return at }}
}

// TestSeed: the demo city has every state, and every light in the examiner's
// inbox; what it shows does not depend on being cut off in the middle, on running
// twice, or on the day.
func TestSeed(t *testing.T) {
	t.Parallel()
	s := seeded(t, "2026-11-18T10:00:00+08:00") // a Wednesday
	ctx, cancel := context.WithCancel(t.Context())
	var calls atomic.Int64
	whole := s.Now
	s.Now = func() time.Time { // the clock is read at each step
		if calls.Add(1) == 200 {
			cancel()
		}
		return whole()
	}
	if err := s.Seed(ctx); err == nil {
		t.Error("was not cut off")
	}
	s.Now = whole
	err := s.Seed(t.Context())
	for errors.Is(err, fault.InFlight) { // PostgreSQL has yet to see that we hung up; package app asks again too
		err = s.Seed(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	first := counts(t, s.DB)
	want := map[string]int{
		"application SUBMITTED": 9, "application RETURNED": 2, "application NOT_ACCEPTED": 1, "application ACCEPTED": 12,
		"application PUBLIC_NOTICE": 5, "application GRANTED": 31, "application REFUSED": 1, "application WITHDRAWN": 1,
		"institution ACTIVE": 29, "institution CANCELLED": 2, "registered": 28,
		"entry WHITE PROPOSED": 1, "entry WHITE APPROVED": 1, "entry WHITE PUBLISHED": 12, "entry WHITE REMOVED": 1,
		"entry BLACK PROPOSED": 2, "entry BLACK PUBLISHED": 2,
		"audit": first["audit"], "outbox": first["outbox"],
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Error(diff)
	}
	if err := s.Seed(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, counts(t, s.DB)); diff != "" {
		t.Errorf("a second run changed: %s", diff)
	}
	seen := map[licensing.Light]bool{}
	work := map[string]bool{}
	for _, who := range []string{"examiner", "examiner2", "culture"} {
		in, err := s.ReadInbox(auth.With(t.Context(), callers[who]), licensing.ReadInbox{})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range in.Items {
			seen[i.Light], work[i.Kind] = true, true
		}
	}
	if !seen[licensing.Green] || !seen[licensing.Yellow] || !seen[licensing.Red] || len(work) != 7 {
		t.Errorf("lights %v, work %v", seen, work)
	}
	mine, err := s.ListInstitutions(auth.With(t.Context(), callers["principal"]), licensing.ListInstitutions{})
	if err != nil || len(mine.Items) != 3 || !strings.HasPrefix(mine.Items[0].Name+mine.Items[1].Name+mine.Items[2].Name, "山塘") && !strings.Contains(mine.Items[0].Name, "示例") {
		t.Errorf("%+v, %v", mine, err)
	}
}

// TestSeedOnAnyDay: the demo city can be played on a weekend, in a holiday, at
// night, and on the leap day of a year without a calendar.
func TestSeedOnAnyDay(t *testing.T) {
	t.Parallel()
	for _, now := range []string{
		"2026-11-22T01:00:00+08:00", "2026-02-17T12:00:00+08:00", "2028-02-29T23:59:59+08:00",
	} {
		t.Run(now, func(t *testing.T) {
			t.Parallel()
			s := seeded(t, now)
			if err := s.Seed(t.Context()); err != nil {
				t.Fatal(err)
			}
			n := counts(t, s.DB)
			if n["application GRANTED"] != 31 || n["institution CANCELLED"] != 2 || n["entry WHITE PUBLISHED"] != 12 || n["entry BLACK PUBLISHED"] != 2 {
				t.Errorf("%v", n)
			}
		})
	}
}

// TestSeedKeepsTimersOff: while the demo city is half played, the timers leave it
// alone, for they would take the parts out of the players' hands.
func TestSeedKeepsTimersOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.submit(facts())
	w.on("2026-03-10")
	worker := pg.Worker(t.Context(), "test")
	set := func(sql string) {
		must(pg.InTx(worker, w.DB, func(tx pgx.Tx) (int, error) { _, err := tx.Exec(worker, sql); return 0, err }))
	}
	set(`INSERT INTO seed (base) VALUES ('2026-03-10')`)
	if n := w.tick(); n != 0 {
		t.Errorf("%d applied in the middle of the seed", n)
	}
	set(`UPDATE seed SET done = true`)
	if n := w.tick(); n != 1 {
		t.Errorf("%d applied after the seed", n)
	}
	if p := must(w.GetApplication(w.as("examiner"), licensing.GetApplication{ID: a.ID})); !p.Deemed {
		t.Errorf("%+v", p)
	}
}
