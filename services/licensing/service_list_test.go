package licensing_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// TestRegister: the registrar of the legal form gives the institution its own
// USCC, once, and nobody else's.
func TestRegister(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.granted()
	good := licensing.SealUSCC("91320508MA000001")
	for _, tt := range []struct {
		name, by, uscc string
		on             day.Date
		kind           error
		say            string
	}{
		{"civil affairs for a company", "civil", good, day.Date{}, fault.Forbidden, "苏州市姑苏区市场监督管理局"},
		{"too short", "market", good[:17], day.Date{}, fault.Invalid, "/uscc 长度"},
		{"lower case", "market", strings.ToLower(good), day.Date{}, fault.Invalid, "小写"},
		{"a wrong check digit", "market", good[:17] + "0", day.Date{}, fault.Invalid, "/uscc 校验位"},
		{"a non-profit's code", "market", licensing.SealUSCC("52320508MJ000001"), day.Date{}, fault.Invalid, "应以 91、92、93 开头"},
		{"before the licence", "market", good, day.Of(w.Now()).AddDays(-1), fault.Invalid, "/registered_on"},
		{"in the future", "market", good, day.Of(w.Now()).AddDays(1), fault.Invalid, "/registered_on"},
		{"a principal", "principal", good, day.Date{}, fault.Forbidden, "登记"},
		{"a neighbour", "neighbour", good, day.Date{}, fault.NotFound, "机构不存在"},
		{"right", "market", good, day.Date{}, nil, ""},
		{"twice", "market", good, day.Date{}, fault.Conflict, good},
	} {
		t.Run(tt.name, func(t *testing.T) {
			on := tt.on
			if on.IsZero() {
				on = day.Of(w.Now())
			}
			_, err := w.RegisterLegalPerson(w.as(tt.by), licensing.RegisterLegalPerson{Key: w.key(), ID: a.InstitutionID, USCC: tt.uscc, RegisteredOn: on})
			wants(t, tt.name, err, tt.kind, tt.say)
		})
	}
	other := w.granted()
	_, err := w.register("market", other.InstitutionID, good)
	wants(t, "another's code", err, fault.Conflict, "另一家")

	p := must(w.GetInstitution(w.as("market"), licensing.GetInstitution{ID: a.InstitutionID}))
	var uscc []licensing.Attribute
	for _, h := range p.History {
		if h.Attribute == "uscc" {
			uscc = append(uscc, h)
		}
	}
	if p.USCC != good || len(uscc) != 1 || uscc[0].Value != good || len(p.Timeline) != 2 || p.Timeline[1].Actor != "苏州市姑苏区市场监督管理局（market）" {
		t.Errorf("%+v", p)
	}
}

// TestRegisterNonProfit: a non-profit institution is registered by civil affairs.
func TestRegisterNonProfit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := facts()
	f.LegalForm = "non_profit"
	a := must(w.accept(w.submit(f).ID))
	must(w.opine("culture", a.ID, "agree"))
	must(w.check("examiner", a.ID, true, 180))
	must(w.check("examiner2", a.ID, true, 180))
	w.after(must(w.notice(a.ID)).NoticeUntil)
	id := must(w.decide(a.ID, "grant")).InstitutionID
	_, err := w.register("market", id, licensing.SealUSCC("91320508MA000001"))
	wants(t, "market for a non-profit", err, fault.Forbidden, "苏州市姑苏区民政局")
	_, err = w.register("civil", id, licensing.SealUSCC("91320508MA000001"))
	wants(t, "a company's code", err, fault.Invalid, "应以 52 开头")
	if i := must(w.register("civil", id, licensing.SealUSCC("52320508MJ000001"))); i.USCC == "" {
		t.Errorf("%+v", i)
	}
	all := w.events()
	if e := all[len(all)-1].m.(*licensingv1.LicenceChanged).GetInstitution(); e.GetUscc() != licensing.SealUSCC("52320508MJ000001") || e.GetLegalForm() != "non_profit" {
		t.Errorf("%v", all[len(all)-1])
	}
}

