package escrow

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// RequestRefund asks for the fees of lessons that were not given. They come off
// the end of the schedule; gift lessons lie there and are cancelled first.
type RequestRefund struct {
	once.Key
	Contract string `path:"id" maxLength:"64"`
	Lessons  int    `json:"lessons,omitempty" minimum:"1" maximum:"1000" description:"how many paid lessons to give back"`
	Whole    bool   `json:"whole,omitempty" description:"all that were not given, instead of lessons"`
	Reason   string `json:"reason" minLength:"1" maxLength:"200" description:"seen by the two parties"`
}

// RequestRefund sets lessons aside for a refund and says how much it will be. The
// institution answers by the day that the rulebook gives; silence is agreement.
func (s *Service) RequestRefund(ctx context.Context, req RequestRefund) (RefundView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (RefundView, error) {
		if req.Whole == (req.Lessons > 0) {
			return RefundView{}, fault.Fields(fault.Field{Pointer: "/lessons", Detail: "退课时数与全部退费须二选一"})
		}
		by := auth.From(ctx)
		b, err := lockBasket(ctx, tx, req.Contract)
		if err != nil {
			return RefundView{}, err
		}
		if err := b.own.take("refunds", by); err != nil {
			return RefundView{}, err
		}
		schedule, err := listLessons(ctx, tx, b.own)
		if err != nil {
			return RefundView{}, err
		}
		lessons, err := fromEnd(schedule, req.Lessons, req.Whole)
		if err != nil {
			return RefundView{}, err
		}
		r := Refund{ID: newID(), InstitutionID: b.own.InstitutionID, ContractID: b.own.ID, State: requested, Reason: req.Reason, RequestedOn: s.today()}
		r.take(lessons)
		return s.request(ctx, tx, b.own, r, lessons)
	})
}

func (s *Service) request(ctx context.Context, tx pgx.Tx, c *Contract, r Refund, lessons []Lesson) (RefundView, error) {
	rules, err := rule.InForce(ctx, tx, c.Jurisdiction, r.RequestedOn, autoAgree)
	if err != nil {
		return RefundView{}, err
	}
	answer, err := rule.Due(ctx, tx, rules[autoAgree], r.RequestedOn)
	if err != nil {
		return RefundView{}, err
	}
	r.AnswerBy, r.Provisional = answer.On, answer.Provisional
	if err := insertRefund(ctx, tx, r, lessons); err != nil {
		return RefundView{}, err
	}
	by := auth.From(ctx)
	if err := s.note(ctx, tx, c, byParent, by.Subject, "refunds", fmt.Sprintf("申请退费 %s；机构应在 %s 前答复，逾期视为同意", r.Words(), r.AnswerBy)); err != nil {
		return RefundView{}, err
	}
	return r.view(c.sightOf(by)), event.Append(ctx, tx, Topic, c.ID, refundRequested(c, r))
}

// AgreeRefund is the institution's word.
type AgreeRefund struct {
	once.Key
	ID string `path:"id" maxLength:"64"`
}

// AgreeRefund agrees to a refund, and the simulated bank pays it back at once by
// the original route.
func (s *Service) AgreeRefund(ctx context.Context, req AgreeRefund) (RefundView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (RefundView, error) {
		by := auth.From(ctx)
		b, r, err := lockRefund(ctx, tx, req.ID)
		if err != nil {
			return RefundView{}, err
		}
		if err := b.own.party(by); err != nil {
			return RefundView{}, err
		}
		step, err := refundFlow.Step(r.State, "agree", by)
		if err != nil {
			return RefundView{}, err
		}
		r.State = step.To
		if err := s.payBack(ctx, tx, b, &r, entry{s.Now(), byInstitution, by.Subject, "agree", "机构同意退费 " + r.Words()}); err != nil {
			return RefundView{}, err
		}
		return r.view(b.own.sightOf(by)), nil
	})
}

// lockRefund locks the basket of a refund's contract and reads the refund.
func lockRefund(ctx context.Context, tx pgx.Tx, id string) (basket, Refund, error) {
	r, err := findRefund(ctx, tx, id)
	if err != nil {
		return basket{}, r, err
	}
	b, err := lockBasket(ctx, tx, r.ContractID)
	if err != nil {
		return b, r, err
	}
	r, err = findRefund(ctx, tx, id) // as it is under the lock
	return b, r, err
}

// payBack pays r, to which e says who agreed.
func (s *Service) payBack(ctx context.Context, tx pgx.Tx, b basket, r *Refund, e entry) (err error) {
	c := b.own
	if err := saveEntry(ctx, tx, c, e); err != nil {
		return err
	}
	if err := event.Append(ctx, tx, Topic, c.ID, refundAgreed(c, *r)); err != nil {
		return err
	}
	if r.State, err = bySystemStep(refundFlow, r.State, "pay_back"); err != nil {
		return err
	}
	r.PaidOn = s.today()
	if err := c.giveBack(r.Amount, r.Lessons+r.GiftLessons); err != nil {
		return err
	}
	last, err := saveRefunded(ctx, tx, *r)
	if err != nil {
		return err
	}
	if !last.IsZero() {
		c.LastLesson = last
	}
	if err := saveContract(ctx, tx, c); err != nil {
		return err
	}
	if err := post(ctx, tx, c.void(*r, e.at), c.payBack(*r, e.at)); err != nil {
		return err
	}
	fact := fmt.Sprintf("退费 %s，已原路退回", r.Words())
	if err := s.note(ctx, tx, c, bySystem, "", "pay_back", fact+"（银行为模拟）"); err != nil {
		return err
	}
	if err := event.Append(ctx, tx, Topic, c.ID, refundPaid(c, *r)); err != nil {
		return err
	}
	return s.review(ctx, tx, b, fact)
}

// agreeBySilence agrees to a refund that the institution did not answer.
func (s *Service) agreeBySilence(ctx context.Context, tx pgx.Tx, id string) error {
	b, r, err := lockRefund(ctx, tx, id)
	if err != nil || r.State != requested || !s.today().After(r.AnswerBy) {
		return err
	}
	rules, err := rule.InForce(ctx, tx, b.own.Jurisdiction, r.RequestedOn, autoAgree)
	if err != nil {
		return err
	}
	if r.State, err = bySystemStep(refundFlow, r.State, "agree_by_silence"); err != nil {
		return err
	}
	r.BySilence = true
	words := fmt.Sprintf("%s视为同意退费 %s", silent("机构", rules[autoAgree]), r.Words())
	return s.payBack(ctx, tx, b, &r, entry{s.Now(), bySystem, "", "agree_by_silence", words})
}

// FindRefund asks for one refund.
type FindRefund struct {
	ID string `path:"id" maxLength:"64"`
}

// FindRefund returns a refund in the caller's scope.
func (s *Service) FindRefund(ctx context.Context, req FindRefund) (RefundView, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (RefundView, error) {
		r, err := findRefund(ctx, tx, req.ID)
		if err != nil {
			return RefundView{}, err
		}
		c, err := findContract(ctx, tx, r.ContractID)
		return r.view(c.sightOf(auth.From(ctx))), err
	})
}
