package escrow

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
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
	Contract  string   `path:"id" maxLength:"64"`
	Lessons   int      `json:"lessons,omitempty" minimum:"1" maximum:"1000" description:"how many paid lessons to give back"`
	Whole     bool     `json:"whole,omitempty" description:"all that were not given, instead of lessons"`
	Fault     string   `json:"fault,omitempty" enum:"consumer,operator" description:"whose reason it is; consumer if absent"`
	Ground    string   `json:"ground,omitempty" enum:"moved,transferred,undeliverable,stopped,teacher_changed,other" description:"of an operator's fault"`
	StoppedOn day.Date `json:"stopped_on,omitzero" description:"since when the operator no longer serves, of a contract billed by the period"`
	Reason    string   `json:"reason" minLength:"1" maxLength:"200" description:"seen by the two parties"`
}

// RequestRefund sets lessons aside for a refund and says how much it will be, and by
// which clauses. The institution answers by the day that the rulebook gives; silence
// is agreement.
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
		if err := unfrozen(ctx, tx, b.own); err != nil {
			return RefundView{}, err
		}
		k := claim{lessons: req.Lessons, whole: req.Whole, fault: req.Fault, ground: req.Ground, stoppedOn: req.StoppedOn, on: s.today()}
		q, _, err := s.price(ctx, tx, b.own, k)
		if err != nil {
			return RefundView{}, err
		}
		r := Refund{
			ID: newID(), InstitutionID: b.own.InstitutionID, ContractID: b.own.ID, State: requested, Whole: req.Whole, Fault: consumerReason,
			Ground: req.Ground, StoppedOn: req.StoppedOn, Reason: req.Reason, RequestedOn: s.today(),
		}
		if req.Fault != "" {
			r.Fault = req.Fault
		}
		r.adopt(q)
		return s.request(ctx, tx, b.own, r, q.taken)
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
	return r.view(c.sightOf(by, ""), nil), event.Append(ctx, tx, ContractTopic, c.ID, refundRequested(c, r))
}

// AgreeRefund is the institution's word.
type AgreeRefund struct {
	once.Key
	ID string `path:"id" maxLength:"64"`
}

// AgreeRefund agrees to a refund, also after it was refused, and the simulated bank
// pays it back at once by the original route.
func (s *Service) AgreeRefund(ctx context.Context, req AgreeRefund) (RefundView, error) {
	return once.Do(ctx, s.DB, req, s.onRefund(ctx, req.ID, "agree", func(tx pgx.Tx, b basket, r *Refund) error {
		return s.payBack(ctx, tx, b, r, entry{s.Now(), byInstitution, auth.From(ctx).Subject, "agree", "机构同意退费 " + r.Words()})
	}))
}

// RejectRefund is the institution's no.
type RejectRefund struct {
	once.Key
	ID     string `path:"id" maxLength:"64"`
	Reason string `json:"reason" minLength:"1" maxLength:"200" description:"seen by the two parties, and by officials"`
}

// RejectRefund refuses a refund: its lessons stay set aside, and the parent may ask
// for mediation.
func (s *Service) RejectRefund(ctx context.Context, req RejectRefund) (RefundView, error) {
	return once.Do(ctx, s.DB, req, s.onRefund(ctx, req.ID, "reject", func(tx pgx.Tx, b basket, r *Refund) error {
		r.Answer = req.Reason
		return s.saveAnswer(ctx, tx, b.own, *r, "reject", "机构不同意退费 "+r.Words())
	}))
}

// WithdrawRefund takes back a parent's request.
type WithdrawRefund struct {
	once.Key
	ID string `path:"id" maxLength:"64"`
}

// WithdrawRefund puts the lessons back where they were. Conflict for a refund whose
// deduction a later one rests on: the later one is withdrawn first.
func (s *Service) WithdrawRefund(ctx context.Context, req WithdrawRefund) (RefundView, error) {
	return once.Do(ctx, s.DB, req, s.onRefund(ctx, req.ID, "withdraw", func(tx pgx.Tx, b basket, r *Refund) error {
		if later, err := hasLater(ctx, tx, *r); err != nil {
			return err
		} else if later && r.Deducted+r.Penalty > 0 {
			return fault.Conflict.Errorf("之后的退费申请以本次的扣除为前提，请先撤回之后的申请")
		}
		again := Lesson{TaughtOn: s.today()}
		if _, err := s.askToConfirm(ctx, tx, b.own, &again); err != nil {
			return err
		}
		if err := saveWithdrawn(ctx, tx, *r, again); err != nil {
			return err
		}
		words := "家长撤回退费申请 " + r.Words()
		if err := s.saveAnswer(ctx, tx, b.own, *r, "withdraw", words); err != nil {
			return err
		}
		return s.review(ctx, tx, b, words)
	}))
}

// MediateRefund is a parent's call for mediation.
type MediateRefund struct {
	once.Key
	ID string `path:"id" maxLength:"64"`
}

// MediateRefund brings a refused refund before the education authority of the place.
func (s *Service) MediateRefund(ctx context.Context, req MediateRefund) (RefundView, error) {
	return once.Do(ctx, s.DB, req, s.onRefund(ctx, req.ID, "mediate", func(tx pgx.Tx, b basket, r *Refund) error {
		rules, err := rule.InForce(ctx, tx, b.own.Jurisdiction, s.today(), mediateWithin)
		if err != nil {
			return err
		}
		end, err := rule.Due(ctx, tx, rules[mediateWithin], s.today())
		if err != nil {
			return err
		}
		r.MediateBy = end.On
		return s.saveAnswer(ctx, tx, b.own, *r, "mediate", fmt.Sprintf("家长申请调解退费 %s，调解期限到 %s", r.Words(), r.MediateBy))
	}))
}

