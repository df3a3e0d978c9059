package portal

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// tracer sends spans of service to the staff listener with the real exporter.
func (s *suite) tracer(service string) (trace.Tracer, func()) {
	s.t.Helper()
	exporter, err := otlptracehttp.New(s.t.Context(), otlptracehttp.WithEndpointURL(s.doors[Staff].URL+"/trial/otlp/v1/traces"), otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	if err != nil {
		s.t.Fatal(err)
	}
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", service))))
	return p.Tracer("test"), func() {
		if err := p.Shutdown(context.WithoutCancel(s.t.Context())); err != nil {
			s.t.Error(err)
		}
	}
}

// TestTraces is the way of a trace from the exporter to the page: what a message
// caused is drawn with what sent it, and a hostile name is only a name.
func TestTraces(t *testing.T) {
	t.Parallel()
	s := newSuite(t, func(s *Service) { s.Limits = Limits{Rate: 1, Burst: 4, Busy: 4} })
	portal, flushPortal := s.tracer("portal")
	escrow, flushEscrow := s.tracer("escrow")
	ctx, root := portal.Start(t.Context(), "POST /api/escrow/v1")
	ctx, inner := escrow.Start(ctx, "<script>alert(1)</script>", trace.WithAttributes(attribute.String("http.route", `"><b>`), attribute.Int("n", 7)))
	licensing, flushLicensing := s.tracer("licensing")
	second, consume := licensing.Start(context.Background(), "consume escrow.v1.FundsReleased", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(trace.LinkFromContext(ctx)))
	_, third := portal.Start(context.Background(), "consume again", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(trace.LinkFromContext(second)))
	third.End()
	consume.SetStatus(codes.Error, "x")
	consume.End()
	inner.End()
	root.End()
	_, alone := portal.Start(t.Context(), "GET /alone", trace.WithNewRoot())
	alone.End()
	for _, flush := range []func(){flushLicensing, flushEscrow, flushPortal} { // the effect arrives before its cause
		flush()
	}
	stories := s.traces.Recent()
	if len(stories) != 2 {
		t.Fatalf("%d stories, want 2: %+v", len(stories), stories)
	}
	st, ok := s.traces.Find(root.SpanContext().TraceID().String())
	if !ok || len(st.Lines) != 4 || strings.Join(st.Services, " ") != "portal escrow licensing" || !st.Failed {
		t.Fatalf("%+v", st)
	}
	for i, want := range []struct {
		depth  int
		linked bool
	}{{0, false}, {1, false}, {1, true}, {2, true}} {
		if st.Lines[i].Depth != want.depth || st.Lines[i].Linked != want.linked {
			t.Errorf("line %d: %+v, want %+v", i, st.Lines[i], want)
		}
	}
	b := s.browser(Staff)
	list := b.get("/trial/traces")
	list.want(t, 200, "POST /api/escrow/v1", "portal → escrow → licensing", "4 段", "GET /alone")
	if strings.Contains(list.body, "consume") {
		t.Error("an effect is listed beside its cause")
	}
	page := b.get("/trial/traces/" + st.ID)
	page.want(t, 200, "&lt;script&gt;alert(1)&lt;/script&gt;", "⇢", "consume again", `<rect class="bad"`, `width="`)
	if strings.Contains(bare(page), "<script") || strings.Contains(page.body, "style=") {
		t.Errorf("page: %s", page.body)
	}
	text := b.get("/trial/traces/" + st.ID + "?as=text")
	text.want(t, 200, "4 段，3 个服务（portal、escrow、licensing），经 Kafka 2 次，前后相接最多 2 次，历时 ", "\n⇢ licensing consume escrow.v1.FundsReleased（+", "\n  ⇢ portal consume again（+")
	if strings.Contains(text.body, "alert") {
		t.Errorf("the text has what a service did within: %s", text.body)
	}
	b.get("/trial/traces/0123").want(t, 404, "最近 500 条")
	if strings.Contains(s.log.String(), "otlp") {
		t.Error("the receiver's own requests are seen")
	}
	s.browser(Public).get("/trial/traces").want(t, 404)
	s.browser(Public).do("POST", "/trial/otlp/v1/traces", "").want(t, 404)
}

// TestTracesRefuse is that nothing but traces is taken, and not without end.
func TestTracesRefuse(t *testing.T) {
	t.Parallel()
	b := newSuite(t).browser(Staff)
	const proto = "application/x-protobuf"
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, otlpBody+1))
	_ = z.Close()
	b.do("POST", "/trial/otlp/v1/traces", "{}", "Content-Type", "application/json").want(t, 400)
	b.do("POST", "/trial/otlp/v1/traces", "\xff\xff", "Content-Type", proto).want(t, 400)
	b.do("POST", "/trial/otlp/v1/traces", "x", "Content-Type", proto, "Content-Encoding", "gzip").want(t, 400)
	b.do("POST", "/trial/otlp/v1/traces", bomb.String(), "Content-Type", proto, "Content-Encoding", "gzip").want(t, 413)
	b.do("POST", "/trial/otlp/v1/traces", strings.Repeat("x", otlpBody+1), "Content-Type", proto).want(t, 413)
	b.do("POST", "/trial/otlp/v1/traces", "", "Content-Type", proto).want(t, 200)
	b.do("POST", "/trial/otlp/v1/traces", "", "Content-Type", proto, "Origin", "https://evil.example").want(t, 403)
}

// TestTracesForget is that the oldest go first, by number and by size.
func TestTracesForget(t *testing.T) {
	t.Parallel()
	var tr Traces
	for i := range tracesKept + 10 {
		tr.add(fmt.Sprint(i), Span{ID: "a", Links: []string{fmt.Sprint(i - 1)}}, 10)
		tr.add(fmt.Sprint(i), Span{ID: "a"}, 10) // sent again
	}
	if len(tr.byID) != tracesKept || len(tr.order) != tracesKept || tr.bytes != tracesKept*10 || len(tr.caused) > tracesKept {
		t.Errorf("%d traces, %d in order, %d bytes, %d causes", len(tr.byID), len(tr.order), tr.bytes, len(tr.caused))
	}
	if _, ok := tr.Find("9"); ok {
		t.Error("the oldest is still here")
	}
	tr.add("big", Span{ID: "a", Start: time.Now(), End: time.Now()}, traceBytesKept)
	if len(tr.byID) != 1 || tr.bytes != traceBytesKept {
		t.Errorf("%d traces of %d bytes", len(tr.byID), tr.bytes)
	}
	for i := range spansPerTrace + 1 {
		tr.add("long", Span{ID: fmt.Sprint(i)}, 0)
	}
	if n := len(tr.byID["long"].Spans); n != spansPerTrace {
		t.Errorf("%d spans in one trace", n)
	}
	tr.add("x", Span{ID: "1", Parent: "2", Links: []string{"y"}}, 1) // a ring of parents and of links
	tr.add("x", Span{ID: "2", Parent: "1"}, 1)
	tr.add("y", Span{ID: "3", Links: []string{"x"}}, 1)
	if st, ok := tr.Find("x"); !ok || len(st.Lines) != 1 {
		t.Errorf("%+v", st)
	}
}
