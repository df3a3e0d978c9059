package licensing_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/kit"
	"xunguan/pkg/pg"
	"xunguan/services/licensing"
)

var (
	public, private, _ = ed25519.GenerateKey(nil)
	_, forger, _       = ed25519.GenerateKey(nil)
	verifier           = &auth.Verifier{Keys: map[string]ed25519.PublicKey{"k1": public}, Audience: "licensing"}
)

func newAPI(s *licensing.Service) *kit.API {
	api := &kit.API{Title: "licensing", Verifier: verifier, Policy: licensing.Grants, Log: slog.New(slog.DiscardHandler)}
	s.Routes(api)
	return api
}

func token(c auth.Caller, key ed25519.PrivateKey, ttl time.Duration, audience string) string {
	if c.Subject == "" {
		return ""
	}
	return "Bearer " + must(auth.Sign(key, "k1", c, ttl, audience))
}

// send sends one request and returns status and body.
func send(h http.Handler, authorization, method, path, key, body string) (int, string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// print is all that licensing has stored, in brief: what must not change.
func (w *world) print() string {
	return must(pg.InTx(pg.Worker(context.Background(), "test"), w.DB, func(tx pgx.Tx) (s string, err error) {
		return s, tx.QueryRow(context.Background(), `SELECT concat_ws(' ',
			(SELECT md5(string_agg(a::text, '' ORDER BY id)) FROM applications a), (SELECT md5(string_agg(i::text, '' ORDER BY id)) FROM institutions i),
			(SELECT md5(string_agg(e::text, '' ORDER BY id)) FROM list_entries e), (SELECT count(*) FROM audit), (SELECT count(*) FROM outbox),
			(SELECT count(*) FROM once), (SELECT count(*) FROM republications), (SELECT count(*) FROM opinions), (SELECT count(*) FROM site_checks))`).Scan(&s)
	}))
}

func body(v any) string { return string(must(json.Marshal(v))) }

// fields is facts and place as an application's body, with one field set.
func fields(name string, value any) string {
	m := map[string]any{}
	_ = json.Unmarshal([]byte(body(facts())), &m)
	m["jurisdiction"] = "320508"
	if name != "" {
		m[name] = value
	}
	if value == nil {
		delete(m, name)
	}
	return body(m)
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := newAPI(w.Service).Handler()
	a := w.submit(facts())
	used := "used-key-1"
	principal, neighbour := callers["principal"], callers["neighbour"]
	me := token(principal, private, time.Minute, "licensing")
	if code, text := send(h, me, "POST", "/v1/applications", used, fields("", 1)); code != 200 {
		t.Fatal(text)
	}
	const apply = "POST /v1/applications"
	for _, tt := range []struct {
		name, auth, call, key, body string
		code                        int
		want                        string
	}{
		{"malformed JSON", me, apply, "key-bad-1", `{"name":`, 400, "不是合法的 JSON"},
		{"two values", me, apply, "key-bad-1", fields("", 1) + `{}`, 400, "不是合法的 JSON"},
		{"a list", me, apply, "key-bad-1", `[]`, 400, `"detail":"类型应为 object"`},
		{"an unknown field", me, apply, "key-bad-1", fields("principal", "principal2"), 400, `{"pointer":"/principal","detail":"未知字段"}`},
		{"an unknown field of the sponsor", me, apply, "key-bad-1", fields("sponsor", map[string]string{"name": "示例", "uscc": "91350100M000100Y43", "phone": "1"}), 400, `/sponsor/phone`},
		{"a missing field", me, apply, "key-bad-1", fields("address", nil), 400, `{"pointer":"/address","detail":"必填"}`},
		{"no body", me, apply, "key-bad-1", "", 400, `{"pointer":"/capacity","detail":"必填"}`},
		{"a wrong type", me, apply, "key-bad-1", fields("capacity", "40"), 400, `{"pointer":"/capacity","detail":"类型应为 integer"}`},
		{"half a pupil", me, apply, "key-bad-1", fields("capacity", 40.5), 400, `/capacity`},
		{"no pupils", me, apply, "key-bad-1", fields("capacity", 0), 400, `/capacity`},
		{"an unknown category", me, apply, "key-bad-1", fields("category", "cooking"), 400, `/category`},
		{"a long name", me, apply, "key-bad-1", fields("name", strings.Repeat("长", 61)), 400, `{"pointer":"/name","detail":"至多 60 个字符"}`},
		{"a NUL", me, apply, "key-bad-1", fields("name", "示例\x00培训中心"), 400, `/name`},
		{"a bad USCC", me, apply, "key-bad-1", fields("sponsor", map[string]string{"name": "示例", "uscc": "91350100M000100Y44"}), 400, `{"pointer":"/sponsor/uscc","detail":"校验位不符`},
		{"an unknown division", me, apply, "key-bad-1", fields("jurisdiction", "320599"), 400, `{"pointer":"/jurisdiction","detail":"没有代码为 320599`},
		{"no division code", me, apply, "key-bad-1", fields("jurisdiction", "姑苏区"), 400, `{"pointer":"/jurisdiction","detail":"格式不符"}`},
		{"a body over 1 MiB", me, apply, "key-bad-1", fields("name", strings.Repeat("a", 1<<20)), 413, "too_large"},
		{"no key", me, apply, "", fields("", 1), 400, `{"pointer":"/header/Idempotency-Key","detail":"必填"}`},
		{"a short key", me, apply, "k1", fields("", 1), 400, `/header/Idempotency-Key`},
		{"the same key with another body", me, apply, used, fields("name", "示例另一家培训中心"), 422, "key_reused"},
		{"too many pupils", me, apply, "key-bad-1", fields("capacity", 70), 422, `"rules":[{"key":"area.per_pupil_m2","version":1,"value":3,`},
		{"nobody", "", apply, "key-bad-1", fields("", 1), 401, "unauthentic"},
		{"an expired token", token(principal, private, -time.Second, "licensing"), apply, "key-bad-1", fields("", 1), 401, "unauthentic"},
		{"a forged token", token(principal, forger, time.Minute, "licensing"), apply, "key-bad-1", fields("", 1), 401, "unauthentic"},
		{"another service's token", token(principal, private, time.Minute, "escrow"), apply, "key-bad-1", fields("", 1), 401, "unauthentic"},
		{"no token at all", "Bearer ", apply, "key-bad-1", fields("", 1), 401, "unauthentic"},
		{"a wrong role", token(callers["parent"], private, time.Minute, "licensing"), apply, "key-bad-1", fields("", 1), 403, "forbidden"},
		{"outside the jurisdiction", token(neighbour, private, time.Minute, "licensing"), "POST /v1/applications/" + a.ID + "/accept", "key-bad-1", "", 404, "申请不存在"},
		{"an id that is none", me, "GET /v1/applications/1", "", "", 400, `/path/id`},
		{"an id of nothing", me, "GET /v1/applications/01900000-0000-7000-8000-000000000000", "", "", 404, "申请不存在"},
		{"an unknown state", me, "GET /v1/applications?state=LOST", "", "", 400, `/query/state`},
		{"an unknown place to list", me, "GET /v1/applications?jurisdiction=320599", "", "", 400, `/query/jurisdiction`},
		{"page zero", me, "GET /v1/applications?page=0", "", "", 400, `/query/page`},
		{"no such address", me, "GET /v1/licences", "", "", 404, "此地址不存在"},
		{"a wrong method", me, "DELETE /v1/applications", "", "", 405, "not_allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := w.print()
			method, path, _ := strings.Cut(tt.call, " ")
			code, text := send(h, tt.auth, method, path, tt.key, tt.body)
			if code != tt.code || !strings.Contains(text, tt.want) || !strings.Contains(text, `"type":"urn:xunguan:problem:`) {
				t.Errorf("%d %s, want %d %s", code, text, tt.code, tt.want)
			}
			if w.print() != before {
				t.Error("something changed")
			}
		})
	}
}

