package day_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"xunguan/pkg/day"
)

// published is the State Council's notices, typed from their texts: 2024
// 国办发明电〔2023〕7号, 2025 国办发明电〔2024〕12号, 2026 国办发明电〔2025〕7号.
var published = calendar(
	[]string{
		"2024-01-01..2024-01-01", "2024-02-10..2024-02-17", "2024-04-04..2024-04-06", "2024-05-01..2024-05-05",
		"2024-06-10..2024-06-10", "2024-09-15..2024-09-17", "2024-10-01..2024-10-07",
		"2025-01-01..2025-01-01", "2025-01-28..2025-02-04", "2025-04-04..2025-04-06", "2025-05-01..2025-05-05",
		"2025-05-31..2025-06-02", "2025-10-01..2025-10-08",
		"2026-01-01..2026-01-03", "2026-02-15..2026-02-23", "2026-04-04..2026-04-06", "2026-05-01..2026-05-05",
		"2026-06-19..2026-06-21", "2026-09-25..2026-09-27", "2026-10-01..2026-10-07",
	},
	[]string{
		"2024-02-04", "2024-02-18", "2024-04-07", "2024-04-28", "2024-05-11", "2024-09-14", "2024-09-29", "2024-10-12",
		"2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11",
		"2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10",
	})

func calendar(off, worked []string) *day.Calendar {
	var specials []day.Special
	for _, span := range off {
		for d := day.MustParse(span[:10]); !d.After(day.MustParse(span[12:])); d = d.AddDays(1) {
			specials = append(specials, day.Special{Date: d, Name: "放假"})
		}
	}
	for _, s := range worked {
		specials = append(specials, day.Special{Date: day.MustParse(s), Working: true, Name: "调休"})
	}
	return day.NewCalendar([]int{2024, 2025, 2026}, specials)
}

func TestWorking(t *testing.T) {
	for _, tt := range []struct {
		on                 string
		working, published bool
	}{
		{"2026-01-04", true, true},  // Sunday, 元旦调休上班
		{"2026-02-14", true, true},  // Saturday, 春节调休上班
		{"2026-02-28", true, true},  // Saturday, 春节调休上班
		{"2026-05-09", true, true},  // Saturday, 劳动节调休上班
		{"2026-09-20", true, true},  // Sunday, 国庆节调休上班
		{"2026-10-10", true, true},  // Saturday, 国庆节调休上班
		{"2026-02-23", false, true}, // Monday, ninth day of 春节
		{"2026-01-10", false, true}, // an ordinary Saturday
		{"2026-01-12", true, true},  // an ordinary Monday
		{"2027-01-01", true, false}, // Friday: 元旦 for sure, yet not published
		{"2027-01-02", false, false},
		{"2023-10-08", false, false}, // worked in truth; before what we know
	} {
		working, published := published.Working(day.MustParse(tt.on))
		if working != tt.working || published != tt.published {
			t.Errorf("%s: working %t, published %t; want %t, %t", tt.on, working, published, tt.working, tt.published)
		}
	}
}

