package escrow

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/division"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// OfferContract is an institution's offer to a parent.
type OfferContract struct {
	once.Key
	Terms
}

// OfferContract writes a contract and its schedule, for the parent to sign.
// NotFound if the institution is not the caller's, Invalid if the terms make no
// sense, Refused without a licence in force or a supervised account.
func (s *Service) OfferContract(ctx context.Context, req OfferContract) (ContractView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (ContractView, error) {
		by := auth.From(ctx)
		i, err := findManaged(ctx, tx, req.Institution, by.Subject)
		if err != nil {
			return ContractView{}, err
		}
		if err := req.check(by.Subject, s.today()); err != nil {
			return ContractView{}, err
		}
		account, err := s.mayCollect(ctx, tx, i)
		if err != nil {
			return ContractView{}, err
		}
		c := offer(req.Terms, i, account.Mode)
		c.ID, c.OfferedOn = newID(), s.today()
		if err := insertContract(ctx, tx, c, plan(req.Terms)); err != nil {
			return ContractView{}, err
		}
		a := req.filled()
		a.Billing, a.InterestPPM = req.Billing, account.InterestPPM
		if err := insertAgreement(ctx, tx, c, a); err != nil {
			return ContractView{}, err
		}
		if err := s.note(ctx, tx, c, byInstitution, by.Subject, "offer", fmt.Sprintf("发出合同：%d 课时，%s", c.Lessons, c.Price.Yuan())); err != nil {
			return ContractView{}, err
		}
		return s.show(ctx, tx, c.ID)
	})
}

// SignContract is the parent's signature.
type SignContract struct {
	once.Key
	ID string `path:"id" maxLength:"64"`
}

// SignContract signs. The answer warns of the flags that paying would raise.
func (s *Service) SignContract(ctx context.Context, req SignContract) (ContractView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (ContractView, error) {
		by := auth.From(ctx)
		b, err := lockBasket(ctx, tx, req.ID)
		if err != nil {
			return ContractView{}, err
		}
		if err := b.own.take("sign", by); err != nil {
			return ContractView{}, err
		}
		if err := saveContract(ctx, tx, b.own); err != nil {
			return ContractView{}, err
		}
		if err := savePrior(ctx, tx, b.own); err != nil {
			return ContractView{}, err
		}
		if err := s.note(ctx, tx, b.own, byParent, by.Subject, "sign", "家长签订合同"); err != nil {
			return ContractView{}, err
		}
		if err := event.Append(ctx, tx, ContractTopic, b.own.ID, contractSigned(b.own)); err != nil {
			return ContractView{}, err
		}
		return s.show(ctx, tx, b.own.ID)
	})
}

// CancelContract ends a contract that was not paid.
type CancelContract struct {
	once.Key
	ID string `path:"id" maxLength:"64"`
}

// CancelContract is either party's word before payment.
func (s *Service) CancelContract(ctx context.Context, req CancelContract) (ContractView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (ContractView, error) {
		by := auth.From(ctx)
		b, err := lockBasket(ctx, tx, req.ID)
		if err != nil {
			return ContractView{}, err
		}
		if err := b.own.take("cancel", by); err != nil {
			return ContractView{}, err
		}
		if err := saveContract(ctx, tx, b.own); err != nil {
			return ContractView{}, err
		}
		if err := s.note(ctx, tx, b.own, b.own.actor(by), by.Subject, "cancel", "付款前取消合同"); err != nil {
			return ContractView{}, err
		}
		return s.show(ctx, tx, b.own.ID)
	})
}

// PayContract is a parent's payment into the supervised account. The bank is
// simulated: the payment is recorded as received.
type PayContract struct {
	once.Key
	ID        string `path:"id" maxLength:"64"`
	AmountFen Fen    `json:"amount_fen" minimum:"1" description:"must be the price, in 分"`
	Reference string `json:"reference" minLength:"4" maxLength:"64" pattern:"^[!-~]+$" description:"the payment's business reference, unique for ever"`
}

// PayContract takes the money and flags what is excessive about it; a flag
// refuses nothing. The same reference again gets the same answer; Conflict if it
// belongs to another payment.
func (s *Service) PayContract(ctx context.Context, req PayContract) (ContractView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (ContractView, error) {
		b, err := lockBasket(ctx, tx, req.ID)
		if err != nil {
			return ContractView{}, err
		}
		if was, err := paidWith(ctx, tx, b.own, req.Reference); err != nil {
			return ContractView{}, err
		} else if !was {
			if err := s.pay(ctx, tx, b, req); err != nil {
				return ContractView{}, err
			}
		}
		return s.show(ctx, tx, b.own.ID)
	})
}

