package portal

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"xunguan/pkg/auth"
	"xunguan/pkg/peer"
)

const word = "/api/escrow/v1/words/1"

// TestGateway is what comes through, and what a service then sees of it.
func TestGateway(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	nobody, parent := s.browser(Public), s.as(Public, "parent")
	nobody.get("/api/escrow/v1/public?q=a%20b").want(t, 200, `"words":"public"`, `"by":""`)
	nobody.get("/api/escrow/v1/me").want(t, 401, "urn:xunguan:problem:unauthentic")
	parent.get("/api/escrow/v1/me").want(t, 200, `"roles":["parent"]`)
	parent.get("/api/nothing/v1/me").want(t, 404, "urn:xunguan:problem:not_found", "nothing")
	parent.get("/api/escrow/v1/nowhere").want(t, 404, "urn:xunguan:problem:not_found")
	parent.get("/api/escrow/trial/clock").want(t, 404, "urn:xunguan:problem:not_found")
	parent.do("DELETE", "/api/escrow/v1/me", "", "X-CSRF-Token", parent.csrf).want(t, 405, "urn:xunguan:problem:not_allowed")
	parent.do("OPTIONS", "/api/escrow/v1/me", "", "X-CSRF-Token", parent.csrf).want(t, 405)
	if a := parent.get("/api/escrow/v1/me"); a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", a.header)
	}
	script := s.browser(Staff) // a token is worth the same at both
	script.do("GET", "/api/escrow/v1/me", "", "Authorization", "Bearer "+parent.tok).want(t, 200, "parent")
	script.do("POST", word, `{"words":"hi"}`, "Authorization", "Bearer "+parent.tok, "Idempotency-Key", "script-01").want(t, 200, `"by":"parent"`)
}

// TestGatewayKeys is that the key reaches the service, which acts once by it.
func TestGatewayKeys(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	p := s.as(Public, "parent")
	post := func(key, body string) answer {
		return p.do("POST", word, body, "X-CSRF-Token", p.csrf, "Idempotency-Key", key, "Content-Type", "application/json")
	}
	first := post("key-00001", `{"words":"hi"}`)
	first.want(t, 200, `"words":"hi"`)
	if again := post("key-00001", `{"words":"hi"}`); again.body != first.body {
		t.Errorf("asked again: %s, first %s", again.body, first.body)
	}
	post("key-00001", `{"words":"ho"}`).want(t, 422, "urn:xunguan:problem:key_reused")
	p.do("POST", word, `{"words":"hi"}`, "X-CSRF-Token", p.csrf).want(t, 400, `"/header/Idempotency-Key"`)
	if n := s.words(); n != 1 {
		t.Errorf("%d effects, want 1", n)
	}
}

// TestGatewayCutShort is that an answer which its service did not end is none: a small
// one is asked for again, of a large one the connection breaks.
func TestGatewayCutShort(t *testing.T) {
	t.Parallel()
	for _, much := range []int{10, kept + 1000} {
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte("x"), much))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}))
		t.Cleanup(service.Close)
		s := newSuite(t, func(s *Service) {
			s.Peers = peer.Client(peer.Static(map[string]string{"escrow": service.Listener.Addr().String()}))
		})
		resp, err := http.Get(s.doors[Public].URL + "/api/escrow/v1/words") //nolint:noctx // a test
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if much <= kept && (resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || err != nil || !strings.Contains(string(body), "unavailable")) {
			t.Errorf("%d bytes: %s %v %s", much, resp.Status, err, body)
		}
		if much > kept && err == nil {
			t.Errorf("%d bytes: %s, %d bytes taken for the whole", much, resp.Status, len(body))
		}
	}
}

