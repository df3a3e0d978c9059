package inspection

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"xunguan/pkg/attach"
	"xunguan/pkg/attach/attachtest"
	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/pg/pgtest"
	"xunguan/pkg/rule/ruletest"
	licensingv1 "xunguan/proto/licensing/v1"
	tipoffv1 "xunguan/proto/tipoff/v1"
)

// The callers of the tests.
var (
	examiner  = auth.Caller{Subject: "examiner", Roles: []string{"examiner"}, Agency: "education", Jurisdiction: "320508"}
	examiner2 = auth.Caller{Subject: "examiner2", Roles: []string{"examiner"}, Agency: "education", Jurisdiction: "320508"}
	market    = auth.Caller{Subject: "market", Roles: []string{"market"}, Agency: "market", Jurisdiction: "320508"}
	market2   = auth.Caller{Subject: "market2", Roles: []string{"market"}, Agency: "market", Jurisdiction: "320508"}
	fire      = auth.Caller{Subject: "fire", Roles: []string{"fire"}, Agency: "fire", Jurisdiction: "320508"}
	culture   = auth.Caller{Subject: "culture", Roles: []string{"culture"}, Agency: "culture", Jurisdiction: "320508"}
	city      = auth.Caller{Subject: "city", Roles: []string{"city"}, Agency: "education", Jurisdiction: "320500"}
	neighbour = auth.Caller{Subject: "neighbour", Roles: []string{"examiner"}, Agency: "education", Jurisdiction: "320506"}
	principal = auth.Caller{Subject: "principal", Roles: []string{"principal"}}
	stranger  = auth.Caller{Subject: "principal2", Roles: []string{"principal"}}
)

// bench is a service on a database of its own, with rules, two institutions,
// three tip-offs and officers; its day is Wednesday 2026-03-04.
type bench struct {
	*Service
	t   testing.TB
	now atomic.Pointer[time.Time]
	mux event.Mux
	n   atomic.Int64

	store *attachtest.Service
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := newBare(t)
	b.officers()
	return b
}

// newBare is a bench without officers.
func newBare(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, mux: event.Mux{}}
	b.on("2026-03-04")
	db := pgtest.New(t, Migrations())
	ruletest.Load(t, db)
	b.Service = &Service{DB: db, Now: func() time.Time { return *b.now.Load() }}
	b.Photos = &attach.Box{DB: db, Now: b.Now}
	b.store, b.Photos.Objects = attachtest.New(t)
	b.On(b.mux)
	b.hear(institutionPB("i1", "观前美术示例", "principal", "320508"), institutionPB("i2", "平江音乐示例", "principal2", "320508"), institutionPB("i9", "吴中球类示例", "principal2", "320506"))
	b.hear(tipPB("t1", "INSTITUTION", "i1", "education"), tipPB("t2", "INSTITUTION", "i1", "education"), tipPB("t3", "INSTITUTION", "i2", "education"),
		tipPB("p1", "PLACE", "", "education"), tipPB("m1", "INSTITUTION", "i1", "market"))
	return b
}

func (b *bench) on(d string) {
	at := day.MustParse(d).Start().Add(10 * time.Hour)
	b.now.Store(&at)
}

func institutionPB(id, name, manager, jurisdiction string) proto.Message {
	return &licensingv1.LicenceIssued{Institution: &licensingv1.Institution{
		Id: id, Name: name, Jurisdiction: jurisdiction, Address: "姑苏区观前街128号", Category: "culture_arts", Item: "美术", Status: "ACTIVE", Manager: manager,
	}}
}

func tipPB(id, kind, institution, owner string) proto.Message {
	return &tipoffv1.TipDispatched{Tip: &tipoffv1.Tip{
		Id: id, Number: "JB-" + id, Jurisdiction: "320508", State: "DISPATCHED", Category: "超期预收费", Summary: "一次收取六个月费用", SubjectKind: kind,
		InstitutionId: institution, PlaceName: "李老师作文 13812345678", PlaceAddress: "姑苏区十梓街58号2楼", Owner: owner, ReceivedOn: "2026-03-02", Due: "2026-03-11",
	}}
}

