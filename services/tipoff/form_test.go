package tipoff_test

import (
	"slices"
	"strings"
	"testing"

	"xunguan/pkg/flow"
	"xunguan/services/tipoff"
)

// formOf is the form of an action of a case, by field.
func formOf(t *testing.T, c tipoff.Case, action string) map[string]flow.Field {
	t.Helper()
	for _, a := range c.Actions {
		if a.Action == action {
			form := map[string]flow.Field{}
			for _, f := range a.Fields {
				form[f.Name] = f
			}
			return form
		}
	}
	t.Fatalf("no %s among %+v", action, c.Actions)
	return nil
}

// TestForms: the intake officer finds in the form what the reporter said, what the
// words suggest, the institutions alike and the likely duplicate.
func TestForms(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, first := b.submit()
	b.tie(first)
	b.at("2026-03-03")
	r, id := b.submit(func(s *tipoff.SubmitTip) { s.PlacePhone = "0512-00000000" })
	find := func(as, id string) tipoff.Case {
		t.Helper()
		c, err := b.FindTip(b.as(as), tipoff.FindTip{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := find("intake", id)
	tie := formOf(t, c, "tie")
	if tie["category"].Value != string(c.Intake.Suggestion.Category) || tie["place_phone"].Value != "0512-00000000" || tie["subject_kind"].Value != "INSTITUTION" {
		t.Errorf("tie: %+v", tie)
	}
	if f := tie["institution"]; f.Type != "choice" || !slices.Contains(f.Choices, institution) || f.Value != institution || !strings.Contains(f.Names[0], "姑苏彩虹美术培训学校") {
		t.Errorf("institutions: %+v", f)
	}
	b.tie(id)
	c = find("intake", id)
	into := formOf(t, c, "merge")["into"]
	if !slices.Equal(into.Choices, []string{first}) {
		t.Errorf("merge: %+v", into)
	}
	if got := formOf(t, find("intake", first), "merge")["into"]; got.Type != "line" {
		t.Errorf("without a duplicate: %+v", got)
	}
	// By number, as an officer would type it who knows of one that is not offered.
	b.ok(b.MergeTip(b.as("intake"), tipoff.MergeTip{Key: b.key(), ID: id, Into: find("intake", first).Number}))
	if k := b.track(r); !k.Merged {
		t.Errorf("%+v", k)
	}
	b.dispatch(first, "market")
	if _, err := b.giveBack(first, "market", "education"); err != nil {
		t.Fatal(err)
	}
	if f := formOf(t, find("intake", first), "dispatch")["owner"]; f.Value != "education" {
		t.Errorf("dispatched again to %q, not as suggested", f.Value)
	}
}

// TestDuplicateOfTheSameDay: ids of one day are in no order, so what is under way
// is offered to each that comes, whichever id is greater.
func TestDuplicateOfTheSameDay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, first := b.submit()
	b.tie(first)
	b.dispatch(first, "education")
	for range 8 {
		_, id := b.submit()
		b.tie(id)
		c, err := b.FindTip(b.as("intake"), tipoff.FindTip{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		if into := formOf(t, c, "merge")["into"]; !slices.Contains(into.Choices, first) {
			t.Errorf("%s is not offered to %s: %+v", first, id, into)
		}
	}
}

// TestIdentityButtons: who asks may read once another approved, and each sees
// only the button that works.
func TestIdentityButtons(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, id := b.submit(func(r *tipoff.SubmitTip) { r.Identity = &tipoff.Identity{Name: "王小明"} })
	asked, err := b.RequestIdentity(b.as("intake"), tipoff.RequestIdentity{Key: b.key(), ID: id, Reason: "需当面核实缴费凭证"})
	if err != nil {
		t.Fatal(err)
	}
	buttons := func(as string) string {
		t.Helper()
		c, err := b.FindTip(b.as(as), tipoff.FindTip{ID: id})
		if err != nil || len(c.Requests) != 1 {
			t.Fatalf("%v: %+v", err, c.Requests)
		}
		names := []string{}
		for _, a := range c.Requests[0].Actions {
			names = append(names, a.Action)
		}
		return strings.Join(names, " ")
	}
	want := func(when, intake, intake2 string) {
		t.Helper()
		if a, b := buttons("intake"), buttons("intake2"); a != intake || b != intake2 {
			t.Errorf("%s: %q and %q, want %q and %q", when, a, b, intake, intake2)
		}
	}
	want("asked", "", "identity_approve")
	if _, err := b.ApproveIdentity(b.as("intake2"), tipoff.ApproveIdentity{Key: b.key(), ID: asked.ID}); err != nil {
		t.Fatal(err)
	}
	want("approved", "identity_read", "")
	// To look how it stands reads nothing.
	if a, err := b.FindIdentityRequest(b.as("intake"), tipoff.FindIdentityRequest{ID: asked.ID}); err != nil || a.State != "APPROVED" || a.Identity != nil {
		t.Errorf("%+v, %v", a, err)
	}
	want("looked at", "identity_read", "")
	if a, err := b.ReadIdentity(b.as("intake"), tipoff.ReadIdentity{ID: asked.ID}); err != nil || a.Identity == nil {
		t.Errorf("%+v, %v", a, err)
	}
	want("read", "", "")
}
