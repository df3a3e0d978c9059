package escrow

import (
	"fmt"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

// reconcileAnswer is the rule that gives a discrepancy its last day.
const reconcileAnswer = "reconcile.answer"

// The kinds of discrepancies: what should be and is not, what is and should not be.
const (
	missingIn  = "missing_in"
	missingOut = "missing_out"
	unknownIn  = "unknown_in"
	unknownOut = "unknown_out"
	wrongSum   = "amount"
	paidTwice  = "duplicate"
	offBalance = "balance"
	offLessons = "lessons"
	offOrders  = "orders"
)

// discrepancyKinds is what people call each kind, and who has to answer for it.
var discrepancyKinds = map[string]struct{ name, owner string }{
	missingIn:  {"家长已付款，银行未到账", ownerBank},
	missingOut: {"已下达指令，银行未出账", ownerBank},
	unknownIn:  {"银行到账，没有对应的订单", ownerInstitution},
	unknownOut: {"银行出账，没有对应的指令", ownerBank},
	wrongSum:   {"金额与订单或指令不符", ownerBank},
	paidTwice:  {"同一业务重复收付", ownerBank},
	offBalance: {"日终余额与当日流水不符", ownerBank},
	offLessons: {"拨付与课时记录不符", ownerBureau},
	offOrders:  {"合同未消课金额与账本不符", ownerBureau},
}

const (
	ownerBank        = "bank"
	ownerInstitution = "institution"
	ownerBureau      = "bureau"
)

var owners = map[string]string{ownerBank: "监管银行", ownerInstitution: "机构", ownerBureau: "主管部门"}

// The states of a discrepancy.
const (
	discrepancyOpen      = "OPEN"
	discrepancyExplained = "EXPLAINED"
	discrepancyClosed    = "CLOSED"
)

var discrepancyStates = map[string]string{discrepancyOpen: "待查", discrepancyExplained: "已说明，待第二人复核", discrepancyClosed: "已了结"}

// discrepancyFlow is the life of a discrepancy. It ends by a fact, or by an
// explanation that a second person has looked at; nothing else.
var discrepancyFlow = flow.Machine{Name: "对账差异", Steps: []flow.Step{
	{From: discrepancyOpen, Action: "explain", To: discrepancyExplained, Label: "说明原因", Roles: []string{"examiner"}, Reason: true, Deadline: reconcileAnswer, Basis: supervision},
	{From: discrepancyOpen, Action: "reverse", To: discrepancyClosed, Label: "以冲正了结", Roles: []string{"examiner"}, Basis: "账本更正只有冲正"},
	{From: discrepancyOpen, Action: "move", To: discrepancyClosed, Label: "银行后续流水了结"},
	{From: discrepancyOpen, Action: "book", To: discrepancyClosed, Label: "后续入账了结"},
	{From: discrepancyExplained, Action: "confirm", To: discrepancyClosed, Label: "复核通过", Roles: []string{"examiner"}, Basis: "一人说明，另一人复核"},
	{From: discrepancyExplained, Action: "reject", To: discrepancyOpen, Label: "退回", Roles: []string{"examiner"}, Reason: true},
	{From: discrepancyExplained, Action: "move", To: discrepancyClosed, Label: "银行后续流水了结"},
	{From: discrepancyExplained, Action: "book", To: discrepancyClosed, Label: "后续入账了结"},
}}

// How a discrepancy was closed.
var closings = map[string]string{"movement": "银行后续流水", "booking": "后续入账", "reversal": "冲正", "explanation": "说明并复核"}

// Discrepancy is one difference between what should be and what is (对账差异). What
// was found never changes.
type Discrepancy struct {
	InstitutionID string
	ID            string
	Jurisdiction  string
	Manager       string
	Kind          string
	Account       string
	Reference     string
	Txn           string
	Day           day.Date
	Expected      Fen
	Actual        Fen
	Owner         string
	RaisedOn      day.Date
	Due           day.Date
	Provisional   bool
	Ground        fault.Ground
	State         string
	ExplainedBy   string
	Explanation   string
	ClosedBy      string
	ClosedOn      day.Date
	ClosedHow     string
	ClosedWith    string
}

// found is what a comparison brought up, before anybody owes an answer.
type found struct {
	InstitutionID string
	Kind          string
	Account       string
	Reference     string
	Txn           string
	Expected      Fen
	Actual        Fen
}

// DiscrepancyView is a discrepancy as people see it.
type DiscrepancyView struct {
	ID              string        `json:"id"`
	Institution     string        `json:"institution"`
	InstitutionName string        `json:"institution_name"`
	Jurisdiction    string        `json:"jurisdiction"`
	Kind            string        `json:"kind"`
	KindText        string        `json:"kind_text"`
	Account         string        `json:"account"`
	AccountText     string        `json:"account_text"`
	Day             day.Date      `json:"day"`
	Reference       string        `json:"reference,omitempty" description:"of the order, the instruction or the lesson"`
	Txn             string        `json:"txn,omitempty" description:"the bank's movement"`
	ExpectedFen     Fen           `json:"expected_fen" description:"into the account; negative is out of it"`
	ActualFen       Fen           `json:"actual_fen"`
	Owner           string        `json:"owner" enum:"bank,institution,bureau"`
	OwnerText       string        `json:"owner_text"`
	State           string        `json:"state" enum:"OPEN,EXPLAINED,CLOSED"`
	StateText       string        `json:"state_text"`
	RaisedOn        day.Date      `json:"raised_on"`
	Due             day.Date      `json:"due"`
	Provisional     bool          `json:"provisional"`
	Light           string        `json:"light,omitempty" enum:"green,yellow,red" description:"until it is closed"`
	DaysLeft        *int          `json:"days_left,omitempty" description:"working days until due; negative is overdue"`
	Explanation     string        `json:"explanation,omitempty"`
	ClosedOn        day.Date      `json:"closed_on,omitzero"`
	ClosedHow       string        `json:"closed_how,omitempty"`
	ClosedHowText   string        `json:"closed_how_text,omitempty"`
	ClosedWith      string        `json:"closed_with,omitempty" description:"the movement, or the transfer"`
	Rule            fault.Ground  `json:"rule"`
	Actions         []flow.Action `json:"actions"`
}

// discrepancyRow is a discrepancy with its institution's name.
type discrepancyRow struct {
	Discrepancy
	InstitutionName string
}

func (r discrepancyRow) view() DiscrepancyView {
	return DiscrepancyView{
		ID: r.ID, Institution: r.InstitutionID, InstitutionName: r.InstitutionName, Jurisdiction: r.Jurisdiction, Kind: r.Kind,
		KindText: discrepancyKinds[r.Kind].name, Account: r.Account, AccountText: ledgerAccounts[r.Account].name, Day: r.Day, Reference: r.Reference, Txn: r.Txn,
		ExpectedFen: r.Expected, ActualFen: r.Actual, Owner: r.Owner, OwnerText: owners[r.Owner], State: r.State, StateText: discrepancyStates[r.State],
		RaisedOn: r.RaisedOn, Due: r.Due, Provisional: r.Provisional, Explanation: r.Explanation, ClosedOn: r.ClosedOn, ClosedHow: r.ClosedHow,
		ClosedHowText: closings[r.ClosedHow], ClosedWith: r.ClosedWith, Rule: r.Ground, Actions: []flow.Action{},
	}
}

// lit is v with the light of its last day, until it is closed.
func (v DiscrepancyView) lit(today day.Date, c *day.Calendar) DiscrepancyView {
	if v.State != discrepancyClosed {
		v.Light, v.DaysLeft = light(v.Due, today, c)
	}
	return v
}

// words is d in a line.
func (d Discrepancy) words() string {
	return fmt.Sprintf("%s：应为 %s，实为 %s", discrepancyKinds[d.Kind].name, d.Expected.Yuan(), d.Actual.Yuan())
}

// inTransitTo is the days on which what was paid or ordered has to be on the bank's
// books by d, none if there is no such day; and the first day, after, of what may
// come later. due says by when, for one day.
func inTransitTo(d day.Date, due func(day.Date) (day.Date, error)) (from, to, after day.Date, err error) {
	for s := d.AddDays(-longestTransit); !s.After(d); s = s.AddDays(1) {
		by, err := due(s)
		if err != nil {
			return from, to, after, err
		}
		if by.After(d) {
			return from, to, s, nil
		}
		if by == d {
			if to = s; from.IsZero() {
				from = s
			}
		}
	}
	return from, to, d.AddDays(1), nil
}

// longestTransit is how many days back what is due on a day may lie: more than any
// holiday and a few working days.
const longestTransit = 40

// Reconciled is the three sides of an institution's day.
type Reconciled struct {
	InstitutionID   string
	InstitutionName string
	Day             day.Date
	Bank            string
	Orders          Fen
	Lessons         Fen
	Refunds         Fen
	Ordered         Fen
	BankIn          Fen
	BankOut         Fen
	Opening         *Fen
	Closing         *Fen
	Deposit         *Fen
	Ledger          Fen
	Unconsumed      Fen
	Cycle           Fen
	Open            int
}

// ReconciledView is an institution's day as people see it, in 分.
type ReconciledView struct {
	Institution   string   `json:"institution"`
	Name          string   `json:"institution_name"`
	Day           day.Date `json:"day"`
	Bank          string   `json:"bank"`
	OrdersFen     Fen      `json:"orders_fen" description:"contracts and orders: what should have come in"`
	LessonsFen    Fen      `json:"lessons_fen" description:"released for lessons: what should go out"`
	RefundsFen    Fen      `json:"refunds_fen" description:"given back to parents"`
	OrderedFen    Fen      `json:"ordered_fen" description:"what the bank was told to pay"`
	BankInFen     Fen      `json:"bank_in_fen" description:"what came in, says the bank"`
	BankOutFen    Fen      `json:"bank_out_fen" description:"what went out, says the bank"`
	OpeningFen    *Fen     `json:"opening_fen,omitempty"`
	ClosingFen    *Fen     `json:"closing_fen,omitempty" description:"the bank's balance in custody at the end of the day"`
	DepositFen    *Fen     `json:"deposit_fen,omitempty" description:"the bank's balance of the risk deposit"`
	LedgerFen     Fen      `json:"ledger_fen" description:"what the ledger has in custody at the end of the day"`
	UnconsumedFen Fen      `json:"unconsumed_fen" description:"of all contracts: paid, and neither released nor refunded"`
	CycleFen      Fen      `json:"cycle_fen" description:"one charging cycle of what the risk deposit stands for: its least amount"`
	CoverPercent  *int     `json:"cover_percent,omitempty" description:"what the bank has, in percent of what is not consumed; absent if nothing is"`
	Open          int      `json:"open" description:"discrepancies that are not closed"`
}

func (r Reconciled) view() ReconciledView {
	return ReconciledView{
		Institution: r.InstitutionID, Name: r.InstitutionName, Day: r.Day, Bank: r.Bank, OrdersFen: r.Orders, LessonsFen: r.Lessons, RefundsFen: r.Refunds, OrderedFen: r.Ordered,
		BankInFen: r.BankIn, BankOutFen: r.BankOut, OpeningFen: r.Opening, ClosingFen: r.Closing, DepositFen: r.Deposit, LedgerFen: r.Ledger,
		UnconsumedFen: r.Unconsumed, CycleFen: r.Cycle, CoverPercent: r.cover(), Open: r.Open,
	}
}

// cover is what the bank has in percent of what is not consumed; nil if nothing is.
func (r Reconciled) cover() *int {
	if r.Unconsumed <= 0 {
		return nil
	}
	has := Fen(0)
	for _, b := range []*Fen{r.Closing, r.Deposit} {
		if b != nil {
			has += *b
		}
	}
	percent := int(has * 100 / r.Unconsumed)
	return &percent
}
