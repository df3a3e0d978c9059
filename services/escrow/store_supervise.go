package escrow

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

// watched is a comparison with what figures need to know of rules: the months of a
// charging cycle and of the rolling floor, for each institution, and the first day
// of what is in transit.
type watched struct {
	comparison
	cycles, months []int
	transitFrom    day.Date
}

// listFigures is what each institution's money comes to at the end of w's day. What
// was paid, consumed or given back since is counted back. OFFSET 0 has a subquery run
// once for each row, as it is written.
func listFigures(ctx context.Context, tx pgx.Tx, w watched) ([]Figures, error) {
	return list[Figures](ctx, tx, `
		SELECT i.id AS institution_id, coalesce((SELECT min(opened_on) FROM bank_accounts WHERE institution_id = i.id), $3) AS opened_on,
			k.balance AS custody, d.balance AS deposit, t.in_transit, u.in_custody, u.unconsumed, y.cycle, r.recent, coalesce(f.amount, 0) AS fixed,
			m.day_out, m.week_out, m.largest
		FROM unnest($2::text[], $6::int[], $7::int[]) AS i (id, cycle, months)
		LEFT JOIN bank_balances k ON k.institution_id = i.id AND k.account = 'custody' AND k.day = $3
		LEFT JOIN bank_balances d ON d.institution_id = i.id AND d.account = 'deposit' AND d.day = $3
		CROSS JOIN LATERAL (SELECT coalesce(sum(p.amount), 0)::bigint AS in_transit
			FROM (SELECT e.amount, substr(t.reference, length('payment/') + 1) AS reference
				FROM entries e JOIN transfers t ON t.institution_id = e.institution_id AND t.id = e.transfer_id AND t.kind = 'hold'
				WHERE e.institution_id = i.id AND e.account = 'custody' AND e.contract_id = '' AND e.at >= $5 AND e.at < $4 AND EXISTS (SELECT FROM banks WHERE name = $1 AND since <= $3)
				OFFSET 0) p
			WHERE NOT EXISTS (SELECT FROM movements m WHERE m.institution_id = i.id AND m.reference = p.reference AND m.amount > 0)) t
		CROSS JOIN LATERAL (SELECT coalesce(sum(h.held) FILTER (WHERE h.mode = 'custody'), 0)::bigint AS in_custody, coalesce(sum(h.held), 0)::bigint AS unconsumed
			FROM (SELECT c.mode, -b.balance + (SELECT coalesce(sum(e.amount), 0)::bigint FROM entries e
					WHERE e.institution_id = b.institution_id AND e.account = 'held' AND e.contract_id = b.contract_id AND e.at >= $4) AS held
				FROM balances b JOIN contracts c ON c.institution_id = b.institution_id AND c.id = b.contract_id
				WHERE b.institution_id = i.id AND b.account = 'held' AND b.balance <> 0 OFFSET 0) h) u
		CROSS JOIN LATERAL (SELECT coalesce(sum(CASE WHEN last_lesson <= (first_lesson + make_interval(months => i.cycle))::date THEN paid
				ELSE ceil(paid::numeric * ((first_lesson + make_interval(months => i.cycle))::date - first_lesson) / (last_lesson - first_lesson)) END), 0)::bigint AS cycle
			FROM contracts WHERE institution_id = i.id AND state = 'PAID' AND mode = 'deposit' AND i.cycle > 0 AND paid_at < $4) y
		CROSS JOIN LATERAL (SELECT coalesce(sum(e.amount), 0)::bigint AS recent
			FROM entries e JOIN transfers t ON t.institution_id = e.institution_id AND t.id = e.transfer_id AND t.kind = 'hold'
			WHERE i.months > 0 AND e.institution_id = i.id AND e.account IN ('custody', 'receivable') AND e.contract_id = ''
				AND e.at >= (date_trunc('month', $3::date::timestamp) - make_interval(months => i.months - 1)) AT TIME ZONE 'Asia/Shanghai' AND e.at < $4) r
		LEFT JOIN LATERAL (SELECT amount FROM floors WHERE institution_id = i.id AND since <= $3 ORDER BY since DESC, id DESC LIMIT 1) f ON true
		CROSS JOIN LATERAL (SELECT -coalesce(sum(amount) FILTER (WHERE day = $3), 0)::bigint AS day_out, -coalesce(sum(amount), 0)::bigint AS week_out,
				-coalesce(min(amount) FILTER (WHERE day = $3), 0)::bigint AS largest
			FROM movements WHERE institution_id = i.id AND day BETWEEN $3::date - 6 AND $3 AND amount < 0 AND purpose NOT IN ('refund', 'transfer', 'correction')) m
		ORDER BY i.id`,
		w.bank, w.institutions, w.day, w.day.AddDays(1).Start(), w.transitFrom.Start(), w.cycles, w.months)
}

