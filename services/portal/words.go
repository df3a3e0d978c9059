package portal

// What people read instead of a code. A code that is not here is shown as it is.
var names = map[string]string{ //nolint:gosec // words, one of which is like a password
	"ACTIVE": "正常", "SUSPENDED": "许可证暂扣", "REVOKED": "已吊销或撤销", "CANCELLED": "已注销",
	"WHITE": "白名单", "BLACK": "黑名单",
	"culture_arts": "文化艺术", "sport": "体育", "science_technology": "科技", "academic": "学科",
	"subject": "学科类", "non_subject": "非学科类", "offline": "线下", "online": "线上",
	"for_profit": "营利性", "non_profit": "非营利性", "custody": "银行托管", "deposit": "风险保证金",
	"education": "教育", "culture": "文化和旅游", "market": "市场监管", "fire": "消防",
	"working_day": "个工作日", "calendar_day": "日", "month": "个月", "year": "年", "lesson": "课时", "person": "人", "m2": "平方米",
	"green": "正常", "yellow": "临期", "red": "超期",
	"grant": "准予许可", "refuse": "不予许可", "approve": "同意", "reject": "不同意",
	// offices
	"science": "科学技术", "civil": "民政", "police": "公安", "intake": "举报受理中心", "city": "市级教育",
	// units, and how sure a rule's source is
	"fen": "分", "ratio": "（比例）", "ratio_per_day": "（每日比例）", "hour": "小时", "minute": "分钟", "times": "次", "school": "所学校", "visit": "次检查",
	"point": "分（评分）", "percent": "%（百分数）",
	"clause": "（条款）", "list": "（清单）", "text": "（文字）", "time_of_day": "（时刻）",
	"provenance.V": "读过全文", "provenance.P": "读过摘录", "provenance.S": "项目文件", "provenance.L": "地方规定", "provenance.memory": "凭记忆，待核实", "provenance.D": "本系统默认",
	// kinds
	"channel.web": "本系统网页", "channel.12345": "12345 热线",
	"RANDOM": "双随机抽查", "JOINT": "联合检查", "SWEEP": "无证办学排查", "INSTITUTION": "培训机构", "PLACE": "没有证照的场所", "PERSON": "个人",
	"REPORT": "举报", "COMPLAINT": "投诉", "BOTH": "举报和投诉", "PETITION": "信访", "BLACK_LIST": "列入黑名单",
	"agree": "同意", "disagree": "不同意", "plan.credit": "按信用等级", "plan.category": "按类别", "plan.none": "不分层", "credit": "按信用等级", "category": "按类别", "none": "不分层", "all": "全部",
	"key": "重点检查事项", "general": "一般检查事项",
	// why an officer keeps away
	"certificate_expired": "检查日执法证件已失效", "conflict": "与该机构有利害关系，回避", "relative": "近亲属有利害关系", "former": "曾在该机构任职", "patch": "日常监管片区", "own": "自行申请回避",
	// the early warning
	"NONE": "无预警", "YELLOW": "黄色预警", "RED": "红色预警", "CONTROL": "对照组",
	"signal.refunds": "退费上升", "signal.lag": "课时滞后", "signal.cover": "覆盖下降", "signal.discount": "打折揽收", "signal.tips": "举报增多",
	// states; a service's own words come first where it sends them
	"RECEIVED": "已收到", "TRIAGED": "已甄别", "DISPATCHED": "已分派", "RETURNED": "已退回", "DISPATCHED_AGAIN": "再次分派", "ARBITRATION": "提交裁定", "ASSIGNED": "裁定指派",
	"HANDLING": "办理中", "WAITING": "待举报人补充", "ANSWERED": "已答复", "CLOSED": "已办结", "MERGED": "并案办理", "NOT_TRAINING": "不属于校外培训，已退回",
	"PENDING": "待批准", "APPROVED": "已批准", "READ": "已查看", "EXPIRED": "已过期",
	"SUBMITTED": "已提交", "ACCEPTED": "已受理", "NOT_ACCEPTED": "不予受理", "PUBLIC_NOTICE": "公示中", "GRANTED": "已准予许可", "REFUSED": "不予同意", "WITHDRAWN": "已撤回",
	"PROPOSED": "已提出，待决定", "PUBLISHED": "已公布", "REMOVED": "已移出",
	"OFFERED": "待签约", "OPEN": "进行中", "SIGNED": "已签字", "PAID": "已付款", "FINISHED": "已结束", "ENDED": "已终止", "CLEARED": "已解除",
	"PLANNED": "已计划", "COMMITTED": "已冻结名录", "DRAWN": "已抽取", "VISITING": "检查中", "VISITED": "检查完成", "RECTIFYING": "整改中", "RECTIFIED": "整改通过",
	"FAILED": "整改未通过", "ESCALATED": "已提请列入黑名单", "ORDERED": "已责令停止举办", "tasks.CLOSED": "已取缔", "tasks.PUBLISHED": "已公示", "list-entries.APPROVED": "待公布",
	// results and ends
	"NO_PROBLEM": "未发现问题", "outcome.RECTIFIED": "已责令改正，复查通过", "UNRECTIFIED": "整改未通过，转后续处理", "NOTED": "发现问题，已当场指正",
	"BLACKLISTED": "已列入黑名单", "PLACE_CLOSED": "已责令停止举办并取缔", "UNFOUNDED": "未发现无证办学",
	"ending.SIGNED": "机构已签字", "ending.PAPER": "举办者在纸质记录上签字", "ending.REFUSED": "拒绝签字",
	// accounts of the books
	"account.held": "未消课预收费", "account.receivable": "机构已收、应返学费", "account.released": "已拨付机构", "account.refunds": "待退家长", "account.frozen": "暂停拨付待付", "account.differences": "待查差额",
	// what a follow-up sends
	"ask_for_entry": "提请列入名单", "publish_result": "公布结果，请各方落实", "withdraw_result": "撤回结果，请各方恢复",
}

