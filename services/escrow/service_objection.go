package escrow

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/rule"
)

// allowObjection notes until when c's parent may say that l, which silence has just
// confirmed, was not given.
func (s *Service) allowObjection(ctx context.Context, tx pgx.Tx, c *Contract, l *Lesson) error {
	rules, err := rule.InForce(ctx, tx, c.Jurisdiction, s.today(), lateDispute)
	if err != nil {
		return err
	}
	last, err := rule.Due(ctx, tx, rules[lateDispute], s.today())
	if err != nil {
		return err
	}
	l.ObjectBy = last.On
	return saveObjectBy(ctx, tx, c, *l)
}

// ObjectToLesson is a parent's word that a lesson was not given, though his silence has
// confirmed it.
type ObjectToLesson struct {
	once.Key
	LessonOf
	Reason string `json:"reason" minLength:"1" maxLength:"200" description:"seen by the two parties"`
}

// ObjectToLesson asks for the lesson's fee: a refund that the institution answers, and
// that may be mediated, as any other. As long as the bank was not told to pay the fee
// out, it is kept for whoever is right; after that the refund is out of the institution's
// own money, and the ledger keeps what was paid out. Conflict for a lesson that the
// parent confirmed himself, after the last day, or where another refund gave its fee
// back already. While the institution is wound down, the roster answers it.
func (s *Service) ObjectToLesson(ctx context.Context, req ObjectToLesson) (RefundView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (RefundView, error) {
		by := auth.From(ctx)
		b, l, err := lockLesson(ctx, tx, req.Contract, req.N)
		if err != nil {
			return RefundView{}, err
		}
		if err := b.own.party(by); err != nil {
			return RefundView{}, err
		}
		if _, err := lessonFlow.Step(l.State, "object", by); err != nil {
			return RefundView{}, err
		}
		if err := l.objectionable(s.today()); err != nil {
			return RefundView{}, err
		}
		if err := s.hearing(ctx, tx, b.own); err != nil {
			return RefundView{}, err
		}
		if owed, all, err := givenBack(ctx, tx, b.own); err != nil {
			return RefundView{}, err
		} else if owed+l.Fee > all {
			return RefundView{}, fault.Conflict.Errorf("已确认课时的费用已在之前的退费中退还，不能重复退还第 %d 课时", l.N)
		}
		rules, err := rule.InForce(ctx, tx, b.own.Jurisdiction, l.ConfirmedOn, lateDispute)
		if err != nil {
			return RefundView{}, err
		}
		words := fmt.Sprintf("第 %d 课时于 %s 因逾期未答复自动确认，家长在 %s 前提出没有上课，全额退还 %s", l.N, l.ConfirmedOn, l.ObjectBy, l.Fee.Yuan())
		r := Refund{
			ID: newID(), InstitutionID: b.own.InstitutionID, ContractID: b.own.ID, State: requested, Lessons: 1, Basis: notGiven,
			Fault: operatorFault, Ground: "undeliverable", Amount: l.Fee, Reason: req.Reason, RequestedOn: s.today(),
			Clauses: []Clause{{Applies: true, AmountFen: l.Fee, Text: words, Rule: rules[lateDispute].Ground(map[string]any{
				"lesson": l.N, "confirmed_on": l.ConfirmedOn, "object_by": l.ObjectBy, "fee_fen": l.Fee,
			})}},
		}
		if err := s.keepFee(ctx, tx, b.own, &l, &r); err != nil {
			return RefundView{}, err
		}
		v, err := s.request(ctx, tx, b.own, r, nil)
		if err != nil {
			return RefundView{}, err
		}
		return v, saveObjection(ctx, tx, b.own, l, r.ID)
	})
}

// keepFee has l's fee wait for the end of r, which asks it back, or notes that it is out
// of custody and the institution's to pay.
func (s *Service) keepFee(ctx context.Context, tx pgx.Tx, c *Contract, l *Lesson, r *Refund) error {
	if l.Waits {
		r.Kept = l.Fee
		return nil
	}
	r.Owed = l.Fee
	if c.Mode != custodyMode {
		return nil
	}
	kept, err := keepBack(ctx, tx, c, *l)
	if err != nil || !kept {
		return err
	}
	r.Kept, r.Owed, l.Waits = l.Fee, 0, true
	if err := c.keep(l.Fee); err != nil {
		return err
	}
	if err := saveContract(ctx, tx, c); err != nil {
		return err
	}
	return post(ctx, tx, c.keepFee(*l, r.ID, s.Now()))
}
