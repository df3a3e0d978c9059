package rulebook

import (
	"fmt"
	"strings"
	"time"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

// Year is the published working days of one year: those that differ from Monday
// to Friday.
type Year struct {
	Year    int           `json:"year"`
	Version int           `json:"version"`
	Source  string        `json:"source"`
	Days    []day.Special `json:"days"`
}

// Reckoning is where a period ends, and how that was found.
type Reckoning struct {
	day.Due
	From    day.Date `json:"from"`
	Amount  int      `json:"amount"`
	Unit    day.Unit `json:"unit"`
	Skipped []Off    `json:"skipped" description:"the days off that were not counted, or that the end was moved over"`
	Source  string   `json:"source"`
}

// Off is a day off.
type Off struct {
	Date day.Date `json:"date"`
	Name string   `json:"name"`
}

// fixed is the days that are off in every year: 全国年节及纪念日放假办法 §2.
var fixed = []string{"01-01", "05-01", "10-01", "10-02", "10-03"}

// Check returns Invalid, naming what is wrong, unless y can be a year's calendar.
func (y Year) Check() error {
	var fields []fault.Field
	off, seen := map[string]bool{}, map[day.Date]bool{}
	for i, d := range y.Days {
		why := ""
		weekend := d.Date.Weekday() == time.Saturday || d.Date.Weekday() == time.Sunday
		switch {
		case d.Date.Year() != y.Year:
			why = fmt.Sprintf("不在 %d 年", y.Year)
		case seen[d.Date]:
			why = "日期重复"
		case d.Working && !weekend:
			why = "调休上班日应为周六或周日"
		}
		if why != "" {
			fields = append(fields, fault.Field{Pointer: fmt.Sprintf("/days/%d/date", i), Detail: why})
		}
		seen[d.Date] = true
		off[d.Date.String()] = !d.Working
	}
	for _, f := range fixed {
		if on := fmt.Sprintf("%04d-%s", y.Year, f); !off[on] {
			fields = append(fields, fault.Field{Pointer: "/days", Detail: "缺少法定节日 " + on})
		}
	}
	if fields != nil {
		return fault.Fields(fields...)
	}
	return nil
}

// sameBefore reports whether y and old agree on every day before today.
func (y Year) sameBefore(old Year, today day.Date) bool {
	past := func(y Year) map[day.Date]bool {
		m := map[day.Date]bool{}
		for _, d := range y.Days {
			weekday := d.Date.Weekday() != time.Saturday && d.Date.Weekday() != time.Sunday
			if d.Date.Before(today) && d.Working != weekday { // a weekend day off says nothing new
				m[d.Date] = d.Working
			}
		}
		return m
	}
	a, b := past(y), past(old)
	for d, working := range a {
		if was, ok := b[d]; !ok || was != working {
			return false
		}
	}
	return len(a) == len(b)
}

// calendarOf is the calendar of years.
func calendarOf(years []Year) *day.Calendar {
	var published []int
	var days []day.Special
	for _, y := range years {
		published, days = append(published, y.Year), append(days, y.Days...)
	}
	return day.NewCalendar(published, days)
}

// The law that periods are counted by.
const (
	byWorkingDays = "期限以工作日计，期间开始的当日不计入（《民法典》第二百零一条），不含法定节假日和休息日"
	byCalendar    = "期间开始的当日不计入（《民法典》第二百零一条）；按月、年计的以对应日为末日，无对应日的为月末日（第二百零二条）；末日为休息日的顺延至次一工作日（第二百零三条）"
)

// reckon says where the period of amount units after from ends, by years.
func reckon(years []Year, from day.Date, amount int, unit day.Unit) (Reckoning, error) {
	c := calendarOf(years)
	due, err := c.Due(from, amount, unit)
	if err != nil {
		return Reckoning{}, fault.Invalid.Errorf("%s", err.Error())
	}
	r := Reckoning{Due: due, From: from, Amount: amount, Unit: unit, Skipped: []Off{}}
	first := from.AddDays(1)
	sources := []string{byWorkingDays}
	if unit != day.WorkingDay || amount == 0 {
		first, sources = nominal(from, amount, unit), []string{byCalendar}
	}
	for d := first; d.Before(due.On); d = d.AddDays(1) {
		if working, _ := c.Working(d); !working {
			r.Skipped = append(r.Skipped, Off{d, nameOf(c, d)})
		}
	}
	for _, y := range years {
		if y.Year >= first.Year() && y.Year <= due.On.Year() {
			sources = append(sources, y.Source)
		}
	}
	if due.Provisional {
		sources = append(sources, "含放假安排尚未公布的年份，暂按周一至周五为工作日推算，公布后重算")
	}
	r.Source = strings.Join(sources, "；")
	return r, nil
}

// nominal is where a period would end if no day were off.
func nominal(from day.Date, amount int, unit day.Unit) day.Date {
	switch unit {
	case day.CalendarDay:
		return from.AddDays(amount)
	case day.Month:
		return from.AddMonths(amount)
	case day.Year:
		return from.AddMonths(12 * amount)
	case day.WorkingDay:
	}
	return from
}

func nameOf(c *day.Calendar, d day.Date) string {
	if s, ok := c.Special(d); ok && s.Name != "" {
		return s.Name
	}
	if d.Weekday() == time.Saturday {
		return "星期六"
	}
	return "星期日"
}
