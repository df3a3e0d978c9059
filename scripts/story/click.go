package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// The second half of the story by clicking: every person opens pages, follows
// links and fills forms as these stand there, without scripts.

// clickTipOff is step 5 by the public's pages.
func (s *story) clickTipOff(ctx context.Context) error {
	s.step("第五步（网页） 群众举报，凭编号与查询码查询")
	p := s.public()
	s.tip = s.submitTip(ctx, p, map[string]any{
		"一家培训机构": "", "机构名称": s.name, "发生了什么": "这家美术机构一次收了我们半年的培训费，说三个月以上优惠更多，属于超期预收费。",
	})
	s.placeTip = s.submitTip(ctx, p, map[string]any{
		"没有证照的场所": "", "招牌": "小太阳托管（示例）" + s.run, "地址": "苏州市姑苏区示例新村 8 幢 302 室（" + s.run + "）", "对方招生电话": "0512-00000000",
		"发生了什么": "居民楼里没有牌照的补习班，每天晚上十几个孩子，没有办学许可证。", "姓名": "欧阳示例", "联系电话": "0512-00000001",
	})
	s.sameTip = s.submitTip(ctx, p, map[string]any{
		"一家培训机构": "", "机构名称": s.name, "发生了什么": "同一家机构也收了我家半年的学费，超过三个月，属于超期预收费。",
	})
	if s.tip.Code == "" || s.placeTip.Code == "" || s.sameTip.Code == "" {
		return fmt.Errorf("没有举报，无法继续")
	}
	s.trackPage(ctx, s.tip).says(200, "凭编号与查询码查询", s.tip.Number, "待甄别", "还没有答复")
	wrong, unknown := s.trackPage(ctx, receipt{s.tip.Number, s.placeTip.Code}), s.trackPage(ctx, receipt{"TS-2026-0101-000000", s.placeTip.Code})
	same := wrong.status == unknown.status && strings.ReplaceAll(wrong.text(), s.tip.Number, "") == strings.ReplaceAll(unknown.text(), "TS-2026-0101-000000", "")
	s.expect(same && wrong.status == http.StatusNotFound, "查询码不符与编号不存在", "页面完全相同", wrong.status)
	return nil
}

func (s *story) submitTip(ctx context.Context, p *person, typed map[string]any) (r receipt) {
	pg := p.open(ctx, "/tipoff")
	for pg.form("继续") != nil && pg.status == http.StatusOK {
		here := map[string]any{}
		for label, value := range typed {
			if len(all(pg.form("继续"), "label", func(n *html.Node) bool { return strings.HasPrefix(textOf(n), label) })) > 0 {
				here[label] = value
			}
		}
		pg = pg.press(ctx, "继续", here)
	}
	pg = pg.press(ctx, "提交", nil)
	pg.says(200, "提交举报", "已收到您的举报", "查询码只显示这一次")
	for _, n := range all(pg.doc, "div", nil) {
		switch text := textOf(n); {
		case strings.HasPrefix(text, "受理编号 "):
			r.Number = strings.TrimPrefix(text, "受理编号 ")
		case strings.HasPrefix(text, "查询码 "):
			r.Code = strings.TrimPrefix(text, "查询码 ")
		}
	}
	return r
}

func (s *story) trackPage(ctx context.Context, r receipt) *page {
	return s.public().open(ctx, "/tipoff/track").press(ctx, "查询", map[string]any{"受理编号": r.Number, "查询码": r.Code})
}

// tipPage finds a tip-off by its number in p's list.
func (s *story) tipPage(ctx context.Context, p *person, r receipt) *page {
	return p.open(ctx, "/tips").press(ctx, "筛选", map[string]any{"编号": r.Number}).follow(ctx, r.Number)
}

