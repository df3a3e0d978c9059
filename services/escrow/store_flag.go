package escrow

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/pg"
)

const flagColumns = `f.id, f.institution_id, f.contract_id, f.jurisdiction, f.manager, f.parent, f.state, f.rule_key, f.ground, f.explanation,
	f.raised_on, f.due, f.provisional, f.cleared_on, f.cleared_by, f.examined`

func findFlag(ctx context.Context, tx pgx.Tx, id string) (Flag, error) {
	return pg.One[Flag](ctx, tx, "提示", `SELECT `+flagColumns+` FROM flags f WHERE id = $1`, id)
}

func listFlags(ctx context.Context, tx pgx.Tx, s scope, state string, page int) ([]Flag, error) {
	return list[Flag](ctx, tx, `SELECT `+flagColumns+` FROM flags f
		WHERE ($1 = '' OR f.parent = $1 OR f.manager = $1) AND starts_with(f.jurisdiction, $2) AND ($3 = '' OR f.state = $3)
		ORDER BY f.due, f.id LIMIT $4 OFFSET $5`, s.person, s.division, state, pageSize+1, (page-1)*pageSize)
}

func flagsOf(ctx context.Context, tx pgx.Tx, c *Contract) ([]Flag, error) {
	return list[Flag](ctx, tx, `SELECT `+flagColumns+` FROM flags f WHERE institution_id = $1 AND contract_id = $2 ORDER BY id`, c.InstitutionID, c.ID)
}

// openFlags returns the open flags of c's whole basket.
func openFlags(ctx context.Context, tx pgx.Tx, c *Contract) ([]Flag, error) {
	return list[Flag](ctx, tx, `SELECT `+flagColumns+` FROM flags f JOIN contracts c ON c.institution_id = f.institution_id AND c.id = f.contract_id
		WHERE f.institution_id = $1 AND c.basket = $2 AND f.state = 'OPEN' ORDER BY f.id`, c.InstitutionID, c.Basket)
}

// examinedFlags returns those of c's basket that an official cleared.
func examinedFlags(ctx context.Context, tx pgx.Tx, c *Contract) ([]Flag, error) {
	return list[Flag](ctx, tx, `SELECT `+flagColumns+` FROM flags f JOIN contracts c ON c.institution_id = f.institution_id AND c.id = f.contract_id
		WHERE f.institution_id = $1 AND c.basket = $2 AND f.examined ORDER BY f.id`, c.InstitutionID, c.Basket)
}

func insertFlag(ctx context.Context, tx pgx.Tx, f Flag) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO flags (institution_id, contract_id, id, jurisdiction, manager, parent, state, rule_key, ground, explanation, raised_on, due, provisional)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		f.InstitutionID, f.ContractID, f.ID, f.Jurisdiction, f.Manager, f.Parent, f.State, f.RuleKey, f.Ground, f.Explanation, f.RaisedOn, f.Due, f.Provisional)
	return err
}

func saveCleared(ctx context.Context, tx pgx.Tx, f Flag) error {
	return one(ctx, tx, `UPDATE flags SET state = $4, cleared_on = $5, cleared_by = $6, examined = $7 WHERE institution_id = $1 AND contract_id = $2 AND id = $3`,
		f.InstitutionID, f.ContractID, f.ID, f.State, f.ClearedOn, f.ClearedBy, f.Examined)
}

// saveWatched notes on b's contracts, which are all locked, whether a flag is open
// in it. A contract that is not locked learns it when it is paid.
func saveWatched(ctx context.Context, tx pgx.Tx, b basket, watched bool) error {
	ids := make([]string, len(b.all))
	for i, c := range b.all {
		ids[i] = c.ID
	}
	_, err := tx.Exec(ctx, `UPDATE contracts SET watched = $3 WHERE institution_id = $1 AND id = ANY ($2) AND watched <> $3`, b.own.InstitutionID, ids, watched)
	return err
}

// orderRow is an Order as SQL counts it.
type orderRow struct {
	Contract    string     `json:"contract"`
	PaidAt      *time.Time `json:"paid_at"`
	Lessons     int        `json:"lessons"`
	GiftLessons int        `json:"gift_lessons"`
	First       day.Date   `json:"first"`
	Last        day.Date   `json:"last"`
	Begun       bool       `json:"begun"`
	Held        Fen        `json:"held"`
	Price       Fen        `json:"price"`
	Bought      int        `json:"bought"`
	Billing     string     `json:"billing"`

	Loan          bool `json:"loan"`
	Online        bool `json:"online"`
	ClassSize     int  `json:"class_size"`
	LessonMinutes int  `json:"lesson_minutes"`
}

func (r orderRow) agreed() Agreement {
	return Agreement{Billing: r.Billing, Loan: r.Loan, Online: r.Online, ClassSize: r.ClassSize, LessonMinutes: r.LessonMinutes}
}

// listOrders returns the paid, unfinished orders of c's basket as they were
// paid; c itself last if it is not paid. A fee that waits because payouts are
// held is no prepayment: its lesson was given.
func listOrders(ctx context.Context, tx pgx.Tx, c *Contract) ([]orderRow, error) {
	return list[orderRow](ctx, tx, ordersSQL, c.InstitutionID, c.Basket, c.ID)
}

// listFamily returns the orders of c's family outside its basket, with all institutions
// of one manager, that were paid in one of the windows.
func listFamily(ctx context.Context, tx pgx.Tx, c *Contract, windows []stretch) ([]kinRow, error) {
	if len(windows) == 0 {
		return nil, nil
	}
	starts, ends := views(windows, func(w stretch) time.Time { return w.start }), views(windows, func(w stretch) time.Time { return w.end })
	return list[kinRow](ctx, tx, `SELECT institution_id, basket, pupil, course, contract, paid_at, lessons, gift_lessons, first, last,
		begun, held, price, bought, billing, loan, online, class_size, lesson_minutes FROM family_orders($1, $2, $3, $4, $5, $6)`,
		c.Parent, c.Manager, c.InstitutionID, c.Basket, starts, ends)
}

const ordersSQL = `
		SELECT c.id AS contract, c.paid_at,
			count(*) FILTER (WHERE ahead AND NOT l.gift) AS lessons, count(*) FILTER (WHERE ahead AND l.gift) AS gift_lessons,
			min(l.on_date) FILTER (WHERE ahead) AS first, max(l.on_date) FILTER (WHERE ahead) AS last,
			bool_or(l.state IN ('TAUGHT', 'CONFIRMED', 'DISPUTED')) AS begun,
			CASE WHEN c.paid_at IS NULL THEN c.price
				ELSE c.paid - c.released - c.refunded - coalesce(sum(l.fee) FILTER (WHERE l.waits), 0) END::bigint AS held,
			c.price, c.lessons AS bought, t.billing, t.loan, t.online, t.class_size, t.lesson_minutes
		FROM contracts c JOIN lessons l ON l.institution_id = c.institution_id AND l.contract_id = c.id
			JOIN contract_terms t ON t.institution_id = c.institution_id AND t.contract_id = c.id,
			LATERAL (SELECT l.state IN ('SCHEDULED', 'REFUNDING') AS ahead) a
		WHERE c.institution_id = $1 AND c.basket = $2 AND (c.state = 'PAID' OR c.id = $3)
		GROUP BY c.institution_id, c.id, t.institution_id, t.contract_id
		ORDER BY c.paid_at NULLS LAST, c.id`
