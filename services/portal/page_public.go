package portal

import (
	"net/http"
	"net/url"
	"strconv"
	"unicode/utf8"

	"xunguan/pkg/fault"
)

func (d *door) publicPages(mux *table) {
	mux.Handle("GET /{$}", d.counted(d.page(d.home)))
	mux.Handle("GET /institutions/{id}", d.counted(d.page(d.institution)))
	mux.Handle("GET /draws/{id}", d.counted(d.page(d.draw)))
	mux.Handle("GET /results", d.counted(d.page(d.results)))
	d.listPage(mux, "contracts", contractList)
	d.tipPages(mux)
	d.casePages(mux, "contracts", contractCase)
}

// searchView is the home page: the search, and what it found.
type searchView struct {
	Q, Jurisdiction, Status string
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
	if !s.Asked {
		d.render(w, r, http.StatusOK, "home", view{Title: "查机构", Body: s})
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
	d.render(w, r, http.StatusOK, "home", view{Title: "查机构", Body: s})
	return nil
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
