package tipoff

import (
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/rule"
)

// The rules that tipoff decides by.
const (
	ruleAccept         = "tip.accept"          // how long until the reporter is told whether it is accepted
	ruleCheck          = "tip.check"           // how long a clue may be checked
	ruleCheckMore      = "tip.check_extension" // by how much that is extended, once
	ruleMediation      = "tip.mediation"       // how long a dispute is mediated, from acceptance
	ruleHotlineReturn  = "tip.hotline_return"  // how long an office may give an order of the hotline back
	ruleHotlineGeneral = "tip.hotline_general" // how long an order of the hotline may take
	rulePetitionAccept = "tip.petition.accept" // how long until a petition is accepted
	rulePetitionFinish = "tip.petition.finish" // how long a petition may take, from acceptance
	rulePetitionMore   = "tip.petition.extend" // by how much that is extended, once
)

// Rules is every rule that tipoff needs; without them it is not ready.
var Rules = []string{
	ruleAccept, ruleCheck, ruleCheckMore, ruleMediation, ruleHotlineReturn, ruleHotlineGeneral,
	rulePetitionAccept, rulePetitionFinish, rulePetitionMore,
}

// hotline is the channel of the city's service line.
const hotline = "12345"

// clockNames is what each clock is called, in the order of lists; the name of a
// clock is the key of its rule.
var clockNames = map[string]string{
	ruleAccept: "受理告知", ruleCheck: "线索核查", ruleMediation: "调解", ruleHotlineReturn: "退单", ruleHotlineGeneral: "热线办理",
	rulePetitionAccept: "信访受理", rulePetitionFinish: "信访办结",
}

// extensions is the rule by which a clock is extended.
var extensions = map[string]string{ruleCheck: ruleCheckMore, rulePetitionFinish: rulePetitionMore}

// A Clock is a legal date of a tip-off, as it was counted.
type Clock struct {
	TipID       string       `json:"-"`
	Name        string       `json:"name"`
	Label       string       `json:"label" db:"-"`
	FromOn      day.Date     `json:"from" description:"the day of the event, which is not counted"`
	Amount      int          `json:"amount"`
	Unit        day.Unit     `json:"unit"`
	Extra       int          `json:"extra" description:"by which it was extended"`
	Paused      int          `json:"paused" description:"how many such days the reporter was waited for"`
	Due         day.Date     `json:"due" description:"the last day"`
	Provisional bool         `json:"provisional" description:"a day of a year without a published calendar was counted"`
	Ground      fault.Ground `json:"rule"`
	MetOn       day.Date     `json:"met_on"`
	OverdueOn   day.Date     `json:"overdue_on"`
	Light       Light        `json:"light" db:"-"`
	DaysLeft    int          `json:"days_left" db:"-" description:"working days; negative when overdue"`
}

// running reports whether c still matters.
func (c *Clock) running() bool { return c.MetOn.IsZero() }

// count finds c's last day again, from all that it is made of.
func (c *Clock) count(cal *day.Calendar) error {
	due, err := cal.Due(c.FromOn, c.Amount+c.Extra+c.Paused, c.Unit)
	c.Due, c.Provisional = due.On, due.Provisional
	return err
}

// newClock is the clock that r begins on from.
func newClock(cal *day.Calendar, r rule.Rule, from day.Date) (Clock, error) {
	c := Clock{
		Name: r.Key, Label: clockNames[r.Key], FromOn: from, Amount: int(r.Int()), Unit: day.Unit(r.Unit),
		Ground: r.Ground(map[string]any{"from": from.String()}),
	}
	return c, c.count(cal)
}

// pause adds to c the days from after since up to until, in its own unit.
func (c *Clock) pause(cal *day.Calendar, since, until day.Date) error {
	if c.Unit == day.WorkingDay {
		c.Paused += cal.WorkingDaysBetween(since, until)
	} else {
		c.Paused += since.DaysUntil(until)
	}
	return c.count(cal)
}

// fromReceipt is the rules of the clocks that run from the day of submission.
func fromReceipt(n Nature, channel string) []string {
	switch {
	case channel == hotline:
		return []string{ruleHotlineGeneral}
	case n == Petition:
		return []string{rulePetitionAccept}
	case n == Complaint:
		return []string{ruleAccept}
	}
	return []string{ruleAccept, ruleCheck}
}

// fromAcceptance is the rules of the clocks that run from the day of acceptance:
// by the law of that day (design/domain.md §8, 2).
func fromAcceptance(n Nature, channel string) []string {
	switch {
	case channel == hotline:
		return nil
	case n == Petition:
		return []string{rulePetitionFinish}
	case n == Complaint, n == Both:
		return []string{ruleMediation}
	}
	return nil
}

// metBy is the clocks that a step meets; nil is all.
var metBy = map[string][]string{
	"accept": {ruleAccept, rulePetitionAccept, ruleHotlineReturn},
	"return": {ruleHotlineReturn},
	"assign": {ruleHotlineReturn},
	"answer": nil, "answer_result": nil, "reject": nil, "merge": nil, "close": nil,
}

// Light says at a glance how a deadline stands.
type Light string

// The lights.
const (
	Green  Light = "green"
	Yellow Light = "yellow" // little time is left
	Red    Light = "red"    // overdue
)

// Enum lists the lights for the published document.
func (Light) Enum() []any { return []any{Green, Yellow, Red} }

// soon is how many working days before its end a period is shown in yellow. It
// is a matter of display, not of law.
const soon = 2

// light is how a period that ends on due stands, and the working days left of it.
func light(cal *day.Calendar, today, due day.Date) (Light, int) {
	if due.IsZero() {
		return Green, 0
	}
	switch left := cal.WorkingDaysBetween(today, due); {
	case today.After(due):
		return Red, min(left, -1) // overdue by a weekend is overdue
	case left <= soon:
		return Yellow, left
	default:
		return Green, left
	}
}

// next is the running clock of cs that ends first; nil if there is none. The time
// to give an order back is nobody's promise to the reporter.
func next(cs []Clock) *Clock {
	var first *Clock
	for i := range cs {
		c := &cs[i]
		if c.running() && c.Name != ruleHotlineReturn && (first == nil || c.Due.Before(first.Due)) {
			first = c
		}
	}
	return first
}

// last is the running clock of cs that ends last: by when the reporter has an answer.
func last(cs []Clock) *Clock {
	var end *Clock
	for i := range cs {
		c := &cs[i]
		if c.running() && c.Name != ruleHotlineReturn && (end == nil || c.Due.After(end.Due)) {
			end = c
		}
	}
	return end
}
