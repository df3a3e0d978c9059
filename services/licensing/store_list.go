package licensing

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

// entrySelect reads list entries with their institution's name.
const entrySelect = `SELECT e.id, e.institution_id, (SELECT i.name FROM institutions i WHERE i.id = e.institution_id) AS institution,
		e.jurisdiction, e.manager, e.list, e.state, e.facts, e.basis, e.proposed_on, e.proposed_by, e.office, e.office_agency, e.office_place,
		e.statement_until, e.decided_on, e.decided_account, e.decided_by, e.reason, e.since, e.until, e.removed_on, e.objection, e.clocks, e.grounds,
		e.wanted_by, e.statement, e.stated_on, e.set_aside, e.set_aside_account, e.set_aside_by, e.document, coalesce(e.superseded_by::text, '') AS superseded_by
	FROM list_entries e `

const entryAgencies = `'education', 'market', 'culture', 'sport', 'science', 'fire'`

func insertEntry(ctx context.Context, tx pgx.Tx, e *ListEntry) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO list_entries (id, institution_id, jurisdiction, manager, list, state, facts, basis, proposed_on, proposed_by,
			office, office_agency, office_place, statement_until, clocks, grounds, wanted_by, decided_on, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
		e.ID, e.InstitutionID, e.Jurisdiction, e.Manager, e.List, e.State, e.Facts, e.Basis, e.ProposedOn, e.ProposedBy,
		e.Office, e.OfficeAgency, e.OfficePlace, e.StatementUntil, e.Clocks, e.Grounds, e.WantedBy, e.DecidedOn, e.Reason)
	return err
}

func saveEntry(ctx context.Context, tx pgx.Tx, e *ListEntry) error {
	_, err := tx.Exec(ctx, `
		UPDATE list_entries SET state = $2, basis = $3, decided_on = $4, decided_account = $5, decided_by = $6, reason = $7,
			since = $8, until = $9, removed_on = $10, objection = $11, grounds = $12, statement_until = $13, clocks = $14,
			statement = $15, stated_on = $16, set_aside = $17, set_aside_account = $18, set_aside_by = $19, document = $20, superseded_by = $21
		WHERE id = $1`,
		e.ID, e.State, e.Basis, e.DecidedOn, e.DecidedAccount, e.DecidedBy, e.Reason, e.Since, e.Until, e.RemovedOn, e.Objection, e.Grounds,
		e.StatementUntil, e.Clocks, e.Statement, e.StatedOn, e.SetAside, e.SetAsideWho, e.SetAsideBy, e.Document, nullable(e.SupersededBy))
	return err
}

func findEntry(ctx context.Context, tx pgx.Tx, id string) (ListEntry, error) {
	return pg.One[ListEntry](ctx, tx, "名单列入事项", entrySelect+`WHERE e.id = $1`, id)
}

// lockEntry locks the institution of the entry id and then the entry: all that
// changes an institution's lists begins with the institution.
func lockEntry(ctx context.Context, tx pgx.Tx, id string) (Institution, ListEntry, error) {
	e, err := findEntry(ctx, tx, id)
	if err != nil {
		return Institution{}, e, err
	}
	i, err := lockInstitution(ctx, tx, e.InstitutionID)
	if err != nil {
		return i, e, err
	}
	e, err = pg.One[ListEntry](ctx, tx, "名单列入事项", entrySelect+`WHERE e.id = $1 FOR UPDATE OF e`, id)
	return i, e, err
}

// inForce returns the entry in force of the institution id, nil if none.
func inForce(ctx context.Context, tx pgx.Tx, id string) (*ListEntry, error) {
	e, err := pg.One[ListEntry](ctx, tx, "名单列入事项", entrySelect+`WHERE e.institution_id = $1 AND e.state = 'PUBLISHED'`, id)
	if errors.Is(err, fault.NotFound) {
		return nil, nil
	}
	return &e, err
}

// wantedAlready reports whether the request id was taken up. The institution's lock
// is what makes the answer last.
func wantedAlready(ctx context.Context, tx pgx.Tx, id string) (yes bool, err error) {
	return yes, tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM list_entries WHERE wanted_by = $1)`, id).Scan(&yes)
}

// endedBy returns the white list entry that the entry id ended, nil if none.
func endedBy(ctx context.Context, tx pgx.Tx, id string) (*ListEntry, error) {
	e, err := pg.One[ListEntry](ctx, tx, "名单列入事项", entrySelect+`WHERE e.superseded_by = $1 AND e.list = 'WHITE' AND e.state = 'REMOVED' FOR UPDATE OF e`, id)
	if errors.Is(err, fault.NotFound) {
		return nil, nil
	}
	return &e, err
}

// pending reports whether an entry of the institution id on list awaits its
// decision or publication.
func pending(ctx context.Context, tx pgx.Tx, id string, list List) (yes bool, err error) {
	return yes, tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM list_entries
		WHERE institution_id = $1 AND list = $2 AND state IN ('PROPOSED', 'APPROVED'))`, id, list).Scan(&yes)
}

func listListEntries(ctx context.Context, tx pgx.Tx, q ListListEntries) ([]ListEntry, error) {
	return rows[ListEntry](ctx, tx, entrySelect+`
		WHERE `+wall(entryAgencies, "manager")+`
		  AND ($5 = '' OR state = $5) AND ($6 = '' OR list = $6) AND ($7 = '' OR institution_id::text = $7)
		ORDER BY proposed_on DESC, id DESC LIMIT $8 OFFSET $9`,
		within(ctx, q.State, q.List, q.Institution, pageSize+1, pageSize*(max(q.Page, 1)-1))...)
}

func listOpenEntries(ctx context.Context, tx pgx.Tx) ([]ListEntry, error) {
	return rows[ListEntry](ctx, tx, entrySelect+`
		WHERE `+wall(entryAgencies, "manager")+` AND state IN ('PROPOSED', 'APPROVED') ORDER BY proposed_on, id LIMIT $5`, within(ctx, inboxLimit)...)
}

// nextOver returns an entry whose term has ended, its institution locked.
func nextOver(ctx context.Context, tx pgx.Tx, today day.Date) (string, error) {
	return nextDue(ctx, tx, `SELECT e.id FROM list_entries e JOIN institutions i ON i.id = e.institution_id
		WHERE e.state = 'PUBLISHED' AND e.until < $1`+seeding+` ORDER BY e.until LIMIT 1 FOR UPDATE OF i SKIP LOCKED`, today)
}

// nextProvisionalEntry returns a proposed entry whose days to state one's case
// ran into a year whose calendar is known by now, its institution locked.
func nextProvisionalEntry(ctx context.Context, tx pgx.Tx, _ day.Date) (string, error) {
	return nextDue(ctx, tx, `SELECT e.id FROM list_entries e JOIN institutions i ON i.id = e.institution_id
		WHERE e.state = 'PROPOSED' AND EXISTS (SELECT FROM jsonb_each(e.clocks) c WHERE `+certain+`)`+seeding+`
		ORDER BY e.id LIMIT 1 FOR UPDATE OF i SKIP LOCKED`)
}
