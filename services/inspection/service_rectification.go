package inspection

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/attach"
	"xunguan/pkg/auth"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
	inspectionv1 "xunguan/proto/inspection/v1"
)

// OrderRectification is an agency's order to put right what it found wanting.
type OrderRectification struct {
	once.Key
	ID     string   `path:"id" maxLength:"64" description:"the visit"`
	Demand string   `json:"demand" minLength:"4" maxLength:"2000"`
	Items  []string `json:"items,omitempty" maxItems:"50" description:"codes; without them all that the agency found wanting"`
}

// RectificationView is a rectification with what the caller may do.
type RectificationView struct {
	Rectification
	AgencyName string        `json:"agency_name"`
	Light      Light         `json:"light" description:"of the institution's report, while it is waited for"`
	DaysLeft   int           `json:"days_left" description:"working days; negative when overdue"`
	Actions    []flow.Action `json:"actions"`

	Photos []attach.Attachment `json:"photos" description:"of the institution's report"`
}

func (s *Service) viewRectification(ctx context.Context, tx pgx.Tx, r *Rectification) (RectificationView, error) {
	c := auth.From(ctx)
	r.StateName = rectStateNames[r.State]
	all := RectificationFlow.Actions(r.State, "/v1/rectifications/"+r.ID, c)
	all = slices.DeleteFunc(all, func(a flow.Action) bool {
		return a.Action == "verify" && (Agency(c.Agency) != r.Agency || c.Subject == r.OrderedBy)
	})
	for i := range all {
		all[i].Fields = fields[all[i].Action]
	}
	v := RectificationView{Rectification: *r, AgencyName: r.Agency.Name(), Light: Green, Actions: all}
	var err error
	if v.Photos, err = s.Photos.List(ctx, tx, r.ID); err != nil {
		return v, err
	}
	if r.State == rectOrdered || r.State == rectOverdue {
		cal, err := rule.Calendar(ctx, tx)
		if err != nil {
			return v, err
		}
		v.Light, v.DaysLeft = light(cal, s.today(), r.Due)
	}
	return v, s.offerCrew(ctx, tx, all, r.InstitutionID, func(o Officer) bool { return slices.Contains(r.Agencies, o.Agency) })
}

// ordering is the states of a task in which its agencies may order rectification.
var ordering = []string{visiting, visited, rectifying, rectified, failed}

// OrderRectification orders an institution to put things right by the day that
// the rule gives.
func (s *Service) OrderRectification(ctx context.Context, req OrderRectification) (RectificationView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (RectificationView, error) {
		c := auth.From(ctx)
		t, v, err := s.lockedVisit(ctx, tx, req.ID)
		if err != nil {
			return RectificationView{}, err
		}
		if _, err := v.take("rectification", c); err != nil {
			return RectificationView{}, err
		}
		if !slices.Contains(ordering, t.State) {
			return RectificationView{}, fault.Conflict.Errorf("任务%s，不能再责令整改", stateNames[t.State])
		}
		r, err := s.order(ctx, tx, v, req)
		if err != nil {
			return RectificationView{}, err
		}
		if err := s.tellRectification(ctx, tx, t, r, "rectification", "责令整改", r.Ground); err != nil {
			return RectificationView{}, err
		}
		if err := event.Append(ctx, tx, Topic, t.ID, &inspectionv1.RectificationOrdered{Task: taskPB(t), Rectification: rectificationPB(r)}); err != nil {
			return RectificationView{}, err
		}
		return s.viewRectification(ctx, tx, r)
	})
}

