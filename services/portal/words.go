package portal

import (
	_ "embed" // words.json
	"encoding/json"
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
