package pg_test

import (
	"os"
	"strings"
	"testing"

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
