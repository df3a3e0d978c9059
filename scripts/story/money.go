package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// order is what a contract is about.
type order struct {
	course         string
	lessons, gifts int
	first, last    time.Time
	fen            int
}

// contract is a contract as the parent sees it.
type contract struct {
	ID       string
	State    string
	Warnings []struct {
		Rule ground
	}
	Flags []flag
}

type ground struct {
	Key, Unit, Jurisdiction, Source, Provenance string
	Version                                     int
	Value                                       json.RawMessage
	Inputs                                      map[string]any
}

type flag struct {
	ID, Contract, State, Due, Explanation string
	Rule                                  ground
}

// prepay is step 3: the supervised account, and prepayments clean and flagged.
func (s *story) prepay(ctx context.Context) (err error) {
	s.step("第三步 监管账户、合同、付款与预收费标记")
	if s.parent, err = s.login(ctx, "parent", s.Public); err != nil {
		return err
	}
	if s.stranger, err = s.login(ctx, "parent2", s.Public); err != nil {
		return err
	}
	day := s.now(ctx)
	clean := order{"素描基础", 48, 0, day.AddDate(0, 0, 7), day.AddDate(0, 0, 82), 480000}
	a := s.eventually(ctx, func() answer { return s.principal.post(ctx, "escrow/v1/contracts", s.offer(clean)) },
		func(a answer) bool { return a.status != 404 }) // until the licence has reached escrow
	s.answered(a, 422, nil, "未报告监管账户就签约", "监管账户")
	account := map[string]any{
		"institution": s.institution, "mode": "custody", "bank": "示例银行姑苏支行", "account_tail": "4821",
		"agreement_no": "托管-" + s.run, "opened_on": s.today(ctx),
	}
	s.answered(s.parent.post(ctx, "escrow/v1/accounts", account), 403, nil, "家长报告监管账户")
	s.answered(s.principal.post(ctx, "escrow/v1/accounts", account), 200, nil, "机构报告监管账户")

	s.buy(ctx, "(甲) 48 课时、75 天、4,800 元：无标记", clean)
	b := s.buy(ctx, "(乙) 61 课时", order{"书法入门", 61, 0, day.AddDate(0, 0, 7), day.AddDate(0, 0, 70), 305000}, "fee.max_lessons")
	s.refund(ctx, "退 1 课时", b, map[string]any{"lessons": 1}, "fee.max_lessons")

	s.buy(ctx, "(丙一) 60 课时：无标记", order{"国画", 60, 0, day.AddDate(0, 0, 7), day.AddDate(0, 0, 70), 300000})
	c := s.buy(ctx, "(丙二) 同周第二单含赠送 12 课时：合并计算", order{"国画 ", 1, 12, day.AddDate(0, 0, 8), day.AddDate(0, 0, 71), 5000}, "fee.max_lessons")
	s.refund(ctx, "第二单全部退回", c, map[string]any{"whole": true}, "fee.max_lessons")

	first := day.AddDate(0, 0, 5)
	d := s.buy(ctx, "(丁) 首课至末课 3 个月零 1 天", order{"陶艺", 24, 0, first, addMonths(first, 3).AddDate(0, 0, 1), 240000}, "fee.max_months")
	s.refund(ctx, "退最后 1 课时", d, map[string]any{"lessons": 1}, "fee.max_months")

	e := s.buy(ctx, "(戊) 非学科类 5,200 元", order{"油画", 40, 0, day.AddDate(0, 0, 7), day.AddDate(0, 0, 60), 520000}, "fee.nonsubject_cap")
	s.refund(ctx, "退 2 课时（260 元）", e, map[string]any{"lessons": 2}, "fee.nonsubject_cap")
	return nil
}

// addMonths is the same day number n months on, or that month's last.
func addMonths(t time.Time, n int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1, 0, 0, 0, 0, t.Location())
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}

func (s *story) offer(o order) map[string]any {
	return map[string]any{
		"institution": s.institution, "parent": "parent", "pupil": "小安", "course": o.course, "billing": "lesson",
		"lessons": o.lessons, "gift_lessons": o.gifts, "price_fen": o.fen,
		"first_lesson": o.first.Format(time.DateOnly), "last_lesson": o.last.Format(time.DateOnly),
	}
}

