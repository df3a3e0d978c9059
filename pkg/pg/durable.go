package pg

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// arrive is refuseUnsafe, again and again while the server is away.
func arrive(ctx context.Context, pool *pgxpool.Pool) error {
	for said := ""; ; {
		err := refuseUnsafe(ctx, pool)
		if err == nil || !away(err) || ctx.Err() != nil {
			return err
		}
		if err.Error() != said {
			said = err.Error()
			slog.Default().WarnContext(ctx, "waiting for PostgreSQL", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// refuseUnsafe refuses a server, or a role on it, that may lose what it has acknowledged.
func refuseUnsafe(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, Statement+acquire) // one that is cut off says nothing
	defer cancel()
	var off string
	err := pool.QueryRow(ctx, `SELECT coalesce(string_agg(name, ', ' ORDER BY name), '') FROM pg_settings
		WHERE name = ANY(string_to_array($1, ',')) AND setting = 'off'`, durable).Scan(&off)
	if err == nil && off != "" {
		err = fmt.Errorf("PostgreSQL may lose commits: %s is off", off)
	}
	return err
}
