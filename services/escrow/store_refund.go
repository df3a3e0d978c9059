package escrow

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

// none makes a NotFound of no rows.
func none(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.NotFound.Errorf("没有到期事项")
	}
	return err
}

const refundColumns = `r.id, r.institution_id, r.contract_id, r.state, r.lessons, r.gift_lessons, r.amount, r.reason, r.requested_on, r.answer_by, r.provisional, r.by_silence, r.paid_on`

func findRefund(ctx context.Context, tx pgx.Tx, id string) (Refund, error) {
	return pg.One[Refund](ctx, tx, "退费", `SELECT `+refundColumns+` FROM refunds r WHERE id = $1`, id)
}

func listRefunds(ctx context.Context, tx pgx.Tx, c *Contract) ([]Refund, error) {
	return list[Refund](ctx, tx, `SELECT `+refundColumns+` FROM refunds r WHERE institution_id = $1 AND contract_id = $2 ORDER BY id`, c.InstitutionID, c.ID)
}

// insertRefund saves r and takes its lessons off the schedule.
func insertRefund(ctx context.Context, tx pgx.Tx, r Refund, lessons []Lesson) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO refunds (institution_id, contract_id, id, state, lessons, gift_lessons, amount, reason, requested_on, answer_by, provisional)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		r.InstitutionID, r.ContractID, r.ID, r.State, r.Lessons, r.GiftLessons, r.Amount, r.Reason, r.RequestedOn, r.AnswerBy, r.Provisional); err != nil {
		return err
	}
	ns := make([]int, len(lessons))
	for i, l := range lessons {
		ns[i] = l.N
	}
	_, err := tx.Exec(ctx, `UPDATE lessons SET state = 'REFUNDING', refund = $4 WHERE institution_id = $1 AND contract_id = $2 AND n = ANY ($3)`,
		r.InstitutionID, r.ContractID, ns, r.ID)
	return err
}

// saveRefunded writes that r was paid back, and returns the last day that is
// left of the schedule; none if nothing is.
func saveRefunded(ctx context.Context, tx pgx.Tx, r Refund) (last day.Date, err error) {
	if err := one(ctx, tx, `UPDATE refunds SET state = $4, by_silence = $5, paid_on = $6 WHERE institution_id = $1 AND contract_id = $2 AND id = $3`,
		r.InstitutionID, r.ContractID, r.ID, r.State, r.BySilence, r.PaidOn); err != nil {
		return last, err
	}
	if _, err := tx.Exec(ctx, `UPDATE lessons SET state = CASE WHEN gift THEN 'CANCELLED' ELSE 'REFUNDED' END
		WHERE institution_id = $1 AND contract_id = $2 AND refund = $3`, r.InstitutionID, r.ContractID, r.ID); err != nil {
		return last, err
	}
	err = tx.QueryRow(ctx, `SELECT max(on_date) FROM lessons WHERE institution_id = $1 AND contract_id = $2 AND state NOT IN ('REFUNDED', 'CANCELLED')`,
		r.InstitutionID, r.ContractID).Scan(&last)
	return last, err
}

// nextUnanswered finds a refund whose last day to answer has passed; it locks
// nothing, as nextSilent.
func nextUnanswered(ctx context.Context, tx pgx.Tx, today day.Date) (id string, err error) {
	err = tx.QueryRow(ctx, `SELECT id FROM refunds WHERE state = 'REQUESTED' AND answer_by < $1 ORDER BY answer_by, id LIMIT 1`, today).Scan(&id)
	return id, none(err)
}
