package portal

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"xunguan/pkg/clock"
	"xunguan/pkg/kit"
	"xunguan/pkg/peer"
)

func TestTrialLogin(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	json := []string{"Content-Type", "application/json"}
	for _, l := range []Listener{Public, Staff} {
		for _, p := range Personas { // everybody, at both
			b := s.as(l, p.Name)
			b.get("/session").want(t, 200, `"subject":"`+p.Name+`"`, `"`+p.Caller.Roles[0]+`"`)
			b.do("GET", "/api/escrow/v1/me", "", "Authorization", "Bearer "+b.tok).want(t, 200, p.Caller.Roles[0])
		}
	}
	b := s.browser(Public)
	b.do("POST", "/trial/login", `{"persona":"mayor"}`, json...).want(t, 400, "mayor", "parent", "neighbour", "fire2")
	b.do("POST", "/trial/login", `{"persona":"parent","roles":["city"]}`, json...).want(t, 400, "urn:xunguan:problem:invalid")
	b.do("POST", "/trial/login", `{"persona":"parent"}{}`, json...).want(t, 400)
	b.do("POST", "/trial/login", `{"persona":7}`, json...).want(t, 400)
	b.do("POST", "/trial/login", `persona=parent`, "Content-Type", "application/x-www-form-urlencoded").want(t, 400, "application/json")
	b.do("POST", "/trial/login", `{"persona":"parent"}`, append(json, "Origin", "https://evil.example")...).want(t, 403, "其他网站")
	b.do("POST", "/trial/login", `{"persona":"`+strings.Repeat("x", maxBody)+`"}`, json...).want(t, 413)
	b.get("/session").want(t, 401)
	b.get("/trial/login").want(t, 405)
}

// TestPersonas is that the brief's people are all there, each as the brief says.
func TestPersonas(t *testing.T) {
	t.Parallel()
	for name := range strings.FieldsSeq("examiner culture market fire intake city principal parent") {
		one, ok := findPersona(name)
		two, ok2 := findPersona(name + "2")
		if !ok || !ok2 || one.Caller.Subject != name || two.Caller.Agency != one.Caller.Agency || two.Caller.Jurisdiction != one.Caller.Jurisdiction || two.Caller.Roles[0] != one.Caller.Roles[0] {
			t.Errorf("%s: %+v, colleague %+v", name, one, two)
		}
	}
	for _, p := range Personas {
		if _, err := (claims{p.Caller.Roles, p.Caller.Agency, p.Caller.Jurisdiction}).caller(p.Name); err != nil {
			t.Errorf("%s could not log in by OIDC: %v", p.Name, err)
		}
	}
}

// TestNoTrial is that nothing of the trial is there without it.
func TestNoTrial(t *testing.T) {
	t.Parallel()
	s := newSuite(t, func(s *Service) { s.Trial = false })
	for _, l := range []Listener{Public, Staff} {
		b := s.browser(l)
		for _, r := range [][2]string{{"POST", "/trial/login"}, {"POST", "/trial/clock"}, {"GET", "/trial/clock"}, {"GET", "/trial/traces"}, {"POST", "/trial/otlp/v1/traces"}} {
			b.do(r[0], r[1], `{"persona":"parent","to":"2099-01-01T00:00:00Z"}`, "Content-Type", "application/json").want(t, 404)
		}
	}
	if doc := s.browser(Public).get("/api/openapi.json").body; strings.Contains(doc, "/trial/") || !strings.Contains(doc, `"/session"`) {
		t.Error("the document offers what is not there")
	}
	if h := s.browser(Public).get("/").header.Get("Strict-Transport-Security"); h == "" {
		t.Error("no HSTS outside trial mode")
	}
}

// timed is a service with a clock of its own, on which some cases become due.
type timed struct {
	clock clock.Clock
	due   []int // what each round applies
	moves int
}

