package licensing_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/event"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
	rulebookv1 "xunguan/proto/rulebook/v1"
	"xunguan/services/licensing"
)

// publishCalendar tells licensing of a year's calendar, as the rulebook does.
func (w *world) publishCalendar(year int32, days ...*rulebookv1.Day) {
	m := event.Mux{}
	rule.On(m)
	e := &rulebookv1.CalendarPublished{Year: year, Version: 1, Source: "测试用放假安排", Days: days}
	data := must(proto.Marshal(e))
	ctx := pg.Worker(context.Background(), "test")
	must(pg.InTx(ctx, w.DB, func(tx pgx.Tx) (int, error) {
		return 0, m.Handle(ctx, tx, event.Message{Type: string(e.ProtoReflect().Descriptor().FullName()), Data: data})
	}))
}

// TestRecount: what was counted into a year without a calendar is counted again,
// once, when that is published; what is closed by then stays as it was. 2026-12-30
// is a Wednesday; the holidays of 2027 here are made up.
func TestRecount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.registered()
	w.on("2026-12-30")
	submitted, accepted, gone := w.submit(facts()), w.accepted(), w.submit(facts())
	must(w.WithdrawApplication(w.as("principal"), licensing.WithdrawApplication{Key: w.key(), ID: gone.ID}))
	entry := must(w.propose("examiner", i.ID, licensing.Black))
	if submitted.CorrectBy.String() != "2027-01-06" || accepted.DecideBy.String() != "2027-01-27" || entry.StatementUntil.String() != "2027-01-06" || !entry.Deadlines[0].Provisional {
		t.Errorf("%s %s %s", submitted.CorrectBy, accepted.DecideBy, entry.StatementUntil)
	}
	if n := w.tick(); n != 0 {
		t.Errorf("%d recounted without a calendar", n)
	}
	w.publishCalendar(2027, &rulebookv1.Day{Date: "2027-01-01", Name: "元旦"}, &rulebookv1.Day{Date: "2027-01-04", Name: "调休"}, &rulebookv1.Day{Date: "2027-01-09", Working: true})
	if n, again := w.tick(), w.tick(); n != 3 || again != 0 {
		t.Errorf("%d, then %d recounted, want 3, 0", n, again)
	}
	for id, want := range map[string]string{submitted.ID: "2027-01-08 false", accepted.ID: "2027-01-28 false", gone.ID: "2027-01-06 true"} {
		p := must(w.GetApplication(w.as("examiner"), licensing.GetApplication{ID: id}))
		got := p.CorrectBy.String()
		d := p.Deadlines[0]
		if id == accepted.ID {
			got, d = p.DecideBy.String(), p.Deadlines[1]
		}
		if d.Provisional {
			got += " true"
		} else {
			got += " false"
		}
		if got != want || d.Due.String() != got[:10] {
			t.Errorf("%s, %+v; want %s", got, d, want)
		}
	}
	p := must(w.GetApplication(w.as("principal"), licensing.GetApplication{ID: accepted.ID}))
	last := p.Timeline[len(p.Timeline)-1]
	if last.Actor != "系统" || !strings.Contains(last.Note, "作出决定期限由 2027-01-27 改为 2027-01-28") || len(last.Grounds) != 1 || p.State != licensing.Accepted {
		t.Errorf("%+v", last)
	}
	e := must(w.GetListEntry(w.as("examiner"), licensing.GetListEntry{ID: entry.ID}))
	if e.StatementUntil.String() != "2027-01-08" || e.Deadlines[0].Provisional || e.State != licensing.Proposed {
		t.Errorf("%+v", e)
	}
}
