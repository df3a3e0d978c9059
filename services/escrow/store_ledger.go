package escrow

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"xunguan/pkg/fault"
)

const postSQL = `SELECT post($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

// postArgs is transfers as postSQL takes them: columns of transfers, and of entries.
func postArgs(transfers []transfer) ([]any, error) {
	var institutions, ids, kinds, references, originals []string
	var times []time.Time
	var ofInstitution, ofTransfer, accounts, contracts []string
	var amounts []Fen
	var ofTime []time.Time
	for _, t := range transfers {
		if err := t.check(); err != nil {
			return nil, err
		}
		institutions, ids, kinds = append(institutions, t.institution), append(ids, t.id), append(kinds, t.kind)
		references, originals, times = append(references, t.reference), append(originals, t.reverses), append(times, t.at)
		for _, l := range t.legs {
			ofInstitution, ofTransfer, ofTime = append(ofInstitution, t.institution), append(ofTransfer, t.id), append(ofTime, t.at)
			accounts, contracts, amounts = append(accounts, l.account), append(contracts, l.contract), append(amounts, l.amount)
		}
	}
	return []any{institutions, ids, kinds, references, originals, times, ofInstitution, ofTransfer, accounts, contracts, amounts, ofTime}, nil
}

// post books transfers. Conflict if a reference was booked before, or an account
// would be overdrawn.
func post(ctx context.Context, tx pgx.Tx, transfers ...transfer) error {
	args, err := postArgs(transfers)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, postSQL, args...)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "23514" && e.TableName == "balances" {
		err = fault.Conflict.Errorf("账户余额不足，不能记账")
	}
	return err
}

// findDifference is a difference in the caller's scope, with its legs.
func findDifference(ctx context.Context, tx pgx.Tx, id string) (t transfer, err error) {
	rows, err := tx.Query(ctx, `
		SELECT t.institution_id, t.reference, e.account, e.amount FROM transfers t JOIN entries e ON e.institution_id = t.institution_id AND e.transfer_id = t.id
		WHERE t.id::text = $1 AND t.kind = $2 ORDER BY e.account`, id, differTransfer)
	if err != nil {
		return t, err
	}
	var l leg
	t.id, t.kind = id, differTransfer
	_, err = pgx.ForEachRow(rows, []any{&t.institution, &t.reference, &l.account, &l.amount}, func() error {
		t.legs = append(t.legs, l)
		return nil
	})
	if err == nil && t.legs == nil {
		err = fault.NotFound.Errorf("差额记录不存在")
	}
	return t, err
}

// openAccounts makes the accounts of an institution that are missing, and a
// contract's; "" is none.
func openAccounts(ctx context.Context, tx pgx.Tx, institution, contract string) error {
	_, err := tx.Exec(ctx, `SELECT open_accounts($1, $2)`, institution, contract)
	return err
}

// findBalance is the sum of an account's entries up to at. NotFound if the account
// is not open, or out of the caller's scope.
func findBalance(ctx context.Context, tx pgx.Tx, institution, account, contract string, at time.Time) (sum Fen, err error) {
	var open bool
	err = tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM balances WHERE institution_id = $1 AND account = $2 AND contract_id = $3),
			(SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE institution_id = $1 AND account = $2 AND contract_id = $3 AND at <= $4)`,
		institution, account, contract, at).Scan(&open, &sum)
	if err == nil && !open {
		err = fault.NotFound.Errorf("账户不存在")
	}
	return sum, err
}

// pageStatement is a page of an account's entries up to at, oldest first, each with
// the balance after it.
func pageStatement(ctx context.Context, tx pgx.Tx, institution, account, contract string, at time.Time, page int) ([]entryRow, error) {
	return list[entryRow](ctx, tx, `
		SELECT to_char(e.at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS"+08:00"') AS at, t.id::text AS transfer, t.kind, t.reference,
			coalesce(t.reverses::text, '') AS reverses, e.amount, e.balance
		FROM (SELECT *, sum(amount) OVER (ORDER BY at, transfer_id)::bigint AS balance FROM entries
			WHERE institution_id = $1 AND account = $2 AND contract_id = $3 AND at <= $4
			ORDER BY at, transfer_id LIMIT $5 OFFSET $6) e
		JOIN transfers t ON t.institution_id = $1 AND t.id = e.transfer_id
		ORDER BY e.at, e.transfer_id`, institution, account, contract, at, pageSize+1, (page-1)*pageSize)
}
