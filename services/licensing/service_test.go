package licensing_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/due"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/pg/pgtest"
	"xunguan/pkg/rule/ruletest"
	"xunguan/services/licensing"
)

// A world is licensing on a fresh database with the shipped rules, and a clock
// that tests move. It begins on Monday 2026-03-02.
type world struct {
	*licensing.Service
	t    *testing.T
	now  atomic.Pointer[time.Time]
	keys atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	db := pgtest.New(t, licensing.Migrations())
	ruletest.Load(t, db)
	w.Service = &licensing.Service{DB: db, Now: func() time.Time { return *w.now.Load() }}
	w.on("2026-03-02")
	return w
}

// on moves the clock to ten in the morning of a day.
func (w *world) on(date string) {
	now := day.MustParse(date).Start().Add(10 * time.Hour)
	w.now.Store(&now)
}

func (w *world) after(d day.Date) { w.on(d.AddDays(1).String()) }

func (w *world) key() once.Key {
	return once.Key{IdempotencyKey: fmt.Sprintf("key-%08d", w.keys.Add(1))}
}

func (w *world) as(name string) context.Context {
	c, ok := callers[name]
	if !ok {
		w.t.Fatalf("nobody is called %s", name)
	}
	return auth.With(context.Background(), c)
}

// must returns v, or fails the test.
func must[T any](v T, err error) T {
	if err != nil {
		panic(words(err) + ": " + err.Error())
	}
	return v
}

// The steps of the story, each by its persona.

func (w *world) submit(f licensing.Facts) licensing.Application {
	return must(w.SubmitApplication(w.as("principal"), licensing.SubmitApplication{Key: w.key(), Jurisdiction: "320508", Facts: f}))
}

func (w *world) accept(id string) (licensing.Application, error) {
	return w.AcceptApplication(w.as("examiner"), licensing.AcceptApplication{Key: w.key(), ID: id})
}

func (w *world) opine(by, id, opinion string) (licensing.Application, error) {
	return w.GiveOpinion(w.as(by), licensing.GiveOpinion{Key: w.key(), ID: id, Opinion: opinion, Text: "依据设置标准"})
}

func (w *world) check(by, id string, passed bool, area float64) (licensing.Application, error) {
	return w.SignSiteCheck(w.as(by), licensing.SignSiteCheck{Key: w.key(), ID: id, Passed: passed, AreaM2: area, Certificate: "示例 0001", Note: "见笔录"})
}

func (w *world) notice(id string) (licensing.Application, error) {
	return w.StartNotice(w.as("examiner"), licensing.StartNotice{Key: w.key(), ID: id})
}

func (w *world) decide(id, decision string) (licensing.Application, error) {
	return w.DecideApplication(w.as("examiner"), licensing.DecideApplication{Key: w.key(), ID: id, Decision: decision, Reason: "依法决定"})
}

// accepted is an application that was accepted today.
func (w *world) accepted() licensing.Application { return must(w.accept(w.submit(facts()).ID)) }

// ready is one with the opinion and both officers' checks.
func (w *world) ready() licensing.Application {
	a := w.accepted()
	must(w.opine("culture", a.ID, "agree"))
	must(w.check("examiner", a.ID, true, 180))
	return must(w.check("examiner2", a.ID, true, 180))
}

// announced is one whose public notice is over as of today.
func (w *world) announced() licensing.Application {
	a := must(w.notice(w.ready().ID))
	w.after(a.NoticeUntil)
	return a
}

// granted is an application with its licence.
func (w *world) granted() licensing.Application {
	return must(w.decide(w.announced().ID, "grant"))
}

func (w *world) register(by, id, uscc string) (licensing.Institution, error) {
	return w.RegisterLegalPerson(w.as(by), licensing.RegisterLegalPerson{Key: w.key(), ID: id, USCC: uscc, RegisteredOn: day.Of(w.Now())})
}

// registered is an institution that is a legal person.
func (w *world) registered() licensing.Institution {
	return must(w.register("market", w.granted().InstitutionID, licensing.SealUSCC("91320508MA000001")))
}

func (w *world) propose(by, id string, list licensing.List) (licensing.ListEntry, error) {
	return w.ProposeListEntry(w.as(by), licensing.ProposeListEntry{Key: w.key(), Institution: id, List: list, Facts: "检查结果见卷宗"})
}

func (w *world) settle(by, id, decision string) (licensing.ListEntry, error) {
	return w.DecideListEntry(w.as(by), licensing.DecideListEntry{Key: w.key(), ID: id, Decision: decision, Reason: "依法决定"})
}

func (w *world) publish(by, id string) (licensing.ListEntry, error) {
	return w.PublishListEntry(w.as(by), licensing.PublishListEntry{Key: w.key(), ID: id})
}

// listed is an entry in force.
func (w *world) listed(id string, list licensing.List) licensing.ListEntry {
	e := must(w.propose("examiner", id, list))
	if list == licensing.Black {
		w.after(e.StatementUntil)
	}
	must(w.settle("examiner2", e.ID, "approve"))
	return must(w.publish("examiner", e.ID))
}

// tick applies what is due, and says how much that was.
func (w *world) tick() int {
	c := due.Clockwork{DB: w.DB, Now: w.Now, Timers: w.Timers()}
	return must(c.Settle(context.Background()))
}

// problem is err as a person gets it.
func problem(err error) (p fault.Problem) {
	rec := httptest.NewRecorder()
	fault.WriteHTTP(context.Background(), err, rec)
	_ = json.Unmarshal(rec.Body.Bytes(), &p)
	return p
}

// wants fails unless err is of kind and its words have all of say.
func wants(t *testing.T, what string, err, kind error, say ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: %v, want %v", what, err, kind)
	}
	for _, s := range say {
		if !strings.Contains(words(err), s) {
			t.Errorf("%s: %s\nwant it to say %s", what, words(err), s)
		}
	}
}

// sees counts rows of table by the plainest SQL, as ctx's caller: what row-level
// security alone lets through.
func (w *world) sees(ctx context.Context, table string) int {
	return must(pg.InTx(ctx, w.DB, func(tx pgx.Tx) (n int, err error) {
		return n, tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n)
	}))
}

// all is sees of who sees everything.
func (w *world) all(table string) int { return w.sees(pg.Worker(context.Background(), "test"), table) }

// A fact is an event in the outbox.
type eventRow struct {
	key, kind string
	m         proto.Message
}

// events is the outbox, first to last.
func (w *world) events() []eventRow {
	return must(pg.InTx(pg.Worker(context.Background(), "test"), w.DB, func(tx pgx.Tx) ([]eventRow, error) {
		rows, err := tx.Query(context.Background(), `SELECT topic, key, type, data FROM outbox ORDER BY id`)
		if err != nil {
			return nil, err
		}
		var all []eventRow
		var topic, key, kind string
		var data []byte
		_, err = pgx.ForEachRow(rows, []any{&topic, &key, &kind, &data}, func() error {
			t, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(kind))
			if err != nil || topic != licensing.Topic {
				return fmt.Errorf("%s on %s: %w", kind, topic, err)
			}
			m := t.New().Interface()
			all = append(all, eventRow{key, kind[strings.LastIndex(kind, ".")+1:], m})
			return proto.Unmarshal(data, m)
		})
		return all, err
	}))
}

func (e eventRow) String() string { return e.kind + " " + protojson.Format(e.m) }

// kinds is the kinds of events after the first n, in order.
func kinds(all []eventRow, n int) string {
	var names []string
	for _, e := range all[n:] {
		names = append(names, e.kind)
	}
	return strings.Join(names, " ")
}
