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
	agreed    = "AGREED"
	paidBack  = "PAID"
)

var refundStates = map[string]string{requested: "待机构答复", agreed: "已同意", paidBack: "已原路退回"}

// refundFlow is the life of a refund. The bank is simulated and pays back at
// once, so that AGREED and PAID come in one transaction.
var refundFlow = flow.Machine{Name: "退费", Steps: []flow.Step{
	{From: requested, Action: "agree", To: agreed, Label: "同意退费", Roles: []string{"principal"}, Basis: "全国校外教育培训监管与服务综合平台用户规则"},
	{From: requested, Action: "agree_by_silence", To: agreed, Label: "逾期未答复，视为同意"},
	{From: agreed, Action: "pay_back", To: paidBack, Label: "原路退回"},
}}

// Refund of lessons that were not given.
type Refund struct {
	ID            string
	InstitutionID string
	ContractID    string
	State         string
	Lessons       int // paid ones
	GiftLessons   int
	Amount        Fen
	Reason        string // for the two parties
	RequestedOn   day.Date
	AnswerBy      day.Date
	Provisional   bool
	BySilence     bool
	PaidOn        day.Date
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
	case len(taken) == 0 || left == 0:
		return nil, fault.Conflict.Errorf("没有尚未上课、可以退费的课时")
	case !whole && paid < n:
		return nil, fault.Fields(fault.Field{Pointer: "/lessons", Detail: fmt.Sprintf("至多可退 %d 课时", left)})
	}
	return taken, nil
}

// take fills in r what lessons make of it.
func (r *Refund) take(lessons []Lesson) {
	for _, l := range lessons {
		r.Amount += l.Fee
		if l.Gift {
			r.GiftLessons++
		} else {
			r.Lessons++
		}
	}
}

// Words is r for people: 3 课时（另取消赠送 1 课时）200.00 元.
func (r Refund) Words() string {
	gifts := ""
	if r.GiftLessons > 0 {
		gifts = fmt.Sprintf("（另取消赠送 %d 课时）", r.GiftLessons)
	}
	return fmt.Sprintf("%d 课时%s，共 %s", r.Lessons, gifts, r.Amount.Yuan())
}

// RefundView is a refund as people see it.
type RefundView struct {
	ID          string        `json:"id"`
	Contract    string        `json:"contract"`
	State       string        `json:"state"`
	StateText   string        `json:"state_text"`
	Lessons     int           `json:"lessons" description:"paid lessons given back"`
	GiftLessons int           `json:"gift_lessons" description:"gift lessons cancelled with them"`
	AmountFen   Fen           `json:"amount_fen"`
	Reason      string        `json:"reason,omitempty" description:"shown to the two parties"`
	RequestedOn day.Date      `json:"requested_on"`
	AnswerBy    day.Date      `json:"answer_by" description:"silence after this day is agreement"`
	Provisional bool          `json:"provisional,omitempty"`
	BySilence   bool          `json:"by_silence,omitempty"`
	PaidOn      day.Date      `json:"paid_on,omitzero"`
	Actions     []flow.Action `json:"actions"`
}

func (r Refund) view(s sight) RefundView {
	v := RefundView{
		ID: r.ID, Contract: r.ContractID, State: r.State, StateText: refundStates[r.State], Lessons: r.Lessons, GiftLessons: r.GiftLessons,
		AmountFen: r.Amount, RequestedOn: r.RequestedOn, AnswerBy: r.AnswerBy, Provisional: r.Provisional, BySilence: r.BySilence, PaidOn: r.PaidOn,
		Actions: refundFlow.Actions(r.State, "/v1/refunds/"+r.ID, s.caller),
	}
	if s.party {
		v.Reason = r.Reason
	}
	return v
}
