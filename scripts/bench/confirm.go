package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/auth"
	"xunguan/pkg/event"
)

const (
	lessons       = 50 // of a contract
	parents       = 64
	portalCallers = 8
	persona       = "parent" // whose session the portal's callers have
)

// prepare makes contracts, $1 of institutions $2 with parents $3, whose lessons wait for the
// parent's word.
var prepare = []string{
	`INSERT INTO contracts (institution_id, id, jurisdiction, manager, parent, pupil, course, basket, state, lessons, gift_lessons,
		first_lesson, last_lesson, price, paid, open, offered_on, paid_at)
	SELECT institution, id, '320508', 'bench-manager', parent, '学生', '少儿美术(启蒙班)', id, 'PAID', 50, 0,
		current_date - 50, current_date, 500000, 500000, 50, current_date - 60, now() - interval '60 days'
	FROM unnest($1::text[], $2::text[], $3::text[]) AS c (id, institution, parent)`,
	`INSERT INTO lessons (institution_id, contract_id, n, gift, on_date, fee, state, taught_on, asked_on, confirm_by)
	SELECT institution, id, n, false, current_date - 50 + n, 10000, 'TAUGHT', current_date, current_date, current_date + 60
	FROM unnest($1::text[], $2::text[], $3::text[]) AS c (id, institution, parent), generate_series(1, 50) n`,
	`INSERT INTO payment_references (reference, institution_id, contract_id)
	SELECT id, institution, id FROM unnest($1::text[], $2::text[], $3::text[]) AS c (id, institution, parent)`,
	`INSERT INTO balances (institution_id, account, contract_id)
	SELECT DISTINCT institution, account, CASE account WHEN 'held' THEN id ELSE '' END
	FROM unnest($1::text[], $2::text[], $3::text[]) AS c (id, institution, parent), unnest(ARRAY['custody', 'held', 'released']) account
	ON CONFLICT DO NOTHING`,
	`SELECT post(array_agg(institution), array_agg(id), array_agg('hold'::text), array_agg('payment/' || id), array_agg(''::text), array_agg(now()),
		array_agg(institution) || array_agg(institution), array_agg(id) || array_agg(id), array_agg('custody'::text) || array_agg('held'::text),
		array_agg(''::text) || array_agg(id), array_agg(500000::bigint) || array_agg(-500000::bigint), array_agg(now()) || array_agg(now()))
	FROM unnest($1::text[], $2::text[], $3::text[]) AS c (id, institution, parent)`,
}

// bare writes in one statement what escrow writes for lesson $2 of contract $1,
// with the texts of one that it has confirmed. The events are marked as published:
// they are none.
const bare = `
WITH lesson AS (
	UPDATE lessons SET state = 'CONFIRMED', confirmed_on = current_date
	WHERE institution_id = $3 AND contract_id = $1 AND n = $2 AND state = 'TAUGHT' RETURNING fee
), contract AS (
	UPDATE contracts SET released = released + fee, open = open - 1, state = CASE open WHEN 1 THEN 'FINISHED' ELSE state END
	FROM lesson WHERE institution_id = $3 AND id = $1
), transfer AS (
	INSERT INTO transfers (institution_id, id, kind, reference, at) SELECT $3, $16, 'post', 'lesson/' || $1 || '/' || $2, now() FROM lesson
), entry AS (
	INSERT INTO entries (institution_id, transfer_id, account, contract_id, amount, at)
	SELECT $3, $16, account, contract, sign * fee, now() FROM lesson, (VALUES ('held', $1, 1), ('released', '', -1)) AS e (account, contract, sign)
), balance AS (
	UPDATE balances SET balance = balance + CASE account WHEN 'held' THEN fee ELSE -fee END
	FROM lesson WHERE institution_id = $3 AND (account, contract_id) IN (('held', $1), ('released', ''))
), history AS (
	INSERT INTO timeline (institution_id, contract_id, at, actor, account, action, summary) VALUES ($3, $1, now(), $4, $5, $6, $7)
), answered AS (
	INSERT INTO once (caller, call, key, sum, answer) VALUES ($5, $8, $9, $10, $11)
)
INSERT INTO outbox (topic, key, type, data, trace, pub) SELECT $12, $1, type, data, trace, true
FROM unnest($13::text[], $14::bytea[], $15::text[]) AS e (type, data, trace)`