// officers fills the library: two of each office, one whose certificate ran out,
// one who keeps away from i1, one for some items only.
func (b *bench) officers() {
	base := day.MustParse("2026-03-04")
	all := seedOfficers(base, nil)
	more := func(id string, a Agency, change func(*Officer)) {
		o := Officer{
			ID: id, Agency: a, Jurisdiction: "320508", Office: Office(a, "320508"), Certificate: "T-" + id, ValidUntil: base.AddMonths(24),
			Scope: []string{}, Conflicts: []Avoidance{}, Active: true, UpdatedBy: "test", UpdatedOn: base,
		}
		change(&o)
		all = append(all, o)
	}
	more("market-expired", Market, func(o *Officer) { o.ValidUntil = base.AddDays(-1) })
	more("market-conflict", Market, func(o *Officer) { o.Conflicts = []Avoidance{{"i1", Relative}} })
	more("market-scope", Market, func(o *Officer) { o.Scope = []string{"MK-01"} })
	_, err := pg.InTx(pg.Worker(b.t.Context(), "test"), b.DB, func(tx pgx.Tx) (struct{}, error) {
		for _, o := range all {
			if err := addOfficer(b.t.Context(), tx, o); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) as(c auth.Caller) context.Context { return auth.With(b.t.Context(), c) }

func (b *bench) key() once.Key {
	return once.Key{IdempotencyKey: fmt.Sprintf("test-key-%06d", b.n.Add(1))}
}

// must calls use and fails the test if it fails.
func must[Req, Resp any](b *bench, c auth.Caller, use func(context.Context, Req) (Resp, error), req Req) Resp {
	b.t.Helper()
	resp, err := use(b.as(c), req)
	if err != nil {
		b.t.Fatalf("%T by %s: %v", req, c.Subject, err)
	}
	return resp
}

// refused calls use, which must fail with kind and say so.
func refused[Req, Resp any](b *bench, c auth.Caller, use func(context.Context, Req) (Resp, error), req Req, kind fault.Kind, says string) {
	b.t.Helper()
	before := b.count()
	_, err := use(b.as(c), req)
	if err == nil || fault.KindOf(err) != kind || !strings.Contains(err.Error(), says) {
		b.t.Errorf("%T by %s: %v, want %s that says %q", req, c.Subject, err, kind, says)
	}
	if after := b.count(); after != before {
		b.t.Errorf("%T by %s was refused but left something: %s, then %s", req, c.Subject, before, after)
	}
}

// count is how many rows there are of what a use case writes.
func (b *bench) count() string {
	b.t.Helper()
	s, err := pg.InTx(pg.Worker(b.t.Context(), "test"), b.DB, func(tx pgx.Tx) (s string, err error) {
		err = tx.QueryRow(b.t.Context(), `SELECT concat_ws(' ', (SELECT count(*) FROM timeline), (SELECT count(*) FROM outbox), (SELECT count(*) FROM tasks),
			(SELECT count(*) FROM visits), (SELECT count(*) FROM findings), (SELECT count(*) FROM rectifications), (SELECT count(*) FROM draws), (SELECT count(*) FROM once))`).Scan(&s)
		return s, err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// hear applies events as the consumer does, in one transaction each.
func (b *bench) hear(events ...proto.Message) {
	b.t.Helper()
	for _, e := range events {
		if err := b.handle(e, func(tx pgx.Tx) pgx.Tx { return tx }); err != nil {
			b.t.Fatalf("%T: %v", e, err)
		}
	}
}

func (b *bench) handle(e proto.Message, through func(pgx.Tx) pgx.Tx) error {
	data, err := proto.Marshal(e)
	if err != nil {
		return err
	}
	ctx := pg.Worker(b.t.Context(), "test")
	msg := event.Message{Type: string(e.ProtoReflect().Descriptor().FullName()), Data: data}
	_, err = pg.InTx(ctx, b.DB, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, b.mux.Handle(ctx, through(tx), msg) })
	return err
}

// sent decodes everything in the outbox: what cannot be decoded fails the test.
func (b *bench) sent() []proto.Message {
	b.t.Helper()
	rows, err := b.DB.Query(b.t.Context(), `SELECT type, data FROM outbox ORDER BY id`)
	if err != nil {
		b.t.Fatal(err)
	}
	var all []proto.Message
	var name string
	var data []byte
	_, err = pgx.ForEachRow(rows, []any{&name, &data}, func() error {
		kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
		if err != nil {
			return err
		}
		m := kind.New().Interface()
		all = append(all, m)
		return proto.Unmarshal(data, m)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// sentOf is the events of one type.
func sentOf[E proto.Message](b *bench) []E {
	b.t.Helper()
	var all []E
	for _, m := range b.sent() {
		if e, ok := m.(E); ok {
			all = append(all, e)
		}
	}
	return all
}

var joint3 = []Agency{Education, Fire, Market}

func (b *bench) plan(tips ...string) TaskView {
	b.t.Helper()
	return must(b, examiner, b.PlanTask, PlanTask{Key: b.key(), Kind: Joint, Title: "超期预收费联合检查", Agencies: joint3, Tips: tips, VisitOn: b.today()})
}

var officeOf = map[Agency][]auth.Caller{Education: {examiner, examiner2}, Market: {market, market2}, Fire: {fire}}

// sign fills and signs an agency's part; problem says what it found.
func (b *bench) sign(visit string, a Agency, problem bool) VisitView {
	b.t.Helper()
	item := map[Agency]string{Education: "ED-08", Market: "MK-02", Fire: "FI-01"}[a]
	by := officeOf[a]
	must(b, by[0], b.RecordFinding, RecordFinding{Key: b.key(), ID: visit, Agency: a, Item: item, Problem: problem, Detail: "现场核查"})
	ids := []string{}
	for _, c := range by {
		ids = append(ids, c.Subject)
	}
	return must(b, by[0], b.SignPart, SignPart{Key: b.key(), ID: visit, Agency: a, Officers: ids})
}

// visited is a task about t1 and t2 whose visit is complete, with a problem found
// by each of problems.
func (b *bench) visited(problems ...Agency) (TaskView, VisitView) {
	b.t.Helper()
	t := b.plan("t1", "t2")
	v := must(b, examiner, b.OpenVisit, OpenVisit{Key: b.key(), ID: t.ID})
	for _, a := range joint3 {
		b.sign(v.ID, a, slices.Contains(problems, a))
	}
	v = must(b, principal, b.SignVisit, SignVisit{Key: b.key(), ID: v.ID})
	return must(b, examiner, b.GetTask, GetTask{t.ID}), v
}

// unrectified is a task whose re-inspection failed.
func (b *bench) failed() (TaskView, RectificationView) {
	b.t.Helper()
	_, v := b.visited(Market)
	r := must(b, market, b.OrderRectification, OrderRectification{Key: b.key(), ID: v.ID, Demand: "撤下违规广告"})
	must(b, principal, b.SubmitRectification, SubmitRectification{Key: b.key(), ID: r.ID, Text: "已经撤下广告"})
	r = must(b, market2, b.VerifyRectification, VerifyRectification{Key: b.key(), ID: r.ID, Officers: []string{"market2", "fire"}, Verdict: "未撤"})
	return must(b, examiner, b.GetTask, GetTask{v.TaskID}), r
}

// race runs f in 20 goroutines and returns how many succeeded, and the kinds of the rest.
func race(f func(i int) error) (ok int, kinds map[fault.Kind]int) {
	const n = 20
	errs := make(chan error, n)
	start := make(chan struct{})
	for i := range n {
		go func() { <-start; errs <- f(i) }()
	}
	close(start)
	kinds = map[fault.Kind]int{}
	for range n {
		if err := <-errs; err == nil {
			ok++
		} else {
			kinds[fault.KindOf(err)]++
		}
	}
	return ok, kinds
}

func mergedPB(id, into string) proto.Message {
	d := tipPB(id, "INSTITUTION", "i1", "education").(*tipoffv1.TipDispatched) // made above
	return &tipoffv1.TipMerged{Tip: d.GetTip(), Into: into}
}

// textOf is all that a message says.
func textOf(m proto.Message) string { return fmt.Sprint(m) }

func textOf2(v any) string { return fmt.Sprintf("%+v", v) }

// proposedPB is a black list entry of an institution that a follow-up wanted, at a state.
func proposedPB(id, institution, wantedBy, state string) proto.Message {
	e := &licensingv1.ListEntry{Id: id, InstitutionId: institution, Jurisdiction: "320508", List: "BLACK", State: state, WantedBy: wantedBy}
	i := institutionPB(institution, "观前美术示例", "principal", "320508").(*licensingv1.LicenceIssued).GetInstitution() // made above
	switch state {
	case "PROPOSED":
		return &licensingv1.ListEntryProposed{Entry: e}
	case "APPROVED", "REFUSED":
		return &licensingv1.ListEntryDecided{Entry: e}
	case "PUBLISHED":
		i.List = e
		return &licensingv1.ListEntryPublished{Entry: e, Institution: i}
	case "SET_ASIDE":
		e.State, e.SetAside = "REMOVED", true
	}
	return &licensingv1.ListEntryRemoved{Entry: e, Institution: i}
}
