package portal

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"xunguan/pkg/division"
	"xunguan/pkg/fault"
)

func (d *door) publicPages(mux *table) {
	mux.Handle("GET /{$}", d.counted(d.page(d.home)))
	mux.Handle("GET /institutions/{id}", d.counted(d.page(d.institution)))
	mux.Handle("GET /p/{uscc}", d.counted(d.page(d.printed)))
	mux.HandleFunc("GET /robots.txt", robots)
	mux.Handle("GET /draws/{id}", d.counted(d.page(d.draw)))
	mux.Handle("GET /results", d.counted(d.page(d.results)))
	d.listPage(mux, "contracts", contractList)
	d.tipPages(mux)
	d.casePages(mux, "contracts", contractCase)
	d.casePages(mux, "wind-downs", windDownCase)
	d.refundPages(mux)
}

// searchView is the home page: the search, and what it found.
type searchView struct {
	Q, Jurisdiction, Status string
	Places                  []division.Division
	Asked                   bool
	Found                   Institutions
	Next, Previous          string // addresses; "" is none
}

// home answers GET / of the public: the directory.
func (d *door) home(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	s := searchView{Q: q.Get("q"), Jurisdiction: q.Get("jurisdiction"), Status: q.Get("status"), Asked: q.Has("q")}
	page, _ := strconv.Atoi(q.Get("page"))
	page = min(max(page, 1), 100)
	s.Places = d.offered(r, s.Jurisdiction)
	if !s.Asked {
		d.render(w, r, http.StatusOK, "home", view{Title: say("layout.institutions"), Body: s})
		return nil
	}
	if utf8.RuneCountInString(s.Q) > 200 {
		return fault.Fields(fault.Field{Pointer: "/query/q", Detail: "至多 200 个字符"})
	}
	var err error
	s.Found, err = d.FindInstitutions(r.Context(), FindInstitutions{Q: s.Q, Jurisdiction: s.Jurisdiction, Status: s.Status, Page: page})
	if err != nil {
		return err
	}
	at := func(n int) string {
		return "/?" + url.Values{"q": {s.Q}, "jurisdiction": {s.Jurisdiction}, "status": {s.Status}, "page": {strconv.Itoa(n)}}.Encode()
	}
	if page > 1 {
		s.Previous = at(page - 1)
	}
	if page < 100 && page*s.Found.Size < s.Found.Total {
		s.Next = at(page + 1)
	}
	d.render(w, r, http.StatusOK, "home", view{Title: say("layout.institutions"), Body: s})
	return nil
}

// offered is the places that a page may be narrowed to. The page does without
// them, if it must.
func (d *door) offered(r *http.Request, at string) []division.Division {
	places, err := d.places(r.Context(), at)
	if err != nil {
		d.note(r, err)
	}
	return places
}

// institution answers GET /institutions/{id} of the public.
func (d *door) institution(w http.ResponseWriter, r *http.Request) error {
	i, err := d.FindInstitution(r.Context(), FindInstitution{ID: r.PathValue("id")})
	if err != nil {
		return err
	}
	d.render(w, r, http.StatusOK, "institution", view{Title: i.Name, Body: i})
	return nil
}

// printed answers GET /p/{uscc}, the address of an institution that stands on
// paper: it leads to the page.
func (d *door) printed(w http.ResponseWriter, r *http.Request) error {
	code := strings.ToUpper(r.PathValue("uscc"))
	found, err := d.FindInstitutions(r.Context(), FindInstitutions{Q: code, Size: 2})
	if err != nil {
		return err
	}
	for _, i := range found.Items {
		if i.USCC == code {
			http.Redirect(w, r, "/institutions/"+url.PathEscape(i.ID), http.StatusFound)
			return nil
		}
	}
	return fault.NotFound.Errorf("未在本市名录中找到统一社会信用代码为 %s 的机构", code)
}

// robots tells search engines what to find: institutions and results, and nothing
// of those who log in or tip off.
func robots(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "User-agent: *\nAllow: /$\nAllow: /institutions/\nAllow: /p/\nAllow: /results\nDisallow: /\n")
}

// transferRules is the rules that the page on private transfers names.
var transferRules = []string{"fee.max_months", "fee.max_lessons", "fee.nonsubject_cap"}

// transferView is what holds of prepaid fees.
type transferView struct{ Rules []paidRule }

// paidRule is a rule as it is in force, as rulebook publishes it.
type paidRule struct {
	Key        string
	Value      json.RawMessage
	Unit       string
	Source     string
	Provenance string
}

// Words is r's value in words.
func (r paidRule) Words() string {
	if n, err := strconv.ParseInt(string(r.Value), 10, 64); err == nil && r.Unit == "fen" {
		return yuan(n)
	}
	return string(r.Value) + " " + name(r.Unit)
}

// transfer answers GET /tipoff/transfer: what to do when an institution wants the
// fee paid past its supervised account. Without the rulebook it says the rest.
func (d *door) transfer(w http.ResponseWriter, r *http.Request) error {
	var v transferView
	for _, key := range transferRules {
		raw, err := d.call(r.Context(), visitor{}, http.MethodGet, "rulebook", "/v1/rules?jurisdiction=000000&key="+key, "", nil)
		var found struct{ Rules []paidRule }
		if err == nil {
			err = json.Unmarshal(raw, &found)
		}
		if err != nil {
			d.note(r, err)
			break
		}
		v.Rules = append(v.Rules, found.Rules...)
	}
	d.render(w, r, http.StatusOK, "transfer", view{Title: say("transfer.heading"), Body: v})
	return nil
}
