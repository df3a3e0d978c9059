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
// happened, in their order. Each key's are numbered here and in one go there, and
// carry how far they are from its last, so that nothing has to be sorted or counted.
// The last is looked up for each: a join PostgreSQL would plan by its statistics, and
// where the topic is younger than these it went through all of it, once per event.
func AppendAll(b *pgx.Batch, topic string, facts []Fact) {
	totals := make(map[string]int64)
	for _, f := range facts {
		totals[f.key]++
	}
	var streams []string
	var counts []int64
	for key, n := range totals {
		streams, counts = append(streams, key), append(counts, n)
	}
	keys, kinds, traces, data, before := make([]string, len(facts)), make([]string, len(facts)), make([]string, len(facts)), make([][]byte, len(facts)), make([]int64, len(facts))
	for i, f := range facts {
		totals[f.key]--
		keys[i], kinds[i], traces[i], data[i], before[i] = f.key, f.kind, f.trace, f.data, totals[f.key]
	}
	b.Queue(`INSERT INTO stream (topic, key, version) SELECT $1::text, key, n FROM unnest($2::text[], $3::bigint[]) AS s (key, n) ORDER BY key
		ON CONFLICT (topic, key) DO UPDATE SET version = stream.version + EXCLUDED.version`, topic, streams, counts)
	b.Queue(`INSERT INTO outbox (topic, key, version, type, data, trace)
		SELECT $1, f.key, (SELECT s.version FROM stream s WHERE s.topic = $1 AND s.key = f.key) - f.before, f.type, f.data, f.trace
		FROM unnest($2::text[], $3::text[], $4::bytea[], $5::text[], $6::bigint[]) WITH ORDINALITY AS f (key, type, data, trace, before, n) ORDER BY n`, topic, keys, kinds, data, traces, before)
}
