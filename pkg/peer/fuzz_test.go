package peer

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// FuzzArrive reads what any stranger says of the time he has: it never gets him
// more than there is.
func FuzzArrive(f *testing.F) {
	for _, seed := range []string{"", "100", "99", "-1", "9223372036854775807", "1e3", "0x10", " 500"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, left string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set(timeLeft, left)
		ctx, cancel, err := Arrive(r, deadline)
		if err != nil {
			return
		}
		defer cancel()
		if until, ok := ctx.Deadline(); !ok || time.Until(until) > deadline {
			t.Errorf("%q left makes %v", left, time.Until(until))
		}
	})
}
