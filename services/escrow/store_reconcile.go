package escrow

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

// nextToReconcile finds a part of a bank's day, as "bank/day/part", of which all has come.
// Days of a bank go one after the other: what is missing on one day may come on the next.
// Days are parted here, so that whoever took the last file need not know of parts.
func nextToReconcile(ctx context.Context, tx pgx.Tx, today day.Date) (id string, err error) {
	var bank string
	var d day.Date
	var part int
	if _, err := tx.Exec(ctx, `INSERT INTO bank_day_parts (bank, day, part, parts) SELECT bank, day, n, $1 FROM bank_days d, generate_series(0, $1 - 1) n
		WHERE state = 'RECEIVED' AND NOT EXISTS (SELECT FROM bank_day_parts p WHERE p.bank = d.bank AND p.day = d.day) ON CONFLICT DO NOTHING`, reconcileAtOnce); err != nil {
		return "", err
	}
	err = tx.QueryRow(ctx, `SELECT bank, day, part FROM bank_day_parts p WHERE NOT done AND day < $1
		AND NOT EXISTS (SELECT FROM bank_days e WHERE e.bank = p.bank AND e.day < p.day AND e.state <> 'RECONCILED')
		ORDER BY day, bank, part LIMIT 1 FOR UPDATE SKIP LOCKED`, today).Scan(&bank, &d, &part)
	return fmt.Sprintf("%s/%s/%d", bank, d, part), none(err)
}

