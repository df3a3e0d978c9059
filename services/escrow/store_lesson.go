package escrow

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

const lessonColumns = `l.n, l.gift, l.on_date, l.fee, l.state, l.taught_on, l.asked_on, l.confirm_by, l.provisional, l.by_silence, l.confirmed_on, l.object_by, l.reason, l.refund, l.waits`

// lessonRow is a lesson, and whether the institution's payouts are held.
type lessonRow struct {
	Lesson
	Held bool
}

const selectLessonRow = `SELECT ` + lessonColumns + `,
		EXISTS (SELECT FROM payouts p WHERE p.institution_id = l.institution_id AND p.held_since IS NOT NULL) AS held
	FROM lessons l WHERE institution_id = (SELECT institution_id FROM contracts WHERE id = $1) AND contract_id = $1 `

// lockLesson locks a contract's basket and reads one lesson, in one round trip.
func lockLesson(ctx context.Context, tx pgx.Tx, contract string, n int) (basket, Lesson, error) {
	b, found, err := lockLessons(ctx, tx, contract, `AND n = $2`, n)
	if err == nil && len(found) == 0 {
		err = fault.NotFound.Errorf("课时不存在")
	}
	if err != nil {
		return b, Lesson{}, err
	}
	return b, found[0], nil
}

// lockLessons locks a contract's basket and reads those lessons of it that the
// condition where, about arg, chooses; in one round trip.
func lockLessons(ctx context.Context, tx pgx.Tx, contract, where string, arg int) (b basket, lessons []Lesson, err error) {
	var batch pgx.Batch
	batch.Queue(lockSQL, []string{contract}).Query(func(rows pgx.Rows) (err error) {
		b, err = collectBasket(rows, contract)
		return err
	})
	batch.Queue(selectLessonRow+where, contract, arg).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowToStructByName[lessonRow])
		for _, r := range found {
			lessons, b.held = append(lessons, r.Lesson), r.Held
		}
		return err
	})
	return b, lessons, tx.SendBatch(ctx, &batch).Close()
}

func listLessons(ctx context.Context, tx pgx.Tx, c *Contract) ([]Lesson, error) {
	return list[Lesson](ctx, tx, `SELECT `+lessonColumns+` FROM lessons l WHERE institution_id = $1 AND contract_id = $2 ORDER BY n`, c.InstitutionID, c.ID)
}

func pageLessons(ctx context.Context, tx pgx.Tx, c *Contract, page int) ([]Lesson, error) {
	return list[Lesson](ctx, tx, `SELECT `+lessonColumns+` FROM lessons l WHERE institution_id = $1 AND contract_id = $2
		ORDER BY n LIMIT $3 OFFSET $4`, c.InstitutionID, c.ID, pageSize+1, (page-1)*pageSize)
}

const updateLesson = `UPDATE lessons SET state = $4, taught_on = $5, asked_on = $6, confirm_by = $7, provisional = $8, by_silence = $9, confirmed_on = $10, reason = $11, waits = $12
	WHERE institution_id = $1 AND contract_id = $2 AND n = $3`

func (l Lesson) row(c *Contract) []any {
	return []any{c.InstitutionID, c.ID, l.N, l.State, l.TaughtOn, l.AskedOn, l.ConfirmBy, l.Provisional, l.BySilence, l.ConfirmedOn, l.Reason, l.Waits}
}

func saveLesson(ctx context.Context, tx pgx.Tx, c *Contract, l Lesson) error {
	return one(ctx, tx, updateLesson, l.row(c)...)
}

func saveObjectBy(ctx context.Context, tx pgx.Tx, c *Contract, l Lesson) error {
	return one(ctx, tx, `UPDATE lessons SET object_by = $4 WHERE institution_id = $1 AND contract_id = $2 AND n = $3`, c.InstitutionID, c.ID, l.N, l.ObjectBy)
}

// saveObjection notes that l's fee is asked back by refund, and whether it waits.
func saveObjection(ctx context.Context, tx pgx.Tx, c *Contract, l Lesson, refund string) error {
	return one(ctx, tx, `UPDATE lessons SET refund = $4, waits = $5 WHERE institution_id = $1 AND contract_id = $2 AND n = $3`, c.InstitutionID, c.ID, l.N, refund, l.Waits)
}

// keepBack takes l's fee off what the bank is to pay out; false if it was told already.
func keepBack(ctx context.Context, tx pgx.Tx, c *Contract, l Lesson) (kept bool, err error) {
	if err := tx.QueryRow(ctx, `SELECT keep_back($1, $2, $3, $4)`, c.InstitutionID, c.ID, l.N, l.Fee).Scan(&kept); err != nil || !kept {
		return false, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO payouts (institution_id) VALUES ($1) ON CONFLICT DO NOTHING`, c.InstitutionID) // where nextWaiting looks
	return true, err
}

// isPaidFor reports whether what was paid for c covers its lessons up to n.
func isPaidFor(ctx context.Context, tx pgx.Tx, c *Contract, n int) (covered bool, err error) {
	if c.Paid == c.Price {
		return true, nil
	}
	err = tx.QueryRow(ctx, `SELECT coalesce(sum(fee), 0) <= $4 FROM lessons WHERE institution_id = $1 AND contract_id = $2 AND n <= $3`,
		c.InstitutionID, c.ID, n, c.Paid).Scan(&covered)
	return covered, err
}

// saveMoved writes l's new day, and the last day of c's schedule as it is then.
func saveMoved(ctx context.Context, tx pgx.Tx, c *Contract, l Lesson) error {
	if err := one(ctx, tx, `UPDATE lessons SET on_date = $4 WHERE institution_id = $1 AND contract_id = $2 AND n = $3`, c.InstitutionID, c.ID, l.N, l.OnDate); err != nil {
		return err
	}
	if err := tx.QueryRow(ctx, `SELECT greatest(max(on_date), $3) FROM lessons WHERE institution_id = $1 AND contract_id = $2 AND state NOT IN ('REFUNDED', 'CANCELLED')`,
		c.InstitutionID, c.ID, c.FirstLesson).Scan(&c.LastLesson); err != nil {
		return err
	}
	return saveContract(ctx, tx, c)
}

// listTaught is c's lessons that were taught by a day and wait for an answer, as many
// as are confirmed at a time.
func listTaught(ctx context.Context, tx pgx.Tx, c *Contract, until day.Date) ([]lessonAt, error) {
	rows, err := tx.Query(ctx, `SELECT n FROM lessons WHERE institution_id = $1 AND contract_id = $2 AND state = 'TAUGHT' AND taught_on <= $3 ORDER BY n LIMIT 100`,
		c.InstitutionID, c.ID, until)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (lessonAt, error) {
		at := lessonAt{contract: c.ID}
		err := row.Scan(&at.n)
		return at, err
	})
}

// nextSilent finds a lesson whose last day to answer has passed. It locks
// nothing: the contract is locked first, and then the lesson looked at again.
func nextSilent(ctx context.Context, tx pgx.Tx, today day.Date) (contract string, n int, err error) {
	err = tx.QueryRow(ctx, `SELECT contract_id, n FROM lessons WHERE state = 'TAUGHT' AND confirm_by < $1 ORDER BY confirm_by, contract_id, n LIMIT 1`, today).
		Scan(&contract, &n)
	return contract, n, none(err)
}
