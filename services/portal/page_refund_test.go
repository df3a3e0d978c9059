package portal

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
	"xunguan/pkg/once"
	"xunguan/pkg/peer"
)

type quoteAsked struct {
	ID      string `path:"id"`
	Lessons int    `query:"lessons"`
	Fault   string `query:"fault"`
	Ground  string `query:"ground"`
	Stopped string `query:"stopped_on"`
}

type refundAsked struct {
	once.Key
	ID      string `path:"id"`
	Lessons int    `json:"lessons,omitempty"`
	Whole   bool   `json:"whole,omitempty"`
	Fault   string `json:"fault,omitempty"`
	Ground  string `json:"ground,omitempty"`
	Reason  string `json:"reason"`
}

// withRefunds is a suite whose escrow prices and takes refunds of one contract, and
// what it was asked.
func withRefunds(t *testing.T) (s *suite, asked *[]any) {
	t.Helper()
	s, asked = newSuite(t), new([]any)
	may := auth.Permit("escrow:case:read")
	api := &kit.API{
		Title: "escrow", Verifier: s.Signer.verifierFor("escrow"), Log: slog.New(slog.DiscardHandler),
		Policy: auth.Roles(map[string][]auth.Permission{"parent": {may}}),
	}
	kit.Route(api, "GET /v1/inbox", "Inbox", may, func(context.Context, struct{}) (inboxAnswer, error) { return inboxAnswer{}, nil })
	kit.Route(api, "GET /v1/contracts/{id}/lessons", "ListLessons", may, func(context.Context, FindInstitution) (json.RawMessage, error) {
		return json.RawMessage(`{"items":[]}`), nil
	})
	kit.Route(api, "GET /v1/contracts/{id}", "FindContract", may, func(context.Context, FindInstitution) (json.RawMessage, error) {
		return json.RawMessage(`{"id":"c1","course":"水彩","state_text":"已付款",
			"refunds":[{"id":"r1","state_text":"待机构答复","lessons":1,"amount_fen":10000,"basis_text":"付款后七日内","steps":[{"by":"2026-03-02","text":"提出申请","done":true},{"by":"2026-03-09","provisional":true,"text":"机构最迟在这一天答复"}],"actions":[]}],
			"actions":[{"action":"refunds","label":"申请退费","href":"/v1/contracts/c1/refunds","basis":"原路退回","fields":[
				{"name":"lessons","label":"退课时数","type":"number"},{"name":"whole","label":"全部","type":"boolean"},
				{"name":"fault","label":"因谁的原因","type":"choice","choices":["consumer","operator"],"names":["自身原因","非自身原因"]},
				{"name":"reason","label":"原因","type":"text","required":true}]}]}`), nil
	})
	kit.Route(api, "GET /v1/contracts/{id}/refund-quote", "QuoteRefund", may, func(_ context.Context, q quoteAsked) (json.RawMessage, error) {
		if *asked = append(*asked, q); q.Lessons > 40 {
			return nil, fault.Fields(fault.Field{Pointer: "/lessons", Detail: "至多可退 40 课时"})
		}
		if q.ID == "spent" {
			return nil, fault.Conflict.Errorf("没有可以退费的课时")
		}
		return json.RawMessage(`{"contract":"c1","on":"2026-03-02","lessons":40,"gift_lessons":0,"basis_text":"消费者自身原因","amount_fen":342000,"deducted_fen":38000,
			"clauses":[{"applies":true,"amount_fen":342000,"text":"按打折前价格扣除已上课时","rule":{"key":"refund.penalty","version":3,"value":10,"unit":"percent","source":"合同第九条","provenance":"memory","inputs":{"lessons":40}}},
				{"applies":false,"amount_fen":0,"text":"付款已超过七日","rule":{"key":"refund.cooling_off_days","version":1,"value":7,"unit":"calendar_day","source":"法释〔2025〕4号第十四条","provenance":"V","inputs":{}}}],
			"steps":[{"by":"2026-03-02","text":"提出申请"},{"by":"2026-03-09","text":"机构最迟答复"}]}`), nil
	})
	kit.Route(api, "POST /v1/contracts/{id}/refunds", "RequestRefund", may, func(_ context.Context, r refundAsked) (said, error) {
		if *asked = append(*asked, r); r.Reason == "拒绝" {
			return said{}, fault.Conflict.Errorf("课时已有变动")
		}
		return said{}, nil
	})
	srv := httptest.NewServer(api.Handler())
	t.Cleanup(srv.Close)
	s.Find = peer.Static(map[string]string{"escrow": srv.Listener.Addr().String()})
	s.Peers = peer.Client(s.Find)
	return s, asked
}

