package app

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"xunguan/pkg/event"
	"xunguan/pkg/fault"
)

const (
	asking   = 5 * time.Second // one look at the topics
	askAgain = time.Second     // after one that got no answer
)

// Topics refuses a cluster that does not keep the topics as declared. A cluster
// that is away is not waited for: with an outbox a service starts without it. It is
// asked again until it answers, and a wrong one stops the service then.
func (a *App) Topics(ctx context.Context, c event.Cluster) error {
	check := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, asking)
		defer cancel()
		return c.Check(ctx)
	}
	err := check(ctx)
	if err == nil || errors.Is(err, event.ErrTopics) {
		return err
	}
	a.Log.WarnContext(ctx, "topics are not checked yet", "err", err)
	var checked atomic.Bool
	a.Report("topics", func(context.Context) error {
		if !checked.Load() {
			return fault.Unavailable
		}
		return nil
	})
	a.Go(func(ctx context.Context) error {
		for err := check(ctx); err != nil; err = check(ctx) {
			if errors.Is(err, event.ErrTopics) {
				return err
			}
			if !pause(ctx, askAgain) {
				return nil
			}
		}
		checked.Store(true)
		<-ctx.Done()
		return nil
	})
	return nil
}
