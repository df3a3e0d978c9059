//go:build !weak

package event

import "github.com/segmentio/kafka-go"

// What keeps events from being lost, repeated or disordered. Programs built with
// -tags weak can do without one of them, for scripts/chaos to show what it is for.
const (
	acks  = kafka.RequireAll // a write is done when every replica in sync has it
	async = false            // a write that failed is told

	inOrder = true // what is older than its key's last is dropped, what is early is parked

	unpublishedSQL = `SELECT id, event, topic, key, version, type, data, trace FROM outbox WHERE NOT pub ORDER BY id LIMIT $1`
	noteSQL        = `INSERT INTO inbox (consumer, event) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING RETURNING event`
)
