package escrow

import (
	"strings"
	"testing"

	licensingv1 "xunguan/proto/licensing/v1"
)

// TestStoryOfLessons is step 4 of the story.
func TestStoryOfLessons(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen = 3, 1000 }))
	for n, fee := range map[int]Fen{1: 333, 2: 333} {
		h.taught(v.ID, n)
		if l := h.confirmed(v.ID, n); l.ReleasedFen != fee || l.State != confirmed {
			t.Errorf("lesson %d: %+v", n, l)
		}
	}
	h.taught(v.ID, 3)
	if l := h.confirmed(v.ID, 3); l.ReleasedFen != 334 {
		t.Errorf("the last lesson: %+v, want the remainder", l)
	}
	if v = h.contract("parent", v.ID); v.State != finished || v.HeldFen != 0 || v.ReleasedFen != 1000 {
		t.Errorf("in the end: %s, %+v", v.State, v.Money)
	}
	if n := h.released(); n != 1000 {
		t.Errorf("%d released", n)
	}

	v = h.paid(h.terms(func(t *Terms) { t.Pupil = "小寒" }))
	for n := 1; n <= 3; n++ {
		h.taught(v.ID, n)
	}
	must(h.DisputeLesson(h.as("parent"), DisputeLesson{h.key(), LessonOf{v.ID, 2}, "老师没来"}))(t)
	h.confirmed(v.ID, 1)
	v = h.contract("principal", v.ID)
	if v.Progress.DisputedFen != 10000 || v.Progress.WaitingFen != 10000 || v.ReleasedFen != 10000 {
		t.Errorf("one confirmed, one disputed, one waiting: %+v %+v", v.Progress, v.Money)
	}
	h.silence(v.ID)
}

// silence is that lesson 3, taught on 2026-03-02, confirms itself after 15
// working days, and the disputed lesson 2 does not.
func (h *house) silence(id string) {
	h.at("2026-03-23") // the 15th working day
	if n := h.settle(); n != 0 {
		h.t.Fatalf("%d lessons confirmed on the last day to answer", n)
	}
	h.at("2026-03-24")
	if n := h.settle(); n != 1 {
		h.t.Fatalf("%d lessons confirmed by silence, want 1", n)
	}
	all := must(h.ListLessons(h.as("parent"), ListLessons{Contract: id}))(h.t)
	if l := all.Items[2]; l.State != confirmed || !l.BySilence || l.ReleasedFen != 10000 || l.ConfirmBy != d("2026-03-23") {
		h.t.Errorf("the silent lesson: %+v", l)
	}
	if l := all.Items[1]; l.State != disputed || l.Reason != "老师没来" {
		h.t.Errorf("the disputed lesson: %+v", l)
	}
	v := h.contract("examiner", id)
	last := v.Timeline[len(v.Timeline)-1]
	if last.Actor != bySystem || !strings.HasPrefix(last.Summary, "系统：家长 15 个工作日未答复，依 escrow.parent_autoconfirm（第 1 版") {
		h.t.Errorf("timeline: %+v", last)
	}
	if l := h.confirmed(id, 2); l.State != confirmed || l.Reason != "" {
		h.t.Errorf("confirmed after all: %+v", l)
	}
}

func TestSilenceNeverConfirmsInXiamen(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.learned(&licensingv1.Institution{Id: "xm", Name: "厦门", Kind: "subject", Jurisdiction: "350203"})
	h.learned(&licensingv1.Institution{Id: "hz", Name: "杭州", Kind: "subject", Jurisdiction: "330106"})
	by := map[string]string{"xm": "", "hz": "2026-03-11"} // domain §1.3: never; 7 working days
	for institution, want := range by {
		h.account("principal", institution)
		v := h.paid(h.terms(func(t *Terms) { t.Institution = institution }))
		if l := h.taught(v.ID, 1); l.ConfirmBy.String() != want {
			t.Errorf("%s: confirm by %q, want %q", institution, l.ConfirmBy, want)
		}
	}
	h.at("2026-12-31")
	if n := h.settle(); n != 1 {
		t.Errorf("%d confirmed by silence, want the one of 杭州", n)
	}
}

func TestGiftLessonsKeepAContractOpen(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms(func(t *Terms) { t.Lessons, t.GiftLessons, t.PriceFen = 1, 1, 100 }))
	h.taught(v.ID, 1)
	h.confirmed(v.ID, 1)
	if v = h.contract("parent", v.ID); v.State != paid || v.HeldFen != 0 {
		t.Errorf("a gift is still owed: %s", v.State)
	}
	h.taught(v.ID, 2)
	h.confirmed(v.ID, 2)
	if v = h.contract("parent", v.ID); v.State != finished {
		t.Errorf("%s, want finished", v.State)
	}
	if r, c := h.facts("FundsReleased"), h.facts("LessonConfirmed"); r != 1 || c != 2 {
		t.Errorf("%d releases and %d confirmations, want 1 and 2", r, c)
	}
}