// clickDispatch is step 6 by the consoles' pages.
func (s *story) clickDispatch(ctx context.Context) (err error) {
	s.step("第六步（网页） 甄别、并案、身份、分派、退回与裁定；联合检查任务；无证场所排查")
	for name, p := range map[string]**person{"intake": &s.intake, "intake2": &s.intake2, "fire": &s.fire, "market2": &s.market2} {
		if *p, err = s.login(ctx, name, s.Staff); err != nil {
			return err
		}
	}
	mine := s.intake.open(ctx, "/").follow(ctx, "待甄别："+s.name)
	mine.says(200, "接件人从待办打开举报", "待甄别", "类别建议", "依据的词", "剩 ", "到期日")
	mine = s.tipPage(ctx, s.intake, s.tip)
	tie := map[string]any{"在册机构": s.name, "类别": "超期预收费", "事实摘要": "反映该机构一次收取超过三个月的培训费。"}
	mine = mine.press(ctx, "甄别并关联对象", tie)
	mine.says(200, "关联机构、定类别", "已办理", "已甄别", s.name)
	mine.press(ctx, "分派", map[string]any{"承办单位": "市场监管"}).says(200, "分派给市场监管", "已办理", "已分派", "市场监督管理局")
	s.clickMerge(ctx, tie)
	s.clickIdentity(ctx)

	back := map[string]any{"退单理由": "不属于本部门职责", "建议承办单位": "教育"}
	s.tipPage(ctx, s.market, s.tip).press(ctx, "退单", back).says(200, "市场监管退回并建议教育部门", "已办理", "不再由您办理")
	again := s.tipPage(ctx, s.intake, s.tip)
	again.says(200, "退单理由与建议单位看得到", "不属于本部门职责", "建议承办单位 教育")
	again.press(ctx, "再次分派", map[string]any{"承办单位": "消防"}).says(200, "再次分派（误派消防）", "再次分派")
	s.tipPage(ctx, s.fire, s.tip).press(ctx, "第二次退单，自动提交裁定", back).says(200, "第二次退回", "已办理")
	s.city.open(ctx, "/").follow(ctx, "待裁定承办单位："+s.name).press(ctx, "裁定承办单位（不得再退）", map[string]any{"承办单位": "教育", "裁定理由": "预收费监管属教育部门职责"}).
		says(200, "市教育局裁定由教育部门承办", "裁定指派")
	owned := s.tipPage(ctx, s.examiner, s.tip).press(ctx, "受理", nil)
	owned.says(200, "教育部门受理", "办理中")
	owned.lacks("承办单位看不到有无举报人身份", "留有身份", "身份查看申请")

	place := s.tipPage(ctx, s.intake, s.placeTip).press(ctx, "甄别并关联对象", map[string]any{"类别": "无证照培训", "事实摘要": "居民楼内疑似无证培训，晚间有多名学生。"})
	place.press(ctx, "分派", map[string]any{"承办单位": "教育"}).says(200, "无证场所分派给教育部门", "已分派")
	s.tipPage(ctx, s.examiner, s.placeTip).press(ctx, "受理", nil).says(200, "教育部门受理", "办理中")
	return s.clickSweep(ctx)
}

// clickMerge merges the tip-off that says the same into the first.
func (s *story) clickMerge(ctx context.Context, tie map[string]any) {
	again := s.tipPage(ctx, s.intake, s.sameTip).press(ctx, "甄别并关联对象", tie)
	again.says(200, "同一机构、同一事项，提示可能重复", "可能重复", s.tip.Number)
	again.press(ctx, "并案", map[string]any{"并入": s.tip.Number}).says(200, "并案", "并案办理")
	s.trackPage(ctx, s.sameTip).says(200, "后一位举报人的回执照常可用", s.sameTip.Number, "并案")
}

// clickIdentity opens who told of the place: asked by one, approved by another,
// read once, and said to the reporter.
func (s *story) clickIdentity(ctx context.Context) {
	const button = "查看身份（只显示这一次，举报人会看到）"
	asked := s.tipPage(ctx, s.intake, s.placeTip).press(ctx, "申请查看举报人身份", map[string]any{"理由": "需当面核实现场位置"})
	asked.says(200, "申请查看身份", "待批准")
	s.expect(asked.form("同意查看") == nil && asked.form(button) == nil, "申请人自己不能批准", "没有按钮", asked.buttons())
	s.intake2.open(ctx, "/").follow(ctx, "待批准查看举报人身份：需当面核实现场位置").press(ctx, "同意查看", nil).says(200, "另一人批准", "已批准")
	s.tipPage(ctx, s.intake, s.placeTip).press(ctx, button, nil).says(200, "申请人看到一次", "只显示这一次", "欧阳示例")
	after := s.tipPage(ctx, s.intake, s.placeTip)
	after.says(200, "查看已记录", "已查看", "查看身份信息")
	after.lacks("再打开已没有", "欧阳示例")
	s.expect(after.form(button) == nil, "不能再看", "没有按钮", after.buttons())
	s.trackPage(ctx, s.placeTip).says(200, "举报人看到何时因何被看", "需当面核实现场位置")
}

