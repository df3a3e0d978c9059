// Package pkg_test keeps the rules of RELIABILITY.md that no linter knows: it
// reads the source of the whole suite.
package pkg_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// file is one Go file of the suite.
type file struct {
	path string // from the repository's root
	*ast.File
}

var files = token.NewFileSet()

// source is every Go file that a person wrote; tests only if asked for.
func source(t *testing.T, tests bool) []file {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(slices.Clone(all), func(f file) bool { return !tests && strings.HasSuffix(f.path, "_test.go") })
}

// parsed reads them once for all tests.
var parsed = sync.OnceValues(func() (all []file, err error) {
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules"):
			return fs.SkipDir
		case !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, ".pb.go"):
			return nil
		}
		f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		all = append(all, file{filepath.ToSlash(path)[len("../"):], f})
		return err
	})
	return all, err
})

// where says where n is, for people.
func where(n ast.Node) string {
	p := files.Position(n.Pos())
	return fmt.Sprintf("%s:%d", strings.TrimPrefix(filepath.ToSlash(p.Filename), "../"), p.Line)
}

// name writes an identifier or a selection, x.y.
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return name(e.X) + "." + e.Sel.Name
	case *ast.StarExpr:
		return name(e.X)
	case *ast.IndexExpr:
		return name(e.X)
	}
	return ""
}

// literals is the only file that may write each of these structs: their defaults
// are traps, and the file sets what matters.
var literals = map[string][]string{
	"kafka.Writer":       {"pkg/event/event.go"},
	"kafka.ReaderConfig": {"pkg/event/subscription.go"},
	"kafka.Transport":    {"pkg/event/event.go"},
	"http.Server":        {"pkg/app/app.go", "services/portal/provider.go", "scripts/chaos/collector.go", "scripts/objects/main.go"}, // the second is never started, the others on loopback
	"gobreaker.Settings": {"pkg/peer/peer.go"},
}

func TestLiterals(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range source(t, false) {
		ast.Inspect(f.File, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			of := name(lit.Type)
			only, known := literals[of]
			if known && !slices.Contains(only, f.path) {
				t.Errorf("%s: %s is made only in %v", where(lit), of, only)
			}
			seen[of] = seen[of] || known
			return true
		})
	}
	for of, only := range literals {
		if len(only) > 0 && !seen[of] {
			t.Errorf("no %s is made: the rule guards nothing", of)
		}
	}
}

// settings is the fields that nobody sets, with the reason.
var settings = map[string]string{
	"OnStateChange":  "gobreaker calls it under its lock (B3)",
	"CommitInterval": "kafka-go then commits late and only logs what failed (K10)",
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, f := range source(t, false) {
		ast.Inspect(f.File, func(n ast.Node) bool {
			if kv, ok := n.(*ast.KeyValueExpr); ok {
				if why, bad := settings[name(kv.Key)]; bad {
					t.Errorf("%s: %s must not be set: %s", where(kv), name(kv.Key), why)
				}
			}
			return true
		})
	}
}

// everyColumn is a query whose result changes with its table: its plan fails when
// a migration adds a column.
var everyColumn = regexp.MustCompile(`(?i)^\s*SELECT\s+(\w+\.)?\*\s*(,|FROM\s+\w)`)

func TestNoSelectStar(t *testing.T) {
	t.Parallel()
	for query, bad := range map[string]bool{"SELECT * FROM a": true, " select a.*, 1 FROM a": true, "SELECT * FROM (SELECT x FROM a)": false, "SELECT count(*) FROM a": false} {
		if everyColumn.MatchString(query) != bad {
			t.Errorf("%q: %v", query, !bad)
		}
	}
	for _, f := range source(t, false) {
		ast.Inspect(f.File, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil && everyColumn.MatchString(s) {
					t.Errorf("%s: name the columns", where(lit))
				}
			}
			return true
		})
	}
}

// TestNoPoolInTransaction finds code that holds a transaction, for it has a pgx.Tx,
// and asks the pool for another connection: when all callers do, all wait for ever.
func TestNoPoolInTransaction(t *testing.T) {
	t.Parallel()
	packages := map[string][]*ast.FuncDecl{}
	for _, f := range source(t, false) {
		for _, d := range f.Decls {
			if fd, ok := d.(*ast.FuncDecl); ok && fd.Body != nil {
				packages[filepath.Dir(f.path)] = append(packages[filepath.Dir(f.path)], fd)
			}
		}
	}
	held := 0
	for _, fds := range packages {
		users := poolUsers(fds)
		for _, fd := range fds {
			ast.Inspect(fd, func(n ast.Node) bool {
				var kind *ast.FuncType
				switch f := n.(type) {
				case *ast.FuncDecl:
					kind = f.Type
				case *ast.FuncLit:
					kind = f.Type
				}
				if kind == nil || !holdsTx(kind) {
					return true
				}
				held++
				if at := poolUse(fd, n, users); at != nil {
					t.Errorf("%s: a pool is used within a transaction", where(at))
				}
				return true
			})
		}
	}
	if held < 100 {
		t.Errorf("only %d functions hold a transaction: the test does not see them", held)
	}
}

func holdsTx(f *ast.FuncType) bool {
	return slices.ContainsFunc(f.Params.List, func(p *ast.Field) bool { return name(p.Type) == "pgx.Tx" })
}

// poolUsers is the functions of one package that use a pool, by themselves or by
// another of them.
func poolUsers(fds []*ast.FuncDecl) map[string]bool {
	users := map[string]bool{}
	for grown := true; grown; {
		grown = false
		for _, fd := range fds {
			_, kind := receiver(fd)
			if id := kind + fd.Name.Name; !users[id] && poolUse(fd, fd.Body, users) != nil {
				users[id], grown = true, true
			}
		}
	}
	return users
}

// receiver is how fd calls its receiver, and its type.
func receiver(fd *ast.FuncDecl) (self, kind string) {
	if fd.Recv == nil || len(fd.Recv.List[0].Names) == 0 {
		return "", ""
	}
	return fd.Recv.List[0].Names[0].Name, name(fd.Recv.List[0].Type) + "."
}

// poolUse is the first use of a pool in a part of fd: a field DB, or a call of one
// of users, a function or a method of fd's own receiver.
func poolUse(fd *ast.FuncDecl, part ast.Node, users map[string]bool) (at ast.Node) {
	self, kind := receiver(fd)
	ast.Inspect(part, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if n.Sel.Name == "DB" && at == nil {
				at = n
			}
		case *ast.CallExpr:
			called := name(n.Fun)
			if method, ok := strings.CutPrefix(called, self+"."); ok && self != "" {
				called = kind + method
			}
			if users[called] && at == nil {
				at = n
			}
		}
		return at == nil
	})
	return at
}
