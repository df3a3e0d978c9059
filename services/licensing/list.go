package licensing

import (
	"fmt"
	"slices"
	"strings"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/rule"
)

// List is which list an entry is on.
type List string

// The lists.
const (
	White List = "WHITE"
	Black List = "BLACK"
)

// Enum lists the lists for the published document.
func (List) Enum() []any { return []any{White, Black} }

var listNames = map[List]string{White: "白名单", Black: "黑名单"}

// termRule is the rule of how long an entry lasts.
func (l List) termRule() string {
	if l == White {
		return ruleWhiteTerm
	}
	return ruleBlackTerm
}

// EntryState is where a list entry stands.
type EntryState string

// The states of a list entry.
const (
	Proposed     EntryState = "PROPOSED"
	Approved     EntryState = "APPROVED"
	EntryRefused EntryState = "REFUSED"
	Published    EntryState = "PUBLISHED"
	Removed      EntryState = "REMOVED"
)

// Enum lists the states for the published document.
func (EntryState) Enum() []any {
	return []any{Proposed, Approved, EntryRefused, Published, Removed}
}

var entryStateNames = map[EntryState]string{
	Proposed: "待决定", Approved: "待公布", EntryRefused: "不予列入", Published: "已公布", Removed: "已移出",
}

// ListEntries is the states of a list entry and the ways between them.
var ListEntries = flow.Machine{Name: "名单列入", Steps: []flow.Step{
	{From: "PROPOSED", Action: "statement", To: "PROPOSED", Label: "陈述、申辩", Roles: []string{principalRole}, Deadline: ruleStatement},
	{From: "PROPOSED", Action: "decline", To: "REFUSED", Label: "已有未结或在列的同类事项，不另行列入"},
	{From: "PROPOSED", Action: "approve", To: "APPROVED", Label: "同意列入", Roles: []string{examinerRole}, Basis: "由提出人以外的同机关工作人员决定"},
	{From: "PROPOSED", Action: "refuse", To: "REFUSED", Label: "不予列入", Roles: []string{examinerRole}, Reason: true},
	{From: "APPROVED", Action: "publish", To: "PUBLISHED", Label: "公布", Roles: []string{examinerRole}, Batch: true},
	{From: "PUBLISHED", Action: "remove", To: "REMOVED", Label: "移出名单", Roles: []string{examinerRole}, Reason: true},
	{From: "PUBLISHED", Action: "set_aside", To: "REMOVED", Label: "撤销列入决定", Roles: []string{examinerRole, cityRole}, Reason: true, Basis: "由上级机关，或原机关决定人以外的人员撤销"},
	{From: "PUBLISHED", Action: "supersede", To: "REMOVED", Label: "列入另一名单，原列入终止"},
	{From: "PUBLISHED", Action: "expire", To: "REMOVED", Label: "列入期满，自动移出"},
	{From: "PUBLISHED", Action: "end_with_licence", To: "REMOVED", Label: "许可证注销，列入终止"},
	{From: "REMOVED", Action: "restore", To: "PUBLISHED", Label: "另一名单的列入决定撤销，原列入恢复"},
}}

// periodUnits is the units of a period after its number, for people to read.
var periodUnits = map[string]string{
	string(day.CalendarDay): "日", string(day.WorkingDay): "个工作日", string(day.Month): "个月", string(day.Year): "年",
}

// period is r's value as a period, for people to read.
func period(r rule.Rule) string { return fmt.Sprintf("%d %s", r.Int(), periodUnits[r.Unit]) }

// objection is how to object to an entry, by the two rules of how soon.
func objection(reconsideration, suit rule.Rule) string {
	return fmt.Sprintf("对列入决定不服的，可以自知道之日起 %s内申请行政复议（%s），也可以自知道之日起 %s内提起行政诉讼（%s）。",
		period(reconsideration), reconsideration.Source, period(suit), suit.Source)
}