// plan opens a task by the form of its kind, once its tip-off has arrived.
func (s *story) clickPlan(ctx context.Context, kind string, typed map[string]any) *page {
	button := "立项：" + kind
	pg := s.examiner.until(ctx, "/tasks", func(pg *page) bool {
		tips, _ := typed["由哪些举报立项"].([]string)
		return pg.form(button) != nil && (tips == nil || strings.Contains(textOf(pg.form(button)), tips[0]))
	})
	pg = pg.press(ctx, button, typed)
	pg.says(200, "立项："+kind, "已计划")
	return pg
}

// clickVisit fills an agency's part of a visit, and signs it.
func (s *story) clickVisit(ctx context.Context, p *person, at, item, detail string, officers ...string) *page {
	pg := p.open(ctx, at).press(ctx, "记录检查事项", map[string]any{"抽查事项": item, "发现问题": "是", "情况": detail})
	pg.says(200, p.name+" 记录本部门事项", detail)
	typed := map[string]any{}
	if len(officers) > 0 {
		typed["执法人员"] = officers
	}
	pg = pg.press(ctx, "本部门签字", typed)
	pg.says(200, p.name+" 签字", "已办理")
	return pg
}

// clickSweep is the unlicensed place: visited, ordered to stop, found closed, published.
func (s *story) clickSweep(ctx context.Context) error {
	task := s.clickPlan(ctx, "无证办学排查", map[string]any{
		"任务名称": "无证场所排查 " + s.run, "参加部门": []string{"教育", "市场监管"}, "由哪些举报立项": []string{s.placeTip.Number}, "电话": "0512-00000000",
	})
	at := path(task)
	visit := task.press(ctx, "上门核查", nil).follow(ctx, "小太阳托管")
	visit.says(200, "上门核查", "各部门填写中", "示例新村 8 幢 302 室")
	s.clickVisit(ctx, s.examiner, path(visit), "ED-", "现场有 12 名学生补课，不能出示办学许可证")
	s.clickVisit(ctx, s.market, path(visit), "MK-", "不能出示营业执照")
	s.examiner.open(ctx, path(visit)).press(ctx, "记录拒签", map[string]any{"拒签原因": "举办者不愿签字", "见证人": "社区工作人员（示例）"}).says(200, "记录拒签与见证人", "已完成", "拒绝签字", "社区工作人员")
	task = s.examiner.open(ctx, at)
	task = task.press(ctx, "责令停止举办", map[string]any{"责令内容": "责令停止举办，退还所收费用", "执法人员": []string{" examiner（", " market（"}})
	task.says(200, "责令停止举办", "已责令停止举办")
	s.examiner.open(ctx, "/sweeps").says(200, "排查台账", "小太阳托管（示例）"+s.run, "责令", "0512-00000000")
	task = task.press(ctx, "复核，已停办即取缔销号", map[string]any{"是否已停办": "是", "执法人员": []string{" examiner（", " market（"}, "情况": "已停办，招牌已拆除"})
	task.says(200, "复核：已停办", "已取缔")
	task.press(ctx, "公示取缔结果", map[string]any{"公示说明": "已责令停止举办。"}).says(200, "公示取缔结果", "已公示")
	results := s.public().open(ctx, "/results?jurisdiction=320508")
	results.says(200, "公开结果", "示例新村", "已责令停止举办并取缔")
	results.lacks("公开结果不含门牌、电话、姓名", "302 室", "0512-00000000", "社区工作人员")
	s.eventually(ctx, func() answer { return s.track(ctx, s.placeTip.Number, s.placeTip.Code) }, func(a answer) bool { return strings.Contains(string(a.body), "ANSWERED") })
	s.trackPage(ctx, s.placeTip).says(200, "举报人凭码读到答复", "已答复", "停止举办")
	return nil
}

// path is a page's address within its door, as it was before anything was done.
func path(pg *page) string {
	at, _, _ := strings.Cut(strings.TrimPrefix(pg.at, pg.p.door), "?")
	return at
}

