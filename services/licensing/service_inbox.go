package licensing

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// ReadInbox asks for what waits for the caller.
type ReadInbox struct{}

// Inbox is what waits for the caller, the most urgent first.
type Inbox struct {
	Items []Item `json:"items"`
}

// ReadInbox lists what waits for the caller's office, and for the caller.
func (s *Service) ReadInbox(ctx context.Context, _ ReadInbox) (Inbox, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Inbox, error) {
		items, err := s.waitingFiles(ctx, tx)
		if err != nil {
			return Inbox{}, err
		}
		calendar, err := rule.Calendar(ctx, tx)
		if err != nil {
			return Inbox{}, err
		}
		entries, err := listOpenEntries(ctx, tx)
		for _, e := range entries {
			if kind := e.Waiting(auth.From(ctx), s.today()); kind != "" {
				items = append(items, e.item(kind, calendar, s.today()))
			}
		}
		slices.SortStableFunc(items, byUrgency)
		return Inbox{items}, err
	})
}

func (s *Service) waitingFiles(ctx context.Context, tx pgx.Tx) ([]Item, error) {
	items := []Item{}
	files, err := listOpen(ctx, tx)
	if err != nil {
		return nil, err
	}
	calendar, err := rule.Calendar(ctx, tx)
	if err != nil {
		return nil, err
	}
	officers := map[string]rule.Rule{} // by place
	for _, f := range files {
		r, ok := officers[f.Jurisdiction]
		if !ok {
			rules, err := rule.InForce(ctx, tx, f.Jurisdiction, s.today(), ruleOfficers)
			if err != nil {
				return nil, err
			}
			r = rules[ruleOfficers]
			officers[f.Jurisdiction] = r
		}
		if kind := f.Waiting(auth.From(ctx), r, s.today()); kind != "" {
			items = append(items, f.item(kind, calendar, s.today()))
		}
	}
	return items, nil
}

// byUrgency puts the nearest last day first, and what has none last.
func byUrgency(a, b Item) int {
	switch {
	case a.Due.IsZero() && b.Due.IsZero():
		return a.Since.Compare(b.Since)
	case a.Due.IsZero():
		return 1
	case b.Due.IsZero():
		return -1
	}
	return a.Due.Compare(b.Due)
}
