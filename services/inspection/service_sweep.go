package inspection

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// ClosePlace is the order to stop training without a licence (责令停止举办).
type ClosePlace struct {
	once.Key
	ID       string   `path:"id" maxLength:"64" description:"the SWEEP task"`
	Demand   string   `json:"demand" minLength:"4" maxLength:"2000"`
	Officers []string `json:"officers" minItems:"1" maxItems:"20" description:"account ids of who served the order"`
}

// ClosePlace orders an unlicensed place to stop. A problem must have been found
// there. That it has stopped is for a re-check to say.
func (s *Service) ClosePlace(ctx context.Context, req ClosePlace) (TaskView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (TaskView, error) {
		t, err := s.led(ctx, tx, req.ID)
		if err != nil {
			return TaskView{}, err
		}
		from := t.State
		step, err := t.take("close_place", auth.From(ctx))
		if err != nil {
			return TaskView{}, err
		}
		if err := s.foundOpen(ctx, tx, t); err != nil {
			return TaskView{}, err
		}
		least, err := s.enough(ctx, tx, t, req.Officers, "")
		if err != nil {
			return TaskView{}, err
		}
		due, err := s.orderOff(ctx, tx, t, strings.TrimSpace(req.Demand))
		if err != nil {
			return TaskView{}, err
		}
		if err := s.saveStep(ctx, tx, t, from, step, strings.TrimSpace(req.Demand), least, due); err != nil {
			return TaskView{}, err
		}
		return s.viewTask(ctx, tx, t)
	})
}

// foundOpen returns Refused unless the visit to t's place found a problem.
func (s *Service) foundOpen(ctx context.Context, tx pgx.Tx, t *Task) error {
	visits, err := listVisitsOf(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	for _, v := range visits {
		if v.Problems > 0 {
			return nil
		}
	}
	return fault.Refused.Errorf("现场检查没有发现问题，不能责令停止举办；可以公示“未发现无证办学”")
}

// orderOff writes the order into the ledger, to be re-checked by the day that the rule gives.
func (s *Service) orderOff(ctx context.Context, tx pgx.Tx, t *Task, demand string) (fault.Ground, error) {
	place, err := findSweep(ctx, tx, t.ID)
	if err != nil {
		return fault.Ground{}, err
	}
	d, ground, err := s.deadline(ctx, tx, t.Jurisdiction, ruleRectify)
	if err != nil {
		return ground, err
	}
	place.Demand, place.OrderedBy, place.OrderedOn = demand, auth.From(ctx).Subject, s.today()
	place.Due, place.Provisional, place.Ground = d.On, d.Provisional, &ground
	return ground, saveSweep(ctx, tx, place)
}

// RecheckPlace is a second look at a place that was ordered to stop.
type RecheckPlace struct {
	once.Key
	ID       string   `path:"id" maxLength:"64" description:"the SWEEP task"`
	Closed   bool     `json:"closed" description:"whether it has stopped"`
	Officers []string `json:"officers" minItems:"1" maxItems:"20"`
	Note     string   `json:"note,omitempty" maxLength:"1000"`
}

// RecheckPlace records whether a place has stopped. One that has is struck off
// the ledger (取缔); one that has not stays on it.
func (s *Service) RecheckPlace(ctx context.Context, req RecheckPlace) (TaskView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (TaskView, error) {
		t, err := s.led(ctx, tx, req.ID)
		if err != nil {
			return TaskView{}, err
		}
		from := t.State
		step, err := t.machine().Step(from, "recheck", auth.From(ctx))
		if err == nil && !req.Closed {
			step, err = bySystem(t.machine(), from, "still_open")
		}
		if err != nil {
			return TaskView{}, err
		}
		ground, err := s.enough(ctx, tx, t, req.Officers, "")
		if err != nil {
			return TaskView{}, err
		}
		if err := s.recheck(ctx, tx, t, req); err != nil {
			return TaskView{}, err
		}
		t.State, step.Roles = step.To, inspectors
		if err := s.saveStep(ctx, tx, t, from, step, strings.TrimSpace(req.Note), ground); err != nil {
			return TaskView{}, err
		}
		return s.viewTask(ctx, tx, t)
	})
}

func (s *Service) recheck(ctx context.Context, tx pgx.Tx, t *Task, req RecheckPlace) error {
	place, err := findSweep(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	place.Checks = append(place.Checks, Recheck{On: s.today(), By: auth.From(ctx).Subject, Officers: req.Officers, Closed: req.Closed, Note: strings.TrimSpace(req.Note)})
	if req.Closed {
		place.ClosedOn = s.today()
	}
	return saveSweep(ctx, tx, place)
}

// ListSweeps asks for the ledger.
type ListSweeps struct{}

// LedgerLine is a place in the ledger, and where it stands: 排查, 责令, 取缔.
type LedgerLine struct {
	Sweeping
	Jurisdiction string        `json:"jurisdiction"`
	Title        string        `json:"title"`
	State        string        `json:"state"`
	Stage        string        `json:"stage"`
	ListedOn     string        `json:"listed_on"`
	Actions      []flow.Action `json:"actions"`
}

// Ledger is the unlicensed places, the newest first.
type Ledger struct {
	Sweeps []LedgerLine `json:"sweeps"`
}

// ListSweeps lists the unlicensed places that the caller's office looks after.
func (s *Service) ListSweeps(ctx context.Context, _ ListSweeps) (Ledger, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Ledger, error) {
		c := auth.From(ctx)
		rows, err := listSweeps(ctx, tx, c, page)
		l := Ledger{Sweeps: []LedgerLine{}}
		for _, r := range rows {
			t, err := findTask(ctx, tx, c, r.TaskID)
			if err != nil {
				return l, err
			}
			l.Sweeps = append(l.Sweeps, LedgerLine{r.Sweeping, r.Jurisdiction, r.Title, r.State, r.stage(r.State), r.PlannedOn, taskActions(t, c)})
		}
		return l, err
	})
}
