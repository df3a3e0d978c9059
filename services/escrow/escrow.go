// Package escrow holds prepaid tuition and pays it out lesson by lesson.
//
// An institution reports its supervised account, offers a contract to a parent,
// the parent signs and pays. A lesson that the parent confirms, by word or by
// silence, releases its fee to the institution; lessons that were not given are
// refunded from the end of the schedule. At all times
//
//	released + refunded <= paid
//
// which Contract proves in Go and the table's CHECK proves again in SQL; the
// fees of a contract's lessons add up to its price, to the 分.
//
// A prepayment beyond what the rulebook allows is never refused: it is flagged,
// with the rule and what it saw, and a flag is cleared by a fact alone. The fee
// rules look at the basket, which is every order of one pupil for one course at
// one institution, so that splitting an order hides nothing.
//
// While an institution is on the black list its payouts are held: lessons are
// confirmed, their fees wait, refunds go on. Who pays out shares the institution's
// lock, who opens or ends a hold has it alone; it comes first, and then a basket's
// contracts together, in order of id. Nothing else locks a contract.
//
// Every movement is booked in the ledger, double entry and append-only: a
// contract's money is held on payment, posted lesson by lesson, voided by a refund.
//
// The child and the parent are named to the two parties of the contract only,
// and in no event, log or trace.
package escrow

import "fmt"

// Fen is money, in hundredths of a yuan.
type Fen int64

// Yuan is f as people read it: 4,800.00 元.
func (f Fen) Yuan() string {
	sign := ""
	if f < 0 {
		sign, f = "-", -f
	}
	whole := fmt.Sprint(int64(f) / 100)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return fmt.Sprintf("%s%s.%02d 元", sign, whole, int64(f)%100)
}

// Entry is one line of a contract's history. It is never changed.
type Entry struct {
	At      string `json:"at" description:"RFC 3339, legal time"`
	Actor   string `json:"actor" description:"家长, 机构, 主管部门 or 系统; never a name"`
	Action  string `json:"action"`
	Summary string `json:"summary"`
}

// The actors of a history.
const (
	byParent      = "家长"
	byInstitution = "机构"
	byBureau      = "主管部门"
	bySystem      = "系统"
)
