package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"xunguan/pkg/rule"
	"xunguan/services/escrow"
)

// readRules is the nation's rules of the early warning as they ship, the last of each.
func readRules(file string) (rule.Set, error) {
	raw, err := os.ReadFile(file) //nolint:gosec // the user's own
	if err != nil {
		return nil, err
	}
	var all []rule.Rule
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	set := rule.Set{}
	for _, r := range all {
		if r.Jurisdiction == "000000" && slices.Contains(escrow.WarningRules, r.Key) {
			r.Version = set[r.Key].Version + 1
			set[r.Key] = r
		}
	}
	for _, key := range escrow.WarningRules {
		if set[key].Version == 0 {
			return nil, fmt.Errorf("%s: no rule %s", file, key)
		}
	}
	return set, nil
}

// watched is what the score sees of i as day d begins, with its windows of days.
func (i *institution) watched(d, window, baseline int) escrow.Watched {
	sum := func(from, to int) (s escrow.Movements) {
		for _, m := range i.moved[from:to] {
			s.Paid, s.Lessons, s.Asked, s.Refunds = s.Paid+m.Paid, s.Lessons+m.Lessons, s.Asked+m.Asked, s.Refunds+m.Refunds
			s.Due, s.Taught, s.Tips = s.Due+m.Due, s.Taught+m.Taught, s.Tips+m.Tips
		}
		return s
	}
	return escrow.Watched{
		Recent: sum(d-window, d), Before: sum(d-window-baseline, d-window),
		Then: i.covers[d-window-1], Now: i.covers[d-1],
	}
}

// life is what the score would have said of one institution.
type life struct {
	flight int              // -1 of an honest one
	seen   int              // days scored
	alarms map[string][]int // by band: the first days of its alarms
}

// review scores i on every day of its life, each as the day begins and with what
// was known then. An alarm of a band begins with its first day, or with the first
// after quiet days without it.
func review(i *institution, rules rule.Set) life {
	window, baseline := int(rules["warning.window"].Int()), int(rules["warning.baseline"].Int())
	end := i.Days
	if i.flight >= 0 {
		end = i.flight
	}
	l := life{flight: i.flight, alarms: map[string][]int{}}
	last := map[string]int{}
	for d := range end {
		i.live(d)
		if d+1 <= window+baseline || d+1 >= end {
			continue
		}
		l.seen++
		score := escrow.Assess(i.watched(d+1, window, baseline), rules)
		for n, band := range bands {
			if slices.Index(bands, score.Band) < n {
				continue
			}
			if was, ok := last[band]; !ok || d+1-was > quiet {
				l.alarms[band] = append(l.alarms[band], d+1)
			}
			last[band] = d + 1
		}
	}
	return l
}

// bands are those that ask somebody to look, the lower first; quiet is how many
// days without one make the next an alarm of its own; recently is how long before
// a flight an alarm counts as a warning of it.
var bands = []string{"YELLOW", "RED"}

const quiet, recently = 28, 150

// result is how the alarms of a band did.
type result struct {
	right, wrong, missed int   // institutions
	alarms               int   // of honest ones
	days                 []int // of warning
	years                float64
}

func (r *result) add(o result) {
	r.right, r.wrong, r.missed, r.alarms, r.years = r.right+o.right, r.wrong+o.wrong, r.missed+o.missed, r.alarms+o.alarms, r.years+o.years
	r.days = append(r.days, o.days...)
}

// count counts l's alarms of a band.
func (r *result) count(l life, band string) {
	alarms := l.alarms[band]
	if l.flight < 0 {
		r.years += float64(l.seen) / 365
		r.alarms += len(alarms)
		if len(alarms) > 0 {
			r.wrong++
		}
		return
	}
	n := slices.IndexFunc(alarms, func(d int) bool { return l.flight-d <= recently })
	if n < 0 {
		r.missed++
		return
	}
	r.right++
	r.days = append(r.days, l.flight-alarms[n])
}

// backtest runs one seed.
func backtest(a Assumptions, seed uint64, rules rule.Set) map[string]*result {
	lives := make([]life, a.Institutions)
	var wg sync.WaitGroup
	for part := range 2 {
		wg.Go(func() {
			for n := part; n < a.Institutions; n += 2 {
				lives[n] = review(found(a, seed, uint64(n)), rules) //nolint:gosec // not negative
			}
		})
	}
	wg.Wait()
	results := map[string]*result{}
	for _, band := range bands {
		results[band] = &result{}
		for _, l := range lives {
			results[band].count(l, band)
		}
	}
	return results
}

// line is r as one row.
func (r *result) line(name string) string {
	share := func(n, of int) string {
		if of == 0 {
			return "-"
		}
		return fmt.Sprintf("%.2f", float64(n)/float64(of))
	}
	q := func(p float64) string {
		if len(r.days) == 0 {
			return "-"
		}
		d := slices.Sorted(slices.Values(r.days))
		return fmt.Sprint(d[int(p*float64(len(d)-1)+0.5)])
	}
	return strings.Join([]string{
		name, fmt.Sprint(r.right + r.missed), fmt.Sprint(r.right), fmt.Sprint(r.wrong), share(r.right, r.right+r.wrong), share(r.right, r.right+r.missed),
		q(0.25), q(0.5), q(0.75), fmt.Sprintf("%.3f", float64(r.alarms)/max(r.years, 1)),
	}, " | ")
}
