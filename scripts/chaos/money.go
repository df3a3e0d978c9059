package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// deal is a contract as its writer knows it: what the suite has acknowledged, and
// nothing else.
type deal struct {
	l          *lane
	id, at     string // of the contract; its URL
	object     string
	principal  *person
	parent     *person
	price      int
	lessons    []string // states; lesson 1 is the first
	paid, out  int
	back, open int
}

// fee is what lesson n costs: the last takes the remainder.
func (d *deal) fee(n int) int {
	f := d.price / len(d.lessons)
	if n == len(d.lessons) {
		f += d.price % len(d.lessons)
	}
	return f
}

// owes promises where the money is and in which state the contract.
func (d *deal) owes(state string) {
	if state == "PAID" && d.open == 0 && d.out+d.back == d.paid {
		state = "FINISHED"
	}
	d.l.j.promise(d.object, "state", state, "paid", strconv.Itoa(d.paid), "released", strconv.Itoa(d.out), "refunded", strconv.Itoa(d.back))
}

func (d *deal) lesson(n int, state string) {
	d.lessons[n-1] = state
	d.l.j.promise(d.object, fmt.Sprint("lesson ", n), state)
}

// offer makes a contract of 4 lessons whose price does not divide.
func (l *lane) offer(ctx context.Context, institution string, principal, parent *person, parentName string) (*deal, error) {
	course := l.mark()
	today, err := time.Parse(time.DateOnly, l.who.today)
	if err != nil {
		return nil, err
	}
	d := &deal{l: l, principal: principal, parent: parent, price: 40000 + l.dice.IntN(1000), lessons: make([]string, 4), open: 4}
	var c struct{ ID string }
	err = l.post(ctx, principal, "合同 发出", "escrow/v1/contracts", map[string]any{
		"institution": institution, "parent": parentName, "pupil": course, "course": course, "billing": "lesson", // another child each: no split order
		"lessons": len(d.lessons), "gift_lessons": 0, "price_fen": d.price,
		"first_lesson": l.who.today, "last_lesson": today.AddDate(0, 0, 14).Format(time.DateOnly),
	}, &c)
	if err != nil {
		return nil, err
	}
	d.id, d.at, d.object = c.ID, "escrow/v1/contracts/"+c.ID, "contract "+c.ID
	l.j.promise("course "+course, "contracts", "1")
	d.owes("OFFERED")
	for n := range d.lessons {
		d.lesson(n+1, "SCHEDULED")
	}
	return d, nil
}

func (d *deal) sign(ctx context.Context) error {
	err := d.l.post(ctx, d.parent, "合同 签订", d.at+"/sign", nil, nil)
	if err == nil {
		d.owes("SIGNED")
	}
	return err
}

func (d *deal) pay(ctx context.Context) error {
	err := d.l.post(ctx, d.parent, "合同 付款", d.at+"/pay", map[string]any{"amount_fen": d.price, "reference": uuid.NewString()}, nil)
	if err == nil {
		d.paid = d.price
		d.owes("PAID")
	}
	return err
}

func (d *deal) taught(ctx context.Context, n int) error {
	err := d.l.post(ctx, d.principal, "课时 登记", fmt.Sprintf("%s/lessons/%d/taught", d.at, n), nil, nil)
	if err == nil {
		d.lesson(n, "TAUGHT")
	}
	return err
}

// released is what is said of a lesson that was confirmed.
type released struct {
	Released int `json:"released_fen"`
}

