package inspection

import (
	"log/slog"
	"testing"

	"xunguan/pkg/due"
	"xunguan/pkg/rule"
	rulebookv1 "xunguan/proto/rulebook/v1"
)

func (b *bench) settle() int {
	b.t.Helper()
	n, err := (&due.Clockwork{DB: b.DB, Now: b.Now, Timers: b.Timers(), Log: slog.New(slog.DiscardHandler)}).Settle(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// TestRecount: what was counted into a year without a calendar is counted again,
// once, when the calendar comes. 2027-01-04..06 are taken as days off here.
func TestRecount(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	rule.On(b.mux)
	b.on("2026-12-21")
	task, v := b.visited(Market)
	r := must(b, market, b.OrderRectification, OrderRectification{Key: b.key(), ID: v.ID, Demand: "撤下违规广告"})
	sweep := must(b, examiner, b.PlanTask, PlanTask{Key: b.key(), Kind: Sweep, Title: "排查", Agencies: []Agency{Education, Market}, Tips: []string{"p1"}, VisitOn: b.today()})
	sv := must(b, examiner, b.OpenVisit, OpenVisit{Key: b.key(), ID: sweep.ID})
	b.sign(sv.ID, Education, true)
	b.sign(sv.ID, Market, true)
	must(b, examiner, b.SignVisit, SignVisit{Key: b.key(), ID: sv.ID})
	must(b, examiner, b.ClosePlace, ClosePlace{Key: b.key(), ID: sweep.ID, Demand: "停止举办", Officers: []string{"examiner", "market"}})
	if !r.Provisional || r.Due.String() != "2027-01-05" || !task.Provisional || task.PublishDue.String() != "2027-01-18" {
		t.Errorf("before: %s %v, %s %v", r.Due, r.Provisional, task.PublishDue, task.Provisional)
	}
	if n := b.settle(); n != 0 {
		t.Errorf("%d recounted before the calendar came", n)
	}
	b.hear(&rulebookv1.CalendarPublished{Year: 2027, Version: 1, Source: "test", Days: []*rulebookv1.Day{
		{Date: "2027-01-01"}, {Date: "2027-01-04"}, {Date: "2027-01-05"}, {Date: "2027-01-06"},
	}})
	if n := b.settle(); n != 4 { // an order, a sweep's order, two publications
		t.Errorf("%d recounted", n)
	}
	if n := b.settle(); n != 0 {
		t.Errorf("%d recounted twice", n)
	}
	r = must(b, market, b.GetRectification, GetRectification{r.ID})
	task = must(b, examiner, b.GetTask, GetTask{task.ID})
	if r.Provisional || r.Due.String() != "2027-01-07" || task.Provisional || task.PublishDue.String() != "2027-01-22" || r.Ground.Inputs["due"] != "2027-01-07" {
		t.Errorf("after: %s %v, %s %v, %+v", r.Due, r.Provisional, task.PublishDue, task.Provisional, r.Ground)
	}
	if s := must(b, examiner, b.GetTask, GetTask{sweep.ID}); s.Place.Provisional || s.Place.Due.String() != "2027-01-07" {
		t.Errorf("%+v", s.Place)
	}
}
