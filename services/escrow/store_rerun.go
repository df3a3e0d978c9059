package escrow

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
)

// saveSeen keeps for ever what the fee rules see of c, which is paid now: its basket,
// and kin. It is looked at once more on the day after.
func saveSeen(ctx context.Context, tx pgx.Tx, c *Contract, kind string, kin []Kin, today day.Date) error {
	if _, err := tx.Exec(ctx, `INSERT INTO split_reviews (institution_id, contract_id, after_day) VALUES ($1, $2, $3)`, c.InstitutionID, c.ID, today); err != nil {
		return err
	}
	var family []byte
	if kin != nil {
		var err error
		if family, err = json.Marshal(kin); err != nil {
			return err
		}
	}
	return one(ctx, tx, `INSERT INTO seen (institution_id, contract_id, jurisdiction, kind, paid_on, family, orders)
		SELECT $1, $3, $4, $5, $6, $7, json_agg(o) FROM (`+ordersSQL+`) o`, c.InstitutionID, c.Basket, c.ID, c.Jurisdiction, kind, today, family)
}

// saveSplitReview has c reviewed again tomorrow if it is suspected, and no more if not.
func saveSplitReview(ctx context.Context, tx pgx.Tx, c *Contract, today day.Date) error {
	const suspected = `EXISTS (SELECT FROM flags WHERE institution_id = $1 AND contract_id = $2 AND rule_key = '` + splitWindow + `' AND state = 'OPEN')`
	if _, err := tx.Exec(ctx, `DELETE FROM split_reviews WHERE institution_id = $1 AND contract_id = $2 AND NOT `+suspected, c.InstitutionID, c.ID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE split_reviews SET after_day = $3 WHERE institution_id = $1 AND contract_id = $2`, c.InstitutionID, c.ID, today)
	return err
}

// nextSplitReview finds a contract whose day has passed; it locks nothing, as nextSilent.
func nextSplitReview(ctx context.Context, tx pgx.Tx, today day.Date) (contract string, err error) {
	err = tx.QueryRow(ctx, `SELECT contract_id FROM split_reviews WHERE after_day < $1 ORDER BY after_day, contract_id LIMIT 1`, today).Scan(&contract)
	return contract, none(err)
}

// seenRow is what was seen when a contract was paid. Orders are JSON, to be decoded
// by who judges them.
type seenRow struct {
	InstitutionID, ContractID string
	Jurisdiction, Kind        string
	Orders, Family            []byte
}

// pageSeen returns the next n payments of a span after one of a contract, whose
// institution and id are "" at the beginning.
func pageSeen(ctx context.Context, tx pgx.Tx, in Span, institution, contract string, n int) ([]seenRow, error) {
	return list[seenRow](ctx, tx, `SELECT institution_id, contract_id, jurisdiction, kind, orders, family FROM seen
		WHERE (institution_id, contract_id) > ($1, $2) AND paid_on BETWEEN $3 AND $4 AND starts_with(jurisdiction, $5)
		ORDER BY institution_id, contract_id LIMIT $6`, institution, contract, in.From, in.To, in.Division, n)
}
