package inspection

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/pg"
)

// nextProvisional locks the task of the next of periods (id, task_id, from_day,
// due) whose years' calendar is published by now; while demo data are made there
// is none.
func nextProvisional(ctx context.Context, tx pgx.Tx, periods string) (string, error) {
	r, err := pg.One[struct{ ID string }](ctx, tx, "暂定期限", `SELECT p.id FROM (`+periods+`) p JOIN tasks t ON t.id = p.task_id
		WHERE NOT EXISTS (SELECT FROM generate_series(extract(year FROM p.from_day)::int, extract(year FROM p.due)::int) y WHERE y NOT IN (SELECT year FROM calendar_copy))
		  AND NOT EXISTS (SELECT FROM seed WHERE NOT done)
		ORDER BY p.id LIMIT 1 FOR UPDATE OF t SKIP LOCKED`)
	return r.ID, err
}

func nextProvisionalRectification(ctx context.Context, tx pgx.Tx, _ day.Date) (string, error) {
	return nextProvisional(ctx, tx, `SELECT id, task_id, ordered_on AS from_day, due FROM rectifications WHERE provisional AND state = 'ORDERED'`)
}

func nextProvisionalTask(ctx context.Context, tx pgx.Tx, _ day.Date) (string, error) {
	return nextProvisional(ctx, tx, `SELECT id, id AS task_id, visited_on AS from_day, publish_due AS due FROM tasks WHERE provisional AND published_on IS NULL`)
}

func nextProvisionalSweep(ctx context.Context, tx pgx.Tx, _ day.Date) (string, error) {
	return nextProvisional(ctx, tx, `SELECT s.task_id AS id, s.task_id, s.ordered_on AS from_day, s.due FROM sweeps s WHERE s.provisional AND s.closed_on IS NULL`)
}
