package inspection

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

// Kind is what sort of inspection a task is.
type Kind string

// The kinds.
const (
	Random Kind = "RANDOM" // 双随机: targets and officers are drawn
	Joint  Kind = "JOINT"  // one institution, for a cause: such checks are not random
	Sweep  Kind = "SWEEP"  // an unlicensed place
)

// Enum lists the kinds for the published document.
func (Kind) Enum() []any { return []any{Random, Joint, Sweep} }

var kindNames = map[Kind]string{Random: "双随机抽查", Joint: "联合检查", Sweep: "无证办学排查"}

// The states of a task.
const (
	planned    = "PLANNED"
	committed  = "COMMITTED" // frozen, seed committed, not revealed
	drawn      = "DRAWN"
	visiting   = "VISITING"
	visited    = "VISITED"
	rectifying = "RECTIFYING"
	rectified  = "RECTIFIED"
	failed     = "FAILED"    // a re-inspection failed, or rectification is overdue
	escalated  = "ESCALATED" // a black list entry is wanted
	orderedOff = "ORDERED"   // of a place: ordered to stop (责令停止举办)
	closed     = "CLOSED"    // of a place: found closed (取缔)
	published  = "PUBLISHED"
	withdrawn  = "WITHDRAWN" // the decision behind the result was set aside
	cancelled  = "CANCELLED"
)

var stateNames = map[string]string{
	planned: "已计划", committed: "已冻结名录，待公布种子", drawn: "已抽取", visiting: "检查中", visited: "检查完成", rectifying: "整改中",
	rectified: "整改通过", failed: "整改未通过", escalated: "已提请列入黑名单", orderedOff: "已责令停止举办", closed: "已取缔",
	published: "已公示", withdrawn: "已撤回", cancelled: "已取消",
}

const (
	basisRandom = "《优化营商环境条例》第五十四条；国发〔2019〕5号"
	basisBlack  = "《民办教育促进法》第六十二条；《校外培训行政处罚暂行办法》（教育部令第53号）"
)

// aftermath is what a random and a joint task have in common: from the first
// visit to publication.
var aftermath = []flow.Step{
	{From: visiting, Action: "all_visited", To: visited, Label: "全部检查完成", Deadline: rulePublish},
	{From: visited, Action: "rectification_ordered", To: rectifying, Label: "责令整改"},
	{From: failed, Action: "rectification_ordered", To: rectifying, Label: "再次责令整改"},
	{From: rectified, Action: "rectification_ordered", To: rectifying, Label: "另行责令整改"},
	{From: visited, Action: "rectification_failed", To: failed, Label: "复查未通过或逾期"},
	{From: rectifying, Action: "rectification_failed", To: failed, Label: "复查未通过或逾期"},
	{From: visited, Action: "rectification_passed", To: rectified, Label: "复查通过"},
	{From: rectifying, Action: "rectification_passed", To: rectified, Label: "复查通过"},
	{From: failed, Action: "rectification_passed", To: rectified, Label: "逾期后复查通过"},
	{From: failed, Action: "blacklist", To: escalated, Label: "提请列入黑名单", Roles: []string{examinerRole}, Reason: true, Basis: basisBlack},
	{From: escalated, Action: "entry_refused", To: failed, Label: "不予列入"},
	{From: escalated, Action: "entry_published", To: published, Label: "列入已公布，结果随之公示"},
	{From: published, Action: "entry_published", To: published, Label: "列入已公布，结果更新"},
	{From: published, Action: "entry_set_aside", To: withdrawn, Label: "列入被撤销，结果撤回"},
	{From: visited, Action: "publish", To: published, Label: "公示结果", Roles: inspectors, Basis: basisRandom},
	{From: rectified, Action: "publish", To: published, Label: "公示结果", Roles: inspectors, Basis: basisRandom},
	{From: failed, Action: "publish", To: published, Label: "公示结果", Roles: inspectors, Basis: basisRandom},
	{From: escalated, Action: "publish", To: published, Label: "公示结果", Roles: inspectors, Basis: basisRandom},
}

// Flows is the states of a task of each kind and the ways between them.
var Flows = map[Kind]flow.Machine{
	Random: {Name: kindNames[Random], Steps: append([]flow.Step{
		{From: planned, Action: "draw", To: committed, Label: "冻结名录并承诺种子", Roles: inspectors, Basis: basisRandom},
		{From: committed, Action: "reveal", To: drawn, Label: "公布种子并抽取", Roles: inspectors, Basis: basisRandom},
		{From: drawn, Action: "redraw", To: committed, Label: "由另一人说明理由后重抽", Roles: inspectors, Reason: true},
		{From: planned, Action: "cancel", To: cancelled, Label: "取消", Roles: inspectors, Reason: true},
		{From: drawn, Action: "visits", To: visiting, Label: "开始检查", Roles: inspectors},
		{From: visiting, Action: "visits", To: visiting, Label: "检查下一家", Roles: inspectors},
		{From: escalated, Action: "blacklist", To: escalated, Label: "提请将另一家列入黑名单", Roles: []string{examinerRole}, Reason: true, Basis: basisBlack},
	}, aftermath...)},
	Joint: {Name: kindNames[Joint], Steps: append([]flow.Step{
		{From: planned, Action: "visits", To: visiting, Label: "开始检查", Roles: inspectors, Basis: "《优化营商环境条例》第五十四条（线索核查不适用随机抽取）"},
		{From: planned, Action: "cancel", To: cancelled, Label: "取消", Roles: inspectors, Reason: true},
	}, aftermath...)},
	Sweep: sweepFlow,
}

