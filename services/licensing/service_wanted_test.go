package licensing_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/event"
	"xunguan/pkg/pg"
	inspectionv1 "xunguan/proto/inspection/v1"
	licensingv1 "xunguan/proto/licensing/v1"
	"xunguan/services/licensing"
)

// wanted is what inspection asks for after a re-inspection that failed.
func wanted(institution string) *inspectionv1.ListEntryWanted {
	return &inspectionv1.ListEntryWanted{
		Id: uuid.NewString(), InstitutionId: institution, Jurisdiction: "320508", List: "BLACK", Facts: "超期预收费，责令整改后复查未通过",
		Basis: "责令整改逾期未改正", TaskId: uuid.NewString(), WantedBy: "examiner",
	}
}

// hear gives w an event as the consumer does, in one transaction of a worker.
func (w *world) hear(m proto.Message) error {
	mux := event.Mux{}
	w.Events(mux)
	data := must(proto.Marshal(m))
	ctx := pg.Worker(context.Background(), "licensing")
	_, err := pg.InTx(ctx, w.DB, func(tx pgx.Tx) (struct{}, error) {
		return struct{}{}, mux.Handle(ctx, tx, event.Message{Type: string(m.ProtoReflect().Descriptor().FullName()), Data: data})
	})
	return err
}

// asked is the entry that was proposed for a request.
func (w *world) asked(id string) licensing.ListEntryPage {
	for _, e := range must(w.ListListEntries(w.as("examiner"), licensing.ListListEntries{})).Items {
		if e.WantedBy == id {
			return must(w.GetListEntry(w.as("examiner"), licensing.GetListEntry{ID: e.ID}))
		}
	}
	w.t.Fatalf("no entry is wanted by %s", id)
	return licensing.ListEntryPage{}
}

// last is the last event, which must be an E.
func last[E proto.Message](w *world) E {
	w.t.Helper()
	all := w.events()
	e, ok := all[len(all)-1].m.(E)
	if !ok {
		w.t.Fatalf("the last event is %v", all[len(all)-1])
	}
	return e
}

// TestWanted is a black list entry from the inspection's request to publication:
// proposed once however often it is asked for, by the officer who asked, decided
// by another after the days of the statement.
func TestWanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered() // on 2026-03-10
	ask := wanted(i.ID)
	n := len(w.events())
	for range 3 {
		if err := w.hear(ask); err != nil {
			t.Fatal(err)
		}
	}
	if got := kinds(w.events(), n); got != "ListEntryProposed" {
		t.Fatal(got)
	}
	proposed := last[*licensingv1.ListEntryProposed](w).GetEntry()
	if proposed.GetWantedBy() != ask.GetId() || proposed.GetState() != "PROPOSED" || proposed.GetList() != "BLACK" || proposed.GetInstitutionId() != i.ID || w.events()[n].key != i.ID {
		t.Errorf("%v", proposed)
	}
	e := w.asked(ask.GetId())
	if e.Facts != ask.GetFacts() || e.Basis != ask.GetBasis() || e.ProposedBy != "examiner" || e.Office != "苏州市姑苏区教育局" || e.StatementUntil.String() != "2026-03-17" {
		t.Errorf("%+v", e)
	}
	if len(e.Grounds) != 2 || e.Grounds[0].Key != "list.statement" || e.Grounds[1].Key != "list.black_term" {
		t.Errorf("%+v", e.Grounds)
	}
	if len(e.Timeline) != 1 || e.Timeline[0].Actor != "苏州市姑苏区教育局（examiner）" || !strings.Contains(e.Timeline[0].Label, "检查") {
		t.Errorf("%+v", e.Timeline)
	}
	_, err := w.settle("examiner2", e.ID, "approve")
	wants(t, "decided during the statement", err, refused, "2026-03-17", "list.statement")
	w.after(e.StatementUntil)
	_, err = w.settle("examiner", e.ID, "approve")
	wants(t, "decided by who wanted it", err, forbidden, "提出人以外")
	must(w.settle("examiner2", e.ID, "approve"))
	if d := last[*licensingv1.ListEntryDecided](w).GetEntry(); d.GetWantedBy() != ask.GetId() || d.GetState() != "APPROVED" {
		t.Errorf("%v", d)
	}
	got := must(w.publish("examiner2", e.ID))
	p := last[*licensingv1.ListEntryPublished](w)
	if p.GetEntry().GetWantedBy() != ask.GetId() || p.GetEntry().GetSetAside() || p.GetInstitution().GetList().GetWantedBy() != ask.GetId() {
		t.Errorf("%v", p)
	}
	for _, say := range []string{"60 日内申请行政复议（《中华人民共和国行政复议法》", "第二十条", "6 个月内提起行政诉讼（《中华人民共和国行政诉讼法》", "第四十六条"} {
		if !strings.Contains(got.Objection, say) {
			t.Errorf("%q does not say %s", got.Objection, say)
		}
	}
	if !strings.Contains(got.Basis, ask.GetFacts()) || !strings.Contains(got.Basis, ask.GetBasis()) || !strings.Contains(got.Basis, "期限：3 年") || strings.Contains(got.Basis, "list.black_term") {
		t.Error(got.Basis)
	}
}

