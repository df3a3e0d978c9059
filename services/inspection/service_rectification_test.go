package inspection

import (
	"testing"

	"xunguan/pkg/fault"
	inspectionv1 "xunguan/proto/inspection/v1"
)

func TestRectification(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task, v := b.visited(Market, Fire)
	refused(b, examiner, b.OrderRectification, OrderRectification{Key: b.key(), ID: v.ID, Demand: "全部整改"}, fault.Refused, "没有发现问题")
	refused(b, market, b.OrderRectification, OrderRectification{Key: b.key(), ID: v.ID, Demand: "撤下广告", Items: []string{"FI-01"}}, fault.Invalid, "")
	r := must(b, market, b.OrderRectification, OrderRectification{Key: b.key(), ID: v.ID, Demand: "撤下违规广告"})
	// 15 calendar days after 03-04 is 03-19, a Thursday
	if r.Due.String() != "2026-03-19" || r.Ground.Key != ruleRectify || r.Ground.Source == "" || len(r.Items) != 1 || r.State != rectOrdered {
		t.Errorf("%+v", r.Rectification)
	}
	refused(b, market2, b.OrderRectification, OrderRectification{Key: b.key(), ID: v.ID, Demand: "再次撤下"}, fault.Conflict, "尚未办结")
	f := must(b, fire, b.OrderRectification, OrderRectification{Key: b.key(), ID: v.ID, Demand: "清理疏散通道"})
	if s := must(b, examiner, b.GetTask, GetTask{task.ID}); s.State != rectifying || len(s.Rectifications) != 2 {
		t.Errorf("task %s with %d orders", s.State, len(s.Rectifications))
	}
	refused(b, examiner, b.PublishTask, PublishTask{Key: b.key(), ID: task.ID}, fault.Conflict, "")
	refused(b, stranger, b.SubmitRectification, SubmitRectification{Key: b.key(), ID: r.ID, Text: "已经整改"}, fault.NotFound, "")
	refused(b, stranger, b.GetRectification, GetRectification{r.ID}, fault.NotFound, "")
	refused(b, market, b.SubmitRectification, SubmitRectification{Key: b.key(), ID: r.ID, Text: "已经整改"}, fault.Forbidden, "")
	verify := func(id string, passed bool, ids ...string) VerifyRectification {
		return VerifyRectification{Key: b.key(), ID: id, Passed: passed, Officers: ids, Verdict: "现场复查"}
	}
	refused(b, market2, b.VerifyRectification, verify(r.ID, true, "market2", "fire"), fault.Conflict, "")
	b.on("2026-03-10")
	if got := must(b, principal, b.SubmitRectification, SubmitRectification{Key: b.key(), ID: r.ID, Text: "已经撤下广告"}); got.State != rectSubmitted || got.Late {
		t.Errorf("%+v", got.Rectification)
	}
	refused(b, principal, b.SubmitRectification, SubmitRectification{Key: b.key(), ID: r.ID, Text: "再交一次"}, fault.Conflict, "")
	refused(b, market, b.VerifyRectification, verify(r.ID, true, "market", "market2"), fault.Forbidden, "经办人")
	refused(b, examiner, b.VerifyRectification, verify(r.ID, true, "examiner", "market2"), fault.Forbidden, "责令整改的")
	refused(b, market2, b.VerifyRectification, verify(r.ID, true, "market", "fire"), fault.Invalid, "")
	refused(b, market2, b.VerifyRectification, verify(r.ID, true, "market2"), fault.Refused, "不足规定人数")
	refused(b, market2, b.VerifyRectification, verify(r.ID, true, "market2", "market2"), fault.Invalid, "")
	refused(b, market2, b.VerifyRectification, verify(r.ID, true, "market2", "market-expired"), fault.Refused, "到期")
	refused(b, market2, b.VerifyRectification, verify(r.ID, true, "market2", "market-conflict"), fault.Refused, "回避")
	refused(b, market2, b.VerifyRectification, verify(r.ID, true, "market2", "culture"), fault.Invalid, "")
	if got := must(b, market2, b.VerifyRectification, verify(r.ID, true, "market2", "fire")); got.State != rectPassed {
		t.Errorf("%+v", got.Rectification)
	}
	if s := must(b, examiner, b.GetTask, GetTask{task.ID}); s.State != rectifying {
		t.Errorf("task %s while fire's order is open", s.State)
	}
	must(b, principal, b.SubmitRectification, SubmitRectification{Key: b.key(), ID: f.ID, Text: "已经清理通道"})
	fire2 := fire
	fire2.Subject = "fire2"
	must(b, fire2, b.VerifyRectification, verify(f.ID, true, "fire2", "fire"))
	refused(b, examiner, b.WantBlacklist, WantBlacklist{Key: b.key(), ID: task.ID, Facts: "拒不整改", Reason: "屡教不改"}, fault.Conflict, "")
	s := must(b, examiner, b.GetTask, GetTask{task.ID})
	if s.State != rectified {
		t.Errorf("task %s after both passed", s.State)
	}
	if p := must(b, examiner, b.PublishTask, PublishTask{Key: b.key(), ID: task.ID, Statement: "机构已完成整改"}); p.Outcome != Rectified {
		t.Errorf("outcome %s", p.Outcome)
	}
	if n, m, k := len(sentOf[*inspectionv1.RectificationOrdered](b)), len(sentOf[*inspectionv1.RectificationSubmitted](b)), sentOf[*inspectionv1.RectificationVerified](b); n != 2 || m != 2 || len(k) != 2 || !k[0].GetRectification().GetPassed() {
		t.Errorf("%d ordered, %d submitted, %v", n, m, k)
	}
}

