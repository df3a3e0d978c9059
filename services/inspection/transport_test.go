package inspection

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
	"xunguan/pkg/pg"
)

var publicKey, privateKey, _ = ed25519.GenerateKey(nil)

func (b *bench) api() *kit.API {
	api := &kit.API{
		Title: "inspection", Verifier: &auth.Verifier{Keys: map[string]ed25519.PublicKey{"k": publicKey}, Audience: "inspection"},
		Policy: Grants, Log: slog.New(slog.DiscardHandler),
	}
	b.Routes(api)
	return api
}

// call sends one request as c and returns status and problem type, or the body.
func (b *bench) call(h http.Handler, c auth.Caller, pattern, body string, header ...string) (int, string) {
	b.t.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	r := httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(body))
	if c.Subject != "" {
		token, err := auth.Sign(privateKey, "k", c, time.Minute, "inspection")
		if err != nil {
			b.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if method == http.MethodPost && header == nil {
		r.Header.Set("Idempotency-Key", b.key().IdempotencyKey)
	}
	for _, h := range header {
		k, v, _ := strings.Cut(h, "=")
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	raw, err := io.ReadAll(w.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return w.Code, string(raw)
}

// kindOf is the problem kind that an answer says; "" if it is no problem.
func kindOf(status int, body string) fault.Kind {
	if status < http.StatusBadRequest {
		return ""
	}
	var p fault.Problem
	_ = json.Unmarshal([]byte(body), &p)
	return fault.Kind(strings.TrimPrefix(p.Type, "urn:xunguan:problem:"))
}

// world is one of each thing, for the matrix.
type world struct{ photo, evidence, task, random, sweep, draw, visit, rectification, followUp string }

func (b *bench) world() world {
	b.t.Helper()
	_, f := b.wanted()
	v := must(b, examiner, b.GetTask, GetTask{f.TaskID})
	random := b.random(Plan{By: ByNone, Sample: 1})
	random = must(b, examiner, b.DrawTask, DrawTask{Key: b.key(), ID: random.ID})
	sweep := must(b, examiner, b.PlanTask, PlanTask{Key: b.key(), Kind: Sweep, Title: "排查", Agencies: []Agency{Education, Market}, Tips: []string{"p1"}, VisitOn: b.today()})
	photo, evidence := b.add(market, 30), b.add(principal, 40)
	worker := pg.Worker(b.t.Context(), "test")
	if _, err := pg.InTx(worker, b.DB, func(tx pgx.Tx) (struct{}, error) {
		return struct{}{}, errors.Join(b.Photos.Bind(worker, tx, v.Visits[0].ID, "MK-02", []string{photo}), b.Photos.Bind(worker, tx, v.Rectifications[0].ID, "", []string{evidence}))
	}); err != nil {
		b.t.Fatal(err)
	}
	return world{photo, evidence, v.ID, random.ID, sweep.ID, random.Draws[0].ID, v.Visits[0].ID, v.Rectifications[0].ID, f.ID}
}

// The columns of the matrix: who asks.
var askers = []struct {
	name string
	c    auth.Caller
}{
	{"nobody", auth.Caller{}},
	{"examiner", examiner},
	{"market", market},
	{"fire", fire},
	{"culture", culture}, // an agency that takes no part
	{"city", city},
	{"neighbour", neighbour},
	{"far city", auth.Caller{Subject: "city9", Roles: []string{"city"}, Agency: "education", Jurisdiction: "320100"}},
	{"intake", auth.Caller{Subject: "intake", Roles: []string{"intake"}, Agency: "intake", Jurisdiction: "320508"}},
	{"principal", principal},
	{"other principal", stranger},
	{"parent", auth.Caller{Subject: "parent", Roles: []string{"parent"}}},
	{"no role", auth.Caller{Subject: "x", Agency: "education", Jurisdiction: "320508"}},
}

// TestMatrix walks every route as everybody. The letters, in the order of askers:
// o may pass (or is told why the case does not allow it), f forbidden, u must log
// in, n finds nothing, b a bad request (which the caller was let in to make), e an
// empty list. A route that is not in the table fails.
func TestMatrix(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := b.world()
	table := []struct{ pattern, path, body, who string }{
		//                                                                          nobody exa mar fir cul city nei far int pri oth par non
		{"POST /v1/tasks", "/v1/tasks", `{}`, "ubbbbfbffffff"},
		{"GET /v1/tasks", "/v1/tasks", "", "uoooeoeefffff"},
		{"GET /v1/plans", "/v1/plans", "", "uoooofoffffff"},
		{"GET /v1/tasks/{id}", "/v1/tasks/" + w.task, "", "uooononnfffff"},
		{"POST /v1/tasks/{id}/cancel", "/v1/tasks/" + w.task + "/cancel", `{"reason":"不查了"}`, "uoffnfnffffff"},
		{"POST /v1/tasks/{id}/draw", "/v1/tasks/" + w.random + "/draw", `{}`, "uofnnfnffffff"},
		{"POST /v1/tasks/{id}/reveal", "/v1/tasks/" + w.sweep + "/reveal", `{}`, "uofnnfnffffff"},
		{"POST /v1/tasks/{id}/redraw", "/v1/tasks/" + w.random + "/redraw", `{"reason":"人员生病"}`, "uofnnfnffffff"},
		{"POST /v1/tasks/{id}/visits", "/v1/tasks/" + w.random + "/visits", `{"institution_id":"i1"}`, "ubbnnfnffffff"},
		{"POST /v1/tasks/{id}/blacklist", "/v1/tasks/" + w.task + "/blacklist", `{"facts":"拒不整改","reason":"屡教不改"}`, "uoffffnffffff"},
		{"POST /v1/tasks/{id}/close-place", "/v1/tasks/" + w.sweep + "/close-place", `{"demand":"停止举办","officers":["examiner"]}`, "uofnnfnffffff"},
		{"POST /v1/tasks/{id}/recheck", "/v1/tasks/" + w.sweep + "/recheck", `{"closed":true,"officers":["examiner"]}`, "uofnnfnffffff"},
		{"POST /v1/tasks/{id}/publish", "/v1/tasks/" + w.sweep + "/publish", `{}`, "uofnnfnffffff"},
		{"GET /v1/draws/{id}", "/v1/draws/" + w.draw, "", "ooooooooooooo"},
		{"GET /v1/results", "/v1/results?jurisdiction=320508", "", "eeeeeeeeeeeee"},
		{"GET /v1/items", "/v1/items?agency=fire", "", "ooooooooooooo"},
		{"GET /v1/visits", "/v1/visits", "", "uoooeoeefoeff"},
		{"GET /v1/visits/{id}", "/v1/visits/" + w.visit, "", "uooononnfonff"},
		{"POST /v1/visits/{id}/parts/{agency}/findings", "/v1/visits/" + w.visit + "/parts/market/findings", `{"item":"MK-01","problem":true,"detail":"现场核查"}`, "ufofnfnffffff"},
		{"POST /v1/visits/{id}/parts/{agency}/sign", "/v1/visits/" + w.visit + "/parts/market/sign", `{"officers":["market"]}`, "ufofnfnffffff"},
		{"POST /v1/visits/{id}/institution-signature", "/v1/visits/" + w.visit + "/institution-signature", `{}`, "uooonfnffonff"},
		{"POST /v1/visits/{id}/refusal", "/v1/visits/" + w.visit + "/refusal", `{"reason":"不签","witness":"居委会"}`, "uooonfnffffff"},
		{"POST /v1/visits/{id}/rectification", "/v1/visits/" + w.visit + "/rectification", `{"demand":"撤下广告"}`, "uooonfnffffff"},
		{"GET /v1/rectifications", "/v1/rectifications", "", "uoooeoeefoeff"},
		{"GET /v1/rectifications/{id}", "/v1/rectifications/" + w.rectification, "", "uooononnfonff"},
		{"POST /v1/rectifications/{id}/submit", "/v1/rectifications/" + w.rectification + "/submit", `{"text":"已经整改"}`, "uffffffffonff"},
		{"POST /v1/rectifications/{id}/verify", "/v1/rectifications/" + w.rectification + "/verify", `{"passed":true,"officers":["market"],"verdict":"已改"}`, "uooonfnffffff"},
		{"POST /v1/photos/{id}", "/v1/photos/" + uuid.NewString(), `{}`, "ubbbbfbffbbff"},
		{"GET /v1/visits/{id}/photos/{photo}", "/v1/visits/" + w.visit + "/photos/" + w.photo, "", "unonnnnnfonff"},
		{"GET /v1/rectifications/{id}/photos/{photo}", "/v1/rectifications/" + w.rectification + "/photos/" + w.evidence, "", "uooononnfonff"},
		{"GET /v1/sweeps", "/v1/sweeps", "", "uooeeoeefffff"},
		{"GET /v1/officers", "/v1/officers", "", "uoooooeefffff"},
		{"POST /v1/officers/{id}", "/v1/officers/market", `{"certificate":"T-0009","valid_until":"2028-01-01","scope":[],"conflicts":[],"active":true}`, "ufofffnffffff"},
		{"GET /v1/follow-ups", "/v1/follow-ups", "", "uoooeoeefffff"},
		{"GET /v1/follow-ups/{id}", "/v1/follow-ups/" + w.followUp, "", "uooononnfffff"},
		{"POST /v1/follow-ups/{id}/resume", "/v1/follow-ups/" + w.followUp + "/resume", `{}`, "uofffonnfffff"},
		{"GET /v1/inbox", "/v1/inbox", "", "uoeeeeeefeeff"},
		{"GET /v1/summary", "/v1/summary", "", "ooooooooooooo"},
		{"POST /v1/republish", "/v1/republish", `{}`, "uffffofofffff"},
	}
	api := b.api()
	h := api.Handler()
	listed := map[string]bool{}
	for _, row := range table {
		listed[row.pattern] = true
		method, _, _ := strings.Cut(row.pattern, " ")
		for i, a := range askers {
			status, body := b.call(h, a.c, method+" "+row.path, row.body)
			if got := letter(status, body); got != row.who[i:i+1] {
				t.Errorf("%s as %s: %s (%d %.200s), want %s", row.pattern, a.name, got, status, body, row.who[i:i+1])
			}
		}
	}
	for _, r := range api.Routes() {
		if !listed[r.Pattern] {
			t.Errorf("%s is not in the matrix", r.Pattern)
		}
	}
}

// letter puts an answer into one letter.
func letter(status int, body string) string {
	switch kindOf(status, body) { //nolint:exhaustive // the rest is a surprise
	case "", fault.Conflict, fault.Refused:
		if strings.HasSuffix(strings.TrimSpace(body), ":[]}") && strings.Count(body, ":") == 1 {
			return "e"
		}
		return "o"
	case fault.Forbidden:
		return "f"
	case fault.Unauthentic:
		return "u"
	case fault.NotFound:
		return "n"
	case fault.Invalid:
		return "b"
	default:
		return "?"
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := b.world()
	h := b.api().Handler()
	plan := `{"kind":"JOINT","title":"联合检查","agencies":["education","market"],"tips":["t1"],"visit_on":"2026-03-04"}`
	for _, tt := range []struct {
		name, pattern, body string
		header              []string
		status              int
		says                string
	}{
		{"no key", "POST /v1/tasks", plan, []string{"X=1"}, 400, "Idempotency-Key"},
		{"a short key", "POST /v1/tasks", plan, []string{"Idempotency-Key=abc"}, 400, "Idempotency-Key"},
		{"no JSON", "POST /v1/tasks", `{"kind":`, nil, 400, "JSON"},
		{"an unknown field", "POST /v1/tasks", strings.Replace(plan, `"kind"`, `"lead":"market","kind"`, 1), nil, 400, "未知字段"},
		{"an unknown kind", "POST /v1/tasks", strings.Replace(plan, "JOINT", "SURPRISE", 1), nil, 400, "/kind"},
		{"an unknown agency", "POST /v1/tasks", strings.Replace(plan, "market", "army", 1), nil, 400, "/agencies"},
		{"no date", "POST /v1/tasks", strings.Replace(plan, "2026-03-04", "2026-02-30", 1), nil, 400, "visit_on"},
		{"a number for a title", "POST /v1/tasks", strings.Replace(plan, `"联合检查"`, "5", 1), nil, 400, "/title"},
		{"too large", "POST /v1/tasks", strings.Replace(plan, "联合检查", strings.Repeat("查", 400_000), 1), nil, 413, ""},
		{"a phone that is none", "POST /v1/tasks", `{"kind":"SWEEP","title":"排查","agencies":["education"],"place":{"address":"十梓街","phone":"x'; DROP"},"reason":"巡查","visit_on":"2026-03-04"}`, nil, 400, "phone"},
		{"an agency that is none", "POST /v1/visits/" + w.visit + "/parts/army/sign", `{"officers":["market"]}`, nil, 400, "agency"},
		{"no officers", "POST /v1/visits/" + w.visit + "/parts/education/sign", `{"officers":[]}`, nil, 400, "/officers"},
		{"a NUL", "POST /v1/tasks", strings.Replace(plan, "联合检查", `联合\u0000检查`, 1), nil, 400, ""},
		{"no such task", "GET /v1/tasks/" + strings.Repeat("0", 36), "", nil, 404, "检查任务不存在"},
		{"no such draw", "GET /v1/draws/x", "", nil, 404, "抽取不存在"},
		{"no such page", "GET /v1/nothing", "", nil, 404, ""},
		{"another method", "DELETE /v1/tasks", "", nil, 405, ""},
		{"a bad jurisdiction", "GET /v1/results?jurisdiction=x", "", nil, 400, "jurisdiction"},
	} {
		before := b.count()
		status, body := b.call(h, examiner, tt.pattern, tt.body, tt.header...)
		if status != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s: %d %.300s, want %d with %q", tt.name, status, body, tt.status, tt.says)
		}
		if after := b.count(); after != before {
			t.Errorf("%s left something", tt.name)
		}
	}
}

// TestSameKey: the same key and body answer the same once; with another body it is refused.
func TestSameKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	h := b.api().Handler()
	body := `{"kind":"JOINT","title":"联合检查","agencies":["education","market"],"tips":["t1"],"visit_on":"2026-03-04"}`
	_, first := b.call(h, examiner, "POST /v1/tasks", body, "Idempotency-Key=one-and-the-same")
	if _, again := b.call(h, examiner, "POST /v1/tasks", body, "Idempotency-Key=one-and-the-same"); again != first {
		t.Errorf("%s, then %s", first, again)
	}
	if status, _ := b.call(h, examiner, "POST /v1/tasks", strings.Replace(body, "联合检查", "联合抽查", 1), "Idempotency-Key=one-and-the-same"); status != http.StatusUnprocessableEntity {
		t.Errorf("another body: %d", status)
	}
	if l := must(b, examiner, b.ListTasks, ListTasks{}); len(l.Tasks) != 1 {
		t.Errorf("%d tasks", len(l.Tasks))
	}
}

// TestSecondWall: what each sees when a query forgets to ask for its own only.
func TestSecondWall(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.world()
	sees := func(c auth.Caller, table string) (n int) {
		t.Helper()
		n, err := pg.InTx(b.as(c), b.DB, func(tx pgx.Tx) (n int, err error) {
			err = tx.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n) // no clause at all
			return n, err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, tt := range []struct {
		table string
		who   auth.Caller
		want  int
	}{
		{"tasks", examiner, 3},
		{"tasks", fire, 1},
		{"tasks", culture, 0},
		{"tasks", neighbour, 0},
		{"tasks", city, 3},
		{"tasks", principal, 0},
		{"tasks", auth.Caller{}, 0},
		{"parts", market, 1},
		{"parts", city, 1}, // education's
		{"parts", principal, 3},
		{"parts", stranger, 0},
		{"findings", fire, 1},
		{"findings", neighbour, 0},
		{"visits", principal, 1},
		{"visits", stranger, 0},
		{"visit_officers", neighbour, 0},
		{"rectifications", fire, 1},
		{"rectifications", principal, 1},
		{"rectifications", stranger, 0},
		{"sweeps", fire, 0},
		{"sweeps", market, 1},
		{"draws", fire, 0},
		{"draws", examiner, 1},
		{"follow_ups", culture, 0},
		{"follow_ups", city, 1},
		{"commands", principal, 0},
		{"tips", market, 1},
		{"tips", examiner, 4},
		{"tips", neighbour, 0},
		{"officers", neighbour, 0},
		{"timeline", principal, 0},
		{"timeline", neighbour, 0},
	} {
		if n := sees(tt.who, tt.table); n != tt.want {
			t.Errorf("%s sees %d of %s, want %d", tt.who.Subject, n, tt.table, tt.want)
		}
	}
	for _, table := range []string{"parts", "findings", "officers"} {
		n, err := pg.InTx(b.as(fire), b.DB, func(tx pgx.Tx) (int64, error) {
			tag, err := tx.Exec(t.Context(), "UPDATE "+table+" SET jurisdiction = jurisdiction WHERE agency = 'market'")
			return tag.RowsAffected(), err
		})
		if err != nil || n != 0 {
			t.Errorf("fire wrote %d of market's %s, %v", n, table, err)
		}
	}
}

func TestInbox(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	kinds := func(c auth.Caller) string {
		t.Helper()
		var all []string
		for _, i := range must(b, c, b.GetInbox, GetInbox{}).Items {
			if i.Title == "" || i.Href == "" || i.Since.IsZero() || i.Due.IsZero() {
				t.Errorf("%+v is not whole", i)
			}
			all = append(all, i.Kind+"/"+string(i.Light))
		}
		return strings.Join(all, " ")
	}
	want := func(c auth.Caller, w string) {
		t.Helper()
		if got := kinds(c); got != w {
			t.Errorf("%s on %s: %q, want %q", c.Subject, b.today(), got, w)
		}
	}
	task := must(b, examiner, b.PlanTask, PlanTask{Key: b.key(), Kind: Joint, Title: "联合检查", Agencies: joint3, Tips: []string{"t1"}, VisitOn: b.today().AddDays(7)})
	want(examiner, "visit/green")
	want(market, "")
	want(principal, "")
	b.on("2026-03-10")
	want(examiner, "visit/yellow")
	v := must(b, examiner, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID})
	want(market, "sign/yellow")
	b.on("2026-03-11")
	want(market, "sign/red")
	b.sign(v.ID, Market, true)
	want(market, "")
	b.sign(v.ID, Education, false)
	b.sign(v.ID, Fire, false)
	want(market, "institution_sign/red")
	want(principal, "institution_sign/red")
	want(stranger, "")
	must(b, principal, b.SignVisit, SignVisit{Key: b.key(), ID: v.ID})
	want(examiner, "publish/green")
	r := must(b, market, b.OrderRectification, OrderRectification{Key: b.key(), ID: v.ID, Demand: "撤下违规广告"})
	want(principal, "rectify/green")
	want(examiner, "")
	must(b, principal, b.SubmitRectification, SubmitRectification{Key: b.key(), ID: r.ID, Text: "已经撤下广告"})
	want(market, "verify/green")
	want(fire, "")
	b.on("2026-03-28") // a Saturday after the 26th
	want(market, "verify/red")
	must(b, market2, b.VerifyRectification, VerifyRectification{Key: b.key(), ID: r.ID, Officers: []string{"market2", "market"}, Verdict: "未撤"})
	want(examiner, "blacklist/green")
}
