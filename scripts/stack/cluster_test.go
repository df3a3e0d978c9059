package stack

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// newCluster starts a cluster that ends with the test.
func newCluster(t *testing.T) (Cluster, *Supervisor) {
	t.Helper()
	ctx := t.Context()
	server, err := FindServer(ctx, Dir(t.TempDir()), 0, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	root := "/var/tmp"
	if server.Account.enters(os.TempDir()) {
		root = os.TempDir()
	}
	dir, err := os.MkdirTemp(root, "stack") //nolint:usetesting // the server's account enters it
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // as above
		t.Fatal(err)
	}
	port, err := unused()
	if err != nil {
		t.Fatal(err)
	}
	c := Cluster{Server: server, Data: filepath.Join(dir, "postgres"), Port: port, Password: "p'w", Connections: 20}
	if err := c.Init(ctx, "--no-sync"); err != nil {
		t.Fatal(err)
	}
	sup, _ := newSupervisor(t)
	t.Cleanup(func() { sup.Stop(); _ = os.RemoveAll(dir) })
	if err := sup.Start(c.Process()); err != nil {
		t.Fatal(err)
	}
	wait, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := WaitFor(wait, c.URL()); err != nil {
		t.Fatal(err)
	}
	return c, sup
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func TestProvision(t *testing.T) {
	t.Parallel()
	c, _ := newCluster(t)
	ctx := t.Context()
	escrow, portal := Database{Name: "escrow", Password: "first"}, Database{Name: "portal", Password: "second"}
	for range 2 { // any start may run it again
		if err := Provision(ctx, c.URL(), "ours", escrow, portal); err != nil {
			t.Fatal(err)
		}
	}
	escrow.Password = "renewed"
	if err := Provision(ctx, c.URL(), "ours", escrow); err != nil {
		t.Fatal(err)
	}
	url, err := escrow.URL(c.URL())
	if err != nil {
		t.Fatal(err)
	}
	conn := connect(t, url)
	var who, collate, encoding, fsync, owner string
	var mighty bool
	if err := conn.QueryRow(ctx, `SELECT current_user, datcollate, pg_encoding_to_char(encoding), current_setting('fsync'),
		pg_get_userbyid(datdba),
		(SELECT rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = current_user)
		FROM pg_database WHERE datname = current_database()`).Scan(&who, &collate, &encoding, &fsync, &owner, &mighty); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join([]string{who, collate, encoding, fsync, owner}, "|"); got != "escrow|C.UTF-8|UTF8|on|escrow" || mighty {
		t.Errorf("got %s, mighty %v", got, mighty)
	}
	if _, err := conn.Exec(ctx, "CREATE TABLE money (fen bigint); CREATE EXTENSION pg_trgm"); err != nil {
		t.Errorf("in its own database: %v", err)
	}
	foreign := strings.Replace(url, "/escrow?", "/portal?", 1)
	if _, err := pgx.Connect(ctx, foreign); err == nil || !strings.Contains(err.Error(), "42501") {
		t.Errorf("escrow in portal's database: %v", err)
	}
	wrong, _ := Database{Name: "escrow", Password: "first"}.URL(c.URL())
	if _, err := pgx.Connect(ctx, wrong); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("with the old password: %v", err)
	}
}

// What the keeper owns its service can reach by becoming it, and not otherwise.
func TestKeeper(t *testing.T) {
	t.Parallel()
	c, _ := newCluster(t)
	ctx := t.Context()
	d := Database{Name: "tipoff", Password: "x", Keeper: true}
	for range 2 {
		if err := Provision(ctx, c.URL(), "ours", d); err != nil {
			t.Fatal(err)
		}
	}
	url, err := d.URL(c.URL())
	if err != nil {
		t.Fatal(err)
	}
	conn := connect(t, url)
	for _, step := range []struct{ sql, code string }{
		{"CREATE TABLE tips (id int)", ""},
		{"CREATE EXTENSION pg_trgm", ""},
		{"CREATE TABLE identities (id int)", ""},
		{"GRANT CREATE ON SCHEMA public TO tipoff_identity", ""},
		{"ALTER TABLE identities OWNER TO tipoff_identity", ""},
		{"SELECT FROM identities", "42501"},
		{"SET ROLE tipoff_identity", ""},
		{"SELECT FROM identities", ""},
		{"SELECT FROM tips", "42501"},
	} {
		_, err := conn.Exec(ctx, step.sql)
		if step.code == "" && err != nil || step.code != "" && (err == nil || !strings.Contains(err.Error(), step.code)) {
			t.Errorf("%s: %v, want %q", step.sql, err, step.code)
		}
	}
	if err := Drop(ctx, c.URL(), "ours", "tipoff"); err != nil {
		t.Error(err)
	}
}