// TestOverdue: the last day belongs to the institution; on the next the order is
// overdue, which is enough for a black list entry; a late report may still pass.
func TestOverdue(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task, v := b.visited(Market)
	r := must(b, market, b.OrderRectification, OrderRectification{Key: b.key(), ID: v.ID, Demand: "撤下违规广告"})
	b.on("2026-03-19")
	if n := b.settle(); n != 0 {
		t.Errorf("%d overdue on the last day", n)
	}
	b.on("2026-03-20")
	if n := b.settle(); n != 1 {
		t.Errorf("%d overdue on the day after", n)
	}
	if n := b.settle(); n != 0 {
		t.Errorf("%d overdue twice", n)
	}
	if s := must(b, examiner, b.GetTask, GetTask{task.ID}); s.State != failed || s.Rectifications[0].State != rectOverdue {
		t.Errorf("task %s, order %s", s.State, s.Rectifications[0].State)
	}
	if late := must(b, principal, b.SubmitRectification, SubmitRectification{Key: b.key(), ID: r.ID, Text: "迟交的报告"}); !late.Late {
		t.Error("not late")
	}
	must(b, market2, b.VerifyRectification, VerifyRectification{Key: b.key(), ID: r.ID, Passed: true, Officers: []string{"market2", "market"}, Verdict: "已改"})
	if s := must(b, examiner, b.GetTask, GetTask{task.ID}); s.State != rectified {
		t.Errorf("task %s after a late pass", s.State)
	}
}

// TestOrderAgain: after a failed re-inspection the office may order once more.
func TestOrderAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task, r := b.failed()
	if task.State != failed || r.State != rectFailed {
		t.Fatalf("task %s, order %s", task.State, r.State)
	}
	must(b, market, b.OrderRectification, OrderRectification{Key: b.key(), ID: r.VisitID, Demand: "再次责令撤下"})
	if s := must(b, examiner, b.GetTask, GetTask{task.ID}); s.State != rectifying {
		t.Errorf("task %s", s.State)
	}
}

func TestVerifyRace(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, v := b.visited(Market)
	r := must(b, market, b.OrderRectification, OrderRectification{Key: b.key(), ID: v.ID, Demand: "撤下违规广告"})
	must(b, principal, b.SubmitRectification, SubmitRectification{Key: b.key(), ID: r.ID, Text: "已经撤下广告"})
	ok, kinds := race(func(i int) error {
		_, err := b.VerifyRectification(b.as(market2), VerifyRectification{Key: b.key(), ID: r.ID, Passed: i%2 == 0, Officers: []string{"market2", "fire"}, Verdict: "现场复查"})
		return err
	})
	if ok != 1 || kinds[fault.Conflict] != 19 {
		t.Errorf("%d verified, %v", ok, kinds)
	}
	if e := sentOf[*inspectionv1.RectificationVerified](b); len(e) != 1 {
		t.Errorf("%v", e)
	}
}
