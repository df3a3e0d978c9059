package main

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"xunguan/pkg/event"
	"xunguan/scripts/stack"
)

// newSuite is a suite whose tree has the programs named, as service/program.
func newSuite(t *testing.T, programs ...string) *suite {
	t.Helper()
	root := t.TempDir()
	for _, p := range programs {
		service, name, _ := strings.Cut(p, "/")
		dir := filepath.Join(root, "services", service, "cmd", name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "main.go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &suite{
		data: stack.Dir(t.TempDir()), root: root, offset: 1000, embedded: true,
		kafka: event.Cluster{Brokers: []string{"127.0.0.1:9120"}, Copies: 1}, databases: map[string]string{ //nolint:gosec // of no server
			"escrow": "postgres://escrow:secret@db", "portal": "postgres://portal:secret@db",
		},
	}
	if err := s.keys(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPresent(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "rulebook/rulebook", "escrow/escrow", "portal/provider")
	if got := strings.Join(s.programs(), " "); got != "./scripts/broker ./services/rulebook/cmd/rulebook ./services/escrow/cmd/escrow ./services/portal/cmd/provider" {
		t.Errorf("programs %s", got)
	}
	if got := s.peers(); got != "rulebook=127.0.0.1:9101;escrow=127.0.0.1:9103" {
		t.Errorf("peers %s", got)
	}
	var ports []string
	for _, p := range s.ports(true) {
		ports = append(ports, strconv.Itoa(p.Number))
	}
	if got := strings.Join(ports, " "); got != "9120 9130 9101 9103 9110" {
		t.Errorf("ports %s", got)
	}
}

// The bank is a stranger to the suite: it knows the portal's door and nothing else.
func TestBank(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "escrow/escrow", "escrow/bank")
	if got := s.programs(); got[len(got)-1] != "./services/escrow/cmd/bank" {
		t.Errorf("programs %s", got)
	}
	env := strings.Join(s.bank().Env, "\n")
	for _, want := range []string{"BANK_PORTAL=http://127.0.0.1:9081", "BANK_STATE=" + s.data.At("bank", "books.json"), "BANK_TRIAL=true"} {
		if !strings.Contains(env, want) {
			t.Errorf("the bank lacks %s", want)
		}
	}
	for _, secret := range []string{"secret@db", s.secrets.OIDC, s.secrets.Postgres, s.key} {
		if strings.Contains(env, secret) {
			t.Error("the bank knows a secret of the suite")
		}
	}
}

func TestEnv(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://admin:admin@db/postgres")
	t.Setenv("PGPASSWORD", "admin")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	s := newSuite(t, "escrow/escrow", "portal/portal", "portal/provider")
	env := strings.Join(s.service(services[2]).Env, "\n") + "\n"
	for _, want := range []string{
		"ESCROW_HTTP_ADDR=127.0.0.1:9103", "ESCROW_DATABASE_URL=postgres://escrow:secret@db", "ESCROW_KAFKA_BROKERS=127.0.0.1:9120", "ESCROW_KAFKA_COPIES=1",
		"ESCROW_CALLER_KEYS=" + s.kid + "=" + s.key, "ESCROW_PEERS=escrow=127.0.0.1:9103", "ESCROW_TRIAL=true",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9081/trial/otlp",
	} {
		if !strings.Contains(env, "\n"+want+"\n") {
			t.Errorf("escrow lacks %s", want)
		}
	}
	if env := strings.Join(s.service(services[4]).Env, "\n"); !strings.Contains(env, "\nTIPOFF_KEYS="+s.data.At("keys", "tipoff")) {
		t.Error("tipoff's keys are not in the data folder")
	}
	for _, p := range []stack.Process{s.broker(), s.provider(), s.service(services[2]), s.portal()} {
		env, args := strings.Join(p.Env, "\n"), strings.Join(p.Args, " ")
		if strings.Contains(env, "admin:admin") || strings.Contains(env, "PGPASSWORD") {
			t.Errorf("%s sees the administrator's password", p.Name)
		}
		for _, secret := range []string{"secret@db", s.secrets.OIDC, s.secrets.Postgres} {
			if strings.Contains(args, secret) {
				t.Errorf("%s has a secret among its arguments: %s", p.Name, args)
			}
		}
	}
	if strings.Contains(env, "ESCROW_CONSUL") {
		t.Error("escrow looks for a Consul that is not there")
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
	if env := strings.Join(s.portal().Env, "\n"); !strings.Contains(env, "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318") || strings.Contains(env, "/trial/otlp") {
		t.Error("traces do not go where they are sent")
	}
}

// With engines of its own choice the suite runs no broker, and each service has
// the engines' addresses and its own token.
func TestEngines(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "escrow/escrow", "portal/portal")
	s.embedded, s.kafka = false, event.Cluster{Brokers: []string{"k1:1", "k2:2"}, Copies: 3}
	s.consul, s.tokens = "127.0.0.1:8500", map[string]string{"escrow": "/t/escrow", "portal": "/t/portal"}
	for name, tt := range map[string]struct {
		p    stack.Process
		want []string
	}{
		"escrow": {s.service(services[2]), []string{
			"ESCROW_KAFKA_BROKERS=k1:1,k2:2", "ESCROW_KAFKA_COPIES=3", "ESCROW_CONSUL=127.0.0.1:8500", "ESCROW_CONSUL_TOKEN_FILE=/t/escrow",
			"ESCROW_ADVERTISE=127.0.0.1:9103",
		}},
		"portal": {s.portal(), []string{"PORTAL_KAFKA_BROKERS=k1:1,k2:2", "PORTAL_KAFKA_COPIES=3", "PORTAL_CONSUL=127.0.0.1:8500", "PORTAL_CONSUL_TOKEN_FILE=/t/portal"}},
	} {
		for _, want := range tt.want {
			if !slices.Contains(tt.p.Env, want) {
				t.Errorf("%s lacks %s", name, want)
			}
		}
	}
	if got := strings.Join(s.programs(), " "); strings.Contains(got, "broker") {
		t.Errorf("builds %s", got)
	}
	if slices.ContainsFunc(s.ports(true), func(p stack.Port) bool { return p.For == "消息代理" }) {
		t.Error("wants a port for a broker")
	}
}

func TestKeysLast(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	again := &suite{data: s.data}
	if err := again.keys(); err != nil || again.key != s.key || again.kid != s.kid {
		t.Errorf("the portal's key changed: %s, %s, %v", s.kid, again.kid, err)
	}
	for _, name := range []string{"oidc.secret", "portal.pem"} {
		if info, err := os.Stat(s.data.At("keys", name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(s.data.At("secrets.json")); err != nil {
		t.Fatal(err)
	}
	place, err := stack.Place(s.data) // not in s.data, if PostgreSQL's account cannot get there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.data.Clear() })
	if err := os.Mkdir(place.At(stack.ClusterFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(place.At(stack.ClusterFolder, "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := again.keys(); err == nil || !strings.Contains(err.Error(), "make reset") {
		t.Errorf("data without their passwords: %v", err)
	}
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	if _, _, err := prepare(t.Context(), &CLI{Data: t.TempDir(), PortOffset: 60000}); err == nil || !strings.Contains(err.Error(), "XUNGUAN_PORT_OFFSET") {
		t.Errorf("ports beyond the last: %v", err)
	}
	data := t.TempDir()
	release, err := stack.Dir(data).Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, _, err := prepare(t.Context(), &CLI{Data: data}); err == nil || !strings.Contains(err.Error(), "另一个 make up") {
		t.Errorf("a second up: %v", err)
	}
	if err := (ResetCmd{}).Run(&CLI{Data: data}); err == nil || !strings.Contains(err.Error(), "另一个 make up") {
		t.Errorf("reset of a running suite: %v", err)
	}
	for url, why := range map[string]string{
		"mysql://root@db/x": "形式", "postgres://nobody:x@127.0.0.1:1/postgres": "不能连接 PostgreSQL",
	} {
		_, _, err := prepare(t.Context(), &CLI{Data: t.TempDir(), Database: url, PortOffset: 18000}) // the story's suite, under test beside us, is at 20000
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want one line with %s", url, err, why)
		}
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	offset := lis.Addr().(*net.TCPAddr).Port - brokerPort
	_, _, err = prepare(t.Context(), &CLI{Data: t.TempDir(), PortOffset: offset})
	if err == nil || !strings.Contains(err.Error(), "消息代理") || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("the broker's port is taken: %v", err)
	}
}

func TestLacking(t *testing.T) {
	t.Parallel()
	body, status := `{"service":"ok","seed":"unavailable","rules":"unavailable"}`, http.StatusServiceUnavailable
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	for _, step := range []struct {
		status     int
		body, want string
	}{
		{http.StatusServiceUnavailable, body, "escrow(rules, seed)"},
		{http.StatusServiceUnavailable, "<html>", "escrow"},
		{http.StatusOK, "{}", ""},
	} {
		status, body = step.status, step.body
		if got := lacking(t.Context(), "escrow", srv.URL); got != step.want {
			t.Errorf("%d %s: %q, want %q", step.status, step.body, got, step.want)
		}
	}
	srv.Close()
	if got := lacking(t.Context(), "escrow", srv.URL); got != "escrow（未应答）" {
		t.Errorf("nobody there: %q", got)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	newSuite(t, "portal/portal").table(&out, 1234*time.Millisecond)
	for _, want := range []string{"http://127.0.0.1:9080", "http://127.0.0.1:9081", "/api/docs", "examiner", "parent", "银行", "\nREADY 1.2 "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	if width("银行ab") != 6 || pad("银行", 6) != "银行  " {
		t.Error("Chinese takes two columns a character")
	}
}

// make test is this command around go test.
func TestTestDB(t *testing.T) {
	t.Parallel()
	const script = `case "$TEST_DATABASE_URL" in postgres://xunguan_test:*@127.0.0.1:*/xunguan_test?sslmode=disable) exit 7;; esac; exit 1`
	err := TestDBCmd{Command: []string{"--", "sh", "-c", script}}.Run(&CLI{Data: t.TempDir()})
	if code, ok := errors.AsType[exitCode](err); !ok || code != 7 {
		t.Errorf("got %v, want exit status 7", err)
	}
	if err := (TestDBCmd{Command: []string{"true"}}).Run(&CLI{Data: t.TempDir()}); err != nil {
		t.Errorf("a command that succeeds: %v", err)
	}
	if err := (TestDBCmd{Command: []string{"--"}}).Run(&CLI{}); err == nil {
		t.Error("no command is no error")
	}
}
