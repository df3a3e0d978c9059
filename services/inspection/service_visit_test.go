package inspection

import (
	"strings"
	"testing"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	inspectionv1 "xunguan/proto/inspection/v1"
)

func TestPlanTask(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	v := b.plan("t1", "t2")
	if v.State != planned || v.InstitutionID != "i1" || v.SubjectName != "观前美术示例" || len(v.Clues) != 2 || len(v.Targets) != 1 || len(v.Timeline) != 1 {
		t.Errorf("%+v", v)
	}
	if e := sentOf[*inspectionv1.TaskPlanned](b); len(e) != 1 || len(e[0].GetTask().GetTips()) != 2 || e[0].GetTask().GetSubject().GetInstitutionId() != "i1" {
		t.Errorf("%v", e)
	}
	joint := PlanTask{Kind: Joint, Title: "联合检查", Agencies: joint3, VisitOn: b.today()}
	with := func(change func(*PlanTask)) PlanTask {
		p := joint
		p.Key = b.key()
		change(&p)
		return p
	}
	for _, tt := range []struct {
		name string
		by   auth.Caller
		req  PlanTask
		kind fault.Kind
		says string
	}{
		{"two institutions", examiner, with(func(p *PlanTask) { p.Tips = []string{"t1", "t3"} }), fault.Invalid, ""},
		{"a place in a joint task", examiner, with(func(p *PlanTask) { p.Tips = []string{"p1"} }), fault.Invalid, ""},
		{"another office's tip", examiner, with(func(p *PlanTask) { p.Tips = []string{"m1"} }), fault.NotFound, "举报不存在"},
		{"another place's tip", neighbour, with(func(p *PlanTask) { p.Tips = []string{"t1"} }), fault.NotFound, "举报不存在"},
		{"the city's task from the county's tip", city, with(func(p *PlanTask) { p.Tips = []string{"t1"} }), fault.NotFound, ""},
		{"no such tip", examiner, with(func(p *PlanTask) { p.Tips = []string{"t0"} }), fault.NotFound, ""},
		{"neither tip nor institution", examiner, with(func(p *PlanTask) { p.Reason = "监测" }), fault.Invalid, ""},
		{"no tip and no reason", examiner, with(func(p *PlanTask) { p.InstitutionID = "i1" }), fault.Invalid, ""},
		{"another place's institution", examiner, with(func(p *PlanTask) { p.InstitutionID, p.Reason = "i9", "监测" }), fault.NotFound, "机构不存在"},
		{"not the tip's institution", examiner, with(func(p *PlanTask) { p.InstitutionID, p.Tips = "i2", []string{"t1"} }), fault.Invalid, ""},
		{"yesterday", examiner, with(func(p *PlanTask) { p.Tips, p.VisitOn = []string{"t1"}, b.today().AddDays(-1) }), fault.Invalid, ""},
		{"one agency", examiner, with(func(p *PlanTask) { p.Tips, p.Agencies = []string{"t1"}, []Agency{Education} }), fault.Invalid, ""},
		{"without the own agency", market, with(func(p *PlanTask) { p.InstitutionID, p.Reason, p.Agencies = "i1", "监测", []Agency{Education, Fire} }), fault.Invalid, ""},
		{"a plan of a draw", examiner, with(func(p *PlanTask) { p.Tips, p.Plan = []string{"t1"}, &Plan{By: ByNone, Sample: 1} }), fault.Invalid, ""},
		{"a random task from tips", examiner, with(func(p *PlanTask) { p.Kind, p.Tips, p.Plan = Random, []string{"t1"}, &Plan{By: ByNone, Sample: 1} }), fault.Invalid, ""},
		{"a random task without a sample", examiner, with(func(p *PlanTask) { p.Kind, p.Plan = Random, &Plan{By: ByNone} }), fault.Invalid, ""},
		{"a phone in the title", examiner, with(func(p *PlanTask) { p.Tips, p.Title = []string{"t1"}, "查13812345678" }), fault.Invalid, ""},
		{"a sweep of an institution", examiner, with(func(p *PlanTask) { p.Kind, p.Tips = Sweep, []string{"t1"} }), fault.Invalid, ""},
		{"a sweep of nowhere", examiner, with(func(p *PlanTask) { p.Kind, p.Reason = Sweep, "巡查" }), fault.Invalid, ""},
		{"a door in a sweep's title", examiner, with(func(p *PlanTask) {
			p.Kind, p.Tips, p.Title = Sweep, []string{"p1"}, "排查姑苏区十梓街58号2楼"
		}), fault.Invalid, ""},
	} {
		t.Log(tt.name)
		refused(b, tt.by, b.PlanTask, tt.req, tt.kind, tt.says)
	}
}

