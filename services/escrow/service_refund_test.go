package escrow

import (
	"errors"
	"testing"

	"xunguan/pkg/fault"
)

func TestRefundBySilence(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-04-29") // before the holiday of 1 to 5 May; 9 May is worked
	v := h.paid(h.terms())
	r := must(h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: v.ID, Lessons: 10, Reason: "搬家"}))(t)
	if r.AnswerBy != d("2026-05-09") || r.AmountFen != 100000 || r.State != requested {
		t.Fatalf("requested: %+v", r)
	}
	if inbox := must(h.Inbox(h.as("principal"), FindInbox{}))(t); len(inbox.Items) != 1 || inbox.Items[0].Kind != "refund" {
		t.Errorf("the principal's inbox: %+v", inbox.Items)
	}
	h.at("2026-05-09")
	if n := h.settle(); n != 0 {
		t.Errorf("%d refunds agreed on the last day", n)
	}
	h.at("2026-05-10")
	if n := h.settle(); n != 1 {
		t.Errorf("%d refunds agreed by silence, want 1", n)
	}
	r = must(h.FindRefund(h.as("parent"), FindRefund{r.ID}))(t)
	if r.State != paidBack || !r.BySilence || r.PaidOn != d("2026-05-10") {
		t.Errorf("in the end: %+v", r)
	}
	v = h.contract("parent", v.ID)
	if v.RefundedFen != 100000 || v.Progress.Refunded != 10 || v.LastLesson != d("2026-06-27") {
		t.Errorf("%+v %+v last %s", v.Money, v.Progress, v.LastLesson)
	}
	if n := h.facts("RefundAgreed") + h.facts("RefundPaid") + h.facts("RefundRequested"); n != 3 {
		t.Errorf("%d facts, want 3", n)
	}
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms(func(t *Terms) { t.Lessons, t.GiftLessons, t.PriceFen = 4, 2, 1003 }))
	h.taught(v.ID, 1)
	ask := func(n int, whole bool) (RefundView, error) {
		return h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: v.ID, Lessons: n, Whole: whole, Reason: "搬家"})
	}
	for _, tt := range []struct {
		n     int
		whole bool
		want  error
	}{{0, false, fault.Invalid}, {1, true, fault.Invalid}, {4, false, fault.Invalid}} {
		if _, err := ask(tt.n, tt.whole); !errors.Is(err, tt.want) {
			t.Errorf("refund of %d, whole %t: %v, want %v", tt.n, tt.whole, err, tt.want)
		}
	}
	first := must(ask(1, false))(t)
	rest := must(ask(0, true))(t)
	if first.AmountFen != 253 || first.GiftLessons != 2 || rest.AmountFen != 500 {
		t.Errorf("two refunds: %+v, %+v", first, rest)
	}
	if _, err := ask(0, true); !errors.Is(err, fault.Conflict) {
		t.Errorf("a third: %v", err)
	}
	if _, err := h.TeachLesson(h.as("principal"), TeachLesson{Key: h.key(), LessonOf: LessonOf{v.ID, 4}}); !errors.Is(err, fault.Conflict) {
		t.Errorf("a lesson in a refund was taught: %v", err)
	}
	must(h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), rest.ID}))(t)
	if _, err := h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), rest.ID}); !errors.Is(err, fault.Conflict) {
		t.Errorf("agreed twice: %v", err)
	}
	must(h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), first.ID}))(t)
	if v = h.contract("parent", v.ID); v.State != paid || v.HeldFen != 250 || v.LastLesson != v.FirstLesson {
		t.Errorf("with one lesson waiting: %s %+v, last %s", v.State, v.Money, v.LastLesson)
	}
	h.confirmed(v.ID, 1)
	if v = h.contract("parent", v.ID); v.State != finished || len(v.Actions) != 0 {
		t.Errorf("in the end: %s %+v", v.State, v.Actions)
	}
}
