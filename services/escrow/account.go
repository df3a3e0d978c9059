package escrow

import (
	"slices"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

// supervision is the document that prepayments stand under.
const supervision = "教监管函〔2021〕2号"

// Institution is what escrow knows of one, from licensing's events.
type Institution struct {
	ID           string
	Name         string
	Jurisdiction string
	Kind         string // subject or non_subject
	Category     string
	Item         string
	Status       string // ACTIVE SUSPENDED REVOKED CANCELLED
	ValidUntil   day.Date
	Manager      string // account id of who acts for it
	List         string // WHITE, BLACK or none
}

const (
	nonSubject = "non_subject"
	active     = "ACTIVE"
)

var statusNames = map[string]string{active: "有效", "SUSPENDED": "暂扣", "REVOKED": "吊销或撤销", "CANCELLED": "注销"}

// licensed returns Refused unless i's licence is in force on today.
func (i Institution) licensed(today day.Date) error {
	switch {
	case i.Status != active:
		return fault.Refused.Errorf("%s的办学许可证状态为%s，不得收取预收费（依据：%s；民办教育促进法）", i.Name, statusNames[i.Status], supervision)
	case today.After(i.ValidUntil):
		return fault.Refused.Errorf("%s的办学许可证已于 %s 到期，不得收取预收费（依据：%s；民办教育促进法）", i.Name, i.ValidUntil, supervision)
	}
	return nil
}

// How prepayments are supervised: in a bank's custody, or by the institution's risk
// deposit, which covers what it took in itself.
const (
	custodyMode = "custody"
	depositMode = "deposit"
)

// Account is an institution's supervised account (资金监管专用账户). Each
// institution has one.
type Account struct {
	ID           string
	Institution  string
	Jurisdiction string
	Manager      string
	Mode         string
	Bank         string
	AccountTail  string
	AgreementNo  string
	OpenedOn     day.Date
	ReportedOn   day.Date
	InterestPPM  int64 // a year's, on the account
}

// AccountView is an account as people see it.
type AccountView struct {
	ID              string   `json:"id"`
	Institution     string   `json:"institution"`
	InstitutionName string   `json:"institution_name"`
	Jurisdiction    string   `json:"jurisdiction"`
	Mode            string   `json:"mode" description:"custody 银行托管, deposit 风险保证金"`
	Bank            string   `json:"bank"`
	AccountTail     string   `json:"account_tail" description:"the last four digits"`
	AgreementNo     string   `json:"agreement_no"`
	OpenedOn        day.Date `json:"opened_on"`
	ReportedOn      day.Date `json:"reported_on"`
	InterestPPM     int64    `json:"interest_ppm" description:"a year's interest on the account, in millionths"`

	Hold     *HoldView     `json:"hold,omitempty" description:"the first hold that stands; absent while payouts go on"`
	Timeline []Entry       `json:"timeline"`
	Actions  []flow.Action `json:"actions"`
}

// watching is what an official may begin about an account; a floor is set only where a
// rule of the place lets it be.
var watching = flow.Machine{Name: "监管账户", Steps: []flow.Step{
	{From: "ANY", Action: "freezes", To: "ANY", Label: "登记其他机关的冻结", Roles: []string{"examiner"}, Basis: "作出冻结的机关的文书"},
	{From: "FLOOR", Action: "floors", To: "FLOOR", Label: "核定最低余额", Roles: []string{"examiner"}, Reason: true, Basis: fixedFloorRule},
}}

func (a Account) view(i Institution) AccountView {
	return AccountView{
		ID: a.ID, Institution: a.Institution, InstitutionName: i.Name, Jurisdiction: a.Jurisdiction, Mode: a.Mode, Bank: a.Bank,
		AccountTail: a.AccountTail, AgreementNo: a.AgreementNo, OpenedOn: a.OpenedOn, ReportedOn: a.ReportedOn, InterestPPM: a.InterestPPM,
	}
}

// actions is what by may begin about a.
func (a Account) actions(mayFloor bool, by auth.Caller) []flow.Action {
	all := watching.Actions("ANY", "/v1", by)
	if mayFloor {
		all = append(all, watching.Actions("FLOOR", "/v1", by)...)
	}
	for i := range all {
		own := flow.Field{Name: "institution", Type: "fixed", Value: a.Institution, Required: true}
		all[i].Fields = slices.Concat([]flow.Field{own}, fields[all[i].Action])
	}
	return all
}
