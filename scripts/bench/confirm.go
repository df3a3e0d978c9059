package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
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
	"xunguan/services/escrow"
)

const (
	lessons       = 50 // of a contract
	parents       = 64
	classSize     = 100 // contracts of a class, for the confirmation of a week
	classCallers  = 8
	portalCallers = 8
	persona       = "parent" // whose session the portal's callers have
	told          = 2        // events of a confirmed lesson: LessonConfirmed, FundsReleased
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

// confirm is lesson confirmations in escrow's own database.
type confirm struct {
	length   time.Duration
	callers  []int
	suite    *suite
	service  string        // escrow's URL
	db       *pgxpool.Pool // the administrator's, in escrow's database
	consumer *pgxpool.Pool // inspection's database, who takes escrow's events
	http     *http.Client
	spread   work // over all institutions
	hot      work // of one institution
	classes  work // by the class
	portal   work // of the persona
}

// work is contracts whose lessons wait, in classes: of a class, a caller confirms
// the first lesson of every contract, then the second of every contract, and so on.
type work struct {
	classes [][]contract
	taken   atomic.Int64
}

type contract struct{ id, institution, parent string }

// caller is one caller's place in the work.
type caller struct {
	class []contract
	n     int // the lesson
}

// next moves c to the next lesson.
func (w *work) next(c *caller) error {
	if c.n%lessons == 0 {
		i := int(w.taken.Add(1)) - 1
		if i >= len(w.classes) {
			return errDry
		}
		*c = caller{class: w.classes[i]}
	}
	c.n++
	return nil
}

// openConfirm prepares as many lessons as the measurements can use.
func openConfirm(ctx context.Context, c *CLI, s *suite) (m *confirm, end func(), err error) {
	m = &confirm{length: c.length(5), callers: c.Callers, suite: s}
	end, err = m.connect(ctx, slices.Max(c.Callers))
	if err != nil {
		return nil, nil, err
	}
	if err := m.prepare(ctx, c.Runs); err != nil {
		end()
		return nil, nil, err
	}
	return m, end, nil
}

// connect readies m for most callers.
func (m *confirm) connect(ctx context.Context, most int) (end func(), err error) {
	s := m.suite
	service, err := s.process("escrow")
	if err != nil {
		return nil, err
	}
	server, err := s.process("postgresql")
	if err != nil {
		return nil, err
	}
	own, err := pgxpool.ParseConfig(service.Database)
	if err != nil {
		return nil, err
	}
	admin, err := pgxpool.ParseConfig(server.Database)
	if err != nil {
		return nil, err
	}
	admin.ConnConfig.Database, admin.MaxConns, admin.MinConns = own.ConnConfig.Database, int32(most), int32(most) //nolint:gosec // a few dozen
	if m.db, err = pgxpool.NewWithConfig(ctx, admin); err != nil {
		return nil, err
	}
	inspection, err := s.process("inspection")
	if err == nil {
		m.consumer, err = pgxpool.New(ctx, inspection.Database)
	}
	if err != nil {
		m.db.Close()
		return nil, err
	}
	m.service = service.HTTP
	m.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: most}, Timeout: 30 * time.Second}
	return func() { m.consumer.Close(); m.db.Close() }, nil
}

// prepare makes work for all runs.
func (m *confirm) prepare(ctx context.Context, runs int) error {
	each := runs * int((m.length + warmUp).Seconds()) // seconds of one measurement in all runs
	var spread int
	for _, n := range m.callers {
		spread += 2 * each * min(n*2000, 8000) / lessons
	}
	some := each * 8000 / lessons
	m.spread.add(spread+some, 1, 100, "")
	m.hot.add(some, 1, 1, "")
	m.classes.add(2*each*16000/lessons/classSize, classSize, 100, "")
	m.portal.add(each*2500/lessons, 1, 100, persona)
	return m.fill(ctx, &m.spread, &m.hot, &m.classes, &m.portal)
}