func TestMergedTipIsNoClue(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.hear(tipPB("t4", "INSTITUTION", "i1", "education"))
	b.hear(mergedPB("t4", "t1"), tipPB("t4", "INSTITUTION", "i1", "education"))
	refused(b, examiner, b.PlanTask, PlanTask{Key: b.key(), Kind: Joint, Title: "联合检查", Agencies: joint3, Tips: []string{"t4"}, VisitOn: b.today()}, fault.Invalid, "")
}

// TestJointVisit walks the whole of a visit of three agencies and what each sees.
func TestJointVisit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task := b.plan("t1")
	v := must(b, market, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID})
	if f := v.Actions[0].Fields[0]; f.Name != "item" || len(f.Choices) != 4 || f.Choices[0] != "MK-01" {
		t.Errorf("the form offers %+v", f)
	}
	if again := must(b, examiner, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID}); again.ID != v.ID {
		t.Errorf("a second record of one visit: %s and %s", v.ID, again.ID)
	}
	must(b, market, b.RecordFinding, RecordFinding{Key: b.key(), ID: v.ID, Agency: Market, Item: "MK-02", Problem: false, Detail: "初查未见"})
	v = must(b, market, b.RecordFinding, RecordFinding{Key: b.key(), ID: v.ID, Agency: Market, Item: "MK-02", Problem: true, Detail: "门口广告保证提分"})
	if len(v.Parts) != 1 || len(v.Parts[0].Findings) != 1 || !v.Parts[0].Findings[0].Problem || v.Parts[0].Findings[0].Basis == "" {
		t.Fatalf("market sees %+v", v.Parts)
	}
	b.sign(v.ID, Market, true)
	if own := must(b, fire, b.GetVisit, GetVisit{v.ID}); len(own.Parts) != 0 || len(own.Signed) != 1 || len(own.Officers) != 2 || own.Problems != 0 {
		t.Errorf("fire sees of market's part: %+v", own)
	}
	if line := must(b, fire, b.GetTask, GetTask{task.ID}); strings.Contains(timelineText(line), "MK-02") {
		t.Errorf("fire reads of market's items in the timeline: %s", timelineText(line))
	}
	refused(b, principal, b.GetVisit, GetVisit{v.ID}, fault.NotFound, "")
	b.sign(v.ID, Fire, false)
	refused(b, principal, b.SignVisit, SignVisit{Key: b.key(), ID: v.ID}, fault.NotFound, "")
	if last := b.sign(v.ID, Education, true); last.State != visitSigned {
		t.Errorf("after the last agency: %s", last.State)
	}
	if seen := must(b, principal, b.GetVisit, GetVisit{v.ID}); len(seen.Parts) != 3 || len(seen.Actions) != 1 {
		t.Errorf("the institution is to sign what it cannot read: %+v", seen)
	}
	refused(b, stranger, b.GetVisit, GetVisit{v.ID}, fault.NotFound, "")
	refused(b, stranger, b.SignVisit, SignVisit{Key: b.key(), ID: v.ID}, fault.NotFound, "")
	refused(b, examiner, b.SignVisit, SignVisit{Key: b.key(), ID: v.ID}, fault.Forbidden, "")
	done := must(b, principal, b.SignVisit, SignVisit{Key: b.key(), ID: v.ID, Statement: "无异议"})
	if done.State != visitCompleted || done.Ending == nil || done.Ending.Kind != "SIGNED" || done.Problems != 2 {
		t.Errorf("%+v", done)
	}
	after := must(b, examiner, b.GetTask, GetTask{task.ID})
	if after.State != visited || after.PublishDue.String() != "2026-04-01" || after.PublishGround == nil || after.PublishGround.Key != rulePublish {
		t.Errorf("task %s, due %s, %+v", after.State, after.PublishDue, after.PublishGround) // 20 working days after 03-04
	}
	if e := sentOf[*inspectionv1.VisitCompleted](b); len(e) != 1 || e[0].GetProblems() != 2 {
		t.Errorf("%v", e)
	}
	if e := sentOf[*inspectionv1.FindingRecorded](b); len(e) != 0 {
		t.Errorf("findings told before publication: %v", e)
	}
	must(b, examiner, b.PublishTask, PublishTask{Key: b.key(), ID: task.ID})
	if own := must(b, fire, b.GetVisit, GetVisit{v.ID}); len(own.Parts) != 3 {
		t.Errorf("after publication fire sees %d parts", len(own.Parts))
	}
	if e := sentOf[*inspectionv1.FindingRecorded](b); len(e) != 2 {
		t.Errorf("%v", e)
	}
	if e := sentOf[*inspectionv1.ResultPublished](b); len(e) != 1 || e[0].GetTask().GetTips()[0] != "t1" || e[0].GetFollowUpId() != task.ID || e[0].GetResult() == "" || e[0].GetTask().GetState() != published {
		t.Errorf("%v", e)
	}
	refused(b, examiner, b.PublishTask, PublishTask{Key: b.key(), ID: task.ID}, fault.Conflict, "")
}

