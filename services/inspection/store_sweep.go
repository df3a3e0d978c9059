package inspection

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/pg"
)

const sweepColumns = `task_id, signboard, address, phone, demand, ordered_by, ordered_on, due, provisional, ground, checks, closed_on`

func findSweep(ctx context.Context, tx pgx.Tx, taskID string) (*Sweeping, error) {
	s, err := pg.One[Sweeping](ctx, tx, "台账", `SELECT `+sweepColumns+` FROM sweeps WHERE task_id = $1`, taskID)
	return &s, err
}

func addSweep(ctx context.Context, tx pgx.Tx, s *Sweeping) error {
	return exec(ctx, tx, `INSERT INTO sweeps (task_id, signboard, address, phone) VALUES ($1, $2, $3, $4)`, s.TaskID, s.Signboard, s.Address, s.Phone)
}

func saveSweep(ctx context.Context, tx pgx.Tx, s *Sweeping) error {
	return exec(ctx, tx, `UPDATE sweeps SET demand = $2, ordered_by = $3, ordered_on = $4, due = $5, provisional = $6, ground = $7, checks = $8, closed_on = $9 WHERE task_id = $1`,
		s.TaskID, s.Demand, s.OrderedBy, s.OrderedOn, s.Due, s.Provisional, s.Ground, s.Checks, s.ClosedOn)
}

// sweepRow is a ledger entry beside the state of its task.
type sweepRow struct {
	Sweeping
	Jurisdiction string
	State        string
	Title        string
	PlannedOn    string
}

func listSweeps(ctx context.Context, tx pgx.Tx, c auth.Caller, limit int) ([]sweepRow, error) {
	prefix, agency := reach(c)
	return list[sweepRow](ctx, tx, `SELECT s.task_id, s.signboard, s.address, s.phone, s.demand, s.ordered_by, s.ordered_on, s.due, s.provisional, s.ground, s.checks, s.closed_on,
		t.jurisdiction, t.state, t.title, t.planned_on::text AS planned_on
		FROM sweeps s JOIN tasks t ON t.id = s.task_id
		WHERE starts_with(t.jurisdiction, $1) AND $2 = ANY (t.agencies) ORDER BY t.id DESC LIMIT $3`, prefix, agency, limit)
}
