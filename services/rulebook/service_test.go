package rulebook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/pg/pgtest"
	"xunguan/pkg/rule"
	"xunguan/services/rulebook"
)

// newService returns a seeded rulebook, where it is 2026-03-02.
func newService(t *testing.T) *rulebook.Service {
	t.Helper()
	s := &rulebook.Service{
		DB:  pgtest.New(t, rulebook.Migrations()),
		Now: func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, day.Shanghai) },
	}
	if err := s.Seed(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// suzhou is the city's officer.
func suzhou(ctx context.Context) context.Context {
	return auth.With(ctx, auth.Caller{Subject: "city", Roles: []string{"city"}, Agency: "education", Jurisdiction: "320500"})
}

func enact(key, place, from, value string) rulebook.EnactRule {
	return rulebook.EnactRule{
		Key: once.Key{IdempotencyKey: "enact-" + key + place + from + value}, RuleKey: key, Value: json.RawMessage(value), Unit: "working_day",
		Jurisdiction: place, EffectiveFrom: day.MustParse(from), Source: "苏州市教育局通知（测试）", Reason: "试行",
	}
}

func repeal(key, place, from string) rulebook.RepealRule {
	return rulebook.RepealRule{
		Key: once.Key{IdempotencyKey: "repeal-" + key + place + from}, RuleKey: key, Jurisdiction: place, From: day.MustParse(from), Reason: "试行结束",
	}
}

func mustEnact(t *testing.T, s *rulebook.Service, req rulebook.EnactRule) rulebook.Rule {
	t.Helper()
	r, err := s.EnactRule(suzhou(t.Context()), req)
	if err != nil {
		t.Fatalf("%s of %s from %s: %v", req.RuleKey, req.Jurisdiction, req.EffectiveFrom, err)
	}
	return r
}

// inForce is "value place vN" of key at place on a day.
func inForce(t *testing.T, s *rulebook.Service, place, on, key string) string {
	t.Helper()
	got, err := s.ListRules(t.Context(), rulebook.ListRules{Jurisdiction: place, Date: day.MustParse(on), RuleKey: key})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rules) != 1 {
		return fmt.Sprintf("%d rules", len(got.Rules))
	}
	r := got.Rules[0]
	return fmt.Sprintf("%s %s v%d", r.Value, r.Jurisdiction, r.Version)
}