func (s *Service) pay(ctx context.Context, tx pgx.Tx, b basket, req PayContract) error {
	by, c := auth.From(ctx), b.own
	if c.Paid == c.Price {
		return fault.Conflict.Errorf("合同价款已经付清")
	}
	if err := c.take("pay", by); err != nil {
		return err
	}
	i, err := findInstitution(ctx, tx, c.InstitutionID)
	if err != nil {
		return err
	}
	if err := i.licensed(s.today()); err != nil {
		return err
	}
	if err := collecting(ctx, tx, i); err != nil {
		return err
	}
	a, err := findAgreement(ctx, tx, c)
	if err != nil {
		return err
	}
	if err := c.receive(req.AmountFen, c.due(a), s.Now()); err != nil {
		return err
	}
	if err := saveContract(ctx, tx, c); err != nil {
		return err
	}
	held := c.hold(req.Reference, req.AmountFen, s.Now())
	if err := savePayment(ctx, tx, c, req.Reference, held); err != nil {
		return err
	}
	if err := s.note(ctx, tx, c, byParent, by.Subject, "pay", req.AmountFen.Yuan()+" 已进入监管账户"); err != nil {
		return err
	}
	if err := event.Append(ctx, tx, ContractTopic, c.ID, paymentReceived(c, held.id, req.AmountFen)); err != nil {
		return err
	}
	all, err := s.look(ctx, tx, c)
	if err != nil {
		return err
	}
	if c.Paid == req.AmountFen { // later instalments pay what was seen with the first
		if err := saveSeen(ctx, tx, c, i.Kind, all.kin(c), s.today()); err != nil {
			return err
		}
	}
	return s.judgeBy(ctx, tx, b, all, "")
}

// actor is what by is in c's history.
func (c *Contract) actor(by auth.Caller) string {
	if by.Subject == c.Parent {
		return byParent
	}
	return byInstitution
}

// FindContract asks for one contract.
type FindContract struct {
	ID string `path:"id" maxLength:"64"`
}

// FindContract returns a contract in the caller's scope.
func (s *Service) FindContract(ctx context.Context, req FindContract) (ContractView, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (ContractView, error) { return s.show(ctx, tx, req.ID) })
}

// show is a contract as ctx's caller sees it.
func (s *Service) show(ctx context.Context, tx pgx.Tx, id string) (v ContractView, err error) {
	row, err := findContract(ctx, tx, id)
	if err != nil {
		return v, err
	}
	c, by := &row.Contract, auth.From(ctx)
	sees := c.sightOf(by, row.Winding)
	v.ContractLine = c.line(row.InstitutionName, row.Billing, row.OpenFlags, sees)
	if v.Agreement, err = findAgreement(ctx, tx, c); err != nil {
		return v, err
	}
	v.DueFen = c.due(v.Agreement)
	v.Actions = c.actions(sees)
	v.Hold = holdWords(row.HeldSince, by.Subject == c.Parent)
	if v.Progress, err = findProgress(ctx, tx, c); err != nil {
		return v, err
	}
	if v.Warnings, err = s.warnings(ctx, tx, c, sees); err != nil {
		return v, err
	}
	flags, err := flagsOf(ctx, tx, c)
	if err != nil {
		return v, err
	}
	v.Flags = views(flags, func(f Flag) FlagView { return f.view(by) })
	refunds, err := listRefunds(ctx, tx, c)
	if err != nil {
		return v, err
	}
	legs, err := listPaybacks(ctx, tx, c)
	if err != nil {
		return v, err
	}
	v.Refunds = views(refunds, func(r Refund) RefundView { return r.view(sees, legs) })
	v.Timeline, err = listEntries(ctx, tx, c)
	return v, err
}

// actions is what s's caller may do with c: a price that is paid is not paid again, and
// nothing is paid to an institution that is wound down.
func (c *Contract) actions(s sight) []flow.Action {
	all := withFields(contractFlow.Actions(c.State, "/v1/contracts/"+c.ID, s.caller))
	return slices.DeleteFunc(all, func(a flow.Action) bool {
		return a.Action == "pay" && (c.Paid == c.Price || s.winding != "") || a.Action == "refunds" && frozen(s.winding) != nil
	})
}

// views is view of each; never nil, so that it is a list for people too.
func views[T, V any](all []T, view func(T) V) []V {
	vs := make([]V, len(all))
	for i, t := range all {
		vs[i] = view(t)
	}
	return vs
}

// ListContracts asks for the contracts in the caller's scope, newest first.
type ListContracts struct {
	Institution string `query:"institution" maxLength:"64"`
	State       string `query:"state" enum:"OFFERED,SIGNED,PAID,FINISHED,CANCELLED"`
	Flagged     bool   `query:"flagged" description:"only those with an open flag"`
	Page        int    `query:"page" minimum:"1" maximum:"10000"`
}

// Contracts is a page of contracts.
type Contracts struct {
	Items []ContractLine `json:"items"`
	Page  int            `json:"page"`
	More  bool           `json:"more"`
}

// ListContracts returns a parent's or manager's own, an official's district's.
func (s *Service) ListContracts(ctx context.Context, req ListContracts) (Contracts, error) {
	by, page := auth.From(ctx), max(req.Page, 1)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Contracts, error) {
		rows, err := listContracts(ctx, tx, scopeOf(by), contractFilter{req.Institution, req.State, req.Flagged, page})
		if err != nil {
			return Contracts{}, err
		}
		rows, more := cut(rows)
		return Contracts{views(rows, func(r contractRow) ContractLine {
			return r.line(r.InstitutionName, r.Billing, r.OpenFlags, r.sightOf(by, r.Winding))
		}), page, more}, nil
	})
}

// cut makes a page of rows, which were asked for with one more than fits.
func cut[T any](rows []T) (page []T, more bool) {
	if len(rows) > pageSize {
		return rows[:pageSize], true
	}
	return rows, false
}

// scopeOf is what c's lists are cut down to.
func scopeOf(c auth.Caller) scope {
	if c.Agency != "" {
		return scope{division: division.Prefix(c.Jurisdiction)}
	}
	return scope{person: c.Subject}
}
