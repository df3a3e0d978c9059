package escrow

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/pg"
)

// nextToSettle finds an institution whose bank was to be told by today.
func nextToSettle(ctx context.Context, tx pgx.Tx, today day.Date) (institution string, err error) {
	err = tx.QueryRow(ctx, `SELECT institution_id FROM bank_accounts WHERE account = 'custody' AND settle_on <= $1 AND bank IN (SELECT name FROM banks)
		ORDER BY settle_on, institution_id LIMIT 1 FOR UPDATE SKIP LOCKED`, today).Scan(&institution)
	return institution, none(err)
}

func payoutsAreHeld(ctx context.Context, tx pgx.Tx, institution string) (held bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM payouts WHERE institution_id = $1 AND held_since IS NOT NULL)`, institution).Scan(&held)
	return held, err
}

// orderReleases orders what was released before a moment, and was not ordered: each
// lesson by an instruction of its own, or all by the one id. Of the day before what
// was ordered last it looks again: a lesson may have been booked late.
func orderReleases(ctx context.Context, tx pgx.Tx, institution, period string, before time.Time, today day.Date, id string) error {
	_, err := tx.Exec(ctx, `
		WITH due AS MATERIALIZED (
			SELECT e.institution_id, e.transfer_id, -e.amount AS amount, t.reference, a.bank, a.agreement_no
			FROM bank_accounts a JOIN entries e ON e.institution_id = a.institution_id JOIN transfers t ON t.institution_id = e.institution_id AND t.id = e.transfer_id
				JOIN contracts c ON c.institution_id = t.institution_id AND c.id = coalesce(
					(SELECT h.contract_id FROM entries h WHERE h.institution_id = t.institution_id AND h.transfer_id = t.id AND h.account = 'held'),
					(SELECT r.contract_id FROM refunds r WHERE t.reference LIKE 'resume/refund/%' AND r.institution_id = t.institution_id AND r.id = split_part(t.reference, '/', 3)),
					split_part(t.reference, '/', 2))
			WHERE a.institution_id = $1 AND a.account = 'custody' AND e.account = 'released' AND e.contract_id = '' AND t.kind IN ('post', 'resume', 'void') AND e.amount < 0
				AND e.at >= a.settled_to - interval '1 day' AND e.at < $3 AND c.mode = 'custody'
				AND NOT EXISTS (SELECT FROM instructed d WHERE d.institution_id = e.institution_id AND d.transfer_id = e.transfer_id)
		), done AS (
			INSERT INTO instructed (institution_id, transfer_id, instruction_id) SELECT institution_id, transfer_id, CASE $2::text WHEN 'week' THEN $5::text ELSE transfer_id::text END FROM due
			ON CONFLICT DO NOTHING RETURNING transfer_id -- what a parent has just had kept stays
		)
		INSERT INTO instructions (institution_id, id, bank, agreement_no, purpose, amount, reference, original, made_on)
		SELECT institution_id, transfer_id::text, bank, agreement_no, 'release', amount, reference, '', $4::date FROM due JOIN done USING (transfer_id) WHERE $2::text <> 'week'
		UNION ALL
		SELECT institution_id, $5::text, bank, agreement_no, 'release', sum(amount)::bigint, 'week/' || $4::date, '', $4::date FROM due JOIN done USING (transfer_id) WHERE $2::text = 'week' GROUP BY 1, 3, 4`,
		institution, period, before, today, id)
	return err
}

// orderRefunds orders what was given back out of custody and was not ordered, each
// on the route of the payment that it goes back on; what became the payment of another
// institution's contract, to that one's account in custody.
func orderRefunds(ctx context.Context, tx pgx.Tx, institution string, today day.Date) error {
	_, err := tx.Exec(ctx, `
		WITH due AS MATERIALIZED (
			SELECT e.institution_id, e.transfer_id, -e.amount AS amount, t.reference, a.bank, a.agreement_no
			FROM bank_accounts a JOIN entries e ON e.institution_id = a.institution_id JOIN transfers t ON t.institution_id = e.institution_id AND t.id = e.transfer_id
			WHERE a.institution_id = $1 AND a.account = 'custody' AND e.account = 'custody' AND e.contract_id = '' AND t.kind = 'payback' AND e.amount < 0
				AND e.at >= a.settled_to - interval '1 day'
				AND NOT EXISTS (SELECT FROM instructed d WHERE d.institution_id = e.institution_id AND d.transfer_id = e.transfer_id)
		), done AS (
			INSERT INTO instructed (institution_id, transfer_id, instruction_id) SELECT institution_id, transfer_id, transfer_id::text FROM due
		)
		INSERT INTO instructions (institution_id, id, bank, agreement_no, purpose, amount, reference, original, made_on, payee_bank, payee_agreement)
		SELECT due.institution_id, due.transfer_id::text, due.bank, due.agreement_no, CASE WHEN y.bank IS NULL THEN 'refund' ELSE 'transfer' END, due.amount, due.reference,
			coalesce(p.route, ''), $2, coalesce(y.bank, ''), coalesce(y.agreement_no, '')
		FROM due LEFT JOIN paybacks p ON p.id = split_part(due.reference, '/', 2)
			LEFT JOIN contracts c ON c.id = p.new_contract
			LEFT JOIN bank_accounts y ON y.institution_id = c.institution_id AND y.account = 'custody'`, institution, today)
	return err
}

// saveSettled notes when to order next, and up to when all is ordered; while payouts
// are held, that stays as it was.
func saveSettled(ctx context.Context, tx pgx.Tx, institution string, next day.Date, before time.Time, held bool) error {
	return one(ctx, tx, `UPDATE bank_accounts SET settle_on = $2, settled_to = CASE WHEN $4 THEN settled_to ELSE greatest(settled_to, $3) END
		WHERE institution_id = $1 AND account = 'custody'`, institution, next, before, held)
}

const instructionColumns = `institution_id, id, agreement_no, purpose, amount, reference, original, payee_bank, payee_agreement AS payee`

// tellInstructions takes what f's bank was not told into f. What is to be released
// to an institution whose payouts are held stays.
func tellInstructions(ctx context.Context, tx pgx.Tx, f Settlement) ([]Instruction, error) {
	if err := long(ctx, tx); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `
		UPDATE instructions i SET settlement = $1 FROM (
			SELECT institution_id, id FROM instructions n WHERE bank = $2 AND settlement = '' AND (purpose <> 'release'
				OR NOT EXISTS (SELECT FROM payouts p WHERE p.institution_id = n.institution_id AND p.held_since IS NOT NULL))
			ORDER BY institution_id, id LIMIT $3) told
		WHERE i.institution_id = told.institution_id AND i.id = told.id`, f.ID, f.Bank, settlementSize); err != nil {
		return nil, err
	}
	return listTold(ctx, tx, f.ID)
}

func listTold(ctx context.Context, tx pgx.Tx, settlement string) ([]Instruction, error) {
	return list[Instruction](ctx, tx, `SELECT `+instructionColumns+` FROM instructions WHERE settlement = $1 ORDER BY institution_id, id`, settlement)
}

const settlementColumns = `id, bank, day, layout, charset, records, sum_out, digest`

func insertSettlement(ctx context.Context, tx pgx.Tx, f Settlement) error {
	_, err := tx.Exec(ctx, `INSERT INTO settlements (`+settlementColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		f.ID, f.Bank, f.Day, f.Layout, f.Charset, f.Records, f.SumOut, f.Digest)
	return err
}

func findSettlement(ctx context.Context, tx pgx.Tx, bank, id string) (Settlement, error) {
	return pg.One[Settlement](ctx, tx, "拨付文件", `SELECT `+settlementColumns+` FROM settlements WHERE bank = $1 AND id = $2`, bank, id)
}

func listAccountsAt(ctx context.Context, tx pgx.Tx, bank string, page int) ([]BankAccountView, error) {
	return list[BankAccountView](ctx, tx, `SELECT agreement_no, account, opened_on FROM bank_accounts WHERE bank = $1
		ORDER BY institution_id, account LIMIT $2 OFFSET $3`, bank, pageSize+1, (page-1)*pageSize)
}

// listPaymentsAt is what the ledger says came into custody at bank, from a moment and
// before another, but for transfers that a bank is told to make.
func listPaymentsAt(ctx context.Context, tx pgx.Tx, bank string, from, before time.Time, page int) ([]BankPaymentView, error) {
	return list[BankPaymentView](ctx, tx, `
		SELECT a.agreement_no, substr(t.reference, length('payment/') + 1) AS reference, e.amount AS amount_fen, e.at
		FROM bank_accounts a JOIN entries e ON e.institution_id = a.institution_id AND e.account = 'custody' AND e.contract_id = ''
			JOIN transfers t ON t.institution_id = e.institution_id AND t.id = e.transfer_id
		WHERE a.bank = $1 AND a.account = 'custody' AND t.kind = 'hold' AND e.at >= $2 AND e.at < $3
			AND NOT EXISTS (SELECT FROM paybacks p WHERE p.route = substr(t.reference, length('payment/') + 1) AND p.new_contract <> '' AND p.source = '')
		ORDER BY e.at, t.id LIMIT $4 OFFSET $5`, bank, from, before, pageSize+1, (page-1)*pageSize)
}
