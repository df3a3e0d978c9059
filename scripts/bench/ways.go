package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"xunguan/pkg/auth"
)

// bare writes in one statement what escrow writes for lessons $2 of contracts $1, of
// institutions $3 and parents $4, booked as transfers $5, with the texts of one that
// it has confirmed. The events are marked as published: they are none.
const bare = `
WITH lesson AS (
	UPDATE lessons l SET state = 'CONFIRMED', confirmed_on = current_date
	FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::uuid[]) AS a (contract_id, n, institution_id, parent, transfer_id)
	WHERE l.institution_id = a.institution_id AND l.contract_id = a.contract_id AND l.n = a.n AND l.state = 'TAUGHT' RETURNING a.*, l.fee
), contract AS (
	UPDATE contracts c SET released = released + s.fee, open = open - s.n, state = CASE open WHEN s.n THEN 'FINISHED' ELSE state END
	FROM (SELECT institution_id, contract_id, sum(fee)::bigint AS fee, count(*)::int AS n FROM lesson GROUP BY 1, 2) s
	WHERE c.institution_id = s.institution_id AND c.id = s.contract_id
), transfer AS (
	INSERT INTO transfers (institution_id, id, kind, reference, at) SELECT institution_id, transfer_id, 'post', 'lesson/' || contract_id || '/' || n, now() FROM lesson
), leg AS (
	SELECT institution_id, transfer_id, 'held' AS account, contract_id, fee AS amount FROM lesson
	UNION ALL SELECT institution_id, transfer_id, 'released', '', -fee FROM lesson
), entry AS (
	INSERT INTO entries (institution_id, transfer_id, account, contract_id, amount, at) SELECT institution_id, transfer_id, account, contract_id, amount, now() FROM leg
), balance AS (
	UPDATE balances b SET balance = balance + s.amount
	FROM (SELECT institution_id, account, contract_id, sum(amount)::bigint AS amount FROM leg GROUP BY 1, 2, 3) s
	WHERE b.institution_id = s.institution_id AND b.account = s.account AND b.contract_id = s.contract_id
), history AS (
	INSERT INTO timeline (institution_id, contract_id, at, actor, account, action, summary) SELECT institution_id, contract_id, now(), $6, parent, $7, $8 FROM lesson
), answered AS (
	INSERT INTO once (caller, call, key, sum, answer) VALUES ($4[1], $9, $10, $11, $12)
), stream AS (
	INSERT INTO stream (topic, key, version) SELECT $13, contract_id, count(*) * cardinality($14::text[]) FROM lesson GROUP BY contract_id
	ON CONFLICT (topic, key) DO UPDATE SET version = stream.version + EXCLUDED.version RETURNING key, version
)
INSERT INTO outbox (topic, key, version, type, data, trace, pub) SELECT $13, key, version, type, data, trace, true
FROM lesson JOIN stream ON key = contract_id, unnest($14::text[], $15::bytea[], $16::text[]) AS e (type, data, trace)`

// directly confirms at escrow itself, with tokens as the portal signs them.
func (m *confirm) directly() (func(context.Context, *caller) error, error) {
	tokens, err := m.tokens()
	return func(ctx context.Context, c *caller) error {
		return m.post(ctx, m.service, c, tokens[c.class[0].parent])
	}, err
}

// tokens is the header of each parent.
func (m *confirm) tokens() (map[string]http.Header, error) {
	key, err := auth.ReadKey(filepath.Join(m.suite.data, "keys", "portal.pem"))
	if err != nil {
		return nil, err
	}
	public, _ := key.Public().(ed25519.PublicKey)
	tokens := make(map[string]http.Header)
	for i := range parents {
		c := auth.Caller{Subject: fmt.Sprintf("bench-parent-%d", i), Roles: []string{"parent"}}
		token, err := auth.Sign(key, auth.KeyID(public), c, time.Hour, "escrow")
		if err != nil {
			return nil, err
		}
		tokens[c.Subject] = http.Header{"Authorization": {"Bearer " + token}}
	}
	return tokens, nil
}

