package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/day"
	"xunguan/pkg/pg"
	"xunguan/services/escrow"
)

// judged is how many contracts the fee rules are applied to anew.
const judged = 1_000_000

// pay leaves what so many payments of the last two years leave for the rules: of
// 10,000 institutions in three districts, three in ten with an earlier order in the
// same basket, about one in five excessive.
const pay = `
INSERT INTO seen (institution_id, contract_id, jurisdiction, kind, paid_on, orders)
SELECT 'rules-' || n % 10000, 'rules-' || n, (ARRAY['320508', '320506', '330106'])[1 + n % 3], (ARRAY['subject', 'non_subject'])[1 + n % 2], paid,
	CASE WHEN n % 10 < 3 THEN json_build_array(
		json_build_object('contract', 'earlier-' || n, 'paid_at', (paid - 60 + time '10:00') AT TIME ZONE 'Asia/Shanghai', 'lessons', 5 + n % 9, 'gift_lessons', 0, 'first', paid, 'last', paid + 20, 'begun', true, 'held', 60000 + n % 40000,
			'price', 200000, 'bought', 20, 'billing', 'lesson', 'loan', false, 'online', false, 'class_size', 0, 'lesson_minutes', 0), own)
		ELSE json_build_array(own) END
FROM (SELECT n, paid, json_build_object('contract', 'rules-' || n, 'paid_at', (paid + time '10:00') AT TIME ZONE 'Asia/Shanghai', 'lessons', 18 + n % 47, 'gift_lessons', n % 3,
		'first', paid + n % 33, 'last', paid + n % 33 + 45 + n % 52, 'begun', false, 'held', 150000 + n % 370000,
		'price', 150000 + n % 370000, 'bought', 18 + n % 47, 'billing', 'lesson', 'loan', n % 500 = 0, 'online', false, 'class_size', 12, 'lesson_minutes', 45) AS own
	FROM (SELECT n, current_date - 1 - n % 700 AS paid FROM generate_series($1::int, $2::int) n) x) x`

// bareRead reads the same pages of the same rows, and does nothing with them.
const bareRead = `SELECT institution_id, contract_id, jurisdiction, kind, orders FROM seen
	WHERE (institution_id, contract_id) > ($1, $2) ORDER BY institution_id, contract_id LIMIT 4000`

// rules is the past judged anew, in this process and by escrow's own code.
type rules struct {
	escrow *escrow.Service
	in     escrow.Span
}

// openRules prepares the payments.
func openRules(ctx context.Context, s *suite) (m *rules, end func(), err error) {
	admin := &confirm{suite: s}
	closeAdmin, err := admin.connect(ctx, 1)
	if err != nil {
		return nil, nil, err
	}
	defer closeAdmin()
	say("准备 %d 份已付款的合同", judged)
	for n := 0; n < judged; n += 50_000 {
		if _, err := admin.db.Exec(ctx, pay, n+1, n+50_000); err != nil {
			return nil, nil, err
		}
	}
	for _, sql := range []string{"VACUUM ANALYZE seen", "CHECKPOINT"} {
		if _, err := admin.db.Exec(ctx, sql); err != nil {
			return nil, nil, err
		}
	}
	p, err := s.process("escrow")
	if err != nil {
		return nil, nil, err
	}
	db, err := pg.Open(ctx, p.Database)
	if err != nil {
		return nil, nil, err
	}
	today := day.Of(time.Now())
	return &rules{&escrow.Service{DB: db, Now: time.Now}, escrow.Span{From: today.AddDays(-1000), To: today}}, db.Close, nil
}

// run measures once: the bare read first, which leaves both the same warm cache.
func (m *rules) run(ctx context.Context, r *report) error {
	ctx = pg.Worker(ctx, "bench")
	began := time.Now()
	read, err := readBarely(ctx, m.escrow.DB)
	if err != nil {
		return err
	}
	bare := time.Since(began)
	// What was used until now is not this measurement's.
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return err
	}
	began = time.Now()
	all, err := m.escrow.Rerun(ctx, m.in, nil)
	took := time.Since(began)
	if err != nil {
		return err
	}
	if all.Payments < judged || read < judged || all.Flagged == 0 {
		return fmt.Errorf("重跑规则:读了 %d 份,判了 %d 份,提示 %d 份", read, all.Payments, all.Flagged)
	}
	r.add("rules.seconds", fmt.Sprintf("重跑全部规则,%d 份合同(提示 %d 份)", all.Payments, all.Flagged), "s", took.Seconds())
	r.add("rules.bare", "  只读同样的行", "s", bare.Seconds())
	r.ratio("rules.ratio", "  只读 ÷ 重跑", []string{"rules.bare"}, []string{"rules.seconds"})
	r.add("rules.memory", "  本进程内存峰值", "MiB", number("/proc/self/status", "VmHWM:")/1024)
	return nil
}

// readBarely reads every row, and returns how many there are.
func readBarely(ctx context.Context, db *pgxpool.Pool) (n int, err error) {
	var institution, contract, jurisdiction, kind string
	var orders []byte
	for {
		page, err := pg.InTx(ctx, db, func(tx pgx.Tx) (page int, err error) {
			rows, err := tx.Query(ctx, bareRead, institution, contract)
			if err != nil {
				return 0, err
			}
			_, err = pgx.ForEachRow(rows, []any{&institution, &contract, &jurisdiction, &kind, &orders}, func() error { page++; return nil })
			return page, err
		})
		if err != nil || page == 0 {
			return n, err
		}
		n += page
	}
}
