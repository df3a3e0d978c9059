package portal

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// withProvider lets people log in at a development provider, which the test can
// take away and put back.
func withProvider(t *testing.T) (*suite, *httptest.Server, *Login) {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	p, err := NewProvider(srv.Listener.Addr().String(), "portal", "secret")
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = p.Handler()
	srv.Start()
	t.Cleanup(srv.Close)
	l := &Login{Issuer: p.Issuer(), ClientID: "portal", ClientSecret: "secret", Base: map[Listener]string{}}
	s := newSuite(t, func(s *Service) { s.Login = l })
	for at, door := range s.doors {
		l.Base[at] = door.URL
	}
	return s, srv, l
}

// follow gets an absolute address outside of the browser's own base.
func (b *browser) follow(to string) answer {
	b.t.Helper()
	away := *b
	away.base = ""
	return away.get(to)
}

// choose walks from /login over the provider's page to the address of the
// callback, as persona.
func choose(t *testing.T, b *browser, persona string) string {
	t.Helper()
	begin := b.get("/login?to=/contracts")
	begin.want(t, 302)
	page := b.follow(begin.header.Get("Location"))
	page.want(t, 200, "以谁的身份进入？", "姑苏区教育局审批员", "persona="+persona)
	back := b.follow(begin.header.Get("Location") + "&persona=" + persona)
	back.want(t, 302)
	return back.header.Get("Location")
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s, _, _ := withProvider(t)
	for _, tt := range []struct {
		at      Listener
		persona string
		want    string
	}{
		{Public, "parent", `"roles":["parent"]`},
		{Staff, "culture2", `"agency":"culture"`},
		{Staff, "neighbour", `"jurisdiction":"320506"`},
		{Staff, "city", `"jurisdiction":"320500"`},
	} {
		t.Run(tt.persona, func(t *testing.T) {
			b := s.browser(tt.at)
			a := b.follow(choose(t, b, tt.persona))
			a.want(t, 303)
			if to := a.header.Get("Location"); to != "/contracts" {
				t.Errorf("sent to %s", to)
			}
			b.get("/session").want(t, 200, tt.want, `"subject":"`+tt.persona+`"`)
			other := s.browser(map[Listener]Listener{Public: Staff, Staff: Public}[tt.at])
			other.http.Jar = b.http.Jar
			other.get("/session").want(t, 401)
		})
	}
}

