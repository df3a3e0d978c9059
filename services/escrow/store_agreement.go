package escrow

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/pg"
)

const agreementColumns = `billing, form, list_price AS list_price_fen, gift AS gift_fen, free_days_before, free_days_after, penalty_percent, repay_days,
	prior, cycle, teacher, instalments, loan, online, class_size, lesson_minutes, interest_ppm`

func findAgreement(ctx context.Context, tx pgx.Tx, c *Contract) (Agreement, error) {
	return pg.One[Agreement](ctx, tx, "合同约定", `SELECT `+agreementColumns+` FROM contract_terms WHERE institution_id = $1 AND contract_id = $2`, c.InstitutionID, c.ID)
}

func insertAgreement(ctx context.Context, tx pgx.Tx, c *Contract, a Agreement) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO contract_terms (institution_id, contract_id, billing, form, list_price, gift, free_days_before, free_days_after, penalty_percent, repay_days,
			prior, cycle, teacher, instalments, loan, online, class_size, lesson_minutes, interest_ppm)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
		c.InstitutionID, c.ID, a.Billing, a.Form, a.ListPriceFen, a.GiftFen, a.FreeDaysBefore, a.FreeDaysAfter, a.PenaltyPercent, a.RepayDays,
		a.Prior, a.Cycle, a.Teacher, a.Instalments, a.Loan, a.Online, a.ClassSize, a.LessonMinutes, a.InterestPPM)
	return err
}

// savePrior notes, when c is signed, that the records know the pupil to have had the
// same course before: what the caller, the parent, may see of all institutions.
func savePrior(ctx context.Context, tx pgx.Tx, c *Contract) error {
	_, err := tx.Exec(ctx, `
		UPDATE contract_terms t SET prior = p.prior
		FROM (SELECT CASE WHEN bool_or(c.institution_id = $1) THEN 'this' ELSE 'other' END AS prior FROM contracts c
			WHERE c.parent = $4 AND c.basket = $3 AND c.id <> $2 AND c.paid_at IS NOT NULL AND EXISTS (
				SELECT FROM lessons l WHERE l.institution_id = c.institution_id AND l.contract_id = c.id AND l.state IN ('TAUGHT', 'CONFIRMED'))
			HAVING count(*) > 0) p
		WHERE t.institution_id = $1 AND t.contract_id = $2 AND t.prior = 'none'`, c.InstitutionID, c.ID, c.Basket, c.Parent)
	return err
}

// saveTeacher writes who teaches from now on, and returns who did.
func saveTeacher(ctx context.Context, tx pgx.Tx, c *Contract, teacher string) (was string, err error) {
	err = tx.QueryRow(ctx, `UPDATE contract_terms t SET teacher = $3 FROM contract_terms old
		WHERE t.institution_id = $1 AND t.contract_id = $2 AND old.institution_id = $1 AND old.contract_id = $2 RETURNING old.teacher`, c.InstitutionID, c.ID, teacher).Scan(&was)
	return was, err
}
