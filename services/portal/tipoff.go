package portal

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/google/uuid"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/peer"
)

// reporting reports whether r is somebody's who tips off, or reads the answer:
// such requests are kept out of logs and traces.
func reporting(r *http.Request) bool {
	if r.URL.Path == "/tipoff" || strings.HasPrefix(r.URL.Path, "/tipoff/") {
		return true
	}
	return r.Method == http.MethodPost && slices.Contains([]string{"/api/tipoff/v1/tips", "/api/tipoff/v1/tips/track", "/api/tipoff/v1/tips/supplement"}, r.URL.Path)
}

// unseen serves r, rid of all that says who sends it, without a log entry or a
// trace: only what fails is logged, and by name alone. The address stays for the
// counting of requests, which keeps it in memory under a key that is forgotten.
func (d *door) unseen(next http.Handler, w http.ResponseWriter, r *http.Request) {
	for name := range r.Header {
		if !slices.Contains([]string{"Accept", "Content-Type", "Idempotency-Key", "Origin", "Sec-Fetch-Site"}, name) {
			r.Header.Del(name)
		}
	}
	rec := &status{ResponseWriter: w, code: http.StatusOK}
	defer func() {
		if p := recover(); p != nil {
			d.Log.Error("panic", slog.String("where", "tip-off"), slog.String("stack", string(debug.Stack())))
			fault.WriteHTTP(r.Context(), fault.Internal.Errorf("panic"), rec)
		}
	}()
	next.ServeHTTP(rec, r.WithContext(peer.Unseen(r.Context())))
}

// tipPages are the pages of those who tip off. They work without scripts, set no
// cookie, and put nothing secret into an address.
func (d *door) tipPages(mux *table) {
	mux.Handle("GET /tipoff", d.counted(d.page(d.tipForm)))
	mux.Handle("POST /tipoff/received", d.counted(d.page(d.tipSubmit)))
	mux.Handle("GET /tipoff/received", http.RedirectHandler("/tipoff/track", http.StatusSeeOther))
	mux.Handle("GET /tipoff/track", d.counted(d.page(d.trackForm)))
	mux.Handle("POST /tipoff/track", d.counted(d.page(d.trackTip)))
	mux.Handle("POST /tipoff/supplement", d.counted(d.page(d.supplementTip)))
}

// tipDraft is what a form holds, as the service takes it.
type tipDraft struct {
	Key             string       `json:"-"`
	SubjectKind     string       `json:"subject_kind"`
	Institution     string       `json:"institution,omitempty"`
	InstitutionName string       `json:"institution_name,omitempty"`
	PlaceAddress    string       `json:"place_address,omitempty"`
	PlaceSignboard  string       `json:"place_signboard,omitempty"`
	PlacePhone      string       `json:"place_phone,omitempty"`
	Person          string       `json:"person,omitempty"`
	Text            string       `json:"text"`
	HappenedOn      string       `json:"happened_on,omitempty"`
	Identity        *tipIdentity `json:"identity,omitempty"`
}

type tipIdentity struct {
	Name  string `json:"name,omitempty"`
	Phone string `json:"phone,omitempty"`
}

// tipForm answers GET /tipoff. The key in the form is what makes sending it twice
// one tip-off.
func (d *door) tipForm(w http.ResponseWriter, r *http.Request) error {
	t := tipDraft{Key: uuid.NewString(), SubjectKind: "INSTITUTION"}
	if id := r.URL.Query().Get("institution"); id != "" {
		if i, err := d.FindInstitution(r.Context(), FindInstitution{ID: id}); err == nil {
			t.Institution, t.InstitutionName = i.ID, i.Name
		}
	}
	d.render(w, r, http.StatusOK, "tipoff", view{Title: "举报投诉", Body: t})
	return nil
}

