package escrow

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// QuoteRefund asks what a refund would come to, before anyone applies.
type QuoteRefund struct {
	Contract  string   `path:"id" maxLength:"64"`
	Lessons   int      `query:"lessons" minimum:"1" maximum:"1000" description:"how many paid lessons to give back; all that are ahead if absent"`
	Fault     string   `query:"fault" enum:"consumer,operator" description:"whose reason it is; consumer if absent"`
	Ground    string   `query:"ground" enum:"moved,transferred,undeliverable,stopped,teacher_changed,other" description:"of an operator's fault"`
	StoppedOn day.Date `query:"stopped_on" description:"since when the operator no longer serves, of a contract billed by the period"`
}

// RefundQuote is what a refund would come to, with every clause, and what happens when.
type RefundQuote struct {
	Contract        string       `json:"contract"`
	On              day.Date     `json:"on"`
	Lessons         int          `json:"lessons" description:"paid lessons given back"`
	GiftLessons     int          `json:"gift_lessons" description:"gift lessons cancelled with them"`
	Basis           string       `json:"basis" description:"contract_free, cooling_off, operator or consumer: the clause that decides"`
	BasisText       string       `json:"basis_text"`
	AmountFen       Fen          `json:"amount_fen" description:"for the parent, without interest"`
	FromInstitution Fen          `json:"from_institution_fen" description:"of amount: no longer supervised, and the institution's to pay"`
	DeductedFen     Fen          `json:"deducted_fen" description:"of the lessons' fees: what the institution keeps"`
	Clauses         []Clause     `json:"clauses"`
	Steps           []RefundStep `json:"steps" description:"in the order in which they come"`
}

// RefundStep is what happens by a day, or has happened on it.
type RefundStep struct {
	By          day.Date `json:"by,omitzero"`
	Provisional bool     `json:"provisional,omitempty"`
	Text        string   `json:"text"`
	Done        bool     `json:"done,omitempty"`
}

// QuoteRefund prices a refund as it would be priced if it were asked for now. It
// changes nothing. Conflict if there is nothing to give back.
func (s *Service) QuoteRefund(ctx context.Context, req QuoteRefund) (RefundQuote, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (RefundQuote, error) {
		row, err := findContract(ctx, tx, req.Contract)
		if err != nil {
			return RefundQuote{}, err
		}
		c := &row.Contract
		if c.State != paid {
			return RefundQuote{}, fault.Conflict.Errorf("合同%s，没有可退的费用", contractStates[c.State])
		}
		k := claim{lessons: req.Lessons, whole: req.Lessons == 0, fault: req.Fault, ground: req.Ground, stoppedOn: req.StoppedOn, on: s.today()}
		q, a, err := s.price(ctx, tx, c, k)
		if err != nil {
			return RefundQuote{}, err
		}
		steps, err := s.steps(ctx, tx, c, a, q)
		return RefundQuote{
			Contract: c.ID, On: s.today(), Lessons: q.Lessons, GiftLessons: q.GiftLessons, Basis: q.Basis, BasisText: bases[q.Basis],
			AmountFen: q.Amount, FromInstitution: q.Owed, DeductedFen: q.Deducted, Clauses: q.Clauses, Steps: steps,
		}, err
	})
}

// price completes k by what the records know and prices it.
func (s *Service) price(ctx context.Context, tx pgx.Tx, c *Contract, k claim) (q Quote, a Agreement, err error) {
	schedule, err := listLessons(ctx, tx, c)
	if err != nil {
		return q, a, err
	}
	return s.priceOf(ctx, tx, c, schedule, k)
}

func (s *Service) priceOf(ctx context.Context, tx pgx.Tx, c *Contract, schedule []Lesson, k claim) (q Quote, a Agreement, err error) {
	if err := k.check(); err != nil {
		return q, a, err
	}
	if a, err = findAgreement(ctx, tx, c); err != nil {
		return q, a, err
	}
	if k.rules, err = rule.InForce(ctx, tx, c.Jurisdiction, k.on, quoteRules...); err != nil {
		return q, a, err
	}
	if k.coolingEnd, err = rule.Due(ctx, tx, k.rules[coolingDays], paidOn(c)); err != nil {
		return q, a, err
	}
	if k.rate, err = interestRate(ctx, tx, c, a, k); err != nil {
		return q, a, err
	}
	if k.deducted, k.penalised, err = deductedBefore(ctx, tx, c, k.again, k.merged); err != nil {
		return q, a, err
	}
	q, err = quote(c, a, schedule, k)
	return q, a, err
}

// interestRate is what money of c earns from the day on which it is due back: what
// the supervised account does or, where the institution took it in itself, by whose
// fault it is.
func interestRate(ctx context.Context, tx pgx.Tx, c *Contract, a Agreement, k claim) (rate, error) {
	base := k.rules[interestBase].Int()
	if c.Mode == custodyMode {
		return rate{a.InterestPPM, k.rules[interestKept], base}, nil
	}
	key := interestTaken + ofFault[k.fault]
	then, err := rule.InForce(ctx, tx, c.Jurisdiction, c.OfferedOn, key)
	return rateOf(then[key], base), err
}

// steps is what follows if the refund q is asked for today.
func (s *Service) steps(ctx context.Context, tx pgx.Tx, c *Contract, a Agreement, q Quote) ([]RefundStep, error) {
	rules, err := rule.InForce(ctx, tx, c.Jurisdiction, s.today(), autoAgree, stallAfter, mediateWithin)
	if err != nil {
		return nil, err
	}
	answer, err := rule.Due(ctx, tx, rules[autoAgree], s.today())
	if err != nil {
		return nil, err
	}
	late, err := rule.Due(ctx, tx, rules[stallAfter], answer.On)
	if err != nil {
		return nil, err
	}
	if a.RepayDays != nil {
		calendar, err := rule.Calendar(ctx, tx)
		if err != nil {
			return nil, err
		}
		if agreed, err := calendar.Due(answer.On, *a.RepayDays, day.WorkingDay); err != nil || agreed.On.Before(late.On) {
			late = agreed
		}
	}
	mediated, err := rule.Due(ctx, tx, rules[mediateWithin], answer.On)
	steps := []RefundStep{
		{By: s.today(), Text: fmt.Sprintf("提出申请：所退 %d 课时不再上课，费用留在监管账户", q.Lessons)},
		{By: answer.On, Provisional: answer.Provisional, Text: "机构最迟在这一天答复；过了这一天没有答复，视为同意"},
		{By: answer.On.AddDays(1), Provisional: answer.Provisional, Text: fmt.Sprintf("视为同意的，当天办理原路退回 %s", (q.Amount - q.Owed).Yuan())},
	}
	if q.Owed > 0 {
		steps = append(steps, RefundStep{By: late.On, Provisional: late.Provisional, Text: fmt.Sprintf("机构最迟在这一天以自有资金退还 %s；再晚即为故意拖延", q.Owed.Yuan())})
	}
	return append(steps, RefundStep{By: mediated.On, Provisional: mediated.Provisional, Text: "机构不同意的，可以申请调解，最迟在这一天结束；调解不成，可以起诉或者仲裁"}), err
}
