package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// tipped is a tip-off as its writers know it.
type tipped struct {
	l            *lane
	number, code string
	object       string
	at           string // the staff's URL
	id           string
}

// submit tips off an institution, or a place, with photos or without, and finds the
// case among the staff's.
func (l *lane) submit(ctx context.Context, subject map[string]any) (*tipped, error) {
	mark := l.mark()
	subject["jurisdiction"] = "320508"
	subject["text"] = "演练 " + mark + "：一次收取半年的培训费，属于超期预收费。"
	photos, err := l.photos(ctx)
	if err != nil {
		return nil, err
	}
	subject["photos"] = photos
	var r struct{ Number, Code string }
	if err := l.post(ctx, l.who.public, "举报 提交", "tipoff/v1/tips", subject, &r); err != nil {
		return nil, err
	}
	t := &tipped{l: l, number: r.Number, code: r.Code, object: "tip " + r.Number + " " + r.Code}
	l.j.promise("text "+subject["text"].(string), "tips", "1") //nolint:forcetypeassert // set above
	l.j.promise(t.object, "state", "RECEIVED", "answers", "0", "photos", strconv.Itoa(len(photos)))
	var found struct {
		Items []struct{ ID, Number string }
	}
	a := l.who.intake.get(ctx, "tipoff/v1/tips?q="+url.QueryEscape(t.number))
	err = a.into(&found)
	for _, one := range found.Items { // a number may be the beginning of a longer one
		if one.Number == t.number {
			t.id, t.at = one.ID, "tipoff/v1/tips/"+one.ID
		}
	}
	if err != nil || t.id == "" {
		l.j.fail("刚提交的举报 %s 查不到：%d %s", t.number, a.status, brief(a.body))
		return nil, errGivenUp
	}
	return t, nil
}

// act is one step of the staff's, after which the case is in state.
func (t *tipped) act(ctx context.Context, p *person, path, action, state string, body any) error {
	if err := t.l.post(ctx, p, "举报 "+path, t.at+"/"+action, body, nil); err != nil {
		return err
	}
	t.l.j.promise(t.object, "state", state)
	return nil
}

// tip is one tip-off from submission to its end; now and then another is merged
// into it, and is answered with it.
func (l *lane) tip(ctx context.Context) error {
	subject := func() map[string]any {
		return map[string]any{"subject_kind": "INSTITUTION", "institution": l.who.signed, "institution_name": "演练机构"}
	}
	t, err := l.submit(ctx, subject())
	if err != nil {
		return err
	}
	tie := map[string]any{
		"subject_kind": "INSTITUTION", "institution": l.who.signed, "institution_name": "演练机构", "category": "超期预收费", "summary": "反映该机构一次收取超过三个月的培训费。",
	}
	if err := t.act(ctx, l.who.intake, "甄别", "tie", "TRIAGED", tie); err != nil {
		return err
	}
	var with *tipped
	if l.dice.IntN(3) == 0 {
		if with, err = l.submit(ctx, subject()); err != nil {
			return err
		}
		if err := with.act(ctx, l.who.intake, "并案", "merge", "TRIAGED", map[string]any{"into": t.id}); err != nil {
			return err
		}
	}
	by := l.who.market
	if err := t.act(ctx, l.who.intake, "分派", "dispatch", "DISPATCHED", map[string]any{"owner": "market"}); err != nil {
		return err
	}
	if l.dice.IntN(2) == 0 {
		by = l.who.examiner
		back := map[string]any{"reason": "不属于本部门职责", "suggested": "education", "note": "演练"}
		if err := t.act(ctx, l.who.market, "退回", "return", "RETURNED", back); err != nil {
			return err
		}
		if err := t.act(ctx, l.who.intake, "分派", "dispatch", "DISPATCHED_AGAIN", map[string]any{"owner": "education"}); err != nil {
			return err
		}
	}
	if err := t.act(ctx, by, "受理", "accept", "HANDLING", nil); err != nil {
		return err
	}
	if err := t.act(ctx, by, "答复", "answer", "ANSWERED", map[string]any{"text": "已责令该机构退还超期收取的费用。"}); err != nil {
		return err
	}
	l.j.promise(t.object, "answers", "1")
	state := "ANSWERED"
	if l.dice.IntN(2) == 0 {
		state = "CLOSED"
		if err := t.act(ctx, by, "办结", "close", state, nil); err != nil {
			return err
		}
	}
	if with != nil { // its reporter reads how the other one stands, and the same answer
		l.j.promise(with.object, "state", state, "answers", "1")
	}
	return nil
}