// TestRefundPage is that a parent sees each clause, its source and its inputs, also of
// what does not apply, before the application for exactly what was calculated; and the
// dates afterwards.
func TestRefundPage(t *testing.T) {
	t.Parallel()
	s, asked := withRefunds(t)
	s.browser(Public).get("/contracts/c1/refund").want(t, 401, "请先登录")
	b := s.as(Public, "parent")
	contract := b.get("/contracts/c1")
	contract.want(t, 200, `href="/contracts/c1/refund"`, "先算一算")
	if strings.Contains(contract.body, `value="/v1/contracts/c1/refunds"`) {
		t.Error("the contract's page applies for a refund that nobody has calculated")
	}
	page := b.get("/contracts/c1/refund?lessons=40&fault=consumer&secret=1")
	page.want(t, 200, "可退 3,420.00 元", "按打折前价格扣除已上课时", "第 3 版", "合同第九条", "付款已超过七日", "法释〔2025〕4号第十四条", "不适用的条款和理由（1 条）",
		"2026 年 3 月 9 日", "机构最迟答复", "已提出的退费：待机构答复", "✔", "暂定", `value="consumer" selected`, `name="number.lessons" value="40"`)
	whole(t, "refund", page)
	if want := any(quoteAsked{ID: "c1", Lessons: 40, Fault: "consumer"}); len(*asked) != 1 || (*asked)[0] != want {
		t.Errorf("asked %+v, want %+v", *asked, want)
	}
	b.get("/contracts/c1/refund?lessons=41").want(t, 400, "至多可退 40 课时", "计算")
	b.get("/contracts/spent/refund?done=1").want(t, 200, "已办理", "已提出的退费")
	b.get("/contracts/c1/refund").want(t, 200, `name="boolean.whole" value="true"`)
	*asked = nil
	form := url.Values{"csrf": {b.csrf}, "key": {"0192f0c8-0000-7000-8000-000000000001"}, "href": {"/v1/contracts/c1/refunds"}, "number.lessons": {"40"}, "text.fault": {"consumer"}, "text.reason": {"搬家"}}
	post := func() answer {
		return b.do("POST", "/contracts/c1/refund", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	}
	if a := post(); a.code != 303 || a.header.Get("Location") != "/contracts/c1/refund?done=1" {
		t.Errorf("applied: %d %s", a.code, a.header.Get("Location"))
	}
	got, _ := (*asked)[0].(refundAsked)
	if got.Lessons != 40 || got.Whole || got.Fault != "consumer" || got.Reason != "搬家" || got.IdempotencyKey != form.Get("key") {
		t.Errorf("escrow was asked %+v", got)
	}
	form.Set("text.reason", "拒绝")
	form.Set("number.lessons", "7")
	*asked = nil
	post().want(t, 409, "课时已有变动", "拒绝</textarea>", `name="number.lessons" value="7"`, `value="`+form.Get("key")+`"`)
	if q, ok := (*asked)[1].(quoteAsked); !ok || q.Lessons != 7 {
		t.Errorf("after a failure it calculates %+v", *asked)
	}
}
