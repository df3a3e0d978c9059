package licensing

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/rule"
)

// State is where an application stands.
type State string

// The states of an application.
const (
	Submitted    State = "SUBMITTED"
	Returned     State = "RETURNED"
	NotAccepted  State = "NOT_ACCEPTED"
	Accepted     State = "ACCEPTED"
	PublicNotice State = "PUBLIC_NOTICE"
	Granted      State = "GRANTED"
	Rejected     State = "REFUSED"
	Withdrawn    State = "WITHDRAWN"
)

// Enum lists the states for the published document.
func (State) Enum() []any {
	return []any{Submitted, Returned, NotAccepted, Accepted, PublicNotice, Granted, Rejected, Withdrawn}
}

var stateNames = map[State]string{
	Submitted: "待受理", Returned: "待补正", NotAccepted: "不予受理", Accepted: "审查中",
	PublicNotice: "公示中", Granted: "准予许可", Rejected: "不予许可", Withdrawn: "已撤回",
}

// Applications is the states of an application and the ways between them.
var Applications = flow.Machine{Name: "办学许可申请", Steps: []flow.Step{
	{From: "SUBMITTED", Action: "accept", To: "ACCEPTED", Label: "受理", Roles: []string{examinerRole}, Batch: true, Deadline: ruleDecide, Basis: "《行政许可法》第三十二条"},
	{From: "SUBMITTED", Action: "return", To: "RETURNED", Label: "一次告知补正", Roles: []string{examinerRole}, Reason: true, Basis: "《行政许可法》第三十二条第一款第四项"},
	{From: "SUBMITTED", Action: "refuse_acceptance", To: "NOT_ACCEPTED", Label: "不予受理", Roles: []string{examinerRole}, Reason: true, Basis: "《行政许可法》第三十二条"},
	{From: "SUBMITTED", Action: "deem_accepted", To: "ACCEPTED", Label: "逾期未告知，视为受理", Deadline: ruleDecide, Basis: "《行政许可法》第三十二条：逾期不告知的，自收到申请材料之日起即为受理"},
	{From: "SUBMITTED", Action: "withdraw", To: "WITHDRAWN", Label: "撤回申请", Roles: []string{principalRole}},
	{From: "RETURNED", Action: "resubmit", To: "SUBMITTED", Label: "补正后重新提交", Roles: []string{principalRole}, Deadline: ruleComplete, Basis: "《行政许可法》第三十二条"},
	{From: "RETURNED", Action: "withdraw", To: "WITHDRAWN", Label: "撤回申请", Roles: []string{principalRole}},
	{From: "ACCEPTED", Action: "opinion", To: "ACCEPTED", Label: "出具行业意见", Roles: []string{"culture", "sport", "science"}, Basis: "教育部等十三部门《关于规范面向中小学生的非学科类校外培训的意见》"},
	{From: "ACCEPTED", Action: "site_check", To: "ACCEPTED", Label: "现场核查签字", Roles: []string{examinerRole, "culture", "sport", "science", "market", "fire"}, Basis: "《行政许可法》第三十四条第三款"},
	{From: "ACCEPTED", Action: "notice", To: "PUBLIC_NOTICE", Label: "公示", Roles: []string{examinerRole}, Batch: true, Deadline: ruleNotice, Basis: "地方办学许可程序：许可前公示"},
	{From: "ACCEPTED", Action: "refuse", To: "REFUSED", Label: "不予许可", Roles: []string{examinerRole}, Reason: true, Basis: "《行政许可法》第三十八条、第四十二条"},
	{From: "ACCEPTED", Action: "withdraw", To: "WITHDRAWN", Label: "撤回申请", Roles: []string{principalRole}},
	{From: "PUBLIC_NOTICE", Action: "grant", To: "GRANTED", Label: "准予许可", Roles: []string{examinerRole}, Batch: true, Deadline: ruleIssue, Basis: "《行政许可法》第三十八条、第四十二条、第四十四条"},
	{From: "PUBLIC_NOTICE", Action: "refuse", To: "REFUSED", Label: "不予许可", Roles: []string{examinerRole}, Reason: true, Basis: "《行政许可法》第三十八条、第四十二条"},
	{From: "PUBLIC_NOTICE", Action: "withdraw", To: "WITHDRAWN", Label: "撤回申请", Roles: []string{principalRole}},
}}

