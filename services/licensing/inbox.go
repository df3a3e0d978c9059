package licensing

import (
	"fmt"
	"slices"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/rule"
)

// Item is one thing that waits for the caller's office.
type Item struct {
	ID           string   `json:"id"`
	Kind         string   `json:"kind" description:"accept resubmit opinion site_check notice decide list_statement list_decide list_publish"`
	Title        string   `json:"title"`
	Jurisdiction string   `json:"jurisdiction"`
	State        string   `json:"state"`
	Since        day.Date `json:"since"`
	Due          day.Date `json:"due"`
	Provisional  bool     `json:"provisional"`
	Light        Light    `json:"light"`
	DaysLeft     *int     `json:"days_left" description:"working days; negative when overdue, null without a deadline"`
	Href         string   `json:"href" description:"page of the staff console"`

	Paused bool       `json:"paused,omitempty" description:"no time runs: the applicant is waited for"`
	Terms  []Deadline `json:"terms,omitempty" description:"every period that runs, that of the whole case and those of its steps"`
}

var waitingFor = map[string]string{
	"accept": "待受理", "resubmit": "待补正", "opinion": "待出具行业意见", "site_check": "待现场核查", "notice": "待公示", "decide": "待决定",
	"list_statement": "拟列入", "list_decide": "待决定列入", "list_publish": "待公布",
}

// Waiting is what f waits for from c, on today: the name of the step, "" if
// nothing. officers is the rule of how many must inspect.
func (f *File) Waiting(c auth.Caller, officers rule.Rule, today day.Date) string {
	education := examines(c)
	switch f.State {
	case Submitted:
		return when(education, "accept")
	case Returned:
		return when(c.Subject == f.Principal, "resubmit")
	case Accepted:
		return f.waitingReview(c, officers)
	case PublicNotice:
		return when(education && today.After(f.NoticeUntil), "decide")
	case NotAccepted, Granted, Rejected, Withdrawn:
	}
	return ""
}

// waitingReview is Waiting between acceptance and notice: opinion and site check
// go on side by side, then education announces the grant or refuses.
func (f *File) waitingReview(c auth.Caller, officers rule.Rule) string {
	opinion, given := f.Opinion()
	passed, education := f.Passed()
	short := passed < int(officers.Int())
	_, notPassed := f.Inspected(officers)
	switch {
	case c.Agency == f.Route() && !given && c.Agency != "":
		return "opinion"
	case !examines(c):
		return when((c.Agency == "fire" || c.Agency == f.Route()) && c.Agency != "" && short && !f.signedBy(c.Subject), "site_check")
	case given && !opinion.Agree:
		return "decide"
	case (short || education == 0) && !f.signedBy(c.Subject):
		return "site_check"
	}
	return when(notPassed == nil && f.Agreed() == nil, "notice")
}

// Waiting is what e waits for from c.
func (e *ListEntry) Waiting(c auth.Caller, today day.Date) string {
	switch {
	case c.Subject == e.Manager:
		return when(e.State == Proposed && e.MayState(today) == nil, "list_statement")
	case !examines(c):
		return ""
	case e.State == Proposed:
		return when(e.MayDecide(c) == nil && e.Heard(today) == nil, "list_decide")
	case e.State == Approved:
		return when(c.Jurisdiction == e.OfficePlace, "list_publish")
	}
	return ""
}

// examines reports whether c acts for education: a city's administrator, who only
// looks on, does not.
func examines(c auth.Caller) bool {
	return c.Agency == educationDept && slices.Contains(c.Roles, examinerRole)
}

func when(yes bool, kind string) string {
	if yes {
		return kind
	}
	return ""
}

// item is f in an inbox.
func (f *File) item(kind string, c *day.Calendar, today day.Date) Item {
	clock, due := f.Current()
	it := Item{
		ID: f.ID, Kind: kind, Title: fmt.Sprintf("%s：%s（%s · %s）", waitingFor[kind], f.Name, f.Category.Name(), f.Item),
		Jurisdiction: f.Jurisdiction, State: string(f.State), Since: f.since(), Due: clock.Due, Provisional: clock.Provisional,
		Light: Green, Href: "/applications/" + f.ID, Paused: f.State == Returned,
		Terms: slices.DeleteFunc(deadlines(f.Clocks, c, today, applicationDeadlines, f.open), func(d Deadline) bool { return !d.Open }),
	}
	if due {
		left := 0
		it.Light, left = light(c, today, clock.Due)
		it.DaysLeft = &left
	}
	return it
}

// since is when a came to where it stands.
func (a *Application) since() day.Date {
	switch a.State {
	case Accepted:
		return a.AcceptedOn
	case PublicNotice:
		return a.NoticeFrom
	case Submitted, Returned, NotAccepted, Granted, Rejected, Withdrawn:
	}
	return a.ReceivedOn
}

// item is e in an inbox. An institution has until a day to state its case; no law
// says how soon an entry is decided.
func (e *ListEntry) item(kind string, c *day.Calendar, today day.Date) Item {
	it := Item{
		ID: e.ID, Kind: kind, Title: fmt.Sprintf("%s%s：%s", waitingFor[kind], listNames[e.List], e.Institution),
		Jurisdiction: e.Jurisdiction, State: string(e.State), Since: e.ProposedOn, Light: Green,
		Href: "/list-entries/" + e.ID,
	}
	if kind == "list_statement" {
		left := 0
		it.Due, it.Provisional = e.StatementUntil, e.Clocks["statement_until"].Provisional
		it.Light, left = light(c, today, it.Due)
		it.DaysLeft = &left
		it.Title = fmt.Sprintf("%s%s：可在 %s 前（含当日）陈述申辩（%s）", waitingFor[kind], listNames[e.List], it.Due, e.Institution)
	}
	return it
}
