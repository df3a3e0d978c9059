package portal

import (
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/fault"
)

const (
	tracesKept     = 500
	traceBytesKept = 64 << 20
	spansPerTrace  = 2000
	otlpBody       = 8 << 20 // of one message, unpacked
)

// Traces is the last traces of the suite, in memory only, for trial mode. It
// holds at most 500 traces and 64 MiB; the oldest go first.
type Traces struct {
	mu     sync.Mutex
	byID   map[string]*Trace
	order  []string // by arrival of the first span
	bytes  int
	caused map[string][]string // trace → those whose root links to it
}

// Trace is the spans that share an id.
type Trace struct {
	ID    string
	Spans []Span
	bytes int
}

// Span is one piece of work.
type Span struct {
	ID, Parent, Service, Name string
	Start, End                time.Time
	Kind                      otlp.Span_SpanKind
	Failed                    bool
	Links                     []string // traces that caused it
	Attributes                []Attribute
}

// Attribute is what a span says about itself.
type Attribute struct{ Key, Value string }

// receive answers POST /trial/otlp/v1/traces: OTLP over HTTP, in protobuf.
func (d *door) receive(w http.ResponseWriter, r *http.Request) error {
	var in io.Reader = http.MaxBytesReader(w, r.Body, otlpBody)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(in)
		if err != nil {
			return fault.Invalid.Errorf("不是 gzip")
		}
		in = z
	}
	raw, err := io.ReadAll(io.LimitReader(in, otlpBody+1))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || len(raw) > otlpBody {
		return fault.TooLarge.Errorf("一次至多 %d MiB", otlpBody>>20)
	}
	var req collector.ExportTraceServiceRequest
	if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(raw, &req) != nil {
		return fault.Invalid.Errorf("应为 application/x-protobuf 的 OTLP 追踪数据")
	}
	for _, rs := range req.GetResourceSpans() {
		service := valueOf(rs.GetResource().GetAttributes(), "service.name")
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				d.traces.add(hex.EncodeToString(s.GetTraceId()), span(service, s), proto.Size(s))
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	return nil // an empty message says that all was taken
}

func span(service string, s *otlp.Span) Span {
	n := Span{
		ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()), Service: service, Name: s.GetName(),
		Start: nano(s.GetStartTimeUnixNano()), End: nano(s.GetEndTimeUnixNano()),
		Kind: s.GetKind(),
		// To a client every answer of 400 or more is an error; whether it is one, the server says.
		Failed: s.GetStatus().GetCode() == otlp.Status_STATUS_CODE_ERROR && s.GetKind() != otlp.Span_SPAN_KIND_CLIENT,
	}
	for _, l := range s.GetLinks() {
		n.Links = append(n.Links, hex.EncodeToString(l.GetTraceId()))
	}
	for _, a := range s.GetAttributes() {
		n.Attributes = append(n.Attributes, Attribute{a.GetKey(), value(a.GetValue())})
	}
	return n
}

func nano(n uint64) time.Time { return time.Unix(0, int64(n)) } //nolint:gosec // fits until 2262

func valueOf(all []*common.KeyValue, key string) string {
	for _, a := range all {
		if a.GetKey() == key {
			return value(a.GetValue())
		}
	}
	return ""
}

// value is v for people to read.
func value(v *common.AnyValue) string {
	switch v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.GetStringValue()
	case *common.AnyValue_IntValue:
		return strconv.FormatInt(v.GetIntValue(), 10)
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(v.GetBoolValue())
	}
	return protojson.Format(v)
}

// add keeps s, and forgets the oldest traces if there is no room.
func (t *Traces) add(id string, s Span, size int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID, t.caused = make(map[string]*Trace), make(map[string][]string)
	}
	tr, ok := t.byID[id]
	if !ok {
		tr = &Trace{ID: id}
		t.byID[id] = tr
		t.order = append(t.order, id)
	}
	if len(tr.Spans) >= spansPerTrace || slices.ContainsFunc(tr.Spans, func(h Span) bool { return h.ID == s.ID }) {
		return // an exporter that got no answer sends again
	}
	tr.Spans = append(tr.Spans, s)
	tr.bytes += size
	t.bytes += size
	for _, cause := range s.Links {
		if cause != id && !slices.Contains(t.caused[cause], id) {
			t.caused[cause] = append(t.caused[cause], id)
		}
	}
	for len(t.order) > 1 && (len(t.order) > tracesKept || t.bytes > traceBytesKept) {
		t.forget(t.order[0])
	}
}

// forget drops the oldest trace.
func (t *Traces) forget(id string) {
	for _, s := range t.byID[id].Spans {
		for _, cause := range s.Links {
			t.caused[cause] = slices.DeleteFunc(t.caused[cause], func(c string) bool { return c == id })
			if len(t.caused[cause]) == 0 {
				delete(t.caused, cause)
			}
		}
	}
	t.bytes -= t.byID[id].bytes
	delete(t.byID, id)
	t.order = t.order[1:]
}
