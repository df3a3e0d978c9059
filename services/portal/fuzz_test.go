package portal

import (
	"bytes"
	"net/http/httptest"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/fault"
)

// FuzzReceive takes any trace: it is refused, or kept within bounds and drawn.
func FuzzReceive(f *testing.F) {
	word := func(s string) *common.AnyValue {
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
	}
	id, cause := bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{2}, 16)
	good, err := proto.Marshal(&collector.ExportTraceServiceRequest{ResourceSpans: []*otlp.ResourceSpans{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{{Key: "service.name", Value: word("escrow")}}},
		ScopeSpans: []*otlp.ScopeSpans{{Spans: []*otlp.Span{
			{TraceId: id, SpanId: id[:8], Name: "POST /x", StartTimeUnixNano: 1, EndTimeUnixNano: 2},
			{TraceId: id, SpanId: cause[:8], ParentSpanId: id[:8], Links: []*otlp.Span_Link{{TraceId: cause}}, Attributes: []*common.KeyValue{{Key: "n"}}},
		}}},
	}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("", good)
	f.Add("gzip", good)
	f.Add("", []byte("\x0a\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, encoding string, body []byte) {
		d := &door{Service: new(Service)}
		r := httptest.NewRequest("POST", "/trial/otlp/v1/traces", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/x-protobuf")
		r.Header.Set("Content-Encoding", encoding)
		if err := d.receive(httptest.NewRecorder(), r); err != nil && fault.Ours(fault.KindOf(err)) {
			t.Errorf("our fault: %v", err)
		}
		if len(d.traces.order) > tracesKept || len(d.traces.order) > 1 && d.traces.bytes > traceBytesKept {
			t.Errorf("%d traces of %d bytes are kept", len(d.traces.order), d.traces.bytes)
		}
		d.traces.Recent()
	})
}
