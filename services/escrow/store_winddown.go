package escrow

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

const windColumns = `w.institution_id, w.id, w.jurisdiction, w.manager, w.state, w.ground, w.document_no, w.reason, w.begun_on, w.stopped_on, w.last_hand, w.confirmed_on,
	w.choose_by, w.provisional, w.round, w.after_id, w.drawn, w.custody_has, w.custody_claims, w.deposit_has, w.deposit_claims`

const selectWindDown = `SELECT ` + windColumns + `, i.name AS institution_name FROM wind_downs w JOIN institutions i ON i.id = w.institution_id `

func findWindDown(ctx context.Context, tx pgx.Tx, id string) (windRow, error) {
	return pg.One[windRow](ctx, tx, "清退", selectWindDown+`WHERE w.id = $1`, id)
}

// lockWindDown locks one. Who changes what is paid out locks the institution's payouts
// before it.
func lockWindDown(ctx context.Context, tx pgx.Tx, id string) (windRow, error) {
	return pg.One[windRow](ctx, tx, "清退", selectWindDown+`WHERE w.id = $1 FOR UPDATE OF w`, id)
}

// insertWindDown is a Conflict if the institution is being wound down already.
func insertWindDown(ctx context.Context, tx pgx.Tx, w WindDown) error {
	tag, err := tx.Exec(ctx, `INSERT INTO wind_downs (institution_id, id, jurisdiction, manager, state, ground, document_no, reason, begun_on, stopped_on, last_hand)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		w.InstitutionID, w.ID, w.Jurisdiction, w.Manager, w.State, w.Ground, w.DocumentNo, w.Reason, w.BegunOn, w.StoppedOn, w.LastHand)
	if err == nil && tag.RowsAffected() == 0 {
		err = fault.Conflict.Errorf("该机构的清退已经开始")
	}
	return err
}

func saveWindDown(ctx context.Context, tx pgx.Tx, w WindDown) error {
	return one(ctx, tx, `UPDATE wind_downs SET state = $3, last_hand = $4, confirmed_on = $5, choose_by = $6, provisional = $7, round = $8, after_id = $9, drawn = $10,
			custody_has = $11, custody_claims = $12, deposit_has = $13, deposit_claims = $14
		WHERE institution_id = $1 AND id = $2`,
		w.InstitutionID, w.ID, w.State, w.LastHand, w.ConfirmedOn, w.ChooseBy, w.Provisional, w.Round, w.AfterID, w.Drawn,
		w.CustodyHas, w.CustodyClaims, w.DepositHas, w.DepositClaims)
}

// listWindDowns returns an official's district's; a person's own, those of institutions
// whose families they are of and, to whoever may offer to take over, all that wait for offers.
func listWindDowns(ctx context.Context, tx pgx.Tx, s scope, by auth.Caller, state string, page int) ([]windRow, error) {
	return list[windRow](ctx, tx, selectWindDown+`
		WHERE starts_with(w.jurisdiction, $1) AND ($3 = '' OR w.state = $3)
		  AND ($2 = '' OR w.manager = $2 OR ($4 AND w.state = 'OPEN')
			OR EXISTS (SELECT FROM families f JOIN contracts c ON c.institution_id = f.institution_id AND c.id = f.contract_id WHERE f.wind_down_id = w.id AND c.parent = $2))
		ORDER BY w.id DESC LIMIT $5 OFFSET $6`, s.division, s.person, state, Grants(by, OfferTakeovers), pageSize+1, (page-1)*pageSize)
}

// How far an institution's end has come: begun, nothing more is taken in; frozen, refunds
// are given by the roster alone; over, every family is paid.
const (
	windingBegun  = "begun"
	windingFrozen = "frozen"
	windingOver   = "over"
)

// findWinding is the institution's wind-down that is under way.
func findWinding(ctx context.Context, tx pgx.Tx, institution string) (windRow, error) {
	return pg.One[windRow](ctx, tx, "清退", selectWindDown+`WHERE w.institution_id = $1 AND w.state IN ('PROPOSED', 'OPEN', 'PAYING')`, institution)
}

// saveWinding notes how far the institution's end has come: "" is not at all.
func saveWinding(ctx context.Context, tx pgx.Tx, institution, winding string) error {
	return one(ctx, tx, `INSERT INTO payouts (institution_id, winding) VALUES ($1, $2) ON CONFLICT (institution_id) DO UPDATE SET winding = EXCLUDED.winding`, institution, winding)
}

// windingOf is how far the institution's end has come. Who has locked a contract of
// its knows that it stays so.
func windingOf(ctx context.Context, tx pgx.Tx, institution string) (winding string, err error) {
	err = tx.QueryRow(ctx, `SELECT coalesce((SELECT winding FROM payouts WHERE institution_id = $1), '')`, institution).Scan(&winding)
	return winding, err
}

func insertWindStep(ctx context.Context, tx pgx.Tx, w WindDown, e entry, rules []fault.Ground) error {
	if rules == nil {
		rules = []fault.Ground{}
	}
	_, err := tx.Exec(ctx, `INSERT INTO wind_down_steps (institution_id, wind_down_id, at, actor, account, action, summary, rules) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		w.InstitutionID, w.ID, e.at, e.by, e.account, e.action, e.summary, rules)
	return err
}

