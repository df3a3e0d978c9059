package portal

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"

	"xunguan/pkg/fault"
)

// bar is a line of the waterfall with its place in thousandths of the whole.
type bar struct {
	Line
	X, Width int
	Indent   []struct{} // one for each level
}

// Took is how long the line lasted.
func (b bar) Took() string { return short(b.End.Sub(b.Start)) }

// TookText is how long the story lasted, for people to read.
func (st Story) TookText() string { return short(st.Took) }

func short(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }

// listTraces answers GET /trial/traces.
func (d *door) listTraces(w http.ResponseWriter, r *http.Request) error {
	d.render(w, r, http.StatusOK, "traces", view{Title: say("layout.traces"), Body: d.traces.Recent()})
	return nil
}

// showTrace answers GET /trial/traces/{id}.
func (d *door) showTrace(w http.ResponseWriter, r *http.Request) error {
	st, ok := d.traces.Find(r.PathValue("id"))
	if !ok {
		return fault.NotFound.Errorf("没有这条调用链；只保留最近 %d 条", tracesKept)
	}
	if r.URL.Query().Get("as") == "text" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, err := io.WriteString(w, st.Text())
		return err
	}
	type waterfall struct {
		Story
		Bars []bar
	}
	d.render(w, r, http.StatusOK, "trace", view{Title: say("trace.title", st.Root), Body: waterfall{st, st.bars()}})
	return nil
}

// bars lays the lines of st out on a width of 1000.
func (st Story) bars() []bar {
	whole := max(st.Took, 1)
	bars := make([]bar, len(st.Lines))
	for i, l := range st.Lines {
		x := int(1000 * l.Start.Sub(st.Start) / whole)
		width := int(1000 * l.End.Sub(l.Start) / whole)
		bars[i] = bar{l, min(x, 996), max(min(width, 1000-x), 4), make([]struct{}, min(l.Depth, 12))}
	}
	return bars
}

// Text is st as a tree of what was asked and what messages caused, without what
// each of these did within its service. The first line sums it up: spans,
// services, and how often it went by way of Kafka, one after the other at most.
func (st Story) Text() string {
	var b strings.Builder
	hops, longest := 0, 0
	var above []int // depth of the shown lines above, each within the one before
	crossed := []int{0}
	for _, l := range st.Lines {
		if l.Kind != otlp.Span_SPAN_KIND_SERVER && l.Kind != otlp.Span_SPAN_KIND_CONSUMER {
			continue
		}
		for len(above) > 0 && above[len(above)-1] >= l.Depth {
			above, crossed = above[:len(above)-1], crossed[:len(crossed)-1]
		}
		n, mark := crossed[len(crossed)-1], ""
		if l.Linked {
			n, mark = n+1, "⇢ "
			hops++
		}
		longest = max(longest, n)
		fmt.Fprintf(&b, "%s%s%s %s（+%s，%s）\n", strings.Repeat("  ", len(above)), mark, l.Service, l.Name, short(l.Start.Sub(st.Start)), short(l.End.Sub(l.Start)))
		above, crossed = append(above, l.Depth), append(crossed, n)
	}
	return say("trace.sum",
		len(st.Lines), len(st.Services), strings.Join(st.Services, "、"), hops, longest, st.TookText(), b.String())
}
