package day_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"xunguan/pkg/day"
	"xunguan/pkg/pg/pgtest"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		in string
		ok bool
	}{
		{"2026-01-05", true},
		{"2024-02-29", true},
		{"2026-02-29", false},
		{"2026-02-30", false},
		{"2026-13-01", false},
		{"2026-1-5", false},
		{"2026-01-05T00:00:00+08:00", false},
		{"20260105", false},
		{" 2026-01-05", false},
		{"２０２６-01-05", false},
		{"", false},
	} {
		d, err := day.Parse(tt.in)
		if (err == nil) != tt.ok || tt.ok && d.String() != tt.in {
			t.Errorf("Parse(%q) = %v, %v", tt.in, d, err)
		}
		if err != nil && !strings.Contains(err.Error(), "YYYY-MM-DD") {
			t.Errorf("Parse(%q) does not say what it wants: %v", tt.in, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"2026-01-05", "2024-02-29", "0000-01-01", "9999-12-31", "2026-02-30", "2026-1-5", "", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := day.Parse(s)
		if err != nil {
			return
		}
		if d.String() != s {
			t.Errorf("Parse(%q).String() is %q", s, d)
		}
		if next := d.AddDays(1); !next.After(d) || d.DaysUntil(next) != 1 {
			t.Errorf("the day after %s is %s", d, next)
		}
	})
}

// TestOf: a legal day begins at midnight in Shanghai, which is 16:00 UTC.
func TestOf(t *testing.T) {
	for at, want := range map[string]string{
		"2026-01-04T15:59:59Z":      "2026-01-04",
		"2026-01-04T16:00:00Z":      "2026-01-05",
		"2026-01-05T23:59:59+08:00": "2026-01-05",
		"2025-12-31T12:00:00-08:00": "2026-01-01",
	} {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := day.Of(moment).String(); got != want {
			t.Errorf("%s is on %s, want %s", at, got, want)
		}
	}
}

func TestAddMonths(t *testing.T) {
	for _, tt := range []struct {
		from string
		n    int
		want string
	}{
		{"2026-01-15", 3, "2026-04-15"},
		{"2026-01-31", 1, "2026-02-28"}, // 民法典 §202: 没有对应日的，月末日
		{"2024-01-31", 1, "2024-02-29"},
		{"2026-11-30", 3, "2027-02-28"},
		{"2026-02-28", 1, "2026-03-28"}, // the same number, not the last day again
		{"2026-12-31", 2, "2027-02-28"},
		{"2026-03-31", -1, "2026-02-28"},
		{"2026-01-31", -2, "2025-11-30"},
		{"2024-02-29", 12, "2025-02-28"},
		{"2024-02-29", 48, "2028-02-29"},
		{"2026-05-31", 0, "2026-05-31"},
	} {
		if got := day.MustParse(tt.from).AddMonths(tt.n).String(); got != tt.want {
			t.Errorf("%s + %d months is %s, want %s", tt.from, tt.n, got, tt.want)
		}
	}
}

func TestCompare(t *testing.T) {
	a, b := day.MustParse("2026-02-28"), day.MustParse("2026-03-01")
	if !a.Before(b) || a.After(b) || !b.After(a) || a.Compare(b) != -1 || b.Compare(a) != 1 || a.Compare(a) != 0 {
		t.Error("2026-02-28 is not before 2026-03-01")
	}
	if a.DaysUntil(b) != 1 || b.DaysUntil(a) != -1 || a != day.New(2026, time.February, 28) || a.AddDays(1) != b {
		t.Error("they are not one day apart")
	}
	if (day.Date{}).String() != "" || !(day.Date{}).IsZero() || a.IsZero() {
		t.Error("the zero Date is no date")
	}
}

func TestJSON(t *testing.T) {
	type form struct {
		On    day.Date  `json:"on"`
		Until *day.Date `json:"until"`
	}
	raw, err := json.Marshal(form{On: day.MustParse("2026-01-05")})
	if err != nil || string(raw) != `{"on":"2026-01-05","until":null}` {
		t.Errorf("%s, %v", raw, err)
	}
	var back form
	if err := json.Unmarshal(raw, &back); err != nil || back.On != day.MustParse("2026-01-05") || back.Until != nil {
		t.Errorf("%+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"on":"2026-02-30"}`), &back); err == nil {
		t.Error("2026-02-30 is read as a date")
	}
}

func TestSQL(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, fstest.MapFS{"0001_x.sql": {Data: []byte("-- +goose Up\nCREATE TABLE x (d date);")}})
	for _, want := range []day.Date{day.MustParse("2026-02-14"), day.MustParse("2024-02-29"), {}} {
		var got day.Date
		var text *string
		if err := db.QueryRow(t.Context(), `SELECT $1::date, $1::date::text`, want).Scan(&got, &text); err != nil {
			t.Fatal(err)
		}
		if got != want || want.IsZero() != (text == nil) || text != nil && *text != want.String() {
			t.Errorf("%s came back as %s (%v)", want, got, text)
		}
	}
	var got day.Date
	if err := db.QueryRow(t.Context(), `SELECT 'infinity'::date`).Scan(&got); err == nil {
		t.Errorf("infinity is read as %s", got)
	}
}

// TestOrder: dates are ordered as their texts are.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyDay().Draw(t, "a"), anyDay().Draw(t, "b")
		if got, want := a.Compare(b), strings.Compare(a.String(), b.String()); got != want {
			t.Fatalf("%s against %s is %d, want %d", a, b, got, want)
		}
		if a.AddDays(a.DaysUntil(b)) != b {
			t.Fatalf("%s + %d days is not %s", a, a.DaysUntil(b), b)
		}
	})
}
