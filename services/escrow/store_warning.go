package escrow

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

// saveTip keeps where and since when there is a tip-off. One that was merged stays
// so, however late what was said of it before.
func saveTip(ctx context.Context, tx pgx.Tx, id, institution string, received day.Date, merged bool) error {
	_, err := tx.Exec(ctx, `INSERT INTO tips (id, institution_id, received_on, merged) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET institution_id = EXCLUDED.institution_id, received_on = EXCLUDED.received_on, merged = tips.merged OR EXCLUDED.merged`,
		id, institution, received, merged)
	return err
}

// nextRun locks the scoring of today, which begins with the first account.
// NotFound if it is done, or another has it.
func nextRun(ctx context.Context, tx pgx.Tx, today day.Date) (id string, err error) {
	var done bool
	err = tx.QueryRow(ctx, `SELECT done FROM warning_runs WHERE on_date = $1`, today).Scan(&done)
	if errors.Is(err, pgx.ErrNoRows) {
		_, err = tx.Exec(ctx, `INSERT INTO warning_runs (on_date) SELECT $1 WHERE EXISTS (SELECT FROM accounts) ON CONFLICT DO NOTHING`, today)
	}
	if err != nil || done {
		return "", errors.Join(err, fault.NotFound)
	}
	err = tx.QueryRow(ctx, `SELECT on_date::text FROM warning_runs WHERE on_date = $1 AND NOT done FOR UPDATE SKIP LOCKED`, today).Scan(&id)
	return id, none(err)
}

// saveRun notes how far the scoring of a day has come; after is "" at its end.
func saveRun(ctx context.Context, tx pgx.Tx, on day.Date, after string) error {
	return one(ctx, tx, `UPDATE warning_runs SET after_id = CASE $2 WHEN '' THEN after_id ELSE $2 END, done = $2 = '' WHERE on_date = $1`, on, after)
}

// standing is an institution to be scored, with what its last score was.
type standing struct {
	ID, Jurisdiction string
	Control          *bool // nil before it was assigned
	Band             string
	Since            day.Date
}

// nextStandings returns the next institutions of a day's run. Who has no account
// took nothing that could be watched.
func nextStandings(ctx context.Context, tx pgx.Tx, on day.Date, n int) ([]standing, error) {
	return list[standing](ctx, tx, `
		SELECT i.id, i.jurisdiction, a.control, coalesce(w.band, 'NONE') AS band, coalesce(w.since, $1) AS since
		FROM accounts acc JOIN institutions i ON i.id = acc.institution
			LEFT JOIN warning_arms a ON a.institution_id = i.id LEFT JOIN warnings w ON w.institution_id = i.id
		WHERE acc.institution > (SELECT after_id FROM warning_runs WHERE on_date = $1) ORDER BY acc.institution LIMIT $2`, on, n)
}

// watchedRow is a Watched as SQL sums it up: of the window, and Usual of the baseline.
type watchedRow struct {
	Institution                                  string
	Paid, UsualPaid, Asked, UsualAsked           Fen
	Lessons, UsualLessons, Refunds, UsualRefunds int
	Due, UsualDue, Taught, UsualTaught           int
	Tips, UsualTips                              int
	ThenThere, ThenOwed, NowThere, NowOwed       Fen
}

func (r watchedRow) watched() Watched {
	return Watched{
		Recent: Movements{r.Paid, r.Lessons, r.Asked, r.Refunds, r.Due, r.Taught, r.Tips},
		Before: Movements{r.UsualPaid, r.UsualLessons, r.UsualAsked, r.UsualRefunds, r.UsualDue, r.UsualTaught, r.UsualTips},
		Then:   Cover{r.ThenThere, r.ThenOwed}, Now: Cover{r.NowThere, r.NowOwed},
	}
}