func listWindSteps(ctx context.Context, tx pgx.Tx, w WindDown) ([]WindStep, error) {
	return list[WindStep](ctx, tx, `SELECT to_char(at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS"+08:00"') AS at, actor, action, summary, rules
		FROM wind_down_steps WHERE institution_id = $1 AND wind_down_id = $2 ORDER BY id`, w.InstitutionID, w.ID)
}

// anObjection is the condition for a refund r to be a parent's pending objection to a
// lesson that silence confirmed.
const anObjection = `r.basis = 'not_given' AND r.state IN ('REQUESTED', 'REJECTED', 'MEDIATION', 'UNSETTLED')`

// nextAffected returns the next contracts of the institution that money is paid for, or
// asked back of.
func nextAffected(ctx context.Context, tx pgx.Tx, w WindDown, n int) ([]Contract, error) {
	return list[Contract](ctx, tx, `SELECT `+contractColumns+` FROM contracts c WHERE institution_id = $1 AND id > $2 AND (state = 'PAID' OR state = 'FINISHED'
		AND EXISTS (SELECT FROM refunds r WHERE r.institution_id = c.institution_id AND r.contract_id = c.id AND `+anObjection+`)) ORDER BY id LIMIT $3`,
		w.InstitutionID, w.AfterID, n)
}

const familyColumns = `f.institution_id, f.wind_down_id, f.contract_id, f.round, f.state, f.mode, f.lessons, f.gift_lessons, f.taken, f.held, f.amount, f.corrected, f.correction,
	f.share, f.basis, f.clauses, f.choice, f.takeover, f.refund_id, f.new_contract, f.paid_on, f.objections, f.objected, f.kept`

// saveAffected puts f on the roster, or brings it up to date: what was chosen and
// corrected stays, but for what the parent has objected to since. The share is shared
// out anew.
func saveAffected(ctx context.Context, tx pgx.Tx, f Family) error {
	return one(ctx, tx, `
		INSERT INTO families (institution_id, wind_down_id, contract_id, round, state, mode, lessons, gift_lessons, taken, held, amount, basis, clauses, objections, objected, kept)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (institution_id, wind_down_id, contract_id) DO UPDATE SET round = EXCLUDED.round, state = EXCLUDED.state, lessons = EXCLUDED.lessons,
			gift_lessons = EXCLUDED.gift_lessons, taken = EXCLUDED.taken, held = EXCLUDED.held, amount = EXCLUDED.amount, basis = EXCLUDED.basis,
			clauses = EXCLUDED.clauses, share = 0, objections = EXCLUDED.objections, objected = EXCLUDED.objected, kept = EXCLUDED.kept,
			corrected = families.corrected + greatest(0, EXCLUDED.objected - families.objected)`,
		f.InstitutionID, f.WindDownID, f.ContractID, f.Round, f.State, f.Mode, f.Lessons, f.GiftLessons, f.Taken, f.Held, f.Amount, f.Basis, f.Clauses, f.Objections, f.Objected, f.Kept)
}

// saveVoid takes off the roster those that were not met with in this drawing, or are
// owed nothing.
func saveVoid(ctx context.Context, tx pgx.Tx, w WindDown) error {
	_, err := tx.Exec(ctx, `UPDATE families SET state = 'VOID', share = 0 WHERE institution_id = $1 AND wind_down_id = $2 AND state = 'OPEN'
		AND (round < $3 OR coalesce(corrected, amount) = 0)`, w.InstitutionID, w.ID, w.Round)
	return err
}

