package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kfake"

	"xunguan/pkg/event"
	"xunguan/scripts/stack"
)

// minted is a folder of secrets, as a deployment has it.
func minted(t *testing.T) *cli {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("go", "run", "-buildvcs=false", "xunguan/deploy/mint", dir).CombinedOutput(); err != nil { //nolint:gosec // our own program
		t.Fatalf("mint: %v: %s", err, out)
	}
	return &cli{Secrets: dir, Within: 30 * time.Second}
}

// TestDatabases: with the passwords of mint each service enters its own database
// and no other.
func TestDatabases(t *testing.T) {
	c, admin := minted(t), server(t)
	d := databases{AdminURL: admin, Suite: "xunguan", More: []string{"keycloak"}}
	for range 2 { // any start may run it again
		if err := d.Run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	config, err := pgx.ParseConfig(admin)
	if err != nil {
		t.Fatal(err)
	}
	enter := func(role, database string) error {
		line, err := os.ReadFile(filepath.Join(c.Secrets, role+".pgpass")) //nolint:gosec // of mint
		if err != nil {
			return err
		}
		as := config.Copy()
		as.User, as.Database, as.Password = role, database, strings.TrimSpace(string(line))[strings.LastIndex(string(line), ":")+1:]
		conn, err := pgx.ConnectConfig(t.Context(), as)
		if err != nil {
			return err
		}
		return conn.Close(t.Context())
	}
	for _, name := range append(names, "keycloak") {
		if err := enter(name, name); err != nil {
			t.Errorf("%s in its own database: %v", name, err)
		}
		if other := "escrow"; name != other && enter(name, other) == nil {
			t.Errorf("%s in the database of %s", name, other)
		}
	}
}

// server starts PostgreSQL and returns its administrator's URL.
func server(t *testing.T) string {
	t.Helper()
	found, err := stack.FindServer(t.Context(), stack.Dir(t.TempDir()), 0, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/var/tmp", "prepare") //nolint:usetesting // the server's account enters it
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := lis.Addr().(*net.TCPAddr).Port
	_ = lis.Close()
	cluster := stack.Cluster{Server: found, Data: filepath.Join(dir, "postgres"), Port: port, Password: "admin", Connections: 20}
	sup := stack.NewSupervisor(stack.Dir(t.TempDir()), t.Logf)
	t.Cleanup(func() { sup.Stop(); _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // as above
		t.Fatal(err)
	}
	if err := cluster.Init(t.Context(), "--no-sync"); err != nil {
		t.Fatal(err)
	}
	if err := sup.Start(cluster.Process()); err != nil {
		t.Fatal(err)
	}
	if err := stack.WaitFor(t.Context(), cluster.URL()); err != nil {
		t.Fatal(err)
	}
	return cluster.URL()
}

// TestTopics makes what a service then finds as it must be.
func TestTopics(t *testing.T) {
	t.Parallel()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	at := event.Cluster{Brokers: broker.ListenAddrs(), Copies: 1}
	if err := at.Check(t.Context()); err == nil {
		t.Error("topics are there before they are made")
	}
	if err := (topics{KafkaBrokers: at.Brokers, Copies: 1}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := at.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestConsul: each service's token may register its own name and no other, also
// after somebody widened that. What Consul makes of such rules, scripts/real sees.
func TestConsul(t *testing.T) {
	t.Parallel()
	c, agent := minted(t), &agent{policies: make(map[string]string), tokens: make(map[string]string)}
	management, err := secret(c.Secrets, "management")
	if err != nil {
		t.Fatal(err)
	}
	agent.management = management
	srv := httptest.NewServer(agent)
	defer srv.Close()
	run := func() {
		if err := (consul{Consul: srv.Listener.Addr().String()}).Run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	run()
	agent.policies["xunguan-tipoff"] = `service_prefix "" { policy = "write" }`
	run()
	if len(agent.tokens) != len(names)+1 {
		t.Errorf("%d tokens, want one for each service and the agent", len(agent.tokens))
	}
	for _, name := range names {
		token, err := secret(c.Secrets, name)
		if err != nil {
			t.Fatal(err)
		}
		rules := agent.policies[agent.tokens[token]]
		want := `service "` + name + `" { policy = "write" }`
		if name == "portal" {
			want = ""
		}
		if rest := strings.Replace(rules, want, "", 1); !strings.Contains(rules, want) || rules == "" || strings.Contains(rest, "write") {
			t.Errorf("%s may %s", name, rules)
		}
	}
}

// agent is the part of Consul's ACL API that prepare uses.
type agent struct {
	management string

	mu       sync.Mutex
	policies map[string]string // rules by name, which is the id, too
	tokens   map[string]string // policy by secret
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	as := r.Header.Get("X-Consul-Token")
	var in struct {
		Name, Rules, SecretID string
		Policies              []struct{ Name string }
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	switch path := r.URL.Path; {
	case path == "/v1/acl/token/self":
		if a.tokens[as] == "" {
			http.Error(w, "ACL not found", http.StatusForbidden)
			return
		}
	case as != a.management:
		http.Error(w, "Permission denied", http.StatusForbidden)
		return
	case path == "/v1/acl/policies":
		var list []map[string]string
		for name := range a.policies {
			list = append(list, map[string]string{"ID": name, "Name": name})
		}
		_ = json.NewEncoder(w).Encode(list)
		return
	case strings.HasPrefix(path, "/v1/acl/policy"):
		a.policies[in.Name] = in.Rules
	case path == "/v1/acl/token" && a.tokens[in.SecretID] == "":
		a.tokens[in.SecretID] = in.Policies[0].Name
	default:
		http.Error(w, "not expected: "+path, http.StatusInternalServerError)
		return
	}
	_, _ = w.Write([]byte("{}"))
}
