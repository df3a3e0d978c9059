package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// offset keeps this suite's ports clear of one that make up runs.
const offset = 20000

// TestSuite plays the story on a suite of its own: once undisturbed, once by
// clicking through the pages, once for each of its processes, which is killed with
// signal 9 while the decision travels, and once for each service of the first
// half, killed in the middle of that. Then it looks through all that the suite
// keeps for what a reporter brought along.
func TestSuite(t *testing.T) {
	bin, data := t.TempDir(), openFolder(t)
	for _, name := range []string{"up", "story"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", filepath.Join(bin, name), "./scripts/"+name) //nolint:gosec // our own programs
		build.Dir = "../.."
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	up(t, filepath.Join(bin, "up"), data)
	play(t, bin, data, "", 8)
	play(t, bin, data, "", 8, "--pages")
	for _, kill := range processes(t, data) {
		play(t, bin, data, kill, 8)
	}
	for _, kill := range []string{"rulebook", "licensing", "escrow", "portal"} {
		play(t, bin, data, kill, 3)
	}
	t.Run("a reporter leaves no trace", func(t *testing.T) { noTrace(t, data) })
}

// openFolder is a temporary folder that PostgreSQL's account may enter, too, so
// that its files are there to be searched.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "suite-") //nolint:usetesting // the parent of t.TempDir is closed to other accounts
	if err == nil {
		err = os.Chmod(dir, 0o755) //nolint:gosec // a test's folder
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// play plays the story, with a process killed in one of its steps. What comes after a
// story that broke off finds a suite that no story leaves behind: it is not played.
func play(t *testing.T, bin, data, kill string, in int, more ...string) {
	t.Helper()
	start := time.Now()
	ok := t.Run(fmt.Sprintf("kill=%s in step %d %v", kill, in, more), func(t *testing.T) {
		args := append(more, "--kill="+kill, fmt.Sprintf("--in=%d", in), "--data="+data,
			fmt.Sprintf("--public=http://127.0.0.1:%d", publicPort), fmt.Sprintf("--staff=http://127.0.0.1:%d", staffPort))
		story := exec.CommandContext(t.Context(), filepath.Join(bin, "story"), args...) //nolint:gosec // built above
		out, err := story.CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, wrong(lines), complaints(data, start))
		}
		t.Log(lines[len(lines)-1])
		if killed := strings.Count(string(out), "☠"); kill != "" && killed != 1 {
			t.Errorf("%s was killed %d times, want once", kill, killed)
		}
	})
	if !ok {
		t.FailNow()
	}
}

// wrong is of a story's lines those that do not hold, each step's heading, and the last.
func wrong(lines []string) string {
	all, _, _ := strings.Cut(strings.Join(lines, "\n"), "\n不符：\n") // each is told there once more
	var told []string
	for line := range strings.Lines(all) {
		if line = strings.TrimRight(line, "\n"); strings.HasPrefix(line, "■") || strings.HasPrefix(line, "  ✗") || strings.HasPrefix(line, "  ☠") {
			told = append(told, line)
		}
	}
	return strings.Join(append(told, lines[len(lines)-1]), "\n")
}

// complaints is what the suite's processes warned of since then, the last of each.
func complaints(data string, since time.Time) string {
	const most = 8 // of a process
	var told []string
	logs, _ := filepath.Glob(filepath.Join(data, "log", "*.log")) // the pattern is well-formed
	for _, log := range logs {
		b, _ := os.ReadFile(log) //nolint:gosec // the suite's own folder; what cannot be read tells nothing
		var said []string
		for line := range strings.Lines(string(b)) {
			var l struct {
				Time  time.Time
				Level string
			}
			if json.Unmarshal([]byte(line), &l) == nil && l.Level != "INFO" && l.Time.After(since) {
				said = append(said, strings.TrimSpace(line))
			}
		}
		told = append(told, said[max(0, len(said)-most):]...)
	}
	return strings.Join(told, "\n")
}

// up runs the suite until the test ends.
func up(t *testing.T, bin, data string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, bin)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "XUNGUAN_DATA="+data, fmt.Sprintf("XUNGUAN_PORT_OFFSET=%d", offset), "DATABASE_URL=", "PORTAL_RATE=0")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, said := make(chan struct{}), new(strings.Builder)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintln(said, lines.Text())
			if strings.HasPrefix(lines.Text(), "READY") {
				close(ready)
				_, _ = io.Copy(io.Discard, out)
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		_ = cmd.Wait() // it was told to end
	})
	select {
	case <-ready:
	case <-ended:
		t.Fatalf("make up ended:\n%s", said)
	case <-time.After(5 * time.Minute):
		t.Fatal("make up is not ready after 5 minutes")
	}
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", 8080+offset)) //nolint:noctx // our own server
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("READY, but /readyz says %s", resp.Status)
	}
}

// processes are the names of all that make up runs.
func processes(t *testing.T, data string) (names []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(data, "run.json")) //nolint:gosec // the suite's own folder
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ Name string }
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		names = append(names, p.Name)
	}
	return names
}
