// Package ruletest fills a test's copy of the rulebook with what the rulebook
// service itself is seeded with: every test decides by the numbers that ship.
package ruletest

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/event"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
	rulebookv1 "xunguan/proto/rulebook/v1"
)

// Load puts the seeded rules and the calendar 2024–2026 into db, by the handlers
// that a service applies the rulebook's events with.
func Load(t testing.TB, db *pgxpool.Pool) {
	t.Helper()
	facts := append(rules(t), years(t)...)
	m := event.Mux{}
	rule.On(m)
	_, err := pg.InTx(t.Context(), db, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, apply(t.Context(), tx, m, facts) })
	if err != nil {
		t.Fatal(err)
	}
}

func apply(ctx context.Context, tx pgx.Tx, m event.Mux, facts []proto.Message) error {
	for _, f := range facts {
		data, err := proto.Marshal(f)
		if err != nil {
			return err
		}
		if err := m.Handle(ctx, tx, event.Message{Type: string(f.ProtoReflect().Descriptor().FullName()), Data: data}); err != nil {
			return err
		}
	}
	return nil
}

// rules is the seeded rules, each key's versions at one place in their order.
func rules(t testing.TB) (facts []proto.Message) {
	var seed []rule.Rule
	read(t, "rules.json", &seed)
	version := map[string]int32{}
	for _, r := range seed {
		version[r.Key+r.Jurisdiction]++
		facts = append(facts, &rulebookv1.RuleEnacted{Rule: &rulebookv1.Rule{
			Key: r.Key, Version: version[r.Key+r.Jurisdiction], ValueJson: string(r.Value), Unit: r.Unit, Jurisdiction: r.Jurisdiction,
			EffectiveFrom: r.EffectiveFrom.String(), Source: r.Source, Provenance: r.Provenance,
		}})
	}
	return facts
}

func years(t testing.TB) (facts []proto.Message) {
	var seed []struct {
		Year   int32
		Source string
		Days   []struct {
			Date    string
			Working bool
			Name    string
		}
	}
	read(t, "calendar.json", &seed)
	for _, y := range seed {
		e := &rulebookv1.CalendarPublished{Year: y.Year, Version: 1, Source: y.Source}
		for _, d := range y.Days {
			e.Days = append(e.Days, &rulebookv1.Day{Date: d.Date, Working: d.Working, Name: d.Name})
		}
		facts = append(facts, e)
	}
	return facts
}

func read(t testing.TB, name string, v any) {
	_, here, _, _ := runtime.Caller(0)
	raw, err := os.ReadFile(filepath.Join(filepath.Dir(here), "../../../services/rulebook/seed", name)) //nolint:gosec // the two names above
	if err == nil {
		err = json.Unmarshal(raw, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}
