package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"
)

// facts is what the principal says the institution will be.
func (s *story) facts(capacity int, uscc string) map[string]any {
	return map[string]any{
		"name": s.name, "category": "culture_arts", "item": "美术", "kind": "non_subject", "mode": "offline",
		"jurisdiction": "320508", "address": "苏州市姑苏区示例路 1 号 2 层", "area_m2": 180, "capacity": capacity,
		"legal_form": "for_profit", "sponsor": map[string]any{"name": "示例文化发展有限公司", "uscc": uscc},
	}
}

// sponsorUSCC is a real code that passes both checks (design/domain.md §7).
const sponsorUSCC = "91350100M000100Y43"

// apply is step 1: a principal applies to open a non-subject institution.
func (s *story) apply(ctx context.Context) (err error) {
	s.step("第一步 机构负责人申请设立非学科类机构（文化艺术 · 美术，线下，姑苏区 320508）")
	if s.principal, err = s.login(ctx, "principal", s.Staff); err != nil {
		return err
	}
	s.name = "示例云锦美术培训中心 " + s.run
	for _, wrong := range []struct{ code, reason, say string }{
		{"91350100M000100Y4", "length", "长度"},
		{"9135O100M000100Y43", "charset", "字符集"},
		{"91350100M000100Z43", "charset", "字符集（不含 Z）"},
		{"91350100M000100443", "org_digit", "组织机构代码校验位"},
		{"91350100M000100Y44", "check_digit", "校验位"},
	} {
		var said struct {
			Valid  bool
			Reason string
		}
		a := s.principal.get(ctx, "licensing/v1/uscc/"+wrong.code)
		s.answered(a, 200, &said, "查验统一社会信用代码 "+wrong.code)
		s.expect(!said.Valid && said.Reason == wrong.reason, wrong.say+"有误", wrong.reason, said.Reason)
		a = s.principal.post(ctx, "licensing/v1/applications", s.facts(40, wrong.code))
		s.answered(a, 400, nil, "以该代码申请", "/sponsor/uscc")
	}
	a := s.principal.post(ctx, "licensing/v1/applications", s.facts(70, sponsorUSCC))
	s.answered(a, 422, nil, "180 平方米同时容纳 70 人", `"area.per_pupil_m2"`, `"value":3`, "九项规定")
	var made struct{ ID, State string }
	a = s.principal.post(ctx, "licensing/v1/applications", s.facts(40, sponsorUSCC))
	if !s.answered(a, 200, nil, "180 平方米同时容纳 40 人") {
		return fmt.Errorf("没有申请，无法继续")
	}
	s.read(a, &made)
	s.application = made.ID
	s.expect(made.State == "SUBMITTED", "申请状态", "SUBMITTED", made.State)
	return nil
}

// license is step 2: from acceptance to the public search.
func (s *story) license(ctx context.Context) error {
	s.step("第二步 受理、意见、核查、公示、许可、登记、白名单、公开")
	for name, p := range map[string]**person{
		"examiner": &s.examiner, "examiner2": &s.examiner2, "culture": &s.culture, "market": &s.market, "neighbour": &s.neighbour, "city": &s.city,
	} {
		var err error
		if *p, err = s.login(ctx, name, s.Staff); err != nil {
			return err
		}
	}
	at := "licensing/v1/applications/" + s.application
	s.answered(s.neighbour.get(ctx, at), 404, nil, "吴中区审批员查看姑苏区的申请")
	s.answered(s.neighbour.post(ctx, at+"/accept", nil), 404, nil, "吴中区审批员受理姑苏区的申请")
	s.answered(s.principal.post(ctx, at+"/accept", nil), 403, nil, "机构负责人受理自己的申请")

	var app struct {
		State         string
		InstitutionID string `json:"institution_id"`
		ReceivedOn    string `json:"received_on"`
		CorrectBy     string `json:"correct_by"`
		AcceptedOn    string `json:"accepted_on"`
		DecideBy      string `json:"decide_by"`
		NoticeUntil   string `json:"notice_until"`
		LicenceNumber string `json:"licence_number"`
	}
	s.answered(s.examiner.post(ctx, at+"/accept", nil), 200, nil, "审批员受理")
	s.read(s.examiner.get(ctx, at), &app)
	s.institution = app.InstitutionID
	s.expect(app.State == "ACCEPTED", "申请状态", "ACCEPTED", app.State)
	s.due(ctx, "补正告知期限（5 个工作日）", app.ReceivedOn, 5, app.CorrectBy)
	s.due(ctx, "作出决定期限（20 个工作日）", app.AcceptedOn, 20, app.DecideBy)

	s.answered(s.examiner.post(ctx, at+"/notice", nil), 422, nil, "没有文旅意见就公示")
	s.answered(s.culture.post(ctx, at+"/opinion", map[string]any{"opinion": "agree", "text": "符合文化艺术类设置标准，同意设立。"}), 200, nil, "文旅部门出具意见")
	check := map[string]any{"passed": true, "area_m2": 180, "certificate": "示例执法证 0001", "note": "面积、疏散通道与申报一致"}
	s.answered(s.examiner.post(ctx, at+"/site-check", check), 200, nil, "第一名核查人员签字")
	s.answered(s.examiner.post(ctx, at+"/notice", nil), 422, nil, "只有一人核查就公示", `"value":2`, "第三十四条")
	check["certificate"] = "示例执法证 0002"
	s.answered(s.examiner2.post(ctx, at+"/site-check", check), 200, nil, "第二名核查人员签字")
	s.answered(s.examiner.post(ctx, at+"/notice", nil), 200, nil, "公示")
	s.answered(s.examiner.post(ctx, at+"/decide", map[string]any{"decision": "grant"}), 422, nil, "公示期内作出决定", "licence.public_notice")
	s.read(s.examiner.get(ctx, at), &app)
	if err := s.pass(ctx, app.NoticeUntil); err != nil {
		return err
	}
	s.answered(s.examiner.post(ctx, at+"/decide", map[string]any{"decision": "grant"}), 200, nil, "公示期满作出准予决定")
	s.read(s.examiner.get(ctx, at), &app)
	s.expect(strings.HasPrefix(app.LicenceNumber, "教民3205087"), "办学许可证编号", "教民3205087……", app.LicenceNumber)
	return s.list(ctx)
}

