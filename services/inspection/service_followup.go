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

// WantBlacklist asks licensing for a black list entry.
type WantBlacklist struct {
	once.Key
	ID            string `path:"id" maxLength:"64" description:"the task"`
	InstitutionID string `json:"institution_id,omitempty" maxLength:"64" description:"of a RANDOM task: whose rectification failed"`
	Facts         string `json:"facts" minLength:"4" maxLength:"2000"`
	Reason        string `json:"reason" minLength:"2" maxLength:"1000"`
}

// FollowUpView is a follow-up with what it sent and what the caller may do.
type FollowUpView struct {
	FollowUp
	Stuck   bool          `json:"stuck"`
	Sent    []Sent        `json:"sent"`
	Actions []flow.Action `json:"actions"`
}

// WantBlacklist begins the follow-up of an institution whose re-inspection failed
// or which let the deadline pass: licensing is asked for a black list entry.
func (s *Service) WantBlacklist(ctx context.Context, req WantBlacklist) (FollowUpView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (FollowUpView, error) {
		c := auth.From(ctx)
		t, err := lockOwnTask(ctx, tx, c, req.ID)
		if err != nil {
			return FollowUpView{}, err
		}
		if _, err := t.machine().Step(t.State, "blacklist", c); err != nil {
			return FollowUpView{}, err
		}
		if CheckPublic(req.Facts, "") != nil { // the entry's basis is public
			return FollowUpView{}, fault.Fields(fault.Field{Pointer: "/facts", Detail: "事实会公示，不得含有电话或证件号码"})
		}
		order, err := s.unrectified(ctx, tx, t, req.InstitutionID)
		if err != nil {
			return FollowUpView{}, err
		}
		f := newFollowUp(t, order, req, c.Subject)
		f.Since = s.Now()
		if err := s.fresh(ctx, tx, f); err != nil {
			return FollowUpView{}, err
		}
		if err := addFollowUp(ctx, tx, f); err != nil {
			return FollowUpView{}, err
		}
		if err := s.take(ctx, tx, t, "blacklist", strings.TrimSpace(req.Reason), order.Ground); err != nil {
			return FollowUpView{}, err
		}
		if err := s.send(ctx, tx, t, f, AskForEntry); err != nil {
			return FollowUpView{}, err
		}
		return s.viewFollowUp(ctx, tx, f)
	})
}

func newFollowUp(t *Task, order Rectification, req WantBlacklist, by string) FollowUp {
	f := FollowUp{
		ID: newID(), TaskID: t.ID, Type: "BLACK_LIST", Jurisdiction: t.Jurisdiction, Agencies: t.Agencies, InstitutionID: order.InstitutionID,
		Name: order.Name, State: fuProposed, Version: 1,
		Data: Known{
			Facts: strings.TrimSpace(req.Facts), WantedBy: by, Tips: slices.Clone(t.Tips), Answered: []string{}, Amended: []string{},
			Basis: basisBlack + "；责令整改（期限 " + order.Due.String() + "，依据：" + order.Ground.Source + "）后" + rectStateNames[order.State],
		},
	}
	f.WaitingFor = f.Data.Pending(f.State)
	return f
}

// unrectified is the order that failed or is overdue: Refused if there is none,
// Invalid if it is not said of which institution.
func (s *Service) unrectified(ctx context.Context, tx pgx.Tx, t *Task, institution string) (Rectification, error) {
	orders, err := listRectificationsOf(ctx, tx, t.ID)
	if err != nil {
		return Rectification{}, err
	}
	bad := map[string]Rectification{}
	for _, r := range orders {
		if r.State == rectFailed || r.State == rectOverdue {
			bad[r.InstitutionID] = r
		}
	}
	if institution == "" && len(bad) == 1 {
		for id := range bad {
			institution = id
		}
	}
	switch r, ok := bad[institution]; {
	case ok:
		return r, nil
	case institution == "" && len(bad) > 1:
		return Rectification{}, fault.Fields(fault.Field{Pointer: "/institution_id", Detail: "有多家机构整改未通过，应写明是哪一家"})
	}
	return Rectification{}, fault.Refused.Errorf("该机构没有复查未通过或逾期未整改的记录，不能提请列入黑名单")
}

