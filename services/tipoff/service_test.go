package tipoff_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/auth"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/pg/pgtest"
	"xunguan/pkg/rule/ruletest"
	inspectionv1 "xunguan/proto/inspection/v1"
	licensingv1 "xunguan/proto/licensing/v1"
	"xunguan/services/tipoff"
)

const institution = "0199e8f0-0000-7000-8000-000000000001"

// bench is tipoff on a fresh database, at a legal time that the test moves.
type bench struct {
	*tipoff.Service
	t    testing.TB
	now  atomic.Pointer[time.Time]
	keys atomic.Int64
	mux  event.Mux
}

func newBench(t testing.TB) *bench {
	t.Helper()
	db := pgtest.New(t, tipoff.Migrations())
	ruletest.Load(t, db)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, mux: event.Mux{}}
	b.Service = &tipoff.Service{
		DB: db, Now: func() time.Time { return *b.now.Load() }, Pepper: tipoff.Pepper(strings.Repeat("p", 32)),
		Seal: tipoff.Seal{To: id.Recipient(), With: id}, Home: "320508",
	}
	b.at("2026-03-02")
	b.Listen(b.mux)
	b.hear(&licensingv1.LicenceIssued{Institution: &licensingv1.Institution{
		Id: institution, Name: "姑苏彩虹美术培训学校", Jurisdiction: "320508", Address: "苏州市姑苏区人民路1号", Status: "ACTIVE", LicenceNumber: "L1",
	}})
	return b
}

// at moves legal time to ten o'clock of a day.
func (b *bench) at(date string) {
	b.t.Helper()
	at, err := time.Parse(time.RFC3339, date+"T10:00:00+08:00")
	if err != nil {
		b.t.Fatal(err)
	}
	b.now.Store(&at)
}

func (b *bench) key() once.Key {
	return once.Key{IdempotencyKey: fmt.Sprintf("0199-key-%06d", b.keys.Add(1))}
}

// hear applies an event as the consumer does.
func (b *bench) hear(e proto.Message) {
	b.t.Helper()
	if err := b.apply(e); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) apply(e proto.Message) error {
	data, err := proto.Marshal(e)
	if err != nil {
		return err
	}
	ctx := pg.Worker(context.Background(), "tipoff")
	_, err = pg.InTx(ctx, b.DB, func(tx pgx.Tx) (struct{}, error) {
		return struct{}{}, b.mux.Handle(ctx, tx, event.Message{Type: string(e.ProtoReflect().Descriptor().FullName()), Data: data})
	})
	return err
}

func caller(subject, role, agency, jurisdiction string) auth.Caller {
	return auth.Caller{Subject: subject, Roles: []string{role}, Agency: agency, Jurisdiction: jurisdiction}
}

var personas = map[string]auth.Caller{
	"intake": caller("intake", "intake", "intake", "320508"), "intake2": caller("intake2", "intake", "intake", "320508"),
	"examiner": caller("examiner", "examiner", "education", "320508"), "market": caller("market", "market", "market", "320508"),
	"fire": caller("fire", "fire", "fire", "320508"), "culture": caller("culture", "culture", "culture", "320508"),
	"city":      caller("city", "city", "education", "320500"),
	"neighbour": caller("neighbour", "examiner", "education", "320506"), "intake-b": caller("intake-b", "intake", "intake", "320506"),
	"parent": caller("parent", "parent", "", ""), "principal": caller("principal", "principal", "", ""),
}

func (b *bench) as(name string) context.Context {
	b.t.Helper()
	c, ok := personas[name]
	if !ok {
		b.t.Fatalf("no persona %s", name)
	}
	return auth.With(b.t.Context(), c)
}

func (b *bench) submission() tipoff.SubmitTip {
	return tipoff.SubmitTip{
		Key: b.key(), Text: "该校要求一次性交一年学费两万元，超过三个月。",
		Subject: tipoff.Subject{SubjectKind: tipoff.Institution, Institution: institution},
	}
}