// buy offers, signs and pays o; rules are those that must flag it, and no others.
func (s *story) buy(ctx context.Context, what string, o order, rules ...string) string {
	var c contract
	s.answered(s.principal.post(ctx, "escrow/v1/contracts", s.offer(o)), 200, &c, what+"：机构发出合同")
	at := "escrow/v1/contracts/" + c.ID
	s.answered(s.stranger.get(ctx, at), 404, nil, "别的家长查看此合同")
	s.answered(s.parent.post(ctx, at+"/sign", nil), 200, &c, "家长签订")
	s.same("付款前的提示", rules, len(c.Warnings), func(i int) ground { return c.Warnings[i].Rule })
	s.answered(s.parent.post(ctx, at+"/pay", map[string]any{"amount_fen": o.fen, "reference": "demo-pay-" + uuid.NewString()}), 200, nil, "家长付款（标记不阻止付款）")
	s.read(s.parent.get(ctx, at), &c)
	s.same("付款后的标记", rules, len(c.Flags), func(i int) ground { return c.Flags[i].Rule })
	for _, f := range c.Flags {
		s.inbox(ctx, f)
	}
	return c.ID
}

// same checks that exactly the rules named were found, each with all that a
// decision must name.
func (s *story) same(what string, rules []string, n int, at func(int) ground) {
	var found []string
	whole := true
	for i := range n {
		g := at(i)
		found = append(found, g.Key)
		whole = whole && g.Version > 0 && len(g.Value) > 0 && len(g.Jurisdiction) == 6 && g.Source != "" && len(g.Inputs) > 0
	}
	s.expect(strings.Join(found, " ") == strings.Join(rules, " ") && whole, what+"（规则、版本、数值、辖区、出处、依据的数据俱全）",
		or(strings.Join(rules, " "), "无"), or(strings.Join(found, " "), "无"))
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// inbox checks that the examiner finds f, with a due date.
func (s *story) inbox(ctx context.Context, f flag) {
	var box struct {
		Items []struct{ ID, Due, Light string }
	}
	s.read(s.examiner.get(ctx, "escrow/v1/inbox"), &box)
	for _, item := range box.Items {
		if item.ID == f.ID {
			s.expect(item.Due != "" && item.Due == f.Due, "标记到了审批员的待办，办理期限", f.Due, item.Due+" "+item.Light)
			return
		}
	}
	s.expect(false, "标记到了审批员的待办", f.ID, "没有找到")
}

// refund asks for what and has it agreed; the flag of rule must be cleared by it.
func (s *story) refund(ctx context.Context, what, id string, ask map[string]any, rule string) {
	at := "escrow/v1/contracts/" + id
	ask["reason"] = "按提示退回超出部分"
	var r struct {
		ID        string
		AmountFen int `json:"amount_fen"`
	}
	s.answered(s.parent.post(ctx, at+"/refunds", ask), 200, &r, "家长申请退费："+what)
	s.answered(s.principal.post(ctx, "escrow/v1/refunds/"+r.ID+"/agree", nil), 200, nil, fmt.Sprintf("机构同意，原路退回 %d 分", r.AmountFen))
	var c contract
	s.read(s.parent.get(ctx, at), &c)
	state := "没有标记"
	for _, f := range c.Flags {
		if f.Rule.Key == rule {
			state = f.State
		}
	}
	s.expect(state == "CLEARED", "超出部分退回后标记由事实消除", "CLEARED", state)
}

// teach is step 4: lessons confirmed, disputed, and met with silence.
func (s *story) teach(ctx context.Context) error {
	s.step("第四步 课消确认、尾差、异议与默认确认")
	day := s.now(ctx)
	short := s.buy(ctx, "(己) 2 课时 100.01 元", order{"篆刻体验", 2, 0, day, day.AddDate(0, 0, 7), 10001})
	for n, fee := range []int{5000, 5001} {
		at := fmt.Sprintf("escrow/v1/contracts/%s/lessons/%d", short, n+1)
		s.answered(s.parent.post(ctx, at+"/confirm", nil), 409, nil, fmt.Sprintf("第 %d 课尚未授课就确认", n+1))
		s.answered(s.principal.post(ctx, at+"/taught", nil), 200, nil, fmt.Sprintf("机构登记第 %d 课已授课", n+1))
		s.answered(s.stranger.post(ctx, at+"/confirm", nil), 404, nil, "别的家长确认")
		s.answered(s.parent.post(ctx, at+"/confirm", nil), 200, nil, fmt.Sprintf("家长确认，拨付 %d 分", fee), fmt.Sprintf(`"released_fen":%d`, fee))
	}
	m := s.money(ctx, short)
	s.expect(m.ReleasedFen == 10001 && m.HeldFen == 0, "拨付合计（末课取尾差）", "10001 分，余 0", fmt.Sprintf("%d 分，余 %d", m.ReleasedFen, m.HeldFen))

	long := s.buy(ctx, "(庚) 4 课时 400 元", order{"版画", 4, 0, day, day.AddDate(0, 0, 21), 40000})
	lesson := func(n int) string { return fmt.Sprintf("escrow/v1/contracts/%s/lessons/%d", long, n) }
	for n := 1; n <= 3; n++ {
		s.answered(s.principal.post(ctx, lesson(n)+"/taught", nil), 200, nil, fmt.Sprintf("机构登记第 %d 课已授课", n))
	}
	s.answered(s.parent.post(ctx, lesson(1)+"/dispute", map[string]any{"reason": "这节课没上"}), 200, nil, "家长对第 1 课提出异议", `"DISPUTED"`)
	s.answered(s.parent.post(ctx, lesson(2)+"/confirm", nil), 200, nil, "第 2 课照常确认，拨付 10000 分", `"released_fen":10000`)
	l := s.lesson(ctx, long, 3)
	s.due(ctx, "第 3 课默认确认期限（15 个工作日）", l.TaughtOn, 15, l.ConfirmBy)
	if err := s.pass(ctx, l.ConfirmBy); err != nil {
		return err
	}
	l = s.lesson(ctx, long, 3)
	s.expect(l.State == "CONFIRMED" && l.BySilence && l.ReleasedFen == 10000, "期满未答复，第 3 课自动确认并拨付", "CONFIRMED 默认 10000", fmt.Sprintf("%s %t %d", l.State, l.BySilence, l.ReleasedFen))
	d := s.lesson(ctx, long, 1)
	s.expect(d.State == "DISPUTED" && d.ReleasedFen == 0, "有异议的第 1 课款项仍在等待", "DISPUTED 0", fmt.Sprintf("%s %d", d.State, d.ReleasedFen))
	m = s.money(ctx, long)
	s.expect(m.ReleasedFen == 20000 && m.HeldFen == 20000, "合同款项", "拨付 20000，在管 20000", fmt.Sprintf("拨付 %d，在管 %d", m.ReleasedFen, m.HeldFen))
	a := s.parent.get(ctx, "escrow/v1/contracts/"+long)
	s.answered(a, 200, nil, "合同记录写明系统依规则自动确认", "escrow.parent_autoconfirm", "自动确认")
	return nil
}

type balance struct {
	HeldFen     int `json:"held_fen"`
	ReleasedFen int `json:"released_fen"`
}

func (s *story) money(ctx context.Context, id string) (b balance) {
	s.read(s.parent.get(ctx, "escrow/v1/contracts/"+id), &b)
	return b
}

type lesson struct {
	N           int
	State       string
	TaughtOn    string `json:"taught_on"`
	ConfirmBy   string `json:"confirm_by"`
	BySilence   bool   `json:"by_silence"`
	ReleasedFen int    `json:"released_fen"`
}

func (s *story) lesson(ctx context.Context, id string, n int) lesson {
	var all struct{ Items []lesson }
	s.read(s.parent.get(ctx, "escrow/v1/contracts/"+id+"/lessons"), &all)
	for _, l := range all.Items {
		if l.N == n {
			return l
		}
	}
	s.fail("合同 %s 没有第 %d 课", id, n)
	return lesson{}
}