// TestWantedDeclined: while an entry is under way or in force there is no second
// one, and the inspection is told so; after it there may be.
func TestWantedDeclined(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered()
	first := must(w.propose("examiner2", i.ID, licensing.Black))
	decline := func(why string) {
		t.Helper()
		n, ask := len(w.events()), wanted(i.ID)
		for range 2 {
			if err := w.hear(ask); err != nil {
				t.Fatal(err)
			}
		}
		if got := kinds(w.events(), n); got != "ListEntryProposed ListEntryDecided" {
			t.Error(got)
		}
		if d := last[*licensingv1.ListEntryDecided](w).GetEntry(); d.GetState() != "REFUSED" || d.GetWantedBy() != ask.GetId() {
			t.Errorf("%v", d)
		}
		e := w.asked(ask.GetId())
		if e.State != licensing.EntryRefused || !strings.Contains(e.Reason, why) || len(e.Timeline) != 2 || e.Timeline[1].Actor != "系统" {
			t.Errorf("%+v", e)
		}
	}
	decline("待决定或待公布")
	w.after(first.StatementUntil)
	must(w.settle("examiner", first.ID, "approve"))
	decline("待决定或待公布")
	must(w.publish("examiner", first.ID))
	decline("已在黑名单")
	must(w.RemoveListEntry(w.as("examiner"), licensing.RemoveListEntry{Key: w.key(), ID: first.ID, Reason: "整改验收合格"}))
	ask := wanted(i.ID)
	if err := w.hear(ask); err != nil || w.asked(ask.GetId()).State != licensing.Proposed {
		t.Errorf("%v", err)
	}
}

// TestWantedWithoutLicence: a black list may name whose licence is no longer in force.
func TestWantedWithoutLicence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, status := range []licensing.Status{licensing.Suspended, licensing.Revoked, licensing.Cancelled} {
		i := w.granted().InstitutionID
		ctx := pg.Worker(context.Background(), "test")
		must(pg.InTx(ctx, w.DB, func(tx pgx.Tx) (struct{}, error) {
			_, err := tx.Exec(ctx, `UPDATE institutions SET status = $2 WHERE id = $1`, i, status)
			return struct{}{}, err
		}))
		ask := wanted(i)
		if err := w.hear(ask); err != nil || w.asked(ask.GetId()).State != licensing.Proposed {
			t.Errorf("%s: %v", status, err)
		}
	}
}

// TestWantedPoison: what cannot be a request is an error, which parks its key, and
// changes nothing.
func TestWantedPoison(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.granted().InstitutionID
	before := w.print()
	for name, with := range map[string]func(*inspectionv1.ListEntryWanted){
		"an unknown institution":  func(a *inspectionv1.ListEntryWanted) { a.InstitutionId = uuid.NewString() },
		"no institution":          func(a *inspectionv1.ListEntryWanted) { a.InstitutionId = "" },
		"no id":                   func(a *inspectionv1.ListEntryWanted) { a.Id = "" },
		"no officer":              func(a *inspectionv1.ListEntryWanted) { a.WantedBy = "" },
		"no facts":                func(a *inspectionv1.ListEntryWanted) { a.Facts = " " },
		"the white list":          func(a *inspectionv1.ListEntryWanted) { a.List = "WHITE" },
		"no place":                func(a *inspectionv1.ListEntryWanted) { a.Jurisdiction = "" },
		"a neighbour's office":    func(a *inspectionv1.ListEntryWanted) { a.Jurisdiction = "320506" },
		"a place that is no more": func(a *inspectionv1.ListEntryWanted) { a.Jurisdiction = "320599" },
	} {
		ask := wanted(i)
		with(ask)
		if err := w.hear(ask); err == nil {
			t.Errorf("%s was heard", name)
		}
		if w.print() != before {
			t.Fatalf("%s changed something", name)
		}
	}
}

// TestWantedConcurrently: one request heard by 20 at once is one entry, and so are
// 20 requests for one institution; the other 19 are declined.
func TestWantedConcurrently(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		requests, proposed, refused int
	}{{1, 1, 0}, {20, 1, 19}} {
		t.Run(fmt.Sprint(tt.requests), func(t *testing.T) {
			w := newWorld(t)
			i := w.granted().InstitutionID
			var asks []*inspectionv1.ListEntryWanted
			for range tt.requests {
				asks = append(asks, wanted(i))
			}
			race(t, func(n int) error { return w.hear(asks[n%len(asks)]) })
			if p, r := w.all(`list_entries WHERE state = 'PROPOSED'`), w.all(`list_entries WHERE state = 'REFUSED'`); p != tt.proposed || r != tt.refused {
				t.Errorf("%d proposed, %d refused", p, r)
			}
		})
	}
}
