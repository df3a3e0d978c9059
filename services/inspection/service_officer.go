package inspection

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// ListOfficers asks for the library of officers.
type ListOfficers struct {
	Agency Agency `query:"agency"`
}

// OfficerLine is an officer with whether its certificate is in force.
type OfficerLine struct {
	Officer
	Valid bool `json:"valid" description:"the certificate is in force today"`
}

// OfficerList is the officers of a place.
type OfficerList struct {
	Officers []OfficerLine `json:"officers"`
}

// ListOfficers lists the officers of the caller's place, of all agencies: they
// inspect together, and are drawn from one library.
func (s *Service) ListOfficers(ctx context.Context, req ListOfficers) (OfficerList, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (OfficerList, error) {
		all, err := listOfficers(ctx, tx, auth.From(ctx), req.Agency)
		l := OfficerList{Officers: []OfficerLine{}}
		for _, o := range all {
			l.Officers = append(l.Officers, OfficerLine{o, o.Active && !s.today().After(o.ValidUntil)})
		}
		return l, err
	})
}

// ChangeOfficer is an office's word on one of its officers.
type ChangeOfficer struct {
	once.Key
	ID          string      `path:"id" maxLength:"64"`
	Certificate string      `json:"certificate" minLength:"4" maxLength:"40"`
	ValidUntil  day.Date    `json:"valid_until"`
	Scope       []string    `json:"scope" maxItems:"50" description:"codes of check items; none is all of the agency's"`
	Conflicts   []Avoidance `json:"conflicts" maxItems:"200"`
	Active      bool        `json:"active"`
}

// ChangeOfficer keeps the library: each office its own officers. A draw that is
// frozen is not changed by it.
func (s *Service) ChangeOfficer(ctx context.Context, req ChangeOfficer) (OfficerLine, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (OfficerLine, error) {
		c := auth.From(ctx)
		seen, err := listOfficers(ctx, tx, c, "")
		if err != nil {
			return OfficerLine{}, err
		}
		err = fault.NotFound.Errorf("执法人员不存在")
		for _, o := range seen {
			if o.ID == req.ID {
				err = o.OwnOffice(c)
			}
		}
		if err != nil {
			return OfficerLine{}, err
		}
		o, err := lockOfficer(ctx, tx, req.ID)
		if err != nil {
			return OfficerLine{}, err
		}
		for _, code := range req.Scope {
			item, err := findItem(ctx, tx, code)
			if err != nil || item.Agency != o.Agency {
				return OfficerLine{}, fault.Fields(fault.Field{Pointer: "/scope", Detail: code + " 不是本部门的抽查事项"})
			}
		}
		o.Certificate, o.ValidUntil, o.Scope, o.Conflicts, o.Active = req.Certificate, req.ValidUntil, req.Scope, req.Conflicts, req.Active
		o.UpdatedBy, o.UpdatedOn = c.Subject, s.today()
		return OfficerLine{o, o.Active && !s.today().After(o.ValidUntil)}, saveOfficer(ctx, tx, o)
	})
}
