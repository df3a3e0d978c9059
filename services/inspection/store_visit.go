package inspection

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

const visitColumns = `id, task_id, jurisdiction, agencies, people, institution_id, name, address, place, state, on_day, signed, problems,
	opened_by, ending, completed_on, published`

// mine is the first wall for what a visit and its rectifications show: to the
// offices of the task, and to people named.
const mine = `((starts_with(jurisdiction, $2) AND $3 = ANY (agencies)) OR $4 = ANY (people))`

func own(c auth.Caller) []any {
	prefix, agency := reach(c)
	person := c.Subject
	if c.Agency != "" {
		person = "-"
	}
	return []any{prefix, agency, person}
}

func findVisit(ctx context.Context, tx pgx.Tx, c auth.Caller, id string) (*Visit, error) {
	v, err := pg.One[Visit](ctx, tx, "现场检查", `SELECT `+visitColumns+` FROM visits WHERE id = $1 AND `+mine, append([]any{id}, own(c)...)...)
	return &v, err
}

func lockVisit(ctx context.Context, tx pgx.Tx, id string) (*Visit, error) {
	v, err := pg.One[Visit](ctx, tx, "现场检查", `SELECT `+visitColumns+` FROM visits WHERE id = $1 FOR UPDATE`, id)
	return &v, err
}

func listVisits(ctx context.Context, tx pgx.Tx, c auth.Caller, limit int) ([]Visit, error) {
	return list[Visit](ctx, tx, `SELECT `+visitColumns+` FROM visits WHERE $1 > 0 AND `+mine+` ORDER BY id DESC LIMIT $1`, append([]any{limit}, own(c)...)...)
}

func listVisitsOf(ctx context.Context, tx pgx.Tx, taskID string) ([]Visit, error) {
	return list[Visit](ctx, tx, `SELECT `+visitColumns+` FROM visits WHERE task_id = $1 ORDER BY id`, taskID)
}

func addVisit(ctx context.Context, tx pgx.Tx, v *Visit) error {
	return exec(ctx, tx, `INSERT INTO visits (`+visitColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		v.ID, v.TaskID, v.Jurisdiction, v.Agencies, v.People, v.InstitutionID, v.Name, v.Address, v.Place, v.State, v.OnDay, v.Signed, v.Problems,
		v.OpenedBy, v.Ending, v.CompletedOn, v.Published)
}

func saveVisit(ctx context.Context, tx pgx.Tx, v *Visit) error {
	return exec(ctx, tx, `UPDATE visits SET people = $2, state = $3, signed = $4, problems = $5, ending = $6, completed_on = $7 WHERE id = $1`,
		v.ID, v.People, v.State, v.Signed, v.Problems, v.Ending, v.CompletedOn)
}

// openVisits lets the agencies of a task read each other's parts.
func openVisits(ctx context.Context, tx pgx.Tx, taskID string) error {
	return exec(ctx, tx, `UPDATE visits SET published = true WHERE task_id = $1`, taskID)
}

func listPresent(ctx context.Context, tx pgx.Tx, visitID string) ([]Present, error) {
	return list[Present](ctx, tx, `SELECT id, agency, office, certificate, valid_until FROM visit_officers WHERE visit_id = $1 ORDER BY agency, id`, visitID)
}

func addPresent(ctx context.Context, tx pgx.Tx, visitID string, o Officer) error {
	return exec(ctx, tx, `INSERT INTO visit_officers (visit_id, id, agency, office, certificate, valid_until) VALUES ($1, $2, $3, $4, $5, $6)`,
		visitID, o.ID, o.Agency, o.Office, o.Certificate, o.ValidUntil)
}

const partColumns = `visit_id, agency, jurisdiction, state, note, signed_by, signed_on`

// lockPart is an agency's part, begun if it was not.
func lockPart(ctx context.Context, tx pgx.Tx, v *Visit, agency Agency) (*Part, error) {
	if err := exec(ctx, tx, `INSERT INTO parts (visit_id, agency, jurisdiction, state) VALUES ($1, $2, $3, 'OPEN') ON CONFLICT DO NOTHING`,
		v.ID, agency, v.Jurisdiction); err != nil {
		return nil, err
	}
	p, err := pg.One[Part](ctx, tx, "部门记录", `SELECT `+partColumns+` FROM parts WHERE visit_id = $1 AND agency = $2 FOR UPDATE`, v.ID, agency)
	return &p, err
}

func savePart(ctx context.Context, tx pgx.Tx, p *Part) error {
	return exec(ctx, tx, `UPDATE parts SET state = $3, note = $4, signed_by = $5, signed_on = $6 WHERE visit_id = $1 AND agency = $2`,
		p.VisitID, p.Agency, p.State, p.Note, p.SignedBy, p.SignedOn)
}

// listParts is the parts of v that c may read, with their findings.
func listParts(ctx context.Context, tx pgx.Tx, c auth.Caller, v *Visit) ([]Part, error) {
	all := v.Published || c.Agency == ""
	parts, err := list[Part](ctx, tx, `SELECT `+partColumns+` FROM parts WHERE visit_id = $1 AND ($2 OR agency = $3) ORDER BY agency`, v.ID, all, c.Agency)
	for i := range parts {
		if err == nil {
			parts[i].Findings, err = listFindings(ctx, tx, v.ID, parts[i].Agency)
		}
	}
	return parts, err
}

const findingColumns = `visit_id, agency, jurisdiction, item, title, basis, problem, detail, recorded_by, recorded_on`

func listFindings(ctx context.Context, tx pgx.Tx, visitID string, agency Agency) ([]Finding, error) {
	return list[Finding](ctx, tx, `SELECT `+findingColumns+` FROM findings WHERE visit_id = $1 AND agency = $2 ORDER BY item`, visitID, agency)
}

func saveFinding(ctx context.Context, tx pgx.Tx, f Finding) error {
	return exec(ctx, tx, `INSERT INTO findings (`+findingColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (visit_id, item) DO UPDATE SET problem = EXCLUDED.problem, detail = EXCLUDED.detail, recorded_by = EXCLUDED.recorded_by, recorded_on = EXCLUDED.recorded_on`,
		f.VisitID, f.Agency, f.Jurisdiction, f.Item, f.Title, f.Basis, f.Problem, f.Detail, f.RecordedBy, f.RecordedOn)
}

func findItem(ctx context.Context, tx pgx.Tx, code string) (CheckItem, error) {
	i, err := pg.One[CheckItem](ctx, tx, "抽查事项", `SELECT code, agency, title, basis, level FROM items WHERE code = $1`, code)
	if fault.KindOf(err) == fault.NotFound {
		err = fault.Fields(fault.Field{Pointer: "/item", Detail: "抽查事项清单中没有 " + code})
	}
	return i, err
}

func listItems(ctx context.Context, tx pgx.Tx, agency Agency) ([]CheckItem, error) {
	return list[CheckItem](ctx, tx, `SELECT code, agency, title, basis, level FROM items WHERE $1 = '' OR agency = $1 ORDER BY code`, agency)
}
