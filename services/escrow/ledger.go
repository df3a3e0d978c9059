package escrow

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The accounts of the ledger. held is a contract's, all others an institution's.
const (
	custodyAccount    = "custody"
	depositAccount    = "deposit"
	receivableAccount = "receivable"
	heldAccount       = "held"
	releasedAccount   = "released"
	frozenAccount     = "frozen"
	refundsAccount    = "refunds"
	differenceAccount = "differences"
	owedAccount       = "owed"
	interestAccount   = "interest"
	pledgedAccount    = "pledged"
)

// ledgerAccounts is what people call each account, and the side on which its
// balance stands.
var ledgerAccounts = map[string]struct{ name, side string }{
	custodyAccount:    {"银行托管专户", debitSide},
	depositAccount:    {"风险保证金专户", debitSide},
	receivableAccount: {"机构已收、应返学费", debitSide},
	heldAccount:       {"未消课预收费", creditSide},
	releasedAccount:   {"已拨付机构", creditSide},
	frozenAccount:     {"暂停拨付待付", creditSide},
	refundsAccount:    {"待退家长", creditSide},
	differenceAccount: {"待查差额", debitSide},
	owedAccount:       {"机构应退家长", debitSide},
	interestAccount:   {"退费应计利息", debitSide},
	pledgedAccount:    {"机构交存的风险保证金", creditSide},
}

const debitSide, creditSide = "借", "贷"

// The kinds of transfers. A contract's money is held until it is posted, lesson by
// lesson, or voided by a refund: what is held can be resolved only once.
const (
	holdTransfer     = "hold"
	postTransfer     = "post"
	voidTransfer     = "void"
	resumeTransfer   = "resume"
	keepTransfer     = "keep"
	payBackTransfer  = "payback"
	differTransfer   = "difference"
	reverseTransfer  = "reversal"
	oweTransfer      = "owe"
	interestTransfer = "interest"
	payOutTransfer   = "payout"
	pledgeTransfer   = "pledge"
)

var transferKinds = map[string]string{
	holdTransfer: "付款入账", postTransfer: "课消拨付", voidTransfer: "退费解付", resumeTransfer: "恢复拨付", keepTransfer: "异议留存", payBackTransfer: "原路退回",
	differTransfer: "银行差额", reverseTransfer: "冲正", oweTransfer: "机构应退", interestTransfer: "退费计息",
	payOutTransfer: "银行出账", pledgeTransfer: "交存保证金",
}

// leg is one entry of a transfer: what it adds to an account. A debit is positive.
type leg struct {
	account, contract string
	amount            Fen
}

// transfer moves money between the accounts of one institution. Its legs add up
// to nothing; its reference is the business fact that it books, once for ever.
type transfer struct {
	id, institution, kind, reference string
	reverses                         string // id of the transfer that a reversal takes back
	at                               time.Time
	legs                             []leg
}

// move is a transfer of amount that debits one account of c's and credits another.
func (c *Contract) move(kind, reference, debit, credit string, amount Fen, at time.Time) transfer {
	of := func(account string, amount Fen) leg {
		if account == heldAccount {
			return leg{account, c.ID, amount}
		}
		return leg{account, "", amount}
	}
	return transfer{
		id: newID(), institution: c.InstitutionID, kind: kind, reference: reference, at: at,
		legs: []leg{of(debit, amount), of(credit, -amount)},
	}
}

// backing is the account that c's money is in: the bank's custody, or what the
// institution took in itself and covers by its deposit.
func (c *Contract) backing() string {
	if c.Mode == depositMode {
		return receivableAccount
	}
	return custodyAccount
}

// hold books a payment for c.
func (c *Contract) hold(reference string, amount Fen, at time.Time) transfer {
	return c.move(holdTransfer, "payment/"+reference, c.backing(), heldAccount, amount, at)
}

// post books the fee of a confirmed lesson: to the institution or, while payouts
// are held, to what waits for it.
func (c *Contract) post(l Lesson, at time.Time) transfer {
	to := releasedAccount
	if l.Waits {
		to = frozenAccount
	}
	return c.move(postTransfer, fmt.Sprintf("lesson/%s/%d", c.ID, l.N), heldAccount, to, l.Fee, at)
}

