package portal

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"xunguan/pkg/fault"
	"xunguan/pkg/metric"
)

// policy is the Content-Security-Policy of every page: nothing from elsewhere,
// no script and no style in the markup.
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data: blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

var served = metric.HTTPServer.Histogram()

// guarded sets what every answer says, and refuses a page of another origin that
// would change something here.
func (d *door) guarded(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault.WriteHTTP(r.Context(), fault.Forbidden.Errorf("不接受来自其他网站的请求"), w)
	}))
	next = origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !d.Trial {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		next.ServeHTTP(w, r)
	})
}

// observed begins the trace of a request and writes one line of it: the route
// and how it went, but not the address, the user agent, the path or the query.
// A trace id from outside is not taken over.
func (d *door) observed(next http.Handler) http.Handler {
	tracer := otel.Tracer("xunguan/services/portal")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/trial/traces") || strings.HasPrefix(r.URL.Path, "/static/") || strings.HasPrefix(r.URL.Path, "/assets/") {
			next.ServeHTTP(w, r) // who looks at traces does not make more of them
			return
		}
		if r.Method == http.MethodGet && r.URL.Path == "/trial/clock" {
			next.ServeHTTP(w, r) // nor who asks for the time, which the bank does every second
			return
		}
		if reporting(r) {
			d.unseen(next, w, r)
			return
		}
		start := time.Now()
		ctx, span := tracer.Start(r.Context(), r.Method, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		if d.Trial { // who clicked may look it up
			w.Header().Set("X-Trace-Id", span.SpanContext().TraceID().String())
		}
		r = r.WithContext(ctx) // the mux writes the route's pattern into this one
		rec := &status{ResponseWriter: w, code: http.StatusOK}
		defer func() {
			p := recover()
			if p == http.ErrAbortHandler { //nolint:errorlint // what net/http itself compares
				defer panic(p)
			} else if p != nil {
				d.Log.ErrorContext(ctx, "panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				fault.WriteHTTP(ctx, fault.Internal.Errorf("panic"), rec)
			}
			route := routeOf(r)
			served.Record(ctx, time.Since(start).Seconds(), metric.Served(r.Method, route, rec.code))
			span.SetName(route)
			span.SetAttributes(attribute.String("http.route", route), attribute.Int("http.response.status_code", rec.code), attribute.String("xunguan.listener", string(d.at)))
			level := slog.LevelInfo
			if rec.code >= http.StatusInternalServerError {
				level = slog.LevelError
				span.SetStatus(codes.Error, http.StatusText(rec.code))
			}
			d.Log.LogAttrs(ctx, level, route, slog.Int("status", rec.code), slog.Duration("took", time.Since(start)), slog.String("listener", string(d.at)))
		}()
		next.ServeHTTP(rec, r)
	})
}

// routeOf names r's route; for a forwarded call also the service, which is one
// of a few.
func routeOf(r *http.Request) string {
	name := r.PathValue("service")
	if _, known := reaches[name]; known || name == self {
		return r.Method + " /api/" + name + "/v1"
	}
	if r.Pattern == "" {
		return r.Method + " (no route)"
	}
	return r.Pattern
}

// status remembers the status that was written.
type status struct {
	http.ResponseWriter
	code int
	sent bool
}

func (s *status) WriteHeader(code int) {
	if !s.sent {
		s.code, s.sent = code, true
	}
	s.ResponseWriter.WriteHeader(code)
}

func (s *status) Write(b []byte) (int, error) { s.sent = true; return s.ResponseWriter.Write(b) }

// Unwrap lets http.ResponseController reach the connection.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }
