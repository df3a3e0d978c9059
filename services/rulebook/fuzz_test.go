package rulebook

import (
	"encoding/json"
	"math"
	"testing"
)

// FuzzFits enacts any value for any parameter: what fits is what services can read
// as a number within its bounds, or as a word that is known.
func FuzzFits(f *testing.F) {
	for _, r := range parse[Rule](rulesJSON) {
		f.Add(r.Key, r.Unit, []byte(r.Value))
	}
	for _, v := range []string{"1e400", "-0", `"24:00"`, `[31,1]`, `null`, `{"a":1}`, "1e-400"} {
		f.Add("fee.max_lessons", "lesson", []byte(v))
	}
	f.Fuzz(func(t *testing.T, key, unit string, value []byte) {
		p, known := parameters[key]
		if !known || !json.Valid(value) || p.Fits(unit, value) != nil {
			return
		}
		r := Rule{Key: key, Unit: unit, Value: value}
		if n, ok := numbers[unit]; ok {
			if v := r.Ratio(); math.IsNaN(v) || v < n.min || v > n.max || n.whole && v != float64(r.Int()) {
				t.Errorf("%s %s %s is %v", key, unit, value, v)
			}
		}
	})
}

// FuzzCalendar publishes any year: what passes the check can be reckoned with.
func FuzzCalendar(f *testing.F) {
	for _, y := range parse[Year](calendarJSON) {
		b, err := json.Marshal(y)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var y Year
		if json.Unmarshal(data, &y) != nil || y.Check() != nil || y.Year < 1 || y.Year > 9000 {
			return
		}
		from := y.Days[0].Date
		if due, err := reckon([]Year{y}, from, 5, "working_day"); err == nil && due.On.Before(from) {
			t.Errorf("five working days after %s is %s", from, due.On)
		}
	})
}