// resume books the fee of a lesson that waited, and was paid out before so many times:
// a parent who objected and took it back has had it wait again.
func (c *Contract) resume(l Lesson, before int, at time.Time) transfer {
	reference := fmt.Sprintf("resume/%s/%d", c.ID, l.N)
	if before > 0 {
		reference += fmt.Sprintf("/%d", before)
	}
	return c.move(resumeTransfer, reference, frozenAccount, releasedAccount, l.Fee, at)
}

// keepFee books that l's fee, which the refund with an id asks back, waits again.
func (c *Contract) keepFee(l Lesson, refund string, at time.Time) transfer {
	return c.move(keepTransfer, "keep/"+refund, releasedAccount, frozenAccount, l.Fee, at)
}

// book is a transfer of legs, of which those that move nothing are left out; none
// if nothing is moved.
func (c *Contract) book(kind, reference string, at time.Time, legs ...leg) []transfer {
	t := transfer{id: newID(), institution: c.InstitutionID, kind: kind, reference: reference, at: at}
	for _, l := range legs {
		if l.amount != 0 {
			t.legs = append(t.legs, l)
		}
	}
	if t.legs == nil {
		return nil
	}
	return []transfer{t}
}

// void books that r's lessons are not given: their fees, held or waiting, are the
// parent's again, but for what the institution keeps; what it owes besides; and that it owes what is
// missing of the supervised money, which is what it took in itself, or a difference.
func (c *Contract) void(r Refund, at time.Time) []transfer {
	released, frozen := r.Deducted, -r.Kept
	if r.Waits {
		released, frozen = 0, r.Deducted-r.Kept
	}
	missing := differenceAccount
	if c.Mode == depositMode {
		missing = receivableAccount
	}
	return slices.Concat(
		c.book(voidTransfer, "refund/"+r.ID, at, leg{heldAccount, c.ID, r.supervised() + r.Deducted - r.Kept}, leg{refundsAccount, "", -r.supervised()},
			leg{releasedAccount, "", -released}, leg{frozenAccount, "", -frozen}),
		c.book(oweTransfer, "owe/"+r.ID, at, leg{owedAccount, "", r.Owed}, leg{refundsAccount, "", -r.Owed}),
		c.book(oweTransfer, "short/"+r.ID, at, leg{owedAccount, "", r.short()}, leg{missing, "", -r.short()}))
}

// resumeKept books what a refund left to the institution while payouts were held.
func (c *Contract) resumeKept(r Refund, at time.Time) transfer {
	return c.move(resumeTransfer, "resume/refund/"+r.ID, frozenAccount, releasedAccount, r.Deducted, at)
}

// accrue books more interest on a leg, and payBack that it went back, interest and
// all: by the route of its payment, or from the institution's own money.
func (c *Contract) accrue(l Payback, more Fen, at time.Time) []transfer {
	return c.book(interestTransfer, fmt.Sprintf("interest/%s/%d", l.ID, l.Attempts), at, leg{interestAccount, "", more}, leg{refundsAccount, "", -more})
}

func (c *Contract) payBack(l Payback, at time.Time) transfer {
	from := []leg{{c.backing(), "", -l.Amount}}
	switch {
	case l.Route == "":
		from[0].account = owedAccount
	case l.Source == depositMode: // which is then pledged no more, nor still to be given back
		from = []leg{{depositAccount, "", -l.Amount}, {pledgedAccount, "", l.Amount}, {receivableAccount, "", -l.Amount}}
	}
	return c.book(payBackTransfer, fmt.Sprintf("payback/%s/%d", l.ID, l.Attempts), at,
		slices.Concat([]leg{{refundsAccount, "", l.Amount + l.Interest}}, from, []leg{{interestAccount, "", -l.Interest}})...)[0]
}

