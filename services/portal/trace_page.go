package portal

import (
	"net/http"
	"time"

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
	d.render(w, r, http.StatusOK, "traces", view{Title: "调用链", Body: d.traces.Recent()})
	return nil
}

// showTrace answers GET /trial/traces/{id}.
func (d *door) showTrace(w http.ResponseWriter, r *http.Request) error {
	st, ok := d.traces.Find(r.PathValue("id"))
	if !ok {
		return fault.NotFound.Errorf("没有这条调用链；只保留最近 %d 条", tracesKept)
	}
	type waterfall struct {
		Story
		Bars []bar
	}
	d.render(w, r, http.StatusOK, "trace", view{Title: "调用链：" + st.Root, Body: waterfall{st, st.bars()}})
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
