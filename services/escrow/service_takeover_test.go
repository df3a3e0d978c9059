package escrow

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
	licensingv1 "xunguan/proto/licensing/v1"
	"xunguan/services/escrow/bankfile"
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

// TestTakeoverAtTheBank is that what a family takes along is told to the bank as a
// transfer to the other institution's supervised account, and not as a refund, and that
// nobody's books differ: at the same bank, and at another (domain §1.1: 预收费全额进入专户).
func TestTakeoverAtTheBank(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		bank    string // of who takes over
		layout  bankfile.Layout
		charset bankfile.Charset
	}{
		{"the same bank", bankName, bankfile.CSV, bankfile.UTF8},
		{"the same bank, fixed width", bankName, bankfile.Fixed, bankfile.GBK},
		{"another bank", "江苏银行", bankfile.CSV, bankfile.UTF8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := withBank(t, "2026-03-02", tt.layout, tt.charset)
			b.learned(&licensingv1.Institution{Id: "next", Name: "姑苏新美术培训中心", Kind: "non_subject", Category: "culture_arts", Item: "美术", Manager: "principal2"})
			must(b.ReportAccount(b.as("principal2"), ReportAccount{
				Key: b.key(), Institution: "next", Mode: "custody", Bank: tt.bank, AccountTail: "1234", AgreementNo: "协-next", OpenedOn: b.today(),
			}))(t)
			if tt.bank == bankName {
				b.bank.Open("协-next", bankfile.Custody, 0)
			}
			moving, leaving := b.pays(b.terms()).ID, b.pays(b.terms(func(t *Terms) { t.Pupil = "大满" })).ID
			b.night()
			w := b.open("art")
			offer := must(b.OfferTakeover(b.as("principal2"), OfferTakeover{b.key(), w.ID, "next", d("2026-03-20"), "同址同师"}))(t).Takeovers[0].ID
			must(b.ChooseAlternative(b.as("parent"), ChooseAlternative{b.key(), w.ID, moving, byTransfer, offer}))(t)
			for !b.today().After(w.ChooseBy.AddDays(3)) {
				b.executes()
				b.night()
			}
			if w = b.windDown("examiner", w.ID); w.State != windDone || w.Figures.PaidFen != 960000 {
				t.Fatalf("%s %+v", w.State, w.Figures)
			}
			c := b.contract("parent", b.family("parent", w.ID, moving).NewContract)
			orders := must(inTxOf(b.house, func(tx pgx.Tx) ([]Instruction, error) {
				return list[Instruction](b.t.Context(), tx, `SELECT `+instructionColumns+` FROM instructions ORDER BY purpose`)
			}))(t)
			if len(orders) != 2 || orders[0].Purpose != "refund" || orders[0].Original != "REF-"+leaving ||
				orders[1].Purpose != "transfer" || orders[1].Original != "TAKEOVER-"+c.ID || orders[1].Payee != "协-next" || orders[1].PayeeBank != tt.bank {
				t.Errorf("ordered: %+v", orders)
			}
			if got := b.differences("art") + b.differences("next"); got != "" {
				t.Errorf("differences: %s", got)
			}
			arrived := b.count(`SELECT coalesce(sum(amount), 0) FROM movements WHERE institution_id = 'next' AND purpose = 'transfer' AND reference = $1`, "TAKEOVER-"+c.ID)
			if want := map[bool]int64{true: 480000}[tt.bank == bankName]; arrived != want {
				t.Errorf("%d arrived, want %d", arrived, want)
			}
			out := b.count(`SELECT coalesce(-sum(amount), 0) FROM movements WHERE institution_id = 'art' AND purpose = 'transfer'`)
			if left := b.count(`SELECT balance FROM balances WHERE institution_id = 'art' AND account = 'custody'`); out != 480000 || left != 0 {
				t.Errorf("%d went out, %d is left", out, left)
			}
			payments := must(b.ListBankPayments(b.as("bank"), ListBankPayments{To: b.today()}))(t).Items
			if slices.ContainsFunc(payments, func(p BankPaymentView) bool { return strings.HasPrefix(p.Reference, "TAKEOVER-") }) {
				t.Errorf("the bank is told of it as of a parent's payment: %+v", payments)
			}
			b.sound()
		})
	}
}

// inTxOf runs f as a worker.
func inTxOf[T any](h *house, f func(pgx.Tx) (T, error)) (T, error) {
	return pg.InTx(pg.Worker(h.t.Context(), "test"), h.DB, f)
}
