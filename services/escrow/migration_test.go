package escrow

import (
	"context"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"xunguan/pkg/pg"
	"xunguan/pkg/pg/pgtest"
)

// TestLedgerOfWhatWas is the migration over rows that the release before wrote.
func TestLedgerOfWhatWas(t *testing.T) {
	t.Parallel()
	before := fstest.MapFS{}
	for _, name := range []string{"0001_init.sql", "0002_holds.sql"} {
		data := must(fs.ReadFile(Migrations(), name))(t)
		before[name] = &fstest.MapFile{Data: data}
	}
	db := pgtest.New(t, before)
	ctx := pg.Worker(t.Context(), "test")
	run := func(f func(pgx.Tx) error) {
		t.Helper()
		if _, err := pg.InTx(ctx, db, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, f(tx) }); err != nil {
			t.Fatal(err)
		}
	}
	run(func(tx pgx.Tx) error { return written(ctx, tx) })
	if err := pg.Migrate(ctx, db, Migrations()); err != nil {
		t.Fatal(err)
	}
	var got []string
	run(func(tx pgx.Tx) (err error) {
		rows, err := tx.Query(ctx, `
			SELECT concat_ws(' ', t.institution_id, t.kind, t.reference, to_char(t.at AT TIME ZONE 'Asia/Shanghai', 'MM-DD'), string_agg(e.account || '=' || e.amount, ' ' ORDER BY e.amount DESC))
			FROM transfers t JOIN entries e ON e.institution_id = t.institution_id AND e.transfer_id = t.id GROUP BY t.institution_id, t.id, t.kind, t.reference, t.at
			UNION ALL SELECT concat_ws(' ', 'balance', institution_id, account, contract_id, balance) FROM balances WHERE balance <> 0
			UNION ALL SELECT concat_ws(' ', 'seen', institution_id, o ->> 'contract', o ->> 'held', o ->> 'price', o ->> 'bought', o ->> 'billing', o ->> 'loan') FROM seen, json_array_elements(orders) o
			ORDER BY 1`)
		if err == nil {
			got, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	})
	want := []string{
		"a hold payment/REF-1 01-05 custody=1000 held=-1000",
		"a payback payback/r 01-09 refunds=300 custody=-300",
		"a post lesson/c1/1 01-06 held=200 released=-200",
		"a post lesson/c1/2 01-07 held=200 frozen=-200",
		"a void refund/r 01-09 held=300 refunds=-300",
		"b hold payment/REF-2 01-05 receivable=500 held=-500",
		"balance a custody  700", "balance a frozen  -200", "balance a held c1 -300", "balance a released  -200",
		"balance b held c2 -500", "balance b receivable  500",
		"seen a c1 1000 1000 4 lesson false", "seen b c2 500 500 1 lesson false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// written is a contract in custody, in the middle of everything, and one under a deposit.
func written(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO institutions (id, name, jurisdiction, kind, category, item, status, valid_until, manager, list)
		SELECT id, id, '320508', 'subject', '', '', 'ACTIVE', '2028-12-31', 'm', '' FROM unnest(ARRAY['a', 'b']) id;
		INSERT INTO accounts (institution, id, jurisdiction, manager, mode, bank, account_tail, agreement_no, opened_on, reported_on)
		VALUES ('a', 'x', '320508', 'm', 'custody', 'b', '1234', '1', '2026-01-01', '2026-01-01'), ('b', 'y', '320508', 'm', 'deposit', 'b', '1234', '1', '2026-01-01', '2026-01-01');
		INSERT INTO contracts (institution_id, id, jurisdiction, manager, parent, pupil, course, basket, state, lessons, gift_lessons, first_lesson, last_lesson, price, paid, released, refunded, open, offered_on, paid_at)
		VALUES ('a', 'c1', '320508', 'm', 'p', 'x', 'y', 'z', 'PAID', 4, 0, '2026-01-06', '2026-02-06', 1000, 1000, 200, 300, 1, '2026-01-01', '2026-01-05 09:00+08'),
			('b', 'c2', '320508', 'm', 'p', 'x', 'y', 'z', 'PAID', 1, 0, '2026-01-06', '2026-01-06', 500, 500, 0, 0, 1, '2026-01-01', '2026-01-05 09:00+08'),
			('b', 'c3', '320508', 'm', 'p', 'x', 'y', 'z', 'OFFERED', 1, 0, '2026-01-06', '2026-01-06', 500, 0, 0, 0, 1, '2026-01-01', NULL);
		INSERT INTO lessons (institution_id, contract_id, n, gift, on_date, fee, state, confirmed_on, refund, waits)
		VALUES ('a', 'c1', 1, false, '2026-01-06', 200, 'CONFIRMED', '2026-01-06', '', false), ('a', 'c1', 2, false, '2026-01-07', 200, 'CONFIRMED', '2026-01-07', '', true),
			('a', 'c1', 3, false, '2026-01-08', 300, 'SCHEDULED', NULL, '', false), ('a', 'c1', 4, false, '2026-01-09', 300, 'REFUNDED', NULL, 'r', false),
			('b', 'c2', 1, false, '2026-01-06', 500, 'SCHEDULED', NULL, '', false);
		INSERT INTO payment_references (reference, institution_id, contract_id) VALUES ('REF-1', 'a', 'c1'), ('REF-2', 'b', 'c2');
		INSERT INTO payments (institution_id, contract_id, id, reference, amount, at) VALUES ('a', 'c1', '0199e000-0000-7000-8000-000000000001', 'REF-1', 1000, '2026-01-05 09:00+08'),
			('b', 'c2', '0199e000-0000-7000-8000-000000000002', 'REF-2', 500, '2026-01-05 09:00+08');
		INSERT INTO releases (institution_id, contract_id, n, amount, at) VALUES ('a', 'c1', 1, 200, '2026-01-06 09:00+08');
		INSERT INTO refunds (institution_id, contract_id, id, state, lessons, gift_lessons, amount, reason, requested_on, answer_by, provisional, paid_on)
		VALUES ('a', 'c1', 'r', 'PAID', 1, 0, 300, 'x', '2026-01-08', '2026-01-15', false, '2026-01-09'), ('b', 'c2', 'q', 'REQUESTED', 1, 0, 500, 'x', '2026-01-08', '2026-01-15', false, NULL)`)
	return err
}
