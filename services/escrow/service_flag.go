package escrow

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/event"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// review judges b again after a fact that can only have eased it; without an
// open flag there is nothing to clear.
func (s *Service) review(ctx context.Context, tx pgx.Tx, b basket, fact string) error {
	if !b.own.Watched {
		return nil
	}
	return s.judge(ctx, tx, b, fact)
}

// judge applies the fee rules to b as it is saved, raises the flags that are
// missing and clears those that fact has made void.
func (s *Service) judge(ctx context.Context, tx pgx.Tx, b basket, fact string) error {
	found, err := s.findings(ctx, tx, b.own)
	if err != nil {
		return err
	}
	open, err := openFlags(ctx, tx, b.own)
	if err != nil {
		return err
	}
	raise, clear := settle(found, open)
	if err := s.raise(ctx, tx, b, raise); err != nil {
		return err
	}
	if err := s.clear(ctx, tx, b, clear, fact); err != nil {
		return err
	}
	return saveWatched(ctx, tx, b, len(found) > 0)
}

// findings applies the fee rules to the basket of c, as if c were paid today if
// it is not.
func (s *Service) findings(ctx context.Context, tx pgx.Tx, c *Contract) ([]Finding, error) {
	rows, err := listOrders(ctx, tx, c)
	if err != nil {
		return nil, err
	}
	i, err := findInstitution(ctx, tx, c.InstitutionID)
	if err != nil {
		return nil, err
	}
	sets := map[day.Date]rule.Set{}
	orders := make([]Order, len(rows))
	for n, r := range rows {
		on := r.paidOn(s.today())
		if sets[on] == nil {
			if sets[on], err = rulesOn(ctx, tx, c.Jurisdiction, on); err != nil {
				return nil, err
			}
		}
		orders[n] = r.order(on, sets[on])
	}
	return Findings(i.Kind, orders), nil
}

// paidOn is the day of r's payment, or today if it is not paid.
func (r orderRow) paidOn(today day.Date) day.Date {
	if r.PaidAt == nil {
		return today
	}
	return day.Of(*r.PaidAt)
}

// order is r as the fee rules see it, under those in force when it was paid.
func (r orderRow) order(paid day.Date, rules rule.Set) Order {
	return Order{
		Contract: r.Contract, PaidOn: paid, Lessons: r.Lessons, GiftLessons: r.GiftLessons, First: r.First, Last: r.Last,
		Begun: r.Begun, Held: r.Held, Agreed: r.agreed(), Price: r.Price, Bought: r.Bought, Rules: rules,
	}
}

// rulesOn is the fee rules in force at a place on a day. Unavailable without one that
// every place has.
func rulesOn(ctx context.Context, tx pgx.Tx, place string, on day.Date) (rule.Set, error) {
	set, err := rule.Known(ctx, tx, place, on, slices.Concat(feeRules, localRules)...)
	if err != nil {
		return nil, err
	}
	return set, set.Need(place, on, feeRules...)
}

func (s *Service) raise(ctx context.Context, tx pgx.Tx, b basket, found []Finding) error {
	if len(found) == 0 {
		return nil
	}
	rules, err := rule.InForce(ctx, tx, b.own.Jurisdiction, s.today(), flagAnswer)
	if err != nil {
		return err
	}
	answer, err := rule.Due(ctx, tx, rules[flagAnswer], s.today())
	if err != nil {
		return err
	}
	for _, f := range found {
		c := b.find(f.Contract)
		flag := Flag{
			ID: newID(), InstitutionID: c.InstitutionID, ContractID: c.ID, Jurisdiction: c.Jurisdiction, Manager: c.Manager, Parent: c.Parent,
			State: flagOpen, RuleKey: f.Rule.Key, Ground: f.Rule.Ground(f.Inputs), Explanation: f.Explanation,
			RaisedOn: s.today(), Due: answer.On, Provisional: answer.Provisional,
		}
		if err := insertFlag(ctx, tx, flag); err != nil {
			return err
		}
		if err := s.note(ctx, tx, c, bySystem, "", "flag", "提示："+flag.Explanation); err != nil {
			return err
		}
		if err := event.Append(ctx, tx, Topic, c.ID, contractFlagged(c, flag)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) clear(ctx context.Context, tx pgx.Tx, b basket, flags []Flag, fact string) error {
	for _, f := range flags {
		f.State, f.ClearedOn, f.ClearedBy = flagCleared, s.today(), fact
		if err := saveCleared(ctx, tx, f); err != nil {
			return err
		}
		c := b.find(f.ContractID)
		if err := s.note(ctx, tx, c, bySystem, "", "clear", "提示解除（"+f.RuleKey+"）："+fact); err != nil {
			return err
		}
		if err := event.Append(ctx, tx, Topic, c.ID, flagClearedFact(c, f)); err != nil {
			return err
		}
	}
	return nil
}

// warnings is what a party is told before paying.
func (s *Service) warnings(ctx context.Context, tx pgx.Tx, c *Contract, sees sight) ([]Warning, error) {
	if !sees.party || (c.State != offered && c.State != signed) {
		return []Warning{}, nil
	}
	found, err := s.findings(ctx, tx, c)
	own := slices.DeleteFunc(found, func(f Finding) bool { return f.Contract != c.ID })
	return views(own, Finding.warning), err
}

// ListFlags asks for the flags in the caller's scope, the first due first.
type ListFlags struct {
	State string `query:"state" enum:"OPEN,CLEARED"`
	Page  int    `query:"page" minimum:"1" maximum:"10000"`
}

// Flags is a page of flags.
type Flags struct {
	Items []FlagView `json:"items"`
	Page  int        `json:"page"`
	More  bool       `json:"more"`
}

// ListFlags returns flags.
func (s *Service) ListFlags(ctx context.Context, req ListFlags) (Flags, error) {
	by, page := auth.From(ctx), max(req.Page, 1)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Flags, error) {
		calendar, err := rule.Calendar(ctx, tx)
		if err != nil {
			return Flags{}, err
		}
		all, err := listFlags(ctx, tx, scopeOf(by), req.State, page)
		all, more := cut(all)
		return Flags{views(all, func(f Flag) FlagView { return f.view().lit(s.today(), calendar) }), page, more}, err
	})
}

// FindFlag asks for one flag.
type FindFlag struct {
	ID string `path:"id" maxLength:"64"`
}

// FlagCase is a flag with the contract that it is about.
type FlagCase struct {
	FlagView
	About    ContractLine `json:"about"`
	Timeline []Entry      `json:"timeline"`
}

// FindFlag returns a flag in the caller's scope.
func (s *Service) FindFlag(ctx context.Context, req FindFlag) (FlagCase, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (FlagCase, error) {
		f, err := findFlag(ctx, tx, req.ID)
		if err != nil {
			return FlagCase{}, err
		}
		row, err := findContract(ctx, tx, f.ContractID)
		if err != nil {
			return FlagCase{}, err
		}
		calendar, err := rule.Calendar(ctx, tx)
		if err != nil {
			return FlagCase{}, err
		}
		history, err := listEntries(ctx, tx, &row.Contract)
		return FlagCase{f.view().lit(s.today(), calendar), row.line(row.InstitutionName, row.Billing, row.OpenFlags, row.sightOf(auth.From(ctx))), history}, err
	})
}