func timelineText(v TaskView) string {
	var all []string
	for _, e := range v.Timeline {
		all = append(all, e.Label+e.Note)
	}
	return strings.Join(all, "|")
}

func TestVisitRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task := b.plan("t1")
	v := must(b, examiner, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID})
	expired := auth.Caller{Subject: "market-expired", Roles: []string{"market"}, Agency: "market", Jurisdiction: "320508"}
	conflict, scoped, unknown := expired, expired, expired
	conflict.Subject, scoped.Subject, unknown.Subject = "market-conflict", "market-scope", "nobody"
	finding := func(a Agency, item string) RecordFinding {
		return RecordFinding{Key: b.key(), ID: v.ID, Agency: a, Item: item, Problem: true, Detail: "现场核查"}
	}
	refused(b, market, b.RecordFinding, finding(Fire, "FI-01"), fault.Forbidden, "只能由其本部门")
	refused(b, market, b.RecordFinding, finding(Market, "FI-01"), fault.Refused, "本部门只能记录自己的事项")
	refused(b, market, b.RecordFinding, finding(Market, "XX-01"), fault.Invalid, "")
	refused(b, culture, b.RecordFinding, finding(Culture, "CU-01"), fault.NotFound, "")
	refused(b, neighbour, b.RecordFinding, finding(Education, "ED-01"), fault.NotFound, "")
	refused(b, expired, b.RecordFinding, finding(Market, "MK-01"), fault.Refused, "到期")
	refused(b, conflict, b.RecordFinding, finding(Market, "MK-01"), fault.Refused, "回避")
	refused(b, scoped, b.RecordFinding, finding(Market, "MK-02"), fault.Refused, "范围")
	refused(b, unknown, b.RecordFinding, finding(Market, "MK-01"), fault.Refused, "名录库")
	sign := func(ids ...string) SignPart {
		return SignPart{Key: b.key(), ID: v.ID, Agency: Market, Officers: ids}
	}
	refused(b, market, b.SignPart, sign("market"), fault.Refused, "还没有记录")
	must(b, market, b.RecordFinding, finding(Market, "MK-01"))
	refused(b, market, b.SignPart, sign("market2"), fault.Invalid, "")
	refused(b, market, b.SignPart, sign("market", "market"), fault.Invalid, "")
	refused(b, market, b.SignPart, sign("market", "fire"), fault.Invalid, "")
	refused(b, market, b.SignPart, sign("market", "market-expired"), fault.Refused, "到期")
	refused(b, market, b.SignPart, sign("market", "market-conflict"), fault.Refused, "回避")
	refused(b, market, b.SignPart, sign("market", "nobody"), fault.Refused, "名录库")
	must(b, market, b.SignPart, sign("market", "market2"))
	refused(b, market, b.SignPart, sign("market"), fault.Conflict, "")
	refused(b, market, b.RecordFinding, finding(Market, "MK-03"), fault.Conflict, "")
	refused(b, market, b.RefuseVisit, RefuseVisit{Key: b.key(), ID: v.ID, Reason: "不签", Witness: "居委会干部"}, fault.Conflict, "")
	refused(b, market, b.OrderRectification, OrderRectification{Key: b.key(), ID: v.ID, Demand: "撤下广告"}, fault.Conflict, "")
	refused(b, examiner, b.PublishTask, PublishTask{Key: b.key(), ID: task.ID}, fault.Conflict, "")
	refused(b, examiner, b.CancelTask, CancelTask{Key: b.key(), ID: task.ID, Reason: "不查了"}, fault.Conflict, "")
}

