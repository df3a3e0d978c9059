package check

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

func TestDockerfile(t *testing.T) {
	t.Parallel()
	list, err := stages()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 {
		t.Fatalf("%d stages, want one to build and one to run", len(list))
	}
	out, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "golang:" + strings.TrimPrefix(strings.TrimSpace(string(out)), "go"); list[0].BaseName != want {
		t.Errorf("builds with %s, while the tests run with %s", list[0].BaseName, want)
	}
	var build string
	for _, c := range list[0].Commands {
		switch c := c.(type) {
		case *instructions.CopyCommand:
			for _, source := range c.SourcePaths {
				if found, _ := filepath.Glob(filepath.Join(root, source)); len(found) == 0 {
					t.Errorf("COPY %s: not in the repository", source)
				}
			}
		case *instructions.RunCommand:
			build = c.CmdLine[0]
		}
	}
	for _, want := range []string{"CGO_ENABLED=0", "-trimpath"} {
		if !strings.Contains(build, want) {
			t.Errorf("built without %s: %s", want, build)
		}
	}
	run := list[1]
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

// Every program needs only what the build stage copies: a build with nothing else
// would fail in Docker, where nobody here can see it.
func TestDockerfileCopiesWhatItBuilds(t *testing.T) {
	t.Parallel()
	list, err := stages()
	if err != nil {
		t.Fatal(err)
	}
	var copied []string
	for _, c := range list[0].Commands {
		if c, ok := c.(*instructions.CopyCommand); ok {
			copied = append(copied, c.SourcePaths...)
		}
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
		for _, source := range copied {
			in = in || dir == source || strings.HasPrefix(dir, source+"/")
		}
		if !in {
			t.Errorf("%s is built but not copied", path)
		}
	}
}
