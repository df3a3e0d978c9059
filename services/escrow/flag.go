package escrow

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/rule"
)

// The keys of the rules that escrow decides by.
const (
	maxLessons   = "fee.max_lessons"
	maxMonths    = "fee.max_months"
	nonSubjectTo = "fee.nonsubject_cap"
	earliest     = "fee.earliest_before_class"
	renewFrom    = "fee.renew_remaining_lessons"
	trainingLoan = "fee.training_loan"
	termStarts   = "fee.term_starts"
	bandSmall    = "price.band.small"
	bandMiddle   = "price.band.middle"
	guidance     = "price.guidance."    // + offline or online, and the band
	stdMinutes   = "price.std_minutes." // + offline or online
	maxFloat     = "price.max_float_up"
	flagAnswer   = "flag.answer"
	autoConfirm  = "escrow.parent_autoconfirm"
	lateDispute  = "escrow.late_dispute"
	onSilence    = "escrow.parent_silence"
	autoAgree    = "escrow.org_refund_autoagree"
)

// feeRules is what no prepayment is judged without; localRules what a place may have
// besides.
var (
	feeRules   = []string{maxLessons, maxMonths, nonSubjectTo, earliest, renewFrom, trainingLoan}
	localRules = []string{
		termStarts, bandSmall, bandMiddle, maxFloat, stdMinutes + "offline", stdMinutes + "online",
		guidance + "offline.small", guidance + "offline.middle", guidance + "offline.large",
		guidance + "online.small", guidance + "online.middle", guidance + "online.large", splitWindow,
	}
)

// Order is what the fee rules see of one paid contract, or of one about to be.
type Order struct {
	Contract    string
	PaidOn      day.Date
	Lessons     int      // paid ones, neither taught nor given back
	GiftLessons int      // the same of gifts
	First       day.Date // of the lessons above
	Last        day.Date
	Begun       bool // a lesson was taught
	Held        Fen
	Agreed      Agreement
	Price       Fen
	Bought      int      // paid lessons, as agreed
	Rules       rule.Set // in force on PaidOn (行政处罚法 §37)
}

func (o Order) left() int { return o.Lessons + o.GiftLessons }

// Finding is one rule's word on one order.
type Finding struct {
	Contract    string
	Rule        rule.Rule
	Inputs      map[string]any
	Explanation string // for people; says what would clear it
}

// Findings applies the fee rules to a basket: its open orders as they were paid,
// earliest first. A rule on the basket's sum finds the order with which the sum
// went over, and each after it. kind is the institution's: subject or
// non_subject.
func Findings(kind string, orders []Order) []Finding {
	var all []Finding
	for i, o := range orders {
		for _, check := range []func(string, []Order) *Finding{lessonSum, span, moneySum, early, loan, crossTerm, overpriced} {
			if f := check(kind, orders[:i+1]); f != nil {
				f.Contract = o.Contract
				all = append(all, *f)
			}
		}
	}
	return all
}

// lessonSum: at most so many lessons paid ahead, gifts included.
func lessonSum(_ string, upTo []Order) *Finding {
	o := upTo[len(upTo)-1]
	r := o.Rules[maxLessons]
	var lessons, gifts int
	var parts []any
	for _, p := range upTo {
		if p.left() == 0 {
			continue
		}
		lessons, gifts = lessons+p.Lessons, gifts+p.GiftLessons
		parts = append(parts, map[string]any{"contract": p.Contract, "lessons": p.Lessons, "gift_lessons": p.GiftLessons})
	}
	excess := lessons + gifts - int(r.Int())
	if o.left() == 0 || excess <= 0 {
		return nil
	}
	return &Finding{Rule: r, Inputs: map[string]any{
		"contracts": parts, "lessons": lessons, "gift_lessons": gifts, "total": lessons + gifts, "excess": excess, "paid_on": o.PaidOn,
	}, Explanation: fmt.Sprintf("同一学员同一课程已收费、尚未上课的课时合计 %d 节（正课 %d 节，赠送 %d 节，共 %d 份合同），超过一次性收费上限 %d 课时。再退费或上课 %d 节后，本提示自动解除。",
		lessons+gifts, lessons, gifts, len(parts), r.Int(), excess)}
}