// SettleRefund is the end of a mediation in agreement, or what a judgment says.
type SettleRefund struct {
	once.Key
	ID          string `path:"id" maxLength:"64"`
	Fault       string `json:"fault" enum:"consumer,operator" description:"whose reason it was found to be"`
	Ground      string `json:"ground,omitempty" enum:"moved,transferred,undeliverable,stopped,teacher_changed,other" description:"of an operator's fault"`
	MarketPrice Fen    `json:"market_price_fen,omitempty" minimum:"1" maximum:"100000000" description:"for all paid lessons, where the price before discount was found unreasonable (法释〔2025〕4号 §19)"`
	Reason      string `json:"reason" minLength:"1" maxLength:"200" description:"the agreement, or number of the judgment; seen by the two parties, and by officials"`
}

// SettleRefund prices the refund again by what was found, as of the day on which it
// was asked for, and has it paid.
func (s *Service) SettleRefund(ctx context.Context, req SettleRefund) (RefundView, error) {
	return once.Do(ctx, s.DB, req, s.onRefund(ctx, req.ID, "settle", func(tx pgx.Tx, b basket, r *Refund) error {
		r.Fault, r.Ground, r.Answer = req.Fault, req.Ground, req.Reason
		if !r.late() { // which is the lesson's fee, whatever is found
			k := claim{
				fault: req.Fault, ground: req.Ground, stoppedOn: r.StoppedOn, on: r.RequestedOn, marketPrice: req.MarketPrice, again: r.ID,
			}
			q, _, err := s.price(ctx, tx, b.own, k)
			if err != nil {
				return err
			}
			r.adopt(q)
		}
		words := fmt.Sprintf("调解或裁判认定为%s，退费 %s", bases[req.Fault], r.Words())
		return s.payBack(ctx, tx, b, r, entry{s.Now(), byBureau, auth.From(ctx).Subject, "settle", words})
	}))
}

// FailRefund is the end of a mediation without agreement.
type FailRefund struct {
	once.Key
	ID     string `path:"id" maxLength:"64"`
	Reason string `json:"reason" minLength:"1" maxLength:"200" description:"seen by the two parties, and by officials"`
}

// FailRefund leaves the refund to the courts: its lessons stay set aside until a
// judgment is recorded, the institution agrees or the parent withdraws.
func (s *Service) FailRefund(ctx context.Context, req FailRefund) (RefundView, error) {
	return once.Do(ctx, s.DB, req, s.onRefund(ctx, req.ID, "fail", func(tx pgx.Tx, b basket, r *Refund) error {
		r.Answer = req.Reason
		return s.saveAnswer(ctx, tx, b.own, *r, "fail", "退费调解未成，可以起诉或者仲裁；费用留在监管账户")
	}))
}

// onRefund is the transaction that takes a refund one step by act, which saves it.
func (s *Service) onRefund(ctx context.Context, id, action string, act func(pgx.Tx, basket, *Refund) error) func(pgx.Tx) (RefundView, error) {
	return func(tx pgx.Tx) (RefundView, error) {
		by := auth.From(ctx)
		b, r, err := lockRefund(ctx, tx, id)
		if err != nil {
			return RefundView{}, err
		}
		if by.Agency == "" {
			if err := b.own.party(by); err != nil {
				return RefundView{}, err
			}
		}
		step, err := refundFlow.Step(r.State, action, by)
		if err != nil {
			return RefundView{}, err
		}
		winding, err := windingOf(ctx, tx, b.own.InstitutionID)
		if err != nil {
			return RefundView{}, err
		}
		if err := r.undecided(winding, action); err != nil {
			return RefundView{}, err
		}
		r.State = step.To
		if err := act(tx, b, &r); err != nil {
			return RefundView{}, err
		}
		return s.showRefund(ctx, tx, b.own, r)
	}
}

func (s *Service) showRefund(ctx context.Context, tx pgx.Tx, c *Contract, r Refund) (RefundView, error) {
	winding, err := windingOf(ctx, tx, c.InstitutionID)
	if err != nil {
		return RefundView{}, err
	}
	legs, err := listPaybacks(ctx, tx, c)
	return r.view(c.sightOf(auth.From(ctx), winding), legs), err
}

// saveAnswer saves a step of r that moves no money.
func (s *Service) saveAnswer(ctx context.Context, tx pgx.Tx, c *Contract, r Refund, action, words string) error {
	if err := saveRefund(ctx, tx, r); err != nil {
		return err
	}
	by := auth.From(ctx)
	actor := byBureau
	if by.Agency == "" {
		actor = c.actor(by)
	}
	if err := s.note(ctx, tx, c, actor, by.Subject, action, words); err != nil {
		return err
	}
	return event.Append(ctx, tx, ContractTopic, c.ID, refundChanged(c, r))
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

// agreeBySilence agrees to a refund that the institution did not answer.
func (s *Service) agreeBySilence(ctx context.Context, tx pgx.Tx, id string) error {
	b, r, err := lockRefund(ctx, tx, id)
	if err != nil || r.State != requested || !s.today().After(r.AnswerBy) {
		return err
	}
	winding, err := windingOf(ctx, tx, b.own.InstitutionID)
	if err != nil || r.undecided(winding, "agree_by_silence") != nil { // it is part of the roster now
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
		if err != nil {
			return RefundView{}, err
		}
		return s.showRefund(ctx, tx, &c.Contract, r)
	})
}