// Sponsor is who sets the institution up (举办者): a legal person.
type Sponsor struct {
	Name string `json:"name" minLength:"2" maxLength:"80"`
	USCC string `json:"uscc" minLength:"1" maxLength:"64" description:"the sponsor's own unified social credit code"`
}

// Facts is what an applicant says the institution will be.
type Facts struct {
	Name      string   `json:"name" minLength:"4" maxLength:"60"`
	Category  Category `json:"category"`
	Item      string   `json:"item" minLength:"1" maxLength:"20" description:"of the category, for example 美术" example:"美术"`
	Kind      string   `json:"kind" enum:"non_subject,subject" description:"学科类 is subject"`
	Mode      string   `json:"mode" enum:"offline,online"`
	Address   string   `json:"address" minLength:"4" maxLength:"120"`
	AreaM2    float64  `json:"area_m2" minimum:"1" maximum:"100000" description:"area for training, in square metres"`
	Capacity  int      `json:"capacity" minimum:"1" maximum:"100000" description:"pupils at once"`
	LegalForm string   `json:"legal_form" enum:"for_profit,non_profit"`
	Sponsor   Sponsor  `json:"sponsor"`
}

// Check returns Invalid for what is wrong with f itself, and Refused for a
// subject institution, of which there are to be no new ones.
func (f Facts) Check() error {
	var wrong []fault.Field
	say := func(pointer, detail string) { wrong = append(wrong, fault.Field{Pointer: pointer, Detail: detail}) }
	if flaw := CheckUSCC(f.Sponsor.USCC); flaw != "" {
		say("/sponsor/uscc", flaw.Say(f.Sponsor.USCC))
	}
	if items := fields[f.Category].items; !slices.Contains(items, f.Item) {
		say("/item", f.Category.Name()+"类的培训项目应为："+strings.Join(items, "、"))
	}
	if (f.Category == Academic) != (f.Kind == subjectKind) {
		say("/kind", "学科类机构的类别应为 academic，其他类别均为非学科类")
	}
	for _, t := range [][2]string{{"/name", f.Name}, {"/address", f.Address}, {"/sponsor/name", f.Sponsor.Name}} {
		if strings.TrimSpace(t[1]) != t[1] || strings.ContainsFunc(t[1], unicode.IsControl) {
			say(t[0], "首尾不得有空格，不得含控制字符")
		}
	}
	if wrong != nil {
		return fault.Fields(wrong...)
	}
	if f.Kind == subjectKind {
		return fault.Refused.Errorf("不再审批新的学科类校外培训机构：《关于进一步减轻义务教育阶段学生作业负担和校外培训负担的意见》（“双减”意见，2021-07-24）")
	}
	return nil
}

// Fits returns the ground for capacity pupils at once in area square metres, and
// Refused if that is more than r, the least area for each, allows.
func Fits(r rule.Rule, area float64, capacity int) (fault.Ground, error) {
	each := r.Ratio()
	if each <= 0 {
		return fault.Ground{}, fmt.Errorf("rule %s version %d of %s: %s is no area", r.Key, r.Version, r.Jurisdiction, r.Value)
	}
	const rounding = 1e-9 // 0.9/0.3 is a little less than 3
	most := int(math.Floor(area/each + rounding))
	ground := r.Ground(map[string]any{"area_m2": area, "capacity": capacity, "max": most})
	if capacity <= most {
		return ground, nil
	}
	return ground, fault.Refused.Because(fmt.Sprintf("培训用房 %g 平方米，按人均不少于 %g 平方米，同时容纳学员不得超过 %d 人，申报 %d 人（%s）", area, each, most, capacity, r.Source), ground)
}

