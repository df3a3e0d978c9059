package tipoff_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/attach"
	"xunguan/pkg/attach/attachtest"
	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/due"
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

	store *attachtest.Service
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
		DB: db, Now: b.clockNow, Pepper: tipoff.Pepper(strings.Repeat("p", 32)),
		Seal: tipoff.Seal{To: id.Recipient(), With: id}, Home: "320508",
	}
	b.Photos = &attach.Box{DB: db, Now: b.clockNow, Blind: true}
	b.store, b.Photos.Objects = attachtest.New(t)
	b.at("2026-03-02")
	b.Listen(b.mux)
	b.hear(&licensingv1.LicenceIssued{Institution: &licensingv1.Institution{
		Id: institution, Name: "姑苏彩虹美术培训学校", Jurisdiction: "320508", Address: "苏州市姑苏区人民路1号", Status: "ACTIVE", LicenceNumber: "L1",
	}})
	return b
}

func (b *bench) clockNow() time.Time { return *b.now.Load() }

// settle applies what is due and returns how many cases that were.
func (b *bench) settle() int {
	b.t.Helper()
	n, err := (&due.Clockwork{DB: b.DB, Now: b.clockNow, Timers: b.Timers(), Log: slog.New(slog.DiscardHandler)}).Settle(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// importOne imports one open message of the hotline.
func (b *bench) importOne(ctx context.Context, id, on string) {
	b.t.Helper()
	file := "id,user,subject,sent_at,text,reply,replied_at\n" + id + ",U1,投诉某某培训学校退费难," + on + " 08:00:00,培训机构拒不退费,,\n"
	got, err := b.ImportTips(ctx, tipoff.ImportTips{Key: b.key()}, strings.NewReader(file))
	if err != nil || got.Created != 1 {
		b.t.Fatalf("%+v, %v", got, err)
	}
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

func keyed(key string) once.Key { return once.Key{IdempotencyKey: key} }

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

// TestSubmitAtOnce: one key from twenty sides is one tip-off with one code, and
// the call that is repeated gets the same code although it is stored nowhere.
func TestSubmitAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	req := b.submission()
	codes := sync.Map{}
	var g errgroup.Group
	for range 20 {
		g.Go(func() error {
			r, err := b.SubmitTip(context.Background(), req)
			if errors.Is(err, fault.InFlight) {
				return nil
			}
			codes.Store(r.Number+r.Code, true)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	r, err := b.SubmitTip(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	codes.Range(func(k, _ any) bool {
		if k != r.Number+r.Code {
			t.Errorf("another receipt: %v", k)
		}
		return true
	})
	if n := count(t, b.DB, `SELECT count(*) FROM tips`); n != 1 {
		t.Errorf("%d tips, want 1", n)
	}
	other := b.submission()
	other.Key, other.Text = req.Key, "另一件事，同一个键。"
	_, err = b.SubmitTip(t.Context(), other)
	want(t, err, fault.KeyReused)
	plain := strings.ReplaceAll(r.Code, "-", "")
	if n := count(t, b.DB, `SELECT count(*) FROM once WHERE answer::text LIKE '%' || $1 || '%' OR answer::text LIKE '%' || $2 || '%' OR key = $3`,
		r.Code, plain, req.IdempotencyKey); n != 0 {
		t.Error("once keeps the code, or the key that it follows from")
	}
}

// TestDispatchAtOnce: twenty officers dispatch; one does.
func TestDispatchAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, id := b.submit()
	b.tie(id)
	var done atomic.Int64
	var g errgroup.Group
	for i := range 20 {
		key, owner := b.key(), []tipoff.Agency{"education", "market"}[i%2]
		g.Go(func() error {
			_, err := b.DispatchTip(b.as("intake"), tipoff.DispatchTip{Key: key, ID: id, Owner: owner})
			if err == nil {
				done.Add(1)
			} else if !errors.Is(err, fault.Conflict) {
				return err
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := done.Load(); n != 1 || strings.Count(strings.Join(b.types(), " "), "TipDispatched") != 1 {
		t.Errorf("%d dispatches, events %v", n, b.types())
	}
}

// TestMerge: one case goes on; each reporter reads the answer with the own receipt.
func TestMerge(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ra, a := b.submit()
	rb, other := b.submit(func(r *tipoff.SubmitTip) {
		r.Institution, r.InstitutionName, r.Text = "", "姑苏 彩虹美术培训学校", "预收费超过三个月，交了一年"
	})
	rc, third := b.submit()
	b.tie(a)
	dup, err := b.ListDuplicates(b.as("intake"), tipoff.ListDuplicates{})
	if err != nil || len(dup.Items) != 2 {
		t.Fatalf("duplicates: %+v, %v", dup, err)
	}
	merge := func(id, into string) error {
		_, err := b.MergeTip(b.as("intake"), tipoff.MergeTip{Key: b.key(), ID: id, Into: into})
		return err
	}
	if err := merge(third, other); err != nil {
		t.Fatal(err)
	}
	if err := merge(other, a); err != nil { // and what was merged into it goes with it
		t.Fatal(err)
	}
	want(t, merge(a, other), fault.Conflict)
	want(t, merge(a, a), fault.Invalid)
	b.dispatch(a, "market")
	if k := b.track(rc); !k.Merged || k.State != tipoff.Dispatched || k.Owner == "" {
		t.Errorf("a merged receipt tracks %+v", k)
	}
	b.accept(a, "market")
	b.ok(b.AnswerTip(b.as("market"), tipoff.AnswerTip{Key: b.key(), ID: a, Text: "已责令退还超期预收的费用。"}))
	b.hear(&inspectionv1.ResultPublished{Task: &inspectionv1.Task{Jurisdiction: "320508", Tips: []string{a}}, Result: "列入黑名单", FollowUpId: "f1"})
	for _, r := range []tipoff.Receipt{ra, rb, rc} {
		if k := b.track(r); len(k.Answers) != 2 || k.State != tipoff.Answered {
			t.Errorf("%s reads %+v", r.Number, k)
		}
	}
	if n := strings.Count(strings.Join(b.types(), " "), "TipAnswered"); n != 6 {
		t.Errorf("%d TipAnswered, want 6: %v", n, b.types())
	}
	rd, late := b.submit()
	if err := merge(late, a); err != nil {
		t.Fatal(err)
	}
	if k := b.track(rd); len(k.Answers) != 2 {
		t.Errorf("merged into what is answered, yet reads %+v", k.Answers)
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, id := b.submit(func(r *tipoff.SubmitTip) { r.Identity = &tipoff.Identity{Name: "王小明", Phone: "13800001111"} })
	_, anonymous := b.submit()
	ask := func(as, id string) (tipoff.Asked, error) {
		return b.RequestIdentity(b.as(as), tipoff.RequestIdentity{Key: b.key(), ID: id, Reason: "需当面核实缴费凭证"})
	}
	read := func(as, id string) tipoff.Asked {
		t.Helper()
		a, err := b.ReadIdentity(b.as(as), tipoff.ReadIdentity{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	_, err := ask("intake", anonymous)
	want(t, err, fault.NotFound)
	a, err := ask("intake", id)
	if err != nil {
		t.Fatal(err)
	}
	if got := read("intake", a.ID); got.Identity != nil || got.State != "PENDING" {
		t.Errorf("before approval: %+v", got)
	}
	approve := func(as string) error {
		_, err := b.ApproveIdentity(b.as(as), tipoff.ApproveIdentity{Key: b.key(), ID: a.ID})
		return err
	}
	want(t, approve("intake"), fault.Forbidden)
	want(t, approve("intake-b"), fault.NotFound)
	if err := approve("intake2"); err != nil {
		t.Fatal(err)
	}
	want(t, approve("intake2"), fault.Conflict)
	if got := read("intake2", a.ID); got.Identity != nil {
		t.Error("who approved reads it")
	}
	if got := read("intake", a.ID); got.Identity == nil || got.Identity.Name != "王小明" || got.Identity.Phone != "13800001111" || got.State != "READ" {
		t.Errorf("after approval: %v %s", got.Identity, got.State)
	}
	if got := read("intake", a.ID); got.Identity != nil || got.State != "READ" {
		t.Error("read twice")
	}
	if k := b.track(r); len(k.Notices) != 1 || !strings.Contains(k.Notices[0], "需当面核实缴费凭证") {
		t.Errorf("the reporter reads %v", k.Notices)
	}
	if n := count(t, b.DB, `SELECT count(*) FROM audit WHERE action LIKE 'identity_%' AND tip_id = $1`, id); n != 3 {
		t.Errorf("%d audit entries, want 3", n)
	}
	if a, err = ask("intake", id); err != nil {
		t.Fatal(err)
	}
	if err := approve("intake2"); err != nil {
		t.Fatal(err)
	}
	b.at("2026-03-04")
	if got := read("intake", a.ID); got.Identity != nil || got.State != "EXPIRED" {
		t.Errorf("a day later: %s", got.State)
	}
}

// TestIdentityWall is the role's wall alone: neither the service's own role nor
// that of the identities, without an approval, reads one.
func TestIdentityWall(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.submit(func(r *tipoff.SubmitTip) { r.Identity = &tipoff.Identity{Name: "王小明"} })
	try := func(sql ...string) (n int, err error) {
		ctx := pg.Worker(t.Context(), "test")
		return pg.InTx(ctx, b.DB, func(tx pgx.Tx) (n int, err error) {
			for _, q := range sql {
				if _, err := tx.Exec(ctx, q); err != nil {
					return 0, err
				}
			}
			return n, tx.QueryRow(ctx, `SELECT count(*) FROM identities`).Scan(&n)
		})
	}
	if _, err := try(); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("the service's role: %v, want permission denied", err)
	}
	if n, err := try(`SELECT set_config('role', session_user || '_identity', true)`); err != nil || n != 0 {
		t.Errorf("the identities' role without an approval: %d rows, %v", n, err)
	}
	for _, sql := range []string{`DELETE FROM identities`, `UPDATE identities SET sealed = ''`} {
		if _, err := try(sql); err == nil {
			t.Errorf("the service's role may %s", sql)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, id := b.submit()
	tie := func(change func(*tipoff.TieTip)) error {
		req := tipoff.TieTip{Key: b.key(), ID: id, Category: tipoff.Prepaid, Summary: "一次性收取一年学费", Subject: tipoff.Subject{SubjectKind: tipoff.Institution, Institution: institution}}
		change(&req)
		_, err := b.TieTip(b.as("intake"), req)
		return err
	}
	want(t, tie(func(r *tipoff.TieTip) { r.Summary = "举报人电话13912345678" }), fault.Invalid)
	want(t, tie(func(r *tipoff.TieTip) { r.Summary = "举报人身份证 32050319900307123X" }), fault.Invalid)
	want(t, tie(func(r *tipoff.TieTip) { r.Category = tipoff.Elsewhere }), fault.Invalid)
	want(t, tie(func(r *tipoff.TieTip) { r.Institution = "nobody" }), fault.Invalid)
	want(t, tie(func(r *tipoff.TieTip) { r.Subject = tipoff.Subject{SubjectKind: tipoff.Place} }), fault.Invalid)
	submit := func(change func(*tipoff.SubmitTip)) error {
		req := b.submission()
		change(&req)
		_, err := b.SubmitTip(t.Context(), req)
		return err
	}
	want(t, submit(func(r *tipoff.SubmitTip) { r.Subject = tipoff.Subject{SubjectKind: tipoff.Institution} }), fault.Invalid)
	want(t, submit(func(r *tipoff.SubmitTip) { r.HappenedOn = new(day.MustParse("2026-03-03")) }), fault.Invalid)
	want(t, submit(func(r *tipoff.SubmitTip) { r.Institution, r.InstitutionName, r.Jurisdiction = "", "x学校", "999999" }), fault.Invalid)
	r, _ := b.submit(func(r *tipoff.SubmitTip) { r.Text = "我的电话是13912345678，请联系我" })
	if len(r.Warnings) != 1 {
		t.Errorf("warnings %v, want one of the phone", r.Warnings)
	}
	b.ok(b.RejectTip(b.as("intake"), tipoff.RejectTip{Key: b.key(), ID: id, Reason: "属物业纠纷，请向住建部门反映"}))
	if _, err := b.SupplementTip(t.Context(), tipoff.SupplementTip{TrackTip: tipoff.TrackTip{Number: r.Number, Code: r.Code}, Text: "补充"}); !errors.Is(err, fault.Conflict) {
		t.Errorf("an answer to no question: %v", err)
	}
}

func TestFlow(t *testing.T) {
	if err := tipoff.Tips.Check(); err != nil {
		t.Error(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), tipoff.Tips.Mermaid()) {
		t.Errorf("README.md lacks the diagram:\n%s", tipoff.Tips.Mermaid())
	}
}

// TestProjection takes an institution's first event in any form, and again.
func TestProjection(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for range 2 {
		b.hear(&licensingv1.LicenceRevoked{Institution: &licensingv1.Institution{Id: "other", Name: "枫桥舞蹈中心", Jurisdiction: "320508", Status: "REVOKED"}})
	}
	_, id := b.submit(func(r *tipoff.SubmitTip) { r.Institution, r.InstitutionName = "", "枫桥舞蹈中心（总店）" })
	f, err := b.FindTip(b.as("intake"), tipoff.FindTip{ID: id})
	if err != nil || len(f.Intake.Candidates) != 1 || f.Intake.Candidates[0].Status != "REVOKED" {
		t.Errorf("candidates %+v, %v", f.Intake, err)
	}
	if err := b.apply(&licensingv1.LicenceChanged{Institution: &licensingv1.Institution{}}); err == nil {
		t.Error("an institution without an id was learnt")
	}
}

func TestRepublish(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, id := b.submit()
	b.submit()
	b.tie(id)
	b.dispatch(id, "education")
	done, err := b.Republish(b.as("city"), tipoff.Republish{Key: b.key()})
	if err != nil || done.Published != 1 || done.Next != "" {
		t.Errorf("%+v, %v; want the one that is owned", done, err)
	}
	if got := strings.Join(b.types(), " "); got != "TipReceived TipDispatched TipDispatched" {
		t.Errorf("events: %s", got)
	}
}