// ListEntry is one institution's place on a list.
type ListEntry struct {
	ID             string         `json:"id"`
	InstitutionID  string         `json:"institution_id"`
	Institution    string         `json:"institution" description:"its name"`
	Jurisdiction   string         `json:"jurisdiction"`
	Place          string         `json:"place" db:"-"`
	Manager        string         `json:"-"`
	List           List           `json:"list"`
	State          EntryState     `json:"state"`
	StateText      string         `json:"state_text" db:"-"`
	Facts          string         `json:"facts"`
	Basis          string         `json:"basis" description:"facts, clause and term, a line each, for people to read"`
	ProposedOn     day.Date       `json:"proposed_on"`
	ProposedBy     string         `json:"proposed_by" description:"account id"`
	Office         string         `json:"office" description:"the office that proposes and decides"`
	OfficeAgency   string         `json:"-"`
	OfficePlace    string         `json:"-"`
	StatementUntil day.Date       `json:"statement_until" description:"last day for the institution to state its case; a black list entry is decided after it"`
	DecidedOn      day.Date       `json:"decided_on"`
	DecidedAccount string         `json:"decided_account" description:"account id"`
	DecidedBy      string         `json:"decided_by" description:"the office"`
	Reason         string         `json:"reason"`
	Since          day.Date       `json:"since"`
	Until          day.Date       `json:"until" description:"the last day"`
	RemovedOn      day.Date       `json:"removed_on"`
	WantedBy       string         `json:"wanted_by,omitempty" description:"id of the inspection's request that the entry comes of"`
	Statement      string         `json:"statement,omitempty" description:"what the institution states; only for it and for the office's own agency"`
	StatedOn       day.Date       `json:"stated_on" description:"empty if it states nothing"`
	SetAside       bool           `json:"set_aside,omitempty" description:"the decision was set aside, not merely ended"`
	SetAsideBy     string         `json:"set_aside_by,omitempty" description:"the office"`
	Document       string         `json:"document,omitempty" description:"by which it was set aside"`
	SetAsideWho    string         `json:"-" db:"set_aside_account"`
	SupersededBy   string         `json:"-"` // the entry on the other list that ended this one
	Objection      string         `json:"objection"`
	Deadlines      []Deadline     `json:"deadlines" db:"-"`
	Grounds        []fault.Ground `json:"grounds" description:"the rules that the entry rests on"`
	Clocks         Clocks         `json:"-"`
}

var entryDeadlines = [][2]string{{"statement_until", "陈述申辩截止"}}

// Show fills in what is only for people to read.
func (e *ListEntry) Show(c *day.Calendar, today day.Date) {
	e.Place, e.StateText = division.Name(e.Jurisdiction), entryStateNames[e.State]
	e.Deadlines = deadlines(e.Clocks, c, today, entryDeadlines,
		func(string) bool { return e.State == Proposed && !today.After(e.StatementUntil) })
}

// MayBeWhite returns the ground for a white list entry of i, and Refused with all
// that i lacks.
func (i *Institution) MayBeWhite(r rule.Rule, listed List) (fault.Ground, error) {
	ground := r.Ground(map[string]any{"status": i.Status, "uscc": i.USCC, "listed": listed})
	var missing []string
	if i.Status != Active {
		missing = append(missing, "办学许可证有效（目前已"+statusNames[i.Status]+"）")
	}
	if i.USCC == "" {
		missing = append(missing, "法人登记（目前未登记统一社会信用代码）")
	}
	if listed == White {
		missing = append(missing, "尚未列入（目前已在白名单）")
	}
	if missing == nil {
		return ground, nil
	}
	return ground, fault.Refused.Because("列入白名单尚缺："+strings.Join(missing, "；")+"（"+r.Source+"）", ground)
}

// MayDecide returns Forbidden unless c is a colleague of who proposed e: two
// officers of one office must agree.
func (e *ListEntry) MayDecide(c auth.Caller) error {
	switch {
	case c.Subject == e.ProposedBy:
		return fault.Forbidden.Errorf("列入名单须由提出人以外的人员决定")
	case c.Agency != e.OfficeAgency || c.Jurisdiction != e.OfficePlace:
		return fault.Forbidden.Errorf("列入名单须由提出机关%s决定", e.Office)
	}
	return nil
}

// Heard returns Refused while the institution may still state its case against a
// black list entry.
func (e *ListEntry) Heard(today day.Date) error {
	if e.List != Black || today.After(e.StatementUntil) {
		return nil
	}
	ground := e.Clocks["statement_until"].Ground
	ground.Inputs = map[string]any{"proposed_on": e.ProposedOn, "statement_until": e.StatementUntil, "today": today}
	return fault.Refused.Because(fmt.Sprintf("陈述、申辩期至 %s，期满后方可决定列入黑名单（%s）", e.StatementUntil, ground.Source), ground)
}