// TestUSCCRoute: a wrong code is an answer; only what cannot be one is refused.
func TestUSCCRoute(t *testing.T) {
	t.Parallel()
	h := newAPI(new(licensing.Service)).Handler()
	for _, tt := range []struct {
		code   string
		status int
		want   string
	}{
		{"91350100M000100Y43", 200, `{"valid":true,"reason":""}`},
		{"91350100M000100Y4", 200, `{"valid":false,"reason":"length","detail":"长度不符`},
		{"9135O100M000100Y43", 200, `{"valid":false,"reason":"charset"`},
		{"91350100M000100443", 200, `{"valid":false,"reason":"org_digit"`},
		{"91350100M000100Y44", 200, `{"valid":false,"reason":"check_digit"`},
		{"%E7%A0%81%00 '--", 200, `"reason":"length"`},
		{"a%2Fb", 200, `"reason":"length"`},
		{strings.Repeat("9", 64), 200, `"reason":"length"`},
		{strings.Repeat("9", 65), 400, `/path/code`},
	} {
		path := "/v1/uscc/" + strings.ReplaceAll(tt.code, " ", "%20")
		if code, text := send(h, "", "GET", path, "", ""); code != tt.status || !strings.Contains(text, tt.want) || tt.code == "91350100M000100Y43" && text != tt.want {
			t.Errorf("%s: %d %s, want %d %s", tt.code, code, text, tt.status, tt.want)
		}
	}
}

