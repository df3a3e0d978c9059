package escrow

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
	tipoffv1 "xunguan/proto/tipoff/v1"
)

// tipped keeps what a tip-off's event says of an institution: no more than that it
// is there, and since when.
func tipped(ctx context.Context, tx pgx.Tx, t *tipoffv1.Tip, merged bool) error {
	var received day.Date
	if err := received.UnmarshalText([]byte(t.GetReceivedOn())); err != nil {
		return err
	}
	return saveTip(ctx, tx, t.GetId(), t.GetInstitutionId(), received, merged)
}

// scored is a warning with what its band was.
type scored struct {
	EarlyWarning
	was string
}

func (w scored) changed() bool { return w.Band != w.was }

// watchTimer is the name of the timer that scores all institutions once a day;
// watchBatch is how many in one transaction.
const (
	watchTimer = "warning.watch"
	watchBatch = 50
)

// watch scores the next institutions of the run of a day. Today's run goes on where
// it stopped; one that a day has passed over is not made up for, as what it would
// have seen has moved on.
func (s *Service) watch(ctx context.Context, tx pgx.Tx, run string) error {
	on, err := day.Parse(run)
	if err != nil {
		return err
	}
	next, err := nextStandings(ctx, tx, on, watchBatch)
	if err != nil {
		return err
	}
	if len(next) == 0 {
		return saveRun(ctx, tx, on, "")
	}
	if err := s.score(ctx, tx, on, next); err != nil {
		return err
	}
	return saveRun(ctx, tx, on, next[len(next)-1].ID)
}

// score scores institutions as on begins.
func (s *Service) score(ctx context.Context, tx pgx.Tx, on day.Date, of []standing) error {
	sets := map[string]rule.Set{} // by jurisdiction
	ids, windows, baselines := make([]string, len(of)), make([]int64, len(of)), make([]int64, len(of))
	by := map[string]standing{}
	for n, i := range of {
		if sets[i.Jurisdiction] == nil {
			rules, err := rule.InForce(ctx, tx, i.Jurisdiction, on, WarningRules...)
			if err != nil {
				return err
			}
			sets[i.Jurisdiction] = rules
		}
		rules := sets[i.Jurisdiction]
		ids[n], windows[n], baselines[n], by[i.ID] = i.ID, rules[warnWindow].Int(), rules[warnBaseline].Int(), i
	}
	rows, err := listWatched(ctx, tx, on, ids, windows, baselines)
	if err != nil {
		return err
	}
	var all []scored
	var fresh []EarlyWarning
	for _, r := range rows {
		i := by[r.Institution]
		w := i.assess(on, r.watched(), sets[i.Jurisdiction])
		if i.Control == nil {
			fresh = append(fresh, w.EarlyWarning)
		}
		all = append(all, w)
	}
	if err := saveArms(ctx, tx, fresh); err != nil {
		return err
	}
	if err := saveWarnings(ctx, tx, all); err != nil {
		return err
	}
	return s.tellBands(ctx, tx, all)
}

// assess scores i, which is assigned to its arm if it is seen for the first time.
func (i standing) assess(on day.Date, w Watched, rules rule.Set) scored {
	is := scored{EarlyWarning{InstitutionID: i.ID, Jurisdiction: i.Jurisdiction, AssignedOn: on, On: on, Since: i.Since}, i.Band}
	if i.Control != nil {
		is.Control = *i.Control
	} else {
		is.Control = Control(i.ID, rules)
		is.Ground = rules[controlSeed].Ground(map[string]any{"institution": i.ID, "percent": rules[controlShare].Int(), "percent_version": rules[controlShare].Version})
	}
	score := Assess(w, rules)
	is.Points, is.Band, is.Reasons = score.Points, score.Band, score.Reasons
	if is.changed() {
		is.Since = on
	}
	return is
}