// fresh returns Conflict if the same is under way already.
func (s *Service) fresh(ctx context.Context, tx pgx.Tx, f FollowUp) error {
	all, err := listFollowUpsOf(ctx, tx, f.TaskID)
	for _, g := range all {
		if g.InstitutionID == f.InstitutionID && g.State != fuRefused && g.State != fuUndone {
			return fault.Conflict.Errorf("已提请将%s列入黑名单，%s", f.Name, followUpNames[g.State])
		}
	}
	return err
}

// send appends what a command says, once for a follow-up.
func (s *Service) send(ctx context.Context, tx pgx.Tx, t *Task, f FollowUp, c Command) error {
	first, err := addCommand(ctx, tx, f.ID, c, s.Now())
	if err != nil || !first {
		return err
	}
	return appendCommand(ctx, tx, t, f, c)
}

// appendCommand says a command to the other services.
func appendCommand(ctx context.Context, tx pgx.Tx, t *Task, f FollowUp, c Command) error {
	result := &inspectionv1.ResultPublished{Task: taskPB(t), Result: f.result(), FollowUpId: f.ID}
	switch c {
	case AskForEntry:
		return event.Append(ctx, tx, Topic, t.ID, wantedPB(t, f))
	case PublishResult:
		return event.Append(ctx, tx, Topic, t.ID, result)
	case WithdrawResult:
		result.Withdrawn, result.Result = true, f.withdrawal()
		return event.Append(ctx, tx, Topic, t.ID, result)
	}
	return nil
}

// learn tells a follow-up what happened and does what follows: each command once,
// all in tx.
func (s *Service) learn(ctx context.Context, tx pgx.Tx, p place, entryID string, facts ...Fact) error {
	t, err := lockTask(ctx, tx, p.TaskID)
	if err != nil {
		return err
	}
	f, err := lockFollowUp(ctx, tx, p.ID)
	if err != nil {
		return err
	}
	if entryID != "" {
		f.Data.EntryID = entryID
		held, resumed, err := findHold(ctx, tx, entryID) // it may have come first
		if err != nil {
			return err
		}
		facts = append(facts, holdFacts(held, resumed)...)
	}
	next, steps, send, err := f.Learn(s.Now(), facts...)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if err := s.reflect(ctx, tx, t, next, step); err != nil {
			return err
		}
	}
	if err := saveFollowUp(ctx, tx, next); err != nil {
		return err
	}
	for _, c := range send {
		if err := s.send(ctx, tx, t, next, c); err != nil {
			return err
		}
	}
	return nil
}

func holdFacts(held, resumed bool) []Fact {
	var facts []Fact
	if held {
		facts = append(facts, Fact{Kind: PayoutsHeld})
	}
	if resumed {
		facts = append(facts, Fact{Kind: PayoutsResumed})
	}
	return facts
}

// reflect shows a follow-up's step in its task: the state, the result, the timeline.
func (s *Service) reflect(ctx context.Context, tx pgx.Tx, t *Task, f FollowUp, step flow.Step) error {
	action := map[string]string{fuPublished: "entry_published", fuUndoing: "entry_set_aside", fuRefused: "entry_refused"}[step.To]
	if step.To == fuUndone && step.Action == "set_aside" { // before it was public
		action = "entry_refused"
	}
	switch action {
	case "entry_published":
		t.Outcome, t.Result = Blacklisted, f.result()
		if t.PublishedOn.IsZero() {
			t.PublishedOn = s.today()
			if err := openVisits(ctx, tx, t.ID); err != nil {
				return err
			}
			if err := appendFindings(ctx, tx, t); err != nil {
				return err
			}
		}
	case "entry_set_aside":
		t.Result = f.withdrawal()
	}
	if action != "" && has(t.machine(), t.State, action) {
		if err := s.pass(ctx, tx, t, action, f.Name); err != nil {
			return err
		}
	}
	return saveNote(ctx, tx, note{task: t, actor: system, action: "follow_up_" + step.Action, label: step.Label, from: step.From, to: step.To, text: f.Name, at: s.Now()})
}