func TestDue(t *testing.T) {
	for _, tt := range []struct {
		from   string
		amount int
		unit   day.Unit
		want   string
		open   bool // provisional
	}{
		// Working days (行政许可法 §82; the day of the event is not counted, 民法典 §201).
		{"2026-01-05", 5, day.WorkingDay, "2026-01-12", false},  // architecture.md, "What stands still"
		{"2025-12-31", 1, day.WorkingDay, "2026-01-04", false},  // 01-01..03 off, Sunday 01-04 worked
		{"2026-01-01", 1, day.WorkingDay, "2026-01-04", false},  // an event on a holiday
		{"2026-02-02", 5, day.WorkingDay, "2026-02-09", false},  // an ordinary week
		{"2026-02-13", 1, day.WorkingDay, "2026-02-14", false},  // Saturday 02-14 worked
		{"2026-02-13", 2, day.WorkingDay, "2026-02-24", false},  // then 春节 02-15..23
		{"2026-02-14", 1, day.WorkingDay, "2026-02-24", false},  // an event on a worked Saturday
		{"2026-02-27", 1, day.WorkingDay, "2026-02-28", false},  // Saturday 02-28 worked
		{"2026-02-12", 20, day.WorkingDay, "2026-03-18", false}, // 02-13,14,24..28,03-02..06,09..13,16..18
		{"2026-04-03", 1, day.WorkingDay, "2026-04-07", false},  // 清明 04-04..06
		{"2026-04-30", 1, day.WorkingDay, "2026-05-06", false},  // 劳动节 05-01..05
		{"2026-05-08", 1, day.WorkingDay, "2026-05-09", false},  // Saturday 05-09 worked
		{"2026-05-09", 1, day.WorkingDay, "2026-05-11", false},
		{"2026-04-28", 7, day.WorkingDay, "2026-05-11", false}, // 29,30,05-06,07,08,09,11
		{"2026-06-18", 1, day.WorkingDay, "2026-06-22", false}, // 端午 06-19..21
		{"2026-09-18", 1, day.WorkingDay, "2026-09-20", false}, // Sunday 09-20 worked
		{"2026-09-24", 1, day.WorkingDay, "2026-09-28", false}, // 中秋 09-25..27
		{"2026-09-30", 1, day.WorkingDay, "2026-10-08", false}, // 国庆 10-01..07
		{"2026-10-09", 1, day.WorkingDay, "2026-10-10", false}, // Saturday 10-10 worked
		{"2026-10-10", 1, day.WorkingDay, "2026-10-12", false},
		{"2026-09-21", 15, day.WorkingDay, "2026-10-19", false}, // 22,23,24,28,29,30,10-08,09,10,12..16,19
		{"2025-09-26", 2, day.WorkingDay, "2025-09-29", false},  // Sunday 2025-09-28 worked
		{"2025-09-30", 1, day.WorkingDay, "2025-10-09", false},  // 国庆中秋 10-01..08
		{"2025-01-24", 2, day.WorkingDay, "2025-01-27", false},  // Sunday 2025-01-26 worked
		{"2024-02-09", 1, day.WorkingDay, "2024-02-18", false},  // 春节 02-10..17, Sunday 02-18 worked
		{"2024-09-13", 2, day.WorkingDay, "2024-09-18", false},  // Saturday 09-14 worked, 中秋 09-15..17
		{"2026-01-05", 0, day.WorkingDay, "2026-01-05", false},
		{"2026-01-03", 0, day.WorkingDay, "2026-01-04", false}, // no period ends on a day off

		// Calendar days: one that ends on a day off ends on the next working day (民法典 §203).
		{"2026-02-07", 7, day.CalendarDay, "2026-02-14", false}, // a worked Saturday is no day off
		{"2026-02-08", 7, day.CalendarDay, "2026-02-24", false}, // 02-15, first day of 春节
		{"2026-02-16", 0, day.CalendarDay, "2026-02-24", false},
		{"2026-04-25", 7, day.CalendarDay, "2026-05-06", false},  // 05-02, 劳动节
		{"2026-04-02", 3, day.CalendarDay, "2026-04-07", false},  // 04-05, 清明
		{"2026-04-15", 60, day.CalendarDay, "2026-06-15", false}, // 令121 §23: 60 日; 06-14 is a Sunday
		{"2026-09-30", 10, day.CalendarDay, "2026-10-10", false}, // a worked Saturday
		{"2026-10-08", 90, day.CalendarDay, "2027-01-06", true},  // 行政处罚法 §60, 自然日

		// Months and years end on the same day number, or the month's last (民法典 §202).
		{"2026-01-15", 3, day.Month, "2026-04-15", false}, // 三个月
		{"2026-03-05", 3, day.Month, "2026-06-05", false},
		{"2026-01-31", 1, day.Month, "2026-02-28", false}, // a worked Saturday
		{"2026-02-28", 1, day.Month, "2026-03-30", false}, // 03-28 is a Saturday
		{"2024-01-31", 1, day.Month, "2024-02-29", false},
		{"2025-11-30", 3, day.Month, "2026-02-28", false}, // a worked Saturday
		{"2026-04-01", 6, day.Month, "2026-10-08", false}, // 10-01, 国庆
		{"2026-11-30", 3, day.Month, "2027-03-01", true},  // 2027-02-28 is a Sunday
		{"2024-02-29", 1, day.Year, "2025-02-28", false},
		{"2025-10-01", 1, day.Year, "2026-10-08", false},
		{"2024-05-04", 2, day.Year, "2026-05-06", false},

		// Beyond what is published (issue 2: "a deadline beyond what is published is marked provisional").
		{"2026-12-25", 4, day.WorkingDay, "2026-12-31", false},
		{"2026-12-31", 1, day.WorkingDay, "2027-01-01", true},
		{"2023-12-29", 1, day.WorkingDay, "2024-01-02", true}, // counted over the unpublished 2023-12-30
	} {
		due, err := published.Due(day.MustParse(tt.from), tt.amount, tt.unit)
		if err != nil || due.On.String() != tt.want || due.Provisional != tt.open {
			t.Errorf("%s + %d %s is %v, %v; want %s, provisional %t", tt.from, tt.amount, tt.unit, due, err, tt.want, tt.open)
		}
	}
}

