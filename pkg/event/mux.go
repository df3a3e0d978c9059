package event

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
)

// Mux sends each event to the handler of its type. A type without a handler does
// not concern this service and is passed over, unless it is another version of one
// that does: that waits, parked, for a release of the service that knows it.
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
	if msg.Type == "" {
		return errors.New("an event without a type")
	}
	if known := m.other(msg.Type); known != "" {
		return fmt.Errorf("%s 的版本未知：本服务处理 %s", msg.Type, known)
	}
	return nil
}

// Concerns reports whether Handle does anything with msg, or refuses it.
func (m Mux) Concerns(msg Message) bool {
	return m[msg.Type] != nil || msg.Type == "" || m.other(msg.Type) != ""
}

// other is a type that m handles of which name is another version.
func (m Mux) other(name string) string {
	last := name[strings.LastIndexByte(name, '.')+1:]
	for known := range m {
		if strings.HasSuffix(known, last) && unversioned(known) == unversioned(name) {
			return known
		}
	}
	return ""
}

// A package's version, as in escrow.v1.ContractSigned.
var packageVersion = regexp.MustCompile(`\.v[0-9]+(alpha|beta)?[0-9]*\.`)

func unversioned(name string) string { return packageVersion.ReplaceAllString(name, ".") }
