package pg

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
)

type worker struct{}

// Worker returns ctx for a worker of our own, which sees every row. The name
// says which, in pg_stat_activity and to a reader.
func Worker(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, worker{}, name)
}

// Mark tells tx whose it is from now on, where it is somebody else's than who began it.
func Mark(ctx context.Context, tx pgx.Tx) error {
	var b pgx.Batch
	mark(ctx, &b)
	return tx.SendBatch(ctx, &b).Close()
}

// Tally returns ctx for a count that the public may know, too, and the division
// that is counted: an official counts what it may see, and a worker called name
// counts for all others what there is, of every division, "".
func Tally(ctx context.Context, name string) (counting context.Context, jurisdiction string) {
	if c := auth.From(ctx); c.Agency != "" && c.Jurisdiction != "" {
		return ctx, c.Jurisdiction
	}
	return Worker(ctx, name), ""
}

// mark has b tell its transaction whose it is, for the policies that use in_scope. A
// caller with an agency is an official and sees its jurisdiction; any other is
// a person and sees what is theirs; no caller sees nothing that is not public.
func mark(ctx context.Context, b *pgx.Batch) {
	scope, c := "public", auth.From(ctx)
	name, _ := ctx.Value(worker{}).(string)
	switch {
	case name != "":
		scope = "worker"
	case c.Agency != "" && c.Jurisdiction != "":
		scope = "official"
	case c.Subject != "" && c.Agency == "":
		scope = "person"
	}
	b.Queue(`SELECT set_config('app.scope', $1, true), set_config('app.division', $2, true),
		set_config('app.agency', $3, true), set_config('app.person', $4, true)`,
		scope, prefix(c.Jurisdiction), c.Agency, c.Subject)
}

// prefix is what the codes below a division begin with: 320500 covers 3205….
func prefix(code string) string {
	for len(code) == 6 || len(code) == 4 || len(code) == 2 {
		cut, ok := strings.CutSuffix(code, "00")
		if !ok {
			break
		}
		code = cut
	}
	return code
}
