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
	"xunguan/pkg/rule"
)

// payBack pays r, which was just agreed to, as e says: what was held for its lessons
// is the parent's or, where something was to be deducted, the institution's; it goes
// back by the routes it came by, and what the institution owes besides, by itself.
func (s *Service) payBack(ctx context.Context, tx pgx.Tx, b basket, r *Refund, e entry) error {
	routes, err := listRoutes(ctx, tx, b.own)
	if err != nil {
		return err
	}
	return s.payBackBy(ctx, tx, b, r, e, way{routes: routes})
}

func (s *Service) payBackBy(ctx context.Context, tx pgx.Tx, b basket, r *Refund, e entry, w way) error {
	c := b.own
	if err := saveEntry(ctx, tx, c, e); err != nil {
		return err
	}
	r.AgreedOn = s.today()
	if err := s.leave(ctx, tx, c, r); err != nil {
		return err
	}
	if err := c.giveBack(r.supervised(), r.ends()); err != nil {
		return err
	}
	last, err := saveGivenBack(ctx, tx, c, *r)
	if err != nil {
		return err
	}
	if !last.IsZero() {
		c.LastLesson = last
	}
	if err := saveContract(ctx, tx, c); err != nil {
		return err
	}
	if r.Owed > 0 || r.short() != 0 {
		if err := openRefundAccounts(ctx, tx, c.InstitutionID); err != nil {
			return err
		}
	}
	if err := postAll(ctx, tx, c.void(*r, e.at)); err != nil {
		return err
	}
	if err := event.Append(ctx, tx, ContractTopic, c.ID, refundAgreed(c, *r)); err != nil {
		return err
	}
	for _, l := range r.legs(w) {
		if err := insertPayback(ctx, tx, l); err != nil {
			return err
		}
		if l.Route == "" {
			continue
		}
		if err := s.payLeg(ctx, tx, c, *r, &l, "pay_back"); err != nil {
			return err
		}
	}
	fact := fmt.Sprintf("退费 %s，已原路退回", r.Words())
	if w.newContract != "" {
		fact = fmt.Sprintf("退费 %s，已转为新机构合同的付款", r.Words())
	}
	if err := s.finishRefund(ctx, tx, c, r, fact+"（银行为模拟）"); err != nil {
		return err
	}
	return s.review(ctx, tx, b, fact)
}

// leave lets the institution have what r leaves to it or, while its payouts are held,
// notes that it waits.
func (s *Service) leave(ctx context.Context, tx pgx.Tx, c *Contract, r *Refund) error {
	if r.Deducted == 0 {
		return nil
	}
	held, err := payoutsHeld(ctx, tx, c)
	if err != nil || held {
		r.Waits = held
		return err
	}
	return c.release(r.Deducted)
}

// payLeg has l paid by action, with the interest since the refund was agreed to.
func (s *Service) payLeg(ctx context.Context, tx pgx.Tx, c *Contract, r Refund, l *Payback, action string) error {
	var err error
	if l.State, err = bySystemStep(paybackFlow, l.State, action); err != nil {
		return err
	}
	more, err := s.interest(ctx, tx, c, r, *l)
	if err != nil {
		return err
	}
	l.Interest, l.Attempts = l.Interest+more, l.Attempts+1
	t := c.payBack(*l, s.Now())
	l.TransferID, l.PaidOn, l.RetryOn, l.Reason = &t.id, s.today(), day.Date{}, ""
	if err := postAll(ctx, tx, append(c.accrue(*l, more, s.Now()), t)); err != nil {
		return err
	}
	return savePayback(ctx, tx, *l)
}