// newTimed serves a clock as pkg/app does.
func newTimed(t *testing.T, s *suite, name string, due ...int) (*timed, string) {
	t.Helper()
	tm := &timed{due: due}
	may := clock.Trial(Grants)
	api := &kit.API{Title: name, Verifier: s.Signer.verifierFor(name), Policy: may, Log: s.Log}
	tm.clock.Route(api, s.escrow.db, func(context.Context) (int, error) {
		tm.moves++
		if len(tm.due) == 0 {
			return 0, nil
		}
		n := tm.due[0]
		tm.due = tm.due[1:]
		return n, nil
	})
	srv := httptest.NewServer(api.Handler())
	t.Cleanup(srv.Close)
	return tm, srv.Listener.Addr().String()
}

func TestTrialClock(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	a, addrA := newTimed(t, s, "licensing", 2, 0, 0) // in the second round escrow's work is due
	b, addrB := newTimed(t, s, "escrow", 1, 3)
	s.Find = peer.Static(map[string]string{"licensing": addrA, "escrow": addrB})
	s.Peers, s.Names = peer.Client(s.Find), []string{"licensing", "escrow"}
	who := s.browser(Staff)
	kind := []string{"Content-Type", "application/json"}
	now := func() time.Time {
		var got struct{ Now time.Time }
		if err := json.Unmarshal([]byte(who.get("/trial/clock").body), &got); err != nil {
			t.Fatal(err)
		}
		return got.Now
	}
	if d := time.Until(now()); d < -time.Minute || d > time.Minute {
		t.Errorf("legal time is %v from the machine's", d)
	}
	to := time.Now().AddDate(0, 0, 30).Truncate(time.Second)
	who.do("POST", "/trial/clock", `{"to":"`+to.Format(time.RFC3339)+`"}`, kind...).want(t, 200, `"applied":6`, `"now":"`)
	if got := now(); got.Before(to) || got.Sub(to) > time.Minute {
		t.Errorf("legal time is %v, want %v", got, to)
	}
	if a.moves != 3 || b.moves != 3 || a.clock.Now().Before(to) || b.clock.Now().Before(to) {
		t.Errorf("%d and %d rounds, clocks %v %v", a.moves, b.moves, a.clock.Now(), b.clock.Now())
	}
	s.as(Staff, "parent").get("/session").want(t, 200) // sessions know the machine's time only
	who.do("POST", "/trial/clock", `{"to":"`+to.AddDate(0, 0, -1).Format(time.RFC3339)+`"}`, kind...).want(t, 409, "只能向前")
	who.do("POST", "/trial/clock", `{"to":"tomorrow"}`, kind...).want(t, 400)
	who.do("POST", "/trial/clock", `{}`, kind...).want(t, 400, `"/to"`)
	who.do("POST", "/trial/clock", `{"to":"`+to.Format(time.RFC3339)+`"}`, append(kind, "Origin", "https://evil.example")...).want(t, 403)
	reloaded := new(clock.Clock)
	if err := reloaded.Load(t.Context(), s.DB); err != nil || reloaded.Now().Before(to) {
		t.Errorf("after a restart it is %v, %v", reloaded.Now(), err)
	}
}

// TestTrialClockWithoutService is that a service that is away leaves legal time
// where it was, and the same request later moves it.
func TestTrialClockWithoutService(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	_, addr := newTimed(t, s, "licensing")
	_, escrow := newTimed(t, s, "escrow")
	find := map[string]string{"licensing": addr, "escrow": "127.0.0.1:1"}
	s.Peers, s.Names = peer.Client(peer.Static(find)), []string{"licensing", "escrow"}
	who := s.browser(Public)
	to := `{"to":"` + time.Now().AddDate(0, 1, 0).Format(time.RFC3339) + `"}`
	who.do("POST", "/trial/clock", to, "Content-Type", "application/json").want(t, 503)
	if time.Until(s.Clock.Now()) > time.Hour {
		t.Error("portal's clock moved without escrow's")
	}
	find["escrow"] = escrow
	who.do("POST", "/trial/clock", to, "Content-Type", "application/json").want(t, 200)
}
