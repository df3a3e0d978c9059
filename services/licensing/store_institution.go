package licensing

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

const (
	institutionColumns = `id, application_id, jurisdiction, manager, name, address, category, item, kind, mode, area_m2, capacity,
		legal_form, status, status_since, licence_number, valid_from, valid_until, issued_by, uscc, registered_on`
	institutionAgencies = `'education', 'market', 'culture', 'sport', 'science', 'fire', 'civil', 'police'`
)

func insertInstitution(ctx context.Context, tx pgx.Tx, i *Institution) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO institutions (id, application_id, jurisdiction, manager, name, address, category, item, kind, mode, area_m2, capacity,
			legal_form, status, status_since, licence_number, valid_from, valid_until, issued_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
		i.ID, i.ApplicationID, i.Jurisdiction, i.Manager, i.Name, i.Address, i.Category, i.Item, i.Kind, i.Mode, i.AreaM2, i.Capacity,
		i.LegalForm, i.Status, i.StatusSince, i.LicenceNumber, i.ValidFrom, i.ValidUntil, i.IssuedBy); err != nil {
		return err
	}
	for attribute, value := range i.attributes() {
		if err := remember(ctx, tx, i.ID, attribute, value, i.ValidFrom); err != nil {
			return err
		}
	}
	return nil
}

// remember says that from since on, attribute of the institution id is value.
func remember(ctx context.Context, tx pgx.Tx, id, attribute, value string, since day.Date) error {
	if _, err := tx.Exec(ctx, `UPDATE institution_history SET until = greatest(since, $3::date - 1)
		WHERE institution_id = $1 AND attribute = $2 AND until IS NULL`, id, attribute, since); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO institution_history (institution_id, attribute, value, since) VALUES ($1, $2, $3, $4)`,
		id, attribute, value, since)
	return err
}

func lockInstitution(ctx context.Context, tx pgx.Tx, id string) (Institution, error) {
	return pg.One[Institution](ctx, tx, "机构", `SELECT `+institutionColumns+` FROM institutions WHERE id = $1 FOR UPDATE`, id)
}

func findInstitution(ctx context.Context, tx pgx.Tx, id string) (Institution, error) {
	return pg.One[Institution](ctx, tx, "机构", `SELECT `+institutionColumns+` FROM institutions WHERE id = $1`, id)
}

// saveRegistration keeps i's USCC: Conflict if another institution with a licence
// in force has it, wherever that is.
func saveRegistration(ctx context.Context, tx pgx.Tx, i *Institution) error {
	_, err := tx.Exec(ctx, `UPDATE institutions SET uscc = $2, registered_on = $3 WHERE id = $1`, i.ID, i.USCC, i.RegisteredOn)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.ConstraintName == "institutions_uscc" {
		return fault.Conflict.Errorf("统一社会信用代码 %s 已登记在另一家持有效办学许可证的机构名下", i.USCC)
	}
	if err != nil {
		return err
	}
	return remember(ctx, tx, i.ID, "uscc", i.USCC, i.RegisteredOn)
}

func saveStatus(ctx context.Context, tx pgx.Tx, i *Institution) error {
	if _, err := tx.Exec(ctx, `UPDATE institutions SET status = $2, status_since = $3 WHERE id = $1`, i.ID, i.Status, i.StatusSince); err != nil {
		return err
	}
	return remember(ctx, tx, i.ID, "status", string(i.Status), i.StatusSince)
}

func listHistory(ctx context.Context, tx pgx.Tx, id string) ([]Attribute, error) {
	return rows[Attribute](ctx, tx, `SELECT attribute, value, since, until FROM institution_history
		WHERE institution_id = $1 ORDER BY since, attribute, id`, id)
}

func listInstitutions(ctx context.Context, tx pgx.Tx, q ListInstitutions) ([]Institution, error) {
	return rows[Institution](ctx, tx, `SELECT `+institutionColumns+` FROM institutions
		WHERE `+wall(institutionAgencies, "manager")+`
		  AND ($5 = '' OR status = $5) AND ($6 = '' OR starts_with(jurisdiction, $6)) AND ($7 = '' OR strpos(name, $7) > 0)
		ORDER BY name, id LIMIT $8 OFFSET $9`,
		within(ctx, q.Status, prefixOf(q.Jurisdiction), q.Name, pageSize+1, pageSize*(max(q.Page, 1)-1))...)
}

// nextExpired locks an institution whose licence has run out.
func nextExpired(ctx context.Context, tx pgx.Tx, today day.Date) (string, error) {
	return nextDue(ctx, tx, `SELECT id FROM institutions WHERE status IN ('ACTIVE', 'SUSPENDED') AND valid_until < $1`+seeding+`
		ORDER BY valid_until LIMIT 1 FOR UPDATE SKIP LOCKED`, today)
}
