package portal

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

// staffCases is the cases of the consoles, by their address.
var staffCases = map[string]caseKind{
	"applications":   {service: "licensing", title: "设立申请"},
	"flags":          {service: "escrow", title: "预收费提示"},
	"list-entries":   {service: "licensing", title: "名单"},
	"accounts":       {service: "escrow", title: "监管账户"},
	"discrepancies":  {service: "escrow", title: "对账差异"},
	"wind-downs":     windDownCase,
	"contracts":      contractCase,
	"tips":           {service: "tipoff", title: "举报"},
	"tasks":          {service: "inspection", title: "检查任务"},
	"visits":         {service: "inspection", title: "现场检查"},
	"rectifications": {service: "inspection", title: "责令整改"},
	"follow-ups":     {service: "inspection", title: "决定的后续"},
}

// contractCase is a contract with its lessons.
var contractCase = caseKind{service: "escrow", title: "合同", lists: map[string]string{"lessons": "课时"}}

// windDownCase is an institution's end, with the roster of families as who looks sees it.
var windDownCase = caseKind{service: "escrow", title: "机构终止清退", lists: map[string]string{"families": "清退名册"}}

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
	"red": {"■", "超期"}, "yellow": {"▲", "临期"}, "green": {"●", "正常"},
}

// Icon is the shape of i's light.
func (i item) Icon() string { return lights[i.Light].Icon }

// Word is i's light in words.
func (i item) Word() string { return lights[i.Light].Word }

// Left is how long there is left, in words.
func (i item) Left() string {
	switch {
	case i.DaysLeft == nil, i.Due.IsZero():
		return "没有法定期限"
	case *i.DaysLeft < 0:
		return fmt.Sprintf("已超期 %d 个工作日", -*i.DaysLeft)
	case *i.DaysLeft == 0:
		return "今天到期"
	}
	return fmt.Sprintf("剩 %d 个工作日", *i.DaysLeft)
}

// inboxView is what waits for who is logged in.
type inboxView struct {
	Items []item
	Count map[string]int // by light
	Away  []string       // services whose items are missing
}

// inbox answers GET / of the consoles.
func (d *door) inbox(w http.ResponseWriter, r *http.Request) error {
	v, err := d.member(r)
	if err != nil {
		d.render(w, r, http.StatusOK, "welcome", view{Title: "工作台"})
		return nil //nolint:nilerr // the page says that one must log in
	}
	in := inboxView{Count: map[string]int{}}
	for _, service := range []string{"licensing", "escrow", "inspection", "tipoff"} {
		items, err := d.inboxOf(r, v, service)
		switch {
		case errors.Is(err, fault.Forbidden): // this role has no inbox there
		case err != nil:
			d.note(r, err)
			in.Away = append(in.Away, service)
		}
		in.Items = append(in.Items, items...)
	}
	slices.SortStableFunc(in.Items, func(a, b item) int {
		return cmp.Or(cmp.Compare(zero(a.Due), zero(b.Due)), a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID))
	})
	for _, i := range in.Items {
		in.Count[i.Light]++
	}
	d.render(w, r, http.StatusOK, "inbox", view{Title: "待办", Body: in})
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
