package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/services/escrow/bankfile"
	"xunguan/services/escrow/standin"
)

// A bank's day: of so many institutions, each with so many payments in and lessons
// paid out.
const (
	reconciled = 10_000
	paidIn     = 60
	paidOut    = 40
	bankName   = "压测示例银行"
	bankUser   = "bench-bank"
	bankParts  = 10 // files
)

// aDay leaves what the day $1 leaves in the ledger, of institutions $2 to $3: payments,
// lessons confirmed, and orders to the bank, made by then. Transfer ids sort by time, as
// escrow's do.
var aDay = []string{
	`INSERT INTO institutions (id, name, jurisdiction, kind, category, item, status, valid_until, manager, list)
	SELECT 'day-' || i, '对账示例' || i, '320508', 'non_subject', '', '', 'ACTIVE', $1::date + 900, 'bench-manager', '' FROM generate_series($2::int, $3::int) i`,
	`INSERT INTO accounts (institution, id, jurisdiction, manager, mode, bank, account_tail, agreement_no, opened_on, reported_on)
	SELECT 'day-' || i, 'day-' || i, '320508', 'bench-manager', 'custody', '` + bankName + `', '1234', 'DAY-' || i, $1::date - 30, $1::date - 30 FROM generate_series($2::int, $3::int) i`,
	`INSERT INTO bank_accounts (institution_id, account, bank, agreement_no, account_tail, opened_on, reported_on, settle_on, settled_to)
	SELECT 'day-' || i, 'custody', '` + bankName + `', 'DAY-' || i, '1234', $1::date - 30, $1::date - 30, $1::date + 900, $1::date + 1 FROM generate_series($2::int, $3::int) i`,
	`INSERT INTO contracts (institution_id, id, jurisdiction, manager, parent, pupil, course, basket, state, lessons, gift_lessons, first_lesson, last_lesson, price, paid, released, open, offered_on, paid_at)
	SELECT 'day-' || i, 'day-' || i || '-' || k, '320508', 'bench-manager', 'bench-parent-0', '学生', '少儿美术(启蒙班)', 'day-' || i || '-' || k, 'PAID', 50, 0,
		$1::date - 1, $1::date + 30, 500000, 500000, CASE WHEN k <= ` + fmt.Sprint(paidOut) + ` THEN 10000 ELSE 0 END, 49, $1::date - 2, $1::date + time '10:00'
	FROM generate_series($2::int, $3::int) i, generate_series(1, ` + fmt.Sprint(paidIn) + `) k`,
	`INSERT INTO lessons (institution_id, contract_id, n, gift, on_date, fee, state, taught_on, asked_on, confirm_by, confirmed_on)
	SELECT 'day-' || i, 'day-' || i || '-' || k, 1, false, $1::date - 1, 10000, 'CONFIRMED', $1::date - 1, $1::date - 1, $1::date + 20, $1::date
	FROM generate_series($2::int, $3::int) i, generate_series(1, ` + fmt.Sprint(paidOut) + `) k`,
	`WITH booked AS MATERIALIZED (
		SELECT i, k, out, ($1::date + time '10:00' + out * interval '2 hours') AT TIME ZONE 'Asia/Shanghai' AS at,
			(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || substr(md5(i || '/' || k || '/' || out), 1, 20))::uuid AS transfer
		FROM generate_series($2::int, $3::int) i, generate_series(1, ` + fmt.Sprint(paidIn) + `) k, generate_series(0, 1) out WHERE out = 0 OR k <= ` + fmt.Sprint(paidOut) + `
	), transfer AS (
		INSERT INTO transfers (institution_id, id, kind, reference, at)
		SELECT 'day-' || i, transfer, CASE out WHEN 0 THEN 'hold' ELSE 'post' END, CASE out WHEN 0 THEN 'payment/DAY-IN-' || i || '-' || k ELSE 'lesson/day-' || i || '-' || k || '/1' END, at FROM booked
	)
	INSERT INTO entries (institution_id, transfer_id, account, contract_id, amount, at)
	SELECT 'day-' || i, transfer, 'held', 'day-' || i || '-' || k, CASE out WHEN 0 THEN -500000 ELSE 10000 END, at FROM booked
	UNION ALL SELECT 'day-' || i, transfer, CASE out WHEN 0 THEN 'custody' ELSE 'released' END, '', CASE out WHEN 0 THEN 500000 ELSE -10000 END, at FROM booked`,
	`INSERT INTO balances (institution_id, account, contract_id, balance)
	SELECT 'day-' || i, account, '', CASE account WHEN 'custody' THEN 500000 * ` + fmt.Sprint(paidIn) + ` WHEN 'released' THEN -10000 * ` + fmt.Sprint(paidOut) + ` ELSE 0 END
	FROM (SELECT generate_series($2::int, $3::int) i WHERE $1::date IS NOT NULL) i, unnest(ARRAY['custody', 'deposit', 'differences', 'frozen', 'pledged', 'receivable', 'refunds', 'released']) account
	UNION ALL SELECT 'day-' || i, 'held', 'day-' || i || '-' || k, CASE WHEN k <= ` + fmt.Sprint(paidOut) + ` THEN -490000 ELSE -500000 END
	FROM generate_series($2::int, $3::int) i, generate_series(1, ` + fmt.Sprint(paidIn) + `) k`,
	`INSERT INTO instructions (institution_id, id, bank, agreement_no, purpose, amount, reference, original, made_on, settlement)
	SELECT 'day-' || i, 'DAY-OUT-' || i || '-' || k, '` + bankName + `', 'DAY-' || i, 'release', 10000, 'lesson/day-' || i || '-' || k || '/1', '', $1::date, 'bench-settlement'
	FROM generate_series($2::int, $3::int) i, generate_series(1, ` + fmt.Sprint(paidOut) + `) k`,
}

