package escrow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/due"
	"xunguan/pkg/fault"
	escrowv1 "xunguan/proto/escrow/v1"
	licensingv1 "xunguan/proto/licensing/v1"
)

// ofList is an event's institution, of principal, with an entry in force.
func ofList(id string, entry *licensingv1.ListEntry) *licensingv1.Institution {
	return &licensingv1.Institution{
		Id: id, Name: "姑苏" + id + "培训中心", Kind: "non_subject", Category: "culture_arts", Item: "美术", Status: "ACTIVE", Jurisdiction: "320508",
		Manager: "principal", ValidUntil: "2028-12-31", List: entry,
	}
}

func (h *house) entry(list, id, institution string) *licensingv1.ListEntryPublished {
	e := &licensingv1.ListEntry{
		Id: id, InstitutionId: institution, Jurisdiction: "320508", List: list, State: "PUBLISHED", Since: h.today().String(), DecidedBy: "苏州市姑苏区教育局",
	}
	return &licensingv1.ListEntryPublished{Entry: e, Institution: ofList(institution, e)}
}

// black applies that licensing published a black list entry.
func (h *house) black(id, institution string) {
	h.t.Helper()
	h.apply(h.entry("BLACK", id, institution))
}

// removed applies that licensing took it off the list.
func (h *house) removed(id, institution string) {
	h.t.Helper()
	e := &licensingv1.ListEntry{Id: id, InstitutionId: institution, List: "BLACK", State: "REMOVED", SetAside: true}
	h.apply(&licensingv1.ListEntryRemoved{Entry: e, Institution: ofList(institution, nil)})
}

func (h *house) holds(by string, req ListHolds) []HoldView {
	h.t.Helper()
	return must(h.ListHolds(h.as(by), req))(h.t).Items
}

// told is the events about payouts and accounts in the outbox, decoded, in their
// order, in short: "released art/2 1000".
func (h *house) told() (all []string) {
	h.t.Helper()
	h.work(func(tx pgx.Tx) error {
		rows, err := tx.Query(h.t.Context(), `SELECT type, key, data FROM outbox ORDER BY id`)
		if err != nil {
			return err
		}
		var name, key string
		var data []byte
		_, err = pgx.ForEachRow(rows, []any{&name, &key, &data}, func() error {
			line, about, err := short(name, data)
			if line != "" {
				all = append(all, line)
			}
			if err == nil && about != "" && about != key {
				err = fmt.Errorf("%s has the key %s", line, key)
			}
			return err
		})
		return err
	})
	return all
}

// short is an event in short, and what its key should be.
func short(name string, data []byte) (line, about string, err error) {
	switch name {
	case "escrow.v1.PayoutsHeld":
		var e escrowv1.PayoutsHeld
		err = proto.Unmarshal(data, &e)
		return "held " + shortHold(e.GetHold()), e.GetHold().GetInstitutionId(), err
	case "escrow.v1.PayoutsResumed":
		var e escrowv1.PayoutsResumed
		err = proto.Unmarshal(data, &e)
		return "resumed " + shortHold(e.GetHold()), e.GetHold().GetInstitutionId(), err
	case "escrow.v1.AccountOpened":
		var e escrowv1.AccountOpened
		err = proto.Unmarshal(data, &e)
		return "account " + e.GetAccount().GetInstitutionId(), e.GetAccount().GetInstitutionId(), err
	case "escrow.v1.FundsReleased":
		var e escrowv1.FundsReleased
		err = proto.Unmarshal(data, &e)
		c := e.GetContract()
		return fmt.Sprintf("released %s/%d %d of %d %s", c.GetInstitutionId(), e.GetLesson(), e.GetAmountFen(), c.GetReleasedFen(), c.GetState()), c.GetId(), err
	}
	return "", "", nil
}

func shortHold(h *escrowv1.Hold) string {
	return strings.Join([]string{h.GetInstitutionId(), h.GetCauseId(), h.GetSince(), h.GetUntil()}, " ")
}

