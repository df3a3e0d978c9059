package portal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/auth"
	"xunguan/pkg/clock"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
	"xunguan/pkg/once"
	"xunguan/pkg/peer"
	"xunguan/pkg/pg/pgtest"
)

// suite is portal between browsers and a service called escrow.
type suite struct {
	*Service
	t      *testing.T
	doors  map[Listener]*httptest.Server
	escrow *echo
	log    *bytes.Buffer

	mu  sync.Mutex
	now time.Time
}

// at is the machine's time as the suite is told.
func (s *suite) at() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now }

func (s *suite) pass(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); s.now = s.now.Add(d) }

// echo is a service with a real API: a public route, one for parents that
// changes something, and one that refuses by a rule.
type echo struct {
	db  *pgxpool.Pool
	api *kit.API

	mu   sync.Mutex
	seen []http.Header // of every request that came through the gateway
}

type sayRequest struct {
	once.Key
	ID    string `path:"id"`
	Words string `json:"words" maxLength:"2000000"`
}

type said struct {
	By    string `json:"by"`
	Words string `json:"words"`
	N     int    `json:"n"`
}

func (e *echo) say(ctx context.Context, req sayRequest) (said, error) {
	if req.Words == "no" {
		return said{}, fault.Refused.Because("同时容纳 70 人，每人不足 3 平方米", fault.Ground{
			Key: "premises.area_per_pupil", Version: 1, Value: json.RawMessage("3"), Unit: "m2", Jurisdiction: "000000", Source: "国办发〔2018〕80号", Provenance: "V", Inputs: map[string]any{"pupils": 70},
		})
	}
	return once.Do(ctx, e.db, req, func(tx pgx.Tx) (a said, err error) {
		err = tx.QueryRow(ctx, `INSERT INTO logins (hash, browser, listener, nonce, verifier, target, created_at)
			VALUES (decode(md5(random()::text), 'hex'), '', $1, '', '', '', now()) RETURNING (SELECT count(*) + 1 FROM logins)`, req.Words).Scan(&a.N)
		return said{auth.From(ctx).Subject, req.Words, a.N}, err
	})
}

func (e *echo) headers() []http.Header { e.mu.Lock(); defer e.mu.Unlock(); return e.seen }

// newEcho serves echo as the service name; its rows are those of a table of its
// own database that nothing else uses there.
func newEcho(t *testing.T, name string, v *auth.Verifier) (*echo, *httptest.Server) {
	t.Helper()
	e := &echo{db: pgtest.New(t, Migrations())}
	may := auth.Permit(name + ":word:say")
	e.api = &kit.API{Title: name, Verifier: &auth.Verifier{Keys: v.Keys, Audience: name}, Policy: auth.Roles(map[string][]auth.Permission{"parent": {may}}), Log: slog.New(slog.DiscardHandler)}
	kit.Route(e.api, "POST /v1/words/{id}", "SayWord", may, e.say)
	kit.Route(e.api, "GET /v1/me", "WhoAmI", auth.Anyone, func(ctx context.Context, _ struct{}) (auth.Caller, error) { return auth.From(ctx), nil })
	kit.Route(e.api, "GET /v1/public", "PublicWord", auth.Public, func(ctx context.Context, _ struct {
		Q string `query:"q"`
	},
	) (said, error) {
		return said{By: auth.From(ctx).Subject, Words: "public"}, nil
	})
	h := e.api.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		e.seen = append(e.seen, r.Header.Clone())
		e.mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return e, srv
}

// newSuite returns portal in trial mode unless change says otherwise.
func newSuite(t *testing.T, change ...func(*Service)) *suite {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer := NewSigner(key)
	e, srv := newEcho(t, "escrow", signer.verifier)
	addresses := map[string]string{"escrow": srv.Listener.Addr().String()}
	s := &suite{t: t, escrow: e, now: time.Now(), log: new(bytes.Buffer), doors: map[Listener]*httptest.Server{}}
	s.Service = &Service{
		DB: pgtest.New(t, Migrations()), Signer: signer, Find: peer.Static(addresses), Peers: peer.Client(peer.Static(addresses)),
		Names: []string{"escrow"}, Trial: true, Clock: new(clock.Clock), Machine: s.at,
		Terms: Terms{Idle: map[Listener]time.Duration{Public: time.Hour, Staff: 15 * time.Minute}, Cap: 8 * time.Hour},
		Log:   slog.New(slog.NewTextHandler(&locked{w: s.log}, nil)),
	}
	for _, f := range change {
		f(s.Service)
	}
	for l, h := range s.Handlers() {
		s.doors[l] = httptest.NewServer(h)
		t.Cleanup(s.doors[l].Close)
	}
	return s
}

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(b []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.w.Write(b) }

// browser is somebody at one listener.
type browser struct {
	t    *testing.T
	base string
	http *http.Client
	csrf string
	tok  string
}

func (s *suite) browser(l Listener) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{t: s.t, base: s.doors[l].URL, http: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// as logs in by the trial's short cut.
func (s *suite) as(l Listener, persona string) *browser {
	s.t.Helper()
	b := s.browser(l)
	var in struct{ Persona, CSRF, Token string }
	a := b.do("POST", "/trial/login", `{"persona":"`+persona+`"}`, "Content-Type", "application/json")
	if err := json.Unmarshal([]byte(a.body), &in); err != nil || a.code != 200 || in.Persona != persona {
		s.t.Fatalf("login as %s: %d %s", persona, a.code, a.body)
	}
	b.csrf, b.tok = in.CSRF, in.Token
	return b
}

type answer struct {
	code   int
	body   string
	header http.Header
}

// do sends a request; headers are name, value, name, value.
func (b *browser) do(method, path, body string, headers ...string) answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		if pair[0] == "Host" {
			r.Host = pair[1]
		}
		r.Header.Set(pair[0], pair[1])
	}
	resp, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp.StatusCode, string(raw), resp.Header}
}

func (b *browser) get(path string) answer { b.t.Helper(); return b.do("GET", path, "") }

// want fails the test unless a has this status and says all of words.
func (a answer) want(t *testing.T, code int, words ...string) {
	t.Helper()
	if a.code != code {
		t.Errorf("status %d, want %d: %.600s", a.code, code, a.body)
	}
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			t.Errorf("answer lacks %q: %.1500s", w, a.body)
		}
	}
}

// words is how many effects escrow has had.
func (s *suite) words() (n int) {
	s.t.Helper()
	if err := s.escrow.db.QueryRow(s.t.Context(), `SELECT count(*) FROM logins`).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}