// span: the lessons paid ahead end at most so many months after they begin.
func span(_ string, upTo []Order) *Finding {
	o := upTo[len(upTo)-1]
	r := o.Rules[maxMonths]
	if o.left() == 0 {
		return nil
	}
	latest := o.First.AddMonths(int(r.Int()))
	if !o.Last.After(latest) {
		return nil
	}
	return &Finding{Rule: r, Inputs: map[string]any{
		"first_lesson": o.First, "last_lesson": o.Last, "latest_allowed": latest, "days_over": latest.DaysUntil(o.Last), "paid_on": o.PaidOn,
	}, Explanation: fmt.Sprintf("尚未上课的课时从 %s 排到 %s，时间跨度超过 %d 个月（最晚应到 %s）。退掉 %s 之后的课时后，本提示自动解除。",
		o.First, o.Last, r.Int(), latest, latest)}
}

// moneySum: a non-subject institution holds at most so much of one pupil's course.
func moneySum(kind string, upTo []Order) *Finding {
	o := upTo[len(upTo)-1]
	r := o.Rules[nonSubjectTo]
	if kind != nonSubject || o.Held == 0 {
		return nil
	}
	var held Fen
	var parts []any
	for _, p := range upTo {
		if p.Held > 0 {
			held += p.Held
			parts = append(parts, map[string]any{"contract": p.Contract, "held_fen": p.Held})
		}
	}
	excess := held - Fen(r.Int())
	if excess <= 0 {
		return nil
	}
	return &Finding{Rule: r, Inputs: map[string]any{
		"contracts": parts, "held_fen": held, "excess_fen": excess, "kind": kind, "paid_on": o.PaidOn,
	}, Explanation: fmt.Sprintf("非学科类机构对同一学员同一课程预收、尚未消课的费用合计 %s（共 %d 份合同），超过上限 %s。再退费或消课 %s 后，本提示自动解除。",
		held.Yuan(), len(parts), Fen(r.Int()).Yuan(), excess.Yuan())}
}

// early: not paid earlier than so many months before the class begins or, where
// lessons go on, than so many of them remain.
func early(_ string, upTo []Order) *Finding {
	o := upTo[len(upTo)-1]
	r, renew := o.Rules[earliest], o.Rules[renewFrom]
	if o.Begun || o.left() == 0 {
		return nil
	}
	from := o.First.AddMonths(-int(r.Int()))
	if !o.PaidOn.Before(from) {
		return nil
	}
	remaining := 0
	for _, p := range upTo[:len(upTo)-1] {
		remaining += p.left()
	}
	inputs := map[string]any{
		"paid_on": o.PaidOn, "first_lesson": o.First, "earliest_payment": from, "days_early": o.PaidOn.DaysUntil(from), "remaining_lessons": remaining,
	}
	switch {
	case remaining == 0 || o.Agreed.Billing == byPeriod:
		return &Finding{Rule: r, Inputs: inputs, Explanation: fmt.Sprintf("首课为 %s，不得早于开课前 %d 个月收费（最早 %s），付款日为 %s。开课或全部退费后，本提示自动解除。",
			o.First, r.Int(), from, o.PaidOn)}
	case remaining > int(renew.Int()):
		return &Finding{Rule: renew, Inputs: inputs, Explanation: fmt.Sprintf("同一课程还有 %d 课时未上，续费不得早于剩余 %d 课时，也不得早于新课开课前 %d 个月（最早 %s），付款日为 %s。剩余课时不超过 %d 节、新课开课或全部退费后，本提示自动解除。",
			remaining, renew.Int(), r.Int(), from, o.PaidOn, renew.Int())}
	}
	return nil
}

