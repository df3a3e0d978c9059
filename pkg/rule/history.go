package rule

import (
	"context"
	"slices"
	"sort"
	"sync"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
)

// History is every version of some rules, for who decides anew what was decided over
// years: it answers as the function Known does, from memory. It may be used by many
// at once.
type History struct {
	versions []Rule

	mu     sync.Mutex
	epochs map[string][]epoch // by jurisdiction
}

// epoch is the rules in force from a day until the next epoch's.
type epoch struct {
	from day.Date
	set  Set
}

// Load returns the history of keys.
func Load(ctx context.Context, tx pgx.Tx, keys ...string) (*History, error) {
	rows, err := tx.Query(ctx, `SELECT key, version, value, unit, jurisdiction, effective_from, effective_to, source, provenance
		FROM rule_copy WHERE key = ANY ($1)`, keys)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[Rule])
	return &History{versions: all, epochs: map[string][]epoch{}}, err
}

// With is h as it would be had r been enacted, as the next version of its key at its
// place: it ends those before it, as an enactment does, but may begin in the past.
func (h *History) With(r Rule) *History {
	then := &History{versions: slices.Clone(h.versions), epochs: map[string][]epoch{}}
	r.Version = 1
	for n, v := range then.versions {
		if v.Key != r.Key || v.Jurisdiction != r.Jurisdiction {
			continue
		}
		r.Version = max(r.Version, v.Version+1)
		if v.EffectiveTo == nil || !v.EffectiveTo.Before(r.EffectiveFrom) {
			last := r.EffectiveFrom.AddDays(-1)
			then.versions[n].EffectiveTo = &last
		}
	}
	then.versions = append(then.versions, r)
	return then
}

// Known returns the rules of h that are in force in jurisdiction on a day. It is not to
// be changed.
func (h *History) Known(jurisdiction string, on day.Date) Set {
	epochs := h.of(jurisdiction)
	n := sort.Search(len(epochs), func(i int) bool { return epochs[i].from.After(on) }) - 1
	if n < 0 {
		return nil
	}
	return epochs[n].set
}

func (h *History) of(jurisdiction string) []epoch {
	h.mu.Lock()
	defer h.mu.Unlock()
	all, ok := h.epochs[jurisdiction]
	if !ok {
		all = h.divide(jurisdiction)
		h.epochs[jurisdiction] = all
	}
	return all
}

// divide works out the epochs of a jurisdiction, nearest place first, as Known does.
func (h *History) divide(jurisdiction string) (all []epoch) {
	var places []string
	for n := range 3 {
		places = append(places, jurisdiction[:min(6-2*n, len(jurisdiction))]+"000000"[:2*n])
	}
	places = append(places, "000000")
	var here []Rule
	var from []day.Date
	for _, v := range h.versions {
		if !slices.Contains(places, v.Jurisdiction) {
			continue
		}
		here, from = append(here, v), append(from, v.EffectiveFrom)
		if v.EffectiveTo != nil {
			from = append(from, v.EffectiveTo.AddDays(1))
		}
	}
	slices.SortFunc(from, day.Date.Compare)
	for _, d := range slices.Compact(from) {
		set := Set{}
		for _, v := range here {
			if v.EffectiveFrom.After(d) || v.EffectiveTo != nil && v.EffectiveTo.Before(d) {
				continue
			}
			was, ok := set[v.Key]
			nearer, near := slices.Index(places, v.Jurisdiction), slices.Index(places, was.Jurisdiction)
			if !ok || nearer < near || nearer == near && v.Version > was.Version {
				set[v.Key] = v
			}
		}
		all = append(all, epoch{d, set})
	}
	return all
}
