package inspection

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"xunguan/pkg/attach"
	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/rule"
)

// The states of a visit, and of an agency's part of it.
const (
	visitOpen      = "OPEN"
	visitSigned    = "SIGNED" // by every agency; the institution's turn
	visitCompleted = "COMPLETED"
	partOpen       = "OPEN"
	partSigned     = "SIGNED"
)

var visitStateNames = map[string]string{visitOpen: "各部门填写中", visitSigned: "待被检查方签字", visitCompleted: "已完成"}

const basisRecord = "《行政处罚法》第四十二条、第四十七条、第五十五条"

// VisitFlow is the states of a visit to an institution.
var VisitFlow = flow.Machine{Name: "现场检查", Steps: []flow.Step{
	{From: visitOpen, Action: "all_signed", To: visitSigned, Label: "各部门均已签字"},
	{From: visitSigned, Action: "institution_signature", To: visitCompleted, Label: "机构签字确认", Roles: []string{principalRole}},
	{From: visitSigned, Action: "refusal", To: visitCompleted, Label: "记录拒签", Roles: inspectors, Reason: true, Basis: basisRecord},
	{From: visitCompleted, Action: "rectification", To: visitCompleted, Label: "责令整改", Roles: inspectors, Deadline: ruleRectify, Basis: "《行政处罚法》第二十八条"},
}}

// PlaceVisitFlow is the states of a visit to an unlicensed place: its owner has
// no account, so an officer records the signature on paper.
var PlaceVisitFlow = flow.Machine{Name: "无证场所检查", Steps: []flow.Step{
	{From: visitOpen, Action: "all_signed", To: visitSigned, Label: "各部门均已签字"},
	{From: visitSigned, Action: "institution_signature", To: visitCompleted, Label: "记录举办者签字", Roles: inspectors},
	{From: visitSigned, Action: "refusal", To: visitCompleted, Label: "记录拒签", Roles: inspectors, Reason: true, Basis: basisRecord},
}}

// PartFlow is the states of an agency's part.
var PartFlow = flow.Machine{Name: "部门检查记录", Steps: []flow.Step{
	{From: partOpen, Action: "findings", To: partOpen, Label: "记录检查事项", Roles: inspectors},
	{From: partOpen, Action: "sign", To: partSigned, Label: "本部门签字", Roles: inspectors, Basis: basisRecord},
}}

// Ending is how the inspected party closed the record.
type Ending struct {
	Kind      string   `json:"kind" description:"SIGNED by the institution, PAPER by the owner of a place, REFUSED"`
	By        string   `json:"by" description:"account id of who signed or recorded it"`
	On        day.Date `json:"on"`
	Statement string   `json:"statement,omitempty" description:"what the inspected party says"`
	Reason    string   `json:"reason,omitempty" description:"of the refusal"`
	Witness   string   `json:"witness,omitempty"`
}

// Visit is one record that all agencies fill together.
type Visit struct {
	ID            string   `json:"id"`
	TaskID        string   `json:"task_id"`
	Jurisdiction  string   `json:"jurisdiction"`
	Agencies      []Agency `json:"agencies"`
	People        []string `json:"-"`
	InstitutionID string   `json:"institution_id"`
	Name          string   `json:"name"`
	Address       string   `json:"address"`
	Place         bool     `json:"place"`
	State         string   `json:"state"`
	StateName     string   `json:"state_name" db:"-"`
	OnDay         day.Date `json:"on"`
	Signed        []Agency `json:"signed"`
	Problems      int      `json:"problems" description:"shown once the visit is completed"`
	OpenedBy      string   `json:"opened_by"`
	Ending        *Ending  `json:"ending"`
	CompletedOn   day.Date `json:"completed_on"`
	Published     bool     `json:"published"`
}

// Present is an officer at a visit, with the certificate as shown.
type Present struct {
	ID          string   `json:"id"`
	Agency      Agency   `json:"agency"`
	Office      string   `json:"office"`
	Certificate string   `json:"certificate"`
	ValidUntil  day.Date `json:"valid_until"`
}

