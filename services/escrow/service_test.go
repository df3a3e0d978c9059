package escrow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	licensingv1 "xunguan/proto/licensing/v1"
)

func TestReportAccount(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	report := func(by, institution, opened string) error {
		_, err := h.ReportAccount(h.as(by), ReportAccount{Key: h.key(), Institution: institution, Mode: "deposit", Bank: "苏州银行", AccountTail: "0001", AgreementNo: "1", OpenedOn: d(opened)})
		return err
	}
	for _, tt := range []struct {
		name, by, institution, opened string
		want                          error
	}{
		{"unknown", "principal", "nowhere", "2026-03-02", fault.NotFound},
		{"another's", "principal2", "bare", "2026-03-02", fault.NotFound},
		{"licence suspended", "principal", "shut", "2026-03-02", fault.Refused},
		{"opened tomorrow", "principal", "bare", "2026-03-03", fault.Invalid},
		{"a second one", "principal", "art", "2026-03-02", fault.Conflict},
		{"its own", "principal", "bare", "2026-03-01", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := report(tt.by, tt.institution, tt.opened); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	if n := h.facts("AccountOpened"); n != 4 {
		t.Errorf("%d accounts opened, want 3 and one", n)
	}
	for by, want := range map[string]error{"principal": nil, "examiner": nil, "city": nil, "neighbour": fault.NotFound, "principal2": fault.NotFound, "market": fault.NotFound} {
		if _, err := h.FindAccount(h.as(by), FindAccount{"art"}); !errors.Is(err, want) {
			t.Errorf("%s finds the account: %v, want %v", by, err, want)
		}
	}
}

func TestOfferRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.learned(&licensingv1.Institution{Id: "old", Name: "到期的", Kind: "non_subject", ValidUntil: "2026-03-01"})
	for _, tt := range []struct {
		name   string
		change func(*Terms)
		want   error
		says   string
	}{
		{"no account yet", func(t *Terms) { t.Institution = "bare" }, fault.Refused, "监管账户"},
		{"licence suspended", func(t *Terms) { t.Institution = "shut" }, fault.Refused, "暂扣"},
		{"licence expired", func(t *Terms) { t.Institution = "old" }, fault.Refused, "2026-03-01 到期"},
		{"another's institution", func(t *Terms) { t.Institution = "other" }, fault.NotFound, ""},
		{"first lesson yesterday", func(t *Terms) { t.FirstLesson = d("2026-03-01") }, fault.Invalid, ""},
		{"last before first", func(t *Terms) { t.LastLesson = d("2026-03-01") }, fault.Invalid, ""},
		{"over three years", func(t *Terms) { t.LastLesson = d("2029-03-03") }, fault.Invalid, ""},
		{"one lesson, two days", func(t *Terms) { t.Lessons = 1 }, fault.Invalid, ""},
		{"less than a 分 a lesson", func(t *Terms) { t.PriceFen = 47 }, fault.Invalid, ""},
		{"with oneself", func(t *Terms) { t.Parent = "principal" }, fault.Invalid, ""},
		{"a blank pupil", func(t *Terms) { t.Pupil = "  " }, fault.Invalid, ""},
		{"a blank course", func(t *Terms) { t.Course = "\t" }, fault.Invalid, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := h.OfferContract(h.as("principal"), OfferContract{h.key(), h.terms(tt.change)})
			if !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.says) {
				t.Errorf("%v, want %v with %q", err, tt.want, tt.says)
			}
			if tt.want == fault.Refused && !strings.Contains(err.Error(), supervision) { //nolint:errorlint // compares the table's kind
				t.Errorf("%v does not cite %s", err, supervision)
			}
		})
	}
	if n := h.count(`SELECT count(*) FROM contracts`); n != 0 {
		t.Errorf("%d contracts from refusals", n)
	}
}

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
	if seen.State != flagOpen || seen.About.ID != v.ID || seen.About.Party != nil {
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
	if n := h.count(`SELECT sum(amount) FROM releases`); n != 1000 {
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

// TestSteps is every step that the state or the person forbids, and that it
// changes nothing.
func TestSteps(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	offered, signedID := h.offer(h.terms()), h.sign(h.terms()).ID
	v := h.paid(h.terms())
	h.taught(v.ID, 1)
	h.taught(v.ID, 2)
	h.confirmed(v.ID, 2)
	pay := func(by, id string, fen Fen, ref string) error {
		_, err := h.PayContract(h.as(by), PayContract{h.key(), id, fen, ref})
		return err
	}
	lesson := func(by, id string, n int, what string) error {
		var err error
		switch at := (LessonOf{id, n}); what {
		case "taught":
			_, err = h.TeachLesson(h.as(by), TeachLesson{Key: h.key(), LessonOf: at})
		case "tomorrow":
			_, err = h.TeachLesson(h.as(by), TeachLesson{h.key(), at, h.today().AddDays(1)})
		case "confirm":
			_, err = h.ConfirmLesson(h.as(by), ConfirmLesson{h.key(), at})
		case "dispute":
			_, err = h.DisputeLesson(h.as(by), DisputeLesson{h.key(), at, "x"})
		case "withdraw":
			_, err = h.WithdrawLesson(h.as(by), WithdrawLesson{h.key(), at, "x"})
		}
		return err
	}
	sign := func(by, id string) error {
		_, err := h.SignContract(h.as(by), SignContract{h.key(), id})
		return err
	}
	before := h.count(`SELECT count(*) FROM outbox`) + h.count(`SELECT count(*) FROM timeline`)
	for _, tt := range []struct {
		name string
		err  error
		want error
	}{
		{"a stranger signs", sign("parent2", offered), fault.NotFound},
		{"the institution signs", sign("principal", offered), fault.Forbidden},
		{"signed twice", sign("parent", signedID), fault.Conflict},
		{"no such contract", sign("parent", "x"), fault.NotFound},
		{"paid unsigned", pay("parent", offered, 480000, "R-1"), fault.Conflict},
		{"a 分 short", pay("parent", signedID, 479999, "R-2"), fault.Invalid},
		{"a stranger pays", pay("parent2", signedID, 480000, "R-3"), fault.NotFound},
		{"a reference of another payment", pay("parent", signedID, 480000, "REF-"+v.ID), fault.Conflict},
		{"paid again under another reference", pay("parent", v.ID, 480000, "R-4"), fault.Conflict},
		{"taught unpaid", lesson("principal", signedID, 1, "taught"), fault.Conflict},
		{"taught twice", lesson("principal", v.ID, 1, "taught"), fault.Conflict},
		{"taught tomorrow", lesson("principal", v.ID, 3, "tomorrow"), fault.Invalid},
		{"taught by the parent", lesson("parent", v.ID, 3, "taught"), fault.Forbidden},
		{"taught by a stranger", lesson("principal2", v.ID, 3, "taught"), fault.NotFound},
		{"no such lesson", lesson("principal", v.ID, 49, "taught"), fault.NotFound},
		{"confirmed untaught", lesson("parent", v.ID, 3, "confirm"), fault.Conflict},
		{"confirmed by the institution", lesson("principal", v.ID, 1, "confirm"), fault.Forbidden},
		{"confirmed by a stranger", lesson("parent2", v.ID, 1, "confirm"), fault.NotFound},
		{"disputed when confirmed", lesson("parent", v.ID, 2, "dispute"), fault.Conflict},
		{"disputed untaught", lesson("parent", v.ID, 3, "dispute"), fault.Conflict},
		{"withdrawn undisputed", lesson("principal", v.ID, 1, "withdraw"), fault.Conflict},
		{"confirmed again", lesson("parent", v.ID, 2, "confirm"), nil}, // the same answer
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, tt.err, tt.want)
		}
	}
	if after := h.count(`SELECT count(*) FROM outbox`) + h.count(`SELECT count(*) FROM timeline`); after != before {
		t.Errorf("refusals left %d rows", after-before)
	}
	if err := pay("parent", v.ID, 480000, "REF-"+v.ID); err != nil { // asked again under the same reference
		t.Errorf("the same payment again: %v", err)
	}
}

