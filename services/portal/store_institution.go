package portal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/pg"
)

const institutionColumns = `id, name, jurisdiction, address, category, item, kind, mode, status, status_since, licence_number,
	valid_from, valid_until, issued_by, uscc, legal_form, capacity, changed_at, list, list_since, list_until, list_basis, list_by, list_objection,
	coalesce(band, '') AS cover, since AS cover_since`

// directory is every institution with the band of its cover.
const directory = ` FROM institutions LEFT JOIN covers ON institution = id`

// institutionRow is an institution as it is stored: with its list entry flat.
type institutionRow struct {
	Institution
	Listed        string   `db:"list"`
	ListSince     day.Date `db:"list_since"`
	ListUntil     day.Date `db:"list_until"`
	ListBasis     string   `db:"list_basis"`
	ListBy        string   `db:"list_by"`
	ListObjection string   `db:"list_objection"`
}

func (r institutionRow) institution() Institution {
	if r.Listed != "" {
		r.List = &Listing{r.Listed, r.ListSince, r.ListUntil, r.ListBasis, r.ListBy, r.ListObjection}
	}
	return r.Institution
}

func findInstitution(ctx context.Context, tx pgx.Tx, id string) (Institution, error) {
	r, err := pg.One[institutionRow](ctx, tx, "机构", `SELECT `+institutionColumns+directory+` WHERE id = $1`, id)
	return r.institution(), err
}

const (
	totalCap = 10000 // matches are counted up to here; there are no more pages than that
	frequent = 2000  // from so many matches on it is quicker to walk the order than to sort them
)

// search is the conditions of one search. What is not asked for is not in the
// statement, else a generic plan could not use the indexes.
type search struct {
	found []string // what every match has; decides
	grams []string // what the index can say of it
	args  pgx.NamedArgs
}

func newSearch(terms []string, within, status string) search {
	q := search{found: []string{"true"}, args: pgx.NamedArgs{"grams": grams(terms), "within": within + "%", "status": status, "cap": totalCap + 1}}
	for i, t := range terms {
		name := fmt.Sprint("term", i)
		q.found = append(q.found, "strpos(words, @"+name+") > 0") // and no LIKE: a name may have a %
		q.args[name] = t
	}
	if len(terms) > 0 {
		q.grams = []string{"grams @> @grams::text[]"}
	}
	if within != "" {
		q.found = append(q.found, "jurisdiction LIKE @within")
	}
	if status != "" {
		q.found = append(q.found, "status = @status")
	}
	return q
}

// searchInstitutions returns one page of the institutions that contain every one
// of terms. The grams find candidates by index, strpos decides: two words may
// share their grams and not be the same. Few matches are found first and then
// sorted, MATERIALIZED, else the planner walks the order and tries every row;
// many are met soon by walking the order.
func searchInstitutions(ctx context.Context, tx pgx.Tx, terms []string, within, status string, size, skip int) (Institutions, error) {
	var found Institutions
	err := tx.QueryRow(ctx, `SELECT coalesce(max(changed_at), 'epoch') FROM institutions`).Scan(&found.AsOf)
	if err != nil {
		return found, err
	}
	q := newSearch(terms, within, status)
	q.args["size"], q.args["skip"] = size, skip
	matches := ` FROM institutions WHERE ` + strings.Join(slices.Concat(q.grams, q.found), " AND ")
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT`+matches+` LIMIT @cap) capped`, q.args).Scan(&found.Total); err != nil {
		return found, err
	}
	const order = ` ORDER BY name COLLATE "C", id`
	sql := `WITH match AS MATERIALIZED (SELECT id, name` + matches + `) SELECT ` + institutionColumns + directory + `
		WHERE id IN (SELECT id FROM match` + order + ` LIMIT @size OFFSET @skip)` + order
	if found.Total > frequent {
		sql = `SELECT ` + institutionColumns + directory + ` WHERE ` + strings.Join(q.found, " AND ") + order + ` LIMIT @size OFFSET @skip`
	}
	if found.Total > totalCap {
		found.Total, found.More = totalCap, true
	}
	rows, err := tx.Query(ctx, sql, q.args)
	if err != nil {
		return found, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[institutionRow])
	found.Items = make([]Institution, len(all))
	for i, r := range all {
		found.Items[i] = r.institution()
	}
	return found, err
}

// listJurisdictions returns the divisions that have an institution, in order of
// code. It steps from one to the next by the index: there are many more
// institutions than divisions.
func listJurisdictions(ctx context.Context, tx pgx.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, `WITH RECURSIVE step AS (
			(SELECT jurisdiction FROM institutions ORDER BY jurisdiction USING ~<~ LIMIT 1)
			UNION ALL
			SELECT (SELECT i.jurisdiction FROM institutions i WHERE i.jurisdiction ~>~ step.jurisdiction ORDER BY i.jurisdiction USING ~<~ LIMIT 1)
			FROM step WHERE step.jurisdiction IS NOT NULL
		) SELECT jurisdiction FROM step WHERE jurisdiction IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func countInstitutions(ctx context.Context, tx pgx.Tx) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FROM institutions`).Scan(&n)
	return n, err
}

func saveInstitution(ctx context.Context, tx pgx.Tx, i Institution, at time.Time) error {
	l := Listing{}
	if i.List != nil {
		l = *i.List
	}
	_, err := tx.Exec(ctx, `INSERT INTO institutions (id, name, jurisdiction, address, category, item, kind, mode, status, status_since,
			licence_number, valid_from, valid_until, issued_by, uscc, legal_form, capacity,
			list, list_since, list_until, list_basis, list_by, list_objection, words, changed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)
		ON CONFLICT (id) DO UPDATE SET (name, jurisdiction, address, category, item, kind, mode, status, status_since,
			licence_number, valid_from, valid_until, issued_by, uscc, legal_form, capacity,
			list, list_since, list_until, list_basis, list_by, list_objection, words, changed_at)
		= ROW (EXCLUDED.name, EXCLUDED.jurisdiction, EXCLUDED.address, EXCLUDED.category, EXCLUDED.item, EXCLUDED.kind, EXCLUDED.mode,
			EXCLUDED.status, EXCLUDED.status_since, EXCLUDED.licence_number, EXCLUDED.valid_from, EXCLUDED.valid_until, EXCLUDED.issued_by,
			EXCLUDED.uscc, EXCLUDED.legal_form, EXCLUDED.capacity, EXCLUDED.list, EXCLUDED.list_since, EXCLUDED.list_until,
			EXCLUDED.list_basis, EXCLUDED.list_by, EXCLUDED.list_objection, EXCLUDED.words, EXCLUDED.changed_at)`,
		i.ID, i.Name, i.Jurisdiction, i.Address, i.Category, i.Item, i.Kind, i.Mode, i.Status, i.StatusSince,
		i.LicenceNumber, i.ValidFrom, i.ValidUntil, i.IssuedBy, i.USCC, i.LegalForm, i.Capacity,
		l.List, l.Since, l.Until, l.Basis, l.DecidedBy, l.Objection, i.words(), at)
	return err
}

func saveCover(ctx context.Context, tx pgx.Tx, institution, band string, since day.Date) error {
	_, err := tx.Exec(ctx, `INSERT INTO covers (institution, band, since) VALUES ($1, $2, $3)
		ON CONFLICT (institution) DO UPDATE SET band = EXCLUDED.band, since = EXCLUDED.since`, institution, band, since)
	return err
}
