package inspection

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
)

// seeded is where the demo data stand: the day they are relative to.
func seeded(ctx context.Context, tx pgx.Tx, today day.Date) (base day.Date, done bool, err error) {
	err = tx.QueryRow(ctx, `SELECT base, done FROM seed`).Scan(&base, &done)
	if errors.Is(err, pgx.ErrNoRows) {
		return today, false, exec(ctx, tx, `INSERT INTO seed (base) VALUES ($1)`, today)
	}
	return base, done, err
}

func endSeed(ctx context.Context, tx pgx.Tx) error {
	return exec(ctx, tx, `UPDATE seed SET done = true`)
}

func countInstitutions(ctx context.Context, tx pgx.Tx) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FROM institutions`).Scan(&n)
	return n, err
}

// listSeedable is the licensed institutions of a place that somebody acts for.
func listSeedable(ctx context.Context, tx pgx.Tx, jurisdiction string) ([]Institution, error) {
	return list[Institution](ctx, tx, `SELECT `+institutionColumns+` FROM institutions
		WHERE jurisdiction = $1 AND status = 'ACTIVE' AND manager <> '' AND list <> 'BLACK' ORDER BY id`, jurisdiction)
}
