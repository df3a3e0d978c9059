package stack

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain is also the children that the tests start: STACK_CHILD says which.
func TestMain(m *testing.M) {
	switch os.Getenv("STACK_CHILD") {
	case "":
		os.Exit(m.Run())
	case "serve": // notes its end in STACK_NOTE
		stopped := make(chan os.Signal, 1)
		signal.Notify(stopped, syscall.SIGTERM, os.Interrupt)
		fmt.Println("serving")
		note(os.Getenv("STACK_NAME"), <-stopped)
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("serving")
		select {}
	case "die":
		fmt.Println("no database")
		os.Exit(3)
	case "supervise": // is killed by the test
		sup := NewSupervisor(Dir(os.Getenv("STACK_DIR")), func(string, ...any) {})
		if err := sup.Start(self("orphan", "deaf", "")); err != nil {
			panic(err)
		}
		select {}
	}
}

func note(name string, sig os.Signal) {
	f, err := os.OpenFile(os.Getenv("STACK_NOTE"), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600) //nolint:gosec // the test says where
	if err != nil {
		panic(err)
	}
	if _, err := fmt.Fprintln(f, name, sig); err != nil {
		panic(err)
	}
}

// self is this test program as a child of the given kind.
func self(name, kind, notes string) Process {
	return Process{
		Name: name, Path: os.Args[0], HTTP: "http://" + name, Database: "postgres://" + name,
		Env: append(os.Environ(), "STACK_CHILD="+kind, "STACK_NAME="+name, "STACK_NOTE="+notes),
	}
}

// newSupervisor returns a Supervisor of an empty folder, and what it has said.
func newSupervisor(t *testing.T) (sup *Supervisor, said func() string) {
	t.Helper()
	var mu sync.Mutex
	var lines []string
	sup = NewSupervisor(Dir(t.TempDir()), func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, fmt.Sprintf(format, args...))
	})
	return sup, func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(lines, "\n")
	}
}

// within polls until ok, for at most limit.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %s", what, limit)
		}
	}
}

