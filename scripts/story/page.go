package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// page is an HTML page as a person without scripts sees it.
type page struct {
	p      *person
	at     string // its address
	status int
	doc    *html.Node
}

// owed is what a page says where a service did not give its part in time.
const owed = "暂时没有应答"

// open gets the page at path, or at a whole address; again, as a person would, while
// a service owes a part of it.
func (p *person) open(ctx context.Context, path string) *page {
	var pg *page
	p.s.eventually(ctx, func() answer { pg = p.fetch(ctx, http.MethodGet, path, nil); return answer{} },
		func(answer) bool { return !strings.Contains(pg.text(), owed) })
	return pg
}

// fetch asks for a page, sending form if it is not nil. Cookies go only to the
// person's own door.
func (p *person) fetch(ctx context.Context, method, path string, form url.Values) *page {
	if strings.HasPrefix(path, "/") {
		path = p.door + path
	}
	pg := &page{p: p, at: path, doc: &html.Node{Type: html.DocumentNode}}
	resp, err := p.patiently(ctx, func() (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, method, path, strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		if p.cookie != "" {
			r.Header.Set("Cookie", p.cookie)
		}
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return p.client.Do(r)
	})
	if err != nil {
		p.s.fail("%s 打不开 %s：%v", p.name, path, err)
		return pg
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil {
		pg.doc, err = html.Parse(bytes.NewReader(raw))
	}
	if err != nil {
		p.s.fail("%s 读不了 %s：%v", p.name, path, err)
		return pg
	}
	pg.at, pg.status = resp.Request.URL.String(), resp.StatusCode
	pg.look()
	return pg
}

// A code is what people should never have to read: the name of a state, a kind, a
// field. Names of rules, accounts and check items are no codes.
var code = regexp.MustCompile(`\b[A-Z]{3,}(?:_[A-Z]+)*\b|\b[a-z]+_[a-z_]+\b`)

// notCodes is what looks like one: rule keys, hashes, names of standards.
var notCodes = regexp.MustCompile(`[a-z]+(?:\.[a-z_A-D0-9]+)+|[0-9a-f]{16,}|[0-9A-Z]{5}(?:-[0-9A-Z*~$=]{4,5})+|TS-[0-9-]+|MIIT|JSON|FILE|GB/T|xunguan-draw`)

// look checks what every page must have, whatever it says.
func (pg *page) look() {
	s := pg.p.s
	var headings, scripts int
	walk(pg.doc, func(n *html.Node) bool {
		switch {
		case n.Type == html.ElementNode && n.Data == "h1":
			headings++
		case n.Type == html.ElementNode && n.Data == "script" && !strings.HasPrefix(attr(n, "src"), "/assets/portal/"):
			scripts++
		case n.Type == html.ElementNode && (n.Data == "style" || n.Data == "textarea"):
			return false
		case n.Type == html.TextNode:
			if found := code.FindString(notCodes.ReplaceAllString(n.Data, "")); found != "" && !s.codes[found] {
				s.codes[found] = true
				s.fail("%s 的页面 %s 上有代码 %q：%s", pg.p.name, pg.at, found, strings.TrimSpace(n.Data))
			}
		}
		return true
	})
	if headings != 1 || scripts > 0 {
		s.fail("%s 有 %d 个标题、%d 段脚本", pg.at, headings, scripts)
	}
}

// walk calls f for n and all in it, until f says not to go deeper.
func walk(n *html.Node, f func(*html.Node) bool) {
	if !f(n) {
		return
	}
	for c := range n.ChildNodes() {
		walk(c, f)
	}
}

// all is the elements in n with a tag for which ok holds.
func all(n *html.Node, tag string, ok func(*html.Node) bool) (found []*html.Node) {
	walk(n, func(x *html.Node) bool {
		if x.Type == html.ElementNode && x.Data == tag && (ok == nil || ok(x)) {
			found = append(found, x)
		}
		return true
	})
	return found
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}

// textOf is what people read in n, in one line; nothing in none.
func textOf(n *html.Node) string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	walk(n, func(x *html.Node) bool {
		if x.Type == html.TextNode {
			b.WriteString(x.Data + " ")
		}
		return true
	})
	return strings.Join(strings.Fields(b.String()), " ")
}

func (pg *page) text() string { return textOf(pg.doc) }

// says checks that the page came with a status and says all of words.
func (pg *page) says(status int, what string, words ...string) bool {
	text, ok := pg.text(), pg.status == status
	for _, w := range words {
		ok = ok && strings.Contains(text, w)
	}
	got := fmt.Sprint(pg.status)
	if !ok {
		got += " " + pg.at + " " + text
	}
	return pg.p.s.expect(ok, what, fmt.Sprint(status)+" "+strings.Join(words, " "), got)
}

// lacks checks that the page does not say any of words.
func (pg *page) lacks(what string, words ...string) {
	text, found := pg.text(), ""
	for _, w := range words {
		if strings.Contains(text, w) {
			found = w
		}
	}
	pg.p.s.expect(pg.status == http.StatusOK && found == "", what, "没有 "+strings.Join(words, "、"), found)
}

// follow opens the link whose text has all of words in it, the first one.
func (pg *page) follow(ctx context.Context, words ...string) *page {
	links := all(pg.doc, "a", func(n *html.Node) bool {
		text := textOf(n)
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
	})
	if len(links) == 0 {
		pg.p.s.fail("%s 在 %s 上找不到链接“%s”", pg.p.name, pg.at, strings.Join(words, " … "))
		return pg
	}
	return pg.p.open(ctx, attr(links[0], "href"))
}

