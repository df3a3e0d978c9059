package tipoff

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

const tipColumns = `id, number, jurisdiction, channel, source_id, import_id, state, history, nature, received_on, happened_on,
	subject_kind, institution, institution_name, place_address, place_signboard, place_phone, person, subject_keys,
	title, text, suggested, words, category, summary, owner, suggested_owner, returns, reason, merged_into, paused_on,
	extended, has_identity, answered_on, reopened_on`

// What insertTip may find taken, as SQL names it.
const (
	theNumber = `(number)`
	theSource = `(channel, source_id) WHERE source_id <> ''`
)

// insertTip adds t; false if what is taken already.
func insertTip(ctx context.Context, tx pgx.Tx, t *Tip, what string) (bool, error) {
	tag, err := tx.Exec(ctx, `INSERT INTO tips (`+tipColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
			$26, $27, $28, $29, $30, $31, $32, $33, $34, $35) ON CONFLICT `+what+` DO NOTHING`,
		t.ID, t.Number, t.Jurisdiction, t.Channel, t.SourceID, t.ImportID, t.State, t.History, t.Nature, t.ReceivedOn, t.HappenedOn,
		t.SubjectKind, t.Institution, t.InstitutionName, t.PlaceAddress, t.PlaceSignboard, t.PlacePhone, t.Person, t.SubjectKeys,
		t.Title, t.Text, t.Suggested, t.Words, t.Category, t.Summary, t.Owner, t.SuggestedOwner, t.Returns, t.Reason, t.MergedInto,
		t.PausedOn, t.Extended, t.HasIdentity, t.AnsweredOn, t.ReopenedOn)
	return tag.RowsAffected() == 1, err
}

// saveTip writes what a step may change.
func saveTip(ctx context.Context, tx pgx.Tx, t *Tip) error {
	_, err := tx.Exec(ctx, `
		UPDATE tips SET state = $2, nature = $3, subject_kind = $4, institution = $5, institution_name = $6, place_address = $7,
			place_signboard = $8, place_phone = $9, person = $10, subject_keys = $11, category = $12, summary = $13, owner = $14,
			suggested_owner = $15, returns = $16, reason = $17, merged_into = $18, paused_on = $19, extended = $20, answered_on = $21, reopened_on = $22
		WHERE id = $1`,
		t.ID, t.State, t.Nature, t.SubjectKind, t.Institution, t.InstitutionName, t.PlaceAddress,
		t.PlaceSignboard, t.PlacePhone, t.Person, t.SubjectKeys, t.Category, t.Summary, t.Owner,
		t.SuggestedOwner, t.Returns, t.Reason, t.MergedInto, t.PausedOn, t.Extended, t.AnsweredOn, t.ReopenedOn)
	return err
}

func findTip(ctx context.Context, tx pgx.Tx, id string) (*Tip, error) {
	t, err := pg.One[Tip](ctx, tx, "该举报", `SELECT `+tipColumns+` FROM tips WHERE id = $1`, id)
	return &t, err
}

// findID is the id of the tip that has text as its id or number.
func findID(ctx context.Context, tx pgx.Tx, text string) (string, error) {
	t, err := pg.One[struct{ ID string }](ctx, tx, "要并入的举报", `SELECT id FROM tips WHERE id = $1 OR number = $1`, text)
	return t.ID, err
}

func lockTip(ctx context.Context, tx pgx.Tx, id string) (*Tip, error) {
	t, err := pg.One[Tip](ctx, tx, "该举报", `SELECT `+tipColumns+` FROM tips WHERE id = $1 FOR UPDATE`, id)
	return &t, err
}

// tipFilter is which tips a list shows.
type tipFilter struct {
	State, Category, After string
	Text                   string // in number, subject or summary
}

// listTips lists those that the caller's office works on, the newest first.
func listTips(ctx context.Context, tx pgx.Tx, f tipFilter) ([]Tip, error) {
	return rows[Tip](ctx, tx, `SELECT `+tipColumns+` FROM tips WHERE `+wall+`
		AND ($4 = '' OR state = $4) AND ($5 = '' OR CASE WHEN category = '' THEN suggested ELSE category END = $5) AND ($6 = '' OR id < $6)
		AND ($7 = '' OR strpos(number || institution_name || place_signboard || place_address || summary, $7) > 0)
		ORDER BY id DESC LIMIT $8`, within(ctx, f.State, f.Category, f.After, f.Text, pageSize)...)
}

// listWaiting lists tips in states, for an inbox, the oldest first.
func listWaiting(ctx context.Context, tx pgx.Tx, states []string) ([]Tip, error) {
	return rows[Tip](ctx, tx, `SELECT `+tipColumns+` FROM tips WHERE `+wall+` AND state = ANY ($4) ORDER BY received_on, id LIMIT 200`,
		within(ctx, states)...)
}

// lockBehind locks the tips that an answer about ids goes to: those, and what was
// merged into them. One that is not there is passed over.
func lockBehind(ctx context.Context, tx pgx.Tx, ids ...string) ([]Tip, error) {
	return rows[Tip](ctx, tx, `SELECT `+tipColumns+` FROM tips WHERE id = ANY ($1) OR merged_into = ANY ($1) ORDER BY id FOR UPDATE`, ids)
}

// listOwned lists tips that agencies own or owned, in the order of their ids.
func listOwned(ctx context.Context, tx pgx.Tx, after string) ([]Tip, error) {
	return rows[Tip](ctx, tx, `SELECT `+tipColumns+` FROM tips WHERE owner <> '' AND id > $1 ORDER BY id LIMIT $2 FOR UPDATE`, after, republishSize)
}

// copyAnswers gives to what from's reporter has been answered already.
func copyAnswers(ctx context.Context, tx pgx.Tx, from, to string) error {
	_, err := tx.Exec(ctx, `INSERT INTO answers (tip_id, text, office, given_on, follow_up_id, amended)
		SELECT $2, text, office, given_on, follow_up_id, amended FROM answers WHERE tip_id = $1 ORDER BY id ON CONFLICT DO NOTHING`, from, to)
	return err
}

// moveMerged makes what was merged into from part of into.
func moveMerged(ctx context.Context, tx pgx.Tx, from, into string) error {
	_, err := tx.Exec(ctx, `UPDATE tips SET merged_into = $2 WHERE merged_into = $1`, from, into)
	return err
}

// listDuplicates lists pairs that name one subject and matter within days of each
// other, of which one, the later if both, is not dispatched yet; of tip id alone,
// unless "".
func listDuplicates(ctx context.Context, tx pgx.Tx, id string, days int) ([]Duplicate, error) {
	return rows[Duplicate](ctx, tx, `
		WITH seen AS (SELECT *, CASE WHEN category = '' THEN suggested ELSE category END AS matter FROM tips WHERE `+wall+`)
		SELECT DISTINCT ON (a.received_on, a.id) a.id AS tip, a.number, b.id AS into, b.number AS into_number, a.matter AS category,
			coalesce(nullif(a.institution_name, ''), nullif(a.place_signboard, ''), a.place_address) AS subject,
			a.received_on, b.received_on AS into_on
		FROM seen a JOIN seen b ON a.subject_keys && b.subject_keys AND a.matter = b.matter AND a.id <> b.id
			AND abs(a.received_on - b.received_on) <= $5
			AND ((a.received_on, a.id) > (b.received_on, b.id) OR b.state NOT IN ('RECEIVED', 'TRIAGED', 'RETURNED'))
		WHERE a.state IN ('RECEIVED', 'TRIAGED', 'RETURNED') AND b.state NOT IN ('MERGED', 'NOT_TRAINING', 'CLOSED') AND ($4 = '' OR a.id = $4)
		ORDER BY a.received_on, a.id, b.state IN ('RECEIVED', 'TRIAGED', 'RETURNED'), b.received_on, b.id LIMIT 200`, within(ctx, id, days)...)
}

func insertReceipt(ctx context.Context, tx pgx.Tx, number string, hash []byte, tip string) error {
	_, err := tx.Exec(ctx, `INSERT INTO receipts (number, hash, tip_id) VALUES ($1, $2, $3)`, number, hash, tip)
	return err
}

// findReceipt is the tip-off that number and hash open together, and the hash as
// it is stored; "" and dummy if they open none.
func findReceipt(ctx context.Context, tx pgx.Tx, number string, hash, dummy []byte) (tip string, stored []byte, err error) {
	stored = dummy
	err = tx.QueryRow(ctx, `SELECT tip_id, hash FROM receipts WHERE number = $1 AND hash = $2`, number, hash).Scan(&tip, &stored)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", dummy, nil
	}
	return tip, stored, err
}

// saveClock writes c for tip t.
func saveClock(ctx context.Context, tx pgx.Tx, tip string, c *Clock) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO clocks (tip_id, name, from_on, amount, unit, extra, paused, due, provisional, ground, met_on, overdue_on)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (tip_id, name) DO UPDATE SET from_on = EXCLUDED.from_on, amount = EXCLUDED.amount, unit = EXCLUDED.unit,
			extra = EXCLUDED.extra, paused = EXCLUDED.paused, due = EXCLUDED.due, provisional = EXCLUDED.provisional,
			ground = EXCLUDED.ground, met_on = EXCLUDED.met_on, overdue_on = EXCLUDED.overdue_on`,
		tip, c.Name, c.FromOn, c.Amount, c.Unit, c.Extra, c.Paused, c.Due, c.Provisional, c.Ground, c.MetOn, c.OverdueOn)
	return err
}

