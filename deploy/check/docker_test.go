package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

func TestDockerfile(t *testing.T) {
	t.Parallel()
	pages, build, run, err := stages()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "golang:" + strings.TrimPrefix(strings.TrimSpace(string(out)), "go"); build.BaseName != want {
		t.Errorf("builds with %s, while the tests run with %s", build.BaseName, want)
	}
	for _, source := range append(copied(pages), copied(build)...) {
		if found, _ := filepath.Glob(filepath.Join(root, source)); len(found) == 0 {
			t.Errorf("COPY %s: not in the repository", source)
		}
	}
	for _, want := range []string{"CGO_ENABLED=0", "-trimpath"} {
		if command := lastRun(build); !strings.Contains(command, want) {
			t.Errorf("built without %s: %s", want, command)
		}
	}
	if run.BaseName != "scratch" {
		t.Errorf("runs on %s: want nothing but our programs", run.BaseName)
	}
	user := ""
	for _, c := range run.Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.RunCommand:
			t.Error("RUN in an image without a shell")
		}
	}
	if user != "65532:65532" {
		t.Errorf("runs as %q", user)
	}
}

// The image carries the pages that its own first stage made, with the Node that
// build.sh fetches, and not those that happen to lie in the tree.
func TestDockerfileMakesThePages(t *testing.T) {
	t.Parallel()
	pages, build, _, err := stages()
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join(root, "services/portal/web/build.sh"))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(pages.BaseName, ":", "@", 1); !strings.Contains(string(script), want) {
		t.Errorf("makes the pages with %s, which build.sh does not name", want)
	}
	if command := lastRun(pages); !strings.Contains(command, "npm ci") || !strings.Contains(command, "npm run build") {
		t.Errorf("makes no pages: %s", command)
	}
	var from []string
	for _, c := range build.Commands {
		if c, ok := c.(*instructions.CopyCommand); ok && c.From == pages.Name {
			from = append(from, c.SourcePaths[0]+" "+c.DestPath)
		}
	}
	if want := "/src/services/portal/web/dist services/portal/web/dist"; !slices.Contains(from, want) {
		t.Errorf("copies %q of what it made, not %q", from, want)
	}
	ignored, err := os.ReadFile(filepath.Join(root, "deploy/Dockerfile.dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"**/node_modules", "services/portal/web/dist/*"} {
		if !slices.Contains(strings.Fields(string(ignored)), want) {
			t.Errorf("Docker is sent %s", want)
		}
	}
}

// copied is what a stage takes out of the repository.
func copied(s instructions.Stage) (sources []string) {
	for _, c := range s.Commands {
		if c, ok := c.(*instructions.CopyCommand); ok && c.From == "" {
			sources = append(sources, c.SourcePaths...)
		}
	}
	return sources
}

// lastRun is the last command that a stage runs.
func lastRun(s instructions.Stage) (command string) {
	for _, c := range s.Commands {
		if c, ok := c.(*instructions.RunCommand); ok {
			command = c.CmdLine[0]
		}
	}
	return command
}

// Every program needs only what the build stage copies: a build with nothing else
// would fail in Docker, where nobody here can see it.
func TestDockerfileCopiesWhatItBuilds(t *testing.T) {
	t.Parallel()
	_, build, _, err := stages()
	if err != nil {
		t.Fatal(err)
	}
	packages, err := built()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("go", append([]string{"list", "-deps", "-f", "{{if and .Module (eq .Module.Path \"xunguan\")}}{{.ImportPath}}{{end}}"}, packages...)...) //nolint:gosec // our own
	c.Dir = root
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		dir := strings.TrimPrefix(path, "xunguan/")
		in := false
		for _, source := range copied(build) {
			in = in || dir == source || strings.HasPrefix(dir, source+"/")
		}
		if !in {
			t.Errorf("%s is built but not copied", path)
		}
	}
}
