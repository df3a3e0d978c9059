package escrow

import (
	"strings"
	"testing"
)

// TestStoryOfFlags is step 3 of the story: the parent is warned, pays all the
// same, and the flag goes when the excess is given back.
func TestStoryOfFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		before []func(*Terms) // an order that was paid before
		change func(*Terms)
		rule   string
		back   int // lessons whose refund clears the flag; 0 is all
	}{
		{"(b) 61 lessons", nil, func(t *Terms) { t.Lessons = 61 }, maxLessons, 1},
		{"(c) 12 gifts with a second order", []func(*Terms){func(t *Terms) { t.Lessons = 60; t.PriceFen = 300000 }}, func(t *Terms) {
			t.Lessons, t.GiftLessons, t.PriceFen = 1, 12, 10000
			t.FirstLesson = t.FirstLesson.AddDays(5)
		}, maxLessons, 0},
		{"(d) 3 months and a day", nil, func(t *Terms) { t.LastLesson = t.FirstLesson.AddMonths(3).AddDays(1) }, maxMonths, 1},
		{"(e) 5,200 yuan", nil, func(t *Terms) { t.Lessons, t.PriceFen = 52, 520000 }, nonSubjectTo, 2},
		{"paid early", nil, func(t *Terms) {
			t.FirstLesson, t.LastLesson = t.FirstLesson.AddDays(40), t.FirstLesson.AddDays(80)
		}, earliest, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "2026-03-02")
			for _, f := range tt.before {
				if v := h.paid(h.terms(f)); len(v.Flags) != 0 || len(v.Warnings) != 0 {
					t.Fatalf("the order before is flagged: %+v", v.Flags)
				}
			}
			terms := h.terms(tt.change)
			v := h.sign(terms)
			if len(v.Warnings) != 1 || v.Warnings[0].Key != tt.rule || v.Warnings[0].Rule.Source == "" || len(v.Warnings[0].Rule.Inputs) == 0 {
				t.Fatalf("warned of %+v, want %s", v.Warnings, tt.rule)
			}
			if before := h.contract("parent", v.ID); len(before.Warnings) != 1 || len(before.Flags) != 0 {
				t.Errorf("before paying: %d warnings, %d flags", len(before.Warnings), len(before.Flags))
			}
			if official := h.contract("examiner", v.ID); len(official.Warnings) != 0 {
				t.Errorf("an official is warned: %+v", official.Warnings)
			}
			v = must(h.PayContract(h.as("parent"), PayContract{h.key(), v.ID, terms.PriceFen, "REF-1"}))(t)
			h.flagged(v, tt.rule)
			if tt.back > 1 || tt.back == 1 && terms.Lessons > 61 {
				h.refunded(v.ID, tt.back-1)
				if still := h.contract("parent", v.ID); still.OpenFlags != 1 {
					t.Errorf("one lesson less than the excess cleared the flag: %+v", still.Flags)
				}
				tt.back = 1
			}
			h.refunded(v.ID, tt.back)
			h.unflagged(v.ID)
		})
	}
}

// flagged is that v has one open flag, of a rule, as the examiner sees it.
func (h *house) flagged(v ContractView, rule string) {
	h.t.Helper()
	if len(v.Flags) != 1 || v.OpenFlags != 1 || v.State != paid {
		h.t.Fatalf("flags %+v, want one of %s on a paid contract", v.Flags, rule)
	}
	f := v.Flags[0]
	if f.Rule.Key != rule || f.Rule.Version != 1 || f.Rule.Jurisdiction != "000000" || f.Rule.Source == "" || f.Rule.Provenance == "" || len(f.Rule.Inputs) == 0 {
		h.t.Errorf("ground %+v", f.Rule)
	}
	if f.Due != d("2026-03-09") || f.Provisional { // 5 working days after 2026-03-02
		h.t.Errorf("due %s (provisional %t)", f.Due, f.Provisional)
	}
	inbox := must(h.Inbox(h.as("examiner"), FindInbox{}))(h.t)
	if len(inbox.Items) != 1 || inbox.Items[0].ID != f.ID || inbox.Items[0].Href != "/flags/"+f.ID || inbox.Items[0].Light != "green" || *inbox.Items[0].DaysLeft != 5 {
		h.t.Errorf("the examiner's inbox: %+v", inbox.Items)
	}
	seen := must(h.FindFlag(h.as("examiner"), FindFlag{f.ID}))(h.t)
	if seen.State != flagOpen || seen.About.ID != v.ID || seen.About.Party != nil || seen.Light != "green" || seen.DaysLeft == nil || *seen.DaysLeft != 5 {
		h.t.Errorf("the examiner sees %+v", seen)
	}
	if n := h.facts("ContractFlagged"); n != 1 {
		h.t.Errorf("%d contracts flagged, want 1", n)
	}
}

