package portal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"xunguan/pkg/day"
	"xunguan/pkg/division"
)

// fact is a piece of a service's answer as a page shows it: a text, or facts
// within it. The order is the service's.
type fact struct {
	Key   string
	In    string // the key of what it is part of; "" at the top
	Text  string // of a leaf
	Href  string // the page of what a leaf names; "" is none
	Raw   string // the leaf as it came
	List  bool   // Facts have no keys
	Fold  bool   // the rule behind a detail, for who asks
	Leaf  bool
	Facts []fact
}

// parseFacts reads one JSON value.
func parseFacts(raw []byte) (fact, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return parseFact(dec, "", 0)
}

func parseFact(dec *json.Decoder, key string, depth int) (fact, error) {
	t, err := dec.Token()
	if err != nil {
		return fact{}, err
	}
	if open, ok := t.(json.Delim); ok {
		return parseNested(dec, key, open, depth)
	}
	f := fact{Key: key, Leaf: true}
	switch t := t.(type) {
	case string:
		f.Raw = t
	case json.Number:
		f.Raw = t.String()
	case bool:
		f.Raw = strconv.FormatBool(t)
	}
	f.Text = readable(key, f.Raw)
	return f, nil
}

func parseNested(dec *json.Decoder, key string, open json.Delim, depth int) (fact, error) {
	f := fact{Key: key, List: open == '[', Fold: folded(key, depth)}
	for dec.More() {
		name := ""
		if !f.List {
			t, err := dec.Token()
			if err != nil {
				return f, err
			}
			name, _ = t.(string)
		}
		child, err := parseFact(dec, name, depth+1)
		if err != nil {
			return f, err
		}
		child.In = key
		if f.List {
			for i := range child.Facts {
				child.Facts[i].In = key
			}
		}
		if f.List && child.Leaf { // a list of codes is worded like one
			child.Text = readable(key, child.Raw)
		}
		if child.Leaf && names[key+"."+child.Raw] != "" {
			child.Text = names[key+"."+child.Raw]
		}
		f.Facts = append(f.Facts, child)
	}
	_, err := dec.Token()
	f.Fold = f.Fold && !slices.ContainsFunc(f.Facts, func(c fact) bool { return f.List && c.Leaf })
	f.tidy()
	return f, err
}

// folded reports whether what stands under key is for who asks: the rule behind a
// detail, and what a case brings along that is not about it.
func folded(key string, depth int) bool {
	return depth > 2 && strings.HasPrefix(key, "rule") || slices.Contains([]string{"grounds", "items", "publish_rule", "data", "sealed", "clauses"}, key)
}

// tidy leaves out codes that stand beside their words, and puts a value in the
// words of its unit.
func (f *fact) tidy() {
	for _, pair := range [][2]string{{"state", "state_text"}, {"state", "state_name"}, {"status", "status_text"}, {"jurisdiction", "place"}, {"action", "summary"}, {"jurisdiction", "jurisdiction_name"}, {"owner", "owner_office"}, {"lead", "lead_office"}, {"agency", "agency_name"}, {"agency", "office"}, {"waiting_for", "waits"}, {"ground", "ground_text"}} {
		if f.At(pair[1]).Text != "" {
			f.Facts = f.without(pair[0])
		}
	}
	if f.At("quoted_fen").Raw == f.At("claim_fen").Raw { // nothing was corrected
		f.Facts = f.without("quoted_fen")
	}
	if f.At("type").Raw == "" && f.At("label").Text != "" { // a field of a form has both, and needs both
		f.Facts = f.without("name", "action")
		if f.At("at").Text != "" || f.At("on").Text != "" { // a step: its label says whence and where to
			f.Facts = f.without("from", "to")
		}
	}
	unit := f.At("unit")
	for i := range f.Facts {
		value := &f.Facts[i]
		if !value.Leaf || unit.Raw == "" || value.Key != "value" && value.Key != "amount" {
			continue
		}
		n, err := strconv.ParseInt(value.Raw, 10, 64)
		if value.Text += " " + unit.Text; err == nil && unit.Raw == "fen" {
			value.Text = yuan(n)
		}
		f.Facts = f.without("unit")
		break
	}
}

// linked is f with the ids of cases that have a page made links to it. Other ids
// say nothing to people and are left out.
func (f fact) linked(pages map[string]string) fact {
	var rest []fact
	for _, c := range f.Facts {
		key := c.Key
		if f.List {
			key = f.Key
		}
		if key == "actions" { // a form sends ids as they are
			rest = append(rest, c)
			continue
		}
		if _, err := uuid.Parse(c.Raw); c.Leaf && err == nil {
			if key == "id" {
				rest = append(rest, c) // its page is known by what it is part of
				continue
			}
			if pages[key] == "" {
				continue
			}
			c.Href, c.Text = pages[key]+c.Raw, say("all.view")
		}
		rest = append(rest, c.linked(pages))
	}
	f.Facts = rest
	return f
}

