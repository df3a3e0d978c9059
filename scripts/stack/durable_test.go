package stack

import (
	"strings"
	"testing"
	"time"

	"xunguan/pkg/pg"
)

// A service refuses a server that an administrator has made faster than safe, and
// takes it again once that is undone.
func TestServicesRefuseUnsafeServer(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, _ := newCluster(t)
	admin := connect(t, c.URL())
	set := func(name, value string) {
		t.Helper()
		for _, sql := range []string{"ALTER SYSTEM SET " + name + " = " + value, "SELECT pg_reload_conf()"} {
			if _, err := admin.Exec(ctx, sql); err != nil {
				t.Fatal(err)
			}
		}
		var now string
		for deadline := time.Now().Add(10 * time.Second); now != value; time.Sleep(10 * time.Millisecond) {
			if err := admin.QueryRow(ctx, `SELECT current_setting($1)`, name).Scan(&now); err != nil || time.Now().After(deadline) {
				t.Fatalf("%s is still %s, %v", name, now, err)
			}
		}
	}
	for _, name := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		set(name, "off")
		db, err := pg.Open(ctx, c.URL())
		if err == nil {
			db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "may lose commits: "+name+" is off") {
			t.Errorf("%s is off: %v", name, err)
		}
		set(name, "on")
		if db, err = pg.Open(ctx, c.URL()); err != nil {
			t.Fatalf("%s is on again: %v", name, err)
		}
		db.Close()
	}
}
