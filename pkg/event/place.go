package event

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// place is where a consumer is in the events of one key.
type place struct {
	Consumer, Topic, Key string
	Last                 int64 // version of the last event applied or discarded; 0: none yet
	Parked               int   // events that wait; while there are any the key is halted
	moved                bool
}

// verdict is what becomes of an event that arrives.
type verdict int

const (
	apply verdict = iota
	fill          // apply it, and then those parked that follow it
	drop          // it had its turn
	wait          // behind what is parked
	gap           // one before it is missing
)

// judge says what becomes of the event with version v. A key's first event may be
// any, for a consumer may begin when Kafka no longer keeps the ones before.
func (p *place) judge(v int64) verdict {
	halted, known := p.Parked > 0, p.Last > 0 && inOrder
	switch {
	case v > 0 && known && v <= p.Last:
		return drop
	case v > 0 && halted && v == p.Last+1:
		return fill
	case halted:
		return wait
	case v > 0 && known && v > p.Last+1:
		return gap
	}
	return apply
}

// passed notes that the event with version v had its effect, or will have none.
func (p *place) passed(v int64) {
	if v > p.Last {
		p.Last, p.moved = v, true
	}
}

// places is where a consumer is in the keys that it has met before. Who applies
// events holds its turn with others: two that apply the same event meet in the
// inbox. Who releases holds it alone. To lock each row instead would halve how many
// events are applied.
const (
	places = `SELECT consumer, topic, key, last, parked FROM progress
		WHERE consumer = $1 AND (topic, key) IN (SELECT * FROM unnest($2::text[], $3::text[]))`
	turnKey = `hashtextextended(current_schema() || '.release.' || $1::text, 0)`
	shared  = `SELECT pg_advisory_xact_lock_shared(` + turnKey + `)`
	alone   = `SELECT pg_advisory_xact_lock(` + turnKey + `)`
)

func scanPlace(row pgx.CollectableRow) (*place, error) {
	p := new(place)
	return p, row.Scan(&p.Consumer, &p.Topic, &p.Key, &p.Last, &p.Parked)
}

// lockPlace returns the place of one key, at which nobody else is until tx ends; nil
// if c has none there.
func (c *Consumer) lockPlace(ctx context.Context, tx pgx.Tx, topic, key string) (*place, error) {
	if _, err := tx.Exec(ctx, alone, c.Name); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, places, c.Name, []string{topic}, []string{key})
	if err != nil {
		return nil, err
	}
	p, err := pgx.CollectExactlyOneRow(rows, scanPlace)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // documented
	}
	return p, err
}

// savePlaces writes those of ps that moved.
func savePlaces(ctx context.Context, tx pgx.Tx, ps ...*place) error {
	var b pgx.Batch
	queuePlaces(&b, ps)
	return tx.SendBatch(ctx, &b).Close()
}

// queuePlaces has b write those of ps that moved. Who was slower does not take a place
// back: two who pass over the same events do not meet in the inbox.
func queuePlaces(b *pgx.Batch, ps []*place) {
	var consumers, topics, keys []string
	var lasts []int64
	for _, p := range ps {
		if p.moved {
			consumers, topics, keys, lasts = append(consumers, p.Consumer), append(topics, p.Topic), append(keys, p.Key), append(lasts, p.Last)
		}
	}
	if len(keys) > 0 {
		b.Queue(`INSERT INTO progress (consumer, topic, key, last) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
			ON CONFLICT (consumer, topic, key) DO UPDATE SET last = greatest(progress.last, EXCLUDED.last)`, consumers, topics, keys, lasts)
	}
}