// TestLoginRefuses is every way in which a login may not be what it seems.
func TestLoginRefuses(t *testing.T) {
	t.Parallel()
	s, _, _ := withProvider(t)
	change := func(address, key, value string) string {
		u := mustURL(t, address)
		q := u.Query()
		q.Set(key, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	start := func() (*browser, string) {
		b := s.browser(Public)
		return b, choose(t, b, "parent")
	}
	out := func(t *testing.T, b *browser) {
		t.Helper()
		b.get("/session").want(t, 401)
	}
	t.Run("wrong state", func(t *testing.T) {
		b, back := start()
		b.follow(change(back, "state", secret())).want(t, 401, "重新登录")
		out(t, b)
	})
	t.Run("the state of somebody else", func(t *testing.T) {
		_, theirs := start()
		b, _ := start()
		b.follow(theirs).want(t, 401, "重新登录")
		out(t, b)
	})
	t.Run("without the browser's cookie", func(t *testing.T) {
		_, back := start()
		b := s.browser(Public)
		b.follow(back).want(t, 401, "重新登录")
		out(t, b)
	})
	t.Run("replayed", func(t *testing.T) {
		b, back := start()
		login := b.http.Jar.Cookies(mustURL(t, b.base))
		b.follow(back).want(t, 303)
		thief := s.browser(Public)
		thief.http.Jar.SetCookies(mustURL(t, thief.base), login)
		thief.follow(back).want(t, 401, "重新登录")
		out(t, thief)
	})
	t.Run("replayed code", func(t *testing.T) {
		b, back := start()
		b.follow(back).want(t, 303)
		thief, fresh := start()
		thief.follow(change(fresh, "code", mustURL(t, back).Query().Get("code"))).want(t, 401)
		out(t, thief)
	})
	t.Run("the code of another login", func(t *testing.T) {
		_, theirs := start() // never used: only PKCE tells them apart
		b, back := start()
		b.follow(change(back, "code", mustURL(t, theirs).Query().Get("code"))).want(t, 401)
		out(t, b)
	})
	t.Run("wrong nonce", func(t *testing.T) {
		b := s.browser(Public)
		begin := b.get("/login")
		back := b.follow(change(begin.header.Get("Location"), "nonce", "another") + "&persona=parent")
		b.follow(back.header.Get("Location")).want(t, 401, "应答不符")
		out(t, b)
	})
	t.Run("too late", func(t *testing.T) {
		b, back := start()
		s.pass(loginsExpire + 1)
		b.follow(back).want(t, 401, "重新登录")
		out(t, b)
	})
	t.Run("denied", func(t *testing.T) {
		b, back := start()
		b.follow(change(back, "error", "access_denied")).want(t, 401, "没有确认")
		out(t, b)
	})
	t.Run("at the other listener", func(t *testing.T) {
		b, back := start()
		staff := s.browser(Staff)
		staff.http.Jar = b.http.Jar
		staff.get("/callback?"+mustURL(t, back).RawQuery).want(t, 401, "重新登录")
	})
	t.Run("by the wrong door", func(t *testing.T) {
		b := s.browser(Public)
		b.follow(choose(t, b, "examiner")).want(t, 403, s.doors[Staff].URL)
		out(t, b)
		staff := s.browser(Staff)
		staff.follow(choose(t, staff, "parent")).want(t, 403, s.doors[Public].URL)
		out(t, staff)
	})
	t.Run("ends at another site", func(t *testing.T) {
		for to, want := range map[string]string{
			"https://evil.example/": "/", "//evil.example": "/", `/\evil.example`: "/", "/contracts?x=1": "/contracts?x=1", "javascript:alert(1)": "/", "/\r\nX: y": "/", "": "/", "x": "/",
		} {
			if got := localPath(to); got != want {
				t.Errorf("localPath(%q) = %q, want %q", to, got, want)
			}
		}
	})
}

// TestProvider is what the provider refuses, and that portal outlives it.
func TestProvider(t *testing.T) {
	t.Parallel()
	s, srv, l := withProvider(t)
	b := s.browser(Public)
	begin := mustURL(t, b.get("/login").header.Get("Location"))
	for name, change := range map[string]func(url.Values){
		"a redirect to elsewhere":     func(q url.Values) { q.Set("redirect_uri", "https://evil.example/callback") },
		"a redirect to another page":  func(q url.Values) { q.Set("redirect_uri", l.Base[Public]+"/x") },
		"no PKCE":                     func(q url.Values) { q.Del("code_challenge") },
		"PKCE that is only its words": func(q url.Values) { q.Set("code_challenge_method", "plain"); q.Set("persona", "parent") },
		"another client":              func(q url.Values) { q.Set("client_id", "x"); q.Set("persona", "parent") },
	} {
		q := begin.Query()
		change(q)
		u := *begin
		u.RawQuery = q.Encode()
		if a := b.follow(u.String()); a.code < 400 {
			t.Errorf("%s: %d %s", name, a.code, a.header.Get("Location"))
		}
	}
	if a := b.follow(begin.String() + "&persona=parent"); a.code != 302 { // none of the refused left its persona behind
		t.Fatalf("%d %s", a.code, a.body)
	}
	again, err := NewProvider(srv.Listener.Addr().String(), "portal", "secret")
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = again.Handler() // restarted: nothing is left but the key
	b.follow(choose(t, b, "parent")).want(t, 303)
	b.get("/session").want(t, 200)
	if _, err := NewProvider("127.0.0.1:1", "portal", ""); err == nil {
		t.Error("a provider without a secret")
	}
}

// TestNoProvider is login while the provider is away, or not configured.
func TestNoProvider(t *testing.T) {
	t.Parallel()
	newSuite(t).browser(Public).get("/login").want(t, 404, "没有配置登录服务")
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	l := &Login{Issuer: dead.URL, ClientID: "portal", ClientSecret: "x", Base: map[Listener]string{}}
	s := newSuite(t, func(s *Service) { s.Login = l })
	l.Base[Public] = s.doors[Public].URL
	s.browser(Public).get("/login").want(t, 503)
	a := s.browser(Public).do("GET", "/login?to=/contracts", "", "Host", "localhost:1")
	if to := a.header.Get("Location"); a.code != 302 || to != l.Base[Public]+"/login?to=%2Fcontracts" {
		t.Errorf("login under another name: %d %s", a.code, to)
	}
}

// TestClaims is that no provider makes somebody a service, or an official of nowhere.
func TestClaims(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		said claims
		want string
	}{
		{claims{Roles: []string{"parent", "trial", "system"}}, "parent"},
		{claims{Roles: []string{"trial"}}, ""},
		{claims{}, ""},
		{claims{Roles: []string{"examiner"}, Agency: "education", Jurisdiction: "999999"}, ""},
		{claims{Roles: []string{"examiner"}, Agency: "education", Jurisdiction: "320508"}, "examiner"},
	} {
		c, err := tt.said.caller("x")
		if strings.Join(c.Roles, " ") != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%+v: %+v, %v", tt.said, c, err)
		}
	}
}
