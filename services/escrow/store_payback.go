package escrow

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

const paybackColumns = `p.institution_id, p.contract_id, p.refund_id, p.id, p.route, p.amount, p.interest, p.state, p.attempts, p.transfer_id::text, p.paid_on, p.retry_on, p.reason, p.source, p.new_contract`

func findPayback(ctx context.Context, tx pgx.Tx, id string) (Payback, error) {
	return pg.One[Payback](ctx, tx, "退款", `SELECT `+paybackColumns+` FROM paybacks p WHERE id = $1`, id)
}

// listPaybacks is the legs of all of c's refunds.
func listPaybacks(ctx context.Context, tx pgx.Tx, c *Contract) ([]Payback, error) {
	return list[Payback](ctx, tx, `SELECT `+paybackColumns+` FROM paybacks p WHERE institution_id = $1 AND contract_id = $2 ORDER BY id`, c.InstitutionID, c.ID)
}

// listRoutes is c's payments, the latest first, with what can still go back by each.
func listRoutes(ctx context.Context, tx pgx.Tx, c *Contract) ([]route, error) {
	return list[route](ctx, tx, `
		SELECT substr(t.reference, length('payment/') + 1) AS reference, (-e.amount
			- coalesce((SELECT sum(p.amount) FROM paybacks p WHERE p.institution_id = $1 AND p.contract_id = $2 AND 'payment/' || p.route = t.reference), 0))::bigint AS left
		FROM entries e JOIN transfers t ON t.institution_id = e.institution_id AND t.id = e.transfer_id
		WHERE e.institution_id = $1 AND e.account = 'held' AND e.contract_id = $2 AND t.kind = 'hold' ORDER BY t.at DESC, t.id DESC`, c.InstitutionID, c.ID)
}

func insertPayback(ctx context.Context, tx pgx.Tx, l Payback) error {
	_, err := tx.Exec(ctx, `INSERT INTO paybacks (institution_id, contract_id, refund_id, id, route, amount, state, source, new_contract) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		l.InstitutionID, l.ContractID, l.RefundID, l.ID, l.Route, l.Amount, l.State, l.Source, l.NewContract)
	return err
}

func savePayback(ctx context.Context, tx pgx.Tx, l Payback) error {
	return one(ctx, tx, `UPDATE paybacks SET state = $5, interest = $6, attempts = $7, transfer_id = $8, paid_on = $9, retry_on = $10, reason = $11
		WHERE institution_id = $1 AND contract_id = $2 AND refund_id = $3 AND id = $4`,
		l.InstitutionID, l.ContractID, l.RefundID, l.ID, l.State, l.Interest, l.Attempts, l.TransferID, l.PaidOn, l.RetryOn, l.Reason)
}

// unpaidLegs is how many legs of r have not reached the parent.
func unpaidLegs(ctx context.Context, tx pgx.Tx, r Refund) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FROM paybacks WHERE institution_id = $1 AND contract_id = $2 AND refund_id = $3 AND state <> 'PAID'`,
		r.InstitutionID, r.ContractID, r.ID).Scan(&n)
	return n, err
}

// nextRetry finds a leg that came back and is due again; it locks nothing, as nextSilent.
func nextRetry(ctx context.Context, tx pgx.Tx, today day.Date) (id string, err error) {
	err = tx.QueryRow(ctx, `SELECT id FROM paybacks WHERE state = 'RETURNED' AND retry_on <= $1 ORDER BY retry_on, id LIMIT 1`, today).Scan(&id)
	return id, none(err)
}

// openRefundAccounts makes the accounts that refunds beyond what is held need.
func openRefundAccounts(ctx context.Context, tx pgx.Tx, institution string) error {
	_, err := tx.Exec(ctx, `SELECT open_refund_accounts($1)`, institution)
	return err
}

// findTransfer is a transfer that the caller may reverse, with its legs.
func findTransfer(ctx context.Context, tx pgx.Tx, institution, id string) (t transfer, err error) {
	rows, err := tx.Query(ctx, `
		SELECT t.kind, t.reference, e.account, e.contract_id, e.amount FROM transfers t JOIN entries e ON e.institution_id = t.institution_id AND e.transfer_id = t.id
		WHERE t.institution_id = $1 AND t.id::text = $2 ORDER BY e.account`, institution, id)
	if err != nil {
		return t, err
	}
	var l leg
	t.id, t.institution = id, institution
	_, err = pgx.ForEachRow(rows, []any{&t.kind, &t.reference, &l.account, &l.contract, &l.amount}, func() error {
		t.legs = append(t.legs, l)
		return nil
	})
	if err == nil && t.legs == nil {
		err = fault.NotFound.Errorf("分录不存在")
	}
	return t, err
}