// submit submits a tip-off and returns its receipt and id.
func (b *bench) submit(change ...func(*tipoff.SubmitTip)) (tipoff.Receipt, string) {
	b.t.Helper()
	req := b.submission()
	for _, f := range change {
		f(&req)
	}
	r, err := b.SubmitTip(b.t.Context(), req)
	if err != nil {
		b.t.Fatal(err)
	}
	return r, b.idOf(r.Number)
}

func (b *bench) idOf(number string) (id string) {
	b.t.Helper()
	b.query(&id, `SELECT id FROM tips WHERE number = $1`, number)
	return id
}

// query scans one value as a worker.
func (b *bench) query(v any, sql string, args ...any) {
	b.t.Helper()
	ctx := pg.Worker(b.t.Context(), "test")
	if _, err := pg.InTx(ctx, b.DB, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, tx.QueryRow(ctx, sql, args...).Scan(v) }); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) tie(id string, change ...func(*tipoff.TieTip)) {
	b.t.Helper()
	req := tipoff.TieTip{
		Key: b.key(), ID: id, Category: tipoff.Prepaid, Summary: "一次性收取一年学费",
		Subject: tipoff.Subject{SubjectKind: tipoff.Institution, Institution: institution},
	}
	for _, f := range change {
		f(&req)
	}
	b.ok(b.TieTip(b.as("intake"), req))
}

func (b *bench) ok(d tipoff.Done, err error) tipoff.Done {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func (b *bench) dispatch(id string, owner tipoff.Agency) {
	b.t.Helper()
	b.ok(b.DispatchTip(b.as("intake"), tipoff.DispatchTip{Key: b.key(), ID: id, Owner: owner}))
}

func (b *bench) accept(id, as string) {
	b.t.Helper()
	b.ok(b.AcceptTip(b.as(as), tipoff.AcceptTip{Key: b.key(), ID: id}))
}

func (b *bench) giveBack(id, as string, suggested tipoff.Agency) (tipoff.Done, error) {
	return b.ReturnTip(b.as(as), tipoff.ReturnTip{Key: b.key(), ID: id, Reason: "不属于本部门职责", Suggested: suggested})
}

func (b *bench) track(r tipoff.Receipt) tipoff.Track {
	b.t.Helper()
	k, err := b.TrackTip(b.t.Context(), tipoff.TrackTip{Number: r.Number, Code: r.Code})
	if err != nil {
		b.t.Fatal(err)
	}
	return k
}

// types lists the events in the outbox, short, in their order.
func (b *bench) types() []string {
	b.t.Helper()
	var all []string
	b.query(&all, `SELECT coalesce(array_agg(replace(type, 'tipoff.v1.', '') ORDER BY id), '{}') FROM outbox`)
	return all
}

func want(t testing.TB, err error, kind fault.Kind) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("err = %v, want %s", err, kind)
	}
}