// openFamilies is those that are owed something.
func openFamilies(ctx context.Context, tx pgx.Tx, w WindDown) ([]Family, error) {
	return list[Family](ctx, tx, `SELECT `+familyColumns+` FROM families f WHERE institution_id = $1 AND wind_down_id = $2 AND state = 'OPEN' ORDER BY contract_id`,
		w.InstitutionID, w.ID)
}

func saveShares(ctx context.Context, tx pgx.Tx, w WindDown, families []Family) error {
	ids, shares := make([]string, len(families)), make([]Fen, len(families))
	for i, f := range families {
		ids[i], shares[i] = f.ContractID, f.Share
	}
	_, err := tx.Exec(ctx, `UPDATE families f SET share = s.share FROM unnest($3::text[], $4::bigint[]) AS s (contract_id, share)
		WHERE f.institution_id = $1 AND f.wind_down_id = $2 AND f.contract_id = s.contract_id`, w.InstitutionID, w.ID, ids, shares)
	return err
}

// findEstate is what there is for the families of w. In custody: the bank's balance as
// booked, without what was released to the institution already, what goes back to
// parents anyway, and the fees of lessons that nobody gives back; what waits for the
// institution because payouts are held comes after its learners. On the deposit: what
// was pledged, without what goes back anyway.
func findEstate(ctx context.Context, tx pgx.Tx, w WindDown) (e estate, err error) {
	err = tx.QueryRow(ctx, `
		WITH b AS (SELECT account, sum(balance) AS balance FROM balances WHERE institution_id = $1 GROUP BY account),
			c AS (SELECT c.id, c.mode, c.released, coalesce(-h.balance, 0) AS held FROM contracts c
				LEFT JOIN balances h ON h.institution_id = c.institution_id AND h.account = 'held' AND h.contract_id = c.id WHERE c.institution_id = $1),
			p AS (SELECT c.mode, p.source, sum(p.amount) AS amount FROM paybacks p JOIN c ON c.id = p.contract_id
				WHERE p.institution_id = $1 AND p.state <> 'PAID' AND p.route <> '' GROUP BY 1, 2)
		SELECT (coalesce((SELECT balance FROM b WHERE account = 'custody'), 0)
				+ coalesce((SELECT balance FROM b WHERE account = 'released'), 0) + (SELECT coalesce(sum(released), 0) FROM c WHERE mode = 'deposit')
				- (SELECT coalesce(sum(amount), 0) FROM p WHERE mode = 'custody' AND source = '')
				- (SELECT coalesce(sum(held), 0) FROM c WHERE mode = 'custody')
				+ (SELECT coalesce(sum(f.held - f.kept), 0) FROM families f WHERE f.institution_id = $1 AND f.wind_down_id = $2 AND f.state = 'OPEN' AND f.mode = 'custody'))::bigint,
			(least(coalesce((SELECT balance FROM b WHERE account = 'deposit'), 0), -coalesce((SELECT balance FROM b WHERE account = 'pledged'), 0))
				- (SELECT coalesce(sum(amount), 0) FROM p WHERE source = 'deposit'))::bigint`, w.InstitutionID, w.ID).Scan(&e.Custody, &e.Deposit)
	e.Custody, e.Deposit = max(e.Custody, 0), max(e.Deposit, 0)
	return e, err
}

const selectFamily = `SELECT ` + familyColumns + `, c.course, c.parent, c.pupil, c.manager FROM families f
	JOIN contracts c ON c.institution_id = f.institution_id AND c.id = f.contract_id WHERE f.wind_down_id = $1 `

func lockFamily(ctx context.Context, tx pgx.Tx, windDown, contract string) (familyRow, error) {
	return pg.One[familyRow](ctx, tx, "清退名册中的合同", selectFamily+`AND f.contract_id = $2 FOR UPDATE OF f`, windDown, contract)
}

func pageFamilies(ctx context.Context, tx pgx.Tx, windDown, state string, page int) ([]familyRow, error) {
	return list[familyRow](ctx, tx, selectFamily+`AND ($2 = '' OR f.state = $2) ORDER BY f.contract_id LIMIT $3 OFFSET $4`, windDown, state, pageSize+1, (page-1)*pageSize)
}

