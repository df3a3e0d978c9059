package tipoff_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/services/tipoff"
)

// The sources of the rows below; the numbers themselves come from the rulebook's
// seed. Working days: the State Council's holiday notices for 2024 to 2026.
const (
	order20s14   = "令20 §14：7个工作日内告知是否受理（至2026-04-14）"
	order121s14  = "令121（2026-04-15起）：7个工作日，是否沿用未核实，provenance D"
	order20s23   = "令20 §23：15个工作日内核查，可延长15个工作日"
	order121s23  = "令121：15个工作日（+15），是否沿用未核实，provenance D"
	order20s21   = "令20 §21：45个工作日终止调解，以受理之日的规定为准"
	order121s23m = "令121 §23：自受理之日起60日；末日为休息日的顺延（民法典§203）"
	jinan24      = "济南市12345热线条例 §24：5个工作日"
	weifang20    = "潍坊市12345热线条例 §20：5个工作日"
	lvliang      = "吕梁市12345规定：一般事项5个工作日，退单1个工作日"
	kaijiang     = "开江县12345规定：投诉举报10个工作日"
	hotlineAll   = "热线全国默认（借用地方口径，provenance L）：5个工作日"
	petition22   = "信访工作条例 §§22、23：15日"
	petition34   = "信访工作条例 §34：自受理之日起60日，可延长30日"
	unpublished  = "2027年放假安排尚未公布：按周一至周五推算，标记为暂定"
	bouncing     = "首接负责、退单不停钟（domain.md §4.3）"
)

// A deadline is one row: what happened on which day, and the clock that is asked for.
type deadline struct {
	nature   tipoff.Nature // of a tip-off by the web; "" is an order of the hotline
	place    string        // "" is 320508
	received string
	accepted string // "" is not
	events   string // "extend 2026-01-20", "ask …", "supplement …", "resume …", "return …", by ", "
	clock    string
	due      string // "provisional" after it, if so
	source   string
}