func deleteClock(ctx context.Context, tx pgx.Tx, tip, name string) error {
	_, err := tx.Exec(ctx, `DELETE FROM clocks WHERE tip_id = $1 AND name = $2`, tip, name)
	return err
}

// listClocks lists the clocks of tips, in the order of their last days.
func listClocks(ctx context.Context, tx pgx.Tx, tips ...string) ([]Clock, error) {
	cs, err := rows[Clock](ctx, tx, `
		SELECT tip_id, name, from_on, amount, unit, extra, paused, due, provisional, ground, met_on, overdue_on
		FROM clocks WHERE tip_id = ANY ($1) ORDER BY due, name`, tips)
	for i := range cs {
		cs[i].Label = clockNames[cs[i].Name]
	}
	return cs, err
}

// lockOverdue locks one clock that ran out before today, and is its tip's id and
// its name, together. While the reporter is waited for no clock runs out.
func lockOverdue(ctx context.Context, tx pgx.Tx, today day.Date) (string, error) {
	return nextDue(ctx, tx, `
		SELECT t.id || ' ' || c.name FROM clocks c JOIN tips t ON t.id = c.tip_id
		WHERE c.met_on IS NULL AND c.overdue_on IS NULL AND c.due < $1 AND t.paused_on IS NULL AND c.name <> $2
		ORDER BY c.due LIMIT 1 FOR UPDATE OF t, c SKIP LOCKED`, today, ruleHotlineReturn)
}

