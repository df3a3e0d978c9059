package licensing

import (
	"fmt"
	"strings"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

// Status is how an institution's licence stands.
type Status string

// The statuses.
const (
	Active    Status = "ACTIVE"
	Suspended Status = "SUSPENDED" // 暂扣
	Revoked   Status = "REVOKED"   // 吊销、撤销
	Cancelled Status = "CANCELLED" // 注销
)

// Enum lists the statuses for the published document.
func (Status) Enum() []any { return []any{Active, Suspended, Revoked, Cancelled} }

var statusNames = map[Status]string{Active: "有效", Suspended: "暂扣", Revoked: "吊销或撤销", Cancelled: "注销"}

// Institution is who was licensed, as it is now.
type Institution struct {
	ID            string   `json:"id"`
	ApplicationID string   `json:"application_id"`
	Jurisdiction  string   `json:"jurisdiction"`
	Place         string   `json:"place" db:"-"`
	Manager       string   `json:"manager" description:"account id of who acts for it"`
	Name          string   `json:"name"`
	Address       string   `json:"address"`
	Category      Category `json:"category"`
	Item          string   `json:"item"`
	Kind          string   `json:"kind"`
	Mode          string   `json:"mode"`
	AreaM2        float64  `json:"area_m2"`
	Capacity      int      `json:"capacity"`
	LegalForm     string   `json:"legal_form"`
	Status        Status   `json:"status"`
	StatusText    string   `json:"status_text" db:"-"`
	StatusSince   day.Date `json:"status_since"`
	LicenceNumber string   `json:"licence_number"`
	ValidFrom     day.Date `json:"valid_from"`
	ValidUntil    day.Date `json:"valid_until" description:"the last day"`
	IssuedBy      string   `json:"issued_by"`
	USCC          string   `json:"uscc" description:"empty until the legal person is registered"`
	RegisteredOn  day.Date `json:"registered_on"`
}

// Attribute is what an institution was called, where it was…, and when.
type Attribute struct {
	Attribute string   `json:"attribute"`
	Value     string   `json:"value"`
	Since     day.Date `json:"since"`
	Until     day.Date `json:"until" description:"the last day; empty is now"`
}

// licensed is the institution that a comes to today, by the word of office, with
// the area as measured and a licence until the last day given.
func (a *Application) licensed(office string, area float64, today, until day.Date) Institution {
	return Institution{
		ID: a.InstitutionID, ApplicationID: a.ID, Jurisdiction: a.Jurisdiction, Manager: a.Principal,
		Name: a.Name, Address: a.Address, Category: a.Category, Item: a.Item, Kind: a.Kind, Mode: a.Mode,
		AreaM2: area, Capacity: a.Capacity, LegalForm: a.LegalForm,
		Status: Active, StatusSince: today, LicenceNumber: a.LicenceNumber, ValidFrom: today, ValidUntil: until, IssuedBy: office,
	}
}

// attributes is what of i is kept with its days.
func (i *Institution) attributes() map[string]string {
	return map[string]string{
		"name": i.Name, "address": i.Address, "capacity": fmt.Sprint(i.Capacity), "legal_form": i.LegalForm,
		"licence_number": i.LicenceNumber, "status": string(i.Status),
	}
}

// registrars is, by legal form, who registers the legal person and how its USCC
// begins: the registering department and the kind of legal person (GB 32100-2015).
var registrars = map[string]struct {
	agency, role string
	classes      []string
}{
	forProfit: {"market", "market", []string{"91", "92", "93"}},
	nonProfit: {"civil", "civil", []string{"52"}},
}

// Register gives i its own USCC as of on. It returns Forbidden if c is not who
// registers legal persons of i's form, Invalid for a wrong code or day, Conflict
// if i is registered already, Refused if it has no licence in force.
func (i *Institution) Register(c auth.Caller, uscc string, on, today day.Date) error {
	r := registrars[i.LegalForm]
	if c.Agency != r.agency {
		return fault.Forbidden.Errorf("%s法人由%s登记", map[string]string{forProfit: "营利性", nonProfit: "非营利性"}[i.LegalForm], Office(r.agency, i.Jurisdiction))
	}
	if i.Status != Active {
		return fault.Refused.Errorf("办学许可证%s，不能登记法人", statusNames[i.Status])
	}
	if i.USCC != "" {
		return fault.Conflict.Errorf("该机构已于 %s 登记，统一社会信用代码 %s", i.RegisteredOn, i.USCC)
	}
	if flaw := CheckUSCC(uscc); flaw != "" {
		return fault.Fields(fault.Field{Pointer: "/uscc", Detail: flaw.Say(uscc)})
	}
	if !hasPrefix(uscc, r.classes) {
		return fault.Fields(fault.Field{Pointer: "/uscc", Detail: "登记管理部门及机构类别不符：应以 " + strings.Join(r.classes, "、") + " 开头"})
	}
	if on.Before(i.ValidFrom) || on.After(today) {
		return fault.Fields(fault.Field{Pointer: "/registered_on", Detail: fmt.Sprintf("应在 %s（发证日）至 %s（今日）之间", i.ValidFrom, today)})
	}
	i.USCC, i.RegisteredOn = uscc, on
	return nil
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// Actions is what c may do with i now.
func (i *Institution) Actions(c auth.Caller) []flow.Action {
	if i.Status != Active || i.USCC != "" || c.Agency == "" || c.Agency != registrars[i.LegalForm].agency {
		return []flow.Action{}
	}
	return []flow.Action{{
		Action: "registration", Label: "登记法人", Method: "POST", Href: "/v1/institutions/" + i.ID + "/registration",
		Fields: []flow.Field{
			{Name: "uscc", Label: "统一社会信用代码", Type: "text", Required: true},
			{Name: "registered_on", Label: "登记日期", Type: "date", Required: true},
		},
	}}
}

// Show fills in what is only for people to read.
func (i *Institution) Show() {
	i.Place, i.StatusText = division.Name(i.Jurisdiction), statusNames[i.Status]
}