var deadlines = []deadline{
	{"REPORT", "", "2026-01-05", "", "", "tip.accept", "2026-01-14", order20s14},
	{"REPORT", "", "2026-02-13", "", "", "tip.accept", "2026-03-02", order20s14},
	{"COMPLAINT", "", "2026-04-14", "", "", "tip.accept", "2026-04-23", order20s14},
	{"COMPLAINT", "", "2026-04-15", "", "", "tip.accept", "2026-04-24", order121s14},
	{"BOTH", "", "2026-04-30", "", "", "tip.accept", "2026-05-13", order121s14},
	{"REPORT", "", "2026-09-30", "", "", "tip.accept", "2026-10-15", order121s14},
	{"REPORT", "", "2025-09-30", "", "", "tip.accept", "2025-10-16", order20s14},
	{"REPORT", "", "2024-02-08", "", "", "tip.accept", "2024-02-23", order20s14},
	{"REPORT", "", "2026-03-07", "", "", "tip.accept", "2026-03-17", order20s14},
	{"REPORT", "", "2026-12-28", "", "", "tip.accept", "2027-01-06 provisional", unpublished},

	{"REPORT", "", "2026-01-05", "", "", "tip.check", "2026-01-26", order20s23},
	{"REPORT", "", "2026-02-13", "", "", "tip.check", "2026-03-12", order20s23},
	{"REPORT", "", "2026-04-14", "", "", "tip.check", "2026-05-08", order20s23},
	{"REPORT", "", "2026-04-15", "", "", "tip.check", "2026-05-09", order121s23},
	{"BOTH", "", "2026-09-24", "", "", "tip.check", "2026-10-22", order121s23},
	{"REPORT", "", "2025-01-20", "", "", "tip.check", "2025-02-14", order20s23},
	{"REPORT", "", "2026-12-15", "", "", "tip.check", "2027-01-05 provisional", unpublished},
	{"REPORT", "", "2026-01-05", "2026-01-06", "extend 2026-01-20", "tip.check", "2026-02-14", order20s23},
	{"REPORT", "", "2026-04-14", "2026-04-20", "extend 2026-05-08", "tip.check", "2026-05-28", order20s23},
	{"BOTH", "", "2026-04-15", "2026-04-20", "extend 2026-05-09", "tip.check", "2026-05-29", order121s23},
	{"REPORT", "", "2024-09-29", "2024-10-08", "extend 2024-10-20", "tip.check", "2024-11-14", order20s23},

	{"COMPLAINT", "", "2025-12-31", "2026-01-05", "", "tip.mediation", "2026-03-13", order20s21},
	{"COMPLAINT", "", "2026-02-05", "2026-02-10", "", "tip.mediation", "2026-04-21", order20s21},
	{"COMPLAINT", "", "2026-04-10", "2026-04-13", "", "tip.mediation", "2026-06-17", order20s21},
	{"COMPLAINT", "", "2026-04-10", "2026-04-14", "", "tip.mediation", "2026-06-18", order20s21},
	{"COMPLAINT", "", "2026-04-10", "2026-04-15", "", "tip.mediation", "2026-06-15", order121s23m}, // received under the old, accepted under the new
	{"BOTH", "", "2026-04-15", "2026-04-16", "", "tip.mediation", "2026-06-15", order121s23m},
	{"COMPLAINT", "", "2026-05-05", "2026-05-06", "", "tip.mediation", "2026-07-06", order121s23m},
	{"COMPLAINT", "", "2026-08-01", "2026-08-05", "", "tip.mediation", "2026-10-08", order121s23m},
	{"COMPLAINT", "", "2025-03-01", "2025-03-03", "", "tip.mediation", "2025-05-08", order20s21},
	{"COMPLAINT", "", "2026-11-19", "2026-11-20", "", "tip.mediation", "2027-01-19 provisional", order121s23m},

	{"", "", "2026-01-05", "", "", "tip.hotline_general", "2026-01-12", hotlineAll},
	{"", "370100", "2026-02-13", "", "", "tip.hotline_general", "2026-02-27", jinan24},
	{"", "370700", "2026-09-30", "", "", "tip.hotline_general", "2026-10-13", weifang20},
	{"", "141100", "2025-04-30", "", "", "tip.hotline_general", "2025-05-12", lvliang},
	{"", "511723", "2026-01-05", "", "", "tip.hotline_general", "2026-01-19", kaijiang},
	{"", "511723", "2026-09-30", "", "", "tip.hotline_general", "2026-10-20", kaijiang},
	{"", "141100", "2026-02-13", "", "dispatch 2026-02-13", "tip.hotline_return", "2026-02-14", lvliang},
	{"", "", "2026-09-30", "", "dispatch 2026-09-30", "tip.hotline_return", "2026-10-08", lvliang},

	{"PETITION", "", "2026-01-05", "", "", "tip.petition.accept", "2026-01-20", petition22},
	{"PETITION", "", "2026-02-01", "", "", "tip.petition.accept", "2026-02-24", petition22},
	{"PETITION", "", "2026-09-16", "2026-09-17", "", "tip.petition.finish", "2026-11-16", petition34},
	{"PETITION", "", "2025-12-20", "2026-01-05", "", "tip.petition.finish", "2026-03-06", petition34},
	{"PETITION", "", "2025-12-20", "2026-01-05", "extend 2026-03-06", "tip.petition.finish", "2026-04-07", petition34},

	// While the reporter is waited for the clocks stand still.
	{"REPORT", "", "2026-01-05", "2026-01-06", "ask 2026-01-08, supplement 2026-01-14", "tip.check", "2026-01-30", order20s23},
	{"REPORT", "", "2026-02-06", "2026-02-09", "ask 2026-02-12, supplement 2026-02-25", "tip.check", "2026-03-11", order20s23},
	{"REPORT", "", "2026-03-02", "2026-03-03", "ask 2026-03-05, supplement 2026-03-09, extend 2026-03-20", "tip.check", "2026-04-16", order20s23},
	{"REPORT", "", "2026-03-02", "2026-03-03", "ask 2026-03-06, resume 2026-03-08", "tip.check", "2026-03-23", order20s23},
	{"COMPLAINT", "", "2026-05-05", "2026-05-06", "ask 2026-05-10, supplement 2026-05-20", "tip.mediation", "2026-07-15", order121s23m},
	{"COMPLAINT", "", "2026-03-01", "2026-03-02", "ask 2026-03-06, resume 2026-03-10", "tip.mediation", "2026-05-11", order20s21},
	{"", "", "2026-03-02", "2026-03-02", "ask 2026-03-03, supplement 2026-03-05", "tip.hotline_general", "2026-03-11", hotlineAll},

	// Bouncing does not stop them.
	{"REPORT", "", "2026-01-05", "", "return 2026-01-07, return 2026-01-09", "tip.check", "2026-01-26", bouncing},
	{"", "", "2026-03-02", "", "return 2026-03-03, return 2026-03-04", "tip.hotline_general", "2026-03-09", bouncing},
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	if len(deadlines) < 40 {
		t.Fatalf("%d rows, want at least 40", len(deadlines))
	}
	b := newBench(t)
	for i, d := range deadlines {
		t.Run(fmt.Sprintf("%02d %s %s %s %s", i, d.nature, d.received, d.clock, d.events), func(t *testing.T) {
			b := &bench{Service: &tipoff.Service{DB: b.DB, Pepper: b.Pepper, Seal: b.Seal, Home: b.Home}, t: t, mux: b.mux}
			b.keys.Store(int64(1000 * (i + 1)))
			p := d.play(t, b, i)
			f, err := b.FindTip(p.intake, tipoff.FindTip{ID: p.id})
			if err != nil {
				t.Fatal(err)
			}
			got := "no such clock"
			for _, c := range f.Clocks {
				if c.Name == d.clock {
					got = c.Due.String()
					if c.Provisional {
						got += " provisional"
					}
					if c.Ground.Source == "" || c.Ground.Version == 0 {
						t.Errorf("the clock rests on %+v", c.Ground)
					}
				}
			}
			if got != d.due {
				t.Errorf("due %s, want %s (%s)", got, d.due, d.source)
			}
		})
	}
}

