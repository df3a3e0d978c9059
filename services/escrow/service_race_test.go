package escrow

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"xunguan/pkg/fault"
	"xunguan/pkg/once"
)

// race runs f twenty times at once and returns how often it succeeded, and what
// else came.
func race(f func(i int) error) (ok int, kinds map[fault.Kind]int) {
	var g errgroup.Group
	results := make([]error, 20)
	for i := range results {
		g.Go(func() error { results[i] = f(i); return nil })
	}
	_ = g.Wait()
	kinds = map[fault.Kind]int{}
	for _, err := range results {
		if err == nil {
			ok++
		} else {
			kinds[fault.KindOf(err)]++
		}
	}
	return ok, kinds
}

func TestRaces(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	ctx := func(by string) context.Context { return h.as(by) }
	one := h.sign(h.terms()).ID
	ok, others := race(func(int) error {
		_, err := h.PayContract(ctx("parent"), PayContract{h.key(), one, 480000, "SAME"})
		return err
	})
	if n := h.count(`SELECT count(*) FROM transfers WHERE kind = 'hold'`); ok != 20 || n != 1 || h.facts("PaymentReceived") != 1 {
		t.Errorf("20 payments under one reference: %d answered, %v, %d booked", ok, others, n)
	}
	h.taught(one, 1)
	ok, others = race(func(int) error {
		_, err := h.ConfirmLesson(ctx("parent"), ConfirmLesson{h.key(), LessonOf{one, 1}})
		return err
	})
	if n := h.released(); ok != 20 || n != 10000 || h.facts("FundsReleased") != 1 {
		t.Errorf("20 confirmations of one lesson: %d answered, %v, %d released", ok, others, n)
	}
	same := h.key()
	h.taught(one, 2)
	ok, others = race(func(int) error {
		_, err := h.ConfirmLesson(ctx("parent"), ConfirmLesson{once.Key{IdempotencyKey: same.IdempotencyKey}, LessonOf{one, 2}})
		return err
	})
	if ok < 1 || ok+others[fault.InFlight] != 20 || h.facts("FundsReleased") != 2 {
		t.Errorf("20 times the same request: %d answered, %v", ok, others)
	}
	ok, others = race(func(i int) error { // each lesson of its own, refunds between them
		if i%2 == 0 {
			_, err := h.RequestRefund(ctx("parent"), RequestRefund{Key: h.key(), Contract: one, Lessons: 1, Reason: "x"})
			return err
		}
		_, err := h.TeachLesson(ctx("principal"), TeachLesson{Key: h.key(), LessonOf: LessonOf{one, 48 - i}})
		return err
	})
	if ok+others[fault.Conflict] != 20 {
		t.Errorf("refunds against teaching: %d, %v", ok, others)
	}
	h.sound()
}

func TestRefundAgainstConfirm(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen = 30, 299*30 }))
	refunds := make([]string, 10)
	for i := range 10 {
		h.taught(v.ID, i+1)
		refunds[i] = must(h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: v.ID, Lessons: 2, Reason: "x"}))(t).ID
	}
	ok, others := race(func(i int) error {
		if i < 10 {
			_, err := h.ConfirmLesson(h.as("parent"), ConfirmLesson{h.key(), LessonOf{v.ID, i + 1}})
			return err
		}
		_, err := h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), refunds[i-10]})
		return err
	})
	if v = h.contract("parent", v.ID); ok != 20 || v.State != finished || v.HeldFen != 0 {
		t.Errorf("%d done, %v: %s %+v", ok, others, v.State, v.Money)
	}
	h.sound()
}

