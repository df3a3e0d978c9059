package portal

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"xunguan/pkg/fault"
	"xunguan/pkg/metric"
)

// Limits is how much portal takes.
type Limits struct {
	Rate    float64        // requests a second of one session, or of one address without one; 0 is no limit
	Burst   int            // requests at once, beyond Rate
	Busy    int            // requests under way at one listener; 0 is no limit
	Proxies []netip.Prefix // who stands in front of portal and says in X-Forwarded-For whom it speaks for
}

// address is where r comes from. A proxy of ours is asked whom it speaks for; of
// anybody else the header is not believed, or each request could name another.
func (l Limits) address(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	named := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, next := range slices.Backward(named) {
		next, err := netip.ParseAddr(strings.TrimSpace(next))
		if err != nil || !l.proxy(host) {
			break
		}
		host = next.String()
	}
	return host
}

func (l Limits) proxy(host string) bool {
	at, err := netip.ParseAddr(host)
	return err == nil && slices.ContainsFunc(l.Proxies, func(p netip.Prefix) bool { return p.Contains(at.Unmap()) })
}

// forget is how long the key lives under which addresses are counted: nobody
// can find out later who called.
const forget = 10 * time.Minute

// buckets counts requests for each visitor, in memory only.
type buckets struct {
	limits  Limits
	machine func() time.Time

	mu      sync.Mutex
	key     []byte
	since   time.Time
	buckets map[string]*rate.Limiter
}

// take returns nil, or how long the visitor has to wait.
func (b *buckets) take(v visitor, r *http.Request) (time.Duration, error) {
	if b.limits.Rate == 0 {
		return 0, nil
	}
	now := b.machine()
	res := b.bucket(v, r, now).ReserveN(now, 1)
	wait := res.DelayFrom(now)
	if wait <= 0 {
		return 0, nil
	}
	res.CancelAt(now)
	return wait, fault.TooMany.Errorf("请求过于频繁，请 %d 秒后再试", seconds(wait))
}

func (b *buckets) bucket(v visitor, r *http.Request, now time.Time) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buckets == nil || now.Sub(b.since) >= forget {
		b.key, b.since, b.buckets = make([]byte, 32), now, make(map[string]*rate.Limiter)
		_, _ = rand.Read(b.key) // never fails
	}
	name := b.name(v, r)
	l, ok := b.buckets[name]
	if !ok {
		l = rate.NewLimiter(rate.Limit(b.limits.Rate), b.limits.Burst)
		b.buckets[name] = l
	}
	return l
}

// name is whose bucket it is, under a key that will be forgotten.
func (b *buckets) name(v visitor, r *http.Request) string {
	who := "script " + v.caller.Subject
	switch {
	case v.session != nil:
		who = "session " + v.session.id
	case v.caller.Subject == "":
		who = "address " + b.limits.address(r)
	}
	mac := hmac.New(sha256.New, b.key)
	mac.Write([]byte(who))
	return string(mac.Sum(nil))
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// How long portal takes. Each is more than what it waits for: a service has 5 s,
// its database 3 s.
const (
	visitCap   = 10 * time.Second // a request
	gatewayCap = 8 * time.Second  // a service's answer to it
)

// allowed is how long r may take.
func allowed(r *http.Request) time.Duration {
	switch {
	case uploading(r):
		return uploadCap
	case r.URL.Path == "/trial/clock":
		return clockCap
	}
	return visitCap
}

var shed = metric.HTTPShed.Counter()

// crowded lets at most most requests through at once, each for as long as it is
// allowed, and refuses the rest.
func crowded(most int, next http.Handler) http.Handler {
	room := make(chan struct{}, max(most, 1))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if most > 0 {
			select {
			case room <- struct{}{}:
				defer func() { <-room }()
			default:
				shed.Add(r.Context(), 1, metric.Label("class", "visitors"))
				fault.WriteHTTP(r.Context(), fault.Unavailable.Errorf("当前访问人数过多，请稍后再试"), w)
				return
			}
		}
		ctx, cancel := context.WithTimeout(r.Context(), allowed(r))
		defer cancel()
		*r = *r.WithContext(ctx) // in place: who made r reads the route from it
		next.ServeHTTP(w, r)
	})
}

// refuse writes err, and how long to wait if that is known.
func refuse(w http.ResponseWriter, r *http.Request, err error, wait time.Duration) {
	if wait > 0 {
		w = &retryLater{w, fmt.Sprint(seconds(wait))}
	}
	fault.WriteHTTP(r.Context(), err, w)
}

// retryLater replaces the Retry-After that package fault writes.
type retryLater struct {
	http.ResponseWriter
	after string
}

func (w *retryLater) WriteHeader(status int) {
	w.Header().Set("Retry-After", w.after)
	w.ResponseWriter.WriteHeader(status)
}
