package escrow

import (
	"fmt"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

// holdClause is the rule whose value is the clause of the custody agreement.
const holdClause = "escrow.hold_clause"

// black is the list whose entries hold payouts.
const (
	black     = "BLACK"
	white     = "WHITE"
	published = "PUBLISHED"
)

// The states of a hold.
const (
	holdOpen  = "OPEN"
	holdEnded = "ENDED"
)

// holdFlow is what a person may do with a hold: only one that an alert began ends by a
// word of ours; the others end by the decisions that they came of.
var holdFlow = flow.Machine{Name: onHold, Steps: []flow.Step{
	{From: holdOpen, Action: "resume", To: holdEnded, Label: "恢复拨付", Roles: []string{"examiner"}, Reason: true, Basis: "资金监管协议"},
}}

var holdStates = map[string]string{holdOpen: onHold, holdEnded: "已恢复拨付"}

// Hold is a stop of an institution's payouts (暂停拨付) under its custody
// agreement: by a list entry, a red alert, or another authority's order. Refunds go on. Payouts rest while any hold stands.
type Hold struct {
	ID            string
	InstitutionID string
	Jurisdiction  string
	Manager       string
	CauseID       string // the list entry, the alert or the freeze
	Clause        string // of the agreement
	Ground        fault.Ground
	DecidedBy     string // the office
	Since         day.Date
	Until         day.Date // none while it stands
}

func (h Hold) state() string {
	if h.Until.IsZero() {
		return holdOpen
	}
	return holdEnded
}

// HoldView is a hold as people see it.
type HoldView struct {
	ID              string        `json:"id"`
	Institution     string        `json:"institution"`
	InstitutionName string        `json:"institution_name"`
	Jurisdiction    string        `json:"jurisdiction"`
	State           string        `json:"state"`
	StateText       string        `json:"state_text"`
	Clause          string        `json:"clause" description:"of the custody agreement"`
	DecidedBy       string        `json:"decided_by" description:"the office"`
	CauseID         string        `json:"cause_id" description:"the list entry, the alert or the freeze"`
	Since           day.Date      `json:"since"`
	Until           day.Date      `json:"until,omitzero" description:"the day payouts were resumed; absent while the hold stands"`
	WaitingLessons  int           `json:"waiting_lessons" description:"confirmed lessons of the institution whose fee waits"`
	WaitingFen      Fen           `json:"waiting_fen" description:"the fees of those"`
	Rule            fault.Ground  `json:"rule"`
	Actions         []flow.Action `json:"actions"`
}

// holdRow is a hold with what people see beside it.
type holdRow struct {
	Hold
	InstitutionName string
	WaitingLessons  int
	WaitingFen      Fen
	Endable         bool // by an official
}

func (r holdRow) view() HoldView {
	return HoldView{
		ID: r.ID, Institution: r.InstitutionID, InstitutionName: r.InstitutionName, Jurisdiction: r.Jurisdiction,
		State: r.state(), StateText: holdStates[r.state()], Clause: r.Clause, DecidedBy: r.DecidedBy, CauseID: r.CauseID,
		Since: r.Since, Until: r.Until, WaitingLessons: r.WaitingLessons, WaitingFen: r.WaitingFen, Rule: r.Ground, Actions: []flow.Action{},
	}
}

// viewBy is r with what by may do about it.
func (r holdRow) viewBy(by auth.Caller) HoldView {
	v := r.view()
	if r.Endable {
		v.Actions = holdFlow.Actions(r.state(), "/v1/holds/"+r.ID, by)
	}
	return v
}

// holdWords is what a contract's readers are told while payouts are held since a day.
func holdWords(since day.Date, parent bool) string {
	if since.IsZero() {
		return ""
	}
	whose := ""
	if parent {
		whose = "您的"
	}
	return fmt.Sprintf("该机构自 %s 起暂停拨付，%s退费不受影响", since, whose)
}