// tellBands publishes the bands that changed, but for those whose score nobody sees.
func (s *Service) tellBands(ctx context.Context, tx pgx.Tx, all []scored) error {
	for _, w := range all {
		if !w.changed() || w.Control {
			continue
		}
		if err := event.Append(ctx, tx, Topic, w.InstitutionID, warningChanged(w.EarlyWarning, w.was)); err != nil {
			return err
		}
	}
	return nil
}

// ListWarnings asks for the early warning in the caller's scope, the highest first.
type ListWarnings struct {
	Band string `query:"band" enum:"NONE,YELLOW,RED,CONTROL" description:"CONTROL is the institutions that are kept free of the score"`
	Page int    `query:"page" minimum:"1" maximum:"10000"`
}

// EarlyWarnings is a page of the early warning.
type EarlyWarnings struct {
	Items []EarlyWarningView `json:"items"`
	Page  int                `json:"page"`
	More  bool               `json:"more"`
}

// ListWarnings returns a manager's own, an education official's district's.
func (s *Service) ListWarnings(ctx context.Context, req ListWarnings) (EarlyWarnings, error) {
	by, page := auth.From(ctx), max(req.Page, 1)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (EarlyWarnings, error) {
		all, err := listWarnings(ctx, tx, scopeOf(by), req.Band, page)
		all, more := cut(all)
		return EarlyWarnings{views(all, EarlyWarning.view), page, more}, err
	})
}

// FindWarning asks for the early warning of one institution.
type FindWarning struct {
	Institution string `path:"institution" minLength:"1" maxLength:"64"`
}

// BandChange is a day on which a band changed.
type BandChange struct {
	On      day.Date `json:"on"`
	Was     string   `json:"was"`
	Band    string   `json:"band"`
	Points  int      `json:"points"`
	Reasons []Reason `json:"reasons"`
}

// WarningCase is an institution's early warning with its history.
type WarningCase struct {
	EarlyWarningView
	Changes []BandChange `json:"changes" description:"newest first"`
}

// FindWarning returns the early warning of an institution in the caller's scope.
func (s *Service) FindWarning(ctx context.Context, req FindWarning) (WarningCase, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (WarningCase, error) {
		w, err := findWarning(ctx, tx, req.Institution)
		if err != nil {
			return WarningCase{}, err
		}
		changes, err := listChanges(ctx, tx, req.Institution)
		return WarningCase{w.view(), changes}, err
	})
}

// EvaluateWarnings asks what became of institutions after a day, by their band then.
type EvaluateWarnings struct {
	On   day.Date `query:"on" required:"true"`
	Days int      `query:"days" required:"true" minimum:"1" maximum:"1000" description:"from that day"`
}

// Arm is the institutions of one arm and band.
type Arm struct {
	Control      bool   `json:"control" description:"kept free of the score"`
	Band         string `json:"band"`
	Institutions int    `json:"institutions"`
	Held         int    `json:"held" description:"whose payouts were held in those days"`
}

// Evaluation compares who was watched by the score with who was not.
type Evaluation struct {
	On   day.Date `json:"on"`
	Till day.Date `json:"till"`
	Arms []Arm    `json:"arms"`
}

// EvaluateWarnings counts, and names nobody. The days must have passed: a count
// from within them would show the score of who is kept free of it while it matters.
func (s *Service) EvaluateWarnings(ctx context.Context, req EvaluateWarnings) (Evaluation, error) {
	e := Evaluation{On: req.On, Till: req.On.AddDays(req.Days)}
	if e.Till.After(s.today()) {
		return e, fault.Fields(fault.Field{Pointer: "/query/days", Detail: "评估期须已经过去：至 " + e.Till.String() + "，今天是 " + s.today().String()})
	}
	by := auth.From(ctx)
	return pg.InTx(pg.Worker(ctx, "evaluate"), s.DB, func(tx pgx.Tx) (Evaluation, error) {
		var err error
		e.Arms, err = listArms(ctx, tx, division.Prefix(by.Jurisdiction), req.On, req.Days)
		return e, err
	})
}
