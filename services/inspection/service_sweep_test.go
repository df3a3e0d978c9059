package inspection

import (
	"strings"
	"testing"

	"xunguan/pkg/fault"
	inspectionv1 "xunguan/proto/inspection/v1"
)

// TestSweep: 排查 – 责令 – 取缔, and nobody's personal data in what is told of it.
func TestSweep(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task := must(b, examiner, b.PlanTask, PlanTask{
		Key: b.key(), Kind: Sweep, Title: "十梓街疑似无证培训", Agencies: []Agency{Education, Market}, Tips: []string{"p1"},
		Place: &Place{Phone: "13900001111"}, VisitOn: b.today(),
	})
	if task.Place == nil || task.Place.Phone != "13900001111" || task.Street != "姑苏区十梓街" || task.SubjectName != "某老师作文" {
		t.Fatalf("%+v", task.Task)
	}
	stage := func(want string) {
		t.Helper()
		if l := must(b, market, b.ListSweeps, ListSweeps{}); len(l.Sweeps) != 1 || l.Sweeps[0].Stage != want {
			t.Errorf("ledger %+v, want %s", l.Sweeps, want)
		}
	}
	stage("排查")
	if l := must(b, fire, b.ListSweeps, ListSweeps{}); len(l.Sweeps) != 0 {
		t.Errorf("fire, which takes no part, sees %v", l.Sweeps)
	}
	shut := ClosePlace{ID: task.ID, Demand: "立即停止举办并退费", Officers: []string{"examiner", "market"}}
	closePlace := func() ClosePlace { c := shut; c.Key = b.key(); return c }
	refused(b, examiner, b.ClosePlace, closePlace(), fault.Conflict, "")
	v := must(b, examiner, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID})
	must(b, examiner, b.RecordFinding, RecordFinding{Key: b.key(), ID: v.ID, Agency: Education, Item: "ED-09", Problem: true, Detail: "李丽无证办班，电话13900001111"})
	must(b, examiner, b.SignPart, SignPart{Key: b.key(), ID: v.ID, Agency: Education, Officers: []string{"examiner"}})
	must(b, market, b.RecordFinding, RecordFinding{Key: b.key(), ID: v.ID, Agency: Market, Item: "MK-01", Problem: true, Detail: "无营业执照"})
	must(b, market, b.SignPart, SignPart{Key: b.key(), ID: v.ID, Agency: Market, Officers: []string{"market"}})
	done := must(b, examiner, b.SignVisit, SignVisit{Key: b.key(), ID: v.ID, Statement: "举办者李丽签字"})
	if done.Ending.Kind != "PAPER" || done.State != visitCompleted {
		t.Errorf("%+v", done)
	}
	refused(b, examiner, b.OrderRectification, OrderRectification{Key: b.key(), ID: v.ID, Demand: "整改一下"}, fault.Conflict, "")
	few := closePlace()
	few.Officers = []string{"examiner"}
	refused(b, examiner, b.ClosePlace, few, fault.Refused, "不足规定人数")
	refused(b, market, b.ClosePlace, closePlace(), fault.Forbidden, "牵头")
	if o := must(b, examiner, b.ClosePlace, closePlace()); o.State != orderedOff || o.Place.Due.String() != "2026-03-19" {
		t.Errorf("%s, re-check by %s", o.State, o.Place.Due)
	}
	stage("责令")
	refused(b, examiner, b.PublishTask, PublishTask{Key: b.key(), ID: task.ID}, fault.Conflict, "")
	again := func(closed bool) RecheckPlace {
		return RecheckPlace{Key: b.key(), ID: task.ID, Closed: closed, Officers: []string{"examiner2", "market"}, Note: "上门复核"}
	}
	if o := must(b, examiner2, b.RecheckPlace, again(false)); o.State != orderedOff || len(o.Place.Checks) != 1 {
		t.Errorf("%+v", o.Task)
	}
	if o := must(b, examiner2, b.RecheckPlace, again(true)); o.State != closed || o.Place.ClosedOn.IsZero() {
		t.Errorf("%+v", o.Task)
	}
	stage("取缔")
	refused(b, examiner, b.PublishTask, PublishTask{Key: b.key(), ID: task.ID, Statement: "联系13900001111"}, fault.Invalid, "")
	refused(b, examiner, b.PublishTask, PublishTask{Key: b.key(), ID: task.ID, Statement: "姑苏区十梓街58号2楼已停办"}, fault.Invalid, "")
	if p := must(b, examiner, b.PublishTask, PublishTask{Key: b.key(), ID: task.ID, Statement: "所收费用已退还"}); p.Outcome != PlaceShut || p.State != published {
		t.Errorf("%+v", p.Task)
	}
	if e := sentOf[*inspectionv1.PlaceClosed](b); len(e) != 1 || e[0].GetSubject().GetAddress() != "姑苏区十梓街" {
		t.Errorf("%v", e)
	}
	if e := sentOf[*inspectionv1.ResultPublished](b); len(e) != 1 || e[0].GetTask().GetTips()[0] != "p1" {
		t.Errorf("%v", e)
	}
	b.private("13900001111", "13812345678", "李老师", "李丽", "58号", "2楼")
}

// private fails if one of words is in an event or a public answer.
func (b *bench) private(words ...string) {
	b.t.Helper()
	public := textOf2(must(b, stranger, b.ListResults, ListResults{}))
	for _, w := range words {
		if strings.Contains(public, w) {
			b.t.Errorf("%s is public: %s", w, public)
		}
		for _, e := range b.sent() {
			if strings.Contains(textOf(e), w) {
				b.t.Errorf("%s is in %v", w, e)
			}
		}
	}
}

func TestSweepUnfounded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task := must(b, examiner, b.PlanTask, PlanTask{Key: b.key(), Kind: Sweep, Title: "排查", Agencies: []Agency{Education, Market}, Reason: "网格巡查", Place: &Place{Address: "十梓街1号"}, VisitOn: b.today()})
	v := must(b, examiner, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID})
	b.sign(v.ID, Education, false)
	b.sign(v.ID, Market, false)
	must(b, market, b.RefuseVisit, RefuseVisit{Key: b.key(), ID: v.ID, Reason: "无人在场", Witness: "居委会干部"})
	refused(b, examiner, b.ClosePlace, ClosePlace{Key: b.key(), ID: task.ID, Demand: "停止举办", Officers: []string{"examiner", "market"}}, fault.Refused, "没有发现问题")
	if p := must(b, examiner, b.PublishTask, PublishTask{Key: b.key(), ID: task.ID}); p.Outcome != Unfounded {
		t.Errorf("%+v", p.Task)
	}
	if e := sentOf[*inspectionv1.PlaceClosed](b); len(e) != 0 {
		t.Errorf("%v", e)
	}
	if l := must(b, market, b.ListSweeps, ListSweeps{}); l.Sweeps[0].Stage != "不属实" {
		t.Errorf("%+v", l)
	}
	cancel := must(b, examiner, b.PlanTask, PlanTask{Key: b.key(), Kind: Sweep, Title: "排查", Agencies: []Agency{Education}, Reason: "巡查", Place: &Place{Address: "十梓街1号"}, VisitOn: b.today()})
	if c := must(b, examiner, b.CancelTask, CancelTask{Key: b.key(), ID: cancel.ID, Reason: "重复登记"}); c.State != cancelled {
		t.Errorf("%+v", c.Task)
	}
}
