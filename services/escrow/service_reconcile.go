package escrow

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// reconcileSome is how many institutions are reconciled in one transaction: few
// enough that it is short, many enough that each statement is about thousands of rows.
// reconcileAtOnce is how many such transactions there are at a time.
const (
	reconcileSome   = 200
	reconcileAtOnce = 2
)

// reconcile compares the next institutions of a part of a bank's day, "bank/day/part":
// contracts and orders, lessons, and what the bank says. What it has booked before it is
// told again.
func (s *Service) reconcile(ctx context.Context, tx pgx.Tx, id string) error {
	names := strings.Split(id, "/") // a bank's has no stroke
	bank := names[0]
	d, err := day.Parse(names[1])
	if err != nil {
		return err
	}
	part, err := strconv.Atoi(names[2])
	if err != nil {
		return err
	}
	if err := long(ctx, tx); err != nil {
		return err
	}
	some, err := institutionsToReconcile(ctx, tx, bank, d, part, reconcileSome)
	if err != nil {
		return err
	}
	if len(some) == 0 {
		return saveReconciled(ctx, tx, bank, d, part)
	}
	c := comparison{bank: bank, day: d, today: s.today(), institutions: some}
	if err := admitStaged(ctx, tx, c); err != nil {
		return err
	}
	if err := s.compare(ctx, tx, c); err != nil {
		return err
	}
	return saveReconciledTo(ctx, tx, bank, d, part, some[len(some)-1])
}

// comparison is what is compared: one day of some institutions at one bank.
type comparison struct {
	bank         string
	day          day.Date
	today        day.Date
	institutions []string
}

// end is the last second of the day, at which is booked what the bank did on it.
func (c comparison) end() time.Time { return c.day.AddDays(1).Start().Add(-time.Second) }

// compare brings up every difference of c's day, closes what its movements explain,
// and books what they did.
func (s *Service) compare(ctx context.Context, tx pgx.Tx, c comparison) error {
	if err := closeByMovement(ctx, tx, c); err != nil {
		return err
	}
	moved, err := findMoved(ctx, tx, c)
	if err != nil {
		return err
	}
	all, booked := sortMoved(c, moved)
	overdrawn, err := bookMoved(ctx, tx, booked)
	if err != nil {
		return err
	}
	from, to, after, err := s.transit(ctx, tx, c)
	if err != nil {
		return err
	}
	missing, err := findMissing(ctx, tx, c, from, to)
	if err != nil {
		return err
	}
	own, err := findOwn(ctx, tx, c)
	if err != nil {
		return err
	}
	if err := s.claim(ctx, tx, c, append(append(append(all, overdrawn...), missing...), own...)); err != nil {
		return err
	}
	wrong, err := correct(ctx, tx, c)
	if err != nil {
		return err
	}
	if err := s.claim(ctx, tx, c, wrong); err != nil {
		return err
	}
	if err := insertReconciled(ctx, tx, c); err != nil {
		return err
	}
	return s.supervise(ctx, tx, c, after)
}

// sortMoved parts what the bank's movements amount to: differences, and what is to
// be booked, an institution's together.
func sortMoved(c comparison, moved []found) (differences []found, booked []transfer) {
	for _, f := range moved {
		reference := fmt.Sprintf("%s/%s", c.bank, c.day)
		switch f.Kind {
		case payOutTransfer:
			booked = append(booked, payOut(f.InstitutionID, reference, f.Actual, c.end()))
		case pledgeTransfer:
			booked = append(booked, pledge(f.InstitutionID, reference, f.Actual, c.end()))
		default:
			differences = append(differences, f)
		}
	}
	return differences, booked
}

