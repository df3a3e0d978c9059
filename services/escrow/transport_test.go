package escrow

import (
	"crypto/ed25519"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"xunguan/pkg/auth"
	"xunguan/pkg/kit"
)

var (
	public, private, _ = ed25519.GenerateKey(nil)
	_, forger, _       = ed25519.GenerateKey(nil)
)

func newAPI(s *Service) *kit.API {
	api := &kit.API{
		Title: "escrow", Verifier: &auth.Verifier{Keys: map[string]ed25519.PublicKey{"k1": public}, Audience: "escrow"},
		Policy: Grants, Log: slog.New(slog.DiscardHandler),
	}
	s.Routes(api)
	return api
}

// token is a persona's; with a ttl that has passed it is an expired one.
func token(t testing.TB, name string, ttl time.Duration, key ed25519.PrivateKey, audience string) string {
	t.Helper()
	return "Bearer " + must(auth.Sign(key, "k1", persona(name), ttl, audience))(t)
}

// ask sends one request of a persona, "" of nobody, and returns status and body.
func ask(t testing.TB, h http.Handler, method, path, by, key, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if by != "" && !strings.HasPrefix(by, "Bearer ") {
		by = token(t, by, time.Minute, private, "escrow")
	}
	if by != "" {
		r.Header.Set("Authorization", by)
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// TestBadInput is every way a request can be wrong: the problem that comes, and
// that nothing changed.
func TestBadInput(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	api := newAPI(h.Service).Handler()
	id := h.sign(h.terms()).ID
	before := h.count(`SELECT count(*) FROM outbox`) + h.count(`SELECT count(*) FROM timeline`) + h.count(`SELECT count(*) FROM once`)
	pay, good := "/v1/contracts/"+id+"/pay", `{"amount_fen":480000,"reference":"REF-1"}`
	offer := `{"institution":"art","parent":"parent","pupil":"小满","course":"素描","billing":"lesson","lessons":10,"first_lesson":"2026-03-02","last_lesson":"2026-04-02","price_fen":100000}`
	for _, tt := range []struct {
		name, path, key, by, body string
		code                      int
		want                      string
	}{
		{"no token", pay, "key-0001", "", good, 401, "unauthentic"},
		{"not a token", pay, "key-0001", "Bearer x.y.z", good, 401, "unauthentic"},
		{"an expired token", pay, "key-0001", token(t, "parent", -time.Minute, private, "escrow"), good, 401, "unauthentic"},
		{"a forged token", pay, "key-0001", token(t, "parent", time.Minute, forger, "escrow"), good, 401, "unauthentic"},
		{"a token for another service", pay, "key-0001", token(t, "parent", time.Minute, private, "licensing"), good, 401, "unauthentic"},
		{"no role for it", pay, "key-0001", "examiner", good, 403, "forbidden"},
		{"another's contract", pay, "key-0001", "parent2", good, 404, "合同不存在"},
		{"no Idempotency-Key", pay, "", "parent", good, 400, `{"pointer":"/header/Idempotency-Key","detail":"必填"}`},
		{"a short one", pay, "k", "parent", good, 400, `/header/Idempotency-Key`},
		{"malformed JSON", pay, "key-0001", "parent", `{"amount_fen":`, 400, "不是合法的 JSON"},
		{"a missing field", pay, "key-0001", "parent", `{"amount_fen":480000}`, 400, `{"pointer":"/reference","detail":"必填"}`},
		{"an unknown field", pay, "key-0001", "parent", `{"amount_fen":480000,"reference":"REF-1","parent":"parent2"}`, 400, `{"pointer":"/parent","detail":"未知字段"}`},
		{"a wrong type", pay, "key-0001", "parent", `{"amount_fen":"480000","reference":"REF-1"}`, 400, `/amount_fen`},
		{"a fraction of a 分", pay, "key-0001", "parent", `{"amount_fen":480000.5,"reference":"REF-1"}`, 400, `/amount_fen`},
		{"a negative amount", pay, "key-0001", "parent", `{"amount_fen":-1,"reference":"REF-1"}`, 400, `/amount_fen`},
		{"an amount beyond all numbers", pay, "key-0001", "parent", `{"amount_fen":99999999999999999999,"reference":"REF-1"}`, 400, "invalid"},
		{"not the price", pay, "key-0001", "parent", `{"amount_fen":1,"reference":"REF-1"}`, 400, `4,800.00 元`},
		{"over 1 MiB", pay, "key-0001", "parent", `{"reference":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "too_large"},
		{"lesson 0", "/v1/contracts/" + id + "/lessons/0/confirm", "key-0001", "parent", "", 400, "/path/n"},
		{"lesson x", "/v1/contracts/" + id + "/lessons/x/confirm", "key-0001", "parent", "", 400, "/path/n"},
		{"no such lesson", "/v1/contracts/" + id + "/lessons/99/confirm", "key-0001", "parent", "", 404, "课时不存在"},
		{"a date that is none", "/v1/contracts", "key-0001", "principal", strings.Replace(offer, "2026-04-02", "2026-02-30", 1), 400, "/last_lesson"},
		{"another billing", "/v1/contracts", "key-0001", "principal", strings.Replace(offer, `"lesson"`, `"month"`, 1), 400, "/billing"},
		{"no lessons", "/v1/contracts", "key-0001", "principal", strings.Replace(offer, `"lessons":10`, `"lessons":0`, 1), 400, "/lessons"},
		{"a pupil's name too long", "/v1/contracts", "key-0001", "principal", strings.Replace(offer, "小满", strings.Repeat("满", 21), 1), 400, "/pupil"},
		{"no account", "/v1/contracts", "key-0001", "principal", strings.Replace(offer, `"art"`, `"bare"`, 1), 422, "监管账户"},
		{"a NUL", "/v1/contracts", "key-0001", "principal", strings.Replace(offer, "小满", `\u0000`, 1), 400, "invalid"},
		{"an account number", "/v1/accounts", "key-0001", "principal", `{"institution":"bare","mode":"custody","bank":"苏州银行","account_tail":"6222020000001234","agreement_no":"1","opened_on":"2026-03-02"}`, 400, "/account_tail"},
		{"no such refund", "/v1/refunds/x/agree", "key-0001", "principal", "", 404, "退费不存在"},
		{"no such route", "/v1/deposits", "key-0001", "parent", "", 404, "此地址不存在"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, body := ask(t, api, http.MethodPost, tt.path, tt.by, tt.key, tt.body)
			if code != tt.code || !strings.Contains(body, tt.want) || !strings.Contains(body, `"type":"urn:xunguan:problem:`) {
				t.Errorf("%d %s, want %d %s", code, body, tt.code, tt.want)
			}
		})
	}
	if after := h.count(`SELECT count(*) FROM outbox`) + h.count(`SELECT count(*) FROM timeline`) + h.count(`SELECT count(*) FROM once`); after != before {
		t.Errorf("bad input left %d rows", after-before)
	}
	for _, tt := range []struct {
		body string
		code int
		want string
	}{{good, 200, `"paid_fen":480000`}, {good, 200, `"paid_fen":480000`}, {strings.Replace(good, "REF-1", "REF-2", 1), 422, "key_reused"}} {
		if code, body := ask(t, api, http.MethodPost, pay, "parent", "key-0002", tt.body); code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("the same key: %d %s, want %d %s", code, body, tt.code, tt.want)
		}
	}
	if code, body := ask(t, api, http.MethodGet, "/v1/summary", "", "", ""); code != 200 || !strings.Contains(body, `"contracts":1`) {
		t.Errorf("the public's summary: %d %s", code, body)
	}
}

