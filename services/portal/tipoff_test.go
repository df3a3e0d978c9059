package portal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
	"xunguan/pkg/once"
	"xunguan/pkg/peer"
)

// tipDesk is the tipoff service as its public routes are, with all that reaches it.
type tipDesk struct {
	mu   sync.Mutex
	seen []string // of each request: headers and body
	said []tipSaid
	keys []string // of photos

	supplements []supplementSaid
}

type supplementSaid struct {
	pairSaid
	Photos []string `json:"photos,omitempty"`
}

type tipSaid struct {
	once.Key
	tipDraft
}

type pairSaid struct {
	Number string `json:"number"`
	Code   string `json:"code"`
	Text   string `json:"text,omitempty"`
}

const deskCode = "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"

func (d *tipDesk) submit(_ context.Context, req tipSaid) (map[string]any, error) {
	if req.Text == "short" {
		return nil, fault.Fields(fault.Field{Pointer: "/text", Detail: "至少 5 个字符"})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.said = append(d.said, req)
	return map[string]any{"number": "TS-2026-1122-0837", "code": deskCode, "submitted_on": "2026-11-22", "due": "2026-12-11", "what_next": "请抄下", "warnings": []string{"似乎有手机号码"}}, nil
}

func (d *tipDesk) track(_ context.Context, req pairSaid) (map[string]any, error) {
	if req.Code != deskCode {
		return nil, fault.NotFound.Errorf("没有找到：请核对受理编号和查询码")
	}
	state := "WAITING"
	if req.Text != "" || req.Number == "TS-ENDED" {
		state = "HANDLING"
	}
	return map[string]any{
		"number": req.Number, "state": state, "state_name": "办理中<script>", "holder": "姑苏区教育局", "held_since": "2026-11-24", "can_reopen": true, "since": "2026-11-22", "due": "2026-12-11",
		"answers": []map[string]any{{"text": "已处理", "office": "教育局", "on": "2026-11-23"}}, "questions": []map[string]any{{"text": "请补充日期", "asked_on": "2026-11-22"}}, "notices": []string{"曾因核实被查看"},
	}, nil
}

// supplement takes what was asked for.
func (d *tipDesk) supplement(ctx context.Context, req supplementSaid) (map[string]any, error) {
	d.mu.Lock()
	d.supplements = append(d.supplements, req)
	d.mu.Unlock()
	return d.track(ctx, req.pairSaid)
}

// judge takes both of a reporter's last words; one is too short.
func (d *tipDesk) judge(ctx context.Context, req struct {
	pairSaid
	Attitude string `json:"attitude,omitempty"`
	Solved   string `json:"solved,omitempty"`
},
) (map[string]any, error) {
	if req.Text == "short" {
		return nil, fault.Fields(fault.Field{Pointer: "/text", Detail: "至少 5 个字符"})
	}
	k, err := d.track(ctx, req.pairSaid)
	if err == nil && req.Attitude != "" {
		k["feedback"] = map[string]any{"attitude": req.Attitude, "solved": req.Solved}
	}
	return k, err
}

// withDesk returns portal before a tip desk, and what it writes.
func withDesk(t *testing.T) (*suite, *tipDesk) {
	t.Helper()
	d := new(tipDesk)
	s := newSuite(t)
	api := &kit.API{Title: "tipoff", Verifier: s.Signer.verifierFor("tipoff"), Policy: auth.Roles(map[string][]auth.Permission{"intake": {auth.Permit("x")}}), Log: s.Log}
	kit.Route(api, "POST /v1/tips", "SubmitTip", auth.Public, d.submit, kit.Unseen)
	kit.Route(api, "POST /v1/tips/track", "TrackTip", auth.Public, d.track, kit.Unseen)
	kit.Route(api, "POST /v1/tips/supplement", "SupplementTip", auth.Public, d.supplement, kit.Unseen)
	kit.Route(api, "POST /v1/tips/rate", "RateTip", auth.Public, d.judge, kit.Unseen)
	kit.Route(api, "POST /v1/tips/unsolved", "UnsolvedTip", auth.Public, d.judge, kit.Unseen)
	kit.Upload(api, "POST /v1/photos", "AddPhoto", auth.Public, 11<<20, d.addPhoto, kit.Unseen)
	kit.Download(api, "POST /v1/tips/track/photo", "TrackPhoto", auth.Public, d.trackPhoto, kit.Unseen)
	kit.Upload(api, "POST /v1/imports", "ImportTips", auth.Permit("x"), 64<<20, func(_ context.Context, _ struct{ once.Key }, r io.Reader) (map[string]int64, error) {
		n, err := io.Copy(io.Discard, r)
		return map[string]int64{"bytes": n}, err
	})
	h := api.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		r.Body = io.NopCloser(io.TeeReader(r.Body, &body))
		h.ServeHTTP(w, r)
		d.mu.Lock()
		d.seen = append(d.seen, fmt.Sprint(r.URL, r.Header))
		if r.URL.Path == "/v1/photos" {
			d.seen = append(d.seen, body.String())
		}
		d.mu.Unlock()
	}))
	t.Cleanup(srv.Close)
	s.Find = peer.Static(map[string]string{"tipoff": srv.Listener.Addr().String()})
	s.Peers = peer.Client(s.Find)
	return s, d
}

