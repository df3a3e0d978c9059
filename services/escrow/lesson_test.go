package escrow

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"xunguan/pkg/fault"
)

// feeCases is what each lesson of a price costs: the last one takes the remainder.
var feeCases = []struct {
	name, source string
	price        Fen
	n            int
	want         string
}{
	{"a remainder of one", remainders, 1000, 3, "[333 333 334]"},
	{"none", remainders, 480000, 2, "[240000 240000]"},
	{"a remainder of half a fee", remainders, 10, 4, "[2 2 2 4]"},
	{"one 分 each", remainders, 7, 7, "[1 1 1 1 1 1 1]"},
	{"the most that can be over", remainders, 13, 7, "[1 1 1 1 1 1 7]"},
	{"one lesson", remainders, 99999, 1, "[99999]"},
	{"a price that no number of lessons divides", remainders, 100003, 6, "[16667 16667 16667 16667 16667 16668]"},
	{"the cap of 5,000 yuan", remainders, 500000, 7, "[71428 71428 71428 71428 71428 71428 71432]"},
}

func TestLessonFees(t *testing.T) {
	for _, tt := range feeCases {
		if got := fmt.Sprint(lessonFees(tt.price, tt.n)); got != tt.want {
			t.Errorf("%s (%s): %d over %d lessons: %s, want %s", tt.name, tt.source, tt.price, tt.n, got, tt.want)
		}
	}
}

func checkFees(t interface{ Fatalf(string, ...any) }, price Fen, n int) {
	var sum Fen
	fees := lessonFees(price, n)
	for i, f := range fees {
		sum += f
		if f < 0 || f < price/Fen(n) || (i < n-1 && f != price/Fen(n)) {
			t.Fatalf("lesson %d of %d costs %d of %d", i+1, n, f, price)
		}
	}
	if sum != price || len(fees) != n {
		t.Fatalf("%d fees of %d add up to %d, want %d", len(fees), n, sum, price)
	}
}

func FuzzLessonFees(f *testing.F) {
	f.Add(int64(480000), 48)
	f.Add(int64(1), 1)
	f.Add(int64(1<<62), 1000)
	f.Fuzz(func(t *testing.T, price int64, n int) {
		if price < 0 || n < 1 || n > 2000 {
			t.Skip()
		}
		checkFees(t, Fen(price), n)
	})
}

func TestFeesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkFees(t, Fen(rapid.Int64Range(0, 1<<62).Draw(t, "price")), rapid.IntRange(1, 2000).Draw(t, "lessons"))
	})
}

// TestMoney walks a contract's lessons through every way their money can go, with
// payouts held now and then: at each step released + refunded <= paid, and in the end they are equal.
func TestMoney(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, gifts := rapid.IntRange(1, 60).Draw(t, "lessons"), rapid.IntRange(0, 12).Draw(t, "gifts")
		price := Fen(rapid.Int64Range(int64(n), 1_000_000).Draw(t, "price"))
		terms := Terms{Lessons: n, GiftLessons: gifts, PriceFen: price, FirstLesson: d("2026-03-02"), LastLesson: d("2026-05-02")}
		if n+gifts == 1 {
			terms.LastLesson = terms.FirstLesson
		}
		c := offer(terms, Institution{}, custodyMode)
		schedule := plan(terms)
		c.State = paid
		if err := c.receive(price, price, d("2026-03-01").Start()); err != nil {
			t.Fatal(err)
		}
		for c.State != finished {
			step(t, c, schedule)
			if c.Released < 0 || c.Refunded < 0 || c.Released+c.Refunded > c.Paid {
				t.Fatalf("overdrawn: %+v", c)
			}
		}
		if c.Held() != 0 || c.Open != 0 {
			t.Fatalf("finished with %d held and %d lessons open", c.Held(), c.Open)
		}
		if c.release(1) == nil || c.giveBack(1, 0) == nil {
			t.Fatal("money came out of nothing")
		}
	})
}

func step(t *rapid.T, c *Contract, schedule []Lesson) {
	if rapid.Bool().Draw(t, "refund") {
		lessons, err := fromEnd(schedule, rapid.IntRange(1, 5).Draw(t, "n"), rapid.Bool().Draw(t, "whole"))
		if err != nil {
			return
		}
		var back Fen
		for _, l := range lessons {
			schedule[l.N-1].State = refunded
			back += l.Fee
		}
		if err := c.giveBack(back, len(lessons)); err != nil {
			t.Fatal(err)
		}
		return
	}
	held := rapid.Bool().Draw(t, "held")
	for i := range schedule {
		l := &schedule[i]
		if !held && l.Waits {
			l.Waits = false
			pay(t, c, l.Fee)
		}
		if l.State == scheduled {
			l.confirm(confirmed, held, c.OfferedOn)
			c.close(1)
			if !l.Waits {
				pay(t, c, l.Fee)
			}
			return
		}
	}
}

