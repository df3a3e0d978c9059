package portal

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/skip2/go-qrcode"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

// tipSteps is the pages of a tip-off, one question each, in their order. The page
// of photos is for who wants it, from the third and the last of them.
var tipSteps = []string{"about", "where", "what", "who", "check"}

// tipForm is one page of a tip-off. What was said on the others travels with it:
// nothing is kept here before the last of them is sent.
type tipForm struct {
	tipDraft
	Step  string
	After string // where to go from here, if not to the next page
	Wrong wrongs
}

// Number is which page it is, of how many.
func (f tipForm) Number() string {
	if f.Step == "photos" {
		return say("tipoff.photo_page")
	}
	return say("tipoff.step", slices.Index(tipSteps, f.Step)+1, len(tipSteps))
}

// Back is the page before; "" if there is none.
func (f tipForm) Back() string {
	if f.Step == "photos" {
		return "what"
	}
	return tipSteps[max(slices.Index(tipSteps, f.Step)-1, 0)]
}

// Kind is what f is about, in words.
func (f tipForm) Kind() string { return wordOf("subject_kind", f.SubjectKind) }

// Place is whom or where f is about, a line each.
func (f tipForm) Place() (lines []string) {
	if f.InstitutionName != "" {
		lines = append(lines, f.InstitutionName)
	}
	for _, said := range [][2]string{{"tipoff.said_person", f.Person}, {"tipoff.said_address", f.PlaceAddress}, {"tipoff.said_signboard", f.PlaceSignboard}, {"tipoff.said_phone", f.PlacePhone}} {
		if said[1] != "" {
			lines = append(lines, say(said[0], said[1]))
		}
	}
	return lines
}

// wrongs is what is wrong with fields, by their names.
type wrongs map[string]string

// fieldError is what is wrong with one field.
type fieldError struct{ Name, What string }

// wrong is what the page named step lacks.
func (t tipDraft) wrong(step string) map[string]string {
	switch {
	case step == "about" && !slices.Contains([]string{"INSTITUTION", "PLACE", "PERSON"}, t.SubjectKind):
		return map[string]string{"subject_kind": say("tipoff.lacks_kind")}
	case step == "where" && t.SubjectKind == "INSTITUTION" && t.Institution+t.InstitutionName == "":
		return map[string]string{"institution_name": say("tipoff.lacks_institution")}
	case step == "where" && t.SubjectKind == "PLACE" && t.PlaceAddress+t.PlaceSignboard == "":
		return map[string]string{"place_address": say("tipoff.lacks_place")}
	case step == "where" && t.SubjectKind == "PERSON" && t.Person+t.InstitutionName+t.PlaceAddress == "":
		return map[string]string{"person": say("tipoff.lacks_person")}
	case step == "what" && utf8.RuneCountInString(t.Text) < 5:
		return map[string]string{"text": say("tipoff.lacks_text")}
	}
	return nil
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
	photoDraft
}

type tipIdentity struct {
	Name  string `json:"name,omitempty"`
	Phone string `json:"phone,omitempty"`
}

// tipForm answers GET /tipoff. The key in the form is what makes sending it twice
// one tip-off.
func (d *door) tipForm(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f := tipForm{tipDraft: tipDraft{Key: uuid.NewString()}, Step: "about"}
	if i, err := d.FindInstitution(r.Context(), FindInstitution{ID: q.Get("institution")}); err == nil {
		f.SubjectKind, f.Institution, f.InstitutionName, f.Step = "INSTITUTION", i.ID, i.Name, "what"
	}
	if name := q.Get("name"); name != "" && utf8.RuneCountInString(name) <= 80 {
		f.SubjectKind, f.InstitutionName = "INSTITUTION", name
	}
	if q.Get("about") == "transfer" {
		f.SubjectKind, f.Text = "INSTITUTION", transferText
		if f.Institution == "" {
			f.Step = "where"
		}
	}
	d.render(w, r, http.StatusOK, "tipoff", view{Title: say("layout.tip"), Body: f})
	return nil
}

