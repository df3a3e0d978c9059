package day

import (
	"fmt"
	"time"
)

// Unit is what a period is counted in.
type Unit string

// The units of legal periods.
const (
	WorkingDay  Unit = "working_day"  // 工作日
	CalendarDay Unit = "calendar_day" // 日
	Month       Unit = "month"
	Year        Unit = "year"
)

// Enum lists the units for the published document.
func (Unit) Enum() []any { return []any{WorkingDay, CalendarDay, Month, Year} }

// Special is a day that differs from Monday to Friday: a holiday (放假) or a
// worked weekend day (调休).
type Special struct {
	Date    Date   `json:"date"`
	Working bool   `json:"working"`
	Name    string `json:"name,omitempty" maxLength:"40"`
}

// Calendar is the published working days of some years.
type Calendar struct {
	published map[int]bool
	special   map[Date]Special
}

// NewCalendar returns the calendar of the published years.
func NewCalendar(years []int, specials []Special) *Calendar {
	c := &Calendar{published: map[int]bool{}, special: map[Date]Special{}}
	for _, y := range years {
		c.published[y] = true
	}
	for _, s := range specials {
		c.special[s.Date] = s
	}
	return c
}

// Working reports whether d is a working day, and whether d's year is published;
// if it is not, Monday to Friday are taken for working days.
func (c *Calendar) Working(d Date) (working, published bool) {
	published = c.published[d.year]
	if s, ok := c.special[d]; ok && published {
		return s.Working, true
	}
	w := d.Weekday()
	return w != time.Saturday && w != time.Sunday, published
}

// Special returns what is special about d, if anything.
func (c *Calendar) Special(d Date) (Special, bool) { s, ok := c.special[d]; return s, ok }

// Due is the last day of a period.
type Due struct {
	On          Date `json:"due"`
	Provisional bool `json:"provisional" description:"true when a day of an unpublished year was counted: the date may move"`
}

// limit is the longest period that is counted, in any unit.
const limit = 3660

// Due returns the last day of the period of amount units after from. The day of
// from is not counted (民法典 §201). A period in calendar days, months or years
// that ends on a day off ends on the next working day (民法典 §203).
func (c *Calendar) Due(from Date, amount int, unit Unit) (Due, error) {
	if amount < 0 || amount > limit {
		return Due{}, fmt.Errorf("期限 %d 超出 0 至 %d", amount, limit)
	}
	switch unit {
	case WorkingDay:
		if amount == 0 { // no period ends on a day off
			return c.rollOn(from), nil
		}
		return c.workingDays(from, amount), nil
	case CalendarDay:
		return c.rollOn(from.AddDays(amount)), nil
	case Month:
		return c.rollOn(from.AddMonths(amount)), nil
	case Year:
		return c.rollOn(from.AddMonths(12 * amount)), nil
	}
	return Due{}, fmt.Errorf("未知的期限单位 %q", unit)
}

func (c *Calendar) workingDays(from Date, n int) Due {
	due := Due{On: from}
	for n > 0 {
		due.On = due.On.AddDays(1)
		working, published := c.Working(due.On)
		due.Provisional = due.Provisional || !published
		if working {
			n--
		}
	}
	return due
}

func (c *Calendar) rollOn(d Date) Due {
	due := Due{On: d}
	for {
		working, published := c.Working(due.On)
		due.Provisional = due.Provisional || !published
		if working {
			return due
		}
		due.On = due.On.AddDays(1)
	}
}

// WorkingDaysBetween counts the working days after a up to and including b;
// negative if b is before a.
func (c *Calendar) WorkingDaysBetween(a, b Date) int {
	if b.Before(a) {
		return -c.WorkingDaysBetween(b, a)
	}
	n := 0
	for d := a; d.Before(b); {
		d = d.AddDays(1)
		if working, _ := c.Working(d); working {
			n++
		}
	}
	return n
}
