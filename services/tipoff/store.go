package tipoff

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/pg"
)

// pageSize is how many rows a list answers at once.
const pageSize = 50

// rows collects what sql answers into Ts by column name, never nil.
func rows[T any](ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]T, error) {
	found, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(found, pgx.RowToStructByNameLax[T])
	if list == nil {
		list = []T{}
	}
	return list, err
}

// wall is the first wall of lists: SQL that is true of the tips that the caller's
// office works on. Row-level security is the second. Its arguments are $1 to $3.
const wall = `($1 = 'all' OR $1 = 'owner' AND owner = $3) AND starts_with(jurisdiction, $2)`

// within is the arguments of wall for ctx's caller.
func within(ctx context.Context, more ...any) []any {
	c := auth.From(ctx)
	kind := ""
	switch {
	case c.Agency == "" || c.Jurisdiction == "":
	case has(c, intakeRole), has(c, cityRole):
		kind = "all"
	default:
		kind = "owner"
	}
	return append([]any{kind, division.Prefix(c.Jurisdiction), c.Agency}, more...)
}

// A deed is a step of a tip-off, for the audit.
type deed struct {
	tip     *Tip
	step    flow.Step
	note    string
	grounds []fault.Ground
}

// saveAudit adds d. Of what a reporter or the system does only the day is kept.
func saveAudit(ctx context.Context, tx pgx.Tx, now time.Time, d deed) error {
	c := auth.From(ctx)
	office, at := "", &now
	if c.Agency != "" {
		office = Office(c.Agency, c.Jurisdiction)
	} else {
		at = nil
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO audit (tip_id, account, office, action, label, from_state, to_state, note, basis, grounds, on_day, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		d.tip.ID, c.Subject, office, d.step.Action, d.step.Label, d.step.From, d.step.To, d.note, d.step.Basis,
		append([]fault.Ground{}, d.grounds...), day.Of(now), at)
	return err
}

// listTimeline lists what was done to a tip-off, first to last.
func listTimeline(ctx context.Context, tx pgx.Tx, id string) ([]Entry, error) {
	return rows[Entry](ctx, tx, `
		SELECT on_day, CASE WHEN office = '' THEN '系统' ELSE office || '（' || account || '）' END AS actor, action, label,
			from_state, to_state, note, basis, grounds
		FROM audit WHERE tip_id = $1 ORDER BY id`, id)
}

// nextDue is the id that sql answers: the case that is due.
func nextDue(ctx context.Context, tx pgx.Tx, sql string, args ...any) (string, error) {
	found, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return "", err
	}
	ids, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err == nil && len(ids) == 0 {
		err = fault.NotFound.Errorf("无到期事项")
	}
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// asKeeper lets f read identities, and nothing else of the sort: within it tx acts
// as the role that owns them.
func asKeeper[T any](ctx context.Context, tx pgx.Tx, f func() (T, error)) (T, error) {
	v := *new(T)
	if _, err := tx.Exec(ctx, `SELECT set_config('role', session_user || '_identity', true)`); err != nil {
		return v, err
	}
	v, err := f()
	if err != nil {
		return v, err
	}
	_, err = tx.Exec(ctx, `SELECT set_config('role', 'none', true)`)
	return v, err
}

// asWorker lets f see and write every row, for what is done in the name of the
// service and not of ctx's caller.
func asWorker(ctx context.Context, tx pgx.Tx, name string, f func() error) error {
	if err := pg.Mark(pg.Worker(ctx, name), tx); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return pg.Mark(ctx, tx)
}
