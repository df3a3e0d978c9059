package main

import (
	"math"
	"math/rand/v2"

	"xunguan/pkg/day"
	"xunguan/services/escrow"
)

// start is the first day of the simulation.
var start = day.MustParse("2024-09-01")

// lesson is one of a contract's. Days are counted from start; -1 is never.
type lesson struct {
	on, taught, confirmed int
	fee                   escrow.Fen
	back                  bool // given back by a refund
}

type contract struct {
	paid, lessons, gifts int
	price                escrow.Fen
	list                 []lesson // paid ones, then gifts
	refund               *refund
}

// refund is of all that a contract has left.
type refund struct {
	asked, paid int // paid is -1 while it waits
	amount      escrow.Fen
	lessons     int
}

// booking is what the bank has more, or less, than the ledger.
type booking struct {
	on      int
	account string // custody or deposit
	amount  escrow.Fen
}

// institution is one life: what moved, day by day, and why.
type institution struct {
	Assumptions
	r         *rand.Rand
	pupils    float64
	price     float64 // fen for a lesson, usually
	deposit   bool
	flight    int // the day on which it vanishes; -1 for an honest one
	decline   int // days of decline before that
	idle      float64
	lure      bool
	promoted  []int // first days of promotions
	troubled  []int
	discount  float64 // of the promotion that runs
	crowd     float64
	drains    bool
	contracts []*contract
	over      int // contracts that are so old that nobody asks for their money
	tips      []int
	bank      []booking
	due       [][]due // lessons to be given, by day
	answers   [][]*contract
	confirms  [][]*lesson
	missed    float64 // share of recent lessons that were not given
	there     escrow.Fen
	owed      escrow.Fen
	moved     []escrow.Movements // by day
	covers    []escrow.Cover     // at the end of each day
}

type due struct {
	of *contract
	n  int
}

// horizon is how long after the end of the simulation its last lessons may fall.
const horizon = 200

// found makes institution n of a seed. Nothing has moved yet.
func found(a Assumptions, seed, n uint64) *institution {
	r := rand.New(rand.NewPCG(seed, n)) //nolint:gosec // to be repeated, not to be secret
	i := &institution{
		Assumptions: a, r: r, flight: -1, there: 0,
		pupils: min(max(a.Pupils*math.Exp(0.6*r.NormFloat64()), 30), 500),
		price:  100 * (float64(a.MinPrice) + r.Float64()*float64(a.MaxPrice-a.MinPrice)), deposit: r.Float64() < a.Deposit,
		due: make([][]due, a.Days+horizon), answers: make([][]*contract, a.Days+horizon), confirms: make([][]*lesson, a.Days+horizon),
		moved: make([]escrow.Movements, a.Days+horizon), covers: make([]escrow.Cover, a.Days),
	}
	for d := range a.Days {
		if r.Float64() < a.Promotions/365 {
			i.promoted = append(i.promoted, d)
		}
		if r.Float64() < a.Troubles/365 {
			i.troubled = append(i.troubled, d)
		}
	}
	if r.Float64() < a.Absconding {
		i.abscond()
	}
	return i
}

func (i *institution) abscond() {
	r := i.r
	i.flight = 260 + r.IntN(i.Days-260)
	i.decline, i.idle = 10, i.Idle
	if r.Float64() >= i.Sudden {
		i.decline = int(min(max(i.Decline*math.Exp(0.4*r.NormFloat64()), 30), 150))
		i.idle, i.lure, i.drains = i.Idle*(1+2*r.Float64())/3, r.Float64() < i.Lure, r.Float64() < i.Drain
	}
}

// decay is how far the decline is on day d: 0 before it, 1 at the flight.
func (i *institution) decay(d int) float64 {
	if i.flight < 0 || d < i.flight-i.decline {
		return 0
	}
	return float64(d-(i.flight-i.decline)) / float64(i.decline)
}

// live simulates day d.
func (i *institution) live(d int) {
	i.sell(d)
	i.teach(d)
	i.confirm(d)
	i.withdraw(d)
	i.answer(d)
	i.complain(d)
	i.cover(d)
}

