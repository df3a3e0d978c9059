package inspection

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/due"
	"xunguan/pkg/fault"
	"xunguan/pkg/rule"
)

// recounting is the timers that count provisional deadlines again once the
// calendar of all their years is published.
func (s *Service) recounting() []due.Timer {
	return []due.Timer{
		{Name: "provisional rectification", Next: nextProvisionalRectification, Apply: s.recountRectification},
		{Name: "provisional publication", Next: nextProvisionalTask, Apply: s.recountTask},
		{Name: "provisional re-check", Next: nextProvisionalSweep, Apply: s.recountSweep},
	}
}

// recounted is the period of a ground from a day on, counted by the calendar as
// it is known now and by the rule that it was first counted by.
func recounted(ctx context.Context, tx pgx.Tx, g *fault.Ground, from day.Date) (day.Due, error) {
	d, err := rule.Due(ctx, tx, rule.Rule{Key: g.Key, Value: g.Value, Unit: g.Unit}, from)
	g.Inputs = map[string]any{"from": from.String(), "due": d.On.String()}
	return d, err
}

// tellRecounted writes to the timeline what became of a provisional deadline.
func (s *Service) tellRecounted(ctx context.Context, tx pgx.Tx, t *Task, what string, was day.Date, now day.Due, g fault.Ground) error {
	text := what + "仍为 " + now.On.String()
	if was != now.On {
		text = what + "由 " + was.String() + " 改为 " + now.On.String()
	}
	return saveNote(ctx, tx, note{
		task: t, actor: system, action: "recount", label: "放假安排公布，重新计算期限", from: t.State, to: t.State, text: text, grounds: []fault.Ground{g}, at: s.Now(),
	})
}

func (s *Service) recountRectification(ctx context.Context, tx pgx.Tx, id string) error {
	t, err := lockRectificationTask(ctx, tx, id)
	if err != nil {
		return err
	}
	r, err := lockRectification(ctx, tx, id)
	if err != nil {
		return err
	}
	d, err := recounted(ctx, tx, &r.Ground, r.OrderedOn)
	if err != nil {
		return err
	}
	was := r.Due
	r.Due, r.Provisional = d.On, d.Provisional
	if err := saveRectification(ctx, tx, r); err != nil {
		return err
	}
	return s.tellRecounted(ctx, tx, t, r.Agency.Name()+"责令整改的期限", was, d, r.Ground)
}

func (s *Service) recountTask(ctx context.Context, tx pgx.Tx, id string) error {
	t, err := lockTask(ctx, tx, id)
	if err != nil {
		return err
	}
	d, err := recounted(ctx, tx, t.PublishGround, t.VisitedOn)
	if err != nil {
		return err
	}
	was := t.PublishDue
	t.PublishDue, t.Provisional = d.On, d.Provisional
	if err := saveTask(ctx, tx, t); err != nil {
		return err
	}
	return s.tellRecounted(ctx, tx, t, "公示结果的期限", was, d, *t.PublishGround)
}

func (s *Service) recountSweep(ctx context.Context, tx pgx.Tx, id string) error {
	t, err := lockTask(ctx, tx, id)
	if err != nil {
		return err
	}
	place, err := findSweep(ctx, tx, id)
	if err != nil {
		return err
	}
	d, err := recounted(ctx, tx, place.Ground, place.OrderedOn)
	if err != nil {
		return err
	}
	was := place.Due
	place.Due, place.Provisional = d.On, d.Provisional
	if err := saveSweep(ctx, tx, place); err != nil {
		return err
	}
	return s.tellRecounted(ctx, tx, t, "停办复核的期限", was, d, *place.Ground)
}
