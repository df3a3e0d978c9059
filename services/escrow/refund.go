package escrow

import (
	"fmt"
	"slices"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

// The states of a refund.
const (
	requested = "REQUESTED"
	rejected  = "REJECTED"
	mediation = "MEDIATION"
	unsettled = "UNSETTLED"
	withdrawn = "WITHDRAWN"
	agreed    = "AGREED"
	paidBack  = "PAID"
)

var refundStates = map[string]string{
	requested: "待机构答复", rejected: "机构不同意", mediation: "调解中", unsettled: "调解未成，可向法院起诉或申请仲裁", withdrawn: "已撤回",
	agreed: "已同意，退款办理中", paidBack: "已原路退回",
}

// refundFlow is the life of a refund. What the bank can pay back at once goes from
// AGREED to PAID in one transaction.
var refundFlow = flow.Machine{Name: "退费", Steps: []flow.Step{
	{From: requested, Action: "agree", To: agreed, Label: "同意退费", Roles: []string{"principal"}, Basis: "全国校外教育培训监管与服务综合平台用户规则"},
	{From: requested, Action: "agree_by_silence", To: agreed, Label: "逾期未答复，视为同意"},
	{From: requested, Action: "reject", To: rejected, Label: "不同意退费", Roles: []string{"principal"}, Reason: true},
	{From: requested, Action: "withdraw", To: withdrawn, Label: "撤回申请", Roles: []string{"parent"}},
	{From: rejected, Action: "agree", To: agreed, Label: "改为同意", Roles: []string{"principal"}},
	{From: rejected, Action: "mediate", To: mediation, Label: "申请调解", Roles: []string{"parent"}, Deadline: mediateWithin, Basis: "消费者权益保护法第三十九条"},
	{From: rejected, Action: "withdraw", To: withdrawn, Label: "撤回申请", Roles: []string{"parent"}},
	{From: mediation, Action: "agree", To: agreed, Label: "改为同意", Roles: []string{"principal"}},
	{From: mediation, Action: "settle", To: agreed, Label: "调解成功", Roles: []string{"examiner"}, Reason: true},
	{From: mediation, Action: "fail", To: unsettled, Label: "调解未成", Roles: []string{"examiner"}, Reason: true},
	{From: mediation, Action: "withdraw", To: withdrawn, Label: "撤回申请", Roles: []string{"parent"}},
	{From: unsettled, Action: "agree", To: agreed, Label: "改为同意", Roles: []string{"principal"}},
	{From: unsettled, Action: "settle", To: agreed, Label: "依生效裁判办理", Roles: []string{"examiner"}, Reason: true},
	{From: unsettled, Action: "withdraw", To: withdrawn, Label: "撤回申请", Roles: []string{"parent"}},
	{From: requested, Action: "merge", To: withdrawn, Label: "并入机构清退"},
	{From: rejected, Action: "merge", To: withdrawn, Label: "并入机构清退"},
	{From: mediation, Action: "merge", To: withdrawn, Label: "并入机构清退"},
	{From: unsettled, Action: "merge", To: withdrawn, Label: "并入机构清退"},
	{From: requested, Action: "wind_down", To: agreed, Label: "机构终止，按清退名册退费"},
	{From: agreed, Action: "pay_back", To: paidBack, Label: "原路退回"},
	{From: paidBack, Action: "returned", To: agreed, Label: "被退票"},
}}

// Refund of lessons that were not given.
type Refund struct {
	ID            string
	InstitutionID string
	ContractID    string
	State         string
	Whole         bool // all that was ahead
	Lessons       int  // paid ones
	GiftLessons   int
	Fault         string // as claimed, or as a mediation found it
	Ground        string
	StoppedOn     day.Date
	Basis         string
	Amount        Fen // for the parent, without interest
	Owed          Fen // of it: no longer held, and the institution's to pay
	Deducted      Fen // of the lessons' fees: what the institution keeps
	Penalty       Fen
	Kept          Fen  // of the lessons' fees: what waits because the parent objects, and is not held
	Waits         bool // what the institution keeps is not paid out because payouts are held
	Clauses       []Clause
	Reason        string // for the two parties
	Answer        string // the institution's no, or how a mediation ended; for the two parties and officials
	RequestedOn   day.Date
	AnswerBy      day.Date
	Provisional   bool
	BySilence     bool
	MediateBy     day.Date
	AgreedOn      day.Date
	PaidOn        day.Date
	WindDown      string // id of the institution's wind-down that it is part of
	Share         *Fen   // of Amount: what there is money for, in a wind-down
}

// supervised is what of r was held: for the parent, that is, without what is kept.
func (r Refund) supervised() Fen { return r.Amount - r.Owed }

// late reports whether r is for a lesson that silence had confirmed: it is over, and
// its fee is the institution's already, unless it could be kept.
func (r Refund) late() bool { return r.Basis == notGiven }

// ends is how many lessons are over by r.
func (r Refund) ends() int {
	if r.late() {
		return 0
	}
	return r.Lessons + r.GiftLessons
}

// covered is what of r is paid out of supervised money; the rest is for the
// institution to pay from its own.
func (r Refund) covered() Fen {
	if r.Share != nil {
		return *r.Share
	}
	return r.supervised()
}

// short is what of the supervised money is missing; negative is what a risk deposit
// pays beyond it.
func (r Refund) short() Fen { return r.supervised() - r.covered() }

// adopt makes q what r comes to.
func (r *Refund) adopt(q Quote) {
	r.Basis, r.Lessons, r.GiftLessons, r.Clauses = q.Basis, q.Lessons, q.GiftLessons, q.Clauses
	r.Amount, r.Owed, r.Deducted, r.Penalty = q.Amount, q.Owed, q.Deducted, q.Penalty
}

// fromEnd chooses what a refund takes off the schedule: from its end, lessons
// that were not given, until n paid ones are among them; all of them if whole.
// Gift lessons lie at the end and go first. Conflict if there are fewer.
func fromEnd(schedule []Lesson, n int, whole bool) ([]Lesson, error) {
	var taken []Lesson
	paid, left := 0, 0
	for _, l := range slices.Backward(schedule) {
		if l.State != scheduled {
			continue
		}
		if !l.Gift {
			left++
		}
		if whole || paid < n {
			taken = append(taken, l)
			if !l.Gift {
				paid++
			}
		}
	}
	switch {
	case len(taken) == 0 || !whole && left == 0:
		return nil, fault.Conflict.Errorf("没有尚未上课、可以退费的课时")
	case !whole && paid < n:
		return nil, fault.Fields(fault.Field{Pointer: "/lessons", Detail: fmt.Sprintf("至多可退 %d 课时", left)})
	}
	return taken, nil
}

// Words is r for people: 3 课时（另取消赠送 1 课时）200.00 元.
func (r Refund) Words() string {
	gifts := ""
	if r.GiftLessons > 0 {
		gifts = fmt.Sprintf("（另取消赠送 %d 课时）", r.GiftLessons)
	}
	return fmt.Sprintf("%d 课时%s，共 %s", r.Lessons, gifts, r.Amount.Yuan())
}

// steps is how far r is: what was done, and what comes next, by when.
func (r Refund) steps() []RefundStep {
	asked, back, kept := fmt.Sprintf("提出申请：所退 %d 课时不再上课，费用留在监管账户", r.Lessons), "当天办理原路退回 "+r.supervised().Yuan(), "；所退课时的费用仍在监管账户"
	done := "已原路退回 " + r.supervised().Yuan()
	switch {
	case r.late() && r.Kept > 0:
		asked, kept = "对自动确认的课时提出异议：费用尚未出账，留在监管账户", "；费用仍在监管账户"
	case r.late():
		asked, back, kept = "对自动确认的课时提出异议：费用已拨付给机构，由机构退还", "由机构以自有资金退还 "+r.Owed.Yuan(), ""
		done = "机构已退还 " + r.Owed.Yuan()
	}
	all := []RefundStep{{By: r.RequestedOn, Done: true, Text: asked}}
	add := func(s RefundStep) { all = append(all, s) }
	switch {
	case r.BySilence:
		add(RefundStep{By: r.AgreedOn, Done: true, Text: "机构逾期没有答复，视为同意"})
	case !r.AgreedOn.IsZero():
		add(RefundStep{By: r.AgreedOn, Done: true, Text: "同意退费"})
	}
	switch r.State {
	case requested:
		add(RefundStep{By: r.AnswerBy, Provisional: r.Provisional, Text: "机构最迟在这一天答复；过了这一天没有答复，视为同意"})
		add(RefundStep{By: r.AnswerBy.AddDays(1), Provisional: r.Provisional, Text: "视为同意的，" + back})
	case rejected:
		add(RefundStep{Text: "机构不同意。您可以申请调解，也可以起诉或者申请仲裁" + kept})
	case mediation:
		add(RefundStep{By: r.MediateBy, Text: "调解最迟在这一天结束；调解不成，可以起诉或者申请仲裁"})
	case unsettled:
		add(RefundStep{Text: "调解未成，可以起诉或者申请仲裁；凭生效的裁判办理退费"})
	case agreed:
		add(RefundStep{Text: "退款办理中：各笔的情况见合同页"})
	case paidBack:
		add(RefundStep{By: r.PaidOn, Done: true, Text: done})
	case withdrawn:
		add(RefundStep{Done: true, Text: "已撤回，课时恢复原状"})
	}
	return all
}

// RefundView is a refund as people see it.
type RefundView struct {
	ID              string        `json:"id"`
	Contract        string        `json:"contract"`
	State           string        `json:"state"`
	StateText       string        `json:"state_text"`
	Lessons         int           `json:"lessons" description:"paid lessons given back"`
	GiftLessons     int           `json:"gift_lessons" description:"gift lessons cancelled with them"`
	Fault           string        `json:"fault" description:"consumer or operator: as claimed, or as a mediation found it"`
	Basis           string        `json:"basis" description:"contract_free, cooling_off, operator, consumer or not_given: the clause that decided"`
	BasisText       string        `json:"basis_text"`
	AmountFen       Fen           `json:"amount_fen" description:"for the parent, without interest"`
	FromInstitution Fen           `json:"from_institution_fen" description:"of amount: no longer supervised, and the institution's to pay"`
	DeductedFen     Fen           `json:"deducted_fen" description:"of the lessons' fees: what the institution keeps"`
	InterestFen     Fen           `json:"interest_fen" description:"paid so far, beside amount"`
	Clauses         []Clause      `json:"clauses"`
	Steps           []RefundStep  `json:"steps" description:"what has been done, and what comes next"`
	Paybacks        []PaybackView `json:"paybacks" description:"the ways by which the money goes back; from agreement on"`
	Reason          string        `json:"reason,omitempty" description:"shown to the two parties"`
	Answer          string        `json:"answer,omitempty" description:"why it was refused, or how the mediation ended; not for others"`
	RequestedOn     day.Date      `json:"requested_on"`
	AnswerBy        day.Date      `json:"answer_by" description:"silence after this day is agreement"`
	Provisional     bool          `json:"provisional,omitempty"`
	BySilence       bool          `json:"by_silence,omitempty"`
	MediateBy       day.Date      `json:"mediate_by,omitzero" description:"the mediation ends by this day"`
	AgreedOn        day.Date      `json:"agreed_on,omitzero"`
	PaidOn          day.Date      `json:"paid_on,omitzero"`
	WindDown        string        `json:"wind_down,omitempty" description:"id of the institution's wind-down that it is part of"`
	Actions         []flow.Action `json:"actions"`
}

func (r Refund) view(s sight, legs []Payback) RefundView {
	v := RefundView{
		ID: r.ID, Contract: r.ContractID, State: r.State, StateText: refundStates[r.State], Lessons: r.Lessons, GiftLessons: r.GiftLessons,
		Fault: r.Fault, Basis: r.Basis, BasisText: bases[r.Basis], AmountFen: r.Amount, FromInstitution: r.Owed, DeductedFen: r.Deducted,
		Clauses: r.Clauses, Steps: r.steps(), RequestedOn: r.RequestedOn, AnswerBy: r.AnswerBy, Provisional: r.Provisional, BySilence: r.BySilence,
		MediateBy: r.MediateBy, AgreedOn: r.AgreedOn, PaidOn: r.PaidOn, WindDown: r.WindDown,
		Actions: slices.DeleteFunc(withFields(refundFlow.Actions(r.State, "/v1/refunds/"+r.ID, s.caller)),
			func(a flow.Action) bool { return r.undecided(s.winding, a.Action) != nil }),
	}
	for _, l := range legs {
		if l.RefundID == r.ID {
			v.Paybacks = append(v.Paybacks, l.view(s))
			if l.State == legPaid {
				v.InterestFen += l.Interest
			}
		}
	}
	if v.Paybacks == nil {
		v.Paybacks = []PaybackView{}
	}
	if s.party || s.caller.Agency != "" {
		v.Answer = r.Answer
	}
	if s.party {
		v.Reason = r.Reason
	}
	return v
}
