package attach

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/pg"
)

const columns = `id, item, sum, sent, size, width, height, added_on, added_by, stored`

// insert adds a, unless its id is taken.
func insert(ctx context.Context, tx pgx.Tx, a Attachment) error {
	_, err := tx.Exec(ctx, `INSERT INTO attachments (id, sum, sent, size, width, height, added_on, added_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING`,
		a.ID, a.Sum, a.Sent, a.Size, a.Width, a.Height, a.AddedOn, a.AddedBy)
	return err
}

func find(ctx context.Context, tx pgx.Tx, id string) (Attachment, error) {
	return pg.One[Attachment](ctx, tx, "该照片", `SELECT `+columns+` FROM attachments WHERE id = $1`, id)
}

func findOf(ctx context.Context, tx pgx.Tx, to, id string) (Attachment, error) {
	return pg.One[Attachment](ctx, tx, "该照片", `SELECT `+columns+` FROM attachments WHERE id = $1 AND bound_to = $2 AND stored`, id, to)
}

func countWaiting(ctx context.Context, tx pgx.Tx) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FROM attachments WHERE bound_to = ''`).Scan(&n)
	return n, err
}

func markStored(ctx context.Context, tx pgx.Tx, id string) error {
	_, err := tx.Exec(ctx, `UPDATE attachments SET stored = true WHERE id = $1`, id)
	return err
}

// bind returns how many of ids are to's now.
func bind(ctx context.Context, tx pgx.Tx, to, item string, ids []string) (int, error) {
	tag, err := tx.Exec(ctx, `UPDATE attachments SET bound_to = $1, item = $2
		WHERE id = ANY ($3) AND stored AND (bound_to = '' OR bound_to = $1 AND item = $2)`, to, item, ids)
	return int(tag.RowsAffected()), err
}

func list(ctx context.Context, tx pgx.Tx, to string) ([]Attachment, error) {
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM attachments WHERE bound_to = $1 AND stored ORDER BY item, id`, to)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[Attachment])
	return append([]Attachment{}, all...), err
}

// nextOrphan locks an attachment that no case took on the day on which it came,
// nor on the day after.
func nextOrphan(ctx context.Context, tx pgx.Tx, today day.Date) (string, error) {
	a, err := pg.One[struct{ ID string }](ctx, tx, "无主照片", `SELECT id FROM attachments WHERE bound_to = '' AND added_on < $1
		ORDER BY added_on, id LIMIT 1 FOR UPDATE SKIP LOCKED`, today.AddDays(-1))
	return a.ID, err
}

func remove(ctx context.Context, tx pgx.Tx, id string) error {
	_, err := tx.Exec(ctx, `DELETE FROM attachments WHERE id = $1`, id)
	return err
}