// within reports whether d is within n days from one of days.
func within(d, n int, days []int) bool {
	for _, from := range days {
		if d >= from && d < from+n {
			return true
		}
	}
	return false
}

// sell takes the payments of day d.
func (i *institution) sell(d int) {
	rate, cheaper, gift, private := i.pupils/i.Cycle*season(d), 0.0, i.Gift, 0.0
	lures := i.lure && i.decay(d) > 0 && i.decay(d) < 0.6
	switch {
	case lures && i.discount < 0.2: // the first day of it
		i.discount, i.crowd = 0.2+0.3*i.r.Float64(), 1.5+1.5*i.r.Float64()
	case !lures && within(d, 1, i.promoted):
		i.discount, i.crowd = 0.1+0.15*i.r.Float64(), 1.3+0.5*i.r.Float64()
	case !lures && !within(d, 14, i.promoted):
		i.discount, i.crowd = 0, 1
	}
	rate, cheaper = rate*i.crowd, i.discount
	if lures {
		gift, private = 0.6, i.Private
	}
	for range i.poisson(rate) {
		if i.r.Float64() < private {
			continue // past the account, and past all that can be seen
		}
		i.contract(d, cheaper, gift)
	}
}

func (i *institution) contract(d int, cheaper, gift float64) {
	c := &contract{paid: d, lessons: i.MinLessons + i.r.IntN(i.MaxLessons-i.MinLessons+1)}
	if i.r.Float64() < gift {
		c.gifts = 2 + i.r.IntN(5)
	}
	c.price = escrow.Fen(i.price*(0.92+0.16*i.r.Float64())*(1-cheaper)) * escrow.Fen(c.lessons)
	first, all := d+3+i.r.IntN(15), c.lessons+c.gifts
	last := first + 60 + i.r.IntN(25)
	for n := range all {
		l := lesson{on: first + n*(last-first)/(all-1), taught: -1, confirmed: -1}
		if n < c.lessons {
			l.fee = c.price / escrow.Fen(c.lessons)
		}
		if n == c.lessons-1 {
			l.fee = c.price - l.fee*escrow.Fen(c.lessons-1)
		}
		c.list = append(c.list, l)
		i.moved[l.on].Due++
		i.due[l.on] = append(i.due[l.on], due{c, n})
	}
	i.contracts = append(i.contracts, c)
	i.moved[d].Paid += c.price
	i.moved[d].Lessons += all
	i.owed += c.price
}

// teach gives the lessons of day d, or puts them off.
func (i *institution) teach(d int) {
	gives := i.Taught
	switch {
	case winter(d):
		gives *= 1 - i.Winter
	case within(d, 21, i.troubled):
		gives *= 1 - 0.2 - 0.3*float64(int(i.pupils)%10)/10
	}
	gives *= 1 - i.idle*i.decay(d)
	madeUp := i.MadeUp * (1 - i.idle*i.decay(d))
	for _, x := range i.due[d] {
		l := &x.of.list[x.n]
		if l.back || l.taught >= 0 {
			continue
		}
		given := i.r.Float64() < gives
		i.missed *= 0.995 // an average over some 200 lessons
		if given {
			l.taught = d
			i.moved[d].Taught++
			wait := 21
			if i.r.Float64() < i.Prompt {
				wait = i.r.IntN(4)
			}
			i.confirms[d+wait] = append(i.confirms[d+wait], l)
			continue
		}
		i.missed += 0.005
		if i.r.Float64() < i.TipMissed {
			i.tip(d)
		}
		if i.r.Float64() < madeUp {
			later := d + 7 + i.r.IntN(8)
			i.due[later] = append(i.due[later], x)
		}
	}
}

// confirm pays out the lessons that parents confirm on day d.
func (i *institution) confirm(d int) {
	for _, l := range i.confirms[d] {
		l.confirmed = d
		i.owed -= l.fee
	}
}

