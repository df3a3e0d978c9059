package escrow

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

const contractColumns = `c.id, c.institution_id, c.jurisdiction, c.manager, c.parent, c.pupil, c.course, c.basket, c.state, c.lessons, c.gift_lessons,
	c.first_lesson, c.last_lesson, c.mode, c.price, c.paid, c.released, c.refunded, c.open, c.watched, c.offered_on, c.paid_at`

// contractRow is a contract with what people see beside it.
type contractRow struct {
	Contract
	InstitutionName string
	Billing         string
	OpenFlags       int
	HeldSince       day.Date // payouts of the institution; none if they are not held
	Winding         string   // how far the institution's end has come
}

const selectContract = `SELECT ` + contractColumns + `, i.name AS institution_name, t.billing,
		(SELECT count(*) FROM flags f WHERE f.institution_id = c.institution_id AND f.contract_id = c.id AND f.state = 'OPEN') AS open_flags,
		(SELECT held_since FROM payouts p WHERE p.institution_id = c.institution_id) AS held_since,
		coalesce((SELECT winding FROM payouts p WHERE p.institution_id = c.institution_id), '') AS winding
	FROM contracts c JOIN institutions i ON i.id = c.institution_id JOIN contract_terms t ON t.institution_id = c.institution_id AND t.contract_id = c.id `

func findContract(ctx context.Context, tx pgx.Tx, id string) (contractRow, error) {
	return pg.One[contractRow](ctx, tx, "合同", selectContract+`WHERE c.id = $1`, id)
}

// scope is what a caller's lists are cut down to: an official's divisions, or a
// person's own rows.
type scope struct{ division, person string }

// contractFilter is what a list of contracts is asked for.
type contractFilter struct {
	institution, state string
	flagged            bool
	page               int
}

func listContracts(ctx context.Context, tx pgx.Tx, s scope, f contractFilter) ([]contractRow, error) {
	return list[contractRow](ctx, tx, selectContract+`
		WHERE ($1 = '' OR c.parent = $1 OR c.manager = $1) AND starts_with(c.jurisdiction, $2)
		  AND ($3 = '' OR c.institution_id = $3) AND ($4 = '' OR c.state = $4)
		  AND (NOT $5 OR EXISTS (SELECT FROM flags f WHERE f.institution_id = c.institution_id AND f.contract_id = c.id AND f.state = 'OPEN'))
		ORDER BY c.id DESC LIMIT $6 OFFSET $7`,
		s.person, s.division, f.institution, f.state, f.flagged, pageSize+1, (f.page-1)*pageSize)
}

// basket is the contracts of one pupil's course that money may move in, locked.
type basket struct {
	own  *Contract // the one that was asked for
	all  []*Contract
	held bool // payouts of the institution are; known where lessons were read
}

func (b basket) find(id string) *Contract {
	for _, c := range b.all {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// lockSQL locks the institutions' payouts in share, and then contracts and the
// others of their baskets that money may move in, in order of id: whoever judges one
// of them holds them all. Whether payouts are held is for the next statement to
// read: this one saw the database before it had the lock.
const lockSQL = `WITH own AS MATERIALIZED (
		SELECT institution_id, basket, pg_advisory_xact_lock_shared(payouts_lock(institution_id)) FROM contracts WHERE id = ANY ($1))
	SELECT ` + contractColumns + ` FROM contracts c
	WHERE (c.institution_id, c.basket) IN (SELECT institution_id, basket FROM own) AND (c.state IN ('SIGNED', 'PAID') OR c.id = ANY ($1))
	ORDER BY c.id FOR UPDATE OF c`

func lockBasket(ctx context.Context, tx pgx.Tx, id string) (basket, error) {
	rows, err := tx.Query(ctx, lockSQL, []string{id})
	if err != nil {
		return basket{}, err
	}
	return collectBasket(rows, id)
}

func collectBasket(rows pgx.Rows, id string) (basket, error) {
	all, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Contract])
	b := basket{all: all}
	b.own = b.find(id)
	if err == nil && b.own == nil {
		err = fault.NotFound.Errorf("合同不存在")
	}
	return b, err
}

