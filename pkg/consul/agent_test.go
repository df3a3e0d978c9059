package consul

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a Consul agent without a network, so that its time can be a test's.
type fake struct {
	mu       sync.Mutex
	services map[string]api.AgentServiceRegistration // what it was told
	told     int                                     // how often
	replaced int                                     // how often it was to replace the checks
	index    int
	healthy  []string // hosts
	hidden   bool     // the token may not see them
	down     bool     // answers 500
	hung     bool     // does not answer
	requests []*http.Request
}

// open opens the fake with what tokenFile holds, until the test ends.
func (f *fake) open(t *testing.T, tokenFile string) *Agent {
	t.Helper()
	f.services = make(map[string]api.AgentServiceRegistration)
	a, err := open("127.0.0.1:8500", tokenFile, f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// change changes f as do says.
func (f *fake) change(do func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f)
}

// has makes healthy the instances, as index.
func (f *fake) has(index int, healthy ...string) {
	f.change(func(f *fake) { f.index, f.healthy, f.down, f.hidden = index, healthy, false, false })
}

// asked is the requests since the last call.
func (f *fake) asked() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.requests
	f.requests = nil
	return list
}

func (f *fake) registered(id string) (s api.AgentServiceRegistration, told int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.services[id], f.told
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r)
	f.wait(r, func() bool { return !f.hung })
	f.serve(rec, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

// wait waits until ok, or r is given up. It holds f.mu only while it looks.
func (f *fake) wait(r *http.Request, ok func() bool) {
	for r.Context().Err() == nil && !ok() {
		f.mu.Unlock()
		time.Sleep(50 * time.Millisecond)
		f.mu.Lock()
	}
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	switch {
	case f.down:
		http.Error(w, "no leader", http.StatusInternalServerError)
	case strings.HasPrefix(r.URL.Path, "/v1/health/service/"):
		f.health(w, r)
	case strings.HasPrefix(r.URL.Path, "/v1/agent/service/register"):
		var s api.AgentServiceRegistration
		_ = json.NewDecoder(r.Body).Decode(&s)
		f.services[s.ID] = s
		f.told++
		if r.URL.Query().Get("replace-existing-checks") == "true" {
			f.replaced++
		}
	case strings.HasPrefix(r.URL.Path, "/v1/agent/service/deregister/"):
		delete(f.services, id)
	case f.services[id].ID == "":
		http.Error(w, "unknown service", http.StatusNotFound)
	default:
		_, _ = io.WriteString(w, "{}")
	}
}

// health answers at once if the index asked for is not the current one, else
// when something changes or the wait is over.
func (f *fake) health(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query().Get("index")
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
	end := time.Now().Add(wait)
	f.wait(r, func() bool {
		return f.down || asked == "" || asked != fmt.Sprint(f.index) || !time.Now().Before(end)
	})
	if f.down {
		http.Error(w, "stopped", http.StatusInternalServerError)
		return
	}
	w.Header().Set("X-Consul-Index", fmt.Sprint(f.index))
	w.Header().Set("X-Consul-LastContact", "0")
	w.Header().Set("X-Consul-Results-Filtered-By-ACLs", fmt.Sprint(f.hidden))
	list := make([]api.ServiceEntry, 0, len(f.healthy))
	for _, host := range f.healthy {
		if !f.hidden {
			list = append(list, api.ServiceEntry{Node: &api.Node{Address: host}, Service: &api.AgentService{Port: 80}})
		}
	}
	_ = json.NewEncoder(w).Encode(list)
}
