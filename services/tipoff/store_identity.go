package tipoff

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/pg"
)

// insertIdentity puts away who told. It cannot be read again in this role.
func insertIdentity(ctx context.Context, tx pgx.Tx, tip string, sealed []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO identities (tip_id, sealed) VALUES ($1, $2)`, tip, sealed)
	return err
}

// findIdentity is the sealed identity of tip, while a request of the caller for it
// is approved and unread; else NotFound.
func findIdentity(ctx context.Context, tx pgx.Tx, tip string) ([]byte, error) {
	type identity struct{ Sealed []byte }
	i, err := asKeeper(ctx, tx, func() (identity, error) {
		return pg.One[identity](ctx, tx, "身份信息", `SELECT sealed FROM identities WHERE tip_id = $1`, tip)
	})
	return i.Sealed, err
}

const requestColumns = `id, tip_id, jurisdiction, reason, requested_by, requested_on, approved_by, open_until, read_on`

func insertRequest(ctx context.Context, tx pgx.Tx, r IdentityRequest) error {
	_, err := tx.Exec(ctx, `INSERT INTO identity_requests (id, tip_id, jurisdiction, reason, requested_by, requested_on)
		VALUES ($1, $2, $3, $4, $5, $6)`, r.ID, r.TipID, r.Jurisdiction, r.Reason, r.RequestedBy, r.RequestedOn)
	return err
}

func lockRequest(ctx context.Context, tx pgx.Tx, id string) (IdentityRequest, error) {
	return pg.One[IdentityRequest](ctx, tx, "该申请", `SELECT `+requestColumns+` FROM identity_requests WHERE id = $1 FOR UPDATE`, id)
}

func saveRequest(ctx context.Context, tx pgx.Tx, r IdentityRequest) error {
	_, err := tx.Exec(ctx, `UPDATE identity_requests SET approved_by = $2, open_until = $3, read_on = $4 WHERE id = $1`,
		r.ID, r.ApprovedBy, r.OpenUntil, r.ReadOn)
	return err
}

// listRequests lists the requests for tip, or all that wait for approval by
// another than account if tip is "".
func listRequests(ctx context.Context, tx pgx.Tx, tip, account string) ([]IdentityRequest, error) {
	return rows[IdentityRequest](ctx, tx, `SELECT `+requestColumns+` FROM identity_requests
		WHERE tip_id = $1 OR $1 = '' AND approved_by = '' AND requested_by <> $2 ORDER BY requested_on, id`, tip, account)
}