// TestGatewayRefuses is every bad request of the issue that portal sees: each is
// a problem, and nothing changes.
func TestGatewayRefuses(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	_, stranger, _ := ed25519.GenerateKey(nil)
	sign := func(k ed25519.PrivateKey, ttl time.Duration, audience ...string) string {
		text, err := auth.Sign(k, s.Signer.id, auth.Caller{Subject: "parent", Roles: []string{"parent"}}, ttl, audience...)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + text
	}
	parent, staff := s.as(Public, "parent"), s.as(Staff, "parent")
	foreign := s.browser(Public) // the browser of staff comes to the public door: ports share cookies
	foreign.http.Jar = staff.http.Jar
	nobody := s.browser(Public)
	big := `{"words":"` + strings.Repeat("x", maxBody+1-len(`{"words":""}`)) + `"}`
	for _, tt := range []struct {
		name    string
		who     *browser
		body    string
		headers []string
		code    int
		want    string
	}{
		{"no session", nobody, `{"words":"hi"}`, nil, 401, "unauthentic"},
		{"no CSRF token", parent, `{"words":"hi"}`, nil, 403, "CSRF"},
		{"CSRF token of another session", parent, `{"words":"hi"}`, []string{"X-CSRF-Token", staff.csrf}, 403, "CSRF"},
		{"cookie of the other listener", foreign, `{"words":"hi"}`, []string{"X-CSRF-Token", staff.csrf}, 401, "unauthentic"},
		{"foreign origin", parent, `{"words":"hi"}`, []string{"X-CSRF-Token", parent.csrf, "Origin", "https://evil.example"}, 403, "其他网站"},
		{"forged token", nobody, `{"words":"hi"}`, []string{"Authorization", sign(stranger, time.Minute, self, "escrow")}, 401, "unauthentic"},
		{"expired token", nobody, `{"words":"hi"}`, []string{"Authorization", sign(s.Signer.key, -time.Second, self, "escrow")}, 401, "unauthentic"},
		{"token for a service", nobody, `{"words":"hi"}`, []string{"Authorization", sign(s.Signer.key, time.Minute, "escrow")}, 401, "unauthentic"},
		{"no token at all", nobody, `{"words":"hi"}`, []string{"Authorization", "Basic cGFyZW50Og=="}, 401, "Bearer"},
		{"a bad token beside a good session", parent, `{"words":"hi"}`, []string{"X-CSRF-Token", parent.csrf, "Authorization", "Bearer x"}, 401, "unauthentic"},
		{"more than 1 MiB", parent, big, []string{"X-CSRF-Token", parent.csrf}, 413, "too_large"},
		{"not JSON", parent, `{"words":`, []string{"X-CSRF-Token", parent.csrf}, 400, "JSON"},
		{"unknown field", parent, `{"words":"hi","by":"city"}`, []string{"X-CSRF-Token", parent.csrf}, 400, `"/by"`},
		{"missing field", parent, `{}`, []string{"X-CSRF-Token", parent.csrf}, 400, `"/words"`},
		{"wrong type", parent, `{"words":3}`, []string{"X-CSRF-Token", parent.csrf}, 400, `"/words"`},
		{"a rule says no", parent, `{"words":"no"}`, []string{"X-CSRF-Token", parent.csrf}, 422, `"rules":[{"key":"premises.area_per_pupil","version":1,"value":3`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.who.do("POST", word, tt.body, append(tt.headers, "Idempotency-Key", "key-00001")...)
			a.want(t, tt.code, tt.want, `"type":"urn:xunguan:problem:`)
			if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
				t.Errorf("content type %s", ct)
			}
		})
	}
	whole := `{"words":"` + strings.Repeat("x", maxBody-len(`{"words":""}`)) + `"}`
	if len(whole) != maxBody {
		t.Fatal(len(whole))
	}
	if n := s.words(); n != 0 {
		t.Errorf("%d effects of refused requests", n)
	}
	parent.do("POST", word, whole, "X-CSRF-Token", parent.csrf, "Idempotency-Key", "key-whole").want(t, 200)
}

