package inspection

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/pg"
)

// Draw is one round of a task's drawing.
type Draw struct {
	ID         string
	TaskID     string
	Round      int
	Nonce      []byte
	Committed  string
	DrawnBy    string
	RevealedBy string
	File       File
}

const drawColumns = `id, task_id, round, nonce, committed, drawn_by, revealed_by, file`

func findDraw(ctx context.Context, tx pgx.Tx, id string) (Draw, error) {
	return pg.One[Draw](ctx, tx, "抽取", `SELECT `+drawColumns+` FROM draws WHERE id = $1`, id)
}

// listDraws is all rounds of a task, the latest last.
func listDraws(ctx context.Context, tx pgx.Tx, taskID string) ([]Draw, error) {
	return list[Draw](ctx, tx, `SELECT `+drawColumns+` FROM draws WHERE task_id = $1 ORDER BY round`, taskID)
}

func addDraw(ctx context.Context, tx pgx.Tx, d Draw) error {
	return exec(ctx, tx, `INSERT INTO draws (`+drawColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		d.ID, d.TaskID, d.Round, d.Nonce, d.Committed, d.DrawnBy, d.RevealedBy, d.File)
}

func saveRevealed(ctx context.Context, tx pgx.Tx, d Draw) error {
	return exec(ctx, tx, `UPDATE draws SET revealed_by = $2, file = $3 WHERE id = $1 AND revealed_by = ''`, d.ID, d.RevealedBy, d.File)
}
