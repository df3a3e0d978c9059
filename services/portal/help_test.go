package portal

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"xunguan/pkg/auth"
)

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func newRequest(method, target string) *http.Request { return httptest.NewRequest(method, target, nil) }

// contextUntil returns a context that ends when done holds, or after 20 s, which
// fails the test.
func contextUntil(t *testing.T, done func() bool) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	go func() {
		defer stop()
		for !done() {
			select {
			case <-ctx.Done():
				t.Error("waited in vain")
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return ctx, stop
}

// verifierFor checks the tokens that s makes for service.
func (s *Signer) verifierFor(service string) *auth.Verifier {
	return &auth.Verifier{Keys: s.verifier.Keys, Audience: service}
}
