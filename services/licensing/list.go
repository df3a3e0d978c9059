package licensing

import (
	"fmt"
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
	{From: "PROPOSED", Action: "approve", To: "APPROVED", Label: "同意列入", Roles: []string{examinerRole}, Basis: "由提出人以外的同机关工作人员决定"},
	{From: "PROPOSED", Action: "refuse", To: "REFUSED", Label: "不予列入", Roles: []string{examinerRole}, Reason: true},
	{From: "APPROVED", Action: "publish", To: "PUBLISHED", Label: "公布", Roles: []string{examinerRole}},
	{From: "PUBLISHED", Action: "remove", To: "REMOVED", Label: "移出名单", Roles: []string{examinerRole}, Reason: true},
	{From: "PUBLISHED", Action: "supersede", To: "REMOVED", Label: "列入另一名单，原列入终止"},
	{From: "PUBLISHED", Action: "expire", To: "REMOVED", Label: "列入期满，自动移出"},
	{From: "PUBLISHED", Action: "end_with_licence", To: "REMOVED", Label: "许可证注销，列入终止"},
}}

// objection is how to object to an entry (行政复议法 §20, 行政诉讼法 §46).
const objection = "对列入决定不服的，可以自知道之日起六十日内申请行政复议（《行政复议法》第二十条），也可以自知道之日起六个月内提起行政诉讼（《行政诉讼法》第四十六条）。"

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
	Basis          string         `json:"basis" description:"rule, source and facts, for people to read"`
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

// basisText is what the public reads of why e is in force.
func (e *ListEntry) basisText(term rule.Rule) string {
	text := fmt.Sprintf("依据：%s（规则 %s 第 %d 版）。事实：%s", term.Source, term.Key, term.Version, e.Facts)
	if e.Basis != "" {
		text += "。" + e.Basis
	}
	return text
}

// Actions is what c may do with e now. A decision is one action with a choice.
func (e *ListEntry) Actions(c auth.Caller) []flow.Action {
	base := "/v1/list-entries/" + e.ID
	actions := []flow.Action{}
	for _, a := range ListEntries.Actions(string(e.State), base, c) {
		switch a.Action {
		case "refuse":
			continue // a choice of decide
		case "approve":
			if e.MayDecide(c) != nil {
				continue
			}
			a.Action, a.Label, a.Href = "decide", "作出决定", base+"/decide"
			a.Fields = []flow.Field{
				{Name: "decision", Label: "决定（approve 同意列入，refuse 不予列入）", Type: "choice", Required: true, Choices: []string{"approve", "refuse"}},
				{Name: "reason", Label: "理由（不予列入时必填）", Type: "text"},
			}
		case "remove":
			a.Fields = []flow.Field{reasonField}
		}
		actions = append(actions, a)
	}
	return actions
}
