package portal

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
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
	Warnings []fact
	Facts    []fact
	Timeline []fact
	Lists    []listView
	Actions  []actionView
}

type listView struct {
	Title string
	Parts []partView
}

// partView is a part of a case with actions of its own: a lesson, a refund.
type partView struct {
	Facts   []fact
	Actions []actionView
}

// actionView is a button with what it asks for.
type actionView struct {
	flow.Action
	Key   string // Idempotency-Key: one for each page that is shown
	CSRF  string
	Typed map[string]string
}

// Value is what was typed into the field named name.
func (a actionView) Value(name string) string { return a.Typed[name] }

// filling is what forms are filled with: the session's CSRF token, and what was
// typed before.
type filling struct {
	csrf  string
	typed url.Values
}

// casePages adds /{name}/{id}, which shows a case and takes its actions.
func (d *door) casePages(mux *table, name string, k caseKind) {
	mux.Handle("GET /"+name+"/{id}", d.counted(d.page(func(w http.ResponseWriter, r *http.Request) error {
		return d.showCase(w, r, name, k, nil, nil)
	})))
	mux.Handle("POST /"+name+"/{id}", d.counted(d.page(func(w http.ResponseWriter, r *http.Request) error {
		return d.act(w, r, name, k)
	})))
}

// showCase shows a case; after an action that failed, with why and with what was
// typed.
func (d *door) showCase(w http.ResponseWriter, r *http.Request, name string, k caseKind, failed error, typed url.Values) error {
	v, err := d.member(r)
	if err != nil {
		return err
	}
	at := "/v1/" + name + "/" + url.PathEscape(r.PathValue("id"))
	f, err := d.ask(r.Context(), v, k.service, at)
	if err != nil {
		return errors.Join(failed, err)
	}
	fill := filling{v.session.CSRF(), typed}
	c := caseOf(f, fill)
	c.Kind = k.title
	for path, title := range k.lists {
		list, err := d.ask(r.Context(), v, k.service, at+"/"+path)
		if err != nil {
			return errors.Join(failed, err)
		}
		c.Lists = append(c.Lists, listView{title, partsOf(list.list(), fill)})
	}
	code, page := http.StatusOK, view{Title: k.title + "：" + c.Name, Body: c, Done: r.URL.Query().Get("done") == "1"}
	if failed != nil {
		d.note(r, failed)
		page.Problem = problemOf(failed)
		code = page.Problem.Status
	}
	d.render(w, r, code, "case", page)
	return nil
}

// caseOf sorts a service's answer into the parts of the page.
func caseOf(f fact, fill filling) caseView {
	c := caseView{
		Name: firstOf(f, "title", "name", "course", "explanation", "id"), State: firstOf(f, "state_text", "state_name", "state"),
		Warnings: f.At("warnings").Facts, Timeline: f.At("timeline").Facts, Actions: actionsOf(f, fill),
	}
	for _, part := range f.Less("warnings", "timeline", "actions", "state", "state_text", "state_name") {
		if part.acts() {
			c.Lists = append(c.Lists, listView{part.Label(), partsOf(part.Facts, fill)})
		} else {
			c.Facts = append(c.Facts, part)
		}
	}
	return c
}

// acts reports whether f is a list of parts with actions of their own.
func (f fact) acts() bool {
	return f.List && slices.ContainsFunc(f.Facts, func(p fact) bool { return p.At("actions").List })
}

func partsOf(all []fact, fill filling) []partView {
	var parts []partView
	for _, p := range all {
		parts = append(parts, partView{p.Less("actions"), actionsOf(p, fill)})
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
		v := actionView{Key: uuid.NewString(), CSRF: fill.csrf, Typed: map[string]string{}}
		v.Action.Action, v.Label, v.Href = a.At("action").Raw, a.At("label").Raw, a.At("href").Raw
		v.Basis, v.Reason = a.At("basis").Raw, a.At("reason").Raw == "true"
		for _, field := range a.At("fields").Facts {
			v.Fields = append(v.Fields, fieldOf(field))
		}
		v.Reason = v.Reason && !slices.ContainsFunc(v.Fields, func(f flow.Field) bool { return f.Name == "reason" })
		if fill.typed.Get("href") == v.Href {
			v.restore(fill.typed)
		}
		views = append(views, v)
	}
	return views
}

func fieldOf(f fact) flow.Field {
	n := flow.Field{Name: f.At("name").Raw, Label: f.At("label").Raw, Type: f.At("type").Raw, Required: f.At("required").Raw == "true"}
	for _, c := range f.At("choices").Facts {
		n.Choices = append(n.Choices, c.Raw)
	}
	return n
}

// restore puts back what was typed, under the key that it was sent with: if the
// first answer was lost, sending again acts once.
func (a *actionView) restore(typed url.Values) {
	a.Key = typed.Get("key")
	for name, values := range typed {
		if _, field, ok := strings.Cut(name, "."); ok {
			a.Typed[field] = values[0]
		}
	}
}

// act sends the action that a form of the case asks for to the service, and
// shows the case again.
func (d *door) act(w http.ResponseWriter, r *http.Request, name string, k caseKind) error {
	v, err := d.member(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return fault.Invalid.Wrap(err)
	}
	form := r.PostForm
	if err := v.admit(r, form.Get("csrf")); err != nil {
		return err
	}
	href, err := url.Parse(form.Get("href"))
	if err != nil || href.IsAbs() || href.Host != "" || !strings.HasPrefix(href.Path, "/v1/") || strings.Contains(href.Path, "..") {
		return fault.Invalid.Errorf("表单有误，请刷新页面后重试")
	}
	body, err := bodyOf(form)
	if err == nil {
		_, err = d.call(r.Context(), v, http.MethodPost, k.service, href.EscapedPath(), form.Get("key"), body)
	}
	if err != nil {
		if errors.Is(err, fault.KeyReused) || form.Get("key") == "" {
			form.Set("key", uuid.NewString())
		}
		return d.showCase(w, r, name, k, err, form)
	}
	http.Redirect(w, r, r.URL.EscapedPath()+"?done=1", http.StatusSeeOther) //nolint:gosec // the page that was asked for
	return nil
}

// bodyOf makes JSON of a form whose field names say their type: number.area. An
// empty field is left out.
func bodyOf(form url.Values) ([]byte, error) {
	body := map[string]any{}
	for name, values := range form {
		kind, field, ok := strings.Cut(name, ".")
		text := strings.TrimSpace(values[0])
		if !ok || text == "" {
			continue
		}
		switch kind {
		case "number":
			if !json.Valid([]byte(text)) {
				return nil, fault.Fields(fault.Field{Pointer: "/" + field, Detail: "应为数字"})
			}
			put(body, field, json.Number(text))
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
