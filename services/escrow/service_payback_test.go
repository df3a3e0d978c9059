package escrow

import (
	"errors"
	"fmt"
	"testing"

	"xunguan/pkg/fault"
)

// balance is what is on one of art's accounts, debits positive.
func (h *house) balance(account string) int64 {
	h.t.Helper()
	return h.count(`SELECT coalesce(sum(balance), 0) FROM balances WHERE institution_id = 'art' AND account = $1`, account)
}

// TestMediation is a refund that the institution refuses, and what a mediation finds.
func TestMediation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		found SettleRefund
		want  string
	}{
		{"as it was claimed", SettleRefund{Fault: consumerReason}, "consumer 355000 25000"},
		{"the operator's fault (法释〔2025〕4号 §13, §18)", SettleRefund{Fault: operatorFault, Ground: "moved"}, "operator 380000 0"},
		{"the list price was unreasonable (§19)", SettleRefund{Fault: consumerReason, MarketPrice: 528000}, "consumer 370000 10000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "2026-03-02")
			c := h.paid(h.terms(listed(600000)))
			for n := 1; n <= 10; n++ {
				h.taught(c.ID, n)
				h.confirmed(c.ID, n)
			}
			h.at("2026-04-01")
			r := must(h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: c.ID, Whole: true, Reason: "搬家"}))(t)
			settle := func(by string) error {
				req := tt.found
				req.Key, req.ID, req.Reason = h.key(), r.ID, "调解书 1 号"
				_, err := h.SettleRefund(h.as(by), req)
				return err
			}
			if err := settle("examiner"); !errors.Is(err, fault.Conflict) {
				t.Errorf("settled before anybody refused: %v", err)
			}
			if v := must(h.RejectRefund(h.as("principal"), RejectRefund{h.key(), r.ID, "已排课"}))(t); v.State != rejected || v.Answer != "已排课" {
				t.Errorf("refused: %+v", v)
			}
			if items := must(h.Inbox(h.as("parent"), FindInbox{}))(t).Items; len(items) != 1 || items[0].Kind != "rejected" {
				t.Errorf("the parent's inbox: %+v", items)
			}
			if v := must(h.MediateRefund(h.as("parent"), MediateRefund{h.key(), r.ID}))(t); v.State != mediation || v.MediateBy.IsZero() {
				t.Errorf("before mediation: %+v", v)
			}
			if items := must(h.Inbox(h.as("examiner"), FindInbox{}))(t).Items; len(items) != 1 || items[0].Kind != "mediation" {
				t.Errorf("the examiner's inbox: %+v", items)
			}
			if err := settle("neighbour"); !errors.Is(err, fault.NotFound) {
				t.Errorf("settled by another district: %v", err)
			}
			h.at("2026-04-20")
			if err := settle("examiner"); err != nil {
				t.Fatal(err)
			}
			v := h.refund("parent", r.ID)
			if got := fmt.Sprint(v.Basis, " ", v.AmountFen, " ", v.DeductedFen); got != tt.want || v.State != paidBack {
				t.Errorf("%s: %s, want %s", v.State, got, tt.want)
			}
			if c = h.contract("parent", c.ID); c.State != finished || c.ReleasedFen+c.RefundedFen != 480000 {
				t.Errorf("the contract: %s %+v", c.State, c.Money)
			}
			h.sound()
		})
	}
}

func TestUnsettled(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	for _, end := range []string{"judgment", "withdrawn", "agreed"} {
		id := h.inMediation(h.terms())
		v := must(h.FailRefund(h.as("examiner"), FailRefund{h.key(), id, "双方分歧较大"}))(t)
		if v.State != unsettled || h.contract("parent", v.Contract).Progress.Refunding != 48 {
			t.Fatalf("not settled: %+v", v)
		}
		var err error
		want := paidBack
		switch end {
		case "judgment":
			_, err = h.SettleRefund(h.as("examiner"), SettleRefund{Key: h.key(), ID: id, Fault: operatorFault, Ground: "other", Reason: "（2026）苏0508民初1号"})
		case "withdrawn":
			_, err = h.WithdrawRefund(h.as("parent"), WithdrawRefund{h.key(), id})
			want = withdrawn
		case "agreed":
			_, err = h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), id})
		}
		if v := h.refund("parent", id); v.State != want || err != nil {
			t.Errorf("%s: %s, %v", end, v.State, err)
		}
	}
	h.sound()
}

