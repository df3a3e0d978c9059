package inspection

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/flow"
	"xunguan/pkg/pg"
)

var crew = flow.Field{Name: "officers", Label: "执法人员", Type: "list", Required: true}

// fields is what each action asks for, before the choices of a case are known.
var fields = map[string][]flow.Field{
	"redraw":                {{Name: "reason", Label: "重抽理由", Type: "text", Required: true}},
	"cancel":                {{Name: "reason", Label: "取消理由", Type: "text", Required: true}},
	"visits":                {{Name: "institution_id", Label: "机构", Type: "choice", Required: true}},
	"publish":               {{Name: "statement", Label: "公示说明", Type: "text"}},
	"blacklist":             {{Name: "institution_id", Label: "机构", Type: "choice", Required: true}, {Name: "facts", Label: "事实", Type: "text", Required: true}, {Name: "reason", Label: "理由", Type: "text", Required: true}},
	"close_place":           {{Name: "demand", Label: "责令内容", Type: "text", Required: true}, crew},
	"recheck":               {{Name: "closed", Label: "是否已停办", Type: "boolean", Required: true}, crew, {Name: "note", Label: "情况", Type: "text"}},
	"findings":              {{Name: "item", Label: "抽查事项", Type: "choice", Required: true}, {Name: "problem", Label: "发现问题", Type: "boolean", Required: true}, {Name: "detail", Label: "情况", Type: "text", Required: true}, {Name: "photos", Label: "现场照片", Type: "photos"}},
	"sign":                  {crew, {Name: "note", Label: "说明", Type: "text"}},
	"institution_signature": {{Name: "statement", Label: "被检查方意见", Type: "text"}},
	"refusal":               {{Name: "reason", Label: "拒签原因", Type: "text", Required: true}, {Name: "witness", Label: "见证人", Type: "line", Required: true}},
	"rectification":         {{Name: "demand", Label: "整改要求", Type: "text", Required: true}, {Name: "items", Label: "事项", Type: "list", Required: true}},
	"submit":                {{Name: "text", Label: "整改情况", Type: "text", Required: true}, {Name: "photos", Label: "整改后的照片", Type: "photos"}},
	"verify":                {{Name: "passed", Label: "是否通过", Type: "boolean", Required: true}, crew, {Name: "verdict", Label: "复查意见", Type: "text", Required: true}},
}

// option is one choice, and what people read for it.
type option struct{ value, name string }

// change gives every action that has a field named field its own copy of its
// fields, changed by f.
func change(actions []flow.Action, action, field string, f func(fields []flow.Field, at int) []flow.Field) {
	for i := range actions {
		a := &actions[i]
		at := slices.IndexFunc(a.Fields, func(x flow.Field) bool { return x.Name == field })
		if at >= 0 && (action == "" || a.Action == action) {
			a.Fields = f(slices.Clone(a.Fields), at)
		}
	}
}

// offer makes options the choices of a field of action, or of every action that
// has it if action is "". value is chosen already, if it is among them.
func offer(actions []flow.Action, action, field string, options []option, value string) {
	change(actions, action, field, func(fields []flow.Field, at int) []flow.Field {
		f := &fields[at]
		for _, o := range options {
			f.Choices, f.Names = append(f.Choices, o.value), append(f.Names, o.name)
			if o.value == value {
				f.Value = value
			}
		}
		return fields
	})
}

// omit leaves a field out: there is nothing to choose.
func omit(actions []flow.Action, action, field string) {
	change(actions, action, field, func(fields []flow.Field, at int) []flow.Field { return slices.Delete(fields, at, at+1) })
}

// offerCrew offers the officers of the caller's place that may go: may says who.
func (s *Service) offerCrew(ctx context.Context, tx pgx.Tx, actions []flow.Action, institution string, may func(Officer) bool) error {
	if !slices.ContainsFunc(actions, func(a flow.Action) bool {
		return slices.ContainsFunc(a.Fields, func(f flow.Field) bool { return f.Name == crew.Name })
	}) {
		return nil
	}
	c := auth.From(ctx)
	all, err := listOfficers(ctx, tx, c, "")
	var options []option
	for _, o := range all {
		if may(o) && o.Fit(institution, s.today()) == nil {
			options = append(options, option{o.ID, fmt.Sprintf("%s（证号 %s）", o.label(), o.Certificate)})
		}
	}
	offer(actions, "", crew.Name, options, c.Subject)
	return err
}

// offerTask fills the forms of a task: which of its institutions, which officers.
func (s *Service) offerTask(ctx context.Context, tx pgx.Tx, v *TaskView) error {
	var unseen, unrectified []option
	for _, t := range v.Targets {
		if !slices.ContainsFunc(v.Visits, func(x Visit) bool { return x.InstitutionID == t.InstitutionID }) {
			name := t.Name
			if len(t.Officers) > 0 {
				name += "（" + strings.Join(t.Officers, "、") + "）"
			}
			unseen = append(unseen, option{t.InstitutionID, name})
		}
	}
	for _, r := range v.Rectifications {
		bad := r.State == rectFailed || r.State == rectOverdue
		if bad && !slices.ContainsFunc(unrectified, func(o option) bool { return o.value == r.InstitutionID }) {
			unrectified = append(unrectified, option{r.InstitutionID, r.Name})
		}
	}
	if v.Kind == Random {
		offer(v.Actions, "visits", "institution_id", unseen, "")
	} else {
		omit(v.Actions, "visits", "institution_id")
	}
	if len(unrectified) > 1 {
		offer(v.Actions, "blacklist", "institution_id", unrectified, "")
	} else {
		omit(v.Actions, "blacklist", "institution_id")
	}
	return s.offerCrew(ctx, tx, v.Actions, v.InstitutionID, func(o Officer) bool { return slices.Contains(v.Agencies, o.Agency) })
}