// TestWhite is a white list entry from proposal to its end.
func TestWhite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bare := w.granted()
	_, err := w.propose("examiner", bare.InstitutionID, licensing.White)
	wants(t, "without registration", err, fault.Refused, "法人登记", "list.white_term")

	i := w.registered()
	e := must(w.propose("examiner", i.ID, licensing.White))
	_, err = w.propose("examiner2", i.ID, licensing.White)
	wants(t, "proposed twice", err, fault.Conflict, "待决定")
	_, err = w.publish("examiner", e.ID)
	wants(t, "published undecided", err, fault.Conflict)
	_, err = w.settle("examiner", e.ID, "approve")
	wants(t, "decided by who proposed it", err, fault.Forbidden, "提出人以外")
	_, err = w.settle("neighbour", e.ID, "approve")
	wants(t, "decided by a neighbour", err, fault.NotFound)
	_, err = w.DecideListEntry(w.as("examiner2"), licensing.DecideListEntry{Key: w.key(), ID: e.ID, Decision: "refuse"})
	wants(t, "refused without a reason", err, fault.Invalid, "/reason")
	n := len(w.events())
	e = must(w.settle("examiner2", e.ID, "approve"))
	if e.State != licensing.Approved || e.DecidedBy != "苏州市姑苏区教育局" || e.DecidedAccount != "examiner2" {
		t.Errorf("decided: %+v", e)
	}
	today := day.Of(w.Now())
	e = must(w.publish("examiner", e.ID))
	if e.State != licensing.Published || e.Since != today || e.Until != today.AddMonths(12).AddDays(-1) ||
		strings.Contains(e.Basis, "list.white_term") || !strings.Contains(e.Basis, "\n期限：1 年（地方做法") || !strings.Contains(e.Basis, "检查结果见卷宗") || !strings.Contains(e.Objection, "行政复议") || len(e.Grounds) != 4 {
		t.Errorf("published: %+v", e)
	}
	all := w.events()
	if got := kinds(all, n); got != "ListEntryDecided ListEntryPublished" {
		t.Error(got)
	}
	published := all[len(all)-1].m.(*licensingv1.ListEntryPublished)
	if published.GetInstitution().GetList().GetList() != "WHITE" || published.GetEntry().GetUntil() != e.Until.String() || published.GetInstitution().GetUscc() != i.USCC {
		t.Errorf("%v", all[len(all)-1])
	}
	_, err = w.propose("examiner", i.ID, licensing.White)
	wants(t, "listed already", err, fault.Refused, "已在白名单")
	if p := must(w.GetInstitution(w.as("principal"), licensing.GetInstitution{ID: i.ID})); p.List == nil || p.List.ID != e.ID {
		t.Errorf("%+v", p.List)
	}

	w.on(e.Until.String())
	if n := w.tick(); n != 0 {
		t.Errorf("%d ended on the last day", n)
	}
	w.after(e.Until)
	if n, again := w.tick(), w.tick(); n != 1 || again != 0 {
		t.Errorf("%d, then %d ended", n, again)
	}
	p := must(w.GetListEntry(w.as("examiner"), licensing.GetListEntry{ID: e.ID}))
	if p.State != licensing.Removed || p.RemovedOn != e.Until.AddDays(1) || p.Timeline[len(p.Timeline)-1].Actor != "系统" {
		t.Errorf("%+v", p)
	}
	all = w.events()
	if removed := all[len(all)-1].m.(*licensingv1.ListEntryRemoved); removed.GetInstitution().GetList() != nil || removed.GetEntry().GetState() != "REMOVED" {
		t.Errorf("%v", all[len(all)-1])
	}
}