// TestGatewayStrips is that a service sees neither cookies nor what claims to
// say who somebody is, and never the visitor's own token.
func TestGatewayStrips(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	p := s.as(Public, "parent")
	p.do("GET", "/api/escrow/v1/me", "", "X-Forwarded-For", "1.2.3.4", "X-Forwarded-Host", "evil", "X-User-Id", "city", "Forwarded", "for=1.2.3.4",
		"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "X-Real-Ip", "1.2.3.4", "User-Agent", "spy/1", "Accept", "application/json").want(t, 200)
	p.do("GET", "/api/escrow/v1/me", "", "Authorization", "Bearer "+p.tok).want(t, 200)
	for _, h := range s.escrow.headers() {
		for _, name := range []string{"Cookie", "X-Forwarded-For", "X-Forwarded-Host", "X-User-Id", "Forwarded", "X-Real-Ip", "X-Csrf-Token"} {
			if v := h.Get(name); v != "" {
				t.Errorf("service sees %s: %s", name, v)
			}
		}
		if strings.Contains(h.Get("Traceparent"), "0af7651916cd43dd8448eb211c80319c") || h.Get("User-Agent") != "portal" || h.Get("Authorization") == "Bearer "+p.tok {
			t.Errorf("service sees %v", h)
		}
		_, err := (&auth.Verifier{Keys: s.Signer.verifier.Keys, Audience: "tipoff"}).Verify(strings.TrimPrefix(h.Get("Authorization"), "Bearer "))
		if err == nil {
			t.Error("a token for escrow is good for tipoff, which escrow does not call")
		}
	}
	if log := s.log.String(); strings.Contains(log, "127.0.0.1") || strings.Contains(log, "spy/1") {
		t.Errorf("log tells who called: %s", log)
	}
}

// TestSessionEnds is idle time, the cap, logout, and a new id at each login.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	post := func(s *suite, b *browser) answer {
		return b.do("POST", word, `{"words":"hi"}`, "X-CSRF-Token", b.csrf, "Idempotency-Key", "key-00001")
	}
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		s := newSuite(t)
		p, staff := s.as(Public, "parent"), s.as(Staff, "parent")
		s.pass(15*time.Minute - time.Second)
		staff.get("/api/escrow/v1/me").want(t, 200)
		s.pass(15*time.Minute - time.Second) // since then
		staff.get("/api/escrow/v1/me").want(t, 200)
		s.pass(15 * time.Minute)
		staff.get("/api/escrow/v1/public").want(t, 200) // what is public stays public
		a := staff.get("/api/escrow/v1/me")
		a.want(t, 401, "登录已过期")
		if !strings.Contains(a.header.Get("Set-Cookie"), "Max-Age=0") {
			t.Errorf("the cookie stays: %v", a.header)
		}
		post(s, staff).want(t, 401, "urn:xunguan:problem:unauthentic")
		post(s, p).want(t, 200)
		s.pass(time.Hour)
		p.csrf = "" // a session that is over asks for no token of its own
		post(s, p).want(t, 401, "登录已过期")
		if n := s.words(); n != 1 {
			t.Errorf("%d effects, want 1", n)
		}
	})
	t.Run("cap", func(t *testing.T) {
		t.Parallel()
		s := newSuite(t)
		p := s.as(Public, "parent")
		for range 16 {
			s.pass(30*time.Minute - time.Second)
			p.get("/session").want(t, 200, `"subject":"parent"`)
		}
		s.pass(16 * time.Second)
		p.get("/session").want(t, 401)
	})
	t.Run("logout", func(t *testing.T) {
		t.Parallel()
		s := newSuite(t)
		p := s.as(Public, "parent")
		form := []string{"Content-Type", "application/x-www-form-urlencoded"}
		p.do("POST", "/logout", "csrf=wrong", form...).want(t, 403, "CSRF")
		stolen := s.browser(Public)
		stolen.http.Jar.SetCookies(mustURL(t, stolen.base), p.http.Jar.Cookies(mustURL(t, p.base)))
		stolen.get("/session").want(t, 200)
		p.do("POST", "/logout", "csrf="+p.csrf, form...).want(t, 303)
		p.get("/session").want(t, 401)
		stolen.get("/session").want(t, 401)
	})
	t.Run("new id", func(t *testing.T) {
		t.Parallel()
		s := newSuite(t)
		p := s.as(Public, "parent")
		before := p.http.Jar.Cookies(mustURL(t, p.base))
		old := s.browser(Public)
		old.http.Jar.SetCookies(mustURL(t, old.base), before)
		p.do("POST", "/trial/login", `{"persona":"principal"}`, "Content-Type", "application/json").want(t, 200)
		if after := p.http.Jar.Cookies(mustURL(t, p.base)); after[0].Value == before[0].Value {
			t.Error("login kept the session id")
		}
		old.get("/session").want(t, 401)
		var stored int
		if err := s.DB.QueryRow(t.Context(), `SELECT count(*) FROM sessions WHERE hash = $1 OR encode(hash, 'escape') = $2`, []byte(before[0].Value), before[0].Value).Scan(&stored); err != nil || stored != 0 {
			t.Errorf("%d sessions stored in clear, %v", stored, err)
		}
	})
}

// TestPurge is that old sessions and logins do not stay.
func TestPurge(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.as(Public, "parent")
	s.pass(8*time.Hour + time.Second)
	s.as(Public, "parent2")
	ctx, stop := contextUntil(t, func() bool {
		var subjects string
		err := s.DB.QueryRow(t.Context(), `SELECT string_agg(subject, ' ') FROM sessions`).Scan(&subjects)
		return err == nil && subjects == "parent2"
	})
	defer stop()
	if err := s.Purge(ctx); err != nil {
		t.Error(err)
	}
}

// TestCookie is the cookie's flags, in trial mode and outside.
func TestCookie(t *testing.T) {
	t.Parallel()
	for trial, want := range map[bool]string{true: "xg_staff=", false: "__Host-xg_staff="} {
		d := &door{Service: &Service{Trial: trial}, at: Staff}
		rec := newRecorder()
		d.setCookie(rec, d.cookie(), "x", 60)
		c := rec.Header().Get("Set-Cookie")
		if !strings.HasPrefix(c, want) || !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Lax") || !strings.Contains(c, "Path=/;") || strings.Contains(c, "Secure") == trial {
			t.Errorf("trial %t: %s", trial, c)
		}
	}
}