// watchedSQL sums up what moved at institutions $1 in the $3 days before $2, and in
// the $4 days before those.
//
// What is owed to families, and what is there for them, comes from the accounts of
// the institution itself: all of its accounts add up to nothing, so that held, which
// each contract has its own of, is what the others are not. What it has earned is
// set off against the tuition that it took in itself (receivable); only what goes
// beyond is a claim on the bank's custody. A balance of the past is today's without
// what was booked since.
const watchedSQL = `
	SELECT i.id AS institution, paid, usual_paid, lessons, usual_lessons, asked, usual_asked, refunds, usual_refunds,
		due, usual_due, taught, usual_taught, tips, usual_tips, then_there, then_owed, now_there, now_owed
	FROM (
		SELECT id, today, today - days AS since, today - days - before AS usual,
			today::timestamp AT TIME ZONE 'Asia/Shanghai' AS today_at, (today - days)::timestamp AT TIME ZONE 'Asia/Shanghai' AS since_at
		FROM (SELECT id, $2::date AS today, days::int, before::int FROM unnest($1::text[], $3::bigint[], $4::bigint[]) AS x (id, days, before)) x
	) i,
	LATERAL (
		SELECT coalesce(sum(price) FILTER (WHERE paid_at >= since_at), 0)::bigint AS paid,
			coalesce(sum(price) FILTER (WHERE paid_at < since_at), 0)::bigint AS usual_paid,
			coalesce(sum(c.lessons + gift_lessons) FILTER (WHERE paid_at >= since_at), 0)::int AS lessons,
			coalesce(sum(c.lessons + gift_lessons) FILTER (WHERE paid_at < since_at), 0)::int AS usual_lessons
		FROM contracts c WHERE c.institution_id = i.id AND paid_at < today_at AND paid_at >= usual::timestamp AT TIME ZONE 'Asia/Shanghai'
	) p,
	LATERAL (
		SELECT coalesce(sum(amount) FILTER (WHERE requested_on >= since), 0)::bigint AS asked,
			coalesce(sum(amount) FILTER (WHERE requested_on < since), 0)::bigint AS usual_asked,
			count(*) FILTER (WHERE requested_on >= since)::int AS refunds, count(*) FILTER (WHERE requested_on < since)::int AS usual_refunds
		FROM refunds r WHERE r.institution_id = i.id AND requested_on < today AND requested_on >= usual
	) r,
	LATERAL (
		SELECT count(*) FILTER (WHERE due AND on_date >= since)::int AS due, count(*) FILTER (WHERE due AND on_date < since)::int AS usual_due,
			count(*) FILTER (WHERE taught_on >= since AND taught_on < today)::int AS taught,
			count(*) FILTER (WHERE taught_on < since AND taught_on >= usual)::int AS usual_taught
		FROM contracts c JOIN lessons l ON l.institution_id = c.institution_id AND l.contract_id = c.id,
			LATERAL (SELECT l.state IN ('SCHEDULED', 'TAUGHT', 'CONFIRMED', 'DISPUTED') AND on_date < today AND on_date >= usual AS due) d
		WHERE c.institution_id = i.id AND c.state IN ('PAID', 'FINISHED') AND c.first_lesson < today AND c.last_lesson >= usual
	) l,
	LATERAL (
		SELECT count(*) FILTER (WHERE received_on >= since)::int AS tips, count(*) FILTER (WHERE received_on < since)::int AS usual_tips
		FROM tips WHERE NOT merged AND institution_id = i.id AND received_on < today AND received_on >= usual
	) t,
	LATERAL (
		SELECT coalesce(sum(was) FILTER (WHERE account IN ('custody', 'deposit')) + least(sum(was) FILTER (WHERE account IN ('released', 'frozen', 'receivable')), 0), 0)::bigint AS then_there,
			coalesce(sum(was) FILTER (WHERE account <> 'refunds'), 0)::bigint AS then_owed,
			coalesce(sum("is") FILTER (WHERE account IN ('custody', 'deposit')) + least(sum("is") FILTER (WHERE account IN ('released', 'frozen', 'receivable')), 0), 0)::bigint AS now_there,
			coalesce(sum("is") FILTER (WHERE account <> 'refunds'), 0)::bigint AS now_owed
		FROM balances b,
			LATERAL (SELECT b.balance - coalesce(sum(amount), 0) AS was, b.balance - coalesce(sum(amount) FILTER (WHERE at >= today_at), 0) AS "is"
				FROM entries e WHERE e.institution_id = b.institution_id AND e.account = b.account AND e.contract_id = '' AND at >= since_at) e
		WHERE b.institution_id = i.id AND b.contract_id = '' AND b.account <> 'held'
	) b`

func listWatched(ctx context.Context, tx pgx.Tx, on day.Date, institutions []string, windows, baselines []int64) ([]watchedRow, error) {
	return list[watchedRow](ctx, tx, watchedSQL, institutions, on, windows, baselines)
}

