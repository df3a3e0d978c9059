// Package day is legal dates: civil days in Asia/Shanghai, and the working-day
// calendar that deadlines are counted on. It knows no clock and no store.
//
// The day of the event is never counted. What falls in a year whose calendar is
// not published yet is counted from Monday to Friday and marked provisional.
package day

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/swaggest/jsonschema-go"
)

// Shanghai is the zone of every legal date.
var Shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// Date is a civil day. The zero Date is no date.
type Date struct {
	year  int
	month time.Month
	day   int
}

// Of returns the day that t falls on in Shanghai.
func Of(t time.Time) Date {
	y, m, d := t.In(Shanghai).Date()
	return Date{y, m, d}
}

// New returns the given day; days and months out of range carry over, as in time.Date.
func New(year int, month time.Month, dayOfMonth int) Date {
	return Of(time.Date(year, month, dayOfMonth, 0, 0, 0, 0, Shanghai))
}

const layout = "2006-01-02"

// Parse reads "2006-01-02", and nothing else.
func Parse(s string) (Date, error) {
	t, err := time.ParseInLocation(layout, s, Shanghai)
	if err != nil {
		return Date{}, fmt.Errorf("日期 %q 应为 YYYY-MM-DD", s)
	}
	return Of(t), nil
}

// MustParse is Parse for constants; it panics.
func MustParse(s string) Date {
	d, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return d
}

// Start is the first moment of d.
func (d Date) Start() time.Time { return time.Date(d.year, d.month, d.day, 0, 0, 0, 0, Shanghai) }

// IsZero reports whether d is no date.
func (d Date) IsZero() bool { return d == Date{} }

// Year is d's year.
func (d Date) Year() int { return d.year }

// Weekday is d's day of the week.
func (d Date) Weekday() time.Weekday { return d.Start().Weekday() }

// String is d as "2006-01-02", or "" for no date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.Start().Format(layout)
}

// AddDays returns the day n days after d.
func (d Date) AddDays(n int) Date { return New(d.year, d.month, d.day+n) }

// AddMonths returns the same day number n months on, or that month's last day.
func (d Date) AddMonths(n int) Date {
	first := New(d.year, d.month+time.Month(n), 1)
	last := New(first.year, first.month+1, 0)
	return New(first.year, first.month, min(d.day, last.day))
}

// Before reports whether d is earlier than e.
func (d Date) Before(e Date) bool { return d.Compare(e) < 0 }

// After reports whether d is later than e.
func (d Date) After(e Date) bool { return d.Compare(e) > 0 }

// Compare returns -1, 0 or +1 as d is before, equal to or after e.
func (d Date) Compare(e Date) int { return d.Start().Compare(e.Start()) }

// DaysUntil is how many days e is after d; negative if before.
func (d Date) DaysUntil(e Date) int {
	const aDay = 24 * time.Hour // Shanghai has no summer time
	return int(e.Start().Sub(d.Start()) / aDay)
}

// MarshalText writes d as String does.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Date) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*d = Date{}
		return nil
	}
	*d, err = Parse(string(b))
	return err
}

// PrepareJSONSchema describes d in the published document.
func (Date) PrepareJSONSchema(s *jsonschema.Schema) error {
	s.WithType(jsonschema.String.Type()).WithFormat("date").WithDescription("date in Asia/Shanghai")
	return nil
}

// ScanDate reads an SQL date; NULL is no date.
func (d *Date) ScanDate(v pgtype.Date) error {
	*d = Date{}
	if v.InfinityModifier != pgtype.Finite {
		return fmt.Errorf("%s is not a date", v.InfinityModifier)
	}
	if v.Valid {
		*d = Date{v.Time.Year(), v.Time.Month(), v.Time.Day()}
	}
	return nil
}

// DateValue writes an SQL date; no date is NULL.
func (d Date) DateValue() (pgtype.Date, error) {
	return pgtype.Date{Time: time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC), Valid: !d.IsZero()}, nil
}
