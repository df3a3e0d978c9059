package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/day"
	clockwork "xunguan/pkg/due"
	"xunguan/pkg/pg"
	"xunguan/pkg/pg/pgtest"
	"xunguan/pkg/rule"
	"xunguan/pkg/rule/ruletest"
	"xunguan/services/escrow"
)

// lived is a life up to a day, in a school that is small enough for a test; each day
// begins with what then does, if anything.
func lived(seed, n uint64, until int, change func(*institution), then ...func(*institution, int)) *institution {
	a := few(1)
	a.Absconding = 0
	i := found(a, seed, n)
	i.pupils = 30
	change(i)
	for d := range until {
		for _, f := range then {
			f(i, d)
		}
		i.live(d)
	}
	return i
}

// failing has a school decline in the 60 days before one that vanishes soon after.
func failing(until int, idle float64) func(*institution) {
	return func(i *institution) { i.flight, i.decline, i.idle, i.deposit = until+5, 60, idle, false }
}

// TestServiceScoresTheSame is that the service's own timer, which sums up in SQL what its
// tables say, scores a simulated life as the simulation does, which sums up in Go: every
// signal by itself, and lives of several seeds, on two days of each.
func TestServiceScoresTheSame(t *testing.T) {
	t.Parallel()
	for _, until := range []int{170, 215} {
		t.Run(fmt.Sprint(until), func(t *testing.T) {
			t.Parallel()
			lives := map[string]*institution{}
			for name, change := range map[string]func(*institution){
				"a quiet school":        func(i *institution) { i.deposit = false },
				"lessons are not given": failing(until, 0.9),
				"lessons get cheaper": func(i *institution) {
					failing(until, 0)(i)
					i.lure, i.flight, i.decline, i.Private, i.pupils = true, until+75, 100, 0, 90
				},
				"complaints come":   func(i *institution) { i.TipRate = 20 },
				"the bank has less": func(i *institution) { i.deposit, i.Gap = false, 30 },
			} {
				lives[name] = lived(3, 1, until, change)
			}
			lives["families leave"] = lived(3, 1, until, func(i *institution) { i.deposit = false }, func(i *institution, d int) {
				if d == until-20 {
					i.Withdraw = 0.6
				}
			})
			lives["the deposit is drawn on"] = lived(3, 1, until, func(i *institution) { i.deposit, i.TopUp = true, 25 }, func(i *institution, d int) {
				if d == until-8 {
					i.book(d, "deposit", -i.there/2)
					i.TopUp = i.Days // and not filled up again
				}
			})
			for seed := uint64(1); seed <= 3; seed++ {
				for n := range uint64(2) {
					lives[fmt.Sprintf("seed %d, %d", seed, n)] = lived(seed, n, until, func(i *institution) {
						if n%2 == 1 {
							i.abscond()
							i.flight = until + int(7*n) //nolint:gosec // not large
						}
					})
				}
			}
			compare(t, lives, until)
		})
	}
}