// played is a tip-off that a row made, and the officers of its place.
type played struct {
	id            string
	intake, owner context.Context
	receipt       tipoff.Receipt
}

func (d deadline) play(t *testing.T, b *bench, i int) played {
	t.Helper()
	place := d.place
	if place == "" {
		place = "320508"
	}
	b.Now = b.clockNow
	b.at(d.received)
	p := played{
		intake: auth.With(t.Context(), caller("intake", "intake", "intake", place)),
		owner:  auth.With(t.Context(), caller("examiner", "examiner", "education", place)),
	}
	if d.nature == "" {
		id := fmt.Sprintf("row%d", i)
		b.importOne(p.intake, id, d.received)
		b.query(&p.id, `SELECT id FROM tips WHERE source_id = $1`, id)
	} else {
		p.receipt, p.id = b.submit(func(r *tipoff.SubmitTip) {
			r.Institution, r.InstitutionName, r.Jurisdiction = "", "某某培训学校", place
		})
	}
	subject := tipoff.Subject{SubjectKind: tipoff.Institution, InstitutionName: "某某培训学校"}
	b.ok(b.TieTip(p.intake, tipoff.TieTip{Key: b.key(), ID: p.id, Subject: subject, Category: tipoff.Refund, Nature: d.nature, Summary: "拒不退费一事"}))
	if d.accepted != "" {
		b.at(d.accepted)
		b.ok(b.DispatchTip(p.intake, tipoff.DispatchTip{Key: b.key(), ID: p.id, Owner: "education"}))
		b.ok(b.AcceptTip(p.owner, tipoff.AcceptTip{Key: b.key(), ID: p.id}))
	}
	for e := range strings.SplitSeq(d.events, ", ") {
		if what, on, ok := strings.Cut(e, " "); ok {
			b.at(on)
			d.event(t, b, p, what)
		}
	}
	return p
}

