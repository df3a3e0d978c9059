package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"xunguan/pkg/event"
)

const (
	peakCallers = 64  // as many as find out what escrow can do
	underWay    = 768 // requests at most in the open loop, which escrow's refusals keep from being reached
	tooMany     = 3   // times what it can do
)

// overload is more confirmations than escrow can do.
type overload struct {
	confirm
	work   work
	tokens map[string]http.Header
	ready  chan *caller // with a lesson to confirm; a refused one comes back
}

// openOverload prepares the lessons.
func openOverload(ctx context.Context, c *CLI, s *suite) (m *overload, end func(), err error) {
	m = &overload{confirm: confirm{length: c.length(10), suite: s}, ready: make(chan *caller, underWay)}
	if end, err = m.connect(ctx, underWay/8); err != nil {
		return nil, nil, err
	}
	m.http.Transport = &http.Transport{MaxIdleConnsPerHost: underWay}
	m.work.add(c.Runs*4*int((m.length+warmUp).Seconds())*4000/lessons+2*underWay, 1, 100, "")
	m.tokens, err = m.confirm.tokens()
	if err == nil {
		err = m.fill(ctx, &m.work)
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	for range underWay {
		var c caller
		if err := m.work.next(&c); err != nil {
			end()
			return nil, nil, err
		}
		m.ready <- &c
	}
	return m, end, nil
}

// try confirms one lesson, and reports whether it was refused for want of room.
func (m *overload) try(ctx context.Context) (refused bool, err error) {
	c := <-m.ready
	refused, err = m.once(ctx, m.service, c, m.tokens[c.class[0].parent])
	if err == nil && !refused {
		err = m.work.next(c)
	}
	m.ready <- c
	return refused, err
}

// run measures once: the peak, half of it, three times as much, and half again.
func (m *overload) run(ctx context.Context, r *report) error {
	if err := event.Drained(ctx, m.db); err != nil {
		return err
	}
	say("过载:先量峰值")
	peak, _, err := closed(ctx, peakCallers, m.length, func(ctx context.Context, _ int) (err error) {
		for refused := true; refused && err == nil; {
			refused, err = m.try(ctx)
		}
		return err
	})
	if err != nil {
		return err
	}
	r.add("overload.peak", fmt.Sprintf("课消 HTTP 峰值,%d 个调用者", peakCallers), "课时/s", peak)
	before, err := m.at(ctx, peak/2)
	if err != nil {
		return err
	}
	normal := quantile(before.good(), 0.99)
	r.add("overload.before.p99", "  峰值一半时 p99", "ms", normal)
	say("过载:每秒 %.0f 个,是峰值的 %d 倍", tooMany*peak, tooMany)
	over, err := m.at(ctx, tooMany*peak)
	if err != nil {
		return err
	}
	r.add("overload.goodput", fmt.Sprintf("  %d 倍于峰值:办成", tooMany), "课时/s", float64(len(over.good()))/over.lasted().Seconds())
	r.ratio("overload.ratio", "    ÷ 峰值", []string{"overload.goodput"}, []string{"overload.peak"})
	r.add("overload.asked", "    实际发出", "个/s", float64(len(over.took))/over.lasted().Seconds())
	r.add("overload.good.p99", "    办成的 p99", "ms", quantile(over.good(), 0.99))
	r.add("overload.refused.p99", "    被拒的 p99", "ms", quantile(over.refusals(), 0.99))
	after, err := m.at(ctx, peak/2)
	if err != nil {
		return err
	}
	r.add("overload.normal", "    此后恢复常态(每秒的 p99 ≤ 2 × 之前,且无拒绝)", "s", after.normalAfter(2*normal))
	return nil
}

// calls is what became of the calls of an open loop: when each was sent, how long
// it took and whether it was refused.
type calls struct {
	began   time.Time
	ended   time.Time
	mu      sync.Mutex
	sent    []time.Time
	took    []time.Duration
	refused []bool
}

// at sends so many calls a second.
func (m *overload) at(ctx context.Context, rate float64) (*calls, error) {
	c := &calls{began: time.Now()}
	_, _, err := paced(ctx, rate, underWay, m.length, func(ctx context.Context, _ int) error {
		sent := time.Now()
		refused, err := m.try(ctx)
		if err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sent, c.took, c.refused = append(c.sent, sent), append(c.took, time.Since(sent)), append(c.refused, refused)
		return nil
	})
	c.ended = time.Now()
	return c, err
}

func (c *calls) lasted() time.Duration { return c.ended.Sub(c.began) }

func (c *calls) which(refused bool) (took []time.Duration) {
	for i, t := range c.took {
		if c.refused[i] == refused {
			took = append(took, t)
		}
	}
	return took
}

func (c *calls) good() []time.Duration { return c.which(false) }

func (c *calls) refusals() []time.Duration { return c.which(true) }

// normalAfter is the seconds until the calls sent in each second that follows were
// all served, with a p99 of at most that many ms; all of them if that never came.
func (c *calls) normalAfter(p99 float64) float64 {
	seconds := make([][]time.Duration, int(c.lasted().Seconds())+1)
	bad := make([]bool, len(seconds))
	for i, at := range c.sent {
		n := int(at.Sub(c.began).Seconds())
		seconds[n], bad[n] = append(seconds[n], c.took[i]), bad[n] || c.refused[i]
	}
	for n, took := range slices.Backward(seconds) {
		if bad[n] || len(took) > 0 && quantile(took, 0.99) > p99 {
			return float64(n + 1)
		}
	}
	return 0
}
