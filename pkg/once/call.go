package once

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
)

// Call is one request of several that share a transaction, where Do would give
// each its own: Recall comes first, then the effect, and Keep with it.
type Call struct {
	caller, call, key string
	sum               []byte

	// What Recall found: the answer that the request was given before, or why it
	// may not be answered now, which is KeyReused or InFlight.
	Answer []byte
	Err    error
}

// NewCall is ctx's caller's request req.
func NewCall(ctx context.Context, req Keyed) (*Call, error) {
	if req.idempotencyKey() == "" { // not called by way of kit
		return nil, fault.Invalid.Errorf("缺少 Idempotency-Key")
	}
	said, err := json.Marshal(req)
	sum := sha256.Sum256(said)
	return &Call{caller: auth.From(ctx).Subject, call: fmt.Sprintf("%T", req), key: req.idempotencyKey(), sum: sum[:]}, err
}

// Recall queues on b what fills in Answer and Err of each call. Until b's
// transaction ends nobody else gets past it with the same calls.
func Recall(b *pgx.Batch, calls []*Call) {
	callers, names, keys := columns(calls)
	twice := make(map[[3]string]bool) // a session does not lock itself out
	b.Queue(`SELECT pg_try_advisory_xact_lock(hashtextextended(jsonb_build_array(current_schema(), caller, call, key)::text, 0))
		FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS c (caller, call, key, n) ORDER BY n`, callers, names, keys).Query(func(rows pgx.Rows) error {
		first, err := pgx.CollectRows(rows, pgx.RowTo[bool])
		for i, c := range calls[:len(first)] {
			if id := [3]string{c.caller, c.call, c.key}; !first[i] || twice[id] {
				c.Err = fault.InFlight.Errorf("相同请求正在处理，请稍后查询")
			} else {
				twice[id] = true
			}
		}
		return err
	})
	b.Queue(`SELECT n, sum, answer FROM once JOIN unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS c (caller, call, key, n) USING (caller, call, key)`,
		callers, names, keys).Query(func(rows pgx.Rows) error {
		var n int
		var sum, answer []byte
		_, err := pgx.ForEachRow(rows, []any{&n, &sum, &answer}, func() error {
			calls[n-1].answered(sum, answer)
			return nil
		})
		return err
	})
}

// answered notes what c's key was answered with, by a request of that sum.
func (c *Call) answered(sum, answer []byte) {
	switch {
	case c.Err != nil: // in flight
	case bytes.Equal(sum, c.sum):
		c.Answer = bytes.Clone(answer)
	default:
		c.Err = fault.KeyReused.Errorf("Idempotency-Key 已用于另一请求")
	}
}

// Keep queues on b that calls were given answers.
func Keep(b *pgx.Batch, calls []*Call, answers [][]byte) {
	callers, names, keys := columns(calls)
	sums, said := make([][]byte, len(calls)), make([]string, len(calls))
	for i, c := range calls {
		sums[i], said[i] = c.sum, string(answers[i])
	}
	b.Queue(rememberAll, callers, names, keys, sums, said)
}

func columns(calls []*Call) (callers, names, keys []string) {
	for _, c := range calls {
		callers, names, keys = append(callers, c.caller), append(names, c.call), append(keys, c.key)
	}
	return callers, names, keys
}
