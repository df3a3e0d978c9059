package portal

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"
)

// TestCatalogue: no template and no page holds words of its own, what they say is
// in zh-CN.json with as many values as it has places for, and nothing is there
// that nobody says.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	said := map[string]bool{}
	say := func(where, key string, values int) {
		page, of, _ := strings.Cut(key, ".")
		text, ok := catalogue[page][of]
		if !ok {
			t.Errorf("%s says %s, which the catalogue has not", where, key)
		}
		if places := len(regexp.MustCompile(`%[a-z]`).FindAllString(text, -1)); values >= 0 && places != values {
			t.Errorf("%s says %s with %d values, which has places for %d", where, key, values, places)
		}
		said[key] = true
	}
	sayTemplates(t, say)
	sayPages(t, say)
	for page, texts := range catalogue {
		for of := range texts {
			if !said[page+"."+of] {
				t.Errorf("nobody says %s.%s", page, of)
			}
		}
	}
}

// sayTemplates tells say what the templates say.
func sayTemplates(t *testing.T, say func(where, key string, values int)) {
	t.Helper()
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		raw, _ := files.ReadFile(name)
		for i, line := range strings.Split(string(raw), "\n") {
			if han(line) {
				t.Errorf("%s:%d holds words: %s", name, i+1, line)
			}
		}
		p := parse.New(name)
		p.Mode = parse.SkipFuncCheck
		trees := map[string]*parse.Tree{}
		if _, err := p.Parse(string(raw), "", "", trees); err != nil {
			t.Fatal(err)
		}
		for _, tree := range trees {
			if tree.Root != nil {
				walk(tree.Root, func(c *parse.CommandNode) {
					if c.Args[0].String() == "t" {
						say(name, c.Args[1].(*parse.StringNode).Text, len(c.Args)-2)
					}
				})
			}
		}
	}
}

// walk calls f with the commands below n.
func walk(n parse.Node, f func(*parse.CommandNode)) {
	branch := func(b *parse.BranchNode) {
		walk(b.Pipe, f)
		walk(b.List, f)
		if b.ElseList != nil {
			walk(b.ElseList, f)
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, c := range n.Nodes {
			walk(c, f)
		}
	case *parse.ActionNode:
		walk(n.Pipe, f)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			walk(n.Pipe, f)
		}
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			f(c)
			for _, arg := range c.Args {
				walk(arg, f)
			}
		}
	}
}

// key is what a key of the catalogue looks like.
var key = regexp.MustCompile(`^[a-z]+\.[a-z_]+$`)

// sayPages tells say what the pages say. Words are theirs only where something
// fails, and where they are codes of a service.
func sayPages(t *testing.T, say func(where, key string, values int)) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		page := regexp.MustCompile(`^(page|tipoff|fact|ops|persona|institution|trial|trace)`).MatchString(name)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "say" {
					if lit, ok := n.Args[0].(*ast.BasicLit); ok {
						say(name, text(lit), len(n.Args)-1)
					}
				}
				s, ok := n.Fun.(*ast.SelectorExpr)
				return !ok || s.Sel.Name != "Errorf" && s.Sel.Name != "Fields"
			case *ast.KeyValueExpr:
				k, ok := n.Key.(*ast.Ident)
				return !ok || k.Name != "Choices"
			case *ast.BasicLit:
				if n.Kind != gotoken.STRING {
					break
				}
				if page && han(text(n)) {
					t.Errorf("%s holds words: %s", name, n.Value)
				}
				if page, of, _ := strings.Cut(text(n), "."); key.MatchString(text(n)) && catalogue[page][of] != "" {
					say(name, text(n), -1) // it is said later
				}
			}
			return true
		})
	}
}

func text(lit *ast.BasicLit) string {
	s, _ := strconv.Unquote(lit.Value)
	return s
}
