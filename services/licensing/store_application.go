package licensing

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/pg"
)

const (
	applicationColumns = `id, institution_id, jurisdiction, principal, name, category, item, kind, mode, address, area_m2,
		capacity, legal_form, sponsor, state, received_on, correct_by, returned, missing, accepted_on, deemed, decide_by,
		notice_from, notice_until, decided_on, issue_by, reason, licence_number, clocks, grounds`
	applicationAgencies = `'education', 'culture', 'sport', 'science', 'market', 'fire'`
)

func insertApplication(ctx context.Context, tx pgx.Tx, a *Application) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO applications (id, institution_id, jurisdiction, principal, name, category, item, kind, mode, address, area_m2,
			capacity, legal_form, sponsor, state, received_on, correct_by, clocks, grounds)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
		a.ID, a.InstitutionID, a.Jurisdiction, a.Principal, a.Name, a.Category, a.Item, a.Kind, a.Mode, a.Address, a.AreaM2,
		a.Capacity, a.LegalForm, a.Sponsor, a.State, a.ReceivedOn, a.CorrectBy, a.Clocks, a.Grounds)
	return err
}

func saveApplication(ctx context.Context, tx pgx.Tx, a *Application) error {
	_, err := tx.Exec(ctx, `
		UPDATE applications SET name = $2, category = $3, item = $4, kind = $5, mode = $6, address = $7, area_m2 = $8, capacity = $9,
			legal_form = $10, sponsor = $11, state = $12, received_on = $13, correct_by = $14, returned = $15, missing = $16,
			accepted_on = $17, deemed = $18, decide_by = $19, notice_from = $20, notice_until = $21, decided_on = $22, issue_by = $23,
			reason = $24, licence_number = $25, clocks = $26, grounds = $27
		WHERE id = $1`,
		a.ID, a.Name, a.Category, a.Item, a.Kind, a.Mode, a.Address, a.AreaM2, a.Capacity, a.LegalForm, a.Sponsor, a.State,
		a.ReceivedOn, a.CorrectBy, a.Returned, a.Missing, a.AcceptedOn, a.Deemed, a.DecideBy, a.NoticeFrom, a.NoticeUntil,
		a.DecidedOn, a.IssueBy, a.Reason, a.LicenceNumber, a.Clocks, a.Grounds)
	return err
}

// lockFile returns the application and all that was put to it; nobody else moves
// it until tx ends.
func lockFile(ctx context.Context, tx pgx.Tx, id string) (File, error) {
	a, err := pg.One[Application](ctx, tx, "申请", `SELECT `+applicationColumns+` FROM applications WHERE id = $1 FOR UPDATE`, id)
	if err != nil {
		return File{}, err
	}
	return file(ctx, tx, a)
}

func findFile(ctx context.Context, tx pgx.Tx, id string) (File, error) {
	a, err := pg.One[Application](ctx, tx, "申请", `SELECT `+applicationColumns+` FROM applications WHERE id = $1`, id)
	if err != nil {
		return File{}, err
	}
	return file(ctx, tx, a)
}

func file(ctx context.Context, tx pgx.Tx, a Application) (File, error) {
	files, err := filed(ctx, tx, []Application{a})
	if err != nil {
		return File{}, err
	}
	return files[0], nil
}

// filed adds to each application what was put to it.
func filed(ctx context.Context, tx pgx.Tx, all []Application) ([]File, error) {
	files, at, ids := make([]File, len(all)), map[string]int{}, make([]string, len(all))
	for i, a := range all {
		files[i], at[a.ID], ids[i] = File{Application: a, Opinions: []Opinion{}, SiteChecks: []SiteCheck{}}, i, a.ID
	}
	type opinion struct {
		ApplicationID string
		Opinion
	}
	type check struct {
		ApplicationID string
		SiteCheck
	}
	opinions, err := rows[opinion](ctx, tx, `SELECT application_id, agency, office, officer, agree, text, given_on
		FROM opinions WHERE application_id = ANY ($1) ORDER BY id`, ids)
	if err != nil {
		return nil, err
	}
	for _, o := range opinions {
		f := &files[at[o.ApplicationID]]
		f.Opinions = append(f.Opinions, o.Opinion)
	}
	checks, err := rows[check](ctx, tx, `SELECT application_id, agency, office, officer, certificate, passed, area_m2, note, checked_on
		FROM site_checks WHERE application_id = ANY ($1) ORDER BY id`, ids)
	for _, c := range checks {
		f := &files[at[c.ApplicationID]]
		f.SiteChecks = append(f.SiteChecks, c.SiteCheck)
	}
	return files, err
}

