package escrow

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/fault"
	"xunguan/services/escrow/bankfile"
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

// banksTold lets a night pass, by which the bank is told to pay out what was released.
func (h *house) banksTold() {
	h.t.Helper()
	if h.count(`SELECT count(*) FROM banks`) == 0 {
		must(h.RegisterBank(h.as("city"), RegisterBank{h.key(), bankName, "bank", h.today()}))(h.t)
	}
	h.at(h.today().AddDays(1).String())
	h.settle()
	must(h.TakeSettlement(h.as("bank"), TakeSettlement{h.key(), "csv", "UTF-8"}))(h.t)
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
	h.banksTold()
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
	h.banksTold()
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
	h.banksTold()
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

// TestObjectionInTime is a fee that the bank was not told to pay out when the parent
// objects: it is kept for whoever is right, comes back by the route that it came by, and
// the bank's books never differ.
func TestObjectionInTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, source string
		play         func(*teller) // from the night in which silence has confirmed
		kept         bool
		paidOut      int // fen that left for the institution in the end, of two lessons of 10000
	}{
		{"it is not ordered yet", inStep, func(*teller) {}, true, 10000},
		{"it is ordered, and the bank has not asked", inStep, func(b *teller) { b.night() }, true, 10000},
		{"a week is ordered together", inStep, func(b *teller) {
			for b.today() != d("2026-03-30") {
				b.night()
			}
		}, true, 10000},
		{"the bank was told", "拨付指令已下达，资金由机构退还", func(b *teller) { b.night(); b.executes() }, false, 20000},
		{"payouts are held", "domain §1.1：暂停拨付，退费不受影响", func(b *teller) { b.black("case-1", "art") }, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.UTF8)
			if tt.name == "a week is ordered together" {
				b.enact("escrow.settlement", "320508", `"week"`, "text")
			}
			id := b.pays(b.terms()).ID
			b.taught(id, 1)
			b.taught(id, 2)
			for b.today() != d("2026-03-23") {
				b.night()
			}
			b.told("2026-03-23")
			b.at("2026-03-24")
			if !tt.kept || tt.paidOut > 0 {
				b.settle()
				tt.play(b)
			} else { // the hold comes before the silence
				tt.play(b)
				b.settle()
			}
			r := must(b.object("parent", id, 1))(t)
			if got := r.FromInstitution == 0; got != tt.kept || r.AmountFen != 10000 {
				t.Fatalf("kept: %t %+v (%s)", got, r, tt.source)
			}
			if l := b.lesson(id, 1); tt.kept && (l.Waiting != inObjection || l.ReleasedFen != 0) {
				t.Errorf("while it is decided: %+v", l)
			}
			b.night() // the institution's silence of five working days
			for range 9 {
				b.executes()
				b.night()
			}
			if !tt.kept {
				for _, p := range b.refund("parent", r.ID).Paybacks {
					must(b.ReceivePayback(b.as("parent"), ReceivePayback{b.key(), p.ID}))(t)
				}
			}
			r = b.refund("parent", r.ID)
			from := map[bool]string{true: "account", false: "institution"}[tt.kept]
			if r.State != paidBack || !r.BySilence || len(r.Paybacks) != 1 || r.Paybacks[0].From != from {
				t.Errorf("in the end: %+v", r)
			}
			if l := b.lesson(id, 1); tt.kept != (l.State == refunded) || tt.kept && l.ReleasedFen != 0 {
				t.Errorf("the lesson: %+v", l)
			}
			if n := b.count(`SELECT coalesce(sum(amount), 0) FROM instructions WHERE purpose = 'release'`); n != int64(tt.paidOut) {
				t.Errorf("the bank was told to pay the institution %d, want %d", n, tt.paidOut)
			}
			if n := b.count(`SELECT coalesce(sum(amount), 0) FROM instructions WHERE purpose = 'refund'`); (n == 10000) != tt.kept {
				t.Errorf("the bank was told to pay the parent %d", n)
			}
			if got := b.differences("art"); got != "" {
				t.Errorf("differences: %s", got)
			}
			b.sound()
		})
	}
}

