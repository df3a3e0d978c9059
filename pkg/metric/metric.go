// Package metric names every figure that a service reports and every label that
// a figure may have. What is not named here is not sent, so no library can add a
// label that says who somebody is. Figures go by OTLP to the collector; no page
// of a service shows them.
package metric

import "strings"

// Figure is one of the suite's. Prometheus knows it by Prometheus().
type Figure struct {
	Name string // as OpenTelemetry has it
	Unit string // s, ns, By, or {what is counted}
	Kind Kind
}

// Kind is how a figure is read.
type Kind string

// The kinds of figures.
const (
	Counter   Kind = "counter"   // only grows: take its rate
	Gauge     Kind = "gauge"     // as it is now
	Histogram Kind = "histogram" // take quantiles of its buckets
)

// The figures. Those not of xunguan come from the libraries of that name.
var (
	HTTPServer        = Figure{"http.server.request.duration", "s", Histogram} // method, route, status; not of tip-offs
	HTTPShed          = Figure{"xunguan.http.shed", "{request}", Counter}      // class: refused, as there is too much to do
	HTTPUnderWay      = Figure{"xunguan.http.under_way", "{request}", Gauge}   // now
	HTTPLimit         = Figure{"xunguan.http.limit", "{request}", Gauge}       // of those under way
	PeerRetries       = Figure{"xunguan.peer.retries", "{request}", Counter}   // peer: calls made again
	PeerBreaker       = Figure{"xunguan.peer.breaker", "{state}", Gauge}       // peer: 0 closed, 1 half open, 2 open
	OutboxUnpublished = Figure{"xunguan.outbox.unpublished", "{event}", Gauge} // not with the broker yet
	OutboxOldest      = Figure{"xunguan.outbox.oldest", "s", Gauge}            // age of the oldest of them; 0 is none
	Parked            = Figure{"xunguan.events.parked", "{event}", Gauge}      // waiting for a person
	ConsumerLag       = Figure{"xunguan.consumer.lag", "{event}", Gauge}       // topic: with the broker, not applied
	DueBehind         = Figure{"xunguan.due.behind", "s", Gauge}               // since all that is due was last applied
	PoolInUse         = Figure{"pgxpool.acquired_connections", "", Gauge}
	PoolMost          = Figure{"pgxpool.max_connections", "", Gauge}
	PoolWaited        = Figure{"pgxpool.empty_acquire_wait_time", "ns", Counter}
	GoMemory          = Figure{"go.memory.used", "By", Gauge}
	GoGoroutines      = Figure{"go.goroutine.count", "{goroutine}", Gauge}
)

// All is every figure.
var All = []Figure{
	HTTPServer, HTTPShed, HTTPUnderWay, HTTPLimit, PeerRetries, PeerBreaker, OutboxUnpublished, OutboxOldest, Parked,
	ConsumerLag, DueBehind, PoolInUse, PoolMost, PoolWaited, GoMemory, GoGoroutines,
}

// Labels is every label that a figure may have: all of few values, none of a person.
var Labels = []string{"http.request.method", "http.route", "http.response.status_code", "go.memory.type", "class", "peer", "topic"}

// Prometheus is f's name there: a collector writes the unit out and _total
// behind a counter. A histogram has _bucket, _sum and _count behind that.
func (f Figure) Prometheus() string {
	name := strings.ReplaceAll(f.Name, ".", "_")
	if unit, ok := map[string]string{"s": "seconds", "ns": "nanoseconds", "By": "bytes"}[f.Unit]; ok {
		name += "_" + unit
	}
	if f.Kind == Counter {
		name += "_total"
	}
	return name
}