// confirm confirms a lesson by itself, with others, or as all that were taught: its fee
// is released, or waits if it is held.
func (d *deal) confirm(ctx context.Context, n int, held bool) error {
	var got released
	var several struct{ Items []struct{ Lesson released } }
	var err error
	switch d.l.dice.IntN(4) {
	case 0:
		err = d.l.post(ctx, d.parent, "课时 几课一并确认", "escrow/v1/lessons/confirm", map[string]any{"lessons": []any{map[string]any{"contract": d.id, "n": n}}}, &several)
	case 1:
		if d.lessons[n-1] == "TAUGHT" && d.count("TAUGHT") == 1 {
			err = d.l.post(ctx, d.parent, "课时 按周期确认", d.at+"/confirm", map[string]any{"until": d.l.who.today}, &several)
			break
		}
		fallthrough // a dispute is answered by itself, and so is one lesson of several
	default:
		err = d.l.post(ctx, d.parent, "课时 确认", fmt.Sprintf("%s/lessons/%d/confirm", d.at, n), nil, &got)
	}
	if err != nil {
		return err
	}
	for _, one := range several.Items {
		got.Released += one.Lesson.Released
	}
	want := d.fee(n)
	if held {
		want = 0
	}
	if got.Released != want {
		d.l.j.fail("%s 第 %d 课确认后拨付 %d，应为 %d", d.object, n, got.Released, want)
	}
	d.out += want
	d.open--
	d.lesson(n, "CONFIRMED")
	d.owes("PAID")
	return nil
}

// count is how many lessons are in a state.
func (d *deal) count(state string) (n int) {
	for _, l := range d.lessons {
		if l == state {
			n++
		}
	}
	return n
}

func (d *deal) dispute(ctx context.Context, n int) error {
	err := d.l.post(ctx, d.parent, "课时 异议", fmt.Sprintf("%s/lessons/%d/dispute", d.at, n), map[string]any{"reason": "没有上"}, nil)
	if err == nil {
		d.lesson(n, "DISPUTED")
	}
	return err
}

func (d *deal) withdraw(ctx context.Context, n int) error {
	err := d.l.post(ctx, d.principal, "课时 撤回登记", fmt.Sprintf("%s/lessons/%d/withdraw", d.at, n), map[string]any{"reason": "登记有误"}, nil)
	if err == nil {
		d.lesson(n, "SCHEDULED")
	}
	return err
}

// makeUp moves a lesson to another day.
func (d *deal) makeUp(ctx context.Context, n int) error {
	today, err := time.Parse(time.DateOnly, d.l.who.today)
	if err != nil {
		return err
	}
	on := today.AddDate(0, 0, 1+d.l.dice.IntN(20)).Format(time.DateOnly)
	err = d.l.post(ctx, d.principal, "课时 调课", fmt.Sprintf("%s/lessons/%d/make-up", d.at, n), map[string]any{"on_date": on, "reason": "教室检修"}, nil)
	if err == nil {
		d.l.j.promise(d.object, fmt.Sprint("day ", n), on)
	}
	return err
}

func (d *deal) teacher(ctx context.Context) error {
	err := d.l.post(ctx, d.principal, "合同 更换教师", d.at+"/teacher", map[string]any{"teacher": "演练老师", "reason": "原教师离职"}, nil)
	if err == nil {
		d.l.j.promise(d.object, "teacher", "演练老师")
	}
	return err
}

