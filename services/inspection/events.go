package inspection

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	escrowv1 "xunguan/proto/escrow/v1"
	inspectionv1 "xunguan/proto/inspection/v1"
	licensingv1 "xunguan/proto/licensing/v1"
	tipoffv1 "xunguan/proto/tipoff/v1"
)

// Topic carries inspection's events, keyed by task.
const Topic = "inspection.events"

// Topics is what inspection listens to, besides the rulebook.
var Topics = []string{"licensing.events", "escrow.events", "tipoff.events"}

func taskPB(t *Task) *inspectionv1.Task {
	p := &inspectionv1.Task{Id: t.ID, Jurisdiction: t.Jurisdiction, Kind: string(t.Kind), State: t.State, Title: t.Title, Tips: t.Tips}
	for _, a := range t.Agencies {
		p.Agencies = append(p.Agencies, string(a))
	}
	switch t.Kind {
	case Joint:
		p.Subject = &inspectionv1.Subject{Kind: "INSTITUTION", InstitutionId: t.InstitutionID, Name: t.SubjectName}
	case Sweep:
		p.Subject = &inspectionv1.Subject{Kind: "PLACE", Name: t.SubjectName, Address: t.Street}
	case Random:
	}
	return p
}

// subjectPB is whom a visit of t inspected: of a place nothing that names a person or a door.
func (t *Task) subjectPB(v *Visit) *inspectionv1.Subject {
	if t.Kind == Sweep {
		return taskPB(t).GetSubject()
	}
	return &inspectionv1.Subject{Kind: "INSTITUTION", InstitutionId: v.InstitutionID, Name: v.Name}
}

// publicName is whom a visit inspected, as a timeline names it.
func (t *Task) publicName(v *Visit) string {
	if t.Kind == Sweep {
		return t.SubjectName
	}
	return v.Name
}

func rectificationPB(r *Rectification) *inspectionv1.Rectification {
	return &inspectionv1.Rectification{
		Id: r.ID, VisitId: r.VisitID, InstitutionId: r.InstitutionID, State: r.State, Due: r.Due.String(), Passed: r.State == rectPassed,
	}
}

// resultPB is t's own result. Receivers know a publication by its follow-up; that
// of a task without one is known by the task.
func resultPB(t *Task) *inspectionv1.ResultPublished {
	return &inspectionv1.ResultPublished{Task: taskPB(t), Result: t.Result, FollowUpId: t.ID}
}

func wantedPB(t *Task, f FollowUp) *inspectionv1.ListEntryWanted {
	return &inspectionv1.ListEntryWanted{
		Id: f.ID, InstitutionId: f.InstitutionID, Jurisdiction: f.Jurisdiction, List: "BLACK", Facts: f.Data.Facts, Basis: f.Data.Basis,
		TaskId: t.ID, WantedBy: f.Data.WantedBy,
	}
}

