package portal

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/day"
	"xunguan/pkg/event"
	escrowv1 "xunguan/proto/escrow/v1"
	licensingv1 "xunguan/proto/licensing/v1"
)

// Topics are those whose events portal consumes.
var Topics = []string{"licensing.events", "escrow.events"}

// On makes m keep the directory: whatever says how an institution is now
// replaces what was known of it. Of its money only the band of its cover is public.
func (s *Service) On(m event.Mux) {
	keep[licensingv1.LicenceIssued](m, s)
	keep[licensingv1.LicenceChanged](m, s)
	keep[licensingv1.LicenceSuspended](m, s)
	keep[licensingv1.LicenceRevoked](m, s)
	keep[licensingv1.LicenceCancelled](m, s)
	keep[licensingv1.ListEntryPublished](m, s)
	keep[licensingv1.ListEntryRemoved](m, s)
	event.On(m, func(ctx context.Context, tx pgx.Tx, key string, e *escrowv1.CoverBandChanged) error {
		var p dates
		since := p.date(e.GetSince())
		if p.err != nil || e.GetInstitutionId() != key {
			return fmt.Errorf("cover of %q under %s: %w", e.GetInstitutionId(), key, p.err)
		}
		return saveCover(ctx, tx, key, e.GetBand(), since)
	})
}

func keep[E any, P interface {
	*E
	GetInstitution() *licensingv1.Institution
	proto.Message
}](m event.Mux, s *Service,
) {
	event.On(m, func(ctx context.Context, tx pgx.Tx, key string, e P) error {
		i, err := institution(e.GetInstitution())
		if err != nil {
			return err
		}
		if i.ID != key {
			return fmt.Errorf("event of %s speaks of institution %q", key, i.ID)
		}
		return saveInstitution(ctx, tx, i, s.Machine())
	})
}

// institution is what of in may be public: not who manages it.
func institution(in *licensingv1.Institution) (Institution, error) {
	if in.GetId() == "" {
		return Institution{}, errors.New("event without an institution")
	}
	var p dates
	i := Institution{
		ID: in.GetId(), Name: in.GetName(), Jurisdiction: in.GetJurisdiction(), Address: in.GetAddress(),
		Category: in.GetCategory(), Item: in.GetItem(), Kind: in.GetKind(), Mode: in.GetMode(),
		Status: in.GetStatus(), StatusSince: p.date(in.GetStatusSince()), LicenceNumber: in.GetLicenceNumber(),
		ValidFrom: p.date(in.GetValidFrom()), ValidUntil: p.date(in.GetValidUntil()), IssuedBy: in.GetIssuedBy(),
		USCC: in.GetUscc(), LegalForm: in.GetLegalForm(), Capacity: int(in.GetCapacity()),
	}
	if l := in.GetList(); l.GetList() != "" {
		i.List = &Listing{
			List: l.GetList(), Since: p.date(l.GetSince()), Until: p.date(l.GetUntil()),
			Basis: l.GetBasis(), DecidedBy: l.GetDecidedBy(), Objection: l.GetObjection(),
		}
	}
	return i, p.err
}

// dates reads dates and remembers the first that is none.
type dates struct{ err error }

func (p *dates) date(s string) (d day.Date) {
	if err := d.UnmarshalText([]byte(s)); p.err == nil {
		p.err = err
	}
	return d
}