// saveBands keeps the bands and returns those that are others than before.
func saveBands(ctx context.Context, tx pgx.Tx, bands []CoverBand) ([]CoverBand, error) {
	var institutions, names []string
	var days []day.Date
	for _, b := range bands {
		institutions, names, days = append(institutions, b.InstitutionID), append(names, b.Band), append(days, b.Since)
	}
	return list[CoverBand](ctx, tx, `
		INSERT INTO cover_bands AS b (institution_id, band, since)
		SELECT x.* FROM unnest($1::text[], $2::text[], $3::date[]) AS x (institution_id, band, since)
		WHERE x.band <> '' OR EXISTS (SELECT FROM cover_bands k WHERE k.institution_id = x.institution_id)
		ON CONFLICT (institution_id) DO UPDATE SET band = EXCLUDED.band, since = EXCLUDED.since WHERE b.band <> EXCLUDED.band
		RETURNING institution_id, band, since`, institutions, names, days)
}

// bandsOf is the band of an institution, if it was ever in one.
func bandsOf(ctx context.Context, tx pgx.Tx, institution string) ([]CoverBand, error) {
	return list[CoverBand](ctx, tx, `SELECT institution_id, band, since FROM cover_bands WHERE institution_id = $1`, institution)
}

// alertColumns ends with what is not the alert's own: its institution i, and its hold.
const alertColumns = `a.institution_id, a.id, a.jurisdiction, a.manager, a.day, a.kind, a.level, a.words, a.ground, a.raised_on, a.due, a.provisional, a.state,
	a.closed_on, a.closed_by, a.reason, i.name AS institution_name, EXISTS (SELECT FROM holds h WHERE h.cause_id = a.id) AS held`

// saveAlerts raises what is new, and closes what stood and stands no longer.
func saveAlerts(ctx context.Context, tx pgx.Tx, c comparison, raised []Alert) error {
	var institutions, kinds, levels []string
	for _, a := range raised {
		institutions, kinds, levels = append(institutions, a.InstitutionID), append(kinds, a.Kind), append(levels, a.Level)
	}
	var standing []string
	for kind, about := range alertKinds {
		if about.standing {
			standing = append(standing, kind)
		}
	}
	if _, err := tx.Exec(ctx, `
		UPDATE alerts a SET state = 'CLOSED', closed_on = $3, reason = $9::text || $2::date
		WHERE institution_id = ANY ($4) AND state = 'OPEN' AND kind = ANY ($5)
			AND (kind <> 'late_file' OR NOT EXISTS (SELECT FROM bank_days WHERE bank = $1 AND state = 'LATE'))
			AND NOT EXISTS (SELECT FROM unnest($6::text[], $7::text[], $8::text[]) AS x (institution, kind, level)
				WHERE x.institution = a.institution_id AND x.kind = a.kind AND x.level = a.level)`,
		c.bank, c.day, c.today, c.institutions, standing, institutions, kinds, levels, "对账显示已恢复正常："); err != nil {
		return err
	}
	return insertAlerts(ctx, tx, raised)
}

