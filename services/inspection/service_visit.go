package inspection

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	inspectionv1 "xunguan/proto/inspection/v1"
)

// OpenVisit is the arrival of the first officers.
type OpenVisit struct {
	once.Key
	ID            string `path:"id" maxLength:"64"`
	InstitutionID string `json:"institution_id,omitempty" maxLength:"64" description:"which of the drawn targets; needed for a RANDOM task"`
}

// VisitView is a visit as the caller may see it.
type VisitView struct {
	Visit
	Kind     Kind          `json:"kind" description:"of the task"`
	Title    string        `json:"title" description:"of the task"`
	Officers []Present     `json:"officers"`
	Assigned []string      `json:"assigned" description:"officers as drawn; none is free choice"`
	Parts    []Part        `json:"parts" description:"before publication only the caller's own agency's; the institution reads all once it may sign"`
	Items    []CheckItem   `json:"items" description:"the caller's agency's bill"`
	Actions  []flow.Action `json:"actions"`
}

// hide blanks what is not to be known before v is completed.
func (v *Visit) hide() {
	v.StateName = visitStateNames[v.State]
	if v.State != visitCompleted {
		v.Problems = 0
	}
}

// OpenVisit begins the one record of a target, for all agencies of the task. Who
// comes second gets the record that is there.
func (s *Service) OpenVisit(ctx context.Context, req OpenVisit) (VisitView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (VisitView, error) {
		t, err := lockOwnTask(ctx, tx, auth.From(ctx), req.ID)
		if err != nil {
			return VisitView{}, err
		}
		target, err := s.target(ctx, tx, t, req.InstitutionID)
		if err != nil {
			return VisitView{}, err
		}
		v, err := s.begun(ctx, tx, t, target)
		if err == nil && v == nil {
			v, err = s.begin(ctx, tx, t, target)
		}
		if err != nil {
			return VisitView{}, err
		}
		return s.viewVisit(ctx, tx, v)
	})
}

// target is which of t's targets is meant.
func (s *Service) target(ctx context.Context, tx pgx.Tx, t *Task, institution string) (Target, error) {
	targets, err := listTargets(ctx, tx, t.ID)
	if err != nil {
		return Target{}, err
	}
	if t.Kind != Random && institution == "" && len(targets) == 1 {
		return targets[0], nil
	}
	i := slices.IndexFunc(targets, func(x Target) bool { return x.InstitutionID == institution && institution != "" })
	if i < 0 {
		return Target{}, fault.Fields(fault.Field{Pointer: "/institution_id", Detail: "不是本任务的检查对象"})
	}
	return targets[i], nil
}

// begun is the visit of target that is there; nil if there is none.
func (s *Service) begun(ctx context.Context, tx pgx.Tx, t *Task, target Target) (*Visit, error) {
	visits, err := listVisitsOf(ctx, tx, t.ID)
	for i := range visits {
		if visits[i].InstitutionID == target.InstitutionID {
			return &visits[i], err
		}
	}
	return nil, err
}

func (s *Service) begin(ctx context.Context, tx pgx.Tx, t *Task, target Target) (*Visit, error) {
	if err := s.take(ctx, tx, t, "visits", target.Name); err != nil {
		return nil, err
	}
	v := &Visit{
		ID: newID(), TaskID: t.ID, Jurisdiction: t.Jurisdiction, Agencies: t.Agencies, People: []string{}, InstitutionID: target.InstitutionID,
		Name: target.Name, Place: t.Kind == Sweep, State: visitOpen, OnDay: s.today(), Signed: []Agency{}, OpenedBy: auth.From(ctx).Subject,
	}
	if v.Place {
		place, err := findSweep(ctx, tx, t.ID)
		if err != nil {
			return nil, err
		}
		v.Name, v.Address = place.Signboard, place.Address
	} else {
		i, err := findInstitution(ctx, tx, target.InstitutionID)
		if err != nil {
			return nil, err
		}
		v.Address = i.Address
	}
	return v, addVisit(ctx, tx, v)
}

// GetVisit asks for one visit.
type GetVisit struct {
	ID string `path:"id" maxLength:"64"`
}