// reconcile is a bank's day compared with the orders and the lessons of it: the files
// come in over HTTP, then escrow's own timer compares them.
type reconcile struct {
	confirm
	day    day.Date
	client standin.Client
}

// openReconcile prepares the day.
func openReconcile(ctx context.Context, s *suite) (m *reconcile, end func(), err error) {
	m = &reconcile{confirm: confirm{suite: s}, day: day.Of(time.Now()).AddDays(-1)}
	if end, err = m.connect(ctx, 1); err != nil {
		return nil, nil, err
	}
	if err := m.prepare(ctx); err != nil {
		end()
		return nil, nil, err
	}
	return m, end, nil
}

func (m *reconcile) prepare(ctx context.Context) error {
	say("准备 %d 家机构的一天", reconciled)
	conn, err := m.db.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `SET session_replication_role = replica`); err != nil { // what is made here is known to balance
		return err
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), `RESET session_replication_role`) }()
	for n := 0; n < reconciled; n += 500 {
		for _, sql := range aDay {
			if _, err := conn.Exec(ctx, sql, m.day, n+1, n+500); err != nil {
				return err
			}
		}
	}
	for _, sql := range []string{
		`INSERT INTO banks (name, subject, jurisdiction, since, registered_by) VALUES ('` + bankName + `', '` + bankUser + `', '320500', $1::date, 'bench')`,
		`INSERT INTO bank_days (bank, day, due, provisional, state) VALUES ('` + bankName + `', $1::date, $1::date + 9, false, 'EXPECTED')`,
		`INSERT INTO settlements (id, bank, day, layout, charset, records, sum_out, digest) VALUES ('bench-settlement', '` + bankName + `', $1::date, 'csv', 'UTF-8', 1, 1, '')`,
	} {
		if _, err := conn.Exec(ctx, sql, m.day); err != nil {
			return err
		}
	}
	for _, sql := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	key, err := auth.ReadKey(filepath.Join(m.suite.data, "keys", "portal.pem"))
	if err != nil {
		return err
	}
	public, _ := key.Public().(ed25519.PublicKey)
	token, err := auth.Sign(key, auth.KeyID(public), auth.Caller{Subject: bankUser, Roles: []string{"bank"}}, time.Hour, "escrow")
	m.client = standin.Client{URL: m.service, Token: func() string { return "Bearer " + token }, HTTP: &http.Client{Timeout: time.Minute}}
	return err
}

