package inspection

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
)

// TestSeed: on any kind of day the demo data have a task of every state, in
// little time, and once.
func TestSeed(t *testing.T) {
	t.Parallel()
	for _, today := range []string{"2026-11-22", "2026-03-04", "2026-02-17"} {
		t.Run(today, func(t *testing.T) {
			t.Parallel()
			b := newBare(t)
			b.on(today)
			for i := range 12 {
				b.hear(institutionPB(fmt.Sprintf("s%02d", i), fmt.Sprintf("示例机构%d", i), fmt.Sprintf("seed-manager-%02d", i), seedPlace))
			}
			start := time.Now()
			if err := b.Seed(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Logf("seeded in %v", time.Since(start))
			states := map[string]int{}
			for _, k := range must(b, auth.Caller{}, b.GetSummary, GetSummary{}).Counts {
				if k.Kind != "VISIT" && k.Kind != "RECTIFICATION" {
					states[k.State] += k.N
				}
			}
			for _, s := range []string{planned, drawn, visiting, visited, rectifying, failed, orderedOff, published} {
				if states[s] == 0 {
					t.Errorf("no task is %s: %v", s, states)
				}
			}
			for _, by := range []auth.Caller{examiner, market, neighbour} { // an office counts what its lists show
				counted := map[string]int{}
				figures := must(b, by, b.GetSummary, GetSummary{})
				for _, k := range figures.Counts {
					counted[k.Kind] += k.N
				}
				listed := map[string]int{"RECTIFICATION": len(must(b, by, b.ListRectifications, ListRectifications{}).Rectifications), "VISIT": len(must(b, by, b.ListVisits, ListVisits{}).Visits)}
				for _, kind := range []Kind{Random, Joint, Sweep} {
					listed[string(kind)] = len(must(b, by, b.ListTasks, ListTasks{Kind: kind}).Tasks)
				}
				for kind, n := range listed {
					if counted[kind] != n || by.Subject == neighbour.Subject && n != 0 || figures.Place == "" {
						t.Errorf("%s counts %d of %s in %q and lists %d", by.Subject, counted[kind], kind, figures.Place, n)
					}
				}
			}
			before := b.count()
			if err := b.Seed(t.Context()); err != nil || b.count() != before {
				t.Errorf("a second seed: %v, %s, then %s", err, before, b.count())
			}
			b.private("304室", "58号", "1208室")
			for _, d := range must(b, examiner, b.ListTasks, ListTasks{Kind: Random}).Tasks {
				for _, line := range must(b, examiner, b.GetTask, GetTask{d.ID}).Draws {
					if wrong := Replay(through(t, must(b, auth.Caller{}, b.GetDraw, GetDraw{line.ID}))); len(wrong) > 0 {
						t.Errorf("draw %s: %v", line.ID, wrong)
					}
				}
			}
		})
	}
}

// TestSeedKilled: a seed that is cut off, later and later, goes on where it was.
func TestSeedKilled(t *testing.T) {
	t.Parallel()
	b := newBare(t)
	b.hear(institutionPB("s1", "示例机构", "seed-manager-1", seedPlace))
	cuts := 0
	for after := 10 * time.Millisecond; ; after += 20 * time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		err := b.Seed(ctx)
		defer cancel()
		if err == nil {
			break
		}
		// InFlight: the server has not noticed yet that the one before was cut.
		if ctx.Err() == nil && !errors.Is(err, fault.InFlight) || cuts > 60 {
			t.Fatalf("after %d cuts: %v", cuts, err)
		}
		cuts++
	}
	whole := newBare(t)
	whole.hear(institutionPB("s1", "示例机构", "seed-manager-1", seedPlace))
	if err := whole.Seed(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("cut %d times", cuts)
	if b.count() != whole.count() {
		t.Errorf("%s after %d cuts, %s without", b.count(), cuts, whole.count())
	}
}