// bookMoved books what the bank did. What the ledger has no money for, because
// somebody has booked otherwise, is a difference instead.
func bookMoved(ctx context.Context, tx pgx.Tx, booked []transfer) (overdrawn []found, err error) {
	if len(booked) == 0 {
		return nil, nil
	}
	short, err := findShort(ctx, tx, booked)
	if err != nil {
		return nil, err
	}
	var good []transfer
	for _, t := range booked {
		if has, is := short[t.institution]; is && t.kind == payOutTransfer {
			overdrawn = append(overdrawn, found{t.institution, offBalance, custodyAccount, t.reference, "", has, t.legs[0].amount})
			continue
		}
		if t.kind == pledgeTransfer { // may be the first that the ledger hears of the institution
			if err := openAccounts(ctx, tx, t.institution, ""); err != nil {
				return nil, err
			}
		}
		good = append(good, t)
	}
	if len(good) == 0 {
		return overdrawn, nil
	}
	return overdrawn, post(ctx, tx, good...)
}

// transit is the days whose payments and orders have to be on the bank's books by
// c's day, and the first day of which they have not.
func (s *Service) transit(ctx context.Context, tx pgx.Tx, c comparison) (from, to, after day.Date, err error) {
	b, err := findBank(ctx, tx, c.bank)
	if err != nil {
		return from, to, after, err
	}
	calendar, err := rule.Calendar(ctx, tx)
	if err != nil {
		return from, to, after, err
	}
	rules, err := rule.InForce(ctx, tx, b.Jurisdiction, c.day, inTransit)
	if err != nil {
		return from, to, after, err
	}
	from, to, after, err = inTransitTo(c.day, func(d day.Date) (day.Date, error) {
		due, err := calendar.Due(d, int(rules[inTransit].Int()), day.Unit(rules[inTransit].Unit))
		return due.On, err
	})
	if !from.IsZero() && from.Before(b.Since) {
		from = b.Since
	}
	return from, to, after, err
}

// claim keeps what was found, with who has to answer for it and by when.
func (s *Service) claim(ctx context.Context, tx pgx.Tx, c comparison, all []found) error {
	if len(all) == 0 {
		return nil
	}
	calendar, err := rule.Calendar(ctx, tx)
	if err != nil {
		return err
	}
	places, err := placesOf(ctx, tx, c.institutions)
	if err != nil {
		return err
	}
	rules := map[string]rule.Rule{}
	var raised []Discrepancy
	for _, f := range all {
		i := places[f.InstitutionID]
		r, known := rules[i.Jurisdiction]
		if !known {
			set, err := rule.InForce(ctx, tx, i.Jurisdiction, c.today, reconcileAnswer)
			if err != nil {
				return err
			}
			r = set[reconcileAnswer]
			rules[i.Jurisdiction] = r
		}
		due, err := calendar.Due(c.today, int(r.Int()), day.Unit(r.Unit))
		if err != nil {
			return err
		}
		raised = append(raised, Discrepancy{
			InstitutionID: f.InstitutionID, ID: newID(), Jurisdiction: i.Jurisdiction, Manager: i.Manager, Kind: f.Kind, Account: f.Account,
			Reference: f.Reference, Txn: f.Txn, Day: c.day, Expected: f.Expected, Actual: f.Actual, Owner: discrepancyKinds[f.Kind].owner,
			RaisedOn: c.today, Due: due.On, Provisional: due.Provisional,
			Ground: r.Ground(map[string]any{"day": c.day.String(), "expected_fen": f.Expected, "actual_fen": f.Actual}), State: discrepancyOpen,
		})
	}
	return insertDiscrepancies(ctx, tx, raised)
}

// ListReconciliations asks for the days of institutions, newest first.
type ListReconciliations struct {
	Institution string   `query:"institution" maxLength:"64"`
	From        day.Date `query:"from" description:"the first day"`
	To          day.Date `query:"to" description:"the last day"`
	Page        int      `query:"page" minimum:"1" maximum:"10000"`
}

// Reconciliations is a page of days.
type Reconciliations struct {
	Items []ReconciledView `json:"items"`
	Page  int              `json:"page"`
	More  bool             `json:"more"`
}

