package escrow

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/auth"
	"xunguan/pkg/due"
	"xunguan/pkg/event"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/pg/pgtest"
	"xunguan/pkg/rule/ruletest"
	licensingv1 "xunguan/proto/licensing/v1"
)

// house is escrow on a fresh database with the seeded rules, at a legal time that
// a test moves. It knows four institutions of principal: art (non_subject) and
// maths (subject) with an account, bare without one, and shut, whose licence is
// suspended; and one of principal2, other, in another district.
type house struct {
	*Service
	t     testing.TB
	clock atomic.Pointer[time.Time]
	keys  atomic.Int64
}

func newHouse(t testing.TB, today string) *house {
	t.Helper()
	h := &house{t: t}
	h.Service = &Service{DB: pgtest.New(t, Migrations()), Now: func() time.Time { return *h.clock.Load() }}
	h.at(today)
	ruletest.Load(t, h.DB)
	for _, i := range []*licensingv1.Institution{
		{Id: "art", Name: "姑苏美术培训中心", Kind: "non_subject", Category: "culture_arts", Item: "美术"},
		{Id: "maths", Name: "姑苏数学培训中心", Kind: "subject", Category: "academic", Item: "数学"},
		{Id: "bare", Name: "姑苏书法培训中心", Kind: "non_subject", Category: "culture_arts", Item: "书法"},
		{Id: "shut", Name: "姑苏舞蹈培训中心", Kind: "non_subject", Category: "culture_arts", Item: "舞蹈", Status: "SUSPENDED"},
		{Id: "other", Name: "吴中美术培训中心", Kind: "non_subject", Category: "culture_arts", Item: "美术", Jurisdiction: "320506", Manager: "principal2"},
	} {
		h.learned(i)
	}
	for _, i := range []string{"art", "maths"} {
		h.account("principal", i)
	}
	h.account("principal2", "other")
	return h
}

// learned applies what licensing says of i; what i leaves open is filled in.
func (h *house) learned(i *licensingv1.Institution) {
	h.t.Helper()
	for field, value := range map[*string]string{&i.Status: "ACTIVE", &i.Jurisdiction: "320508", &i.Manager: "principal", &i.ValidUntil: "2028-12-31"} {
		if *field == "" {
			*field = value
		}
	}
	h.apply(&licensingv1.LicenceIssued{Institution: i})
}

func (h *house) at(date string) { now := d(date).Start().Add(9 * time.Hour); h.clock.Store(&now) }

// as is a call by a persona of the trial.
func (h *house) as(name string) context.Context { return auth.With(h.t.Context(), persona(name)) }

func persona(name string) auth.Caller {
	c := auth.Caller{Subject: name}
	switch role := strings.TrimRight(name, "0123456789"); role {
	case "neighbour":
		c.Roles, c.Agency, c.Jurisdiction = []string{"examiner"}, "education", "320506"
	case "examiner":
		c.Roles, c.Agency, c.Jurisdiction = []string{role}, "education", "320508"
	case "city":
		c.Roles, c.Agency, c.Jurisdiction = []string{role}, "education", "320500"
	case "market", "culture", "fire", "intake":
		c.Roles, c.Agency, c.Jurisdiction = []string{role}, role, "320508"
	default:
		c.Roles = []string{role}
	}
	return c
}

// key is a fresh Idempotency-Key.
func (h *house) key() once.Key {
	return once.Key{IdempotencyKey: fmt.Sprintf("key-%05d", h.keys.Add(1))}
}

func (h *house) account(by, institution string) AccountView {
	h.t.Helper()
	return must(h.ReportAccount(h.as(by), ReportAccount{
		Key: h.key(), Institution: institution, Mode: "custody", Bank: "苏州银行", AccountTail: "1234", AgreementNo: "协-" + institution, OpenedOn: h.today(),
	}))(h.t)
}

// must fails the test that is passed on if there is an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// terms are clean: 48 lessons over 75 days from today for 4,800 yuan.
func (h *house) terms(change ...func(*Terms)) Terms {
	t := Terms{
		Institution: "art", Parent: "parent", Pupil: "小满", Course: "素描", Billing: "lesson", Lessons: 48,
		FirstLesson: h.today(), LastLesson: h.today().AddDays(75), PriceFen: 480000,
	}
	for _, f := range change {
		f(&t)
	}
	return t
}

func (h *house) offer(t Terms) string {
	h.t.Helper()
	by := "principal"
	if t.Institution == "other" {
		by = "principal2"
	}
	return must(h.OfferContract(h.as(by), OfferContract{h.key(), t}))(h.t).ID
}

func (h *house) sign(t Terms) ContractView {
	h.t.Helper()
	id := h.offer(t)
	return must(h.SignContract(h.as(t.Parent), SignContract{h.key(), id}))(h.t)
}

