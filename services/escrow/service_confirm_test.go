package escrow

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// class is n paid contracts of n parents at institution, each with its first
// lessons taught.
func (h *house) class(institution string, n, lessons int) (ids []string) {
	h.t.Helper()
	for i := range n {
		v := h.paid(h.terms(func(t *Terms) { t.Institution, t.Parent = institution, fmt.Sprint("parent", i) }))
		for l := range lessons {
			h.taught(v.ID, l+1)
		}
		ids = append(ids, v.ID)
	}
	return ids
}

func (h *house) confirm(by, id string, n int) (LessonView, error) {
	return h.ConfirmLesson(h.as(by), ConfirmLesson{h.key(), LessonOf{id, n}})
}

// TestTogether is many who confirm at once: they share transactions, and what is
// wrong with one of them is no other's business.
func TestTogether(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	const families = 12
	ids := h.class("art", families, 2)
	used, again := ConfirmLesson{h.key(), LessonOf{ids[0], 1}}, ConfirmLesson{h.key(), LessonOf{ids[0], 1}}
	for _, req := range []ConfirmLesson{used, again} {
		must(h.ConfirmLesson(h.as("parent0"), req))(t)
	}
	type asked struct {
		name string
		f    func() error
		want fault.Kind
	}
	var all []asked
	for i, id := range ids {
		all = append(all, asked{"good", func() error { _, err := h.confirm(fmt.Sprint("parent", i), id, 2); return err }, ""})
	}
	all = append(all,
		asked{"said before", func() error { _, err := h.confirm("parent0", ids[0], 1); return err }, ""},
		asked{"the same request", func() error { _, err := h.ConfirmLesson(h.as("parent0"), again); return err }, ""},
		asked{"the same key, another request", func() error {
			_, err := h.ConfirmLesson(h.as("parent0"), ConfirmLesson{used.Key, LessonOf{ids[0], 2}})
			return err
		}, fault.KeyReused},
		asked{"not taught", func() error { _, err := h.confirm("parent1", ids[1], 3); return err }, fault.Conflict},
		asked{"no such lesson", func() error { _, err := h.confirm("parent1", ids[1], 99); return err }, fault.NotFound},
		asked{"no such contract", func() error { _, err := h.confirm("parent1", "x", 1); return err }, fault.NotFound},
		asked{"another's", func() error { _, err := h.confirm("parent1", ids[2], 1); return err }, fault.NotFound},
		asked{"the institution's", func() error { _, err := h.confirm("principal", ids[2], 1); return err }, fault.Forbidden},
		asked{"an official's", func() error { _, err := h.confirm("examiner", ids[2], 1); return err }, fault.NotFound},
		asked{"no key", func() error {
			_, err := h.ConfirmLesson(h.as("parent1"), ConfirmLesson{LessonOf: LessonOf{ids[1], 1}})
			return err
		}, fault.Invalid},
	)
	var g errgroup.Group
	for _, a := range all {
		g.Go(func() error {
			if err := a.f(); (a.want == "") != (err == nil) || (err != nil && !errors.Is(err, a.want)) {
				t.Errorf("%s: %v, want %q", a.name, err, a.want)
			}
			return nil
		})
	}
	_ = g.Wait()
	if n := h.count(`SELECT count(*) FROM transfers WHERE kind = 'post'`); n != families+1 {
		t.Errorf("%d posted, want %d", n, families+1)
	}
	if n := h.count(`SELECT count(DISTINCT xmin::text) FROM transfers WHERE kind = 'post'`); n > families/2 {
		t.Errorf("%d transactions for %d confirmations", n, families+1)
	}
	if n := h.count(`SELECT count(*) FROM (SELECT version - row_number() OVER (PARTITION BY key ORDER BY id) AS gap FROM outbox WHERE topic = $1) x WHERE gap <> 0`, ContractTopic); n != 0 {
		t.Errorf("%d events are out of their contract's order", n)
	}
	h.sound()
}

