// Package check holds what is deployed to what the code says: every program,
// flag, port, topic, probe, secret, role and figure that deploy/ and k8s/ name
// exists in the code, and all that the code demands is set there. It is a module
// of its own so that the suite does not carry Kubernetes' and Docker's libraries.
//
// What must always be true: nothing here repeats what the code can be asked for.
// Flags come from the built programs, secrets from mint, topics and figures from
// truth.
package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

const root = "../.."

// bin is where TestMain's programs are, and secrets where those of mint are.
var bin, secrets string

func TestMain(m *testing.M) {
	code, err := 1, error(nil)
	if bin, err = os.MkdirTemp("", "xunguan-check"); err == nil {
		secrets = filepath.Join(bin, "secrets")
		if err = prepare(); err == nil {
			code = m.Run()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(bin)
	os.Exit(code)
}

// prepare builds what the Dockerfile builds, and the programs that only tell.
func prepare() error {
	packages, err := built()
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		append([]string{"build", "-buildvcs=false", "-o", bin + "/"}, packages...),
		{"build", "-buildvcs=false", "-o", bin + "/", "./services/portal/cmd/provider", "./deploy/mint", "./deploy/truth"},
	} {
		c := exec.Command("go", args...) //nolint:gosec // our own packages
		c.Dir, c.Stderr = root, os.Stderr
		if err := c.Run(); err != nil {
			return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
		}
	}
	if out, err := exec.Command(filepath.Join(bin, "mint"), secrets).CombinedOutput(); err != nil { //nolint:gosec // built above
		return fmt.Errorf("mint: %w: %s", err, out)
	}
	return nil
}

// stages are those of the Dockerfile: what makes the pages, what makes the
// programs, and what runs.
func stages() (pages, build, run instructions.Stage, err error) {
	f, err := os.Open(filepath.Join(root, "deploy", "Dockerfile"))
	if err != nil {
		return pages, build, run, err
	}
	defer f.Close()
	tree, err := parser.Parse(f)
	if err != nil {
		return pages, build, run, err
	}
	list, _, err := instructions.Parse(tree.AST, nil)
	if err == nil && len(list) != 3 {
		err = fmt.Errorf("the Dockerfile has %d stages, want 3", len(list))
	}
	if err != nil {
		return pages, build, run, err
	}
	return list[0], list[1], list[2], nil
}

// built is the packages that the Dockerfile builds.
func built() ([]string, error) {
	_, build, _, err := stages()
	if err != nil {
		return nil, err
	}
	for _, c := range build.Commands {
		run, ok := c.(*instructions.RunCommand)
		if !ok || !strings.Contains(run.CmdLine[0], "go build") {
			continue
		}
		var packages []string
		for word := range strings.FieldsSeq(run.CmdLine[0]) {
			if strings.HasPrefix(word, "./") {
				packages = append(packages, word)
			}
		}
		return packages, nil
	}
	return nil, fmt.Errorf("the Dockerfile builds nothing")
}

// listed is the names of what the image holds.
var listed = sync.OnceValues(func() (names []string, err error) {
	packages, err := built()
	if err != nil {
		return nil, err
	}
	c := exec.Command("go", append([]string{"list", "-f", `{{if eq .Name "main"}}{{.ImportPath}}{{end}}`}, packages...)...) //nolint:gosec // our own
	c.Dir = root
	out, err := c.Output()
	for path := range strings.FieldsSeq(string(out)) {
		names = append(names, filepath.Base(path))
	}
	return names, err
})

func programs(t *testing.T) []string {
	t.Helper()
	names, err := listed()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(names)
}

// services is the programs that serve: all that have a folder under services.
func services(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(programs(t), func(name string) bool {
		_, err := os.Stat(filepath.Join(root, "services", name))
		return err != nil
	})
}

var (
	flagLine = regexp.MustCompile(`(?m)^\s+(?:-\w, |\s*)--([a-z-]+)`)
	variable = regexp.MustCompile(`\$([A-Z][A-Z0-9_]+)`)
	demanded = regexp.MustCompile(`--([a-z-]+)=`)
)

// asked is each program's help, by command.
var asked sync.Map

// variables is each variable that a program reads, and whether it must have it.
func variables(t *testing.T, command ...string) map[string]bool {
	t.Helper()
	help, known := asked.Load(strings.Join(command, " "))
	if !known {
		out, err := exec.Command(filepath.Join(bin, command[0]), append(command[1:], "--help")...).Output() //nolint:gosec // built above
		if err != nil {
			t.Fatalf("%s --help: %v", command, err)
		}
		help = string(out)
		asked.Store(strings.Join(command, " "), help)
	}
	usage, body, _ := strings.Cut(help.(string), "\n\n")
	need := make(map[string]bool)
	for _, m := range demanded.FindAllStringSubmatch(usage, -1) {
		need[m[1]] = true
	}
	vars := make(map[string]bool)
	at := flagLine.FindAllStringSubmatchIndex(body, -1)
	for i, m := range at {
		end := len(body)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		for _, v := range variable.FindAllStringSubmatch(body[m[0]:end], -1) {
			vars[v[1]] = need[body[m[2]:m[3]]]
		}
	}
	if command[0] != "prepare" && len(vars) < 3 {
		t.Fatalf("%s --help names %d variables: its form has changed", command, len(vars))
	}
	return vars
}

// truth is what the program of that name says.
type truth struct {
	Topics  map[string]int
	Figures map[string]string
	Labels  []string
}

// told is the code's own word.
var told = sync.OnceValues(func() (t truth, err error) {
	out, err := exec.Command(filepath.Join(bin, "truth")).Output() //nolint:gosec // built above
	if err == nil {
		err = json.Unmarshal(out, &t)
	}
	return t, err
})

// stopCap is how long a service takes to stop, at most.
func stopCap(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "pkg", "app", "app.go"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`stopCap\s*=\s*(\d+) \* time\.Second`).FindSubmatch(text)
	if m == nil {
		t.Fatal("pkg/app/app.go has no stopCap")
	}
	n, _ := strconv.Atoi(string(m[1]))
	return time.Duration(n) * time.Second
}

// answered is what a service answered, by path.
var answered sync.Map

// answers reports whether every service answers path: it asks the one that needs
// neither database nor broker, and listens as all do.
func answers(t *testing.T, path string) bool {
	t.Helper()
	if ok, known := answered.Load(path); known {
		return ok.(bool)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := lis.Addr().String()
	_ = lis.Close()
	ctx, stop := context.WithCancel(t.Context())
	c := exec.CommandContext(ctx, filepath.Join(bin, "provider"), "--trial", "--http-addr", addr, "--client-secret-file", filepath.Join(secrets, "oidc.secret")) //nolint:gosec // built above
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stop(); _ = c.Wait() }()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get("http://" + addr + path) //nolint:noctx // our own
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		answered.Store(path, resp.StatusCode == http.StatusOK)
		return resp.StatusCode == http.StatusOK
	}
	t.Fatal("provider does not listen")
	return false
}
