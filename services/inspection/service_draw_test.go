package inspection

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	inspectionv1 "xunguan/proto/inspection/v1"
)

func (b *bench) random(p Plan) TaskView {
	b.t.Helper()
	return must(b, examiner, b.PlanTask, PlanTask{Key: b.key(), Kind: Random, Title: "双随机抽查", Agencies: []Agency{Education, Market}, VisitOn: b.today(), Plan: &p})
}

func TestDrawTask(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i := range 20 {
		b.hear(institutionPB(fmt.Sprintf("x%02d", i), fmt.Sprintf("示例机构%d", i), "principal", "320508"))
	}
	task := b.random(Plan{By: ByNone, Sample: 4})
	refused(b, examiner, b.RevealTask, RevealTask{Key: b.key(), ID: task.ID}, fault.Conflict, "")
	refused(b, examiner, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID, InstitutionID: "x01"}, fault.Invalid, "")
	refused(b, market, b.DrawTask, DrawTask{Key: b.key(), ID: task.ID}, fault.Forbidden, "牵头部门")
	refused(b, neighbour, b.DrawTask, DrawTask{Key: b.key(), ID: task.ID}, fault.NotFound, "")
	drew := must(b, examiner, b.DrawTask, DrawTask{Key: b.key(), ID: task.ID})
	if drew.State != committed || len(drew.Draws) != 1 || len(drew.Targets) != 0 {
		t.Fatalf("%+v", drew)
	}
	sealed := must(b, auth.Caller{}, b.GetDraw, GetDraw{drew.Draws[0].ID})
	if sealed.Commit == "" || sealed.FrozenHash == "" || sealed.Nonce != "" || len(sealed.Targets)+len(sealed.Officers) > 0 {
		t.Errorf("before the seed the public sees %+v", sealed)
	}
	must(b, examiner, b.RevealTask, RevealTask{Key: b.key(), ID: task.ID})
	first := must(b, auth.Caller{}, b.GetDraw, GetDraw{drew.Draws[0].ID})
	if wrong := Replay(through(t, first)); len(wrong) > 0 || len(first.Drawn) != 4 || len(first.Targets) != 22 || first.Commit != sealed.Commit || first.FrozenHash != sealed.FrozenHash {
		t.Errorf("replay: %v; %d of %d drawn", wrong, len(first.Drawn), len(first.Targets))
	}
	if slices.ContainsFunc(first.Targets, func(c Candidate) bool { return c.ID == "i9" }) {
		t.Error("another place's institution is in the pool")
	}
	if !slices.Contains(first.Excluded, Exclusion{"market-expired", "", Expired}) {
		t.Errorf("excluded %v", first.Excluded)
	}
	refused(b, examiner, b.RedrawTask, RedrawTask{Key: b.key(), ID: task.ID, Reason: "人员生病"}, fault.Forbidden, "另一人")
	refused(b, examiner2, b.DrawTask, DrawTask{Key: b.key(), ID: task.ID}, fault.Conflict, "")
	must(b, examiner2, b.RedrawTask, RedrawTask{Key: b.key(), ID: task.ID, Reason: "抽中人员因病不能出勤"})
	again := must(b, examiner2, b.RevealTask, RevealTask{Key: b.key(), ID: task.ID})
	if len(again.Draws) != 2 || again.Draws[1].Reason != "抽中人员因病不能出勤" || again.Targets[0].Round != 2 || len(again.Targets) != 4 {
		t.Errorf("%+v, %+v", again.Draws, again.Targets)
	}
	second := must(b, auth.Caller{}, b.GetDraw, GetDraw{again.Draws[1].ID})
	if second.Replaces != first.ID || second.Round != 2 || len(Replay(through(t, second))) > 0 {
		t.Errorf("the second round: %+v", second)
	}
	if kept := must(b, auth.Caller{}, b.GetDraw, GetDraw{first.ID}); kept.Seal != first.Seal {
		t.Error("the first round was not kept")
	}
	if e := sentOf[*inspectionv1.TargetsDrawn](b); len(e) != 2 || e[1].GetRound() != 2 || e[0].GetSeed() != first.Seed || len(e[1].GetTargets()) != 4 {
		t.Errorf("%v", e)
	}
	b.drawnVisit(again)
}

// through is f after it was published and read.
func through(t *testing.T, f File) File {
	t.Helper()
	raw, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	g, err := ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// drawnVisit: only who was drawn inspects, and a visit that began ends redraws.
func (b *bench) drawnVisit(task TaskView) {
	target := task.Targets[0]
	v := must(b, examiner, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID, InstitutionID: target.InstitutionID})
	b.t.Logf("assigned %v", v.Assigned)
	for _, o := range []string{"market", "market2", "market-officer-3", "market-officer-4", "market-officer-5", "market-scope"} {
		c := market
		c.Subject = o
		req := RecordFinding{Key: b.key(), ID: v.ID, Agency: Market, Item: "MK-01", Problem: false, Detail: "未见异常"}
		if slices.Contains(target.Officers, o) {
			must(b, c, b.RecordFinding, req)
		} else {
			refused(b, c, b.RecordFinding, req, fault.Refused, "随机抽取")
		}
	}
	refused(b, examiner, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID, InstitutionID: "i9"}, fault.Invalid, "")
	refused(b, market2, b.RedrawTask, RedrawTask{Key: b.key(), ID: task.ID, Reason: "想换一家"}, fault.Forbidden, "")
	refused(b, examiner, b.RedrawTask, RedrawTask{Key: b.key(), ID: task.ID, Reason: "想换一家"}, fault.Conflict, "")
}

func TestDrawTaskRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	many := b.random(Plan{By: ByNone, Sample: 10})
	refused(b, examiner, b.DrawTask, DrawTask{Key: b.key(), ID: many.ID}, fault.Refused, "仅有 2 家，少于要抽取的 10 家")
	none := b.random(Plan{By: ByNone, Sample: 1, Category: "sport"})
	refused(b, examiner, b.DrawTask, DrawTask{Key: b.key(), ID: none.ID}, fault.Refused, "名录库为空")
	credit := b.random(Plan{By: ByCredit})
	b.hear(proposedPB("e", "i2", "", "PUBLISHED")) // i2 on the black list
	if v := must(b, examiner, b.DrawTask, DrawTask{Key: b.key(), ID: credit.ID}); v.State != committed {
		t.Errorf("%+v", v)
	}
	must(b, examiner, b.RevealTask, RevealTask{Key: b.key(), ID: credit.ID})
	v := must(b, examiner, b.GetTask, GetTask{credit.ID})
	if len(v.Targets) != 2 || v.Targets[0].Stratum != "B" || v.Targets[1].Stratum != "D" {
		t.Errorf("%+v", v.Targets)
	}
	if f := must(b, auth.Caller{}, b.GetDraw, GetDraw{v.Draws[0].ID}); len(f.Strata) != 4 || f.Strata[0].Size != 0 || len(f.Rules) != 5 || f.Rules[1].Source == "" {
		t.Errorf("%+v %+v", f.Strata, f.Rules)
	}
}

// TestDrawRace: 20 officers draw, reveal and redraw; there is one round each.
func TestDrawRace(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task := b.random(Plan{By: ByNone, Sample: 1})
	steps := []func(int) error{
		func(int) error { _, err := b.DrawTask(b.as(examiner), DrawTask{Key: b.key(), ID: task.ID}); return err },
		func(int) error {
			_, err := b.RevealTask(b.as(examiner), RevealTask{Key: b.key(), ID: task.ID})
			return err
		},
		func(int) error {
			_, err := b.RedrawTask(b.as(examiner2), RedrawTask{Key: b.key(), ID: task.ID, Reason: "抽中人员生病"})
			return err
		},
	}
	for i, f := range steps {
		if ok, kinds := race(f); ok != 1 || kinds[fault.Conflict] != 19 {
			t.Errorf("step %d: %d succeeded, %v", i, ok, kinds)
		}
	}
	if v := must(b, examiner, b.GetTask, GetTask{task.ID}); len(v.Draws) != 2 || v.State != committed {
		t.Errorf("%d rounds, %s", len(v.Draws), v.State)
	}
}

func TestOfficers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if l := must(b, examiner, b.ListOfficers, ListOfficers{Agency: Market}); len(l.Officers) != 8 {
		t.Errorf("%d of market", len(l.Officers))
	}
	if l := must(b, neighbour, b.ListOfficers, ListOfficers{}); len(l.Officers) != 0 {
		t.Errorf("a neighbour sees %d", len(l.Officers))
	}
	if l := must(b, city, b.ListOfficers, ListOfficers{}); len(l.Officers) != 23 {
		t.Errorf("the city sees %d", len(l.Officers))
	}
	change := ChangeOfficer{Key: b.key(), ID: "market-expired", Certificate: "T-new", ValidUntil: b.today().AddMonths(12), Scope: []string{"MK-02"}, Conflicts: []Avoidance{{"i2", Patch}}, Active: true}
	if o := must(b, market, b.ChangeOfficer, change); !o.Valid || o.UpdatedBy != "market" || !o.Covers("MK-02") || o.Covers("MK-01") {
		t.Errorf("%+v", o)
	}
	change.Key = b.key()
	refused(b, examiner, b.ChangeOfficer, change, fault.Forbidden, "维护")
	change.Key = b.key()
	refused(b, neighbour, b.ChangeOfficer, change, fault.NotFound, "")
	change.Key, change.Scope = b.key(), []string{"FI-01"}
	refused(b, market, b.ChangeOfficer, change, fault.Invalid, "")
	change.Key, change.Scope, change.Certificate = b.key(), nil, "T-market-scope"
	change.Scope = []string{}
	refused(b, market, b.ChangeOfficer, change, fault.Conflict, "")
	if !strings.HasPrefix(must(b, examiner, b.ListItems, ListItems{Agency: Fire}).Items[0].Code, "FI-") {
		t.Error("fire's items are not fire's")
	}
}
