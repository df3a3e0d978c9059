package licensing_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
	licensingv1 "xunguan/proto/licensing/v1"
	"xunguan/services/licensing"
)

const (
	refused   = fault.Refused
	forbidden = fault.Forbidden
)

// race runs f 20 times at once and fails on an error of any.
func race(t *testing.T, f func(n int) error) {
	t.Helper()
	var g errgroup.Group
	for n := range 20 {
		g.Go(func() error { return f(n) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func (w *world) state(by, id, text string) (licensing.ListEntry, error) {
	return w.StateCase(w.as(by), licensing.StateCase{Key: w.key(), ID: id, Text: text})
}

func (w *world) setAside(by, id string) (licensing.ListEntry, error) {
	return w.SetAsideListEntry(w.as(by), licensing.SetAsideListEntry{Key: w.key(), ID: id, Reason: "主要事实不清", Document: "苏教复决〔2026〕1号行政复议决定书"})
}

func (w *world) page(by, id string) licensing.ListEntryPage {
	return must(w.GetListEntry(w.as(by), licensing.GetListEntry{ID: id}))
}

func actionsOf(p licensing.ListEntryPage) string {
	var got []string
	for _, a := range p.Actions {
		got = append(got, a.Action)
	}
	return strings.Join(got, " ")
}

// TestStatement: the institution, and nobody else, states its case once, until the
// last day; those who decide read it, others do not; the decision records it.
func TestStatement(t *testing.T) {
	t.Parallel()
	const text = "家长已全部退费，请予从轻"
	w := newWorld(t)
	i := w.registered() // on 2026-03-10
	white := must(w.propose("examiner", i.ID, licensing.White))
	e := must(w.propose("examiner", i.ID, licensing.Black)) // until 2026-03-17
	for _, tt := range []struct {
		name, on, by, id, text string
		kind                   error
		say                    string
	}{
		{"of a white list entry", "2026-03-11", "principal", white.ID, text, fault.Conflict, "拟列入黑名单"},
		{"by another institution", "2026-03-11", "principal2", e.ID, text, fault.NotFound, "不存在"},
		{"by who proposed it", "2026-03-11", "examiner", e.ID, text, fault.Forbidden, "陈述"},
		{"blank", "2026-03-11", "principal", e.ID, "  \n", fault.Invalid, "/text"},
		{"on the last day", "2026-03-17", "principal", e.ID, " " + text + " ", nil, ""},
		{"twice", "2026-03-17", "principal", e.ID, text, fault.Conflict, "2026-03-17"},
	} {
		w.on(tt.on)
		n := len(w.events())
		_, err := w.state(tt.by, tt.id, tt.text)
		wants(t, tt.name, err, tt.kind, tt.say)
		if len(w.events()) != n {
			t.Errorf("%s was published", tt.name)
		}
	}
	for who, sees := range map[string]string{"examiner2": text, "examiner": text, "city": text, "principal": text, "market": "", "culture": ""} {
		p := w.page(who, e.ID)
		if p.Statement != sees || p.StatedOn.String() != "2026-03-17" {
			t.Errorf("%s reads %q of %s", who, p.Statement, p.StatedOn)
		}
		for _, l := range p.Timeline {
			if strings.Contains(l.Note, text) {
				t.Errorf("the timeline tells everybody: %+v", l)
			}
		}
		for _, l := range must(w.ListListEntries(w.as(who), licensing.ListListEntries{List: licensing.Black})).Items {
			if l.Statement != sees {
				t.Errorf("%s reads %q in the list", who, l.Statement)
			}
		}
	}
	_, err := w.settle("examiner2", e.ID, "approve")
	wants(t, "decided on the last day though stated", err, fault.Refused, "2026-03-17")
	w.on("2026-03-18")
	must(w.settle("examiner2", e.ID, "approve"))
	p := w.page("examiner", e.ID)
	l := p.Timeline[len(p.Timeline)-1]
	if got := p.Timeline[1]; got.Label != "陈述、申辩" || got.Actor != "申请人" {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(l.Note, "依法决定；当事人已于 2026-03-17 提出陈述、申辩意见") || l.Grounds[len(l.Grounds)-1].Inputs["stated_on"] != "2026-03-17" {
		t.Errorf("%+v", l)
	}
	_, err = w.state("principal", e.ID, text)
	wants(t, "after the decision", err, fault.Conflict, "待公布")
}

// TestStatementLate: after the last day nothing is stated, and the decision says
// that nothing was.
func TestStatementLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := must(w.propose("examiner", w.registered().ID, licensing.Black))
	waits := func() (string, string) {
		for _, it := range must(w.ReadInbox(w.as("principal"), licensing.ReadInbox{})).Items {
			if it.Kind == "list_statement" {
				return it.Title + " " + it.Href, fmt.Sprintf("%s %s %d", it.Due, it.Light, *it.DaysLeft)
			}
		}
		return "", ""
	}
	if title, due := waits(); title != "拟列入黑名单：可在 2026-03-17 前（含当日）陈述申辩（示例星河美术培训中心） /list-entries/"+e.ID || due != "2026-03-17 green 5" {
		t.Errorf("%q %q", title, due)
	}
	if p := w.page("principal", e.ID); actionsOf(p) != "statement" || p.Actions[0].Href != "/v1/list-entries/"+e.ID+"/statement" || p.Actions[0].Fields[0].Name != "text" {
		t.Errorf("%+v", p.Actions)
	}
	if got := actionsOf(w.page("examiner2", e.ID)); got != "approve refuse" {
		t.Error(got)
	}
	w.after(e.StatementUntil)
	if title, _ := waits(); title != "" || actionsOf(w.page("principal", e.ID)) != "" {
		t.Errorf("still waits: %s", title)
	}
	_, err := w.state("principal", e.ID, "迟到的意见")
	wants(t, "late", err, fault.Refused, "2026-03-17", "list.statement", "届满")
	must(w.settle("examiner2", e.ID, "approve"))
	p := w.page("examiner", e.ID)
	if l := p.Timeline[len(p.Timeline)-1]; !strings.Contains(l.Note, "至 2026-03-17）未提出意见") || !p.StatedOn.IsZero() {
		t.Errorf("%+v", l)
	}
}

// TestStateConcurrently: of 20 statements at once one is kept.
func TestStateConcurrently(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := must(w.propose("examiner", w.registered().ID, licensing.Black))
	var kept atomic.Int32
	race(t, func(n int) error {
		_, err := w.state("principal", e.ID, fmt.Sprintf("第 %d 份意见", n))
		if err == nil {
			kept.Add(1)
		} else if errors.Is(err, fault.Conflict) {
			err = nil
		}
		return err
	})
	if p := w.page("principal", e.ID); kept.Load() != 1 || len(p.Timeline) != 2 {
		t.Errorf("%d kept, %d lines", kept.Load(), len(p.Timeline))
	}
}

// TestSetAside: a decision set aside is undone once, by the office above or by a
// colleague of who decided it, and the white list entry comes back.
func TestSetAside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered()
	white := w.listed(i.ID, licensing.White)
	ask := wanted(i.ID)
	must(0, w.hear(ask))
	e := w.asked(ask.GetId()).ListEntry
	_, err := w.setAside("city", e.ID)
	wants(t, "before it is public", err, fault.Conflict, "待决定")
	w.after(e.StatementUntil)
	must(w.settle("examiner2", e.ID, "approve"))
	must(w.publish("examiner", e.ID))
	for _, tt := range []struct {
		name, by string
		kind     error
		say      string
	}{
		{"by who decided it", "examiner2", fault.Forbidden, "决定人以外"},
		{"by a neighbour", "neighbour", fault.NotFound, "不存在"},
		{"by the institution", "principal", fault.Forbidden, "撤销"},
		{"by another agency", "market", fault.Forbidden, "撤销"},
	} {
		_, err := w.setAside(tt.by, e.ID)
		wants(t, tt.name, err, tt.kind, tt.say)
	}
	_, err = w.SetAsideListEntry(w.as("city"), licensing.SetAsideListEntry{Key: w.key(), ID: e.ID, Reason: "主要事实不清", Document: "  "})
	wants(t, "without a document", err, fault.Invalid, "/document")
	if got := actionsOf(w.page("city", e.ID)); got != "set_aside" {
		t.Error(got)
	}
	if got := actionsOf(w.page("examiner2", e.ID)); got != "remove" {
		t.Error(got)
	}
	n := len(w.events())
	req := licensing.SetAsideListEntry{Key: w.key(), ID: e.ID, Reason: "主要事实不清", Document: "苏教复决〔2026〕1号行政复议决定书"}
	for range 2 { // the same click twice
		if e, err = w.SetAsideListEntry(w.as("city"), req); err != nil {
			t.Fatal(err)
		}
	}
	if e.State != licensing.Removed || !e.SetAside || e.SetAsideBy != "苏州市教育局" || e.Document != req.Document || !strings.Contains(e.Reason, "原白名单列入恢复") {
		t.Errorf("%+v", e)
	}
	all := w.events()
	if got := kinds(all, n); got != "ListEntryRemoved ListEntryPublished" {
		t.Fatal(got)
	}
	removed := all[n].m.(*licensingv1.ListEntryRemoved)
	if r := removed.GetEntry(); !r.GetSetAside() || r.GetWantedBy() != ask.GetId() || r.GetState() != "REMOVED" || removed.GetInstitution().GetList() != nil {
		t.Errorf("%v", removed)
	}
	back := all[n+1].m.(*licensingv1.ListEntryPublished)
	if b := back.GetEntry(); b.GetId() != white.ID || b.GetState() != "PUBLISHED" || b.GetSince() != white.Since.String() || b.GetUntil() != white.Until.String() ||
		b.GetSetAside() || back.GetInstitution().GetList().GetList() != "WHITE" {
		t.Errorf("%v", back)
	}
	p := w.page("examiner", white.ID)
	if l := p.Timeline[len(p.Timeline)-1]; p.State != licensing.Published || !p.RemovedOn.IsZero() || l.Action != "restore" || !strings.Contains(l.Label, "恢复") {
		t.Errorf("%+v", p)
	}
	for _, by := range []string{"city", "examiner"} {
		_, err = w.setAside(by, e.ID)
		wants(t, "twice by "+by, err, fault.Conflict, "已移出")
	}
	if len(w.events()) != len(all) {
		t.Error("the second time was published")
	}

	again := w.listed(i.ID, licensing.Black) // and the white one ends and comes back anew
	must(w.setAside("examiner", again.ID))
	if p := w.page("examiner", white.ID); p.State != licensing.Published {
		t.Errorf("%+v", p)
	}
}

// TestSetAsideAlone: nothing comes back that would not be in force, or that is not
// what the decision ended, and nothing black.
func TestSetAsideAlone(t *testing.T) {
	t.Parallel()
	suspend := func(w *world, i string) {
		ctx := pg.Worker(context.Background(), "test")
		must(pg.InTx(ctx, w.DB, func(tx pgx.Tx) (struct{}, error) {
			_, err := tx.Exec(ctx, `UPDATE institutions SET status = 'SUSPENDED' WHERE id = $1`, i)
			return struct{}{}, err
		}))
	}
	for _, tt := range []struct {
		name string
		play func(w *world, i string) licensing.ListEntry // the entry that is set aside
		say  string
	}{
		{"no white list entry before", func(w *world, i string) licensing.ListEntry { return w.listed(i, licensing.Black) }, ""},
		{"the white list entry's term is over", func(w *world, i string) licensing.ListEntry {
			white, e := w.listed(i, licensing.White), w.listed(i, licensing.Black)
			w.after(white.Until)
			return e
		}, "届满，不恢复"},
		{"the licence is suspended", func(w *world, i string) licensing.ListEntry {
			w.listed(i, licensing.White)
			e := w.listed(i, licensing.Black)
			suspend(w, i)
			return e
		}, "不恢复：列入白名单尚缺：办学许可证有效"},
		{"the white list entry was removed before", func(w *world, i string) licensing.ListEntry {
			white := w.listed(i, licensing.White)
			must(w.RemoveListEntry(w.as("examiner"), licensing.RemoveListEntry{Key: w.key(), ID: white.ID, Reason: "年检不合格"}))
			return w.listed(i, licensing.Black)
		}, ""},
		{"a white list entry that ended a black one", func(w *world, i string) licensing.ListEntry {
			w.listed(i, licensing.Black)
			return w.listed(i, licensing.White)
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			i := w.registered()
			e := tt.play(w, i.ID)
			n := len(w.events())
			e = must(w.setAside("city", e.ID))
			if got := kinds(w.events(), n); got != "ListEntryRemoved" {
				t.Error(got)
			}
			if !strings.Contains(e.Reason, tt.say) || strings.Contains(e.Reason, "恢复") != (tt.say != "") {
				t.Error(e.Reason)
			}
			if w.all("list_entries WHERE state = 'PUBLISHED'") != 0 {
				t.Error("something came back")
			}
		})
	}
}

// TestSetAsideConcurrently: of 20 at once one sets aside, and the white list entry
// comes back once.
func TestSetAsideConcurrently(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered()
	w.listed(i.ID, licensing.White)
	e := w.listed(i.ID, licensing.Black)
	n := len(w.events())
	var done atomic.Int32
	race(t, func(n int) error {
		_, err := w.setAside([]string{"city", "examiner"}[n%2], e.ID)
		if err == nil {
			done.Add(1)
		} else if errors.Is(err, fault.Conflict) {
			err = nil
		}
		return err
	})
	if got := kinds(w.events(), n); done.Load() != 1 || got != "ListEntryRemoved ListEntryPublished" {
		t.Errorf("%d set aside: %s", done.Load(), got)
	}
}

// TestMaySetAside: the office itself, less who decided, and the administrators of
// the same agency above it.
func TestMaySetAside(t *testing.T) {
	e := licensing.ListEntry{OfficeAgency: "education", OfficePlace: "320508", Office: "苏州市姑苏区教育局", ProposedBy: "examiner", DecidedAccount: "examiner2"}
	for _, tt := range []struct {
		by   auth.Caller
		want error
	}{
		{callers["examiner"], nil},
		{callers["examiner2"], fault.Forbidden},
		{callers["city"], nil},
		{callers["neighbour"], fault.Forbidden},
		{auth.Caller{Subject: "x", Roles: []string{"city"}, Agency: "market", Jurisdiction: "320500"}, fault.Forbidden},
		{auth.Caller{Subject: "x", Roles: []string{"examiner"}, Agency: "education", Jurisdiction: "320500"}, fault.Forbidden},
		{auth.Caller{Subject: "examiner2", Roles: []string{"city"}, Agency: "education", Jurisdiction: "320500"}, fault.Forbidden},
	} {
		if err := e.MaySetAside(tt.by); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v, want %v", tt.by, err, tt.want)
		}
	}
}

// TestRemedyConstraints: what Go promises, the tables refuse as well.
func TestRemedyConstraints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered()
	white := must(w.propose("examiner", i.ID, licensing.White))
	e := w.listed(i.ID, licensing.Black)
	ctx := pg.Worker(context.Background(), "test")
	for name, sql := range map[string]string{
		"set aside but in force":     fmt.Sprintf(`UPDATE list_entries SET set_aside = true, document = '1号' WHERE id = '%s'`, e.ID),
		"set aside by who decided":   fmt.Sprintf(`UPDATE list_entries SET state = 'REMOVED', set_aside = true, document = '1号', set_aside_account = decided_account WHERE id = '%s'`, e.ID),
		"set aside without document": fmt.Sprintf(`UPDATE list_entries SET state = 'REMOVED', set_aside = true, set_aside_account = 'city' WHERE id = '%s'`, e.ID),
		"a statement without a day":  fmt.Sprintf(`UPDATE list_entries SET statement = '无' WHERE id = '%s'`, e.ID),
		"a statement against white":  fmt.Sprintf(`UPDATE list_entries SET statement = '无', stated_on = '%s' WHERE id = '%s'`, day.Of(w.Now()), white.ID),
		"two of one request":         `UPDATE list_entries SET wanted_by = 'one'`,
		"superseded but in force":    fmt.Sprintf(`UPDATE list_entries SET superseded_by = '%s' WHERE id = '%s'`, white.ID, e.ID),
	} {
		if _, err := pg.InTx(ctx, w.DB, func(tx pgx.Tx) (int, error) {
			_, err := tx.Exec(ctx, sql)
			return 0, err
		}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestBackfill: an entry that was ended by another before that was recorded gets
// it from the migration, so that setting the other aside gives it back, too.
func TestBackfill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered()
	white, e := w.listed(i.ID, licensing.White), w.listed(i.ID, licensing.Black)
	w.listed(w.fresh().ID, licensing.White) // somebody else's
	file := string(must(fs.ReadFile(licensing.Migrations(), "0002_wanted.sql")))
	_, fill, _ := strings.Cut(file, "SELECT set_config")
	ctx := context.Background() // not a worker: the migration itself must say so
	must(pg.InTx(pg.Worker(ctx, "test"), w.DB, func(tx pgx.Tx) (struct{}, error) {
		_, err := tx.Exec(ctx, `UPDATE list_entries SET superseded_by = NULL`)
		return struct{}{}, err
	}))
	must(pg.InTx(ctx, w.DB, func(tx pgx.Tx) (struct{}, error) {
		_, err := tx.Conn().PgConn().Exec(ctx, "SELECT set_config"+fill).ReadAll()
		return struct{}{}, err
	}))
	if n := w.all(fmt.Sprintf(`list_entries WHERE id = '%s' AND superseded_by = '%s'`, white.ID, e.ID)); n != 1 || w.all(`list_entries WHERE superseded_by IS NOT NULL`) != 1 {
		t.Errorf("%d filled in", n)
	}
}