// Application is a request to open an institution.
type Application struct {
	ID            string `json:"id"`
	InstitutionID string `json:"institution_id" description:"given now, the institution's for ever"`
	Jurisdiction  string `json:"jurisdiction"`
	Place         string `json:"place" db:"-"`
	Principal     string `json:"principal" description:"account id of the applicant"`
	Facts
	State         State          `json:"state"`
	StateText     string         `json:"state_text" db:"-"`
	ReceivedOn    day.Date       `json:"received_on"`
	CorrectBy     day.Date       `json:"correct_by" description:"last day to ask for corrections"`
	Returned      bool           `json:"returned" description:"corrections were asked for; that may be done once"`
	Missing       []string       `json:"missing"`
	AcceptedOn    day.Date       `json:"accepted_on"`
	Deemed        bool           `json:"deemed" description:"accepted by silence"`
	DecideBy      day.Date       `json:"decide_by"`
	NoticeFrom    day.Date       `json:"notice_from"`
	NoticeUntil   day.Date       `json:"notice_until" description:"last day of public notice; a decision comes after it"`
	DecidedOn     day.Date       `json:"decided_on"`
	IssueBy       day.Date       `json:"issue_by" description:"last day to hand the certificate out"`
	Reason        string         `json:"reason"`
	LicenceNumber string         `json:"licence_number"`
	Deadlines     []Deadline     `json:"deadlines" db:"-"`
	Grounds       []fault.Ground `json:"grounds" description:"the rules that the last step rests on"`
	Clocks        Clocks         `json:"-"`
}

var applicationDeadlines = [][2]string{
	{"correct_by", "补正告知期限"}, {"decide_by", "作出决定期限"}, {"notice_until", "公示截止"}, {"issue_by", "颁发许可证期限"},
}

// Show fills in what is only for people to read.
func (a *Application) Show(c *day.Calendar, today day.Date) {
	a.Place, a.StateText = division.Name(a.Jurisdiction), stateNames[a.State]
	a.Deadlines = deadlines(a.Clocks, c, today, applicationDeadlines, a.open)
}

// open reports whether a still waits for the deadline called name.
func (a *Application) open(name string) bool {
	switch name {
	case "correct_by":
		return a.State == Submitted
	case "decide_by":
		return a.State == Accepted || a.State == PublicNotice
	case "notice_until":
		return a.State == PublicNotice
	}
	return a.State == Granted
}

// Current is the deadline that a waits for first, if any.
func (a *Application) Current() (Clock, bool) {
	switch a.State {
	case Submitted:
		return a.Clocks["correct_by"], true
	case Accepted, PublicNotice:
		return a.Clocks["decide_by"], true
	case Returned, NotAccepted, Granted, Rejected, Withdrawn:
	}
	return Clock{}, false
}

// MayReturn returns Refused unless corrections may still be asked for on today:
// once, and in time (行政许可法 §32).
func (a *Application) MayReturn(today day.Date) error {
	ground := a.Clocks["correct_by"].Ground
	switch {
	case a.Returned:
		return fault.Refused.Because("补正内容应当一次告知，本申请已告知过一次（《行政许可法》第三十二条）", ground)
	case today.After(a.CorrectBy):
		ground.Inputs = map[string]any{"received_on": a.ReceivedOn, "correct_by": a.CorrectBy, "today": today}
		return fault.Refused.Because(fmt.Sprintf("补正告知期限已于 %s 届满，逾期未告知视为自收到之日起受理（%s）", a.CorrectBy, ground.Source), ground)
	}
	return nil
}

// Opinion is what the office of the category says.
type Opinion struct {
	Agency  string   `json:"agency"`
	Office  string   `json:"office"`
	Officer string   `json:"officer" description:"account id"`
	Agree   bool     `json:"agree"`
	Text    string   `json:"text"`
	GivenOn day.Date `json:"given_on"`
}

// SiteCheck is what one officer saw and signed for.
type SiteCheck struct {
	Agency      string   `json:"agency"`
	Office      string   `json:"office"`
	Officer     string   `json:"officer" description:"account id"`
	Certificate string   `json:"certificate" description:"number of the enforcement certificate"`
	Passed      bool     `json:"passed"`
	AreaM2      float64  `json:"area_m2" description:"as measured"`
	Note        string   `json:"note"`
	CheckedOn   day.Date `json:"checked_on"`
}