func (s *Service) order(ctx context.Context, tx pgx.Tx, v *Visit, req OrderRectification) (*Rectification, error) {
	c := auth.From(ctx)
	agency := Agency(c.Agency)
	if err := openOrder(ctx, tx, v.ID, agency); err != nil {
		return nil, err
	}
	findings, err := listFindings(ctx, tx, v.ID, agency)
	if err != nil {
		return nil, err
	}
	items, err := Wanting(findings, req.Items)
	if err != nil {
		return nil, err
	}
	d, ground, err := s.deadline(ctx, tx, v.Jurisdiction, ruleRectify)
	if err != nil {
		return nil, err
	}
	r := &Rectification{
		ID: newID(), TaskID: v.TaskID, VisitID: v.ID, Jurisdiction: v.Jurisdiction, Agencies: v.Agencies, People: v.People,
		InstitutionID: v.InstitutionID, Name: v.Name, Agency: agency, State: rectOrdered, Items: items, Demand: strings.TrimSpace(req.Demand),
		OrderedBy: c.Subject, OrderedOn: s.today(), Due: d.On, Provisional: d.Provisional, Ground: ground, Officers: []string{},
	}
	return r, addRectification(ctx, tx, r)
}

// tellRectification writes what happened to r to the timeline and moves the task.
func (s *Service) tellRectification(ctx context.Context, tx pgx.Tx, t *Task, r *Rectification, action, label string, grounds ...fault.Ground) error {
	actor := actorOf(auth.From(ctx))
	err := saveNote(ctx, tx, note{
		task: t, actor: actor, action: action, label: label, from: "", to: r.State, at: s.Now(), grounds: grounds,
		text: r.Agency.Name() + "：" + strings.Join(r.Items, "、") + "，期限 " + r.Due.String(),
	})
	if err != nil {
		return err
	}
	return s.settle(ctx, tx, t)
}

// SubmitRectification is what the institution says it did.
type SubmitRectification struct {
	once.Key
	ID   string `path:"id" maxLength:"64"`
	Text string `json:"text" minLength:"4" maxLength:"4000"`

	Photos []string `json:"photos,omitempty" maxItems:"20" description:"ids of photos that were added"`
}

// SubmitRectification hands in an institution's report; late is late, but taken.
func (s *Service) SubmitRectification(ctx context.Context, req SubmitRectification) (RectificationView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (RectificationView, error) {
		c := auth.From(ctx)
		t, r, err := s.lockedRectification(ctx, tx, req.ID)
		if err != nil {
			return RectificationView{}, err
		}
		step, err := r.Submit(c, strings.TrimSpace(req.Text), s.today())
		if err != nil {
			return RectificationView{}, err
		}
		if err := saveRectification(ctx, tx, r); err != nil {
			return RectificationView{}, err
		}
		if err := s.Photos.Bind(ctx, tx, r.ID, "", req.Photos); err != nil {
			return RectificationView{}, err
		}
		err = elevated(ctx, tx, "submit", func() error {
			if err := s.tellRectification(ctx, tx, t, r, step.Action, step.Label); err != nil {
				return err
			}
			return event.Append(ctx, tx, Topic, t.ID, &inspectionv1.RectificationSubmitted{Task: taskPB(t), Rectification: rectificationPB(r)})
		})
		if err != nil {
			return RectificationView{}, err
		}
		return s.viewRectification(ctx, tx, r)
	})
}

// lockedRectification locks a rectification that the caller sees, behind its
// task, whose row may be out of the caller's sight.
func (s *Service) lockedRectification(ctx context.Context, tx pgx.Tx, id string) (t *Task, r *Rectification, err error) {
	seen, err := findRectification(ctx, tx, auth.From(ctx), id)
	if err != nil {
		return nil, nil, err
	}
	err = elevated(ctx, tx, "rectification", func() (err error) {
		if t, err = lockTask(ctx, tx, seen.TaskID); err != nil {
			return err
		}
		r, err = lockRectification(ctx, tx, id)
		return err
	})
	return t, r, err
}

// VerifyRectification is the result of a re-inspection.
type VerifyRectification struct {
	once.Key
	ID       string   `path:"id" maxLength:"64"`
	Passed   bool     `json:"passed"`
	Officers []string `json:"officers" minItems:"1" maxItems:"20" description:"account ids of who re-inspected, the caller among them"`
	Verdict  string   `json:"verdict" minLength:"2" maxLength:"2000"`
}

