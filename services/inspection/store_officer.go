package inspection

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

const officerColumns = `id, agency, jurisdiction, office, certificate, valid_until, scope, conflicts, active, updated_by, updated_on`

func lockOfficer(ctx context.Context, tx pgx.Tx, id string) (Officer, error) {
	return pg.One[Officer](ctx, tx, "执法人员", `SELECT `+officerColumns+` FROM officers WHERE id = $1 FOR UPDATE`, id)
}

func findOfficer(ctx context.Context, tx pgx.Tx, id string) (Officer, error) {
	o, err := pg.One[Officer](ctx, tx, "执法人员", `SELECT `+officerColumns+` FROM officers WHERE id = $1`, id)
	if fault.KindOf(err) == fault.NotFound {
		err = fault.Refused.Errorf("%s 不在执法检查人员名录库中", id)
	}
	return o, err
}

// findOfficers is those named, in order.
func findOfficers(ctx context.Context, tx pgx.Tx, ids []string) ([]Officer, error) {
	all := make([]Officer, len(ids))
	for i, id := range ids {
		o, err := findOfficer(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		all[i] = o
	}
	return all, nil
}

func listOfficers(ctx context.Context, tx pgx.Tx, c auth.Caller, agency Agency) ([]Officer, error) {
	prefix, _ := reach(c)
	return list[Officer](ctx, tx, `SELECT `+officerColumns+` FROM officers
		WHERE starts_with(jurisdiction, $1) AND ($2 = '' OR agency = $2) ORDER BY agency, id`, prefix, agency)
}

// listDrawable is the officers of agencies whose office covers a place exactly.
func listDrawable(ctx context.Context, tx pgx.Tx, jurisdiction string, agencies []Agency) ([]Officer, error) {
	return list[Officer](ctx, tx, `SELECT `+officerColumns+` FROM officers
		WHERE starts_with(jurisdiction, $1) AND agency = ANY ($2) AND active ORDER BY id`, division.Prefix(jurisdiction), agencies)
}

func saveOfficer(ctx context.Context, tx pgx.Tx, o Officer) error {
	return exec(ctx, tx, `UPDATE officers SET certificate = $2, valid_until = $3, scope = $4, conflicts = $5, active = $6, updated_by = $7, updated_on = $8 WHERE id = $1`,
		o.ID, o.Certificate, o.ValidUntil, o.Scope, o.Conflicts, o.Active, o.UpdatedBy, o.UpdatedOn)
}

// addOfficer adds o, unless it is there.
func addOfficer(ctx context.Context, tx pgx.Tx, o Officer) error {
	return exec(ctx, tx, `INSERT INTO officers (`+officerColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING`,
		o.ID, o.Agency, o.Jurisdiction, o.Office, o.Certificate, o.ValidUntil, o.Scope, o.Conflicts, o.Active, o.UpdatedBy, o.UpdatedOn)
}
