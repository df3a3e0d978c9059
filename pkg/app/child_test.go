package app

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/event"
	"xunguan/pkg/metric"
	"xunguan/pkg/pg/pgtest"
)

// process is the child, running.
type process struct {
	*exec.Cmd
	base string
	log  *bytes.Buffer
}

// start runs this test's program as the service child.
func start(t *testing.T, broker, collector string, env ...string) *process {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := lis.Addr().String()
	_ = lis.Close()
	db := pgtest.New(t, fstest.MapFS{"0001_a.sql": {Data: []byte("-- +goose Up\nCREATE TABLE a ();")}})
	p := &process{exec.Command(os.Args[0]), "http://" + addr, new(bytes.Buffer)} //nolint:gosec // ourselves
	p.Env = append(os.Environ(), append(env,
		"CHILD_DATABASE_URL="+db.Config().ConnString(), "CHILD_HTTP_ADDR="+addr, "CHILD_KAFKA_BROKERS="+broker,
		"CHILD_CALLER_KEYS=k=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "OTEL_EXPORTER_OTLP_ENDPOINT="+collector)...)
	p.Stderr = p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
		if t.Failed() {
			t.Logf("child: %s", p.log)
		}
	})
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if code, _ := get(t, p.base+"/readyz"); code == http.StatusOK {
			return p
		}
		if time.Now().After(until) {
			t.Fatal("child does not get ready")
		}
	}
}

// hole is a server that takes connections and says nothing, as a dead one behind
// a firewall does.
func hole(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		var open []net.Conn
		for {
			c, err := lis.Accept()
			if err != nil {
				break
			}
			open = append(open, c)
		}
		for _, c := range open {
			_ = c.Close()
		}
	})
	t.Cleanup(func() { _ = lis.Close(); all.Wait() })
	return lis.Addr().String()
}

// TestStopWithEverythingDead stops a service whose broker and collector hang, with
// calls under way: they get their answers, and the process ends well and in time.
func TestStopWithEverythingDead(t *testing.T) {
	t.Parallel()
	p := start(t, hole(t), "http://"+hole(t))
	var calls sync.WaitGroup
	answers := make([]string, 8)
	for i := range answers {
		calls.Go(func() { _, answers[i] = get(t, fmt.Sprintf("%s/people/x?took=%d", p.base, 3000+500*i)) })
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, n := get(t, p.base+"/under-way"); n == "8" {
			break
		} else if time.Now().After(end) {
			t.Fatalf("%s calls are under way", n)
		}
	}
	begin := time.Now()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if took := time.Since(begin); took > stopCap {
		t.Errorf("ended after %v, want at most %v", took, stopCap)
	} else {
		t.Logf("ended after %v", took)
	}
	calls.Wait()
	for i, a := range answers {
		if a != `"whole"` {
			t.Errorf("call %d under way got %q", i, a)
		}
	}
}

// TestFigures is what a service sends of itself: every figure that package metric
// names, nothing else, and nothing of a person.
func TestFigures(t *testing.T) {
	t.Parallel()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	if err := (event.Cluster{Brokers: broker.ListenAddrs(), Copies: 1}).Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []*metrics.Metric
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var req collector.ExportMetricsServiceRequest
		if r.URL.Path != "/v1/metrics" || proto.Unmarshal(raw, &req) != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rm := range req.GetResourceMetrics() {
			for _, sm := range rm.GetScopeMetrics() {
				got = append(got, sm.GetMetrics()...)
			}
		}
	}))
	t.Cleanup(server.Close)
	p := start(t, broker.ListenAddrs()[0], server.URL, "OTEL_METRIC_EXPORT_INTERVAL=300", "CHILD_KAFKA_COPIES=1", "CHILD_BUSY=1", "CHILD_PEERS=nobody=127.0.0.1:1")
	const person = "zhang-san-13900001234"
	slow := make(chan int, 1)
	take := func() { code, _ := get(t, p.base+"/people/"+person+"?took=1000&phone="+person); slow <- code }
	go take()
	for code := 0; code != http.StatusServiceUnavailable; { // until the slow one has taken the only place
		select {
		case <-slow: // it met one of ours there, or was over before we looked
			go take()
		default:
		}
		code, _ = get(t, p.base+"/people/"+person+"?took=0")
	}
	if code := <-slow; code != http.StatusOK {
		t.Errorf("the slow call: %d", code)
	}
	_, _ = get(t, p.base+"/tips/"+person)
	_, _ = get(t, p.base+"/nowhere/"+person)
	_, _ = get(t, p.base+"/peer")
	missing := slices.Clone(metric.All)
	for until := time.Now().Add(20 * time.Second); len(missing) > 0 && time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		mu.Lock()
		missing = slices.DeleteFunc(missing, func(f metric.Figure) bool {
			return slices.ContainsFunc(got, func(m *metrics.Metric) bool {
				return m.GetName() == f.Name && m.GetUnit() == f.Unit && kind(m) == f.Kind
			})
		})
		mu.Unlock()
	}
	if len(missing) > 0 {
		t.Errorf("not sent, or otherwise: %v", missing)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, m := range got {
		if !slices.ContainsFunc(metric.All, func(f metric.Figure) bool { return f.Name == m.GetName() }) {
			t.Errorf("%s is not one of the figures", m.GetName())
		}
		for _, l := range labels(m) {
			if value := l.GetValue().GetStringValue(); !slices.Contains(metric.Labels, l.GetKey()) ||
				strings.Contains(value, person) || strings.Contains(value, "/tips") || strings.Contains(value, "127.0.0.1") {
				t.Errorf("%s has the label %s=%s", m.GetName(), l.GetKey(), l.GetValue())
			}
		}
	}
}

func kind(m *metrics.Metric) metric.Kind {
	switch {
	case m.GetHistogram() != nil:
		return metric.Histogram
	case m.GetSum().GetIsMonotonic():
		return metric.Counter
	}
	return metric.Gauge
}

func labels(m *metrics.Metric) (all []*common.KeyValue) {
	for _, p := range slices.Concat(m.GetGauge().GetDataPoints(), m.GetSum().GetDataPoints()) {
		all = append(all, p.GetAttributes()...)
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		all = append(all, p.GetAttributes()...)
	}
	return all
}
