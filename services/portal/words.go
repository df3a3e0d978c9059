package portal

import (
	_ "embed" // words.json, zh-CN.json
	"encoding/json"
	"fmt"
	"strings"
)

// vocabulary is the words for codes and fields. The pages in web/ import the same
// file, so that a code is called the same on every page.
type vocabulary struct {
	Names  map[string]string // what people read instead of a code; one that is not here is shown as it is
	Labels map[string]string // what people read instead of a field's name
	Coded  []string          // the fields that hold codes; what people wrote is shown as they wrote it
}

//go:embed words.json
var wordsJSON []byte

var names, labels, coded = func() (map[string]string, map[string]string, []string) {
	var v vocabulary
	if err := json.Unmarshal(wordsJSON, &v); err != nil {
		panic(err) // a file of this program
	}
	return v.Names, v.Labels, v.Coded
}()

// wordOf is a code that came under key in words: some mean something else there.
func wordOf(key, code string) string {
	if n, ok := names[key+"."+code]; ok {
		return n
	}
	return name(code)
}

func name(code string) string {
	if n, ok := names[code]; ok {
		return n
	}
	return code
}

//go:embed zh-CN.json
var catalogueJSON []byte

// catalogue is what the pages that are made here say, by page and key. Templates
// hold no words; what is said of a failure stands where something fails.
var catalogue = func() map[string]map[string]string {
	var all map[string]map[string]string
	if err := json.Unmarshal(catalogueJSON, &all); err != nil {
		panic(err) // a file of this program
	}
	return all
}()

// say is the text under key, page.name, with args in the places of its verbs.
func say(key string, args ...any) string {
	page, of, _ := strings.Cut(key, ".")
	text := catalogue[page][of]
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}