// saveArms notes by what lot each of institutions came to its arm.
func saveArms(ctx context.Context, tx pgx.Tx, arms []EarlyWarning) error {
	var batch pgx.Batch
	for _, a := range arms {
		batch.Queue(`INSERT INTO warning_arms (institution_id, control, ground, assigned_on) VALUES ($1, $2, $3, $4)`, a.InstitutionID, a.Control, a.Ground, a.AssignedOn)
	}
	return tx.SendBatch(ctx, &batch).Close()
}

// saveWarnings keeps the scores, and for ever those whose band is not what it was.
func saveWarnings(ctx context.Context, tx pgx.Tx, all []scored) error {
	var batch pgx.Batch
	for _, w := range all {
		batch.Queue(`INSERT INTO warnings (institution_id, control, on_date, points, band, since, reasons) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (institution_id) DO UPDATE SET on_date = EXCLUDED.on_date, points = EXCLUDED.points, band = EXCLUDED.band,
				since = EXCLUDED.since, reasons = EXCLUDED.reasons`, w.InstitutionID, w.Control, w.On, w.Points, w.Band, w.Since, w.Reasons)
		if w.changed() {
			batch.Queue(`INSERT INTO warning_changes (institution_id, on_date, control, points, band, was, reasons) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
				w.InstitutionID, w.On, w.Control, w.Points, w.Band, w.was, w.Reasons)
		}
	}
	return tx.SendBatch(ctx, &batch).Close()
}

const selectWarning = `SELECT a.institution_id, i.name AS institution_name, i.jurisdiction, a.control, a.ground, a.assigned_on, w.on_date AS "on",
		coalesce(w.points, 0) AS points, coalesce(w.band, '') AS band, w.since, coalesce(w.reasons, '[]') AS reasons
	FROM warning_arms a JOIN institutions i ON i.id = a.institution_id LEFT JOIN warnings w ON w.institution_id = a.institution_id AND NOT a.control `

// listWarnings returns the highest scores first, and who is kept free of them last.
func listWarnings(ctx context.Context, tx pgx.Tx, s scope, band string, page int) ([]EarlyWarning, error) {
	return list[EarlyWarning](ctx, tx, selectWarning+`
		WHERE ($1 = '' OR i.manager = $1) AND starts_with(i.jurisdiction, $2)
		  AND CASE $3 WHEN '' THEN true WHEN 'CONTROL' THEN a.control ELSE NOT a.control AND w.band = $3 END
		ORDER BY a.control, w.points DESC, a.institution_id LIMIT $4 OFFSET $5`, s.person, s.division, band, pageSize+1, (page-1)*pageSize)
}

func findWarning(ctx context.Context, tx pgx.Tx, institution string) (EarlyWarning, error) {
	return pg.One[EarlyWarning](ctx, tx, "预警", selectWarning+`WHERE a.institution_id = $1`, institution)
}

// listChanges returns when the band of an institution changed, newest first.
func listChanges(ctx context.Context, tx pgx.Tx, institution string) ([]BandChange, error) {
	return list[BandChange](ctx, tx, `SELECT on_date AS "on", was, band, points, reasons FROM warning_changes
		WHERE institution_id = $1 ORDER BY on_date DESC LIMIT $2`, institution, pageSize)
}

// listArms counts the institutions of a division that had each band as on began, by
// arm, and those whose payouts were held in the days from then.
func listArms(ctx context.Context, tx pgx.Tx, division string, on day.Date, days int) ([]Arm, error) {
	return list[Arm](ctx, tx, `
		SELECT a.control, coalesce(w.band, 'NONE') AS band, count(*)::int AS institutions, count(*) FILTER (WHERE held)::int AS held
		FROM warning_arms a JOIN institutions i ON i.id = a.institution_id,
			LATERAL (SELECT (SELECT band FROM warning_changes c WHERE c.institution_id = i.id AND on_date <= $2 ORDER BY on_date DESC LIMIT 1) AS band,
				EXISTS (SELECT FROM holds h WHERE h.institution_id = i.id AND h.since >= $2 AND h.since < $2::date + $3::int) AS held) w
		WHERE starts_with(i.jurisdiction, $1) AND a.assigned_on <= $2 GROUP BY 1, 2 ORDER BY 1, 2`, division, on, days)
}