func count(t *testing.T, db *pgxpool.Pool, sql string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM `+sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// tables counts every row that a use case may add.
func tables(t *testing.T, s *rulebook.Service) [4]int {
	t.Helper()
	return [4]int{count(t, s.DB, "rules"), count(t, s.DB, "calendars"), count(t, s.DB, "audit"), count(t, s.DB, "outbox")}
}

func TestSeedIsIdempotent(t *testing.T) {
	t.Parallel()
	s := &rulebook.Service{DB: pgtest.New(t, rulebook.Migrations()), Now: time.Now}
	var g errgroup.Group
	for range 8 { // replicas starting together
		g.Go(func() error { return s.Seed(t.Context()) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	was := tables(t, s)
	if was[0] < 100 || was[1] != 3 || was[2] != was[0]+was[1] || was[3] != was[2] {
		t.Errorf("rules, calendars, audit, outbox: %v", was)
	}
	if err := s.Seed(t.Context()); err != nil || tables(t, s) != was {
		t.Errorf("seeded again: %v, want %v; %v", tables(t, s), was, err)
	}
}

// TestSeedLeavesWhatWasEnacted: a start must not undo what an office decided,
// neither after the seed nor before a seed that is new to this database.
func TestSeedLeavesWhatWasEnacted(t *testing.T) {
	t.Parallel()
	zhejiang := auth.With(t.Context(), auth.Caller{Subject: "z", Jurisdiction: "330000"})
	fresh := &rulebook.Service{DB: pgtest.New(t, rulebook.Migrations()), Now: newService(t).Now}
	for want, s := range map[string]*rulebook.Service{"9 330000 v2": newService(t), "9 330000 v1": fresh} {
		if _, err := s.EnactRule(zhejiang, enact("escrow.parent_autoconfirm", "330000", "2026-03-02", "9")); err != nil {
			t.Fatal(err)
		}
		if err := s.Seed(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := inForce(t, s, "330106", "2026-03-02", "escrow.parent_autoconfirm"); got != want {
			t.Errorf("in force: %s, want %s", got, want)
		}
		was := tables(t, s)
		if err := s.Seed(t.Context()); err != nil || tables(t, s) != was {
			t.Errorf("%v, want %v; %v", tables(t, s), was, err)
		}
	}
}

func TestInheritance(t *testing.T) {
	t.Parallel()
	s := newService(t)
	const key = "flag.answer"
	mustEnact(t, s, enact(key, "320500", "2026-04-01", "4"))
	mustEnact(t, s, enact(key, "320508", "2026-05-01", "3"))
	mustEnact(t, s, enact(key, "320508", "2026-06-01", "2"))
	for _, tt := range []struct{ place, on, want string }{
		{"320508", "2026-03-31", "5 000000 v1"},
		{"320508", "2026-04-01", "4 320500 v1"},
		{"320508", "2026-04-30", "4 320500 v1"},
		{"320508", "2026-05-01", "3 320508 v1"},
		{"320508", "2026-05-31", "3 320508 v1"},
		{"320508", "2026-06-01", "2 320508 v2"},
		{"320506", "2026-06-01", "4 320500 v1"}, // a neighbour has the city's
		{"320571", "2026-06-01", "4 320500 v1"}, // so has the 园区
		{"320500", "2026-06-01", "4 320500 v1"},
		{"320000", "2026-06-01", "5 000000 v1"},
		{"320102", "2026-06-01", "5 000000 v1"}, // 南京
		{"110101", "2026-06-01", "5 000000 v1"},
		{"000000", "2026-06-01", "5 000000 v1"},
		{"320508", "2021-07-23", "0 rules"}, // the day before the seed begins
	} {
		if got := inForce(t, s, tt.place, tt.on, key); got != tt.want {
			t.Errorf("%s on %s: %s, want %s", tt.place, tt.on, got, tt.want)
		}
	}
	for place, want := range map[string]string{"330106": "7 330000 v1", "320508": "15 000000 v1"} { // domain.md §1.3
		if got := inForce(t, s, place, "2026-03-02", "escrow.parent_autoconfirm"); got != want {
			t.Errorf("auto-confirm at %s: %s, want %s", place, got, want)
		}
	}
	for on, want := range map[string]string{"2026-04-14": "45 000000 v1", "2026-04-15": "60 000000 v2"} { // 令121
		if got := inForce(t, s, "320508", on, "tip.mediation"); got != want {
			t.Errorf("mediation on %s: %s, want %s", on, got, want)
		}
	}
}

// TestListRules: one rule for each key, whole and in order.
func TestListRules(t *testing.T) {
	t.Parallel()
	s := newService(t)
	got, err := s.ListRules(t.Context(), rulebook.ListRules{Jurisdiction: "330106"}) // today
	if err != nil || len(got.Rules) < 60 {
		t.Fatalf("%d rules, %v", len(got.Rules), err)
	}
	for i, r := range got.Rules {
		if i > 0 && got.Rules[i-1].Key >= r.Key {
			t.Errorf("%s comes before %s", got.Rules[i-1].Key, r.Key)
		}
		if r.Source == "" || r.Provenance == "" || r.Version < 1 || !json.Valid(r.Value) {
			t.Errorf("%+v", r)
		}
	}
	if _, err := s.ListRules(t.Context(), rulebook.ListRules{Jurisdiction: "320599"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("unknown division: %v", err)
	}
	if _, err := s.ListRules(t.Context(), rulebook.ListRules{Jurisdiction: "320508", RuleKey: "no.such"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("unknown key: %v", err)
	}
}

func TestEnactRefuses(t *testing.T) {
	t.Parallel()
	s := newService(t)
	was := tables(t, s)
	ok := enact("flag.answer", "320508", "2026-03-02", "3")
	for _, tt := range []struct {
		name string
		set  func(*rulebook.EnactRule)
		want error
	}{
		{"yesterday", func(q *rulebook.EnactRule) { q.EffectiveFrom = day.MustParse("2026-03-01") }, fault.Refused},
		{"too far ahead", func(q *rulebook.EnactRule) { q.EffectiveFrom = day.MustParse("3000-01-01") }, fault.Invalid},
		{"another city", func(q *rulebook.EnactRule) { q.Jurisdiction = "320100" }, fault.Forbidden},
		{"another city's county", func(q *rulebook.EnactRule) { q.Jurisdiction = "320102" }, fault.Forbidden},
		{"the province", func(q *rulebook.EnactRule) { q.Jurisdiction = "320000" }, fault.Forbidden},
		{"the nation", func(q *rulebook.EnactRule) { q.Jurisdiction = "000000" }, fault.Forbidden},
		{"no such division", func(q *rulebook.EnactRule) { q.Jurisdiction = "320599" }, fault.Invalid},
		{"a heading of the list", func(q *rulebook.EnactRule) { q.Jurisdiction = "320501" }, fault.Invalid},
		{"no such key", func(q *rulebook.EnactRule) { q.RuleKey = "flag.answers" }, fault.Invalid},
		{"another unit", func(q *rulebook.EnactRule) { q.Unit = "month" }, fault.Invalid},
		{"a text for a number", func(q *rulebook.EnactRule) { q.Value = json.RawMessage(`"3"`) }, fault.Invalid},
		{"nothing", func(q *rulebook.EnactRule) { q.Value = json.RawMessage(`null`) }, fault.Invalid},
		{"half a day", func(q *rulebook.EnactRule) { q.Value = json.RawMessage(`0.5`) }, fault.Invalid},
		{"no reason", func(q *rulebook.EnactRule) { q.Reason = "  " }, fault.Invalid},
		{"no source", func(q *rulebook.EnactRule) { q.Source = "    " }, fault.Invalid},
		{"no Idempotency-Key", func(q *rulebook.EnactRule) { q.IdempotencyKey = "" }, fault.Invalid},
	} {
		req := ok
		tt.set(&req)
		if _, err := s.EnactRule(suzhou(t.Context()), req); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if got := tables(t, s); got != was {
		t.Errorf("refusals left %v, want %v", got, was)
	}
	if _, err := s.EnactRule(suzhou(t.Context()), ok); err != nil {
		t.Errorf("today: %v", err)
	}
}

func TestEnactAgain(t *testing.T) {
	t.Parallel()
	s := newService(t)
	req := enact("flag.answer", "320508", "2026-04-01", "3")
	first := mustEnact(t, s, req)
	was := tables(t, s)
	if again := mustEnact(t, s, req); again.Version != first.Version || tables(t, s) != was {
		t.Errorf("asked again: version %d, %v; want %d, %v", again.Version, tables(t, s), first.Version, was)
	}
	req.Value = json.RawMessage("4")
	if _, err := s.EnactRule(suzhou(t.Context()), req); !errors.Is(err, fault.KeyReused) {
		t.Errorf("the same key with another request: %v", err)
	}
}

// TestLaterVersionReplaces: from its day on a version replaces all that the place
// had, also what was to come later.
func TestLaterVersionReplaces(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for _, e := range [][2]string{{"2026-04-01", "4"}, {"2026-08-01", "3"}, {"2026-06-01", "2"}, {"2026-06-01", "1"}} {
		mustEnact(t, s, enact("flag.answer", "320508", e[0], e[1]))
	}
	for on, want := range map[string]string{
		"2026-03-31": "5 000000 v1", "2026-04-01": "4 320508 v1", "2026-05-31": "4 320508 v1",
		"2026-06-01": "1 320508 v4", "2026-08-01": "1 320508 v4",
	} {
		if got := inForce(t, s, "320508", on, "flag.answer"); got != want {
			t.Errorf("on %s: %s, want %s", on, got, want)
		}
	}
}

func TestRepeal(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ctx := suzhou(t.Context())
	mustEnact(t, s, enact("flag.answer", "320508", "2026-04-01", "4"))
	mustEnact(t, s, enact("flag.answer", "320508", "2026-08-01", "3"))
	for _, tt := range []struct {
		req  rulebook.RepealRule
		want error
	}{
		{repeal("flag.answer", "320508", "2026-03-01"), fault.Refused},
		{repeal("flag.answer", "000000", "2026-06-01"), fault.Forbidden},
		{repeal("flag.answer", "320599", "2026-06-01"), fault.Invalid},
		{repeal("flag.answer", "320506", "2026-06-01"), fault.NotFound},
		{repeal("no.such", "320508", "2026-06-01"), fault.NotFound},
	} {
		if _, err := s.RepealRule(ctx, tt.req); !errors.Is(err, tt.want) {
			t.Errorf("%s of %s from %s: %v, want %v", tt.req.RuleKey, tt.req.Jurisdiction, tt.req.From, err, tt.want)
		}
	}
	for range 2 { // and asked again
		got, err := s.RepealRule(ctx, repeal("flag.answer", "320508", "2026-06-01"))
		if err != nil || len(got.Rules) != 2 || got.Rules[0].EffectiveTo.String() != "2026-05-31" || got.Rules[1].EffectiveTo.String() != "2026-07-31" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for on, want := range map[string]string{"2026-05-31": "4 320508 v1", "2026-06-01": "5 000000 v1", "2026-08-01": "5 000000 v1"} {
		if got := inForce(t, s, "320508", on, "flag.answer"); got != want {
			t.Errorf("on %s: %s, want %s", on, got, want)
		}
	}
	mustEnact(t, s, enact("flag.answer", "320508", "2026-07-01", "2"))
	if got := inForce(t, s, "320508", "2026-07-01", "flag.answer"); got != "2 320508 v3" {
		t.Errorf("enacted after the repeal: %s", got)
	}
}

// TestEnactConcurrently: 20 at once make versions 1 to 20, one in force at a time.
func TestEnactConcurrently(t *testing.T) {
	t.Parallel()
	s := newService(t)
	var g errgroup.Group
	for i := range 20 {
		from := day.MustParse("2026-04-01").AddDays(i * 7 % 10).String()
		g.Go(func() error {
			req := enact("flag.answer", "320508", from, fmt.Sprint(i+1))
			_, err := s.EnactRule(suzhou(context.Background()), req)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	history, err := s.ListVersions(t.Context(), rulebook.ListVersions{RuleKey: "flag.answer", Jurisdiction: "320508"})
	if err != nil || len(history.Versions) != 21 { // and the nation's
		t.Fatalf("%d versions, %v", len(history.Versions), err)
	}
	for i, v := range history.Versions[:20] {
		if v.Version != 20-i {
			t.Errorf("version %d in place of %d", v.Version, 20-i)
		}
	}
	for d := day.MustParse("2026-03-30"); d.Before(day.MustParse("2026-04-30")); d = d.AddDays(1) {
		n := count(t, s.DB, `rules r JOIN series s ON s.id = r.series WHERE s.key = 'flag.answer' AND s.jurisdiction = '320508'
			AND effective_from <= $1 AND (effective_to IS NULL OR effective_to >= $1)`, d)
		if n > 1 || n == 0 && d.After(day.MustParse("2026-04-10")) {
			t.Errorf("%d in force on %s", n, d)
		}
	}
	if n := count(t, s.DB, `outbox WHERE key = 'flag.answer'`); n != 21 {
		t.Errorf("%d events, want 21", n)
	}
}

func TestHistoryAndAudit(t *testing.T) {
	t.Parallel()
	s := newService(t)
	mustEnact(t, s, enact("flag.answer", "320500", "2026-04-01", "4"))
	mustEnact(t, s, enact("flag.answer", "320508", "2026-05-01", "3"))
	got, err := s.ListVersions(t.Context(), rulebook.ListVersions{RuleKey: "flag.answer", Jurisdiction: "320508"})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, v := range got.Versions {
		told = append(told, strings.Join([]string{v.Jurisdiction, string(v.Value), v.Agency, v.Place, v.Reason}, " "))
	}
	want := []string{"320508 3 education 320500 试行", "320500 4 education 320500 试行", "000000 5  000000 随系统预置"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
	raw, err := json.Marshal(got)
	if err != nil || strings.Contains(string(raw), `"city"`) {
		t.Errorf("the public history names an account: %s, %v", raw, err)
	}
	if n := count(t, s.DB, `audit WHERE actor = 'city' AND legal_date = '2026-03-02' AND key = 'flag.answer' AND reason = '试行'`); n != 2 {
		t.Errorf("%d audit rows, want 2", n)
	}
	for _, sql := range []string{`UPDATE audit SET reason = 'x'`, `DELETE FROM audit`, `TRUNCATE audit`} {
		if _, err := s.DB.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// TestOverlapIsImpossible: the table holds without the code.
func TestOverlapIsImpossible(t *testing.T) {
	t.Parallel()
	s := newService(t)
	add := func(version int, from, to string) error {
		_, err := s.DB.Exec(t.Context(), `INSERT INTO rules SELECT id, $1, '1', 'working_day', $2::date, nullif($3, '')::date, '测试', 'D'
			FROM series WHERE key = 'flag.answer' AND jurisdiction = '000000'`, version, from, to)
		return err
	}
	for _, tt := range []struct {
		version  int
		from, to string
		ok       bool
	}{
		{2, "2026-01-01", "", false},
		{2, "2021-01-01", "2021-07-24", false}, // the day on which the seed begins
		{2, "2021-01-01", "2021-07-23", true},
		{2, "2020-01-01", "2020-01-31", false}, // the version is taken
		{3, "2026-01-01", "2025-12-31", true},  // never in force
		{4, "2026-01-01", "2025-12-30", false},
	} {
		if err := add(tt.version, tt.from, tt.to); (err == nil) != tt.ok {
			t.Errorf("version %d from %s to %q: %v, want %t", tt.version, tt.from, tt.to, err, tt.ok)
		}
	}
}

func publish(year int, extra ...day.Special) rulebook.PublishCalendar {
	req := rulebook.PublishCalendar{
		Key: once.Key{IdempotencyKey: fmt.Sprintf("publish-%d-%d", year, len(extra))}, Year: year,
		Source: "国务院办公厅关于部分节假日安排的通知（测试）", Reason: "国务院公布",
	}
	for _, f := range []string{"01-01", "05-01", "10-01", "10-02", "10-03"} {
		req.Days = append(req.Days, day.Special{Date: day.MustParse(fmt.Sprintf("%d-%s", year, f)), Name: "放假"})
	}
	req.Days = append(req.Days, extra...)
	return req
}

func due(t *testing.T, s *rulebook.Service, from string, amount int) string {
	t.Helper()
	r, err := s.ReckonDue(t.Context(), rulebook.ReckonDue{From: day.MustParse(from), Amount: amount, Unit: day.WorkingDay})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(r.On, " ", r.Provisional)
}

// TestPublishCalendar: what was provisional is known when its year is published.
func TestPublishCalendar(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ctx := suzhou(t.Context())
	if _, err := s.GetCalendar(t.Context(), rulebook.GetCalendar{Year: 2027}); !errors.Is(err, fault.NotFound) {
		t.Errorf("2027 before it is published: %v", err)
	}
	if got := due(t, s, "2026-12-31", 1); got != "2027-01-01 true" {
		t.Errorf("before: %s", got)
	}
	sunday := day.Special{Date: day.MustParse("2027-01-03"), Working: true, Name: "调休上班"}
	for range 2 { // and asked again
		if y, err := s.PublishCalendar(ctx, publish(2027, sunday)); err != nil || y.Version != 1 {
			t.Errorf("%+v, %v", y, err)
		}
	}
	if got := due(t, s, "2026-12-31", 1); got != "2027-01-03 false" {
		t.Errorf("after: %s", got)
	}
	if y, err := s.PublishCalendar(ctx, publish(2027)); err != nil || y.Version != 2 {
		t.Errorf("%+v, %v", y, err)
	}
	if got := due(t, s, "2026-12-31", 1); got != "2027-01-04 false" {
		t.Errorf("after the second: %s", got)
	}
	if y, err := s.GetCalendar(t.Context(), rulebook.GetCalendar{Year: 2027}); err != nil || y.Version != 2 || len(y.Days) != 5 {
		t.Errorf("%+v, %v", y, err)
	}
	if n := count(t, s.DB, `outbox WHERE key = 'calendar/2027'`); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

func TestPublishCalendarRefuses(t *testing.T) {
	t.Parallel()
	s := newService(t)
	was := tables(t, s)
	if _, err := s.PublishCalendar(suzhou(t.Context()), publish(2026)); !errors.Is(err, fault.Refused) {
		t.Errorf("without the 春节 that has gone by: %v", err)
	}
	bad := publish(2027)
	bad.Days = bad.Days[1:]
	if _, err := s.PublishCalendar(suzhou(t.Context()), bad); !errors.Is(err, fault.Invalid) {
		t.Errorf("without 元旦: %v", err)
	}
	if got := tables(t, s); got != was {
		t.Errorf("refusals left %v, want %v", got, was)
	}
}

// TestRepublish: another service's copy, from the events, says what the rulebook
// says — from the first event on, and from a republish alone.
func TestRepublish(t *testing.T) {
	t.Parallel()
	s := newService(t)
	ctx := suzhou(t.Context())
	mustEnact(t, s, enact("flag.answer", "320500", "2026-04-01", "4"))
	mustEnact(t, s, enact("flag.answer", "320508", "2026-08-01", "3"))
	mustEnact(t, s, enact("flag.answer", "320508", "2026-06-01", "2"))
	if _, err := s.RepealRule(ctx, repeal("flag.answer", "320500", "2026-07-01")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PublishCalendar(ctx, publish(2027)); err != nil {
		t.Fatal(err)
	}
	agree(t, s, 0)
	var last int64
	if err := s.DB.QueryRow(t.Context(), `SELECT max(id) FROM outbox`).Scan(&last); err != nil {
		t.Fatal(err)
	}
	req := rulebook.Republish{Key: once.Key{IdempotencyKey: "again-again"}, Reason: "副本丢失"}
	for range 2 { // and asked again
		if got, err := s.Republish(ctx, req); err != nil || got.Rules < 110 || got.Calendars != 4 {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if n := count(t, s.DB, `outbox WHERE id > $1 AND key LIKE 'calendar/%'`, last); n != 4 {
		t.Errorf("%d calendars published again, want 4", n)
	}
	agree(t, s, last)
}

// agree applies the events after id to a copy and compares what is in force.
func agree(t *testing.T, s *rulebook.Service, id int64) {
	t.Helper()
	ctx := t.Context()
	m := event.Mux{}
	rule.On(m)
	other := pgtest.New(t, rulebook.Migrations())
	rows, err := s.DB.Query(ctx, `SELECT key, type, data FROM outbox WHERE id > $1 ORDER BY id`, id)
	if err != nil {
		t.Fatal(err)
	}
	told, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[event.Message])
	if err != nil {
		t.Fatal(err)
	}
	_, err = pg.InTx(ctx, other, func(tx pgx.Tx) (struct{}, error) {
		for _, e := range told {
			if err := m.Handle(ctx, tx, e); err != nil {
				return struct{}{}, err
			}
		}
		for _, place := range []string{"320508", "320506", "330106", "350203"} {
			for _, on := range []string{"2026-03-02", "2026-04-14", "2026-04-15", "2026-05-31", "2026-06-01", "2026-07-01", "2026-09-01"} {
				if err := same(ctx, t, s, tx, place, day.MustParse(on)); err != nil {
					return struct{}{}, err
				}
			}
		}
		c, err := rule.Calendar(ctx, tx)
		if err != nil {
			return struct{}{}, err
		}
		got, err := c.Due(day.MustParse("2026-12-31"), 1, day.WorkingDay)
		if want := due(t, s, "2026-12-31", 1); fmt.Sprint(got.On, " ", got.Provisional) != want {
			t.Errorf("the copy's calendar says %v, want %s", got, want)
		}
		return struct{}{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// same compares what tx's copy and s have in force.
func same(ctx context.Context, t *testing.T, s *rulebook.Service, tx pgx.Tx, place string, on day.Date) error {
	t.Helper()
	want, err := s.ListRules(ctx, rulebook.ListRules{Jurisdiction: place, Date: on})
	if err != nil {
		return err
	}
	for _, w := range want.Rules {
		set, err := rule.InForce(ctx, tx, place, on, w.Key)
		if err != nil {
			return err
		}
		got := set[w.Key]
		if got.Jurisdiction != w.Jurisdiction || got.Version != w.Version || got.Unit != w.Unit || string(got.Value) != string(w.Value) ||
			got.Source != w.Source || got.Provenance != w.Provenance || got.EffectiveFrom != w.EffectiveFrom || fmt.Sprint(got.EffectiveTo) != fmt.Sprint(w.EffectiveTo) {
			t.Errorf("%s at %s on %s: the copy has %+v, want %+v", w.Key, place, on, got, w)
		}
	}
	return nil
}