// TestNobodyWaitsForAnother is a contract that somebody has locked, and an account:
// who needs neither is answered meanwhile.
func TestNobodyWaitsForAnother(t *testing.T) {
	t.Parallel()
	for _, lock := range []string{
		`SELECT FROM contracts WHERE id = $1 FOR UPDATE`,
		`SELECT FROM balances WHERE contract_id = $1 FOR UPDATE`,
	} {
		h := newHouse(t, "2026-03-02")
		ids := h.class("art", 6, 1)
		locked, release := make(chan struct{}), make(chan struct{})
		var g errgroup.Group
		g.Go(func() error {
			_, err := inTx(pg.Worker(t.Context(), "test"), h, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), lock, ids[0])
				close(locked)
				<-release
				return err
			})
			return err
		})
		<-locked
		first := make(chan error, 1)
		go func() { _, err := h.confirm("parent0", ids[0], 1); first <- err }()
		for i, id := range ids[1:] {
			if _, err := h.confirm(fmt.Sprint("parent", i+1), id, 1); err != nil {
				t.Errorf("%s: %v", lock, err)
			}
		}
		select {
		case err := <-first:
			t.Errorf("%s: it was not waited for: %v", lock, err)
		default:
		}
		close(release)
		if err := errors.Join(<-first, g.Wait()); err != nil {
			t.Errorf("%s: %v", lock, err)
		}
		h.sound()
	}
}

// TestGroupLeavesOutWhatIsLocked is one group with two contracts, of which somebody
// has one locked: the other is confirmed, and this one is left.
func TestGroupLeavesOutWhatIsLocked(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	ids := h.class("art", 2, 1)
	var group []*confirming
	for i, id := range ids {
		ctx, req := h.as(fmt.Sprint("parent", i)), ConfirmLesson{h.key(), LessonOf{id, 1}}
		group = append(group, &confirming{
			ctx: ctx, by: auth.From(ctx), call: must(once.NewCall(ctx, req))(t), lessons: []lessonAt{{id, 1}},
			say: func(all []outcome) ([]byte, error) { return []byte("{}"), all[0].err },
		})
	}
	h.work(func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `SELECT FROM contracts WHERE id = $1 FOR UPDATE`, ids[0]); err != nil {
			return err
		}
		left, err := h.confirmTogether(group, false)
		if err != nil || len(left) != 1 || left[0] != group[0] {
			t.Errorf("%d were left, %v; want the first", len(left), err)
		}
		return nil
	})
	if n := h.count(`SELECT count(*) FROM lessons WHERE state = 'CONFIRMED' AND contract_id = $1`, ids[1]); n != 1 || h.facts("LessonConfirmed") != 1 {
		t.Errorf("%d lessons of the other are confirmed", n)
	}
	h.sound()
}

// lane is groups whose writing a test begins and ends, in a bubble of its own time.
type lane struct {
	groups
	begun   chan int // how many requests each group has
	end     chan struct{}
	callers errgroup.Group
}

// inLane runs f, and then ends all groups; none may be left.
func inLane(t *testing.T, f func(*testing.T, *lane)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lane{begun: make(chan int, 10), end: make(chan struct{})}
		f(t, l)
		close(l.end)
		if err := l.callers.Wait(); err != nil {
			t.Error(err)
		}
		time.Sleep(groupGather) // one that gathers finds that nobody is left
		synctest.Wait()
		if l.running != 0 || len(l.waiting) != 0 {
			t.Errorf("%d groups run on, %d wait", l.running, len(l.waiting))
		}
	})
}

// come is a request for so many lessons.
func (l *lane) come(t *testing.T, lessons int) {
	c := &confirming{lessons: make([]lessonAt, lessons), done: make(chan struct{})}
	l.callers.Go(func() error {
		return l.do(t.Context(), c, func(group []*confirming) {
			l.begun <- len(group)
			<-l.end
			for _, c := range group {
				close(c.done)
			}
		})
	})
}

// begins fails the test unless the next group has n requests, and begins after so long.
func (l *lane) begins(t *testing.T, n int, after time.Duration) {
	t.Helper()
	asked := time.Now()
	if got := <-l.begun; got != n || time.Since(asked) != after {
		t.Errorf("%d began after %s, want %d after %s", got, time.Since(asked), n, after)
	}
}

// TestGroups is the gathering alone: who comes to an idle lane goes at once; who
// comes meanwhile goes together, beside it if that is worth it, and if not waits no
// longer than groupWait.
func TestGroups(t *testing.T) {
	t.Parallel()
	inLane(t, func(t *testing.T, l *lane) {
		l.come(t, 1)
		l.begins(t, 1, 0)
		l.come(t, groupWorth)
		l.begins(t, 1, 0)
		l.usual = 0
		for range 5 {
			l.come(t, groupWorth)
		}
		l.begins(t, 5, groupWait-groupGather) // no group has ended: it begins because it is late
	})
}