// TestObjectionTakenBack is that a fee which was kept goes to the institution once the
// parent takes his word back, each time, and a contract that was over is so again.
func TestObjectionTakenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	id := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen, t.LastLesson = 1, 10000, t.FirstLesson })).ID
	h.taught(id, 1)
	h.at("2026-03-24")
	h.black("case-1", "art") // it waits at first
	h.settle()
	h.removed("case-1", "art")
	h.settle()
	for range 2 {
		if v := h.contract("parent", id); v.State != finished || v.ReleasedFen != 10000 {
			t.Fatalf("the last lesson is over: %s %+v", v.State, v.Money)
		}
		r := must(h.object("parent", id, 1))(t)
		if v := h.contract("parent", id); v.State != paid || v.HeldFen != 10000 || r.FromInstitution != 0 {
			t.Fatalf("kept: %s %+v", v.State, v.Money)
		}
		h.settle()
		if l := h.lesson(id, 1); l.Waiting != inObjection {
			t.Errorf("paid out while it is decided: %+v", l)
		}
		must(h.WithdrawRefund(h.as("parent"), WithdrawRefund{h.key(), r.ID}))(t)
		h.settle()
	}
	r := must(h.object("parent", id, 1))(t)
	ok, others := race(func(int) error { return second(h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), r.ID})) })
	if ok != 1 || others[fault.Conflict] != 19 {
		t.Errorf("agreed to %d times, %v", ok, others)
	}
	if v := h.contract("parent", id); v.State != finished || v.RefundedFen != 10000 || v.ReleasedFen != 0 {
		t.Errorf("in the end: %s %+v", v.State, v.Money)
	}
	if _, err := h.object("parent", id, 1); !errors.Is(err, fault.Conflict) {
		t.Errorf("objected to what came back: %v", err)
	}
	h.sound()
}

// TestObjectionRacesTheBank is that a fee is kept or told to the bank, and never both.
func TestObjectionRacesTheBank(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	must(h.RegisterBank(h.as("city"), RegisterBank{h.key(), bankName, "bank", h.today()}))(t)
	id := h.paid(h.terms()).ID
	for n := range 19 {
		h.taught(id, n+1)
	}
	h.at("2026-03-24")
	h.settle()
	h.at("2026-03-25")
	_, others := race(func(i int) error {
		if i < 19 {
			return second(h.object("parent", id, i+1))
		}
		h.settle()
		return second(h.TakeSettlement(h.as("bank"), TakeSettlement{h.key(), "csv", "UTF-8"}))
	})
	delete(others, fault.NotFound) // nothing was left to tell
	if len(others) > 0 {
		t.Errorf("%v", others)
	}
	kept := h.count(`SELECT coalesce(sum(kept), 0) FROM refunds`)
	if told := h.count(`SELECT coalesce(sum(amount), 0) FROM instructions`); kept+told != 190000 {
		t.Errorf("%d kept and %d told, of 190000", kept, told)
	}
	h.sound()
}

const (
	records  = "法释〔2025〕4号第二十五条：经营者控制记录而不提供的，可以采信消费者的主张"
	silence5 = "refund.auto_agree：机构 5 个工作日未答复"
)