// A cell is what a route answers to each caller: code by name. Whoever is not
// named is refused with 403, nobody with 401.
type cell struct {
	fresh func(*world) string // the id of a case that the call is about
	body  string
	may   string // caller:status, for a case of 姑苏区 whose principal is "principal"
	away  int    // what those of the same roles elsewhere get: 404, or 200 where there is no case
}

func matrix() map[string]cell {
	submitted := func(w *world) string { return w.submit(facts()).ID }
	accepted := func(w *world) string { return w.accepted().ID }
	licence := func(w *world) string { return w.granted().InstitutionID }
	entry := func(w *world) string { return must(w.propose("examiner2", w.fresh().ID, licensing.White)).ID }
	approved := func(w *world) string {
		id := entry(w)
		must(w.settle("examiner", id, "approve"))
		return id
	}
	const readers = "examiner:200 examiner2:200 city:200 culture:200 sport:200 science:200 market:200 fire:200 fire2:200 principal:200"
	return map[string]cell{
		"VerifyUSCC":        {may: "public"},
		"ListCategories":    {may: "public"},
		"Summarise":         {may: "public"},
		"ReadInbox":         {may: readers, away: 200},
		"Republish":         {may: "city:200", away: 200},
		"SubmitApplication": {body: fields("", 1), may: "principal:200", away: 200},
		"ListApplications":  {may: readers, away: 200},
		"GetApplication":    {fresh: submitted, may: readers, away: 404},
		"AcceptApplication": {fresh: submitted, may: "examiner:200 examiner2:200", away: 404},
		"ReturnApplication": {fresh: submitted, body: `{"reason":"材料不全","missing":["章程"]}`, may: "examiner:200 examiner2:200", away: 404},
		"RefuseAcceptance":  {fresh: submitted, body: `{"reason":"不属于职权"}`, may: "examiner:200 examiner2:200", away: 404},
		"ResubmitApplication": {fresh: func(w *world) string {
			id := submitted(w)
			must(w.ReturnApplication(w.as("examiner"), licensing.ReturnApplication{Key: w.key(), ID: id, Reason: "材料不全", Missing: []string{"章程"}}))
			return id
		}, body: fields("jurisdiction", nil), may: "principal:200", away: 404},
		"WithdrawApplication": {fresh: submitted, may: "principal:200", away: 404},
		"GiveOpinion":         {fresh: accepted, body: `{"opinion":"agree","text":"同意设立"}`, may: "culture:200 sport:403 science:403", away: 404},
		"SignSiteCheck": {
			fresh: accepted, body: `{"passed":true,"area_m2":180,"certificate":"示例 0001"}`,
			may: "examiner:200 examiner2:200 culture:200 sport:200 science:200 market:200 fire:200 fire2:200", away: 404,
		},
		"StartNotice":         {fresh: func(w *world) string { return w.ready().ID }, may: "examiner:200 examiner2:200", away: 404},
		"DecideApplication":   {fresh: func(w *world) string { return w.announced().ID }, body: `{"decision":"grant"}`, may: "examiner:200 examiner2:200", away: 404},
		"ListInstitutions":    {may: readers + " civil:200 police:200", away: 200},
		"GetInstitution":      {fresh: licence, may: readers + " civil:200 police:200", away: 404},
		"RegisterLegalPerson": {fresh: licence, body: `{"uscc":"@USCC","registered_on":"@TODAY"}`, may: "market:200 civil:403", away: 404},
		"ProposeListEntry":    {fresh: func(w *world) string { return w.fresh().ID }, body: `{"institution":"@ID","list":"WHITE","facts":"证照齐全"}`, may: "examiner:200 examiner2:200", away: 404},
		"ListListEntries":     {may: readers, away: 200},
		"GetListEntry":        {fresh: entry, may: readers, away: 404},
		"DecideListEntry":     {fresh: entry, body: `{"decision":"approve"}`, may: "examiner:200 examiner2:403", away: 404},
		"StateCase": {
			fresh: func(w *world) string {
				return must(w.propose("examiner", w.granted().InstitutionID, licensing.Black)).ID
			},
			body: `{"text":"已全部整改，请复核"}`, may: "principal:200", away: 404,
		},
		"SetAsideListEntry": {
			fresh: func(w *world) string {
				id := approved(w)
				must(w.publish("examiner2", id))
				return id
			},
			body: `{"reason":"主要事实不清","document":"行政复议决定书 1 号"}`, may: "examiner:403 examiner2:200 city:200", away: 404,
		},
		"PublishListEntry": {fresh: approved, may: "examiner:200 examiner2:200", away: 404},
		"RemoveListEntry": {fresh: func(w *world) string {
			id := approved(w)
			must(w.publish("examiner", id))
			return id
		}, body: `{"reason":"不再符合条件"}`, may: "examiner:200 examiner2:200", away: 404},
	}
}

