package escrow

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// short is t as a table says it: "post lesson/c/1: held/c 100, released -100".
func (t transfer) short() string {
	var legs []string
	for _, l := range t.legs {
		at := l.account
		if l.contract != "" {
			at += "/" + l.contract
		}
		legs = append(legs, fmt.Sprint(at, " ", l.amount))
	}
	return t.kind + " " + t.reference + ": " + strings.Join(legs, ", ")
}

// TestTransfers is what each fact books.
func TestTransfers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	in := func(mode string) *Contract {
		return &Contract{ID: "c", InstitutionID: "art", Mode: mode, Paid: 300, PaidAt: &now}
	}
	r, l := Refund{ID: "r", Amount: 200}, Payback{ID: "l", Route: "R-1", Amount: 200, Attempts: 1}
	for _, tt := range []struct {
		fact   string
		booked transfer
		want   string
	}{
		// 教监管函〔2021〕2号: 银行托管, all prepayments go into the institution's own special account (domain §1.1)
		{"a payment into custody", in(custodyMode).hold("R-1", 300, now), "hold payment/R-1: custody 300, held/c -300"},
		// the same: 风险保证金, the institution takes the money in itself and owes it until it is taught
		{"a payment under a deposit", in(depositMode).hold("R-1", 300, now), "hold payment/R-1: receivable 300, held/c -300"},
		// 同步、同比例 with teaching progress (domain §1.1); 一课一消 (§1.2)
		{"a confirmed lesson", in(custodyMode).post(Lesson{N: 2, Fee: 100}, now), "post lesson/c/2: held/c 100, released -100"},
		// 暂停拨付 under the custody agreement: the fee waits (architecture.md, escrow.events)
		{"one that waits", in(custodyMode).post(Lesson{N: 2, Fee: 100, Waits: true}, now), "post lesson/c/2: held/c 100, frozen -100"},
		{"payouts resumed", in(custodyMode).resume(Lesson{N: 2, Fee: 100}, 0, now), "resume resume/c/2: frozen 100, released -100"},
		// 异议的课时费未出账的留住（domain §1.1：拨付与授课进度同步）
		{"a fee that the parent objects to", in(custodyMode).keepFee(Lesson{N: 2, Fee: 100}, "r", now), "keep keep/r: released 100, frozen -100"},
		{"paid out once more", in(custodyMode).resume(Lesson{N: 2, Fee: 100}, 1, now), "resume resume/c/2/1: frozen 100, released -100"},
		{"a refund of what was kept", in(custodyMode).void(Refund{ID: "r", Amount: 100, Kept: 100}, now)[0], "void refund/r: refunds -100, frozen 100"},
		{"of that and what was held", in(custodyMode).void(Refund{ID: "r", Amount: 300, Kept: 100, Deducted: 50, Waits: true}, now)[0], "void refund/r: held/c 250, refunds -300, frozen 50"},
		// 原路返回 (domain §1.2)
		{"a refund", in(custodyMode).void(r, now)[0], "void refund/r: held/c 200, refunds -200"},
		{"paid back from custody", in(custodyMode).payBack(l, now), "payback payback/l/1: refunds 200, custody -200"},
		{"paid back by the institution", in(depositMode).payBack(l, now), "payback payback/l/1: refunds 200, receivable -200"},
		// 法释〔2025〕4号 §19: what was given is priced before discount, and the rest is the institution's
		{"a refund of which a part is kept", in(custodyMode).void(Refund{ID: "r", Amount: 150, Deducted: 50}, now)[0], "void refund/r: held/c 200, refunds -150, released -50"},
		{"kept while payouts are held", in(custodyMode).void(Refund{ID: "r", Amount: 150, Deducted: 50, Waits: true}, now)[0], "void refund/r: held/c 200, refunds -150, frozen -50"},
		{"and paid out after", in(custodyMode).resumeKept(Refund{ID: "r", Deducted: 50}, now), "resume resume/refund/r: frozen 50, released -50"},
		// GF-2021-2604, full refund in the contract's free days: what was released is the institution's to pay
		{"more than is held", in(custodyMode).void(Refund{ID: "r", Amount: 200, Owed: 80}, now)[1], "owe owe/r: owed 80, refunds -80"},
		{"paid by the institution itself", in(custodyMode).payBack(Payback{ID: "l", Amount: 80, Attempts: 1}, now), "payback payback/l/1: refunds 80, owed -80"},
		// 法释〔2025〕4号 §16–17: interest from the day on which the contract ended
		{"interest", in(custodyMode).accrue(l, 3, now)[0], "interest interest/l/1: interest 3, refunds -3"},
		{"paid back with interest", in(custodyMode).payBack(Payback{ID: "l", Route: "R-1", Amount: 200, Interest: 3, Attempts: 2}, now), "payback payback/l/2: refunds 203, custody -200, interest -3"},
		// a difference is a state, never an edit (reliability §2.6)
		{"the bank has more", difference("art", custodyAccount, "V", 5, now), "difference difference/V: custody 5, differences -5"},
		{"the bank has less", difference("art", depositAccount, "V", -5, now), "difference difference/V: deposit -5, differences 5"},
	} {
		t.Run(tt.fact, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.booked.short()); diff != "" {
				t.Error(diff)
			}
			if err := tt.booked.check(); err != nil {
				t.Error(err)
			}
			back := tt.booked.reversal(now)
			if err := back.check(); err != nil || back.reverses != tt.booked.id || back.reference != "reversal/"+tt.booked.id {
				t.Errorf("reversed by %+v, %v", back, err)
			}
			for i, l := range back.legs {
				if l.amount != -tt.booked.legs[i].amount || l.account != tt.booked.legs[i].account || l.contract != tt.booked.legs[i].contract {
					t.Errorf("leg %d is reversed by %+v", i, l)
				}
			}
		})
	}
}

func TestTransferRefused(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]transfer{
		"no legs":      {reference: "x"},
		"one leg":      {reference: "x", legs: []leg{{"held", "c", 0}}},
		"unbalanced":   {reference: "x", legs: []leg{{"held", "c", 5}, {"released", "", -4}}},
		"nothing":      {reference: "x", legs: []leg{{"held", "c", 0}, {"released", "", 0}}},
		"no reference": {legs: []leg{{"held", "c", 5}, {"released", "", -5}}},
	} {
		if bad.check() == nil {
			t.Errorf("%s: let through", name)
		}
	}
}
