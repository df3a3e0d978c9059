package escrow

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
	rulebookv1 "xunguan/proto/rulebook/v1"
)

// enacted applies that a rule was enacted.
func (h *house) enacted(r *rulebookv1.Rule) {
	h.t.Helper()
	m := event.Mux{}
	rule.On(m)
	h.work(func(tx pgx.Tx) error {
		return m.Handle(h.t.Context(), tx, messageOf(h.t, &rulebookv1.RuleEnacted{Rule: r}))
	})
}

// busy is a house where n orders of a few pupils were paid over months, lessons were
// given and taken back between, and the rules changed midway. It returns the rules
// that flagged each contract as it was paid.
func busy(t *testing.T, n int) (*house, map[string][]string) {
	t.Helper()
	h, r := newHouse(t, "2026-01-05"), rand.New(rand.NewPCG(7, 7)) //nolint:gosec // to be repeated
	flagged, ids := map[string][]string{}, []string{}
	for k := range n {
		h.at(h.today().AddDays(r.IntN(6)).String())
		if k == n/2 {
			h.enacted(&rulebookv1.Rule{Key: maxLessons, Jurisdiction: "320500", Version: 1, ValueJson: "30", Unit: "lesson", EffectiveFrom: h.today().String(), Source: "测试", Provenance: "L"})
			h.enacted(&rulebookv1.Rule{Key: termStarts, Jurisdiction: "320500", Version: 1, ValueJson: `["2026-05-06"]`, Unit: "dates", EffectiveFrom: h.today().String(), Source: "测试", Provenance: "L"})
		}
		first := h.today().AddDays(r.IntN(45))
		v := h.paid(h.terms(func(t *Terms) {
			t.Institution, t.Pupil, t.Lessons, t.GiftLessons = []string{"art", "maths"}[r.IntN(2)], fmt.Sprint(r.IntN(3)), 2+r.IntN(45), r.IntN(6)
			t.FirstLesson, t.LastLesson, t.PriceFen, t.Loan = first, first.AddDays(r.IntN(110)), Fen(10000+r.IntN(400000)), r.IntN(10) == 0
		}))
		flagged[v.ID] = []string{}
		for _, f := range v.Flags {
			flagged[v.ID] = append(flagged[v.ID], f.Rule.Key)
		}
		ids = append(ids, v.ID)
		switch id := ids[r.IntN(len(ids))]; r.IntN(3) {
		case 0:
			_, _ = h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: id, Lessons: 1, Reason: "x"}) // may have none left
		case 1:
			if l, err := h.TeachLesson(h.as("principal"), TeachLesson{Key: h.key(), LessonOf: LessonOf{id, 1}}); err == nil && l.State == taught {
				h.confirmed(id, 1)
			}
		}
	}
	return h, flagged
}

var everywhere = Span{From: d("2026-01-01"), To: d("2027-12-31")}

// TestRerunOfThen is that the past judged anew under the rules of then is the past:
// the very flags that each payment raised, however the contracts have moved on.
func TestRerunOfThen(t *testing.T) {
	t.Parallel()
	h, flagged := busy(t, 40)
	ctx, want := pg.Worker(t.Context(), "test"), Rerun{Payments: 40, Rules: map[string]Tally{}, Contrasts: []Contrast{}}
	for _, keys := range flagged {
		if len(keys) > 0 {
			want.Flagged++
		}
		for _, key := range keys {
			n := want.Rules[key].Then + 1
			want.Rules[key] = Tally{Then: n, Proposed: n}
		}
	}
	if len(want.Rules) != len(feeRules)+2 { // and one that only this city has, and split orders
		t.Fatalf("only %v were met with", want.Rules)
	}
	if diff := cmp.Diff(want, must(h.Rerun(ctx, everywhere, nil))(t)); diff != "" {
		t.Error(diff)
	}
	history := h.history()
	pages, got := make(chan []seenRow, 60), map[string][]string{}
	if err := h.read(ctx, everywhere, 7, pages); err != nil || len(pages) != 6 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	close(pages)
	for page := range pages {
		for _, p := range page {
			got[p.ContractID] = []string{}
			for _, f := range must(p.findings(decoded(t, p), history))(t) {
				got[p.ContractID] = append(got[p.ContractID], f.Rule.Key)
			}
			slices.Sort(got[p.ContractID])
			slices.Sort(flagged[p.ContractID])
		}
	}
	if diff := cmp.Diff(flagged, got); diff != "" {
		t.Error(diff)
	}
}

