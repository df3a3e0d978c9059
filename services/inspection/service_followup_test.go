package inspection

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
	escrowv1 "xunguan/proto/escrow/v1"
	inspectionv1 "xunguan/proto/inspection/v1"
	tipoffv1 "xunguan/proto/tipoff/v1"
)

func heldPB(cause string) proto.Message {
	return &escrowv1.PayoutsHeld{Hold: &escrowv1.Hold{Id: "h", InstitutionId: "i1", CauseId: cause}}
}

func resumedPB(cause string) proto.Message {
	return &escrowv1.PayoutsResumed{Hold: &escrowv1.Hold{Id: "h", InstitutionId: "i1", CauseId: cause, Until: "2026-04-01"}}
}

func answeredPB(tip, followUp string, amended bool) proto.Message {
	d := tipPB(tip, "INSTITUTION", "i1", "education").(*tipoffv1.TipDispatched) // made there
	return &tipoffv1.TipAnswered{Tip: d.GetTip(), FollowUpId: followUp, Amended: amended}
}

// wanted is a follow-up that has just begun.
func (b *bench) wanted() (TaskView, FollowUpView) {
	b.t.Helper()
	task, _ := b.failed()
	f := must(b, examiner, b.WantBlacklist, WantBlacklist{Key: b.key(), ID: task.ID, Facts: "复查未撤下违规广告", Reason: "拒不整改"})
	return task, f
}

func (b *bench) followUp(id string) FollowUpView {
	b.t.Helper()
	return must(b, examiner, b.GetFollowUp, GetFollowUp{id})
}

func TestWantBlacklist(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	unfit, _ := b.failed()
	refused(b, examiner, b.WantBlacklist, WantBlacklist{Key: b.key(), ID: unfit.ID, Facts: "家长13812345678反映未整改", Reason: "拒不整改"}, fault.Invalid, "")
	task, f := b.wanted()
	if f.State != fuProposed || f.Version != 1 || len(f.WaitingFor) != 2 || len(f.Sent) != 1 {
		t.Errorf("%+v", f)
	}
	e := sentOf[*inspectionv1.ListEntryWanted](b)
	if len(e) != 1 || e[0].GetId() != f.ID || e[0].GetInstitutionId() != "i1" || e[0].GetList() != "BLACK" || e[0].GetTaskId() != task.ID || e[0].GetWantedBy() != "examiner" || !strings.Contains(e[0].GetBasis(), "2026-03-19") {
		t.Errorf("%v", e)
	}
	refused(b, examiner, b.WantBlacklist, WantBlacklist{Key: b.key(), ID: task.ID, Facts: "复查未撤下违规广告", Reason: "拒不整改"}, fault.Conflict, "")
	refused(b, neighbour, b.GetFollowUp, GetFollowUp{f.ID}, fault.NotFound, "")
	refused(b, culture, b.GetFollowUp, GetFollowUp{f.ID}, fault.NotFound, "")
	clean, _ := b.visited()
	refused(b, examiner, b.WantBlacklist, WantBlacklist{Key: b.key(), ID: clean.ID, Facts: "没有问题", Reason: "就要列入"}, fault.Conflict, "")
	b.hear(proposedPB("e1", "i1", f.ID, "PROPOSED"), proposedPB("e1", "i1", f.ID, "REFUSED"))
	if v := must(b, examiner, b.GetTask, GetTask{task.ID}); v.State != failed || v.FollowUps[0].State != fuRefused {
		t.Errorf("task %s, follow-up %s", v.State, v.FollowUps[0].State)
	}
	refused(b, market, b.WantBlacklist, WantBlacklist{Key: b.key(), ID: task.ID, Facts: "复查未撤下违规广告", Reason: "拒不整改"}, fault.Forbidden, "")
	must(b, examiner, b.WantBlacklist, WantBlacklist{Key: b.key(), ID: task.ID, Facts: "补充证据后再次提请", Reason: "新证据"})
}

