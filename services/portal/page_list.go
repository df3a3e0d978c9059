package portal

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"xunguan/pkg/mend"
)

// listKind is one list of cases, each with a page of its own.
type listKind struct {
	service, title string
	base           string   // address of a case, less its id; "" is no page
	id             string   // the field with that id
	opens          []string // the roles whose pages those are; none is everybody
	columns        []string
	filters        []filter
	forms          string // where the service says what may be begun; "" is nothing
	note           string
}

// filter is one thing that a list may be narrowed by. It stays in the address.
type filter struct {
	Name    string
	Choices []string // none: a text
	Value   string
	list    string
}

// Word is a choice in words.
func (f filter) Word(code string) string { return wordOf(f.list, code) }

// Label is f's name in words.
func (f filter) Label() string { return fact{Key: f.Name}.Label() }

// tableView is a list of cases as its page shows it.
type tableView struct {
	Title   string
	Note    string
	Base    string
	ID      string
	Columns []string
	Filters []filter
	Rows    []fact
	Next    string // address of the next page; "" is none
	Actions []actionView
	Waits   []item // for who looks, on the pages of parents
}

// staffLists is the lists of the consoles, by their address.
var staffLists = map[string]listKind{
	"tips": {
		service: "tipoff", title: say("cases.tips"), base: "/tips/", columns: []string{"number", "state_name", "category", "subject", "received_on", "owner_office"},
		filters: []filter{
			{Name: "state", Choices: []string{"RECEIVED", "TRIAGED", "DISPATCHED", "RETURNED", "DISPATCHED_AGAIN", "ARBITRATION", "ASSIGNED", "HANDLING", "WAITING", "ANSWERED", "CLOSED", "MERGED", "NOT_TRAINING"}},
			{Name: "category", Choices: []string{"超期预收费", "退费难", "无证照培训", "虚假宣传", "超标超前", "违规高收费", "占用节假日", "在职教师", "消防安全", "其他", "非培训事项"}},
			{Name: "q"},
		},
	},
	"tasks": {
		service: "inspection", title: say("cases.tasks"), base: "/tasks/", columns: []string{"title", "kind", "state_name", "subject_name", "agencies", "visit_on", "publish_due", "result"}, forms: "/v1/plans",
		filters: []filter{
			{Name: "kind", Choices: []string{"RANDOM", "JOINT", "SWEEP"}},
			{Name: "state", Choices: []string{"PLANNED", "COMMITTED", "DRAWN", "VISITING", "VISITED", "RECTIFYING", "RECTIFIED", "FAILED", "ESCALATED", "ORDERED", "CLOSED", "PUBLISHED", "WITHDRAWN", "CANCELLED"}},
		},
	},
	"visits":         {service: "inspection", title: say("cases.visits"), base: "/visits/", columns: []string{"name", "state_name", "on", "agencies", "signed", "completed_on"}},
	"rectifications": {service: "inspection", title: say("cases.rectifications"), base: "/rectifications/", columns: []string{"name", "state_name", "agency", "demand", "ordered_on", "due"}},
	"sweeps": {
		service: "inspection", title: say("cases.sweeps"), base: "/tasks/", id: "task_id", columns: []string{"signboard", "stage", "address", "phone", "listed_on", "ordered_on", "due", "closed_on"},
		note: say("cases.sweeps_note"),
	},
	"officers":   {service: "inspection", title: say("cases.officers"), columns: []string{"id", "office", "certificate", "valid_until", "valid", "scope", "conflicts"}},
	"follow-ups": {service: "inspection", title: say("cases.follow_ups"), base: "/follow-ups/", columns: []string{"name", "state_name", "since", "waits", "stuck"}},
	"list-entries": {
		service: "licensing", title: say("cases.list_entries"), base: "/list-entries/", columns: []string{"institution", "list", "state_text", "proposed_on", "statement_until", "since", "until"},
		filters: []filter{{Name: "list", Choices: []string{"WHITE", "BLACK"}}, {Name: "state", Choices: []string{"PROPOSED", "APPROVED", "REFUSED", "PUBLISHED", "REMOVED"}}},
	},
	"applications": {service: "licensing", title: say("cases.applications"), base: "/applications/", columns: []string{"name", "state_name", "place", "decide_by"}},
	"institutions": {service: "licensing", title: say("cases.institutions"), base: "/accounts/", opens: []string{"principal", "examiner", "city"}, columns: []string{"name", "status", "licence_number", "uscc", "valid_until", "jurisdiction"}},
	"contracts":    contractList,
}

// contractList is a parent's contracts, or an institution's.
var contractList = listKind{service: "escrow", title: say("cases.contracts"), base: "/contracts/", columns: []string{"course", "institution_name", "state_text", "lessons", "price_fen", "paid_fen"}}

