// Package licensing owns applications to open a training institution, the
// licences that come of them, and the white and black lists.
//
// What must always be true:
//
//   - a licence is issued once for an application, after public notice, and the
//     serials of a county's licences have no gap;
//   - an institution is on one list at most, and on it only by the word of two
//     officers of one office;
//   - whatever changes a case leaves one audit entry, in the same transaction,
//     with the rules that it rests on.
//
// Read application.go for the states of an application, list.go for those of a
// list entry, transport.go for who may do what.
package licensing

import (
	"errors"
	"strings"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/rule"
)

// The rules that licensing decides by.
const (
	ruleComplete   = "licence.complete_notice" // how long corrections may be asked for
	ruleDecide     = "licence.decide"          // how long a decision may take
	ruleIssue      = "licence.issue"           // how long until the certificate is out
	ruleNotice     = "licence.public_notice"   // how long a grant is announced before it is made
	ruleValidity   = "licence.validity"        // how long a licence lasts
	ruleArea       = "area.per_pupil_m2"       // least area for each pupil
	ruleOfficers   = "licence.site_officers"   // least officers at a site check
	ruleStatement  = "list.statement"          // how long one may state one's case before a black list entry
	ruleWhiteTerm  = "list.white_term"         // how long a white list entry lasts
	ruleBlackTerm  = "list.black_term"         // how long a black list entry lasts
	ruleReview     = "review.reconsideration"  // how soon one may ask for reconsideration
	ruleSuit       = "review.suit"             // how soon one may sue
	educationDept  = "education"               // the agency that licenses
	examinerRole   = "examiner"
	cityRole       = "city" // the office above, which looks on and may set aside
	principalRole  = "principal"
	forProfit      = "for_profit"
	nonProfit      = "non_profit"
	subjectKind    = "subject"
	nonSubjectKind = "non_subject"
)

// Rules is every rule that licensing needs; without them it is not ready.
var Rules = []string{
	ruleComplete, ruleDecide, ruleIssue, ruleNotice, ruleValidity, ruleArea, ruleOfficers,
	ruleStatement, ruleWhiteTerm, ruleBlackTerm, ruleReview, ruleSuit,
}

// Category is a field of training as the competent departments divide it.
type Category string

// The categories.
const (
	CultureArts Category = "culture_arts"       // 文化艺术
	Sport       Category = "sport"              // 体育
	Science     Category = "science_technology" // 科技
	Academic    Category = "academic"           // 学科
)

// Enum lists the categories for the published document.
func (Category) Enum() []any { return []any{CultureArts, Sport, Science, Academic} }

// A field of training: its name, its items (design/domain.md §2.1), and the
// office whose opinion a licence needs, by agency and role.
type field struct {
	name   string
	items  []string
	agency string // "" if education decides alone
}

var fields = map[Category]field{
	CultureArts: {"文化艺术", []string{"音乐", "美术", "舞蹈", "戏剧与影视", "设计", "中国传统艺术", "3–6岁艺术启蒙", "其他"}, "culture"},
	Sport:       {"体育", []string{"基础体能", "球类", "游泳及水上", "体操", "武术", "冬季", "棋牌", "无线电模型", "登山", "3–6岁体育", "其他"}, "sport"},
	Science:     {"科技", []string{"机器人编程", "创客", "动手操作", "3–6岁科技启蒙", "其他"}, "science"},
	Academic:    {"学科", []string{"道德与法治", "语文", "历史", "地理", "数学", "外语", "物理", "化学", "生物"}, ""},
}

// Name is c for people to read.
func (c Category) Name() string { return fields[c].name }

// known returns Invalid unless code, a query's jurisdiction, is a place or "".
func known(code string) error {
	if _, ok := division.Find(code); !ok && code != "" {
		return fault.Fields(fault.Field{Pointer: "/query/jurisdiction", Detail: "没有代码为 " + code + " 的行政区划（GB/T 2260）"})
	}
	return nil
}

// offices is what the office of each agency is called after its place.
var offices = map[string]string{
	"education": "教育局", "culture": "文化和旅游局", "sport": "体育局", "science": "科学技术局",
	"market": "市场监督管理局", "civil": "民政局", "fire": "消防救援大队", "police": "公安局", "intake": "举报受理中心",
}

// Office is the name of an agency's office at a place: 苏州市姑苏区教育局.
func Office(agency, jurisdiction string) string {
	name := division.Name(jurisdiction)
	if d, ok := division.Find(jurisdiction); ok {
		name = d.Name
		up, _ := division.Find(d.Parent)
		if up.Level == division.AtCity || up.Level == division.AtProvince && strings.HasSuffix(up.Name, "市") {
			name = up.Name + d.Name
		}
	}
	return name + offices[agency]
}