// TestWithdraw is that every lesson is again what it was.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	c := h.paid(h.terms(freeAfter(10), gifts(2)))
	h.taught(c.ID, 1)
	h.taught(c.ID, 2)
	must(h.DisputeLesson(h.as("parent"), DisputeLesson{h.key(), LessonOf{c.ID, 2}, "没上"}))(t)
	r := must(h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: c.ID, Whole: true, Reason: "搬家"}))(t)
	if p := h.contract("parent", c.ID).Progress; p.Refunding != 50 || r.AmountFen != 480000 {
		t.Fatalf("%+v asked for: %+v", r, p)
	}
	h.at("2026-03-06")
	must(h.WithdrawRefund(h.as("parent"), WithdrawRefund{h.key(), r.ID}))(t)
	if p := h.contract("parent", c.ID).Progress; p.Scheduled != 48 || p.Taught != 1 || p.Disputed != 1 {
		t.Errorf("after it was withdrawn: %+v", p)
	}
	lessons := must(h.ListLessons(h.as("parent"), ListLessons{Contract: c.ID}))(t).Items
	if lessons[0].ConfirmBy != d("2026-03-27") || !lessons[1].ConfirmBy.IsZero() { // fifteen working days, from the withdrawal
		t.Errorf("to answer by %s and %s", lessons[0].ConfirmBy, lessons[1].ConfirmBy)
	}
	if _, err := h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), r.ID}); !errors.Is(err, fault.Conflict) {
		t.Errorf("agreed after it was withdrawn: %v", err)
	}
	h.sound()
}

// TestWithdrawTheLaterFirst: the second refund was spared the discount because the first bore it.
func TestWithdrawTheLaterFirst(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	c := h.paid(h.terms(listed(600000), prior(fromThis)))
	for n := 1; n <= 4; n++ {
		h.taught(c.ID, n)
		h.confirmed(c.ID, n)
	}
	ask := func(n int) RefundView {
		return must(h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: c.ID, Lessons: n, Reason: "x"}))(t)
	}
	first, second := ask(1), ask(5)
	if first.AmountFen != 0 || first.DeductedFen != 10000 || second.AmountFen != 50000 {
		t.Fatalf("%+v, %+v", first, second)
	}
	if _, err := h.WithdrawRefund(h.as("parent"), WithdrawRefund{h.key(), first.ID}); !errors.Is(err, fault.Conflict) {
		t.Errorf("the first withdrawn: %v", err)
	}
	for _, id := range []string{second.ID, first.ID} {
		must(h.WithdrawRefund(h.as("parent"), WithdrawRefund{h.key(), id}))(t)
	}
	if again := ask(5); again.AmountFen != 40000 {
		t.Errorf("asked again: %+v", again)
	}
}

// TestReturned is a refund by two routes, one of which the bank sends back again and again.
func TestReturned(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	must(h.ReportAccount(h.as("principal"), ReportAccount{ // 3.6 % a year is 0.01 % a day
		Key: h.key(), Institution: "bare", Mode: "custody", Bank: "苏州银行", AccountTail: "1234", AgreementNo: "协-2", OpenedOn: h.today(), InterestPPM: 36000,
	}))(t)
	c := h.sign(h.terms(halves, func(t *Terms) { t.Institution = "bare" }))
	for n := range 2 {
		must(h.PayContract(h.as("parent"), PayContract{h.key(), c.ID, 240000, fmt.Sprint("REF-", n)}))(t)
	}
	r := h.refunded(c.ID, 0)
	if len(r.Paybacks) != 2 || r.Paybacks[0].Route != "REF-1" || r.State != paidBack {
		t.Fatalf("paid back by %+v", r.Paybacks)
	}
	leg := r.Paybacks[1]
	for attempt := 1; attempt <= 3; attempt++ {
		r = h.returned(leg.ID)
		if r.State != agreed || r.Paybacks[0].State != legPaid || r.Paybacks[1].State != legReturned {
			t.Fatalf("sent back: %+v", r)
		}
		if n := h.count(`SELECT -balance FROM balances WHERE institution_id = 'bare' AND account = 'refunds'`); n != 240000+int64(r.Paybacks[1].InterestFen) {
			t.Errorf("%d wait for the parent", n)
		}
		if attempt == 3 {
			break
		}
		h.at(h.today().AddDays(1).String()) // Tuesday, Wednesday
		if n := h.settle(); n != 1 {
			t.Fatalf("%d legs tried again, want 1", n)
		}
		if r = h.refund("parent", r.ID); r.State != paidBack || r.InterestFen != Fen(24*attempt) {
			t.Errorf("tried again: %s with %d of interest", r.State, r.InterestFen)
		}
	}
	if !r.Paybacks[1].RetryOn.IsZero() {
		t.Errorf("a fourth time by itself, on %s", r.Paybacks[1].RetryOn)
	}
	h.at("2026-03-12")
	if n := h.settle(); n != 0 {
		t.Errorf("%d legs tried again by themselves", n)
	}
	if r = must(h.RetryPayback(h.as("principal"), RetryPayback{h.key(), leg.ID}))(t); r.State != paidBack || r.InterestFen != 240 || r.PaidOn != d("2026-03-12") {
		t.Errorf("at last: %+v", r)
	}
	if n := h.count(`SELECT count(*) FROM transfers t WHERE kind = 'reversal' AND NOT EXISTS (SELECT FROM transfers o WHERE o.id = t.reverses AND o.kind = 'payback')`); n != 0 {
		t.Errorf("%d reversals name no payback", n)
	}
	for _, account := range []string{"refunds", "interest", "custody"} {
		if n := h.count(`SELECT sum(balance) FROM balances WHERE institution_id = 'bare' AND account = $1`, account); n != 0 {
			t.Errorf("%d left on %s", n, account)
		}
	}
	h.sound()
}