// File is an application with what the offices have put to it.
type File struct {
	Application
	Opinions   []Opinion   `json:"opinions"`
	SiteChecks []SiteCheck `json:"site_checks"`
}

// Route is the agency whose opinion f needs; "" if none.
func (f *File) Route() string { return fields[f.Category].agency }

// Opinion is the opinion that counts: the last one.
func (f *File) Opinion() (Opinion, bool) {
	if len(f.Opinions) == 0 {
		return Opinion{}, false
	}
	return f.Opinions[len(f.Opinions)-1], true
}

// Agreed returns Refused unless the office of the category agrees.
func (f *File) Agreed() error {
	if f.Route() == "" {
		return nil
	}
	office := Office(f.Route(), f.Jurisdiction)
	switch o, given := f.Opinion(); {
	case !given:
		return fault.Refused.Errorf("%s类机构的许可须先由%s出具意见，目前尚无意见", f.Category.Name(), office)
	case !o.Agree:
		return fault.Refused.Errorf("%s不同意设立：%s", o.Office, o.Text)
	}
	return nil
}

// Signed is each officer's last check.
func (f *File) Signed() []SiteCheck {
	var last []SiteCheck
	for _, c := range f.SiteChecks {
		last = slices.DeleteFunc(last, func(l SiteCheck) bool { return l.Officer == c.Officer })
		last = append(last, c)
	}
	return last
}

// Passed counts the officers whose last check is a pass, all and of education.
func (f *File) Passed() (all, education int) {
	for _, c := range f.Signed() {
		if c.Passed {
			all++
			if c.Agency == educationDept {
				education++
			}
		}
	}
	return all, education
}

// Inspected returns the ground for going on from the site check, and Refused
// unless as many officers as r says have passed the place, one of them of
// education, and none has found it wanting.
func (f *File) Inspected(r rule.Rule) (fault.Ground, error) {
	passed, education := f.Passed()
	ground := r.Ground(map[string]any{"passed": passed, "education": education, "signed": len(f.Signed())})
	for _, c := range f.Signed() {
		if !c.Passed {
			return ground, fault.Refused.Because(fmt.Sprintf("%s核查人员 %s 认定现场不合格：%s", c.Office, c.Officer, c.Note), ground)
		}
	}
	switch {
	case passed < int(r.Int()):
		return ground, fault.Refused.Because(fmt.Sprintf("现场核查须由不少于 %d 名人员签字通过，目前 %d 名（%s）", r.Int(), passed, r.Source), ground)
	case education == 0:
		return ground, fault.Refused.Because("现场核查人员中须有教育行政部门的工作人员", ground)
	}
	return ground, nil
}

// Measured is the least area that an officer measured.
func (f *File) Measured() float64 {
	area := math.Inf(1)
	for _, c := range f.Signed() {
		area = min(area, c.AreaM2)
	}
	return area
}

// NoticeOver returns the ground for deciding after public notice, and Refused
// while it lasts: its last day belongs to it.
func (a *Application) NoticeOver(today day.Date) (fault.Ground, error) {
	ground := a.Clocks["notice_until"].Ground
	ground.Inputs = map[string]any{"notice_from": a.NoticeFrom, "notice_until": a.NoticeUntil, "today": today}
	if !today.After(a.NoticeUntil) {
		return ground, fault.Refused.Because(fmt.Sprintf("公示期至 %s，公示期满后方可作出准予许可的决定（%s）", a.NoticeUntil, ground.Source), ground)
	}
	return ground, nil
}

// LicenceNumber is a licence's number (2004 rule, design/domain.md §2.3): the
// county, 7 for a training institution, and the county's serial.
func LicenceNumber(county string, serial int) string {
	const trainingInstitution = 7
	return fmt.Sprintf("教民%s%d%06d号", county, trainingInstitution, serial)
}

