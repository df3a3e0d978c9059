package portal

// What people read instead of a code. A code that is not here is shown as it is.
var names = map[string]string{
	"ACTIVE": "正常", "SUSPENDED": "许可证暂扣", "REVOKED": "已吊销或撤销", "CANCELLED": "已注销",
	"WHITE": "白名单", "BLACK": "黑名单",
	"culture_arts": "文化艺术", "sport": "体育", "science_technology": "科技", "academic": "学科",
	"subject": "学科类", "non_subject": "非学科类", "offline": "线下", "online": "线上",
	"for_profit": "营利性", "non_profit": "非营利性", "custody": "银行托管", "deposit": "风险保证金",
	"education": "教育", "culture": "文化和旅游", "market": "市场监管", "fire": "消防",
	"working_day": "个工作日", "calendar_day": "日", "month": "个月", "year": "年", "lesson": "课时", "person": "人", "m2": "平方米",
	"green": "正常", "yellow": "临期", "red": "超期",
	"grant": "准予许可", "refuse": "不予许可", "approve": "同意", "reject": "不同意",
}

func name(code string) string {
	if n, ok := names[code]; ok {
		return n
	}
	return code
}

// coded is the fields that hold codes. What people wrote is shown as they wrote it.
var coded = map[string]bool{
	"category": true, "kind": true, "mode": true, "status": true, "state": true, "list": true, "legal_form": true, "agency": true, "unit": true,
	"rule_unit": true, "light": true, "decision": true, "billing": true,
}

// labels is what people read instead of a field's name.
var labels = map[string]string{
	"number":            "受理编号",
	"happened_on":       "发生日期",
	"owner":             "承办单位",
	"owner_office":      "承办单位",
	"returns":           "退单次数",
	"suggested_owner":   "建议承办单位",
	"answered_on":       "答复日期",
	"history":           "导入前已答复",
	"nature":            "性质",
	"subject_kind":      "对象类型",
	"place_address":     "地址",
	"place_signboard":   "招牌",
	"place_phone":       "招生电话",
	"person":            "被举报人",
	"clocks":            "期限",
	"answers":           "答复",
	"questions":         "请举报人补充",
	"has_identity":      "留有身份（封存）",
	"identity_requests": "身份查看申请",
	"candidates":        "可能的机构",
	"duplicates":        "可能重复",
	"suggestion":        "类别建议",
	"words":             "依据的词",
	"channel":           "渠道",
	"source_id":         "渠道编号",
	"merged_into":       "并入",
	"intake":            "受理中心",
	"paused":            "暂停天数",
	"extra":             "延长",
	"met_on":            "完成日期",
	"overdue_on":        "超期日期",
	"requested_by":      "申请人",
	"approved_by":       "批准人",
	"open_until":        "可查看至",
	"read_on":           "查看日期",
	"asked_on":          "提问日期",
	"amended":           "更正",
	// whose and where
	"id": "编号", "name": "名称", "title": "标题", "jurisdiction": "所在区划", "place": "所在区划", "address": "地址", "institution": "机构编号",
	"institution_id": "机构编号", "institution_name": "机构", "principal": "申请人账号", "sponsor": "举办者", "uscc": "统一社会信用代码",
	"parent": "家长账号", "pupil": "学员", "party": "当事人", "office": "机关", "agency": "部门", "officer": "经办人账号", "certificate": "执法证号",
	"actor": "经办", "by": "经办", "proposed_by": "提出人", "decided_by": "决定机关", "office_place": "机关所在区划",
	// an institution and its licence
	"category": "类别", "item": "项目", "kind": "类型", "mode": "方式", "area_m2": "面积（平方米）", "capacity": "同时容纳学员数", "legal_form": "法人类型",
	"licence_number": "许可证编号", "valid_from": "有效期自", "valid_until": "有效期至", "issued_by": "发证机关", "list": "名单", "objection": "异议途径",
	// a case and its dates
	"state": "状态", "state_text": "状态", "state_name": "状态", "status": "状态", "status_text": "状态", "since": "起始", "until": "截止", "due": "到期日",
	"provisional": "暂定（节假日安排尚未公布）", "received_on": "收到日期", "correct_by": "补正告知期限", "returned": "已要求补正", "missing": "需补正的材料",
	"accepted_on": "受理日期", "deemed": "逾期视为受理", "decide_by": "作出决定期限", "notice_from": "公示开始", "notice_until": "公示截止",
	"decided_on": "决定日期", "issue_by": "颁发许可证期限", "deadlines": "期限", "days_left": "剩余工作日", "light": "灯", "open": "进行中", "from": "起算日",
	"opinions": "行业部门意见", "agree": "同意", "text": "意见", "given_on": "出具日期", "site_checks": "现场核查", "passed": "通过", "checked_on": "核查日期",
	"note": "说明", "reason": "理由", "basis": "依据", "summary": "事项", "action": "事项", "label": "名称", "at": "时间", "timeline": "经过",
	"proposed_on": "提出日期", "published_on": "公布日期", "statement_until": "陈述申辩期限", "decision": "决定",
	"facts": "事实", "statement": "陈述、申辩意见", "stated_on": "陈述、申辩日期", "set_aside": "决定已撤销", "set_aside_by": "撤销机关", "document": "据以撤销的文书", "wanted_by": "检查转来编号", "decided_account": "决定人账号", "removed_on": "移出日期",
	// rules
	"rule": "所依据的规则", "rules": "所依据的规则", "grounds": "所依据的规则", "key": "规则", "version": "版本", "value": "规定数值", "unit": "单位",
	"source": "出处", "provenance": "出处核实程度", "inputs": "所依据的数据", "explanation": "说明", "signed": "签字人数", "max": "上限",
	// money and lessons
	"contract": "合同", "about": "合同概况", "open_lessons": "未上课时", "contracts": "合同", "course": "课程", "billing": "计费方式", "lessons": "课时数", "gift_lessons": "赠送课时", "first_lesson": "首次上课", "last_lesson": "末次上课",
	"price_fen": "价款", "paid_fen": "已付", "held_fen": "监管中", "released_fen": "已拨付", "refunded_fen": "已退", "amount_fen": "金额", "fee_fen": "每课时金额",
	"waiting_fen": "待家长确认金额", "disputed_fen": "有异议金额", "excess_fen": "超出金额", "excess": "超出", "total": "合计", "open_flags": "未解除的提示",
	"flags": "预收费提示", "refunds": "退费", "progress": "进度", "scheduled": "未上课", "taught": "待确认", "confirmed": "已确认", "disputed": "有异议",
	"refunding": "退费中", "refunded": "已退费", "cancelled": "已取消", "n": "课次", "gift": "赠送", "on_date": "上课日期", "taught_on": "登记上课", "confirm_by": "确认期限",
	"confirmed_on": "确认日期", "by_silence": "逾期未答自动生效", "raised_on": "提示日期", "cleared_on": "解除日期", "cleared_by": "因何解除", "requested_on": "申请日期",
	"answer_by": "答复期限", "paid_on": "付款日期", "latest_allowed": "最晚应到", "days_over": "超出天数", "earliest_payment": "最早可付", "days_early": "提前天数",
	"pupils": "同时容纳学员数", "bank": "银行", "account_tail": "账号末四位", "agreement_no": "协议编号", "opened_on": "开立日期", "reported_on": "报送日期",
}
