package escrow

import (
	"maps"
	"slices"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/rule"
)

// The bases of a refund. The first two need no reason; where several hold, the one
// that gives the parent most does.
const (
	notGiven       = "not_given" // of one lesson, that silence confirmed
	contractFree   = "contract_free"
	coolingOff     = "cooling_off"
	operatorFault  = "operator"
	consumerReason = "consumer"
)

var bases = map[string]string{
	notGiven:     "自动确认的课时没有上",
	contractFree: "合同约定的无条件退费期内", coolingOff: "付款后七日内", operatorFault: "非因消费者原因", consumerReason: "消费者自身原因",
}

// grounds is what makes the end of a contract not the consumer's doing.
var grounds = map[string]string{
	"moved": "经营场所搬迁造成明显不便", "transferred": "未经同意转让合同义务", "undeliverable": "承诺的服务无法提供",
	"stopped": "停业或停课", "teacher_changed": "未经同意更换教师", "other": "其他非消费者原因",
}

// groundKeys and groundNames are grounds for people to choose from.
var (
	groundKeys  = slices.Sorted(maps.Keys(grounds))
	groundNames = views(groundKeys, func(k string) string { return grounds[k] })
)

// The keys of the rules that refunds are decided by.
const (
	freeDays        = "refund.contract_free_days"
	coolingDays     = "refund.cooling_off_days"
	coolingTaught   = "refund.cooling_off_delivered"
	deliveredPrice  = "refund.delivered_price." // + whose fault it is
	giftLessonsRule = "refund.gift_lessons."    // + whose fault it is
	giftAmount      = "refund.gift_amount"
	refundFloor     = "refund.floor"
	refundTerm      = "refund.period"
	refundPenalty   = "refund.penalty"
	interestKept    = "refund.interest.supervised"
	interestTaken   = "refund.interest." // + whose fault it is
	interestBase    = "refund.interest_day_base"
	stallAfter      = "refund.stall_after"
	mediateWithin   = "refund.mediate"
	retryAfter      = "refund.retry_after"
	retryMax        = "refund.retry_max"
)

// quoteRules is what a quote needs; interestTaken is looked up besides, as of the
// contract's own day.
var quoteRules = []string{
	freeDays, coolingDays, coolingTaught, deliveredPrice + "operator_fault", deliveredPrice + "consumer_reason", giftLessonsRule + "operator_fault",
	giftLessonsRule + "consumer_reason", giftAmount, refundFloor, refundTerm, refundPenalty, interestKept, interestBase, stallAfter, autoAgree,
}

// refundRules is all that refunds need.
var refundRules = append([]string{
	mediateWithin, retryAfter, retryMax, interestTaken + "operator_fault", interestTaken + "consumer_reason",
}, quoteRules...)

// claim is what is asked back, why and when, and the rules of that day.
type claim struct {
	lessons     int
	whole       bool
	fault       string // operatorFault or consumerReason
	ground      string
	stoppedOn   day.Date // by when an operator no longer served; none is the day of asking
	on          day.Date
	coolingEnd  day.Due
	marketPrice Fen    // of all paid lessons, as a mediation found it; 0 is the contract's own price
	deducted    Fen    // from earlier refunds of the contract, pending ones too
	penalised   Fen    // the penalties of those
	again       string // id of a refund whose lessons, and no others, are priced again
	merged      bool   // pending refunds are part of this claim
	rate        rate
	rules       rule.Set
}

// check fills in whose fault it is, and returns Invalid unless the claim makes sense.
func (k *claim) check() error {
	if k.fault == "" {
		k.fault = consumerReason
	}
	switch {
	case (k.fault == operatorFault) != (k.ground != ""):
		return fault.Fields(fault.Field{Pointer: "/ground", Detail: "非因消费者原因退费须选明原因，自身原因则不填"})
	case k.stoppedOn.After(k.on):
		return fault.Fields(fault.Field{Pointer: "/stopped_on", Detail: "不得晚于申请日 " + k.on.String()})
	}
	return nil
}

// Clause is one rule's word on a refund.
type Clause struct {
	Applies   bool         `json:"applies"`
	AmountFen Fen          `json:"amount_fen" description:"what the clause alone comes to; negative is taken off"`
	Text      string       `json:"text"`
	Rule      fault.Ground `json:"rule"`
}

// Quote is what a claim comes to.
type Quote struct {
	Basis       string
	Lessons     int // paid ones given back
	GiftLessons int
	Amount      Fen // for the parent
	Owed        Fen // of Amount: what is no longer held, and the institution's to pay
	Deducted    Fen // of the lessons' fees: what the institution keeps
	Penalty     Fen // agreed for the lessons given back; deducted as far as it can be
	Clauses     []Clause
	taken       []Lesson
}