// list registers the legal person and brings the institution on the white list.
func (s *story) list(ctx context.Context) error {
	entry := map[string]any{"institution": s.institution, "list": "WHITE", "facts": "证照齐全，无违规记录"}
	s.answered(s.examiner.post(ctx, "licensing/v1/list-entries", entry), 422, nil, "尚未登记法人就列入白名单", "法人登记")
	own := makeUSCC()
	registration := map[string]any{"uscc": own, "registered_on": s.today(ctx)}
	at := "licensing/v1/institutions/" + s.institution
	s.answered(s.market.post(ctx, at+"/registration", map[string]any{"uscc": own[:17] + "?", "registered_on": s.today(ctx)}), 400, nil, "登记有误的代码", "/uscc")
	s.answered(s.market.post(ctx, at+"/registration", registration), 200, nil, "市场监管部门登记法人 "+own)
	var made struct{ ID, State string }
	a := s.examiner.post(ctx, "licensing/v1/list-entries", entry)
	s.answered(a, 200, &made, "提出列入白名单")
	listed := "licensing/v1/list-entries/" + made.ID
	s.answered(s.examiner.post(ctx, listed+"/decide", map[string]any{"decision": "approve"}), 403, nil, "提出人自己决定")
	s.answered(s.examiner2.post(ctx, listed+"/decide", map[string]any{"decision": "approve"}), 200, nil, "另一名审批员决定")
	s.answered(s.examiner.post(ctx, listed+"/publish", nil), 200, nil, "公布")

	public := &person{s: s, name: "群众", door: s.Public, client: s.principal.client}
	q := "portal/v1/institutions?q=" + url.QueryEscape(s.name)
	a = s.eventually(ctx, func() answer { return public.get(ctx, q) }, func(a answer) bool { return strings.Contains(string(a.body), `"WHITE"`) })
	s.answered(a, 200, nil, "公众按名称查到该机构", s.institution)
	a = public.get(ctx, "portal/v1/institutions/"+s.institution)
	s.answered(a, 200, nil, "公开页：状态、起始、依据、有效期、异议途径", `"ACTIVE"`, `"WHITE"`, own, "行政复议", "教民3205087")
	return nil
}

// due compares a due date with the rulebook's own count.
func (s *story) due(ctx context.Context, what, from string, amount int, got string) {
	var said struct {
		Due         string
		Provisional bool
	}
	s.read(s.examiner.get(ctx, fmt.Sprintf("rulebook/v1/due?from=%s&amount=%d&unit=working_day", from, amount)), &said)
	note := ""
	if said.Provisional {
		note = "（暂定：跨入尚未公布放假安排的年份）"
	}
	s.expect(got != "" && got == said.Due, what+" 自 "+from+note, said.Due, got)
}

// makeUSCC makes a code of a company in 姑苏区 that passes both checks.
func makeUSCC() string {
	const digits, alphabet = "0123456789", "0123456789ABCDEFGHJKLMNPQRTUWXY"
	code := "91320508MA"
	for range 6 {
		code += string(digits[rand.IntN(10)]) //nolint:gosec // a number, not a secret
	}
	sum := 0
	for i, w := range []int{3, 7, 9, 10, 5, 8, 4, 2} {
		c := code[8+i]
		v := int(c - '0')
		if c >= 'A' {
			v = int(c-'A') + 10
		}
		sum += w * v
	}
	code += string("0123456789X"[(11-sum%11)%11]) // GB 11714: 10 is X, 11 is 0
	weight := 1
	total := 0
	for _, c := range code {
		total += strings.IndexRune(alphabet, c) * weight
		weight = weight * 3 % 31
	}
	return code + string(alphabet[(31-total%31)%31])
}

// today is the legal date.
func (s *story) today(ctx context.Context) string { return s.now(ctx).Format(time.DateOnly) }
