package peer

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"xunguan/pkg/fault"
)

// What a peer may be asked again: after a first attempt twice, and in all for
// every tenth call, beyond a few at once.
const (
	retries = 2
	pause   = 200 * time.Millisecond // at most, before the first retry; twice that before the next
	earned  = 0.1                    // retries, by each call
	saved   = 10                     // retries, at most
)

// budget is the retries that a peer's calls have earned. When all fail it is
// soon spent, and nobody is asked more than he can bear.
type budget struct {
	mu   sync.Mutex
	left float64
}

func (b *budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = min(b.left+earned, saved)
}

func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// later is an answer that says when to ask again.
type later struct {
	error
	after time.Duration
}

func (l later) Unwrap() error { return l.error }

// refusal is what resp, of 400 or more, says.
func refusal(resp *http.Response) error {
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	refused := fault.FromHTTP(resp)
	if err != nil || seconds < 0 {
		return refused
	}
	return later{refused, time.Duration(seconds) * time.Second}
}

// mayRepeat reports whether r may be asked again, now that it failed with err.
// Who is called by a peer leaves that to the peer: retries of retries multiply.
func (p *peer) mayRepeat(r *http.Request, err error) bool {
	return r.Context().Value(called{}) == nil && passing(err) && repeatable(r) && p.budget.spend()
}

// passing reports whether asking again may help.
func passing(err error) bool {
	return errors.Is(err, fault.InFlight) || errors.Is(err, fault.Unavailable) && !open(err) && !errors.Is(err, errLate)
}

// repeatable reports whether sending r twice does what sending it once does.
func repeatable(r *http.Request) bool {
	if r.Body != nil && r.Body != http.NoBody && r.GetBody == nil {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return r.Header.Get("Idempotency-Key") != ""
}

// wait waits for as long as err says, and any part of d. It returns false at
// once if ctx would end meanwhile.
func wait(ctx context.Context, d time.Duration, err error) bool {
	d = rand.N(d) //nolint:gosec // jitter needs no secret
	if l, ok := errors.AsType[later](err); ok {
		d += l.after
	}
	if until, ok := ctx.Deadline(); ok && time.Until(until) <= d+least {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
