package portal

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/kit"
	"xunguan/pkg/once"
	"xunguan/pkg/peer"
)

const hostile = `<img src=x onerror="alert(1)">'"&{{.}}`

// TestPublicPages is the public's way: search, result, institution; and that a
// name is never more than a name.
func TestPublicPages(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.open(school("a", "小画家"+hostile, white), school("b", "大画家"))
	b := s.browser(Public)
	b.get("/").want(t, 200, "查校外培训机构", `<html lang="zh-CN">`, "试用系统")
	found := b.get("/?q=画")
	found.want(t, 200, "找到 2 家", "小画家&lt;img src=x", "白名单", "数据截至", `href="/institutions/a"`)
	b.get("/?q="+url.QueryEscape(hostile)).want(t, 200, "找到 1 家")
	empty := b.get("/?q=剑桥")
	empty.want(t, 200, "未在本市名录中找到，可能未取得许可", "12345")
	page := b.get("/institutions/a")
	page.want(t, 200, "2026 年 3 月 2 日", "教民3205087000001号", "如何提出异议", "行政复议", "江苏省苏州市姑苏区", "苏教规〔2024〕1号", "2029 年 3 月 1 日", "2027 年 3 月 9 日")
	b.get("/institutions/b").want(t, 200, "目前未列入白名单或黑名单", "12345")
	b.get("/institutions/none").want(t, 404, "机构不存在", `lang="zh-CN"`)
	b.get("/?q=x&jurisdiction=123456").want(t, 400, "没有这个行政区划代码")
	b.get("/?q="+strings.Repeat("画", 201)).want(t, 400, "至多 200 个字符")
	b.get("/nowhere").want(t, 404, "此地址不存在", `lang="zh-CN"`)
	b.do("POST", "/", "").want(t, 405, "不支持该请求方法")
	b.get("/contracts").want(t, 401, "请先登录")
	for name, a := range map[string]answer{"search": found, "institution": page, "empty": empty} {
		whole(t, name, a)
		for _, word := range []string{"<img", "<script", "onerror=\"", "style=", "非法", "principal-secret"} {
			if strings.Contains(bare(a), word) {
				t.Errorf("%s page has %s", name, word)
			}
		}
	}
}

// bare is a's page less the one script that every page has once it is built.
func bare(a answer) string {
	return strings.Replace(a.body, `<script type="module" src="`+pageScript+`"></script>`, "", 1)
}

// whole checks what every page must have.
func whole(t *testing.T, name string, a answer) {
	t.Helper()
	if n := strings.Count(a.body, "<h1"); n != 1 {
		t.Errorf("%s: %d h1", name, n)
	}
	if !strings.HasSuffix(strings.TrimSpace(a.body), "</html>") {
		t.Errorf("%s: not whole", name)
	}
	for header, want := range map[string]string{"Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
		if !strings.HasPrefix(a.header.Get(header), want) {
			t.Errorf("%s: %s is %q", name, header, a.header.Get(header))
		}
	}
	if !strings.Contains(a.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("%s: may be framed", name)
	}
	for _, id := range regexp.MustCompile(`<label for="([^"]+)"`).FindAllStringSubmatch(a.body, -1) {
		if strings.Count(a.body, `id="`+id[1]+`"`) != 1 {
			t.Errorf("%s: label for %s", name, id[1])
		}
	}
}

// office is licensing and escrow as the consoles see them, with real APIs.
type office struct {
	s     *suite
	notes []string // of what was decided, with the caller and the key
}

type noteRequest struct {
	once.Key
	ID     string `path:"id"`
	Reason string `json:"reason" minLength:"2"`
	Area   int    `json:"area,omitempty"`
	Agree  bool   `json:"agree,omitempty"`
}

type lessonsAsked struct {
	ID   string `path:"id"`
	Page int    `query:"page"`
}

type inboxAnswer struct {
	Items []map[string]any `json:"items"`
}

func withOffice(t *testing.T) (*suite, *office) {
	t.Helper()
	s := newSuite(t)
	o := &office{s: s}
	find := map[string]string{}
	for _, name := range []string{"licensing", "escrow"} {
		staff := auth.Permit(name + ":case:read")
		api := &kit.API{
			Title: name, Verifier: s.Signer.verifierFor(name), Log: slog.New(slog.DiscardHandler),
			Policy: auth.Roles(map[string][]auth.Permission{"examiner": {staff}, "parent": {staff}}),
		}
		o.routes(api, name, staff)
		srv := httptest.NewServer(api.Handler())
		t.Cleanup(srv.Close)
		find[name] = srv.Listener.Addr().String()
	}
	s.Find = peer.Static(find)
	s.Peers = peer.Client(s.Find)
	return s, o
}

