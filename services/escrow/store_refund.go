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

const refundColumns = `r.id, r.institution_id, r.contract_id, r.state, r.whole, r.lessons, r.gift_lessons, r.fault, r.ground, r.stopped_on, r.basis, r.amount, r.owed,
	r.deducted, r.penalty, r.waits, r.clauses, r.reason, r.answer, r.requested_on, r.answer_by, r.provisional, r.by_silence, r.mediate_by, r.agreed_on, r.paid_on, r.wind_down, r.share, r.kept`

func findRefund(ctx context.Context, tx pgx.Tx, id string) (Refund, error) {
	return pg.One[Refund](ctx, tx, "退费", `SELECT `+refundColumns+` FROM refunds r WHERE id = $1`, id)
}

func listRefunds(ctx context.Context, tx pgx.Tx, c *Contract) ([]Refund, error) {
	return list[Refund](ctx, tx, `SELECT `+refundColumns+` FROM refunds r WHERE institution_id = $1 AND contract_id = $2 ORDER BY id`, c.InstitutionID, c.ID)
}

// insertRefund saves r and takes its lessons off the schedule.
func insertRefund(ctx context.Context, tx pgx.Tx, r Refund, lessons []Lesson) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO refunds (institution_id, contract_id, id, state, whole, lessons, gift_lessons, fault, ground, stopped_on, basis, amount, owed, deducted, penalty,
			clauses, reason, requested_on, answer_by, provisional, wind_down, share, kept)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)`,
		r.InstitutionID, r.ContractID, r.ID, r.State, r.Whole, r.Lessons, r.GiftLessons, r.Fault, r.Ground, r.StoppedOn, r.Basis, r.Amount, r.Owed, r.Deducted, r.Penalty,
		r.Clauses, r.Reason, r.RequestedOn, r.AnswerBy, r.Provisional, r.WindDown, r.Share, r.Kept); err != nil {
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

func saveRefund(ctx context.Context, tx pgx.Tx, r Refund) error {
	return one(ctx, tx, `UPDATE refunds SET state = $4, fault = $5, ground = $6, basis = $7, amount = $8, owed = $9, deducted = $10, penalty = $11, waits = $12,
			clauses = $13, answer = $14, by_silence = $15, mediate_by = $16, agreed_on = $17, paid_on = $18
		WHERE institution_id = $1 AND contract_id = $2 AND id = $3`,
		r.InstitutionID, r.ContractID, r.ID, r.State, r.Fault, r.Ground, r.Basis, r.Amount, r.Owed, r.Deducted, r.Penalty, r.Waits,
		r.Clauses, r.Answer, r.BySilence, r.MediateBy, r.AgreedOn, r.PaidOn)
}

// saveGivenBack writes that r's lessons are over, those that were never paid for
// as cancelled, those whose fees were kept as given back, and returns the last day that is left of the schedule; none if
// nothing is.
func saveGivenBack(ctx context.Context, tx pgx.Tx, c *Contract, r Refund) (last day.Date, err error) {
	if _, err := tx.Exec(ctx, `UPDATE lessons l SET waits = false, state = CASE
			WHEN gift OR (SELECT sum(fee) FROM lessons p WHERE p.institution_id = $1 AND p.contract_id = $2 AND p.n <= l.n) > $4 THEN 'CANCELLED' ELSE 'REFUNDED' END
		WHERE institution_id = $1 AND contract_id = $2 AND refund = $3 AND (state = 'REFUNDING' OR state = 'CONFIRMED' AND waits)`, r.InstitutionID, r.ContractID, r.ID, c.Paid); err != nil {
		return last, err
	}
	err = tx.QueryRow(ctx, `SELECT max(on_date) FROM lessons WHERE institution_id = $1 AND contract_id = $2 AND state NOT IN ('REFUNDED', 'CANCELLED')`,
		r.InstitutionID, r.ContractID).Scan(&last)
	return last, err
}

// saveWithdrawn puts r's lessons back where they were: on the schedule, before the
// parent, who is asked again, in dispute, or confirmed.
func saveWithdrawn(ctx context.Context, tx pgx.Tx, r Refund, again Lesson) error {
	_, err := tx.Exec(ctx, `UPDATE lessons SET refund = '',
			state = CASE WHEN state = 'CONFIRMED' THEN state WHEN taught_on IS NULL THEN 'SCHEDULED' WHEN reason = '' THEN 'TAUGHT' ELSE 'DISPUTED' END,
			confirm_by = CASE WHEN state = 'CONFIRMED' THEN confirm_by WHEN taught_on IS NOT NULL AND reason = '' THEN $4::date END,
			provisional = CASE WHEN state = 'CONFIRMED' THEN provisional ELSE taught_on IS NOT NULL AND reason = '' AND $5 END
		WHERE institution_id = $1 AND contract_id = $2 AND refund = $3 AND state IN ('REFUNDING', 'CONFIRMED')`, r.InstitutionID, r.ContractID, r.ID, again.ConfirmBy, again.Provisional)
	return err
}

// deductedBefore is what refunds of c before the one with id took off, pending ones
// too unless they are merged, and the penalties of those; "" is all of them.
func deductedBefore(ctx context.Context, tx pgx.Tx, c *Contract, id string, merged bool) (deducted, penalised Fen, err error) {
	err = tx.QueryRow(ctx, `SELECT coalesce(sum(deducted), 0)::bigint, coalesce(sum(penalty), 0)::bigint FROM refunds
		WHERE institution_id = $1 AND contract_id = $2 AND state <> 'WITHDRAWN' AND basis = 'consumer' AND ($3 = '' OR id < $3)
		  AND (NOT $4 OR state IN ('AGREED', 'PAID'))`, c.InstitutionID, c.ID, id, merged).Scan(&deducted, &penalised)
	return deducted, penalised, err
}

// givenBack is what the institution owes by standing refunds of c for lessons that were
// confirmed, and what those lessons cost in all, but for those whose fees are kept.
func givenBack(ctx context.Context, tx pgx.Tx, c *Contract) (owed, confirmed Fen, err error) {
	err = tx.QueryRow(ctx, `SELECT
			(SELECT coalesce(sum(owed), 0)::bigint FROM refunds WHERE institution_id = $1 AND contract_id = $2 AND state <> 'WITHDRAWN'),
			(SELECT coalesce(sum(fee), 0)::bigint FROM lessons WHERE institution_id = $1 AND contract_id = $2 AND state = 'CONFIRMED'
				AND NOT (waits AND refund <> ''))`,
		c.InstitutionID, c.ID).Scan(&owed, &confirmed)
	return owed, confirmed, err
}

// hasLater reports whether another refund of the contract came after r and stands.
func hasLater(ctx context.Context, tx pgx.Tx, r Refund) (later bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM refunds WHERE institution_id = $1 AND contract_id = $2 AND id > $3 AND state <> 'WITHDRAWN')`,
		r.InstitutionID, r.ContractID, r.ID).Scan(&later)
	return later, err
}