// TestFollowUpStory is step 8: the decision travels and is undone.
func TestFollowUpStory(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	task, f := b.wanted()
	b.hear(proposedPB("e1", "i1", f.ID, "PROPOSED"), proposedPB("e1", "i1", f.ID, "APPROVED"))
	if g := b.followUp(f.ID); g.State != fuDecided || g.Data.EntryID != "e1" {
		t.Errorf("%+v", g)
	}
	refused(b, examiner, b.ResumeFollowUp, ResumeFollowUp{Key: b.key(), ID: f.ID}, fault.Conflict, "")
	b.hear(heldPB("e1"), proposedPB("e1", "i1", f.ID, "PUBLISHED"), heldPB("e1"))
	g := b.followUp(f.ID)
	if g.State != fuPublished || strings.Join(g.WaitingFor, " ") != "tip_answered:t1 tip_answered:t2" || g.Waits != "答复举报" {
		t.Errorf("%+v", g)
	}
	r := sentOf[*inspectionv1.ResultPublished](b)
	if len(r) != 1 || r[0].GetFollowUpId() != f.ID || r[0].GetWithdrawn() || len(r[0].GetTask().GetTips()) != 2 || !strings.Contains(r[0].GetResult(), "黑名单") {
		t.Errorf("%v", r)
	}
	if v := must(b, examiner, b.GetTask, GetTask{task.ID}); v.State != published || v.Outcome != Blacklisted || v.PublishedOn.IsZero() {
		t.Errorf("%+v", v.Task)
	}
	stuck := g.Since.Add(time.Hour)
	b.now.Store(&stuck)
	if in := must(b, examiner, b.GetInbox, GetInbox{}); !strings.Contains(textOf2(in), "仍在等待答复举报") {
		t.Errorf("a stuck follow-up is not in the inbox: %+v", in)
	}
	if again := must(b, city, b.ResumeFollowUp, ResumeFollowUp{Key: b.key(), ID: f.ID}); again.State != fuPublished || again.Sent[1].Again != 1 {
		t.Errorf("%+v", again.Sent)
	}
	if r := sentOf[*inspectionv1.ResultPublished](b); len(r) != 2 || !proto.Equal(r[0], r[1]) {
		t.Errorf("what was sent again differs: %v", r)
	}
	b.hear(answeredPB("t2", f.ID, false), answeredPB("t1", f.ID, false), answeredPB("t1", f.ID, false))
	if g := b.followUp(f.ID); g.State != fuDone || len(g.WaitingFor) != 0 {
		t.Errorf("%+v", g)
	}
	refused(b, examiner, b.ResumeFollowUp, ResumeFollowUp{Key: b.key(), ID: f.ID}, fault.Conflict, "")
	b.hear(proposedPB("e1", "i1", f.ID, "ENDED"))
	if g := b.followUp(f.ID); g.State != fuDone {
		t.Errorf("an entry that merely ended: %s", g.State)
	}
	b.hear(proposedPB("e1", "i1", f.ID, "SET_ASIDE"), proposedPB("e1", "i1", f.ID, "SET_ASIDE"))
	r = sentOf[*inspectionv1.ResultPublished](b)
	if len(r) != 3 || !r[2].GetWithdrawn() || r[2].GetFollowUpId() != f.ID || r[2].GetTask().GetState() != withdrawn {
		t.Errorf("%v", r)
	}
	b.hear(resumedPB("e1"), answeredPB("t1", f.ID, true), answeredPB("t2", f.ID, true))
	if g := b.followUp(f.ID); g.State != fuUndone {
		t.Errorf("%+v", g)
	}
	if l := must(b, examiner, b.ListResults, ListResults{Jurisdiction: "320500"}); len(l.Results) != 1 || !l.Results[0].Withdrawn {
		t.Errorf("%+v", l)
	}
}

// TestEntryOfOthers: entries that inspection did not ask for, and holds of them, pass by.
func TestEntryOfOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	before := len(b.sent())
	b.hear(proposedPB("e9", "i1", "", "PUBLISHED"), proposedPB("e8", "i1", "elsewhere", "PUBLISHED"), heldPB("e9"), heldPB(""), resumedPB("e7"),
		answeredPB("t1", "", false), answeredPB("t1", "elsewhere", false))
	if n := len(b.sent()); n != before {
		t.Errorf("%d events sent", n-before)
	}
}

// crash fails the nth statement of a transaction, as a kill there would.
type crash struct {
	pgx.Tx
	left *int
}

var errKilled = errors.New("killed")

func (c crash) down() bool { *c.left--; return *c.left < 0 }

func (c crash) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if c.down() {
		return pgconn.CommandTag{}, errKilled
	}
	return c.Tx.Exec(ctx, sql, args...)
}

func (c crash) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if c.down() {
		return nil, errKilled
	}
	return c.Tx.Query(ctx, sql, args...)
}

