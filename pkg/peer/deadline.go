package peer

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"xunguan/pkg/fault"
)

// timeLeft is the header that says how many milliseconds the caller will wait.
const timeLeft = "Xunguan-Time-Left"

const (
	travel = 20 * time.Millisecond  // the way back: who is called ends that much before its caller
	least  = 100 * time.Millisecond // with less it is not worth beginning
)

var errLate = fault.Unavailable.Wrap(errors.New("too little time is left"))

type called struct{}

// Arrive returns the context to answer r in: it ends after most, or before the
// peer that calls gives up. Its error is Unavailable if that is too soon to begin.
func Arrive(r *http.Request, most time.Duration) (context.Context, context.CancelFunc, error) {
	ctx := r.Context()
	if ms, err := strconv.ParseInt(r.Header.Get(timeLeft), 10, 32); err == nil {
		ctx, most = context.WithValue(ctx, called{}, true), min(most, time.Duration(ms)*time.Millisecond)
		if most < least {
			return nil, nil, errLate
		}
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	return ctx, cancel, nil
}

// leave tells who is called how long r's sender waits, or returns errLate.
func leave(r *http.Request) error {
	until, ok := r.Context().Deadline()
	if !ok {
		return nil
	}
	left := time.Until(until) - travel
	if left < least {
		return errLate
	}
	r.Header.Set(timeLeft, strconv.FormatInt(left.Milliseconds(), 10))
	return nil
}