func TestCancelContract(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	for _, by := range []string{"parent", "principal"} {
		v := must(h.CancelContract(h.as(by), CancelContract{h.key(), h.sign(h.terms()).ID}))(t)
		if v.State != cancelled || len(v.Warnings) != 0 {
			t.Errorf("cancelled by %s: %+v", by, v)
		}
	}
	if _, err := h.CancelContract(h.as("parent"), CancelContract{h.key(), h.paid(h.terms()).ID}); !errors.Is(err, fault.Conflict) {
		t.Errorf("a paid contract was cancelled: %v", err)
	}
}

func TestLicenceLostBeforePayment(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.sign(h.terms())
	h.learned(&licensingv1.Institution{Id: "art", Name: "姑苏美术培训中心", Kind: "non_subject", Status: "REVOKED"})
	_, err := h.PayContract(h.as("parent"), PayContract{h.key(), v.ID, 480000, "R-1"})
	if !errors.Is(err, fault.Refused) || h.count(`SELECT sum(paid) FROM contracts`) != 0 {
		t.Errorf("paid to an institution without a licence: %v", err)
	}
}

// race runs f twenty times at once and returns how often it succeeded, and what
// else came.
func race(f func(i int) error) (ok int, kinds map[fault.Kind]int) {
	var g errgroup.Group
	results := make([]error, 20)
	for i := range results {
		g.Go(func() error { results[i] = f(i); return nil })
	}
	_ = g.Wait()
	kinds = map[fault.Kind]int{}
	for _, err := range results {
		if err == nil {
			ok++
		} else {
			kinds[fault.KindOf(err)]++
		}
	}
	return ok, kinds
}