// TestRerunOfAProposal is that a proposal does to the past what it would have done
// had it been law, each payment judged by itself with the rules that SQL finds.
func TestRerunOfAProposal(t *testing.T) {
	t.Parallel()
	h, _ := busy(t, 40)
	ctx := pg.Worker(t.Context(), "test")
	proposed := rule.Rule{Key: maxLessons, Jurisdiction: "320508", Value: []byte("20"), Unit: "lesson", EffectiveFrom: d("2026-01-20"), Source: "草案", Provenance: "D"}
	got := must(h.Rerun(ctx, everywhere, &proposed))(t)
	was := h.oneByOne(ctx)
	h.enacted(&rulebookv1.Rule{
		Key: maxLessons, Jurisdiction: "320508", Version: 1, ValueJson: "20", Unit: "lesson", EffectiveFrom: "2026-01-20", Source: "草案", Provenance: "D",
	})
	is := h.oneByOne(ctx)
	want, contrasts := map[string]Tally{}, []string{}
	for at := range maps.Keys(union(was, is)) {
		key := strings.Fields(at)[1]
		n := want[key]
		n.Then, n.Proposed, n.More, n.Less = n.Then+was[at], n.Proposed+is[at], n.More+max(is[at]-was[at], 0), n.Less+max(was[at]-is[at], 0)
		want[key] = n
		if was[at] != is[at] {
			contrasts = append(contrasts, fmt.Sprint(at, " ", is[at] > was[at]))
		}
	}
	if diff := cmp.Diff(want, got.Rules); diff != "" || want[maxLessons].More < 3 {
		t.Errorf("%+v %s", want, diff)
	}
	var shown []string
	for _, c := range got.Contrasts {
		shown = append(shown, fmt.Sprint(c.Contract, " ", c.Finding.Key, " ", c.More))
		if c.Finding.Key == maxLessons && (!strings.Contains(c.Finding.Explanation, "上限 20 课时") || c.Finding.Rule.Source != "草案") {
			t.Errorf("%+v", c.Finding)
		}
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(contrasts)), slices.Sorted(slices.Values(shown))); diff != "" {
		t.Error(diff)
	}
}

// TestRerunSees is that officials judge their own district, and others nothing.
func TestRerunSees(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.paid(h.terms())
	h.paid(h.terms(func(t *Terms) { t.Institution = "other" }))
	for by, n := range map[string]int{"examiner": 1, "neighbour": 1, "city": 2, "market": 0, "principal": 0, "parent": 0} {
		if got := must(h.Rerun(h.as(by), everywhere, nil))(t); got.Payments != n {
			t.Errorf("%s judges %d payments, want %d", by, got.Payments, n)
		}
	}
	ctx := pg.Worker(t.Context(), "test")
	for n, in := range []Span{
		{From: d("2026-03-03"), To: d("2026-12-31")}, {From: d("2026-01-01"), To: d("2026-03-01")}, {d("2026-03-02"), d("2026-03-02"), "33"},
	} {
		if got := must(h.Rerun(ctx, in, nil))(t); got.Payments != 0 {
			t.Errorf("span %d has %d payments", n, got.Payments)
		}
	}
	if got := must(h.Rerun(ctx, Span{d("2026-03-02"), d("2026-03-02"), "320506"}, nil))(t); got.Payments != 1 {
		t.Errorf("320506 has %d payments", got.Payments)
	}
	for _, sql := range []string{`UPDATE seen SET kind = ''`, `DELETE FROM seen`} {
		if h.try(sql) == nil {
			t.Errorf("%s was let through", sql)
		}
	}
}

