package inspection

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/pg"
)

// newID is a fresh UUIDv7.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// list collects rows into structs by column name; none is an empty list.
func list[T any](ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
	if err == nil && all == nil {
		all = []T{}
	}
	return all, err
}

// exec runs sql for its effect.
func exec(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	_, err := tx.Exec(ctx, sql, args...)
	return err
}

// elevated runs f with every row in sight, for steps that the system makes on
// rows that the caller, who was found to be allowed, does not see. Afterwards tx
// sees what the caller sees again.
func elevated(ctx context.Context, tx pgx.Tx, name string, f func() error) error {
	if err := pg.Mark(pg.Worker(ctx, "inspection:"+name), tx); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return pg.Mark(ctx, tx)
}

// reach is what an official's own clause says in SQL, before row-level security
// says it again: codes that begin with the prefix, and the agency. A caller
// without either reaches nothing.
func reach(c auth.Caller) (prefix, agency string) {
	if c.Agency == "" || c.Jurisdiction == "" {
		return "-", "-"
	}
	return division.Prefix(c.Jurisdiction), c.Agency
}

// note is one line for the timeline.
type note struct {
	task     *Task
	agencies []Agency // who may read it; none is all of the task's
	actor    string
	action   string
	label    string
	from, to string
	text     string
	grounds  []fault.Ground
	at       time.Time
}