// TestHold is step 8 of the story: payouts are held, refunds go on, and what
// waited is paid out, each once.
func TestHold(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen = 6, 6001 }))
	for n := 1; n <= 4; n++ {
		h.taught(v.ID, n)
	}
	h.confirmed(v.ID, 1)
	for range 3 { // delivered again, and published again
		h.black("case-1", "art")
	}
	l := h.confirmed(v.ID, 2)
	if l.State != confirmed || l.ReleasedFen != 0 || l.Waiting != "暂停拨付" {
		t.Errorf("confirmed while payouts are held: %+v", l)
	}
	h.refunded(v.ID, 1)
	h.at("2026-03-24")
	if n := h.settle(); n != 2 { // 3 and 4, by silence
		t.Errorf("%d were settled, want two silent lessons", n)
	}
	v = h.contract("parent", v.ID)
	if v.ReleasedFen != 1000 || v.RefundedFen != 1001 || v.HeldFen != 4000 || v.Progress.Confirmed != 4 || v.Progress.OnHold != 3 || v.Progress.OnHoldFen != 3000 {
		t.Errorf("while held: %+v %+v", v.Money, v.Progress)
	}
	if want := "该机构自 2026-03-02 起暂停拨付，您的退费不受影响"; v.Hold != want {
		t.Errorf("the parent reads %q, want %q", v.Hold, want)
	}
	if last := v.Timeline[len(v.Timeline)-1]; !strings.HasSuffix(last.Summary, "自动确认第 4 课时，费用 10.00 元 因该机构暂停拨付而等待") {
		t.Errorf("timeline: %+v", last)
	}
	h.refunded(v.ID, 0)
	if _, err := h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: v.ID, Whole: true, Reason: "x"}); !errors.Is(err, fault.Conflict) {
		t.Errorf("fees of lessons that were given are refunded: %v", err)
	}
	if v = h.contract("examiner", v.ID); v.State != paid || v.HeldFen != 3000 || strings.Contains(v.Hold, "您") || v.Hold == "" {
		t.Errorf("with fees that wait: %s %+v %q", v.State, v.Money, v.Hold)
	}
	h.sound()
	h.heldViews()
	h.removed("case-1", "art")
	h.removed("case-1", "art")
	h.black("case-1", "art") // an old one, late
	if n := h.settle(); n != 1 {
		t.Errorf("%d contracts were paid out, want 1", n)
	}
	v = h.contract("parent", v.ID)
	if v.State != finished || v.ReleasedFen != 4000 || v.HeldFen != 0 || v.Hold != "" || v.Progress.OnHold != 0 {
		t.Errorf("in the end: %s %+v %q", v.State, v.Money, v.Hold)
	}
	h.sound()
	want := []string{
		"account art", "account maths", "account other",
		"released art/1 1000 of 1000 PAID", "held art case-1 2026-03-02 ", "resumed art case-1 2026-03-02 2026-03-24",
		"released art/2 1000 of 2000 PAID", "released art/3 1000 of 3000 PAID", "released art/4 1000 of 4000 FINISHED",
	}
	if diff := cmp.Diff(want, h.told()); diff != "" {
		t.Errorf("events: %s", diff)
	}
	if a := must(h.FindAccount(h.as("principal"), FindAccount{"art"}))(t); a.Hold != nil || len(a.Timeline) != 3 || !strings.Contains(a.Timeline[2].Summary, "解除") {
		t.Errorf("the account in the end: %+v %+v", a.Hold, a.Timeline)
	}
	if i := must(h.Inbox(h.as("principal"), FindInbox{}))(t).Items; len(i) != 0 {
		t.Errorf("the principal's inbox in the end: %+v", i)
	}
}

// heldViews is what people read while case-1 holds 30 yuan of three lessons.
func (h *house) heldViews() {
	h.t.Helper()
	const clause = "资金监管协议（示范条款）：机构被列入黑名单期间暂停拨付，退费不受影响"
	for by, sees := range map[string]bool{"principal": true, "examiner": true, "city": true, "principal2": false, "neighbour": false, "market": false} {
		all := h.holds(by, ListHolds{Institution: "art", State: holdOpen})
		if (len(all) == 1) != sees {
			h.t.Errorf("%s sees %d holds", by, len(all))
		}
		if !sees {
			continue
		}
		v := all[0]
		if v.Clause != clause || v.DecidedBy != "苏州市姑苏区教育局" || v.CauseID != "case-1" || v.Since != d("2026-03-02") || !v.Until.IsZero() ||
			v.WaitingLessons != 3 || v.WaitingFen != 3000 || v.Rule.Key != holdClause || v.Rule.Version != 1 || v.Rule.Provenance != "D" || v.Rule.Inputs["list_entry"] != "case-1" {
			h.t.Errorf("%s sees %+v", by, v)
		}
		a := must(h.FindAccount(h.as(by), FindAccount{"art"}))(h.t)
		if a.Hold == nil || a.Hold.ID != v.ID || len(a.Timeline) != 2 || !strings.Contains(a.Timeline[1].Summary, clause) {
			h.t.Errorf("%s sees the account with %+v %+v", by, a.Hold, a.Timeline)
		}
	}
	if n := len(h.holds("city", ListHolds{State: holdEnded})) + len(h.holds("city", ListHolds{Institution: "maths"})); n != 0 {
		h.t.Errorf("%d holds that are none", n)
	}
	i := must(h.Inbox(h.as("principal"), FindInbox{}))(h.t).Items
	if len(i) != 1 || i[0].Kind != "hold" || i[0].Href != "/accounts/art" || i[0].Title != "姑苏art培训中心 暂停拨付（苏州市姑苏区教育局决定），3 课时 30.00 元 待恢复后拨付" {
		h.t.Errorf("the principal's inbox: %+v", i)
	}
}