// wordOf is a code that came under key in words: some mean something else there.
func wordOf(key, code string) string {
	if n, ok := names[key+"."+code]; ok {
		return n
	}
	return name(code)
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
	"rule_unit": true, "light": true, "decision": true, "billing": true, "provenance": true, "account": true, "channel": true, "outcome": true, "nature": true, "subject_kind": true,
	"reason": true, "owner": true, "suggested_owner": true, "agencies": true, "signed": true, "lead": true, "opinion": true, "command": true, "type": true,
	"level": true, "band": true, "was": true, "signal": true,
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
	".text": "原文", "answers.text": "答复", "questions.text": "问题", "clocks.label": "期限",
	"officers.id": "账号", "timeline.label": "事项",
	// an inspection
	"task_id": "检查任务", "tasks": "检查任务", "kind_name": "类型", "agencies": "参加部门", "lead": "牵头部门", "lead_office": "牵头部门", "agency_name": "部门", "jurisdiction_name": "所在区划",
	"subject": "对象", "subject_name": "对象", "street": "街道、小区", "plan": "抽取方案", "plan.by": "分层", "sample": "抽取家数", "planned_by": "制定人", "planned_on": "制定日期",
	"visit_on": "检查日期", "visited_on": "检查完成日期", "publish_due": "公示期限", "publish_rule": "公示期限的依据", "outcome": "结果", "result": "公示内容", "published": "已公示", "results": "结果",
	"tips": "有关举报", "clues": "有关举报", "place_name": "招牌", "targets": "检查对象", "round": "轮次", "stratum": "分层", "officers": "执法人员", "assigned": "抽中的执法人员",
	"draws": "随机抽取", "commit": "种子的承诺值", "frozen_hash": "名录的哈希", "drawn_by": "抽取人", "revealed_by": "公布人",
	"withdrawn": "已撤回", "visits": "现场检查", "visit_id": "现场检查", "on": "日期", "opened_by": "首先到场", "problems": "发现问题（项）", "completed_on": "完成日期",
	"parts": "各部门的部分", "findings": "检查事项", "findings.item": "事项编号", "detail": "情况", "problem": "发现问题", "recorded_by": "记录人", "recorded_on": "记录日期",
	"signed_by": "签字人", "signed_on": "签字日期", "visits.signed": "已签字的部门", ".signed": "已签字", "items": "抽查事项清单", "items.code": "编号", "code": "编号", "level": "级别",
	"ending": "被检查方", "ending.kind": "签字情况", "ending.reason": "拒签原因", "ending.by": "登记人", "witness": "见证人", "statement_text": "意见", "ending.statement": "被检查方意见",
	"rectifications": "责令整改", "rectifications.items": "须整改的事项", ".items": "抽查事项", "demand": "要求", "ordered_by": "责令人", "ordered_on": "责令日期",
	"submission": "整改报告", "submitted_on": "提交日期", "late": "逾期提交", "verified_by": "复查人", "verified_on": "复查日期", "verdict": "复查意见",
	"sweeps": "台账", "signboard": "招牌", "phone": "电话", "stage": "阶段", "listed_on": "列入日期", "closed_on": "取缔日期", "checks": "复核", "closed": "已停办",
	"active": "在库", "valid": "证件有效", "scope": "事项范围", "conflicts": "回避", "updated_by": "更新人", "updated_on": "更新日期",
	"follow_ups": "决定的后续", "waits": "正在等待", "waiting_for": "正在等待", "stuck": "等待过久", "sent": "已发出", "command": "发出", "again": "再次发出（次）", "type": "类型",
	"data": "已知的情况", "entry_id": "名单", "decided": "已决定", "refused": "不予列入", "held": "已暂停拨付", "resumed": "已恢复拨付", "answered": "已答复的举报", "data.amended": "已更正的答复", "follow_up_id": "后续",
	// a tip-off
	"tip": "举报", "tips.number": "受理编号", "amount": "期限长度", "answer": "举报人的补充", "into": "并入", "into_number": "并入的受理编号", "into_received_on": "较早一件收到日期", "q": "编号、对象或摘要中的字",
	"identity": "举报人身份", "identity.name": "姓名", "identity.account": "渠道账号", "sealed": "封存件", "history.attribute": "项目", "candidates.status": "许可状态",
	// money that waits
	"hold": "暂停拨付", "clause": "条款", "cause_id": "依据的名单", "waiting_lessons": "待拨付课时", "waiting": "待拨付", "on_hold": "暂停拨付（课时）", "on_hold_fen": "暂停拨付金额", "application_id": "申请",
	"account": "科目", "account_text": "科目", "balance_fen": "余额", "lines": "分录", "side": "方向", "credit_fen": "贷方", "debit_fen": "借方", "kind_text": "类型", "reference": "业务编号", "reverses": "冲正", "transfer": "记账编号",
	// the early warning
	"arms": "分组", "band": "预警级别", "band_text": "预警级别", "was": "原级别", "control": "对照组", "control_text": "分组", "control_rule": "分组依据", "points": "分值",
	"reasons": "原因", "signal": "信号", "changes": "级别变动", "till": "截至", "arms.institutions": "机构数", "arms.held": "其中被暂停拨付",
	"percent": "百分数", "percent_version": "百分数的规则版本",
	// what decisions rest on
	"education": "教育部门人员到场", "list_entry": "名单编号", "list_entry_since": "列入日期", "listed": "现在的名单", "today": "当日", "was_due": "原到期日",
	"manager": "负责人账号", "registered_on": "登记日期", "status_since": "状态自", "attribute": "项目", "warnings": "提示", "actions": "可办事项", "page": "页", "size": "每页", "to": "到",
}
