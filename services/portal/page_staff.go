package portal

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

// staffCases is the cases of the consoles, by their address.
var staffCases = map[string]caseKind{
	"applications":   {service: "licensing", title: say("cases.applications")},
	"flags":          {service: "escrow", title: say("cases.flags")},
	"list-entries":   {service: "licensing", title: say("cases.list_entries")},
	"accounts":       {service: "escrow", title: say("cases.accounts")},
	"discrepancies":  {service: "escrow", title: say("cases.discrepancies")},
	"wind-downs":     windDownCase,
	"contracts":      contractCase,
	"tips":           {service: "tipoff", title: say("cases.tips")},
	"tasks":          {service: "inspection", title: say("cases.tasks")},
	"visits":         {service: "inspection", title: say("cases.visits")},
	"rectifications": {service: "inspection", title: say("cases.rectifications")},
	"follow-ups":     {service: "inspection", title: say("cases.follow_ups")},
}

// contractCase is a contract with its lessons.
var contractCase = caseKind{service: "escrow", title: say("cases.contract"), lists: map[string]string{"lessons": say("cases.lessons")}}

// windDownCase is an institution's end, with the roster of families as who looks sees it.
var windDownCase = caseKind{service: "escrow", title: say("cases.wind_down"), lists: map[string]string{"families": say("cases.families")}}

func (d *door) staffPages(mux *table) {
	mux.Handle("GET /{$}", d.counted(d.page(d.inbox)))
	mux.Handle("GET /console/", d.counted(d.page(d.console)))
	mux.Handle("GET /draws/{id}", d.counted(d.page(d.draw)))
	for name, k := range staffLists {
		d.listPage(mux, name, k)
	}
	for name, k := range staffCases {
		d.casePages(mux, name, k)
	}
	d.opsPages(mux)
	if d.Trial {
		mux.Handle("GET /trial/traces", d.counted(d.page(d.listTraces)))
		mux.Handle("GET /trial/traces/{id}", d.counted(d.page(d.showTrace)))
	}
}

// item is one line of an inbox, as every service writes it.
type item struct {
	ID           string   `json:"id"`
	Kind         string   `json:"kind"`
	Title        string   `json:"title"`
	Jurisdiction string   `json:"jurisdiction"`
	State        string   `json:"state"`
	Since        string   `json:"since"`
	Due          day.Date `json:"due"`
	Provisional  bool     `json:"provisional"`
	Light        string   `json:"light"`
	DaysLeft     *int     `json:"days_left"`
	Href         string   `json:"href"`
}

// lights is what each light means, in words and as a shape: colour never says
// anything alone.
var lights = map[string]struct{ Icon, Word string }{
	"red": {"■", name("red")}, "yellow": {"▲", name("yellow")}, "green": {"●", name("green")},
}

// Icon is the shape of i's light.
func (i item) Icon() string { return lights[i.Light].Icon }

// Word is i's light in words.
func (i item) Word() string { return lights[i.Light].Word }

// Left is how long there is left, in words.
func (i item) Left() string {
	switch {
	case i.DaysLeft == nil, i.Due.IsZero():
		return say("all.no_due")
	case *i.DaysLeft < 0:
		return say("all.days_over", -*i.DaysLeft)
	case *i.DaysLeft == 0:
		return say("all.due_today")
	}
	return say("all.days_left", *i.DaysLeft)
}

// inboxView is what waits for who is logged in.
type inboxView struct {
	Items []item
	Count map[string]int // by light
	Away  []string       // what services are called whose items are missing
}

// inbox answers GET / of the consoles.
func (d *door) inbox(w http.ResponseWriter, r *http.Request) error {
	v, err := d.member(r)
	if err != nil {
		d.render(w, r, http.StatusOK, "welcome", view{Title: say("welcome.title")})
		return nil //nolint:nilerr // the page says that one must log in
	}
	in := inboxView{Count: map[string]int{}}
	for _, service := range []string{"licensing", "escrow", "inspection", "tipoff"} {
		items, err := d.inboxOf(r, v, service)
		switch {
		case errors.Is(err, fault.Forbidden): // this role has no inbox there
		case err != nil:
			d.note(r, err)
			in.Away = append(in.Away, serviceNames[service])
		}
		in.Items = append(in.Items, items...)
	}
	slices.SortStableFunc(in.Items, func(a, b item) int {
		return cmp.Or(cmp.Compare(zero(a.Due), zero(b.Due)), a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID))
	})
	for _, i := range in.Items {
		in.Count[i.Light]++
	}
	d.render(w, r, http.StatusOK, "inbox", view{Title: say("inbox.title"), Body: in})
	return nil
}

// zero puts what has no due date last.
func zero(d day.Date) int {
	if d.IsZero() {
		return 1
	}
	return 0
}

func (d *door) inboxOf(r *http.Request, v visitor, service string) ([]item, error) {
	raw, err := d.call(r.Context(), v, http.MethodGet, service, "/v1/inbox", "", nil)
	if err != nil {
		return nil, err
	}
	var in struct {
		Items []item `json:"items"`
	}
	err = json.Unmarshal(raw, &in)
	for i := range in.Items {
		in.Items[i].Href = localPath(in.Items[i].Href)
	}
	return in.Items, err
}