// ListReconciliations returns the three sides of each day, of a manager's own
// institutions or an official's district.
func (s *Service) ListReconciliations(ctx context.Context, req ListReconciliations) (Reconciliations, error) {
	by, page := auth.From(ctx), max(req.Page, 1)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Reconciliations, error) {
		rows, err := listReconciled(ctx, tx, scopeOf(by), req, page)
		rows, more := cut(rows)
		return Reconciliations{views(rows, Reconciled.view), page, more}, err
	})
}

// ListDiscrepancies asks for discrepancies, those first that are due first.
type ListDiscrepancies struct {
	Institution string   `query:"institution" maxLength:"64"`
	Kind        string   `query:"kind" enum:"missing_in,missing_out,unknown_in,unknown_out,amount,duplicate,balance,lessons,orders"`
	State       string   `query:"state" enum:"OPEN,EXPLAINED,CLOSED"`
	Day         day.Date `query:"day" description:"of which they are"`
	Page        int      `query:"page" minimum:"1" maximum:"10000"`
}

// Discrepancies is a page of them.
type Discrepancies struct {
	Items []DiscrepancyView `json:"items"`
	Page  int               `json:"page"`
	More  bool              `json:"more"`
}

// ListDiscrepancies returns those in the caller's scope.
func (s *Service) ListDiscrepancies(ctx context.Context, req ListDiscrepancies) (Discrepancies, error) {
	by, page := auth.From(ctx), max(req.Page, 1)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Discrepancies, error) {
		calendar, err := rule.Calendar(ctx, tx)
		if err != nil {
			return Discrepancies{}, err
		}
		rows, err := listDiscrepancies(ctx, tx, scopeOf(by), req, page)
		rows, more := cut(rows)
		return Discrepancies{views(rows, func(r discrepancyRow) DiscrepancyView { return showDiscrepancy(r, by).lit(s.today(), calendar) }), page, more}, err
	})
}

// showDiscrepancy is r as by sees it. Who explained it is no button's for its second look.
func showDiscrepancy(r discrepancyRow, by auth.Caller) DiscrepancyView {
	v := r.view()
	for _, a := range withFields(discrepancyFlow.Actions(r.State, "/v1/discrepancies/"+r.ID, by)) {
		if a.Action == "confirm" && r.ExplainedBy == by.Subject {
			continue
		}
		v.Actions = append(v.Actions, a)
	}
	return v
}

// FindDiscrepancy asks for one.
type FindDiscrepancy struct {
	ID string `path:"id" maxLength:"64"`
}

// FindDiscrepancy returns one in the caller's scope.
func (s *Service) FindDiscrepancy(ctx context.Context, req FindDiscrepancy) (DiscrepancyView, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (DiscrepancyView, error) {
		r, err := findDiscrepancyRow(ctx, tx, req.ID)
		if err != nil {
			return DiscrepancyView{}, err
		}
		calendar, err := rule.Calendar(ctx, tx)
		return showDiscrepancy(r, auth.From(ctx)).lit(s.today(), calendar), err
	})
}

// ExplainDiscrepancy is an official's word on how it came about.
type ExplainDiscrepancy struct {
	once.Key
	ID     string `path:"id" maxLength:"64"`
	Reason string `json:"reason" minLength:"4" maxLength:"500"`
}

// ExplainDiscrepancy puts the explanation before a second person.
func (s *Service) ExplainDiscrepancy(ctx context.Context, req ExplainDiscrepancy) (DiscrepancyView, error) {
	return once.Do(ctx, s.DB, req, s.onDiscrepancy(ctx, req.ID, "explain", func(_ pgx.Tx, d *Discrepancy) error {
		d.ExplainedBy, d.Explanation = auth.From(ctx).Subject, req.Reason
		return nil
	}))
}

// ConfirmDiscrepancy is the second person's yes.
type ConfirmDiscrepancy struct {
	once.Key
	ID string `path:"id" maxLength:"64"`
}