// TestGroupGathers is callers who came together and come together again: they are
// one group, though the first of them found an idle lane. Who comes alone afterwards
// waits for them once.
func TestGroupGathers(t *testing.T) {
	t.Parallel()
	inLane(t, func(t *testing.T, l *lane) {
		l.usual = 3
		for range 3 {
			l.come(t, 1)
		}
		l.begins(t, 3, 0)
	})
	inLane(t, func(t *testing.T, l *lane) {
		l.usual = 3
		l.come(t, 1)
		l.begins(t, 1, groupGather)
		if l.usual != 1 {
			t.Errorf("the next one waits for %d", l.usual)
		}
	})
}

// TestGroupsMerge is two callers who took turns: who has just been answered comes
// again, and is waited for a moment, so that they go together from then on. A whole
// group waits for nobody.
func TestGroupsMerge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ lessons, together int }{{1, 2}, {groupRows, 1}} {
		inLane(t, func(t *testing.T, l *lane) {
			l.come(t, 1)
			l.begins(t, 1, 0)
			l.come(t, groupWorth)
			l.begins(t, 1, 0)
			l.come(t, tt.lessons) // waits for one of the two
			synctest.Wait()
			l.end <- struct{}{}
			time.Sleep(groupGather / 2)
			l.come(t, 1)
			l.begins(t, tt.together, 0)
		})
	}
}

// TestConfirmLessons is a week's confirmation: a result for each lesson, and the
// same for the same key.
func TestConfirmLessons(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	a := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen = 4, 1003 })).ID
	flagged := h.paid(h.terms(func(t *Terms) { t.Lessons, t.Pupil, t.PriceFen = 61, "小寒", 61000 })).ID
	foreign := h.paid(h.terms(func(t *Terms) { t.Parent = "parent2" })).ID
	for n := range 4 {
		h.taught(a, n+1)
	}
	h.taught(flagged, 1)
	h.taught(foreign, 1)
	req := ConfirmLessons{h.key(), []LessonRef{{a, 4}, {a, 1}, {foreign, 1}, {flagged, 1}, {a, 1}, {flagged, 2}, {a, 9}, {a, 2}}}
	got := must(h.ConfirmLessons(h.as("parent"), req))(t)
	var short []string
	for _, i := range got.Items {
		if i.Problem != nil {
			short = append(short, i.Problem.Detail)
			continue
		}
		short = append(short, fmt.Sprint(i.Lesson.N, " ", i.Lesson.State, " ", i.Lesson.ReleasedFen))
	}
	want := []string{
		"4 CONFIRMED 253", "1 CONFIRMED 250", "合同不存在", "1 CONFIRMED 1000", "1 CONFIRMED 250", "课时当前状态为 SCHEDULED，不能进行 confirm", "课时不存在", "2 CONFIRMED 250",
	}
	if diff := cmp.Diff(want, short); diff != "" {
		t.Error(diff)
	}
	again := must(h.ConfirmLessons(h.as("parent"), req))(t)
	if diff := cmp.Diff(asJSON(t, got), asJSON(t, again)); diff != "" {
		t.Errorf("the same request again: %s", diff)
	}
	if _, err := h.ConfirmLessons(h.as("parent"), ConfirmLessons{req.Key, req.Lessons[:1]}); !errors.Is(err, fault.KeyReused) {
		t.Errorf("another request under the same key: %v", err)
	}
	if n := h.facts("FundsReleased"); n != 4 || h.released() != 1753 {
		t.Errorf("%d facts, %d released", n, h.released())
	}
	if v := h.contract("parent", flagged); v.OpenFlags != 0 {
		t.Errorf("the flag on 61 lessons stands after one was given: %+v", v.Flags)
	}
	h.sound()
}

// TestSameRequestTogether is one request twenty times at once, of several lessons.
func TestSameRequestTogether(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	id := h.class("art", 1, 3)[0]
	req := ConfirmLessons{once.Key{IdempotencyKey: "the-same-key"}, []LessonRef{{id, 1}, {id, 2}, {id, 3}}}
	ok, others := race(func(int) error { _, err := h.ConfirmLessons(h.as("parent0"), req); return err })
	if n := h.facts("FundsReleased"); ok < 1 || ok+others[fault.InFlight] != 20 || n != 3 {
		t.Errorf("%d answered, %v, %d released", ok, others, n)
	}
	h.sound()
}