func TestRaces(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	ctx := func(by string) context.Context { return h.as(by) }
	one := h.sign(h.terms()).ID
	ok, others := race(func(int) error {
		_, err := h.PayContract(ctx("parent"), PayContract{h.key(), one, 480000, "SAME"})
		return err
	})
	if n := h.count(`SELECT count(*) FROM payments`); ok != 20 || n != 1 || h.facts("PaymentReceived") != 1 {
		t.Errorf("20 payments under one reference: %d answered, %v, %d booked", ok, others, n)
	}
	h.taught(one, 1)
	ok, others = race(func(int) error {
		_, err := h.ConfirmLesson(ctx("parent"), ConfirmLesson{h.key(), LessonOf{one, 1}})
		return err
	})
	if n := h.count(`SELECT sum(amount) FROM releases`); ok != 20 || n != 10000 || h.facts("FundsReleased") != 1 {
		t.Errorf("20 confirmations of one lesson: %d answered, %v, %d released", ok, others, n)
	}
	same := h.key()
	h.taught(one, 2)
	ok, others = race(func(int) error {
		_, err := h.ConfirmLesson(ctx("parent"), ConfirmLesson{once.Key{IdempotencyKey: same.IdempotencyKey}, LessonOf{one, 2}})
		return err
	})
	if ok < 1 || ok+others[fault.InFlight] != 20 || h.facts("FundsReleased") != 2 {
		t.Errorf("20 times the same request: %d answered, %v", ok, others)
	}
	ok, others = race(func(i int) error { // each lesson of its own, refunds between them
		if i%2 == 0 {
			_, err := h.RequestRefund(ctx("parent"), RequestRefund{Key: h.key(), Contract: one, Lessons: 1, Reason: "x"})
			return err
		}
		_, err := h.TeachLesson(ctx("principal"), TeachLesson{Key: h.key(), LessonOf: LessonOf{one, 48 - i}})
		return err
	})
	if ok+others[fault.Conflict] != 20 {
		t.Errorf("refunds against teaching: %d, %v", ok, others)
	}
	h.sound()
}

func TestRefundAgainstConfirm(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen = 30, 299*30 }))
	refunds := make([]string, 10)
	for i := range 10 {
		h.taught(v.ID, i+1)
		refunds[i] = must(h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: v.ID, Lessons: 2, Reason: "x"}))(t).ID
	}
	ok, others := race(func(i int) error {
		if i < 10 {
			_, err := h.ConfirmLesson(h.as("parent"), ConfirmLesson{h.key(), LessonOf{v.ID, i + 1}})
			return err
		}
		_, err := h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), refunds[i-10]})
		return err
	})
	if v = h.contract("parent", v.ID); ok != 20 || v.State != finished || v.HeldFen != 0 {
		t.Errorf("%d done, %v: %s %+v", ok, others, v.State, v.Money)
	}
	h.sound()
}