func insertContract(ctx context.Context, tx pgx.Tx, c *Contract, schedule []Lesson) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO contracts (institution_id, id, jurisdiction, manager, parent, pupil, course, basket, state, lessons, gift_lessons,
			first_lesson, last_lesson, mode, price, open, offered_on)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		c.InstitutionID, c.ID, c.Jurisdiction, c.Manager, c.Parent, c.Pupil, c.Course, c.Basket, c.State, c.Lessons, c.GiftLessons,
		c.FirstLesson, c.LastLesson, c.Mode, c.Price, c.Open, c.OfferedOn); err != nil {
		return err
	}
	ns, gifts, dates, fees := make([]int, len(schedule)), make([]bool, len(schedule)), make([]day.Date, len(schedule)), make([]Fen, len(schedule))
	for i, l := range schedule {
		ns[i], gifts[i], dates[i], fees[i] = l.N, l.Gift, l.OnDate, l.Fee
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO lessons (institution_id, contract_id, n, gift, on_date, fee, state)
		SELECT $1, $2, n, gift, on_date, fee, 'SCHEDULED' FROM unnest($3::int[], $4::bool[], $5::date[], $6::bigint[]) AS l (n, gift, on_date, fee)`,
		c.InstitutionID, c.ID, ns, gifts, dates, fees)
	return err
}

const updateContract = `UPDATE contracts SET state = $3, last_lesson = $4, paid = $5, released = $6, refunded = $7, open = $8, paid_at = $9
	WHERE institution_id = $1 AND id = $2`

func (c *Contract) row() []any {
	return []any{c.InstitutionID, c.ID, c.State, c.LastLesson, c.Paid, c.Released, c.Refunded, c.Open, c.PaidAt}
}

func saveContract(ctx context.Context, tx pgx.Tx, c *Contract) error {
	return one(ctx, tx, updateContract, c.row()...)
}

// savePayment books the money, which held holds; Conflict if its reference was used
// before, by whatever institution.
func savePayment(ctx context.Context, tx pgx.Tx, c *Contract, reference string, held transfer) error {
	tag, err := tx.Exec(ctx, `INSERT INTO payment_references (reference, institution_id, contract_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		reference, c.InstitutionID, c.ID)
	if err == nil && tag.RowsAffected() == 0 {
		err = fault.Conflict.Errorf("付款业务编号已用于另一笔付款")
	}
	if err != nil {
		return err
	}
	if err := openAccounts(ctx, tx, c.InstitutionID, c.ID); err != nil {
		return err
	}
	return post(ctx, tx, held)
}

// paidWith reports whether c was paid under reference.
func paidWith(ctx context.Context, tx pgx.Tx, c *Contract, reference string) (was bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM payment_references WHERE reference = $1 AND contract_id = $2)`, reference, c.ID).Scan(&was)
	return was, err
}

func findProgress(ctx context.Context, tx pgx.Tx, c *Contract) (Progress, error) {
	return pg.One[Progress](ctx, tx, "课时", `
		SELECT count(*) FILTER (WHERE state = 'SCHEDULED') AS scheduled, count(*) FILTER (WHERE state = 'TAUGHT') AS taught,
			count(*) FILTER (WHERE state = 'CONFIRMED') AS confirmed, count(*) FILTER (WHERE state = 'DISPUTED') AS disputed,
			count(*) FILTER (WHERE state = 'REFUNDING') AS refunding, count(*) FILTER (WHERE state = 'REFUNDED') AS refunded,
			count(*) FILTER (WHERE state = 'CANCELLED') AS cancelled,
			coalesce(sum(fee) FILTER (WHERE state = 'TAUGHT'), 0)::bigint AS waiting_fen,
			coalesce(sum(fee) FILTER (WHERE state = 'DISPUTED'), 0)::bigint AS disputed_fen,
			count(*) FILTER (WHERE waits AND refund = '') AS on_hold, coalesce(sum(fee) FILTER (WHERE waits AND refund = ''), 0)::bigint AS on_hold_fen
		FROM lessons WHERE institution_id = $1 AND contract_id = $2`, c.InstitutionID, c.ID)
}
