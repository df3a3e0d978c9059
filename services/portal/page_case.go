package portal

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

// caseKind is one kind of case that a page shows: an application, a flag, a
// contract.
type caseKind struct {
	service, title string
	lists          map[string]string // lists at an address below the case's, by path, with their titles
}

// caseView is a case as its page shows it.
type caseView struct {
	Kind     string
	Name     string
	State    string
	Lamp     *item // how its deadline stands; nil without one
	Warnings []fact
	Facts    []fact
	Timeline []fact
	Lists    []listView
	Actions  []actionView
}

type listView struct {
	Title string
	Parts []partView
	Rest  []partView // with which there is nothing to do: they are opened by who wants them
}

// Waits reports whether a part waits for who looks.
func (l listView) Waits() bool {
	return slices.ContainsFunc(l.Parts, func(p partView) bool { return p.Waits })
}

// partView is a part of a case: a lesson, a refund, a visit. It may have actions
// of its own, and a page.
type partView struct {
	Name, Href string // what it is called, and its page; "" is none
	State      string
	Lamp       *item // how its deadline stands; nil without one
	Waits      bool  // for who looks
	Note       string
	Folded     bool // Facts are opened by who wants them
	Facts      []fact
	Actions    []actionView
}

// actionView is a button with what it asks for.
type actionView struct {
	flow.Action
	Page  string // where it is done instead of here; "" is here
	Key   string // Idempotency-Key: one for each page that is shown
	CSRF  string
	Alone bool // there is no other: it need not be opened
	typed url.Values
}

// Typed reports whether the form comes back with what was typed before.
func (a actionView) Typed() bool { return a.typed != nil }

// Value is what is in the field f.
func (a actionView) Value(f flow.Field) string {
	if a.typed == nil {
		return f.Value
	}
	return strings.Join(a.typed[f.Name], "\n")
}

// Picked reports whether choice is among what f lists.
func (a actionView) Picked(f flow.Field, choice string) bool {
	return slices.Contains(strings.Split(a.Value(f), "\n"), choice)
}

// filling is what forms are filled with and links lead to: the session's CSRF
// token, what was typed before, and who looks.
type filling struct {
	csrf  string
	typed url.Values
	pages map[string]string
}

func (d *door) filling(v visitor, typed url.Values) filling {
	return filling{v.session.CSRF(), typed, d.homes(v)}
}

// casePages adds /{name}/{id}, which shows a case and takes its actions.
func (d *door) casePages(mux *table, name string, k caseKind) {
	mux.Handle("GET /"+name+"/{id}", d.counted(d.page(func(w http.ResponseWriter, r *http.Request) error {
		return d.showCase(w, r, name, k, nil, nil)
	})))
	mux.Handle("POST /"+name+"/{id}", d.counted(d.page(func(w http.ResponseWriter, r *http.Request) error {
		return d.act(w, r, k.service, func(failed error, typed url.Values) error { return d.showCase(w, r, name, k, failed, typed) })
	})))
}

// showCase shows a case; after an action that failed, with why and with what was
// typed. After one that succeeded it may be out of sight.
func (d *door) showCase(w http.ResponseWriter, r *http.Request, name string, k caseKind, failed error, typed url.Values) error {
	v, err := d.member(r)
	if err != nil {
		return err
	}
	done := r.URL.Query().Get("done") == "1"
	at := "/v1/" + name + "/" + url.PathEscape(r.PathValue("id"))
	f, err := d.ask(r.Context(), v, k.service, at)
	if done && errors.Is(err, fault.NotFound) {
		d.render(w, r, http.StatusOK, "gone", view{Title: say("gone.title", k.title), Done: true})
		return nil
	}
	if err != nil {
		return errors.Join(failed, err)
	}
	fill := d.filling(v, typed)
	c := caseOf(f, fill)
	c.Kind = k.title
	for path, title := range k.lists {
		all, err := d.askAll(r.Context(), v, k.service, at+"/"+path)
		if err != nil {
			return errors.Join(failed, err)
		}
		parts := partsOf(path, fact{Key: path, List: true, Facts: all}.linked(fill.pages).Facts, fill)
		for i := range parts {
			parts[i].Facts = slices.DeleteFunc(parts[i].Facts, func(p fact) bool { return p.Raw == r.PathValue("id") })
		}
		c.Lists = append(c.Lists, listView{Title: title, Parts: parts})
	}
	if d.at == Public {
		c.forParent(r.PathValue("id"), d.waits(r, v))
	}
	code, page := http.StatusOK, view{Title: say("case.title", k.title, c.Name), Body: c, Done: done}
	if failed != nil {
		d.note(r, failed)
		page.Problem, page.Form = problemOf(failed), typed.Get("key")+"."
		code = page.Problem.Status
	}
	d.render(w, r, code, "case", page)
	return nil
}

