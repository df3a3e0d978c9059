package escrow

import (
	"errors"
	"testing"

	"xunguan/pkg/fault"
)

// silently is a contract of which silence has confirmed lesson 1, and the parent lesson 2.
func (h *house) silently() string {
	h.t.Helper()
	id := h.paid(h.terms()).ID
	h.taught(id, 1)
	h.taught(id, 2)
	h.confirmed(id, 2)
	h.at("2026-03-24")
	h.settle()
	return id
}

func (h *house) object(by, contract string, n int) (RefundView, error) {
	return h.ObjectToLesson(h.as(by), ObjectToLesson{h.key(), LessonOf{contract, n}, "当天没有上课"})
}

// lesson is the n-th of a contract, as the parent sees it.
func (h *house) lesson(contract string, n int) LessonView {
	h.t.Helper()
	return must(h.ListLessons(h.as("parent"), ListLessons{Contract: contract}))(h.t).Items[n-1]
}

// TestObjection is a parent who finds out too late that silence has confirmed a lesson
// that was never given (ecosystem §3: silent confirmation favours the institution).
func TestObjection(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	late := h.paid(h.terms(func(t *Terms) { t.Pupil = "大满" })).ID
	h.taught(late, 1)
	id := h.silently()
	if l := h.lesson(id, 1); l.ObjectBy != d("2026-04-23") || len(l.Actions) != 1 || l.Actions[0].Action != "object" {
		t.Fatalf("confirmed by silence on 2026-03-24: %+v", l) // thirty days
	}
	for name, tt := range map[string]struct{ err, want error }{
		"the parent's own word":       {second(h.object("parent", id, 2)), fault.Conflict},
		"one that was not given":      {second(h.object("parent", id, 3)), fault.Conflict},
		"the institution's objection": {second(h.object("principal", id, 1)), fault.Forbidden},
		"a stranger's":                {second(h.object("parent2", id, 1)), fault.NotFound},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v", name, tt.err)
		}
	}
	h.at("2026-04-23") // the last day belongs to the period
	r := must(h.object("parent", id, 1))(t)
	if r.State != requested || r.AmountFen != 10000 || r.FromInstitution != 10000 || r.Basis != notGiven || len(r.Clauses) != 1 || r.Clauses[0].Rule.Key != lateDispute || r.AnswerBy != d("2026-04-30") {
		t.Errorf("objected: %+v", r)
	}
	if _, err := h.object("parent", id, 1); !errors.Is(err, fault.Conflict) {
		t.Errorf("objected twice: %v", err)
	}
	if l := h.lesson(id, 1); l.State != confirmed || l.ReleasedFen != 10000 || len(l.Actions) != 0 {
		t.Errorf("what was paid out stays paid out: %+v", l)
	}
	h.at("2026-04-24")
	if _, err := h.object("parent", late, 1); !errors.Is(err, fault.Conflict) {
		t.Errorf("the day after the last: %v", err)
	}
	h.at("2026-05-06") // 05-01 to 05-05 is a holiday
	h.settle()
	r = h.refund("parent", r.ID)
	if r.State != agreed || !r.BySilence || len(r.Paybacks) != 1 || r.Paybacks[0].From != "institution" || r.Paybacks[0].State != legWaiting {
		t.Fatalf("the institution does not answer: %+v", r)
	}
	must(h.ReceivePayback(h.as("parent"), ReceivePayback{h.key(), r.Paybacks[0].ID}))(t)
	v := h.contract("parent", id)
	if r = h.refund("parent", r.ID); r.State != paidBack || v.ReleasedFen != 20000 || v.RefundedFen != 0 || v.HeldFen != 460000 {
		t.Errorf("in the end: %s %+v", r.State, v.Money)
	}
	if n := h.count(`SELECT count(*) FROM balances WHERE account IN ('owed', 'refunds') AND balance <> 0`); n != 0 {
		t.Errorf("%d balances are left", n)
	}
	h.sound()
}

// TestObjectionIsNotPaidTwice is that what is asked back for a lesson is no part of any
// other refund, and that neither side's word changes how much it is.
func TestObjectionIsNotPaidTwice(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	id := h.silently()
	quoted := func() Fen {
		return must(h.QuoteRefund(h.as("parent"), QuoteRefund{Contract: id, Fault: operatorFault, Ground: "stopped"}))(t).AmountFen
	}
	before := quoted()
	r := must(h.object("parent", id, 1))(t)
	if now := quoted(); before != 460000 || now != before {
		t.Errorf("the rest comes to %d, and %d beside the objection", before, now)
	}
	must(h.WithdrawRefund(h.as("parent"), WithdrawRefund{h.key(), r.ID}))(t)
	if l := h.lesson(id, 1); l.State != confirmed || l.ConfirmBy != d("2026-03-23") || len(l.Actions) != 1 {
		t.Errorf("withdrawn: %+v", l)
	}
	r = must(h.object("parent", id, 1))(t)
	must(h.RejectRefund(h.as("principal"), RejectRefund{h.key(), r.ID, "有签到记录"}))(t)
	must(h.MediateRefund(h.as("parent"), MediateRefund{h.key(), r.ID}))(t)
	must(h.SettleRefund(h.as("examiner"), SettleRefund{Key: h.key(), ID: r.ID, Fault: consumerReason, Reason: "查无签到记录"}))(t)
	if r = h.refund("parent", r.ID); r.State != agreed || r.AmountFen != 10000 || r.DeductedFen != 0 {
		t.Errorf("settled: %+v", r)
	}
	h.sound()
}

// TestObjectionToWhatWasPaidBack is that a refund which gave back lessons that were
// given, too, leaves nothing to object for.
func TestObjectionToWhatWasPaidBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	id := h.paid(h.terms(func(t *Terms) { t.FreeDaysAfter = new(30) })).ID
	h.taught(id, 1)
	h.at("2026-03-24")
	h.settle()
	r := h.refunded(id, 0)
	if r.Basis != contractFree || r.AmountFen != 480000 || r.FromInstitution != 10000 {
		t.Fatalf("all of it: %+v", r)
	}
	if _, err := h.object("parent", id, 1); !errors.Is(err, fault.Conflict) {
		t.Errorf("objected to what was given back: %v", err)
	}
	h.sound()
}

// TestObjectionToTheLastLesson is that a contract which its last lesson has finished
// still has two parties: who has to answer is told, and who gets the money.
func TestObjectionToTheLastLesson(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	id := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen, t.LastLesson = 1, 10000, t.FirstLesson })).ID
	h.taught(id, 1)
	h.at("2026-03-24")
	h.settle()
	if v := h.contract("parent", id); v.State != finished {
		t.Fatalf("the last lesson is over: %s", v.State)
	}
	r := must(h.object("parent", id, 1))(t)
	if got := h.waits("principal", "refund"); got != "/contracts/"+id {
		t.Errorf("%q waits for the principal", got)
	}
	must(h.RejectRefund(h.as("principal"), RejectRefund{h.key(), r.ID, "有签到记录"}))(t)
	if got := h.waits("parent", "rejected"); got != "/contracts/"+id {
		t.Errorf("%q waits for the parent", got)
	}
	r = must(h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), r.ID}))(t)
	must(h.ReceivePayback(h.as("parent"), ReceivePayback{h.key(), r.Paybacks[0].ID}))(t)
	if v := h.contract("parent", id); v.State != finished || v.Refunds[0].State != paidBack {
		t.Errorf("in the end: %s %+v", v.State, v.Refunds)
	}
	h.sound()
}