// TestOwed is a full refund in the contract's free days after lessons were released.
func TestOwed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	c := h.paid(h.terms(freeAfter(3)))
	for n := 1; n <= 2; n++ {
		h.taught(c.ID, n)
		h.confirmed(c.ID, n)
	}
	r := h.refunded(c.ID, 0)
	if r.State != agreed || r.AmountFen != 480000 || r.FromInstitution != 20000 || len(r.Paybacks) != 2 {
		t.Fatalf("agreed: %+v", r)
	}
	if n := h.balance("owed"); n != 20000 {
		t.Errorf("the institution owes %d", n)
	}
	leg := r.Paybacks[1]
	if leg.From != "institution" || leg.State != legWaiting {
		t.Fatalf("its leg: %+v", leg)
	}
	if _, err := h.ReceivePayback(h.as("principal"), ReceivePayback{h.key(), leg.ID}); !errors.Is(err, fault.Forbidden) {
		t.Errorf("the institution says that it paid: %v", err)
	}
	if r = must(h.ReceivePayback(h.as("parent"), ReceivePayback{h.key(), leg.ID}))(t); r.State != paidBack {
		t.Errorf("received: %+v", r)
	}
	if _, err := h.ReturnPayback(h.as("examiner"), ReturnPayback{h.key(), leg.ID, "x"}); !errors.Is(err, fault.Conflict) {
		t.Errorf("sent back by a bank that never had it: %v", err)
	}
	if n, m := h.balance("owed"), h.balance("refunds"); n != 0 || m != 0 {
		t.Errorf("%d owed, %d not paid back", n, m)
	}
	h.sound()
}

// TestKeptWhilePayoutsAreHeld: what a refund leaves to the institution waits like a fee.
func TestKeptWhilePayoutsAreHeld(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	c := h.paid(h.terms(penalty(10), prior(fromThis)))
	h.black("case-1", "art")
	r := h.refunded(c.ID, 0)
	if r.AmountFen != 432000 || r.State != paidBack || h.balance("frozen") != -48000 || h.released() != 0 {
		t.Errorf("%+v; %d wait, %d were released", r, h.balance("frozen"), h.released())
	}
	if c = h.contract("parent", c.ID); c.State != paid {
		t.Errorf("finished with %d that wait", h.balance("frozen"))
	}
	h.sound()
	h.removed("case-1", "art")
	if n := h.settle(); n != 1 {
		t.Errorf("%d resumed, want 1", n)
	}
	if c = h.contract("parent", c.ID); c.State != finished || h.released() != 48000 {
		t.Errorf("%s with %d released", c.State, h.released())
	}
	h.sound()
}

