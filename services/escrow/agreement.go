package escrow

import (
	"fmt"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

// How a contract is billed, in what form lessons are prepaid (card is one more), and
// the cycles in which they are confirmed.
const (
	byLesson = "lesson"
	byPeriod = "period"

	lessonPack = "lessons"
	topUp      = "top_up"

	weekly  = "week"
	monthly = "month"
)

// Whether the pupil had had the same service when the contract was made.
const (
	neverBefore = "none"
	fromThis    = "this"
	fromOther   = "other"
)

// Agreement is what the blanks of GF-2021-2604 are filled in with, as far as rules
// read it. The zero value is a contract that fills in none of them.
type Agreement struct {
	Billing        string       `json:"-"` // as Terms have it
	InterestPPM    int64        `json:"-"` // a year's, on the supervised account
	Form           string       `json:"form,omitempty" enum:"lessons,top_up,card" description:"lessons 课时 unless said otherwise, top_up 充值, card 次卡"`
	ListPriceFen   Fen          `json:"list_price_fen,omitempty" minimum:"0" maximum:"100000000" description:"for all paid lessons before any discount, in 分; the price if absent"`
	GiftFen        Fen          `json:"gift_fen,omitempty" minimum:"0" maximum:"100000000" description:"amount given on top of what is paid, in 分"`
	FreeDaysBefore *int         `json:"free_days_before,omitempty" minimum:"0" maximum:"365" description:"full refund until so many days before class begins"`
	FreeDaysAfter  *int         `json:"free_days_after,omitempty" minimum:"0" maximum:"365" description:"full refund until so many days after class began"`
	PenaltyPercent int          `json:"penalty_percent,omitempty" minimum:"0" maximum:"100" description:"of the fees given back for the consumer's own reason"`
	RepayDays      *int         `json:"repay_days,omitempty" minimum:"1" maximum:"365" description:"working days from agreement to repayment"`
	Prior          string       `json:"prior,omitempty" enum:"none,this,other" description:"whether the pupil had the same service before, from this institution or another"`
	Cycle          string       `json:"cycle,omitempty" enum:"lesson,week,month" description:"what is confirmed at a time; lesson unless said otherwise"`
	Teacher        string       `json:"teacher,omitempty" maxLength:"40"`
	Instalments    []Instalment `json:"instalments,omitempty" maxItems:"12" description:"that add up to the price; paid in this order"`
	Loan           bool         `json:"loan,omitempty" description:"paid with a training loan"`
	Online         bool         `json:"online,omitempty"`
	ClassSize      int          `json:"class_size,omitempty" minimum:"0" maximum:"1000" description:"pupils; 0 is not agreed"`
	LessonMinutes  int          `json:"lesson_minutes,omitempty" minimum:"0" maximum:"600" description:"0 is not agreed"`
}

// Instalment is one part of the price.
type Instalment struct {
	AmountFen Fen      `json:"amount_fen" minimum:"1" maximum:"100000000"`
	DueOn     day.Date `json:"due_on"`
}

// check names what of a makes no sense for a contract on t.
func (a Agreement) check(t Terms) (wrong []fault.Field) {
	add := func(bad bool, pointer, detail string) {
		if bad {
			wrong = append(wrong, fault.Field{Pointer: pointer, Detail: detail})
		}
	}
	add(a.ListPriceFen > 0 && a.ListPriceFen < t.PriceFen, "/list_price_fen", "打折前的总价不得低于总价")
	add(a.GiftFen > 0 && a.Form != topUp, "/gift_fen", "只有充值才有赠送金额")
	var sum Fen
	for i, p := range a.Instalments {
		sum += p.AmountFen
		add(i > 0 && p.DueOn.Before(a.Instalments[i-1].DueOn), fmt.Sprintf("/instalments/%d/due_on", i), "不得早于上一期")
	}
	add(len(a.Instalments) > 0 && sum != t.PriceFen, "/instalments", fmt.Sprintf("各期合计 %d 分，应为总价 %d 分", sum, t.PriceFen))
	return wrong
}

// filled is a with its blanks as they are meant.
func (a Agreement) filled() Agreement {
	for field, value := range map[*string]string{&a.Form: lessonPack, &a.Prior: neverBefore, &a.Cycle: byLesson, &a.Billing: byLesson} {
		if *field == "" {
			*field = value
		}
	}
	if a.Instalments == nil {
		a.Instalments = []Instalment{}
	}
	return a
}

// freeUntil is the last day of a full refund for a class that begins on first; none
// if the parties agreed on none.
func (a Agreement) freeUntil(first day.Date) (last day.Date) {
	if a.FreeDaysBefore != nil {
		last = first.AddDays(-*a.FreeDaysBefore)
	}
	if a.FreeDaysAfter != nil {
		last = first.AddDays(*a.FreeDaysAfter)
	}
	return last
}

// undiscounted is the price of all paid lessons before discounts and gifts.
func (a Agreement) undiscounted(price Fen) Fen { return max(a.ListPriceFen, price+a.GiftFen) }

// next is what has to be paid after so much of the price was.
func (a Agreement) next(price, paid Fen) Fen {
	for _, p := range a.Instalments {
		if paid == 0 {
			return p.AmountFen
		}
		paid -= p.AmountFen
	}
	return price - paid
}

// cycleEnd is the last day of the cycle that day is in.
func (a Agreement) cycleEnd(on day.Date) day.Date {
	switch a.Cycle {
	case weekly:
		return on.AddDays((7 - int(on.Weekday())) % 7)
	case monthly:
		return day.New(on.Year(), on.Start().Month()+1, 0)
	}
	return on
}
