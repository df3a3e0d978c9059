package event

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Backlog is how many events of db are not with the broker yet, and the age of the
// oldest of them. It costs as much as there are.
func Backlog(ctx context.Context, db *pgxpool.Pool) (rows int, oldest time.Duration, err error) {
	if err := db.QueryRow(ctx, `SELECT count(*) FROM outbox WHERE NOT pub`).Scan(&rows); err != nil {
		return 0, 0, err
	}
	oldest, err = age(ctx, db)
	return rows, oldest, err
}

// age is that of the event to be published next.
func age(ctx context.Context, db *pgxpool.Pool) (oldest time.Duration, err error) {
	err = db.QueryRow(ctx, `SELECT greatest(clock_timestamp() - at, interval '0') FROM outbox WHERE NOT pub ORDER BY id LIMIT 1`).Scan(&oldest)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return oldest, err
}

// Level is how much waits in the outbox.
type Level int32

// The levels. Money, tip-offs and legal deadlines go on at every one of them.
const (
	Calm    Level = iota
	Busy          // background jobs wait
	Crowded       // so do writes without legal effect
)

// Limits are where the levels begin; 0 is nowhere.
type Limits struct {
	Busy    int           `name:"outbox-busy" default:"50000" help:"Unpublished events from which on background jobs wait."`
	Age     time.Duration `name:"outbox-age" default:"60s" help:"Age of an unpublished event from which on background jobs wait."`
	Crowded int           `name:"outbox-crowded" default:"500000" help:"Unpublished events from which on writes without legal effect are refused."`
}

// Pressure watches the outbox.
type Pressure struct {
	DB     *pgxpool.Pool
	Limits Limits
	Log    *slog.Logger

	level atomic.Int32
}

// Level is what the last look found.
func (p *Pressure) Level() Level { return Level(p.level.Load()) }

// Run looks every second until ctx ends. While the database is away the level
// stays: nothing can be written then anyway.
func (p *Pressure) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		was := p.Level()
		switch now, err := p.look(ctx); {
		case err != nil && ctx.Err() == nil:
			p.Log.WarnContext(ctx, "outbox", "err", err)
		case err == nil && now != was:
			p.Log.WarnContext(ctx, "outbox", "level", int(now), "was", int(was))
			p.level.Store(int32(now))
		}
		pause(ctx, time.Second)
	}
	return nil
}

// look counts no further than it must.
func (p *Pressure) look(ctx context.Context) (Level, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	var rows int
	err := p.DB.QueryRow(ctx, `SELECT count(*) FROM (SELECT FROM outbox WHERE NOT pub LIMIT $1) waiting`, max(p.Limits.Busy, p.Limits.Crowded)+1).Scan(&rows)
	if err != nil {
		return Calm, err
	}
	oldest, err := age(ctx, p.DB)
	switch l := p.Limits; {
	case l.Crowded > 0 && rows > l.Crowded:
		return Crowded, err
	case l.Busy > 0 && rows > l.Busy, l.Age > 0 && oldest > l.Age:
		return Busy, err
	}
	return Calm, err
}