// TestOrdersPaidTogether is that two orders paid at the same instant see each
// other: whichever comes second is flagged.
func TestOrdersPaidTogether(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	for round := range 10 {
		name := fmt.Sprint("孩子", round)
		var ids [2]string
		for i := range ids {
			ids[i] = h.sign(h.terms(func(t *Terms) { t.Lessons, t.PriceFen, t.Pupil = 40, 200000, name })).ID
		}
		var g errgroup.Group
		for _, id := range ids {
			g.Go(func() error {
				_, err := h.PayContract(h.as("parent"), PayContract{h.key(), id, 200000, "REF-" + id})
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if n := h.count(`SELECT count(*) FROM flags WHERE contract_id = ANY ($1) AND state = 'OPEN'`, ids[:]); n != 1 {
			t.Fatalf("round %d: %d flags on 80 lessons, want 1", round, n)
		}
	}
	h.sound()
}

// sound is that every contract's books agree.
func (h *house) sound() {
	h.t.Helper()
	if n := h.count(`
		SELECT count(*) FROM contracts c WHERE
			released <> (SELECT coalesce(sum(fee), 0) FROM lessons l WHERE l.contract_id = c.id AND state = 'CONFIRMED' AND NOT waits)
				+ (SELECT coalesce(sum(deducted), 0) FROM refunds r WHERE r.contract_id = c.id AND state IN ('AGREED', 'PAID') AND NOT waits)
			OR (SELECT coalesce(sum(amount - owed + deducted), 0) FROM refunds r WHERE r.contract_id = c.id AND state IN ('AGREED', 'PAID'))
				<> (SELECT coalesce(sum(fee), 0) FROM lessons l WHERE l.contract_id = c.id AND state = 'REFUNDED')
			OR refunded <> (SELECT coalesce(sum(amount - owed), 0) FROM refunds r WHERE r.contract_id = c.id AND state IN ('AGREED', 'PAID'))
			OR EXISTS (SELECT FROM refunds r WHERE r.contract_id = c.id AND state IN ('AGREED', 'PAID')
				AND amount <> (SELECT coalesce(sum(p.amount), 0) FROM paybacks p WHERE p.refund_id = r.id))
			OR EXISTS (SELECT FROM refunds r WHERE r.contract_id = c.id AND (state = 'PAID') <> (state IN ('AGREED', 'PAID')
				AND NOT EXISTS (SELECT FROM paybacks p WHERE p.refund_id = r.id AND p.state <> 'PAID')))
			OR refunded > paid OR released + refunded > paid
			OR paid <> -(SELECT coalesce(sum(amount), 0) FROM entries e WHERE e.contract_id = c.id AND amount < 0)
			OR paid - released - refunded <> coalesce((SELECT -balance FROM balances b WHERE b.contract_id = c.id), 0)
				+ (SELECT coalesce(sum(fee), 0) FROM lessons l WHERE l.contract_id = c.id AND waits)
				+ (SELECT coalesce(sum(deducted), 0) FROM refunds r WHERE r.contract_id = c.id AND waits)
			OR price <> (SELECT sum(fee) FROM lessons l WHERE l.contract_id = c.id)
			OR open <> (SELECT count(*) FROM lessons l WHERE l.contract_id = c.id AND state NOT IN ('CONFIRMED', 'REFUNDED', 'CANCELLED'))`); n != 0 {
		h.t.Errorf("the books of %d contracts do not agree", n)
	}
	if n := h.count(`SELECT count(*) FROM (SELECT FROM entries GROUP BY institution_id, transfer_id HAVING sum(amount) <> 0) x`); n != 0 {
		h.t.Errorf("%d transfers do not balance", n)
	}
	if n := h.count(`SELECT count(*) FROM balances b WHERE balance <> (SELECT coalesce(sum(amount), 0) FROM entries e
		WHERE (e.institution_id, e.account, e.contract_id) = (b.institution_id, b.account, b.contract_id))`); n != 0 {
		h.t.Errorf("%d balances are not what their entries add up to", n)
	}
	if n := h.count(`SELECT count(*) FROM outbox WHERE topic <> CASE WHEN key IN (SELECT id FROM contracts) THEN $1 ELSE $2 END`, ContractTopic, Topic); n != 0 {
		h.t.Errorf("%d events are on the other topic than their key's", n)
	}
}

// released is what the ledger says was paid out, to all institutions.
func (h *house) released() int64 {
	h.t.Helper()
	return h.count(`SELECT coalesce(sum(-balance), 0) FROM balances WHERE account = 'released'`)
}