// TestBlack: a black list entry is decided only after the days to state one's
// case, ends the white one, and may be removed with a reason.
func TestBlack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered() // on 2026-03-10
	white := w.listed(i.ID, licensing.White)
	e := must(w.propose("examiner", i.ID, licensing.Black))
	if e.StatementUntil.String() != "2026-03-17" {
		t.Errorf("statement until %s", e.StatementUntil)
	}
	for _, on := range []string{"2026-03-10", "2026-03-17"} {
		w.on(on)
		_, err := w.settle("examiner2", e.ID, "approve")
		wants(t, "decided on "+on, err, fault.Refused, "2026-03-17", "list.statement", `"value":5`)
	}
	w.on("2026-03-18")
	n := len(w.events())
	must(w.settle("examiner2", e.ID, "approve"))
	e = must(w.publish("examiner", e.ID))
	if e.Until.String() != "2029-03-17" {
		t.Errorf("%+v", e)
	}
	if got := kinds(w.events(), n); got != "ListEntryDecided ListEntryRemoved ListEntryPublished" {
		t.Error(got)
	}
	if p := must(w.GetListEntry(w.as("examiner"), licensing.GetListEntry{ID: white.ID})); p.State != licensing.Removed || !strings.Contains(p.Reason, "另一名单") {
		t.Errorf("%+v", p)
	}
	_, err := w.propose("examiner", i.ID, licensing.Black)
	wants(t, "black already", err, fault.Conflict, "已在黑名单")
	s := must(w.Summarise(w.as("nobody"), licensing.Summarise{}))
	if s.Institutions != 1 || s.ByStatus[licensing.Active] != 1 || s.ByList[licensing.Black] != 1 || s.ByList[licensing.White] != 0 {
		t.Errorf("%+v", s)
	}
	for by, want := range map[string]int{"examiner": 1, "city": 1, "neighbour": 0} { // what their lists show
		s := must(w.Summarise(w.as(by), licensing.Summarise{}))
		listed := must(w.ListInstitutions(w.as(by), licensing.ListInstitutions{})).Items
		black := must(w.ListListEntries(w.as(by), licensing.ListListEntries{List: licensing.Black, State: licensing.Published})).Items
		if s.Institutions != want || s.Institutions != len(listed) || s.ByList[licensing.Black] != len(black) || s.Place == "" {
			t.Errorf("%s counts %+v, and lists %d institutions, %d of them black", by, s, len(listed), len(black))
		}
	}
	e = must(w.RemoveListEntry(w.as("examiner"), licensing.RemoveListEntry{Key: w.key(), ID: e.ID, Reason: "整改验收合格"}))
	if e.State != licensing.Removed || e.Reason != "整改验收合格" {
		t.Errorf("%+v", e)
	}
	_, err = w.RemoveListEntry(w.as("examiner"), licensing.RemoveListEntry{Key: w.key(), ID: e.ID, Reason: "再移出一次"})
	wants(t, "removed twice", err, fault.Conflict)
}

// TestListRefused: a refused proposal may be made again.
func TestListRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered()
	e := must(w.propose("examiner", i.ID, licensing.White))
	if e = must(w.settle("examiner2", e.ID, "refuse")); e.State != licensing.EntryRefused {
		t.Errorf("%+v", e)
	}
	_, err := w.publish("examiner", e.ID)
	wants(t, "published though refused", err, fault.Conflict)
	must(w.propose("examiner", i.ID, licensing.White))
	if l := must(w.ListListEntries(w.as("examiner"), licensing.ListListEntries{Institution: i.ID})); len(l.Items) != 2 {
		t.Errorf("%+v", l)
	}
	if l := must(w.ListListEntries(w.as("neighbour"), licensing.ListListEntries{})); len(l.Items) != 0 {
		t.Errorf("%+v", l)
	}
}