func TestDueRefuses(t *testing.T) {
	for _, tt := range []struct {
		amount int
		unit   day.Unit
	}{{-1, day.WorkingDay}, {3661, day.CalendarDay}, {1, "week"}, {1, ""}} {
		if due, err := published.Due(day.MustParse("2026-01-05"), tt.amount, tt.unit); err == nil {
			t.Errorf("%d %q is %v, want a refusal", tt.amount, tt.unit, due)
		}
	}
}

// anyDay is days around what is published, most of them within.
func anyDay() *rapid.Generator[day.Date] {
	return rapid.Custom(func(t *rapid.T) day.Date {
		return day.New(2023, time.November, 1).AddDays(rapid.IntRange(0, 1300).Draw(t, "days"))
	})
}

var units = []day.Unit{day.WorkingDay, day.CalendarDay, day.Month, day.Year}

// looked is the days whose being worked or not decides where the period ends.
func looked(from day.Date, amount int, unit day.Unit, due day.Date) []day.Date {
	first := from.AddDays(1)
	switch {
	case unit == day.WorkingDay && amount == 0:
		first = from
	case unit == day.CalendarDay:
		first = from.AddDays(amount)
	case unit == day.Month:
		first = from.AddMonths(amount)
	case unit == day.Year:
		first = from.AddMonths(12 * amount)
	}
	var days []day.Date
	for d := first; !d.After(due); d = d.AddDays(1) {
		days = append(days, d)
	}
	return days
}

func TestDueProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, unit := anyDay().Draw(t, "from"), rapid.SampledFrom(units).Draw(t, "unit")
		amount := rapid.IntRange(0, map[day.Unit]int{day.WorkingDay: 400, day.CalendarDay: 600, day.Month: 24, day.Year: 3}[unit]).Draw(t, "amount")
		due, err := published.Due(from, amount, unit)
		if err != nil {
			t.Fatal(err)
		}
		if working, _ := published.Working(due.On); !working {
			t.Fatalf("%s + %d %s is due on %s, a day off", from, amount, unit, due.On)
		}
		if n := published.WorkingDaysBetween(from, due.On); unit == day.WorkingDay && amount > 0 && n != amount {
			t.Fatalf("counting back from %s gives %d, want %d", due.On, n, amount)
		}
		unpublished := false
		days := looked(from, amount, unit, due.On)
		for i, d := range days {
			working, published := published.Working(d)
			unpublished = unpublished || !published
			if working && unit != day.WorkingDay && i < len(days)-1 {
				t.Fatalf("%s + %d %s passes over %s, a working day, to %s", from, amount, unit, d, due.On)
			}
		}
		if due.Provisional != unpublished {
			t.Fatalf("%s + %d %s: provisional %t, want %t", from, amount, unit, due.Provisional, unpublished)
		}
	})
}

func TestDueIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, unit := anyDay().Draw(t, "from"), rapid.SampledFrom(units).Draw(t, "unit")
		amount, later := rapid.IntRange(0, 40).Draw(t, "amount"), rapid.IntRange(0, 60).Draw(t, "later")
		due, err := published.Due(from, amount, unit)
		if err != nil {
			t.Fatal(err)
		}
		more, err := published.Due(from, amount+1, unit)
		if err != nil {
			t.Fatal(err)
		}
		after, err := published.Due(from.AddDays(later), amount, unit)
		if err != nil {
			t.Fatal(err)
		}
		if more.On.Before(due.On) || after.On.Before(due.On) || unit == day.WorkingDay && amount > 0 && !more.On.After(due.On) {
			t.Fatalf("%s + %d %s is %s, one more is %s, %d days later it is %s", from, amount, unit, due.On, more.On, later, after.On)
		}
	})
}

func TestWorkingDaysBetween(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"2026-01-05", "2026-01-12", 5},
		{"2026-01-12", "2026-01-05", -5},
		{"2026-02-13", "2026-02-24", 2}, // the worked Saturday and the first day after 春节
		{"2026-10-01", "2026-10-07", 0},
		{"2026-01-05", "2026-01-05", 0},
	} {
		if got := published.WorkingDaysBetween(day.MustParse(tt.a), day.MustParse(tt.b)); got != tt.want {
			t.Errorf("%d working days from %s to %s, want %d", got, tt.a, tt.b, tt.want)
		}
	}
}
