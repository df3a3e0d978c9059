package event

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Keep is for how long rows are kept that only a repetition would ask for; 0 is for
// ever.
type Keep struct {
	Outbox time.Duration `name:"keep-outbox" default:"2160h" help:"Published events are kept for, to be sent again and as proof (90 days)."`
	Inbox  time.Duration `name:"keep-inbox" default:"720h" help:"That an event was seen is kept for (30 days): longer than Kafka keeps the event."`
	Once   time.Duration `name:"keep-once" default:"72h" help:"The answer to an Idempotency-Key is kept for. References of payments are kept for ever, elsewhere."`
}

// Pruner deletes rows that are older than Keep says. An event that is not
// published, one that is parked, a key's count and its progress are kept for ever.
type Pruner struct {
	DB       *pgxpool.Pool
	Keep     Keep
	Pressure *Pressure
	Log      *slog.Logger
}

const (
	pruneEvery = 10 * time.Minute
	pruneMost  = 5000 // rows at once, to hold nobody up
)

// Run prunes until ctx ends. It waits while the outbox is busy.
func (p *Pruner) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if _, err := p.Prune(ctx); err != nil && ctx.Err() == nil {
			p.Log.WarnContext(ctx, "prune", "err", err)
		}
		pause(ctx, pruneEvery)
	}
	return nil
}

// Prune deletes what is too old now and returns how many rows that were.
func (p *Pruner) Prune(ctx context.Context) (total int64, err error) {
	for _, old := range []struct {
		sql  string
		keep time.Duration
	}{
		{`DELETE FROM outbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM outbox WHERE pub AND at < now() - $1::interval LIMIT $2))`, p.Keep.Outbox},
		{`DELETE FROM inbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM inbox WHERE at < now() - $1::interval LIMIT $2))`, p.Keep.Inbox},
		{`DELETE FROM once WHERE ctid = ANY (ARRAY(SELECT ctid FROM once WHERE at < now() - $1::interval LIMIT $2))`, p.Keep.Once},
	} {
		for n := int64(pruneMost); n == pruneMost && old.keep > 0; total += n {
			if p.Pressure.Level() > Calm || ctx.Err() != nil {
				return total, ctx.Err()
			}
			done, err := p.DB.Exec(ctx, old.sql, old.keep, pruneMost)
			if err != nil {
				return total, err
			}
			n = done.RowsAffected()
		}
	}
	return total, nil
}