// TestOrdersPaidTogether is that two orders paid at the same instant see each
// other: whichever comes second is flagged.
func TestOrdersPaidTogether(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	for round := range 10 {
		name := fmt.Sprint("孩子", round)
		var ids [2]string
		for i := range ids {
			ids[i] = h.sign(h.terms(func(t *Terms) { t.Lessons, t.PriceFen, t.Pupil = 40, 200000, name })).ID
		}
		var g errgroup.Group
		for _, id := range ids {
			g.Go(func() error {
				_, err := h.PayContract(h.as("parent"), PayContract{h.key(), id, 200000, "REF-" + id})
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if n := h.count(`SELECT count(*) FROM flags WHERE contract_id = ANY ($1) AND state = 'OPEN'`, ids[:]); n != 1 {
			t.Fatalf("round %d: %d flags on 80 lessons, want 1", round, n)
		}
	}
	h.sound()
}

// sound is that every contract's books agree.
func (h *house) sound() {
	h.t.Helper()
	if n := h.count(`
		SELECT count(*) FROM contracts c WHERE
			released <> (SELECT coalesce(sum(amount), 0) FROM releases r WHERE r.contract_id = c.id)
			OR released <> (SELECT coalesce(sum(fee), 0) FROM lessons l WHERE l.contract_id = c.id AND state = 'CONFIRMED')
			OR refunded <> (SELECT coalesce(sum(fee), 0) FROM lessons l WHERE l.contract_id = c.id AND state = 'REFUNDED')
			OR refunded <> (SELECT coalesce(sum(amount), 0) FROM refunds r WHERE r.contract_id = c.id AND state = 'PAID')
			OR paid <> (SELECT coalesce(sum(amount), 0) FROM payments p WHERE p.contract_id = c.id)
			OR price <> (SELECT sum(fee) FROM lessons l WHERE l.contract_id = c.id)
			OR open <> (SELECT count(*) FROM lessons l WHERE l.contract_id = c.id AND state NOT IN ('CONFIRMED', 'REFUNDED', 'CANCELLED'))`); n != 0 {
		h.t.Errorf("the books of %d contracts do not agree", n)
	}
}

func TestProjection(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms(func(t *Terms) { t.Lessons = 61 }))
	art := &licensingv1.Institution{Id: "art", Name: "新名", Kind: "non_subject", Jurisdiction: "320508", Status: "ACTIVE", ValidUntil: "2028-12-31", Manager: "principal3"}
	for range 3 { // as a republish repeats it
		h.apply(&licensingv1.LicenceChanged{Institution: art})
	}
	h.apply(&licensingv1.ListEntryPublished{Entry: &licensingv1.ListEntry{List: "BLACK"}}) // of a subject that is no institution
	if n := h.count(`SELECT count(*) FROM institutions`); n != 5 {
		t.Errorf("%d institutions, want 5", n)
	}
	if got := h.contract("principal3", v.ID); got.InstitutionName != "新名" || got.Party == nil {
		t.Errorf("the new manager sees %+v", got.ContractLine)
	}
	if _, err := h.FindContract(h.as("principal"), FindContract{v.ID}); !errors.Is(err, fault.NotFound) {
		t.Errorf("the old manager still sees it: %v", err)
	}
	if all := must(h.ListFlags(h.as("principal3"), ListFlags{}))(t); len(all.Items) != 1 {
		t.Errorf("the new manager's flags: %+v", all)
	}
	for status, e := range map[string]protoMessage{
		"SUSPENDED": &licensingv1.LicenceSuspended{Institution: with2(art, "SUSPENDED")}, "REVOKED": &licensingv1.LicenceRevoked{Institution: with2(art, "REVOKED")},
		"CANCELLED": &licensingv1.LicenceCancelled{Institution: with2(art, "CANCELLED")}, "ACTIVE": &licensingv1.ListEntryRemoved{Institution: with2(art, "ACTIVE")},
	} {
		h.apply(e)
		if n := h.count(`SELECT count(*) FROM institutions WHERE id = 'art' AND status = $1`, status); n != 1 {
			t.Errorf("not %s after %T", status, e)
		}
	}
}

func with2(i *licensingv1.Institution, status string) *licensingv1.Institution {
	return &licensingv1.Institution{Id: i.GetId(), Name: i.GetName(), Kind: i.GetKind(), Jurisdiction: i.GetJurisdiction(), Manager: i.GetManager(), ValidUntil: i.GetValidUntil(), Status: status}
}

// TestSecondWall asks the tables themselves, without a WHERE.
func TestSecondWall(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms(func(t *Terms) { t.Lessons = 61 }))
	h.taught(v.ID, 1)
	h.confirmed(v.ID, 1)
	h.refunded(v.ID, 1)
	tables := []string{"accounts", "contracts", "lessons", "payments", "releases", "refunds", "flags", "timeline"}
	for _, tt := range []struct {
		by   string
		sees bool
	}{
		{"examiner", true},
		{"city", true},
		{"principal", true},
		{"parent", true},
		{"neighbour", false},
		{"market", false},
		{"culture", false},
		{"parent2", false},
		{"principal2", false},
		{"", false},
	} {
		for _, table := range tables {
			want := tt.sees && (table != "accounts" || tt.by != "parent")
			if table == "accounts" && (tt.by == "neighbour" || tt.by == "principal2") {
				want = true // that of the institution in the other district
			}
			n := h.seenBy(tt.by, table)
			if got := n > 0; got != want {
				t.Errorf("%q sees %d rows of %s", tt.by, n, table)
			}
		}
	}
	h.unchangeable()
}

func (h *house) seenBy(by, table string) (n int) {
	h.t.Helper()
	ctx := h.t.Context()
	if by != "" {
		ctx = h.as(by)
	}
	_, err := inTx(ctx, h, func(tx pgx.Tx) error { return tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n) })
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// unchangeable is that what is append-only is so for the service itself.
func (h *house) unchangeable() {
	h.t.Helper()
	for _, sql := range []string{
		`UPDATE timeline SET summary = ''`, `DELETE FROM timeline`, `UPDATE releases SET amount = 1`, `DELETE FROM releases`,
		`UPDATE payments SET amount = 1`, `DELETE FROM payments`, `DELETE FROM payment_references`, `TRUNCATE timeline`,
		`UPDATE contracts SET released = paid + 1`, `UPDATE contracts SET refunded = -1`,
	} {
		if err := h.try(sql); err == nil {
			h.t.Errorf("%s was let through", sql)
		}
	}
}

func TestPrivacy(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	const pupil, parent, reason = "标记学员甲", "parent", "标记原因乙"
	v := h.paid(h.terms(func(t *Terms) { t.Lessons, t.Pupil = 61, pupil }))
	h.taught(v.ID, 1)
	h.taught(v.ID, 2)
	must(h.DisputeLesson(h.as(parent), DisputeLesson{h.key(), LessonOf{v.ID, 1}, reason}))(t)
	h.confirmed(v.ID, 2)
	r := must(h.RequestRefund(h.as(parent), RequestRefund{Key: h.key(), Contract: v.ID, Lessons: 2, Reason: reason}))(t)
	must(h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), r.ID}))(t)
	for _, mark := range []string{pupil, parent, reason} {
		if n := h.count(`SELECT count(*) FROM outbox WHERE position($1::bytea IN data) > 0 OR key = $2`, []byte(mark), mark); n != 0 {
			t.Errorf("%d events contain %q", n, mark)
		}
		if n := h.count(`SELECT count(*) FROM timeline WHERE summary LIKE '%' || $1 || '%'`, mark); n != 0 {
			t.Errorf("%d entries contain %q", n, mark)
		}
	}
	if n := h.count(`SELECT count(*) FROM outbox`); n < 8 {
		t.Errorf("only %d events were looked through", n)
	}
	for by, want := range map[string]bool{"parent": true, "principal": true, "examiner": false, "city": false} {
		text := asJSON(t, h.contract(by, v.ID)) + asJSON(t, must(h.ListLessons(h.as(by), ListLessons{Contract: v.ID}))(t)) +
			asJSON(t, must(h.ListContracts(h.as(by), ListContracts{}))(t)) + asJSON(t, must(h.Inbox(h.as(by), FindInbox{}))(t)) +
			asJSON(t, must(h.ListFlags(h.as(by), ListFlags{}))(t)) + asJSON(t, must(h.FindRefund(h.as(by), FindRefund{r.ID}))(t))
		for _, mark := range []string{pupil, `"parent"`, reason} {
			if got := strings.Contains(text, mark); got != want {
				t.Errorf("%s reads %s: %t, want %t", by, mark, got, want)
			}
		}
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	clean := h.paid(h.terms()).ID
	flagged := h.paid(h.terms(func(t *Terms) { t.Lessons, t.Institution = 61, "maths" })).ID
	open := h.offer(h.terms(func(t *Terms) { t.Parent = "parent2" }))
	abroad := h.offer(h.terms(func(t *Terms) { t.Institution = "other" }))
	for _, tt := range []struct {
		by   string
		req  ListContracts
		want string
	}{
		{"parent", ListContracts{}, abroad + flagged + clean},
		{"parent2", ListContracts{}, open},
		{"principal", ListContracts{}, open + flagged + clean},
		{"principal2", ListContracts{}, abroad},
		{"examiner", ListContracts{}, open + flagged + clean},
		{"neighbour", ListContracts{}, abroad},
		{"city", ListContracts{}, abroad + open + flagged + clean},
		{"market", ListContracts{}, ""},
		{"city", ListContracts{Flagged: true}, flagged},
		{"city", ListContracts{State: offered}, abroad + open},
		{"city", ListContracts{Institution: "maths"}, flagged},
		{"city", ListContracts{Page: 2}, ""},
	} {
		got := ""
		for _, c := range must(h.ListContracts(h.as(tt.by), tt.req))(t).Items {
			got += c.ID
		}
		if got != tt.want {
			t.Errorf("%s lists %+v: %s, want %s", tt.by, tt.req, got, tt.want)
		}
	}
	all := must(h.ListLessons(h.as("parent"), ListLessons{Contract: flagged}))(t)
	rest := must(h.ListLessons(h.as("parent"), ListLessons{Contract: flagged, Page: 2}))(t)
	if len(all.Items) != 50 || !all.More || len(rest.Items) != 11 || rest.More {
		t.Errorf("pages of %d and %d lessons", len(all.Items), len(rest.Items))
	}
	if s := must(h.Summary(context.Background(), Summarize{}))(t); s.Contracts != 4 || s.OpenFlags != 1 || s.PaidFen != 960000 || s.HeldFen != 960000 || s.Accounts != 3 {
		t.Errorf("summary %+v", s)
	}
}

