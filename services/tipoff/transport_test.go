package tipoff_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"xunguan/pkg/auth"
	"xunguan/pkg/kit"
	"xunguan/services/tipoff"
)

var public, private, _ = ed25519.GenerateKey(nil)

func newAPI(s *tipoff.Service, log io.Writer) *kit.API {
	api := &kit.API{
		Title: "tipoff", Policy: tipoff.Grants, Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Verifier: &auth.Verifier{Keys: map[string]ed25519.PublicKey{"k1": public}, Audience: "tipoff"},
	}
	s.Routes(api)
	return api
}

func bearer(t testing.TB, c auth.Caller) string {
	t.Helper()
	token, err := auth.Sign(private, "k1", c, time.Minute, "tipoff")
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + token
}

// call is a call of a route in the matrix.
type call struct {
	path, body string
	roles      []string // who has the permission
	sees       []string // whose office sees the case; nil is that nothing is looked up
}

var (
	owners   = []string{"examiner", "market", "fire", "culture", "neighbour"}
	intakes  = []string{"intake", "intake2", "intake-b"}
	everyone = append(append([]string{"city"}, owners...), intakes...)
	// The case is in 320508, owned by education.
	inScope = []string{"intake", "intake2", "examiner", "city"}
)

// matrix is every route with whom it lets in. The case is {id}, the request {asked}.
var matrix = map[string]call{
	"SubmitTip":     {"POST /v1/tips", `{"subject_kind":"PLACE","place_address":"人民路2号","text":"这里无证办学"}`, []string{"public"}, nil},
	"TrackTip":      {"POST /v1/tips/track", `{"number":"x","code":"y"}`, []string{"public"}, nil},
	"SupplementTip": {"POST /v1/tips/supplement", `{"number":"x","code":"y","text":"z"}`, []string{"public"}, nil},
	"RateTip":       {"POST /v1/tips/rate", `{"number":"x","code":"y","attitude":"GOOD","solved":"NO"}`, []string{"public"}, nil},
	"UnsolvedTip":   {"POST /v1/tips/unsolved", `{"number":"x","code":"y","text":"学费仍未退还"}`, []string{"public"}, nil},
	"AddPhoto":      {"POST /v1/photos", "photo", []string{"public"}, nil},
	"TrackPhoto":    {"POST /v1/tips/track/photo", `{"number":"x","code":"y","photo":"z"}`, []string{"public"}, nil},
	"Summarise":     {"GET /v1/summary", "", []string{"public"}, nil},

	"ListTips":  {"GET /v1/tips", "", everyone, nil},
	"FindTip":   {"GET /v1/tips/{id}", "", everyone, inScope},
	"ReadPhoto": {"GET /v1/tips/{id}/photos/{photo}", "", everyone, []string{"intake", "intake2", "examiner"}},
	"Inbox":     {"GET /v1/inbox", "", everyone, nil},

	"TieTip":         {"POST /v1/tips/{id}/tie", `{"subject_kind":"INSTITUTION","institution_name":"某某学校","category":"其他","summary":"收费事实的摘要"}`, intakes, inScope},
	"RejectTip":      {"POST /v1/tips/{id}/reject", `{"reason":"请向住建部门反映"}`, intakes, inScope},
	"ReopenTip":      {"POST /v1/tips/{id}/reopen", `{"reason":"判断有误"}`, intakes, inScope},
	"DispatchTip":    {"POST /v1/tips/{id}/dispatch", `{"owner":"market"}`, intakes, inScope},
	"MergeTip":       {"POST /v1/tips/{id}/merge", `{"into":"{other}"}`, intakes, inScope},
	"ListDuplicates": {"GET /v1/duplicates", "", intakes, nil},
	"AssignTip":      {"POST /v1/tips/{id}/assign", `{"owner":"market","reason":"裁定"}`, []string{"city"}, inScope},

	"AcceptTip":   {"POST /v1/tips/{id}/accept", `{}`, owners, inScope},
	"ReturnTip":   {"POST /v1/tips/{id}/return", `{"reason":"不在本辖区","suggested":"education"}`, owners, inScope},
	"AskReporter": {"POST /v1/tips/{id}/ask", `{"text":"请补充"}`, owners, inScope},
	"ResumeTip":   {"POST /v1/tips/{id}/resume", `{"reason":"未补充"}`, owners, inScope},
	"ExtendTip":   {"POST /v1/tips/{id}/extend", `{"reason":"案情复杂，需延长"}`, owners, inScope},
	"AnswerTip":   {"POST /v1/tips/{id}/answer", `{"text":"已核查处理"}`, owners, inScope},
	"CloseTip":    {"POST /v1/tips/{id}/close", `{}`, append(slices.Clone(owners), intakes...), inScope},

	"RequestIdentity":     {"POST /v1/tips/{id}/identity-requests", `{"reason":"需核实凭证"}`, intakes, inScope},
	"FindIdentityRequest": {"GET /v1/identity-requests/{asked}", "", intakes, []string{"intake", "intake2"}},
	"ReadIdentity":        {"POST /v1/identity-requests/{asked}/read", `{}`, intakes, []string{"intake", "intake2"}},
	"ApproveIdentity":     {"POST /v1/identity-requests/{asked}/approve", `{}`, intakes, []string{"intake", "intake2"}},

	"ImportTips": {"POST /v1/imports", "file", intakes, nil},
	"Republish":  {"POST /v1/republish", `{}`, []string{"city"}, nil},
}