// institutionsToReconcile is the next of a part of a bank's day, in order of id.
func institutionsToReconcile(ctx context.Context, tx pgx.Tx, bank string, d day.Date, part, n int) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT DISTINCT a.institution_id FROM bank_accounts a JOIN bank_day_parts p ON p.bank = a.bank AND p.day = $2 AND p.part = $3
		WHERE a.bank = $1 AND a.institution_id > p.after_id AND (hashtext(a.institution_id) & 2147483647) % p.parts = p.part
		ORDER BY a.institution_id LIMIT $4`, bank, d, part, n)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func saveReconciledTo(ctx context.Context, tx pgx.Tx, bank string, d day.Date, part int, last string) error {
	return one(ctx, tx, `UPDATE bank_day_parts SET after_id = $4 WHERE bank = $1 AND day = $2 AND part = $3 AND after_id < $4`, bank, d, part, last)
}

// saveReconciled ends a part, and the day if it was the last one: who has the day's lock
// sees which parts have ended.
func saveReconciled(ctx context.Context, tx pgx.Tx, bank string, d day.Date, part int) error {
	var b pgx.Batch
	b.Queue(`UPDATE bank_day_parts SET done = true WHERE bank = $1 AND day = $2 AND part = $3`, bank, d, part)
	b.Queue(`SELECT FROM bank_days WHERE bank = $1 AND day = $2 FOR UPDATE`, bank, d)
	b.Queue(`UPDATE bank_days SET state = 'RECONCILED' WHERE bank = $1 AND day = $2 AND state = 'RECEIVED'
		AND NOT EXISTS (SELECT FROM bank_day_parts WHERE bank = $1 AND day = $2 AND NOT done)`, bank, d)
	return tx.SendBatch(ctx, &b).Close()
}

// admitStaged makes movements and balances of what was staged of c's institutions,
// which it finds by their index: of other institutions much more is staged.
func admitStaged(ctx context.Context, tx pgx.Tx, c comparison) error {
	_, err := tx.Exec(ctx, `
		WITH come AS (
			DELETE FROM staged s
			WHERE s.institution_id = ANY ($3) AND s.file = ANY (ARRAY(SELECT id FROM bank_files WHERE bank = $1 AND day = $2)) RETURNING s.*
		), moved AS (
			INSERT INTO movements (institution_id, bank, txn, account, day, amount, at, purpose, reference, file)
			SELECT institution_id, $1, txn, account, $2, amount, at, purpose, reference, file FROM come WHERE txn <> ''
		)
		INSERT INTO bank_balances (institution_id, account, day, balance, file) SELECT institution_id, account, $2, amount, file FROM come WHERE txn = ''`,
		c.bank, c.day, c.institutions)
	return err
}

// closeByMovement closes what was missing, or of a wrong amount, and has moved now;
// and what was unknown, and has been booked since.
func closeByMovement(ctx context.Context, tx pgx.Tx, c comparison) error {
	var b pgx.Batch
	b.Queue(`
		UPDATE discrepancies d SET state = 'CLOSED', closed_on = $4, closed_how = 'movement', closed_with = m.txn
		FROM (SELECT DISTINCT ON (institution_id, account, reference) institution_id, account, reference, txn FROM movements
			WHERE institution_id = ANY ($3) AND bank = $1 AND day = $2 AND purpose <> 'correction' AND reference <> '' ORDER BY 1, 2, 3, txn DESC) m
		WHERE d.institution_id = m.institution_id AND d.account = m.account AND d.reference = m.reference AND d.state <> 'CLOSED'
			AND d.kind IN ('missing_in', 'missing_out', 'amount')`, c.bank, c.day, c.institutions, c.today)
	b.Queue(`
		UPDATE discrepancies d SET state = 'CLOSED', closed_on = $2, closed_how = 'booking', closed_with = t.id::text
		FROM transfers t JOIN entries e ON e.institution_id = t.institution_id AND e.transfer_id = t.id
		WHERE d.institution_id = ANY ($1) AND d.state <> 'CLOSED' AND d.kind = 'unknown_in' AND d.reference <> ''
			AND t.institution_id = d.institution_id AND t.reference = 'payment/' || d.reference AND e.account = d.account AND e.amount = d.actual`,
		c.institutions, c.today)
	return tx.SendBatch(ctx, &b).Close()
}

// findMoved compares what moved on c's day with orders and instructions: with all
// that ever moved on the same reference, as one payment may come in two. What is
// complete is no difference; of releases it is summed up as a payout, of deposits as
// a pledge. What a movement is looked for by is made beforehand, for a policy lets no
// index be searched by what is made on the way.
func findMoved(ctx context.Context, tx pgx.Tx, c comparison) ([]found, error) {
	return list[found](ctx, tx, `
		WITH moved AS (
			SELECT institution_id, account, reference, sign(amount) AS side, sum(amount)::bigint AS amount, max(txn) AS txn, count(*) AS n,
				CASE WHEN sign(amount) > 0 THEN 'payment/' || reference END AS payment, CASE WHEN sign(amount) < 0 AND account = 'custody' THEN reference END AS instruction
			FROM movements WHERE institution_id = ANY ($3) AND bank = $1 AND day = $2 AND purpose <> 'correction'
				AND NOT (account = 'deposit' AND amount > 0 AND purpose = 'deposit')
			GROUP BY institution_id, account, reference, sign(amount), CASE reference WHEN '' THEN txn END
		), told AS MATERIALIZED (
			SELECT m.*, i.purpose, CASE WHEN side > 0 THEN e.amount ELSE -i.amount END AS expected, CASE WHEN reference = '' THEN 0 ELSE
				(SELECT coalesce(sum(o.amount), 0)::bigint FROM movements o WHERE o.institution_id = m.institution_id AND o.reference = m.reference
					AND o.account = m.account AND sign(o.amount) = side AND o.day < $2 AND o.purpose <> 'correction') END AS before
			FROM moved m
			LEFT JOIN LATERAL (SELECT i.amount, i.purpose FROM instructions i
				WHERE i.institution_id = m.institution_id AND i.id = m.instruction) i ON true
			LEFT JOIN LATERAL (SELECT e.amount FROM transfers t JOIN entries e ON e.institution_id = t.institution_id AND e.transfer_id = t.id
				WHERE t.institution_id = m.institution_id AND t.reference = m.payment AND e.account = m.account AND e.contract_id = '') e ON true
		)
		SELECT institution_id, CASE WHEN expected IS NULL THEN CASE WHEN side > 0 THEN 'unknown_in' ELSE 'unknown_out' END
				WHEN before = expected OR (before = 0 AND n > 1 AND amount = n * expected) THEN 'duplicate' ELSE 'amount' END AS kind,
			account, reference, txn, coalesce(expected, 0) AS expected, CASE WHEN expected IS NULL THEN 0 ELSE before END + amount AS actual
		FROM told WHERE expected IS DISTINCT FROM before + amount
		UNION ALL
		SELECT institution_id, 'payout', 'custody', '', '', 0, -sum(expected)::bigint FROM told
		WHERE purpose = 'release' AND (expected = before + amount OR (before = 0 AND n > 1 AND amount = n * expected)) GROUP BY 1
		UNION ALL
		SELECT institution_id, 'pledge', 'deposit', '', '', 0, sum(amount)::bigint FROM movements
		WHERE institution_id = ANY ($3) AND bank = $1 AND day = $2 AND account = 'deposit' AND amount > 0 AND purpose = 'deposit' GROUP BY 1`,
		c.bank, c.day, c.institutions)
}

// findShort is what each institution has in the ledger of which more is to be paid
// out than that.
func findShort(ctx context.Context, tx pgx.Tx, booked []transfer) (map[string]Fen, error) {
	var institutions []string
	var amounts []Fen
	for _, t := range booked {
		if t.kind == payOutTransfer {
			institutions, amounts = append(institutions, t.institution), append(amounts, t.legs[0].amount)
		}
	}
	rows, err := tx.Query(ctx, `
		SELECT x.institution_id, min(abs(b.balance)) FROM unnest($1::text[], $2::bigint[]) AS x (institution_id, amount)
			JOIN balances b ON b.institution_id = x.institution_id AND b.account IN ('custody', 'released') AND b.contract_id = ''
		WHERE abs(b.balance) < x.amount GROUP BY 1`, institutions, amounts)
	if err != nil {
		return nil, err
	}
	short := map[string]Fen{}
	var id string
	var has Fen
	_, err = pgx.ForEachRow(rows, []any{&id, &has}, func() error { short[id] = has; return nil })
	return short, err
}

// findMissing is what was paid in or ordered on the days from and to, and has moved
// in no way yet. What the bank was not told because payouts are held is not missing.
func findMissing(ctx context.Context, tx pgx.Tx, c comparison, from, to day.Date) ([]found, error) {
	if from.IsZero() || to.Before(from) {
		return nil, nil
	}
	return list[found](ctx, tx, `
		WITH due AS (
			SELECT e.institution_id, 'missing_in' AS kind, substr(t.reference, length('payment/') + 1) AS reference, e.amount
			FROM entries e JOIN transfers t ON t.institution_id = e.institution_id AND t.id = e.transfer_id JOIN bank_accounts a ON a.institution_id = e.institution_id AND a.account = 'custody' AND a.bank = $1
			WHERE e.institution_id = ANY ($2) AND e.account = 'custody' AND e.contract_id = '' AND e.at >= $3 AND e.at < $4 AND t.kind = 'hold'
			UNION ALL
			SELECT i.institution_id, 'missing_out', i.id, -i.amount FROM settlements s JOIN instructions i ON i.settlement = s.id
			WHERE s.bank = $1 AND s.day BETWEEN $5 AND $6 AND i.institution_id = ANY ($2)
			UNION ALL
			SELECT i.institution_id, 'missing_out', i.id, -i.amount FROM instructions i
			WHERE i.institution_id = ANY ($2) AND i.bank = $1 AND i.made_on BETWEEN $5 AND $6 AND i.settlement = ''
				AND (i.purpose <> 'release' OR NOT EXISTS (SELECT FROM payouts p WHERE p.institution_id = i.institution_id AND p.held_since IS NOT NULL))
		)
		SELECT institution_id, kind, 'custody' AS account, reference, '' AS txn, amount AS expected, 0::bigint AS actual FROM due d
		WHERE NOT EXISTS (SELECT FROM movements m WHERE m.institution_id = d.institution_id AND m.reference = d.reference AND m.account = 'custody' AND sign(m.amount) = sign(d.amount))`,
		c.bank, c.institutions, from.Start(), to.AddDays(1).Start(), from, to)
}

// findOwn compares what the suite says itself: the bank's balances with its
// movements, the ledger's lessons with the schedule, the ledger's claims with the
// contracts.
func findOwn(ctx context.Context, tx pgx.Tx, c comparison) ([]found, error) {
	return list[found](ctx, tx, `
		WITH taught AS MATERIALIZED (
			SELECT t.institution_id, e.account, t.reference, e.amount, split_part(t.reference, '/', 2) AS contract, split_part(t.reference, '/', 3)::int AS n
			FROM entries e JOIN transfers t ON t.institution_id = e.institution_id AND t.id = e.transfer_id AND t.kind = 'post' AND t.reference LIKE 'lesson/%'
			WHERE e.institution_id = ANY ($1) AND e.account IN ('released', 'frozen') AND e.contract_id = '' AND e.at >= $3 AND e.at < $4
		)
		SELECT b.institution_id, 'balance' AS kind, b.account, '' AS reference, '' AS txn, o.balance + m.amount AS expected, b.balance AS actual
		FROM bank_balances b JOIN bank_balances o ON o.institution_id = b.institution_id AND o.account = b.account AND o.day = b.day - 1,
			LATERAL (SELECT coalesce(sum(amount), 0)::bigint AS amount FROM movements m WHERE m.institution_id = b.institution_id AND m.day = b.day AND m.account = b.account) m
		WHERE b.institution_id = ANY ($1) AND b.day = $2 AND b.balance <> o.balance + m.amount
		UNION ALL
		SELECT t.institution_id, 'lessons', t.account, t.reference, '', coalesce(-l.fee, 0), t.amount
		FROM taught t LEFT JOIN lessons l ON l.institution_id = t.institution_id AND l.contract_id = t.contract AND l.n = t.n
			AND l.state IN ('CONFIRMED', 'REFUNDED') -- which it is if it was kept
		WHERE t.amount <> coalesce(-l.fee, 0)
		UNION ALL
		SELECT c.institution_id, 'orders', 'held', '', '', -c.held, b.balance
		FROM (SELECT institution_id, sum(paid - released - refunded)::bigint AS held FROM contracts WHERE institution_id = ANY ($1) AND paid > 0 GROUP BY 1) c,
			LATERAL (SELECT coalesce(sum(balance), 0)::bigint AS balance FROM balances b WHERE b.institution_id = c.institution_id AND b.account IN ('held', 'frozen')) b
		WHERE b.balance <> -c.held`,
		c.institutions, c.day, c.day.Start(), c.day.AddDays(1).Start())
}

// correct closes what the bank's corrections of c's day take back, and returns those
// of them that take back nothing that was open.
func correct(ctx context.Context, tx pgx.Tx, c comparison) ([]found, error) {
	if _, err := tx.Exec(ctx, `
		UPDATE discrepancies d SET state = 'CLOSED', closed_on = $4, closed_how = 'movement', closed_with = m.txn
		FROM movements m
		WHERE m.institution_id = ANY ($3) AND m.bank = $1 AND m.day = $2 AND m.purpose = 'correction'
			AND d.institution_id = m.institution_id AND d.account = m.account AND d.txn = m.reference AND d.txn <> '' AND d.state <> 'CLOSED'
			AND m.amount = d.expected - d.actual`, c.bank, c.day, c.institutions, c.today); err != nil {
		return nil, err
	}
	return list[found](ctx, tx, `
		SELECT m.institution_id, CASE WHEN amount > 0 THEN 'unknown_in' ELSE 'unknown_out' END AS kind, m.account, m.reference, m.txn, 0::bigint AS expected, amount AS actual
		FROM movements m
		WHERE m.institution_id = ANY ($3) AND m.bank = $1 AND m.day = $2 AND m.purpose = 'correction'
			AND NOT EXISTS (SELECT FROM discrepancies d WHERE d.institution_id = m.institution_id AND d.closed_with = m.txn)`, c.bank, c.day, c.institutions)
}

func placesOf(ctx context.Context, tx pgx.Tx, institutions []string) (map[string]Institution, error) {
	rows, err := list[Institution](ctx, tx, `SELECT `+institutionColumns+` FROM institutions WHERE id = ANY ($1)`, institutions)
	all := map[string]Institution{}
	for _, i := range rows {
		all[i.ID] = i
	}
	return all, err
}

const discrepancyColumns = `d.institution_id, d.id, d.jurisdiction, d.manager, d.kind, d.account, d.reference, d.txn, d.day, d.expected, d.actual, d.owner, d.raised_on, d.due,
	d.provisional, d.ground, d.state, d.explained_by, d.explanation, d.closed_by, d.closed_on, d.closed_how, d.closed_with`

// insertDiscrepancies keeps those that were not found before.
func insertDiscrepancies(ctx context.Context, tx pgx.Tx, all []Discrepancy) error {
	var institutions, ids, jurisdictions, managers, kinds, accounts, references, txns, owners []string
	var days, raised, dues []day.Date
	var expected, actual []Fen
	var provisional []bool
	var grounds []fault.Ground
	for _, d := range all {
		institutions, ids, jurisdictions, managers = append(institutions, d.InstitutionID), append(ids, d.ID), append(jurisdictions, d.Jurisdiction), append(managers, d.Manager)
		kinds, accounts, references, txns, owners = append(kinds, d.Kind), append(accounts, d.Account), append(references, d.Reference), append(txns, d.Txn), append(owners, d.Owner)
		days, raised, dues = append(days, d.Day), append(raised, d.RaisedOn), append(dues, d.Due)
		expected, actual, provisional, grounds = append(expected, d.Expected), append(actual, d.Actual), append(provisional, d.Provisional), append(grounds, d.Ground)
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO discrepancies (institution_id, id, jurisdiction, manager, kind, account, reference, txn, day, expected, actual, owner, raised_on, due, provisional, ground, state)
		SELECT x.*, 'OPEN' FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::date[], $10::bigint[], $11::bigint[],
			$12::text[], $13::date[], $14::date[], $15::bool[], $16::jsonb[]) AS x ON CONFLICT DO NOTHING`,
		institutions, ids, jurisdictions, managers, kinds, accounts, references, txns, days, expected, actual, owners, raised, dues, provisional, grounds)
	return err
}