// throughPortal confirms at the public door, in a session.
func (m *confirm) throughPortal(ctx context.Context) (func(context.Context, *caller) error, error) {
	door := "http://" + m.suite.addr(publicPort)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, door+"/trial/login", strings.NewReader(`{"persona":"`+persona+`"}`))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := m.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var said struct{ CSRF string }
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || len(resp.Cookies()) == 0 {
		return nil, fmt.Errorf("登录 %s:%s %w", persona, resp.Status, err)
	}
	cookie := resp.Cookies()[0]
	return func(ctx context.Context, c *caller) error {
		return m.post(ctx, door+"/api/escrow", c, http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}, "X-Csrf-Token": {said.CSRF}})
	}, nil
}

// post confirms c's lesson, or its class's, which must all be confirmed. Who is told
// to come again does.
func (m *confirm) post(ctx context.Context, base string, c *caller, h http.Header) error {
	for {
		refused, err := m.once(ctx, base, c, h)
		if !refused {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// once asks once, and reports whether it was told to come again.
func (m *confirm) once(ctx context.Context, base string, c *caller, h http.Header) (refused bool, err error) {
	path, body := fmt.Sprintf("/v1/contracts/%s/lessons/%d/confirm", c.class[0].id, c.n), ""
	if len(c.class) > 1 {
		var refs []string
		for _, one := range c.class {
			refs = append(refs, fmt.Sprintf(`{"contract":%q,"n":%d}`, one.id, c.n))
		}
		path, body = "/v1/lessons/confirm", `{"lessons":[`+strings.Join(refs, ",")+`]}`
	}
	h = h.Clone()
	h.Set("Content-Type", "application/json")
	h.Set("Idempotency-Key", uuid.NewString())
	status, said, err := m.send(ctx, base+path, body, h)
	switch {
	case err != nil:
		return false, err
	case status == http.StatusServiceUnavailable:
		return true, nil
	case status != http.StatusOK || bytes.Count(said, []byte(`"CONFIRMED"`)) != len(c.class):
		return false, fmt.Errorf("课消 %s %d:%d %s", c.class[0].id, c.n, status, said)
	}
	return false, nil
}

func (m *confirm) send(ctx context.Context, url, body string, h http.Header) (status int, said []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header = h
	resp, err := m.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	said, err = io.ReadAll(resp.Body)
	return resp.StatusCode, said, err
}

// barely writes what a confirmation writes. Its texts are those of the last one
// that escrow made.
func (m *confirm) barely(ctx context.Context) (func(context.Context, *caller) error, error) {
	var actor, action, summary, call, topic string
	var sum, answer []byte
	var types, traces []string
	var data [][]byte
	err := m.db.QueryRow(ctx, `
		WITH said AS (SELECT * FROM once WHERE caller LIKE 'bench-%' AND call LIKE 'escrow.%' ORDER BY at DESC LIMIT 1),
		last AS (SELECT t.* FROM timeline t, said WHERE account = caller ORDER BY id DESC LIMIT 1),
		events AS (SELECT DISTINCT ON (type) outbox.* FROM outbox, last WHERE key = contract_id)
		SELECT actor, action, summary, call, sum, answer, e.* FROM last, said,
			(SELECT min(topic), array_agg(type), array_agg(data), array_agg(trace) FROM events) e`).
		Scan(&actor, &action, &summary, &call, &sum, &answer, &topic, &types, &data, &traces)
	if err != nil {
		return nil, fmt.Errorf("裸写的样本:%w", err)
	}
	return func(ctx context.Context, c *caller) error {
		var ids, institutions, parents []string
		var ns []int
		var transfers []uuid.UUID
		for _, one := range c.class {
			ids, institutions, parents = append(ids, one.id), append(institutions, one.institution), append(parents, one.parent)
			ns, transfers = append(ns, c.n), append(transfers, uuid.Must(uuid.NewV7()))
		}
		tag, err := m.db.Exec(ctx, bare, ids, ns, institutions, parents, transfers, actor, action, summary, call, uuid.NewString(), sum, answer, topic, types, data, traces)
		if err == nil && int(tag.RowsAffected()) != len(types)*len(ids) {
			err = fmt.Errorf("裸写 %s %d:写了 %d 个事件", ids[0], c.n, tag.RowsAffected())
		}
		return err
	}, nil
}