// offerVisit fills the forms of a visit: the agency's bill, what it found wanting,
// and its officers, those that were drawn where a draw was made.
func (s *Service) offerVisit(ctx context.Context, tx pgx.Tx, v *VisitView) error {
	c := auth.From(ctx)
	var bill, wanting []option
	for _, i := range v.Items {
		bill = append(bill, option{i.Code, i.Code + " " + i.Title})
	}
	for _, p := range v.Parts {
		for _, f := range p.Findings {
			if p.Agency == Agency(c.Agency) && f.Problem {
				wanting = append(wanting, option{f.Item, f.Item + " " + f.Title})
			}
		}
	}
	offer(v.Actions, "findings", "item", bill, "")
	offer(v.Actions, "rectification", "items", wanting, "")
	change(v.Actions, "rectification", "items", func(fields []flow.Field, at int) []flow.Field {
		fields[at].Value = strings.Join(fields[at].Choices, "\n")
		return fields
	})
	return s.offerCrew(ctx, tx, v.Actions, v.InstitutionID, func(o Officer) bool {
		return o.OwnOffice(c) == nil && (len(v.Assigned) == 0 || slices.Contains(v.Assigned, o.ID))
	})
}

// ListPlans asks what the caller may plan.
type ListPlans struct{}

// Plans is the forms for a new task.
type Plans struct {
	Actions []flow.Action `json:"actions"`
}

// ListPlans offers one form for each kind of task.
func (s *Service) ListPlans(ctx context.Context, _ ListPlans) (Plans, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Plans, error) {
		c := auth.From(ctx)
		tips, err := listUnplanned(ctx, tx, c)
		if err != nil {
			return Plans{}, err
		}
		here, err := listInstitutions(ctx, tx, c)
		return Plans{plans(c.Agency, s.today(), tips, here)}, err
	})
}

// plans is the forms of an agency that has tips to follow up and institutions to
// look after.
func plans(agency string, today day.Date, tips []Tip, here []Institution) []flow.Action {
	clues := map[string][]option{}
	for _, t := range tips {
		clues[t.SubjectKind] = append(clues[t.SubjectKind], option{t.ID, fmt.Sprintf("%s %s：%s", t.Number, t.Category, t.Summary)})
	}
	var institutions []option
	for _, i := range here {
		institutions = append(institutions, option{i.ID, i.Name})
	}
	plan := func(kind Kind, fields ...flow.Field) flow.Action {
		a := flow.Action{Action: "plan", Label: "立项：" + kindNames[kind], Method: "POST", Href: "/v1/tasks"}
		a.Fields = append([]flow.Field{
			{Name: "kind", Type: "fixed", Value: string(kind)},
			{Name: "title", Label: "任务名称（会公示）", Type: "line", Required: true},
			{Name: "agencies", Label: "参加部门", Type: "list", Required: true, Choices: []string{"education", "culture", "market", "fire"}, Value: agency},
			{Name: "visit_on", Label: "检查日期", Type: "date", Required: true, Value: today.String()},
		}, fields...)
		return a
	}
	reason := flow.Field{Name: "reason", Label: "线索来源（没有关联举报时必填）", Type: "text"}
	all := []flow.Action{
		plan(Joint, flow.Field{Name: "tips", Label: "由哪些举报立项", Type: "list"}, flow.Field{Name: "institution_id", Label: "机构（没有关联举报时必填）", Type: "choice"}, reason),
		plan(Sweep, flow.Field{Name: "tips", Label: "由哪些举报立项", Type: "list"}, flow.Field{Name: "place.signboard", Label: "招牌（没有关联举报时必填）", Type: "line"},
			flow.Field{Name: "place.address", Label: "地址（没有关联举报时必填）", Type: "line"}, flow.Field{Name: "place.phone", Label: "电话（只在台账里，不公示）", Type: "line"}, reason),
		plan(Random, flow.Field{Name: "plan.by", Label: "分层", Type: "choice", Required: true, Choices: []string{string(ByCredit), string(ByCategory), string(ByNone)}},
			flow.Field{Name: "plan.sample", Label: "抽取家数（按信用等级抽取时由规则的比例定）", Type: "number"}),
	}
	offer(all[:1], "plan", "tips", clues["INSTITUTION"], "")
	offer(all[:1], "plan", "institution_id", institutions, "")
	offer(all[1:2], "plan", "tips", clues["PLACE"], "")
	for i, kind := range []string{"INSTITUTION", "PLACE"} {
		if len(clues[kind]) == 0 {
			omit(all[i:i+1], "plan", "tips")
		}
	}
	return all
}