// transferText is where a tip-off of a private transfer begins.
var transferText = say("transfer.text")

// tipStep answers POST /tipoff: the page that was asked for, or the one that was
// sent with what it lacks.
func (d *door) tipStep(w http.ResponseWriter, r *http.Request) error {
	t, err := draft(r)
	if err != nil {
		return err
	}
	at, to := slices.Index(tipSteps, r.PostForm.Get("step")), slices.Index(tipSteps, r.PostForm.Get("to"))
	if to < 0 {
		to = min(at+1, len(tipSteps)-1)
	}
	f := tipForm{tipDraft: t, Step: tipSteps[to]}
	if to < at && r.PostForm.Get("step") == "check" { // to change one thing
		f.After = "check"
	}
	for i := at; i >= 0 && i < to; i++ {
		if f.Wrong = t.wrong(tipSteps[i]); f.Wrong != nil {
			f.Step, f.After = tipSteps[i], r.PostForm.Get("to")
			return d.tipWrong(w, r, f)
		}
	}
	if r.PostForm.Get("to") == "photos" {
		f.Step = "photos"
		if r.PostForm.Get("step") == "check" {
			f.After = "check"
		}
	}
	d.render(w, r, http.StatusOK, "tipoff", view{Title: say("layout.tip"), Body: f})
	return nil
}

// tipWrong shows f with what is wrong with it.
func (d *door) tipWrong(w http.ResponseWriter, r *http.Request, f tipForm) error {
	var fields []fault.Field
	for name, what := range f.Wrong {
		fields = append(fields, fault.Field{Pointer: "/" + name, Detail: what})
	}
	p := problemOf(fault.Fields(fields...))
	d.render(w, r, p.Status, "tipoff", view{Title: say("layout.tip"), Problem: p, Body: f})
	return nil
}

// tipReceipt is what who tipped off takes along.
type tipReceipt struct {
	Number      string
	Code        string
	SubmittedOn day.Date `json:"submitted_on"`
	WhatNext    string   `json:"what_next"`
	Due         day.Date
	Provisional bool
	Warnings    []string
	QR          template.URL `json:"-"` // leads to the tracking page with both filled in
	File        template.URL `json:"-"` // the receipt as a text
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
		d.render(w, r, p.Status, "tipoff", view{Title: say("layout.tip"), Problem: p, Body: tipForm{tipDraft: t, Step: "check"}})
		return nil
	}
	var got tipReceipt
	if err := json.Unmarshal(raw, &got); err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	scheme := "https://"
	if d.Trial {
		scheme = "http://"
	}
	if err := got.carry(scheme + r.Host + "/tipoff/track"); err != nil {
		return err
	}
	d.render(w, r, http.StatusOK, "tipoff_received", view{Title: say("received.title"), Body: got})
	return nil
}

// carry makes the forms in which t is taken along to at, the tracking page. The code stands behind the #
// of the address, which browsers do not send.
func (t *tipReceipt) carry(at string) error {
	picture, err := qrcode.Encode(at+"#"+t.Number+"/"+t.Code, qrcode.Medium, 264)
	if err != nil {
		return err
	}
	t.QR = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(picture)) //nolint:gosec // made of what the service answered
	text := say("received.file_text", t.Number, t.Code, date(t.SubmittedOn), cmp.Or(date(t.Due), say("received.due_later")), at, t.WhatNext)
	t.File = template.URL("data:text/plain;charset=utf-8;base64," + base64.StdEncoding.EncodeToString([]byte("\ufeff"+text))) //nolint:gosec // as above
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
		Text: strings.ReplaceAll(get("text"), "\r\n", "\n"), HappenedOn: get("happened_on"), photoDraft: photosOf(r.PostForm),
	}
	if t.Key == "" {
		t.Key = uuid.NewString()
	}
	if i := (tipIdentity{get("name"), get("phone")}); i != (tipIdentity{}) {
		t.Identity = &i
	}
	return t, nil
}
