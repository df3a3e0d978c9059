package inspection

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/pg"
)

const taskColumns = `id, jurisdiction, kind, state, since, title, lead, agencies, tips, institution_id, subject_name, street, reason, plan,
	planned_by, planned_on, visit_on, visited_on, publish_due, provisional, publish_ground, outcome, result, published_on`

// lockTask locks a task for a change, of itself or of what is below it: it keeps
// the events of its key in order.
func lockTask(ctx context.Context, tx pgx.Tx, id string) (*Task, error) {
	t, err := pg.One[Task](ctx, tx, "检查任务", `SELECT `+taskColumns+` FROM tasks WHERE id = $1 FOR UPDATE`, id)
	return &t, err
}

func findTask(ctx context.Context, tx pgx.Tx, c auth.Caller, id string) (*Task, error) {
	prefix, agency := reach(c)
	t, err := pg.One[Task](ctx, tx, "检查任务", `SELECT `+taskColumns+` FROM tasks
		WHERE id = $1 AND starts_with(jurisdiction, $2) AND $3 = ANY (agencies)`, id, prefix, agency)
	return &t, err
}

// lockOwnTask is lockTask for an official whose office takes part.
func lockOwnTask(ctx context.Context, tx pgx.Tx, c auth.Caller, id string) (*Task, error) {
	prefix, agency := reach(c)
	t, err := pg.One[Task](ctx, tx, "检查任务", `SELECT `+taskColumns+` FROM tasks
		WHERE id = $1 AND starts_with(jurisdiction, $2) AND $3 = ANY (agencies) FOR UPDATE`, id, prefix, agency)
	return &t, err
}

func listTasks(ctx context.Context, tx pgx.Tx, c auth.Caller, kind Kind, state string, limit int) ([]Task, error) {
	prefix, agency := reach(c)
	return list[Task](ctx, tx, `SELECT `+taskColumns+` FROM tasks
		WHERE starts_with(jurisdiction, $1) AND $2 = ANY (agencies) AND ($3 = '' OR kind = $3) AND ($4 = '' OR state = $4)
		ORDER BY id DESC LIMIT $5`, prefix, agency, kind, state, limit)
}

func addTask(ctx context.Context, tx pgx.Tx, t *Task) error {
	return exec(ctx, tx, `INSERT INTO tasks (`+taskColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`,
		t.ID, t.Jurisdiction, t.Kind, t.State, t.Since, t.Title, t.Lead, t.Agencies, t.Tips, t.InstitutionID, t.SubjectName, t.Street, t.Reason, t.Plan,
		t.PlannedBy, t.PlannedOn, t.VisitOn, t.VisitedOn, t.PublishDue, t.Provisional, t.PublishGround, t.Outcome, t.Result, t.PublishedOn)
}

// saveTask writes what a step may change.
func saveTask(ctx context.Context, tx pgx.Tx, t *Task) error {
	return exec(ctx, tx, `UPDATE tasks SET state = $2, since = $3, visited_on = $4, publish_due = $5, provisional = $6, publish_ground = $7,
		outcome = $8, result = $9, published_on = $10 WHERE id = $1`,
		t.ID, t.State, t.Since, t.VisitedOn, t.PublishDue, t.Provisional, t.PublishGround, t.Outcome, t.Result, t.PublishedOn)
}

// Target is what a task inspects.
type Target struct {
	TaskID        string   `json:"-"`
	Round         int      `json:"round"`
	InstitutionID string   `json:"institution_id"`
	Name          string   `json:"name"`
	Stratum       string   `json:"stratum"`
	Officers      []string `json:"officers" description:"as drawn; none is free choice"`
}

func addTarget(ctx context.Context, tx pgx.Tx, t Target) error {
	return exec(ctx, tx, `INSERT INTO targets (task_id, round, institution_id, name, stratum, officers) VALUES ($1, $2, $3, $4, $5, $6)`,
		t.TaskID, t.Round, t.InstitutionID, t.Name, t.Stratum, t.Officers)
}

// listTargets is those of the task's latest round.
func listTargets(ctx context.Context, tx pgx.Tx, taskID string) ([]Target, error) {
	return list[Target](ctx, tx, `SELECT task_id, round, institution_id, name, stratum, officers FROM targets t
		WHERE task_id = $1 AND round = (SELECT max(round) FROM targets WHERE task_id = $1) ORDER BY stratum, institution_id`, taskID)
}

// PublicResult is what everybody may read of a task.
type PublicResult struct {
	TaskID       string   `json:"task_id"`
	Jurisdiction string   `json:"jurisdiction"`
	Kind         Kind     `json:"kind"`
	Title        string   `json:"title"`
	Subject      string   `json:"subject" description:"the institution, or the street of a place"`
	Outcome      Outcome  `json:"outcome"`
	Result       string   `json:"result"`
	PublishedOn  string   `json:"published_on"`
	Withdrawn    bool     `json:"withdrawn" description:"the decision behind it was set aside"`
	Agencies     []Agency `json:"agencies"`
}

func listResults(ctx context.Context, tx pgx.Tx, prefix string, limit int) ([]PublicResult, error) {
	return list[PublicResult](ctx, tx, `SELECT id AS task_id, jurisdiction, kind, title,
		CASE WHEN kind = 'SWEEP' THEN street ELSE subject_name END AS subject, outcome, result, published_on::text AS published_on,
		state = 'WITHDRAWN' AS withdrawn, agencies
		FROM tasks WHERE published_on IS NOT NULL AND starts_with(jurisdiction, $1) ORDER BY published_on DESC, id DESC LIMIT $2`, prefix, limit)
}

// Count is how many there are of something.
type Count struct {
	Kind  string `json:"kind"`
	State string `json:"state"`
	N     int    `json:"n"`
}

func countAll(ctx context.Context, tx pgx.Tx) ([]Count, error) {
	return list[Count](ctx, tx, `SELECT kind, state, count(*)::int AS n FROM tasks GROUP BY kind, state
		UNION ALL SELECT 'RECTIFICATION', state, count(*)::int FROM rectifications GROUP BY state
		UNION ALL SELECT 'VISIT', state, count(*)::int FROM visits GROUP BY state ORDER BY 1, 2`)
}

// nextToRepublish locks the next tasks of a republication.
func nextToRepublish(ctx context.Context, tx pgx.Tx, after string, limit int) ([]Task, error) {
	return list[Task](ctx, tx, `SELECT `+taskColumns+` FROM tasks WHERE id > $1 ORDER BY id LIMIT $2 FOR UPDATE`, after, limit)
}
