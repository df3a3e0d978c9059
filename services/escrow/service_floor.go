package escrow

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// SetFloor is an authority's setting of one institution's least balance.
type SetFloor struct {
	once.Key
	Institution string `json:"institution" minLength:"1" maxLength:"64" description:"id of the institution"`
	AmountFen   Fen    `json:"amount_fen" minimum:"0" maximum:"100000000000"`
	Reason      string `json:"reason" minLength:"4" maxLength:"500" description:"size, places, annual inspection"`
}

// Floor is the least balance that was set for one institution.
type Floor struct {
	Institution string       `json:"institution"`
	AmountFen   Fen          `json:"amount_fen"`
	Since       day.Date     `json:"since"`
	Rule        fault.Ground `json:"rule"`
}

// FloorLine is a floor in a list.
type FloorLine struct {
	Floor
	InstitutionName string `json:"institution_name"`
	Jurisdiction    string `json:"jurisdiction"`
	Reason          string `json:"reason"`
	DecidedBy       string `json:"decided_by" description:"the office"`
	InForce         bool   `json:"in_force" description:"no later one stands in its place"`
}

// SetFloor sets it from today on. Refused where no rule lets the place set one.
func (s *Service) SetFloor(ctx context.Context, req SetFloor) (Floor, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Floor, error) {
		a, err := findAccount(ctx, tx, req.Institution) // is scoped
		if err != nil {
			return Floor{}, err
		}
		rules, err := rule.Known(ctx, tx, a.Jurisdiction, s.today(), fixedFloorRule)
		if err != nil {
			return Floor{}, err
		}
		r, ok := rules[fixedFloorRule]
		if !ok {
			return Floor{}, fault.Refused.Errorf("本地没有按机构核定最低余额的规定（%s），不能单独核定", fixedFloorRule)
		}
		f := Floor{req.Institution, req.AmountFen, s.today(), r.Ground(map[string]any{"amount_fen": req.AmountFen, "reason": req.Reason})}
		if err := insertFloor(ctx, tx, newID(), f, req.Reason, auth.From(ctx).Subject); err != nil {
			return Floor{}, err
		}
		words := fmt.Sprintf("核定最低余额 %s：%s", f.AmountFen.Yuan(), req.Reason)
		return f, saveAccountEntry(ctx, tx, f.Institution, entry{s.Now(), byBureau, auth.From(ctx).Subject, "floor", words})
	})
}

// ListFloors asks for the floors that were set for single institutions.
type ListFloors struct {
	Institution string `query:"institution" maxLength:"64" description:"all that were ever set for it; without it, those in force"`
	Page        int    `query:"page" minimum:"1" maximum:"10000"`
}

// Floors is a page of them, the newest first.
type Floors struct {
	Items []FloorLine `json:"items"`
	Page  int         `json:"page"`
	More  bool        `json:"more"`
}

// ListFloors returns a manager's own institutions', an education official's district's.
func (s *Service) ListFloors(ctx context.Context, req ListFloors) (Floors, error) {
	by, page := auth.From(ctx), max(req.Page, 1)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Floors, error) {
		rows, err := listFloors(ctx, tx, scopeOf(by), req.Institution, page)
		rows, more := cut(rows)
		return Floors{views(rows, floorRow.view), page, more}, err
	})
}

// floorRow is a floor as it is kept.
type floorRow struct {
	Institution, InstitutionName, Jurisdiction string
	Amount                                     Fen
	Since                                      day.Date
	Reason                                     string
	Ground                                     fault.Ground
	InForce                                    bool
}

func (r floorRow) view() FloorLine {
	return FloorLine{
		Floor: Floor{r.Institution, r.Amount, r.Since, r.Ground}, InstitutionName: r.InstitutionName, Jurisdiction: r.Jurisdiction,
		Reason: r.Reason, DecidedBy: division.Name(r.Jurisdiction) + byBureau, InForce: r.InForce,
	}
}

// FindFloors asks what an institution has to keep in its supervised accounts.
type FindFloors struct {
	Institution string `path:"institution" minLength:"1" maxLength:"64"`
}

// FloorsInForce is every floor that holds for an institution, by the rules of today, and
// how it stands to each at the end of a day.
type FloorsInForce struct {
	Institution     string      `json:"institution"`
	InstitutionName string      `json:"institution_name"`
	Jurisdiction    string      `json:"jurisdiction"`
	On              day.Date    `json:"on" description:"the day at whose end the figures are: the last that was reconciled, or yesterday"`
	Reconciled      bool        `json:"reconciled" description:"the bank has reported that day"`
	Items           []FloorHere `json:"items"`
}

// FloorHere is one floor.
type FloorHere struct {
	Kind       string       `json:"kind"`
	KindText   string       `json:"kind_text"`
	FloorFen   Fen          `json:"floor_fen" description:"there has to be"`
	BalanceFen Fen          `json:"balance_fen" description:"there is"`
	Met        bool         `json:"met"`
	Rule       fault.Ground `json:"rule" description:"with what the floor is computed from"`
}

// FindFloors computes them anew, as the daily alerts do. NotFound for an institution
// without an account in the caller's scope.
func (s *Service) FindFloors(ctx context.Context, req FindFloors) (FloorsInForce, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (FloorsInForce, error) {
		a, err := findAccount(ctx, tx, req.Institution) // is scoped
		if err != nil {
			return FloorsInForce{}, err
		}
		i, err := findInstitution(ctx, tx, req.Institution)
		if err != nil {
			return FloorsInForce{}, err
		}
		rules, err := rule.Known(ctx, tx, i.Jurisdiction, s.today(), alertRules...)
		if err != nil {
			return FloorsInForce{}, err
		}
		v := FloorsInForce{Institution: i.ID, InstitutionName: i.Name, Jurisdiction: i.Jurisdiction, Items: []FloorHere{}}
		if v.On, v.Reconciled, err = lastReconciled(ctx, tx, i.ID, s.today().AddDays(-1)); err != nil {
			return v, err
		}
		f, err := s.figuresOf(ctx, tx, a, v.On, rules)
		if err != nil {
			return v, err
		}
		if f.Fixed, err = floorOf(ctx, tx, i.ID, s.today()); err != nil {
			return v, err
		}
		for _, x := range f.standards(rules, v.On) {
			v.Items = append(v.Items, x.here(rules))
		}
		return v, nil
	})
}

// figuresOf is what the money of a's institution comes to at the end of a day.
func (s *Service) figuresOf(ctx context.Context, tx pgx.Tx, a Account, on day.Date, rules rule.Set) (Figures, error) {
	c := comparison{bank: a.Bank, day: on, today: s.today(), institutions: []string{a.Institution}}
	_, _, transit, err := s.transit(ctx, tx, c)
	if errors.Is(err, fault.NotFound) { // the bank reports nothing
		transit, err = on, nil
	}
	if err != nil {
		return Figures{}, err
	}
	all, err := listFigures(ctx, tx, watched{c, []int{int(rules[depositCycle].Int())}, []int{int(rules[rollingMonths].Int())}, transit})
	if err != nil {
		return Figures{}, err
	}
	return all[0], nil
}

// here is x for people.
func (x standard) here(rules rule.Set) FloorHere {
	inputs := maps.Clone(x.inputs)
	inputs["balance_fen"], inputs["floor_fen"] = x.has, x.floor
	return FloorHere{x.kind, alertKinds[x.kind].name, x.floor, x.has, x.has >= x.floor, rules[x.key].Ground(inputs)}
}
