package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// warmUp comes before each closed measurement.
const warmUp = time.Second

// errDry says that there is nothing left to do: the measurement ends early.
var errDry = errors.New("dry")

// closed has n callers call f, each one call after the other, for warmUp and then
// for d. It returns the calls a second and how long each took; what had not ended
// in time does not count.
func closed(ctx context.Context, n int, d time.Duration, f func(ctx context.Context, caller int) error) (rate float64, took []time.Duration, err error) {
	from := time.Now().Add(warmUp)
	until := from.Add(d)
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for caller := range n {
		g.Go(func() error {
			var mine []time.Duration
			defer func() { mu.Lock(); took = append(took, mine...); mu.Unlock() }()
			for {
				began := time.Now()
				err := f(ctx, caller)
				ended := time.Now()
				if err != nil || ended.After(until) {
					return err
				}
				if ended.After(from) {
					mine = append(mine, ended.Sub(began))
				}
			}
		})
	}
	if err = g.Wait(); errors.Is(err, errDry) {
		until, err = time.Now(), nil
	}
	return float64(len(took)) / until.Sub(from).Seconds(), took, err
}

// paced calls f so many times a second for d. It returns when each call was due,
// and when it was done. One that takes long delays no other while fewer than most
// are under way.
func paced(ctx context.Context, rate float64, most int, d time.Duration, f func(ctx context.Context, i int) error) (due, done []time.Time, err error) {
	n := int(rate * d.Seconds())
	due, done = make([]time.Time, n), make([]time.Time, n)
	start := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range most {
		g.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				due[i] = start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Until(due[i])):
				}
				if err := f(ctx, i); err != nil {
					return err
				}
				done[i] = time.Now()
			}
			return nil
		})
	}
	return due, done, g.Wait()
}

func between(from, to []time.Time) []time.Duration {
	d := make([]time.Duration, len(from))
	for i := range d {
		d[i] = to[i].Sub(from[i])
	}
	return d
}

// quantile is the least of d that q of them do not exceed, in milliseconds.
func quantile(d []time.Duration, q float64) float64 {
	if len(d) == 0 {
		return math.NaN()
	}
	slices.Sort(d)
	return d[max(0, int(math.Ceil(q*float64(len(d))))-1)].Seconds() * 1000
}