// confirm is lesson confirmations in escrow's own database.
type confirm struct {
	length  time.Duration
	callers []int
	suite   *suite
	service string        // escrow's URL
	pool    int           // connections that escrow has
	db      *pgxpool.Pool // the administrator's, in escrow's database
	http    *http.Client
	direct  work
	portal  work // of the persona
}

// work is contracts whose lessons wait.
type work struct {
	all   []contract
	taken atomic.Int64
}

type contract struct{ id, institution, parent string }

// caller is one caller's place in the work.
type caller struct {
	contract
	n int // the lesson
}

// next moves c to the next lesson.
func (w *work) next(c *caller) error {
	if c.n%lessons == 0 {
		i := int(w.taken.Add(1)) - 1
		if i >= len(w.all) {
			return errDry
		}
		*c = caller{contract: w.all[i]}
	}
	c.n++
	return nil
}

// openConfirm prepares as many lessons as the measurements can use.
func openConfirm(ctx context.Context, c *CLI, s *suite) (m *confirm, end func(), err error) {
	m = &confirm{length: c.length(8), callers: c.Callers, suite: s}
	escrow, err := s.process("escrow")
	if err != nil {
		return nil, nil, err
	}
	server, err := s.process("postgresql")
	if err != nil {
		return nil, nil, err
	}
	own, err := pgxpool.ParseConfig(escrow.Database)
	if err != nil {
		return nil, nil, err
	}
	admin, err := pgxpool.ParseConfig(server.Database)
	if err != nil {
		return nil, nil, err
	}
	most := slices.Max(c.Callers)
	admin.ConnConfig.Database, admin.MaxConns, admin.MinConns = own.ConnConfig.Database, int32(most), int32(most) //nolint:gosec // a few dozen
	if m.db, err = pgxpool.NewWithConfig(ctx, admin); err != nil {
		return nil, nil, err
	}
	m.service, m.pool = escrow.HTTP, int(own.MaxConns)
	m.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: most}, Timeout: 30 * time.Second}
	if err := m.prepare(ctx, c.Runs); err != nil {
		m.db.Close()
		return nil, nil, err
	}
	return m, m.db.Close, nil
}