// clickInspect is step 7 by the consoles' pages.
func (s *story) clickInspect(ctx context.Context) error {
	s.step("第七步（网页） 双随机抽取；联合检查、责令整改、复查未通过；列入黑名单")
	s.clickDraw(ctx)
	task := s.clickPlan(ctx, "联合检查", map[string]any{
		"任务名称": "预收费与消防联合检查 " + s.run, "参加部门": []string{"教育", "市场监管", "消防"}, "由哪些举报立项": []string{s.tip.Number},
	})
	at := path(task)
	s.task = at[strings.LastIndex(at, "/")+1:]
	visit := path(task.press(ctx, "开始检查", nil).follow(ctx, s.name))
	s.clickVisit(ctx, s.market, visit, "MK-", "收费公示与实际不符")
	fire := s.fire.open(ctx, visit)
	fire.lacks("公布前看不到别的部门的部分", "收费公示与实际不符")
	s.expect(!strings.Contains(textOf(fire.form("记录检查事项")), "MK-"), "消防只见消防的事项", "没有 MK-", "没有")
	s.clickVisit(ctx, s.fire, visit, "FI-", "疏散通道堆放画架")
	s.clickVisit(ctx, s.examiner, visit, "ED-", "存在一次收取超过三个月费用的情形")
	signing := s.principal.open(ctx, "/").follow(ctx, "现场检查记录待机构签字："+s.name)
	signing.says(200, "机构看到全部记录，可以签字", "收费公示与实际不符", "疏散通道堆放画架", "机构签字确认")
	done := s.market.open(ctx, visit).press(ctx, "记录拒签", map[string]any{"拒签原因": "负责人称需请示总部", "见证人": "物业值班人员（示例）"})
	done.says(200, "机构拒签，记录理由与见证人", "已完成", "物业值班人员")
	return s.clickRectify(ctx, done, at)
}

// clickRectify orders, hears, and finds nothing put right; then the black list.
func (s *story) clickRectify(ctx context.Context, visit *page, task string) error {
	visit.press(ctx, "责令整改", map[string]any{"整改要求": "立即改正收费公示，停止超期收费"}).says(200, "责令整改", "已办理")
	s.principal.open(ctx, "/").follow(ctx, "待提交整改情况："+s.name).says(200, "机构从待办打开整改", "要求 立即改正收费公示", "到期日")
	s.principal.open(ctx, "/rectifications").follow(ctx, s.name).press(ctx, "提交整改报告", map[string]any{"整改情况": "已更换公示牌。"}).says(200, "机构提交整改报告", "待复查")
	order := s.market2.open(ctx, "/rectifications").follow(ctx, s.name)
	verify := map[string]any{"是否通过": "否", "执法人员": []string{" market2（"}, "复查意见": "复查时仍在收取半年费用"}
	alone := order.press(ctx, "复查通过", verify)
	alone.says(422, "一人复查", "到场执法人员不足规定人数", "规定数值", "2 人")
	s.expect(strings.Contains(textOf(alone.form("复查通过")), "半年费用"), "填过的还在", "复查时仍在收取半年费用", textOf(alone.form("复查通过")))
	verify["执法人员"] = []string{" market2（", " market（"}
	alone.press(ctx, "复查通过", verify).says(200, "复查未通过", "复查未通过")
	want := s.examiner.open(ctx, task)
	want = want.press(ctx, "提请列入黑名单", map[string]any{"事实": "超期预收费，责令整改后复查仍未改正", "理由": "复查未通过"})
	want.says(200, "提请列入黑名单", "已提请列入黑名单", "决定的后续")
	return s.clickBlack(ctx)
}

// clickDraw is the random draw, and the page by which everybody may replay it.
func (s *story) clickDraw(ctx context.Context) {
	task := s.clickPlan(ctx, "双随机抽查", map[string]any{"任务名称": "双随机抽查 " + s.run, "参加部门": []string{"教育", "市场监管"}, "分层": "不分层", "抽取家数": "3"})
	frozen := task.press(ctx, "冻结名录并承诺种子", nil)
	frozen.says(200, "冻结名录，承诺种子", "已冻结名录", "种子的承诺值")
	file := all(frozen.doc, "a", func(n *html.Node) bool { return strings.HasPrefix(attr(n, "href"), "/draws/") })
	if len(file) == 0 {
		s.fail("任务页上没有抽取记录的链接")
		return
	}
	at := attr(file[0], "href")
	s.public().open(ctx, at).says(200, "抽取前公开承诺，不公开名录", "尚未公布", "种子公布之前不公布名录")
	drawn := frozen.press(ctx, "公布种子并抽取", nil)
	drawn.says(200, "公布种子并抽取", "已抽取", "检查对象")
	s.public().open(ctx, at).says(200, "公开抽取结果与核对办法", "抽取结果", "未参加抽取的人员", "make verify-draw FILE=draw.json")
	refused := drawn.press(ctx, "由另一人说明理由后重抽", map[string]any{"重抽理由": "一名抽中人员当日住院"})
	refused.says(403, "抽取人自己要求重抽", "重抽须由另一人提出")
	again := s.examiner2.open(ctx, path(task)).press(ctx, "由另一人说明理由后重抽", map[string]any{"重抽理由": "一名抽中人员当日住院，无法到场"})
	again.says(200, "另一人说明理由后重抽，两轮都在", "轮次 1", "轮次 2", "一名抽中人员当日住院，无法到场")
}