// TestHoldPaths is licensing's news in every order.
func TestHoldPaths(t *testing.T) {
	t.Parallel()
	type step struct{ what, entry, institution string }
	for _, tt := range []struct {
		name  string
		steps []step
		want  []string // the events
		held  bool     // payouts of art, in the end
	}{
		{"published", []step{{"BLACK", "a", "art"}}, []string{"held art a 2026-03-02 "}, true},
		{"published twice", []step{{"BLACK", "a", "art"}, {"BLACK", "a", "art"}}, []string{"held art a 2026-03-02 "}, true},
		{"removed", []step{{"BLACK", "a", "art"}, {"removed", "a", "art"}}, []string{"held art a 2026-03-02 ", "resumed art a 2026-03-02 2026-03-02"}, false},
		{"removed twice", []step{{"BLACK", "a", "art"}, {"removed", "a", "art"}, {"removed", "a", "art"}}, []string{"held art a 2026-03-02 ", "resumed art a 2026-03-02 2026-03-02"}, false},
		{"removed, and told of again", []step{{"BLACK", "a", "art"}, {"removed", "a", "art"}, {"BLACK", "a", "art"}}, []string{"held art a 2026-03-02 ", "resumed art a 2026-03-02 2026-03-02"}, false},
		{"removed before it was heard of", []step{{"removed", "a", "art"}, {"BLACK", "a", "art"}}, nil, false},
		{"removed, and then another", []step{{"BLACK", "a", "art"}, {"removed", "a", "art"}, {"BLACK", "b", "art"}}, []string{"held art a 2026-03-02 ", "resumed art a 2026-03-02 2026-03-02", "held art b 2026-03-02 "}, true},
		{"two, one removed", []step{{"BLACK", "a", "art"}, {"BLACK", "b", "art"}, {"removed", "a", "art"}}, []string{"held art a 2026-03-02 ", "held art b 2026-03-02 ", "resumed art a 2026-03-02 2026-03-02"}, true},
		{"two, both removed", []step{{"BLACK", "a", "art"}, {"BLACK", "b", "art"}, {"removed", "b", "art"}, {"removed", "a", "art"}}, []string{"held art a 2026-03-02 ", "held art b 2026-03-02 ", "resumed art b 2026-03-02 2026-03-02", "resumed art a 2026-03-02 2026-03-02"}, false},
		{"two, and the white list", []step{{"BLACK", "a", "art"}, {"BLACK", "b", "art"}, {"WHITE", "w", "art"}, {"removed", "a", "art"}}, []string{"held art a 2026-03-02 ", "held art b 2026-03-02 ", "resumed art a 2026-03-02 2026-03-02", "resumed art b 2026-03-02 2026-03-02"}, false},
		{"the white list", []step{{"WHITE", "w", "art"}}, nil, false},
		{"an old white list entry", []step{{"BLACK", "a", "art"}, {"oldWHITE", "w", "art"}}, []string{"held art a 2026-03-02 "}, true},
		{"decided and not published", []step{{"decided", "a", "art"}}, nil, false},
		{"another's", []step{{"BLACK", "a", "maths"}}, []string{"held maths a 2026-03-02 "}, false},
		{"one that was not known", []step{{"BLACK", "a", "new"}}, []string{"held new a 2026-03-02 "}, false},
		{"no institution", []step{{"nobody", "a", ""}}, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "2026-03-02")
			v := h.paid(h.terms())
			h.taught(v.ID, 1)
			before := len(h.told())
			for _, s := range tt.steps {
				switch s.what {
				case "removed":
					h.removed(s.entry, s.institution)
				case "oldWHITE":
					e := h.entry("WHITE", s.entry, s.institution)
					e.Entry.Since = "2026-03-01"
					h.apply(e)
				case "decided":
					e := h.entry("BLACK", s.entry, s.institution)
					e.Entry.State = "APPROVED"
					h.apply(e)
				case "nobody":
					e := h.entry("BLACK", s.entry, s.institution)
					e.Institution = nil
					h.apply(e)
				default:
					h.apply(h.entry(s.what, s.entry, s.institution))
				}
			}
			if diff := cmp.Diff(tt.want, append([]string(nil), h.told()[before:]...)); diff != "" {
				t.Errorf("events: %s", diff)
			}
			if l := h.confirmed(v.ID, 1); (l.Waiting != "") != tt.held || (l.ReleasedFen == 0) != tt.held {
				t.Errorf("a lesson confirmed then: %+v, want held %t", l, tt.held)
			}
			if n := h.settle(); n != 0 {
				t.Errorf("%d were paid out", n)
			}
			h.sound()
		})
	}
}

