// Package rule is a service's own copy of the rulebook: every legal number, as it
// was in force at a place on a day, with its source. The copy is kept by events
// and read in the transaction that decides, so that a decision and the rule that
// it names agree.
//
// A rule of a place goes before that of the place above it: county, city,
// province, nation.
package rule

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

// Rule is one parameter, as enacted for one jurisdiction and one time.
type Rule struct {
	Key           string          `json:"key"`
	Version       int             `json:"version"`
	Value         json.RawMessage `json:"value"`
	Unit          string          `json:"unit"`
	Jurisdiction  string          `json:"jurisdiction" description:"six-digit division code; 000000 is the nation"`
	EffectiveFrom day.Date        `json:"effective_from"`
	EffectiveTo   *day.Date       `json:"effective_to" description:"the last day in force; null is open"`
	Source        string          `json:"source"`
	Provenance    string          `json:"provenance" description:"V full text read, P excerpt, S bureau document, L local, memory, D our default"`
}

// Int is a whole value.
func (r Rule) Int() int64 { return int64(r.Ratio()) }

// Ratio is a numeric value; 0 if the rule has none.
func (r Rule) Ratio() float64 {
	f, err := strconv.ParseFloat(string(r.Value), 64) // ten times as fast as JSON's, and asked for a million times when the past is judged anew
	if err != nil {
		return 0
	}
	return f
}

// Text is a value that is a word.
func (r Rule) Text() string {
	var s string
	_ = json.Unmarshal(r.Value, &s)
	return s
}

// Ground is r as what a decision about inputs rests on.
func (r Rule) Ground(inputs map[string]any) fault.Ground {
	return fault.Ground{
		Key: r.Key, Version: r.Version, Value: r.Value, Unit: r.Unit, Jurisdiction: r.Jurisdiction,
		Source: r.Source, Provenance: r.Provenance, Inputs: inputs,
	}
}

// Set is rules by key.
type Set map[string]Rule

// InForce returns each of keys as in force in jurisdiction on a day: that of the
// place itself, else of the nearest above it. It is Unavailable if one of them is
// not known, for without its rule a decision must wait.
func InForce(ctx context.Context, tx pgx.Tx, jurisdiction string, on day.Date, keys ...string) (Set, error) {
	set, err := Known(ctx, tx, jurisdiction, on, keys...)
	if err != nil {
		return nil, err
	}
	return set, set.Need(jurisdiction, on, keys...)
}

// Need is Unavailable if s, which is in force in jurisdiction on a day, lacks one of keys.
func (s Set) Need(jurisdiction string, on day.Date, keys ...string) error {
	for _, k := range keys {
		if _, known := s[k]; !known {
			return fault.Unavailable.Errorf("规则 %s 在 %s 于 %s 尚无生效版本，暂不能作出决定", k, jurisdiction, on)
		}
	}
	return nil
}

// Known is InForce for rules that a place may do without: those of keys that are in
// force there.
func Known(ctx context.Context, tx pgx.Tx, jurisdiction string, on day.Date, keys ...string) (Set, error) {
	rows, err := tx.Query(ctx, `
		SELECT DISTINCT ON (key) key, version, value, unit, jurisdiction, effective_from, effective_to, source, provenance
		FROM rule_copy
		WHERE key = ANY ($1) AND effective_from <= $2 AND (effective_to IS NULL OR effective_to >= $2)
		  AND jurisdiction = ANY (ARRAY[$3, left($3, 4) || '00', left($3, 2) || '0000', '000000'])
		ORDER BY key, array_position(ARRAY[$3, left($3, 4) || '00', left($3, 2) || '0000', '000000'], jurisdiction), version DESC`,
		keys, on, jurisdiction)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Rule])
	if err != nil {
		return nil, err
	}
	set := make(Set, len(found))
	for _, r := range found {
		set[r.Key] = r
	}
	return set, nil
}

// Calendar returns the working-day calendar that this service knows.
func Calendar(ctx context.Context, tx pgx.Tx) (*day.Calendar, error) {
	rows, err := tx.Query(ctx, `SELECT year, days FROM calendar_copy`)
	if err != nil {
		return nil, err
	}
	var years []int
	var all []day.Special
	var year int
	var days []day.Special
	_, err = pgx.ForEachRow(rows, []any{&year, &days}, func() error {
		years, all, days = append(years, year), append(all, days...), nil
		return nil
	})
	return day.NewCalendar(years, all), err
}

// Due returns the last day of the period that r gives, counted from from.
func Due(ctx context.Context, tx pgx.Tx, r Rule, from day.Date) (day.Due, error) {
	c, err := Calendar(ctx, tx)
	if err != nil {
		return day.Due{}, err
	}
	due, err := c.Due(from, int(r.Int()), day.Unit(r.Unit))
	if err != nil {
		return day.Due{}, fmt.Errorf("rule %s: %w", r.Key, err)
	}
	return due, nil
}

// Have returns a readiness check: that the nation's rule for each of keys and
// some calendar are here.
func Have(db *pgxpool.Pool, keys ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		var missing []string
		var years int
		err := db.QueryRow(ctx, `SELECT
			ARRAY(SELECT unnest($1::text[]) EXCEPT SELECT key FROM rule_copy WHERE jurisdiction = '000000'),
			(SELECT count(*) FROM calendar_copy)`, keys).Scan(&missing, &years)
		if err == nil && (len(missing) > 0 || years == 0) {
			err = fmt.Errorf("rules missing: %s; %d calendar years", strings.Join(missing, " "), years)
		}
		return err
	}
}
