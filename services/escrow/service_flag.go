package escrow

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
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
	all, err := s.look(ctx, tx, b.own)
	if err != nil {
		return err
	}
	return s.judgeBy(ctx, tx, b, all, fact)
}

func (s *Service) judgeBy(ctx context.Context, tx pgx.Tx, b basket, all looked, fact string) error {
	found := all.findings(b.own)
	examined, err := examinedFlags(ctx, tx, b.own)
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(f Finding) bool {
		return f.Rule.Key == splitWindow && slices.ContainsFunc(examined, f.sameSplit)
	})
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

// looked is what the fee rules see of a basket and, beside it, of its family.
type looked struct {
	kind   string
	rows   []orderRow
	orders []Order
	family []kinRow
}

// look reads what the fee rules see of c's basket, as if c were paid today if it is not.
// The family's orders of other baskets are read, and not locked: of two that are paid
// at the same moment neither may see the other. The next payment does, and the review
// of the day after.
func (s *Service) look(ctx context.Context, tx pgx.Tx, c *Contract) (all looked, err error) {
	if all.rows, err = listOrders(ctx, tx, c); err != nil {
		return all, err
	}
	i, err := findInstitution(ctx, tx, c.InstitutionID)
	if err != nil {
		return all, err
	}
	all.kind = i.Kind
	sets := map[day.Date]rule.Set{}
	for _, r := range all.rows {
		on := r.paidOn(s.today())
		if sets[on] == nil {
			if sets[on], err = rulesOn(ctx, tx, c.Jurisdiction, on); err != nil {
				return all, err
			}
		}
		all.orders = append(all.orders, r.order(on, sets[on]))
	}
	all.family, err = listFamily(ctx, tx, c, all.windows(s.today().AddDays(1).Start()))
	return all, err
}

// findings applies the fee rules to what was seen of c's basket.
func (l looked) findings(c *Contract) []Finding {
	found := Findings(l.kind, l.orders)
	for i, o := range l.orders {
		if f := split(l.kind, l.orders[:i+1], c.kin(o, l.rows[i], l.family)); f != nil {
			f.Contract = o.Contract
			found = append(found, *f)
		}
	}
	return found
}

// kin is what was seen of c's family when c itself was looked at.
func (l looked) kin(c *Contract) []Kin {
	for i, o := range l.orders {
		if o.Contract == c.ID {
			return c.kin(o, l.rows[i], l.family)
		}
	}
	return nil
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
		if err := event.Append(ctx, tx, ContractTopic, c.ID, contractFlagged(c, flag)); err != nil {
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
		if err := event.Append(ctx, tx, ContractTopic, c.ID, flagClearedFact(c, f)); err != nil {
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
	all, err := s.look(ctx, tx, c)
	if err != nil {
		return nil, err
	}
	own := slices.DeleteFunc(all.findings(c), func(f Finding) bool { return f.Contract != c.ID })
	return views(own, Finding.warning), nil
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
		return Flags{views(all, func(f Flag) FlagView { return f.view(by).lit(s.today(), calendar) }), page, more}, err
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
		return FlagCase{f.view(auth.From(ctx)).lit(s.today(), calendar), row.line(row.InstitutionName, row.Billing, row.OpenFlags, row.sightOf(auth.From(ctx), row.Winding)), history}, err
	})
}

// ClearFlag is an official's finding that a suspicion was none.
type ClearFlag struct {
	once.Key
	ID     string `path:"id" maxLength:"64"`
	Reason string `json:"reason" minLength:"4" maxLength:"500" description:"what was looked into, and seen"`
}

// ClearFlag clears the suspicion that an order was split; the same orders raise it no
// more. Refused for every other flag, which a fact alone clears.
func (s *Service) ClearFlag(ctx context.Context, req ClearFlag) (FlagView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (FlagView, error) {
		by := auth.From(ctx)
		f, err := findFlag(ctx, tx, req.ID)
		if err != nil {
			return FlagView{}, err
		}
		b, err := lockBasket(ctx, tx, f.ContractID)
		if err != nil {
			return FlagView{}, err
		}
		if f, err = findFlag(ctx, tx, req.ID); err != nil { // as it is under the lock
			return FlagView{}, err
		}
		if f.RuleKey != splitWindow {
			return FlagView{}, fault.Refused.Because("这一提示依据事实，只随事实解除，不能人工解除", f.Ground)
		}
		step, err := flagFlow.Step(f.State, "clear", by)
		if err != nil {
			return FlagView{}, err
		}
		f.State, f.ClearedOn, f.ClearedBy, f.Examined = step.To, s.today(), "主管部门核实："+req.Reason, true
		if err := saveCleared(ctx, tx, f); err != nil {
			return FlagView{}, err
		}
		if err := s.note(ctx, tx, b.own, byBureau, by.Subject, "clear", "疑似拆分收费的提示解除，"+f.ClearedBy); err != nil {
			return FlagView{}, err
		}
		return f.view(by), event.Append(ctx, tx, ContractTopic, b.own.ID, flagClearedFact(b.own, f))
	})
}

// splitTimer is the name of the timer that runs reviewSplit.
const splitTimer = "split.review"

// reviewSplit looks at a contract once more on the day after it was paid, and daily
// while it is suspected.
func (s *Service) reviewSplit(ctx context.Context, tx pgx.Tx, contract string) error {
	b, err := lockBasket(ctx, tx, contract)
	if err != nil {
		return err
	}
	if err := s.judge(ctx, tx, b, "每日复核：同一家庭的合同合计已不超过上限"); err != nil {
		return err
	}
	return saveSplitReview(ctx, tx, b.own, s.today())
}
