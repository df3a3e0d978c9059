package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

func readAll(resp *http.Response) (string, error) {
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// visit opens a visit of a task.
func (s *story) visit(ctx context.Context, what, task, institution string) (string, error) {
	ask := map[string]any{}
	if institution != "" {
		ask["institution_id"] = institution
	}
	var v struct{ ID string }
	if !s.answered(s.examiner.post(ctx, task+"/visits", ask), 200, &v, what) {
		return "", fmt.Errorf("没有检查，无法继续")
	}
	return v.ID, nil
}

// finding records what an agency found on the first of its own items.
func (s *story) finding(ctx context.Context, p *person, visit, agency string, problem bool, detail string) {
	at := fmt.Sprintf("inspection/v1/visits/%s/parts/%s/findings", visit, agency)
	s.answered(p.post(ctx, at, map[string]any{"item": s.items[agency], "problem": problem, "detail": detail}), 200, nil, p.name+" 记录本部门事项 "+s.items[agency])
}

func (s *story) sign(ctx context.Context, p *person, visit, agency string, officers ...string) {
	at := fmt.Sprintf("inspection/v1/visits/%s/parts/%s/sign", visit, agency)
	s.answered(p.post(ctx, at, map[string]any{"officers": officers}), 200, nil, p.name+" 在本部门部分签字")
}

// learnItems takes the first check item of every agency.
func (s *story) learnItems(ctx context.Context) {
	var all struct {
		Items []struct{ Code, Agency string }
	}
	s.read(s.public().get(ctx, "inspection/v1/items"), &all)
	s.items = map[string]string{}
	for _, i := range all.Items {
		if s.items[i.Agency] == "" {
			s.items[i.Agency] = i.Code
		}
	}
}

// inspect is step 7: a random draw, the joint visit, rectification, and the black list.
func (s *story) inspect(ctx context.Context) error {
	s.step("第七步 双随机抽取；联合检查、责令整改、复查未通过；列入黑名单")
	if err := s.draw(ctx); err != nil {
		return err
	}
	task := "inspection/v1/tasks/" + s.task
	visit, err := s.visit(ctx, "三部门一次上门", task, "")
	if err != nil {
		return err
	}
	at := "inspection/v1/visits/" + visit
	s.answered(s.market.post(ctx, at+"/parts/fire/findings", map[string]any{"item": s.items["fire"], "problem": true, "detail": "疏散通道堆物"}), 403, nil, "市场监管填写消防的部分")
	s.finding(ctx, s.market, visit, "market", true, "收费公示与实际不符")
	a := s.fire.get(ctx, at)
	s.answered(a, 200, nil, "消防查看检查记录")
	s.expect(!strings.Contains(string(a.body), "收费公示与实际不符"), "公布前看不到别的部门的部分", "看不到", strings.Contains(string(a.body), "收费公示与实际不符"))
	s.finding(ctx, s.fire, visit, "fire", true, "疏散通道堆放画架")
	s.finding(ctx, s.examiner, visit, "education", true, "存在一次收取超过三个月费用的情形")
	s.sign(ctx, s.market, visit, "market", "market")
	s.sign(ctx, s.fire, visit, "fire", "fire")
	s.sign(ctx, s.examiner, visit, "education", "examiner")
	s.answered(s.market.post(ctx, at+"/refusal", map[string]any{"reason": "负责人称需请示总部", "witness": "物业值班人员（示例）"}), 200, nil, "机构拒签，记录理由与见证人")

	var r struct{ ID, Due, State string }
	a = s.market.post(ctx, at+"/rectification", map[string]any{"demand": "立即改正收费公示，停止超期收费"})
	s.answered(a, 200, &r, "责令整改，限期由规则算出", "rectify.due")
	fix := "inspection/v1/rectifications/" + r.ID
	s.answered(s.principal.post(ctx, fix+"/submit", map[string]any{"text": "已更换公示牌。"}), 200, nil, "机构提交整改报告")
	s.answered(s.market2.post(ctx, fix+"/verify", map[string]any{"passed": false, "officers": []string{"market2"}, "verdict": "仍在收费"}), 422, nil, "一人复查", `"value":2`)
	s.answered(s.market2.post(ctx, fix+"/verify", map[string]any{"passed": false, "officers": []string{"market2", "market"}, "verdict": "复查时仍在收取半年费用"}), 200, nil, "复查未通过")
	a = s.eventually(ctx, func() answer {
		return s.examiner.post(ctx, task+"/blacklist", map[string]any{"facts": "超期预收费，责令整改后复查仍未改正", "reason": "复查未通过"})
	}, func(a answer) bool { return a.status == 200 })
	s.answered(a, 200, nil, "提请列入黑名单")
	return s.black(ctx)
}

// draw is the routine task: frozen, committed, revealed, published, replayable.
func (s *story) draw(ctx context.Context) error {
	task, err := s.plan(ctx, "计划一次双随机抽查", map[string]any{
		"kind": "RANDOM", "title": "双随机抽查 " + s.run, "agencies": []string{"education", "market"}, "visit_on": s.today(ctx), "plan": map[string]any{"by": "none", "sample": 3},
	})
	if err != nil {
		return err
	}
	at := "inspection/v1/tasks/" + task
	var t struct {
		Draws []struct{ ID, Commit string }
	}
	s.answered(s.examiner.post(ctx, at+"/draw", nil), 200, &t, "冻结名录，承诺种子")
	if len(t.Draws) == 0 {
		return fmt.Errorf("没有抽取记录")
	}
	before := s.public().get(ctx, "inspection/v1/draws/"+t.Draws[0].ID)
	s.answered(before, 200, nil, "抽取前已公开名录与种子的承诺值", t.Draws[0].Commit, `"nonce":""`)
	s.answered(s.examiner.post(ctx, at+"/reveal", nil), 200, nil, "公布种子并抽取")
	file := s.public().get(ctx, "inspection/v1/draws/"+t.Draws[0].ID)
	s.answered(file, 200, nil, "公开抽取文件", t.Draws[0].Commit)
	s.answered(s.examiner.post(ctx, at+"/redraw", map[string]any{}), 400, nil, "没有理由就重抽", "/reason")
	s.answered(s.examiner2.post(ctx, at+"/redraw", map[string]any{"reason": "一名抽中人员当日住院，无法到场"}), 200, nil, "另一人说明理由后重抽")
	var again struct{ Draws []json.RawMessage }
	s.read(s.examiner.get(ctx, at), &again)
	s.expect(len(again.Draws) == 2, "两次抽取都保留", "2", len(again.Draws))
	return nil
}

// listEntry is a list entry as the office sees it.
type listEntry struct {
	ID, List, State string
	InstitutionID   string `json:"institution_id"`
	StatementUntil  string `json:"statement_until"`
}

// entry finds the institution's black list entry in a state.
func (s *story) entry(ctx context.Context, state string) (e listEntry) {
	s.eventually(ctx, func() answer { return s.examiner.get(ctx, "licensing/v1/list-entries?state="+state) }, func(a answer) bool {
		var all struct{ Items []listEntry }
		_ = json.Unmarshal(a.body, &all)
		for _, i := range all.Items {
			if i.InstitutionID == s.institution && i.List == "BLACK" {
				e = i
				return true
			}
		}
		return false
	})
	return e
}

// black waits for the entry that inspection asked for, and decides it after the statement days.
func (s *story) black(ctx context.Context) error {
	e := s.entry(ctx, "PROPOSED")
	s.expect(e.ID != "", "提请由事件到了许可部门", "PROPOSED", e.State)
	if e.ID == "" {
		return fmt.Errorf("没有列入提请，无法继续")
	}
	s.entryID = e.ID
	at := "licensing/v1/list-entries/" + e.ID
	s.answered(s.principal.post(ctx, at+"/statement", map[string]any{"text": "已安排退费，请求从轻。"}), 200, nil, "机构陈述申辩")
	s.answered(s.examiner2.post(ctx, at+"/decide", map[string]any{"decision": "approve"}), 422, nil, "陈述申辩期内决定", "list.statement")
	if err := s.pass(ctx, e.StatementUntil); err != nil {
		return err
	}
	s.answered(s.examiner2.post(ctx, at+"/decide", map[string]any{"decision": "approve"}), 200, nil, "期满由另一人决定")
	return nil
}

// travel is step 8: the published decision reaches everybody, and is undone once.
func (s *story) travel(ctx context.Context) error {
	s.step("第八步 决定由事件传到各处；撤销后逐一恢复")
	held := s.buy(ctx, "(辛) 公布前的合同：3 课时 300 元", order{"水彩", 3, 0, s.now(ctx), s.now(ctx).AddDate(0, 0, 14), 30000})
	at := "licensing/v1/list-entries/" + s.entryID
	click := s.examiner.post(ctx, at+"/publish", nil)
	s.answered(click, 200, nil, "公布黑名单")
	follow := s.followUp(ctx, "DONE")
	s.expect(follow.State == "DONE", "决定的后续办结（停拨、答复都已回报）", "DONE", follow.State+" "+strings.Join(follow.WaitingFor, " "))
	if s.Kill == "" { // what is killed takes its last spans with it
		s.traced(ctx, click.trace)
	}
	a := s.principal.get(ctx, "escrow/v1/accounts/"+s.institution)
	s.answered(a, 200, nil, "监管账户暂停拨付，写明条款与决定机关", "姑苏区教育局", `"clause"`)
	lesson := "escrow/v1/contracts/" + held + "/lessons/1"
	s.answered(s.principal.post(ctx, lesson+"/taught", nil), 200, nil, "机构登记第 1 课已授课")
	s.answered(s.parent.post(ctx, lesson+"/confirm", nil), 200, nil, "家长确认，但不拨付", `"released_fen":0`)
	var r struct{ ID string }
	a = s.parent.post(ctx, "escrow/v1/contracts/"+held+"/refunds", map[string]any{"lessons": 1, "reason": "不想上了"})
	s.answered(a, 200, &r, "暂停拨付期间申请退费")
	s.answered(s.principal.post(ctx, "escrow/v1/refunds/"+r.ID+"/agree", nil), 200, nil, "退费照常办理")
	a = s.eventually(ctx, func() answer { return s.public().get(ctx, "portal/v1/institutions/"+s.institution) }, func(a answer) bool { return strings.Contains(string(a.body), `"BLACK"`) })
	s.answered(a, 200, nil, "公开页显示黑名单、依据与日期", `"BLACK"`, "复查仍未改正")
	a = s.track(ctx, s.tip.Number, s.tip.Code)
	s.answered(a, 200, nil, "举报人凭码读到答复", "ANSWERED", "黑名单")

	s.answered(s.city.post(ctx, at+"/set-aside", map[string]any{"reason": "行政复议：程序违法", "document": "苏复决〔示例〕1 号"}), 200, nil, "市教育局撤销决定")
	follow = s.followUp(ctx, "UNDONE")
	s.expect(follow.State == "UNDONE", "撤销后的恢复办结", "UNDONE", follow.State+" "+strings.Join(follow.WaitingFor, " "))
	s.answered(s.city.post(ctx, at+"/set-aside", map[string]any{"reason": "再撤销一次", "document": "苏复决〔示例〕2 号"}), 409, nil, "再次撤销")
	a = s.eventually(ctx, func() answer { return s.parent.get(ctx, "escrow/v1/contracts/"+held) }, func(a answer) bool { return strings.Contains(string(a.body), `"released_fen":10000`) })
	s.answered(a, 200, nil, "等待的课时费已拨付一次", `"released_fen":10000`)
	a = s.eventually(ctx, func() answer { return s.public().get(ctx, "portal/v1/institutions/"+s.institution) }, func(a answer) bool { return !strings.Contains(string(a.body), `"BLACK"`) })
	s.expect(!strings.Contains(string(a.body), `"BLACK"`), "公开页不再显示黑名单", "无 BLACK", "")
	a = s.track(ctx, s.tip.Number, s.tip.Code)
	s.answered(a, 200, nil, "举报人读到更正的答复", `"amended":true`, "撤销")
	return nil
}

// followUp waits until the process behind the entry is in a state.
func (s *story) followUp(ctx context.Context, state string) (f struct {
	ID, State  string
	WaitingFor []string `json:"waiting_for"`
},
) {
	s.eventually(ctx, func() answer { return s.examiner.get(ctx, "inspection/v1/tasks/"+s.task) }, func(a answer) bool {
		var t struct {
			FollowUps []struct {
				ID, State  string
				WaitingFor []string `json:"waiting_for"`
			} `json:"follow_ups"`
		}
		if json.Unmarshal(a.body, &t) == nil && len(t.FollowUps) > 0 {
			f = t.FollowUps[len(t.FollowUps)-1]
		}
		return f.State == state
	})
	return f
}

// sums is the first line of a trace as text: spans, services, crossings of Kafka
// in all and one after the other.
var sums = regexp.MustCompile(`^(\d+) 段，(\d+) 个服务.*，经 Kafka (\d+) 次，前后相接最多 (\d+) 次`)

// traced shows the trace of the click that published the decision: from there to
// every consumer, as a tree.
func (s *story) traced(ctx context.Context, id string) {
	const services, crossings = 5, 3
	var figures [5]int
	var text string
	s.eventually(ctx, func() answer {
		var err error
		if text, err = s.page(ctx, s.Staff+"/trial/traces/"+id+"?as=text"); err != nil {
			s.fail("读不到调用链 %s：%v", id, err)
		}
		return answer{}
	}, func(answer) bool { // services send their spans by and by
		for i, n := range sums.FindStringSubmatch(text) {
			figures[i], _ = strconv.Atoi(n) // the whole match, which is first, is none
		}
		return figures[2] >= services && figures[4] >= crossings && strings.Contains(text, "tipoff.v1.TipAnswered") && strings.Contains(text, "escrow.v1.PayoutsHeld")
	})
	s.expect(figures[2] >= services && figures[4] >= crossings, "一条调用链从公布的点击到每个消费者", fmt.Sprintf("至少 %d 个服务、前后经 Kafka %d 次", services, crossings),
		fmt.Sprintf("%d 段、%d 个服务、经 Kafka %d 次、前后相接 %d 次", figures[1], figures[2], figures[3], figures[4]))
	fmt.Println("    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    "))
}
