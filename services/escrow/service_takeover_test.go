package escrow

import (
	"errors"
	"fmt"
	"testing"

	"xunguan/pkg/fault"
	licensingv1 "xunguan/proto/licensing/v1"
)

// TestWindDownTransfer is a family that goes on elsewhere, one that changes its mind, and
// one whose choice cannot be kept.
func TestWindDownTransfer(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.learned(&licensingv1.Institution{Id: "next", Name: "姑苏新美术培训中心", Kind: "non_subject", Category: "culture_arts", Item: "美术", Manager: "principal2"})
	h.account("principal2", "next")
	var ids [3]string
	for i := range ids {
		ids[i] = h.paid(h.terms(func(t *Terms) { t.Pupil = fmt.Sprint(i) })).ID
	}
	h.taught(ids[0], 1)
	h.confirmed(ids[0], 1)
	h.at("2026-04-01")
	w := h.open("art")
	offer := func(institution string) string {
		v := must(h.OfferTakeover(h.as("principal2"), OfferTakeover{h.key(), w.ID, institution, d("2026-05-06"), "同址同师"}))(t)
		return v.Takeovers[len(v.Takeovers)-1].ID
	}
	next, other := offer("next"), offer("other")
	choose := func(contract, choice, takeover string) error {
		return second(h.ChooseAlternative(h.as("parent"), ChooseAlternative{h.key(), w.ID, contract, choice, takeover}))
	}
	for _, err := range []error{choose(ids[0], byTransfer, next), choose(ids[1], byTransfer, next), choose(ids[1], byRefund, ""), choose(ids[2], byTransfer, other)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		err  error
		want fault.Kind
	}{
		"without an offer":  {choose(ids[0], byTransfer, ""), fault.Invalid},
		"an unknown offer":  {choose(ids[0], byTransfer, "x"), fault.NotFound},
		"by the principal":  {second(h.ChooseAlternative(h.as("principal"), ChooseAlternative{h.key(), w.ID, ids[0], byRefund, ""})), fault.Forbidden},
		"by another parent": {second(h.ChooseAlternative(h.as("parent2"), ChooseAlternative{h.key(), w.ID, ids[0], byRefund, ""})), fault.NotFound},
		"a second offer":    {second(h.OfferTakeover(h.as("principal2"), OfferTakeover{h.key(), w.ID, "next", d("2026-05-06"), "再来"})), fault.Conflict},
		"by itself":         {second(h.OfferTakeover(h.as("principal"), OfferTakeover{h.key(), w.ID, "art", d("2026-05-06"), "自己"})), fault.Refused},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v, want %s", name, tt.err, tt.want)
		}
	}
	h.learned(&licensingv1.Institution{Id: "other", Name: "吴中美术培训中心", Kind: "non_subject", Category: "culture_arts", Item: "美术", Jurisdiction: "320506", Manager: "principal2", Status: "SUSPENDED"})
	w = h.over(w)
	if err := choose(ids[0], byRefund, ""); !errors.Is(err, fault.Conflict) {
		t.Errorf("chosen after it was paid: %v", err)
	}
	f := h.family("parent", w.ID, ids[0])
	c := h.contract("parent", f.NewContract)
	if c.Institution != "next" || c.State != paid || c.PaidFen != 470000 || c.Lessons != 47 || c.FirstLesson != d("2026-05-06") || c.Party.Pupil != "0" {
		t.Errorf("the new contract: %+v", c)
	}
	if r := h.refund("parent", f.Refund); r.State != paidBack || r.Paybacks[0].NewContract != c.ID {
		t.Errorf("the old one's refund: %+v", r)
	} else if _, err := h.ReturnPayback(h.as("examiner"), ReturnPayback{h.key(), r.Paybacks[0].ID, "x"}); !errors.Is(err, fault.Conflict) {
		t.Errorf("what became a payment was sent back: %v", err)
	}
	for i, id := range ids[1:] {
		if f := h.family("parent", w.ID, id); f.NewContract != "" || f.ShareFen != 480000 || h.contract("parent", id).State != finished {
			t.Errorf("family %d: %+v", i+1, f)
		}
	}
	if n := h.count(`SELECT count(*) FROM timeline WHERE contract_id = $1 AND summary LIKE '%不能转课%'`, ids[2]); n != 1 {
		t.Errorf("said %d times that the choice cannot be kept", n)
	}
	if n := h.count(`SELECT -balance FROM balances WHERE institution_id = 'next' AND account = 'held' AND contract_id = $1`, c.ID); n != 470000 {
		t.Errorf("%d held with the new institution", n)
	}
	h.sound()
}
