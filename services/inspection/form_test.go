package inspection

import (
	"slices"
	"strings"
	"testing"

	"xunguan/pkg/auth"
	"xunguan/pkg/flow"
)

// fieldOf is a field of an action.
func fieldOf(t *testing.T, actions []flow.Action, action, field string) flow.Field {
	t.Helper()
	for _, a := range actions {
		for _, f := range a.Fields {
			if a.Action == action && f.Name == field {
				return f
			}
		}
	}
	t.Fatalf("no field %s of %s in %+v", field, action, actions)
	return flow.Field{}
}

func asks(actions []flow.Action, action, field string) bool {
	return slices.ContainsFunc(actions, func(a flow.Action) bool {
		return a.Action == action && slices.ContainsFunc(a.Fields, func(f flow.Field) bool { return f.Name == field })
	})
}

// TestPlanForms: what may be planned rests on the office's own tip-offs that no
// task rests on, and on the institutions of its place.
func TestPlanForms(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.plan("t1")
	plans := must(b, examiner, b.ListPlans, ListPlans{}).Actions
	if len(plans) != 3 {
		t.Fatalf("%d forms", len(plans))
	}
	of := func(kind Kind) []flow.Action {
		return slices.DeleteFunc(slices.Clone(plans), func(a flow.Action) bool { return a.Fields[0].Value != string(kind) })
	}
	for kind, want := range map[Kind][]string{Joint: {"t3", "t2"}, Sweep: {"p1"}} {
		if f := fieldOf(t, of(kind), "plan", "tips"); !slices.Equal(f.Choices, want) || len(f.Names) != len(want) || !strings.Contains(f.Names[0], "JB-"+want[0]) {
			t.Errorf("%s offers %+v, want %v", kind, f, want)
		}
	}
	if f := fieldOf(t, of(Joint), "plan", "institution_id"); !slices.Equal(slices.Sorted(slices.Values(f.Choices)), []string{"i1", "i2"}) {
		t.Errorf("institutions %v: i9 is another place's", f.Choices)
	}
	if asks(of(Random), "plan", "tips") {
		t.Error("a random task asks for tip-offs")
	}
	if asks(must(b, fire, b.ListPlans, ListPlans{}).Actions, "plan", "tips") {
		t.Error("an office without tip-offs is offered some")
	}
}

// TestForms: each form offers what would be taken, and nothing else.
func TestForms(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task := b.plan("t1")
	if asks(task.Actions, "visits", "institution_id") {
		t.Error("a joint task asks which institution")
	}
	v := must(b, market, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID})
	if f := fieldOf(t, v.Actions, "findings", "item"); !slices.Contains(f.Choices, "MK-01") || slices.Contains(f.Choices, "FI-01") || !strings.HasPrefix(f.Names[0], f.Choices[0]+" ") {
		t.Errorf("items %+v", f)
	}
	f := fieldOf(t, v.Actions, "sign", "officers")
	for who, want := range map[string]bool{"market": true, "market2": true, "market-expired": false, "market-conflict": false, "fire": false} {
		if slices.Contains(f.Choices, who) != want {
			t.Errorf("%s offered: %t", who, !want)
		}
	}
	if f.Value != "market" {
		t.Errorf("%q is there already, not who asks", f.Value)
	}
	for _, a := range joint3 {
		b.sign(v.ID, a, a == Market)
	}
	must(b, market, b.RefuseVisit, RefuseVisit{Key: b.key(), ID: v.ID, Reason: "不签", Witness: "居委会"})
	signed := must(b, market, b.GetVisit, GetVisit{ID: v.ID})
	if f := fieldOf(t, signed.Actions, "rectification", "items"); f.Value != "MK-02" || len(f.Choices) != 1 {
		t.Errorf("wanting %+v", f)
	}
	r := must(b, market, b.OrderRectification, OrderRectification{Key: b.key(), ID: v.ID, Demand: "立即改正"})
	if asks(must(b, market, b.GetVisit, GetVisit{ID: v.ID}).Actions, "rectification", "demand") {
		t.Error("a second order is offered while the first is open")
	}
	must(b, principal, b.SubmitRectification, SubmitRectification{Key: b.key(), ID: r.ID, Text: "已经改正"})
	again := must(b, market2, b.GetRectification, GetRectification{ID: r.ID})
	if f := fieldOf(t, again.Actions, "verify", "officers"); f.Value != "market2" || !slices.Contains(f.Choices, "fire") {
		t.Errorf("re-inspection by %+v", f)
	}
	must(b, market2, b.VerifyRectification, VerifyRectification{Key: b.key(), ID: r.ID, Passed: false, Officers: []string{"market2", "market"}, Verdict: "未改"})
	if failed := must(b, examiner, b.GetTask, GetTask{task.ID}); asks(failed.Actions, "blacklist", "institution_id") || !asks(failed.Actions, "blacklist", "facts") {
		t.Errorf("black list form %+v", failed.Actions)
	}
	if len(fields["sign"][0].Choices) != 0 {
		t.Error("a form has changed the table")
	}
}

// TestDrawnForms: of a drawn task each institution that waits is offered, with
// the officers that were drawn for it, and they alone may sign.
func TestDrawnForms(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task := b.random(Plan{By: ByNone, Sample: 2})
	must(b, examiner, b.DrawTask, DrawTask{Key: b.key(), ID: task.ID})
	drawn := must(b, examiner, b.RevealTask, RevealTask{Key: b.key(), ID: task.ID})
	if f := fieldOf(t, drawn.Actions, "visits", "institution_id"); len(f.Choices) != 2 {
		t.Errorf("targets %+v", f)
	}
	first := drawn.Targets[0]
	v := must(b, examiner, b.OpenVisit, OpenVisit{Key: b.key(), ID: task.ID, InstitutionID: first.InstitutionID})
	if f := fieldOf(t, must(b, examiner, b.GetTask, GetTask{task.ID}).Actions, "visits", "institution_id"); slices.Contains(f.Choices, first.InstitutionID) || len(f.Choices) != 1 {
		t.Errorf("targets after one visit %+v", f)
	}
	for _, c := range []auth.Caller{examiner, examiner2} {
		f := fieldOf(t, must(b, c, b.GetVisit, GetVisit{ID: v.ID}).Actions, "sign", "officers")
		for _, id := range f.Choices {
			if !slices.Contains(first.Officers, id) {
				t.Errorf("%s was not drawn for %s", id, first.Name)
			}
		}
	}
}