func TestProvisionRefuses(t *testing.T) {
	t.Parallel()
	c, _ := newCluster(t)
	ctx := t.Context()
	admin := connect(t, c.URL())
	for _, sql := range []string{
		"CREATE DATABASE stranger",
		"CREATE ROLE mighty LOGIN CREATEDB", "CREATE DATABASE mighty OWNER mighty",
		"CREATE ROLE latin LOGIN", "CREATE DATABASE latin OWNER latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
	} {
		if _, err := admin.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := Provision(ctx, c.URL(), "theirs", Database{Name: "escrow", Password: "x"}); err != nil {
		t.Fatal(err)
	}
	for name, why := range map[string]string{"stranger": "已经存在", "escrow": "theirs", "mighty": "权力过大", "latin": "LATIN1"} {
		err := Provision(ctx, c.URL(), "ours", Database{Name: name, Password: "x"})
		if err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v; want %q", name, err, why)
		}
	}
	if err := Drop(ctx, c.URL(), "ours", "escrow"); err == nil {
		t.Error("a database of theirs was dropped")
	}
	if err := Drop(ctx, c.URL(), "theirs", "escrow", "never"); err != nil {
		t.Error(err)
	}
	var left int
	if err := admin.QueryRow(ctx, `SELECT count(*) FROM pg_roles WHERE rolname = 'escrow'`).Scan(&left); err != nil || left != 0 {
		t.Errorf("roles left: %d, %v", left, err)
	}
}

// A kill -9 of the server loses nothing and is over in 2 s.
func TestPostgresKilled(t *testing.T) {
	t.Parallel()
	c, sup := newCluster(t)
	ctx := t.Context()
	conn := connect(t, c.URL())
	if _, err := conn.Exec(ctx, "CREATE TABLE t AS SELECT 1 AS n"); err != nil {
		t.Fatal(err)
	}
	pid := running(t, sup.Dir)[0].PID
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "answer after a kill -9", func() bool {
		again, err := pgx.Connect(ctx, c.URL())
		if err != nil {
			return false
		}
		defer again.Close(ctx)
		var n int
		return again.QueryRow(ctx, "SELECT n FROM t").Scan(&n) == nil && n == 1
	})
	if now := running(t, sup.Dir)[0].PID; now == pid {
		t.Error("run.json has the old pid")
	}
}

func TestTemporary(t *testing.T) {
	t.Parallel()
	began := time.Now()
	url, end, err := Temporary(t.Context(), Dir(t.TempDir()), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %s", time.Since(began))
	conn := connect(t, url)
	var super bool
	var connections, fsync string
	err = conn.QueryRow(t.Context(), `SELECT rolsuper OR rolbypassrls, current_setting('max_connections'), current_setting('fsync')
		FROM pg_roles WHERE rolname = current_user`).Scan(&super, &connections, &fsync)
	if err != nil || super || connections != "400" || fsync != "on" || !strings.HasSuffix(url, "/xunguan_test?sslmode=disable") {
		t.Errorf("super %v, %s connections, fsync %s, %v, %s", super, connections, fsync, err, url)
	}
	if _, err := conn.Exec(t.Context(), "CREATE SCHEMA s"); err != nil {
		t.Error(err)
	}
	end()
	if _, err := pgx.Connect(t.Context(), url); err == nil {
		t.Error("still there after end")
	}
}

func TestInitAgain(t *testing.T) {
	t.Parallel()
	c, _ := newCluster(t)
	if err := c.Init(t.Context()); err != nil {
		t.Errorf("over data: %v", err)
	}
	if majorOf(c.Data) != c.Major {
		t.Errorf("data of %d by a server of %d", majorOf(c.Data), c.Major)
	}
	for major, ok := range map[int]bool{0: true, c.Major: true, c.Major - 1: false} {
		if err := c.fits(major); (err == nil) != ok {
			t.Errorf("data of %d: %v", major, err)
		}
	}
}

func TestRelink(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	lib := filepath.Join(root, "native", "lib")
	if err := os.MkdirAll(lib, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(file, content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(lib, "libpq.so.5.17"), "lib")
	write(filepath.Join(root, "native", "pg-symlinks.json"), `[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"}]`)
	for range 2 {
		if err := relink(root); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(filepath.Join(lib, "libpq.so.5")); err != nil || string(got) != "lib" { //nolint:gosec // our own folder
		t.Errorf("through the link: %q, %v", got, err)
	}
	write(filepath.Join(root, "native", "pg-symlinks.json"), `[{"source":"native/lib/libpq.so.5.17","target":"../../evil"}]`)
	if err := relink(root); err == nil {
		t.Error("a link out of the folder was made")
	}
}
