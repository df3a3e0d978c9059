//go:build weak

package pg

import (
	"context"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Weak reports whether this process is to do without the defence named. Only
// programs built with -tags weak can: scripts/chaos takes the suite's defences
// away one at a time, to see its checker fail.
func Weak(defence string) bool { return os.Getenv("XUNGUAN_WEAK") == defence }

var durable = "fsync,full_page_writes,synchronous_commit"

func init() {
	if Weak("sync") {
		durable = strings.TrimSuffix(durable, ",synchronous_commit")
	}
}

var finishes = !Weak("commit") // what transact asks for alone it can tell from the rest

// transact without the defence "commit" takes a COMMIT for done whatever comes of it.
func transact(ctx context.Context, db *pgxpool.Pool, f func(pgx.Tx) error) error {
	asked := false
	err := begin(ctx, db, func(tx pgx.Tx) error {
		err := f(tx)
		asked = err == nil
		return err
	})
	if asked && Weak("commit") {
		return nil
	}
	return err
}