// TestHoldWaitsForItsRule is that without its clause nothing is decided: the event
// comes again.
func TestHoldWaitsForItsRule(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	if err := h.try(`DELETE FROM rule_copy WHERE key = 'escrow.hold_clause'`); err != nil {
		t.Fatal(err)
	}
	e := h.entry("BLACK", "a", "art")
	_, err := inTx(context.Background(), h, func(tx pgx.Tx) error { return h.hold(t.Context(), tx, e.GetEntry(), e.GetInstitution()) })
	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("%v, want %v", err, fault.Unavailable)
	}
}

// TestWaitingFeesAreNoPrepayment: a flag is cleared by a lesson that was given,
// though its fee waits.
func TestWaitingFeesAreNoPrepayment(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen = 50, 510000 }))
	if v.OpenFlags != 1 {
		t.Fatalf("%d flags on 5,100 yuan", v.OpenFlags)
	}
	h.black("a", "art")
	h.taught(v.ID, 1)
	h.confirmed(v.ID, 1)
	if v = h.contract("parent", v.ID); v.OpenFlags != 0 || v.HeldFen != 510000 || v.Progress.OnHoldFen != 10200 {
		t.Errorf("%d flags, %+v %+v", v.OpenFlags, v.Money, v.Progress)
	}
}

// TestNewManagerSeesTheHold: a hold follows the institution's manager.
func TestNewManagerSeesTheHold(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.black("a", "art")
	i := ofList("art", nil)
	i.Manager = "principal3"
	h.apply(&licensingv1.LicenceChanged{Institution: i})
	if now, was := h.holds("principal3", ListHolds{}), h.holds("principal", ListHolds{}); len(now) != 1 || len(was) != 0 {
		t.Errorf("the new manager sees %d, the old one %d", len(now), len(was))
	}
}

// TestResumeKilled aborts the transaction of every second step, and goes on as a
// new process would; one contract has more fees than one transaction pays out.
func TestResumeKilled(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.black("a", "art")
	var want int64
	for i := range 4 {
		n := []int{2, 60, 1, 3}[i]
		v := h.paid(h.terms(func(t *Terms) { t.Pupil, t.Lessons, t.PriceFen = fmt.Sprint("孩子", i), n+1, Fen(100*n+100) }))
		for k := 1; k <= n; k++ {
			h.taught(v.ID, k)
			h.confirmed(v.ID, k)
		}
		want += int64(100 * n)
	}
	h.removed("a", "art")
	steps, kills, killed := 0, 0, errors.New("killed")
	timer := h.timer("payouts.resume")
	apply := timer.Apply
	timer.Apply = func(ctx context.Context, tx pgx.Tx, id string) error {
		err := apply(ctx, tx, id)
		if steps++; err == nil && steps%2 == 1 {
			kills++
			err = killed
		}
		return err
	}
	work := &due.Clockwork{DB: h.DB, Now: h.Now, Timers: []due.Timer{timer}}
	applied := 0
	for done := false; !done; {
		n, err := work.Settle(t.Context())
		if applied += n; err != nil && !errors.Is(err, killed) {
			t.Fatal(err)
		}
		done = err == nil
		h.sound()
	}
	if got := h.released(); applied != 5 || kills < 4 || got != want {
		t.Errorf("%d transactions, %d killed, %d released, want 5 and %d", applied, kills, got, want)
	}
	if n, m := h.facts("FundsReleased"), h.count(`SELECT count(*) FROM lessons WHERE waits`); n != 66 || m != 0 {
		t.Errorf("%d fees told of, %d still wait", n, m)
	}
}