// TestObjectionInAWindDown is an objection that pends when the institution's end begins,
// or is raised in it: a claim of the family's on the roster, that the bureau decides.
func TestObjectionInAWindDown(t *testing.T) {
	t.Parallel()
	begin := func(h *house) string { return h.begun("art").ID }
	confirm := func(h *house, w string) {
		must(h.ConfirmWindDown(h.as("examiner"), ConfirmWindDown{h.key(), w}))(h.t)
		h.wind()
	}
	objected := func(h *house, id string) { must(h.object("parent", id, 1))(h.t); h.wind() }
	correct := func(fen Fen) func(*house, string) {
		return func(h *house, id string) {
			w := begin(h)
			objected(h, id)
			must(h.CorrectFamily(h.as("examiner2"), CorrectFamily{h.key(), w, id, fen, "机构提交了签到记录"}))(h.t)
			confirm(h, w)
		}
	}
	for _, tt := range []struct {
		name, source string
		out          bool // the bank has paid the fee out
		play         func(h *house, id string)
		want         string // claim, objected, share, from the institution, kept by it
	}{
		{"it pends when the end begins, and the fee waits", records, false, func(h *house, id string) {
			objected(h, id)
			confirm(h, begin(h))
		}, "470000 10000 470000 0 0"},
		{"it pends, and the fee was paid out", records, true, func(h *house, id string) {
			objected(h, id)
			confirm(h, begin(h))
		}, "470000 10000 460000 10000 0"},
		{"the institution has refused it", "民促法第五十八条：由审批机关组织清算", false, func(h *house, id string) {
			r := must(h.object("parent", id, 1))(h.t)
			must(h.RejectRefund(h.as("principal"), RejectRefund{h.key(), r.ID, "有签到记录"}))(h.t)
			confirm(h, begin(h))
		}, "470000 10000 470000 0 0"},
		{"it is in mediation", "民促法第五十八条：由审批机关组织清算", false, func(h *house, id string) {
			r := must(h.object("parent", id, 1))(h.t)
			must(h.RejectRefund(h.as("principal"), RejectRefund{h.key(), r.ID, "有签到记录"}))(h.t)
			must(h.MediateRefund(h.as("parent"), MediateRefund{h.key(), r.ID}))(h.t)
			confirm(h, begin(h))
		}, "470000 10000 470000 0 0"},
		{"it is raised before the second official's word", silence5, false, func(h *house, id string) {
			w := begin(h)
			objected(h, id)
			confirm(h, w)
		}, "470000 10000 470000 0 0"},
		{"it is raised while families choose", silence5, false, func(h *house, id string) {
			confirm(h, begin(h))
			objected(h, id)
		}, "470000 10000 470000 0 0"},
		{"it is raised while they choose, and the fee was paid out", silence5, true, func(h *house, id string) {
			confirm(h, begin(h))
			objected(h, id)
		}, "470000 10000 460000 10000 0"},
		{"the bureau finds that the lesson was given", "更正须另一人复核", false, correct(460000), "460000 10000 460000 0 10000"},
		{"the same, and the fee was paid out", "更正须另一人复核", true, correct(460000), "460000 10000 460000 0 0"},
		{"the bureau finds that nothing is owed", "主管部门核定", false, correct(0), "0 10000 0 0 0"},
		{"the parent objects after the bureau corrected", records, false, func(h *house, id string) {
			w := begin(h)
			must(h.CorrectFamily(h.as("examiner2"), CorrectFamily{h.key(), w, id, 400000, "核对票据"}))(h.t)
			objected(h, id)
			confirm(h, w)
		}, "410000 10000 410000 0 60000"},
		{"the parent takes it back before it is confirmed", "家长处分自己的权利", false, func(h *house, id string) {
			r := must(h.object("parent", id, 1))(h.t)
			w := begin(h)
			must(h.WithdrawRefund(h.as("parent"), WithdrawRefund{h.key(), r.ID}))(h.t)
			confirm(h, w)
		}, "460000 0 460000 0 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "2026-03-02")
			id := h.silently()
			if tt.out {
				h.banksTold()
				h.payOuts()
			}
			tt.play(h, id)
			w := must(h.ListWindDowns(h.as("examiner"), ListWindDowns{}))(t).Items[0]
			for _, r := range h.contract("principal", id).Refunds { // it is not the institution's any more
				if _, err := h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), r.ID}); r.State != withdrawn && !errors.Is(err, fault.Refused) {
					t.Errorf("the institution agrees to %s: %v", r.State, err)
				}
			}
			h.at("2026-05-06")
			h.settle() // silence agrees to nothing
			f := h.family("parent", w.ID, id)
			got := fmt.Sprint(f.ClaimFen, f.ObjectedFen, f.ShareFen, " 0 0")
			if f.Refund != "" {
				r := h.refund("parent", f.Refund)
				got = fmt.Sprint(f.ClaimFen, f.ObjectedFen, f.ShareFen, r.FromInstitution, r.DeductedFen)
				if len(h.paidBackOf(id)) != 1 {
					t.Errorf("paid by %v", h.paidBackOf(id))
				}
			}
			if w = h.windDown("examiner", w.ID); got != tt.want || w.State != windDone {
				t.Errorf("%s: %s, want %s (%s)", w.State, got, tt.want, tt.source)
			}
			if _, err := h.object("parent", id, 1); f.ObjectedFen > 0 && !errors.Is(err, fault.Conflict) {
				t.Errorf("objected to again: %v", err)
			}
			h.sound()
		})
	}
}

// payOuts books what the bank was told to pay out, as its file would.
func (h *house) payOuts() {
	h.t.Helper()
	h.work(func(tx pgx.Tx) error {
		var fen Fen
		if err := tx.QueryRow(h.t.Context(), `SELECT sum(amount)::bigint FROM instructions WHERE purpose = 'release'`).Scan(&fen); err != nil {
			return err
		}
		return post(h.t.Context(), tx, payOut("art", "test", fen, h.Now()))
	})
}