// loan: nothing is paid with a training loan.
func loan(_ string, upTo []Order) *Finding {
	o := upTo[len(upTo)-1]
	if !o.Agreed.Loan || o.Held == 0 {
		return nil
	}
	return &Finding{
		Rule: o.Rules[trainingLoan], Inputs: map[string]any{"paid_on": o.PaidOn, "held_fen": o.Held},
		Explanation: fmt.Sprintf("合同约定以培训贷支付，不得使用培训贷缴纳培训费。尚未消课的 %s 全部退费后，本提示自动解除。", o.Held.Yuan()),
	}
}

// crossTerm: the lessons of one payment lie in one term of the place's schools.
func crossTerm(_ string, upTo []Order) *Finding {
	o := upTo[len(upTo)-1]
	r, known := o.Rules[termStarts]
	var starts []day.Date
	if !known || o.left() == 0 || json.Unmarshal(r.Value, &starts) != nil {
		return nil
	}
	for _, start := range starts {
		if o.First.Before(start) && !o.Last.Before(start) {
			return &Finding{
				Rule: r, Inputs: map[string]any{"first_lesson": o.First, "last_lesson": o.Last, "term_starts": start, "paid_on": o.PaidOn},
				Explanation: fmt.Sprintf("尚未上课的课时从 %s 排到 %s，跨越 %s 开始的学期，不得跨学期收费。退掉 %s 起的课时后，本提示自动解除。", o.First, o.Last, start, start),
			}
		}
	}
	return nil
}

// overpriced: a subject institution's lesson costs at most the guidance price of the
// place for such a class, raised by what it may be, for as many minutes.
func overpriced(kind string, upTo []Order) *Finding {
	o := upTo[len(upTo)-1]
	if kind == nonSubject || o.Agreed.ClassSize == 0 || o.Agreed.LessonMinutes == 0 || o.Bought == 0 || o.Held == 0 {
		return nil
	}
	where, band := "offline", "large"
	if o.Agreed.Online {
		where = "online"
	}
	small, known := o.Rules[bandSmall]
	if o.Agreed.ClassSize <= int(o.Rules[bandMiddle].Int()) {
		band = "middle"
	}
	if o.Agreed.ClassSize <= int(small.Int()) {
		band = "small"
	}
	r, priced := o.Rules[guidance+where+"."+band]
	if !known || !priced {
		return nil
	}
	std, most := o.Rules[stdMinutes+where].Int(), o.Rules[maxFloat].Ratio()
	limit := Fen(math.Floor(float64(r.Int())*(1+most)*float64(o.Agreed.LessonMinutes)/float64(std) + 1e-6)) // floats fall short of whole 分
	if o.Price <= limit*Fen(o.Bought) {
		return nil
	}
	return &Finding{Rule: r, Inputs: map[string]any{
		"price_fen": o.Price, "lessons": o.Bought, "limit_fen": limit, "class_size": o.Agreed.ClassSize, "lesson_minutes": o.Agreed.LessonMinutes,
		"std_minutes": std, "max_float_up": most, "band": band, "online": o.Agreed.Online, "paid_on": o.PaidOn,
	}, Explanation: fmt.Sprintf("每课时 %s，高于政府指导价：%d 人班标准课时 %s，上浮不超过 %.0f%%，按 %d 分钟折算每课时最高 %s。全部退费或上完后，本提示自动解除。",
		(o.Price / Fen(o.Bought)).Yuan(), o.Agreed.ClassSize, Fen(r.Int()).Yuan(), most*100, o.Agreed.LessonMinutes, limit.Yuan())}
}

// The states of a flag.
const (
	flagOpen    = "OPEN"
	flagCleared = "CLEARED"
)