// GetVisit shows a visit to the offices of its task, and to the institution once
// all of them signed.
func (s *Service) GetVisit(ctx context.Context, req GetVisit) (VisitView, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (VisitView, error) {
		v, err := findVisit(ctx, tx, auth.From(ctx), req.ID)
		if err != nil {
			return VisitView{}, err
		}
		return s.viewVisit(ctx, tx, v)
	})
}

// ListVisits asks for the caller's visits.
type ListVisits struct{}

// VisitList is the newest visits.
type VisitList struct {
	Visits []Visit `json:"visits"`
}

// ListVisits lists the visits of the caller's office or institution.
func (s *Service) ListVisits(ctx context.Context, _ ListVisits) (VisitList, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (VisitList, error) {
		all, err := listVisits(ctx, tx, auth.From(ctx), page)
		for i := range all {
			all[i].hide()
		}
		return VisitList{all}, err
	})
}

// viewVisit is v with what the caller may see of it.
func (s *Service) viewVisit(ctx context.Context, tx pgx.Tx, v *Visit) (view VisitView, err error) {
	c := auth.From(ctx)
	view.Assigned = []string{}
	// What the institution may know of the task: its kind and title.
	orders := false
	err = elevated(ctx, tx, "visit", func() error {
		t, err := pg.One[struct {
			Kind         Kind
			Title, State string
		}](ctx, tx, "检查任务", `SELECT kind, title, state FROM tasks WHERE id = $1`, v.TaskID)
		view.Kind, view.Title, orders = t.Kind, t.Title, slices.Contains(ordering, t.State)
		return err
	})
	if err != nil {
		return view, err
	}
	if view.Officers, err = listPresent(ctx, tx, v.ID); err != nil {
		return view, err
	}
	if view.Parts, err = s.parts(ctx, tx, v); err != nil {
		return view, err
	}
	view.Items = []CheckItem{}
	if c.Agency != "" {
		if view.Items, err = listItems(ctx, tx, Agency(c.Agency)); err != nil {
			return view, err
		}
		if view.Assigned, err = assigned(ctx, tx, v); err != nil {
			return view, err
		}
	}
	view.Visit = *v
	view.hide()
	if orders && c.Agency != "" {
		switch err := openOrder(ctx, tx, v.ID, Agency(c.Agency)); {
		case fault.KindOf(err) == fault.Conflict:
			orders = false
		case err != nil:
			return view, err
		}
	}
	view.Actions = slices.DeleteFunc(visitActions(v, view.Parts, c), func(a flow.Action) bool { return a.Action == "rectification" && !orders })
	return view, s.offerVisit(ctx, tx, &view)
}

// assigned is the officers that were drawn for v's target.
func assigned(ctx context.Context, tx pgx.Tx, v *Visit) ([]string, error) {
	targets, err := listTargets(ctx, tx, v.TaskID)
	for _, t := range targets {
		if t.InstitutionID == v.InstitutionID {
			return t.Officers, err
		}
	}
	return []string{}, err
}

// visitActions is what c may do with v: its own agency's part first.
func visitActions(v *Visit, parts []Part, c auth.Caller) []flow.Action {
	all := []flow.Action{}
	agency := Agency(c.Agency)
	if slices.Contains(v.Agencies, agency) && !slices.Contains(v.Signed, agency) {
		all = PartFlow.Actions(partOpen, "/v1/visits/"+v.ID+"/parts/"+c.Agency, c)
	}
	for _, a := range v.machine().Actions(v.State, "/v1/visits/"+v.ID, c) {
		found := slices.ContainsFunc(parts, func(p Part) bool {
			return p.Agency == agency && slices.ContainsFunc(p.Findings, func(f Finding) bool { return f.Problem })
		})
		if a.Action != "rectification" || found {
			all = append(all, a)
		}
	}
	for i := range all {
		all[i].Fields = fields[all[i].Action]
	}
	return all
}

// lockedVisit locks a visit that the caller sees, behind its task, and the task
// with it. The task's row may be out of the caller's sight.
func (s *Service) lockedVisit(ctx context.Context, tx pgx.Tx, id string) (t *Task, v *Visit, err error) {
	seen, err := findVisit(ctx, tx, auth.From(ctx), id)
	if err != nil {
		return nil, nil, err
	}
	err = elevated(ctx, tx, "visit", func() (err error) {
		if t, err = lockTask(ctx, tx, seen.TaskID); err != nil {
			return err
		}
		v, err = lockVisit(ctx, tx, id)
		return err
	})
	return t, v, err
}

