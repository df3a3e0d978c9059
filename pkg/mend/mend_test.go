package mend_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/event"
	"xunguan/pkg/event/eventtest"
	"xunguan/pkg/fault"
	"xunguan/pkg/mend"
	"xunguan/pkg/once"
	"xunguan/pkg/pg/pgtest"
)

const topic = "school.events"

// house is a desk whose consumer cannot apply what is in sick.
type house struct {
	*mend.Desk
	t *testing.T

	mu   sync.Mutex
	sick map[string]bool
}

func newHouse(t *testing.T) *house {
	t.Helper()
	db := pgtest.New(t, fstest.MapFS{"0001_handled.sql": {Data: []byte(`-- +goose Up
		CREATE TABLE handled (n bigint GENERATED ALWAYS AS IDENTITY, value text);
		ALTER TABLE handled ENABLE ROW LEVEL SECURITY; ALTER TABLE handled FORCE ROW LEVEL SECURITY;
		CREATE POLICY scope ON handled USING (in_scope('320508', ARRAY['education'], ARRAY[]::text[]));`)}})
	h := &house{t: t, sick: map[string]bool{}}
	log := slog.New(slog.DiscardHandler)
	c := &event.Consumer{Name: "school", DB: db, Log: log, Handle: h.handle}
	h.Desk = &mend.Desk{DB: db, Consumer: c, Log: log}
	return h
}

func (h *house) handle(ctx context.Context, tx pgx.Tx, m event.Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sick[string(m.Data)] {
		return errors.New(`no pupil "王小明" with phone 13912345678`)
	}
	_, err := tx.Exec(ctx, `INSERT INTO handled (value) VALUES ($1)`, string(m.Data))
	return err
}

func (h *house) heal(values ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range values {
		delete(h.sick, v)
	}
}

// came has the consumer read the events of key a with these versions, in this order.
func (h *house) came(versions ...int64) {
	h.t.Helper()
	var all []event.Message
	for _, v := range versions {
		all = append(all, event.Message{ID: fmt.Sprint("id-", v), Topic: topic, Key: "a", Type: "school.v1.E", Version: v, Data: fmt.Appendf(nil, "e%d", v)})
	}
	eventtest.Play(h.t, h.Consumer, all...)
}