// Plan is how a random task draws.
type Plan struct {
	By       By     `json:"by" description:"strata: credit 按信用等级及法定比例, category 按类别, none 不分层"`
	Sample   int    `json:"sample,omitempty" minimum:"1" maximum:"10000" description:"how many targets; with credit the rule's ratio says"`
	Category string `json:"category,omitempty" maxLength:"40" description:"only institutions of this category"`
}

// Task is one planned inspection.
type Task struct {
	ID            string        `json:"id"`
	Jurisdiction  string        `json:"jurisdiction"`
	Kind          Kind          `json:"kind"`
	State         string        `json:"state"`
	StateName     string        `json:"state_name" db:"-"`
	Since         time.Time     `json:"since" description:"legal time"`
	Title         string        `json:"title"`
	Lead          Agency        `json:"lead"`
	Agencies      []Agency      `json:"agencies"`
	Tips          []string      `json:"tips"`
	InstitutionID string        `json:"institution_id"`
	SubjectName   string        `json:"subject_name" description:"the institution, or the signboard of a place"`
	Street        string        `json:"street" description:"of a place, without house or room"`
	Reason        string        `json:"reason"`
	Plan          Plan          `json:"plan"`
	PlannedBy     string        `json:"planned_by"`
	PlannedOn     day.Date      `json:"planned_on"`
	VisitOn       day.Date      `json:"visit_on"`
	VisitedOn     day.Date      `json:"visited_on"`
	PublishDue    day.Date      `json:"publish_due"`
	Provisional   bool          `json:"provisional"`
	PublishGround *fault.Ground `json:"publish_rule"`
	Outcome       Outcome       `json:"outcome"`
	Result        string        `json:"result"`
	PublishedOn   day.Date      `json:"published_on"`
}

// machine is t's flow table.
func (t *Task) machine() flow.Machine { return Flows[t.Kind] }

// take makes a step that c asks for.
func (t *Task) take(action string, c auth.Caller) (flow.Step, error) {
	s, err := t.machine().Step(t.State, action, c)
	if err == nil {
		t.State = s.To
	}
	return s, err
}

// pass makes a step of the system's own.
func (t *Task) pass(action string) (flow.Step, error) {
	s, err := bySystem(t.machine(), t.State, action)
	if err == nil {
		t.State = s.To
	}
	return s, err
}

// LedBy returns Forbidden unless c acts for the agency that leads t.
func (t *Task) LedBy(c auth.Caller) error {
	if Agency(c.Agency) != t.Lead || c.Jurisdiction != t.Jurisdiction {
		return fault.Forbidden.Errorf("此事由牵头部门%s办理", Office(t.Lead, t.Jurisdiction))
	}
	return nil
}

// CheckAgencies returns all of agencies in order, each once, or Invalid: the
// lead must be among them, and a random or joint task needs two.
func CheckAgencies(kind Kind, lead Agency, agencies []Agency) ([]Agency, error) {
	all := slices.Clone(agencies)
	slices.Sort(all)
	all = slices.Compact(all)
	switch {
	case len(all) != len(agencies):
		return nil, fault.Fields(fault.Field{Pointer: "/agencies", Detail: "部门不能重复"})
	case !slices.Contains(all, lead):
		return nil, fault.Fields(fault.Field{Pointer: "/agencies", Detail: "牵头部门（您所在的" + lead.Name() + "）应在参加部门之列"})
	case len(all) < 2 && kind != Sweep:
		return nil, fault.Fields(fault.Field{Pointer: "/agencies", Detail: "双随机和联合检查应有两个以上部门参加"})
	}
	return all, nil
}

// SubjectOf returns the one subject of tips: Invalid if they have several, are
// not of the kind that a task of this kind inspects, or are not at work here.
func SubjectOf(kind Kind, tips []Tip) (Tip, error) {
	want := "INSTITUTION"
	if kind == Sweep {
		want = "PLACE"
	}
	for _, t := range tips {
		switch {
		case t.SubjectKind != want:
			return Tip{}, fault.Fields(fault.Field{Pointer: "/tips", Detail: fmt.Sprintf("举报 %s 的对象不适用于%s", t.Number, kindNames[kind])})
		case t.MergedInto != "":
			return Tip{}, fault.Fields(fault.Field{Pointer: "/tips", Detail: fmt.Sprintf("举报 %s 已并入其他举报", t.Number)})
		case kind == Joint && t.InstitutionID == "":
			return Tip{}, fault.Fields(fault.Field{Pointer: "/tips", Detail: fmt.Sprintf("举报 %s 尚未关联机构", t.Number)})
		case kind == Joint && t.InstitutionID != tips[0].InstitutionID:
			return Tip{}, fault.Fields(fault.Field{Pointer: "/tips", Detail: "各举报指向不同机构，请分别立项"})
		}
	}
	if len(tips) == 0 {
		return Tip{}, nil
	}
	return tips[0], nil
}