// states is where a case says in what state it is, the best words first.
var states = []string{"state_text", "state_name", "status_text", "state", "status"}

// caseOf sorts a service's answer into the parts of the page.
func caseOf(f fact, fill filling) caseView {
	f = f.linked(fill.pages)
	c := caseView{
		Name: firstOf(f, nameKeys...), State: firstOf(f, states...), Lamp: f.lamp(),
		Warnings: f.At("warnings").Facts, Timeline: f.At("timeline").Facts, Actions: actionsOf(f, fill),
	}
	less := append([]string{"warnings", "timeline", "actions", "light", "days_left", "version"}, states...)
	if c.Lamp != nil { // which says them
		less = append(less, "due", "provisional")
	}
	for _, part := range f.Less(less...) {
		switch {
		case part.section():
			list := listView{Title: part.Label(), Parts: partsOf(part.Key, part.Facts, fill)}
			for i := range list.Parts {
				list.Parts[i].Facts = slices.DeleteFunc(list.Parts[i].Facts, f.tells)
			}
			c.Lists = append(c.Lists, list)
		case part.Text == "" || part.Text != c.Name: // which is the heading
			c.Facts = append(c.Facts, part)
		}
	}
	return c
}

// tells reports whether a part's fact p is said of the whole already, or is the
// whole's own id.
func (f fact) tells(p fact) bool {
	same := f.At(p.Key)
	return p.Raw != "" && (p.Raw == same.Raw || p.Raw == f.At("id").Raw) || p.List && p.Joined() != "" && p.Joined() == same.Joined()
}

// nameKeys is what a case may be called by.
var nameKeys = []string{"name", "title", "course", "explanation", "institution_name", "institution", "number", "subject_name", "id"}

// section reports whether f is a list of things with parts of their own, which
// stand under a heading. Rules stay with what rests on them.
func (f fact) section() bool {
	return f.List && !f.Fold && slices.ContainsFunc(f.Facts, func(p fact) bool { return !p.Leaf && !p.List })
}

func partsOf(key string, all []fact, fill filling) []partView {
	var parts []partView
	for _, p := range all {
		if p.Leaf || p.List {
			continue
		}
		v := partView{Actions: actionsOf(p, fill), State: firstOf(p, states...), Lamp: p.lamp()}
		less := append([]string{"actions", "version", "light", "days_left"}, states...)
		if home := fill.pages[key]; home != "" && p.At("id").Raw != "" {
			v.Href, v.Folded = home+url.PathEscape(p.At("id").Raw), true
			if v.Name = firstOf(p, nameKeys...); p.At("name").Text == v.Name {
				less = append(less, "name")
			}
		}
		v.Facts = p.Less(less...)
		parts = append(parts, v)
	}
	return parts
}

func firstOf(f fact, keys ...string) string {
	for _, k := range keys {
		if text := f.Get(k); text != "" {
			return text
		}
	}
	return ""
}

// actionsOf is the actions that the service offers in f.
func actionsOf(f fact, fill filling) []actionView {
	var views []actionView
	for _, a := range f.At("actions").Facts {
		v := actionView{Key: uuid.NewString(), CSRF: fill.csrf}
		v.Action.Action, v.Label, v.Href = a.At("action").Raw, a.At("label").Raw, a.At("href").Raw
		v.Basis, v.Reason, v.Shown = a.At("basis").Raw, a.At("reason").Raw == "true", a.At("shown").Raw == "true"
		for _, field := range a.At("fields").Facts {
			v.Fields = append(v.Fields, fieldOf(field))
		}
		if v.Reason && !slices.ContainsFunc(v.Fields, func(f flow.Field) bool { return f.Name == "reason" }) {
			v.Fields = append(v.Fields, flow.Field{Name: "reason", Label: say("all.reason"), Type: "text", Required: true})
		}
		if fill.typed.Get("href") == v.Href && v.meant(fill.typed) {
			v.restore(fill.typed)
		}
		views = append(views, v)
	}
	if len(views) == 1 {
		views[0].Alone = true
	}
	return views
}

func fieldOf(f fact) flow.Field {
	n := flow.Field{Name: f.At("name").Raw, Label: f.At("label").Raw, Type: f.At("type").Raw, Required: f.At("required").Raw == "true", Value: f.At("value").Raw}
	for _, c := range f.At("choices").Facts {
		n.Choices = append(n.Choices, c.Raw)
	}
	for _, c := range f.At("names").Facts {
		n.Names = append(n.Names, c.Raw)
	}
	if len(n.Names) != len(n.Choices) {
		n.Names = nil
		for _, c := range n.Choices {
			n.Names = append(n.Names, name(c))
		}
	}
	return n
}