// TestLeastOfficers: two agencies with one officer each are enough; one is not.
func TestLeastOfficers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task := must(b, examiner, b.PlanTask, PlanTask{Key: b.key(), Kind: Sweep, Title: "排查", Agencies: []Agency{Education}, Tips: []string{"p1"}, VisitOn: b.today()})
	v := must(b, examiner, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID})
	must(b, examiner, b.RecordFinding, RecordFinding{Key: b.key(), ID: v.ID, Agency: Education, Item: "ED-09", Problem: true, Detail: "在办班"})
	refused(b, examiner, b.SignPart, SignPart{Key: b.key(), ID: v.ID, Agency: Education, Officers: []string{"examiner"}}, fault.Refused, "不足规定人数")
	must(b, examiner, b.SignPart, SignPart{Key: b.key(), ID: v.ID, Agency: Education, Officers: []string{"examiner", "examiner2"}})
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task := b.plan("t1")
	v := must(b, examiner, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID})
	for _, a := range joint3 {
		b.sign(v.ID, a, false)
	}
	refused(b, market, b.RefuseVisit, RefuseVisit{Key: b.key(), ID: v.ID, Reason: "不签", Witness: " examiner "}, fault.Invalid, "")
	done := must(b, market, b.RefuseVisit, RefuseVisit{Key: b.key(), ID: v.ID, Reason: "负责人不在", Witness: "居委会干部"})
	if done.State != visitCompleted || done.Ending.Kind != "REFUSED" || done.Ending.Witness != "居委会干部" || done.Ending.By != "market" {
		t.Errorf("%+v", done.Ending)
	}
	refused(b, principal, b.SignVisit, SignVisit{Key: b.key(), ID: v.ID}, fault.Conflict, "")
	for _, e := range b.sent() {
		if strings.Contains(textOf(e), "居委会") {
			t.Errorf("the witness is in an event: %v", e)
		}
	}
}

// TestVisitRaces: 20 at once open, sign and end; each happens once.
func TestVisitRaces(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task := b.plan("t1")
	if ok, kinds := race(func(int) error {
		_, err := b.OpenVisit(b.as(examiner), OpenVisit{Key: b.key(), ID: task.ID})
		return err
	}); ok != 20 {
		t.Errorf("%d opened, %v", ok, kinds)
	}
	v := must(b, examiner, b.GetTask, GetTask{task.ID}).Visits
	if len(v) != 1 {
		t.Fatalf("%d visits", len(v))
	}
	for _, a := range joint3 {
		item := map[Agency]string{Education: "ED-08", Market: "MK-02", Fire: "FI-01"}[a]
		must(b, officeOf[a][0], b.RecordFinding, RecordFinding{Key: b.key(), ID: v[0].ID, Agency: a, Item: item, Problem: true, Detail: "现场核查"})
	}
	ok, kinds := race(func(i int) error { // each agency several times
		a := joint3[i%3]
		c := officeOf[a][0]
		_, err := b.SignPart(b.as(c), SignPart{Key: b.key(), ID: v[0].ID, Agency: a, Officers: []string{c.Subject}})
		return err
	})
	if ok != 3 || kinds[fault.Conflict] != 17 {
		t.Errorf("%d signed, %v", ok, kinds)
	}
	ok, kinds = race(func(i int) error {
		if i%2 == 0 {
			_, err := b.SignVisit(b.as(principal), SignVisit{Key: b.key(), ID: v[0].ID})
			return err
		}
		_, err := b.RefuseVisit(b.as(market), RefuseVisit{Key: b.key(), ID: v[0].ID, Reason: "不签", Witness: "居委会干部"})
		return err
	})
	if ok != 1 || kinds[fault.Conflict] != 19 {
		t.Errorf("%d ended, %v", ok, kinds)
	}
	if e := sentOf[*inspectionv1.VisitCompleted](b); len(e) != 1 || e[0].GetProblems() != 3 {
		t.Errorf("%v", e)
	}
}