func (c crash) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if c.down() {
		return killed{}
	}
	return c.Tx.QueryRow(ctx, sql, args...)
}

type killed struct{}

func (killed) Scan(...any) error { return errKilled }

// TestFollowUpKilled kills the consumer before every single statement of every
// event of the process, delivers the event again each time, and twice once it
// went through. The end and the commands are those of an undisturbed run.
func TestFollowUpKilled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, f := b.wanted()
	kills := 0
	for _, e := range []proto.Message{
		proposedPB("e1", "i1", f.ID, "PROPOSED"), proposedPB("e1", "i1", f.ID, "APPROVED"), proposedPB("e1", "i1", f.ID, "PUBLISHED"), heldPB("e1"),
		answeredPB("t1", f.ID, false), answeredPB("t2", f.ID, false), proposedPB("e1", "i1", f.ID, "SET_ASIDE"), resumedPB("e1"),
		answeredPB("t2", f.ID, true), answeredPB("t1", f.ID, true),
	} {
		before := b.followUp(f.ID).State
		for n := 0; ; n++ {
			left := n
			err := b.handle(e, func(tx pgx.Tx) pgx.Tx { return crash{tx, &left} })
			if err == nil {
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatalf("%T killed at statement %d: %v", e, n, err)
			}
			if s := b.followUp(f.ID).State; s != before {
				t.Fatalf("%T killed at statement %d left %s, was %s", e, n, s, before)
			}
			kills++
		}
		b.hear(e) // the offset was lost: it comes again
	}
	if g := b.followUp(f.ID); g.State != fuUndone || len(g.Sent) != 3 {
		t.Errorf("%s, %+v", g.State, g.Sent)
	}
	r := sentOf[*inspectionv1.ResultPublished](b)
	if len(r) != 2 || r[0].GetWithdrawn() || !r[1].GetWithdrawn() || len(sentOf[*inspectionv1.ListEntryWanted](b)) != 1 {
		t.Errorf("sent %v", r)
	}
	t.Logf("killed %d times", kills)
	if kills < 60 {
		t.Errorf("only %d statements were killed", kills)
	}
}

// TestFollowUpRace: the same events from 20 deliveries at once have one effect.
func TestFollowUpRace(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, f := b.wanted()
	b.hear(proposedPB("e1", "i1", f.ID, "PROPOSED"))
	events := []proto.Message{proposedPB("e1", "i1", f.ID, "PUBLISHED"), heldPB("e1"), answeredPB("t1", f.ID, false), answeredPB("t2", f.ID, false)}
	if ok, kinds := race(func(i int) error { return b.handle(events[i%len(events)], func(tx pgx.Tx) pgx.Tx { return tx }) }); ok != 20 {
		t.Errorf("%d applied, %v", ok, kinds)
	}
	if g := b.followUp(f.ID); g.State != fuDone || len(sentOf[*inspectionv1.ResultPublished](b)) != 1 {
		t.Errorf("%s, %d results", g.State, len(sentOf[*inspectionv1.ResultPublished](b)))
	}
}

// TestRepublish: the state of every task again, and of a followed-up one what was
// last said of it.
func TestRepublish(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, f := b.wanted()
	b.hear(proposedPB("e1", "i1", f.ID, "PUBLISHED"))
	done, _ := b.visited()
	must(b, examiner, b.PublishTask, PublishTask{Key: b.key(), ID: done.ID})
	n := len(b.sent())
	if r := must(b, city, b.Republish, Republish{Key: b.key()}); !r.Done || r.Published != 2 {
		t.Errorf("%+v", r)
	}
	again := b.sent()[n:]
	if len(again) != 4 || !strings.Contains(fmt.Sprint(again), f.ID) {
		t.Errorf("%v", again)
	}
}

// TestTimelineOnlyGrows: not even by SQL.
func TestTimelineOnlyGrows(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.plan("t1")
	for _, sql := range []string{`UPDATE timeline SET note = ''`, `DELETE FROM timeline`, `TRUNCATE timeline`, `DELETE FROM draws`} {
		_, err := pg.InTx(pg.Worker(t.Context(), "test"), b.DB, func(tx pgx.Tx) (struct{}, error) {
			_, err := tx.Exec(t.Context(), sql)
			return struct{}{}, err
		})
		if err == nil || !strings.Contains(err.Error(), "only grows") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