func count(t testing.TB, db *pgxpool.Pool, sql string, args ...any) (n int) {
	t.Helper()
	ctx := pg.Worker(t.Context(), "test")
	if _, err := pg.InTx(ctx, db, func(tx pgx.Tx) (struct{}, error) {
		return struct{}{}, tx.QueryRow(ctx, sql, args...).Scan(&n)
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWholeWay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, id := b.submit()
	if r.Due.String() != "2026-03-23" || len(r.Code) != 29 || len(r.Warnings) != 0 {
		t.Errorf("receipt %+v, want due 2026-03-23 and a code in five groups", r)
	}
	if k := b.track(r); k.State != tipoff.Received || k.Owner != "" || k.Due != r.Due {
		t.Errorf("track after submission: %+v", k)
	}
	b.tie(id)
	b.dispatch(id, "education")
	if k := b.track(r); k.Owner != "苏州市姑苏区教育局" || k.State != tipoff.Dispatched {
		t.Errorf("track after dispatch: %+v", k)
	}
	b.accept(id, "examiner")
	follow := &inspectionv1.ResultPublished{
		Task:   &inspectionv1.Task{Id: "task1", Jurisdiction: "320508", Agencies: []string{"education", "market", "fire"}, Tips: []string{id}},
		Result: "该机构已列入黑名单。", FollowUpId: "f1",
	}
	b.hear(follow)
	k := b.track(r)
	if k.State != tipoff.Answered || len(k.Answers) != 1 || !strings.Contains(k.Answers[0].Text, "已列入黑名单") || k.Answers[0].Amended {
		t.Errorf("track after the result: %+v", k)
	}
	b.hear(follow) // asked again: no second answer, but said again
	follow.Withdrawn = true
	follow.Result = "列入黑名单的决定已撤销。"
	b.hear(follow)
	b.ok(b.CloseTip(b.as("examiner"), tipoff.CloseTip{Key: b.key(), ID: id}))
	k = b.track(r)
	if k.State != tipoff.Closed || len(k.Answers) != 2 || !k.Answers[1].Amended {
		t.Errorf("track after the decision was set aside: %+v", k)
	}
	got := strings.Join(b.types(), " ")
	if got != "TipReceived TipDispatched TipAnswered TipAnswered TipAnswered" {
		t.Errorf("events: %s", got)
	}
}

func TestReturnTwiceGoesToTheArbiter(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, id := b.submit()
	b.tie(id)
	b.dispatch(id, "education")
	due := b.track(r).Due
	b.at("2026-03-04")
	if _, err := b.giveBack(id, "examiner", "education"); !errors.Is(err, fault.Invalid) {
		t.Errorf("suggesting oneself: %v", err)
	}
	d := b.ok(b.giveBack(id, "examiner", "market"))
	if d.State != tipoff.Returned {
		t.Errorf("first return: %+v", d)
	}
	if _, err := b.FindTip(b.as("examiner"), tipoff.FindTip{ID: id}); !errors.Is(err, fault.NotFound) {
		t.Errorf("who gave it back still sees it: %v", err)
	}
	b.dispatch(id, "market")
	d = b.ok(b.giveBack(id, "market", "fire"))
	if d.State != tipoff.Arbitration {
		t.Errorf("second return: %+v", d)
	}
	_, err := b.DispatchTip(b.as("intake"), tipoff.DispatchTip{Key: b.key(), ID: id, Owner: "fire"})
	want(t, err, fault.Conflict)
	f, err := b.FindTip(b.as("city"), tipoff.FindTip{ID: id})
	if err != nil || f.Text != "" || f.Intake != nil || len(f.Actions) != 1 || f.Actions[0].Action != "assign" {
		t.Errorf("the arbiter sees %+v, %v", f, err)
	}
	b.ok(b.AssignTip(b.as("city"), tipoff.AssignTip{Key: b.key(), ID: id, Owner: "market", Reason: "属经营行为"}))
	_, err = b.giveBack(id, "market", "fire")
	want(t, err, fault.Conflict)
	if k := b.track(r); k.Due != due || k.Owner != "苏州市姑苏区市场监督管理局" {
		t.Errorf("bouncing moved the clock: %+v, was due %s", k, due)
	}
	b.accept(id, "market")
	b.ok(b.AnswerTip(b.as("market"), tipoff.AnswerTip{Key: b.key(), ID: id, Text: "已核查并责令改正。"}))
	if got := strings.Join(b.types(), " "); got != "TipReceived TipDispatched TipReturned TipDispatched TipReturned TipDispatched TipAnswered" {
		t.Errorf("events: %s", got)
	}
}

func TestSeedIsIdempotent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.at("2026-11-20")
	path := "/work/shared/data/citizen-messages.csv"
	wantRows := 579
	if _, err := os.Stat(path); err != nil {
		path, wantRows = "", 30
	}
	for range 2 {
		if err := b.Seed(path)(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := count(t, b.DB, `SELECT count(*) FROM tips`); n != wantRows {
			t.Errorf("%d tips, want %d", n, wantRows)
		}
	}
	if n := count(t, b.DB, `SELECT count(*) FROM clocks`); n != 0 {
		t.Errorf("%d clocks of closed history, want none", n)
	}
}