// fill makes the contracts of works.
func (m *confirm) fill(ctx context.Context, works ...*work) error {
	var all []contract
	for _, w := range works {
		all = append(all, slices.Concat(w.classes...)...)
	}
	say("准备 %d 份合同,每份 %d 课时待确认", len(all), lessons)
	for some := range slices.Chunk(all, 1000) {
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

// add adds n classes of size contracts each; each class is of one parent and of one
// of so many institutions.
func (w *work) add(n, size, institutions int, parent string) {
	for i := range n {
		c := contract{institution: fmt.Sprintf("bench-%d", i%institutions), parent: cmp.Or(parent, fmt.Sprintf("bench-parent-%d", i%parents))}
		var class []contract
		for range size {
			c.id = uuid.Must(uuid.NewV7()).String()
			class = append(class, c)
		}
		w.classes = append(w.classes, class)
	}
}

// run measures once.
func (m *confirm) run(ctx context.Context, r *report) error {
	direct, err := m.directly()
	if err != nil {
		return err
	}
	last := ""
	for _, n := range m.callers {
		last = fmt.Sprintf("confirm.%d", n)
		if err := m.against(ctx, r, last, fmt.Sprintf("课消 HTTP,%d 个调用者", n), n, &m.spread, direct); err != nil {
			return err
		}
	}
	if err := m.against(ctx, r, "confirm.class", fmt.Sprintf("课消 HTTP,每次 %d 课时,%d 个调用者", classSize, classCallers), classCallers, &m.classes, direct); err != nil {
		return err
	}
	most := m.callers[len(m.callers)-1]
	if err := m.measure(ctx, r, "confirm.hot", fmt.Sprintf("课消 HTTP,%d 个调用者,同一机构", most), most, told, &m.hot, direct); err != nil {
		return err
	}
	r.ratio("confirm.hot.ratio", "  ÷ 分散在 100 家", []string{"confirm.hot"}, []string{last + ".http"})
	if err := m.slowDisk(ctx, "1000", "0"); err != nil {
		return err
	}
	err = m.measure(ctx, r, "confirm.slow", fmt.Sprintf("课消 HTTP,%d 个调用者,每次落盘慢 1 ms", most), most, told, &m.spread, direct)
	if err := errors.Join(err, m.slowDisk(ctx, "0", "5")); err != nil {
		return err
	}
	r.ratio("confirm.slow.ratio", "  ÷ 不慢", []string{"confirm.slow"}, []string{last + ".http"})
	portal, err := m.throughPortal(ctx)
	if err != nil {
		return err
	}
	return m.measure(ctx, r, "confirm.portal.http", fmt.Sprintf("课消经门户(会话),%d 个调用者", portalCallers), portalCallers, told, &m.portal, portal)
}

// against measures w over HTTP and by the bare write, and compares them.
func (m *confirm) against(ctx context.Context, r *report, key, what string, n int, w *work, f func(context.Context, *caller) error) error {
	if err := m.measure(ctx, r, key+".http", what, n, told, w, f); err != nil {
		return err
	}
	write, err := m.barely(ctx)
	if err != nil {
		return err
	}
	if err := m.measure(ctx, r, key+".bare", fmt.Sprintf("  裸写,%d 个连接", n), n, 0, w, write); err != nil {
		return err
	}
	r.ratio(key+".ratio", "  HTTP ÷ 裸写", []string{key + ".http"}, []string{key + ".bare"})
	r.ratio(key+".p99.ratio", "  p99:HTTP ÷ 裸写", []string{key + ".http.p99"}, []string{key + ".bare.p99"})
	return nil
}

// slowDisk has PostgreSQL wait before each flush of its log, for so many µs, whoever
// else commits.
func (m *confirm) slowDisk(ctx context.Context, delay, siblings string) error {
	for _, sql := range []string{"ALTER SYSTEM SET commit_delay = " + delay, "ALTER SYSTEM SET commit_siblings = " + siblings, "SELECT pg_reload_conf()"} {
		if _, err := m.db.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// measure has n callers do some of w by f, which publishes so many events for each lesson.
func (m *confirm) measure(ctx context.Context, r *report, key, what string, n, events int, w *work, f func(context.Context, *caller) error) error {
	if err := event.Drained(ctx, m.db); err != nil { // what went before is still being published
		return err
	}
	say("%s", strings.TrimSpace(what))
	applied, err := m.applied(ctx)
	if err != nil {
		return err
	}
	before, err := m.suite.spent()
	if err != nil {
		return err
	}
	callers := make([]caller, n)
	var calls atomic.Int64
	rate, took, err := closed(ctx, n, m.length, func(ctx context.Context, i int) error {
		if err := w.next(&callers[i]); err != nil {
			return err
		}
		calls.Add(1)
		return f(ctx, &callers[i])
	})
	if err != nil {
		return err
	}
	if events > 0 {
		if err := m.settled(ctx, r, key, applied+int64(events*len(w.classes[0]))*calls.Load()); err != nil {
			return err
		}
	}
	after, err := m.suite.spent()
	if err != nil {
		return err
	}
	r.add(key, what, "课时/s", rate*float64(len(w.classes[0])))
	r.add(key+".p50", "    p50", "ms", quantile(took, 0.5))
	r.add(key+".p99", "    p99", "ms", quantile(took, 0.99))
	after.since(before).each(r, key, float64(calls.Load())*float64(len(w.classes[0])))
	return nil
}

// settled waits until the consumer of escrow's events has applied so many more than
// before, and notes how long that took.
func (m *confirm) settled(ctx context.Context, r *report, key string, want int64) error {
	began := time.Now()
	for ctx, cancel := context.WithTimeout(ctx, time.Minute); ; time.Sleep(20 * time.Millisecond) {
		got, err := m.applied(ctx)
		if err == nil && got < want {
			continue
		}
		cancel()
		if err != nil {
			return fmt.Errorf("一分钟后事件仍未全部生效:%w", err)
		}
		r.add(key+".settled", "    此后事件全部生效", "s", time.Since(began).Seconds())
		return nil
	}
}

// applied is how many events of escrow's its consumer has applied.
func (m *confirm) applied(ctx context.Context) (n int64, err error) {
	err = m.consumer.QueryRow(ctx, `SELECT coalesce(sum(last), 0)::bigint FROM progress WHERE topic = $1`, escrow.Topic).Scan(&n)
	return n, err
}

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