// unflagged is that the flag of a contract was cleared by a fact.
func (h *house) unflagged(contract string) {
	h.t.Helper()
	v := h.contract("examiner", contract)
	if v.OpenFlags != 0 || len(v.Flags) != 1 || v.Flags[0].State != flagCleared || !strings.Contains(v.Flags[0].ClearedBy, "退费") || v.Flags[0].ClearedOn.IsZero() {
		h.t.Errorf("flags %+v", v.Flags)
	}
	if inbox := must(h.Inbox(h.as("examiner"), FindInbox{}))(h.t); len(inbox.Items) != 0 {
		h.t.Errorf("the examiner's inbox: %+v", inbox.Items)
	}
	if n := h.facts("FlagCleared"); n != 1 {
		h.t.Errorf("%d flags cleared, want 1", n)
	}
	if n := h.count(`SELECT count(*) FROM contracts WHERE watched`); n != 0 {
		h.t.Errorf("%d contracts are still watched", n)
	}
}

func TestFlagClearsByTeachingAndByRelease(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen = 61, 610000 }))
	if v.OpenFlags != 2 { // lessons and money
		t.Fatalf("flags %+v", v.Flags)
	}
	h.taught(v.ID, 1)
	if v = h.contract("parent", v.ID); v.OpenFlags != 1 || v.Flags[0].State != flagCleared || v.Flags[0].Rule.Key != maxLessons {
		t.Errorf("after teaching: %+v", v.Flags)
	}
	h.confirmed(v.ID, 1)
	for n := 2; n <= 11; n++ { // 6,100 yuan less 11 lessons is 5,000
		if v = h.contract("parent", v.ID); v.OpenFlags != 1 {
			t.Fatalf("cleared after %d lessons: %+v", n-1, v.Flags)
		}
		h.taught(v.ID, n)
		h.confirmed(v.ID, n)
	}
	if v = h.contract("parent", v.ID); v.OpenFlags != 0 || !strings.Contains(v.Flags[1].ClearedBy, "第 11 课时") {
		t.Errorf("after 11 lessons: %+v", v.Flags)
	}
}

func TestFlagOfAnotherContractClears(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	first := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen = 60, 300000 }))
	second := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen, t.Pupil = 5, 10000, " 小　满" }))
	if second.OpenFlags != 1 {
		t.Fatalf("second order %+v", second.Flags)
	}
	h.refunded(first.ID, 5)
	if v := h.contract("parent", second.ID); v.OpenFlags != 0 {
		t.Errorf("refund of the first order left %+v", v.Flags)
	}
	apart := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen, t.Course = 55, 300000, "书法" }))
	if apart.OpenFlags != 0 {
		t.Errorf("another course was added up: %+v", apart.Flags)
	}
}

func TestWithdrawnLessonIsAheadAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms(func(t *Terms) { t.Lessons = 61 }))
	h.taught(v.ID, 1)
	must(h.DisputeLesson(h.as("parent"), DisputeLesson{h.key(), LessonOf{v.ID, 1}, "没上"}))(t)
	l := must(h.WithdrawLesson(h.as("principal"), WithdrawLesson{h.key(), LessonOf{v.ID, 1}, "登记错误"}))(t)
	if l.State != scheduled || !l.TaughtOn.IsZero() {
		t.Errorf("withdrawn: %+v", l)
	}
	if v = h.contract("parent", v.ID); v.OpenFlags != 1 || len(v.Flags) != 2 {
		t.Errorf("flags %+v, want the old one cleared and a new one open", v.Flags)
	}
}
