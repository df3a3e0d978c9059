package inspection

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/rule"
)

// viewTask is t with all that belongs to it and that the caller may see.
func (s *Service) viewTask(ctx context.Context, tx pgx.Tx, t *Task) (TaskView, error) {
	c := auth.From(ctx)
	t.StateName = stateNames[t.State]
	v := TaskView{Task: *t, JurisdictionName: division.Name(t.Jurisdiction), LeadOffice: Office(t.Lead, t.Jurisdiction), Light: Green, Clues: []Tip{}, Draws: []DrawLine{}}
	for _, fill := range []func(context.Context, pgx.Tx, *TaskView) error{s.fillAim, s.fillDraws, s.fillVisits, s.fillAfter} {
		if err := fill(ctx, tx, &v); err != nil {
			return TaskView{}, err
		}
	}
	v.Actions = taskActions(t, c)
	return v, s.offerTask(ctx, tx, &v)
}

func (s *Service) fillAim(ctx context.Context, tx pgx.Tx, v *TaskView) (err error) {
	if v.Kind == Sweep {
		if v.Place, err = findSweep(ctx, tx, v.ID); err != nil {
			return err
		}
	}
	for _, id := range v.Tips {
		tip, err := findTip(ctx, tx, auth.From(ctx), id)
		switch {
		case fault.KindOf(err) == fault.NotFound: // another office's
			continue
		case err != nil:
			return err
		}
		v.Clues = append(v.Clues, tip)
	}
	v.Targets, err = listTargets(ctx, tx, v.ID)
	return err
}

func (s *Service) fillDraws(ctx context.Context, tx pgx.Tx, v *TaskView) error {
	draws, err := listDraws(ctx, tx, v.ID)
	for _, d := range draws {
		v.Draws = append(v.Draws, DrawLine{d.ID, d.Round, d.Committed, d.File.FrozenHash, d.DrawnBy, d.RevealedBy, d.File.Reason})
	}
	return err
}

func (s *Service) fillVisits(ctx context.Context, tx pgx.Tx, v *TaskView) (err error) {
	if v.Visits, err = listVisitsOf(ctx, tx, v.ID); err != nil {
		return err
	}
	for i := range v.Visits {
		v.Visits[i].hide()
	}
	v.Rectifications, err = listRectificationsOf(ctx, tx, v.ID)
	for i := range v.Rectifications {
		v.Rectifications[i].StateName = rectStateNames[v.Rectifications[i].State]
	}
	return err
}

func (s *Service) fillAfter(ctx context.Context, tx pgx.Tx, v *TaskView) (err error) {
	if v.FollowUps, err = listFollowUpsOf(ctx, tx, v.ID); err != nil {
		return err
	}
	for i := range v.FollowUps {
		f := &v.FollowUps[i]
		f.StateName, f.Waits = followUpNames[f.State], f.waits()
	}
	if v.Timeline, err = listTimeline(ctx, tx, v.ID); err != nil {
		return err
	}
	if v.PublishDue.IsZero() || !v.PublishedOn.IsZero() {
		return nil
	}
	cal, err := rule.Calendar(ctx, tx)
	if err == nil {
		v.Light, v.DaysLeft = light(cal, s.today(), v.PublishDue)
	}
	return err
}

// leadOnly is the steps of a task that its leading agency alone may take.
var leadOnly = []string{"draw", "reveal", "redraw", "publish", "cancel", "close_place", "recheck"}

// taskActions is what c may do with t.
func taskActions(t *Task, c auth.Caller) []flow.Action {
	all := t.machine().Actions(t.State, "/v1/tasks/"+t.ID, c)
	all = slices.DeleteFunc(all, func(a flow.Action) bool {
		return slices.Contains(leadOnly, a.Action) && t.LedBy(c) != nil || !slices.Contains(t.Agencies, Agency(c.Agency))
	})
	for i := range all {
		all[i].Fields = fields[all[i].Action]
	}
	return all
}