// TestExpiry: a licence ends the day after its last, and its list entry with it; a
// white list entry that was approved before is not published any more.
func TestExpiry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered()
	w.listed(i.ID, licensing.Black)
	late := must(w.propose("examiner", i.ID, licensing.White))
	must(w.settle("examiner2", late.ID, "approve"))
	n := len(w.events())
	w.on(i.ValidUntil.String())
	if n := w.tick(); n != 0 {
		t.Errorf("%d ended on the last day", n)
	}
	w.after(i.ValidUntil)
	if n, again := w.tick(), w.tick(); n != 1 || again != 0 {
		t.Errorf("%d, then %d ended", n, again)
	}
	p := must(w.GetInstitution(w.as("examiner"), licensing.GetInstitution{ID: i.ID}))
	if p.Status != licensing.Cancelled || p.StatusSince != i.ValidUntil.AddDays(1) || p.List != nil {
		t.Errorf("%+v", p)
	}
	if got := kinds(w.events(), n); got != "ListEntryRemoved LicenceCancelled" {
		t.Error(got)
	}
	_, err := w.publish("examiner", late.ID)
	wants(t, "white without a licence", err, fault.Refused, "目前已注销")
	_, err = w.register("market", i.ID, i.USCC)
	wants(t, "registered without a licence", err, fault.Refused, "注销")

	other := w.granted() // the code is free again
	if got, err := w.register("market", other.InstitutionID, i.USCC); err != nil || got.USCC != i.USCC {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestListInbox: a colleague decides, anybody of the office publishes, and a black
// list entry waits until it may be decided.
func TestListInbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered()
	inbox := func(who string) string {
		var got []string
		for _, it := range must(w.ReadInbox(w.as(who), licensing.ReadInbox{})).Items {
			if it.DaysLeft != nil || it.Href != "/list-entries/"+it.ID {
				t.Errorf("%+v", it)
			}
			got = append(got, it.Kind)
		}
		return strings.Join(got, " ")
	}
	e := must(w.propose("examiner", i.ID, licensing.Black))
	want := func(when, who, kinds string) {
		if got := inbox(who); got != kinds {
			t.Errorf("%s, %s: %q, want %q", when, who, got, kinds)
		}
	}
	want("while it may be answered", "examiner2", "")
	w.after(e.StatementUntil)
	want("proposed", "examiner2", "list_decide")
	want("proposed", "examiner", "")
	want("proposed", "neighbour", "")
	must(w.settle("examiner2", e.ID, "approve"))
	want("approved", "examiner", "list_publish")
	must(w.publish("examiner", e.ID))
	want("published", "examiner", "")
}

