package inspection

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	inspectionv1 "xunguan/proto/inspection/v1"
)

// Place is an unlicensed place as somebody described it.
type Place struct {
	Signboard string `json:"signboard,omitempty" maxLength:"80"`
	Address   string `json:"address,omitempty" maxLength:"200"`
	Phone     string `json:"phone,omitempty" maxLength:"20" pattern:"^[0-9+() -]*$" description:"kept in the ledger, never published"`
}

// PlanTask is an officer's plan of an inspection.
type PlanTask struct {
	once.Key
	Kind          Kind     `json:"kind"`
	Title         string   `json:"title" minLength:"2" maxLength:"100" description:"shown to the public with the result"`
	Agencies      []Agency `json:"agencies" minItems:"1" maxItems:"4"`
	Tips          []string `json:"tips,omitempty" maxItems:"50" description:"ids of tip-offs behind a JOINT or SWEEP task"`
	InstitutionID string   `json:"institution_id,omitempty" maxLength:"64" description:"of a JOINT task without tip-offs"`
	Place         *Place   `json:"place,omitempty" description:"of a SWEEP task; what is left out comes from the tip-off"`
	Reason        string   `json:"reason,omitempty" maxLength:"500" description:"the clue behind a JOINT or SWEEP task without tip-offs"`
	VisitOn       day.Date `json:"visit_on"`
	Plan          *Plan    `json:"plan,omitempty" description:"of a RANDOM task"`
}

// DrawLine is a round of a draw; its file is at /v1/draws/{id}.
type DrawLine struct {
	ID         string `json:"id"`
	Round      int    `json:"round"`
	Commit     string `json:"commit"`
	FrozenHash string `json:"frozen_hash"`
	DrawnBy    string `json:"drawn_by"`
	RevealedBy string `json:"revealed_by"`
	Reason     string `json:"reason" description:"of a redraw"`
}

// TaskView is a task with all that belongs to it.
type TaskView struct {
	Task
	JurisdictionName string          `json:"jurisdiction_name"`
	LeadOffice       string          `json:"lead_office"`
	Light            Light           `json:"light" description:"of publishing the result"`
	DaysLeft         int             `json:"days_left" description:"working days until publish_due; negative when overdue"`
	Place            *Sweeping       `json:"place"`
	Clues            []Tip           `json:"clues" description:"the tip-offs that the caller's office owns"`
	Targets          []Target        `json:"targets"`
	Draws            []DrawLine      `json:"draws"`
	Visits           []Visit         `json:"visits"`
	Rectifications   []Rectification `json:"rectifications"`
	FollowUps        []FollowUp      `json:"follow_ups"`
	Actions          []flow.Action   `json:"actions"`
	Timeline         []Entry         `json:"timeline"`
}

// PlanTask plans an inspection by the caller's office and others of its place.
func (s *Service) PlanTask(ctx context.Context, req PlanTask) (TaskView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (TaskView, error) {
		t, err := s.planned(ctx, tx, req)
		if err != nil {
			return TaskView{}, err
		}
		var sweep *Sweeping
		if err := s.aim(ctx, tx, t, req, &sweep); err != nil {
			return TaskView{}, err
		}
		if err := addTask(ctx, tx, t); err != nil {
			return TaskView{}, err
		}
		if err := s.addAim(ctx, tx, t, sweep); err != nil {
			return TaskView{}, err
		}
		if err := s.step(ctx, tx, t, "", flow.Step{Action: "plan", To: planned, Label: "制定检查计划", Roles: inspectors}, req.Reason); err != nil {
			return TaskView{}, err
		}
		if err := event.Append(ctx, tx, Topic, t.ID, &inspectionv1.TaskPlanned{Task: taskPB(t)}); err != nil {
			return TaskView{}, err
		}
		return s.viewTask(ctx, tx, t)
	})
}

// planned is the task of req before what it aims at.
func (s *Service) planned(ctx context.Context, tx pgx.Tx, req PlanTask) (*Task, error) {
	c := auth.From(ctx)
	if _, ok := division.Find(c.Jurisdiction); !ok {
		return nil, fault.Forbidden.Errorf("您的机关没有管辖区划，不能制定检查计划")
	}
	agencies, err := CheckAgencies(req.Kind, Agency(c.Agency), req.Agencies)
	if err != nil {
		return nil, err
	}
	switch {
	case req.VisitOn.Before(s.today()):
		return nil, fault.Fields(fault.Field{Pointer: "/visit_on", Detail: "检查日期不能早于今天"})
	case (req.Kind == Random) != (req.Plan != nil):
		return nil, fault.Fields(fault.Field{Pointer: "/plan", Detail: "抽取方案用于且只用于双随机任务"})
	}
	if err := CheckPublic(req.Title, ""); err != nil {
		return nil, fault.Fields(fault.Field{Pointer: "/title", Detail: "任务名称会公示，不得含有电话或证件号码"})
	}
	t := &Task{
		ID: newID(), Jurisdiction: c.Jurisdiction, Kind: req.Kind, State: planned, Since: s.Now(), Title: req.Title, Lead: Agency(c.Agency),
		Agencies: agencies, Tips: slices.Clone(req.Tips), Reason: strings.TrimSpace(req.Reason), PlannedBy: c.Subject, PlannedOn: s.today(), VisitOn: req.VisitOn,
	}
	slices.Sort(t.Tips)
	if t.Tips = slices.Compact(t.Tips); t.Tips == nil {
		t.Tips = []string{}
	}
	if req.Plan != nil {
		t.Plan = *req.Plan
		if t.Plan.By != ByCredit && t.Plan.Sample == 0 {
			return nil, fault.Fields(fault.Field{Pointer: "/plan/sample", Detail: "不按信用等级抽取时应写明抽取数量"})
		}
	}
	return t, nil
}