// prepare makes work for all runs.
func (m *confirm) prepare(ctx context.Context, runs int) error {
	each := runs * int((m.length + warmUp).Seconds()) // seconds of one measurement in all runs
	var direct int
	for _, n := range m.callers {
		direct += each * (min(n*800, 2500) + 2*min(n*1500, 8000)) / lessons
	}
	portal := each * 2500 / lessons
	say("准备 %d 份合同,每份 %d 课时待确认", direct+portal, lessons)
	for i := range direct + portal {
		c := contract{id: uuid.Must(uuid.NewV7()).String(), institution: fmt.Sprintf("bench-%d", i%100), parent: fmt.Sprintf("bench-parent-%d", i%parents)}
		if i < direct {
			m.direct.all = append(m.direct.all, c)
		} else {
			c.parent = persona
			m.portal.all = append(m.portal.all, c)
		}
	}
	for some := range slices.Chunk(slices.Concat(m.direct.all, m.portal.all), 1000) {
		var columns [3][]string
		for _, c := range some {
			columns[0], columns[1], columns[2] = append(columns[0], c.id), append(columns[1], c.institution), append(columns[2], c.parent)
		}
		for _, sql := range prepare {
			if _, err := m.db.Exec(ctx, sql, columns[0], columns[1], columns[2]); err != nil {
				return err
			}
		}
	}
	for _, sql := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
		if _, err := m.db.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// run measures once.
func (m *confirm) run(ctx context.Context, r *report) error {
	direct, err := m.directly()
	if err != nil {
		return err
	}
	var write func(context.Context, *caller) error
	for _, n := range m.callers {
		key := fmt.Sprintf("confirm.%d", n)
		if err := m.measure(ctx, r, key+".http", fmt.Sprintf("课消 HTTP,%d 个调用者", n), n, &m.direct, direct); err != nil {
			return err
		}
		if write == nil {
			if write, err = m.barely(ctx); err != nil {
				return err
			}
		}
		if err := m.measure(ctx, r, key+".bare", fmt.Sprintf("  裸写,%d 个连接", n), n, &m.direct, write); err != nil {
			return err
		}
		r.ratio(key+".ratio", "  HTTP ÷ 裸写", []string{key + ".http"}, []string{key + ".bare"})
		if n <= m.pool {
			continue
		}
		if err := m.measure(ctx, r, key+".pool", fmt.Sprintf("  裸写,%d 个连接(服务的连接池)", m.pool), m.pool, &m.direct, write); err != nil {
			return err
		}
		r.ratio(key+".pool.ratio", "  HTTP ÷ 裸写(服务的连接池)", []string{key + ".http"}, []string{key + ".pool"})
	}
	portal, err := m.throughPortal(ctx)
	if err != nil {
		return err
	}
	return m.measure(ctx, r, "confirm.portal.http", fmt.Sprintf("课消经门户(会话),%d 个调用者", portalCallers), portalCallers, &m.portal, portal)
}

// measure has n callers do some of w by f.
func (m *confirm) measure(ctx context.Context, r *report, key, what string, n int, w *work, f func(context.Context, *caller) error) error {
	if err := event.Drained(ctx, m.db); err != nil { // what went before is still being published
		return err
	}
	say("%s", strings.TrimSpace(what))
	callers := make([]caller, n)
	rate, took, err := closed(ctx, n, m.length, func(ctx context.Context, i int) error {
		if err := w.next(&callers[i]); err != nil {
			return err
		}
		return f(ctx, &callers[i])
	})
	if err != nil {
		return err
	}
	r.add(key, what, "次/s", rate)
	r.add(key+".p50", "    p50", "ms", quantile(took, 0.5))
	r.add(key+".p99", "    p99", "ms", quantile(took, 0.99))
	return nil
}

// directly confirms at escrow itself, with tokens as the portal signs them.
func (m *confirm) directly() (func(context.Context, *caller) error, error) {
	key, err := auth.ReadKey(filepath.Join(m.suite.data, "keys", "portal.pem"))
	if err != nil {
		return nil, err
	}
	public, _ := key.Public().(ed25519.PublicKey)
	tokens := make(map[string]string)
	for i := range parents {
		c := auth.Caller{Subject: fmt.Sprintf("bench-parent-%d", i), Roles: []string{"parent"}}
		if tokens[c.Subject], err = auth.Sign(key, auth.KeyID(public), c, time.Hour, "escrow"); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, c *caller) error {
		return m.post(ctx, m.service, c, http.Header{"Authorization": {"Bearer " + tokens[c.parent]}})
	}, nil
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

// post confirms c's lesson.
func (m *confirm) post(ctx context.Context, base string, c *caller, h http.Header) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("%s/v1/contracts/%s/lessons/%d/confirm", base, c.id, c.n), http.NoBody)
	if err != nil {
		return err
	}
	req.Header = h
	req.Header.Set("Idempotency-Key", uuid.NewString())
	resp, err := m.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("课消 %s %d:%s %s", c.id, c.n, resp.Status, body)
	}
	return err
}

// barely writes what a confirmation writes. Its texts are those of the last one
// that escrow made.
func (m *confirm) barely(ctx context.Context) (func(context.Context, *caller) error, error) {
	var actor, account, action, summary, call, topic string
	var sum, answer []byte
	var types, traces []string
	var data [][]byte
	err := m.db.QueryRow(ctx, `
		WITH last AS (SELECT * FROM timeline WHERE institution_id LIKE 'bench-%' ORDER BY id DESC LIMIT 1),
		said AS (SELECT once.* FROM once, last WHERE caller = account ORDER BY once.at DESC LIMIT 1),
		events AS (SELECT DISTINCT ON (type) outbox.* FROM outbox, last WHERE key = contract_id)
		SELECT actor, account, action, summary, call, sum, answer, e.* FROM last, said,
			(SELECT min(topic), array_agg(type), array_agg(data), array_agg(trace) FROM events) e`).
		Scan(&actor, &account, &action, &summary, &call, &sum, &answer, &topic, &types, &data, &traces)
	if err != nil {
		return nil, fmt.Errorf("裸写的样本:%w", err)
	}
	return func(ctx context.Context, c *caller) error {
		tag, err := m.db.Exec(ctx, bare, c.id, c.n, c.institution, actor, c.parent, action, summary, call, uuid.NewString(), sum, answer, topic, types, data, traces, uuid.Must(uuid.NewV7()))
		if err == nil && int(tag.RowsAffected()) != len(types) {
			err = fmt.Errorf("裸写 %s %d:写了 %d 个事件", c.id, c.n, tag.RowsAffected())
		}
		return err
	}, nil
}
