package kit

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/kit/endpoint"

	"xunguan/pkg/fault"
	"xunguan/pkg/metric"
	"xunguan/pkg/peer"
)

// Class says who goes first when there is more to do than can be done.
type Class int

// The classes, the last first to be refused.
const (
	Reports Class = iota // what can be looked up later
	Open                 // the public
	Staff                // officials, institutions and families
	Money
	classes
)

// String is c as the figures name it.
func (c Class) String() string { return [classes]string{"reports", "public", "staff", "money"}[c] }

// share is how much of the limit c may fill.
func (c Class) share() float64 { return [classes]float64{0.5, 0.75, 0.9, 1}[c] }

const (
	most     = 64 // requests of an API under way
	deadline = 5 * time.Second
	queueing = 100 * time.Millisecond // that a request waits for room, at most
	hurried  = 20 * time.Millisecond  // the same when somebody has always been waiting for as long as queueing: it is no burst
	slow     = time.Second            // a request that takes longer says that there is too much to do
	fewest   = 4                      // requests under way, however slow
)

var shed = metric.HTTPShed.Counter()

var errFull = fault.Unavailable.Errorf("当前办理人数过多，请稍后再试")

// limiter bounds the requests under way. The bound shrinks while requests are
// slow and grows again up to most. A few may wait for room; the highest class
// gets it.
type limiter struct {
	most int

	mu      sync.Mutex
	limit   float64
	busy    int
	waiting [classes][]chan struct{} // closed when their turn has come
	free    time.Time                // when nobody was waiting last
	shrunk  time.Time
}

func newLimiter(most int) *limiter { return &limiter{most: most, limit: float64(most)} }

// enter returns nil when a request of class c may begin, which must then leave.
func (l *limiter) enter(ctx context.Context, c Class) error {
	turn, wait, err := l.queue(c)
	if turn == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		return l.giveUp(c, turn)
	}
}

// queue returns the turn that a request of class c has to wait for, and how long;
// nil if there is nothing to wait for.
func (l *limiter) queue(c Class) (turn chan struct{}, wait time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	queued, now := l.queued(), time.Now()
	if queued == 0 {
		l.free = now
	}
	switch {
	case l.room(c):
		l.busy++
		return nil, 0, nil
	case queued >= l.most/4:
		return nil, 0, errFull
	case now.Sub(l.free) > queueing:
		wait = hurried
	default:
		wait = queueing
	}
	turn = make(chan struct{})
	l.waiting[c] = append(l.waiting[c], turn)
	return turn, wait, nil
}

// giveUp takes turn out of the queue, unless it has come meanwhile.
func (l *limiter) giveUp(c Class, turn chan struct{}) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.Index(l.waiting[c], turn)
	if at < 0 {
		return nil
	}
	l.waiting[c] = slices.Delete(l.waiting[c], at, at+1)
	return errFull
}

// leave ends a request that took so long, and lets in who waits.
func (l *limiter) leave(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch now := time.Now(); {
	case took > slow && now.Sub(l.shrunk) >= queueing: // one in a crowd of slow ones counts
		l.limit, l.shrunk = max(fewest, l.limit*0.8), now
	case took <= slow && float64(l.busy) >= l.limit/2: // who is not pressed learns nothing
		l.limit = min(float64(l.most), l.limit+1/l.limit)
	}
	l.busy--
	for c := Money; c >= Reports; c-- {
		for len(l.waiting[c]) > 0 && l.room(c) {
			close(l.waiting[c][0])
			l.waiting[c] = l.waiting[c][1:]
			l.busy++
		}
	}
}

func (l *limiter) room(c Class) bool { return float64(l.busy) < max(1, l.limit*c.share()) }

func (l *limiter) queued() (n int) {
	for _, w := range l.waiting {
		n += len(w)
	}
	return n
}

// admitted lets a request of r begin if there is room and its caller will still
// wait for the answer. What it refuses has cost nothing, and is counted but not
// logged.
func (a *API) admitted(r RouteInfo) endpoint.Middleware {
	return func(next endpoint.Endpoint) endpoint.Endpoint {
		return func(ctx context.Context, req any) (any, error) {
			hr := req.(*http.Request)
			start := time.Now()
			ctx, cancel, err := peer.Arrive(hr.WithContext(ctx), cmp.Or(r.Within, a.Deadline, deadline))
			if err == nil {
				defer cancel()
				err = a.limiter.enter(ctx, r.Class)
			}
			if err != nil {
				shed.Add(hr.Context(), 1, metric.Label("class", r.Class.String()))
				return nil, err
			}
			defer func() { a.limiter.leave(time.Since(start)) }()
			return next(ctx, req)
		}
	}
}

// observe reports how busy a is.
func (a *API) observe() {
	metric.HTTPUnderWay.Observe(func(_ context.Context, report metric.Report) error {
		a.limiter.mu.Lock()
		defer a.limiter.mu.Unlock()
		report(int64(a.limiter.busy))
		return nil
	})
	metric.HTTPLimit.Observe(func(_ context.Context, report metric.Report) error {
		a.limiter.mu.Lock()
		defer a.limiter.mu.Unlock()
		report(int64(a.limiter.limit))
		return nil
	})
}
