package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

// receipt is what a tipster keeps.
type receipt struct{ Number, Code string }

// track asks with a receipt. It changes nothing and so has no key.
func (s *story) track(ctx context.Context, number, code string) answer {
	return s.public().send(ctx, http.MethodPost, "tipoff/v1/tips/track", uuid.NewString(), map[string]any{"number": number, "code": code})
}

// public is somebody without an account.
func (s *story) public() *person {
	return &person{s: s, name: "群众", door: s.Public, client: s.principal.client}
}

// tipOff is step 5: somebody without an account tips off, and keeps the receipt.
func (s *story) tipOff(ctx context.Context) error {
	s.step("第五步 群众举报（不登录），凭编号与查询码查询")
	a := s.public().post(ctx, "tipoff/v1/tips", map[string]any{
		"subject_kind": "INSTITUTION", "institution_name": s.name, "jurisdiction": "320508",
		"text": "这家美术机构一次收了我们半年的培训费，说三个月以上优惠更多，属于超期预收费。",
	})
	if !s.answered(a, 200, &s.tip, "举报超期预收费") {
		return fmt.Errorf("没有举报，无法继续")
	}
	s.expect(len(strings.NewReplacer("-", "", " ", "").Replace(s.tip.Code)) == 25, "查询码：24 位 Crockford 字符与 1 位校验", "25", s.tip.Code[:4]+"…（只显示一次）")
	s.answered(s.track(ctx, s.tip.Number, s.tip.Code), 200, nil, "凭编号与查询码查询 "+s.tip.Number, `"RECEIVED"`)
	s.answered(s.track(ctx, s.tip.Number, strings.ToLower(s.tip.Code)), 200, nil, "小写也认")
	other := s.public().post(ctx, "tipoff/v1/tips", map[string]any{
		"subject_kind": "PLACE", "place_signboard": "小太阳托管（示例）", "place_address": "苏州市姑苏区示例新村 8 幢 302 室", "place_phone": "0512-00000000", "jurisdiction": "320508",
		"text": "居民楼里没有牌照的补习班，每天晚上十几个孩子，没有办学许可证。",
	})
	s.answered(other, 200, &s.placeTip, "另一条：举报居民楼里的无证场所")
	wrong := s.track(ctx, s.tip.Number, s.placeTip.Code)
	unknown := s.track(ctx, "TS-2026-0101-000000", s.placeTip.Code)
	s.expect(wrong.status == unknown.status && string(wrong.body) == string(unknown.body), "查询码不符与编号不存在", "答复完全相同", brief(wrong.body))
	page, err := s.page(ctx, s.Public+"/tipoff")
	if err != nil {
		return err
	}
	s.expect(strings.Contains(page, "<form") && !strings.Contains(page, "<script>"), "举报页由服务器生成", "有表单，没有脚本也能用", fmt.Sprintf("%d 字节", len(page)))
	return nil
}

// page reads an HTML page without a session.
func (s *story) page(ctx context.Context, url string) (string, error) {
	resp, err := s.principal.patiently(ctx, func() (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return nil, err
		}
		return s.principal.client.Do(r)
	})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return readAll(resp)
}

// caseTip is a tip-off as the staff see it.
type caseTip struct {
	ID, Number, State, Due string
	ReceivedOn             string `json:"received_on"`
}

