package escrow

import (
	"xunguan/pkg/day"
	"xunguan/pkg/flow"
)

// The states of a payback.
const (
	legWaiting  = "WAITING"
	legPaid     = "PAID"
	legReturned = "RETURNED"
)

var legStates = map[string]string{legWaiting: "待机构支付", legPaid: "已退回", legReturned: "被退票，待再次办理"}

// paybackFlow is the life of one leg of a refund. A leg by the route of a payment is
// paid by the bank at once; the institution's own leg when the parent has it.
var paybackFlow = flow.Machine{Name: "退款", Steps: []flow.Step{
	{From: legWaiting, Action: "pay_back", To: legPaid, Label: "原路退回"},
	{From: legWaiting, Action: "received", To: legPaid, Label: "确认收到机构退款", Roles: []string{"parent"}},
	{From: legPaid, Action: "return", To: legReturned, Label: "登记退票", Roles: []string{"examiner"}, Reason: true},
	{From: legReturned, Action: "retry", To: legPaid, Label: "再次办理", Roles: []string{"parent", "principal", "examiner"}},
	{From: legReturned, Action: "retry_by_time", To: legPaid, Label: "到期再次办理"},
}}

// Payback is one leg of a refund.
type Payback struct {
	InstitutionID string
	ContractID    string
	RefundID      string
	ID            string
	Route         string // the payment's reference; none is the institution's own money
	Amount        Fen
	Interest      Fen // accrued so far
	State         string
	Attempts      int
	TransferID    *string // of the last attempt
	PaidOn        day.Date
	RetryOn       day.Date
	Reason        string // why it came back
	Source        string // depositMode: the institution's risk deposit pays it
	NewContract   string // whose payment it became
}

// PaybackView is a payback as people see it.
type PaybackView struct {
	ID          string        `json:"id"`
	From        string        `json:"from" description:"account 原路退回 from the supervised money, deposit from the risk deposit, or institution 机构自有资金"`
	NewContract string        `json:"new_contract,omitempty" description:"that it was paid for instead, where another institution took over"`
	Route       string        `json:"route,omitempty" description:"the payment's reference, for the two parties"`
	AmountFen   Fen           `json:"amount_fen"`
	InterestFen Fen           `json:"interest_fen"`
	State       string        `json:"state"`
	StateText   string        `json:"state_text"`
	Attempts    int           `json:"attempts"`
	PaidOn      day.Date      `json:"paid_on,omitzero"`
	RetryOn     day.Date      `json:"retry_on,omitzero" description:"when it is tried again; absent where somebody has to ask for it"`
	Reason      string        `json:"reason,omitempty" description:"why the bank sent it back"`
	Actions     []flow.Action `json:"actions"`
}

func (l Payback) view(s sight) PaybackView {
	v := PaybackView{
		ID: l.ID, From: "account", AmountFen: l.Amount, InterestFen: l.Interest, State: l.State, StateText: legStates[l.State], Attempts: l.Attempts,
		PaidOn: l.PaidOn, RetryOn: l.RetryOn, Reason: l.Reason, NewContract: l.NewContract, Actions: withFields(paybackFlow.Actions(l.State, "/v1/paybacks/"+l.ID, s.caller)),
	}
	if l.Source == depositMode {
		v.From = l.Source
	}
	if l.Route == "" {
		v.From = "institution"
		v.Actions = l.only(v.Actions)
	} else if s.party {
		v.Route = l.Route
	}
	return v
}

// only is those of actions that make sense for the institution's own leg, or the
// bank's: what the bank pays, nobody has to confirm.
func (l Payback) only(actions []flow.Action) []flow.Action {
	if l.State == legWaiting {
		return actions
	}
	return []flow.Action{}
}

// route is a payment by which money can go back, and how much of it still can.
type route struct {
	Reference string
	Left      Fen
}

// way is how the money of a refund goes. The zero value is the routes it came by, out
// of what backs the contract.
type way struct {
	source      string
	routes      []route
	newContract string
}

// legs is how r's money goes by w: by the latest payment first, and what the
// institution owes from its own money.
func (r Refund) legs(w way) (all []Payback) {
	left := r.covered()
	add := func(by string, amount Fen) {
		if amount > 0 {
			all = append(all, Payback{InstitutionID: r.InstitutionID, ContractID: r.ContractID, RefundID: r.ID, ID: newID(), Route: by, Amount: amount, State: legWaiting})
		}
	}
	for _, p := range w.routes {
		part := min(left, p.Left)
		add(p.Reference, part)
		left -= part
	}
	for i := range all {
		all[i].Source, all[i].NewContract = w.source, w.newContract
	}
	add("", r.Amount-r.covered())
	return all
}
