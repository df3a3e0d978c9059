package event

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/metric"
)

// Observe reports what waits in db: on its way to the broker, and parked.
func Observe(db *pgxpool.Pool) {
	gauge := func(f metric.Figure, sql string) {
		f.Observe(func(ctx context.Context, report metric.Report) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			var n int64
			if db.QueryRow(ctx, sql).Scan(&n) == nil { // of a database that is away there is nothing to say
				report(n)
			}
			return nil
		})
	}
	gauge(metric.OutboxUnpublished, `SELECT count(*) FROM outbox WHERE NOT pub`)
	gauge(metric.OutboxOldest, `SELECT coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::bigint FROM outbox WHERE NOT pub`)
	gauge(metric.Parked, `SELECT count(*) FROM parked`)
}
