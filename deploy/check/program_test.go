package check

import (
	"bufio"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// libraries are the variables that are not flags: what pgx, Go's TLS and runtime,
// and the tracer read by themselves.
var libraries = []string{"PGHOST", "PGSSLMODE", "PGSSLROOTCERT", "PGPASSFILE", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "GOMEMLIMIT", "SSL_CERT_DIR", "POD_IP"}

// checkVariables holds p's variables to the flags of what it runs: each exists,
// and all that must be set are; each file is one that mint makes.
func checkVariables(t *testing.T, who string, p program) {
	t.Helper()
	if !slices.Contains(programs(t), p.name()) {
		t.Errorf("%s runs %s, which the image has not", who, p.command)
		return
	}
	command := []string{p.name()}
	if p.name() == "prepare" {
		command = append(command, p.command[1])
	}
	known := variables(t, command...)
	prefix := strings.ToUpper(p.name()) + "_"
	for name, value := range p.env {
		if _, ok := known[name]; !ok && !slices.Contains(libraries, name) && !others(t, name, prefix) {
			t.Errorf("%s sets %s, which %s does not read", who, name, p.name())
		}
		if strings.HasPrefix(value, "/") && name != "SSL_CERT_DIR" && !p.has(value) {
			t.Errorf("%s: %s=%s: no such file of mint is mounted", who, name, value)
		}
	}
	for name, needed := range known {
		if _, set := p.env[name]; needed && !set {
			t.Errorf("%s does not set %s, without which %s does not start", who, name, p.name())
		}
	}
	if p.name() != "prepare" {
		checkDatabase(t, who, p)
	}
}

// others reports whether name is a variable of another service, which a file of
// variables that all share may hold.
func others(t *testing.T, name, prefix string) bool {
	t.Helper()
	if strings.HasPrefix(name, prefix) {
		return false
	}
	for _, s := range services(t) {
		if strings.HasPrefix(name, strings.ToUpper(s)+"_") {
			_, ok := variables(t, s)[name]
			return ok
		}
	}
	return false
}

// has reports whether path is a file of mint, or a folder of such.
func (p program) has(path string) bool {
	for at := range p.files {
		if at == path || strings.HasPrefix(at, path+"/") {
			return true
		}
	}
	return false
}

// checkDatabase: a service has the database and the role of its own name, with a
// password of mint's, and nothing in the URL that is secret.
func checkDatabase(t *testing.T, who string, p program) {
	t.Helper()
	u, err := url.Parse(p.env[strings.ToUpper(p.name())+"_DATABASE_URL"])
	if err != nil {
		t.Errorf("%s: %v", who, err)
		return
	}
	if _, secret := u.User.Password(); secret || u.User.Username() != p.name() || u.Path != "/"+p.name() {
		t.Errorf("%s: database %s of role %s: want both of the name %s, and no password", who, u.Path, u.User.Username(), p.name())
	}
	line, err := os.ReadFile(filepath.Join(secrets, p.name()+".pgpass"))
	if err != nil || !strings.HasPrefix(string(line), "*:*:"+p.name()+":"+p.name()+":") {
		t.Errorf("%s: mint's password is not for %s", who, p.name())
	}
}

// checkStart runs p as it is deployed, but with nobody at the other end: it must
// take its variables and its files, and fail at its own database by its own name.
func checkStart(t *testing.T, p program) {
	t.Parallel()
	dir := t.TempDir()
	for at, content := range p.files {
		file := filepath.Join(dir, at)
		if err := write(file, content); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, filepath.Join(bin, p.name())) //nolint:gosec // built in TestMain
	for name, value := range p.env {
		if strings.HasPrefix(value, "/") && p.has(value) {
			value = filepath.Join(dir, value)
		}
		c.Env = append(c.Env, name+"="+value)
	}
	c.Env = append(c.Env, "PGHOST=127.0.0.1", "PGPORT=1", "PGSSLMODE=disable", "OTEL_EXPORTER_OTLP_ENDPOINT=")
	said, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	want, heard := "user="+p.name()+" database="+p.name(), ""
	for lines := bufio.NewScanner(said); !strings.Contains(heard, want) && lines.Scan(); {
		heard += lines.Text() + "\n"
	}
	cancel() // it would wait for its database
	_ = c.Wait()
	if !strings.Contains(heard, want) {
		t.Errorf("want a failure at %q: %s", want, heard)
	}
}

// pool is how many connections p may have.
func pool(t *testing.T, p program) int {
	t.Helper()
	u, err := url.Parse(p.env[strings.ToUpper(p.name())+"_DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Query().Get("pool_max_conns"))
	if err != nil {
		t.Errorf("%s: without pool_max_conns each processor of the node counts: %v", p.name(), err)
	}
	return n
}

// number is the port at the end of addr.
func number(t *testing.T, addr string) int32 {
	t.Helper()
	n, err := strconv.ParseInt(addr[strings.LastIndex(addr, ":")+1:], 10, 32)
	if err != nil {
		t.Errorf("%q has no port", addr)
	}
	return int32(n)
}

func write(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}
