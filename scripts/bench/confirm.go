package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/event"
)

const (
	lessons       = 50 // of a contract
	parents       = 64
	classSize     = 100 // contracts of a class, for the confirmation of a week
	classCallers  = 8
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

// confirm is lesson confirmations in escrow's own database.
type confirm struct {
	length  time.Duration
	callers []int
	suite   *suite
	service string        // escrow's URL
	db      *pgxpool.Pool // the administrator's, in escrow's database
	http    *http.Client
	spread  work // over all institutions
	hot     work // of one institution
	classes work // by the class
	portal  work // of the persona
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
	m.service = service.HTTP
	m.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: most}, Timeout: 30 * time.Second}
	return m.db.Close, nil
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
	if err := m.measure(ctx, r, "confirm.hot", fmt.Sprintf("课消 HTTP,%d 个调用者,同一机构", most), most, &m.hot, direct); err != nil {
		return err
	}
	r.ratio("confirm.hot.ratio", "  ÷ 分散在 100 家", []string{"confirm.hot"}, []string{last + ".http"})
	if err := m.slowDisk(ctx, "1000", "0"); err != nil {
		return err
	}
	err = m.measure(ctx, r, "confirm.slow", fmt.Sprintf("课消 HTTP,%d 个调用者,每次落盘慢 1 ms", most), most, &m.spread, direct)
	if err := errors.Join(err, m.slowDisk(ctx, "0", "5")); err != nil {
		return err
	}
	r.ratio("confirm.slow.ratio", "  ÷ 不慢", []string{"confirm.slow"}, []string{last + ".http"})
	portal, err := m.throughPortal(ctx)
	if err != nil {
		return err
	}
	return m.measure(ctx, r, "confirm.portal.http", fmt.Sprintf("课消经门户(会话),%d 个调用者", portalCallers), portalCallers, &m.portal, portal)
}

// against measures w over HTTP and by the bare write, and compares them.
func (m *confirm) against(ctx context.Context, r *report, key, what string, n int, w *work, f func(context.Context, *caller) error) error {
	if err := m.measure(ctx, r, key+".http", what, n, w, f); err != nil {
		return err
	}
	write, err := m.barely(ctx)
	if err != nil {
		return err
	}
	if err := m.measure(ctx, r, key+".bare", fmt.Sprintf("  裸写,%d 个连接", n), n, w, write); err != nil {
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

// measure has n callers do some of w by f.
func (m *confirm) measure(ctx context.Context, r *report, key, what string, n int, w *work, f func(context.Context, *caller) error) error {
	if _, err := m.settled(ctx); err != nil {
		return err
	}
	say("%s", strings.TrimSpace(what))
	before, err := m.suite.spent()
	if err != nil {
		return err
	}
	callers := make([]caller, n)
	var done atomic.Int64 // lessons, those while it warmed up, too
	size := int64(len(w.classes[0]))
	rate, took, err := closed(ctx, n, m.length, func(ctx context.Context, i int) error {
		if err := w.next(&callers[i]); err != nil {
			return err
		}
		defer done.Add(size)
		return f(ctx, &callers[i])
	})
	if err != nil {
		return err
	}
	settled, err := m.settled(ctx)
	if err != nil {
		return err
	}
	after, err := m.suite.spent()
	if err != nil {
		return err
	}
	r.add(key, what, "课时/s", rate*float64(size))
	r.add(key+".p50", "    p50", "ms", quantile(took, 0.5))
	r.add(key+".p99", "    p99", "ms", quantile(took, 0.99))
	r.add(key+".settled", "    此后事件全部发出", "s", settled.Seconds())
	after.since(before).each(r, key, float64(done.Load()))
	return nil
}

// settled waits until all events of lessons are with the broker, and returns how long
// that took. No service takes them: what each does is its own topics'.
func (m *confirm) settled(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := event.Drained(ctx, m.db); err != nil {
		return 0, fmt.Errorf("事件没有在一分钟内全部发出:%w", err)
	}
	return time.Since(began), nil
}
