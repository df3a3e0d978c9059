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
	return v, nil
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
		v.FollowUps[i].StateName = followUpNames[v.FollowUps[i].State]
	}
	if v.Timeline, err = listTimeline(ctx, tx, v.ID); err != nil {
		return err
	}
	if v.PublishDue.IsZero() || !v.PublishedOn.IsZero() {
		return nil
	}
	cal, err := rule.Calendar(ctx, tx)
	if err == nil {
		v.Light, _ = light(cal, s.today(), v.PublishDue)
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

// fields is what each action asks for, for the forms.
var fields = map[string][]flow.Field{
	"redraw":                {{Name: "reason", Label: "重抽理由", Type: "text", Required: true}},
	"cancel":                {{Name: "reason", Label: "取消理由", Type: "text", Required: true}},
	"visits":                {{Name: "institution_id", Label: "机构（双随机任务必填）", Type: "text"}},
	"publish":               {{Name: "statement", Label: "公示说明", Type: "text"}},
	"blacklist":             {{Name: "facts", Label: "事实", Type: "text", Required: true}, {Name: "reason", Label: "理由", Type: "text", Required: true}},
	"close_place":           {{Name: "demand", Label: "责令内容", Type: "text", Required: true}, {Name: "officers", Label: "执法人员", Type: "list", Required: true}},
	"recheck":               {{Name: "closed", Label: "是否已停办", Type: "boolean", Required: true}, {Name: "officers", Label: "执法人员", Type: "list", Required: true}, {Name: "note", Label: "情况", Type: "text"}},
	"findings":              {{Name: "item", Label: "抽查事项", Type: "text", Required: true}, {Name: "problem", Label: "发现问题", Type: "boolean", Required: true}, {Name: "detail", Label: "情况", Type: "text", Required: true}},
	"sign":                  {{Name: "officers", Label: "到场执法人员", Type: "list", Required: true}, {Name: "note", Label: "说明", Type: "text"}},
	"institution_signature": {{Name: "statement", Label: "被检查方意见", Type: "text"}},
	"refusal":               {{Name: "reason", Label: "拒签原因", Type: "text", Required: true}, {Name: "witness", Label: "见证人", Type: "text", Required: true}},
	"rectification":         {{Name: "demand", Label: "整改要求", Type: "text", Required: true}, {Name: "items", Label: "事项", Type: "list"}},
	"submit":                {{Name: "text", Label: "整改情况", Type: "text", Required: true}},
	"verify": {
		{Name: "passed", Label: "是否通过", Type: "boolean", Required: true},
		{Name: "officers", Label: "复查人员", Type: "list", Required: true},
		{Name: "verdict", Label: "复查意见", Type: "text", Required: true},
	},
}
