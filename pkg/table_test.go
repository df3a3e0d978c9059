package pkg_test

import (
	"fmt"
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

// table is the rows of RELIABILITY.md whose first cell matches id.
func table(t *testing.T, id *regexp.Regexp) [][]string {
	t.Helper()
	text, err := os.ReadFile("RELIABILITY.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if id.MatchString(cells[0]) {
			rows = append(rows, cells)
		}
	}
	return rows
}

var (
	ruleID = regexp.MustCompile(`^([KGBCPOH]\d+|2\.\d+)$`)
	quoted = regexp.MustCompile("`([^`]+)`")
	test   = regexp.MustCompile(`^(\w+)\.((?:Test|Fuzz)\w*)$`)
)

// ruleIDs is every rule of the design's list.
func ruleIDs() (all []string) {
	for _, group := range []struct {
		letter string
		last   int
	}{{"K", 23}, {"G", 11}, {"B", 4}, {"C", 4}, {"P", 9}, {"O", 5}, {"H", 2}, {"2.", 13}} {
		for n := range group.last {
			all = append(all, fmt.Sprintf("%s%d", group.letter, n+1))
		}
	}
	return all
}

// TestEveryRuleIsKept reads the table of rules: each has a test or a lint rule
// that exists, or a reason why it does not apply.
func TestEveryRuleIsKept(t *testing.T) {
	t.Parallel()
	lint, err := os.ReadFile("../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsByPackage(t)
	missing := ruleIDs()
	for _, row := range table(t, ruleID) {
		id := row[0]
		if !slices.Contains(missing, id) {
			t.Errorf("%s: not a rule, or told twice", id)
		}
		missing = slices.DeleteFunc(missing, func(m string) bool { return m == id })
		if len(row) != 4 {
			t.Errorf("%s: %d columns, want 4", id, len(row))
			continue
		}
		keepers := quoted.FindAllStringSubmatch(row[2], -1)
		if len(keepers) == 0 && !strings.HasPrefix(row[2], "does not apply: ") {
			t.Errorf("%s: neither a test, nor a lint rule, nor a reason", id)
		}
		for _, k := range keepers {
			if !exists(k[1], tests, string(lint)) {
				t.Errorf("%s: %s does not exist", id, k[1])
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("rules without a row: %v", missing)
	}
}

// exists reports whether keeper is a test, as package.TestName, or a rule that
// .golangci.yml has, as lint:linter:rule.
func exists(keeper string, tests map[string]bool, lint string) bool {
	if test.MatchString(keeper) {
		return tests[keeper]
	}
	words, ok := strings.CutPrefix(keeper, "lint:")
	for word := range strings.SplitSeq(words, ":") {
		ok = ok && regexp.MustCompile(`(?m)^[^#]*\b`+regexp.QuoteMeta(word)+`\b`).MatchString(lint)
	}
	return ok
}

// testsByPackage is every test and fuzz target of the suite, as package.TestName.
func testsByPackage(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, f := range source(t, true) {
		for _, d := range f.Decls {
			if fd, ok := d.(*ast.FuncDecl); ok && fd.Recv == nil && strings.HasSuffix(f.path, "_test.go") {
				all[filepath.Base(filepath.Dir(f.path))+"."+fd.Name.Name] = true
			}
		}
	}
	return all
}

// TestModules holds the modules that are built against the table of versions, for
// the service that knows their holes cannot be asked here.
func TestModules(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Path}} {{.Version}}", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		have[path] = version
	}
	rows := table(t, regexp.MustCompile(`^[\w./-]+\.\w+/[\w./-]+$`))
	if len(rows) < 15 {
		t.Errorf("only %d modules in the table", len(rows))
	}
	for _, row := range rows {
		module, least := row[0], row[1]
		if !semver.IsValid(least) || have[module] == "" || semver.Compare(have[module], least) < 0 {
			t.Errorf("%s is %q, want at least %s: %s", module, have[module], least, row[2])
		}
	}
}
