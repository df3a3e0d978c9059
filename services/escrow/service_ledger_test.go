package escrow

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"xunguan/pkg/fault"
)

func (h *house) differs(institution string, fen Fen, reference string) Difference {
	h.t.Helper()
	return must(h.RecordDifference(h.as("examiner"), RecordDifference{
		Key: h.key(), Institution: institution, Account: custodyAccount, AmountFen: fen, Reference: reference, Reason: "对账",
	}))(h.t)
}

// statement is an account of art in short: "hold -1000=1000 post 333=667".
func (h *house) statement(by, account, contract, at string) string {
	h.t.Helper()
	s := must(h.FindStatement(h.as(by), FindStatement{Institution: "art", Account: account, Contract: contract, At: at}))(h.t)
	var lines []string
	for _, l := range s.Lines {
		lines = append(lines, fmt.Sprintf("%s %d=%d", l.Kind, l.DebitFen-l.CreditFen, l.BalanceFen))
	}
	return strings.Join(append(lines, fmt.Sprint(s.BalanceFen)), " ")
}

// TestStatement is the life of two contracts, and each account as of several days.
func TestStatement(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen = 4, 1003 }))
	h.at("2026-03-03")
	h.taught(v.ID, 1)
	h.confirmed(v.ID, 1)
	h.black("a", "art")
	h.at("2026-03-04")
	h.taught(v.ID, 2)
	h.confirmed(v.ID, 2)
	h.at("2026-03-05")
	h.refunded(v.ID, 1)
	h.removed("a", "art")
	h.settle()
	d := h.differs("art", -3, "VOUCHER-1")
	h.at("2026-03-06")
	must(h.ReverseDifference(h.as("examiner"), ReverseDifference{h.key(), d.ID, "记错"}))(t)
	for _, tt := range []struct{ by, account, contract, at, want string }{
		{"parent", heldAccount, v.ID, "", "hold -1003=1003 post 250=753 post 250=503 void 253=250 250"},
		{"principal", heldAccount, v.ID, "2026-03-04T08:59:59+08:00", "hold -1003=1003 post 250=753 753"},
		{"principal", heldAccount, v.ID, "2026-03-04T09:00:00+08:00", "hold -1003=1003 post 250=753 post 250=503 503"},
		{"principal", heldAccount, v.ID, "2026-03-01T00:00:00+08:00", "0"},
		{"examiner", releasedAccount, "", "", "post -250=250 resume -250=500 500"},
		{"city", releasedAccount, "", "2026-03-04T23:00:00+08:00", "post -250=250 250"},
		{"city", frozenAccount, "", "2026-03-04T23:00:00+08:00", "post -250=250 250"},
		{"city", frozenAccount, "", "", "post -250=250 resume 250=0 0"},
		{"examiner", refundsAccount, "", "", "void -253=253 payback 253=0 0"},
		{"principal", custodyAccount, "", "2026-03-05T12:00:00+08:00", "hold 1003=1003 payback -253=750 difference -3=747 747"},
		{"principal", custodyAccount, "", "", "hold 1003=1003 payback -253=750 difference -3=747 reversal 3=750 750"},
		{"principal", differenceAccount, "", "", "difference 3=3 reversal -3=0 0"},
	} {
		if diff := cmp.Diff(tt.want, h.statement(tt.by, tt.account, tt.contract, tt.at)); diff != "" {
			t.Errorf("%s of %s as of %s: %s", tt.account, tt.by, tt.at, diff)
		}
	}
	for _, tt := range []struct {
		by   string
		req  FindStatement
		want fault.Kind
	}{
		{"parent", FindStatement{Institution: "art", Account: custodyAccount}, fault.NotFound}, // is the institution's
		{"parent2", FindStatement{Institution: "art", Account: heldAccount, Contract: v.ID}, fault.NotFound},
		{"neighbour", FindStatement{Institution: "art", Account: custodyAccount}, fault.NotFound},
		{"principal", FindStatement{Institution: "maths", Account: custodyAccount}, fault.NotFound}, // took no money yet
		{"principal", FindStatement{Institution: "art", Account: heldAccount}, fault.Invalid},
		{"principal", FindStatement{Institution: "art", Account: custodyAccount, Contract: v.ID}, fault.Invalid},
		{"principal", FindStatement{Institution: "art", Account: custodyAccount, At: "yesterday"}, fault.Invalid},
	} {
		if _, err := h.FindStatement(h.as(tt.by), tt.req); !errors.Is(err, tt.want) {
			t.Errorf("%s asks %+v: %v, want %v", tt.by, tt.req, err, tt.want)
		}
	}
	h.sound()
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.paid(h.terms())
	first := h.differs("art", -480000, "VOUCHER-1")
	record := func(institution string, fen Fen, reference string) error {
		_, err := h.RecordDifference(h.as("examiner"), RecordDifference{
			Key: h.key(), Institution: institution, Account: custodyAccount, AmountFen: fen, Reference: reference, Reason: "x",
		})
		return err
	}
	reverse := func(by, id string) error {
		_, err := h.ReverseDifference(h.as(by), ReverseDifference{h.key(), id, "x"})
		return err
	}
	hold := ""
	h.work(func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT id::text FROM transfers WHERE kind = 'hold'`).Scan(&hold)
	})
	for _, tt := range []struct {
		name string
		err  error
		want fault.Kind
	}{
		{"nothing", record("art", 0, "VOUCHER-2"), fault.Invalid},
		{"the bank would owe", record("art", -1, "VOUCHER-2"), fault.Conflict},
		{"the voucher again", record("art", 1, "VOUCHER-1"), fault.Conflict},
		{"no supervised account", record("bare", 1, "VOUCHER-2"), fault.NotFound},
		{"another district's", record("other", 1, "VOUCHER-2"), fault.NotFound},
		{"another district's is reversed", reverse("neighbour", first.ID), fault.NotFound},
		{"a payment is reversed", reverse("examiner", hold), fault.NotFound},
		{"what is no transfer", reverse("examiner", "x"), fault.NotFound},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, tt.err, tt.want)
		}
	}
	ok, others := race(func(int) error { return reverse("examiner", first.ID) })
	if ok != 1 || others[fault.Conflict] != 19 {
		t.Errorf("20 reversals of one difference: %d answered, %v", ok, others)
	}
	if a := must(h.FindAccount(h.as("principal"), FindAccount{"art"}))(t); len(a.Timeline) != 3 || a.Timeline[1].Actor != byBureau || !strings.Contains(a.Timeline[1].Summary, "-4,800.00 元") {
		t.Errorf("the account's history: %+v", a.Timeline)
	}
	h.sound()
}

// TestLedgerWalls is what the database refuses, whatever the service would do.
func TestLedgerWalls(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen = 4, 1000 }))
	d := h.differs("art", 5, "VOUCHER-1")
	back := h.differs("art", 7, "VOUCHER-2")
	reversal := must(h.ReverseDifference(h.as("examiner"), ReverseDifference{h.key(), back.ID, "x"}))(t).ID
	const contract = `(SELECT id FROM contracts)`
	book := func(kind, reference, reverses, legs string) string {
		return fmt.Sprintf(`WITH t AS (INSERT INTO transfers (institution_id, id, kind, reference, reverses, at) VALUES ('art', gen_random_uuid(), '%s', '%s', nullif('%s', '')::uuid, now()) RETURNING id)
			INSERT INTO entries (institution_id, transfer_id, account, contract_id, amount, at) SELECT 'art', id, account, '', amount, now() FROM t, (VALUES %s) AS e (account, amount)`,
			kind, reference, reverses, legs)
	}
	call := func(account, contract string, amount int) string {
		return fmt.Sprintf(`SELECT post(ARRAY['art'], ARRAY['0199e000-0000-7000-8000-000000000001'], ARRAY['post'], ARRAY['r'], ARRAY[''], ARRAY[now()],
			ARRAY['art', 'art'], ARRAY['0199e000-0000-7000-8000-000000000001', '0199e000-0000-7000-8000-000000000001'], ARRAY['%s', 'released'], ARRAY[%s, ''], ARRAY[%d, %d], ARRAY[now(), now()])`,
			account, contract, amount, -amount)
	}
	for _, tt := range []struct{ name, sql, code string }{
		{"one leg", book("difference", "x", "", `('custody', 5)`), "23514"},
		{"unbalanced", book("difference", "x", "", `('custody', 5), ('differences', -4)`), "23514"},
		{"a leg more, later", `INSERT INTO entries (institution_id, transfer_id, account, amount, at) SELECT 'art', id, 'deposit', 1, now() FROM transfers WHERE kind = 'hold'`, "23514"},
		{"no transfer", `INSERT INTO entries (institution_id, transfer_id, account, amount, at) VALUES ('art', gen_random_uuid(), 'custody', 1, now()), ('art', gen_random_uuid(), 'differences', -1, now())`, "23514"},
		{"a transfer without entries", `INSERT INTO transfers (institution_id, id, kind, reference, at) VALUES ('art', gen_random_uuid(), 'post', 'x', now())`, "23514"},
		{"another transaction's name", `WITH t AS (INSERT INTO transfers (institution_id, id, kind, reference, at, xact) VALUES ('art', gen_random_uuid(), 'post', 'x', now(), '3') RETURNING id)
			INSERT INTO entries (institution_id, transfer_id, account, amount, at) SELECT 'art', id, account, amount, now() FROM t, (VALUES ('custody', 5), ('differences', -5)) AS e (account, amount)`, "23514"},
		{"a reference again", book("difference", "difference/VOUCHER-1", "", `('custody', 5), ('differences', -5)`), "23505"},
		{"a reversal of nothing", book("reversal", "x", "0199e000-0000-7000-8000-000000000000", `('custody', -5), ('differences', 5)`), "23514"},
		{"a reversal of a part", book("reversal", "x", d.ID, `('custody', -4), ('differences', 4)`), "23514"},
		{"a second reversal", book("reversal", "x", back.ID, `('custody', -7), ('differences', 7)`), "23505"},
		{"a reversal of a reversal", book("reversal", "x", reversal, `('custody', 7), ('differences', -7)`), "23514"},
		{"a reversal without its original", book("reversal", "x", "", `('custody', -5), ('differences', 5)`), "23514"},
		{"an account that is not open", call("held", "'nobody'", 1), "23503"},
		{"more than is held", call("held", contract, 1001), "23514"},
		{"an update", `UPDATE entries SET amount = amount`, "42501"},
		{"a delete", `DELETE FROM transfers`, "42501"},
		{"a truncation", `TRUNCATE entries`, "42501"},
		{"an account closed", `DELETE FROM balances`, "42501"},
	} {
		err := h.try(tt.sql)
		if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != tt.code {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
		}
	}
	h.sound()
	if err := h.try(call("held", contract, 1000)); err != nil {
		t.Errorf("all that is held: %v", err)
	}
	if err := h.try(`INSERT INTO entries (institution_id, transfer_id, account, amount, at) VALUES ('art', gen_random_uuid(), 'custody', 1, '` + time.Now().Format(time.RFC3339) + `')`); err == nil {
		t.Error("an entry alone was let through")
	}
}
