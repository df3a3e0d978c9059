package portal

import (
	"encoding/json"
	"net/http"
	"net/url"

	"xunguan/pkg/day"
	"xunguan/pkg/division"
)

// drawView is a random draw as inspection publishes it. The file itself, which
// can be replayed, is at File.
type drawView struct {
	File         string `json:"-"`
	ID           string
	Round        int
	Replaces     string
	Reason       string
	Jurisdiction string
	Date         day.Date
	VisitOn      day.Date `json:"visit_on"`
	DrawnBy      string   `json:"drawn_by"`
	Agencies     []string
	MinOfficers  int `json:"min_officers"`
	By           string
	Strata       []struct {
		Name         string
		Size, Sample int
	}
	Targets []struct{ ID, Name, Stratum string }
	Drawn   []struct {
		Target, Stratum string
		Officers        []string
	}
	Excluded                  []struct{ Officer, Target, Reason string }
	Officers                  []struct{ ID, Agency string }
	TargetHash                string `json:"target_hash"`
	OfficerHash               string `json:"officer_hash"`
	FrozenHash                string `json:"frozen_hash"`
	Commit, Nonce, Seed, Seal string
	Algorithm                 string
}

// Name is what the target id is called.
func (v drawView) Name(id string) string {
	for _, t := range v.Targets {
		if t.ID == id {
			return t.Name
		}
	}
	return id
}

// draw answers GET /draws/{id}: everybody may read a draw, and replay it.
func (d *door) draw(w http.ResponseWriter, r *http.Request) error {
	at := "/v1/draws/" + url.PathEscape(r.PathValue("id"))
	raw, err := d.call(r.Context(), visitor{}, http.MethodGet, "inspection", at, "", nil)
	if err != nil {
		return err
	}
	v := drawView{File: "/api/inspection" + at}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	d.render(w, r, http.StatusOK, "draw", view{Title: say("draw.title"), Body: v})
	return nil
}

// resultsView is published results, which may be narrowed to a place.
type resultsView struct {
	Jurisdiction string
	Places       []division.Division
	Rows         []fact
}

// results answers GET /results: what inspections came to.
func (d *door) results(w http.ResponseWriter, r *http.Request) error {
	place := r.URL.Query().Get("jurisdiction")
	query := ""
	if place != "" {
		query = "?" + url.Values{"jurisdiction": {place}}.Encode()
	}
	f, err := d.ask(r.Context(), visitor{}, "inspection", "/v1/results"+query)
	if err != nil {
		return err
	}
	v := resultsView{Jurisdiction: place, Places: d.offered(r, place)}
	for _, row := range f.list() {
		v.Rows = append(v.Rows, row.linked(nil))
	}
	d.render(w, r, http.StatusOK, "results", view{Title: say("results.heading"), Body: v})
	return nil
}