func (h *house) handled() (all string) {
	h.t.Helper()
	err := pgx.BeginFunc(h.t.Context(), h.DB, func(tx pgx.Tx) error {
		_, err := tx.Exec(h.t.Context(), `SELECT set_config('app.scope', 'worker', true)`)
		if err != nil {
			return err
		}
		return tx.QueryRow(h.t.Context(), `SELECT coalesce(string_agg(value, ' ' ORDER BY n), '') FROM handled`).Scan(&all)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

func (h *house) board() mend.Board {
	h.t.Helper()
	b, err := h.ShowBoard(h.t.Context(), struct{}{})
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// as is a context of operator name.
func (h *house) as(name string) context.Context {
	return auth.With(h.t.Context(), auth.Caller{Subject: name, Roles: []string{mend.Operator}, Agency: "operations", Jurisdiction: "320500"})
}

var keys int

func key() once.Key { keys++; return once.Key{IdempotencyKey: fmt.Sprintf("key-%08d", keys)} }

func (h *house) ask(deed mend.Deed, event string) (mend.Mending, error) {
	return h.AskRelease(h.as("operator"), mend.AskRelease{Key: key(), Deed: deed, Topic: topic, Of: "a", Event: event, Reason: "已修复并发布新版本"})
}

func want(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: %v, want %s", what, err, kind)
	}
}

func TestRelease(t *testing.T) {
	h := newHouse(t)
	h.sick["e2"], h.sick["e4"] = true, true
	h.came(1, 2, 3, 4, 5)
	b := h.board()
	if len(b.Halted) != 1 || b.Halted[0].Count != 4 || b.Halted[0].Event != "id-2" || b.Halted[0].Last != 1 || h.handled() != "e1" {
		t.Fatalf("board %+v, handled %s", b, h.handled())
	}
	if why := b.Halted[0].Error; why != "no pupil … with phone …" {
		t.Errorf("the board says %s", why)
	}
	_, err := h.ask(mend.Release, "id-3")
	want(t, "asked for what is not the first", err, fault.Conflict)
	_, err = h.AskRelease(h.as("operator"), mend.AskRelease{Key: key(), Deed: mend.Release, Topic: topic, Of: "b", Event: "id-2", Reason: "已修复"})
	want(t, "asked for a key that is not halted", err, fault.NotFound)
	m, err := h.ask(mend.Release, "id-2")
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.ask(mend.Release, "id-2")
	want(t, "asked again", err, fault.Conflict)
	if h.handled() != "e1" {
		t.Error("asking alone released")
	}
	_, err = h.ApproveRelease(h.as("operator"), mend.ApproveRelease{Key: key(), ID: m.ID})
	want(t, "approved by who asked", err, fault.Forbidden)

	// e2 is mended, e4 is not: all or nothing.
	h.heal("e2")
	approve := mend.ApproveRelease{Key: key(), ID: m.ID}
	failed, err := h.ApproveRelease(h.as("operator2"), approve)
	if err != nil || failed.Result != mend.Failed || failed.Why != "no pupil … with phone …" || failed.Events != 0 {
		t.Errorf("a replay that fails again: %+v, %v", failed, err)
	}
	if b := h.board(); h.handled() != "e1" || b.Halted[0].Count != 4 || len(b.Waiting) != 0 || len(b.Ended) != 1 {
		t.Errorf("after a replay that failed: handled %s, board %+v", h.handled(), b)
	}
	_, err = h.ApproveRelease(h.as("operator2"), mend.ApproveRelease{Key: key(), ID: m.ID})
	want(t, "approved what has ended", err, fault.Conflict)

	h.heal("e4")
	if again, err := h.ApproveRelease(h.as("operator2"), approve); err != nil || again.Result != mend.Failed || h.handled() != "e1" {
		t.Errorf("the same call again: %+v, %v", again, err)
	}
	if m, err = h.ask(mend.Release, "id-2"); err != nil {
		t.Fatal(err)
	}
	done, err := h.ApproveRelease(h.as("operator2"), mend.ApproveRelease{Key: key(), ID: m.ID})
	if err != nil || done.Result != mend.Done || done.Events != 4 || done.AskedBy != "operator" || done.EndedBy != "operator2" {
		t.Errorf("released %+v, %v", done, err)
	}
	h.came(6)
	if h.handled() != "e1 e2 e3 e4 e5 e6" || len(h.board().Halted) != 0 {
		t.Errorf("after the release: %s, %+v", h.handled(), h.board().Halted)
	}
}

// TestDiscard: the event that halts the key is given up and kept in the audit; the
// next poison halts it again.
func TestDiscard(t *testing.T) {
	h := newHouse(t)
	h.sick["e1"], h.sick["e3"] = true, true
	h.came(1, 2, 3, 4)
	m, err := h.ask(mend.Discard, "id-1")
	if err != nil {
		t.Fatal(err)
	}
	done, err := h.ApproveRelease(h.as("operator2"), mend.ApproveRelease{Key: key(), ID: m.ID})
	if err != nil || done.Result != mend.Done || done.Events != 1 {
		t.Errorf("discarded %+v, %v", done, err)
	}
	b := h.board()
	if h.handled() != "e2" || len(b.Halted) != 1 || b.Halted[0].Event != "id-3" || b.Halted[0].Error == "" || b.Halted[0].Count != 2 {
		t.Errorf("handled %s, board %+v", h.handled(), b.Halted)
	}
	var data []byte
	if err := h.DB.QueryRow(t.Context(), `SELECT data FROM mended`).Scan(&data); err != nil || string(data) != "e1" {
		t.Errorf("the audit keeps %q, %v", data, err)
	}
}

// TestRefuse: what was asked for may be declined by another or taken back by who
// asked, and then not be approved.
func TestRefuse(t *testing.T) {
	h := newHouse(t)
	h.sick["e1"] = true
	h.came(1)
	for _, by := range []string{"operator", "operator2"} {
		m, err := h.ask(mend.Release, "id-1")
		if err != nil {
			t.Fatal(err)
		}
		refused, err := h.RefuseRelease(h.as(by), mend.RefuseRelease{Key: key(), ID: m.ID, Reason: "原因尚未查明"})
		if err != nil || refused.Result != mend.Refused || refused.Why != "原因尚未查明" {
			t.Errorf("refused by %s: %+v, %v", by, refused, err)
		}
		_, err = h.ApproveRelease(h.as("operator2"), mend.ApproveRelease{Key: key(), ID: m.ID})
		want(t, "approved what was refused", err, fault.Conflict)
	}
	if len(h.board().Halted) != 1 {
		t.Error("refusing released")
	}
}

// TestOnlyOnce: of twenty who approve at once one succeeds.
func TestOnlyOnce(t *testing.T) {
	h := newHouse(t)
	h.sick["e1"] = true
	h.came(1, 2)
	h.heal("e1")
	m, err := h.ask(mend.Release, "id-1")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	kinds := map[fault.Kind]int{}
	for i := range 20 {
		approve := mend.ApproveRelease{Key: key(), ID: m.ID}
		all.Go(func() {
			_, err := h.ApproveRelease(h.as(fmt.Sprint("operator", i+2)), approve)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				kinds["done"]++
			} else {
				kinds[fault.KindOf(err)]++
			}
		})
	}
	all.Wait()
	if kinds["done"] != 1 || kinds[fault.Conflict] != 19 || h.handled() != "e1 e2" {
		t.Errorf("%v, handled %s", kinds, h.handled())
	}
}

// TestResend: a gap, however it came, is healed by what the owner sends again.
func TestResend(t *testing.T) {
	h := newHouse(t)
	if _, err := h.DB.Exec(t.Context(), `INSERT INTO outbox (topic, key, version, type, data, pub, at) SELECT $1, k, v, 'school.v1.E', '', true, now() - v * interval '1 hour'
		FROM unnest(ARRAY['a', 'b']) k, generate_series(1, 3) v`, topic); err != nil {
		t.Fatal(err)
	}
	_, err := h.AskRelease(h.as("operator"), mend.AskRelease{Key: key(), Deed: mend.Resend, Topic: topic, Reason: "消息代理丢失数据"})
	want(t, "resend without a time", err, fault.Invalid)
	for _, tt := range []struct {
		key   string
		hours int
		want  int
	}{{"a", 2, 1}, {"", 3, 3}} {
		m, err := h.AskRelease(h.as("operator"), mend.AskRelease{
			Key: key(), Deed: mend.Resend, Topic: topic, Of: tt.key, Since: time.Now().Add(-time.Duration(tt.hours)*time.Hour + time.Minute), Reason: "消息代理丢失数据",
		})
		if err != nil {
			t.Fatal(err)
		}
		done, err := h.ApproveRelease(h.as("operator2"), mend.ApproveRelease{Key: key(), ID: m.ID})
		if err != nil || done.Result != mend.Done || done.Events != tt.want {
			t.Errorf("%+v: %+v, %v", tt, done, err)
		}
	}
	if b := h.board(); b.Outbox.Rows != 4 || b.Outbox.Oldest < 3600 {
		t.Errorf("to be sent: %+v", b.Outbox)
	}
}

// TestAppendOnly: neither table can be changed, and the database itself wants two
// people.
func TestAppendOnly(t *testing.T) {
	h := newHouse(t)
	h.sick["e1"] = true
	h.came(1)
	m, err := h.ask(mend.Release, "id-1")
	if err != nil {
		t.Fatal(err)
	}
	for sql, want := range map[string]string{
		`UPDATE mending SET reason = 'x'`: "append-only", `DELETE FROM mending`: "append-only", `TRUNCATE mended, mending`: "append-only",
		`UPDATE mended SET why = 'x'`: "append-only", `DELETE FROM mended`: "append-only",
		`INSERT INTO mended VALUES ('` + m.ID + `', 'operator', 'operator', 'DONE', '', 1)`:  "four_eyes",
		`INSERT INTO mended VALUES ('` + m.ID + `', 'operator2', 'operator', 'DONE', '', 1)`: "foreign key",
	} {
		if _, err := h.DB.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", sql, err, want)
		}
	}
}

// TestGrant: operators and those who work on cases are kept apart.
func TestGrant(t *testing.T) {
	cases := auth.Permit("case:see")
	may := mend.Grant(auth.Roles(map[string][]auth.Permission{"examiner": {cases}, mend.Operator: {cases}}))
	for _, tt := range []struct {
		roles []string
		want  []auth.Permission
	}{
		{[]string{"operator"}, []auth.Permission{mend.See, mend.Ask, mend.End}},
		{[]string{"examiner"}, []auth.Permission{cases}},
		{[]string{"examiner", "operator"}, nil},
		{nil, nil},
	} {
		for _, p := range []auth.Permission{mend.See, mend.Ask, mend.End, cases} {
			if got := may(auth.Caller{Subject: "x", Roles: tt.roles}, p); got != slices.Contains(tt.want, p) {
				t.Errorf("%v may %s: %t", tt.roles, p, got)
			}
		}
	}
}