func (d deadline) event(t *testing.T, b *bench, p played, what string) {
	t.Helper()
	switch what {
	case "dispatch":
		b.ok(b.DispatchTip(p.intake, tipoff.DispatchTip{Key: b.key(), ID: p.id, Owner: "education"}))
	case "return":
		b.ok(b.DispatchTip(p.intake, tipoff.DispatchTip{Key: b.key(), ID: p.id, Owner: "education"}))
		b.ok(b.ReturnTip(p.owner, tipoff.ReturnTip{Key: b.key(), ID: p.id, Reason: "不在本辖区", Suggested: "market"}))
	case "extend":
		b.ok(b.ExtendTip(p.owner, tipoff.ExtendTip{Key: b.key(), ID: p.id, Reason: "案情复杂需补充调查"}))
		if _, err := b.ExtendTip(p.owner, tipoff.ExtendTip{Key: b.key(), ID: p.id, Reason: "案情复杂需补充调查"}); fault.KindOf(err) != fault.Refused {
			t.Errorf("a second extension: %v", err)
		}
	case "ask":
		b.ok(b.AskReporter(p.owner, tipoff.AskReporter{Key: b.key(), ID: p.id, Text: "请补充缴费凭证的日期"}))
	case "resume":
		b.ok(b.ResumeTip(p.owner, tipoff.ResumeTip{Key: b.key(), ID: p.id, Reason: "举报人未补充"}))
	case "supplement":
		if p.receipt.Code == "" { // who wrote to the hotline has no receipt
			b.ok(b.ResumeTip(p.owner, tipoff.ResumeTip{Key: b.key(), ID: p.id, Reason: "已由热线补充"}))
			return
		}
		k, err := b.SupplementTip(t.Context(), tipoff.SupplementTip{TrackTip: tipoff.TrackTip{Number: p.receipt.Number, Code: p.receipt.Code}, Text: "是三月一日"})
		if err != nil || k.State != tipoff.Handling || k.Questions[0].Answer == "" {
			t.Fatalf("supplement: %+v, %v", k, err)
		}
	default:
		t.Fatalf("no event %s", what)
	}
}

func TestExtendRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.at("2026-01-05")
	_, id := b.submit()
	b.tie(id)
	b.dispatch(id, "education")
	b.accept(id, "examiner")
	b.at("2026-01-27")
	_, err := b.ExtendTip(b.as("examiner"), tipoff.ExtendTip{Key: b.key(), ID: id, Reason: "案情复杂需补充调查"})
	want(t, err, fault.Refused)
}

func TestHotlineReturnTooLate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.importOne(b.as("intake"), "late", "2026-03-02")
	var id string
	b.query(&id, `SELECT id FROM tips WHERE source_id = 'late'`)
	b.tie(id)
	b.dispatch(id, "education")
	b.at("2026-03-04")
	_, err := b.giveBack(id, "examiner", "market")
	want(t, err, fault.Refused)
	b.accept(id, "examiner")
}

func TestOverdueOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, id := b.submit()
	b.tie(id)
	b.at("2026-03-11") // the last day belongs to the period
	if n := b.settle(); n != 0 {
		t.Errorf("%d clocks ran out on their last day", n)
	}
	b.at("2026-03-12")
	if n := b.settle(); n != 1 {
		t.Errorf("%d clocks ran out, want tip.accept", n)
	}
	b.at("2026-03-20")
	if n := b.settle(); n != 0 {
		t.Errorf("%d clocks ran out again", n)
	}
	b.dispatch(id, "education")
	b.accept(id, "examiner")
	waits := func(want bool) {
		t.Helper()
		box, err := b.Inbox(b.as("examiner"), struct{}{})
		if err != nil || len(box.Items) != 1 || box.Items[0].Paused != want || len(box.Items[0].Terms) == 0 {
			t.Errorf("inbox %+v, %v; want its clocks, paused %t", box.Items, err, want)
		}
	}
	waits(false)
	b.ok(b.AskReporter(b.as("examiner"), tipoff.AskReporter{Key: b.key(), ID: id, Text: "请补充"}))
	waits(true)
	b.at("2026-04-20")
	if n := b.settle(); n != 0 {
		t.Errorf("%d clocks ran out while the reporter was waited for", n)
	}
	b.ok(b.ResumeTip(b.as("examiner"), tipoff.ResumeTip{Key: b.key(), ID: id, Reason: "未补充"}))
	b.at("2026-05-20")
	if n := b.settle(); n != 1 {
		t.Errorf("%d clocks ran out, want tip.check", n)
	}
	overdue := 0
	for _, typ := range b.types() {
		if typ == "TipOverdue" {
			overdue++
		}
	}
	if overdue != 2 {
		t.Errorf("%d TipOverdue, want 2", overdue)
	}
}
