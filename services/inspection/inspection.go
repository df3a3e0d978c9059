// Package inspection owns inspections: random draws (双随机), joint visits,
// findings, rectification, the ledger of unlicensed places, and the follow-up of
// a black list decision until all that it causes has come, or has been undone.
//
// What must always be true:
//
//   - what a draw draws from is frozen, and its seed committed to, before anybody
//     can know the seed; anyone can replay a published draw; a redraw names its
//     reason and another person, and keeps the rounds before it;
//   - an agency's part of a visit is seen by no other agency before publication,
//     and signed only by that agency's own officers with certificates in force;
//   - what is published of an unlicensed place names no person, phone or house;
//   - every command of a follow-up is sent once for its cause, whatever comes
//     twice, late or in another order.
//
// Read task.go for the states of a task, draw.go for how is drawn, visit.go and
// rectification.go for a visit and what it leads to, sweep.go for unlicensed
// places, followup.go for step after step of a decision, transport.go for who
// may do what.
package inspection

import (
	"strings"

	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

// The rules that inspection decides by.
const (
	rulePublish  = "inspect.publish"      // how soon after the task its result is public
	ruleOfficers = "inspect.min_officers" // least officers at a visit
	ruleRectify  = "rectify.due"          // how long rectification may take
	ruleRatio    = "inspect.ratio."       // and a credit class: what share of it is drawn
)

// Rules is every rule that inspection needs; without them it is not ready.
var Rules = []string{rulePublish, ruleOfficers, ruleRectify, ruleRatio + "A", ruleRatio + "B", ruleRatio + "C", ruleRatio + "D"}

// Agency is a department that inspects.
type Agency string

// The agencies.
const (
	Education Agency = "education"
	Culture   Agency = "culture"
	Market    Agency = "market"
	Fire      Agency = "fire"
)

// Enum lists the agencies for the published document.
func (Agency) Enum() []any { return []any{Education, Culture, Market, Fire} }

var offices = map[Agency]string{Education: "教育局", Culture: "文化和旅游局", Market: "市场监督管理局", Fire: "消防救援大队"}

// Name is a for people to read.
func (a Agency) Name() string { return offices[a] }

// Office is the name of an agency's office at a place: 苏州市姑苏区教育局.
func Office(a Agency, jurisdiction string) string {
	name := division.Name(jurisdiction)
	if d, ok := division.Find(jurisdiction); ok {
		name = d.Name
		up, _ := division.Find(d.Parent)
		if up.Level == division.AtCity || up.Level == division.AtProvince && strings.HasSuffix(up.Name, "市") {
			name = up.Name + d.Name
		}
	}
	return name + offices[a]
}

// The roles, as flow tables name them.
const (
	examinerRole, cultureRole, marketRole, fireRole = "examiner", "culture", "market", "fire"
	principalRole, cityRole                         = "principal", "city"
)

// inspectors is the roles of those who inspect.
var inspectors = []string{examinerRole, cultureRole, marketRole, fireRole}

// bySystem returns the state that action leads to from state by the system's own
// doing: Conflict if the table has no such row.
func bySystem(m flow.Machine, state, action string) (flow.Step, error) {
	for _, s := range m.Steps {
		if s.From == state && s.Action == action && len(s.Roles) == 0 {
			return s, nil
		}
	}
	return flow.Step{}, fault.Conflict.Errorf("%s当前状态为 %s，不能进行 %s", m.Name, state, action)
}

// has reports whether the table has a row for action in state.
func has(m flow.Machine, state, action string) bool {
	for _, s := range m.Steps {
		if s.From == state && s.Action == action {
			return true
		}
	}
	return false
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
const soon = 3

// light is how a period that ends on due stands, and the working days left of it.
func light(c *day.Calendar, today, due day.Date) (Light, int) {
	if due.IsZero() {
		return Green, 0
	}
	switch left := c.WorkingDaysBetween(today, due); {
	case today.After(due):
		return Red, min(left, -1) // overdue by a weekend is overdue
	case left <= soon:
		return Yellow, left
	default:
		return Green, left
	}
}

// Entry is one line of a task's timeline.
type Entry struct {
	At      string         `json:"at" description:"legal time"`
	Actor   string         `json:"actor" description:"office and account, 机构, or 系统"`
	Action  string         `json:"action"`
	Label   string         `json:"label"`
	From    string         `json:"from"`
	To      string         `json:"to"`
	Note    string         `json:"note"`
	Grounds []fault.Ground `json:"grounds"`
}

// Item is one thing that waits for the caller.
type Item struct {
	ID           string   `json:"id"`
	Kind         string   `json:"kind" description:"visit sign publish recheck verify rectify institution_sign blacklist follow_up"`
	Title        string   `json:"title"`
	Jurisdiction string   `json:"jurisdiction"`
	State        string   `json:"state"`
	Since        day.Date `json:"since"`
	Due          day.Date `json:"due"`
	Provisional  bool     `json:"provisional"`
	Light        Light    `json:"light"`
	DaysLeft     int      `json:"days_left" description:"working days; negative when overdue"`
	Href         string   `json:"href" description:"page of the staff console"`
}
