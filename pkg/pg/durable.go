package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// refuseUnsafe refuses a server, or a role on it, that may lose what it has acknowledged.
func refuseUnsafe(ctx context.Context, pool *pgxpool.Pool) error {
	var off string
	err := pool.QueryRow(ctx, `SELECT coalesce(string_agg(name, ', ' ORDER BY name), '') FROM pg_settings
		WHERE name = ANY(string_to_array($1, ',')) AND setting = 'off'`, durable).Scan(&off)
	if err == nil && off != "" {
		err = fmt.Errorf("PostgreSQL may lose commits: %s is off", off)
	}
	return err
}