func (h *house) timer(name string) due.Timer {
	h.t.Helper()
	for _, t := range h.Timers() {
		if t.Name == name {
			return t
		}
	}
	h.t.Fatalf("no timer %s", name)
	return due.Timer{}
}

// TestConfirmAgainstHold has twenty parents confirm while a hold opens and ends
// again and again, the manager changes, and a timer pays out what waited.
func TestConfirmAgainstHold(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	const parents, each = 20, 10
	ids := make([]string, parents)
	for i := range ids { // two of each basket
		name := fmt.Sprint("孩子", i/2)
		ids[i] = h.paid(h.terms(func(t *Terms) { t.Pupil, t.Lessons, t.PriceFen = name, each, 1000*each })).ID
		for n := 1; n <= each; n++ {
			h.taught(ids[i], n)
		}
	}
	var confirming, background errgroup.Group
	var over atomic.Bool
	for _, id := range ids {
		confirming.Go(func() error {
			for n := 1; n <= each; n++ {
				if _, err := h.ConfirmLesson(h.as("parent"), ConfirmLesson{h.key(), LessonOf{id, n}}); err != nil {
					return fmt.Errorf("lesson %d: %w", n, err)
				}
			}
			return nil
		})
	}
	rounds := 0
	background.Go(func() error {
		for ; rounds == 0 || !over.Load(); rounds++ {
			id := fmt.Sprint("case-", rounds)
			h.black(id, "art")
			i := ofList("art", nil)
			i.Manager = []string{"principal", "principal3"}[rounds%2]
			h.apply(&licensingv1.LicenceChanged{Institution: i})
			h.removed(id, "art")
		}
		return nil
	})
	background.Go(func() error {
		for !over.Load() {
			if _, err := (&due.Clockwork{DB: h.DB, Now: h.Now, Timers: []due.Timer{h.timer("payouts.resume")}}).Settle(h.t.Context()); err != nil {
				return err
			}
		}
		return nil
	})
	err := confirming.Wait()
	over.Store(true)
	if err := errors.Join(err, background.Wait()); err != nil {
		t.Fatal(err)
	}
	h.settle()
	h.sound()
	if sum, n := h.released(), h.count(`SELECT count(*) FROM contracts WHERE state = 'FINISHED'`); sum != parents*each*1000 || n != parents {
		t.Errorf("%d released, %d contracts finished", sum, n)
	}
	held, within := false, 0
	for _, e := range h.told() {
		switch strings.Fields(e)[0] {
		case "held":
			held = true
		case "resumed":
			held = false
		case "released":
			if held {
				within++
			}
		}
	}
	waited := h.count(`SELECT count(*) FROM timeline WHERE action = 'confirm' AND summary LIKE '%等待'`)
	t.Logf("%d holds, %d of %d fees waited", rounds, waited, parents*each)
	if within != 0 || waited == 0 {
		t.Errorf("%d releases within a hold; %d fees waited", within, waited)
	}
}

// TestRepublish: accounts and open holds are published anew, once for each
// request, and what ended is not.
func TestRepublish(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.black("a", "art")
	h.black("b", "bare") // which has no account
	h.black("c", "maths")
	h.removed("c", "maths")
	before, req := len(h.told()), Republish{h.key()}
	for range 2 {
		if r := must(h.Republish(h.as("city"), req))(t); r.Institutions != 4 {
			t.Errorf("%+v", r)
		}
	}
	if n := h.settle(); n != 5 {
		t.Errorf("%d steps, want one for each of four institutions and the end", n)
	}
	want := []string{"account art", "held art a 2026-03-02 ", "held bare b 2026-03-02 ", "account maths", "account other"}
	if diff := cmp.Diff(want, h.told()[before:]); diff != "" {
		t.Error(diff)
	}
	if n := h.settle(); n != 0 {
		t.Errorf("%d steps more", n)
	}
}
