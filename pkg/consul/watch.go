package consul

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/time/rate"

	"xunguan/pkg/fault"
)

const (
	block = time.Minute            // a query waits so long for news
	keep  = 10 * time.Minute       // the last list, while Consul says nothing
	doubt = 30 * time.Second       // until an empty list is believed
	again = 100 * time.Millisecond // after a query that failed; twice that after the next
	most  = 10 * time.Second       // the longest of these
	burst = 5                      // queries at once about one service; beyond that one a second
)

var errHidden = errors.New("the token may not see the service: it needs service:read and node:read")

// Find is a peer.Lookup: where the healthy instances of service are. It follows
// the service from the first call on, which waits for Consul's answer. The
// slice is not to be changed. Faults: Unavailable.
func (a *Agent) Find(ctx context.Context, service string) ([]string, error) {
	w := a.watch(service)
	select {
	case <-ctx.Done():
		return nil, fault.Unavailable.Wrap(ctx.Err())
	case <-w.answered:
	}
	if at := w.list(time.Now()); len(at) > 0 {
		return at, nil
	}
	return nil, fault.Unavailable.Errorf("服务 %s 暂不可用", service)
}

// watch is the watch of service, which it starts if need be.
func (a *Agent) watch(service string) *watch {
	a.mu.Lock()
	defer a.mu.Unlock()
	w, ok := a.watches[service]
	if !ok {
		w = &watch{answered: make(chan struct{})}
		w.answer = sync.OnceFunc(func() { close(w.answered) })
		a.watches[service] = w
		a.follows.Go(func() { a.follow(w, service) })
	}
	return w
}

// follow keeps w current by blocking queries until the agent is closed.
func (a *Agent) follow(w *watch, service string) {
	defer w.answer()
	limit := rate.NewLimiter(1, burst) // an index that stays 0 does not block
	index, gap := uint64(0), again
	for limit.Wait(a.life) == nil {
		at, next, err := a.query(service, index)
		if a.life.Err() != nil {
			return
		}
		w.learn(at, err, time.Now())
		w.answer()
		if err == nil {
			index, gap = next, again
			continue
		}
		if gap == again {
			a.log.Warn("Consul does not say where a service is", "wanted", service, "err", err)
		}
		pause(a.life, gap)
		index, gap = 0, min(2*gap, most) // who answers next may be another Consul
	}
}

// query returns where service is and the index to ask with next. An index that
// goes backwards means that Consul lost its state: 0, which does not wait.
func (a *Agent) query(service string, index uint64) (at []string, next uint64, err error) {
	ctx, cancel := context.WithTimeout(a.life, block+block/8) // Consul adds up to a sixteenth
	defer cancel()
	q := &api.QueryOptions{WaitIndex: index, WaitTime: block}
	entries, meta, err := a.api.Health().Service(service, "", true, q.WithContext(ctx))
	if err != nil {
		return nil, 0, err
	}
	if len(entries) == 0 && meta.ResultsFilteredByACLs {
		return nil, 0, errHidden
	}
	for _, e := range entries {
		host := cmp.Or(e.Service.Address, e.Node.Address)
		at = append(at, net.JoinHostPort(host, strconv.Itoa(e.Service.Port)))
	}
	if meta.LastIndex < index {
		return at, 0, nil
	}
	return at, meta.LastIndex, nil
}

// watch is what is known of one service.
type watch struct {
	answered chan struct{} // closed when Consul has answered or failed once
	answer   func()        // closes it

	mu    sync.Mutex
	at    []string  // the last list that was not empty
	heard time.Time // when that was last confirmed
	none  time.Time // since when Consul says that there is no instance; zero: it does not
}

// learn takes in Consul's answer. An empty one is kept beside the last list: an
// agent that has just started gives it before it has probed anything. After an
// error emptiness has to be said anew.
func (w *watch) learn(at []string, err error, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
		w.none = time.Time{}
	case len(at) > 0:
		w.at, w.heard, w.none = at, now, time.Time{}
	case w.none.IsZero():
		w.none = now
	}
}

// list is the instances to try.
func (w *watch) list(now time.Time) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.heard) >= keep || !w.none.IsZero() && now.Sub(w.none) >= doubt {
		return nil
	}
	return w.at
}
