package portal

import (
	"cmp"
	"slices"
	"time"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Story is a trace with all that it caused, as one picture.
type Story struct {
	ID       string
	Root     string
	Inner    string // the first call of another service, which says more than the gateway's route
	Services []string
	Start    time.Time
	Took     time.Duration
	Failed   bool
	Lines    []Line
}

// Line is one span of a story, at its place in the tree.
type Line struct {
	Span
	Depth  int
	Linked bool // the first span of a trace that the one above caused
}

// Recent returns the stories that begin with a trace that nothing here caused,
// newest first.
func (t *Traces) Recent() []Story {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []Story
	for _, id := range slices.Backward(t.order) {
		if !t.hasCause(id) {
			all = append(all, t.story(id))
		}
	}
	return all
}

func (t *Traces) hasCause(id string) bool {
	for _, s := range t.byID[id].Spans {
		for _, cause := range s.Links {
			if _, here := t.byID[cause]; here && cause != id {
				return true
			}
		}
	}
	return false
}

// Find returns the story that begins with id, and whether it is still here.
func (t *Traces) Find(id string) (Story, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.byID[id]; !ok {
		return Story{}, false
	}
	return t.story(id), true
}

// story puts id and all that it caused, directly or not, into one picture.
func (t *Traces) story(id string) Story {
	st := Story{ID: id}
	seen := map[string]bool{}
	var follow func(id string, depth int, linked bool)
	follow = func(id string, depth int, linked bool) {
		tr, ok := t.byID[id]
		if seen[id] || !ok {
			return
		}
		seen[id] = true
		st.Lines = append(st.Lines, tr.lines(depth, linked)...)
		effects := slices.Clone(t.caused[id])
		slices.SortStableFunc(effects, func(a, b string) int { return t.begins(a).Compare(t.begins(b)) })
		for _, effect := range effects {
			follow(effect, depth+1, true)
		}
	}
	follow(id, 0, false)
	st.sum()
	return st
}

// begins is when trace id began, as far as is known.
func (t *Traces) begins(id string) (first time.Time) {
	tr, ok := t.byID[id]
	if !ok {
		return first
	}
	for i, s := range tr.Spans {
		if i == 0 || s.Start.Before(first) {
			first = s.Start
		}
	}
	return first
}

// sum fills what follows from the lines.
func (st *Story) sum() {
	var end time.Time
	for i, l := range st.Lines {
		if i == 0 {
			st.Root, st.Start = l.Name, l.Start
		}
		if l.Kind == otlp.Span_SPAN_KIND_SERVER && l.Service != st.Lines[0].Service && st.Inner == "" && !l.Linked {
			st.Inner = l.Name
		}
		if l.Start.Before(st.Start) {
			st.Start = l.Start
		}
		if l.End.After(end) {
			end = l.End
		}
		if !slices.Contains(st.Services, l.Service) {
			st.Services = append(st.Services, l.Service)
		}
		st.Failed = st.Failed || l.Failed
	}
	st.Took = end.Sub(st.Start)
}

// lines is tr's spans as a tree. A span whose parent is not here is a root.
func (tr *Trace) lines(depth int, linked bool) []Line {
	here, children := map[string]bool{}, map[string][]Span{}
	for _, s := range tr.Spans {
		here[s.ID] = true
	}
	var roots []Span
	for _, s := range tr.Spans {
		if here[s.Parent] && s.Parent != s.ID {
			children[s.Parent] = append(children[s.Parent], s)
		} else {
			roots = append(roots, s)
		}
	}
	var lines []Line
	var walk func(spans []Span, depth int, linked bool)
	walk = func(spans []Span, depth int, linked bool) {
		slices.SortFunc(spans, func(a, b Span) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID)) })
		for _, s := range spans {
			lines = append(lines, Line{s, depth, linked})
			walk(children[s.ID], depth+1, false)
		}
	}
	walk(roots, depth, linked)
	return lines
}