// flagFlow is the life of a flag. By hand only a suspicion is cleared, with a reason.
var flagFlow = flow.Machine{Name: "提示", Steps: []flow.Step{
	{From: flagOpen, Action: "clear", To: flagCleared, Label: "核实不是拆分收费，解除提示", Roles: []string{"examiner"}, Reason: true, Basis: "拆分收费的提示是待核实的疑点"},
	{From: flagOpen, Action: "settle", To: flagCleared, Label: "事实已不超过上限"},
}}

var flagStates = map[string]string{flagOpen: "待处理", flagCleared: "已解除"}

// Flag is a finding that was raised, with all that it rests on.
type Flag struct {
	ID            string
	InstitutionID string
	ContractID    string
	Jurisdiction  string
	Manager       string
	Parent        string
	State         string
	RuleKey       string
	Ground        fault.Ground
	Explanation   string
	RaisedOn      day.Date
	Due           day.Date
	Provisional   bool
	ClearedOn     day.Date
	ClearedBy     string // the fact
	Examined      bool   // by an official, who cleared it with a reason
}

// settle compares what was found with what was flagged: findings that are new,
// and open flags that nothing bears out any more.
func settle(found []Finding, open []Flag) (raise []Finding, clear []Flag) {
	same := func(f Finding) func(Flag) bool {
		return func(o Flag) bool { return o.ContractID == f.Contract && o.RuleKey == f.Rule.Key }
	}
	for _, f := range found {
		if !slices.ContainsFunc(open, same(f)) {
			raise = append(raise, f)
		}
	}
	for _, o := range open {
		if !slices.ContainsFunc(found, func(f Finding) bool { return same(f)(o) }) {
			clear = append(clear, o)
		}
	}
	return raise, clear
}

// Warning is a flag that paying would raise.
type Warning struct {
	Key         string       `json:"key"`
	Explanation string       `json:"explanation"`
	Rule        fault.Ground `json:"rule"`
}

func (f Finding) warning() Warning {
	return Warning{f.Rule.Key, f.Explanation, f.Rule.Ground(f.Inputs)}
}

// FlagView is a flag as people see it.
type FlagView struct {
	ID          string       `json:"id"`
	Contract    string       `json:"contract"`
	Institution string       `json:"institution"`
	State       string       `json:"state"`
	StateText   string       `json:"state_text"`
	Explanation string       `json:"explanation"`
	Rule        fault.Ground `json:"rule"`
	RaisedOn    day.Date     `json:"raised_on"`
	Due         day.Date     `json:"due" description:"the examiner answers by this day"`
	Provisional bool         `json:"provisional"`
	Light       string       `json:"light,omitempty" enum:"green,yellow,red" description:"of an open flag"`
	DaysLeft    *int         `json:"days_left,omitempty" description:"working days until due; negative is overdue"`
	ClearedOn   day.Date     `json:"cleared_on,omitzero"`
	ClearedBy   string       `json:"cleared_by,omitempty" description:"the fact that cleared it, or an official's reason"`

	Actions []flow.Action `json:"actions"`
}

// lit is v with the light of its answer, while one is waited for.
func (v FlagView) lit(today day.Date, c *day.Calendar) FlagView {
	if v.State == flagOpen {
		v.Light, v.DaysLeft = light(v.Due, today, c)
	}
	return v
}

func (f Flag) view(by auth.Caller) FlagView {
	v := FlagView{
		ID: f.ID, Contract: f.ContractID, Institution: f.InstitutionID, State: f.State, StateText: flagStates[f.State], Explanation: f.Explanation,
		Rule: f.Ground, RaisedOn: f.RaisedOn, Due: f.Due, Provisional: f.Provisional, ClearedOn: f.ClearedOn, ClearedBy: f.ClearedBy, Actions: []flow.Action{},
	}
	if f.RuleKey == splitWindow {
		v.Actions = withFields(flagFlow.Actions(f.State, "/v1/flags/"+f.ID, by))
	}
	return v
}
