package tipoff

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/pg"
)

// File is one import: done when it has an answer.
type File struct {
	ID, Account, Key, Channel string
	Sum                       []byte
	Answer                    *Imported
}

// openFile returns the import of account under key, begun now unless it was before.
func openFile(ctx context.Context, tx pgx.Tx, f File) (File, error) {
	if _, err := tx.Exec(ctx, `INSERT INTO imports (id, account, key, channel) VALUES ($1, $2, $3, $4) ON CONFLICT (account, key) DO NOTHING`,
		f.ID, f.Account, f.Key, f.Channel); err != nil {
		return f, err
	}
	return pg.One[File](ctx, tx, "该导入", `SELECT id, account, key, channel, sum, answer FROM imports WHERE account = $1 AND key = $2`, f.Account, f.Key)
}

func closeFile(ctx context.Context, tx pgx.Tx, id string, sum []byte, answer Imported) error {
	_, err := tx.Exec(ctx, `UPDATE imports SET sum = $2, answer = $3 WHERE id = $1`, id, sum, answer)
	return err
}

// importOf is the import, and its line, that brought the channel's id; "" if none that the
// caller may see did.
func importOf(ctx context.Context, tx pgx.Tx, channel, source string) (string, error) {
	type from struct{ ImportID string }
	found, err := rows[from](ctx, tx, `SELECT import_id FROM tips WHERE channel = $1 AND source_id = $2`, channel, source)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].ImportID, nil
}