// insertAnswer adds a; false if the follow-up it answers was answered before.
func insertAnswer(ctx context.Context, tx pgx.Tx, tip string, a Answer) (bool, error) {
	tag, err := tx.Exec(ctx, `INSERT INTO answers (tip_id, text, office, given_on, follow_up_id, amended)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`, tip, a.Text, a.Office, a.GivenOn, a.FollowUpID, a.Amended)
	return tag.RowsAffected() == 1, err
}

func listAnswers(ctx context.Context, tx pgx.Tx, tip string) ([]Answer, error) {
	return rows[Answer](ctx, tx, `SELECT text, office, given_on, follow_up_id, amended FROM answers WHERE tip_id = $1 ORDER BY id`, tip)
}

func insertQuestion(ctx context.Context, tx pgx.Tx, tip, text string, on day.Date) error {
	_, err := tx.Exec(ctx, `INSERT INTO questions (tip_id, text, asked_on) VALUES ($1, $2, $3)`, tip, text, on)
	return err
}

// saveSupplement answers every open question of tip with text.
func saveSupplement(ctx context.Context, tx pgx.Tx, tip, text string, on day.Date) error {
	_, err := tx.Exec(ctx, `UPDATE questions SET answer = $2, answered_on = $3 WHERE tip_id = $1 AND answered_on IS NULL`, tip, text, on)
	return err
}

func listQuestions(ctx context.Context, tx pgx.Tx, tip string) ([]Question, error) {
	return rows[Question](ctx, tx, `SELECT text, asked_on, answer, answered_on FROM questions WHERE tip_id = $1 ORDER BY id`, tip)
}

// countTips counts the tips in sight by what group says, a column or an expression of ours.
func countTips(ctx context.Context, tx pgx.Tx, group string) ([]Count, error) {
	return rows[Count](ctx, tx, `SELECT `+group+` AS name, count(*)::int AS count FROM tips GROUP BY 1 ORDER BY 2 DESC, 1`)
}

// findInstitution is what licensing said of id; NotFound if nothing.
func findInstitution(ctx context.Context, tx pgx.Tx, id string) (Licensed, error) {
	return pg.One[Licensed](ctx, tx, "该机构", `SELECT id, name, jurisdiction, address, status, licence_number FROM institutions WHERE id = $1`, id)
}

// listInstitutions lists those whose name is in name, or has it in it.
func listInstitutions(ctx context.Context, tx pgx.Tx, name, address string) ([]Licensed, error) {
	if name = key(name); len([]rune(name)) < minKey {
		name = "\x01" // no name has it
	}
	if address = key(address); len([]rune(address)) < minKey {
		address = "\x01"
	}
	return rows[Licensed](ctx, tx, `
		SELECT id, name, jurisdiction, address, status, licence_number FROM institutions
		WHERE strpos(name_key, $1) > 0 OR strpos($1, name_key) > 0 OR strpos(regexp_replace(lower(address), '[^[:alnum:]]', '', 'g'), $2) > 0
		ORDER BY name LIMIT 10`, name, address)
}

func saveInstitution(ctx context.Context, tx pgx.Tx, l Licensed) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO institutions (id, name, name_key, jurisdiction, address, status, licence_number) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, name_key = EXCLUDED.name_key, jurisdiction = EXCLUDED.jurisdiction,
			address = EXCLUDED.address, status = EXCLUDED.status, licence_number = EXCLUDED.licence_number`,
		l.ID, l.Name, key(l.Name), l.Jurisdiction, l.Address, l.Status, l.LicenceNumber)
	return err
}

// errNumbers is the fault of a number that could not be made unique.
var errNumbers = fault.Unavailable.Errorf("受理编号暂时用尽，请稍后再试")
