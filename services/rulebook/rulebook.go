// Package rulebook owns every legal number of the suite: each a parameter that is
// enacted for a place, from a day on, with its source; and the calendar of
// working days.
//
// A key has at most one version in force at a place on a day. The past stands:
// what was in force on a day that has gone by is never changed, because
// decisions rest on it. A rule of a place goes before that of the place above it.
package rulebook

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/rule"
)

// Rule is one version of one parameter.
type Rule = rule.Rule

// Parameter is a key that the suite knows, and what may be enacted for it.
type Parameter struct {
	Key    string   `json:"key"`
	Title  string   `json:"title" description:"what the parameter is, in Chinese"`
	Units  []string `json:"units"`
	Values []string `json:"values,omitempty" description:"the words allowed, where the unit is text or list"`
}

// numbers is the least and most of each unit that is a number, and whether it
// must be whole.
var numbers = map[string]struct {
	min, max float64
	whole    bool
}{
	"working_day": {0, 3660, true}, "calendar_day": {0, 3660, true}, "month": {0, 1200, true}, "year": {0, 100, true},
	"hour": {0, 8784, true}, "minute": {0, 1440, true}, "lesson": {0, 10000, true}, "fen": {0, 1e13, true},
	"person": {0, 1e6, true}, "school": {0, 1e6, true}, "visit": {0, 1e6, true}, "times": {0, 1e6, true},
	"point": {0, 1000, true}, "percent": {0, 10000, true}, // of what is named in the title
	"ratio": {0, 1, false}, "ratio_per_day": {0, 1, false}, "m2": {0.1, 1e6, false}, // people are divided by it
}

// Fits returns Invalid, naming the field, unless value in unit may be enacted for p.
func (p Parameter) Fits(unit string, value json.RawMessage) error {
	if !slices.Contains(p.Units, unit) {
		return wrong("/unit", "%s 的单位应为 %s", p.Key, strings.Join(p.Units, " 或 "))
	}
	var why string
	switch unit {
	case "text":
		why = p.word(value)
	case "list":
		why = p.list(value)
	case "dates":
		why = dates(value)
	case "time_of_day":
		why = timeOfDay(value)
	case "clause":
		why = clause(value)
	default:
		why = number(unit, value)
	}
	if why != "" {
		return wrong("/value", "%s", why)
	}
	return nil
}

func number(unit string, value json.RawMessage) string {
	n := numbers[unit]
	v, err := strconv.ParseFloat(string(value), 64)
	switch {
	case err != nil:
		return fmt.Sprintf("单位 %s 的值应为 JSON 数字", unit)
	case v < n.min || v > n.max:
		return fmt.Sprintf("应在 %s 至 %s 之间", strconv.FormatFloat(n.min, 'f', -1, 64), strconv.FormatFloat(n.max, 'f', -1, 64))
	case n.whole && v != math.Trunc(v):
		return fmt.Sprintf("单位 %s 的值应为整数", unit)
	}
	return ""
}

func (p Parameter) word(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) != nil || !slices.Contains(p.Values, s) {
		return "应为 " + strings.Join(p.Values, " 或 ")
	}
	return ""
}

// list is words that p knows or, where it names none, days of a month.
func (p Parameter) list(value json.RawMessage) string {
	if len(p.Values) == 0 {
		var days []int
		if json.Unmarshal(value, &days) != nil || len(days) == 0 || slices.Min(days) < 1 || slices.Max(days) > 31 || !ascending(days) {
			return "应为 1 至 31 的日期列表，由小到大不重复"
		}
		return ""
	}
	var words []string
	if json.Unmarshal(value, &words) != nil || len(words) == 0 ||
		slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(p.Values, w) }) {
		return "应为由 " + strings.Join(p.Values, "、") + " 组成的列表"
	}
	return ""
}

// dates is days one after the other.
func dates(value json.RawMessage) string {
	var days []day.Date
	if json.Unmarshal(value, &days) != nil || len(days) == 0 ||
		!slices.IsSortedFunc(days, day.Date.Compare) || len(slices.Compact(slices.Clone(days))) != len(days) {
		return "应为由早到晚不重复的日期列表，例如 [\"2026-03-02\"]"
	}
	return ""
}

func ascending(n []int) bool {
	return slices.IsSorted(n) && len(slices.Compact(slices.Clone(n))) == len(n)
}

var clockFace = regexp.MustCompile(`^"([01][0-9]|2[0-3]):[0-5][0-9]"$`)

func timeOfDay(value json.RawMessage) string {
	if !clockFace.Match(value) {
		return "应为 HH:MM 形式的时刻"
	}
	return ""
}

// longestClause is the most characters of a clause that people read in a line or two.
const longestClause = 300

// clause is a sentence of an agreement, in the words of the place.
func clause(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) != nil || strings.TrimSpace(s) != s || utf8.RuneCountInString(s) < 4 || utf8.RuneCountInString(s) > longestClause {
		return fmt.Sprintf("应为 4 至 %d 字的条款文字，首尾无空白", longestClause)
	}
	return ""
}

// wrong is an Invalid fault about one field.
func wrong(pointer, format string, args ...any) error {
	return fault.Fields(fault.Field{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
}

// known returns Invalid unless code, at pointer, is a division.
func known(pointer, code string) error {
	if _, ok := division.Find(code); !ok {
		return wrong(pointer, "没有代码为 %s 的行政区划", code)
	}
	return nil
}

// mayRule returns Forbidden unless place is c's jurisdiction or lies below it.
func mayRule(c auth.Caller, place string) error {
	if !division.Covers(c.Jurisdiction, place) {
		return fault.Forbidden.Errorf("只能为本辖区（%s）及其下级制定或废止规则，不能为%s", division.Name(c.Jurisdiction), division.Name(place))
	}
	return nil
}

// notPast returns Refused if from, the first day of a change, has gone by.
func notPast(what string, from, today day.Date) error {
	if from.Before(today) {
		return fault.Refused.Errorf("%s %s 早于今天 %s：规则不得溯及既往，已作出的决定以当时生效的规则为据", what, from, today)
	}
	return nil
}

// nearest picks from rules, each in force on one day at one of places, the rule
// of the first of places for each key. It is in order of key.
func nearest(rules []Rule, places []string) []Rule {
	rank := func(r Rule) int { return slices.Index(places, r.Jurisdiction) }
	slices.SortFunc(rules, func(a, b Rule) int {
		if a.Key != b.Key {
			return strings.Compare(a.Key, b.Key)
		}
		return rank(a) - rank(b)
	})
	return slices.CompactFunc(rules, func(a, b Rule) bool { return a.Key == b.Key })
}