// Actions is what c may do with f now.
func (f *File) Actions(c auth.Caller) []flow.Action {
	actions := []flow.Action{}
	base := "/v1/applications/" + f.ID
	for _, a := range Applications.Actions(string(f.State), base, c) {
		switch a.Action {
		case "opinion":
			if c.Agency != f.Route() {
				continue
			}
		case "site_check":
			if f.signedBy(c.Subject) {
				continue
			}
		case "grant", "refuse":
			a.Href, a.Fields = base+"/decide", decisionFields(a)
		}
		if a.Fields == nil {
			a.Fields = applicationFields[a.Action]
		}
		if a.Action == "resubmit" {
			a.Fields = f.filled(a.Fields)
		}
		actions = append(actions, a)
	}
	return actions
}

// signedBy reports whether account has signed a pass.
func (f *File) signedBy(account string) bool {
	return slices.ContainsFunc(f.SiteChecks, func(s SiteCheck) bool { return s.Passed && s.Officer == account })
}

// filled is form with what the applicant said before.
func (f *File) filled(form []flow.Field) []flow.Field {
	said := map[string]string{
		"name": f.Name, "category": string(f.Category), "item": f.Item, "kind": f.Kind, "mode": f.Mode, "address": f.Address,
		"area_m2": strconv.FormatFloat(f.AreaM2, 'f', -1, 64), "capacity": strconv.Itoa(f.Capacity), "legal_form": f.LegalForm,
		"sponsor.name": f.Sponsor.Name, "sponsor.uscc": f.Sponsor.USCC,
	}
	form = slices.Clone(form)
	for i := range form {
		form[i].Value = said[form[i].Name]
	}
	return form
}

// decisionFields is the form of a step that is one of two decisions at one address.
func decisionFields(a flow.Action) []flow.Field {
	fields := []flow.Field{{Name: "decision", Type: "fixed", Value: a.Action}}
	if a.Reason {
		fields = append(fields, reasonField)
	}
	return fields
}

var reasonField = flow.Field{Name: "reason", Label: "理由", Type: "text", Required: true}

// applicationFields is what the form of each action asks for.
var applicationFields = map[string][]flow.Field{
	"return":            {reasonField, {Name: "missing", Label: "需补正的材料（每行一项）", Type: "list", Required: true}},
	"refuse_acceptance": {reasonField},
	"opinion": {
		{Name: "opinion", Label: "意见", Type: "choice", Required: true, Choices: []string{"agree", "disagree"}},
		{Name: "text", Label: "意见内容", Type: "text", Required: true},
	},
	"site_check": {
		{Name: "passed", Label: "现场合格", Type: "boolean", Required: true},
		{Name: "area_m2", Label: "实测培训用房面积（平方米）", Type: "number", Required: true},
		{Name: "certificate", Label: "执法证号", Type: "text", Required: true},
		{Name: "note", Label: "核查情况（不合格时必填）", Type: "text"},
	},
	"withdraw": {{Name: "reason", Label: "理由", Type: "text"}},
	"resubmit": {
		{Name: "name", Label: "机构名称", Type: "text", Required: true},
		{Name: "category", Label: "类别", Type: "choice", Required: true, Choices: []string{"culture_arts", "sport", "science_technology"}},
		{Name: "item", Label: "培训项目", Type: "text", Required: true},
		{Name: "kind", Label: "学科属性", Type: "choice", Required: true, Choices: []string{nonSubjectKind}},
		{Name: "mode", Label: "培训方式", Type: "choice", Required: true, Choices: []string{"offline", "online"}},
		{Name: "address", Label: "办学地址", Type: "text", Required: true},
		{Name: "area_m2", Label: "培训用房面积（平方米）", Type: "number", Required: true},
		{Name: "capacity", Label: "同时容纳学员（人）", Type: "number", Required: true},
		{Name: "legal_form", Label: "法人类型", Type: "choice", Required: true, Choices: []string{forProfit, nonProfit}},
		{Name: "sponsor.name", Label: "举办者名称", Type: "text", Required: true},
		{Name: "sponsor.uscc", Label: "举办者统一社会信用代码", Type: "text", Required: true},
	},
}