func pay(t *rapid.T, c *Contract, fee Fen) {
	if err := c.release(fee); err != nil {
		t.Fatal(err)
	}
}

func TestPlan(t *testing.T) {
	all := plan(Terms{Lessons: 3, GiftLessons: 2, PriceFen: 100, FirstLesson: d("2026-03-02"), LastLesson: d("2026-03-12")})
	got := ""
	for _, l := range all {
		got += fmt.Sprintf("%d %s %d %t; ", l.N, l.OnDate, l.Fee, l.Gift)
	}
	want := "1 2026-03-02 33 false; 2 2026-03-04 33 false; 3 2026-03-07 34 false; 4 2026-03-09 0 true; 5 2026-03-12 0 true; "
	if got != want {
		t.Errorf("plan\n%s, want\n%s", got, want)
	}
	if one := plan(Terms{Lessons: 1, PriceFen: 5, FirstLesson: d("2026-03-02"), LastLesson: d("2026-03-02")}); len(one) != 1 || one[0].Fee != 5 {
		t.Errorf("one lesson: %+v", one)
	}
}

func TestFromEnd(t *testing.T) {
	terms := Terms{Lessons: 4, GiftLessons: 2, PriceFen: 1003, FirstLesson: d("2026-03-02"), LastLesson: d("2026-04-02")}
	for _, tt := range []struct {
		name   string
		states string // of the six lessons, first letters
		n      int
		whole  bool
		want   string
		amount Fen
		err    error
	}{
		{"one: the gifts after it go too", "SSSSSS", 1, false, "6 5 4", 253, nil},
		{"two", "SSSSSS", 2, false, "6 5 4 3", 503, nil},
		{"all of them", "SSSSSS", 4, false, "6 5 4 3 2 1", 1003, nil},
		{"whole", "SSSSSS", 0, true, "6 5 4 3 2 1", 1003, nil},
		{"one too many", "SSSSSS", 5, false, "", 0, fault.Invalid},
		{"what was taught stays", "CTDSSS", 0, true, "6 5 4", 253, nil},
		{"taught out of order", "SSSCSS", 1, false, "6 5 3", 250, nil},
		{"gifts went before", "SSSSRR", 1, false, "4", 253, nil},
		{"nothing is left", "CCTTDR", 0, true, "", 0, fault.Conflict},
		{"only gifts are left", "CCCCSS", 1, false, "", 0, fault.Conflict},
		{"only gifts are left, and the operator ends it", "CCCCSS", 0, true, "6 5", 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			schedule := plan(terms)
			for i, s := range tt.states {
				schedule[i].State = map[rune]string{'S': scheduled, 'T': taught, 'C': confirmed, 'D': disputed, 'R': refunding}[s]
			}
			lessons, err := fromEnd(schedule, tt.n, tt.whole)
			got, fees := "", Fen(0)
			for _, l := range lessons {
				got, fees = got+fmt.Sprint(" ", l.N), fees+l.Fee
			}
			if !errors.Is(err, tt.err) || got != spaced(tt.want) || fees != tt.amount {
				t.Errorf("takes%s for %d, %v; want %s for %d, %v", got, fees, err, tt.want, tt.amount, tt.err)
			}
		})
	}
}

func spaced(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

func TestBasket(t *testing.T) {
	of := func(parent, pupil, course string) string {
		return Terms{Parent: parent, Pupil: pupil, Course: course}.basket()
	}
	same := of("p", "Tom", "素描A")
	for _, tt := range []struct {
		parent, pupil, course string
		same                  bool
	}{
		{"p", " tom ", "素描 a", true},
		{"p", "ＴＯＭ", "素描Ａ", true},
		{"p", "T o m", "素描A", true},
		{"p", "Tom", "素描B", false},
		{"q", "Tom", "素描A", false},
		{"p", "Tim", "素描A", false},
		{"pT", "om", "素描A", false},
	} {
		if got := of(tt.parent, tt.pupil, tt.course) == same; got != tt.same {
			t.Errorf("%q %q %q in one basket: %t, want %t", tt.parent, tt.pupil, tt.course, got, tt.same)
		}
	}
}
