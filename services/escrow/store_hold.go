package escrow

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

const holdColumns = `h.id, h.institution_id, h.jurisdiction, h.manager, h.cause_id, h.clause, h.ground, h.decided_by, h.since, h.until`

// lockPayouts lets nobody pay out to the institution until tx ends, and waits for
// who does. Unavailable if that takes too long: then it is for another time.
func lockPayouts(ctx context.Context, tx pgx.Tx, institution string) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(payouts_lock($1))`, institution); err != nil {
		return fault.Unavailable.Wrap(err)
	}
	return nil
}

// sharePayouts keeps the holds of the institution as they are until tx ends.
func sharePayouts(ctx context.Context, tx pgx.Tx, institution string) error {
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared(payouts_lock($1))`, institution)
	return err
}

// causeDone reports whether a list entry has held payouts, or ended before it could.
func causeDone(ctx context.Context, tx pgx.Tx, cause string) (done bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM holds WHERE cause_id = $1) OR EXISTS (SELECT FROM ended_entries WHERE id = $1)`, cause).Scan(&done)
	return done, err
}

// saveEnded notes that a list entry ended which has held nothing.
func saveEnded(ctx context.Context, tx pgx.Tx, cause string) error {
	_, err := tx.Exec(ctx, `INSERT INTO ended_entries (id) SELECT $1 WHERE NOT EXISTS (SELECT FROM holds WHERE cause_id = $1) ON CONFLICT DO NOTHING`, cause)
	return err
}

func insertHold(ctx context.Context, tx pgx.Tx, h Hold) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO holds (institution_id, id, jurisdiction, manager, cause_id, clause, ground, decided_by, since)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		h.InstitutionID, h.ID, h.Jurisdiction, h.Manager, h.CauseID, h.Clause, h.Ground, h.DecidedBy, h.Since); err != nil {
		return err
	}
	return savePayouts(ctx, tx, h.InstitutionID)
}

// openHolds returns the holds that stand: that of a list entry, or, where the
// entry is "", those of an institution which began on a day or before it.
func openHolds(ctx context.Context, tx pgx.Tx, cause, institution string, by day.Date) ([]Hold, error) {
	return list[Hold](ctx, tx, `SELECT `+holdColumns+` FROM holds h
		WHERE until IS NULL AND CASE WHEN $1 <> '' THEN cause_id = $1 ELSE institution_id = $2 AND since <= $3 END ORDER BY id`, cause, institution, by)
}

// endHold ends h; false if it ended before.
func endHold(ctx context.Context, tx pgx.Tx, h Hold) (was bool, err error) {
	tag, err := tx.Exec(ctx, `UPDATE holds SET until = $3 WHERE institution_id = $1 AND id = $2 AND until IS NULL`, h.InstitutionID, h.ID, h.Until)
	if err != nil || tag.RowsAffected() == 0 {
		return false, err
	}
	return true, savePayouts(ctx, tx, h.InstitutionID)
}

// savePayouts notes since when the institution's payouts are held, if they are.
func savePayouts(ctx context.Context, tx pgx.Tx, institution string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO payouts (institution_id, held_since) SELECT $1, min(since) FROM holds WHERE institution_id = $1 AND until IS NULL
		ON CONFLICT (institution_id) DO UPDATE SET held_since = EXCLUDED.held_since`, institution)
	return err
}

func saveAccountEntry(ctx context.Context, tx pgx.Tx, institution string, e entry) error {
	_, err := tx.Exec(ctx, `INSERT INTO account_timeline (institution_id, at, actor, action, summary) VALUES ($1, $2, $3, $4, $5)`,
		institution, e.at, e.by, e.action, e.summary)
	return err
}

func listAccountEntries(ctx context.Context, tx pgx.Tx, institution string) ([]Entry, error) {
	return list[Entry](ctx, tx, `SELECT to_char(at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS"+08:00"') AS at, actor, action, summary
		FROM account_timeline WHERE institution_id = $1 ORDER BY id`, institution)
}

// holdFilter is what a list of holds is asked for.
type holdFilter struct {
	institution, state string
	page               int
}

// endable is whether an official may end the hold h: no other decision has to.
const endable = `(EXISTS (SELECT FROM alerts a WHERE a.id = h.cause_id) OR EXISTS (SELECT FROM wind_downs w WHERE w.id = h.cause_id AND w.state = 'DONE'))`