// file is one import of another channel's messages.
func (l *lane) file(ctx context.Context) error {
	mark, rows := l.mark(), 3+l.dice.IntN(5)
	today, err := time.Parse(time.DateOnly, l.who.today)
	if err != nil {
		return err
	}
	sent := today.AddDate(0, 0, -1)
	if l.dice.IntN(8) == 0 { // every last day of them has passed: the timers have work
		sent = sent.AddDate(0, -4, 0)
	}
	var csv strings.Builder
	csv.WriteString("id,user,subject,sent_at,text,reply,replied_at\n")
	for i := range rows {
		fmt.Fprintf(&csv, "%s-%d,A%07d,投诉某培训学校乱收费,%s 23:13:05,培训机构一次收取一年学费后拒绝退费 %s-%d,,\n", mark, i, i, sent.Format("2006/1/2"), mark, i)
	}
	upload, err := form("text/csv", []byte(csv.String()))
	if err != nil {
		return err
	}
	var got struct{ Received, Created int }
	if err := l.post(ctx, l.who.intake, "举报 导入", "tipoff/v1/imports?channel=chaos", upload, &got); err != nil {
		return err
	}
	if got.Received != rows || got.Created != rows {
		l.j.fail("导入 %s：%d 行，答复收到 %d、新建 %d", mark, rows, got.Received, got.Created)
	}
	for i := range rows {
		l.j.promise(fmt.Sprintf("source %s-%d", mark, i), "tips", "1")
	}
	return nil
}

// sweep is a tip-off about an unlicensed place, inspected, closed and published:
// its reporter is answered by an event.
func (l *lane) sweep(ctx context.Context) error {
	place := map[string]any{"subject_kind": "PLACE", "place_signboard": "演练托管（示例）", "place_address": "苏州市姑苏区示例新村 8 幢", "place_phone": "0512-00000000"}
	t, err := l.submit(ctx, place)
	if err != nil {
		return err
	}
	tie := map[string]any{
		"subject_kind": "PLACE", "place_signboard": "演练托管（示例）", "place_address": "苏州市姑苏区示例新村 8 幢", "place_phone": "0512-00000000",
		"category": "无证照培训", "summary": "居民楼内疑似无证培训，晚间有多名学生。",
	}
	for _, step := range []struct {
		by                  *person
		path, action, state string
		body                any
	}{
		{l.who.intake, "甄别", "tie", "TRIAGED", tie},
		{l.who.intake, "分派", "dispatch", "DISPATCHED", map[string]any{"owner": "education"}},
		{l.who.examiner, "受理", "accept", "HANDLING", nil},
	} {
		if err := t.act(ctx, step.by, step.path, step.action, step.state, step.body); err != nil {
			return err
		}
	}
	return l.inspect(ctx, t)
}

// inspect plans, visits, closes and publishes. The two officers have no network at the
// place: what they noted is sent later, one after the other.
func (l *lane) inspect(ctx context.Context, t *tipped) error {
	var task, visit struct{ ID string }
	plan := map[string]any{
		"kind": "SWEEP", "title": "演练排查", "agencies": []string{"education", "market"}, "tips": []string{t.id}, "visit_on": l.who.today,
	}
	// It is refused until the dispatch has reached inspection.
	if err := l.await(ctx, l.who.examiner, "检查 立项", "inspection/v1/tasks", plan, &task); err != nil {
		return err
	}
	at := "inspection/v1/tasks/" + task.ID
	if err := l.post(ctx, l.who.examiner, "检查 上门", at+"/visits", map[string]any{}, &visit); err != nil {
		return err
	}
	on := "inspection/v1/visits/" + visit.ID
	officers := []string{"examiner", "market"}
	ours, err := l.offline(l.who.examiner, on, "education", "examiner", "不能出示办学许可证")
	if err != nil {
		return err
	}
	theirs, err := l.offline(l.who.market, on, "market", "market", "不能出示营业执照")
	if err != nil {
		return err
	}
	for _, d := range []*device{ours, theirs} {
		if err := d.sync(ctx); err != nil {
			return err
		}
	}
	for _, step := range []struct {
		by        *person
		path, url string
		body      any
	}{
		{l.who.examiner, "检查 拒签", on + "/refusal", map[string]any{"reason": "举办者不愿签字", "witness": "社区工作人员（示例）"}},
		{l.who.examiner, "检查 责令停办", at + "/close-place", map[string]any{"demand": "责令停止举办，退还所收费用", "officers": officers}},
		{l.who.examiner, "检查 复核", at + "/recheck", map[string]any{"closed": true, "officers": officers, "note": "已停办"}},
		{l.who.examiner, "检查 公布", at + "/publish", map[string]any{"statement": "已责令停止举办。"}},
	} {
		if err := l.post(ctx, step.by, step.path, step.url, step.body, nil); err != nil {
			return err
		}
	}
	l.j.promise("task "+task.ID, "state", "PUBLISHED")
	l.j.promise("visit "+visit.ID, "findings", "2", "signed", "2", "photos", "2")
	l.j.promise(t.object, "state", "ANSWERED", "answers", "1")
	return nil
}