// fresh is a registered institution with a code of its own.
func (w *world) fresh() licensing.Institution {
	return must(w.register("market", w.granted().InstitutionID, w.uscc()))
}

func (w *world) uscc() string {
	return licensing.SealUSCC(fmt.Sprintf("91320508MA%06d", w.keys.Add(1)))
}

// elsewhere is c, as there is one in 吴中区; a principal of another institution; a
// city's administrator of another city.
func elsewhere(c auth.Caller) auth.Caller {
	switch {
	case c.Agency == "":
		c.Subject = "principal2"
	case c.Jurisdiction == "320500":
		c.Jurisdiction = "330100"
	default:
		c.Jurisdiction = "320506"
	}
	return c
}

// TestMatrix is every route, every persona, and a case of the persona's own place
// and of another: real calls, and what is refused changes nothing. A route that is
// not listed fails.
func TestMatrix(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	api := newAPI(w.Service)
	h := api.Handler()
	table := matrix()
	for _, r := range api.Routes() {
		c, ok := table[r.Name]
		delete(table, r.Name)
		if !ok {
			t.Errorf("%s (%s) is not in the matrix", r.Name, r.Permission)
			continue
		}
		t.Run(r.Name, func(t *testing.T) { walk(t, w, h, r, c) })
	}
	for name := range table {
		t.Errorf("%s is no route", name)
	}
}

func walk(t *testing.T, w *world, h http.Handler, r kit.RouteInfo, c cell) {
	id := ""
	renew := func() {
		if c.fresh != nil {
			id = c.fresh(w)
		}
	}
	call := func(by auth.Caller) (int, string) {
		method, path, _ := strings.Cut(r.Pattern, " ")
		path = strings.NewReplacer("{id}", id, "{code}", "91350100M000100Y43").Replace(path)
		text := strings.NewReplacer("@ID", id, "@USCC", w.uscc(), "@TODAY", w.Now().Format(time.DateOnly)).Replace(c.body)
		return send(h, token(by, private, time.Minute, "licensing"), method, path, w.key().IdempotencyKey, text)
	}
	may := map[string]int{}
	for p := range strings.FieldsSeq(c.may) {
		if who, status, ok := strings.Cut(p, ":"); ok {
			may[who] = must(strconv.Atoi(status))
		}
	}
	renew()
	before := w.print()
	var allowed []string
	for _, who := range slices.Sorted(maps.Keys(callers)) {
		if who == "neighbour" || who == "principal2" {
			continue // of the same role elsewhere: below
		}
		want, named := may[who]
		switch {
		case c.may == "public":
			want = 200
		case who == "nobody":
			want = 401
		case !named:
			want = 403
		}
		if want == 200 && c.may != "public" {
			allowed = append(allowed, who)
			continue
		}
		if code, text := call(callers[who]); code != want {
			t.Errorf("%s: %d %s, want %d", who, code, text, want)
		}
	}
	for who := range may {
		if c.away == 200 {
			break
		}
		if code, text := call(elsewhere(callers[who])); code != c.away {
			t.Errorf("%s elsewhere: %d %s, want %d", who, code, text, c.away)
		}
	}
	if w.print() != before {
		t.Error("what was refused changed something")
	}
	for _, who := range allowed {
		renew()
		before := w.print()
		if code, text := call(callers[who]); code != 200 {
			t.Errorf("%s: %d %s, want 200", who, code, text)
		}
		if changed := w.print() != before; changed != strings.HasPrefix(r.Pattern, "POST") {
			t.Errorf("%s: changed something: %t", who, changed)
		}
		if c.away == 200 {
			awayEmpty(t, r, who, call)
		}
	}
}

// awayEmpty: a list of somebody elsewhere has nothing of ours in it.
func awayEmpty(t *testing.T, r kit.RouteInfo, who string, call func(auth.Caller) (int, string)) {
	code, text := call(elsewhere(callers[who]))
	if code != 200 {
		t.Errorf("%s elsewhere: %d %s", who, code, text)
	}
	var l struct{ Items []any }
	if !strings.HasPrefix(r.Pattern, "GET") {
		return
	}
	empty := json.Unmarshal([]byte(text), &l) == nil && len(l.Items) == 0
	if who == "principal" { // may have applications of their own
		empty = !strings.Contains(text, `:"principal"`)
	}
	if !empty {
		t.Errorf("%s elsewhere sees %s", who, text)
	}
}