// result is what the public and those who tipped off read once a decision is public.
func (f *FollowUp) result() string {
	return "经检查，" + f.Name + "存在问题且整改未通过，已依法列入校外培训机构黑名单，资金监管账户暂停拨付，退费不受影响。"
}

// withdrawal is what they read once it was set aside.
func (f *FollowUp) withdrawal() string {
	return "此前将" + f.Name + "列入黑名单的决定已被撤销，据此公示的结果同时撤回，资金拨付恢复。"
}

// ListFollowUps asks for follow-ups.
type ListFollowUps struct{}

// FollowUpList is the newest follow-ups.
type FollowUpList struct {
	FollowUps []FollowUpView `json:"follow_ups"`
}

// ListFollowUps lists the follow-ups of the caller's office's tasks.
func (s *Service) ListFollowUps(ctx context.Context, _ ListFollowUps) (FollowUpList, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (FollowUpList, error) {
		all, err := listFollowUps(ctx, tx, auth.From(ctx), page)
		l := FollowUpList{FollowUps: []FollowUpView{}}
		for _, f := range all {
			v, err := s.viewFollowUp(ctx, tx, f)
			if err != nil {
				return l, err
			}
			l.FollowUps = append(l.FollowUps, v)
		}
		return l, err
	})
}

// GetFollowUp asks for one follow-up.
type GetFollowUp struct {
	ID string `path:"id" maxLength:"64"`
}

// GetFollowUp shows where a decision's follow-up stands and what it waits for.
func (s *Service) GetFollowUp(ctx context.Context, req GetFollowUp) (FollowUpView, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (FollowUpView, error) {
		f, err := findFollowUp(ctx, tx, auth.From(ctx), req.ID)
		if err != nil {
			return FollowUpView{}, err
		}
		return s.viewFollowUp(ctx, tx, f)
	})
}

func (s *Service) viewFollowUp(ctx context.Context, tx pgx.Tx, f FollowUp) (FollowUpView, error) {
	f.StateName, f.Waits = followUpNames[f.State], f.waits()
	sent, err := listCommands(ctx, tx, f.ID)
	return FollowUpView{f, f.Stuck(s.Now()), sent, FollowUpFlow.Actions(f.State, "/v1/follow-ups/"+f.ID, auth.From(ctx))}, err
}

// ResumeFollowUp asks for a follow-up's last command to be sent again.
type ResumeFollowUp struct {
	once.Key
	ID string `path:"id" maxLength:"64"`
}

// ResumeFollowUp sends the last command of a waiting follow-up again. Receivers
// know it by the follow-up's id, so that it has no second effect.
func (s *Service) ResumeFollowUp(ctx context.Context, req ResumeFollowUp) (FollowUpView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (FollowUpView, error) {
		c := auth.From(ctx)
		seen, err := findFollowUp(ctx, tx, c, req.ID)
		if err != nil {
			return FollowUpView{}, err
		}
		t, err := lockOwnTask(ctx, tx, c, seen.TaskID)
		if err != nil {
			return FollowUpView{}, err
		}
		f, err := lockFollowUp(ctx, tx, req.ID)
		if err != nil {
			return FollowUpView{}, err
		}
		command, err := f.Resume(c)
		if err != nil {
			return FollowUpView{}, err
		}
		if err := appendCommand(ctx, tx, t, f, command); err != nil {
			return FollowUpView{}, err
		}
		if err := countAgain(ctx, tx, f.ID, command); err != nil {
			return FollowUpView{}, err
		}
		if err := s.step(ctx, tx, t, t.State, flow.Step{Action: "resume", To: t.State, Label: "再次发出", Roles: inspectors}, f.Name+"："+f.waits()); err != nil {
			return FollowUpView{}, err
		}
		return s.viewFollowUp(ctx, tx, f)
	})
}