// meant reports whether form is a's, of those with its address: what is fixed in
// it says so.
func (a *actionView) meant(form url.Values) bool {
	for _, f := range a.Fields {
		if f.Type == "fixed" && form.Get("text."+f.Name) != f.Value {
			return false
		}
	}
	return true
}

// restore puts back what was typed, under the key that it was sent with: if the
// first answer was lost, sending again acts once.
func (a *actionView) restore(form url.Values) {
	a.Key, a.typed = form.Get("key"), url.Values{}
	for name, values := range form {
		if _, field, ok := strings.Cut(name, "."); ok {
			a.typed[field] = values
		}
	}
}

// act sends the action that a form asks for to the service. Then the page is
// shown again, or what came of it: a new case on its own page, an answer that is
// for the caller's eyes in place of the page.
func (d *door) act(w http.ResponseWriter, r *http.Request, service string, again func(failed error, typed url.Values) error) error {
	v, err := d.member(r)
	if err != nil {
		return err
	}
	form, err := v.posted(r)
	if err != nil {
		return err
	}
	href, err := url.Parse(form.Get("href"))
	if err != nil || href.IsAbs() || href.Host != "" || !strings.HasPrefix(href.Path, "/v1/") || strings.Contains(href.Path, "..") {
		return fault.Invalid.Errorf("表单有误，请刷新页面后重试")
	}
	var answer []byte
	body, err := bodyOf(form)
	if err == nil {
		answer, err = d.call(r.Context(), v, http.MethodPost, service, href.EscapedPath(), form.Get("key"), body)
	}
	if err != nil {
		if errors.Is(err, fault.KeyReused) || form.Get("key") == "" {
			form.Set("key", uuid.NewString())
		}
		return again(err, form)
	}
	if form.Get("shown") == "1" {
		return d.showAnswer(w, r, v, answer)
	}
	at := r.URL.EscapedPath()
	if r.PathValue("id") == "" { // it made a case, of the kind that this page lists
		var made struct{ ID string }
		if json.Unmarshal(answer, &made) == nil && made.ID != "" {
			at += "/" + url.PathEscape(made.ID)
		}
	}
	http.Redirect(w, r, at+"?done=1", http.StatusSeeOther) //nolint:gosec // the page that was asked for
	return nil
}

// showAnswer shows what an action answered. Nothing keeps it: leaving the page is
// the end of it.
func (d *door) showAnswer(w http.ResponseWriter, r *http.Request, v visitor, answer []byte) error {
	f, err := parseFacts(answer)
	if err != nil {
		return err
	}
	c := caseOf(f, d.filling(v, nil))
	c.Name = say("case.once")
	d.render(w, r, http.StatusOK, "case", view{Title: c.Name, Body: c, Done: true})
	return nil
}

// bodyOf makes JSON of a form whose field names say their type: number.area. An
// empty field is left out.
func bodyOf(form url.Values) ([]byte, error) {
	body := map[string]any{}
	for name, values := range form {
		kind, field, ok := strings.Cut(name, ".")
		text := strings.TrimSpace(strings.Join(values, "\n"))
		if !ok || text == "" {
			continue
		}
		switch kind {
		case "number":
			if !json.Valid([]byte(text)) {
				return nil, fault.Fields(fault.Field{Pointer: "/" + field, Detail: "应为数字"})
			}
			put(body, field, json.Number(text))
		case "yuan":
			fen, ok := fenOf(text)
			if !ok {
				return nil, fault.Fields(fault.Field{Pointer: "/" + field, Detail: "应为金额，如 4800 或 4800.50"})
			}
			put(body, field, fen)
		case "boolean":
			put(body, field, text == "true")
		case "list":
			put(body, field, strings.FieldsFunc(text, func(c rune) bool { return c == '\n' || c == '\r' }))
		default:
			put(body, field, text)
		}
	}
	return json.Marshal(body)
}

// amount is money as people type it: at most two digits of 分.
var amount = regexp.MustCompile(`^([0-9]{1,12})(?:\.([0-9]{1,2}))?$`)

// fenOf is the 分 of an amount in 元.
func fenOf(text string) (int64, bool) {
	m := amount.FindStringSubmatch(strings.NewReplacer(",", "", "，", "").Replace(text))
	if m == nil {
		return 0, false
	}
	fen, err := strconv.ParseInt(m[1]+(m[2] + "00")[:2], 10, 64)
	return fen, err == nil
}

// put sets field of body; sponsor.name is the name of body's sponsor.
func put(body map[string]any, field string, value any) {
	outer, inner, nested := strings.Cut(field, ".")
	if !nested {
		body[field] = value
		return
	}
	within, ok := body[outer].(map[string]any)
	if !ok {
		within = map[string]any{}
		body[outer] = within
	}
	put(within, inner, value)
}