// dispatch is step 6: intake ties and dispatches, an office returns, the arbiter decides; tasks are made.
func (s *story) dispatch(ctx context.Context) (err error) {
	s.step("第六步 甄别、分派、退回与裁定；联合检查任务；无证场所排查")
	for name, p := range map[string]**person{"intake": &s.intake, "fire": &s.fire, "market2": &s.market2} {
		if *p, err = s.login(ctx, name, s.Staff); err != nil {
			return err
		}
	}
	s.learnItems(ctx)
	mine, place := s.find(ctx, s.tip.Number), s.find(ctx, s.placeTip.Number)
	s.tipID = mine.ID
	at := "tipoff/v1/tips/" + mine.ID
	s.answered(s.market.get(ctx, at), 404, nil, "市场监管在分派前查看举报")
	tie := map[string]any{"subject_kind": "INSTITUTION", "institution": s.institution, "institution_name": s.name, "category": "超期预收费", "summary": "反映该机构一次收取超过三个月的培训费。"}
	s.answered(s.intake.post(ctx, at+"/tie", tie), 200, nil, "接件人关联机构、定类别")
	s.answered(s.intake.post(ctx, at+"/dispatch", map[string]any{"owner": "market"}), 200, nil, "分派给市场监管")
	back := map[string]any{"reason": "不属于本部门职责", "suggested": "education", "note": "预收费由教育部门监管"}
	s.answered(s.market.post(ctx, at+"/return", map[string]any{"reason": "不属于本部门职责"}), 400, nil, "退回却不建议承办部门", "/suggested")
	s.answered(s.market.post(ctx, at+"/return", back), 200, nil, "市场监管退回并建议教育部门")
	s.answered(s.intake.post(ctx, at+"/dispatch", map[string]any{"owner": "fire"}), 200, nil, "再次分派（误派消防）")
	s.answered(s.fire.post(ctx, at+"/return", back), 200, nil, "第二次退回")
	again := s.find(ctx, s.tip.Number)
	s.expect(again.State == "ARBITRATION", "第二次退回自动提请裁定", "ARBITRATION", again.State)
	s.expect(again.Due == mine.Due && again.ReceivedOn == mine.ReceivedOn, "期限自提交起算，退回不停表", mine.Due, again.Due)
	s.answered(s.city.post(ctx, at+"/assign", map[string]any{"owner": "education", "reason": "预收费监管属教育部门职责"}), 200, nil, "市教育局裁定由教育部门承办")
	s.answered(s.examiner.post(ctx, at+"/accept", nil), 200, nil, "教育部门受理")

	at = "tipoff/v1/tips/" + place.ID
	tie = map[string]any{"subject_kind": "PLACE", "place_signboard": "小太阳托管（示例）", "place_address": "苏州市姑苏区示例新村 8 幢 302 室", "place_phone": "0512-00000000", "category": "无证照培训", "summary": "居民楼内疑似无证培训，晚间有多名学生。"}
	s.answered(s.intake.post(ctx, at+"/tie", tie), 200, nil, "接件人登记无证场所")
	s.answered(s.intake.post(ctx, at+"/dispatch", map[string]any{"owner": "education"}), 200, nil, "分派给教育部门")
	s.answered(s.examiner.post(ctx, at+"/accept", nil), 200, nil, "教育部门受理")

	if s.task, err = s.plan(ctx, "由举报立项联合检查（教育 + 市场监管 + 消防）", map[string]any{
		"kind": "JOINT", "title": "预收费与消防联合检查 " + s.run, "agencies": []string{"education", "market", "fire"}, "tips": []string{mine.ID}, "visit_on": s.today(ctx),
	}); err != nil {
		return err
	}
	sweep, err := s.plan(ctx, "由举报立项无证场所排查", map[string]any{
		"kind": "SWEEP", "title": "无证场所排查 " + s.run, "agencies": []string{"education", "market"}, "tips": []string{place.ID}, "visit_on": s.today(ctx),
	})
	if err != nil {
		return err
	}
	return s.sweep(ctx, sweep)
}

// find is the tip-off with a public number, as intake sees it.
func (s *story) find(ctx context.Context, number string) caseTip {
	var c caseTip
	for after := ""; ; {
		var list struct {
			Items []caseTip
			Next  string
		}
		s.read(s.intake.get(ctx, "tipoff/v1/tips?number="+number+after), &list)
		for _, t := range list.Items {
			if t.Number == number {
				return t
			}
		}
		if list.Next == "" {
			s.fail("找不到举报 %s", number)
			return c
		}
		after = "&after=" + list.Next
	}
}

// plan plans a task, once the dispatch has reached inspection.
func (s *story) plan(ctx context.Context, what string, task map[string]any) (string, error) {
	var made struct{ ID, State string }
	a := s.eventually(ctx, func() answer { return s.examiner.post(ctx, "inspection/v1/tasks", task) }, func(a answer) bool { return a.status == 200 })
	if !s.answered(a, 200, &made, what) {
		return "", fmt.Errorf("没有任务，无法继续")
	}
	return made.ID, nil
}

// sweep visits the place, orders it closed, and publishes without personal data.
func (s *story) sweep(ctx context.Context, task string) error {
	at := "inspection/v1/tasks/" + task
	visit, err := s.visit(ctx, "上门核查无证场所", at, "")
	if err != nil {
		return err
	}
	s.finding(ctx, s.examiner, visit, "education", true, "现场有 12 名学生补课，不能出示办学许可证")
	s.finding(ctx, s.market, visit, "market", true, "不能出示营业执照")
	s.sign(ctx, s.examiner, visit, "education", "examiner")
	s.sign(ctx, s.market, visit, "market", "market")
	s.answered(s.examiner.post(ctx, "inspection/v1/visits/"+visit+"/refusal", map[string]any{"reason": "举办者不愿签字", "witness": "社区工作人员（示例）"}), 200, nil, "记录拒签与见证人")
	s.answered(s.examiner.post(ctx, at+"/close-place", map[string]any{"demand": "责令停止举办，退还所收费用", "officers": []string{"examiner", "market"}}), 200, nil, "责令停止举办")
	s.answered(s.examiner.post(ctx, at+"/recheck", map[string]any{"closed": true, "officers": []string{"examiner", "market"}, "note": "已停办，招牌已拆除"}), 200, nil, "复核：已停办，取缔销号")
	s.answered(s.examiner.post(ctx, at+"/publish", map[string]any{"statement": "已责令停止举办。"}), 200, nil, "公示取缔结果")
	a := s.public().get(ctx, "inspection/v1/results?jurisdiction=320508")
	s.answered(a, 200, nil, "公开结果", task)
	s.expect(!strings.Contains(string(a.body), "302 室") && !strings.Contains(string(a.body), "0512-00000000") && !strings.Contains(string(a.body), "社区工作人员"),
		"公开结果不含门牌、电话、姓名", "无", "无")
	a = s.eventually(ctx, func() answer { return s.track(ctx, s.placeTip.Number, s.placeTip.Code) }, func(a answer) bool { return strings.Contains(string(a.body), "ANSWERED") })
	s.answered(a, 200, nil, "举报人凭码读到答复", "ANSWERED", "停止举办")
	return nil
}
