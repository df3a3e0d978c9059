package escrow

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
)

// claimSeed returns the day of the demo data, today if there is none yet.
func claimSeed(ctx context.Context, tx pgx.Tx, today day.Date) (s seeding, err error) {
	err = tx.QueryRow(ctx, `INSERT INTO seed (day) VALUES ($1) ON CONFLICT (one) DO UPDATE SET day = seed.day RETURNING day, done`, today).Scan(&s.Day, &s.Done)
	return s, err
}

func endSeed(ctx context.Context, tx pgx.Tx) error {
	return one(ctx, tx, `UPDATE seed SET done = true`)
}

// listManaged returns institutions with a licence in force on a day.
func listManaged(ctx context.Context, tx pgx.Tx, on day.Date, limit int) ([]Institution, error) {
	return list[Institution](ctx, tx, `SELECT `+institutionColumns+` FROM institutions
		WHERE status = 'ACTIVE' AND valid_until >= $1 AND manager <> '' ORDER BY id LIMIT $2`, on, limit)
}
