package licensing

import (
	"context"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/event"
	inspectionv1 "xunguan/proto/inspection/v1"
	licensingv1 "xunguan/proto/licensing/v1"
)

// Topic carries licensing's events, keyed by institution.
const Topic = "licensing.events"

// InspectionTopic carries what inspection asks of licensing.
const InspectionTopic = "inspection.events"

// Events adds to m what licensing does for inspection.
func (s *Service) Events(m event.Mux) {
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, w *inspectionv1.ListEntryWanted) error {
		return s.proposeWanted(ctx, tx, w)
	})
}

func applicationPB(a *Application) *licensingv1.Application {
	return &licensingv1.Application{
		Id: a.ID, InstitutionId: a.InstitutionID, Jurisdiction: a.Jurisdiction,
		State: string(a.State), Name: a.Name, DecideBy: a.DecideBy.String(),
	}
}

// applicationEvent is what is published of the step that brought a to its state;
// nil for steps that concern nobody else.
func applicationEvent(a *Application, action string) proto.Message {
	switch action {
	case "submit", "resubmit":
		return &licensingv1.ApplicationSubmitted{Application: applicationPB(a)}
	case "accept", "deem_accepted":
		return &licensingv1.ApplicationAccepted{Application: applicationPB(a)}
	case "return":
		return &licensingv1.ApplicationReturned{Application: applicationPB(a)}
	case "refuse_acceptance", "grant", "refuse":
		return &licensingv1.ApplicationDecided{Application: applicationPB(a)}
	}
	return nil
}

// institutionPB is i for other services; e is its entry in force, if any.
func institutionPB(i *Institution, e *ListEntry) *licensingv1.Institution {
	pb := &licensingv1.Institution{
		Id: i.ID, Name: i.Name, Jurisdiction: i.Jurisdiction, Address: i.Address,
		Category: string(i.Category), Item: i.Item, Kind: i.Kind, Mode: i.Mode,
		Status: string(i.Status), StatusSince: i.StatusSince.String(), LicenceNumber: i.LicenceNumber,
		ValidFrom: i.ValidFrom.String(), ValidUntil: i.ValidUntil.String(), IssuedBy: i.IssuedBy,
		Uscc: i.USCC, LegalForm: i.LegalForm, Manager: i.Manager, Capacity: int32(i.Capacity), //nolint:gosec // at most 100,000
	}
	if e != nil {
		pb.List = entryPB(e)
	}
	return pb
}

func entryPB(e *ListEntry) *licensingv1.ListEntry {
	return &licensingv1.ListEntry{
		Id: e.ID, InstitutionId: e.InstitutionID, Jurisdiction: e.Jurisdiction, List: string(e.List), State: string(e.State),
		Since: e.Since.String(), Until: e.Until.String(), Basis: e.Basis, DecidedBy: e.DecidedBy, Objection: e.Objection,
		WantedBy: e.WantedBy, SetAside: e.SetAside,
	}
}

// institutionEvent is i's state as an event, whatever happened to it before.
func institutionEvent(i *Institution, e *ListEntry) proto.Message {
	pb := institutionPB(i, e)
	switch i.Status {
	case Suspended:
		return &licensingv1.LicenceSuspended{Institution: pb}
	case Revoked:
		return &licensingv1.LicenceRevoked{Institution: pb}
	case Cancelled:
		return &licensingv1.LicenceCancelled{Institution: pb}
	case Active:
	}
	return &licensingv1.LicenceChanged{Institution: pb}
}
