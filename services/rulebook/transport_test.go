package rulebook_test

import (
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
	"xunguan/services/rulebook"
)

var (
	public, private, _ = ed25519.GenerateKey(nil)
	_, stranger, _     = ed25519.GenerateKey(nil)
	city               = auth.Caller{Subject: "city", Roles: []string{"city"}, Agency: "education", Jurisdiction: "320500"}
)

func newAPI(s *rulebook.Service) *kit.API {
	api := &kit.API{
		Verifier: &auth.Verifier{Keys: map[string]ed25519.PublicKey{"k1": public}, Audience: "rulebook"},
		Policy:   rulebook.Grants, Log: slog.New(slog.DiscardHandler),
	}
	s.Routes(api)
	return api
}

func sign(t *testing.T, k ed25519.PrivateKey, c auth.Caller, ttl time.Duration, audience string) string {
	t.Helper()
	token, err := auth.Sign(k, "k1", c, ttl, audience)
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + token
}

func bearer(t *testing.T, c auth.Caller) string { return sign(t, private, c, time.Minute, "rulebook") }

// call is one request; key "" sends no Idempotency-Key.
type call struct{ method, path, auth, key, body string }

func (c call) on(h http.Handler) *httptest.ResponseRecorder {
	r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
	if c.auth != "" {
		r.Header.Set("Authorization", c.auth)
	}
	if c.key != "" {
		r.Header.Set("Idempotency-Key", c.key)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

const good = `{"key":"flag.answer","value":3,"unit":"working_day","jurisdiction":"320508","effective_from":"2026-04-01","source":"苏教发〔2026〕1号第二条","reason":"试行"}`

// with is good with one part put in the place of another.
func with(old, replacement string) string { return strings.Replace(good, old, replacement, 1) }

// TestWhatStandsStill is the addresses and shapes of architecture.md.
func TestWhatStandsStill(t *testing.T) {
	t.Parallel()
	h := newAPI(newService(t)).Handler()
	rec := call{"GET", "/v1/due?from=2026-01-05&amount=5&unit=working_day", "", "", ""}.on(h)
	if !strings.HasPrefix(rec.Body.String(), `{"due":"2026-01-12","provisional":false,"from":"2026-01-05","amount":5,"unit":"working_day","skipped":[{"date":"2026-01-10","name":"星期六"}`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	rec = call{"GET", "/v1/rules?jurisdiction=320508&date=2026-03-01", "", "", ""}.on(h)
	var got struct {
		Rules []map[string]any `json:"rules"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || len(got.Rules) < 60 {
		t.Fatalf("%d, %d rules, %v", rec.Code, len(got.Rules), err)
	}
	for _, r := range got.Rules {
		var fields []string
		for name := range r {
			fields = append(fields, name)
		}
		slices.Sort(fields)
		if want := "effective_from effective_to jurisdiction key provenance source unit value version"; strings.Join(fields, " ") != want {
			t.Fatalf("a rule has %v, want %s", fields, want)
		}
	}
	rec = call{"GET", "/v1/rules?jurisdiction=320508&date=2026-03-01&key=fee.max_lessons", "", "", ""}.on(h)
	if !strings.HasPrefix(rec.Body.String(), `{"rules":[{"key":"fee.max_lessons","version":1,"value":60,"unit":"lesson","jurisdiction":"000000","effective_from":"2021-10-31","effective_to":null,"source":"教育部`) {
		t.Errorf("%s", rec.Body)
	}
}

// TestReads is what anybody may ask, and what comes of asking wrongly.
func TestReads(t *testing.T) {
	t.Parallel()
	h := newAPI(newService(t)).Handler()
	for _, tt := range []struct {
		path string
		code int
		want string
	}{
		{"/v1/due?from=2026-02-08&amount=7&unit=calendar_day", 200, `"due":"2026-02-24"`},
		{"/v1/due?from=2026-01-15&amount=3&unit=month", 200, `"skipped":[]`},
		{"/v1/due?from=2026-12-31&amount=1&unit=working_day", 200, `"provisional":true`},
		{"/v1/due?from=2026-01-05&amount=3660&unit=working_day", 200, `"provisional":true`},
		{"/v1/due?from=2026-01-05&amount=3661&unit=working_day", 400, `{"pointer":"/query/amount","detail":"不得大于 3660"}`},
		{"/v1/due?from=2026-01-05&amount=-1&unit=working_day", 400, `/query/amount`},
		{"/v1/due?from=2026-01-05&amount=1.5&unit=working_day", 400, `/query/amount`},
		{"/v1/due?from=2026-01-05&amount=five&unit=working_day", 400, `{"pointer":"/query/amount","detail":"格式不符"}`},
		{"/v1/due?from=2026-02-30&amount=1&unit=working_day", 400, `{"pointer":"/query/from","detail":"格式不符"}`},
		{"/v1/due?from=3000-01-01&amount=1&unit=working_day", 400, `不得晚于 2999 年`},
		{"/v1/due?from=2999-12-31&amount=3660&unit=year", 200, `"due":"6660-01-02"`},
		{"/v1/due?from=2026-01-05&amount=1&unit=week", 400, `/query/unit`},
		{"/v1/due", 400, `{"pointer":"/query/from","detail":"必填"},{"pointer":"/query/amount","detail":"必填"},{"pointer":"/query/unit","detail":"必填"}`},
		{"/v1/rules?jurisdiction=320508", 200, `"fee.max_lessons"`}, // today
		{"/v1/rules?jurisdiction=320599&date=2026-03-01", 400, `{"pointer":"/query/jurisdiction","detail":"没有代码为 320599 的行政区划"}`},
		{"/v1/rules?jurisdiction=3205&date=2026-03-01", 400, `/query/jurisdiction`},
		{"/v1/rules?jurisdiction=320508&jurisdiction=330100&date=2026-03-01", 400, `只能出现一次`},
		{"/v1/rules?date=2026-03-01", 400, `{"pointer":"/query/jurisdiction","detail":"必填"}`},
		{"/v1/rules?jurisdiction=320508&date=yesterday", 400, `/query/date`},
		{"/v1/rules?jurisdiction=320508&date=2026-03-01&key=no.such", 400, `{"pointer":"/query/key"`},
		{"/v1/rules?jurisdiction=320508&date=2000-01-01&key=fee.max_lessons", 200, `{"rules":[]}`},
		{"/v1/rules/tip.mediation/history?jurisdiction=320508", 200, `"effective_to":"2026-04-14"`},
		{"/v1/rules/tip.mediation/history?jurisdiction=320599", 400, `/query/jurisdiction`},
		{"/v1/rules/no.such/history?jurisdiction=320508", 404, `没有名为 no.such 的参数`},
		{"/v1/calendar?year=2026", 200, `{"date":"2026-10-10","working":true,"name":"国庆节调休上班"}`},
		{"/v1/calendar?year=2027", 404, `尚未公布`},
		{"/v1/calendar?year=26", 400, `/query/year`},
		{"/v1/divisions", 200, `{"items":[{"code":"110000","name":"北京市","level":"province","parent":"000000"}`},
		{"/v1/divisions?under=320500", 200, `{"code":"320508","name":"姑苏区","level":"county","parent":"320500"}`},
		{"/v1/divisions?under=320508", 200, `{"items":[]}`},
		{"/v1/divisions?under=320599", 404, `没有代码为 320599 的行政区划`},
		{"/v1/divisions?under=3205", 400, `/query/under`},
		{"/v1/parameters", 200, `{"key":"alert.week_out"`},
		{"/v2/rules", 404, `此地址不存在`},
	} {
		rec := call{"GET", tt.path, "", "", ""}.on(h)
		if rec.Code != tt.code || !strings.Contains(rec.Body.String(), tt.want) {
			t.Errorf("%s: %d %s, want %d %s", tt.path, rec.Code, rec.Body, tt.code, tt.want)
		}
	}
}

// TestBadInput is issue 2's list, as far as it is the rulebook's: each is answered
// with a problem that says what is wrong, and changes nothing.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := newService(t)
	h := newAPI(s).Handler()
	own := bearer(t, city)
	used := call{"POST", "/v1/rules", own, "key-used-before", good}
	if rec := used.on(h); rec.Code != 200 {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	post := func(body string) call { return call{"POST", "/v1/rules", own, "key-fresh", body} }
	as := func(token string) call { return call{"POST", "/v1/rules", token, "key-fresh", good} }
	role := func(name string) call {
		return as(bearer(t, auth.Caller{Subject: name, Roles: []string{name}, Agency: "education", Jurisdiction: "320508"}))
	}
	was := tables(t, s)
	for _, tt := range []struct {
		name string
		call call
		code int
		want string
	}{
		{"malformed JSON", post(`{"key":`), 400, `"detail":"请求不是合法的 JSON"`},
		{"two JSON values", post(good + good), 400, `请求不是合法的 JSON`},
		{"nothing", post(``), 400, `{"pointer":"/effective_from","detail":"必填"}`},
		{"unknown field", post(with(`"key"`, `"version":9,"key"`)), 400, `{"pointer":"/version","detail":"未知字段"}`},
		{"missing field", post(with(`,"reason":"试行"`, ``)), 400, `{"pointer":"/reason","detail":"必填"}`},
		{"wrong type", post(with(`"320508"`, `320508`)), 400, `{"pointer":"/jurisdiction","detail":"类型应为 string"}`},
		{"an array", post(`[]`), 400, `类型应为 object`},
		{"a date that is none", post(with(`2026-04-01`, `2026-04-31`)), 400, `{"pointer":"/effective_from","detail":"格式不符"}`},
		{"an unknown mark", post(with(`"reason"`, `"provenance":"X","reason"`)), 400, `/provenance`},
		{"a NUL", post(with(`试行`, `试\u0000行`)), 400, `urn:xunguan:problem:invalid`},
		{"over 1 MiB", post(with(`试行`, strings.Repeat("行", 400_000))), 413, `urn:xunguan:problem:too_large`},
		{"a reason too long", post(with(`试行`, strings.Repeat("行", 501))), 400, `{"pointer":"/reason","detail":"至多 500 个字符"}`},
		{"an unknown division", post(with(`320508`, `320599`)), 400, `{"pointer":"/jurisdiction","detail":"没有代码为 320599 的行政区划"}`},
		{"an unknown key", post(with(`flag.answer`, `flag.answers`)), 400, `{"pointer":"/key","detail":"没有名为 flag.answers 的参数"}`},
		{"a value of another kind", post(with(`3,`, `"three",`)), 400, `{"pointer":"/value","detail":"单位 working_day 的值应为 JSON 数字"}`},
		{"a value too large", post(with(`3,`, `99999,`)), 400, `{"pointer":"/value","detail":"应在 0 至 3660 之间"}`},
		{"an object", post(with(`3,`, `{"days":3},`)), 400, `/value`},
		{"another unit", post(with(`working_day`, `month`)), 400, `{"pointer":"/unit","detail":"flag.answer 的单位应为 working_day"}`},
		{"a day gone by", post(with(`2026-04-01`, `2026-03-01`)), 422, `规则不得溯及既往`},
		{"no Idempotency-Key", call{"POST", "/v1/rules", own, "", good}, 400, `{"pointer":"/header/Idempotency-Key","detail":"必填"}`},
		{"a short Idempotency-Key", call{"POST", "/v1/rules", own, "k", good}, 400, `/header/Idempotency-Key`},
		{"the same key with another body", call{"POST", "/v1/rules", own, used.key, with("3,", "4,")}, 422, `urn:xunguan:problem:key_reused`},
		{"the same key and body", used, 200, `"version":1`},
		{"another city's county", post(with(`320508`, `320102`)), 403, `不能为江苏省南京市玄武区`},
		{"the nation", post(with(`320508`, `000000`)), 403, `不能为全国`},
		{"nobody", as(""), 401, `urn:xunguan:problem:unauthentic`},
		{"no token", as("Bearer x"), 401, `urn:xunguan:problem:unauthentic`},
		{"a forged token", as(sign(t, stranger, city, time.Minute, "rulebook")), 401, `urn:xunguan:problem:unauthentic`},
		{"an expired token", as(sign(t, private, city, -time.Minute, "rulebook")), 401, `urn:xunguan:problem:unauthentic`},
		{"a token for another service", as(sign(t, private, city, time.Minute, "escrow")), 401, `urn:xunguan:problem:unauthentic`},
		{"an examiner", role("examiner"), 403, `rulebook:rule:enact`},
		{"a parent", role("parent"), 403, `rulebook:rule:enact`},
		{"a city without a jurisdiction", as(bearer(t, auth.Caller{Subject: "x", Roles: []string{"city"}})), 403, `只能为本辖区`},
		{"another method", call{"PUT", "/v1/rules", own, "key-fresh", good}, 405, `urn:xunguan:problem:not_allowed`},

		{"repeal what is not there", call{"POST", "/v1/rules/rectify.due/repeal", own, "key-fresh", `{"jurisdiction":"320508","from":"2026-04-01","reason":"试行结束"}`}, 404, `没有在 2026-04-01 或其后生效的 rectify.due`},
		{"repeal the nation's", call{"POST", "/v1/rules/rectify.due/repeal", own, "key-fresh", `{"jurisdiction":"000000","from":"2026-04-01","reason":"试行结束"}`}, 403, `不能为全国`},
		{"repeal for a day gone by", call{"POST", "/v1/rules/flag.answer/repeal", own, "key-fresh", `{"jurisdiction":"320508","from":"2026-03-01","reason":"试行结束"}`}, 422, `不得溯及既往`},
		{"repeal without a day", call{"POST", "/v1/rules/flag.answer/repeal", own, "key-fresh", `{"jurisdiction":"320508","reason":"试行结束"}`}, 400, `{"pointer":"/from","detail":"必填"}`},
		{"a calendar without days", call{"POST", "/v1/calendars", own, "key-fresh", `{"year":2027,"source":"国办发明电","days":[],"reason":"公布"}`}, 400, `/days`},
		{"a calendar of another year", call{"POST", "/v1/calendars", own, "key-fresh", calendarBody("2027", "2028-01-01")}, 400, `{"pointer":"/days/5/date","detail":"不在 2027 年"}`},
		{"a calendar day twice", call{"POST", "/v1/calendars", own, "key-fresh", calendarBody("2027", "2027-10-01")}, 400, `{"pointer":"/days/5/date","detail":"日期重复"}`},
		{"a calendar day that is none", call{"POST", "/v1/calendars", own, "key-fresh", calendarBody("2027", "2027-02-29")}, 400, `{"pointer":"/days/5/date","detail":"格式不符"}`},
		{"a calendar that changes the past", call{"POST", "/v1/calendars", own, "key-fresh", calendarBody("2026", "2026-12-31")}, 422, `不得溯及改变`},
		{"republish without a reason", call{"POST", "/v1/republish", own, "key-fresh", `{}`}, 400, `{"pointer":"/reason","detail":"必填"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := tt.call.on(h)
			if rec.Code != tt.code || !strings.Contains(rec.Body.String(), tt.want) {
				t.Errorf("%d %.300s, want %d %s", rec.Code, rec.Body, tt.code, tt.want)
			}
			if kind := rec.Header().Get("Content-Type"); tt.code >= 400 && kind != "application/problem+json" {
				t.Errorf("the answer is %s", kind)
			}
			if got := tables(t, s); got != was {
				t.Errorf("rows %v, want %v", got, was)
			}
		})
	}
}

// calendarBody is the fixed holidays of a year and one day more.
func calendarBody(year, more string) string {
	var days []string
	for _, d := range []string{"-01-01", "-05-01", "-10-01", "-10-02", "-10-03"} {
		days = append(days, `{"date":"`+year+d+`","working":false}`)
	}
	days = append(days, `{"date":"`+more+`","working":false}`)
	return `{"year":` + year + `,"source":"国办发明电","days":[` + strings.Join(days, ",") + `],"reason":"公布"}`
}

// TestWrites is each change over HTTP, sent twice and done once.
func TestWrites(t *testing.T) {
	t.Parallel()
	s := newService(t)
	h := newAPI(s).Handler()
	own := bearer(t, city)
	for _, tt := range []struct {
		path, body, want string
		added            [4]int // rules, calendars, audit, outbox
	}{
		{"/v1/rules", good, `{"key":"flag.answer","version":1,"value":3,"unit":"working_day","jurisdiction":"320508","effective_from":"2026-04-01","effective_to":null,"source":"苏教发〔2026〕1号第二条","provenance":"L"}`, [4]int{1, 0, 1, 1}},
		{"/v1/rules/flag.answer/repeal", `{"jurisdiction":"320508","from":"2026-05-01","reason":"试行结束"}`, `"effective_to":"2026-04-30"`, [4]int{0, 0, 1, 1}},
		{"/v1/calendars", calendarBody("2027", "2027-02-08"), `{"year":2027,"version":1,"source":"国办发明电"`, [4]int{0, 1, 1, 1}},
	} {
		was := tables(t, s)
		for range 2 {
			rec := call{"POST", tt.path, own, "key-" + tt.path, tt.body}.on(h)
			if rec.Code != 200 || !strings.Contains(rec.Body.String(), tt.want) {
				t.Errorf("%s: %d %s, want %s", tt.path, rec.Code, rec.Body, tt.want)
			}
		}
		got := tables(t, s)
		for i, n := range tt.added {
			if got[i] != was[i]+n {
				t.Errorf("%s: rows %v after %v, want %v more", tt.path, got, was, tt.added)
			}
		}
	}
	was := tables(t, s)
	for range 2 {
		if rec := (call{"POST", "/v1/republish", own, "key-republish", `{"reason":"副本丢失"}`}).on(h); rec.Code != 200 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
	if got, all := tables(t, s), was[0]+was[1]; got[3] != was[3]+all || got[2] != was[2]+1 {
		t.Errorf("republished: rows %v after %v, want %d events more", got, was, all)
	}
}

// TestMatrix is every route and every role: a new route fails it until it is listed.
func TestMatrix(t *testing.T) {
	may := map[string][]string{
		"ListRules": nil, "ListVersions": nil, "ListParameters": nil, "GetCalendar": nil, "ReckonDue": nil, "ListDivisions": nil, // public
		"EnactRule": {"city"}, "RepealRule": {"city"}, "PublishCalendar": {"city"}, "Republish": {"city"},
	}
	api := newAPI(new(rulebook.Service))
	for _, r := range api.Routes() {
		listed, ok := may[r.Name]
		if !ok {
			t.Errorf("%s (%s) is not in the matrix", r.Name, r.Permission)
		}
		delete(may, r.Name)
		if r.Permission == auth.Public {
			if listed != nil || !strings.HasPrefix(r.Pattern, "GET ") {
				t.Errorf("%s is public", r.Name)
			}
			continue
		}
		for _, role := range []string{"examiner", "culture", "market", "fire", "intake", "city", "principal", "parent", "system", "trial", ""} {
			err := rulebook.Grants.Check(auth.With(t.Context(), auth.Caller{Subject: "x", Roles: []string{role}}), r.Permission)
			if want := slices.Contains(listed, role); (err == nil) != want || err != nil && fault.KindOf(err) != fault.Forbidden {
				t.Errorf("%q may %s: %v, want %t", role, r.Name, err, want)
			}
		}
		if err := rulebook.Grants.Check(t.Context(), r.Permission); fault.KindOf(err) != fault.Unauthentic {
			t.Errorf("nobody may %s: %v", r.Name, err)
		}
	}
	for name := range may {
		t.Errorf("%s is in the matrix and no route", name)
	}
}

// TestMatrixOfPlaces is each change by a city, at its own places and at others'.
func TestMatrixOfPlaces(t *testing.T) {
	t.Parallel()
	h := newAPI(newService(t)).Handler()
	for _, tt := range []struct {
		by, place string
		code      int
	}{
		{"320500", "320500", 200},
		{"320500", "320508", 200},
		{"320500", "320506", 200},
		{"320500", "320102", 403},
		{"320500", "320000", 403},
		{"320500", "000000", 403},
		{"320100", "320508", 403},
		{"320100", "320102", 200},
		{"110000", "110101", 200},
		{"110000", "320508", 403},
	} {
		c := auth.Caller{Subject: "city-" + tt.by, Roles: []string{"city"}, Agency: "education", Jurisdiction: tt.by}
		id := tt.by + "-" + tt.place
		for _, post := range []call{
			{"POST", "/v1/rules", bearer(t, c), "enact-" + id, with("320508", tt.place)},
			{"POST", "/v1/rules/flag.answer/repeal", bearer(t, c), "repeal-" + id, `{"jurisdiction":"` + tt.place + `","from":"2026-05-01","reason":"试行结束"}`},
		} {
			if rec := post.on(h); rec.Code != tt.code {
				t.Errorf("%s of %s by %s: %d %s, want %d", post.path, tt.place, tt.by, rec.Code, rec.Body, tt.code)
			}
		}
	}
}
