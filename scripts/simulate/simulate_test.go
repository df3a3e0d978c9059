package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"xunguan/services/escrow"
)

const seeded = "../../services/rulebook/seed/rules.json"

// few is the assumptions for a world that is small enough for a test.
func few(n int) Assumptions {
	a := assumed
	a.Institutions = n
	return a
}

// TestSameSeedSameFigures is that a seed says the same again, and another seed
// something else.
func TestSameSeedSameFigures(t *testing.T) {
	t.Parallel()
	rules, err := readRules(seeded)
	if err != nil {
		t.Fatal(err)
	}
	a := few(24)
	a.Absconding = 0.5
	one, again, other := backtest(a, 1, rules), backtest(a, 1, rules), backtest(a, 2, rules)
	if !reflect.DeepEqual(one, again) {
		t.Error("a seed does not repeat")
	}
	if reflect.DeepEqual(one, other) {
		t.Error("two seeds are one")
	}
	for band, r := range one {
		if r.right+r.missed == 0 || r.right > len(r.days) || r.right+r.missed+r.wrong > a.Institutions {
			t.Errorf("%s: %+v", band, r)
		}
		for _, d := range r.days {
			if d < 1 || d > recently {
				t.Errorf("%s: %d days of warning", band, d)
			}
		}
	}
	if one["RED"].right > one["YELLOW"].right || one["RED"].wrong > one["YELLOW"].wrong {
		t.Errorf("red comes more often than yellow: %+v %+v", one["RED"], one["YELLOW"])
	}
}

// TestBooksAgree is that what an institution owes, and its days, are what its
// contracts come to, on every day.
func TestBooksAgree(t *testing.T) {
	t.Parallel()
	for n := range uint64(6) {
		a := few(1)
		a.Absconding = float64(n % 2)
		i := found(a, 9, n)
		for d := range a.Days {
			i.live(d)
			if d%45 == 0 {
				i.check(t, d)
			}
		}
		i.check(t, a.Days-1)
	}
}

func (i *institution) check(t *testing.T, d int) {
	t.Helper()
	var owed, paid, asked escrow.Fen
	var late, taught int
	for _, c := range i.contracts {
		owed, paid = owed+c.price, paid+c.price
		var fees escrow.Fen
		for _, l := range c.list {
			fees += l.fee
			if l.confirmed >= 0 {
				owed -= l.fee
			}
			if l.taught >= 0 {
				taught++
			}
			if !l.back && l.on <= d {
				late++
			}
			if l.back && l.taught >= 0 {
				t.Fatalf("a lesson was taught and given back")
			}
		}
		if fees != c.price {
			t.Fatalf("fees of %d for a price of %d", fees, c.price)
		}
		if c.refund != nil {
			asked += c.refund.amount
			if c.refund.paid >= 0 {
				owed -= c.refund.amount
			}
		}
	}
	var sum escrow.Movements
	for _, m := range i.moved[:d+1] {
		sum.Paid, sum.Asked, sum.Due, sum.Taught, sum.Tips = sum.Paid+m.Paid, sum.Asked+m.Asked, sum.Due+m.Due, sum.Taught+m.Taught, sum.Tips+m.Tips
	}
	if owed != i.covers[d].Owed || paid != sum.Paid || asked != sum.Asked || late != sum.Due || taught != sum.Taught || len(i.tips) != sum.Tips {
		t.Fatalf("day %d: contracts say owed %d paid %d asked %d due %d taught %d, the days %d %d %d %d %d",
			d, owed, paid, asked, late, taught, i.covers[d].Owed, sum.Paid, sum.Asked, sum.Due, sum.Taught)
	}
}

// TestNothingOfTheFuture is that a score of a day is the same whatever comes later:
// of a twin that vanishes and one that does not, as long as they live alike.
func TestNothingOfTheFuture(t *testing.T) {
	t.Parallel()
	a := few(1)
	a.Absconding = 1
	i, short := found(a, 3, 4), found(a, 3, 4)
	for d := range a.Days {
		i.live(d)
	}
	for d := range 200 {
		short.live(d)
	}
	// What is of lessons is as of today on purpose: one that was given back is not due.
	early, late := short.watched(200, 28, 84), i.watched(200, 28, 84)
	early.Recent.Due, early.Before.Due, late.Recent.Due, late.Before.Due = 0, 0, 0, 0
	if early != late {
		t.Errorf("%+v became %+v", early, late)
	}
}

// TestHonestAreNotAlike is that the world has what makes false alarms: without it a
// back-test would be worth nothing.
func TestHonestAreNotAlike(t *testing.T) {
	t.Parallel()
	rules, err := readRules(seeded)
	if err != nil {
		t.Fatal(err)
	}
	signals := map[string]int{}
	for n := range uint64(40) {
		a := few(1)
		a.Absconding = 0
		i := found(a, 5, n)
		for d := range a.Days {
			if i.live(d); d >= 112 && d%7 == 0 {
				for _, r := range escrow.Assess(i.watched(d+1, 28, 84), rules).Reasons {
					signals[r.Signal]++
				}
			}
		}
	}
	for _, s := range []string{"refunds", "lag", "discount", "tips"} {
		if signals[s] == 0 {
			t.Errorf("no honest institution ever shows %s: %v", s, signals)
		}
	}
}

// TestREADME is that it shows the assumptions as they are.
func TestREADME(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	assumed.table(&table)
	if !strings.Contains(string(raw), table.String()) {
		t.Error("README.md has other assumptions: go run ./scripts/simulate --assumptions")
	}
	if rows := strings.Count(table.String(), "\n") - 2; rows != reflect.TypeFor[Assumptions]().NumField() || strings.Contains(table.String(), "|  |") {
		t.Error("an assumption has no words or no source:", fmt.Sprint("\n", table.String()))
	}
}
