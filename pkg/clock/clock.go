// Package clock is legal time: the time that deadlines are reckoned by. It is
// the machine's time, except in trial mode, where it can be moved forward, never
// back, and stays moved over a restart. Sessions, tokens, certificates, leases
// and traces use the machine's time and know nothing of this package.
package clock

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
	"xunguan/pkg/pg"
)

// Clock tells legal time.
type Clock struct{ ahead atomic.Int64 }

// Now is the legal time, in Shanghai.
func (c *Clock) Now() time.Time {
	return time.Now().Add(time.Duration(c.ahead.Load())).In(day.Shanghai)
}

// Load sets c to where it was moved before.
func (c *Clock) Load(ctx context.Context, db *pgxpool.Pool) error {
	var ahead time.Duration
	err := db.QueryRow(ctx, `SELECT coalesce((SELECT ahead FROM legal_clock), interval '0')`).Scan(&ahead)
	c.ahead.Store(int64(ahead))
	return err
}

// MoveClock asks for legal time to be moved to To, or for what became due to be
// applied, if it is there already.
type MoveClock struct {
	To time.Time `json:"to"`
}

// Moved is where legal time is, and how many cases became due.
type Moved struct {
	Now     time.Time `json:"now"`
	Applied int       `json:"applied"`
}

// Slack is how far behind To a clock may ask to be moved: services are asked one
// after the other, and again until nothing becomes due.
const Slack = 5 * time.Minute

// Move sets legal time to to: Conflict if that is in the past.
func (c *Clock) Move(ctx context.Context, db *pgxpool.Pool, to time.Time) error {
	ahead := time.Until(to)
	if to.Before(c.Now()) {
		if c.Now().Sub(to) > Slack {
			return fault.Conflict.Errorf("试用时间只能向前：现在是 %s", c.Now().Format(time.RFC3339))
		}
		return nil
	}
	_, err := pg.InTx(ctx, db, func(tx pgx.Tx) (struct{}, error) {
		_, err := tx.Exec(ctx, `INSERT INTO legal_clock (ahead) VALUES ($1) ON CONFLICT (one) DO UPDATE SET ahead = EXCLUDED.ahead`, ahead)
		return struct{}{}, err
	})
	if err == nil {
		c.ahead.Store(int64(ahead))
	}
	return err
}

// settling is how long applying what became due may take: less than the server
// gives a request.
const settling = 28 * time.Second

// MayMove is the permission that only the portal holds, and only in trial mode.
var MayMove = auth.Permit("clock:move")

// Trial is the Policy that adds MayMove for the portal to may.
func Trial(may auth.Policy) auth.Policy {
	trial := auth.Roles(map[string][]auth.Permission{"trial": {MayMove}})
	return func(c auth.Caller, p auth.Permission) bool { return may(c, p) || trial(c, p) }
}

// Route publishes POST /trial/clock: it moves c and then runs settle, which
// applies what became due.
func (c *Clock) Route(api *kit.API, db *pgxpool.Pool, settle func(context.Context) (int, error)) {
	kit.Route(api, "POST /trial/clock", "MoveClock", MayMove, func(ctx context.Context, req MoveClock) (Moved, error) {
		if err := c.Move(ctx, db, req.To); err != nil {
			return Moved{}, err
		}
		applied, err := settle(ctx)
		return Moved{Now: c.Now(), Applied: applied}, err
	}, kit.Within(settling))
}
