package pg_test

import (
	"context"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/pg"
)

// What a role or a URL may turn off is refused; fsync and full_page_writes, which
// are a server's, are in scripts/stack.
func TestOpenRefusesToLoseCommits(t *testing.T) {
	t.Parallel()
	url := os.Getenv("TEST_DATABASE_URL")
	if url == "" {
		t.Fatal("TEST_DATABASE_URL is not set (make test sets it)")
	}
	for setting, refused := range map[string]bool{"off": true, "local": false, "on": false} {
		db, err := pg.Open(t.Context(), url+"&synchronous_commit="+setting)
		if refused != (err != nil && strings.Contains(err.Error(), "synchronous_commit is off")) {
			t.Errorf("synchronous_commit=%s: %v", setting, err)
		}
		if err == nil {
			db.Close()
		}
	}
}

// A server that is away is waited for; one that does not know us is not.
func TestOpenWaits(t *testing.T) {
	t.Parallel()
	url := os.Getenv("TEST_DATABASE_URL")
	c, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	real := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	here := lis.Addr().String()
	_ = lis.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	opened := make(chan error, 1)
	go func() {
		db, err := pg.Open(ctx, strings.Replace(url, real, here, 1))
		if err == nil {
			db.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("nobody was there, and Open did not wait: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	if lis, err = net.Listen("tcp", here); err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	go func() {
		for {
			in, err := lis.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", real) //nolint:gosec // the test's own server
			if err != nil {
				t.Error(err)
				return
			}
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
	}()
	if err := <-opened; err != nil {
		t.Error(err)
	}
	if _, err := pg.Open(t.Context(), strings.Replace(url, "/"+c.Database, "/nobody_s", 1)); err == nil {
		t.Error("a database that is not there was opened")
	}
}

// The server itself ends what takes too long, and what forgets its transaction.
func TestOpenSetsTimeouts(t *testing.T) {
	t.Parallel()
	url := os.Getenv("TEST_DATABASE_URL")
	if url == "" {
		t.Fatal("TEST_DATABASE_URL is not set (make test sets it)")
	}
	for _, tt := range []struct{ url, name, want string }{
		{url, "statement_timeout", "3s"},
		{url, "lock_timeout", "2s"},
		{url, "idle_in_transaction_session_timeout", "15s"},
		{url + "&lock_timeout=1s", "lock_timeout", "1s"},
	} {
		db, err := pg.Open(t.Context(), tt.url)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := db.QueryRow(t.Context(), `SELECT current_setting($1)`, tt.name).Scan(&got); err != nil || got != tt.want {
			t.Errorf("%s is %s (%v), want %s", tt.name, got, err, tt.want)
		}
		db.Close()
	}
}
