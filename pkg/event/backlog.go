package event

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/metric"
)

// Observe reports what waits in db: on its way to the broker, and parked.
func Observe(db *pgxpool.Pool) {
	observe(metric.OutboxUnpublished, func(ctx context.Context) (int64, error) {
		rows, _, err := Backlog(ctx, db)
		return int64(rows), err
	})
	observe(metric.OutboxOldest, func(ctx context.Context) (int64, error) {
		oldest, err := age(ctx, db)
		return int64(oldest.Seconds()), err
	})
	observe(metric.Parked, func(ctx context.Context) (int64, error) {
		n, err := ParkedCount(ctx, db)
		return int64(n), err
	})
}

// observe reports what read finds; of a database that is away there is nothing to
// say.
func observe(f metric.Figure, read func(context.Context) (int64, error)) {
	f.Observe(func(ctx context.Context, report metric.Report) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if n, err := read(ctx); err == nil {
			report(n)
		}
		return nil
	})
}