// Standing is what rectifications make of their task's state: "" if nothing. Of
// each visit and agency only the latest order counts.
func Standing(list []Rectification) string {
	latest := map[string]Rectification{}
	for _, r := range list { // in order of id, and so of time
		latest[r.VisitID+"/"+string(r.Agency)] = r
	}
	standing := ""
	for _, r := range latest {
		switch r.State {
		case rectFailed, rectOverdue:
			return failed
		case rectPassed:
			if standing == "" {
				standing = rectified
			}
		default:
			standing = rectifying
		}
	}
	return standing
}

// follow makes the system's step from t's state to what its rectifications say,
// and reports the step; "" if t stays.
func (t *Task) follow(standing string) (flow.Step, bool) {
	action := map[string]string{rectifying: "rectification_ordered", failed: "rectification_failed", rectified: "rectification_passed"}[standing]
	if standing == t.State || action == "" || !has(t.machine(), t.State, action) {
		return flow.Step{}, false
	}
	s, err := t.pass(action)
	return s, err == nil
}

// Outcome is a published result by its code (市场监管双随机结果分类).
type Outcome string

// The outcomes.
const (
	NoProblem   Outcome = "NO_PROBLEM"  // 未发现问题
	Rectified   Outcome = "RECTIFIED"   // 发现问题已责令改正，复查通过
	Unrectified Outcome = "UNRECTIFIED" // 发现问题，整改未通过，待后续处理
	Noted       Outcome = "NOTED"       // 发现轻微问题，当场指正
	Blacklisted Outcome = "BLACKLISTED" // 已列入黑名单
	PlaceShut   Outcome = "PLACE_CLOSED"
	Unfounded   Outcome = "UNFOUNDED" // 未发现无证办学
)

// Enum lists the outcomes for the published document.
func (Outcome) Enum() []any {
	return []any{"", NoProblem, Rectified, Unrectified, Noted, Blacklisted, PlaceShut, Unfounded}
}

var outcomeNames = map[Outcome]string{
	NoProblem: "未发现问题", Rectified: "发现问题已责令改正，复查通过", Unrectified: "发现问题，整改未通过，转后续处理",
	Noted: "发现问题，已当场指正", Blacklisted: "已列入黑名单", PlaceShut: "已责令停止举办并取缔", Unfounded: "未发现无证办学",
}

// OutcomeOf is what came of one visit.
func OutcomeOf(problems int, standing string) Outcome {
	switch {
	case standing == rectified:
		return Rectified
	case standing == failed:
		return Unrectified
	case problems > 0:
		return Noted
	}
	return NoProblem
}

// Summary puts the outcomes of a task's visits into one sentence.
func Summary(outcomes []Outcome) string {
	if len(outcomes) == 1 {
		return outcomeNames[outcomes[0]]
	}
	var text strings.Builder
	fmt.Fprintf(&text, "共检查 %d 家", len(outcomes))
	for _, o := range []Outcome{NoProblem, Noted, Rectified, Unrectified} {
		n := 0
		for _, x := range outcomes {
			if x == o {
				n++
			}
		}
		if n > 0 {
			fmt.Fprintf(&text, "；%s %d 家", outcomeNames[o], n)
		}
	}
	return text.String()
}

// worst is the outcome that stands for a task of several visits.
func worst(outcomes []Outcome) Outcome {
	for _, o := range []Outcome{Unrectified, Rectified, Noted} {
		if slices.Contains(outcomes, o) {
			return o
		}
	}
	return NoProblem
}

// Tip is what inspection knows of a tip-off: facts, never who told.
type Tip struct {
	ID            string   `json:"id"`
	Number        string   `json:"number"`
	Jurisdiction  string   `json:"jurisdiction"`
	State         string   `json:"state"`
	Category      string   `json:"category"`
	Summary       string   `json:"summary"`
	SubjectKind   string   `json:"subject_kind"`
	InstitutionID string   `json:"institution_id"`
	PlaceName     string   `json:"place_name"`
	PlaceAddress  string   `json:"place_address"`
	Owner         Agency   `json:"owner"`
	ReceivedOn    day.Date `json:"received_on"`
	Due           day.Date `json:"due"`
	MergedInto    string   `json:"merged_into"`
}

// Institution is what inspection knows of one.
type Institution struct {
	ID           string
	Name         string
	Jurisdiction string
	Address      string
	Category     string
	Item         string
	Status       string
	Manager      string
	List         string
}