// refund gives back every lesson that was not given, or the last of them: the
// institution agrees, or says no and a mediation ends it. The bank may send the money
// back, to be paid again; and one that is not whole may be taken back before it is paid.
func (d *deal) refund(ctx context.Context, whole bool) error {
	ask := map[string]any{"reason": "不上了"}
	var taken []int
	for n := len(d.lessons); n > 0 && (whole || len(taken) == 0); n-- {
		if d.lessons[n-1] == "SCHEDULED" {
			taken = append(taken, n)
		}
	}
	if whole {
		ask["whole"] = true
	} else {
		ask["lessons"] = 1
	}
	var r struct {
		ID     string
		Amount int `json:"amount_fen"`
	}
	if err := d.l.post(ctx, d.parent, "退费 申请", d.at+"/refunds", ask, &r); err != nil {
		return err
	}
	want := 0
	for _, n := range taken {
		want += d.fee(n)
		d.lesson(n, "REFUNDING")
	}
	if r.Amount != want {
		d.l.j.fail("%s 退费 %d，应为 %d", d.object, r.Amount, want)
	}
	d.l.j.promise(d.object, "refund "+r.ID, "REQUESTED")
	type step struct {
		by         *person
		path, verb string
		body       any
		state      string
	}
	agree := []step{{d.principal, "退费 同意", "/agree", nil, "PAID"}}
	no := []step{{d.principal, "退费 不同意", "/reject", map[string]any{"reason": "课时未到期"}, "REJECTED"}}
	var steps []step
	switch dice := d.l.dice.IntN(6); {
	case dice == 0 && !whole:
		steps = []step{{d.parent, "退费 撤回", "/withdraw", nil, "WITHDRAWN"}}
	case dice == 1:
		steps = append(no, step{d.parent, "退费 申请调解", "/mediate", nil, "MEDIATION"},
			step{d.l.who.examiner, "退费 调解成功", "/settle", map[string]any{"fault": "consumer", "reason": "双方达成协议"}, "PAID"})
	case dice == 2:
		steps = append(no, agree...)
	default:
		steps = agree
	}
	var last struct {
		Amount   int `json:"amount_fen"`
		Paybacks []struct{ ID string }
	}
	for _, s := range steps {
		if err := d.l.post(ctx, s.by, s.path, "escrow/v1/refunds/"+r.ID+s.verb, s.body, &last); err != nil {
			return err
		}
		d.l.j.promise(d.object, "refund "+r.ID, s.state)
	}
	if steps[len(steps)-1].state != "PAID" {
		for _, n := range taken {
			d.lesson(n, "SCHEDULED")
		}
		return nil
	}
	if last.Amount != want || len(last.Paybacks) != 1 {
		d.l.j.fail("%s 退费 %d 分 %d 笔，应为一笔 %d", d.object, last.Amount, len(last.Paybacks), want)
		return errGivenUp
	}
	for _, n := range taken {
		d.lesson(n, "REFUNDED")
	}
	d.back += want
	d.open -= len(taken)
	d.owes("PAID")
	if d.l.dice.IntN(4) > 0 {
		return nil
	}
	leg := "escrow/v1/paybacks/" + last.Paybacks[0].ID
	if err := d.l.post(ctx, d.l.who.examiner, "退费 退票", leg+"/return", map[string]any{"reason": "收款账户已销户"}, nil); err != nil {
		return err
	}
	d.l.j.promise(d.object, "refund "+r.ID, "AGREED")
	if err := d.l.post(ctx, d.parent, "退费 再次办理", leg+"/retry", nil, nil); err != nil {
		return err
	}
	d.l.j.promise(d.object, "refund "+r.ID, "PAID")
	return nil
}