// VerifyRectification records a re-inspection by enough officers with valid
// certificates; the one who ordered does not judge.
func (s *Service) VerifyRectification(ctx context.Context, req VerifyRectification) (RectificationView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (RectificationView, error) {
		c := auth.From(ctx)
		t, r, err := s.lockedRectification(ctx, tx, req.ID)
		if err != nil {
			return RectificationView{}, err
		}
		step, err := r.Verify(c, req.Passed, req.Officers, strings.TrimSpace(req.Verdict), s.today())
		if err != nil {
			return RectificationView{}, err
		}
		ground, err := s.enough(ctx, tx, t, req.Officers, r.InstitutionID)
		if err != nil {
			return RectificationView{}, err
		}
		if err := saveRectification(ctx, tx, r); err != nil {
			return RectificationView{}, err
		}
		if err := s.tellRectification(ctx, tx, t, r, "verify", step.Label, ground); err != nil {
			return RectificationView{}, err
		}
		if err := event.Append(ctx, tx, Topic, t.ID, &inspectionv1.RectificationVerified{Task: taskPB(t), Rectification: rectificationPB(r)}); err != nil {
			return RectificationView{}, err
		}
		return s.viewRectification(ctx, tx, r)
	})
}

// enough checks who went there a second time: as many as the rule wants, each
// once, fit, and of the task's agencies.
func (s *Service) enough(ctx context.Context, tx pgx.Tx, t *Task, ids []string, institution string) (fault.Ground, error) {
	least, err := s.leastOfficers(ctx, tx, t.Jurisdiction)
	if err != nil {
		return fault.Ground{}, err
	}
	ground := least.Ground(map[string]any{"officers": len(ids)})
	officers, err := findOfficers(ctx, tx, ids)
	if err == nil {
		err = Team(officers, nil, institution, s.today())
	}
	if err != nil {
		return ground, err
	}
	for _, o := range officers {
		if !slices.Contains(t.Agencies, o.Agency) {
			return ground, fault.Fields(fault.Field{Pointer: "/officers", Detail: o.ID + " 不属于参加本任务的部门"})
		}
	}
	if len(ids) < int(least.Int()) {
		return ground, fault.Refused.Because("到场执法人员不足规定人数", ground)
	}
	return ground, nil
}

// overdue is the passing of an order's last day without a report.
func (s *Service) overdue(ctx context.Context, tx pgx.Tx, id string) error {
	seen, err := lockRectificationTask(ctx, tx, id)
	if err != nil {
		return err
	}
	r, err := lockRectification(ctx, tx, id)
	if err != nil {
		return err
	}
	step, err := bySystem(RectificationFlow, r.State, "overdue")
	if err != nil {
		return err
	}
	r.State = step.To
	if err := saveRectification(ctx, tx, r); err != nil {
		return err
	}
	return s.tellRectification(ctx, tx, seen, r, step.Action, step.Label, r.Ground)
}

// GetRectification asks for one rectification.
type GetRectification struct {
	ID string `path:"id" maxLength:"64"`
}

// GetRectification shows an order to the offices of its task and to the institution.
func (s *Service) GetRectification(ctx context.Context, req GetRectification) (RectificationView, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (RectificationView, error) {
		r, err := findRectification(ctx, tx, auth.From(ctx), req.ID)
		if err != nil {
			return RectificationView{}, err
		}
		return s.viewRectification(ctx, tx, r)
	})
}

// ListRectifications asks for the caller's rectifications.
type ListRectifications struct{}

// RectificationList is the newest rectifications.
type RectificationList struct {
	Rectifications []Rectification `json:"rectifications"`
}

// ListRectifications lists the orders of the caller's office's tasks, or to the
// institution that the caller manages.
func (s *Service) ListRectifications(ctx context.Context, _ ListRectifications) (RectificationList, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (RectificationList, error) {
		all, err := listRectifications(ctx, tx, auth.From(ctx), page)
		for i := range all {
			all[i].StateName = rectStateNames[all[i].State]
		}
		return RectificationList{all}, err
	})
}
