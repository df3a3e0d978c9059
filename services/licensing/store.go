package licensing

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

// pageSize is how many rows a list answers at once.
const pageSize = 50

// rows collects what sql answers into Ts by column name, never nil.
func rows[T any](ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]T, error) {
	found, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(found, pgx.RowToStructByName[T])
	if list == nil {
		list = []T{}
	}
	return list, err
}

// wall is the first wall of lists: SQL that is true of rows in the caller's
// jurisdiction, or of the caller's own. Row-level security is the second. Its
// arguments are $1 to $4, agencies those of the table and person its column.
func wall(agencies, person string) string {
	return `($1 = 'official' AND starts_with(jurisdiction, $2) AND $3 = ANY (ARRAY[` + agencies + `])
		OR $1 = 'person' AND ` + person + ` = $4)`
}

// within is the arguments of wall for ctx's caller.
func within(ctx context.Context, more ...any) []any {
	c := auth.From(ctx)
	kind := ""
	switch {
	case c.Agency != "" && c.Jurisdiction != "":
		kind = "official"
	case c.Subject != "" && c.Agency == "":
		kind = "person"
	}
	return append([]any{kind, division.Prefix(c.Jurisdiction), c.Agency, c.Subject}, more...)
}

// A deed is a step of a case, for the audit.
type deed struct {
	about, caseID, jurisdiction, manager string
	step                                 flow.Step
	note                                 string
	grounds                              []fault.Ground
}

func saveAudit(ctx context.Context, tx pgx.Tx, now time.Time, d deed) error {
	c := auth.From(ctx)
	_, err := tx.Exec(ctx, `
		INSERT INTO audit (about, case_id, jurisdiction, manager, account, agency, office, action, label, from_state, to_state, note, basis, grounds, legal_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		d.about, d.caseID, d.jurisdiction, d.manager, c.Subject, c.Agency, officeOf(c), d.step.Action, d.step.Label,
		d.step.From, d.step.To, d.note, d.step.Basis, append([]fault.Ground{}, d.grounds...), now)
	return err
}

// listTimeline lists what was done to the case id, first to last.
func listTimeline(ctx context.Context, tx pgx.Tx, id string) ([]Entry, error) {
	type line struct {
		LegalAt                                                         time.Time
		Account, Office, Action, Label, FromState, ToState, Note, Basis string
		Grounds                                                         []fault.Ground
	}
	found, err := rows[line](ctx, tx, `
		SELECT legal_at, account, office, action, label, from_state, to_state, note, basis, grounds
		FROM audit WHERE case_id = $1 ORDER BY id`, id)
	entries := []Entry{}
	for _, l := range found {
		actor := "系统"
		switch {
		case l.Office != "":
			actor = l.Office + "（" + l.Account + "）"
		case l.Account != "":
			actor = "申请人"
		}
		entries = append(entries, Entry{
			At: l.LegalAt.In(day.Shanghai).Format(time.RFC3339), Actor: actor, Action: l.Action, Label: l.Label,
			From: l.FromState, To: l.ToState, Note: l.Note, Basis: l.Basis, Grounds: l.Grounds,
		})
	}
	return entries, err
}

// seeding is the WHERE of timers: they rest while the demo data are half done.
const seeding = ` AND NOT EXISTS (SELECT FROM seed WHERE NOT done)`

// certain is true of a provisional clock c when the calendar of every year that it
// runs through is known. Counted again, it is provisional only if it has moved into
// a year that is not.
const certain = `(c.value ->> 'provisional')::boolean AND NOT EXISTS (
	SELECT FROM generate_series(left(c.value ->> 'from', 4)::int, left(c.value ->> 'due', 4)::int) AS years (y)
	WHERE NOT EXISTS (SELECT FROM calendar_copy k WHERE k.year = years.y))`

// nextDue is the id that sql answers: the case that is due.
func nextDue(ctx context.Context, tx pgx.Tx, sql string, args ...any) (string, error) {
	found, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return "", err
	}
	ids, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err == nil && len(ids) == 0 {
		err = fault.NotFound.Errorf("无到期事项")
	}
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

func countSummary(ctx context.Context, tx pgx.Tx) (Summary, error) {
	s := Summary{ByStatus: map[Status]int{Active: 0, Suspended: 0, Revoked: 0, Cancelled: 0}, ByList: map[List]int{White: 0, Black: 0}}
	found, err := tx.Query(ctx, `SELECT status, count(*) FROM institutions GROUP BY status`)
	if err != nil {
		return s, err
	}
	var status Status
	var n int
	if _, err := pgx.ForEachRow(found, []any{&status, &n}, func() error {
		s.ByStatus[status], s.Institutions = n, s.Institutions+n
		return nil
	}); err != nil {
		return s, err
	}
	found, err = tx.Query(ctx, `SELECT list, count(*) FROM list_entries WHERE state = 'PUBLISHED' GROUP BY list`)
	if err != nil {
		return s, err
	}
	var list List
	_, err = pgx.ForEachRow(found, []any{&list, &n}, func() error { s.ByList[list] = n; return nil })
	return s, err
}

// startRepublication asks the republish timer for a whole run and returns how
// many institutions it has to publish.
func startRepublication(ctx context.Context, tx pgx.Tx, id string) (n int, err error) {
	if _, err := tx.Exec(ctx, `INSERT INTO republications (id) VALUES ($1)`, id); err != nil {
		return 0, err
	}
	return n, tx.QueryRow(ctx, `SELECT count(*) FROM institutions`).Scan(&n)
}

func nextRepublication(ctx context.Context, tx pgx.Tx) (string, error) {
	return nextDue(ctx, tx, `SELECT id FROM republications WHERE NOT done ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`)
}

// lockRepublished locks the next institutions that the run id has to publish.
func lockRepublished(ctx context.Context, tx pgx.Tx, id string) ([]Institution, error) {
	return rows[Institution](ctx, tx, `SELECT `+institutionColumns+` FROM institutions
		WHERE id > (SELECT after_id FROM republications WHERE id = $1) ORDER BY id LIMIT $2 FOR UPDATE`, id, pageSize)
}

func saveRepublication(ctx context.Context, tx pgx.Tx, id, after string, n int) error {
	_, err := tx.Exec(ctx, `UPDATE republications SET published = published + $3, done = $3 < $4,
		after_id = CASE WHEN $3 > 0 THEN $2::uuid ELSE after_id END WHERE id = $1`, id, nullable(after), n, pageSize)
	return err
}

// nullable is s, or NULL for "".
func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// startSeed returns the day that the demo data are relative to, and whether they
// are all there.
func startSeed(ctx context.Context, tx pgx.Tx, today day.Date) (base day.Date, done bool, err error) {
	if _, err := tx.Exec(ctx, `INSERT INTO seed (base) VALUES ($1) ON CONFLICT DO NOTHING`, today); err != nil {
		return base, false, err
	}
	return base, done, tx.QueryRow(ctx, `SELECT base, done FROM seed`).Scan(&base, &done)
}

func endSeed(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `UPDATE seed SET done = true`)
	return err
}
