// Package tipoff owns tip-offs and complaints (投诉举报): their receipts, dispatch,
// clocks and answers.
//
// What must always be true:
//
//   - nothing that could name a reporter leaves this service, nor is it in any of
//     its tables in clear: no address, user agent, cookie, trace or time of day is
//     kept, and an identity that was given is sealed to the intake office's key;
//   - a tip-off is opened from outside by its number and secret code together, and
//     a wrong pair is answered alike whatever is wrong with it;
//   - clocks run from the day of submission and do not stop when offices bounce a
//     case: the second return goes to an arbiter by itself, whose word binds;
//   - every reporter keeps a receipt and an answer of their own, merged or not.
//
// Read tip.go for the states, receipt.go for number and code, clock.go for the
// legal dates, identity.go for what is sealed, import.go for other channels' files,
// category.go for what the words suggest, transport.go for who may do what.
package tipoff

import (
	"regexp"
	"slices"
	"strings"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

// The roles of those who work on tip-offs.
const (
	intakeRole = "intake"
	cityRole   = "city"
)

// ownerRoles may handle what is dispatched to their agency.
var ownerRoles = []string{"examiner", "culture", "sport", "science", "market", "fire", "civil", "police"}

// offices is what the office of each agency is called after its place.
var offices = map[string]string{
	"education": "教育局", "culture": "文化和旅游局", "sport": "体育局", "science": "科学技术局", "market": "市场监督管理局",
	"fire": "消防救援大队", "civil": "民政局", "police": "公安局", intakeRole: "举报受理中心",
}

// Agency is an office that a tip-off may be dispatched to.
type Agency string

// Enum lists the agencies for the published document.
func (Agency) Enum() []any {
	return []any{Agency("education"), Agency("culture"), Agency("sport"), Agency("science"), Agency("market"), Agency("fire"), Agency("civil"), Agency("police")}
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

// State is where a tip-off stands.
type State string

// The states of a tip-off.
const (
	Received        State = "RECEIVED"
	Triaged         State = "TRIAGED"
	Dispatched      State = "DISPATCHED"
	Returned        State = "RETURNED"
	DispatchedAgain State = "DISPATCHED_AGAIN"
	Arbitration     State = "ARBITRATION"
	Assigned        State = "ASSIGNED"
	Handling        State = "HANDLING"
	Waiting         State = "WAITING"
	Answered        State = "ANSWERED"
	Closed          State = "CLOSED"
	Merged          State = "MERGED"
	NotTraining     State = "NOT_TRAINING"
)

// Enum lists the states for the published document.
func (State) Enum() []any {
	return []any{Received, Triaged, Dispatched, Returned, DispatchedAgain, Arbitration, Assigned, Handling, Waiting, Answered, Closed, Merged, NotTraining}
}

var stateNames = map[State]string{
	Received: "待甄别", Triaged: "已甄别", Dispatched: "已分派", Returned: "承办单位退回", DispatchedAgain: "再次分派", Arbitration: "提交裁定",
	Assigned: "裁定指派", Handling: "办理中", Waiting: "待举报人补充", Answered: "已答复", Closed: "已办结", Merged: "并案办理", NotTraining: "不属于校外培训，已退回",
}

// Name is s for people to read.
func (s State) Name() string { return stateNames[s] }

// returnReasons is why an office may give a tip-off back.
var returnReasons = []string{"不属于本部门职责", "不在本辖区", "已由其他部门立案", "被举报对象不明，无法核查"}

// ReturnReason is one of returnReasons.
type ReturnReason string

// Enum lists the reasons for the published document.
func (ReturnReason) Enum() []any {
	var all []any
	for _, r := range returnReasons {
		all = append(all, ReturnReason(r))
	}
	return all
}

const (
	basisDispatch = "《国务院办公厅关于进一步优化地方政务服务便民热线的指导意见》（国办发〔2020〕53号）"
	basisReport   = "《市场监督管理投诉举报处理办法》"
)

// Tips is the states of a tip-off and the ways between them.
var Tips = flow.Machine{Name: "投诉举报", Steps: []flow.Step{
	{From: "RECEIVED", Action: "tie", To: "TRIAGED", Label: "甄别并关联对象", Roles: []string{intakeRole}},
	{From: "RECEIVED", Action: "merge", To: "MERGED", Label: "并案", Roles: []string{intakeRole}, Basis: basisReport},
	{From: "RECEIVED", Action: "reject", To: "NOT_TRAINING", Label: "退回并告知去处", Roles: []string{intakeRole}, Reason: true},
	{From: "NOT_TRAINING", Action: "reopen", To: "RECEIVED", Label: "撤销退回，重新甄别", Roles: []string{intakeRole}, Reason: true},
	{From: "TRIAGED", Action: "tie", To: "TRIAGED", Label: "更正甄别", Roles: []string{intakeRole}},
	{From: "TRIAGED", Action: "merge", To: "MERGED", Label: "并案", Roles: []string{intakeRole}, Basis: basisReport},
	{From: "TRIAGED", Action: "reject", To: "NOT_TRAINING", Label: "退回并告知去处", Roles: []string{intakeRole}, Reason: true},
	{From: "TRIAGED", Action: "dispatch", To: "DISPATCHED", Label: "分派", Roles: []string{intakeRole}, Deadline: ruleHotlineReturn, Basis: basisDispatch},
	{From: "DISPATCHED", Action: "accept", To: "HANDLING", Label: "受理", Roles: ownerRoles, Batch: true, Deadline: ruleMediation, Basis: basisReport},
	{From: "DISPATCHED", Action: "return", To: "RETURNED", Label: "退单", Roles: ownerRoles, Reason: true, Basis: basisDispatch},
	{From: "RETURNED", Action: "dispatch", To: "DISPATCHED_AGAIN", Label: "再次分派", Roles: []string{intakeRole}, Deadline: ruleHotlineReturn, Basis: basisDispatch},
	{From: "RETURNED", Action: "merge", To: "MERGED", Label: "并案", Roles: []string{intakeRole}, Basis: basisReport},
	{From: "DISPATCHED_AGAIN", Action: "accept", To: "HANDLING", Label: "受理", Roles: ownerRoles, Batch: true, Deadline: ruleMediation, Basis: basisReport},
	{From: "DISPATCHED_AGAIN", Action: "return", To: "ARBITRATION", Label: "第二次退单，自动提交裁定", Roles: ownerRoles, Reason: true, Basis: basisDispatch},
	{From: "ARBITRATION", Action: "assign", To: "ASSIGNED", Label: "裁定承办单位（不得再退）", Roles: []string{cityRole}, Reason: true, Basis: basisDispatch},
	{From: "ASSIGNED", Action: "accept", To: "HANDLING", Label: "受理", Roles: ownerRoles, Batch: true, Deadline: ruleMediation, Basis: basisReport},
	{From: "HANDLING", Action: "ask", To: "WAITING", Label: "请举报人补充（期限暂停）", Roles: ownerRoles},
	{From: "WAITING", Action: "supplement", To: "HANDLING", Label: "举报人已补充"},
	{From: "WAITING", Action: "resume", To: "HANDLING", Label: "不再等待，继续办理", Roles: ownerRoles, Reason: true},
	{From: "HANDLING", Action: "extend", To: "HANDLING", Label: "延长期限（一次）", Roles: ownerRoles, Reason: true, Deadline: ruleCheckMore, Basis: basisReport},
	{From: "HANDLING", Action: "answer", To: "ANSWERED", Label: "答复", Roles: ownerRoles, Basis: basisReport},
	{From: "ANSWERED", Action: "answer", To: "ANSWERED", Label: "补充答复", Roles: ownerRoles},
	{From: "ANSWERED", Action: "close", To: "CLOSED", Label: "办结", Roles: append([]string{intakeRole}, ownerRoles...)},
	{From: "ANSWERED", Action: "unsolved", To: "HANDLING", Label: "举报人认为仍未解决，重新办理（一次）"},
	{From: "CLOSED", Action: "unsolved", To: "HANDLING", Label: "举报人认为仍未解决，重新办理（一次）"},
	{From: "DISPATCHED", Action: "answer_result", To: "ANSWERED", Label: "以处理结果答复"},
	{From: "DISPATCHED_AGAIN", Action: "answer_result", To: "ANSWERED", Label: "以处理结果答复"},
	{From: "ASSIGNED", Action: "answer_result", To: "ANSWERED", Label: "以处理结果答复"},
	{From: "HANDLING", Action: "answer_result", To: "ANSWERED", Label: "以处理结果答复"},
	{From: "WAITING", Action: "answer_result", To: "ANSWERED", Label: "以处理结果答复"},
	{From: "ANSWERED", Action: "answer_result", To: "ANSWERED", Label: "以处理结果答复"},
	{From: "CLOSED", Action: "answer_result", To: "CLOSED", Label: "以处理结果补充答复"},
	{From: "MERGED", Action: "answer_result", To: "MERGED", Label: "随并案答复"},
}}

// own is the step that the system itself takes in state.
func own(state State, action string) (flow.Step, bool) {
	for _, s := range Tips.Steps {
		if s.From == string(state) && s.Action == action && len(s.Roles) == 0 {
			return s, true
		}
	}
	return flow.Step{}, false
}

// SubjectKind is what a tip-off is about.
type SubjectKind string

// The kinds of subject.
const (
	Institution SubjectKind = "INSTITUTION"
	Place       SubjectKind = "PLACE" // an unlicensed place
	Person      SubjectKind = "PERSON"
)

// Enum lists the kinds for the published document.
func (SubjectKind) Enum() []any { return []any{Institution, Place, Person} }

// Subject is whom or what a tip-off is about.
type Subject struct {
	SubjectKind     SubjectKind `json:"subject_kind" description:"INSTITUTION, an unlicensed PLACE, or PERSON"`
	Institution     string      `json:"institution,omitempty" maxLength:"36" pattern:"^[0-9A-Za-z-]*$" description:"id of a licensed institution, if known"`
	InstitutionName string      `json:"institution_name,omitempty" maxLength:"80"`
	PlaceAddress    string      `json:"place_address,omitempty" maxLength:"200"`
	PlaceSignboard  string      `json:"place_signboard,omitempty" maxLength:"80"`
	PlacePhone      string      `json:"place_phone,omitempty" maxLength:"40" description:"as the place advertises it"`
	Person          string      `json:"person,omitempty" maxLength:"80" description:"who is told of, never who tells"`
}

// check returns Invalid unless s says enough to look for it.
func (s Subject) check() error {
	said := func(texts ...string) bool {
		return slices.ContainsFunc(texts, func(t string) bool { return strings.TrimSpace(t) != "" })
	}
	switch {
	case s.SubjectKind == Institution && !said(s.Institution, s.InstitutionName):
		return fault.Fields(fault.Field{Pointer: "/institution_name", Detail: "请写明机构名称"})
	case s.SubjectKind == Place && !said(s.PlaceAddress, s.PlaceSignboard):
		return fault.Fields(fault.Field{Pointer: "/place_address", Detail: "请写明地址或招牌"})
	case s.SubjectKind == Person && !said(s.Person, s.InstitutionName, s.PlaceAddress):
		return fault.Fields(fault.Field{Pointer: "/person", Detail: "请写明被举报人及其单位或地点"})
	}
	return nil
}

// Nature is which procedure a tip-off follows. What is both has both clocks.
type Nature string

// The natures.
const (
	Report    Nature = "REPORT"    // 举报
	Complaint Nature = "COMPLAINT" // 投诉: a dispute of one's own
	Both      Nature = "BOTH"
	Petition  Nature = "PETITION" // 信访
)

// Enum lists the natures for the published document.
func (Nature) Enum() []any { return []any{Report, Complaint, Both, Petition} }

// Tip is one tip-off: its facts, without who told.
type Tip struct {
	ID, Number, Jurisdiction, Channel, SourceID, ImportID string
	State                                                 State
	History                                               bool
	Nature                                                Nature
	ReceivedOn, HappenedOn                                day.Date
	Subject
	SubjectKeys           []string
	Title, Text           string
	Suggested             Category
	Words                 []string
	Category              Category
	Summary               string
	Owner, SuggestedOwner string
	Returns               int
	Reason, MergedInto    string
	PausedOn              day.Date
	Extended              bool
	HasIdentity           bool
	AnsweredOn            day.Date
	ReopenedOn            day.Date // its reporter sent it back
}

// office is the name of the office that owns t; "" if none does.
func (t *Tip) office() string {
	if t.Owner == "" {
		return ""
	}
	return Office(t.Owner, t.Jurisdiction)
}

// ownedBy returns Forbidden unless c may act for the agency that owns t, where
// the step is one for owners.
func (t *Tip) ownedBy(s flow.Step, c auth.Caller) error {
	if slices.Contains(s.Roles, ownerRoles[0]) && !slices.Contains(c.Roles, intakeRole) && c.Agency != t.Owner {
		return fault.Forbidden.Errorf("该举报不由贵单位承办")
	}
	return nil
}

// subjectName is what to call what t is about.
func (t *Tip) subjectName() string {
	for _, name := range []string{t.InstitutionName, t.PlaceSignboard, t.PlaceAddress, t.Person} {
		if name != "" {
			return name
		}
	}
	return "对象不明"
}

// The numbers by which texts give people away: a mobile phone's, an identity card's.
var (
	mobile = regexp.MustCompile(`(?:^|[^0-9])1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}(?:[^0-9]|$)`)
	idCard = regexp.MustCompile(`(?:^|[^0-9])[1-9][0-9]{16}[0-9Xx](?:[^0-9Xx]|$)`)
)

// betrays names what in text could name a person; "" if nothing does.
func betrays(text string) string {
	text = narrow(text)
	switch {
	case mobile.MatchString(text):
		return "手机号码"
	case idCard.MatchString(text):
		return "身份证号码"
	}
	return ""
}

// faceless returns Invalid if one of texts, by pointer, could name a person.
func faceless(texts map[string]string) error {
	var wrong []fault.Field
	for pointer, text := range texts {
		if what := betrays(text); what != "" {
			wrong = append(wrong, fault.Field{Pointer: pointer, Detail: "不得含有" + what + "：承办单位和公开信息中不能出现可以识别举报人的内容"})
		}
	}
	if wrong != nil {
		return fault.Fields(wrong...)
	}
	return nil
}
