package rule_test

import (
	"context"
	"errors"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/day"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg/pgtest"
	"xunguan/pkg/rule"
	rulebookv1 "xunguan/proto/rulebook/v1"
)

var none = fstest.MapFS{"0001_x.sql": {Data: []byte("-- +goose Up\nCREATE TABLE x ();")}}

func enacted(key, place string, version int32, value, unit, from, to string) *rulebookv1.RuleEnacted {
	return &rulebookv1.RuleEnacted{Rule: &rulebookv1.Rule{
		Key: key, Jurisdiction: place, Version: version, ValueJson: value, Unit: unit,
		EffectiveFrom: from, EffectiveTo: to, Source: "测试", Provenance: "D",
	}}
}

// apply passes events to the copy, as a consumer would.
func apply(ctx context.Context, t *testing.T, tx pgx.Tx, events ...proto.Message) {
	t.Helper()
	m := event.Mux{}
	rule.On(m)
	for _, e := range events {
		data, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Handle(ctx, tx, event.Message{Type: string(e.ProtoReflect().Descriptor().FullName()), Data: data}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInForce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, none)
	ctx := t.Context()
	tx, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	apply(ctx, t, tx,
		enacted("k", "000000", 1, "15", "working_day", "2021-01-01", ""),
		enacted("k", "330000", 1, "7", "working_day", "2022-01-01", ""),
		enacted("k", "000000", 2, "10", "working_day", "2026-04-15", ""),
		enacted("k", "320508", 1, "3", "working_day", "2026-01-01", "2026-01-31"),
		enacted("k", "330000", 1, "7", "working_day", "2022-01-01", ""), // again
		enacted("k", "330100", 1, "null", "working_day", "2026-06-01", ""),
		&rulebookv1.RuleRepealed{Rule: enacted("k", "330100", 1, "null", "working_day", "2026-06-01", "2026-06-30").GetRule()},
	)
	for _, tt := range []struct {
		place, on string
		value     string
		from      string
	}{
		{"320508", "2025-12-31", "15", "000000"},
		{"320508", "2026-01-01", "3", "320508"},
		{"320508", "2026-01-31", "3", "320508"},
		{"320508", "2026-02-01", "15", "000000"},
		{"320508", "2026-04-14", "15", "000000"},
		{"320508", "2026-04-15", "10", "000000"},
		{"330106", "2021-12-31", "15", "000000"},
		{"330106", "2026-05-01", "7", "330000"},
		{"330106", "2026-06-30", "null", "330100"},
		{"330106", "2026-07-01", "7", "330000"},
	} {
		set, err := rule.InForce(ctx, tx, tt.place, day.MustParse(tt.on), "k")
		if err != nil {
			t.Errorf("%s on %s: %v", tt.place, tt.on, err)
			continue
		}
		if r := set["k"]; string(r.Value) != tt.value || r.Jurisdiction != tt.from {
			t.Errorf("%s on %s: %s of %s, want %s of %s", tt.place, tt.on, r.Value, r.Jurisdiction, tt.value, tt.from)
		}
	}
	for _, missing := range [][2]string{{"k", "2020-12-31"}, {"other", "2026-01-01"}} {
		if _, err := rule.InForce(ctx, tx, "320508", day.MustParse(missing[1]), missing[0]); !errors.Is(err, fault.Unavailable) {
			t.Errorf("%v: %v, want unavailable", missing, err)
		}
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, none)
	ctx := t.Context()
	ready := rule.Have(db, "k")
	if ready(ctx) == nil {
		t.Error("ready without a rule")
	}
	tx, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	apply(ctx, t, tx, enacted("k", "000000", 1, "2", "working_day", "2021-01-01", ""),
		&rulebookv1.CalendarPublished{Year: 2026, Version: 2, Days: []*rulebookv1.Day{{Date: "2026-02-16", Name: "春节"}, {Date: "2026-02-14", Working: true}}},
		&rulebookv1.CalendarPublished{Year: 2026, Version: 1})
	set, err := rule.InForce(ctx, tx, "320508", day.MustParse("2026-02-13"), "k")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		from, due   string
		provisional bool
	}{
		{"2026-02-13", "2026-02-17", false}, // Saturday 14 is worked, Monday 16 is not
		{"2026-12-30", "2027-01-01", true},
	} {
		got, err := rule.Due(ctx, tx, set["k"], day.MustParse(tt.from))
		if err != nil || got.On.String() != tt.due || got.Provisional != tt.provisional {
			t.Errorf("%s: %v, %v; want %s, %t", tt.from, got, err, tt.due, tt.provisional)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := ready(ctx); err != nil {
		t.Error(err)
	}
}
