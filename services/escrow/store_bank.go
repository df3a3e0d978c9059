package escrow

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
	"xunguan/services/escrow/bankfile"
)

// long lets the statements that follow in tx take as long as a whole bank's day may.
func long(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SET LOCAL statement_timeout = '20s'`)
	return err
}

const bankColumns = `name, subject, jurisdiction, since, registered_by`

func insertBank(ctx context.Context, tx pgx.Tx, b Bank) error {
	tag, err := tx.Exec(ctx, `INSERT INTO banks (`+bankColumns+`) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		b.Name, b.Subject, b.Jurisdiction, b.Since, b.RegisteredBy)
	if err == nil && tag.RowsAffected() == 0 {
		err = fault.Conflict.Errorf("该银行或该账号已登记")
	}
	return err
}

func findBank(ctx context.Context, tx pgx.Tx, name string) (Bank, error) {
	return pg.One[Bank](ctx, tx, "银行", `SELECT `+bankColumns+` FROM banks WHERE name = $1`, name)
}

// findBankOf finds the bank that subject speaks for; Refused if it is registered
// with none.
func findBankOf(ctx context.Context, tx pgx.Tx, subject string) (Bank, error) {
	b, err := pg.One[Bank](ctx, tx, "银行", `SELECT `+bankColumns+` FROM banks WHERE subject = $1`, subject)
	if errors.Is(err, fault.NotFound) {
		err = fault.Refused.Errorf("该账号未登记为任何监管代理银行，请先由市级主管部门登记")
	}
	return b, err
}

func listBanks(ctx context.Context, tx pgx.Tx) ([]Bank, error) {
	return list[Bank](ctx, tx, `SELECT `+bankColumns+` FROM banks ORDER BY name`)
}

// lockBank lets nobody else take in a file of the bank until tx ends.
func lockBank(ctx context.Context, tx pgx.Tx, bank string) error {
	_, err := tx.Exec(ctx, `SELECT FROM banks WHERE name = $1 FOR UPDATE`, bank)
	return err
}

func insertBankAccount(ctx context.Context, tx pgx.Tx, a BankAccount) error {
	tag, err := tx.Exec(ctx, `
		INSERT INTO bank_accounts (institution_id, account, bank, agreement_no, account_tail, opened_on, reported_on, settle_on)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		a.InstitutionID, a.Account, a.Bank, a.AgreementNo, a.AccountTail, a.OpenedOn, a.ReportedOn, a.ReportedOn.AddDays(1))
	if err == nil && tag.RowsAffected() == 0 {
		err = fault.Conflict.Errorf("该机构已报备%s", ledgerAccounts[a.Account].name)
	}
	return err
}

// nextBankDay is the first day of b that is not open yet.
func nextBankDay(ctx context.Context, tx pgx.Tx, b Bank) (d day.Date, err error) {
	err = tx.QueryRow(ctx, `SELECT coalesce(max(day) + 1, $2) FROM bank_days WHERE bank = $1`, b.Name, b.Since).Scan(&d)
	return d, err
}

func insertBankDays(ctx context.Context, tx pgx.Tx, days []BankDay) error {
	var banks []string
	var dates, dues []day.Date
	var provisional []bool
	for _, d := range days {
		banks, dates, dues, provisional = append(banks, d.Bank), append(dates, d.Day), append(dues, d.Due), append(provisional, d.Provisional)
	}
	_, err := tx.Exec(ctx, `INSERT INTO bank_days (bank, day, due, provisional, state)
		SELECT bank, day, due, provisional, 'EXPECTED' FROM unnest($1::text[], $2::date[], $3::date[], $4::bool[]) AS x (bank, day, due, provisional)
		ON CONFLICT DO NOTHING`, banks, dates, dues, provisional)
	return err
}

// nextToExpect finds a bank of which a day has passed that is not open.
func nextToExpect(ctx context.Context, tx pgx.Tx, today day.Date) (bank string, err error) {
	err = tx.QueryRow(ctx, `SELECT name FROM banks b WHERE since < $1
		AND NOT EXISTS (SELECT FROM bank_days WHERE bank = b.name AND day = $1 - 1) ORDER BY name LIMIT 1 FOR UPDATE SKIP LOCKED`, today).Scan(&bank)
	return bank, none(err)
}

func listBankDays(ctx context.Context, tx pgx.Tx, subject, bank, state string, page int) ([]BankDay, error) {
	return list[BankDay](ctx, tx, `
		SELECT d.bank, d.day, d.due, d.provisional, d.state, f.files, f.records, f.sum_in, f.sum_out
		FROM bank_days d JOIN banks b ON b.name = d.bank,
			LATERAL (SELECT count(*)::int AS files, coalesce(sum(records), 0)::int AS records, coalesce(sum(sum_in), 0)::bigint AS sum_in,
				coalesce(sum(sum_out), 0)::bigint AS sum_out FROM bank_files f WHERE f.bank = d.bank AND f.day = d.day) f
		WHERE ($1 = '' OR b.subject = $1) AND ($2 = '' OR d.bank = $2) AND ($3 = '' OR d.state = $3)
		ORDER BY d.day DESC, d.bank LIMIT $4 OFFSET $5`, subject, bank, state, pageSize+1, (page-1)*pageSize)
}

// insertStaged keeps rows of file id and returns which of them name no account of
// the bank, or several.
func insertStaged(ctx context.Context, tx pgx.Tx, bank, id string, rows []stagedRow) ([]lineProblem, error) {
	n := len(rows)
	lines, agreements, accounts, txns := make([]int, n), make([]string, n), make([]string, n), make([]string, n)
	amounts, times, purposes, references := make([]int64, n), make([]*time.Time, n), make([]string, n), make([]string, n)
	for i, r := range rows {
		lines[i], agreements[i], accounts[i], txns[i] = r.line, r.record.Agreement, r.record.Account, r.record.ID
		amounts[i], purposes[i], references[i] = r.signed(), r.record.Purpose, r.record.Reference
		if r.record.Kind == bankfile.Movement {
			times[i] = &rows[i].record.At
		}
	}
	return list[lineProblem](ctx, tx, `
		WITH known AS (
			SELECT x.*, a.institution_id, a.n
			FROM unnest($3::int[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::timestamptz[], $9::text[], $10::text[])
				AS x (line, agreement, account, txn, amount, at, purpose, reference)
			CROSS JOIN LATERAL (SELECT min(institution_id) AS institution_id, count(*) AS n FROM bank_accounts b
				WHERE b.bank = $1 AND b.agreement_no = x.agreement AND b.account = x.account) a
		), kept AS (
			INSERT INTO staged (file, line, institution_id, account, txn, amount, at, purpose, reference)
			SELECT $2, line, institution_id, account, txn, amount, at, purpose, reference FROM known WHERE n = 1
		)
		SELECT line, CASE n WHEN 0 THEN 'unknown' ELSE 'ambiguous' END AS kind, agreement AS text FROM known WHERE n <> 1 ORDER BY line`,
		bank, id, lines, agreements, accounts, txns, amounts, times, purposes, references)
}

// sweepStaged throws away what was staged of file id, and of files that broke off
// long ago.
func sweepStaged(ctx context.Context, tx pgx.Tx, id string) error {
	if err := long(ctx, tx); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM staged s WHERE file = $1 OR (staged < now() - interval '1 hour' AND NOT EXISTS (SELECT FROM bank_files f WHERE f.id = s.file))`, id)
	return err
}

const fileColumns = `f.id, f.bank, f.day, f.part, f.parts, f.records, f.sum_in AS in_fen, f.sum_out AS out_fen, f.digest, d.state, false AS again`

func findBankFile(ctx context.Context, tx pgx.Tx, bank string, d day.Date, part int) (BankFile, error) {
	return pg.One[BankFile](ctx, tx, "文件", `SELECT `+fileColumns+` FROM bank_files f JOIN bank_days d USING (bank, day)
		WHERE f.bank = $1 AND f.day = $2 AND f.part = $3`, bank, d, part)
}

func insertBankFile(ctx context.Context, tx pgx.Tx, f BankFile, h bankfile.Header, at time.Time) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO bank_files (bank, day, part, parts, id, layout, charset, records, sum_in, sum_out, digest, received_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		f.Bank, f.Day, f.Part, f.Parts, f.ID, string(h.Layout), string(h.Charset), f.Records, f.InFen, f.OutFen, f.Digest, at)
	return err
}

