package inspection

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/pg"
)

const followUpColumns = `id, task_id, type, jurisdiction, agencies, institution_id, name, state, since, waiting_for, version, data`

func findFollowUp(ctx context.Context, tx pgx.Tx, c auth.Caller, id string) (FollowUp, error) {
	prefix, agency := reach(c)
	return pg.One[FollowUp](ctx, tx, "后续", `SELECT `+followUpColumns+` FROM follow_ups
		WHERE id = $1 AND starts_with(jurisdiction, $2) AND $3 = ANY (agencies)`, id, prefix, agency)
}

func listFollowUps(ctx context.Context, tx pgx.Tx, c auth.Caller, limit int) ([]FollowUp, error) {
	prefix, agency := reach(c)
	return list[FollowUp](ctx, tx, `SELECT `+followUpColumns+` FROM follow_ups
		WHERE starts_with(jurisdiction, $1) AND $2 = ANY (agencies) ORDER BY id DESC LIMIT $3`, prefix, agency, limit)
}

func listFollowUpsOf(ctx context.Context, tx pgx.Tx, taskID string) ([]FollowUp, error) {
	return list[FollowUp](ctx, tx, `SELECT `+followUpColumns+` FROM follow_ups WHERE task_id = $1 ORDER BY id`, taskID)
}

func lockFollowUp(ctx context.Context, tx pgx.Tx, id string) (FollowUp, error) {
	return pg.One[FollowUp](ctx, tx, "后续", `SELECT `+followUpColumns+` FROM follow_ups WHERE id = $1 FOR UPDATE`, id)
}

// place is where a follow-up is, and the task to lock before it.
type place struct{ ID, TaskID string }

func placeOf(ctx context.Context, tx pgx.Tx, id string) (place, error) {
	return pg.One[place](ctx, tx, "后续", `SELECT id, task_id FROM follow_ups WHERE id = $1`, id)
}

func placeByEntry(ctx context.Context, tx pgx.Tx, entryID string) (place, error) {
	return pg.One[place](ctx, tx, "后续", `SELECT id, task_id FROM follow_ups WHERE data->>'entry_id' = $1`, entryID)
}

func addFollowUp(ctx context.Context, tx pgx.Tx, f FollowUp) error {
	return exec(ctx, tx, `INSERT INTO follow_ups (`+followUpColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		f.ID, f.TaskID, f.Type, f.Jurisdiction, f.Agencies, f.InstitutionID, f.Name, f.State, f.Since, f.WaitingFor, f.Version, f.Data)
}

func saveFollowUp(ctx context.Context, tx pgx.Tx, f FollowUp) error {
	return exec(ctx, tx, `UPDATE follow_ups SET state = $2, since = $3, waiting_for = $4, version = $5, data = $6 WHERE id = $1`,
		f.ID, f.State, f.Since, f.WaitingFor, f.Version, f.Data)
}

// addCommand notes that a command is sent, and reports whether it is the first time.
func addCommand(ctx context.Context, tx pgx.Tx, id string, c Command, at time.Time) (first bool, err error) {
	tag, err := tx.Exec(ctx, `INSERT INTO commands (follow_up_id, command, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, id, c, at)
	return tag.RowsAffected() == 1, err
}

func countAgain(ctx context.Context, tx pgx.Tx, id string, c Command) error {
	return exec(ctx, tx, `UPDATE commands SET again = again + 1 WHERE follow_up_id = $1 AND command = $2`, id, c)
}

// Sent is a command that a follow-up sent.
type Sent struct {
	Command Command   `json:"command"`
	At      time.Time `json:"at" description:"legal time"`
	Again   int       `json:"again" description:"how often an officer had it sent again"`
}

func listCommands(ctx context.Context, tx pgx.Tx, id string) ([]Sent, error) {
	return list[Sent](ctx, tx, `SELECT command, at, again FROM commands WHERE follow_up_id = $1 ORDER BY at, command`, id)
}

// saveHold keeps what escrow says of the hold that a list entry caused: what was
// held, or resumed, once stays so.
func saveHold(ctx context.Context, tx pgx.Tx, cause, institution string, resumed bool) error {
	return exec(ctx, tx, `INSERT INTO holds (cause_id, institution_id, held, resumed) VALUES ($1, $2, true, $3)
		ON CONFLICT (cause_id) DO UPDATE SET resumed = holds.resumed OR EXCLUDED.resumed`, cause, institution, resumed)
}

// findHold is what is known of the hold that a list entry caused.
func findHold(ctx context.Context, tx pgx.Tx, cause string) (held, resumed bool, err error) {
	err = tx.QueryRow(ctx, `SELECT held, resumed FROM holds WHERE cause_id = $1`, cause).Scan(&held, &resumed)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return held, resumed, err
}
