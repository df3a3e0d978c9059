package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricsv1 "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// collector is where the suite sends its figures, of which we keep how many
// goroutines each process has. Traces are not looked at.
type collector struct {
	lis net.Listener

	mu    sync.Mutex
	count map[string]int // by service and process id
}

func openCollector() (*collector, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		return nil, err
	}
	c := &collector{lis: lis, count: map[string]int{}}
	srv := &http.Server{Handler: http.HandlerFunc(c.receive), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(lis) }() // until close
	return c, nil
}

func (c *collector) url() string { return "http://" + c.lis.Addr().String() }

func (c *collector) close() { _ = c.lis.Close() }

// goroutines of a process as it last said; 0 if it never did.
func (c *collector) goroutines(service string, pid int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[fmt.Sprintf("%s %d", service, pid)]
}

func (c *collector) receive(_ http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/metrics" {
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return
		}
		body = z
	}
	b, err := io.ReadAll(io.LimitReader(body, 16<<20))
	var req collectorv1.ExportMetricsServiceRequest
	if err != nil || proto.Unmarshal(b, &req) != nil {
		return
	}
	for _, rm := range req.GetResourceMetrics() {
		c.keep(rm)
	}
}

func (c *collector) keep(rm *metricsv1.ResourceMetrics) {
	var service, pid string
	for _, a := range rm.GetResource().GetAttributes() {
		value := a.GetValue().GetStringValue()
		switch a.GetKey() {
		case "service.name":
			service = value
		case "service.instance.id":
			pid = value[strings.LastIndexByte(value, '-')+1:]
		}
	}
	for _, sm := range rm.GetScopeMetrics() {
		for _, m := range sm.GetMetrics() {
			for _, p := range m.GetSum().GetDataPoints() {
				if m.GetName() == "go.goroutine.count" {
					c.mu.Lock()
					c.count[service+" "+pid] = int(p.GetAsInt())
					c.mu.Unlock()
				}
			}
		}
	}
}