func saveNote(ctx context.Context, tx pgx.Tx, n note) error {
	if n.agencies == nil {
		n.agencies = n.task.Agencies
	}
	if n.grounds == nil {
		n.grounds = []fault.Ground{}
	}
	return exec(ctx, tx, `INSERT INTO timeline (task_id, jurisdiction, agencies, at, actor, action, label, from_state, to_state, note, grounds)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		n.task.ID, n.task.Jurisdiction, n.agencies, n.at, n.actor, n.action, n.label, n.from, n.to, n.text, n.grounds)
}

func listTimeline(ctx context.Context, tx pgx.Tx, taskID string) ([]Entry, error) {
	return list[Entry](ctx, tx, `SELECT to_char(at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD"T"HH24:MI:SS"+08:00"') AS at,
		actor, action, label, from_state AS "from", to_state AS "to", note, grounds
		FROM timeline WHERE task_id = $1 ORDER BY id`, taskID)
}

const institutionColumns = `id, name, jurisdiction, address, category, item, status, manager, list`

func findInstitution(ctx context.Context, tx pgx.Tx, id string) (Institution, error) {
	return pg.One[Institution](ctx, tx, "机构", `SELECT `+institutionColumns+` FROM institutions WHERE id = $1`, id)
}

// listInstitutions is those of the caller's place that have a licence in force.
func listInstitutions(ctx context.Context, tx pgx.Tx, c auth.Caller) ([]Institution, error) {
	prefix, _ := reach(c)
	return list[Institution](ctx, tx, `SELECT `+institutionColumns+` FROM institutions
		WHERE starts_with(jurisdiction, $1) AND status = 'ACTIVE' ORDER BY name LIMIT $2`, prefix, page)
}

func saveInstitution(ctx context.Context, tx pgx.Tx, i Institution) error {
	return exec(ctx, tx, `INSERT INTO institutions (`+institutionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, jurisdiction = EXCLUDED.jurisdiction, address = EXCLUDED.address,
			category = EXCLUDED.category, item = EXCLUDED.item, status = EXCLUDED.status, manager = EXCLUDED.manager, list = EXCLUDED.list`,
		i.ID, i.Name, i.Jurisdiction, i.Address, i.Category, i.Item, i.Status, i.Manager, i.List)
}

// listPool is the institutions of a place that may be drawn, with whether one of
// their rectifications failed or is overdue.
func listPool(ctx context.Context, tx pgx.Tx, jurisdiction, category string) ([]Candidate, map[string]Institution, map[string]bool, error) {
	all, err := list[Institution](ctx, tx, `SELECT `+institutionColumns+` FROM institutions
		WHERE starts_with(jurisdiction, $1) AND status = 'ACTIVE' AND ($2 = '' OR category = $2) ORDER BY id`,
		division.Prefix(jurisdiction), category)
	if err != nil {
		return nil, nil, nil, err
	}
	rows, err := tx.Query(ctx, `SELECT DISTINCT institution_id FROM rectifications WHERE state IN ('FAILED', 'OVERDUE')`)
	if err != nil {
		return nil, nil, nil, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	failed := map[string]bool{}
	for _, id := range ids {
		failed[id] = true
	}
	pool, byID := []Candidate{}, map[string]Institution{}
	for _, i := range all {
		pool, byID[i.ID] = append(pool, Candidate{ID: i.ID, Name: i.Name}), i
	}
	return pool, byID, failed, err
}

const tipColumns = `id, number, jurisdiction, state, category, summary, subject_kind, institution_id, place_name, place_address, owner, received_on, due, merged_into`

// findTip is a tip that the caller's office owns.
func findTip(ctx context.Context, tx pgx.Tx, c auth.Caller, id string) (Tip, error) {
	prefix, agency := reach(c)
	return pg.One[Tip](ctx, tx, "举报", `SELECT `+tipColumns+` FROM tips WHERE id = $1 AND starts_with(jurisdiction, $2) AND owner = $3`, id, prefix, agency)
}

// listUnplanned is the tips that the caller's office is at work on and that no
// task rests on yet.
func listUnplanned(ctx context.Context, tx pgx.Tx, c auth.Caller) ([]Tip, error) {
	prefix, agency := reach(c)
	return list[Tip](ctx, tx, `SELECT `+tipColumns+` FROM tips t
		WHERE starts_with(jurisdiction, $1) AND owner = $2 AND merged_into = '' AND state NOT IN ('ANSWERED', 'CLOSED')
			AND NOT EXISTS (SELECT FROM tasks WHERE t.id = ANY (tasks.tips) AND tasks.state <> 'CANCELLED')
		ORDER BY received_on DESC, id DESC LIMIT $3`, prefix, agency, page)
}

func saveTip(ctx context.Context, tx pgx.Tx, t Tip) error {
	return exec(ctx, tx, `INSERT INTO tips (`+tipColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (id) DO UPDATE SET number = EXCLUDED.number, jurisdiction = EXCLUDED.jurisdiction, state = EXCLUDED.state, category = EXCLUDED.category,
			summary = EXCLUDED.summary, subject_kind = EXCLUDED.subject_kind, institution_id = EXCLUDED.institution_id, place_name = EXCLUDED.place_name,
			place_address = EXCLUDED.place_address, owner = EXCLUDED.owner, received_on = EXCLUDED.received_on, due = EXCLUDED.due,
			merged_into = CASE WHEN EXCLUDED.merged_into = '' THEN tips.merged_into ELSE EXCLUDED.merged_into END`,
		t.ID, t.Number, t.Jurisdiction, t.State, t.Category, t.Summary, t.SubjectKind, t.InstitutionID, t.PlaceName, t.PlaceAddress, t.Owner, t.ReceivedOn, t.Due, t.MergedInto)
}

// system is the actor of the system's own steps.
const system = "系统"

// step writes a step of t to the timeline.
func (s *Service) step(ctx context.Context, tx pgx.Tx, t *Task, from string, step flow.Step, text string, grounds ...fault.Ground) error {
	actor := actorOf(auth.From(ctx))
	if len(step.Roles) == 0 {
		actor = system
	}
	return saveNote(ctx, tx, note{
		task: t, actor: actor, action: step.Action, label: step.Label, from: from, to: step.To, text: text, grounds: grounds, at: s.Now(),
	})
}

// actorOf is c as a timeline names it: the office and account of an official,
// only the side of anybody else.
func actorOf(c auth.Caller) string {
	switch {
	case c.Agency != "":
		return Office(Agency(c.Agency), c.Jurisdiction) + " " + c.Subject
	case c.Subject != "":
		return "机构"
	}
	return system
}
