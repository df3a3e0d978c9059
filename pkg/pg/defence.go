//go:build !weak

package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// durable is the settings without which a server may lose a commit.
const durable = "fsync,full_page_writes,synchronous_commit"

// finishes is whether COMMIT may go with the last statement.
const finishes = true

// transact runs f in a transaction. That COMMIT failed is the caller's to know.
func transact(ctx context.Context, db *pgxpool.Pool, f func(pgx.Tx) error) error {
	return begin(ctx, db, f)
}