func (o *office) routes(api *kit.API, name string, p auth.Permission) {
	due := map[string]string{"licensing": "2026-03-09", "escrow": "2026-03-02"}[name]
	kit.Route(api, "GET /v1/inbox", "ReadInbox", p, func(ctx context.Context, _ struct{}) (inboxAnswer, error) {
		if slices.Contains(auth.From(ctx).Roles, "parent") {
			return inboxAnswer{[]map[string]any{{"id": "c1/2", "kind": "lesson", "title": "水彩 第 2 课时待确认", "due": "2026-03-09", "light": "yellow", "days_left": 2, "href": "/contracts/c1"}}}, nil
		}
		return inboxAnswer{[]map[string]any{
			{"id": "1", "kind": "accept", "title": name + hostile, "due": due, "provisional": name == "licensing", "light": "yellow", "days_left": 2, "href": "/applications/7"},
			{"id": "2", "kind": "decide", "title": name + " 无期限", "due": "", "light": "green", "days_left": 0, "href": "javascript:alert(1)"},
		}}, nil
	})
	kit.Route(api, "GET /v1/applications/{id}", "GetApplication", p, func(ctx context.Context, req FindInstitution) (json.RawMessage, error) {
		if req.ID != "7" {
			return nil, fault.NotFound.Errorf("申请不存在")
		}
		f := map[string]any{
			"id": "7", "name": "小画家" + hostile, "state": "ACCEPTED", "state_name": "已受理", "jurisdiction": "320508", "decide_by": "2026-03-09", "price_fen": 480000,
			"grounds":  []fault.Ground{{Key: "licence.decide", Version: 2, Value: json.RawMessage("20"), Unit: "working_day", Jurisdiction: "000000", Source: "行政许可法 §42", Inputs: map[string]any{"from": "2026-02-09"}}},
			"timeline": []map[string]string{{"at": "2026-03-02T09:00:00+08:00", "summary": "受理"}},
			"actions": []flow.Action{{Action: "decide", Label: "作出决定", Method: "POST", Href: "/v1/applications/7/decide", Reason: true, Basis: "行政许可法 §38", Fields: []flow.Field{
				{Name: "area", Label: "面积", Type: "number"}, {Name: "agree", Label: "同意", Type: "boolean", Required: true},
			}}},
			"refunds": []map[string]any{{"id": "r1", "amount_fen": 10000, "actions": []flow.Action{{Action: "agree", Label: "同意退费", Href: "/v1/refunds/r1/agree"}}}},
		}
		return json.Marshal(f)
	})
	kit.Route(api, "POST /v1/applications/{id}/decide", "Decide", p, func(ctx context.Context, req noteRequest) (said, error) {
		if req.Reason == "超期" {
			return said{}, fault.Refused.Because("公示期未满", fault.Ground{Key: "licence.notice", Version: 1, Value: json.RawMessage("7"), Unit: "working_day", Source: "<b>", Inputs: map[string]any{"today": "2026-03-02"}})
		}
		o.notes = append(o.notes, strings.Join([]string{auth.From(ctx).Subject, req.IdempotencyKey, req.Reason, string(must(json.Marshal([]any{req.Area, req.Agree})))}, "|"))
		return said{}, nil
	})
	kit.Route(api, "GET /v1/flags/{id}", "GetFlag", p, func(context.Context, FindInstitution) (json.RawMessage, error) {
		return json.RawMessage(`{"id":"f1","contract":"c1","state":"OPEN","state_text":"待处理","explanation":"超过上限","rule":{"key":"fee.nonsubject_cap","version":1,"value":500000,"unit":"fen","jurisdiction":"000000","source":"苏教","provenance":"V","inputs":{"held_fen":520000}},"due":"2026-03-09","about":{"course":"美术","paid_fen":520000}}`), nil
	})
	kit.Route(api, "GET /v1/contracts", "ListContracts", p, func(context.Context, struct{}) (json.RawMessage, error) {
		return json.RawMessage(`{"contracts":[{"id":"c1","course":"美术","institution_name":"小画家","state":"OFFERED","state_text":"待签约","price_fen":520000}]}`), nil
	})
	kit.Route(api, "GET /v1/contracts/{id}", "GetContract", p, func(context.Context, FindInstitution) (json.RawMessage, error) {
		return json.RawMessage(`{"id":"c1","course":"美术","state":"OFFERED","state_text":"待签约","price_fen":520000,"warnings":[{"key":"fee.nonsubject_cap","explanation":"预收 5200 元，超过 5000 元"}],"flags":[],"actions":[{"action":"sign","label":"签约","method":"POST","href":"/v1/contracts/c1/sign","reason":false}],"timeline":[]}`), nil
	})
	kit.Route(api, "GET /v1/contracts/{id}/lessons", "ListLessons", p, func(_ context.Context, req lessonsAsked) (json.RawMessage, error) {
		if req.Page == 2 {
			return json.RawMessage(`{"lessons":[{"n":3,"fee_fen":10000,"state":"SCHEDULED","state_text":"待上课"}],"more":false}`), nil
		}
		return json.RawMessage(`{"lessons":[{"n":1,"fee_fen":10000,"state":"TAUGHT","state_text":"待确认","actions":[{"action":"confirm","label":"确认上课","href":"/v1/contracts/c1/lessons/1/confirm","reason":false}]},
			{"n":2,"fee_fen":10000,"state":"TAUGHT","state_text":"待确认","confirm_by":"2026-03-09","actions":[{"action":"dispute","label":"提出异议","href":"/v1/contracts/c1/lessons/2/dispute","reason":true,"fields":[{"name":"reason","label":"异议原因","type":"text","required":true}]}]}],"more":true}`), nil
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestInbox is the merged inbox: by due date, with light, days and the mark of
// a provisional date.
func TestInbox(t *testing.T) {
	t.Parallel()
	s, _ := withOffice(t)
	s.browser(Staff).get("/").want(t, 200, "请先登录")
	b := s.as(Staff, "examiner")
	a := b.get("/")
	a.want(t, 200, "待办 4 件", "▲ 临期 2", "● 正常 2", "剩 2 个工作日", "2026 年 3 月 9 日", "暂定", "没有法定期限", "&lt;img src=x", `href="/applications/7"`)
	whole(t, "inbox", a)
	if strings.Index(a.body, "escrow&lt;") > strings.Index(a.body, "licensing&lt;") {
		t.Error("what is due first does not come first")
	}
	if strings.Contains(a.body, "javascript:") {
		t.Error("a link runs a script")
	}
	s.as(Staff, "fire").get("/").want(t, 200, "待办 0 件", "目前没有待办")
	s.Peers = peer.Client(peer.Static(nil))
	b.get("/").want(t, 200, "许可服务暂时没有应答", "资金监管服务暂时没有应答")
}

// TestCasePage is a case, its generic form, and what the form does.
func TestCasePage(t *testing.T) {
	t.Parallel()
	s, o := withOffice(t)
	b := s.as(Staff, "examiner")
	page := b.get("/applications/7")
	page.want(t, 200, "小画家&lt;img", "已受理", "苏州市姑苏区", "2026 年 3 月 9 日", "4,800.00 元", "licence.decide", "20 个工作日", "2026 年 3 月 2 日 09:00",
		`name="number.area"`, `name="boolean.agree"`, `name="text.reason"`, "依据：行政许可法 §38", "同意退费", "100.00 元")
	whole(t, "case", page)
	if strings.Contains(page.body, "ACCEPTED") || strings.Contains(page.body, "<img") {
		t.Errorf("page: %s", page.body)
	}
	key := regexp.MustCompile(`name="key" value="([^"]+)"`).FindStringSubmatch(page.body)[1]
	form := url.Values{"csrf": {b.csrf}, "key": {key}, "href": {"/v1/applications/7/decide"}, "number.area": {"180"}, "boolean.agree": {"true"}, "text.reason": {"符合条件"}}
	send := func(change ...string) answer {
		f := maps.Clone(form)
		for i := 0; i < len(change); i += 2 {
			f.Set(change[i], change[i+1])
		}
		return b.do("POST", "/applications/7", f.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	}
	a := send()
	a.want(t, 303)
	if to := a.header.Get("Location"); to != "/applications/7?done=1" {
		t.Errorf("sent to %s", to)
	}
	b.get("/applications/7?done=1").want(t, 200, "已办理")
	if diff := cmp.Diff([]string{"examiner|" + key + "|符合条件|[180,true]"}, o.notes); diff != "" {
		t.Error(diff)
	}
	o.notes = nil
	send("csrf", "wrong").want(t, 403, "CSRF")
	send("csrf", "").want(t, 403, "CSRF")
	send("href", "http://evil.example/v1/x").want(t, 400, "表单有误")
	send("href", "//evil.example/v1/x").want(t, 400, "表单有误")
	send("href", "/trial/clock").want(t, 400, "表单有误")
	send("href", "/v1/../trial/clock").want(t, 400, "表单有误")
	short := send("text.reason", "短")
	short.want(t, 400, "理由：至少 2 个字符", ">短</textarea>", `value="180"`, `value="`+key+`"`, `<option value="true" selected>`)
	whole(t, "case with a problem", short)
	send("text.reason", "超期").want(t, 422, "公示期未满", "licence.notice", "7 个工作日", "&lt;b&gt;", ">超期</textarea>")
	send("number.area", "12 m").want(t, 400, "应为数字", `value="12 m"`)
	send("text.reason", "<textarea>").want(t, 303)
	if len(o.notes) != 1 {
		t.Errorf("decided %v", o.notes)
	}
	b.get("/applications/8").want(t, 404, "申请不存在")
	s.as(Staff, "fire").get("/applications/7").want(t, 403, "无权")
	s.browser(Staff).get("/applications/7").want(t, 401, "请先登录")
	b.do("POST", "/applications/7", strings.Repeat("x", maxBody+1), "Content-Type", "application/x-www-form-urlencoded").want(t, 400)
}

// TestMoneyPages is a flag with its rule and contract, and a parent's contract
// with its warning before the button.
func TestMoneyPages(t *testing.T) {
	t.Parallel()
	s, _ := withOffice(t)
	flag := s.as(Staff, "examiner").get("/flags/f1")
	flag.want(t, 200, "非学科类金额上限", "5,000.00 元", "5,200.00 元", "苏教", "待处理", "2026 年 3 月 9 日", "超过上限", "美术")
	whole(t, "flag", flag)
	p := s.as(Public, "parent")
	p.get("/contracts").want(t, 200, `href="/contracts/c1"`, "5,200.00 元", "待签约", "小画家", "等您办的 1 件", "剩 2 个工作日", "到期没有答复即自动确认")
	c := p.get("/contracts/c1")
	c.want(t, 200, "付款前请知悉", "超过 5000 元", "签约", "确认上课", "100.00 元")
	whole(t, "contract", c)
	c.want(t, 200, "<strong>第 2 课时</strong>", "<strong>第 3 课时</strong>", "剩 2 个工作日", "自动确认，这一课的费用随即拨付给机构", `name="text.reason" value="这节课没上"`, "提出异议")
	if strings.Index(c.body, "/lessons/2/") > strings.Index(c.body, "/lessons/1/") {
		t.Error("the lesson that waits for the parent is not the first")
	}
	if strings.Index(c.body, "付款前请知悉") > strings.Index(c.body, "<button type=\"submit\">签约") {
		t.Error("the warning comes after the button")
	}
}

// TestWords is money and dates in words.
func TestWords(t *testing.T) {
	t.Parallel()
	for fen, want := range map[int64]string{0: "0.00 元", 5: "0.05 元", 100: "1.00 元", 99999: "999.99 元", 480000: "4,800.00 元", 123456789: "1,234,567.89 元", -150: "-1.50 元", 100000000: "1,000,000.00 元"} {
		if got := yuan(fen); got != want {
			t.Errorf("yuan(%d) = %s, want %s", fen, got, want)
		}
	}
	for _, tt := range [][3]string{
		{"due", "2026-03-02", "2026 年 3 月 2 日"},
		{"due", "", ""},
		{"at", "2026-03-02T01:00:00Z", "2026 年 3 月 2 日 09:00"},
		{"price_fen", "480000", "4,800.00 元"},
		{"price_fen", "x", "x"},
		{"jurisdiction", "320508", "江苏省苏州市姑苏区（320508）"},
		{"jurisdiction", "999999", "999999"},
		{"passed", "true", "是"},
		{"list", "WHITE", "白名单"},
		{"n", "7", "7"},
	} {
		if got := readable(tt[0], tt[1]); got != tt[2] {
			t.Errorf("readable(%s, %s) = %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
	if got := date(day.Date{}); got != "" {
		t.Errorf("no date is %q", got)
	}
}

// FuzzFacts is that no answer of a service breaks a page.
func FuzzFacts(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":null}],"state":"x","state_text":"y","value":1,"unit":"fen"}`))
	f.Add([]byte(`{"actions":[1,{"fields":[[]]}],"warnings":{"a":1}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := parseFacts(raw)
		if err != nil || got.Leaf {
			return
		}
		var b strings.Builder
		if err := pages["case"].ExecuteTemplate(&b, "layout.html", view{Body: caseOf(got, filling{})}); err != nil {
			t.Fatal(err)
		}
	})
}
