package tipoff

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/due"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	inspectionv1 "xunguan/proto/inspection/v1"
	licensingv1 "xunguan/proto/licensing/v1"
	tipoffv1 "xunguan/proto/tipoff/v1"
)

// Topic carries tipoff's events, keyed by tip-off.
const Topic = "tipoff.events"

// tipPB is what other services may know of t, of which c ends next.
func tipPB(t *Tip, c *Clock) *tipoffv1.Tip {
	pb := &tipoffv1.Tip{
		Id: t.ID, Number: t.Number, Jurisdiction: t.Jurisdiction, State: string(t.State), Category: string(t.Category), Summary: t.Summary,
		SubjectKind: string(t.SubjectKind), InstitutionId: t.Institution, PlaceName: t.PlaceSignboard, PlaceAddress: t.PlaceAddress,
		Owner: t.Owner, ReceivedOn: t.ReceivedOn.String(),
	}
	if c != nil {
		pb.Due = c.Due.String()
	}
	return pb
}

// factOf is what is published of action on t; nil for what concerns nobody else.
func factOf(t *Tip, c *Clock, action string) proto.Message {
	pb := tipPB(t, c)
	switch action {
	case "tie":
		return &tipoffv1.TipReceived{Tip: pb}
	case "merge":
		return &tipoffv1.TipMerged{Tip: pb, Into: t.MergedInto}
	case "dispatch", "assign":
		return &tipoffv1.TipDispatched{Tip: pb}
	case "return":
		return &tipoffv1.TipReturned{Tip: pb, Reason: t.Reason, Suggested: t.SuggestedOwner, Times: int32(t.Returns)} //nolint:gosec // at most 2
	case "answer":
		return &tipoffv1.TipAnswered{Tip: pb}
	}
	return nil
}

func answeredFact(t *Tip, a Answer) proto.Message {
	return &tipoffv1.TipAnswered{Tip: tipPB(t, nil), FollowUpId: a.FollowUpID, Amended: a.Amended}
}

// Listen adds to m the handlers of what tipoff learns from others.
func (s *Service) Listen(m event.Mux) {
	event.On(m, s.resultPublished)
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceIssued) error {
		return s.learn(ctx, tx, e.GetInstitution())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceChanged) error {
		return s.learn(ctx, tx, e.GetInstitution())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceSuspended) error {
		return s.learn(ctx, tx, e.GetInstitution())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceRevoked) error {
		return s.learn(ctx, tx, e.GetInstitution())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceCancelled) error {
		return s.learn(ctx, tx, e.GetInstitution())
	})
}

// learn keeps what licensing says of an institution: its whole state, so that the
// first event may be any.
func (s *Service) learn(ctx context.Context, tx pgx.Tx, i *licensingv1.Institution) error {
	if i.GetId() == "" {
		return fault.Invalid.Errorf("an institution without an id")
	}
	return saveInstitution(ctx, tx, Licensed{
		ID: i.GetId(), Name: i.GetName(), Jurisdiction: i.GetJurisdiction(), Address: i.GetAddress(),
		Status: i.GetStatus(), LicenceNumber: i.GetLicenceNumber(),
	})
}

// resultPublished answers every tip-off behind a task, and those merged into them.
func (s *Service) resultPublished(ctx context.Context, tx pgx.Tx, _ string, e *inspectionv1.ResultPublished) error {
	task := e.GetTask()
	if len(task.GetTips()) == 0 {
		return nil
	}
	if e.GetFollowUpId() == "" {
		return fault.Invalid.Errorf("a result without a follow-up")
	}
	tips, err := lockBehind(ctx, tx, task.GetTips()...)
	for i := range tips {
		if err == nil {
			err = s.answered(ctx, tx, &tips[i], s.resultAnswer(&tips[i], e))
		}
	}
	return err
}

// resultAnswer is what t's reporter reads of e.
func (s *Service) resultAnswer(t *Tip, e *inspectionv1.ResultPublished) Answer {
	var offices []string
	for _, agency := range e.GetTask().GetAgencies() {
		offices = append(offices, Office(agency, e.GetTask().GetJurisdiction()))
	}
	if len(offices) == 0 {
		offices = []string{Office("education", t.Jurisdiction)}
	}
	a := Answer{
		Text: "处理结果：" + e.GetResult(), Office: strings.Join(offices, "、"),
		GivenOn: s.today(), FollowUpID: e.GetFollowUpId(), Amended: e.GetWithdrawn(),
	}
	if a.Amended {
		a.Text = "更正：此前答复所依据的决定已被撤销。" + e.GetResult()
	}
	return a
}

// Timers is what the passing of a last day means.
func (s *Service) Timers() []due.Timer {
	return []due.Timer{{Name: "tip_overdue", Next: lockOverdue, Apply: s.overdue, Together: 32}, s.Photos.Timer()}
}

// overdue notes and publishes that a clock ran out. Its case goes on.
func (s *Service) overdue(ctx context.Context, tx pgx.Tx, id string) error {
	tip, name, _ := strings.Cut(id, " ")
	t, err := lockTip(ctx, tx, tip)
	if err != nil {
		return err
	}
	cs, err := listClocks(ctx, tx, tip)
	if err != nil {
		return err
	}
	for i := range cs {
		c := &cs[i]
		if c.Name != name {
			continue
		}
		c.OverdueOn = s.today()
		if err := saveClock(ctx, tx, tip, c); err != nil {
			return err
		}
		step := Tips.Steps[0]
		step.From, step.To, step.Action, step.Label = string(t.State), string(t.State), "overdue", c.Label+"超期"
		if err := saveAudit(ctx, tx, s.Now(), deed{t, step, "应于 " + c.Due.String() + " 前", nil}); err != nil {
			return err
		}
		return event.Append(ctx, tx, Topic, tip, &tipoffv1.TipOverdue{Tip: tipPB(t, c), Clock: name})
	}
	return fault.NotFound.Errorf("没有名为 %s 的期限", name)
}
