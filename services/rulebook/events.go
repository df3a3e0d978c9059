package rulebook

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/event"
	"xunguan/pkg/rule"
	rulebookv1 "xunguan/proto/rulebook/v1"
)

// Topic carries the rulebook's events, keyed by the rule's key or by calendar/
// and the year.
const Topic = rule.Topic

func tellEnacted(ctx context.Context, tx pgx.Tx, r Rule) error {
	return event.Append(ctx, tx, Topic, r.Key, &rulebookv1.RuleEnacted{Rule: rulePB(r)})
}

func tellRepealed(ctx context.Context, tx pgx.Tx, r Rule) error {
	return event.Append(ctx, tx, Topic, r.Key, &rulebookv1.RuleRepealed{Rule: rulePB(r)})
}

func tellPublished(ctx context.Context, tx pgx.Tx, y Year) error {
	e := &rulebookv1.CalendarPublished{Year: int32(y.Year), Version: int32(y.Version), Source: y.Source} //nolint:gosec // four digits; counts from 1
	for _, d := range y.Days {
		e.Days = append(e.Days, &rulebookv1.Day{Date: d.Date.String(), Working: d.Working, Name: d.Name})
	}
	return event.Append(ctx, tx, Topic, calendarKey(y.Year), e)
}

func calendarKey(year int) string { return fmt.Sprintf("calendar/%d", year) }

func rulePB(r Rule) *rulebookv1.Rule {
	pb := &rulebookv1.Rule{
		Key: r.Key, Version: int32(r.Version), ValueJson: string(r.Value), Unit: r.Unit, Jurisdiction: r.Jurisdiction, //nolint:gosec // counts from 1
		EffectiveFrom: r.EffectiveFrom.String(), Source: r.Source, Provenance: r.Provenance,
	}
	if r.EffectiveTo != nil {
		pb.EffectiveTo = r.EffectiveTo.String()
	}
	return pb
}