// pricing is a contract's schedule with what each lesson is worth.
type pricing struct {
	c    *Contract
	a    Agreement
	k    claim
	rows []priced // all but what was given back, or is being
}

type priced struct {
	Lesson
	worth Fen // its fee, if it is paid
	list  Fen // its price before discount
}

// quote prices k. It knows nothing but what it is given: the same claim on the same
// schedule comes to the same amount. Conflict if there is nothing to give back,
// Invalid if more is asked than is there.
func quote(c *Contract, a Agreement, schedule []Lesson, k claim) (Quote, error) {
	p := &pricing{c: c, a: a, k: k}
	p.price(schedule)
	ahead, err := p.taken(schedule, false)
	if err != nil {
		return Quote{}, err
	}
	if c.Paid < c.Price && !p.ends(ahead) {
		return Quote{}, fault.Conflict.Errorf("分期付款尚未付清，只能全部退费：未付款的课时随之取消")
	}
	quotes := []Quote{}
	if p.free() {
		quotes = append(quotes, p.whole(contractFree, schedule, ahead))
	}
	if p.cooling() {
		q := p.atFees(coolingOff, ahead)
		if k.rules[coolingTaught].Text() == "none" {
			q = p.whole(coolingOff, schedule, ahead)
		}
		quotes = append(quotes, q)
	}
	quotes = append(quotes, p.byFault(ahead))
	best := slices.MaxFunc(quotes, func(x, y Quote) int { return int(x.Amount - y.Amount) }) // the first of equals
	if best.Amount == 0 && best.Lessons == 0 {
		return Quote{}, fault.Conflict.Errorf("没有尚未上课、可以退费的课时")
	}
	best.Clauses = p.told(best)
	return best, nil
}

// price values the rows of schedule: lessons are paid for in their order.
func (p *pricing) price(schedule []Lesson) {
	list := p.a.undiscounted(p.c.Price)
	if p.k.marketPrice > 0 {
		list = p.k.marketPrice
	}
	lists, covered := lessonFees(list, p.c.Lessons), Fen(0)
	for i, l := range schedule {
		covered += l.Fee
		r := priced{Lesson: l}
		if covered <= p.c.Paid {
			r.worth = l.Fee
		}
		if !l.Gift {
			r.list = lists[i]
		}
		switch {
		case l.State == refunded || l.State == cancelled:
		case l.State == refunding && (p.k.again == "" || l.Refund != p.k.again):
		case l.State == confirmed && l.Refund != "": // the parent objects that it was not given
		default:
			p.rows = append(p.rows, r)
		}
	}
}

// taken is the lessons that the claim gives back: from the end of what is ahead; if
// all is undone, also what was given and not confirmed.
func (p *pricing) taken(schedule []Lesson, undone bool) ([]Lesson, error) {
	if p.k.again == "" && !undone {
		return fromEnd(schedule, p.k.lessons, p.k.whole)
	}
	var taken []Lesson
	for _, r := range slices.Backward(p.rows) {
		if p.k.again == r.Refund && (p.k.again != "" || r.State != confirmed) {
			taken = append(taken, r.Lesson)
		}
	}
	return taken, nil
}

// ends reports whether nothing is ahead once taken is given back.
func (p *pricing) ends(taken []Lesson) bool {
	return !slices.ContainsFunc(p.rows, func(r priced) bool { return r.State == scheduled && !among(taken)(r) })
}

// among is the rows of lessons, wasGiven those that were given.
func among(lessons []Lesson) func(priced) bool {
	return func(r priced) bool { return slices.ContainsFunc(lessons, func(l Lesson) bool { return l.N == r.N }) }
}
func wasGiven(r priced) bool { return r.State == taught || r.State == confirmed }
func anyRow(priced) bool     { return true }

// asPaid, asAgreed and asListed are what rows are summed up by.
func asPaid(r priced) Fen   { return r.worth }
func asAgreed(r priced) Fen { return r.Fee }
func asListed(r priced) Fen { return r.list }

func (p *pricing) sum(which func(priced) bool, of func(priced) Fen) (sum Fen) {
	for _, r := range p.rows {
		if which(r) {
			sum += of(r)
		}
	}
	return sum
}

// begin is a quote for taken before anything is priced.
func begin(basis string, taken []Lesson) Quote {
	q := Quote{Basis: basis, taken: taken}
	for _, l := range taken {
		if l.Gift {
			q.GiftLessons++
		} else {
			q.Lessons++
		}
	}
	return q
}

// atFees gives back what was paid for taken.
func (p *pricing) atFees(basis string, taken []Lesson) Quote {
	q := begin(basis, taken)
	q.Amount = p.sum(among(taken), asPaid)
	return q
}

