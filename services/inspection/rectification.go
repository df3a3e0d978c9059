package inspection

import (
	"slices"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

// The states of a rectification.
const (
	rectOrdered   = "ORDERED"
	rectSubmitted = "SUBMITTED"
	rectOverdue   = "OVERDUE"
	rectPassed    = "PASSED"
	rectFailed    = "FAILED"
)

var rectStateNames = map[string]string{ //nolint:gosec // PASSED is no password
	rectOrdered: "待整改", rectSubmitted: "待复查", rectOverdue: "逾期未整改", rectPassed: "复查通过", rectFailed: "复查未通过",
}

// RectificationFlow is the states of an order to put something right.
var RectificationFlow = flow.Machine{Name: "责令整改", Steps: []flow.Step{
	{From: rectOrdered, Action: "submit", To: rectSubmitted, Label: "提交整改报告", Roles: []string{principalRole}},
	{From: rectOrdered, Action: "overdue", To: rectOverdue, Label: "逾期"},
	{From: rectOverdue, Action: "submit", To: rectSubmitted, Label: "逾期提交整改报告", Roles: []string{principalRole}},
	{From: rectSubmitted, Action: "verify", To: rectPassed, Label: "复查通过", Roles: inspectors, Basis: basisRecord},
	{From: rectSubmitted, Action: "verify_failed", To: rectFailed, Label: "复查未通过"},
	{From: rectOverdue, Action: "verify", To: rectPassed, Label: "复查通过", Roles: inspectors, Basis: basisRecord},
	{From: rectOverdue, Action: "verify_failed", To: rectFailed, Label: "复查未通过"},
}}

// Rectification is an agency's order, of one visit, to put something right.
type Rectification struct {
	ID            string       `json:"id"`
	TaskID        string       `json:"task_id"`
	VisitID       string       `json:"visit_id"`
	Jurisdiction  string       `json:"jurisdiction"`
	Agencies      []Agency     `json:"-"`
	People        []string     `json:"-"`
	InstitutionID string       `json:"institution_id"`
	Name          string       `json:"name"`
	Agency        Agency       `json:"agency"`
	State         string       `json:"state"`
	StateName     string       `json:"state_name" db:"-"`
	Items         []string     `json:"items"`
	Demand        string       `json:"demand" description:"what must be put right"`
	OrderedBy     string       `json:"ordered_by"`
	OrderedOn     day.Date     `json:"ordered_on"`
	Due           day.Date     `json:"due"`
	Provisional   bool         `json:"provisional"`
	Ground        fault.Ground `json:"rule"`
	Submission    string       `json:"submission"`
	SubmittedOn   day.Date     `json:"submitted_on"`
	Late          bool         `json:"late"`
	VerifiedBy    string       `json:"verified_by"`
	VerifiedOn    day.Date     `json:"verified_on"`
	Officers      []string     `json:"officers" description:"at the re-inspection"`
	Verdict       string       `json:"verdict"`
}

// Wanting returns the items of an order, out of findings: those named, or all
// that are wanting; Invalid if one was found in order or not at all.
func Wanting(findings []Finding, named []string) ([]string, error) {
	var all []string
	for _, f := range findings {
		if f.Problem {
			all = append(all, f.Item)
		}
	}
	if len(all) == 0 {
		return nil, fault.Refused.Errorf("本部门在这次检查中没有发现问题，无需责令整改")
	}
	if len(named) == 0 {
		return all, nil
	}
	for _, item := range named {
		if !slices.Contains(all, item) {
			return nil, fault.Fields(fault.Field{Pointer: "/items", Detail: "本部门没有在 " + item + " 上发现问题"})
		}
	}
	named = slices.Clone(named)
	slices.Sort(named)
	return slices.Compact(named), nil
}

// Submit records what the institution did.
func (r *Rectification) Submit(c auth.Caller, text string, today day.Date) (flow.Step, error) {
	s, err := RectificationFlow.Step(r.State, "submit", c)
	if err != nil {
		return s, err
	}
	r.State, r.Submission, r.SubmittedOn, r.Late = s.To, text, today, today.After(r.Due)
	return s, nil
}

// Verify records a re-inspection by an officer of the agency that ordered,
// other than the one who did.
func (r *Rectification) Verify(c auth.Caller, passed bool, officers []string, verdict string, today day.Date) (flow.Step, error) {
	s, err := RectificationFlow.Step(r.State, "verify", c)
	switch {
	case err != nil:
		return s, err
	case Agency(c.Agency) != r.Agency:
		return s, fault.Forbidden.Errorf("由责令整改的%s复查", r.Agency.Name())
	case c.Subject == r.OrderedBy:
		return s, fault.Forbidden.Errorf("复查人不能是责令整改的经办人，请由同事复查")
	case !slices.Contains(officers, c.Subject):
		return s, fault.Fields(fault.Field{Pointer: "/officers", Detail: "应包括您本人"})
	}
	if !passed {
		if s, err = bySystem(RectificationFlow, r.State, "verify_failed"); err != nil {
			return s, err
		}
	}
	r.State, r.VerifiedBy, r.VerifiedOn, r.Officers, r.Verdict = s.To, c.Subject, today, officers, verdict
	return s, nil
}
