package portal

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/pg"
)

const institutionColumns = `id, name, jurisdiction, address, category, item, kind, mode, status, status_since, licence_number,
	valid_from, valid_until, issued_by, uscc, legal_form, capacity, changed_at, list, list_since, list_until, list_basis, list_by, list_objection`

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
	r, err := pg.One[institutionRow](ctx, tx, "机构", `SELECT `+institutionColumns+` FROM institutions WHERE id = $1`, id)
	return r.institution(), err
}

// searchInstitutions returns one page of the institutions that contain every one
// of terms. The grams find candidates by index, strpos decides: two words may
// share their grams and not be the same. The match is materialised, else the
// planner walks the ordering index and tries every row.
func searchInstitutions(ctx context.Context, tx pgx.Tx, terms []string, within, status string, size, skip int) (Institutions, error) {
	var found Institutions
	err := tx.QueryRow(ctx, `SELECT coalesce(max(changed_at), 'epoch') FROM institutions`).Scan(&found.AsOf)
	if err != nil {
		return found, err
	}
	args := []any{terms, within, status}
	const match = `WITH match AS MATERIALIZED (
		SELECT id, name FROM institutions
		WHERE ($1::text[] = '{}' OR grams @> (SELECT coalesce(array_agg(DISTINCT g), '{}') FROM unnest($1::text[]) term, unnest(grams(term)) g))
		  AND NOT EXISTS (SELECT FROM unnest($1::text[]) term WHERE strpos(words, term) = 0)
		  AND ($2 = '' OR jurisdiction LIKE $2 || '%') AND ($3 = '' OR status = $3))`
	if err := tx.QueryRow(ctx, match+` SELECT count(*) FROM match`, args...).Scan(&found.Total); err != nil {
		return found, err
	}
	rows, err := tx.Query(ctx, match+` SELECT `+institutionColumns+` FROM institutions
		WHERE id IN (SELECT id FROM match ORDER BY name COLLATE "C", id LIMIT $4 OFFSET $5) ORDER BY name COLLATE "C", id`, append(args, size, skip)...)
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
