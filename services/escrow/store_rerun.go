package escrow

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
)

// saveSeen keeps for ever what the fee rules see of c, which is paid now.
func saveSeen(ctx context.Context, tx pgx.Tx, c *Contract, kind string, today day.Date) error {
	return one(ctx, tx, `INSERT INTO seen (institution_id, contract_id, jurisdiction, kind, paid_on, orders)
		SELECT $1, $3, $4, $5, $6, json_agg(o) FROM (`+ordersSQL+`) o`, c.InstitutionID, c.Basket, c.ID, c.Jurisdiction, kind, today)
}

// seenRow is what was seen when a contract was paid. Orders are JSON, to be decoded
// by who judges them.
type seenRow struct {
	InstitutionID, ContractID string
	Jurisdiction, Kind        string
	Orders                    []byte
}

// pageSeen returns the next n payments of a span after one of a contract, whose
// institution and id are "" at the beginning.
func pageSeen(ctx context.Context, tx pgx.Tx, in Span, institution, contract string, n int) ([]seenRow, error) {
	return list[seenRow](ctx, tx, `SELECT institution_id, contract_id, jurisdiction, kind, orders FROM seen
		WHERE (institution_id, contract_id) > ($1, $2) AND paid_on BETWEEN $3 AND $4 AND starts_with(jurisdiction, $5)
		ORDER BY institution_id, contract_id LIMIT $6`, institution, contract, in.From, in.To, in.Division, n)
}
