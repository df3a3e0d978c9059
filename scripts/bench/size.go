package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	smallLedger = 200_000 // entries
	sizeCallers = 8
	perContract = 2 + 2*lessons // entries: of its payment, and of each lesson
	pastAtOnce  = 1000          // contracts
)

// past is contracts $1 of institutions $2 with parents $3 that are over: every row of
// theirs that is never pruned. Transfer ids sort by time, as escrow's do.
var past = []string{
	`INSERT INTO contracts (institution_id, id, jurisdiction, manager, parent, pupil, course, basket, state, lessons, gift_lessons,
		first_lesson, last_lesson, price, paid, released, open, offered_on, paid_at)
	SELECT institution, id, '320508', 'bench-manager', parent, '学生', '少儿美术(启蒙班)', id, 'FINISHED', 50, 0,
		current_date - 150, current_date - 100, 500000, 500000, 500000, 0, current_date - 160, now() - interval '160 days'
	FROM unnest($1::text[], $2::text[], $3::text[]) AS c (id, institution, parent)`,
	`INSERT INTO lessons (institution_id, contract_id, n, gift, on_date, fee, state, taught_on, asked_on, confirm_by, confirmed_on)
	SELECT institution, id, n, false, current_date - 150 + n, 10000, 'CONFIRMED', current_date - 150 + n, current_date - 150 + n, current_date - 120 + n, current_date - 149 + n
	FROM unnest($1::text[], $2::text[], $3::text[]) AS c (id, institution, parent), generate_series(1, 50) n`,
	`INSERT INTO payment_references (reference, institution_id, contract_id)
	SELECT id, institution, id FROM unnest($1::text[], $2::text[], $3::text[]) AS c (id, institution, parent)`,
	`INSERT INTO balances (institution_id, account, contract_id)
	SELECT DISTINCT institution, account, CASE account WHEN 'held' THEN id ELSE '' END
	FROM unnest($1::text[], $2::text[], $3::text[]) AS c (id, institution, parent), unnest(ARRAY['custody', 'held', 'released']) account
	ON CONFLICT DO NOTHING`,
	`UPDATE balances b SET balance = balance + CASE account WHEN 'custody' THEN paid ELSE -paid END
	FROM (SELECT institution, 500000 * count(*) AS paid FROM unnest($1::text[], $2::text[], $3::text[]) AS c (id, institution, parent) GROUP BY 1) s
	WHERE b.institution_id = institution AND b.account IN ('custody', 'released')`,
	`WITH booked AS MATERIALIZED (
		SELECT institution, id, n, now() - interval '160 days' + n * interval '1 day' AS at,
			(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || substr(md5(id || '/' || n), 1, 20))::uuid AS transfer
		FROM unnest($1::text[], $2::text[], $3::text[]) AS c (id, institution, parent), generate_series(0, 50) n
	), transfer AS (
		INSERT INTO transfers (institution_id, id, kind, reference, at)
		SELECT institution, transfer, CASE n WHEN 0 THEN 'hold' ELSE 'post' END, CASE n WHEN 0 THEN 'payment/' || id ELSE 'lesson/' || id || '/' || n END, at FROM booked
	)
	INSERT INTO entries (institution_id, transfer_id, account, contract_id, amount, at)
	SELECT institution, transfer, 'held', id, CASE n WHEN 0 THEN -500000 ELSE 10000 END, at FROM booked
	UNION ALL SELECT institution, transfer, CASE n WHEN 0 THEN 'custody' ELSE 'released' END, '', CASE n WHEN 0 THEN 500000 ELSE -10000 END, at FROM booked`,
	`INSERT INTO timeline (institution_id, contract_id, at, actor, account, action, summary)
	SELECT institution, id, now() - interval '160 days' + n * interval '1 day', '家长', parent, 'confirm', '第 ' || n || ' 课时已确认，拨付 100.00 元'
	FROM unnest($1::text[], $2::text[], $3::text[]) AS c (id, institution, parent), generate_series(1, 50) n`,
}

// size is a confirmation's cost in a small ledger and in one of most entries.
type size struct {
	confirm
	most int
	runs int
}

// measureSize measures both, on a suite of which only the programs remain.
func (c *CLI) measureSize(ctx context.Context, s *suite, r *report) error {
	if err := errors.Join(s.stop(), s.reset()); err != nil {
		return err
	}
	if _, _, err := s.start(ctx); err != nil {
		return err
	}
	m := &size{confirm: confirm{length: c.length(5), suite: s}, most: max(c.Entries, smallLedger), runs: c.Runs}
	end, err := m.connect(ctx, sizeCallers)
	if err != nil {
		return err
	}
	defer end()
	for _, at := range []struct {
		key     string
		entries int
	}{{"size.small", smallLedger}, {"size.large", m.most}} {
		if err := m.grow(ctx, at.entries); err != nil {
			return err
		}
		if err := m.sample(ctx, r, at.key, at.entries); err != nil {
			return err
		}
	}
	r.quotient("size.ratio", "  CPU:大账本 ÷ 小账本", "size.large.cpu", "size.small.cpu")
	r.quotient("size.rate.ratio", "  每秒:小账本 ÷ 大账本", "size.small", "size.large")
	return nil
}

// sample measures in the ledger as it is.
func (m *size) sample(ctx context.Context, r *report, key string, entries int) error {
	direct, err := m.directly()
	if err != nil {
		return err
	}
	m.spread = work{}
	m.spread.add(m.runs*int((m.length+warmUp).Seconds())*4000/lessons+sizeCallers, 1, 100, "")
	if err := m.fill(ctx, &m.spread); err != nil {
		return err
	}
	for range m.runs {
		what := fmt.Sprintf("课消 HTTP,%d 个调用者,账本 %d 万笔分录", sizeCallers, entries/10_000)
		if err := m.measure(ctx, r, key, what, sizeCallers, &m.spread, direct); err != nil {
			return err
		}
	}
	return nil
}

// grow adds contracts that are over until the ledger has so many entries.
func (m *size) grow(ctx context.Context, entries int) error {
	var has int
	if err := m.db.QueryRow(ctx, `SELECT count(*) FROM entries`).Scan(&has); err != nil {
		return err
	}
	say("账本由 %d 增至 %d 笔分录", has, entries)
	conn, err := m.db.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `SET session_replication_role = replica`); err != nil { // what is made here is known to balance
		return err
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), `RESET session_replication_role`) }()
	said := time.Now()
	for ; has < entries; has += pastAtOnce * perContract {
		if err := m.bury(ctx, conn, min(pastAtOnce, (entries-has)/perContract+1)); err != nil {
			return err
		}
		if time.Since(said) > time.Minute {
			say("  %d", has)
			said = time.Now()
		}
	}
	return nil
}

// bury adds n contracts that are over.
func (m *size) bury(ctx context.Context, conn *pgxpool.Conn, n int) error {
	var w work
	w.add(n, 1, 100, "")
	var ids, institutions, parents []string
	for _, c := range slices.Concat(w.classes...) {
		ids, institutions, parents = append(ids, c.id), append(institutions, c.institution), append(parents, c.parent)
	}
	for _, sql := range past {
		if _, err := conn.Exec(ctx, sql, ids, institutions, parents); err != nil {
			return err
		}
	}
	return nil
}