// all is every persona that the matrix asks.
var all = []string{"principal", "principal2", "parent", "parent2", "examiner", "neighbour", "city", "market", "culture", "fire", "intake", "bank"}

// matrix says what each persona gets from each route on a case of principal and
// parent in 320508: the personas named under a status, and for all others 403.
// "own" is 200 or, where the case's state does not allow it any more, 409.
var matrix = map[string]struct {
	method, path, body string
	own, foreign       string // own: let through; foreign: 404
	list               bool   // foreign callers get a list without the case instead
}{
	"ReportAccount":       {"POST", "/v1/accounts", `{"institution":"art","mode":"custody","bank":"苏州银行","account_tail":"1234","agreement_no":"1","opened_on":"2026-03-02"}`, "principal", "principal2", false},
	"FindAccount":         {"GET", "/v1/accounts/art", "", "principal examiner city", "principal2 neighbour", false},
	"OfferContract":       {"POST", "/v1/contracts", `{"institution":"art","parent":"parent","pupil":"小满","course":"素描","billing":"lesson","lessons":10,"first_lesson":"2026-03-02","last_lesson":"2026-04-02","price_fen":100000}`, "principal", "principal2", false},
	"ListContracts":       {"GET", "/v1/contracts", "", "principal parent examiner city", "principal2 parent2 neighbour", true},
	"FindContract":        {"GET", "/v1/contracts/{id}", "", "principal parent examiner city", "principal2 parent2 neighbour", false},
	"SignContract":        {"POST", "/v1/contracts/{id}/sign", "", "parent", "parent2", false},
	"PayContract":         {"POST", "/v1/contracts/{id}/pay", `{"amount_fen":488000,"reference":"REF-9"}`, "parent", "parent2", false},
	"CancelContract":      {"POST", "/v1/contracts/{id}/cancel", "", "principal parent", "principal2 parent2", false},
	"ListLessons":         {"GET", "/v1/contracts/{id}/lessons", "", "principal parent examiner city", "principal2 parent2 neighbour", false},
	"TeachLesson":         {"POST", "/v1/contracts/{id}/lessons/2/taught", "", "principal", "principal2", false},
	"ConfirmLesson":       {"POST", "/v1/contracts/{id}/lessons/1/confirm", "", "parent", "parent2", false},
	"ConfirmLessons":      {"POST", "/v1/lessons/confirm", `{"lessons":[{"contract":"{id}","n":1}]}`, "parent", "parent2", true},
	"DisputeLesson":       {"POST", "/v1/contracts/{id}/lessons/1/dispute", `{"reason":"x"}`, "parent", "parent2", false},
	"ObjectToLesson":      {"POST", "/v1/contracts/{id}/lessons/1/object", `{"reason":"x"}`, "parent", "parent2", false},
	"WithdrawLesson":      {"POST", "/v1/contracts/{id}/lessons/1/withdraw", `{"reason":"x"}`, "principal", "principal2", false},
	"RequestRefund":       {"POST", "/v1/contracts/{id}/refunds", `{"lessons":1,"reason":"x"}`, "parent", "parent2", false},
	"FindRefund":          {"GET", "/v1/refunds/{refund}", "", "principal parent examiner city", "principal2 parent2 neighbour", false},
	"AgreeRefund":         {"POST", "/v1/refunds/{refund}/agree", "", "principal", "principal2", false},
	"QuoteRefund":         {"GET", "/v1/contracts/{id}/refund-quote", "", "principal parent examiner city", "principal2 parent2 neighbour", false},
	"MakeUpLesson":        {"POST", "/v1/contracts/{id}/lessons/9/make-up", `{"on_date":"2026-04-02","reason":"x"}`, "principal", "principal2", false},
	"ConfirmCycle":        {"POST", "/v1/contracts/{id}/confirm", `{"until":"2026-03-01"}`, "parent", "parent2", false},
	"ChangeTeacher":       {"POST", "/v1/contracts/{id}/teacher", `{"teacher":"李老师","reason":"x"}`, "principal", "principal2", false},
	"RejectRefund":        {"POST", "/v1/refunds/{refund}/reject", `{"reason":"x"}`, "principal", "principal2", false},
	"WithdrawRefund":      {"POST", "/v1/refunds/{refund}/withdraw", "", "parent", "parent2", false},
	"MediateRefund":       {"POST", "/v1/refunds/{refund}/mediate", "", "parent", "parent2", false},
	"SettleRefund":        {"POST", "/v1/refunds/{refund}/settle", `{"fault":"consumer","reason":"x"}`, "examiner", "neighbour", false},
	"FailRefund":          {"POST", "/v1/refunds/{refund}/fail", `{"reason":"x"}`, "examiner", "neighbour", false},
	"ReturnPayback":       {"POST", "/v1/paybacks/{payback}/return", `{"reason":"x"}`, "examiner", "neighbour", false},
	"RetryPayback":        {"POST", "/v1/paybacks/{payback}/retry", "", "principal parent examiner", "principal2 parent2 neighbour", false},
	"ReceivePayback":      {"POST", "/v1/paybacks/{payback}/received", "", "parent", "parent2", false},
	"ListFlags":           {"GET", "/v1/flags", "", "principal parent examiner city", "principal2 parent2 neighbour", true},
	"FindFlag":            {"GET", "/v1/flags/{flag}", "", "principal parent examiner city", "principal2 parent2 neighbour", false},
	"ClearFlag":           {"POST", "/v1/flags/{split}/clear", `{"reason":"两个孩子各上各的课"}`, "examiner", "neighbour", false},
	"ListHolds":           {"GET", "/v1/holds", "", "principal examiner city", "principal2 neighbour", true},
	"FindStatement":       {"GET", "/v1/statements/art/held?contract={id}", "", "principal parent examiner city", "principal2 parent2 neighbour", false},
	"RecordDifference":    {"POST", "/v1/differences", `{"institution":"art","account":"custody","amount_fen":1,"reference":"VOUCHER-1","reason":"x"}`, "examiner", "neighbour", false},
	"ReverseDifference":   {"POST", "/v1/differences/{difference}/reverse", `{"reason":"x"}`, "examiner", "neighbour", false},
	"Republish":           {"POST", "/v1/republish", "", "city", "", false},
	"Inbox":               {"GET", "/v1/inbox", "", "principal parent examiner city", "principal2 parent2 neighbour", true},
	"Summary":             {"GET", "/v1/summary", "", strings.Join(all, " "), "", false},
	"AddAccount":          {"POST", "/v1/accounts/art/second", `{"mode":"deposit","bank":"苏州银行","account_tail":"1234","agreement_no":"9","opened_on":"2026-03-02"}`, "principal", "principal2", false},
	"RegisterBank":        {"POST", "/v1/banks", `{"name":"江苏银行","subject":"bank2","since":"2026-03-02"}`, "city", "", false},
	"ListBanks":           {"GET", "/v1/banks", "", "examiner city neighbour bank", "", false},
	"ListBankDays":        {"GET", "/v1/bank-days", "", "examiner city neighbour bank", "", false},
	"SendBankFile":        {"POST", "/v1/bank-files", "", "bank", "", false},
	"TakeSettlement":      {"POST", "/v1/settlements", `{"layout":"csv","charset":"GBK"}`, "bank", "", false},
	"FindSettlement":      {"GET", "/v1/settlements/{settlement}", "", "bank", "", false},
	"ListBankAccounts":    {"GET", "/v1/bank-accounts", "", "bank", "", false},
	"ListBankPayments":    {"GET", "/v1/bank-payments?to=2026-03-02", "", "bank", "", false},
	"ListReconciliations": {"GET", "/v1/reconciliations", "", "principal examiner city", "principal2 neighbour", true},
	"ListDiscrepancies":   {"GET", "/v1/discrepancies", "", "principal examiner city", "principal2 neighbour", true},
	"FindDiscrepancy":     {"GET", "/v1/discrepancies/{found}", "", "principal examiner city", "principal2 neighbour", false},
	"ExplainDiscrepancy":  {"POST", "/v1/discrepancies/{found}/explain", `{"reason":"在途资金"}`, "examiner", "neighbour", false},
	"ConfirmDiscrepancy":  {"POST", "/v1/discrepancies/{explained}/confirm", "", "examiner", "neighbour", false},
	"RejectDiscrepancy":   {"POST", "/v1/discrepancies/{explained}/reject", `{"reason":"说明不清"}`, "examiner", "neighbour", false},
	"CloseByReversal":     {"POST", "/v1/discrepancies/{found}/reverse", `{"transfer":"x"}`, "examiner", "neighbour", false},
	"ListWarnings":        {"GET", "/v1/warnings", "", "principal examiner city", "principal2 neighbour", true},
	"FindWarning":         {"GET", "/v1/warnings/art", "", "principal examiner city", "principal2 neighbour", false},
	"EvaluateWarnings":    {"GET", "/v1/warning-evaluation?on=2026-03-01&days=1", "", "examiner city neighbour", "", false},
	"RerunRules":          {"GET", "/v1/fee-rules/rerun?from=2026-01-01&to=2026-12-31&key=fee.max_lessons&value=80", "", "examiner city", "neighbour", true},
	"ListAlerts":          {"GET", "/v1/alerts", "", "principal examiner city", "principal2 neighbour", true},
	"CloseAlert":          {"POST", "/v1/alerts/{alert}/close", `{"reason":"已逐笔核实"}`, "examiner", "neighbour", false},
	"HoldByAlert":         {"POST", "/v1/alerts/{alert}/hold", `{"reason":"已逐笔核实"}`, "examiner", "neighbour", false},
	"ResumePayouts":       {"POST", "/v1/holds/{hold}/resume", `{"reason":"已逐笔核实"}`, "examiner", "neighbour", false},
	"SetFloor":            {"POST", "/v1/floors", `{"institution":"art","amount_fen":100,"reason":"规模较大"}`, "examiner", "neighbour", false},
	"ListFloors":          {"GET", "/v1/floors", "", "principal examiner city", "principal2 neighbour", true},
	"FindFloors":          {"GET", "/v1/floors/art", "", "principal examiner city", "principal2 neighbour", false},
	"ListFreezes":         {"GET", "/v1/freezes", "", "principal examiner city", "principal2 neighbour", true},
	"RecordFreeze":        {"POST", "/v1/freezes", `{"institution":"art","account":"custody","authority":"姑苏区人民法院","document_no":"（2026）苏0508执2号","since":"2026-03-02"}`, "examiner", "neighbour", false},
	"BeginWindDown":       {"POST", "/v1/wind-downs", `{"institution":"bare","ground":"closed_abnormal","document_no":"文号","reason":"人去楼空"}`, "examiner", "neighbour", false},
	"ListWindDowns":       {"GET", "/v1/wind-downs", "", "principal principal2 parent examiner city", "parent2 neighbour", true},
	"FindWindDown":        {"GET", "/v1/wind-downs/{wind}", "", "principal principal2 parent parent2 examiner city", "neighbour", false},
	"ListFamilies":        {"GET", "/v1/wind-downs/{wind}/families", "", "principal parent examiner city", "principal2 parent2 neighbour", false},
	"ConfirmWindDown":     {"POST", "/v1/wind-downs/{wind}/confirm", "", "examiner", "neighbour", false},
	"OfferTakeover":       {"POST", "/v1/wind-downs/{wind}/takeovers", `{"institution":"other","first_lesson":"2026-05-06","note":"同址同师"}`, "principal2", "principal", false},
	"ChooseAlternative":   {"POST", "/v1/wind-downs/{wind}/families/{wound}/choose", `{"choice":"refund"}`, "parent", "parent2", false},
	"CorrectFamily":       {"POST", "/v1/wind-downs/{wind}/families/{wound}/correct", `{"amount_fen":1,"reason":"核对考勤"}`, "examiner", "neighbour", false},
	"WithdrawWindDown":    {"POST", "/v1/wind-downs/{wind}/withdraw", `{"reason":"决定被撤销"}`, "examiner", "neighbour", false},
	"LiftFreeze":          {"POST", "/v1/freezes/{freeze}/lift", `{"document_no":"（2026）苏0508执3号"}`, "examiner", "neighbour", false},
}