// run measures once; a day comes once.
func (m *reconcile) run(ctx context.Context, r *report) error {
	var files [][]byte
	for part := range bankParts {
		f, err := m.file(part)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	say("银行文件 %d 份,共 %d 条", len(files), reconciled*(paidIn+paidOut+1))
	began := time.Now()
	for n, f := range files {
		status, answer, err := m.client.Send(ctx, uuid.NewString(), f)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("银行文件第 %d 份:%d %.500s", n+1, status, answer)
		}
		if err != nil {
			return err
		}
	}
	took := time.Since(began)
	say("对账")
	began = time.Now()
	if err := m.until(ctx); err != nil {
		return err
	}
	compared := time.Since(began)
	var movements, days, wrong int
	if err := m.db.QueryRow(ctx, `SELECT (SELECT count(*) FROM movements WHERE bank = $1), (SELECT count(*) FROM reconciliations WHERE bank = $1),
		(SELECT count(*) FROM discrepancies WHERE institution_id LIKE 'day-%')`, bankName).Scan(&movements, &days, &wrong); err != nil {
		return err
	}
	if movements != reconciled*(paidIn+paidOut) || days != reconciled || wrong != 0 {
		return fmt.Errorf("对账:%d 条流水,%d 家机构,%d 处差异", movements, days, wrong)
	}
	r.add("reconcile.files", fmt.Sprintf("银行文件收妥,%d 万条", reconciled*(paidIn+paidOut)/10_000), "s", took.Seconds())
	r.add("reconcile.seconds", fmt.Sprintf("三方对账,%d 家机构", reconciled), "s", compared.Seconds())
	return nil
}

// until waits until the day is reconciled.
func (m *reconcile) until(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for state := ""; state != "RECONCILED"; {
		if err := m.db.QueryRow(ctx, `SELECT state FROM bank_days WHERE bank = $1 AND day = $2`, bankName, m.day).Scan(&state); err != nil {
			return fmt.Errorf("对账没有在十分钟内完成:%w", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

// file is one part of the bank's files: of every tenth institution.
func (m *reconcile) file(part int) ([]byte, error) {
	var out bytes.Buffer
	w, err := bankfile.NewWriter(&out, bankfile.Header{
		Layout: bankfile.CSV, Charset: bankfile.UTF8, Content: bankfile.Movements, Bank: bankName, Day: m.day, Part: part + 1, Parts: bankParts,
	})
	if err != nil {
		return nil, err
	}
	at := m.day.Start().Add(12 * time.Hour)
	for i := part + 1; i <= reconciled; i += bankParts {
		agreement := fmt.Sprintf("DAY-%d", i)
		write := func(id, direction string, amount int64, purpose string) {
			if err == nil {
				err = w.Write(bankfile.Record{
					Kind: bankfile.Movement, ID: "TXN-" + id, Agreement: agreement, Account: bankfile.Custody, Direction: direction, Amount: amount, At: at, Purpose: purpose, Reference: "DAY-" + id,
				})
			}
		}
		for k := 1; k <= paidIn; k++ {
			write(fmt.Sprintf("IN-%d-%d", i, k), bankfile.In, 500_000, "tuition")
		}
		for k := 1; k <= paidOut; k++ {
			write(fmt.Sprintf("OUT-%d-%d", i, k), bankfile.Out, 10_000, "release")
		}
		if err == nil {
			err = w.Write(bankfile.Record{Kind: bankfile.Balance, Agreement: agreement, Account: bankfile.Custody, Amount: 500_000*paidIn - 10_000*paidOut})
		}
	}
	if err == nil {
		_, err = w.Close()
	}
	return out.Bytes(), err
}