// tipSubmit answers POST /tipoff/received: the receipt, or the form with what is wrong.
func (d *door) tipSubmit(w http.ResponseWriter, r *http.Request) error {
	t, err := draft(r)
	if err != nil {
		return err
	}
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	raw, err := d.call(r.Context(), visitor{}, http.MethodPost, "tipoff", "/v1/tips", t.Key, body)
	if err != nil {
		d.note(r, err)
		p := problemOf(err)
		d.render(w, r, p.Status, "tipoff", view{Title: "举报投诉", Problem: p, Body: t})
		return nil
	}
	var receipt struct {
		Number      string
		Code        string
		SubmittedOn day.Date `json:"submitted_on"`
		WhatNext    string   `json:"what_next"`
		Due         day.Date
		Warnings    []string
	}
	if err := json.Unmarshal(raw, &receipt); err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	d.render(w, r, http.StatusOK, "tipoff_received", view{Title: "已收到举报", Body: receipt})
	return nil
}

// draft reads the form of r. A form that came without its key gets one.
func draft(r *http.Request) (tipDraft, error) {
	if err := r.ParseForm(); err != nil { // not multipart: nothing is written to a file
		return tipDraft{}, fault.Invalid.Wrap(err)
	}
	get := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	t := tipDraft{
		Key: get("key"), SubjectKind: get("subject_kind"), Institution: get("institution"), InstitutionName: get("institution_name"),
		PlaceAddress: get("place_address"), PlaceSignboard: get("place_signboard"), PlacePhone: get("place_phone"), Person: get("person"),
		Text: strings.ReplaceAll(get("text"), "\r\n", "\n"), HappenedOn: get("happened_on"),
	}
	if t.Key == "" {
		t.Key = uuid.NewString()
	}
	if i := (tipIdentity{get("name"), get("phone")}); i != (tipIdentity{}) {
		t.Identity = &i
	}
	return t, nil
}

// trackForm answers GET /tipoff/track.
func (d *door) trackForm(w http.ResponseWriter, r *http.Request) error {
	d.render(w, r, http.StatusOK, "tipoff_track", view{Title: "查询办理进度", Body: tracked{}})
	return nil
}

// tracked is the page of a tip-off for who has its receipt.
type tracked struct {
	Number, Code string // as typed; for the next form on the page, never for an address
	Found        bool
	Tip          struct {
		Number    string
		StateName string `json:"state_name"`
		State     string
		Merged    bool
		Owner     string
		Since     day.Date
		Due       day.Date
		Reason    string
		Answers   []struct {
			Text, Office string
			On           day.Date
			Amended      bool
		}
		Questions []struct {
			Text    string
			AskedOn day.Date `json:"asked_on"`
			Answer  string
		}
		Notices []string
	}
}

// trackTip answers POST /tipoff/track.
func (d *door) trackTip(w http.ResponseWriter, r *http.Request) error {
	return d.showTip(w, r, "/v1/tips/track", false)
}

// supplementTip answers POST /tipoff/supplement.
func (d *door) supplementTip(w http.ResponseWriter, r *http.Request) error {
	return d.showTip(w, r, "/v1/tips/supplement", true)
}

// showTip calls path with the receipt in r's form and shows the tip-off.
func (d *door) showTip(w http.ResponseWriter, r *http.Request, path string, done bool) error {
	if err := r.ParseForm(); err != nil {
		return fault.Invalid.Wrap(err)
	}
	said := map[string]string{"number": strings.TrimSpace(r.PostForm.Get("number")), "code": strings.TrimSpace(r.PostForm.Get("code"))}
	if done {
		said["text"] = strings.TrimSpace(r.PostForm.Get("text"))
	}
	body, err := json.Marshal(said)
	if err != nil {
		return err
	}
	t := tracked{Number: said["number"]}
	raw, err := d.call(r.Context(), visitor{}, http.MethodPost, "tipoff", path, "", body)
	if err == nil {
		err = json.Unmarshal(raw, &t.Tip)
	}
	if err != nil {
		d.note(r, err)
		p := problemOf(err)
		d.render(w, r, p.Status, "tipoff_track", view{Title: "查询办理进度", Problem: p, Body: t})
		return nil
	}
	t.Found, t.Code = true, said["code"]
	d.render(w, r, http.StatusOK, "tipoff_track", view{Title: "办理进度", Done: done, Body: t})
	return nil
}