// interest is what l has earned since its refund was agreed to and was not booked yet.
func (s *Service) interest(ctx context.Context, tx pgx.Tx, c *Contract, r Refund, l Payback) (Fen, error) {
	days := r.AgreedOn.DaysUntil(s.today())
	if days <= 0 || l.Route == "" {
		return 0, nil
	}
	a, err := findAgreement(ctx, tx, c)
	if err != nil {
		return 0, err
	}
	rules, err := rule.InForce(ctx, tx, c.Jurisdiction, r.AgreedOn, interestKept, interestBase)
	if err != nil {
		return 0, err
	}
	rate, err := interestRate(ctx, tx, c, a, claim{fault: r.Fault, rules: rules})
	if err != nil {
		return 0, err
	}
	more := max(0, rate.on(l.Amount, days)-l.Interest)
	if more > 0 {
		err = openRefundAccounts(ctx, tx, c.InstitutionID)
	}
	return more, err
}

// finishRefund notes that r is paid, if each of its legs is, and says so in words.
func (s *Service) finishRefund(ctx context.Context, tx pgx.Tx, c *Contract, r *Refund, words string) error {
	unpaid, err := unpaidLegs(ctx, tx, *r)
	if err != nil {
		return err
	}
	if unpaid > 0 {
		return saveRefund(ctx, tx, *r)
	}
	if r.State, err = bySystemStep(refundFlow, r.State, "pay_back"); err != nil {
		return err
	}
	r.PaidOn = s.today()
	if err := saveRefund(ctx, tx, *r); err != nil {
		return err
	}
	if err := s.note(ctx, tx, c, bySystem, "", "pay_back", words); err != nil {
		return err
	}
	return event.Append(ctx, tx, ContractTopic, c.ID, refundPaid(c, *r))
}

// ReturnPayback is the bank's word that a payback came back (退票), as an official
// records it.
type ReturnPayback struct {
	once.Key
	ID     string `path:"id" maxLength:"64"`
	Reason string `json:"reason" minLength:"1" maxLength:"200" description:"as the bank says it"`
}

// ReturnPayback takes the booking back, naming it; the leg is tried again by itself,
// as often as the rulebook says, and then when somebody asks for it. All other legs
// stand.
func (s *Service) ReturnPayback(ctx context.Context, req ReturnPayback) (RefundView, error) {
	return once.Do(ctx, s.DB, req, s.onPayback(ctx, req.ID, "return", func(tx pgx.Tx, b basket, r *Refund, l *Payback) error {
		if l.Route == "" {
			return fault.Conflict.Errorf("机构以自有资金退还的款项不经监管账户，没有退票")
		}
		if l.NewContract != "" {
			return fault.Conflict.Errorf("这笔款项已转为新合同的付款，不能退票")
		}
		t, err := findTransfer(ctx, tx, l.InstitutionID, *l.TransferID)
		if err != nil {
			return err
		}
		if err := post(ctx, tx, t.reversal(s.Now())); err != nil {
			return err
		}
		rules, err := rule.InForce(ctx, tx, b.own.Jurisdiction, s.today(), retryAfter, retryMax)
		if err != nil {
			return err
		}
		next, err := rule.Due(ctx, tx, rules[retryAfter], s.today())
		if err != nil {
			return err
		}
		l.State, l.Reason, l.PaidOn = legReturned, req.Reason, day.Date{}
		if l.Attempts < int(rules[retryMax].Int()) {
			l.RetryOn = next.On
		}
		if err := savePayback(ctx, tx, *l); err != nil {
			return err
		}
		if r.State == paidBack {
			if r.State, err = bySystemStep(refundFlow, r.State, "returned"); err != nil {
				return err
			}
			r.PaidOn = day.Date{}
		}
		return s.saveAnswer(ctx, tx, b.own, *r, "return", fmt.Sprintf("原路退回的 %s 被银行退票：%s", l.Amount.Yuan(), l.Reason))
	}))
}

// RetryPayback has a leg that came back paid again.
type RetryPayback struct {
	once.Key
	ID string `path:"id" maxLength:"64"`
}

// RetryPayback pays it, with the interest of the days between.
func (s *Service) RetryPayback(ctx context.Context, req RetryPayback) (RefundView, error) {
	return once.Do(ctx, s.DB, req, s.onPayback(ctx, req.ID, "retry", func(tx pgx.Tx, b basket, r *Refund, l *Payback) error {
		return s.retry(ctx, tx, b.own, r, l)
	}))
}