func running(t *testing.T, d Dir) []Running {
	t.Helper()
	data, err := os.ReadFile(d.At("run.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []Running
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// serving waits until the child has said n times that it serves.
func serving(t *testing.T, sup *Supervisor, name string, n int) {
	t.Helper()
	within(t, 10*time.Second, name+" serves", func() bool {
		log, _ := os.ReadFile(sup.Dir.At("log", name+".log"))
		return strings.Count(string(log), "serving") == n
	})
}

func TestRestart(t *testing.T) {
	t.Parallel()
	sup, said := newSupervisor(t)
	if err := sup.Start(self("escrow", "serve", filepath.Join(t.TempDir(), "notes"))); err != nil {
		t.Fatal(err)
	}
	serving(t, sup, "escrow", 1)
	first := running(t, sup.Dir)
	if want := (Running{"escrow", first[0].PID, "http://escrow", "postgres://escrow"}); len(first) != 1 || first[0] != want {
		t.Errorf("run.json: %+v", first)
	}
	for i := range deathsMax + 2 { // however often: a kill is no failure of its own
		old := running(t, sup.Dir)[0].PID
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		within(t, 2*time.Second, fmt.Sprintf("start %d after a kill -9", i+2), func() bool { return running(t, sup.Dir)[0].PID != old })
		serving(t, sup, "escrow", i+2)
	}
	if !strings.Contains(said(), "escrow 退出（signal: killed）") {
		t.Errorf("said %q", said())
	}
	if info, err := os.Stat(sup.Dir.At("run.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("run.json holds passwords: %v, %v", info.Mode(), err)
	}
	sup.Stop()
}

func TestStopOrder(t *testing.T) {
	t.Parallel()
	sup, _ := newSupervisor(t)
	notes := filepath.Join(t.TempDir(), "notes")
	database := self("database", "serve", notes)
	database.Stop = syscall.SIGINT
	for _, group := range [][]Process{{database}, {self("broker", "serve", notes)}, {self("portal", "serve", notes)}} {
		if err := sup.Start(group...); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"database", "broker", "portal"} {
		serving(t, sup, name, 1)
	}
	list := running(t, sup.Dir)
	sup.Stop()
	got, err := os.ReadFile(notes) //nolint:gosec // our own file
	if want := "portal terminated\nbroker terminated\ndatabase interrupt\n"; err != nil || string(got) != want {
		t.Errorf("stopped %q, want %q", got, want)
	}
	for _, p := range list {
		if alive(p.PID) {
			t.Errorf("%s outlives Stop", p.Name)
		}
	}
	if _, err := os.Stat(sup.Dir.At("run.json")); !os.IsNotExist(err) {
		t.Errorf("run.json after Stop: %v", err)
	}
}

func TestStopDeaf(t *testing.T) {
	t.Parallel()
	sup, said := newSupervisor(t)
	sup.patience = 200 * time.Millisecond
	if err := sup.Start(self("deaf", "deaf", "")); err != nil {
		t.Fatal(err)
	}
	serving(t, sup, "deaf", 1)
	pid := running(t, sup.Dir)[0].PID
	sup.Stop()
	if alive(pid) || !strings.Contains(said(), "deaf 在") {
		t.Errorf("alive %v, said %q", alive(pid), said())
	}
}

func TestGiveUp(t *testing.T) {
	t.Parallel()
	sup, said := newSupervisor(t)
	if err := sup.Start(self("escrow", "die", "")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-sup.Failed():
		for _, part := range []string{"escrow", fmt.Sprintf("%d 次", deathsMax), "exit status 3", sup.Dir.At("log", "escrow.log"), "no database"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q lacks %q", err, part)
			}
		}
	case <-time.After(15 * time.Second):
		t.Fatal("never given up")
	}
	if n := strings.Count(said(), "秒后重启"); n != deathsMax-1 {
		t.Errorf("started again %d times, want %d: %s", n, deathsMax-1, said())
	}
	if log, err := os.ReadFile(sup.Dir.At("log", "escrow.log")); err != nil || strings.Count(string(log), "no database") != deathsMax {
		t.Errorf("log: %q, %v", log, err)
	}
	sup.Stop()
}

// One that is to run once is not started again: its end is told at once.
func TestOnce(t *testing.T) {
	t.Parallel()
	sup, said := newSupervisor(t)
	once := self("suite", "die", "")
	once.Once = true
	if err := sup.Start(once); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-sup.Failed():
		if !strings.Contains(err.Error(), "suite 退出（exit status 3）") || !strings.Contains(err.Error(), "no database") {
			t.Error(err)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("its end is not told")
	}
	if strings.Contains(said(), "秒后重启") || sup.PID("suite") == 0 || sup.PID("escrow") != 0 {
		t.Errorf("said %q; pids %d and %d", said(), sup.PID("suite"), sup.PID("escrow"))
	}
	sup.Stop()
}

func TestStartMissing(t *testing.T) {
	t.Parallel()
	sup, _ := newSupervisor(t)
	err := sup.Start(Process{Name: "ghost", Path: "/nowhere/ghost"})
	if err == nil || !strings.Contains(err.Error(), "ghost 无法启动") {
		t.Errorf("got %v", err)
	}
	sup.Stop()
}

// A kill -9 of the supervisor itself leaves nobody behind.
func TestNoOrphans(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("the kernel kills orphans on Linux only")
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // ourselves
	cmd.Env = append(os.Environ(), "STACK_CHILD=supervise", "STACK_DIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "run.json", func() bool { _, err := os.Stat(Dir(dir).At("run.json")); return err == nil })
	pid := running(t, Dir(dir))[0].PID
	if !alive(pid) {
		t.Fatal("the child does not run")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	within(t, 5*time.Second, "end of the orphan", func() bool { return !alive(pid) })
}

// alive reports whether pid runs; a zombie does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return !os.IsNotExist(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestLogRotation(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "escrow.log")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, logCap+1); err != nil {
		t.Fatal(err)
	}
	f, err := openLog(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, want := range map[string]int64{file: 0, file + ".1": logCap + 1} {
		if info, err := os.Stat(name); err != nil || info.Size() != want {
			t.Errorf("%s: %v, want %d bytes", name, err, want)
		}
	}
}