// Part is what one agency recorded.
type Part struct {
	VisitID      string    `json:"-"`
	Agency       Agency    `json:"agency"`
	Jurisdiction string    `json:"-"`
	State        string    `json:"state"`
	Note         string    `json:"note"`
	SignedBy     string    `json:"signed_by"`
	SignedOn     day.Date  `json:"signed_on"`
	Findings     []Finding `json:"findings" db:"-"`
}

// Finding is what an agency found on one of its own items.
type Finding struct {
	VisitID      string   `json:"-"`
	Agency       Agency   `json:"-"`
	Jurisdiction string   `json:"-"`
	Item         string   `json:"item"`
	Title        string   `json:"title"`
	Basis        string   `json:"basis"`
	Problem      bool     `json:"problem"`
	Detail       string   `json:"detail"`
	RecordedBy   string   `json:"recorded_by"`
	RecordedOn   day.Date `json:"recorded_on"`

	Digest string              `json:"digest" db:"-" description:"SHA-256 of item, 1 for a problem or else 0, and detail, a line each; in hexadecimal"`
	Photos []attach.Attachment `json:"photos" db:"-"`
}

// digest is what tells whether two officers, or two devices, wrote the same.
func (f Finding) digest() string {
	problem := "0"
	if f.Problem {
		problem = "1"
	}
	sum := sha256.Sum256([]byte(f.Item + "\n" + problem + "\n" + f.Detail))
	return hex.EncodeToString(sum[:])
}

// CheckItem is an item of the bill (抽查事项清单).
type CheckItem struct {
	Code   string `json:"code"`
	Agency Agency `json:"agency"`
	Title  string `json:"title"`
	Basis  string `json:"basis"`
	Level  string `json:"level" description:"key 重点检查事项, general 一般检查事项"`
}

func (v *Visit) machine() flow.Machine {
	if v.Place {
		return PlaceVisitFlow
	}
	return VisitFlow
}

func (v *Visit) take(action string, c auth.Caller) (flow.Step, error) {
	s, err := v.machine().Step(v.State, action, c)
	if err == nil {
		v.State = s.To
	}
	return s, err
}

// Own returns Forbidden unless c acts for agency, which takes part in v.
func (v *Visit) Own(c auth.Caller, agency Agency) error {
	switch {
	case !slices.Contains(v.Agencies, agency):
		return fault.NotFound.Errorf("本次检查没有%s的部分", agency.Name())
	case Agency(c.Agency) != agency:
		return fault.Forbidden.Errorf("%s的部分只能由其本部门填写和签字", agency.Name())
	}
	return nil
}

// Sign records that agency signed with present there. The last agency to sign
// also answers for the least number of officers; then it is the inspected
// party's turn. It reports whether it was the last.
func (v *Visit) Sign(agency Agency, present []string, least rule.Rule) (last bool, err error) {
	if slices.Contains(v.Signed, agency) {
		return false, fault.Conflict.Errorf("%s已经签字", agency.Name())
	}
	if len(v.Signed)+1 < len(v.Agencies) {
		v.Signed = append(v.Signed, agency)
		return false, nil
	}
	if n := len(present); n < int(least.Int()) {
		return false, fault.Refused.Because("到场执法人员不足规定人数", least.Ground(map[string]any{"officers": n}))
	}
	v.Signed = append(v.Signed, agency)
	s, err := bySystem(v.machine(), v.State, "all_signed")
	v.State = s.To
	return true, err
}

// CheckWitness returns Invalid if a witness is one of those who inspect.
func CheckWitness(witness string, present []string) error {
	if slices.Contains(present, strings.TrimSpace(witness)) {
		return fault.Fields(fault.Field{Pointer: "/witness", Detail: "见证人不能是参加检查的执法人员"})
	}
	return nil
}

// Assigned returns Refused if officers were drawn for a target and id is none of them.
func Assigned(drawn []string, officers []Officer) error {
	if len(drawn) == 0 {
		return nil
	}
	for _, o := range officers {
		if !slices.Contains(drawn, o.ID) {
			return fault.Refused.Errorf("%s 不是随机抽取派往该机构的执法人员（%s），不得自行替换；确需更换的，请由另一人说明理由后重抽", o.label(), strings.Join(drawn, "、"))
		}
	}
	return nil
}