func (s *Service) retry(ctx context.Context, tx pgx.Tx, c *Contract, r *Refund, l *Payback) error {
	if err := s.payLeg(ctx, tx, c, *r, l, "retry_by_time"); err != nil {
		return err
	}
	return s.finishRefund(ctx, tx, c, r, fmt.Sprintf("再次办理原路退回 %s，利息 %s（银行为模拟）", l.Amount.Yuan(), l.Interest.Yuan()))
}

// retryByTime pays a leg again whose day has come.
func (s *Service) retryByTime(ctx context.Context, tx pgx.Tx, id string) error {
	l, err := findPayback(ctx, tx, id)
	if err != nil {
		return err
	}
	b, r, err := lockRefund(ctx, tx, l.RefundID)
	if err != nil {
		return err
	}
	l, err = findPayback(ctx, tx, id) // as it is under the lock
	if err != nil || l.State != legReturned || l.RetryOn.IsZero() || s.today().Before(l.RetryOn) {
		return err
	}
	return s.retry(ctx, tx, b.own, &r, &l)
}

// ReceivePayback is a parent's word that the institution paid its own part.
type ReceivePayback struct {
	once.Key
	ID string `path:"id" maxLength:"64"`
}

// ReceivePayback books it: nobody but who was paid can say so.
func (s *Service) ReceivePayback(ctx context.Context, req ReceivePayback) (RefundView, error) {
	return once.Do(ctx, s.DB, req, s.onPayback(ctx, req.ID, "received", func(tx pgx.Tx, b basket, r *Refund, l *Payback) error {
		if err := s.payLeg(ctx, tx, b.own, *r, l, "pay_back"); err != nil {
			return err
		}
		return s.finishRefund(ctx, tx, b.own, r, fmt.Sprintf("家长确认收到机构退还的 %s", l.Amount.Yuan()))
	}))
}

// onPayback is the transaction that takes a leg of a refund one step by act.
func (s *Service) onPayback(ctx context.Context, id, action string, act func(pgx.Tx, basket, *Refund, *Payback) error) func(pgx.Tx) (RefundView, error) {
	return func(tx pgx.Tx) (RefundView, error) {
		by := auth.From(ctx)
		l, err := findPayback(ctx, tx, id)
		if err != nil {
			return RefundView{}, err
		}
		b, r, err := lockRefund(ctx, tx, l.RefundID)
		if err != nil {
			return RefundView{}, err
		}
		if l, err = findPayback(ctx, tx, id); err != nil { // as it is under the lock
			return RefundView{}, err
		}
		if by.Agency == "" {
			if err := b.own.party(by); err != nil {
				return RefundView{}, err
			}
		}
		if _, err := paybackFlow.Step(l.State, action, by); err != nil {
			return RefundView{}, err
		}
		if err := act(tx, b, &r, &l); err != nil {
			return RefundView{}, err
		}
		return s.showRefund(ctx, tx, b.own, r)
	}
}

// payKept pays out what a refund left to the institution while its payouts were held.
func (s *Service) payKept(ctx context.Context, tx pgx.Tx, id string) error {
	b, r, err := lockRefund(ctx, tx, id)
	if err != nil || !r.Waits {
		return err
	}
	if held, err := payoutsHeld(ctx, tx, b.own); held || err != nil {
		return err
	}
	if err := b.own.release(r.Deducted); err != nil {
		return err
	}
	if err := saveContract(ctx, tx, b.own); err != nil {
		return err
	}
	if err := post(ctx, tx, b.own.resumeKept(r, s.Now())); err != nil {
		return err
	}
	words := fmt.Sprintf("恢复拨付：退费时留给机构的 %s", r.Deducted.Yuan())
	r.Waits = false
	if err := saveRefund(ctx, tx, r); err != nil {
		return err
	}
	return s.note(ctx, tx, b.own, bySystem, "", "resume", words)
}

// postAll books transfers, if there are any.
func postAll(ctx context.Context, tx pgx.Tx, transfers []transfer) error {
	if len(transfers) == 0 {
		return nil
	}
	return post(ctx, tx, transfers...)
}
