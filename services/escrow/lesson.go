package escrow

import (
	"fmt"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

// The states of a lesson.
const (
	scheduled = "SCHEDULED"
	taught    = "TAUGHT"
	confirmed = "CONFIRMED"
	disputed  = "DISPUTED"
	refunding = "REFUNDING"
	refunded  = "REFUNDED"
	cancelled = "CANCELLED" // also of a contract
)

var lessonStates = map[string]string{
	scheduled: "待上课", taught: "待家长确认", confirmed: "已确认", disputed: "有异议",
	refunding: "退费中", refunded: "已退费", cancelled: "已取消",
}

// lessonFlow is the life of a lesson.
var lessonFlow = flow.Machine{Name: "课时", Steps: []flow.Step{
	{From: scheduled, Action: "taught", To: taught, Label: "登记已授课", Roles: []string{"principal"}, Deadline: autoConfirm, Basis: "全国校外教育培训监管与服务综合平台：授课后发起确认"},
	{From: scheduled, Action: "make_up", To: scheduled, Label: "调课或补课", Roles: []string{"principal"}, Reason: true, Basis: "合同约定的课时不因调课减少"},
	{From: taught, Action: "confirm", To: confirmed, Label: "确认课时", Roles: []string{"parent"}, Basis: "一课一消"},
	{From: taught, Action: "dispute", To: disputed, Label: "提出异议", Roles: []string{"parent"}, Reason: true, Basis: "异议课时的费用暂不拨付"},
	{From: taught, Action: "confirm_by_silence", To: confirmed, Label: "逾期未答复，自动确认"},
	{From: confirmed, Action: "object", To: confirmed, Label: "没上这节课，要求退还", Roles: []string{"parent"}, Reason: true, Basis: "自动确认不等于家长认可：费用未出账的留在监管账户，已出账的由机构退还"},
	{From: confirmed, Action: "refund", To: refunded, Label: "异议成立，未出账的费用已退"},
	{From: disputed, Action: "confirm", To: confirmed, Label: "撤回异议并确认", Roles: []string{"parent"}},
	{From: disputed, Action: "withdraw", To: scheduled, Label: "撤回授课登记", Roles: []string{"principal"}, Reason: true},
	{From: scheduled, Action: "ask_refund", To: refunding, Label: "列入退费"},
	{From: refunding, Action: "refund", To: refunded, Label: "退费已付"},
	{From: refunding, Action: "cancel", To: cancelled, Label: "赠送课时取消"},
	{From: taught, Action: "ask_refund", To: refunding, Label: "列入全额退费"},
	{From: disputed, Action: "ask_refund", To: refunding, Label: "列入全额退费"},
	{From: refunding, Action: "restore", To: scheduled, Label: "退费撤回，恢复原状"},
}}

// Lesson is one row of a contract's schedule. Paid lessons come first, gift
// lessons after them with fee 0.
type Lesson struct {
	N           int
	Gift        bool
	OnDate      day.Date // as scheduled
	Fee         Fen
	State       string
	TaughtOn    day.Date
	AskedOn     day.Date // when the institution said so, and asked the parent to confirm
	ConfirmBy   day.Date // none: silence never confirms
	Provisional bool     // ConfirmBy counts on an unpublished calendar
	BySilence   bool
	ConfirmedOn day.Date
	Reason      string   // of the dispute; for the two parties
	ObjectBy    day.Date // of one that silence confirmed: the parent's last day to say that it was not given
	Refund      string   // id of the refund that it is part of
	Waits       bool     // confirmed, and its fee is not paid out: payouts are held, or the parent objects
}

// lessonFees returns what each of n paid lessons costs: the share rounded down,
// and the last one takes the remainder.
func lessonFees(price Fen, n int) []Fen {
	fees := make([]Fen, n)
	for i := range fees {
		fees[i] = price / Fen(n)
	}
	if n > 0 {
		fees[n-1] += price % Fen(n)
	}
	return fees
}

// plan is the schedule of t: lessons spread evenly from the first day to the last.
func plan(t Terms) []Lesson {
	n := t.Lessons + t.GiftLessons
	fees := append(lessonFees(t.PriceFen, t.Lessons), make([]Fen, t.GiftLessons)...)
	span := t.FirstLesson.DaysUntil(t.LastLesson)
	all := make([]Lesson, n)
	for i := range all {
		on := t.FirstLesson
		if n > 1 {
			on = on.AddDays(i * span / (n - 1))
		}
		all[i] = Lesson{N: i + 1, Gift: i >= t.Lessons, OnDate: on, Fee: fees[i], State: scheduled}
	}
	return all
}

// teach notes that l was given on a day, today at the latest.
func (l *Lesson) teach(on, today day.Date) error {
	if on.After(today) {
		return fault.Fields(fault.Field{Pointer: "/taught_on", Detail: "授课日期不得晚于今天 " + today.String()})
	}
	l.State, l.TaughtOn, l.AskedOn, l.Reason = taught, on, today, ""
	return nil
}

// confirm notes that l was given, by an answer or by silence, which makes it
// state. Its fee waits if the institution's payouts are held.
func (l *Lesson) confirm(state string, held bool, today day.Date) {
	l.State, l.ConfirmedOn, l.Reason, l.Waits = state, today, "", held && l.Fee > 0
}

// objectionable returns Conflict unless the parent may still say that l, which silence
// confirmed, was not given.
func (l Lesson) objectionable(today day.Date) error {
	switch {
	case l.State != confirmed || !l.BySilence || l.ObjectBy.IsZero():
		return fault.Conflict.Errorf("只有逾期自动确认的课时可以事后提出异议")
	case l.Gift || l.Fee == 0:
		return fault.Conflict.Errorf("赠送课时没有费用可退，请与机构商定补课")
	case l.Refund != "":
		return fault.Conflict.Errorf("第 %d 课时已经提出异议", l.N)
	case today.After(l.ObjectBy):
		return fault.Conflict.Errorf("提出异议的期限到 %s 为止，已过", l.ObjectBy)
	}
	return nil
}

// payout is in words what a confirmation does with l's fee.
func (l Lesson) payout() string {
	if l.Waits {
		return fmt.Sprintf("费用 %s 因该机构暂停拨付而等待", l.Fee.Yuan())
	}
	return "拨付 " + l.Fee.Yuan()
}

// onHold is what people read of a fee that waits.
const (
	onHold      = "暂停拨付"
	inObjection = "异议处理中"
)

// LessonView is a lesson as people see it.
type LessonView struct {
	N           int           `json:"n"`
	Contract    string        `json:"contract"`
	Gift        bool          `json:"gift"`
	OnDate      day.Date      `json:"on_date"`
	FeeFen      Fen           `json:"fee_fen"`
	State       string        `json:"state"`
	StateText   string        `json:"state_text"`
	TaughtOn    day.Date      `json:"taught_on,omitzero"`
	ConfirmBy   day.Date      `json:"confirm_by,omitzero" description:"the last day to answer; absent when silence never confirms"`
	Provisional bool          `json:"provisional,omitempty"`
	ConfirmedOn day.Date      `json:"confirmed_on,omitzero"`
	BySilence   bool          `json:"by_silence,omitempty" description:"confirmed because nobody answered"`
	ObjectBy    day.Date      `json:"object_by,omitzero" description:"of one that silence confirmed: the parent's last day to say that it was not given"`
	ReleasedFen Fen           `json:"released_fen"`
	Waiting     string        `json:"waiting,omitempty" description:"why the fee of a confirmed lesson was not paid out: 暂停拨付, or 异议处理中"`
	Reason      string        `json:"reason,omitempty" description:"of the dispute; shown to the two parties"`
	Actions     []flow.Action `json:"actions"`
}

func (l Lesson) view(contract string) LessonView {
	v := LessonView{
		N: l.N, Contract: contract, Gift: l.Gift, OnDate: l.OnDate, FeeFen: l.Fee, State: l.State, StateText: lessonStates[l.State],
		TaughtOn: l.TaughtOn, ConfirmBy: l.ConfirmBy, Provisional: l.Provisional, ConfirmedOn: l.ConfirmedOn, BySilence: l.BySilence, ObjectBy: l.ObjectBy,
		Actions: []flow.Action{},
	}
	switch {
	case l.Waits && l.Refund != "":
		v.Waiting = inObjection
	case l.Waits:
		v.Waiting = onHold
	case l.State == confirmed:
		v.ReleasedFen = l.Fee
	}
	return v
}