// until opens path again until the page satisfies ok.
func (p *person) until(ctx context.Context, path string, ok func(*page) bool) *page {
	var pg *page
	p.s.eventually(ctx, func() answer { pg = p.open(ctx, path); return answer{} }, func(answer) bool { return ok(pg) })
	return pg
}

// buttons is what the page offers to do.
func (pg *page) buttons() (names []string) {
	for _, b := range all(pg.doc, "button", nil) {
		names = append(names, textOf(b))
	}
	return names
}

// form is the first form whose button says button.
func (pg *page) form(button string) *html.Node {
	forms := all(pg.doc, "form", func(n *html.Node) bool {
		return slices.ContainsFunc(all(n, "button", nil), func(b *html.Node) bool { return textOf(b) == button })
	})
	if len(forms) == 0 {
		return nil
	}
	return forms[0]
}

// press fills the form of a button and sends it, twice as an impatient person
// would, unless its answer is shown only once. typed is by label: a text, the text
// of what is chosen, or a list of what is ticked.
func (pg *page) press(ctx context.Context, button string, typed map[string]any) *page {
	s := pg.p.s
	f := pg.form(button)
	if f == nil {
		s.fail("%s 在 %s 上找不到按钮“%s”，只有 %v", pg.p.name, pg.at, button, pg.buttons())
		return pg
	}
	values := defaults(f)
	for label, value := range typed {
		if err := fill(f, values, label, value); err != nil {
			s.fail("%s 在 %s 的“%s”中：%v", pg.p.name, pg.at, button, err)
			return pg
		}
	}
	to := attr(f, "action")
	if to == "" {
		to = strings.TrimSuffix(strings.TrimPrefix(pg.at, pg.p.door), "?done=1")
	}
	if attr(f, "method") != "post" {
		return pg.p.open(ctx, to+"?"+values.Encode())
	}
	first := pg.p.fetch(ctx, http.MethodPost, to, values)
	if values.Has("shown") || first.status != http.StatusOK {
		return first
	}
	if again := pg.p.fetch(ctx, http.MethodPost, to, values); again.status != http.StatusOK {
		s.fail("%s 再按一次“%s”：%d %s", pg.p.name, button, again.status, again.text())
	}
	s.posts++
	return first
}

// defaults is what f sends before anybody types.
func defaults(f *html.Node) url.Values {
	values := url.Values{}
	walk(f, func(n *html.Node) bool {
		name := attr(n, "name")
		if n.Type != html.ElementNode || name == "" {
			return true
		}
		switch {
		case n.Data == "input" && (attr(n, "type") == "checkbox" || attr(n, "type") == "radio"):
			if has(n, "checked") {
				values.Add(name, attr(n, "value"))
			}
		case n.Data == "input":
			values.Set(name, attr(n, "value"))
		case n.Data == "textarea":
			values.Set(name, textOf(n))
		case n.Data == "select":
			values.Set(name, "")
			for _, o := range all(n, "option", func(o *html.Node) bool { return has(o, "selected") }) {
				values.Set(name, attr(o, "value"))
			}
		}
		return true
	})
	return values
}

// fill sets the field of f that label names.
func fill(f *html.Node, values url.Values, label string, value any) error {
	if picked, ok := value.([]string); ok {
		return tick(f, values, label, picked)
	}
	text, _ := value.(string) // the story types texts and lists
	labels := all(f, "label", func(n *html.Node) bool { return strings.HasPrefix(textOf(n), label) })
	if len(labels) == 0 {
		return fmt.Errorf("没有“%s”这一栏", label)
	}
	if radio := all(labels[0], "input", nil); len(radio) > 0 {
		values.Set(attr(radio[0], "name"), attr(radio[0], "value"))
		return nil
	}
	id := attr(labels[0], "for")
	var field *html.Node
	walk(f, func(n *html.Node) bool {
		if n.Type == html.ElementNode && attr(n, "id") == id && id != "" {
			field = n
		}
		return true
	})
	if field == nil {
		return fmt.Errorf("“%s”没有输入框", label)
	}
	if field.Data != "select" {
		values.Set(attr(field, "name"), text)
		return nil
	}
	options := all(field, "option", func(o *html.Node) bool { return strings.Contains(textOf(o), text) })
	if len(options) == 0 {
		return fmt.Errorf("“%s”没有“%s”可选，只有 %s", label, text, textOf(field))
	}
	values.Set(attr(field, "name"), attr(options[0], "value"))
	return nil
}

// tick ticks just those of a list whose text has one of picked in it.
func tick(f *html.Node, values url.Values, legend string, picked []string) error {
	sets := all(f, "fieldset", func(n *html.Node) bool {
		l := all(n, "legend", nil)
		return len(l) > 0 && strings.HasPrefix(textOf(l[0]), legend)
	})
	if len(sets) == 0 {
		return fmt.Errorf("没有“%s”这一组", legend)
	}
	var name string
	var ticked []string
	for _, want := range picked {
		boxes := all(sets[0], "label", func(n *html.Node) bool { return strings.Contains(textOf(n), want) })
		if len(boxes) == 0 {
			return fmt.Errorf("“%s”里没有“%s”，只有 %s", legend, want, textOf(sets[0]))
		}
		box := all(boxes[0], "input", nil)[0]
		name, ticked = attr(box, "name"), append(ticked, attr(box, "value"))
	}
	values[name] = ticked
	return nil
}
