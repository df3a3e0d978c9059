package portal

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

// FindInstitutions is a search of the public directory.
type FindInstitutions struct {
	Q            string `query:"q" maxLength:"200" description:"words of the name, USCC, licence number or address; every word must be found"`
	Jurisdiction string `query:"jurisdiction" pattern:"^[0-9]{6}$" description:"a division and all below it"`
	Status       string `query:"status" enum:"ACTIVE,SUSPENDED,REVOKED,CANCELLED"`
	Page         int    `query:"page" minimum:"1" maximum:"100" description:"1 if absent"`
	Size         int    `query:"size" minimum:"1" maximum:"100" description:"20 if absent"`
}

// Institutions is one page of what was found.
type Institutions struct {
	Items []Institution `json:"items"`
	Total int           `json:"total" description:"at most 10000"`
	More  bool          `json:"more,omitempty" description:"there are more than total"`
	Page  int           `json:"page"`
	Size  int           `json:"size"`
	Hint  string        `json:"hint,omitempty" description:"what to make of an empty result"`
	AsOf  time.Time     `json:"as_of" description:"when the directory last changed here"`
}

// FindInstitution asks for one.
type FindInstitution struct {
	ID string `path:"id" minLength:"1" maxLength:"64"`
}

const pageSize = 20

// FindInstitutions searches the directory, by name. It returns Invalid for a
// division that does not exist.
func (s *Service) FindInstitutions(ctx context.Context, req FindInstitutions) (Institutions, error) {
	req.Page = max(req.Page, 1)
	if req.Size == 0 {
		req.Size = pageSize
	}
	within := ""
	if req.Jurisdiction != "" {
		if _, ok := division.Find(req.Jurisdiction); !ok {
			return Institutions{}, fault.Fields(fault.Field{Pointer: "/query/jurisdiction", Detail: "没有这个行政区划代码"})
		}
		within = division.Prefix(req.Jurisdiction)
	}
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Institutions, error) {
		found, err := searchInstitutions(ctx, tx, terms(req.Q), within, req.Status, req.Size, (req.Page-1)*req.Size)
		if err != nil {
			return Institutions{}, err
		}
		found.Page, found.Size = req.Page, req.Size
		if found.Total == 0 {
			found.Hint = absent
		}
		for i := range found.Items {
			found.Items[i].describe()
		}
		return found, nil
	})
}

// FindInstitution returns one, or NotFound.
func (s *Service) FindInstitution(ctx context.Context, req FindInstitution) (Institution, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Institution, error) {
		i, err := findInstitution(ctx, tx, req.ID)
		i.describe()
		return i, err
	})
}

// describe fills what follows from the rest.
func (i *Institution) describe() {
	i.JurisdictionName, i.StatusName, i.Object = division.Name(i.Jurisdiction), name(i.Status), i.objection()
}

// places is what a search may be narrowed to: the divisions that have an
// institution, the cities above them, and at, if there is such a division.
func (s *Service) places(ctx context.Context, at string) ([]division.Division, error) {
	codes, err := pg.InTx(ctx, s.DB, func(tx pgx.Tx) ([]string, error) { return listJurisdictions(ctx, tx) })
	all := map[string]division.Division{}
	for _, code := range append(codes, at) {
		for _, above := range division.Ancestors(code) {
			if d, _ := division.Find(above); d.Level == division.AtCity || above == code {
				all[above] = d
			}
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b division.Division) int { return cmp.Compare(a.Code, b.Code) }), err
}
