package kit

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"xunguan/pkg/fault"
)

// plant is what works behind a limiter: so many at a time, each for so long.
type plant struct {
	l     *limiter
	seats chan struct{}
	work  time.Duration

	mu       sync.Mutex
	good     map[Class]int
	bad      map[Class]int
	rejected []time.Duration
}

func newPlant(seats int, work time.Duration) *plant {
	return &plant{l: newLimiter(most), seats: make(chan struct{}, seats), work: work, good: map[Class]int{}, bad: map[Class]int{}}
}

// call is one request. Good is an answer within the deadline.
func (p *plant) call(c Class) {
	start := time.Now()
	err := p.l.enter(context.Background(), c)
	if err == nil {
		p.seats <- struct{}{}
		time.Sleep(p.work)
		<-p.seats
		p.l.leave(time.Since(start))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		p.bad[c]++
		p.rejected = append(p.rejected, time.Since(start))
	case time.Since(start) <= deadline:
		p.good[c]++
	}
}

// load sends requests of classes in turn, one each gap, for d.
func (p *plant) load(d, gap time.Duration, cs ...Class) {
	for n := 0; time.Duration(n)*gap < d; n++ {
		go p.call(cs[n%len(cs)])
		time.Sleep(gap)
	}
	time.Sleep(2 * deadline) // until the last is done
	synctest.Wait()
}

// TestOverload is three times more than can be done: as much gets done as
// without, what is refused is refused fast, and who matters more gets more.
func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(8, 20*time.Millisecond) // 400/s
		const d = 30 * time.Second
		p.load(d, time.Second/1200, Money, Staff, Open, Reports)
		peak, done := 400*int(d/time.Second), p.good[Money]+p.good[Staff]+p.good[Open]+p.good[Reports]
		if done < peak*8/10 {
			t.Errorf("%d done, want at least 80 %% of %d", done, peak)
		}
		slices.Sort(p.rejected)
		if p99 := p.rejected[len(p.rejected)*99/100]; p99 > 50*time.Millisecond {
			t.Errorf("refusals take %v (p99), want at most 50 ms", p99)
		}
		if p.good[Money] <= p.good[Staff] || p.good[Staff] < p.good[Open] || p.good[Open] < p.good[Reports] {
			t.Errorf("done by class: %v", p.good)
		}
		t.Logf("done %v, refused %v, p99 of refusals %v", p.good, p.bad, p.rejected[len(p.rejected)*99/100])
		p.good, p.bad = map[Class]int{}, map[Class]int{}
		p.load(10*time.Second, time.Second/200, Money, Staff, Open, Reports)
		if len(p.bad) != 0 {
			t.Errorf("back to normal, and still refused: %v", p.bad)
		}
	})
}

// TestLimitFollowsSpeed is a database that gets slow, and fast again.
func TestLimitFollowsSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(4, time.Second) // 4/s: 64 under way would take 16 s each
		p.load(time.Minute, 50*time.Millisecond, Money)
		if p.l.limit > 8 {
			t.Errorf("%.0f under way although it is slow", p.l.limit)
		}
		if good := p.good[Money]; good < 4*60*8/10 {
			t.Errorf("%d answered in time while it was slow, want 80 %% of %d", good, 4*60)
		}
		p.work = 5 * time.Millisecond
		p.load(10*time.Second, time.Millisecond, Money)
		if p.l.limit < 16 {
			t.Errorf("%.0f under way although it is fast again", p.l.limit)
		}
	})
}

func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(8)
		for range 8 {
			if err := l.enter(t.Context(), Money); err != nil {
				t.Fatal(err)
			}
		}
		var order []Class
		for _, c := range []Class{Staff, Money} { // two is all that may wait
			go func() {
				if l.enter(t.Context(), c) == nil {
					order = append(order, c)
				}
			}()
			synctest.Wait()
		}
		start := time.Now()
		if err := l.enter(t.Context(), Money); !errors.Is(err, fault.Unavailable) || time.Since(start) != 0 {
			t.Errorf("a full queue: %v after %v, want unavailable at once", err, time.Since(start))
		}
		l.leave(0)
		synctest.Wait()
		if !slices.Equal(order, []Class{Money}) {
			t.Errorf("let in: %v, want money first", order)
		}
		start = time.Now()
		if err := l.enter(t.Context(), Money); !errors.Is(err, fault.Unavailable) || time.Since(start) != queueing {
			t.Errorf("no room: %v after %v, want unavailable after %v", err, time.Since(start), queueing)
		}
		synctest.Wait()
		if l.queued() != 0 || l.busy != 8 {
			t.Errorf("%d wait and %d are under way, want 0 and 8", l.queued(), l.busy)
		}
	})
}