func listHolds(ctx context.Context, tx pgx.Tx, s scope, f holdFilter) ([]holdRow, error) {
	return list[holdRow](ctx, tx, `SELECT `+holdColumns+`, i.name AS institution_name, w.lessons AS waiting_lessons, w.fen AS waiting_fen, `+endable+` AS endable
		FROM holds h JOIN institutions i ON i.id = h.institution_id,
			LATERAL (SELECT count(*) AS lessons, coalesce(sum(fee), 0)::bigint AS fen FROM lessons l WHERE l.institution_id = h.institution_id AND l.waits AND l.refund = '') w
		WHERE ($1 = '' OR h.manager = $1) AND starts_with(h.jurisdiction, $2) AND ($3 = '' OR h.institution_id = $3)
		  AND ($4 = '' OR ($4 = 'OPEN') = (h.until IS NULL))
		ORDER BY h.id DESC LIMIT $5 OFFSET $6`,
		s.person, s.division, f.institution, f.state, pageSize+1, (f.page-1)*pageSize)
}

// nextWaiting finds a contract with fees that wait though payouts are held no
// more; it locks nothing, as nextSilent.
func nextWaiting(ctx context.Context, tx pgx.Tx) (contract string, err error) {
	err = tx.QueryRow(ctx, `
		SELECT w.contract_id FROM payouts p,
			LATERAL (SELECT contract_id FROM lessons l WHERE l.institution_id = p.institution_id AND l.waits AND l.refund = '' ORDER BY contract_id LIMIT 1) w
		WHERE p.held_since IS NULL LIMIT 1`).Scan(&contract)
	return contract, none(err)
}

// savePaidOut writes that the fees of lessons were paid out to the institution.
func savePaidOut(ctx context.Context, tx pgx.Tx, c *Contract, lessons []Lesson, e entry) error {
	before, err := resumedBefore(ctx, tx, c)
	if err != nil {
		return err
	}
	ns, booked := make([]int, len(lessons)), make([]transfer, len(lessons))
	for i, l := range lessons {
		ns[i], booked[i] = l.N, c.resume(l, before[l.N], e.at)
	}
	args, err := postArgs(booked)
	if err != nil {
		return err
	}
	var batch pgx.Batch
	batch.Queue(`UPDATE lessons SET waits = false WHERE institution_id = $1 AND contract_id = $2 AND n = ANY ($3)`, c.InstitutionID, c.ID, ns)
	batch.Queue(postSQL, args...)
	batch.Queue(updateContract, c.row()...)
	batch.Queue(insertEntry, c.InstitutionID, c.ID, e.at, e.by, e.account, e.action, e.summary)
	return tx.SendBatch(ctx, &batch).Close()
}

// resumedBefore is how often the fee of each of c's lessons was paid out after it waited.
func resumedBefore(ctx context.Context, tx pgx.Tx, c *Contract) (map[int]int, error) {
	rows, err := tx.Query(ctx, `SELECT split_part(reference, '/', 3)::int, count(*) FROM transfers
		WHERE institution_id = $1 AND reference >= 'resume/' || $2 || '/' AND reference < 'resume/' || $2 || '0' GROUP BY 1`, c.InstitutionID, c.ID)
	if err != nil {
		return nil, err
	}
	before := map[int]int{}
	var n, times int
	_, err = pgx.ForEachRow(rows, []any{&n, &times}, func() error { before[n] = times; return nil })
	return before, err
}

// startRepublication asks the republish timer for a run and returns how many
// institutions it will publish.
func startRepublication(ctx context.Context, tx pgx.Tx, id string) (n int, err error) {
	if _, err := tx.Exec(ctx, `INSERT INTO republications (id) VALUES ($1)`, id); err != nil {
		return 0, err
	}
	return n, tx.QueryRow(ctx, `SELECT count(*) FROM institutions i WHERE `+toldOf).Scan(&n)
}

// toldOf is the condition for there being something to publish of an institution i.
const toldOf = `(EXISTS (SELECT FROM accounts a WHERE a.institution = i.id) OR EXISTS (SELECT FROM holds h WHERE h.institution_id = i.id AND h.until IS NULL))`

func nextRepublication(ctx context.Context, tx pgx.Tx) (id string, err error) {
	err = tx.QueryRow(ctx, `SELECT id FROM republications WHERE NOT done ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`).Scan(&id)
	return id, none(err)
}

// nextToTell finds the institution that the run has to publish next; NotFound if
// it has published all.
func nextToTell(ctx context.Context, tx pgx.Tx, run string) (institution string, err error) {
	err = tx.QueryRow(ctx, `SELECT id FROM institutions i WHERE id > (SELECT after_id FROM republications WHERE id = $1) AND `+toldOf+` ORDER BY id LIMIT 1`, run).
		Scan(&institution)
	return institution, none(err)
}

// saveTold notes how far a run has come; after is "" at its end.
func saveTold(ctx context.Context, tx pgx.Tx, run, after string) error {
	return one(ctx, tx, `UPDATE republications SET after_id = CASE $2 WHEN '' THEN after_id ELSE $2 END, done = $2 = '' WHERE id = $1`, run, after)
}