// payoutsHeld reports whether payouts of c's institution are held; c is locked.
func payoutsHeld(ctx context.Context, tx pgx.Tx, c *Contract) (held bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM payouts WHERE institution_id = $1 AND held_since IS NOT NULL)`, c.InstitutionID).Scan(&held)
	return held, err
}

// nextKept finds a refund of which the institution's part waits though payouts are
// held no more; it locks nothing, as nextSilent.
func nextKept(ctx context.Context, tx pgx.Tx) (id string, err error) {
	err = tx.QueryRow(ctx, `SELECT r.id FROM refunds r JOIN payouts p ON p.institution_id = r.institution_id WHERE r.waits AND p.held_since IS NULL ORDER BY r.id LIMIT 1`).Scan(&id)
	return id, none(err)
}

// nextUnanswered finds a refund whose last day to answer has passed, and that no
// wind-down gives back; it locks nothing, as nextSilent.
func nextUnanswered(ctx context.Context, tx pgx.Tx, today day.Date) (id string, err error) {
	err = tx.QueryRow(ctx, `SELECT id FROM refunds r WHERE state = 'REQUESTED' AND answer_by < $1
		AND NOT EXISTS (SELECT FROM payouts p WHERE p.institution_id = r.institution_id 
			AND (p.winding = 'frozen' OR p.winding = 'begun' AND r.basis = 'not_given')) ORDER BY answer_by, id LIMIT 1`, today).Scan(&id)
	return id, none(err)
}