// TestInstalments is a price that is paid in two parts, and lessons that wait for the second.
func TestInstalments(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	c := h.sign(h.terms(halves))
	pay := func(amount Fen, reference string) error {
		_, err := h.PayContract(h.as("parent"), PayContract{h.key(), c.ID, amount, reference})
		return err
	}
	if err := pay(480000, "REF-0"); !errors.Is(err, fault.Invalid) {
		t.Errorf("all at once: %v", err)
	}
	if err := pay(240000, "REF-1"); err != nil {
		t.Fatal(err)
	}
	if c = h.contract("parent", c.ID); c.State != paid || c.PaidFen != 240000 || c.DueFen != 240000 {
		t.Errorf("half is paid: %s %+v, %d due", c.State, c.Money, c.DueFen)
	}
	teach := func(n int) error {
		_, err := h.TeachLesson(h.as("principal"), TeachLesson{Key: h.key(), LessonOf: LessonOf{c.ID, n}})
		return err
	}
	if err := teach(24); err != nil {
		t.Error(err)
	}
	if err := teach(25); !errors.Is(err, fault.Conflict) {
		t.Errorf("a lesson that nobody paid for: %v", err)
	}
	if err := pay(240000, "REF-1"); err != nil { // the same payment, said again
		t.Error(err)
	}
	if err := pay(240000, "REF-2"); err != nil {
		t.Error(err)
	}
	if err := pay(240000, "REF-3"); !errors.Is(err, fault.Conflict) {
		t.Errorf("a third half: %v", err)
	}
	if err := teach(25); err != nil {
		t.Error(err)
	}
	h.sound()
}

// TestPriorIsWhatTheRecordsKnow: who was taught the same course before cannot say that
// seven days were needed to get to know it.
func TestPriorIsWhatTheRecordsKnow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ institution, course, want string }{
		{"art", "素描", fromThis}, {"art", "国画", neverBefore}, {"maths", "素描", fromOther},
	} {
		t.Run(tt.institution+tt.course, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "2026-03-02")
			h.taught(h.paid(h.terms()).ID, 1)
			if got := h.sign(h.terms(func(t *Terms) { t.Institution, t.Course = tt.institution, tt.course })).Agreement.Prior; got != tt.want {
				t.Errorf("had it before from %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRefundRaces(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	id := h.paid(h.terms(freeAfter(3))).ID
	h.taught(id, 1)
	h.confirmed(id, 1)
	ok, others := race(func(int) error {
		_, err := h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: id, Whole: true, Reason: "x"})
		return err
	})
	if ok != 1 || others[fault.Conflict] != 19 {
		t.Errorf("20 requests for the whole: %d, %v", ok, others)
	}
	r := h.contract("parent", id).Refunds[0]
	ended := make([]bool, 20)
	_, others = race(func(i int) (err error) {
		switch i % 3 {
		case 0:
			_, err = h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), r.ID})
			ended[i] = err == nil
		case 1:
			_, err = h.RejectRefund(h.as("principal"), RejectRefund{h.key(), r.ID, "x"})
		case 2:
			_, err = h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), r.ID})
			ended[i] = err == nil
		}
		return err
	})
	n := 0
	for _, e := range ended {
		if e {
			n++
		}
	}
	if voids := h.count(`SELECT count(*) FROM transfers WHERE kind = 'void'`); n != 1 || voids != 1 || len(others) > 1 || others[fault.Conflict] < 18 {
		t.Errorf("agreed %d times against a refusal, %d booked, %v", n, voids, others)
	}
	r = h.refund("parent", r.ID)
	for name, leg := range map[string]func() error{
		"return": func() error {
			_, err := h.ReturnPayback(h.as("examiner"), ReturnPayback{h.key(), r.Paybacks[0].ID, "x"})
			return err
		},
		"received": func() error {
			_, err := h.ReceivePayback(h.as("parent"), ReceivePayback{h.key(), r.Paybacks[1].ID})
			return err
		},
	} {
		if ok, others = race(func(int) error { return leg() }); ok != 1 || others[fault.Conflict] != 19 {
			t.Errorf("20 times %s: %d, %v", name, ok, others)
		}
	}
	if ok, others = race(func(int) error {
		_, err := h.RetryPayback(h.as("parent"), RetryPayback{h.key(), r.Paybacks[0].ID})
		return err
	}); ok != 1 || others[fault.Conflict] != 19 {
		t.Errorf("20 retries: %d, %v", ok, others)
	}
	if r = h.refund("parent", r.ID); r.State != paidBack {
		t.Errorf("in the end: %+v", r)
	}
	h.sound()
}

// TestWithdrawAgainstAgree: whichever comes first, the money moves once or not at all.
func TestWithdrawAgainstAgree(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	for range 10 {
		r := h.requested(h.terms())
		ok, others := race(func(i int) (err error) {
			if i%2 == 0 {
				_, err = h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), r.ID})
			} else {
				_, err = h.WithdrawRefund(h.as("parent"), WithdrawRefund{h.key(), r.ID})
			}
			return err
		})
		if ok != 1 || others[fault.Conflict] != 19 {
			t.Fatalf("%d went through, %v", ok, others)
		}
	}
	h.sound()
}