// TestLimits is rate, by session and by address, and crowding.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := newSuite(t, func(s *Service) { s.Limits = Limits{Rate: 0.5, Burst: 3, Busy: 1} })
	p, nobody := s.as(Public, "parent"), s.browser(Public) // login took one of the address's three
	for range 3 {
		p.get("/api/escrow/v1/me").want(t, 200)
	}
	a := p.get("/api/escrow/v1/me")
	a.want(t, 429, "urn:xunguan:problem:too_many")
	if after := a.header.Get("Retry-After"); after != "2" {
		t.Errorf("Retry-After %s, want 2", after)
	}
	for range 2 {
		nobody.get("/api/escrow/v1/public").want(t, 200)
	}
	nobody.get("/api/escrow/v1/public").want(t, 429)
	nobody.get("/?q=x").want(t, 429)
	s.pass(2 * time.Second)
	p.get("/api/escrow/v1/me").want(t, 200)
	nobody.get("/api/escrow/v1/public").want(t, 200)
	s.pass(forget) // the key is forgotten, and with it every count
	for range 3 {
		nobody.get("/api/escrow/v1/public").want(t, 200)
	}
}

func TestCrowded(t *testing.T) {
	t.Parallel()
	in, out := make(chan struct{}), make(chan struct{})
	h := crowded(1, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { in <- struct{}{}; <-out }))
	go h.ServeHTTP(newRecorder(), newRequest("GET", "/"))
	<-in
	rec := newRecorder()
	h.ServeHTTP(rec, newRequest("GET", "/"))
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
		t.Errorf("a second request: %d %v", rec.Code, rec.Header())
	}
	close(out)
}

// TestDocument is the merged OpenAPI document, and what becomes of a dead service.
func TestDocument(t *testing.T) {
	t.Parallel()
	s := newSuite(t, func(s *Service) { s.Names = []string{"escrow", "licensing"} })
	a := s.browser(Public).get("/api/openapi.json")
	a.want(t, 200, "licensing", "没有应答")
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]struct{ OperationID, XPermission string }
		Components struct {
			Schemas         map[string]any
			SecuritySchemes map[string]any
		}
	}
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil {
		t.Fatal(err)
	}
	op := doc.Paths["/api/escrow/v1/words/{id}"]["post"]
	if doc.OpenAPI != "3.1.0" || op.OperationID != "escrow_SayWord" || !strings.Contains(a.body, `"x-permission":"escrow:word:say"`) {
		t.Errorf("escrow's operation: %+v", op)
	}
	if doc.Paths["/api/portal/v1/institutions/{id}"]["get"].OperationID != "portal_FindInstitution" {
		t.Errorf("portal's own is missing: %v", doc.Paths)
	}
	if doc.Paths["/trial/login"]["post"].OperationID != "portal_TrialLogin" || doc.Paths["/session"] == nil {
		t.Errorf("what is no route of the API is missing: %v", doc.Paths)
	}
	for name := range doc.Components.Schemas {
		if !strings.HasPrefix(name, "Escrow_") && !strings.HasPrefix(name, "Portal_") {
			t.Errorf("schema %s has no prefix", name)
		}
	}
	for _, part := range strings.Split(a.body, `"$ref":"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if _, ok := doc.Components.Schemas[name]; !ok {
			t.Errorf("reference to %s leads nowhere", name)
		}
	}
	if len(doc.Components.SecuritySchemes) != 1 {
		t.Errorf("security schemes %v", doc.Components.SecuritySchemes)
	}
	calls := len(s.escrow.headers())
	s.browser(Public).get("/api/openapi.json").want(t, 200)
	if len(s.escrow.headers()) != calls {
		t.Error("the document was not kept")
	}
	s.pass(documentKeeps)
	s.browser(Staff).get("/api/openapi.json").want(t, 200)
	if len(s.escrow.headers()) == calls {
		t.Error("the document was kept too long")
	}
}

// TestDocs is that Swagger UI comes from this program, under a policy without
// scripts in the markup.
func TestDocs(t *testing.T) {
	t.Parallel()
	b := newSuite(t).browser(Public)
	for path, want := range map[string]string{
		"/api/docs": "swagger-ui-bundle.js", "/api/docs/swagger-ui-bundle.js": "SwaggerUIBundle", "/api/docs/swagger-ui.css": ".swagger-ui", "/static/docs.js": "/api/openapi.json",
	} {
		a := b.get(path)
		a.want(t, 200, want)
		if strings.Contains(a.header.Get("Content-Security-Policy"), "script-src 'self' 'unsafe-inline'") {
			t.Errorf("%s: policy %s", path, a.header.Get("Content-Security-Policy"))
		}
	}
	if strings.Contains(b.get("/api/docs").body, "//cdn") {
		t.Error("Swagger UI is fetched from elsewhere")
	}
}