// compare scores lives as day today begins, both ways.
func compare(t *testing.T, lives map[string]*institution, today int) {
	t.Helper()
	db, on := pgtest.New(t, escrow.Migrations()), start.AddDays(today)
	ruletest.Load(t, db)
	ctx := pg.Worker(t.Context(), "test")
	rules, err := pg.InTx(ctx, db, func(tx pgx.Tx) (rule.Set, error) {
		for name, i := range lives {
			if err := i.write(ctx, tx, name); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return rule.InForce(ctx, tx, place, on, escrow.WarningRules...)
	})
	if err != nil {
		t.Fatal(err)
	}
	scores := watched(t, db, on)
	window, baseline, signals := int(rules["warning.window"].Int()), int(rules["warning.baseline"].Int()), map[string]int{}
	for name, i := range lives {
		want, got := escrow.Assess(i.watched(today, window, baseline), rules), scores[name]
		if diff := cmp.Diff(plain(t, want), plain(t, got)); diff != "" {
			t.Errorf("%s: simulation and service differ: %s", name, diff)
		}
		for _, r := range want.Reasons {
			signals[r.Signal]++
		}
	}
	if len(scores) != len(lives) || len(signals) != 5 {
		t.Errorf("%d of %d lives were scored, by %v: each of the five signals has to be among them", len(scores), len(lives), signals)
	}
}

// watched runs the service's own daily watch, and returns what it has kept.
func watched(t *testing.T, db *pgxpool.Pool, on day.Date) map[string]escrow.Score {
	t.Helper()
	s := &escrow.Service{DB: db, Now: func() time.Time { return on.Start().Add(time.Hour) }}
	timers := slices.DeleteFunc(s.Timers(), func(t clockwork.Timer) bool { return t.Name != "warning.watch" })
	if _, err := (&clockwork.Clockwork{DB: db, Now: s.Now, Timers: timers}).Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, scores := pg.Worker(t.Context(), "test"), map[string]escrow.Score{}
	if _, err := pg.InTx(ctx, db, func(tx pgx.Tx) (none struct{}, err error) {
		rows, err := tx.Query(ctx, `SELECT institution_id, points, band, reasons FROM warnings WHERE on_date = $1`, on)
		if err != nil {
			return none, err
		}
		var id string
		var s escrow.Score
		_, err = pgx.ForEachRow(rows, []any{&id, &s.Points, &s.Band, &s.Reasons}, func() error {
			scores[id], s = s, escrow.Score{}
			return nil
		})
		return none, err
	}); err != nil {
		t.Fatal(err)
	}
	return scores
}

// plain is a score as it is kept: reasons with all that they rest on.
func plain(t *testing.T, s escrow.Score) (v any) {
	t.Helper()
	raw, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const place = "320508"

// books is transfers as the service posts them.
type books struct {
	id                                              string
	institutions, ids, kinds, references, originals []string
	times, ofTime                                   []time.Time
	ofInstitution, ofTransfer, accounts, contracts  []string
	amounts                                         []int64
}

// move debits one account and credits another; of held, a contract's.
func (b *books) move(d int, kind, debit, credit, contract string, amount escrow.Fen) {
	if amount == 0 {
		return
	}
	id, at := uuid.Must(uuid.NewV7()).String(), start.AddDays(d).Start().Add(10*time.Hour)
	b.institutions, b.ids, b.kinds, b.times = append(b.institutions, b.id), append(b.ids, id), append(b.kinds, kind), append(b.times, at)
	b.references, b.originals = append(b.references, id), append(b.originals, "")
	for account, fen := range map[string]escrow.Fen{debit: amount, credit: -amount} {
		of := ""
		if account == "held" {
			of = contract
		}
		b.ofInstitution, b.ofTransfer, b.ofTime = append(b.ofInstitution, b.id), append(b.ofTransfer, id), append(b.ofTime, at)
		b.accounts, b.contracts, b.amounts = append(b.accounts, account), append(b.contracts, of), append(b.amounts, int64(fen))
	}
}

// write puts i's life, as far as it was lived, into the service's own tables.
func (i *institution) write(ctx context.Context, tx pgx.Tx, id string) error {
	mode, backing := "custody", "custody"
	if i.deposit {
		mode, backing = "deposit", "receivable"
	}
	var b pgx.Batch
	b.Queue(`INSERT INTO institutions (id, name, jurisdiction, kind, category, item, status, manager, list) VALUES ($1, $1, $2, 'non_subject', 'culture_arts', '美术', 'ACTIVE', 'principal', '')`, id, place)
	b.Queue(`INSERT INTO accounts (institution, id, jurisdiction, manager, mode, bank, account_tail, agreement_no, opened_on, reported_on)
		VALUES ($1, $1, $2, 'principal', $3, '苏州银行', '1234', $1, $4, $4)`, id, place, mode, start)
	b.Queue(`SELECT open_accounts($1, '')`, id)
	led := &books{id: id}
	for n, c := range i.contracts {
		c.write(&b, led, fmt.Sprintf("%s/%d", id, n), mode, backing)
	}
	for _, x := range i.bank {
		other, kind := "differences", "difference"
		if x.account == "deposit" {
			other, kind = "pledged", "pledge"
		}
		if x.amount > 0 {
			led.move(x.on, kind, x.account, other, "", x.amount)
		} else {
			led.move(x.on, kind, other, x.account, "", -x.amount)
		}
	}
	for n, d := range i.tips {
		b.Queue(`INSERT INTO tips (id, institution_id, received_on) VALUES ($1, $2, $3)`, fmt.Sprintf("%s/%d", id, n), id, start.AddDays(d))
	}
	b.Queue(`SELECT post($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`, led.institutions, led.ids, led.kinds, led.references, led.originals, led.times,
		led.ofInstitution, led.ofTransfer, led.accounts, led.contracts, led.amounts, led.ofTime)
	return tx.SendBatch(ctx, &b).Close()
}

// write puts c with its lessons and its refund, and books what moved for it.
func (c *contract) write(b *pgx.Batch, led *books, id, mode, backing string) {
	var ns []int
	var gifts []bool
	var dates []day.Date
	var given []*time.Time
	var fees []int64
	var states []string
	led.move(c.paid, "hold", backing, "held", id, c.price)
	var released, refunded escrow.Fen
	for n, l := range c.list {
		state, taught := "SCHEDULED", (*time.Time)(nil)
		if l.taught >= 0 {
			state = "TAUGHT"
			taught = new(start.AddDays(l.taught).Start().Add(12 * time.Hour))
		}
		switch {
		case l.confirmed >= 0:
			state = "CONFIRMED"
			released += l.fee
			led.move(l.confirmed, "post", "held", "released", id, l.fee)
		case l.back && c.refund.paid >= 0:
			state = "REFUNDED"
		case l.back:
			state = "REFUNDING"
		}
		ns, gifts, dates, given = append(ns, n+1), append(gifts, n >= c.lessons), append(dates, start.AddDays(l.on)), append(given, taught)
		fees, states = append(fees, int64(l.fee)), append(states, state)
	}
	if c.refund != nil && c.refund.paid >= 0 {
		refunded = c.refund.amount
		led.move(c.refund.paid, "void", "held", "refunds", id, refunded)
		led.move(c.refund.paid, "payback", "refunds", backing, id, refunded)
	}
	b.Queue(`INSERT INTO contracts (institution_id, id, jurisdiction, manager, parent, pupil, course, basket, state, lessons, gift_lessons, first_lesson, last_lesson,
			mode, price, paid, released, refunded, open, offered_on, paid_at)
		VALUES ($1, $2, $3, 'principal', 'parent', 'x', 'x', $2, 'PAID', $4, $5, $6, $7, $8, $9, $9, $10, $11, 0, $12, $13)`,
		led.id, id, place, c.lessons, c.gifts, slices.MinFunc(dates, day.Date.Compare), slices.MaxFunc(dates, day.Date.Compare), mode, c.price, released, refunded,
		start.AddDays(c.paid), start.AddDays(c.paid).Start().Add(10*time.Hour))
	b.Queue(`INSERT INTO lessons (institution_id, contract_id, n, gift, on_date, fee, state, taught_on)
		SELECT $1, $2, n, gift, on_date, fee, state, taught_on::date FROM unnest($3::int[], $4::bool[], $5::date[], $6::bigint[], $7::text[], $8::timestamptz[])
			AS l (n, gift, on_date, fee, state, taught_on)`, led.id, id, ns, gifts, dates, fees, states, given)
	b.Queue(`SELECT open_accounts($1, $2)`, led.id, id)
	if r := c.refund; r != nil {
		state, done := "REQUESTED", (*day.Date)(nil)
		if r.paid >= 0 {
			state, done = "PAID", new(start.AddDays(r.paid))
		}
		b.Queue(`INSERT INTO refunds (institution_id, contract_id, id, state, lessons, gift_lessons, amount, reason, requested_on, answer_by, provisional, agreed_on, paid_on)
			VALUES ($1, $2, $2, $3, $4, 0, $5, 'x', $6, $6, false, $7, $7)`, led.id, id, state, r.lessons, r.amount, start.AddDays(r.asked), done)
	}
}
