// Package due applies what is due. A deadline is a date on the case itself, so
// that a deadline that pauses or moves has one truth; a Timer finds cases whose
// date has passed and applies one in each transaction, or several where that is safe.
// Replicas share the work: Next locks the row it finds and skips rows that others hold.
//
// The last day of a period belongs to it: a timer fires on the day after.
package due

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/metric"
	"xunguan/pkg/pg"
)

// Timer is one kind of deadline.
type Timer struct {
	Name string
	// Next locks one case whose last day is before today, FOR UPDATE SKIP LOCKED;
	// its error is NotFound when there is none.
	Next func(ctx context.Context, tx pgx.Tx, today day.Date) (id string, err error)
	// Apply does what the passing of the date means. The case must not be due again.
	Apply func(ctx context.Context, tx pgx.Tx, id string) error
	// Together is how many cases are applied in one transaction, 0 is one: for cases
	// that lock nothing which Next has not locked, as nobody can then wait in a circle.
	// If one of them fails, each is applied in a transaction of its own.
	Together int
	// AtOnce is how many transactions there are at a time, 0 is one: for work that takes
	// long, cut into cases that do not meet.
	AtOnce int
}

// Clockwork runs timers.
type Clockwork struct {
	DB     *pgxpool.Pool
	Now    func() time.Time // legal time
	Timers []Timer
	Log    *slog.Logger

	settled atomic.Int64 // when all was last applied, on the machine's clock
}

const (
	poll = time.Second
	slow = 5 * time.Second // after failure upon failure, so that one poisoned case does not fill the log
)

// Run applies what becomes due until ctx ends.
func (c *Clockwork) Run(ctx context.Context) error {
	c.settled.Store(time.Now().UnixNano())
	metric.DueBehind.Observe(func(_ context.Context, report metric.Report) error {
		report(int64(time.Since(time.Unix(0, c.settled.Load())).Seconds()))
		return nil
	})
	pause := poll
	for ctx.Err() == nil {
		if _, err := c.Settle(ctx); err == nil {
			pause = poll
		} else if ctx.Err() == nil {
			c.Log.ErrorContext(ctx, "timer", "err", err)
			pause = min(2*pause, slow)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// Settle applies all that is due now and returns how many cases that were. The
// failure of one timer does not keep the others back.
func (c *Clockwork) Settle(ctx context.Context) (applied int, err error) {
	for _, t := range c.Timers {
		var all sync.WaitGroup
		founds, errs := make([]int, max(t.AtOnce, 1)), make([]error, max(t.AtOnce, 1))
		for i := range founds {
			all.Go(func() { founds[i], errs[i] = c.all(ctx, t) })
		}
		all.Wait()
		for i := range founds {
			applied += founds[i]
		}
		if terr := errors.Join(errs...); terr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", t.Name, terr))
		}
	}
	if err == nil {
		c.settled.Store(time.Now().UnixNano())
	}
	return applied, err
}

// all applies all of one timer that nobody else is at, until one fails.
func (c *Clockwork) all(ctx context.Context, t Timer) (applied int, err error) {
	for most := max(t.Together, 1); ; {
		found, err := c.some(ctx, t, most)
		if err != nil && most > 1 {
			most = 1
			continue
		}
		applied += found
		if found < most || err != nil {
			return applied, err
		}
	}
}

// some applies up to so many cases in one transaction, and returns how many; none if
// one of them fails.
func (c *Clockwork) some(ctx context.Context, t Timer, most int) (int, error) {
	ctx = pg.Worker(ctx, "due:"+t.Name)
	return pg.InTx(ctx, c.DB, func(tx pgx.Tx) (int, error) {
		for n := range most {
			id, err := t.Next(ctx, tx, day.Of(c.Now()))
			if errors.Is(err, fault.NotFound) {
				return n, nil
			}
			if err != nil {
				return 0, err
			}
			if err := t.Apply(ctx, tx, id); err != nil {
				return 0, fmt.Errorf("%s: %w", id, err)
			}
		}
		return most, nil
	})
}