// MayState is the other side of Heard: it returns why the institution cannot state its case
// today, nil if it can.
func (e *ListEntry) MayState(today day.Date) error {
	switch {
	case e.List != Black:
		return fault.Conflict.Errorf("只有拟列入黑名单的，才须陈述、申辩")
	case !e.StatedOn.IsZero():
		return fault.Conflict.Errorf("已于 %s 陈述、申辩，不能重复提交", e.StatedOn)
	case today.After(e.StatementUntil):
		ground := e.Clocks["statement_until"].Ground
		ground.Inputs = map[string]any{"proposed_on": e.ProposedOn, "statement_until": e.StatementUntil, "today": today}
		return fault.Refused.Because(fmt.Sprintf("陈述、申辩期至 %s 止，已经届满（%s）", e.StatementUntil, ground.Source), ground)
	}
	return nil
}

// hearing is what a decision of a black list entry says of the days before it, and
// its ground.
func (e *ListEntry) hearing(today day.Date) (string, fault.Ground) {
	ground := e.Clocks["statement_until"].Ground
	ground.Inputs = map[string]any{"proposed_on": e.ProposedOn, "statement_until": e.StatementUntil, "stated_on": e.StatedOn, "decided_on": today}
	if e.StatedOn.IsZero() {
		return fmt.Sprintf("当事人在陈述、申辩期内（至 %s）未提出意见", e.StatementUntil), ground
	}
	return fmt.Sprintf("当事人已于 %s 提出陈述、申辩意见（附卷）", e.StatedOn), ground
}

// MaySetAside returns Forbidden unless c is of an office above that which decided
// e, or a colleague of who decided it.
func (e *ListEntry) MaySetAside(c auth.Caller) error {
	above := slices.Contains(c.Roles, cityRole) && c.Agency == e.OfficeAgency && c.Jurisdiction != e.OfficePlace
	switch {
	case c.Subject == e.DecidedAccount:
		return fault.Forbidden.Errorf("列入决定须由决定人以外的人员撤销")
	case !above && (c.Agency != e.OfficeAgency || c.Jurisdiction != e.OfficePlace):
		return fault.Forbidden.Errorf("列入决定须由决定机关%s或其上级机关撤销", e.Office)
	}
	return nil
}

// hide takes from e what c is not to read: the institution's statement is for
// itself and for those who decide.
func (e *ListEntry) hide(c auth.Caller) {
	if c.Agency != "" && c.Agency != e.OfficeAgency {
		e.Statement = ""
	}
}

// basisText is what the public reads of why e is in force, a line each of the
// facts, the clause and the term.
func (e *ListEntry) basisText(term rule.Rule) string {
	lines := []string{"事实：" + e.Facts}
	if e.Basis != "" {
		lines = append(lines, "条款："+e.Basis)
	}
	return strings.Join(append(lines, fmt.Sprintf("期限：%s（%s）", period(term), term.Source)), "\n")
}

// Actions is what c may do with e now.
func (e *ListEntry) Actions(c auth.Caller, today day.Date) []flow.Action {
	base := "/v1/list-entries/" + e.ID
	actions := []flow.Action{}
	for _, a := range ListEntries.Actions(string(e.State), base, c) {
		switch a.Action {
		case "statement":
			if c.Subject != e.Manager || e.MayState(today) != nil {
				continue
			}
			a.Fields = []flow.Field{{Name: "text", Label: "陈述、申辩意见", Type: "text", Required: true}}
		case "set_aside":
			if e.MaySetAside(c) != nil {
				continue
			}
			a.Fields = []flow.Field{reasonField, {Name: "document", Label: "据以撤销的文书（名称、文号）", Type: "text", Required: true}}
		case "approve", "refuse":
			if e.MayDecide(c) != nil {
				continue
			}
			a.Href, a.Fields = base+"/decide", decisionFields(a)
		case "remove":
			a.Fields = []flow.Field{reasonField}
		}
		actions = append(actions, a)
	}
	return actions
}
