package portal

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/event"
	"xunguan/pkg/event/eventtest"
	"xunguan/pkg/kit"
	"xunguan/pkg/mend"
	"xunguan/pkg/peer"
	"xunguan/pkg/pg/pgtest"
)

// ward is a service with an event that it cannot apply before it is healed.
type ward struct {
	desk *mend.Desk
	mu   sync.Mutex
	well bool
}

func (h *ward) heal() { h.mu.Lock(); defer h.mu.Unlock(); h.well = true }

func newWard(t *testing.T) *ward {
	t.Helper()
	h := &ward{}
	log := slog.New(slog.DiscardHandler)
	db := pgtest.New(t, fstest.MapFS{"0001_none.sql": {Data: []byte("-- +goose Up\nSELECT 1;")}})
	c := &event.Consumer{Name: "escrow", DB: db, Log: log, Handle: func(context.Context, pgx.Tx, event.Message) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.well {
			panic("poison")
		}
		return nil
	}}
	eventtest.Play(t, c, event.Message{ID: "event-1", Topic: "licensing.events", Partition: 3, Offset: 77, Key: "k<1>", Type: "licensing.v1.LicenceIssued", Version: 9})
	h.desk = &mend.Desk{DB: db, Consumer: c, Log: log}
	return h
}

// TestOps is the way of a halted key over the page: one operator asks, another
// approves, and the page says how it went. A service that is away is said to be.
func TestOps(t *testing.T) {
	t.Parallel()
	h, own := newWard(t), newWard(t)
	s := newSuite(t, func(s *Service) {
		api := &kit.API{Title: "escrow", Verifier: s.Signer.verifierFor("escrow"), Policy: mend.Grant(Grants), Log: slog.New(slog.DiscardHandler)}
		h.desk.Routes(api)
		srv := httptest.NewServer(api.Handler())
		t.Cleanup(srv.Close)
		s.Desk, s.Names = own.desk, []string{"escrow", "tipoff"}
		s.Peers = peer.Client(peer.Static(map[string]string{"escrow": srv.Listener.Addr().String(), "tipoff": "127.0.0.1:1"}))
	})
	first, second := s.as(Staff, "operator"), s.as(Staff, "operator2")
	page := first.get("/ops")
	page.want(t, 200, "运行台：2 处事件滞留", "资金监管（escrow）", "门户（portal）", "举报（tipoff）", "没有应答", "k&lt;1&gt;", "licensing.v1.LicenceIssued，第 9 号",
		"panic: string", "分区 3，位置 77", "ops_test.go", `href="/ops"`)
	whole(t, "ops", page)
	if strings.Contains(page.body, `"poison"`) {
		t.Error("the page shows what a panic was raised with")
	}
	csrf := func(b *browser, more url.Values) string {
		more.Set("csrf", b.csrf)
		return more.Encode()
	}
	sent := 0
	send := func(b *browser, form url.Values) answer {
		sent++
		form.Set("key", fmt.Sprintf("key-%05d", sent))
		return b.do("POST", "/ops", csrf(b, form), "Content-Type", "application/x-www-form-urlencoded")
	}
	ask := func(service, reason string) url.Values {
		return url.Values{"service": {service}, "form": {"event-1"}, "do": {"RELEASE"}, "topic": {"licensing.events"}, "of": {"k<1>"}, "event": {"event-1"}, "reason": {reason}}
	}
	send(first, ask("escrow", "短")).want(t, 400, "至少 4 个字符", ">短</textarea>")
	send(first, url.Values{"service": {"evil.example"}, "do": {"approve"}, "id": {"x"}}).want(t, 400, "表单有误")
	send(first, url.Values{"service": {"escrow"}, "do": {"drop"}}).want(t, 400, "表单有误")
	first.do("POST", "/ops", "service=escrow", "Content-Type", "application/x-www-form-urlencoded").want(t, 403, "CSRF")
	id := regexp.MustCompile(`name="id" value="([^"]+)"`)
	for service, w := range map[string]*ward{"escrow": h, self: own} {
		send(first, ask(service, "修复已发布，请重放")).want(t, 303)
		mine := first.get("/ops")
		mine.want(t, 200, "等待第二人审批", "修复已发布，请重放", "须由另一名运行人员审批", "撤回申请", "已有申请在等待审批")
		if strings.Contains(mine.body, "批准并立即执行") {
			t.Error("who asked is offered to approve")
		}
		theirs := second.get("/ops")
		theirs.want(t, 200, "批准并立即执行")
		whole(t, "ops, second operator", theirs)
		approve := func(b *browser) answer {
			return send(b, url.Values{"service": {service}, "do": {"approve"}, "id": {id.FindStringSubmatch(second.get("/ops").body)[1]}})
		}
		approve(first).want(t, 403, "申请人不能审批自己的申请")
		approve(second).want(t, 409, "按序重放失败，全部事件仍在原处：panic: string", "失败，未作任何改动")
		w.heal()
		send(first, ask(service, "再次修复，请重放")).want(t, 303)
		approve(second).want(t, 303)
	}
	second.get("/ops?done=1").want(t, 200, "运行台：0 处事件滞留", "已办理", "已完成", "operator 于", "operator2 于")

	// Published events can be sent again, from a time on.
	if _, err := h.desk.DB.Exec(t.Context(), `INSERT INTO outbox (topic, key, version, type, data, pub) VALUES ('escrow.events', 'c', 1, 'x', '', true)`); err != nil {
		t.Fatal(err)
	}
	resend := url.Values{"service": {"escrow"}, "form": {"resend"}, "do": {"RESEND"}, "since": {"2026-01-01"}, "reason": {"消息代理丢失数据"}}
	send(first, resend).want(t, 400, "应为日期和时间", ">消息代理丢失数据</textarea>")
	resend.Set("since", "2026-01-01T00:00")
	send(first, resend).want(t, 303)
	send(second, url.Values{"service": {"escrow"}, "do": {"approve"}, "id": {id.FindStringSubmatch(second.get("/ops").body)[1]}}).want(t, 303)
	first.get("/ops").want(t, 200, "待发布的事件 1 件")

	for _, other := range []string{"examiner", "city", "principal"} {
		s.as(Staff, other).get("/ops").want(t, 403, "只有运行人员")
	}
	s.browser(Staff).get("/ops").want(t, 401, "请先登录")
}
