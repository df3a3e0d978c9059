package licensing

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	inspectionv1 "xunguan/proto/inspection/v1"
	licensingv1 "xunguan/proto/licensing/v1"
)

// proposeWanted proposes the black list entry that an inspection wants, by the
// officer who wants it, once for a request. It does not matter how the licence
// stands: a list may name whose licence was suspended or revoked. If an entry is
// under way or in force already, the new one is declined in so many words, so that
// the inspection does not wait for ever. What cannot be a request is an error.
func (s *Service) proposeWanted(ctx context.Context, tx pgx.Tx, w *inspectionv1.ListEntryWanted) error {
	if err := checkWanted(w); err != nil {
		return err
	}
	i, err := lockInstitution(ctx, tx, w.GetInstitutionId())
	if err != nil {
		return err
	}
	if !strings.HasPrefix(i.Jurisdiction, division.Prefix(w.GetJurisdiction())) {
		return fmt.Errorf("%s may not list an institution of %s", w.GetJurisdiction(), i.Jurisdiction)
	}
	if again, err := wantedAlready(ctx, tx, w.GetId()); again || err != nil {
		return err
	}
	e := wantedEntry(&i, w)
	e.ProposedOn = s.today()
	err = s.mayPropose(ctx, tx, &i, &e)
	declined := errors.Is(err, fault.Conflict)
	if err != nil && !declined {
		return err
	}
	officer := auth.With(ctx, auth.Caller{Subject: e.ProposedBy, Agency: e.OfficeAgency, Jurisdiction: e.OfficePlace})
	step := flow.Step{Action: "propose", To: string(Proposed), Label: "检查未整改，提出列入" + listNames[e.List]}
	if declined {
		return s.decline(ctx, officer, tx, &e, step, err.Error())
	}
	if err := insertEntry(ctx, tx, &e); err != nil {
		return err
	}
	return s.note(officer, tx, &e, step, e.Facts, &licensingv1.ListEntryProposed{Entry: entryPB(&e)})
}

// checkWanted returns an error unless w is whole.
func checkWanted(w *inspectionv1.ListEntryWanted) error {
	_, known := division.Find(w.GetJurisdiction())
	_, badID := uuid.Parse(w.GetInstitutionId())
	switch {
	case w.GetId() == "" || w.GetWantedBy() == "" || strings.TrimSpace(w.GetFacts()) == "":
		return errors.New("a wanted list entry without id, officer or facts")
	case badID != nil:
		return fmt.Errorf("a wanted list entry of %q: %w", w.GetInstitutionId(), badID)
	case List(w.GetList()) != Black:
		return fmt.Errorf("an inspection wants an entry on list %q", w.GetList())
	case !known:
		return fmt.Errorf("a wanted list entry of an office at %q", w.GetJurisdiction())
	}
	return nil
}

// wantedEntry is w as a proposed entry of i, by the education office whose officer
// wants it.
func wantedEntry(i *Institution, w *inspectionv1.ListEntryWanted) ListEntry {
	return ListEntry{
		ID: newID(), InstitutionID: i.ID, Institution: i.Name, Jurisdiction: i.Jurisdiction, Manager: i.Manager,
		List: Black, State: Proposed, Facts: strings.TrimSpace(w.GetFacts()), Basis: w.GetBasis(), WantedBy: w.GetId(), ProposedBy: w.GetWantedBy(),
		Office: Office(educationDept, w.GetJurisdiction()), OfficeAgency: educationDept, OfficePlace: w.GetJurisdiction(), Clocks: Clocks{},
	}
}

// decline keeps e as refused for why by the system's own step, after officer
// proposed it.
func (s *Service) decline(ctx, officer context.Context, tx pgx.Tx, e *ListEntry, proposal flow.Step, why string) error {
	step, err := own(ListEntries, string(e.State), "decline")
	if err != nil {
		return err
	}
	if err := s.note(officer, tx, e, proposal, e.Facts, &licensingv1.ListEntryProposed{Entry: entryPB(e)}); err != nil {
		return err
	}
	e.State, e.Reason, e.DecidedOn, e.Grounds = EntryState(step.To), why, s.today(), []fault.Ground{}
	if err := insertEntry(ctx, tx, e); err != nil {
		return err
	}
	return s.note(ctx, tx, e, step, why, &licensingv1.ListEntryDecided{Entry: entryPB(e)})
}