// TestMatrix is every route, every persona, own and foreign: a new route fails it
// until it is listed.
func TestMatrix(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	api := newAPI(h.Service)
	handler := api.Handler()
	v := h.paid(h.terms(func(t *Terms) { t.Lessons, t.PriceFen = 70, 488000 }))
	h.taught(v.ID, 1)
	h.taught(v.ID, 3)
	refund := must(h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: v.ID, Lessons: 1, Reason: "x"}))(t).ID
	h.black("case-1", "art")
	payback := h.refunded(v.ID, 1).Paybacks[0].ID
	bank := h.banked()
	h.watch()
	h.account("principal", "bare")
	wound := h.paid(h.terms(func(t *Terms) { t.Institution = "maths" })).ID
	wind := h.open("maths").ID
	suspect := h.paid(h.terms(func(t *Terms) { t.Course, t.Lessons, t.PriceFen = "素描（二期）", 2, 20000 })).Flags[0]
	fill := strings.NewReplacer("{split}", suspect.ID, "{wind}", wind, "{wound}", wound, "{payback}", payback, "{settlement}", bank.settlement, "{found}", bank.found, "{explained}", bank.explained, "{alert}", bank.alert, "{hold}", bank.hold, "{freeze}", bank.freeze, "{id}", v.ID, "{refund}", refund, "{flag}", v.Flags[0].ID, "{difference}", h.differs("art", 1, "VOUCHER-0").ID)
	shows := func(body string) bool {
		return strings.Contains(body, v.ID) || strings.Contains(body, v.Flags[0].ID) || strings.Contains(body, `"cause_id":"case-1"`) ||
			strings.Contains(body, bankName) || strings.Contains(body, "协-art") || strings.Contains(body, bank.found) || strings.Contains(body, bank.alert) || strings.Contains(body, bank.freeze) || strings.Contains(body, `"institution":"art"`) || strings.Contains(body, wind) || strings.Contains(body, wound)
	}
	for _, r := range api.Routes() {
		m, listed := matrix[r.Name]
		if !listed {
			t.Errorf("%s (%s) is not in the matrix", r.Name, r.Permission)
			continue
		}
		for _, by := range all {
			code, body := ask(t, handler, m.method, fill.Replace(m.path), by, h.key().IdempotencyKey, fill.Replace(m.body))
			own, foreign := named(m.own, by), named(m.foreign, by)
			ok := code == http.StatusForbidden
			switch {
			case own && m.method == http.MethodGet:
				ok = code == http.StatusOK && (r.Name == "Summary" || r.Name == "EvaluateWarnings" || r.Name == "RerunRules" || shows(body))
			case own && r.Name == "SendBankFile":
				ok = code == http.StatusBadRequest // let through, without a file
			case own:
				ok = code == http.StatusOK || code == http.StatusConflict
			case foreign && m.list:
				ok = code == http.StatusOK && !shows(body)
			case foreign:
				ok = code == http.StatusNotFound
			}
			if !ok {
				t.Errorf("%s by %s (own %t, foreign %t): %d %s", r.Name, by, own, foreign, code, body)
			}
		}
		if code, _ := ask(t, handler, m.method, fill.Replace(m.path), "", h.key().IdempotencyKey, m.body); code != http.StatusUnauthorized && r.Name != "Summary" {
			t.Errorf("%s by nobody: %d", r.Name, code)
		}
	}
}