// listPage adds /{name}, which lists cases and takes what may be begun.
func (d *door) listPage(mux *table, name string, k listKind) {
	mux.Handle("GET /"+name, d.counted(d.page(func(w http.ResponseWriter, r *http.Request) error {
		return d.list(w, r, name, k, nil, nil)
	})))
	if k.forms != "" {
		mux.Handle("POST /"+name, d.counted(d.page(func(w http.ResponseWriter, r *http.Request) error {
			return d.act(w, r, k.service, func(failed error, typed url.Values) error { return d.list(w, r, name, k, failed, typed) })
		})))
	}
}

// list shows a service's list, as narrowed by the address.
func (d *door) list(w http.ResponseWriter, r *http.Request, name string, k listKind, failed error, typed url.Values) error {
	v, err := d.member(r)
	if err != nil {
		return err
	}
	asked := r.URL.Query()
	if r.Method != http.MethodGet {
		asked = url.Values{}
	}
	if k.opens != nil && !slices.ContainsFunc(k.opens, v.session.Holds) {
		k.base = ""
	}
	narrowed := url.Values{}
	t := tableView{Title: k.title, Note: k.note, Base: k.base, ID: k.id, Columns: k.columns}
	for _, f := range k.filters {
		if f.Value = asked.Get(f.Name); f.Value != "" {
			narrowed.Set(f.Name, f.Value)
		}
		f.list = name
		t.Filters = append(t.Filters, f)
	}
	page := maps.Clone(narrowed)
	for _, place := range []string{"after", "page"} {
		if asked.Has(place) {
			page.Set(place, asked.Get(place))
		}
	}
	f, err := d.ask(r.Context(), v, k.service, "/v1/"+name+"?"+page.Encode())
	if err != nil {
		return err
	}
	for _, row := range f.list() {
		t.Rows = append(t.Rows, row.linked(nil))
	}
	if t.Next = nextOf(f, narrowed, asked.Get("page")); t.Next != "" {
		t.Next = "/" + name + "?" + t.Next
	}
	if k.forms != "" && d.begins(v) {
		forms, err := d.ask(r.Context(), v, k.service, k.forms)
		if err != nil {
			return err
		}
		t.Actions = actionsOf(forms, d.filling(v, typed))
	}
	if d.at == Public {
		t.Waits = d.waits(r, v)
		t.Columns = []string{"course", "institution_name", "state_text", "price_fen"} // the rest stands on its page
	}
	code, shown := http.StatusOK, view{Title: t.Title, Body: t}
	if failed != nil {
		d.note(r, failed)
		shown.Problem, shown.Form = problemOf(failed), typed.Get("key")+"."
		code = shown.Problem.Status
	}
	d.render(w, r, code, "table", shown)
	return nil
}

// nextOf is the query of the page after f; "" if f is the last one.
func nextOf(f fact, narrowed url.Values, page string) string {
	next := maps.Clone(narrowed)
	switch n, _ := strconv.Atoi(page); {
	case f.At("next").Raw != "":
		next.Set("after", f.At("next").Raw)
	case f.At("more").Raw == "true":
		next.Set("page", strconv.Itoa(max(n, 1)+1))
	default:
		return ""
	}
	return next.Encode()
}

// link is an entry of the menu.
type link struct{ Href, Title string }

// Nav is the menu of the consoles for who is logged in.
func (v view) Nav() []link {
	var names []string
	switch {
	case v.Session == nil:
	case v.Session.Holds("principal"):
		names = []string{"applications", "institutions", "contracts", "visits", "rectifications", "list-entries"}
	case v.Session.Holds(mend.Operator):
		return []link{{"/ops", say("ops.title")}}
	case v.Session.Holds("intake"):
		names = []string{"tips"}
	default:
		names = []string{"applications", "institutions", "list-entries", "tips", "tasks", "visits", "rectifications", "sweeps", "follow-ups", "officers"}
	}
	var all []link
	for _, n := range names {
		all = append(all, link{"/" + n, staffLists[n].title})
	}
	return all
}

// begins reports whether v may begin tasks: those who only look on may not.
func (d *door) begins(v visitor) bool {
	return slices.ContainsFunc([]string{"examiner", "culture", "market", "fire"}, func(role string) bool { return v.session.Holds(role) })
}

// homes is where v finds what an id names, by the field that holds it.
func (d *door) homes(v visitor) map[string]string {
	if d.at == Public {
		return map[string]string{"contract": "/contracts/"}
	}
	all := map[string]string{
		"visits": "/visits/", "visit_id": "/visits/", "rectifications": "/rectifications/", "contract": "/contracts/", "draws": "/draws/", "replaces": "/draws/",
		"entry_id": "/list-entries/",
	}
	if v.session.Holds("principal") {
		return all
	}
	maps.Copy(all, map[string]string{"task_id": "/tasks/", "follow_ups": "/follow-ups/", "clues": "/tips/", "tips": "/tips/", "merged_into": "/tips/", "into": "/tips/", "tip": "/tips/"})
	return all
}