// difference books that the bank has amount more than the ledger, less if it is
// negative: it stays open on an account of its own until it is explained.
func difference(institution, account, reference string, amount Fen, at time.Time) transfer {
	return transfer{
		id: newID(), institution: institution, kind: differTransfer, reference: "difference/" + reference, at: at,
		legs: []leg{{account, "", amount}, {differenceAccount, "", -amount}},
	}
}

// payOut books that the bank paid the institution what it was told to.
func payOut(institution, reference string, amount Fen, at time.Time) transfer {
	return transfer{
		id: newID(), institution: institution, kind: payOutTransfer, reference: "payout/" + reference, at: at,
		legs: []leg{{releasedAccount, "", amount}, {custodyAccount, "", -amount}},
	}
}

// pledge books what the bank has taken in as the institution's risk deposit.
func pledge(institution, reference string, amount Fen, at time.Time) transfer {
	return transfer{
		id: newID(), institution: institution, kind: pledgeTransfer, reference: "pledge/" + reference, at: at,
		legs: []leg{{depositAccount, "", amount}, {pledgedAccount, "", -amount}},
	}
}

// reversal takes back all of t, which is the only way to correct what was booked.
func (t transfer) reversal(at time.Time) transfer {
	back := transfer{id: newID(), institution: t.institution, kind: reverseTransfer, reference: "reversal/" + t.id, reverses: t.id, at: at}
	for _, l := range t.legs {
		back.legs = append(back.legs, leg{l.account, l.contract, -l.amount})
	}
	return back
}

// check returns an error unless t's legs balance: no database is needed to see it.
func (t transfer) check() error {
	var sum Fen
	for _, l := range t.legs {
		if l.amount == 0 {
			return fmt.Errorf("transfer %s books nothing on %s", t.reference, l.account)
		}
		sum += l.amount
	}
	switch {
	case t.reference == "":
		return errors.New("a transfer without a business reference")
	case len(t.legs) < 2 || sum != 0:
		return fmt.Errorf("transfer %s does not balance: %d", t.reference, sum)
	}
	return nil
}

// StatementLine is one entry of an account.
type StatementLine struct {
	At         string `json:"at" description:"RFC 3339, legal time"`
	Transfer   string `json:"transfer" description:"id"`
	Kind       string `json:"kind"`
	KindText   string `json:"kind_text"`
	Reference  string `json:"reference" description:"the business fact, unique for ever"`
	Reverses   string `json:"reverses,omitempty" description:"id of the transfer that this one takes back"`
	DebitFen   Fen    `json:"debit_fen"`
	CreditFen  Fen    `json:"credit_fen"`
	BalanceFen Fen    `json:"balance_fen" description:"after this entry, on the account's own side"`
}

// Statement is an account as of a moment, oldest entry first.
type Statement struct {
	Institution string          `json:"institution"`
	Account     string          `json:"account"`
	AccountText string          `json:"account_text"`
	Side        string          `json:"side" description:"借 or 贷: where the balance stands when it is positive"`
	Contract    string          `json:"contract,omitempty"`
	At          string          `json:"at" description:"RFC 3339, legal time"`
	BalanceFen  Fen             `json:"balance_fen"`
	Lines       []StatementLine `json:"lines"`
	Page        int             `json:"page"`
	More        bool            `json:"more"`
}

// entryRow is an entry as SQL finds it; Balance is the sum up to it.
type entryRow struct {
	At                                  string
	Transfer, Kind, Reference, Reverses string
	Amount, Balance                     Fen
}

// line is r as people read it, in an account whose balance stands on side.
func (r entryRow) line(side string) StatementLine {
	return StatementLine{
		At: r.At, Transfer: r.Transfer, Kind: r.Kind, KindText: transferKinds[r.Kind], Reference: r.Reference, Reverses: r.Reverses,
		DebitFen: max(r.Amount, 0), CreditFen: max(-r.Amount, 0), BalanceFen: onSide(side, r.Balance),
	}
}

// onSide is a balance, whose debits are positive, as read on side.
func onSide(side string, balance Fen) Fen {
	if side == creditSide {
		return -balance
	}
	return balance
}