// money is one contract from offer to wherever the dice leave it.
func (l *lane) money(ctx context.Context) error {
	parent, name := l.who.parent, "parent"
	if l.dice.IntN(2) == 0 {
		parent, name = l.who.parent2, "parent2"
	}
	d, err := l.offer(ctx, l.who.school, l.who.principal, parent, name)
	if err != nil {
		return err
	}
	if l.dice.IntN(10) == 0 {
		if err := l.post(ctx, parent, "合同 取消", d.at+"/cancel", nil, nil); err != nil {
			return err
		}
		d.owes("CANCELLED")
		return nil
	}
	steps := []func() error{
		func() error { return d.sign(ctx) },
		func() error { return d.pay(ctx) },
		func() error { return d.taught(ctx, 1) },
		func() error { return d.confirm(ctx, 1, false) },
		func() error { return d.makeUp(ctx, 2) },
		func() error { return d.taught(ctx, 2) },
		func() error { return d.dispute(ctx, 2) },
		func() error { return d.withdraw(ctx, 2) },
		func() error { return d.teacher(ctx) },
		func() error { return d.refund(ctx, false) },
		func() error { return d.taught(ctx, 2) },
		func() error { return d.dispute(ctx, 2) },
		func() error { return d.confirm(ctx, 2, false) },
		func() error { return d.refund(ctx, true) },
	}
	for _, step := range steps[:len(steps)-l.dice.IntN(4)] {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// hold is one black-listing: payouts are held by it and resumed when it is set
// aside. Its writer waits for what travels by events.
func (l *lane) hold(ctx context.Context) error {
	if l.n == len(l.who.listed) {
		return errDone
	}
	at := l.who.listed[l.n]
	d, err := l.offer(ctx, at.institution, l.who.principal2, l.who.parent, "parent")
	if err != nil {
		return err
	}
	entry, url := "entry "+at.entry, "licensing/v1/list-entries/"+at.entry
	for _, step := range []func() error{
		func() error { return d.sign(ctx) },
		func() error { return d.pay(ctx) },
		func() error { return d.taught(ctx, 1) },
		func() error { return d.taught(ctx, 2) },
		func() error { return d.confirm(ctx, 1, false) },
		func() error {
			return l.post(ctx, l.who.examiner2, "名单 决定", url+"/decide", map[string]any{"decision": "approve"}, nil)
		},
		func() error {
			return l.post(ctx, l.who.examiner, "名单 公布", url+"/publish", nil, nil)
		},
		func() error { l.j.promise(entry, "state", "PUBLISHED"); return l.held(ctx, at.institution, true) },
		func() error { return d.confirm(ctx, 2, true) },
		func() error {
			return l.post(ctx, l.who.city, "名单 撤销", url+"/set-aside", map[string]any{"reason": "演练：程序违法", "document": "苏复决〔演练〕1 号"}, nil)
		},
		func() error { l.j.promise(entry, "state", "REMOVED"); return l.held(ctx, at.institution, false) },
		func() error {
			d.out += d.fee(2) // what waited is paid out when payouts resume
			d.owes("PAID")
			return d.taught(ctx, 3)
		},
		func() error { return l.frozen(ctx, at.institution, func() error { return d.confirm(ctx, 3, true) }) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	d.out += d.fee(3)
	d.owes("PAID")
	return nil
}

// frozen records that a court has frozen an institution's account, while something is
// done, and books a difference and its reversal.
func (l *lane) frozen(ctx context.Context, institution string, do func() error) error {
	var f, diff struct{ ID string }
	order := "（演练）执 " + l.mark()
	if err := l.post(ctx, l.who.examiner, "冻结 登记", "escrow/v1/freezes", map[string]any{
		"institution": institution, "account": "custody", "authority": "演练法院", "document_no": order, "since": l.who.today,
	}, &f); err != nil {
		return err
	}
	l.j.promise("order "+order, "freezes", "1")
	if err := do(); err != nil {
		return err
	}
	voucher := "chaos-" + f.ID
	if err := l.post(ctx, l.who.examiner, "差额 记入", "escrow/v1/differences", map[string]any{
		"institution": institution, "account": "custody", "amount_fen": 7, "reference": voucher, "reason": "演练",
	}, &diff); err != nil {
		return err
	}
	l.j.promise("voucher "+diff.ID, "transfers", "1")
	if err := l.post(ctx, l.who.examiner, "差额 冲正", "escrow/v1/differences/"+diff.ID+"/reverse", map[string]any{"reason": "演练"}, nil); err != nil {
		return err
	}
	l.j.promise("voucher "+diff.ID, "transfers", "2")
	err := l.post(ctx, l.who.examiner, "冻结 解除", "escrow/v1/freezes/"+f.ID+"/lift", map[string]any{"document_no": order + " 解除"}, nil)
	if err == nil {
		l.j.promise("order "+order, "lifted", "1")
	}
	return err
}

// held waits until payouts of the institution are held, or are no more.
func (l *lane) held(ctx context.Context, institution string, held bool) error {
	var a answer
	ok := eventually(ctx, func() bool {
		a = l.who.principal2.send(ctx, http.MethodGet, "escrow/v1/accounts/"+institution, "", "", nil)
		return a.status == http.StatusOK && strings.Contains(string(a.body), `"hold":`) == held
	})
	if !ok {
		l.j.fail("名单决定两分钟内没有传到 escrow：%s 暂停拨付应为 %t：%s", institution, held, brief(a.body))
		return errGivenUp
	}
	return nil
}