// lamp is how f's deadline stands; nil if it has none.
func (f fact) lamp() *item {
	due, err := day.Parse(f.At("due").Raw)
	if f.At("met_on").Raw != "" { // the date was kept
		return nil
	}
	i := item{Due: due, Light: f.At("light").Raw, Provisional: f.At("provisional").Raw == "true"}
	if err != nil || i.Icon() == "" {
		return nil
	}
	if left, err := strconv.Atoi(f.At("days_left").Raw); err == nil {
		i.DaysLeft = &left
	}
	return &i
}

// Joined is the texts of a list of short ones as one; "" of any other.
func (f fact) Joined() string {
	var texts []string
	for _, c := range f.Facts {
		if !f.List || !c.Leaf || c.Href != "" {
			return ""
		}
		texts = append(texts, c.Text)
	}
	if all := strings.Join(texts, "、"); utf8.RuneCountInString(all) <= joinedAtMost {
		return all
	}
	return ""
}

// joinedAtMost is how many characters of a list stand in one line.
const joinedAtMost = 60

// Cell is what f has under key, in a line: of a subject its name.
func (f fact) Cell(key string) string {
	c := f.At(key)
	if !c.Leaf && !c.List {
		return firstOf(c, "institution_name", "place_signboard", "place_address", "person")
	}
	return cmp.Or(c.Text, c.Joined())
}

// ID is f's id, which key may name otherwise.
func (f fact) ID(key string) string { return f.At(cmp.Or(key, "id")).Raw }

// Told is a step that says no more than when, who and what, in a sentence; "" of
// any other.
func (f fact) Told() string {
	when, what := cmp.Or(f.Get("at"), f.Get("on")), f.Get("summary")
	if when == "" || what == "" || len(f.Less("at", "on", "actor", "action", "summary")) > 0 {
		return ""
	}
	return say("case.told", when, f.Get("actor"), what)
}

// Lamp is lamp for templates.
func (f fact) Lamp() *item { return f.lamp() }

// At is what f has under key; the zero fact if nothing.
func (f fact) At(key string) fact {
	for _, c := range f.Facts {
		if c.Key == key {
			return c
		}
	}
	return fact{}
}

// list is the first list in f: {"applications":[…]} has one.
func (f fact) list() []fact {
	for _, c := range f.Facts {
		if c.List {
			return c.Facts
		}
	}
	return nil
}

// Get is the text of the leaf at key.
func (f fact) Get(key string) string { return f.At(key).Text }

// without is f's facts less keys.
func (f fact) without(keys ...string) []fact {
	return slices.DeleteFunc(slices.Clone(f.Facts), func(c fact) bool { return slices.Contains(keys, c.Key) })
}

// Less is f's facts less keys and whatever is empty.
func (f fact) Less(keys ...string) []fact {
	return slices.DeleteFunc(f.without(keys...), fact.empty)
}

// empty reports whether f has nothing to say.
func (f fact) empty() bool {
	if _, err := uuid.Parse(f.Raw); err == nil && f.Key == "id" {
		return true
	}
	if f.Leaf {
		return f.Raw == "" || f.Raw == "0" && f.In == "progress" || f.Raw == "false" && slices.Contains(remarkable, f.Key) || f.Raw == "0" && f.Key == "round"
	}
	return !slices.ContainsFunc(f.Facts, func(c fact) bool { return !c.empty() })
}

// remarkable is what is said only when it is so.
var remarkable = []string{"provisional", "history", "set_aside", "amended", "by_silence", "gift", "stuck", "late", "withdrawn", "returned", "deemed", "refused", "place", "published"}

// Shown is the facts of f that have something to show.
func (f fact) Shown() []fact { return f.Less("actions", "version") }

// Label is f's key in words, which may depend on what it is part of.
func (f fact) Label() string {
	if l, ok := labels[f.In+"."+f.Key]; ok {
		return l
	}
	if l, ok := labels[f.Key]; ok {
		return l
	}
	return f.Key
}

// readable puts the leaf raw, that came under key, into words.
func readable(key, raw string) string {
	switch {
	case strings.HasSuffix(key, "_fen"):
		if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
			return yuan(n)
		}
	case key == "jurisdiction":
		if n := division.Name(raw); n != "" {
			return n + "（" + raw + "）"
		}
	case raw == "true":
		return say("all.yes")
	case raw == "false":
		return say("all.no")
	}
	if d, err := day.Parse(raw); err == nil {
		return date(d)
	}
	if t, err := time.Parse(time.RFC3339, raw); err == nil {
		return moment(t)
	}
	if slices.Contains(coded, key) {
		return wordOf(key, raw)
	}
	return raw
}

// yuan is money in words: 元, with two digits of 分 and a comma for thousands.
func yuan(fen int64) string {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	whole := strconv.FormatInt(fen/100, 10)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	cents := strconv.FormatInt(fen%100+100, 10)[1:]
	return say("all.yuan", sign+whole+"."+cents)
}

// date is a day in words.
func date(d day.Date) string {
	if d.IsZero() {
		return ""
	}
	return d.Start().Format(say("all.date"))
}

// moment is a time in words, in Shanghai.
func moment(t time.Time) string { return t.In(day.Shanghai).Format(say("all.moment")) }

var errNoObject = errors.New("the answer is no object")