// appendFindings tells what was found wanting, once it is public.
func appendFindings(ctx context.Context, tx pgx.Tx, t *Task) error {
	visits, err := listVisitsOf(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	for _, v := range visits {
		for _, a := range v.Agencies {
			findings, err := listFindings(ctx, tx, v.ID, a)
			if err != nil {
				return err
			}
			for _, f := range findings {
				if !f.Problem {
					continue
				}
				if err := event.Append(ctx, tx, Topic, t.ID, &inspectionv1.FindingRecorded{Task: taskPB(t), VisitId: v.ID, Agency: string(a), Item: f.Item}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// appendState publishes the state of t anew.
func appendState(ctx context.Context, tx pgx.Tx, t *Task) error {
	if err := event.Append(ctx, tx, Topic, t.ID, &inspectionv1.TaskPlanned{Task: taskPB(t)}); err != nil || t.PublishedOn.IsZero() {
		return err
	}
	all, err := listFollowUpsOf(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	for _, f := range all {
		if c := lastResult(f); c != "" {
			return appendCommand(ctx, tx, t, f, c)
		}
	}
	return event.Append(ctx, tx, Topic, t.ID, resultPB(t))
}

// lastResult is the last that f said of its task's result; "" if nothing.
func lastResult(f FollowUp) Command {
	switch {
	case f.State == fuUndoing, f.State == fuUndone && f.Data.Published:
		return WithdrawResult
	case f.State == fuPublished, f.State == fuDone:
		return PublishResult
	}
	return ""
}

// On adds to m the handlers of others' events.
func (s *Service) On(m event.Mux) {
	onInstitution(m)
	s.onEntry(m)
	s.onHold(m)
	s.onTip(m)
}

// onInstitution keeps the projection of institutions.
func onInstitution(m event.Mux) {
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceIssued) error {
		return learnInstitution(ctx, tx, e.GetInstitution())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceChanged) error {
		return learnInstitution(ctx, tx, e.GetInstitution())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceSuspended) error {
		return learnInstitution(ctx, tx, e.GetInstitution())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceRevoked) error {
		return learnInstitution(ctx, tx, e.GetInstitution())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceCancelled) error {
		return learnInstitution(ctx, tx, e.GetInstitution())
	})
}

func learnInstitution(ctx context.Context, tx pgx.Tx, i *licensingv1.Institution) error {
	if i.GetId() == "" {
		return nil
	}
	return saveInstitution(ctx, tx, Institution{
		ID: i.GetId(), Name: i.GetName(), Jurisdiction: i.GetJurisdiction(), Address: i.GetAddress(), Category: i.GetCategory(), Item: i.GetItem(),
		Status: i.GetStatus(), Manager: i.GetManager(), List: i.GetList().GetList(),
	})
}

// onEntry follows the list entries that inspection asked for.
func (s *Service) onEntry(m event.Mux) {
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.ListEntryProposed) error {
		return s.learnEntry(ctx, tx, e.GetEntry())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.ListEntryDecided) error {
		switch e.GetEntry().GetState() {
		case "APPROVED":
			return s.learnEntry(ctx, tx, e.GetEntry(), Fact{Kind: EntryDecided})
		case "REFUSED":
			return s.learnEntry(ctx, tx, e.GetEntry(), Fact{Kind: EntryRefused})
		}
		return nil
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.ListEntryPublished) error {
		if err := learnInstitution(ctx, tx, e.GetInstitution()); err != nil {
			return err
		}
		return s.learnEntry(ctx, tx, e.GetEntry(), Fact{Kind: EntryPublished})
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.ListEntryRemoved) error {
		if err := learnInstitution(ctx, tx, e.GetInstitution()); err != nil {
			return err
		}
		if !e.GetEntry().GetSetAside() {
			return nil // it ended; what was done stays done
		}
		return s.learnEntry(ctx, tx, e.GetEntry(), Fact{Kind: EntrySetAside})
	})
}

func (s *Service) learnEntry(ctx context.Context, tx pgx.Tx, e *licensingv1.ListEntry, facts ...Fact) error {
	if e.GetWantedBy() == "" {
		return nil
	}
	p, err := placeOf(ctx, tx, e.GetWantedBy())
	if fault.KindOf(err) == fault.NotFound {
		return nil // another service's
	}
	if err != nil {
		return err
	}
	return s.learn(ctx, tx, p, e.GetId(), facts...)
}

// onHold follows escrow's stops of payouts.
func (s *Service) onHold(m event.Mux) {
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *escrowv1.PayoutsHeld) error {
		return s.learnHold(ctx, tx, e.GetHold(), false)
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *escrowv1.PayoutsResumed) error {
		return s.learnHold(ctx, tx, e.GetHold(), true)
	})
}

func (s *Service) learnHold(ctx context.Context, tx pgx.Tx, h *escrowv1.Hold, resumed bool) error {
	if h.GetCauseId() == "" {
		return nil
	}
	if err := saveHold(ctx, tx, h.GetCauseId(), h.GetInstitutionId(), resumed); err != nil {
		return err
	}
	p, err := placeByEntry(ctx, tx, h.GetCauseId())
	if fault.KindOf(err) == fault.NotFound {
		return nil // of an entry that is not known here, or not yet
	}
	if err != nil {
		return err
	}
	return s.learn(ctx, tx, p, "", holdFacts(true, resumed)...)
}

// onTip keeps the projection of tip-offs and follows their answers.
func (s *Service) onTip(m event.Mux) {
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *tipoffv1.TipReceived) error {
		return learnTip(ctx, tx, e.GetTip(), "")
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *tipoffv1.TipDispatched) error {
		return learnTip(ctx, tx, e.GetTip(), "")
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *tipoffv1.TipReturned) error {
		return learnTip(ctx, tx, e.GetTip(), "")
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *tipoffv1.TipOverdue) error {
		return learnTip(ctx, tx, e.GetTip(), "")
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *tipoffv1.TipMerged) error {
		return learnTip(ctx, tx, e.GetTip(), e.GetInto())
	})
	event.On(m, s.learnAnswer)
}

func learnTip(ctx context.Context, tx pgx.Tx, t *tipoffv1.Tip, into string) error {
	if t.GetId() == "" {
		return nil
	}
	tip := Tip{
		ID: t.GetId(), Number: t.GetNumber(), Jurisdiction: t.GetJurisdiction(), State: t.GetState(), Category: t.GetCategory(), Summary: t.GetSummary(),
		SubjectKind: t.GetSubjectKind(), InstitutionID: t.GetInstitutionId(), PlaceName: t.GetPlaceName(), PlaceAddress: t.GetPlaceAddress(),
		Owner: Agency(t.GetOwner()), MergedInto: into,
	}
	if err := tip.ReceivedOn.UnmarshalText([]byte(t.GetReceivedOn())); err != nil {
		return err
	}
	if err := tip.Due.UnmarshalText([]byte(t.GetDue())); err != nil {
		return err
	}
	return saveTip(ctx, tx, tip)
}

func (s *Service) learnAnswer(ctx context.Context, tx pgx.Tx, _ string, e *tipoffv1.TipAnswered) error {
	if err := learnTip(ctx, tx, e.GetTip(), ""); err != nil || e.GetFollowUpId() == "" {
		return err
	}
	p, err := placeOf(ctx, tx, e.GetFollowUpId())
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	fact := Fact{TipAnswered, e.GetTip().GetId()}
	if e.GetAmended() {
		fact.Kind = TipAmended
	}
	return s.learn(ctx, tx, p, "", fact)
}