// aim sets what t inspects, from its tips or from what was said.
func (s *Service) aim(ctx context.Context, tx pgx.Tx, t *Task, req PlanTask, sweep **Sweeping) error {
	if t.Kind == Random {
		if len(t.Tips) > 0 || req.InstitutionID != "" || req.Place != nil {
			return fault.Fields(fault.Field{Pointer: "/tips", Detail: "双随机任务的对象由抽取产生，有线索的请立联合检查任务"})
		}
		return nil
	}
	tips, err := s.clues(ctx, tx, t)
	if err != nil {
		return err
	}
	tip, err := SubjectOf(t.Kind, tips)
	if err != nil {
		return err
	}
	if len(tips) == 0 && t.Reason == "" {
		return fault.Fields(fault.Field{Pointer: "/reason", Detail: "没有关联举报的，应写明线索来源"})
	}
	if t.Kind == Sweep {
		return aimAtPlace(t, req, tip, sweep)
	}
	return aimAtInstitution(ctx, tx, t, req, tip)
}

// clues is the tips of t: those of another place, or owned by an office that
// does not take part, are not to be found.
func (s *Service) clues(ctx context.Context, tx pgx.Tx, t *Task) ([]Tip, error) {
	var tips []Tip
	for _, id := range t.Tips {
		tip, err := findTip(ctx, tx, auth.From(ctx), id)
		if err == nil && tip.Jurisdiction != t.Jurisdiction {
			err = fault.NotFound.Errorf("举报不存在")
		}
		if err != nil {
			return nil, err
		}
		tips = append(tips, tip)
	}
	return tips, nil
}

func aimAtPlace(t *Task, req PlanTask, tip Tip, sweep **Sweeping) error {
	if req.InstitutionID != "" {
		return fault.Fields(fault.Field{Pointer: "/institution_id", Detail: "排查的是没有许可的场所，有许可的机构请立联合检查任务"})
	}
	p := Place{Signboard: tip.PlaceName, Address: tip.PlaceAddress}
	if req.Place != nil {
		p.Phone = req.Place.Phone
		if req.Place.Signboard != "" {
			p.Signboard = req.Place.Signboard
		}
		if req.Place.Address != "" {
			p.Address = req.Place.Address
		}
	}
	if strings.TrimSpace(p.Address) == "" {
		return fault.Fields(fault.Field{Pointer: "/place/address", Detail: "应写明场所地址"})
	}
	t.SubjectName, t.Street = SignOf(p.Signboard), StreetOf(p.Address)
	if CheckPublic(t.Title, p.Address) != nil || p.Phone != "" && strings.Contains(t.Title, p.Phone) {
		return fault.Fields(fault.Field{Pointer: "/title", Detail: "任务名称会公示，不得含有门牌号或电话"})
	}
	*sweep = &Sweeping{TaskID: t.ID, Signboard: p.Signboard, Address: p.Address, Phone: p.Phone}
	return nil
}

func aimAtInstitution(ctx context.Context, tx pgx.Tx, t *Task, req PlanTask, tip Tip) error {
	if req.Place != nil {
		return fault.Fields(fault.Field{Pointer: "/place", Detail: "联合检查的对象是机构，无证场所请立排查任务"})
	}
	id := tip.InstitutionID
	switch {
	case id == "":
		id = req.InstitutionID
	case req.InstitutionID != "" && req.InstitutionID != id:
		return fault.Fields(fault.Field{Pointer: "/institution_id", Detail: "与举报所指的机构不同"})
	}
	if id == "" {
		return fault.Fields(fault.Field{Pointer: "/institution_id", Detail: "应写明检查哪家机构"})
	}
	i, err := findInstitution(ctx, tx, id)
	if err == nil && !strings.HasPrefix(i.Jurisdiction, division.Prefix(t.Jurisdiction)) {
		err = fault.NotFound.Errorf("机构不存在")
	}
	t.InstitutionID, t.SubjectName = i.ID, i.Name
	return err
}