func saveFamily(ctx context.Context, tx pgx.Tx, f Family) error {
	return one(ctx, tx, `UPDATE families SET state = $4, corrected = $5, correction = $6, share = $7, choice = $8, takeover = $9, refund_id = $10, new_contract = $11, paid_on = $12
		WHERE institution_id = $1 AND wind_down_id = $2 AND contract_id = $3`,
		f.InstitutionID, f.WindDownID, f.ContractID, f.State, f.Corrected, f.Correction, f.Share, f.Choice, f.Takeover, f.RefundID, f.NewContract, f.PaidOn)
}

func findWindFigures(ctx context.Context, tx pgx.Tx, w WindDown) (WindFigures, error) {
	return pg.One[WindFigures](ctx, tx, "清退", `
		SELECT $3::bool AS drawn, $4::text AS reason, count(*) FILTER (WHERE state <> 'VOID') AS families, count(*) FILTER (WHERE state = 'PAID') AS paid,
			count(*) FILTER (WHERE state <> 'VOID' AND choice = 'transfer') AS transfers, coalesce(sum(coalesce(corrected, amount)) FILTER (WHERE state <> 'VOID'), 0)::bigint AS claim_fen,
			coalesce(sum(held) FILTER (WHERE state <> 'VOID'), 0)::bigint AS held_fen, coalesce(sum(share), 0)::bigint AS share_fen,
			coalesce(sum(share) FILTER (WHERE state = 'PAID'), 0)::bigint AS paid_fen,
			coalesce(sum(coalesce(corrected, amount) - share) FILTER (WHERE state <> 'VOID'), 0)::bigint AS shortfall, $5::bigint AS custody_fen, $6::bigint AS deposit_fen
		FROM families WHERE institution_id = $1 AND wind_down_id = $2`, w.InstitutionID, w.ID, w.Drawn, w.Reason, w.CustodyHas, w.DepositHas)
}

// pendingRefunds is those of c that were asked for and are neither agreed to nor taken back.
func pendingRefunds(ctx context.Context, tx pgx.Tx, c *Contract) ([]Refund, error) {
	return list[Refund](ctx, tx, `SELECT `+refundColumns+` FROM refunds r WHERE institution_id = $1 AND contract_id = $2
		AND state IN ('REQUESTED', 'REJECTED', 'MEDIATION', 'UNSETTLED') ORDER BY id`, c.InstitutionID, c.ID)
}

// saveHeard notes that objections are settled, by a refund or, if that is "", by nothing:
// their lessons are not objected to again.
func saveHeard(ctx context.Context, tx pgx.Tx, c *Contract, objections []Refund, refund string) error {
	ids := views(objections, func(r Refund) string { return r.ID })
	_, err := tx.Exec(ctx, `UPDATE lessons SET refund = $4, object_by = NULL WHERE institution_id = $1 AND contract_id = $2 AND state = 'CONFIRMED' AND refund = ANY ($3)`,
		c.InstitutionID, c.ID, ids, refund)
	return err
}

// refundedBy is the lessons of c that a refund is for.
func refundedBy(ctx context.Context, tx pgx.Tx, c *Contract, refund string) ([]Lesson, error) {
	return list[Lesson](ctx, tx, `SELECT `+lessonColumns+` FROM lessons l WHERE institution_id = $1 AND contract_id = $2 AND refund = $3 ORDER BY n`,
		c.InstitutionID, c.ID, refund)
}

const selectTakeover = `SELECT t.wind_down_id, t.id, t.institution_id, i.name, t.manager, t.first_lesson, t.note, t.offered_on
	FROM takeovers t JOIN institutions i ON i.id = t.institution_id WHERE t.wind_down_id = $1 `

func listTakeovers(ctx context.Context, tx pgx.Tx, windDown string) ([]Takeover, error) {
	return list[Takeover](ctx, tx, selectTakeover+`ORDER BY t.id`, windDown)
}

func findTakeover(ctx context.Context, tx pgx.Tx, windDown, id string) (Takeover, error) {
	return pg.One[Takeover](ctx, tx, "转课机构", selectTakeover+`AND t.id = $2`, windDown, id)
}

