package tipoff

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
)

func saveFeedback(ctx context.Context, tx pgx.Tx, tip string, f Feedback) error {
	_, err := tx.Exec(ctx, `INSERT INTO feedback (tip_id, attitude, solved, given_on) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tip_id) DO UPDATE SET attitude = EXCLUDED.attitude, solved = EXCLUDED.solved, given_on = EXCLUDED.given_on`,
		tip, f.Attitude, f.Solved, f.GivenOn)
	return err
}

// findFeedback is what tip's reporter said; nil if nothing.
func findFeedback(ctx context.Context, tx pgx.Tx, tip string) (*Feedback, error) {
	var f Feedback
	err := tx.QueryRow(ctx, `SELECT attitude, solved, given_on FROM feedback WHERE tip_id = $1`, tip).Scan(&f.Attitude, &f.Solved, &f.GivenOn)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // most say nothing
	}
	return &f, err
}

// findHeld is the day on which tip came to who holds it.
func findHeld(ctx context.Context, tx pgx.Tx, tip string) (since day.Date, err error) {
	err = tx.QueryRow(ctx, `SELECT coalesce(max(on_day) FILTER (WHERE action IN ('dispatch', 'return', 'assign', 'unsolved', 'reopen')), min(on_day))
		FROM audit WHERE tip_id = $1`, tip).Scan(&since)
	return since, err
}