// TestMatrix is every route, every role, at home and abroad: a route that is not
// listed fails it.
func TestMatrix(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	added := b.add(30)
	_, id := b.submit(func(r *tipoff.SubmitTip) { r.Identity, r.Photos = &tipoff.Identity{Name: "某"}, []string{added} })
	_, other := b.submit()
	b.tie(id)
	b.dispatch(id, "education")
	third := auth.With(t.Context(), caller("intake3", "intake", "intake", "320508")) // nobody approves the own request
	asked, err := b.RequestIdentity(third, tipoff.RequestIdentity{Key: b.key(), ID: id, Reason: "需核实凭证"})
	if err != nil {
		t.Fatal(err)
	}
	api := newAPI(b.Service, io.Discard)
	h := api.Handler()
	for _, r := range api.Routes() {
		c, listed := matrix[r.Name]
		if !listed || c.path != r.Pattern && strings.ReplaceAll(c.path, "{asked}", "{id}") != r.Pattern {
			t.Errorf("%s (%s) is not in the matrix", r.Pattern, r.Name)
			continue
		}
		path := strings.NewReplacer("{id}", id, "{asked}", asked.ID, "{photo}", added).Replace(c.path)
		body := strings.ReplaceAll(c.body, "{other}", other)
		for _, who := range append(slices.Sorted(maps.Keys(personas)), "nobody") {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, b.request(path, body, who))
			got, want := class(rec.Code), c.class(who)
			if c.roles[0] == "public" && got == "404" { // no such receipt
				got = "in"
			}
			if got != want {
				t.Errorf("%s calls %s: %s (%d %s), want %s", who, r.Name, got, rec.Code, strings.TrimSpace(rec.Body.String()), want)
			}
		}
	}
}

func (c call) class(who string) string {
	switch {
	case c.roles[0] == "public":
		return "in"
	case who == "nobody":
		return "401"
	case !slices.Contains(c.roles, who):
		return "403"
	case c.sees != nil && !slices.Contains(c.sees, who):
		return "404"
	}
	return "in"
}

// class is what a status says of access: who is let in may still be refused by
// the state of the case, or not find what is named in the body.
func class(code int) string {
	switch code {
	case 400, 401, 403, 404:
		return fmt.Sprint(code)
	case 500, 503:
		return "broken"
	}
	return "in"
}