// SignVisit is the inspected party's signature: the institution's own, or that of
// the owner of an unlicensed place as an officer saw it on paper.
type SignVisit struct {
	once.Key
	ID        string `path:"id" maxLength:"64"`
	Statement string `json:"statement,omitempty" maxLength:"1000" description:"what the inspected party says"`
}

// SignVisit completes a visit with the inspected party's signature.
func (s *Service) SignVisit(ctx context.Context, req SignVisit) (VisitView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (VisitView, error) {
		kind := "SIGNED"
		if auth.From(ctx).Agency != "" {
			kind = "PAPER"
		}
		return s.end(ctx, tx, req.ID, "institution_signature", Ending{Kind: kind, Statement: strings.TrimSpace(req.Statement)})
	})
}

// RefuseVisit records that the inspected party will not sign.
type RefuseVisit struct {
	once.Key
	ID      string `path:"id" maxLength:"64"`
	Reason  string `json:"reason" minLength:"2" maxLength:"500" description:"what the inspected party gave as reason"`
	Witness string `json:"witness" minLength:"2" maxLength:"60" description:"who saw it; no officer of the visit; never published"`
}

// RefuseVisit completes a visit that the inspected party will not sign.
func (s *Service) RefuseVisit(ctx context.Context, req RefuseVisit) (VisitView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (VisitView, error) {
		return s.end(ctx, tx, req.ID, "refusal", Ending{Kind: "REFUSED", Reason: strings.TrimSpace(req.Reason), Witness: strings.TrimSpace(req.Witness)})
	})
}

// end completes a visit.
func (s *Service) end(ctx context.Context, tx pgx.Tx, id, action string, e Ending) (VisitView, error) {
	t, v, err := s.lockedVisit(ctx, tx, id)
	if err != nil {
		return VisitView{}, err
	}
	step, err := v.take(action, auth.From(ctx))
	if err != nil {
		return VisitView{}, err
	}
	if e.Witness != "" {
		if err := s.witnessed(ctx, tx, v, e.Witness); err != nil {
			return VisitView{}, err
		}
	}
	e.By, e.On = auth.From(ctx).Subject, s.today()
	v.Ending, v.CompletedOn = &e, s.today()
	if err := saveVisit(ctx, tx, v); err != nil {
		return VisitView{}, err
	}
	err = elevated(ctx, tx, "complete", func() error { return s.completed(ctx, tx, t, v, step) })
	if err != nil {
		return VisitView{}, err
	}
	return s.viewVisit(ctx, tx, v)
}

func (s *Service) witnessed(ctx context.Context, tx pgx.Tx, v *Visit, witness string) error {
	present, err := listPresent(ctx, tx, v.ID)
	if err != nil {
		return err
	}
	var ids []string
	for _, p := range present {
		ids = append(ids, p.ID)
	}
	return CheckWitness(witness, ids)
}

// completed moves the task on and tells of the visit.
func (s *Service) completed(ctx context.Context, tx pgx.Tx, t *Task, v *Visit, step flow.Step) error {
	if err := s.step(ctx, tx, t, t.State, flow.Step{Action: step.Action, To: t.State, Label: step.Label, Roles: step.Roles}, t.publicName(v)); err != nil {
		return err
	}
	if err := s.settle(ctx, tx, t); err != nil {
		return err
	}
	return event.Append(ctx, tx, Topic, t.ID, &inspectionv1.VisitCompleted{
		Task: taskPB(t), VisitId: v.ID, Subject: t.subjectPB(v), Problems: int32(v.Problems), //nolint:gosec // few items
	})
}

// ListItems asks for the bill of check items.
type ListItems struct {
	Agency Agency `query:"agency"`
}

// ItemList is the bill of check items.
type ItemList struct {
	Items []CheckItem `json:"items"`
}

// ListItems lists the check items with their legal basis. Everybody may read it.
func (s *Service) ListItems(ctx context.Context, req ListItems) (ItemList, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (ItemList, error) {
		all, err := listItems(ctx, tx, req.Agency)
		return ItemList{all}, err
	})
}