// insertTakeover is a Conflict for a second offer of the same institution.
func insertTakeover(ctx context.Context, tx pgx.Tx, t Takeover) error {
	tag, err := tx.Exec(ctx, `INSERT INTO takeovers (wind_down_id, id, institution_id, manager, first_lesson, note, offered_on) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING`, t.WindDownID, t.ID, t.InstitutionID, t.Manager, t.FirstLesson, t.Note, t.OfferedOn)
	if err == nil && tag.RowsAffected() == 0 {
		err = fault.Conflict.Errorf("您的机构已提出接收")
	}
	return err
}

// unheard is the condition for an objection r not to be part of w's roster yet.
const unheard = anObjection + ` AND NOT EXISTS (SELECT FROM families f WHERE f.institution_id = w.institution_id
	AND f.wind_down_id = w.id AND f.contract_id = r.contract_id AND r.id = ANY (f.objections))`

// waitsFor is the condition for shares not to be final: an objection is unheard, or the
// institution has until the day $1 or longer to show that it is wrong.
const waitsFor = `EXISTS (SELECT FROM refunds r WHERE r.institution_id = w.institution_id AND (` + unheard + ` OR ` + anObjection + ` AND r.state = 'REQUESTED' AND r.answer_by >= $1))`

// objectionsWait reports whether an objection keeps w from being paid.
func objectionsWait(ctx context.Context, tx pgx.Tx, w WindDown, today day.Date) (wait bool, err error) {
	err = tx.QueryRow(ctx, `SELECT `+waitsFor+` FROM wind_downs w WHERE w.institution_id = $2 AND w.id = $3`, today, w.InstitutionID, w.ID).Scan(&wait)
	return wait, err
}

// toSettle is the condition for a family f to be paid yet, or told that it is owed nothing.
const toSettle = `(f.state = 'OPEN' OR f.state = 'VOID' AND EXISTS (
	SELECT FROM refunds r WHERE r.institution_id = f.institution_id AND r.contract_id = f.contract_id AND ` + anObjection + `))`

// nextToDraw, nextToHear, nextToClose, nextToPay and nextToFinish find what is next of
// any wind-down. They lock nothing, as nextSilent.
func nextToDraw(ctx context.Context, tx pgx.Tx, _ day.Date) (id string, err error) {
	err = tx.QueryRow(ctx, `SELECT id FROM wind_downs WHERE NOT drawn AND state IN ('PROPOSED', 'OPEN') ORDER BY id LIMIT 1`).Scan(&id)
	return id, none(err)
}

// nextToHear is "wind-down/contract".
func nextToHear(ctx context.Context, tx pgx.Tx, _ day.Date) (id string, err error) {
	err = tx.QueryRow(ctx, `SELECT w.id || '/' || r.contract_id FROM wind_downs w JOIN refunds r ON r.institution_id = w.institution_id
		WHERE w.state IN ('PROPOSED', 'OPEN') AND w.drawn AND `+unheard+` ORDER BY w.id, r.id LIMIT 1`).Scan(&id)
	return id, none(err)
}

func nextToClose(ctx context.Context, tx pgx.Tx, today day.Date) (id string, err error) {
	err = tx.QueryRow(ctx, `SELECT id FROM wind_downs w WHERE state = 'OPEN' AND drawn AND choose_by < $1 AND NOT `+waitsFor+` ORDER BY id LIMIT 1`, today).Scan(&id)
	return id, none(err)
}

// nextToPay is "wind-down/contract".
func nextToPay(ctx context.Context, tx pgx.Tx, _ day.Date) (id string, err error) {
	err = tx.QueryRow(ctx, `SELECT f.wind_down_id || '/' || f.contract_id FROM wind_downs w JOIN families f ON f.institution_id = w.institution_id AND f.wind_down_id = w.id
		WHERE w.state = 'PAYING' AND `+toSettle+` ORDER BY w.id, f.contract_id LIMIT 1`).Scan(&id)
	return id, none(err)
}

func nextToFinish(ctx context.Context, tx pgx.Tx, _ day.Date) (id string, err error) {
	err = tx.QueryRow(ctx, `SELECT id FROM wind_downs w WHERE state = 'PAYING' AND NOT EXISTS (
		SELECT FROM families f WHERE f.institution_id = w.institution_id AND f.wind_down_id = w.id AND `+toSettle+`) ORDER BY id LIMIT 1`).Scan(&id)
	return id, none(err)
}