func (b *bench) request(path, body, who string) *http.Request {
	b.t.Helper()
	method, target, _ := strings.Cut(path, " ")
	contentType := "application/json"
	if body == "file" {
		body, contentType = upload(b.t, "id,user,subject,sent_at,text,reply,replied_at\n")
	}
	if body == "photo" {
		body, contentType = upload(b.t, string(photo(b.t, 30)))
	}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Idempotency-Key", b.key().IdempotencyKey)
	if c, ok := personas[who]; ok {
		r.Header.Set("Authorization", bearer(b.t, c))
	}
	return r
}

func upload(t testing.TB, text string) (body, contentType string) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	part, err := w.CreateFormFile("file", "messages.csv")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(part, text)
	_ = w.Close()
	return buf.String(), w.FormDataContentType()
}

// TestWhoSees is lists, counts and views: an office sees its own, a handler facts alone.
func TestWhoSees(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, id := b.submit(func(r *tipoff.SubmitTip) { r.Identity = &tipoff.Identity{Name: "某"} })
	b.submit()
	b.tie(id)
	b.dispatch(id, "market")
	for who, n := range map[string]int{"intake": 2, "city": 2, "market": 1, "examiner": 0, "fire": 0, "neighbour": 0, "intake-b": 0} {
		list, err := b.ListTips(b.as(who), tipoff.ListTips{})
		if err != nil || len(list.Items) != n {
			t.Errorf("%s lists %d, %v; want %d", who, len(list.Items), err, n)
		}
		if sum, err := b.Summarise(b.as(who), struct{}{}); err != nil || sum.Total != n || sum.Place == "" {
			t.Errorf("%s counts %+v, %v; want %d", who, sum, err, n)
		}
	}
	box, err := b.Inbox(b.as("market"), struct{}{})
	if err != nil || len(box.Items) != 1 || box.Items[0].Kind != "accept" || box.Items[0].DaysLeft == nil || box.Items[0].Href != "/tips/"+id {
		t.Errorf("inbox of market: %+v, %v", box, err)
	}
	if _, err := b.RequestIdentity(b.as("intake"), tipoff.RequestIdentity{Key: b.key(), ID: id, Reason: "需核实凭证"}); err != nil {
		t.Fatal(err)
	}
	if box, _ = b.Inbox(b.as("intake2"), struct{}{}); len(box.Items) != 2 || box.Items[1].Kind != "identity" {
		t.Errorf("inbox of intake2: %+v", box)
	}
	rec := httptest.NewRecorder()
	newAPI(b.Service, io.Discard).Handler().ServeHTTP(rec, b.request("GET /v1/tips/"+id, "", "market"))
	for _, word := range []string{"identity", "身份", `"intake"`, "channel", "suggestion"} {
		if strings.Contains(rec.Body.String(), word) {
			t.Errorf("a handler reads %s in %s", word, rec.Body)
		}
	}
	if !strings.Contains(rec.Body.String(), "一次性交一年学费") {
		t.Error("the owner cannot read the text")
	}
	sum, err := b.Summarise(t.Context(), struct{}{})
	if err != nil || len(sum.ByState) != 0 || len(sum.ByCategory) != 0 {
		t.Errorf("the public reads %+v, %v of two tip-offs", sum, err)
	}
}

// TestImportByHTTP is the answer as another program reads it.
func TestImportByHTTP(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.at("2026-11-20")
	body, contentType := upload(t, "id,user,subject,sent_at,text,reply,replied_at\n1,U1,投诉培训机构,2019/4/24 15:40:04,培训机构乱收费,,\n2,U1,投诉培训机构,2019/13/24 15:40:04,培训机构乱收费,,\n")
	r := b.request("POST /v1/imports", body, "intake")
	r.Header.Set("Content-Type", contentType)
	rec := httptest.NewRecorder()
	newAPI(b.Service, io.Discard).Handler().ServeHTTP(rec, r)
	const want = `{"received":2,"created":1,"duplicate":0,"rejected":[{"line":3,"field":"sent_at","detail":"时间应为 2019/4/24 15:40:04 或 2019-04-24T15:40:04 的形式，且日期存在"}]}`
	if rec.Code != 200 || rec.Body.String() != want {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}