// officeOf is the office that c acts for; "" if c is no official.
func officeOf(c auth.Caller) string {
	if c.Agency == "" {
		return ""
	}
	return Office(c.Agency, c.Jurisdiction)
}

// County returns Invalid, at the field pointer, unless code is a place that
// licenses: a county, a zone with an office of its own, or a city without counties.
func County(code, pointer string) error {
	d, ok := division.Find(code)
	switch {
	case !ok:
		return fault.Fields(fault.Field{Pointer: pointer, Detail: "没有代码为 " + code + " 的行政区划（GB/T 2260）"})
	case d.Level == division.AtCounty, d.Level == division.AtZone, d.Level == division.AtCity && len(division.Under(code)) == 0:
		return nil
	}
	return fault.Fields(fault.Field{Pointer: pointer, Detail: division.Name(code) + "不是县级行政区划，办学许可由县级教育行政部门受理"})
}

// step is the row of m for action, in the words of states: Conflict if state does
// not allow it, Forbidden if c may not.
func step[S ~string](m flow.Machine, states map[S]string, state S, action string, c auth.Caller) (flow.Step, error) {
	found, err := m.Step(string(state), action, c)
	if errors.Is(err, fault.Conflict) {
		label := action
		for _, s := range m.Steps {
			if s.Action == action {
				label = s.Label
			}
		}
		err = fault.Conflict.Errorf("%s目前为“%s”，不能%s", m.Name, states[state], label)
	}
	return found, err
}

// A Clock is a legal date of a case, as it was counted.
type Clock struct {
	From        day.Date     `json:"from"`
	Due         day.Date     `json:"due"`
	Provisional bool         `json:"provisional"`
	Ground      fault.Ground `json:"rule"`
}

// Clocks is a case's legal dates by name: correct_by, decide_by….
type Clocks map[string]Clock

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
	switch left := c.WorkingDaysBetween(today, due); {
	case today.After(due):
		return Red, min(left, -1) // overdue by a weekend is overdue
	case left <= soon:
		return Yellow, left
	default:
		return Green, left
	}
}

// Deadline is a legal date that a case waits for.
type Deadline struct {
	Name        string       `json:"name" description:"correct_by, decide_by, notice_until, issue_by or statement_until"`
	Label       string       `json:"label"`
	From        day.Date     `json:"from" description:"the day of the event, which is not counted"`
	Due         day.Date     `json:"due" description:"the last day"`
	Provisional bool         `json:"provisional" description:"a day of a year without a published calendar was counted"`
	Open        bool         `json:"open" description:"false once it was met or no longer matters"`
	Light       Light        `json:"light"`
	DaysLeft    int          `json:"days_left" description:"working days; negative when overdue"`
	Rule        fault.Ground `json:"rule"`
}

// deadlines lists cs in the order of names, open if open says so.
func deadlines(cs Clocks, c *day.Calendar, today day.Date, names [][2]string, open func(name string) bool) []Deadline {
	list := []Deadline{}
	for _, n := range names {
		k, ok := cs[n[0]]
		if !ok {
			continue
		}
		d := Deadline{Name: n[0], Label: n[1], From: k.From, Due: k.Due, Provisional: k.Provisional, Rule: k.Ground, Open: open(n[0]), Light: Green}
		if d.Open {
			d.Light, d.DaysLeft = light(c, today, k.Due)
		}
		list = append(list, d)
	}
	return list
}

// term is the last day of a validity that begins on from: it does not move for a
// day off, as a deadline does.
func term(r rule.Rule, from day.Date) day.Date {
	const months = 12
	n := int(r.Int())
	switch r.Unit {
	case string(day.Year):
		return from.AddMonths(months * n).AddDays(-1)
	case string(day.Month):
		return from.AddMonths(n).AddDays(-1)
	default:
		return from.AddDays(n - 1)
	}
}

// Entry is one line of a case's timeline.
type Entry struct {
	At      string         `json:"at" description:"legal time"`
	Actor   string         `json:"actor" description:"office and account, 申请人, or 系统"`
	Action  string         `json:"action"`
	Label   string         `json:"label"`
	From    string         `json:"from"`
	To      string         `json:"to"`
	Note    string         `json:"note"`
	Basis   string         `json:"basis"`
	Grounds []fault.Ground `json:"grounds"`
}