// clickBlack is the entry: stated against, decided by another, published.
func (s *story) clickBlack(ctx context.Context) error {
	var e listEntry
	if e = s.entry(ctx, "PROPOSED"); e.ID == "" {
		return fmt.Errorf("没有列入提请，无法继续")
	}
	s.entryID = e.ID
	at := "/list-entries/" + e.ID
	s.principal.open(ctx, "/").follow(ctx, "拟列入黑名单", s.name).press(ctx, "陈述、申辩", map[string]any{"陈述、申辩意见": "已安排退费，请求从轻。"}).says(200, "机构陈述申辩", "已安排退费，请求从轻")
	s.examiner2.open(ctx, at).press(ctx, "同意列入", nil).says(422, "陈述申辩期内决定", "期满后方可决定", "平台默认值")
	s.examiner.open(ctx, "/trial/time").press(ctx, "拨快", map[string]any{"拨到": dayAfter(e.StatementUntil)}).says(200, "试用时间拨到陈述申辩期满之后", "已办理")
	decided := s.examiner2.open(ctx, "/").follow(ctx, "待决定列入黑名单："+s.name).press(ctx, "同意列入", nil)
	if !decided.says(200, "期满由另一人决定", "待公布") {
		return fmt.Errorf("没有决定，无法继续")
	}
	return nil
}

// dayAfter is the day after a date.
func dayAfter(date string) string {
	d, err := time.ParseInLocation(time.DateOnly, date, shanghai)
	if err != nil {
		return date
	}
	return d.AddDate(0, 0, 1).Format(time.DateOnly)
}

// clickTravel is step 8: each of those whom the decision reaches looks at a page.
func (s *story) clickTravel(ctx context.Context) error {
	s.step("第八步（网页） 决定由事件传到各处；撤销后逐一恢复")
	if !s.examiner.open(ctx, "/").follow(ctx, "待公布黑名单："+s.name).press(ctx, "公布", nil).says(200, "公布黑名单", "已公布") {
		return fmt.Errorf("没有公布，无法继续")
	}
	var follow *page
	s.eventually(ctx, func() answer { follow = s.examiner.open(ctx, "/tasks/"+s.task); return answer{} }, func(answer) bool { return strings.Contains(follow.text(), "各方均已落实") })
	after := s.examiner.open(ctx, "/follow-ups").follow(ctx, s.name)
	after.says(200, "决定的后续：状态、起始、已发出什么", "各方均已落实", "起始", "公布结果，请各方落实", "已暂停拨付 是")
	account := "/accounts/" + s.institution
	s.principal.open(ctx, account).says(200, "监管账户暂停拨付，写明条款与决定机关", "暂停拨付", "条款", "姑苏区教育局")
	public := "/institutions/" + s.institution
	s.public().until(ctx, public, func(pg *page) bool { return strings.Contains(pg.text(), "黑名单 列入日期") }).
		says(200, "公开页显示黑名单、依据与日期", "黑名单", "列入日期", "复查仍未改正")
	for _, r := range []receipt{s.tip, s.sameTip} {
		s.trackPage(ctx, r).says(200, "举报人凭码读到答复（"+r.Number+"）", "已依法列入校外培训机构黑名单")
	}
	s.city.open(ctx, "/list-entries").press(ctx, "筛选", map[string]any{"名单": "黑名单", "状态": "已公布"}).follow(ctx, s.name).
		press(ctx, "撤销列入决定", map[string]any{"理由": "行政复议：程序违法", "据以撤销的文书": "苏复决〔示例〕1 号"}).says(200, "市教育局撤销决定", "已移出", "苏复决")
	s.examiner.until(ctx, "/tasks/"+s.task, func(pg *page) bool { return strings.Contains(pg.text(), "各方均已恢复") }).says(200, "撤销后的恢复办结", "各方均已恢复", "已撤回")
	s.principal.open(ctx, account).lacks("监管账户恢复拨付", "暂停拨付 条款")
	s.public().until(ctx, public, func(pg *page) bool { return !strings.Contains(pg.text(), "黑名单") }).lacks("公开页不再显示黑名单", "黑名单")
	s.trackPage(ctx, s.tip).says(200, "举报人读到更正的答复", "决定已被撤销")
	return nil
}
