package inspection

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

const rectificationColumns = `id, task_id, visit_id, jurisdiction, agencies, people, institution_id, name, agency, state, items, demand, ordered_by, ordered_on,
	due, provisional, ground, submission, submitted_on, late, verified_by, verified_on, officers, verdict`

func findRectification(ctx context.Context, tx pgx.Tx, c auth.Caller, id string) (*Rectification, error) {
	r, err := pg.One[Rectification](ctx, tx, "整改", `SELECT `+rectificationColumns+` FROM rectifications WHERE id = $1 AND `+mine, append([]any{id}, own(c)...)...)
	return &r, err
}

func lockRectification(ctx context.Context, tx pgx.Tx, id string) (*Rectification, error) {
	r, err := pg.One[Rectification](ctx, tx, "整改", `SELECT `+rectificationColumns+` FROM rectifications WHERE id = $1 FOR UPDATE`, id)
	return &r, err
}

// lockRectificationTask locks the task of a rectification.
func lockRectificationTask(ctx context.Context, tx pgx.Tx, id string) (*Task, error) {
	r, err := pg.One[struct{ TaskID string }](ctx, tx, "整改", `SELECT task_id FROM rectifications WHERE id = $1`, id)
	if err != nil {
		return nil, err
	}
	return lockTask(ctx, tx, r.TaskID)
}

func listRectifications(ctx context.Context, tx pgx.Tx, c auth.Caller, limit int) ([]Rectification, error) {
	return list[Rectification](ctx, tx, `SELECT `+rectificationColumns+` FROM rectifications WHERE $1 > 0 AND `+mine+` ORDER BY id DESC LIMIT $1`, append([]any{limit}, own(c)...)...)
}

func listRectificationsOf(ctx context.Context, tx pgx.Tx, taskID string) ([]Rectification, error) {
	return list[Rectification](ctx, tx, `SELECT `+rectificationColumns+` FROM rectifications WHERE task_id = $1 ORDER BY id`, taskID)
}

func addRectification(ctx context.Context, tx pgx.Tx, r *Rectification) error {
	err := exec(ctx, tx, `INSERT INTO rectifications (`+rectificationColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`,
		r.ID, r.TaskID, r.VisitID, r.Jurisdiction, r.Agencies, r.People, r.InstitutionID, r.Name, r.Agency, r.State, r.Items, r.Demand, r.OrderedBy, r.OrderedOn,
		r.Due, r.Provisional, r.Ground, r.Submission, r.SubmittedOn, r.Late, r.VerifiedBy, r.VerifiedOn, r.Officers, r.Verdict)
	return err
}

// openOrder returns Conflict if an agency's order of a visit is still open.
func openOrder(ctx context.Context, tx pgx.Tx, visitID string, agency Agency) error {
	var open bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM rectifications WHERE visit_id = $1 AND agency = $2 AND state IN ('ORDERED', 'SUBMITTED', 'OVERDUE'))`,
		visitID, agency).Scan(&open)
	if err == nil && open {
		err = fault.Conflict.Errorf("本部门对这次检查已有尚未办结的责令整改")
	}
	return err
}

func saveRectification(ctx context.Context, tx pgx.Tx, r *Rectification) error {
	return exec(ctx, tx, `UPDATE rectifications SET state = $2, submission = $3, submitted_on = $4, late = $5, verified_by = $6, verified_on = $7, officers = $8, verdict = $9,
		due = $10, provisional = $11, ground = $12 WHERE id = $1`,
		r.ID, r.State, r.Submission, r.SubmittedOn, r.Late, r.VerifiedBy, r.VerifiedOn, r.Officers, r.Verdict, r.Due, r.Provisional, r.Ground)
}

// nextOverdue locks the task of a rectification whose last day has passed, and
// returns the rectification; while demo data are made there is none.
func nextOverdue(ctx context.Context, tx pgx.Tx, today day.Date) (id string, err error) {
	r, err := pg.One[struct{ ID string }](ctx, tx, "逾期整改", `SELECT r.id FROM rectifications r JOIN tasks t ON t.id = r.task_id
		WHERE r.state = 'ORDERED' AND r.due < $1 AND NOT EXISTS (SELECT FROM seed WHERE NOT done)
		ORDER BY r.due, r.id LIMIT 1 FOR UPDATE OF t SKIP LOCKED`, today)
	return r.ID, err
}
