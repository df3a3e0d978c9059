package escrow

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/pg"
)

// pageSize is how many rows a list shows at a time.
const pageSize = 50

func findSummary(ctx context.Context, tx pgx.Tx) (Summary, error) {
	return pg.One[Summary](ctx, tx, "汇总", `
		SELECT (SELECT count(*) FROM institutions WHERE in_scope(jurisdiction, ARRAY['education'], ARRAY[manager])) AS institutions, (SELECT count(*) FROM accounts) AS accounts,
			count(*) AS contracts, count(*) FILTER (WHERE state = 'PAID') AS open_contracts,
			(SELECT count(*) FROM flags WHERE state = 'OPEN') AS open_flags,
			coalesce(sum(paid), 0)::bigint AS paid_fen, coalesce(sum(paid - released - refunded), 0)::bigint AS held_fen,
			coalesce(sum(released), 0)::bigint AS released_fen, coalesce(sum(refunded), 0)::bigint AS refunded_fen
		FROM contracts`)
}

const insertEntry = `INSERT INTO timeline (institution_id, contract_id, at, actor, account, action, summary) VALUES ($1, $2, $3, $4, $5, $6, $7)`

func saveEntry(ctx context.Context, tx pgx.Tx, c *Contract, e entry) error {
	_, err := tx.Exec(ctx, insertEntry, c.InstitutionID, c.ID, e.at, e.by, e.account, e.action, e.summary)
	return err
}

func listEntries(ctx context.Context, tx pgx.Tx, c *Contract) ([]Entry, error) {
	return list[Entry](ctx, tx, `SELECT to_char(at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS"+08:00"') AS at, actor, action, summary
		FROM timeline WHERE institution_id = $1 AND contract_id = $2 ORDER BY id`, c.InstitutionID, c.ID)
}

// list collects rows by column name; none is an empty list.
func list[T any](ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[T])
}

// one runs a statement that must change exactly one row.
func one(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	tag, err := tx.Exec(ctx, sql, args...)
	if err == nil && tag.RowsAffected() != 1 {
		err = errNotOne
	}
	return err
}