// withdraw has parents ask for their money on day d.
func (i *institution) withdraw(d int) {
	usual := 1 - i.Taught
	chance := i.Withdraw / 30 * (1 + i.Unhappy*max(i.missed-usual, 0))
	for i.over < len(i.contracts) && i.contracts[i.over].paid+100 < d {
		i.over++
	}
	for _, c := range i.contracts[i.over:] {
		if c.refund != nil || i.r.Float64() >= chance {
			continue
		}
		back := c.rest()
		if back.amount == 0 {
			continue // gifts alone: nothing to give back
		}
		back.asked, c.refund = d, back
		for n := range c.list {
			if l := &c.list[n]; l.taught < 0 {
				l.back = true
				i.moved[l.on].Due--
			}
		}
		i.moved[d].Asked += back.amount
		i.moved[d].Refunds++
		wait := 1 + i.r.IntN(7)
		if i.decay(d) > 0 {
			wait = 7
			if i.r.Float64() < i.TipRefused {
				i.tip(d)
			}
		}
		i.answers[d+wait] = append(i.answers[d+wait], c)
	}
}

// rest is a refund of what was not taught.
func (c *contract) rest() *refund {
	back := &refund{paid: -1}
	for _, l := range c.list {
		if l.taught < 0 {
			back.amount += l.fee
			back.lessons++
		}
	}
	return back
}

// answer pays the refunds of day d.
func (i *institution) answer(d int) {
	for _, c := range i.answers[d] {
		c.refund.paid = d
		i.owed -= c.refund.amount
	}
}

// complain has the tip-offs of day d come that come to everybody.
func (i *institution) complain(d int) {
	for range i.poisson(i.TipRate * i.pupils / 100 / 30) {
		i.tip(d)
	}
}

func (i *institution) tip(d int) {
	i.tips = append(i.tips, d)
	i.moved[d].Tips++
}

// cover is what the bank has for families as day d ends.
func (i *institution) cover(d int) {
	if i.deposit {
		i.secure(d)
	} else if i.r.Float64() < i.Gap/30 {
		i.book(d, "custody", -i.owed*escrow.Fen(1+i.r.IntN(2))/100)
	}
	for _, b := range i.bank {
		if b.account == "custody" && b.amount < 0 && b.on == d-3 {
			i.book(d, "custody", -b.amount)
		}
	}
	i.covers[d] = escrow.Cover{There: i.there, Owed: i.owed}
	if !i.deposit {
		i.covers[d].There += i.owed
	}
}

// secure keeps the risk deposit up, or no longer.
func (i *institution) secure(d int) {
	switch decay := i.decay(d); {
	case decay == 0 && d%i.TopUp == 0:
		if short := i.owed*11/10 - i.there; short > 0 {
			i.book(d, "deposit", short)
		}
	case decay > 0 && i.drains && d%7 == 0:
		i.book(d, "deposit", -i.there*7/escrow.Fen(max(2*i.decline, 8)))
	}
}

func (i *institution) book(d int, account string, amount escrow.Fen) {
	if amount != 0 {
		i.bank = append(i.bank, booking{d, account, amount})
		i.there += amount
	}
}

// poisson draws how many of what comes so often on average.
func (i *institution) poisson(mean float64) (n int) {
	for t := i.r.ExpFloat64(); t < mean; t += i.r.ExpFloat64() {
		n++
	}
	return n
}

// season is how many more pay in a month than on average: before terms and holidays.
func season(d int) float64 {
	return [...]float64{1.3, 1.2, 1.1, 0.8, 0.8, 1.2, 1.3, 1.0, 1.2, 0.8, 0.8, 0.7}[start.AddDays(d).Start().Month()-1]
}

// winter is the two weeks around the Spring Festival.
func winter(d int) bool {
	on := start.AddDays(d)
	for _, from := range []string{"2025-01-25", "2026-02-14"} {
		if n := day.MustParse(from).DaysUntil(on); n >= 0 && n < 14 {
			return true
		}
	}
	return false
}