// insertReconciled writes the three sides of c's day. What was not consumed at its end is
// what is not now, less what was booked since: of the institution's accounts together,
// which add up to nothing with its contracts'.
func insertReconciled(ctx context.Context, tx pgx.Tx, c comparison) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO reconciliations (institution_id, day, bank, orders, lessons, refunds, ordered, bank_in, bank_out, opening, closing, deposit, ledger, unconsumed, cycle, open)
		SELECT i.id, $2, $1, k.orders, l.lessons, k.refunds, o.ordered, m.bank_in, m.bank_out, p.balance, n.balance, d.balance, coalesce(b.balance, 0) - k.later, u.held - z.later, 0, f.n
		FROM unnest($3::text[]) AS i (id)
		CROSS JOIN LATERAL (SELECT coalesce(sum(e.amount) FILTER (WHERE t.kind = 'hold' AND e.at < $5), 0)::bigint AS orders,
				-coalesce(sum(e.amount) FILTER (WHERE t.kind = 'payback' AND e.at < $5), 0)::bigint AS refunds,
				coalesce(sum(e.amount) FILTER (WHERE e.at >= $5), 0)::bigint AS later
			FROM entries e JOIN transfers t ON t.institution_id = e.institution_id AND t.id = e.transfer_id
			WHERE e.institution_id = i.id AND e.account = 'custody' AND e.contract_id = '' AND e.at >= $4) k
		CROSS JOIN LATERAL (SELECT -coalesce(sum(e.amount), 0)::bigint AS lessons FROM entries e JOIN transfers t ON t.institution_id = e.institution_id AND t.id = e.transfer_id
			WHERE e.institution_id = i.id AND e.account = 'released' AND e.contract_id = '' AND e.at >= $4 AND e.at < $5 AND t.kind IN ('post', 'resume')) l
		CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0)::bigint AS ordered FROM instructions WHERE institution_id = i.id AND made_on = $2) o
		CROSS JOIN LATERAL (SELECT coalesce(sum(amount) FILTER (WHERE amount > 0), 0)::bigint AS bank_in, -coalesce(sum(amount) FILTER (WHERE amount < 0), 0)::bigint AS bank_out
			FROM movements WHERE institution_id = i.id AND day = $2 AND account = 'custody') m
		LEFT JOIN bank_balances p ON p.institution_id = i.id AND p.account = 'custody' AND p.day = $2::date - 1
		LEFT JOIN bank_balances n ON n.institution_id = i.id AND n.account = 'custody' AND n.day = $2
		LEFT JOIN bank_balances d ON d.institution_id = i.id AND d.account = 'deposit' AND d.day = $2
		LEFT JOIN balances b ON b.institution_id = i.id AND b.account = 'custody' AND b.contract_id = ''
		CROSS JOIN LATERAL (SELECT coalesce(sum(paid - released - refunded), 0)::bigint AS held FROM contracts WHERE institution_id = i.id AND state = 'PAID') u
		CROSS JOIN LATERAL (SELECT coalesce(sum(e.amount), 0)::bigint AS later
			FROM unnest(ARRAY['custody', 'deposit', 'receivable', 'released', 'refunds', 'differences', 'owed', 'interest', 'pledged']) AS x (account)
				JOIN entries e ON e.institution_id = i.id AND e.account = x.account AND e.contract_id = '' AND e.at >= $5) z
		CROSS JOIN LATERAL (SELECT count(*)::int AS n FROM discrepancies WHERE institution_id = i.id AND state <> 'CLOSED') f
		ON CONFLICT DO NOTHING`,
		c.bank, c.day, c.institutions, c.day.Start(), c.day.AddDays(1).Start())
	return err
}

func listReconciled(ctx context.Context, tx pgx.Tx, s scope, f ListReconciliations, page int) ([]Reconciled, error) {
	return list[Reconciled](ctx, tx, `
		SELECT r.institution_id, i.name AS institution_name, r.day, r.bank, r.orders, r.lessons, r.refunds, r.ordered, r.bank_in, r.bank_out, r.opening, r.closing, r.deposit, r.ledger, r.unconsumed, r.cycle, r.open
		FROM reconciliations r JOIN institutions i ON i.id = r.institution_id
		WHERE ($1 = '' OR i.manager = $1) AND starts_with(i.jurisdiction, $2) AND ($3 = '' OR r.institution_id = $3) AND ($4::date IS NULL OR r.day >= $4) AND ($5::date IS NULL OR r.day <= $5)
		ORDER BY r.day DESC, r.institution_id LIMIT $6 OFFSET $7`, s.person, s.division, f.Institution, f.From, f.To, pageSize+1, (page-1)*pageSize)
}

func listDiscrepancies(ctx context.Context, tx pgx.Tx, s scope, f ListDiscrepancies, page int) ([]discrepancyRow, error) {
	return list[discrepancyRow](ctx, tx, `SELECT `+discrepancyColumns+`, i.name AS institution_name FROM discrepancies d JOIN institutions i ON i.id = d.institution_id
		WHERE ($1 = '' OR d.manager = $1) AND starts_with(d.jurisdiction, $2) AND ($3 = '' OR d.institution_id = $3) AND ($4 = '' OR d.kind = $4) AND ($5 = '' OR d.state = $5) AND ($6::date IS NULL OR d.day = $6)
		ORDER BY d.state = 'CLOSED', d.due, d.id LIMIT $7 OFFSET $8`, s.person, s.division, f.Institution, f.Kind, f.State, f.Day, pageSize+1, (page-1)*pageSize)
}

const selectDiscrepancy = `SELECT ` + discrepancyColumns + `, i.name AS institution_name FROM discrepancies d JOIN institutions i ON i.id = d.institution_id WHERE d.id = $1`

func findDiscrepancyRow(ctx context.Context, tx pgx.Tx, id string) (discrepancyRow, error) {
	return pg.One[discrepancyRow](ctx, tx, "对账差异", selectDiscrepancy, id)
}

func lockDiscrepancy(ctx context.Context, tx pgx.Tx, id string) (discrepancyRow, error) {
	return pg.One[discrepancyRow](ctx, tx, "对账差异", selectDiscrepancy+` FOR UPDATE OF d`, id)
}

func saveDiscrepancy(ctx context.Context, tx pgx.Tx, d Discrepancy) error {
	return one(ctx, tx, `UPDATE discrepancies SET state = $3, explained_by = $4, explanation = $5, closed_by = $6, closed_on = $7, closed_how = $8, closed_with = $9
		WHERE institution_id = $1 AND id = $2`, d.InstitutionID, d.ID, d.State, d.ExplainedBy, d.Explanation, d.ClosedBy, d.ClosedOn, d.ClosedHow, d.ClosedWith)
}

// findReversal is by how much a reversal on d's account, booked since d was raised,
// changed it. NotFound if the transfer is none.
func findReversal(ctx context.Context, tx pgx.Tx, d *Discrepancy, transfer string) (amount Fen, err error) {
	err = tx.QueryRow(ctx, `SELECT e.amount FROM transfers t JOIN entries e ON e.institution_id = t.institution_id AND e.transfer_id = t.id
		WHERE t.institution_id = $1 AND t.id::text = $2 AND t.kind = 'reversal' AND t.at >= $3 AND e.account = $4`,
		d.InstitutionID, transfer, d.RaisedOn.Start(), d.Account).Scan(&amount)
	return amount, none(err)
}
