package portal

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"xunguan/pkg/auth"
	"xunguan/pkg/kit"
	"xunguan/services/escrow"
	"xunguan/services/inspection"
	"xunguan/services/licensing"
	"xunguan/services/tipoff"
)

// schema is what the test reads of a JSON schema.
type schema struct {
	Ref        string            `json:"$ref"`
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
	Enum       []any             `json:"enum"`
	AnyOf      []schema          `json:"anyOf"`
}

type content struct {
	Content map[string]struct {
		Schema schema `json:"schema"`
	} `json:"content"`
}

type openapiDoc struct {
	Paths map[string]map[string]struct {
		RequestBody content            `json:"requestBody"`
		Responses   map[string]content `json:"responses"`
		Parameters  []struct {
			Name   string `json:"name"`
			Schema schema `json:"schema"`
		} `json:"parameters"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

// speech is what the services can say to a page: fields, and codes by field.
type speech struct {
	doc    openapiDoc
	fields map[string]bool // "parent.field"
	codes  map[string]string
	asked  map[string]string // codes that only forms and filters hold
}

// hear walks what s is made of; depth ends a schema that holds itself.
func (p *speech) hear(s schema, parent, key string, codes map[string]string, depth int) {
	if s.Ref != "" {
		s = p.doc.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
	}
	if depth > 12 || key == "actions" {
		return
	}
	for _, e := range s.Enum {
		if code, ok := e.(string); ok && code != "" {
			codes[code] = key + " in " + parent
		}
	}
	for k, child := range s.Properties {
		if p.fields != nil {
			p.fields[key+"."+k] = true
		}
		p.hear(child, key, k, codes, depth+1)
	}
	for _, child := range s.AnyOf {
		p.hear(child, parent, key, codes, depth+1)
	}
	if s.Items != nil {
		p.hear(*s.Items, parent, key, codes, depth+1)
	}
}

func hearAll(t *testing.T) speech {
	t.Helper()
	all := speech{fields: map[string]bool{}, codes: map[string]string{}, asked: map[string]string{}}
	for name, routes := range map[string]func(*kit.API){
		"licensing": new(licensing.Service).Routes, "escrow": new(escrow.Service).Routes, "inspection": new(inspection.Service).Routes, "tipoff": new(tipoff.Service).Routes,
	} {
		api := &kit.API{Title: name, Policy: auth.Roles(nil)}
		routes(api)
		raw, err := api.Document()
		if err != nil {
			t.Fatal(err)
		}
		p := speech{fields: all.fields, codes: all.codes}
		if err := json.Unmarshal(raw, &p.doc); err != nil {
			t.Fatal(err)
		}
		for path, methods := range p.doc.Paths {
			if slices.Contains(unseen, path) {
				continue
			}
			for method, o := range methods {
				if method == "get" {
					for _, c := range o.Responses["200"].Content {
						p.hear(c.Schema, "", "", all.codes, 0)
					}
				}
				asks := speech{doc: p.doc}
				for _, c := range o.RequestBody.Content {
					asks.hear(c.Schema, "", "", all.asked, 0)
				}
				for _, q := range o.Parameters {
					asks.hear(q.Schema, "", q.Name, all.asked, 0)
				}
			}
		}
	}
	return all
}

// unseen is what no page shows field by field: it has templates or readers of its own.
var unseen = []string{"/v1/summary", "/v1/draws/{id}", "/v1/inbox", "/v1/items", "/v1/uscc/{code}", "/v1/duplicates", "/v1/plans"}

// silent is fields that are never shown.
var silent = []string{"id", "version", "next", "more"}

func han(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) })
}

// TestEveryWord: each field that a service can answer has a Chinese name, each
// code of a state, kind or unit a Chinese word, and so has what a form offers.
func TestEveryWord(t *testing.T) {
	t.Parallel()
	all := hearAll(t)
	if len(all.fields) < 200 || len(all.codes) < 50 {
		t.Fatalf("only %d fields and %d codes: the documents were not understood", len(all.fields), len(all.codes))
	}
	for _, at := range slices.Sorted(maps.Keys(all.fields)) {
		parent, key, _ := strings.Cut(at, ".")
		if f := (fact{In: parent, Key: key}); !slices.Contains(silent, key) && !han(f.Label()) {
			t.Errorf("field %s has no name", at)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(all.codes)) {
		key, within, _ := strings.Cut(all.codes[code], " in ")
		if !han(readable(key, code)) && !han(names[within+"."+code]) {
			t.Errorf("%s of %s has no word (coded: %t)", code, key, slices.Contains(coded, key))
		}
	}
	for _, code := range slices.Sorted(maps.Keys(all.asked)) {
		if !han(wordOf(strings.Fields(all.asked[code])[0], code)) {
			t.Errorf("%s of %s, which a form offers, has no word", code, all.asked[code])
		}
	}
	raw, err := os.ReadFile("../rulebook/seed/rules.json")
	if err != nil {
		t.Fatal(err)
	}
	var rules []struct{ Unit, Provenance string }
	if err := json.Unmarshal(raw, &rules); err != nil || len(rules) == 0 {
		t.Fatalf("%d rules, %v", len(rules), err)
	}
	for _, r := range rules {
		if !han(name(r.Unit)) || !han(readable("provenance", r.Provenance)) {
			t.Errorf("unit %q or provenance %q has no word", r.Unit, r.Provenance)
		}
	}
	for _, key := range inputs(t) {
		if !han(fact{Key: key}.Label()) {
			t.Errorf("%s, which a rule's evidence names, has no name", key)
		}
	}
	for _, f := range staffLists {
		for _, n := range f.filters {
			for _, c := range n.Choices {
				if !han(name(c)) {
					t.Errorf("filter %s offers %s without a word", n.Name, c)
				}
			}
		}
	}
}

// inputs is what services write into the evidence of their decisions: the keys of
// the maps that they give to Ground, which no document lists.
func inputs(t *testing.T) (keys []string) {
	t.Helper()
	sources, err := filepath.Glob("../*/*.go")
	if err != nil || len(sources) < 50 {
		t.Fatalf("%d sources, %v", len(sources), err)
	}
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		raw, err := os.ReadFile(path) //nolint:gosec // our own sources
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ground.FindAllString(string(raw), -1) {
			for _, k := range quoted.FindAllStringSubmatch(m, -1) {
				keys = append(keys, k[1])
			}
		}
	}
	if len(keys) < 20 {
		t.Fatalf("only %d keys found", len(keys))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

var (
	ground = regexp.MustCompile(`(?s)(Ground\(|inputs := |Inputs: |clause\([^\n]*?)map\[string\]any\{.*?\}`)
	quoted = regexp.MustCompile(`"([a-z_]+)":`)
)