// TestRerunRules is what an official may propose, and what is wrong with the rest.
func TestRerunRules(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.paid(h.terms(func(t *Terms) { t.Lessons = 48 }))
	ask := RerunRules{From: d("2026-01-01"), To: d("2026-12-31"), Key: maxLessons, Value: "30"}
	got := must(h.RerunRules(h.as("examiner"), ask))(t)
	if got.Payments != 1 || got.Rules[maxLessons] != (Tally{Proposed: 1, More: 1}) || got.Proposed.Jurisdiction != "320508" || got.Contrasts[0].Finding.Rule.Source != "拟议，未颁布" {
		t.Errorf("%+v", got)
	}
	ask.Place = "330000"
	if got := must(h.RerunRules(h.as("examiner"), ask))(t); got.Rules[maxLessons].More != 0 {
		t.Errorf("a proposal for another province: %+v", got)
	}
	for pointer, change := range map[string]func(*RerunRules){
		"/query/to":    func(r *RerunRules) { r.To = d("2025-12-31") },
		"/query/key":   func(r *RerunRules) { r.Key = termStarts }, // nobody has set it here
		"/query/value": func(r *RerunRules) { r.Value = "-1" },
	} {
		bad := ask
		change(&bad)
		_, err := h.RerunRules(h.as("examiner"), bad)
		if p := fault.ProblemOf(err); len(p.Errors) != 1 || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: %v", pointer, err)
		}
	}
	for _, value := range []string{`"forty"`, "", "[1]", "0x10"} {
		if sameKind(value, []byte("60")) == nil {
			t.Errorf("%q stands for a number", value)
		}
	}
	for value, fits := range map[string]bool{`["2026-03-02","2026-09-01"]`: true, `["2026-09-01","2026-03-02"]`: false, "[]": false, "60": false} {
		if err := sameKind(value, []byte(`["2026-03-02"]`)); (err == nil) != fits {
			t.Errorf("%s: %v", value, err)
		}
	}
	if sameKind(`"allowed"`, []byte(`"forbidden"`)) == nil {
		t.Error("a word was changed")
	}
}

func (h *house) history() (all *rule.History) {
	h.t.Helper()
	h.work(func(tx pgx.Tx) (err error) {
		all, err = rule.Load(h.t.Context(), tx, slices.Concat(feeRules, localRules)...)
		return err
	})
	return all
}

func decoded(t testing.TB, p seenRow) (rows []orderRow) {
	t.Helper()
	if err := json.Unmarshal(p.Orders, &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// oneByOne counts the findings of each contract and rule, judged alone.
func (h *house) oneByOne(ctx context.Context) map[string]int {
	h.t.Helper()
	pages, found := make(chan []seenRow, 1), map[string]int{}
	if err := h.read(ctx, everywhere, 1000, pages); err != nil {
		h.t.Fatal(err)
	}
	for _, p := range <-pages {
		h.work(func(tx pgx.Tx) error {
			var orders []Order
			for _, r := range decoded(h.t, p) {
				on := r.paidOn(day.Date{})
				rules, err := rulesOn(ctx, tx, p.Jurisdiction, on)
				if err != nil {
					return err
				}
				orders = append(orders, r.order(on, rules))
			}
			all := Findings(p.Kind, orders)
			for i, o := range orders {
				if o.Contract != p.ContractID || p.Family == nil {
					continue
				}
				var kin []Kin
				if err := json.Unmarshal(p.Family, &kin); err != nil {
					return err
				}
				if f := split(p.Kind, orders[:i+1], kin); f != nil {
					f.Contract = o.Contract
					all = append(all, *f)
				}
			}
			for _, f := range all {
				if f.Contract == p.ContractID {
					found[p.ContractID+" "+f.Rule.Key]++
				}
			}
			return nil
		})
	}
	return found
}

func union(a, b map[string]int) map[string]int {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
