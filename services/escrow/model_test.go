package escrow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"xunguan/pkg/due"
	"xunguan/pkg/fault"
)

// model is what a contract is to its parties: the rules again, as short as can be,
// without a database, a ledger or anybody else.
type model struct {
	ID       string
	Lessons  []string
	fees     []Fen
	refunds  []askedBack
	Held     Fen
	Earned   Fen
	Refunded Fen
}

type askedBack struct {
	id      string
	lessons []int
	paid    bool
}

func (m *model) open() bool {
	return m.Held > 0 || slices.ContainsFunc(m.Lessons, func(s string) bool { return s != confirmed && s != refunded && s != cancelled })
}

func (m *model) lesson(n int, from []string, to string) error {
	if !slices.Contains(from, m.Lessons[n]) {
		return fault.Conflict
	}
	m.Lessons[n] = to
	return nil
}

func (m *model) confirm(n int) error {
	if m.Lessons[n] == confirmed { // the same answer again
		return nil
	}
	err := m.lesson(n, []string{taught, disputed}, confirmed)
	if err == nil {
		m.Held, m.Earned = m.Held-m.fees[n], m.Earned+m.fees[n]
	}
	return err
}

// ask sets aside lessons from the end until n paid ones are among them.
func (m *model) ask(n int) error {
	var taken []int
	fees := 0
	for i := len(m.Lessons) - 1; i >= 0 && fees < n; i-- {
		if m.Lessons[i] == scheduled {
			taken = append(taken, i)
			if m.fees[i] > 0 {
				fees++
			}
		}
	}
	switch {
	case fees == 0:
		return fault.Conflict
	case fees < n:
		return fault.Invalid
	}
	for _, i := range taken {
		m.Lessons[i] = refunding
	}
	m.refunds = append(m.refunds, askedBack{lessons: taken})
	return nil
}

func (m *model) agree(i int) error {
	if m.refunds[i].paid {
		return fault.Conflict
	}
	m.refunds[i].paid = true
	for _, n := range m.refunds[i].lessons {
		m.Held, m.Refunded = m.Held-m.fees[n], m.Refunded+m.fees[n]
		m.Lessons[n] = refunded
		if m.fees[n] == 0 {
			m.Lessons[n] = cancelled
		}
	}
	return nil
}

// walker is one of the goroutines: it plays contracts of its own, one after the
// other, against the service and against the model.
type walker struct {
	*house
	dice   *rand.Rand
	past   []*model
	parent string
}

// begin pays for a new contract, whose price is chosen so that remainders occur.
func (p *walker) begin(round int) *model {
	lessons, gifts := 1+p.dice.IntN(8), p.dice.IntN(3)
	price := Fen(lessons) + Fen(p.dice.IntN(100000))
	institution := []string{"art", "maths"}[p.dice.IntN(2)]
	v := p.paid(p.terms(func(t *Terms) {
		t.Institution, t.Parent, t.Pupil = institution, p.parent, fmt.Sprint("学员", round%3) // baskets of several
		t.Lessons, t.GiftLessons, t.PriceFen = lessons, gifts, price
		if lessons+gifts == 1 {
			t.LastLesson = t.FirstLesson
		}
	}))
	m := &model{ID: v.ID, fees: append(lessonFees(price, lessons), make([]Fen, gifts)...), Held: price}
	for range m.fees {
		m.Lessons = append(m.Lessons, scheduled)
	}
	p.past = append(p.past, m)
	return m
}

// step takes one random step in both worlds; they must agree whether it may be
// taken, and if not, why.
func (p *walker) step(m *model) error {
	n := p.dice.IntN(len(m.Lessons))
	at, parent, manager := LessonOf{m.ID, n + 1}, p.as(p.parent), p.as("principal")
	var want, got error
	var what string
	switch die := p.dice.IntN(12); {
	case die < 4:
		what, want = "teach", m.lesson(n, []string{scheduled}, taught)
		_, got = p.TeachLesson(manager, TeachLesson{Key: p.key(), LessonOf: at})
	case die < 8:
		what, want = "confirm", m.confirm(n)
		req := ConfirmLesson{p.key(), at}
		var first LessonView
		if first, got = p.ConfirmLesson(parent, req); got == nil && die == 4 {
			again, err := p.ConfirmLesson(parent, req)
			if diff := cmp.Diff(asJSON(p.t, first), asJSON(p.t, again)); diff != "" || err != nil {
				return fmt.Errorf("the same request again: %w %s", err, diff)
			}
		}
	case die == 8:
		what, want = "dispute", m.lesson(n, []string{taught}, disputed)
		_, got = p.DisputeLesson(parent, DisputeLesson{p.key(), at, "x"})
	case die == 9:
		what, want = "withdraw", m.lesson(n, []string{disputed}, scheduled)
		_, got = p.WithdrawLesson(manager, WithdrawLesson{p.key(), at, "x"})
	case die == 10:
		k := 1 + p.dice.IntN(3)
		what, want = "ask", m.ask(k)
		r, err := p.RequestRefund(parent, RequestRefund{Key: p.key(), Contract: m.ID, Lessons: k, Reason: "x"})
		if got = err; want == nil {
			m.refunds[len(m.refunds)-1].id = r.ID
		}
	case len(m.refunds) > 0:
		i := p.dice.IntN(len(m.refunds))
		what, want = "agree", m.agree(i)
		_, got = p.AgreeRefund(manager, AgreeRefund{p.key(), m.refunds[i].id})
	}
	if (want == nil) != (got == nil) || !errors.Is(got, want) {
		return fmt.Errorf("%s lesson %d of %+v: %w, the model says %w", what, n+1, m, got, want)
	}
	return nil
}