// whole gives everything back that was paid, for lessons that were given, too; of
// a part that is given back, its fees.
func (p *pricing) whole(basis string, schedule, ahead []Lesson) Quote {
	if !p.ends(ahead) {
		return p.atFees(basis, ahead)
	}
	undone, _ := p.taken(schedule, true)
	q := begin(basis, undone)
	q.Amount = p.sum(anyRow, asPaid)
	q.Owed = q.Amount - p.sum(among(undone), asPaid)
	return q
}

// byFault gives back what was paid without what was given, priced by whose fault
// the end is. A disputed lesson is neither: its fee waits for the dispute.
func (p *pricing) byFault(taken []Lesson) Quote {
	q := begin(p.k.fault, taken)
	q.Penalty = p.penalty(taken)
	fees := p.sum(among(taken), asPaid)
	if p.a.Billing == byPeriod && p.ends(taken) {
		p.byTerm(&q, fees)
		return q
	}
	due := q.Penalty + p.k.penalised - p.k.deducted // and what earlier refunds could not bear
	if p.undiscounted() {
		due += max(0, p.value(taken, asListed)-p.sum(wasGiven, asPaid))
	} else if p.ends(taken) { // never less than what is held for the lessons
		q.Owed = max(0, p.sum(wasGiven, asPaid)-p.value(taken, asAgreed))
	}
	q.Deducted = min(fees, max(0, due))
	q.Amount = fees - q.Deducted + q.Owed
	return q
}

func (p *pricing) undiscounted() bool { return p.k.priceRule().Text() == "undiscounted" }

// value is what the lessons that were given are worth by a price: each its own or,
// where gift lessons share in it, as many parts of the whole.
func (p *pricing) value(taken []Lesson, price func(priced) Fen) Fen {
	if p.k.giftRule().Text() != "ratio" || !p.ends(taken) || !slices.ContainsFunc(p.rows, func(r priced) bool { return r.Gift }) {
		return p.sum(wasGiven, price)
	}
	n := 0
	for _, r := range p.rows {
		if wasGiven(r) {
			n++
		}
	}
	all := p.sum(func(r priced) bool { return wasGiven(r) || among(taken)(r) }, price)
	return all * Fen(n) / Fen(n+len(taken))
}

// byTerm gives back the part of a period that is left (法释〔2025〕4号 §22).
func (p *pricing) byTerm(q *Quote, fees Fen) {
	price := asAgreed
	if p.undiscounted() {
		price = asListed
	}
	total, left := p.term()
	settled := func(r priced) bool { return r.State != disputed }
	used := p.sum(settled, price) * Fen(total-left) / Fen(total)
	q.Amount = max(0, p.sum(settled, asPaid)-used-q.Penalty)
	q.Owed = max(0, q.Amount-fees)
	q.Deducted = fees + q.Owed - q.Amount
}

// term is the days of the contract's period as it stands, and how many are left: from
// the day after the asking, or from the day on which the operator stopped.
func (p *pricing) term() (total, left int) {
	last := p.c.FirstLesson
	for _, r := range p.rows {
		if r.OnDate.After(last) {
			last = r.OnDate
		}
	}
	total = p.c.FirstLesson.DaysUntil(last) + 1
	from := p.k.on.AddDays(1)
	if p.k.fault == operatorFault && !p.k.stoppedOn.IsZero() {
		from = p.k.stoppedOn
	}
	return total, min(total, max(0, from.DaysUntil(last)+1))
}

// penalty is what the parties agreed that the consumer's own reason costs, lesson by
// lesson, so that parts cost what the whole does.
func (p *pricing) penalty(taken []Lesson) Fen {
	if p.k.fault != consumerReason {
		return 0
	}
	return p.sum(among(taken), func(r priced) Fen { return r.worth * Fen(p.a.PenaltyPercent) / 100 })
}

// free reports whether the contract's own days of a full refund are not over.
func (p *pricing) free() bool {
	last := p.a.freeUntil(p.c.FirstLesson)
	return !last.IsZero() && !p.k.on.After(last)
}

// cooling reports whether the payment was so lately that no reason is needed. Who
// had the service before knew it.
func (p *pricing) cooling() bool {
	return !p.k.on.After(p.k.coolingEnd.On) && (p.a.Prior == neverBefore || p.a.Prior == "")
}

// ofFault is what rules call whose fault it is.
var ofFault = map[string]string{operatorFault: "operator_fault", consumerReason: "consumer_reason"}

func (k claim) priceRule() rule.Rule { return k.rules[deliveredPrice+ofFault[k.fault]] }
func (k claim) giftRule() rule.Rule  { return k.rules[giftLessonsRule+ofFault[k.fault]] }