// addAim saves what t, saved before, aims at.
func (s *Service) addAim(ctx context.Context, tx pgx.Tx, t *Task, sweep *Sweeping) error {
	switch t.Kind {
	case Joint:
		return addTarget(ctx, tx, Target{TaskID: t.ID, InstitutionID: t.InstitutionID, Name: t.SubjectName, Officers: []string{}})
	case Sweep:
		if err := addSweep(ctx, tx, sweep); err != nil {
			return err
		}
		return addTarget(ctx, tx, Target{TaskID: t.ID, Name: t.SubjectName, Officers: []string{}})
	case Random:
	}
	return nil
}

// CancelTask is the planner's word that a task will not take place.
type CancelTask struct {
	once.Key
	ID     string `path:"id" maxLength:"64"`
	Reason string `json:"reason" minLength:"2" maxLength:"500"`
}

// CancelTask ends a task that nobody has begun.
func (s *Service) CancelTask(ctx context.Context, req CancelTask) (TaskView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (TaskView, error) {
		t, err := s.led(ctx, tx, req.ID)
		if err != nil {
			return TaskView{}, err
		}
		if err := s.take(ctx, tx, t, "cancel", req.Reason); err != nil {
			return TaskView{}, err
		}
		return s.viewTask(ctx, tx, t)
	})
}

// led locks a task that the caller's agency leads.
func (s *Service) led(ctx context.Context, tx pgx.Tx, id string) (*Task, error) {
	c := auth.From(ctx)
	t, err := lockOwnTask(ctx, tx, c, id)
	if err == nil {
		err = t.LedBy(c)
	}
	return t, err
}

// take makes the caller's step of t and saves it.
func (s *Service) take(ctx context.Context, tx pgx.Tx, t *Task, action, text string, grounds ...fault.Ground) error {
	from := t.State
	step, err := t.take(action, auth.From(ctx))
	if err != nil {
		return err
	}
	return s.saveStep(ctx, tx, t, from, step, text, grounds...)
}

// pass makes the system's step of t and saves it.
func (s *Service) pass(ctx context.Context, tx pgx.Tx, t *Task, action, text string, grounds ...fault.Ground) error {
	from := t.State
	step, err := t.pass(action)
	if err != nil {
		return err
	}
	return s.saveStep(ctx, tx, t, from, step, text, grounds...)
}

func (s *Service) saveStep(ctx context.Context, tx pgx.Tx, t *Task, from string, step flow.Step, text string, grounds ...fault.Ground) error {
	if from != t.State {
		t.Since = s.Now()
	}
	if err := saveTask(ctx, tx, t); err != nil {
		return err
	}
	return s.step(ctx, tx, t, from, step, text, grounds...)
}

// settle moves t to what its visits and rectifications make of it.
func (s *Service) settle(ctx context.Context, tx pgx.Tx, t *Task) error {
	if t.State == visiting {
		if err := s.settleVisits(ctx, tx, t); err != nil {
			return err
		}
	}
	orders, err := listRectificationsOf(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	from := t.State
	if step, moved := t.follow(Standing(orders)); moved {
		return s.saveStep(ctx, tx, t, from, step, "")
	}
	return nil
}

// settleVisits ends the visiting once every target has its completed visit, and
// counts from that day when the result must be public.
func (s *Service) settleVisits(ctx context.Context, tx pgx.Tx, t *Task) error {
	targets, err := listTargets(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	visits, err := listVisitsOf(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	for _, v := range visits {
		if v.State != visitCompleted {
			return nil
		}
	}
	if len(visits) < len(targets) {
		return nil
	}
	d, ground, err := s.deadline(ctx, tx, t.Jurisdiction, rulePublish)
	if err != nil {
		return err
	}
	t.VisitedOn, t.PublishDue, t.Provisional, t.PublishGround = s.today(), d.On, d.Provisional, &ground
	return s.pass(ctx, tx, t, "all_visited", "结果应于 "+d.On.String()+" 前公示", ground)
}

// ListTasks asks for the tasks of the caller's office.
type ListTasks struct {
	Kind  Kind   `query:"kind"`
	State string `query:"state" maxLength:"20"`
}

// TaskList is the newest tasks.
type TaskList struct {
	Tasks []Task `json:"tasks"`
}

// ListTasks lists the tasks that the caller's office takes part in.
func (s *Service) ListTasks(ctx context.Context, req ListTasks) (TaskList, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (TaskList, error) {
		all, err := listTasks(ctx, tx, auth.From(ctx), req.Kind, req.State, page)
		for i := range all {
			all[i].StateName = stateNames[all[i].State]
		}
		return TaskList{all}, err
	})
}

// GetTask asks for one task.
type GetTask struct {
	ID string `path:"id" maxLength:"64"`
}

// GetTask shows a task that the caller's office takes part in.
func (s *Service) GetTask(ctx context.Context, req GetTask) (TaskView, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (TaskView, error) {
		t, err := findTask(ctx, tx, auth.From(ctx), req.ID)
		if err != nil {
			return TaskView{}, err
		}
		return s.viewTask(ctx, tx, t)
	})
}