// TestAgainstModel is random steps by 16 goroutines, while payouts are held and
// resumed and everything is added up. ESCROW_STEPS is how many; ESCROW_SEED repeats
// each goroutine's dice.
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	steps := setting(t, "ESCROW_STEPS", 3000)
	seed := setting(t, "ESCROW_SEED", rand.Uint64()) //nolint:gosec // dice
	t.Logf("ESCROW_SEED=%d ESCROW_STEPS=%d", seed, steps)
	h := newHouse(t, "2026-03-02")
	players := make([]*walker, 16)
	var over atomic.Bool
	var play, watch errgroup.Group
	for i := range players {
		p := &walker{house: h, dice: rand.New(rand.NewPCG(seed, uint64(i))), parent: fmt.Sprint("parent", i)} //nolint:gosec // dice
		players[i] = p
		play.Go(func() error {
			var m *model
			for range steps / 16 {
				if m == nil || !m.open() {
					m = p.begin(len(p.past))
				}
				if err := p.step(m); err != nil {
					return err
				}
			}
			return nil
		})
	}
	rounds, sums := 0, 0
	watch.Go(func() error { // payouts are held and resumed
		for ; !over.Load(); rounds++ {
			h.black(fmt.Sprint("case-", rounds), "art")
			h.removed(fmt.Sprint("case-", rounds), "art")
			if _, err := (&due.Clockwork{DB: h.DB, Now: h.Now, Timers: []due.Timer{h.timer("payouts.resume")}}).Settle(context.WithoutCancel(t.Context())); err != nil {
				return err
			}
		}
		return nil
	})
	watch.Go(func() error { // and the whole ledger is added up
		for ; !over.Load(); sums++ {
			if n := h.count(`SELECT coalesce(sum(balance), 0) FROM balances`); n != 0 {
				return fmt.Errorf("all balances add up to %d", n)
			}
		}
		return nil
	})
	err := play.Wait()
	over.Store(true)
	if err := errors.Join(err, watch.Wait()); err != nil {
		t.Fatal(err)
	}
	h.settle()
	h.sound()
	agree(t, h, players)
	t.Logf("%d holds, added up %d times", rounds, sums)
}

// agree is that every contract is what its model says, in the service and in the ledger.
func agree(t *testing.T, h *house, players []*walker) {
	t.Helper()
	contracts, earned := 0, Fen(0)
	for _, p := range players {
		for _, m := range p.past {
			v := h.contract(p.parent, m.ID)
			got := model{ID: v.ID, Held: v.HeldFen, Earned: v.ReleasedFen, Refunded: v.RefundedFen}
			for _, l := range must(h.ListLessons(h.as(p.parent), ListLessons{Contract: m.ID}))(t).Items {
				got.Lessons = append(got.Lessons, l.State)
			}
			want := model{ID: m.ID, Held: m.Held, Earned: m.Earned, Refunded: m.Refunded, Lessons: m.Lessons}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(model{}, askedBack{})); diff != "" {
				t.Errorf("contract %s: %s", m.ID, diff)
			}
			if held := h.count(`SELECT -balance FROM balances WHERE contract_id = $1`, m.ID); Fen(held) != m.Held || (v.State == finished) == m.open() {
				t.Errorf("contract %s (%s) holds %d, want %d", m.ID, v.State, held, m.Held)
			}
			contracts, earned = contracts+1, earned+m.Earned
		}
	}
	if got := h.released(); got != int64(earned) {
		t.Errorf("%d released in all, want %d", got, earned)
	}
	t.Logf("%d contracts, %s released", contracts, earned.Yuan())
}

func setting[N int | uint64](t *testing.T, name string, otherwise N) N {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	return N(must(strconv.ParseUint(s, 10, 64))(t))
}