// paid is a contract on t that was signed and paid.
func (h *house) paid(t Terms) ContractView {
	h.t.Helper()
	id := h.sign(t).ID
	return must(h.PayContract(h.as(t.Parent), PayContract{h.key(), id, t.PriceFen, "REF-" + id}))(h.t)
}

func (h *house) taught(id string, n int) LessonView {
	h.t.Helper()
	return must(h.TeachLesson(h.as("principal"), TeachLesson{Key: h.key(), LessonOf: LessonOf{id, n}}))(h.t)
}

func (h *house) confirmed(id string, n int) LessonView {
	h.t.Helper()
	return must(h.ConfirmLesson(h.as("parent"), ConfirmLesson{h.key(), LessonOf{id, n}}))(h.t)
}

// refunded asks for a refund of n lessons, or of all for 0, and agrees to it.
func (h *house) refunded(id string, n int) RefundView {
	h.t.Helper()
	r := must(h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: id, Lessons: n, Whole: n == 0, Reason: "搬家"}))(h.t)
	return must(h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), r.ID}))(h.t)
}

// requested is a refund, asked for, of a whole contract on t.
func (h *house) requested(t Terms) RefundView {
	h.t.Helper()
	id := h.paid(t).ID
	return must(h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: id, Whole: true, Reason: "搬家"}))(h.t)
}

// inMediation is the id of such a refund, refused and before mediation.
func (h *house) inMediation(t Terms) string {
	h.t.Helper()
	id := h.requested(t).ID
	must(h.RejectRefund(h.as("principal"), RejectRefund{h.key(), id, "已排课"}))(h.t)
	return must(h.MediateRefund(h.as("parent"), MediateRefund{h.key(), id}))(h.t).ID
}

// returned has a payback sent back by the bank.
func (h *house) returned(payback string) RefundView {
	h.t.Helper()
	return must(h.ReturnPayback(h.as("examiner"), ReturnPayback{h.key(), payback, "账户已注销"}))(h.t)
}

func (h *house) refund(by, id string) RefundView {
	h.t.Helper()
	return must(h.FindRefund(h.as(by), FindRefund{id}))(h.t)
}

func (h *house) contract(by, id string) ContractView {
	h.t.Helper()
	return must(h.FindContract(h.as(by), FindContract{id}))(h.t)
}

// settle applies all that is due, but for the daily scores. The daily look at what may
// be a split is not counted: every payment has one.
func (h *house) settle() int {
	h.t.Helper()
	timers := slices.DeleteFunc(h.Timers(), func(t due.Timer) bool { return t.Name == watchTimer || t.Name == splitTimer })
	n := must((&due.Clockwork{DB: h.DB, Now: h.Now, Timers: timers}).Settle(h.t.Context()))(h.t)
	must((&due.Clockwork{DB: h.DB, Now: h.Now, Timers: []due.Timer{h.timer(splitTimer)}}).Settle(h.t.Context()))(h.t)
	return n
}

// work runs f as a worker, which sees every row.
func (h *house) work(f func(pgx.Tx) error) {
	h.t.Helper()
	_, err := pg.InTx(pg.Worker(h.t.Context(), "test"), h.DB, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, f(tx) })
	if err != nil {
		h.t.Fatal(err)
	}
}

// count is the value of a query, seen by a worker.
func (h *house) count(sql string, args ...any) (n int64) {
	h.t.Helper()
	h.work(func(tx pgx.Tx) error { return tx.QueryRow(h.t.Context(), sql, args...).Scan(&n) })
	return n
}

// facts is how many events of a type are in the outbox.
func (h *house) facts(name string) int64 {
	h.t.Helper()
	return h.count(`SELECT count(*) FROM outbox WHERE type = $1`, "escrow.v1."+name)
}

// apply applies an event of licensing as the consumer does.
func (h *house) apply(e protoMessage) {
	h.t.Helper()
	m := event.Mux{}
	h.Events(m)
	h.work(func(tx pgx.Tx) error { return m.Handle(h.t.Context(), tx, messageOf(h.t, e)) })
}

type protoMessage = proto.Message

func messageOf(t testing.TB, e proto.Message) event.Message {
	t.Helper()
	return event.Message{Type: string(e.ProtoReflect().Descriptor().FullName()), Data: must(proto.Marshal(e))(t)}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	return string(must(json.Marshal(v))(t))
}

func inTx(ctx context.Context, h *house, f func(pgx.Tx) error) (struct{}, error) {
	return pg.InTx(ctx, h.DB, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, f(tx) })
}

// try runs sql as a worker and returns its error.
func (h *house) try(sql string) error {
	ctx := pg.Worker(h.t.Context(), "test")
	_, err := inTx(ctx, h, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, sql); return err })
	return err
}