func postForm(b *browser, path string, form url.Values, headers ...string) answer {
	return b.do("POST", path, form.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

func TestTipPages(t *testing.T) {
	t.Parallel()
	s, d := withDesk(t)
	s.open(school("a", "甲"))
	b := s.browser(Public)
	form := b.get("/tipoff?institution=a")
	form.want(t, 200, `name="key" value="`, `name="institution" value="a"`, "甲", `action="/tipoff"`)
	_, key, _ := strings.Cut(form.body, `name="key" value="`)
	key, _, _ = strings.Cut(key, `"`)
	filled := url.Values{"key": {key}, "subject_kind": {"INSTITUTION"}, "institution": {"a"}, "institution_name": {"甲"}, "text": {"一次交一年\r\n学费"}, "name": {"王"}, "phone": {" "}}
	got := postForm(b, "/tipoff/received", filled)
	got.want(t, 200, "TS-2026-1122-0837", deskCode, "只显示这一次", "2026 年 12 月 11 日", "似乎有手机号码")
	if len(d.said) != 1 || d.said[0].IdempotencyKey != key || d.said[0].Text != "一次交一年\n学费" || d.said[0].Identity == nil || d.said[0].Identity.Name != "王" {
		t.Errorf("the service was told %+v", d.said)
	}
	wrong := postForm(b, "/tipoff/received", url.Values{"key": {key}, "text": {"short"}, "place_address": {`"><script>`}})
	wrong.want(t, 400, "至少 5 个字符", `href="#text"`, "&#34;&gt;&lt;script&gt;", key)
	b.get("/tipoff/track").want(t, 200, `name="code"`)
	b.get("/tipoff/received").want(t, 303)
	pair := url.Values{"number": {"TS-2026-1122-0837"}, "code": {deskCode}}
	shown := postForm(b, "/tipoff/track", pair)
	shown.want(t, 200, "姑苏区教育局", "2026 年 11 月 24 日", "已处理", "请补充日期", "曾因核实被查看", `action="/tipoff/supplement"`, "办理中&lt;script&gt;")
	done := postPhoto(b, "/tipoff/supplement", "number", "TS-2026-1122-0837", "code", deskCode, "text", "三月一日")
	done.want(t, 200, "已办理")
	again := postForm(b, "/tipoff/unsolved", url.Values{"number": {"TS-ENDED"}, "code": {deskCode}, "text": {"short"}})
	again.want(t, 400, "至少 5 个字符", "要求重新办理", ">short</textarea>", "姑苏区教育局")
	rated := postForm(b, "/tipoff/rate", url.Values{"number": {"TS-2026-1122-0837"}, "code": {deskCode}, "attitude": {"GOOD"}, "solved": {"NO"}})
	rated.want(t, 200, `value="GOOD" required checked`, `value="NO" checked`)
	none := postForm(b, "/tipoff/track", url.Values{"number": {"TS-2026-1122-0837"}, "code": {"wrong"}})
	none.want(t, 404, "没有找到", `name="code"`, `value="wrong"`) // a letter may be mended
	for name, a := range map[string]answer{"form": form, "received": got, "wrong": wrong, "shown": shown, "again": again, "rated": rated, "none": none} {
		whole(t, name, a)
		if a.header.Get("Set-Cookie") != "" || strings.Contains(bare(a), "<script") || a.header.Get("Location") != "" {
			t.Errorf("%s: %v", name, a.header)
		}
	}
	postForm(b, "/tipoff/received", filled, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site").want(t, 403)
	s.browser(Staff).get("/tipoff").want(t, 404)
}

// TestTipSteps: one question a page; what was said travels along, what is missing
// is asked for where it is missing, and from the last page everything may be changed.
func TestTipSteps(t *testing.T) {
	t.Parallel()
	s, d := withDesk(t)
	b := s.browser(Public)
	b.get("/tipoff?name=%E4%B9%99").want(t, 200, "您要反映的是什么", "机构让我私下转账", `name="institution_name" value="乙"`)
	b.get("/tipoff?about=transfer").want(t, 200, "是哪一家", "私下转账")
	said := url.Values{"key": {"0199-step-key"}, "step": {"about"}}
	postForm(b, "/tipoff", said).want(t, 400, "请选择反映的是什么", `href="#subject_kind"`, "出错：")
	said.Set("subject_kind", "PLACE")
	postForm(b, "/tipoff", said).want(t, 200, "是哪一家，在哪里", "第 2 步，共 5 步")
	said.Set("step", "where")
	postForm(b, "/tipoff", said).want(t, 400, "请写地址或招牌", `href="#place_address"`, `aria-invalid="true"`)
	said.Set("place_address", "人民路 2 号")
	postForm(b, "/tipoff", said).want(t, 200, "发生了什么", `name="place_address" value="人民路 2 号"`)
	said.Set("step", "what")
	said.Set("text", "无证\r\n办学")
	said.Set("to", "check") // past a page that lacks nothing
	postForm(b, "/tipoff", said).want(t, 200, "请核对后提交", `action="/tipoff/received"`, "人民路 2 号", "没有证照的场所", "不留")
	said.Set("step", "check")
	said.Set("to", "where")
	postForm(b, "/tipoff", said).want(t, 200, "是哪一家，在哪里", `name="to" value="check"`, `value="人民路 2 号"`)
	said.Set("text", "无")
	said.Set("step", "where")
	said.Set("to", "check")
	postForm(b, "/tipoff", said).want(t, 400, "发生了什么", "请至少写 5 个字", `name="to" value="check"`)
	if len(d.said) != 0 {
		t.Errorf("the service was told before the last page was sent: %+v", d.said)
	}
	elder := b.do("GET", "/elder?on=1&to=/tipoff", "")
	elder.want(t, 303)
	if !strings.Contains(elder.header.Get("Set-Cookie"), "xg_elder=1") {
		t.Errorf("%v", elder.header)
	}
	b.do("GET", "/tipoff", "", "Cookie", "xg_elder=1; mark=7731").want(t, 200, `class="elder"`, "标准版")
	b.do("GET", "/elder?on=1&to=https://evil.example/", "").want(t, 303)
}

// TestTipUnseen: who tips off, by page or by API, logged in or not, leaves nothing
// behind in portal: no log entry, no span, nothing that goes on to the service.
func TestTipUnseen(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	s, d := withDesk(t)
	b := s.as(Public, "parent")
	s.log.Reset()
	spans.Reset()
	marks := []string{"User-Agent", "MarkedBrowser/6.66", "X-Forwarded-For", "203.0.113.77", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Cookie", "mark=cookie-7731", "Idempotency-Key", "0199-marked-key", "Authorization", "Bearer nonsense"}
	b.do("GET", "/tipoff", "", marks...).want(t, 200)
	postForm(b, "/tipoff/received", url.Values{"key": {"0199-form-key"}, "subject_kind": {"PLACE"}, "text": {"无证办学在人民路"}}, marks...).want(t, 200)
	postForm(b, "/tipoff/track", url.Values{"number": {"1"}, "code": {deskCode}}, marks...).want(t, 200)
	const body = `{"subject_kind":"PLACE","text":"无证办学在人民路","place_address":"人民路"}`
	for _, l := range []Listener{Public, Staff} {
		who := b
		if l == Staff {
			who = s.browser(l)
		}
		who.do("POST", "/api/tipoff/v1/tips", body, marks...).want(t, 200, deskCode)
		who.do("POST", "/api/tipoff/v1/tips/track", `{"number":"1","code":"2"}`, marks...).want(t, 404)
	}
	if s.log.Len() != 0 {
		t.Errorf("log: %s", s.log)
	}
	if got := spans.GetSpans(); len(got) != 0 {
		t.Errorf("%d spans: %v", len(got), got[0].Name)
	}
	all := strings.Join(d.seen, "\n")
	for _, mark := range []string{"MarkedBrowser", "203.0.113.77", "4bf92f35", "7731", "Cookie", "Traceparent", "Authorization"} {
		if strings.Contains(all, mark) {
			t.Errorf("the service was told %s: %s", mark, all)
		}
	}
	b.get("/") // a page that is seen: the search above can find
	if s.log.Len() == 0 || len(spans.GetSpans()) == 0 {
		t.Error("there is no log or no trace of a page that is seen")
	}
}

// TestUpload: a file larger than other requests passes, as it comes.
func TestUpload(t *testing.T) {
	t.Parallel()
	s, _ := withDesk(t)
	b := s.as(Staff, "intake")
	file := func(size int) (string, string) {
		var buf bytes.Buffer
		w := multipart.NewWriter(&buf)
		part, _ := w.CreateFormFile("file", "x.csv")
		_, _ = part.Write(bytes.Repeat([]byte("x"), size))
		_ = w.Close()
		return buf.String(), w.FormDataContentType()
	}
	body, contentType := file(5 << 20)
	b.do("POST", "/api/tipoff/v1/imports", body, "Content-Type", contentType, "Idempotency-Key", "0199-upload-1", "X-CSRF-Token", b.csrf).want(t, 200, `{"bytes":5242880}`)
	body, contentType = file(66 << 20)
	b.do("POST", "/api/tipoff/v1/imports", body, "Content-Type", contentType, "Idempotency-Key", "0199-upload-2", "X-CSRF-Token", b.csrf).want(t, 413, "文件过大")
	b.do("POST", "/api/tipoff/v1/imports", "x", "Idempotency-Key", "0199-upload-3").want(t, 403, "CSRF")
}
