package escrow

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

// errNotOne is a statement that did not change the one row that it was for.
var errNotOne = errors.New("not exactly one row changed")

const institutionColumns = `id, name, jurisdiction, kind, category, item, status, valid_until, manager, list`

func findInstitution(ctx context.Context, tx pgx.Tx, id string) (Institution, error) {
	return pg.One[Institution](ctx, tx, "机构", `SELECT `+institutionColumns+` FROM institutions WHERE id = $1`, id)
}

// findManaged finds an institution that manager acts for.
func findManaged(ctx context.Context, tx pgx.Tx, id, manager string) (Institution, error) {
	return pg.One[Institution](ctx, tx, "机构", `SELECT `+institutionColumns+` FROM institutions WHERE id = $1 AND manager = $2`, id, manager)
}

// saveInstitution keeps i, and lets its new manager see what the old one saw.
func saveInstitution(ctx context.Context, tx pgx.Tx, i Institution) error {
	var was string
	err := tx.QueryRow(ctx, `SELECT manager FROM institutions WHERE id = $1 FOR UPDATE`, i.ID).Scan(&was)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if _, err := tx.Exec(ctx, `
		INSERT INTO institutions (`+institutionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, jurisdiction = EXCLUDED.jurisdiction, kind = EXCLUDED.kind,
			category = EXCLUDED.category, item = EXCLUDED.item, status = EXCLUDED.status, valid_until = EXCLUDED.valid_until,
			manager = EXCLUDED.manager, list = EXCLUDED.list`,
		i.ID, i.Name, i.Jurisdiction, i.Kind, i.Category, i.Item, i.Status, i.ValidUntil, i.Manager, i.List); err != nil {
		return err
	}
	if was == "" || was == i.Manager {
		return nil
	}
	if err := lockPayouts(ctx, tx, i.ID); err != nil { // before the contracts, as everybody
		return err
	}
	for _, table := range []string{
		"UPDATE accounts SET manager = $2 WHERE institution = $1", "UPDATE contracts SET manager = $2 WHERE institution_id = $1",
		"UPDATE flags SET manager = $2 WHERE institution_id = $1", "UPDATE holds SET manager = $2 WHERE institution_id = $1",
		"UPDATE discrepancies SET manager = $2 WHERE institution_id = $1", "UPDATE alerts SET manager = $2 WHERE institution_id = $1",
		"UPDATE freezes SET manager = $2 WHERE institution_id = $1", "UPDATE wind_downs SET manager = $2 WHERE institution_id = $1",
	} {
		if _, err := tx.Exec(ctx, table, i.ID, i.Manager); err != nil {
			return err
		}
	}
	return nil
}

func findAccount(ctx context.Context, tx pgx.Tx, institution string) (Account, error) {
	return pg.One[Account](ctx, tx, "监管账户", `
		SELECT id, institution, jurisdiction, manager, mode, bank, account_tail, agreement_no, opened_on, reported_on, interest_ppm
		FROM accounts WHERE institution = $1`, institution)
}

func saveAccount(ctx context.Context, tx pgx.Tx, a Account) error {
	tag, err := tx.Exec(ctx, `
		INSERT INTO accounts (id, institution, jurisdiction, manager, mode, bank, account_tail, agreement_no, opened_on, reported_on, interest_ppm)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		a.ID, a.Institution, a.Jurisdiction, a.Manager, a.Mode, a.Bank, a.AccountTail, a.AgreementNo, a.OpenedOn, a.ReportedOn, a.InterestPPM)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return fault.Conflict.Errorf("该机构已报备监管账户；另一种监管方式的账户请另行报备")
	}
	return insertBankAccount(ctx, tx, BankAccount{a.Institution, a.Mode, a.Bank, a.AgreementNo, a.AccountTail, a.OpenedOn, a.ReportedOn})
}