// insertAlerts raises alerts; one of the same kind and level that is open says it already.
func insertAlerts(ctx context.Context, tx pgx.Tx, all []Alert) error {
	var b pgx.Batch
	for _, a := range all {
		b.Queue(`INSERT INTO alerts (institution_id, id, jurisdiction, manager, day, kind, level, words, ground, raised_on, due, provisional, state)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'OPEN') ON CONFLICT DO NOTHING`,
			a.InstitutionID, a.ID, a.Jurisdiction, a.Manager, a.Day, a.Kind, a.Level, a.Words, a.Ground, a.RaisedOn, a.Due, a.Provisional)
	}
	return tx.SendBatch(ctx, &b).Close()
}

func listAlerts(ctx context.Context, tx pgx.Tx, s scope, f ListAlerts, page int) ([]alertRow, error) {
	return list[alertRow](ctx, tx, `SELECT `+alertColumns+` FROM alerts a JOIN institutions i ON i.id = a.institution_id
		WHERE ($1 = '' OR a.manager = $1) AND starts_with(a.jurisdiction, $2) AND ($3 = '' OR a.institution_id = $3) AND ($4 = '' OR a.level = $4) AND ($5 = '' OR a.state = $5)
		ORDER BY a.state = 'CLOSED', a.due, a.id LIMIT $6 OFFSET $7`, s.person, s.division, f.Institution, f.Level, f.State, pageSize+1, (page-1)*pageSize)
}

func lockAlert(ctx context.Context, tx pgx.Tx, id string) (alertRow, error) {
	return pg.One[alertRow](ctx, tx, "资金预警", `SELECT `+alertColumns+`
		FROM alerts a JOIN institutions i ON i.id = a.institution_id WHERE a.id = $1 FOR UPDATE OF a`, id)
}

func saveAlert(ctx context.Context, tx pgx.Tx, a Alert) error {
	return one(ctx, tx, `UPDATE alerts SET state = $3, closed_on = $4, closed_by = $5, reason = $6 WHERE institution_id = $1 AND id = $2 AND state = 'OPEN'`,
		a.InstitutionID, a.ID, a.State, a.ClosedOn, a.ClosedBy, a.Reason)
}

func findHold(ctx context.Context, tx pgx.Tx, id string) (holdRow, error) {
	return pg.One[holdRow](ctx, tx, "暂停拨付", `SELECT `+holdColumns+`, i.name AS institution_name, 0 AS waiting_lessons, 0::bigint AS waiting_fen,
			`+endable+` AS endable
		FROM holds h JOIN institutions i ON i.id = h.institution_id WHERE h.id = $1`, id)
}

