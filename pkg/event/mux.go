package event

import (
	"context"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
)

// Mux sends each event to the handler of its type. A type without a handler does
// not concern this service and is passed over.
type Mux map[string]Handle

// On makes f the handler of events of type E.
func On[E any, P interface {
	*E
	proto.Message
}](m Mux, f func(ctx context.Context, tx pgx.Tx, key string, e P) error) {
	name := string(P(new(E)).ProtoReflect().Descriptor().FullName())
	m[name] = func(ctx context.Context, tx pgx.Tx, msg Message) error {
		e := P(new(E))
		if err := proto.Unmarshal(msg.Data, e); err != nil {
			return err
		}
		return f(ctx, tx, msg.Key, e)
	}
}

// Handle applies msg by its type's handler.
func (m Mux) Handle(ctx context.Context, tx pgx.Tx, msg Message) error {
	if h, ok := m[msg.Type]; ok {
		return h(ctx, tx, msg)
	}
	return nil
}
