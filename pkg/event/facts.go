package event

import (
	"context"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/protobuf/proto"
)

// Fact is an event that is to be appended with others, as Append would one.
type Fact struct {
	key, kind, trace string
	data             []byte
}

// NewFact is that m happened to the thing named key, by what ctx traces.
func NewFact(ctx context.Context, key string, m proto.Message) (Fact, error) {
	data, err := proto.Marshal(m)
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return Fact{key, string(m.ProtoReflect().Descriptor().FullName()), carrier["traceparent"], data}, err
}

// AppendAll queues on b, whose transaction holds the lock of every key, that facts
// happened, in their order.
func AppendAll(b *pgx.Batch, topic string, facts []Fact) {
	keys, kinds, traces, data := make([]string, len(facts)), make([]string, len(facts)), make([]string, len(facts)), make([][]byte, len(facts))
	for i, f := range facts {
		keys[i], kinds[i], traces[i], data[i] = f.key, f.kind, f.trace, f.data
	}
	b.Queue(`
		WITH fact AS (
			SELECT key, type, data, trace, n, row_number() OVER (PARTITION BY key ORDER BY n) AS nth, count(*) OVER (PARTITION BY key) AS total
			FROM unnest($2::text[], $3::text[], $4::bytea[], $5::text[]) WITH ORDINALITY AS f (key, type, data, trace, n)
		), next AS (
			INSERT INTO stream (topic, key, version) SELECT DISTINCT $1::text, key, fact.total FROM fact ORDER BY key
			ON CONFLICT (topic, key) DO UPDATE SET version = stream.version + EXCLUDED.version RETURNING key, version)
		INSERT INTO outbox (topic, key, version, type, data, trace)
		SELECT $1, key, version - fact.total + nth, type, data, trace FROM fact JOIN next USING (key) ORDER BY n`,
		topic, keys, kinds, data, traces)
}