// ConfirmDiscrepancy closes what was explained. Forbidden for who explained it.
func (s *Service) ConfirmDiscrepancy(ctx context.Context, req ConfirmDiscrepancy) (DiscrepancyView, error) {
	return once.Do(ctx, s.DB, req, s.onDiscrepancy(ctx, req.ID, "confirm", func(_ pgx.Tx, d *Discrepancy) error {
		if d.ExplainedBy == auth.From(ctx).Subject {
			return fault.Forbidden.Errorf("说明人不能复核自己的说明，请由另一人复核")
		}
		d.ClosedHow = "explanation"
		return nil
	}))
}

// RejectDiscrepancy is the second person's no.
type RejectDiscrepancy struct {
	once.Key
	ID     string `path:"id" maxLength:"64"`
	Reason string `json:"reason" minLength:"4" maxLength:"500"`
}

// RejectDiscrepancy opens the discrepancy again; the explanation stays in the
// account's history.
func (s *Service) RejectDiscrepancy(ctx context.Context, req RejectDiscrepancy) (DiscrepancyView, error) {
	return once.Do(ctx, s.DB, req, s.onDiscrepancy(ctx, req.ID, "reject", func(_ pgx.Tx, d *Discrepancy) error {
		d.ExplainedBy, d.Explanation = "", ""
		return nil
	}))
}

// CloseByReversal names the reversal that put the ledger right.
type CloseByReversal struct {
	once.Key
	ID       string `path:"id" maxLength:"64"`
	Transfer string `json:"transfer" minLength:"1" maxLength:"64" description:"id of the reversal"`
}

// CloseByReversal closes a discrepancy by a reversal in the ledger of the same
// account, booked since, by the same amount one way or the other. Invalid if the
// transfer is no such reversal.
func (s *Service) CloseByReversal(ctx context.Context, req CloseByReversal) (DiscrepancyView, error) {
	return once.Do(ctx, s.DB, req, s.onDiscrepancy(ctx, req.ID, "reverse", func(tx pgx.Tx, d *Discrepancy) error {
		amount, err := findReversal(ctx, tx, d, req.Transfer)
		if errors.Is(err, fault.NotFound) || err == nil && max(amount, -amount) != max(d.Actual-d.Expected, d.Expected-d.Actual) {
			return fault.Fields(fault.Field{Pointer: "/transfer", Detail: "应为该机构该账户在差异产生之后、金额相同的冲正"})
		}
		d.ClosedHow, d.ClosedWith = "reversal", req.Transfer
		return err
	}))
}

// onDiscrepancy is the transaction that takes a discrepancy one step by act.
func (s *Service) onDiscrepancy(ctx context.Context, id, action string, act func(pgx.Tx, *Discrepancy) error) func(pgx.Tx) (DiscrepancyView, error) {
	return func(tx pgx.Tx) (DiscrepancyView, error) {
		by := auth.From(ctx)
		r, err := lockDiscrepancy(ctx, tx, id)
		if err != nil {
			return DiscrepancyView{}, err
		}
		step, err := discrepancyFlow.Step(r.State, action, by)
		if err != nil {
			return DiscrepancyView{}, err
		}
		words := r.Explanation
		if err := act(tx, &r.Discrepancy); err != nil {
			return DiscrepancyView{}, err
		}
		if r.State = step.To; r.State == discrepancyClosed {
			r.ClosedBy, r.ClosedOn = by.Subject, s.today()
		}
		if r.Explanation != "" {
			words = r.Explanation
		}
		if err := saveDiscrepancy(ctx, tx, r.Discrepancy); err != nil {
			return DiscrepancyView{}, err
		}
		line := fmt.Sprintf("%s（%s %s）：%s", step.Label, r.Day, r.words(), words)
		if err := saveAccountEntry(ctx, tx, r.InstitutionID, entry{s.Now(), byBureau, by.Subject, action, line}); err != nil {
			return DiscrepancyView{}, err
		}
		return showDiscrepancy(r, by), nil
	}
}