func named(list, name string) bool { return strings.Contains(" "+list+" ", " "+name+" ") }

// TestActions is that every button leads to a route, and the button's person is
// let through it.
func TestActions(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	handler := newAPI(h.Service).Handler()
	bodies := map[string]string{
		"pay": `{"amount_fen":480000,"reference":"REF-1"}`, "refunds": `{"lessons":1,"reason":"x"}`,
		"dispute": `{"reason":"x"}`, "withdraw": `{"reason":"x"}`,
	}
	press := func(by, href, action string) {
		if code, body := ask(t, handler, http.MethodPost, href, by, h.key().IdempotencyKey, bodies[action]); code != http.StatusOK {
			t.Errorf("%s presses %s (%s): %d %s", by, action, href, code, body)
		}
	}
	id := h.offer(h.terms())
	for _, want := range []string{"sign cancel", "pay cancel", "refunds"} {
		got := ""
		actions := h.contract("parent", id).Actions
		for _, a := range actions {
			got += " " + a.Action
		}
		if got != " "+want {
			t.Errorf("the parent's buttons:%s, want %s", got, want)
		}
		press("parent", actions[0].Href, actions[0].Action)
	}
	for _, step := range []struct{ by, action string }{{"principal", "taught"}, {"parent", "dispute"}, {"principal", "withdraw"}, {"principal", "taught"}, {"parent", "confirm"}} {
		for _, a := range must(h.ListLessons(h.as(step.by), ListLessons{Contract: id}))(t).Items[0].Actions {
			if a.Action == step.action {
				press(step.by, a.Href, a.Action)
			}
		}
	}
	if l := must(h.ListLessons(h.as("parent"), ListLessons{Contract: id}))(t).Items[0]; l.State != confirmed || len(l.Actions) != 0 {
		t.Errorf("in the end: %+v", l)
	}
	r := h.contract("principal", id).Refunds[0]
	press("principal", r.Actions[0].Href, "agree")
	if a := h.contract("examiner", id).Actions; len(a) != 0 {
		t.Errorf("an official has buttons: %+v", a)
	}
}
