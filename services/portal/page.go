package portal

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"

	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
)

// view is what a template gets.
type view struct {
	Title   string
	Staff   bool
	Trial   bool
	CanLog  bool // a login is configured
	Session *Session
	Here    string // the page's address
	Done    bool   // an action has just succeeded
	Problem *fault.Problem
	Form    string   // what the ids of the fields begin with that Problem is about
	Today   day.Date // the legal one, in trial mode
	Elder   bool     // larger text and targets
	Posted  bool     // the page answers a form: its address does not show it again
	Body    any
}

// Script is the address of what makes pages more convenient; "" is none.
func (v view) Script() string { return pageScript }

// anchor is the id of the field that a JSON pointer leads to, less what its form adds.
func anchor(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

var pages = parsePages("home", "institution", "problem", "welcome", "inbox", "case", "table", "traces", "trace", "tipoff", "tipoff_received", "tipoff_track", "transfer", "gone", "draw", "results", "time", "ops", "refund")

func parsePages(names ...string) map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"t": say, "date": date, "moment": moment, "yuan": yuan, "nth": func(i int) int { return i + 1 }, "name": name, "label": func(key string) string { return fact{Key: key}.Label() }, "pointer": pointer, "anchor": anchor, "wrong": func(name string, all wrongs) fieldError { return fieldError{name, all[name]} },
		"fullname": division.Name, "place": func(code string) string { return readable("jurisdiction", code) }, "provenance": func(code string) string { return wordOf("provenance", code) },
	}).ParseFS(files, "templates/layout.html", "templates/parts.html"))
	all := make(map[string]*template.Template)
	for _, n := range names {
		all[n] = template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/"+n+".html"))
	}
	return all
}

// pointer is the field that a JSON pointer leads to, in words.
func pointer(p string) string {
	var words []string
	for step := range strings.SplitSeq(strings.Trim(p, "/"), "/") {
		if n, err := strconv.Atoi(step); err == nil {
			step = say("all.nth_item", n+1)
		} else if step == "query" || step == "body" {
			continue
		}
		words = append(words, fact{Key: step}.Label())
	}
	return strings.Join(words, " ")
}

// page makes a handler of f: its error becomes a page.
func (d *door) page(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			d.fail(w, r, err)
		}
	})
}

// fail shows err as a page. Who is not logged in is sent to log in.
func (d *door) fail(w http.ResponseWriter, r *http.Request, err error) {
	d.note(r, err)
	p := problemOf(err)
	d.render(w, r, p.Status, "problem", view{Title: say("problem.heading"), Problem: p})
}

// problemOf is err as the answer of an API would say it.
func problemOf(err error) *fault.Problem {
	p := fault.ProblemOf(err)
	return &p
}

// render writes the page named name. It is whole before its status is written.
func (d *door) render(w http.ResponseWriter, r *http.Request, code int, name string, v view) {
	who, err := d.visitor(r)
	if err == nil {
		v.Session = who.session
	}
	v.Staff, v.Trial, v.CanLog = d.at == Staff, d.Trial, d.Login != nil
	if d.Trial {
		v.Today = day.Of(d.Clock.Now())
	}
	v.Elder, v.Posted = elder(r), r.Method != http.MethodGet
	if v.Here = r.URL.Path; r.Method == http.MethodGet && r.URL.RawQuery != "" {
		v.Here += "?" + r.URL.RawQuery
	}
	var b bytes.Buffer
	if err := pages[name].ExecuteTemplate(&b, "layout.html", v); err != nil {
		d.Log.ErrorContext(r.Context(), "page", "name", name, "err", err)
		http.Error(w, say("problem.internal"), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes())
}

// member is the session of who asks, or Unauthentic.
func (d *door) member(r *http.Request) (visitor, error) {
	v, err := d.visitor(r)
	if err == nil && v.session == nil {
		err = fault.Unauthentic.Errorf("请先登录")
	}
	return v, err
}

// ask gets a service's answer for v.
func (d *door) ask(ctx context.Context, v visitor, service, path string) (fact, error) {
	raw, err := d.call(ctx, v, http.MethodGet, service, path, "", nil)
	if err != nil {
		return fact{}, err
	}
	f, err := parseFacts(raw)
	if err == nil && (f.Leaf || f.List) {
		err = errNoObject
	}
	return f, err
}

// pagesAtMost is how many pages of a list are shown with a case.
const pagesAtMost = 20

// askAll gets every page of a service's list for v.
func (d *door) askAll(ctx context.Context, v visitor, service, path string) (all []fact, err error) {
	for page, at := 1, path; page <= pagesAtMost; at = path + "?page=" + strconv.Itoa(page) {
		list, err := d.ask(ctx, v, service, at)
		if err != nil {
			return nil, err
		}
		all = append(all, list.list()...)
		if list.At("more").Raw != "true" {
			break
		}
		page++
	}
	return all, nil
}

const answerCap = 4 << 20

// call calls a service for v and reads its answer.
func (d *door) call(ctx context.Context, v visitor, method, service, path, key string, body []byte) ([]byte, error) {
	resp, err := d.request(ctx, v, method, service, path, key, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerCap+1))
	if err == nil && len(raw) > answerCap {
		err = fmt.Errorf("answer of %s %s: more than %d bytes", service, path, answerCap)
	}
	return raw, err
}

// request calls a service for v.
func (d *door) request(ctx context.Context, v visitor, method, service, path, key string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+service+path, bytes.NewReader(body))
	if err != nil {
		return nil, fault.Invalid.Wrap(err)
	}
	if v.caller.Subject != "" {
		text, err := d.Signer.For(v.caller, service)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+text)
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
		r.Header.Set("Content-Type", "application/json")
	}
	return d.Peers.Do(r)
}