func saveOpinion(ctx context.Context, tx pgx.Tx, applicationID string, o Opinion) error {
	_, err := tx.Exec(ctx, `INSERT INTO opinions (application_id, agency, office, officer, agree, text, given_on)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, applicationID, o.Agency, o.Office, o.Officer, o.Agree, o.Text, o.GivenOn)
	return err
}

func saveSiteCheck(ctx context.Context, tx pgx.Tx, applicationID string, c SiteCheck) error {
	_, err := tx.Exec(ctx, `INSERT INTO site_checks (application_id, agency, office, officer, certificate, passed, area_m2, note, checked_on)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		applicationID, c.Agency, c.Office, c.Officer, c.Certificate, c.Passed, c.AreaM2, c.Note, c.CheckedOn)
	return err
}

// nextSerial returns county's next licence serial and holds it until tx ends: one
// that is not used after all is given again.
func nextSerial(ctx context.Context, tx pgx.Tx, county string) (serial int, err error) {
	return serial, tx.QueryRow(ctx, `INSERT INTO serials (jurisdiction, last) VALUES ($1, 1)
		ON CONFLICT (jurisdiction) DO UPDATE SET last = serials.last + 1 RETURNING last`, county).Scan(&serial)
}

func listApplications(ctx context.Context, tx pgx.Tx, q ListApplications) ([]Application, error) {
	return rows[Application](ctx, tx, `SELECT `+applicationColumns+` FROM applications
		WHERE `+wall(applicationAgencies, "principal")+`
		  AND ($5 = '' OR state = $5) AND ($6 = '' OR starts_with(jurisdiction, $6))
		ORDER BY received_on DESC, id DESC LIMIT $7 OFFSET $8`,
		within(ctx, q.State, prefixOf(q.Jurisdiction), pageSize+1, pageSize*(max(q.Page, 1)-1))...)
}

// inboxLimit is how many open cases an inbox looks at, the most urgent first.
const inboxLimit = 1000

// listOpen lists the applications that the caller may see and that somebody has
// to do something about.
func listOpen(ctx context.Context, tx pgx.Tx) ([]File, error) {
	open, err := rows[Application](ctx, tx, `SELECT `+applicationColumns+` FROM applications
		WHERE `+wall(applicationAgencies, "principal")+` AND state IN ('SUBMITTED', 'RETURNED', 'ACCEPTED', 'PUBLIC_NOTICE')
		ORDER BY coalesce(decide_by, correct_by), id LIMIT $5`, within(ctx, inboxLimit)...)
	if err != nil {
		return nil, err
	}
	return filed(ctx, tx, open)
}

// nextSilent locks an application whose time for corrections has passed in silence.
func nextSilent(ctx context.Context, tx pgx.Tx, today day.Date) (string, error) {
	return nextDue(ctx, tx, `SELECT id FROM applications WHERE state = 'SUBMITTED' AND correct_by < $1`+seeding+`
		ORDER BY correct_by LIMIT 1 FOR UPDATE SKIP LOCKED`, today)
}

// nextProvisional locks an open application with a deadline that ran into a year
// whose calendar is known by now.
func nextProvisional(ctx context.Context, tx pgx.Tx, _ day.Date) (string, error) {
	return nextDue(ctx, tx, `SELECT a.id FROM applications a
		WHERE a.state IN ('SUBMITTED', 'ACCEPTED', 'PUBLIC_NOTICE', 'GRANTED') AND jsonb_path_exists(a.clocks, '$.* ? (@.provisional == true)')
		  AND EXISTS (SELECT FROM jsonb_each(a.clocks) c WHERE `+certain+` AND c.key = ANY (CASE a.state
			WHEN 'SUBMITTED' THEN ARRAY['correct_by'] WHEN 'ACCEPTED' THEN ARRAY['decide_by']
			WHEN 'PUBLIC_NOTICE' THEN ARRAY['decide_by', 'notice_until'] ELSE ARRAY['issue_by'] END))`+seeding+`
		ORDER BY a.id LIMIT 1 FOR UPDATE OF a SKIP LOCKED`)
}