// repeatedLines is the lines of the staged file whose movement the bank has told
// before, in a file that counts.
func repeatedLines(ctx context.Context, tx pgx.Tx, bank, id string) ([]lineProblem, error) {
	if err := long(ctx, tx); err != nil {
		return nil, err
	}
	return list[lineProblem](ctx, tx, `
		SELECT s.line, 'repeated' AS kind, m.day::text AS text FROM staged s JOIN movements m ON m.institution_id = s.institution_id AND m.bank = $1 AND m.txn = s.txn
		WHERE s.file = $2 AND s.txn <> ''
		UNION ALL
		SELECT s.line, 'repeated', f.day::text FROM staged s JOIN staged o ON o.institution_id = s.institution_id AND o.txn = s.txn AND o.file <> s.file
			JOIN bank_files f ON f.id = o.file AND f.bank = $1
		WHERE s.file = $2 AND s.txn <> '' ORDER BY 1 LIMIT $3`, bank, id, bankfile.MaxProblems)
}

// countParts is how many parts of f's day have come, and whether another says that
// there are more of them, or fewer.
func countParts(ctx context.Context, tx pgx.Tx, f BankFile) (n int, others bool, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*)::int, bool_or(parts <> $3) FROM bank_files WHERE bank = $1 AND day = $2`, f.Bank, f.Day, f.Parts).Scan(&n, &others)
	return n, others, err
}

// withoutBalance counts the accounts of the bank, open on d, whose balance no part
// of d's file tells, and names the agreement of one.
func withoutBalance(ctx context.Context, tx pgx.Tx, bank string, d day.Date) (n int, example string, err error) {
	err = tx.QueryRow(ctx, `
		SELECT count(*)::int, coalesce(min(agreement_no), '') FROM bank_accounts a
		WHERE bank = $1 AND reported_on <= $2 AND NOT EXISTS (SELECT FROM staged s JOIN bank_files f ON f.id = s.file
			WHERE f.bank = $1 AND f.day = $2 AND s.institution_id = a.institution_id AND s.account = a.account AND s.txn = '')`, bank, d).Scan(&n, &example)
	return n, example, err
}

func saveReceived(ctx context.Context, tx pgx.Tx, bank string, d day.Date) error {
	return one(ctx, tx, `UPDATE bank_days SET state = 'RECEIVED' WHERE bank = $1 AND day = $2 AND state IN ('EXPECTED', 'LATE')`, bank, d)
}
