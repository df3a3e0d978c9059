package stack

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestLock(t *testing.T) {
	t.Parallel()
	d := Dir(t.TempDir())
	release, err := d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Lock()
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) || strings.Contains(err.Error(), "\n") {
		t.Errorf("a second lock: %v; want one line with our pid", err)
	}
	release()
	again, err := d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestRoom(t *testing.T) {
	t.Parallel()
	d := Dir(t.TempDir())
	if err := d.Room(1); err != nil {
		t.Error(err)
	}
	if err := d.Room(1 << 62); err == nil || !strings.Contains(err.Error(), "磁盘空间不足") || !strings.Contains(err.Error(), string(d)) {
		t.Errorf("got %v", err)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	d := Dir(t.TempDir())
	first, err := d.Secrets("rulebook")
	if err != nil {
		t.Fatal(err)
	}
	second, err := d.Secrets("rulebook", "escrow")
	if err != nil {
		t.Fatal(err)
	}
	if second.Postgres != first.Postgres || second.Suite != first.Suite || second.OIDC != first.OIDC || second.Database["rulebook"] != first.Database["rulebook"] {
		t.Error("a secret changed")
	}
	seen := make(map[string]bool)
	for _, s := range []string{second.Suite, second.Postgres, second.OIDC, second.Database["rulebook"], second.Database["escrow"]} {
		if len(s) < 26 || seen[s] {
			t.Errorf("%q is short or not new", s)
		}
		seen[s] = true
	}
	if info, err := os.Stat(d.At("secrets.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(d.At("secrets.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Secrets(); err == nil || !strings.Contains(err.Error(), "make reset") {
		t.Errorf("half a file: %v", err)
	}
}

func TestClear(t *testing.T) {
	t.Parallel()
	d := Dir(t.TempDir())
	for _, name := range []string{"bin", "postgresql-17", "postgres", "broker", "keys"} {
		if err := os.MkdirAll(d.At(name, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Clear(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(string(d))
	if err != nil || len(entries) != 2 || entries[0].Name() != "bin" || entries[1].Name() != "postgresql-17" {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := net.SplitHostPort(lis.Addr().String())
	number, _ := strconv.Atoi(text)
	p := Port{number, "公众门户"}
	err = Free(0, p, Port{0, "任意"})
	if err == nil {
		t.Fatal("not noticed")
	}
	want := []string{text, "公众门户", "XUNGUAN_PORT_OFFSET"}
	if _, err := os.Stat("/proc/net/tcp"); err == nil {
		want = append(want, "进程 "+strconv.Itoa(os.Getpid()))
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q lacks %q or is not one line", err, part)
		}
	}
	if err := p.Listens(t.Context()); err != nil {
		t.Error(err)
	}
	_ = lis.Close()
	if err := Free(0, p); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Listens(ended); err == nil {
		t.Error("nobody listens, and it was not said")
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	env := append(os.Environ(), "WORD=7")
	for script, want := range map[string]int{"exit $WORD": 7, "true": 0, "kill -9 $$": 137} {
		if code, err := Command(t.Context(), env, "sh", "-c", script); code != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", script, code, err, want)
		}
	}
	if _, err := Command(t.Context(), env, "/nowhere/go"); err == nil {
		t.Error("a missing command was run")
	}
}