// TestDecideEntryConcurrently: 20 colleagues decide and publish; one entry is in force.
func TestPublishConcurrently(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered()
	white, black := must(w.propose("examiner", i.ID, licensing.White)), must(w.propose("examiner", i.ID, licensing.Black))
	w.after(black.StatementUntil)
	must(w.settle("examiner2", white.ID, "approve"))
	must(w.settle("examiner2", black.ID, "approve"))
	var g errgroup.Group
	for n := range 20 {
		g.Go(func() error {
			_, err := w.publish("examiner", []string{white.ID, black.ID}[n%2])
			if errors.Is(err, fault.Conflict) {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := w.all("list_entries WHERE state = 'PUBLISHED'"); n != 1 {
		t.Errorf("%d entries in force", n)
	}
	if n := w.all("list_entries WHERE state = 'REMOVED'"); n != 1 {
		t.Errorf("%d entries ended", n)
	}
}

// TestRepublish: the state of every institution is published anew, once for each
// request, page by page.
func TestRepublish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered()
	w.listed(i.ID, licensing.White)
	w.granted()
	n := len(w.events())
	req := licensing.Republish{Key: w.key()}
	for range 2 {
		if r := must(w.Republish(w.as("city"), req)); r.Institutions != 2 {
			t.Errorf("%+v", r)
		}
	}
	if runs := w.tick(); runs != 1 {
		t.Errorf("%d pages", runs)
	}
	all := w.events()
	if got := kinds(all, n); got != "LicenceChanged ListEntryPublished LicenceChanged" && got != "LicenceChanged LicenceChanged ListEntryPublished" {
		t.Error(got)
	}
	for _, e := range all[n:] {
		var pb *licensingv1.Institution
		switch m := e.m.(type) {
		case *licensingv1.LicenceChanged:
			pb = m.GetInstitution()
		case *licensingv1.ListEntryPublished:
			pb = m.GetInstitution()
		}
		if pb.GetId() != e.key || (pb.GetList() != nil) != (pb.GetId() == i.ID) {
			t.Errorf("%v", e)
		}
	}
	if w.tick() != 0 || len(w.events()) != len(all) {
		t.Error("published again")
	}
}

// TestSecondWall: without any filter of ours, row-level security alone keeps each
// table to those whom it concerns.
func TestSecondWall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered()
	w.listed(i.ID, licensing.White)
	for _, tt := range []struct {
		table string
		sees  string
	}{
		{"applications", "examiner examiner2 culture sport science market fire fire2 city principal"},
		{"opinions", "examiner examiner2 culture sport science market fire fire2 city principal"},
		{"site_checks", "examiner examiner2 culture sport science market fire fire2 city principal"},
		{"institutions", "examiner examiner2 culture sport science market civil fire fire2 police city principal"},
		{"institution_history", "examiner examiner2 culture sport science market civil fire fire2 police city principal"},
		{"list_entries", "examiner examiner2 culture sport science market fire fire2 city principal"},
		{"audit WHERE about = 'application'", "examiner examiner2 culture sport science market fire fire2 city principal"},
	} {
		may := map[string]bool{}
		for who := range strings.FieldsSeq(tt.sees) {
			may[who] = true
		}
		for who := range callers {
			if got := w.sees(w.as(who), tt.table) > 0; got != may[who] {
				t.Errorf("%s sees %s: %t", who, tt.table, got)
			}
		}
	}
	_, err := pg.InTx(w.as("neighbour"), w.DB, func(tx pgx.Tx) (int64, error) {
		tag, err := tx.Exec(context.Background(), `UPDATE applications SET principal = 'neighbour'`)
		return tag.RowsAffected(), err
	})
	if err != nil || w.sees(w.as("neighbour"), "applications") != 0 {
		t.Errorf("neighbour: %v", err)
	}
	if _, err := pg.InTx(w.as("examiner"), w.DB, func(tx pgx.Tx) (int, error) {
		_, err := tx.Exec(context.Background(), `UPDATE applications SET jurisdiction = '330106'`)
		return 0, err
	}); err == nil {
		t.Error("an official moved an application out of their own sight")
	}
}

// TestAuditOnlyGrows: not even we can change what was recorded.
func TestAuditOnlyGrows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.accepted()
	ctx := pg.Worker(auth.With(context.Background(), callers["city"]), "test")
	for _, sql := range []string{`UPDATE audit SET note = ''`, `DELETE FROM audit`, `TRUNCATE audit`} {
		_, err := pg.InTx(ctx, w.DB, func(tx pgx.Tx) (int, error) {
			_, err := tx.Exec(ctx, sql)
			return 0, err
		})
		if err == nil || !strings.Contains(err.Error(), "only grows") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if n := w.all("audit"); n != 2 {
		t.Errorf("%d entries", n)
	}
}

// TestConstraints: what Go promises, the tables refuse as well.
func TestConstraints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered()
	e := must(w.propose("examiner", i.ID, licensing.White))
	ctx := pg.Worker(context.Background(), "test")
	for name, sql := range map[string]string{
		"decided by who proposed it":     fmt.Sprintf(`UPDATE list_entries SET decided_account = proposed_by WHERE id = '%s'`, e.ID),
		"granted during public notice":   `UPDATE applications SET decided_on = notice_until`,
		"granted without a number":       `UPDATE applications SET licence_number = ''`,
		"in force without a term":        fmt.Sprintf(`UPDATE list_entries SET state = 'PUBLISHED' WHERE id = '%s'`, e.ID),
		"a licence that ends on its day": `UPDATE institutions SET valid_until = valid_from`,
	} {
		if _, err := pg.InTx(ctx, w.DB, func(tx pgx.Tx) (int, error) {
			_, err := tx.Exec(ctx, sql)
			return 0, err
		}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
