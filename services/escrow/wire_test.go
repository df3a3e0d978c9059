package escrow

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/event"
	"xunguan/pkg/pg"
)

type protoMessage = proto.Message

func messageOf(t testing.TB, e proto.Message) event.Message {
	t.Helper()
	return event.Message{Type: string(e.ProtoReflect().Descriptor().FullName()), Data: must(proto.Marshal(e))(t)}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	return string(must(json.Marshal(v))(t))
}

func inTx(ctx context.Context, h *house, f func(pgx.Tx) error) (struct{}, error) {
	return pg.InTx(ctx, h.DB, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, f(tx) })
}

// try runs sql as a worker and returns its error.
func (h *house) try(sql string) error {
	ctx := pg.Worker(h.t.Context(), "test")
	_, err := inTx(ctx, h, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, sql); return err })
	return err
}
