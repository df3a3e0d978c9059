package rulebook

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

func special(on string, working bool) day.Special {
	return day.Special{Date: day.MustParse(on), Working: working}
}

// fixed2027 is the days that are off in 2027 whatever the notice says.
func fixed2027() []day.Special {
	var days []day.Special
	for _, f := range fixed {
		days = append(days, special("2027-"+f, false))
	}
	return days
}

func TestCheckYear(t *testing.T) {
	for _, tt := range []struct {
		name  string
		days  []day.Special
		wrong string
	}{
		{"the fixed days", fixed2027(), ""},
		{"a worked Sunday", append(fixed2027(), special("2027-01-03", true)), ""},
		{"a worked Monday", append(fixed2027(), special("2027-01-04", true)), "周六或周日"},
		{"another year", append(fixed2027(), special("2028-02-01", false)), "不在 2027 年"},
		{"twice", append(fixed2027(), special("2027-05-01", false)), "重复"},
		{"no National Day", fixed2027()[:2], "2027-10-01"},
		{"New Year worked", append(fixed2027()[1:], special("2027-01-01", true)), "2027-01-01"},
		{"nothing", nil, "缺少法定节日"},
	} {
		err := Year{Year: 2027, Days: tt.days}.Check()
		if (err == nil) != (tt.wrong == "") || err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.wrong)
		}
	}
}

func TestSameBefore(t *testing.T) {
	old := Year{Days: []day.Special{special("2026-01-01", false), special("2026-02-14", true), special("2026-10-01", false), special("2026-10-10", true)}}
	today := day.MustParse("2026-06-01")
	for _, tt := range []struct {
		name string
		days []day.Special
		same bool
	}{
		{"nothing new", old.Days, true},
		{"a later day changed", append(old.Days[:3:3], special("2026-10-09", false)), true},
		{"a past holiday gone", old.Days[1:], false},
		{"a past day more", append(old.Days[:4:4], special("2026-03-02", false)), false},
		{"a past weekend day named", append(old.Days[:4:4], special("2026-03-01", false)), true},
		{"a past day turned", append(old.Days[2:], special("2026-01-01", false)), false},
	} {
		if got := (Year{Days: tt.days}).sameBefore(old, today); got != tt.same {
			t.Errorf("%s: same %t, want %t", tt.name, got, tt.same)
		}
	}
}

func TestReckon(t *testing.T) {
	years := parse[Year](calendarJSON)
	for _, tt := range []struct {
		from    string
		amount  int
		unit    day.Unit
		due     string
		open    bool
		skipped string
	}{
		{"2026-01-05", 5, day.WorkingDay, "2026-01-12", false, "2026-01-10 星期六 2026-01-11 星期日"},
		{"2026-02-13", 2, day.WorkingDay, "2026-02-24", false, "2026-02-15 春节 2026-02-16 春节 2026-02-17 春节 2026-02-18 春节 2026-02-19 春节 2026-02-20 春节 2026-02-21 春节 2026-02-22 春节 2026-02-23 春节"},
		{"2026-03-02", 4, day.CalendarDay, "2026-03-06", false, ""},
		{"2026-04-02", 3, day.CalendarDay, "2026-04-07", false, "2026-04-05 清明 2026-04-06 清明"}, // 04-04 lies within, not at the end
		{"2026-01-15", 3, day.Month, "2026-04-15", false, ""},
		{"2026-01-03", 0, day.WorkingDay, "2026-01-04", false, "2026-01-03 元旦"},
		{"2026-12-31", 1, day.WorkingDay, "2027-01-01", true, ""},
		{"2026-12-31", 2, day.WorkingDay, "2027-01-04", true, "2027-01-02 星期六 2027-01-03 星期日"},
	} {
		r, err := reckon(years, day.MustParse(tt.from), tt.amount, tt.unit)
		if err != nil {
			t.Fatal(err)
		}
		var skipped []string
		for _, o := range r.Skipped {
			skipped = append(skipped, o.Date.String(), o.Name)
		}
		if r.On.String() != tt.due || r.Provisional != tt.open || strings.Join(skipped, " ") != tt.skipped {
			t.Errorf("%s + %d %s: %+v, want %s, provisional %t, over %s", tt.from, tt.amount, tt.unit, r, tt.due, tt.open, tt.skipped)
		}
		if !strings.Contains(r.Source, "民法典") || strings.Contains(r.Source, "尚未公布") != tt.open || strings.Contains(r.Source, "2025〕7号") != strings.HasPrefix(tt.due, "2026") && !tt.open {
			t.Errorf("%s + %d %s rests on %q", tt.from, tt.amount, tt.unit, r.Source)
		}
	}
	if _, err := reckon(years, day.MustParse("2026-01-05"), 3661, day.Month); !errors.Is(err, fault.Invalid) {
		t.Errorf("3661 months: %v", err)
	}
	empty, err := reckon(nil, day.MustParse("2026-01-05"), 1, day.WorkingDay)
	if diff := cmp.Diff(true, empty.Provisional); err != nil || diff != "" {
		t.Errorf("no calendar at all: %+v, %v", empty, err)
	}
}
