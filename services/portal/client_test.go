package portal

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"xunguan/pkg/kit"
	"xunguan/pkg/mend"
	"xunguan/services/escrow"
	"xunguan/services/inspection"
	"xunguan/services/licensing"
	"xunguan/services/rulebook"
	"xunguan/services/tipoff"
)

var update = flag.Bool("update", false, "write web/client/openapi.json")

// TestClientDocument: the document from which the pages' client is generated is
// the one that portal serves. `make generate` writes it.
func TestClientDocument(t *testing.T) {
	t.Parallel()
	docs := map[string][]byte{}
	for name, routes := range map[string]func(*kit.API){
		self: new(Service).Routes, "rulebook": new(rulebook.Service).Routes, "licensing": new(licensing.Service).Routes,
		"escrow": new(escrow.Service).Routes, "inspection": new(inspection.Service).Routes, "tipoff": new(tipoff.Service).Routes,
	} {
		api := &kit.API{Title: name, Policy: mend.Grant(Grants)}
		routes(api)
		new(mend.Desk).Routes(api)
		raw, err := api.Document()
		if err != nil {
			t.Fatal(err)
		}
		docs[name] = raw
	}
	body, err := merge(docs, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Indent(&want, body, "", " "); err != nil {
		t.Fatal(err)
	}
	want.WriteByte('\n')
	const path = "web/client/openapi.json"
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil { //nolint:gosec // no secret
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("web/client/openapi.json is not what the services publish: make generate")
	}
}
