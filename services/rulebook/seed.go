package rulebook

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/pg"
)

// What ships with the suite: the keys, their first values, and the calendar.
//
//go:generate sh -c "cd seed && go run generate.go"
var (
	//go:embed seed/parameters.json
	parametersJSON []byte
	//go:embed seed/rules.json
	rulesJSON []byte
	//go:embed seed/calendar.json
	calendarJSON []byte
)

// parameters is every key that may be enacted.
var parameters = byKey(parse[Parameter](parametersJSON))

// parse reads an embedded list; a bad one is a bug of ours.
func parse[T any](raw []byte) []T {
	var list []T
	if err := json.Unmarshal(raw, &list); err != nil {
		panic(fmt.Errorf("rulebook: seed: %w", err))
	}
	return list
}

func byKey(list []Parameter) map[string]Parameter {
	m := make(map[string]Parameter, len(list))
	for _, p := range list {
		m[p.Key] = p
	}
	return m
}

// system is the actor of what the suite does by itself.
const system = "system"

// Seed enacts what ships with the suite and is not here yet. It may run at every
// start, in any number of replicas. What a city enacted or published stands: a
// seeded rule is passed over where a later version is, a seeded year where any is.
func (s *Service) Seed(ctx context.Context) error {
	ctx = auth.With(ctx, auth.Caller{Subject: system, Jurisdiction: nation})
	_, err := pg.InTx(ctx, s.DB, func(tx pgx.Tx) (struct{}, error) {
		if err := waitLonger(ctx, tx); err != nil {
			return struct{}{}, err
		}
		for _, r := range parse[Rule](rulesJSON) {
			if err := s.seedRule(ctx, tx, r); err != nil {
				return struct{}{}, fmt.Errorf("seed %s of %s: %w", r.Key, r.Jurisdiction, err)
			}
		}
		for _, y := range parse[Year](calendarJSON) {
			if err := s.seedYear(ctx, tx, y); err != nil {
				return struct{}{}, fmt.Errorf("seed %d: %w", y.Year, err)
			}
		}
		return struct{}{}, nil
	})
	return err
}

func (s *Service) seedRule(ctx context.Context, tx pgx.Tx, r Rule) error {
	series, err := lockSeries(ctx, tx, r.Key, r.Jurisdiction)
	if err != nil {
		return err
	}
	if done, err := seeded(ctx, tx, series, r); done || err != nil {
		return err
	}
	_, err = s.enact(ctx, tx, series, r, "随系统预置")
	return err
}

func (s *Service) seedYear(ctx context.Context, tx pgx.Tx, y Year) error {
	years, err := lockYears(ctx, tx)
	if err != nil {
		return err
	}
	for _, is := range years {
		if is.Year == y.Year {
			return nil
		}
	}
	y.Version = 1
	return s.publish(ctx, tx, y, "随系统预置")
}
