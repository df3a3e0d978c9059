package rule

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/event"
	rulebookv1 "xunguan/proto/rulebook/v1"
)

// Topic is where the rulebook publishes.
const Topic = "rulebook.events"

// On adds to m the handlers that keep the copy.
func On(m event.Mux) {
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *rulebookv1.RuleEnacted) error {
		return save(ctx, tx, e.GetRule())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *rulebookv1.RuleRepealed) error {
		return save(ctx, tx, e.GetRule())
	})
	event.On(m, savePublished)
}

// save keeps r as the rulebook knows it. A new version ends the one before, of
// which there is no event.
func save(ctx context.Context, tx pgx.Tx, r *rulebookv1.Rule) error {
	if _, err := tx.Exec(ctx, `UPDATE rule_copy SET effective_to = $4::date - 1
		WHERE key = $1 AND jurisdiction = $2 AND version < $3 AND (effective_to IS NULL OR effective_to >= $4)`,
		r.GetKey(), r.GetJurisdiction(), r.GetVersion(), r.GetEffectiveFrom()); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO rule_copy (key, jurisdiction, version, value, unit, effective_from, effective_to, source, provenance)
		VALUES ($1, $2, $3, $4, $5, $6, nullif($7, '')::date, $8, $9)
		ON CONFLICT (key, jurisdiction, version) DO UPDATE SET value = EXCLUDED.value, unit = EXCLUDED.unit,
			effective_from = EXCLUDED.effective_from, effective_to = EXCLUDED.effective_to, source = EXCLUDED.source, provenance = EXCLUDED.provenance`,
		r.GetKey(), r.GetJurisdiction(), r.GetVersion(), []byte(r.GetValueJson()), r.GetUnit(), r.GetEffectiveFrom(), r.GetEffectiveTo(), r.GetSource(), r.GetProvenance())
	return err
}

func savePublished(ctx context.Context, tx pgx.Tx, _ string, e *rulebookv1.CalendarPublished) error {
	days := make([]day.Special, len(e.GetDays()))
	for i, d := range e.GetDays() {
		date, err := day.Parse(d.GetDate())
		if err != nil {
			return err
		}
		days[i] = day.Special{Date: date, Working: d.GetWorking(), Name: d.GetName()}
	}
	_, err := tx.Exec(ctx, `INSERT INTO calendar_copy (year, version, source, days) VALUES ($1, $2, $3, $4)
		ON CONFLICT (year) DO UPDATE SET version = EXCLUDED.version, source = EXCLUDED.source, days = EXCLUDED.days
		WHERE calendar_copy.version <= EXCLUDED.version`, e.GetYear(), e.GetVersion(), e.GetSource(), days)
	return err
}