func TestParentsInbox(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.offer(h.terms())
	v := h.paid(h.terms())
	for n := 1; n <= 2; n++ {
		h.taught(v.ID, n)
	}
	must(h.DisputeLesson(h.as("parent"), DisputeLesson{h.key(), LessonOf{v.ID, 2}, "x"}))(t)
	for today, want := range map[string]string{"2026-03-02": "green 15", "2026-03-19": "yellow 2", "2026-03-23": "red 0", "2026-03-24": "red -1"} {
		h.at(today)
		i := must(h.Inbox(h.as("parent"), FindInbox{}))(t).Items
		if len(i) != 2 || i[0].Kind != "lesson" || i[1].Kind != "contract" || i[1].DaysLeft != nil {
			t.Fatalf("%s: %+v", today, i)
		}
		if got := fmt.Sprint(i[0].Light, " ", *i[0].DaysLeft); got != want {
			t.Errorf("%s: %s, want %s", today, got, want)
		}
	}
	if i := must(h.Inbox(h.as("principal"), FindInbox{}))(t).Items; len(i) != 1 || i[0].Kind != "dispute" {
		t.Errorf("the principal's inbox: %+v", i)
	}
	if i := must(h.Inbox(h.as("parent2"), FindInbox{}))(t).Items; i == nil || len(i) != 0 {
		t.Errorf("a stranger's inbox: %#v", i)
	}
}
