//go:build weak

package event

import (
	"github.com/segmentio/kafka-go"

	"xunguan/pkg/pg"
)

var (
	acks  = kafka.RequireAll
	async = pg.Weak("async")

	inOrder = !pg.Weak("inbox") // the version alone would find what the inbox does

	unpublishedSQL = `SELECT id, event, topic, key, version, type, data, trace FROM outbox WHERE NOT pub ORDER BY id LIMIT $1`
	noteSQL        = `INSERT INTO inbox (consumer, event) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING RETURNING event`
)

func init() {
	switch {
	case pg.Weak("acks"):
		acks = kafka.RequireNone
	case pg.Weak("cursor"): // what comes after the last that was published
		unpublishedSQL = `SELECT id, event, topic, key, version, type, data, trace FROM outbox
			WHERE id > coalesce((SELECT max(id) FROM outbox WHERE pub), 0) ORDER BY id LIMIT $1`
	case pg.Weak("inbox"): // what was seen counts as new
		noteSQL = `WITH noted AS (INSERT INTO inbox (consumer, event) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING)
			SELECT unnest($2::text[])`
	}
}
