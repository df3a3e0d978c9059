package app

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"xunguan/pkg/auth"
	"xunguan/pkg/event"
	"xunguan/pkg/kit"
	"xunguan/pkg/pg/pgtest"
)

// TestSpare: with much to be published jobs are refused; with very much so are
// writes without legal effect. Money, tip-offs, legal writes and reading go on.
func TestSpare(t *testing.T) {
	t.Parallel()
	b := &Base{App: &App{Name: "test", Log: slog.New(slog.DiscardHandler)}, DB: pgtest.New(t, fstest.MapFS{"0001_none.sql": {Data: []byte("-- +goose Up\nSELECT 1;")}})}
	b.Config.Limits = event.Limits{Busy: 3, Age: time.Hour, Crowded: 6}
	b.API = &kit.API{Title: "test", Verifier: &auth.Verifier{}, Log: b.Log}
	b.operated(auth.Roles(nil))
	answer := func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil }
	kit.Route(b.API, "GET /v1/read", "Read", auth.Public, answer, kit.As(kit.Reports))
	kit.Route(b.API, "POST /v1/republish", "Republish", auth.Public, answer, kit.As(kit.Reports))
	kit.Route(b.API, "POST /v1/plan", "Plan", auth.Public, answer, kit.CanWait)
	kit.Route(b.API, "POST /v1/legal", "Decide", auth.Public, answer)
	kit.Route(b.API, "POST /v1/pay", "Pay", auth.Public, answer, kit.As(kit.Money))
	kit.Route(b.API, "POST /v1/tips", "Tip", auth.Public, answer, kit.Unseen)
	h := b.API.Handler()
	worker := worker(b.pressure.Run)
	go func() { _ = worker.run() }()
	t.Cleanup(func() { worker.stop(nil) })
	for _, tt := range []struct {
		rows    int
		age     string
		level   event.Level
		refused map[string]bool
	}{
		{3, "0", event.Calm, nil},
		{1, "2 hours", event.Busy, map[string]bool{"POST /v1/republish": true}},
		{4, "0", event.Busy, map[string]bool{"POST /v1/republish": true}},
		{7, "0", event.Crowded, map[string]bool{"POST /v1/republish": true, "POST /v1/plan": true}},
		{0, "0", event.Calm, nil},
	} {
		if _, err := b.DB.Exec(t.Context(), `WITH gone AS (DELETE FROM outbox) INSERT INTO outbox (topic, key, type, data, at)
			SELECT 't', 'k', 'x', '', now() - $2::interval FROM generate_series(1, $1::int)`, tt.rows, tt.age); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); b.pressure.Level() != tt.level; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d rows: level %d, want %d", tt.rows, b.pressure.Level(), tt.level)
			}
		}
		for _, r := range b.API.Routes() {
			rec := httptest.NewRecorder()
			method, path, _ := strings.Cut(r.Pattern, " ")
			h.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
			want := http.StatusOK
			if tt.refused[r.Pattern] {
				want = http.StatusServiceUnavailable
			}
			if rec.Code != want {
				t.Errorf("%d rows: %s: %d %s, want %d", tt.rows, r.Pattern, rec.Code, rec.Body, want)
			}
		}
	}
}