// paidBackOf is the refunds of a contract that were agreed to.
func (h *house) paidBackOf(contract string) (ids []string) {
	h.t.Helper()
	for _, r := range h.contract("parent", contract).Refunds {
		if r.State == agreed || r.State == paidBack {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// TestObjectionToTheEnd is a family that is owed nothing but the fee of a last lesson
// that it says was not given, on the last day for objecting.
func TestObjectionToTheEnd(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	id := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen, t.LastLesson = 1, 10000, t.FirstLesson })).ID
	h.taught(id, 1)
	h.at("2026-03-24")
	h.settle()
	w := h.open("art")
	if w.Figures.Families != 0 || w.ChooseBy != d("2026-04-08") {
		t.Fatalf("nothing is ahead: %+v", w)
	}
	h.at("2026-04-08")
	r := must(h.object("parent", id, 1))(t)
	h.wind()
	f := h.family("parent", w.ID, id)
	if f.ClaimFen != 10000 || f.Lessons != 0 || f.HeldFen != 10000 || r.AnswerBy != d("2026-04-15") || !strings.Contains(f.Clauses[0].Text, "2026-04-15") {
		t.Errorf("on the roster: %+v", f)
	}
	h.at("2026-04-15") // until when the institution may bring its records
	if n := h.wind(); n != 0 {
		t.Errorf("%d steps before its days are over", n)
	}
	h.at("2026-04-16")
	h.wind()
	if w = h.windDown("examiner", w.ID); w.State != windDone || w.Figures.PaidFen != 10000 {
		t.Errorf("%s %+v", w.State, w.Figures)
	}
	if v, l := h.contract("parent", id), h.lesson(id, 1); v.State != finished || v.RefundedFen != 10000 || l.State != refunded {
		t.Errorf("in the end: %s %+v, lesson %s", v.State, v.Money, l.State)
	}
	h.sound()
}

// TestObjectionTooLate is that an objection is heard to the last day for choosing, and
// again once every family is paid.
func TestObjectionTooLate(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	id := h.silently()
	other := h.paid(h.terms(func(t *Terms) { t.Pupil = "大满" })).ID
	h.taught(other, 1)
	w := h.open("art")
	h.at("2026-04-10") // the last day for choosing was 04-08
	if _, err := h.object("parent", id, 1); !errors.Is(err, fault.Refused) {
		t.Errorf("after the last day: %v", err)
	}
	h.wind()
	if w = h.windDown("examiner", w.ID); w.State != windDone {
		t.Fatal(w.State)
	}
	r := must(h.object("parent", id, 1))(t) // its fee waits for whoever liquidates
	must(h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), r.ID}))(t)
	if r = h.refund("parent", r.ID); r.State != paidBack || r.FromInstitution != 0 {
		t.Errorf("after the end: %+v", r)
	}
	h.sound()
}

// TestObjectionsRaceThePayment is that a fee is given back once, whoever asks, answers,
// corrects and pays at the same moment.
func TestObjectionsRaceThePayment(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	var ids []string
	for i := range 4 {
		id := h.paid(h.terms(func(t *Terms) { t.Pupil = fmt.Sprint(i) })).ID
		h.taught(id, 1)
		h.taught(id, 2)
		ids = append(ids, id)
	}
	h.at("2026-03-24")
	h.settle()
	for _, id := range ids {
		must(h.object("parent", id, 1))(t)
	}
	w := h.open("art")
	_, others := race(func(i int) error { // the second lesson, while the first is on the roster
		if i < 8 {
			return second(h.object("parent", ids[i%4], 2))
		}
		return winds(h, h.Service)
	})
	if others[fault.Conflict] != 4 || len(others) != 1 {
		t.Errorf("objected to: %v", others)
	}
	h.wind()
	h.at("2026-05-06")
	_, others = race(func(i int) error {
		switch i % 5 {
		case 0:
			_ = second(h.object("parent", ids[i%4], 1))
			return nil
		case 1:
			_ = second(h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), h.contract("principal", ids[i%4]).Refunds[0].ID}))
			return nil
		}
		return winds(h, h.Service)
	})
	if h.wind(); len(others) != 0 {
		t.Errorf("paid: %v", others)
	}
	w = h.windDown("examiner", w.ID)
	if n := h.count(`SELECT count(*) FROM transfers WHERE kind = 'payback'`); w.State != windDone || n != 4 || w.Figures.PaidFen != 4*480000 {
		t.Errorf("%s: %d paid, %+v", w.State, n, w.Figures)
	}
	for _, account := range []string{"refunds", "held", "frozen", "owed"} {
		if n := h.count(`SELECT coalesce(sum(balance), 0) FROM balances WHERE account = $1`, account); n != 0 {
			t.Errorf("%d is left on %s", n, account)
		}
	}
	h.sound()
}