func insertFloor(ctx context.Context, tx pgx.Tx, id string, f Floor, reason, by string) error {
	_, err := tx.Exec(ctx, `INSERT INTO floors (institution_id, id, amount, since, reason, set_by, ground) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		f.Institution, id, f.AmountFen, f.Since, reason, by, f.Rule)
	return err
}

// listFloors returns those in force or, of one institution, all.
func listFloors(ctx context.Context, tx pgx.Tx, s scope, institution string, page int) ([]floorRow, error) {
	return list[floorRow](ctx, tx, `
		SELECT institution, institution_name, jurisdiction, amount, since, reason, ground, in_force FROM (SELECT f.institution_id AS institution, i.name AS institution_name, i.jurisdiction, f.amount, f.since, f.reason, f.ground,
				NOT EXISTS (SELECT FROM floors n WHERE n.institution_id = f.institution_id AND (n.since, n.id) > (f.since, f.id)) AS in_force, f.id
			FROM floors f JOIN institutions i ON i.id = f.institution_id
			WHERE ($1 = '' OR i.manager = $1) AND starts_with(i.jurisdiction, $2) AND ($3 = '' OR f.institution_id = $3)) f
		WHERE in_force OR $3 <> '' ORDER BY f.id DESC LIMIT $4 OFFSET $5`, s.person, s.division, institution, pageSize+1, (page-1)*pageSize)
}

// floorOf is the floor that was set for the institution by a day; 0 is none.
func floorOf(ctx context.Context, tx pgx.Tx, institution string, by day.Date) (amount Fen, err error) {
	err = tx.QueryRow(ctx, `SELECT coalesce((SELECT amount FROM floors WHERE institution_id = $1 AND since <= $2 ORDER BY since DESC, id DESC LIMIT 1), 0)`, institution, by).Scan(&amount)
	return amount, err
}

// lastReconciled is the last day of the institution that was reconciled, or another.
func lastReconciled(ctx context.Context, tx pgx.Tx, institution string, otherwise day.Date) (on day.Date, was bool, err error) {
	err = tx.QueryRow(ctx, `SELECT coalesce(max(day), $2), max(day) IS NOT NULL FROM reconciliations WHERE institution_id = $1`, institution, otherwise).Scan(&on, &was)
	return on, was, err
}

const freezeColumns = `institution_id, id, jurisdiction, manager, account, authority, document_no, amount, since, until, lifted_by`

func insertFreeze(ctx context.Context, tx pgx.Tx, f Freeze) error {
	tag, err := tx.Exec(ctx, `INSERT INTO freezes (`+freezeColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL, '') ON CONFLICT DO NOTHING`,
		f.InstitutionID, f.ID, f.Jurisdiction, f.Manager, f.Account, f.Authority, f.DocumentNo, f.Amount, f.Since)
	if err == nil && tag.RowsAffected() == 0 {
		err = fault.Conflict.Errorf("该机关的这份文书已登记")
	}
	return err
}

func lockFreeze(ctx context.Context, tx pgx.Tx, id string) (Freeze, error) {
	return pg.One[Freeze](ctx, tx, "冻结", `SELECT `+freezeColumns+` FROM freezes WHERE id = $1 FOR UPDATE`, id)
}

func saveLifted(ctx context.Context, tx pgx.Tx, f Freeze) error {
	return one(ctx, tx, `UPDATE freezes SET until = $3, lifted_by = $4 WHERE institution_id = $1 AND id = $2 AND until IS NULL`, f.InstitutionID, f.ID, f.Until, f.LiftedBy)
}

func listFreezes(ctx context.Context, tx pgx.Tx, s scope, institution string, page int) ([]Freeze, error) {
	return list[Freeze](ctx, tx, `SELECT `+freezeColumns+` FROM freezes WHERE ($1 = '' OR manager = $1) AND starts_with(jurisdiction, $2) AND ($3 = '' OR institution_id = $3)
		ORDER BY id DESC LIMIT $4 OFFSET $5`, s.person, s.division, institution, pageSize+1, (page-1)*pageSize)
}

// nextLate finds a bank's day, as "bank/day", whose last day for a file has passed.
func nextLate(ctx context.Context, tx pgx.Tx, today day.Date) (id string, err error) {
	err = tx.QueryRow(ctx, `SELECT bank || '/' || day FROM bank_days WHERE state = 'EXPECTED' AND due < $1 ORDER BY day, bank LIMIT 1 FOR UPDATE SKIP LOCKED`, today).Scan(&id)
	return id, none(err)
}

func saveLate(ctx context.Context, tx pgx.Tx, bank string, d day.Date) error {
	return one(ctx, tx, `UPDATE bank_days SET state = 'LATE' WHERE bank = $1 AND day = $2 AND state = 'EXPECTED'`, bank, d)
}

func institutionsOfBank(ctx context.Context, tx pgx.Tx, bank string) ([]Institution, error) {
	return list[Institution](ctx, tx, `SELECT `+institutionColumns+` FROM institutions WHERE id IN (SELECT institution_id FROM bank_accounts WHERE bank = $1) ORDER BY id`, bank)
}
