package escrow

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
)

// waitingRow is one line of an inbox as SQL finds it.
type waitingRow struct {
	ID, Kind, Contract, Institution, Course, Jurisdiction, State string
	N                                                            int
	Fen                                                          Fen
	Words                                                        string // what a flag or an alert says, who decided a hold, the kind of a discrepancy
	Place                                                        string // id of what its page is about, where that is not the contract
	Since, Due                                                   day.Date
	Provisional                                                  bool
}

// inboxSize is how much an inbox shows.
const inboxSize = 200

// waitingForOfficial leaves out what needs another's hand than person's.
func waitingForOfficial(ctx context.Context, tx pgx.Tx, s scope, person string) ([]waitingRow, error) {
	return list[waitingRow](ctx, tx, `
		SELECT f.id, 'flag' AS kind, f.contract_id AS contract, i.name AS institution, c.course, f.jurisdiction, f.state, 0 AS n, 0::bigint AS fen,
			f.explanation AS words, f.raised_on AS since, f.due, f.provisional, '' AS place
		FROM flags f JOIN contracts c ON c.institution_id = f.institution_id AND c.id = f.contract_id JOIN institutions i ON i.id = f.institution_id
		WHERE f.state = 'OPEN' AND starts_with(f.jurisdiction, $1)
		UNION ALL
		SELECT r.id, 'mediation', c.id, i.name, c.course, c.jurisdiction, r.state, 0, r.amount, '', r.requested_on, r.mediate_by, false, ''
		FROM refunds r JOIN contracts c ON c.institution_id = r.institution_id AND c.id = r.contract_id JOIN institutions i ON i.id = r.institution_id
		WHERE r.state = 'MEDIATION' AND starts_with(c.jurisdiction, $1)
		UNION ALL
		SELECT a.id, 'alert', '', i.name, '', a.jurisdiction, a.state, 0, 0, a.words, a.raised_on, a.due, a.provisional, a.institution_id
		FROM alerts a JOIN institutions i ON i.id = a.institution_id
		WHERE a.state = 'OPEN' AND starts_with(a.jurisdiction, $1)
		UNION ALL
		SELECT d.id, 'discrepancy', '', i.name, '', d.jurisdiction, d.state, 0, abs(d.expected - d.actual), d.kind, d.raised_on, d.due, d.provisional, ''
		FROM discrepancies d JOIN institutions i ON i.id = d.institution_id
		WHERE (d.state = 'OPEN' OR d.state = 'EXPLAINED' AND d.explained_by <> $3) AND starts_with(d.jurisdiction, $1)
		UNION ALL
		SELECT w.id, 'wind_down', '', i.name, '', w.jurisdiction, w.state, 0, 0, '', w.begun_on, NULL, false, w.id
		FROM wind_downs w JOIN institutions i ON i.id = w.institution_id
		WHERE w.state = 'PROPOSED' AND w.drawn AND w.last_hand <> $3 AND starts_with(w.jurisdiction, $1)
		ORDER BY due NULLS LAST, id LIMIT $2`, s.division, inboxSize, person)
}

func waitingForParty(ctx context.Context, tx pgx.Tx, person string) ([]waitingRow, error) {
	return list[waitingRow](ctx, tx, `
		WITH mine AS (SELECT c.*, i.name FROM contracts c JOIN institutions i ON i.id = c.institution_id
			WHERE (c.parent = $1 OR c.manager = $1) AND c.state IN ('OFFERED', 'SIGNED', 'PAID'))
		SELECT contract || '/' || n AS id, kind, contract, name AS institution, course, jurisdiction, state, n, fen, '' AS words, since, due, provisional, '' AS place
		FROM (
			SELECT 'lesson' AS kind, c.id AS contract, c.name, c.course, c.jurisdiction, l.state, l.n, l.fee AS fen, l.asked_on AS since, l.confirm_by AS due, l.provisional
			FROM mine c JOIN lessons l ON l.institution_id = c.institution_id AND l.contract_id = c.id WHERE c.parent = $1 AND l.state = 'TAUGHT'
			UNION ALL
			SELECT 'dispute', c.id, c.name, c.course, c.jurisdiction, l.state, l.n, l.fee, l.asked_on, NULL, false
			FROM mine c JOIN lessons l ON l.institution_id = c.institution_id AND l.contract_id = c.id WHERE c.manager = $1 AND l.state = 'DISPUTED'
			UNION ALL
			SELECT 'contract', c.id, c.name, c.course, c.jurisdiction, c.state, 0, c.price, c.offered_on, NULL, false
			FROM mine c WHERE c.parent = $1 AND c.state IN ('OFFERED', 'SIGNED')
		) waiting
		UNION ALL
		SELECT r.id, 'refund', c.id, i.name, c.course, c.jurisdiction, r.state, 0, r.amount, '', r.requested_on, r.answer_by, r.provisional, ''
		FROM contracts c JOIN institutions i ON i.id = c.institution_id JOIN refunds r ON r.institution_id = c.institution_id AND r.contract_id = c.id WHERE c.manager = $1 AND r.state = 'REQUESTED' -- of a finished one, too
		UNION ALL
		SELECT r.id, 'rejected', c.id, i.name, c.course, c.jurisdiction, r.state, 0, r.amount, '', r.requested_on, NULL, false, ''
		FROM contracts c JOIN institutions i ON i.id = c.institution_id JOIN refunds r ON r.institution_id = c.institution_id AND r.contract_id = c.id WHERE c.parent = $1 AND r.state = 'REJECTED'
		UNION ALL
		SELECT h.id, 'hold', '', i.name, '', h.jurisdiction, 'OPEN', w.n::int, w.fen, h.decided_by, h.since, NULL, false, h.institution_id
		FROM holds h JOIN institutions i ON i.id = h.institution_id,
			LATERAL (SELECT count(*) AS n, coalesce(sum(fee), 0)::bigint AS fen FROM lessons l WHERE l.institution_id = h.institution_id AND l.waits AND l.refund = '') w
		WHERE h.manager = $1 AND h.until IS NULL
		UNION ALL
		SELECT a.id, 'alert', '', i.name, '', a.jurisdiction, a.state, 0, 0, a.words, a.raised_on, a.due, a.provisional, a.institution_id
		FROM alerts a JOIN institutions i ON i.id = a.institution_id
		WHERE a.manager = $1 AND a.state = 'OPEN'
		UNION ALL
		SELECT w.id || '/' || c.id, 'choice', c.id, c.name, c.course, c.jurisdiction, f.state, 0, coalesce(f.corrected, f.amount), '', w.confirmed_on, w.choose_by, w.provisional, w.id
		FROM mine c JOIN families f ON f.institution_id = c.institution_id AND f.contract_id = c.id
			JOIN wind_downs w ON w.institution_id = f.institution_id AND w.id = f.wind_down_id
		WHERE c.parent = $1 AND f.state = 'OPEN' AND f.choice = '' AND w.state = 'OPEN'
		ORDER BY due NULLS LAST, id LIMIT $2`, person, inboxSize)
}
