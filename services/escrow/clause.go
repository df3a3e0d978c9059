package escrow

import (
	"fmt"
	"math"

	"xunguan/pkg/day"
	"xunguan/pkg/rule"
)

// rate is a year's interest, and the rule or agreement that it is from.
type rate struct {
	ppm  int64 // of the amount, a year
	rule rule.Rule
	days int64 // of a year, by which it is made a day's
}

// rateOf is r's ratio as a rate.
func rateOf(r rule.Rule, days int64) rate { return rate{int64(math.Round(r.Ratio() * 1e6)), r, days} }

// on is the interest of amount for so many days.
func (r rate) on(amount Fen, days int) Fen {
	if days <= 0 || r.days == 0 {
		return 0
	}
	return Fen(int64(amount) * r.ppm / 1e6 * int64(days) / r.days)
}

func (r rate) percent() string { return fmt.Sprintf("%.2f%%", float64(r.ppm)/1e4) }

// told is every rule's word on the quote q that was chosen, those that did not apply too.
func (p *pricing) told(q Quote) []Clause {
	all := []Clause{p.freeClause(q), p.coolingClause(q), p.faultClause(q)}
	for i := range all {
		if all[i].Applies && q.Owed > 0 {
			all[i].Text += fmt.Sprintf("其中 %s 已不在监管账户内，由机构以自有资金退还。", q.Owed.Yuan())
		}
	}
	if q.Basis == p.k.fault {
		all = append(all, p.extras(q)...)
	}
	return append(all, p.interestClause(q), p.answerClause(), p.stallClause())
}

func clause(r rule.Rule, applies bool, amount Fen, inputs map[string]any, format string, args ...any) Clause {
	return Clause{applies, amount, fmt.Sprintf(format, args...), r.Ground(inputs)}
}

func (p *pricing) freeClause(q Quote) Clause {
	last, r := p.a.freeUntil(p.c.FirstLesson), p.k.rules[freeDays]
	inputs := map[string]any{"first_lesson": p.c.FirstLesson, "requested_on": p.k.on, "last_free_day": last, "free_days_before": p.a.FreeDaysBefore, "free_days_after": p.a.FreeDaysAfter}
	switch {
	case last.IsZero():
		return clause(r, false, 0, inputs, "合同没有约定无条件退费期。")
	case !p.free():
		return clause(r, false, 0, inputs, "合同约定的无条件退费期到 %s 为止，申请日 %s 已过。", last, p.k.on)
	case q.Basis != contractFree:
		return clause(r, false, 0, inputs, "合同约定的无条件退费期到 %s 为止，但依其他条款退得更多。", last)
	}
	return clause(r, true, q.Amount, inputs, "在合同约定的无条件退费期内（到 %s 为止），所退课时的费用全额退还，共 %s。", last, q.Amount.Yuan())
}

func (p *pricing) coolingClause(q Quote) Clause {
	r, last := p.k.rules[coolingDays], p.k.coolingEnd
	inputs := map[string]any{"paid_on": paidOn(p.c), "last_day": last.On, "provisional": last.Provisional, "requested_on": p.k.on, "prior": p.a.Prior, "delivered": p.k.rules[coolingTaught].Text()}
	switch {
	case p.k.on.After(last.On):
		return clause(r, false, 0, inputs, "付款之日（%s）起 %d 日内可以无理由退款，到 %s 为止，申请日 %s 已过。", paidOn(p.c), r.Int(), last.On, p.k.on)
	case !p.cooling():
		who := map[string]string{fromThis: "该机构", fromOther: "其他机构"}[p.a.Prior]
		return clause(r, false, 0, inputs, "仍在付款后 %d 日内，但订立合同时学员已经从%s接受过相同的培训，不适用无理由退款。", r.Int(), who)
	case q.Basis != coolingOff:
		return clause(r, false, 0, inputs, "仍在付款后 %d 日内（到 %s 为止），但依其他条款退得不少于此。", r.Int(), last.On)
	}
	return clause(r, true, q.Amount, inputs, "在付款后 %d 日内（到 %s 为止），可以无理由退还预付款本金，所退课时共 %s，不按打折前的价格扣除，也不计违约金。", r.Int(), last.On, q.Amount.Yuan())
}

// faultClause is how what was given is priced by whose fault the end is.
func (p *pricing) faultClause(q Quote) Clause {
	r, applies := p.k.priceRule(), q.Basis == p.k.fault
	fees, given := p.sum(among(q.taken), asPaid), p.sum(wasGiven, asPaid)
	inputs := map[string]any{
		"fault": p.k.fault, "ground": p.k.ground, "fees_fen": fees, "given_lessons": p.lessonsGiven(), "given_paid_fen": given, "given_list_fen": p.sum(wasGiven, asListed),
		"price_fen": p.c.Price, "list_price_fen": p.a.undiscounted(p.c.Price), "market_price_fen": p.k.marketPrice, "deducted_before_fen": p.k.deducted,
	}
	why := bases[p.k.fault]
	if p.k.fault == operatorFault {
		why += "（" + grounds[p.k.ground] + "）"
	}
	switch {
	case !applies:
		return clause(r, false, 0, inputs, "以%s计算的退费不多于已采用的条款。", why)
	case p.a.Billing == byPeriod && p.ends(q.taken):
		return p.termClause(q, why)
	case !p.undiscounted():
		return clause(r, true, fees, inputs, "%s退费：已上课时按约定（折后）价计算，所退课时的费用 %s 全部退还。", why, fees.Yuan())
	}
	off := max(0, q.Deducted-q.Penalty)
	return clause(r, true, fees-off, inputs, "%s退费：所退课时的费用 %s；已上的 %d 课时按打折前的价格计 %s，高于已付的 %s，差额从退费中扣除，此次扣除 %s。",
		why, fees.Yuan(), p.lessonsGiven(), p.value(q.taken, asListed).Yuan(), given.Yuan(), off.Yuan())
}

func (p *pricing) lessonsGiven() int {
	return int(p.sum(wasGiven, func(priced) Fen { return 1 }))
}

func (p *pricing) termClause(q Quote, why string) Clause {
	total, left := p.term()
	return clause(p.k.rules[refundTerm], true, q.Amount, map[string]any{
		"fault": p.k.fault, "ground": p.k.ground, "first_day": p.c.FirstLesson, "total_days": total, "days_left": left, "requested_on": p.k.on, "stopped_on": p.k.stoppedOn,
		"paid_fen": p.sum(func(r priced) bool { return r.State != disputed }, asPaid),
	}, "%s退费，按期收费：全期 %d 日，剩余 %d 日，按剩余期限的比例退还 %s。", why, total, left, q.Amount.Yuan())
}

// extras is the clauses that only matter where whose fault it is decides.
func (p *pricing) extras(q Quote) (all []Clause) {
	gifts := p.sum(anyRow, func(r priced) Fen {
		if r.Gift {
			return 1
		}
		return 0
	})
	if gifts > 0 && p.a.Billing != byPeriod {
		words := "赠送课时不计价，未上的 %d 节随之取消，不影响退费。"
		if p.k.giftRule().Text() == "ratio" {
			words = "赠送课时与正课按同一比例折算，取消 %d 节。"
		}
		all = append(all, clause(p.k.giftRule(), true, q.Owed, map[string]any{"gift_lessons": gifts, "cancelled": q.GiftLessons, "rows": len(p.rows), "owed_fen": q.Owed}, words, q.GiftLessons))
	}
	if p.a.GiftFen > 0 && !p.undiscounted() {
		all = append(all, clause(p.k.rules[giftAmount], true, 0, map[string]any{"paid_fen": p.c.Price, "gift_fen": p.a.GiftFen},
			"充值 %s、赠送 %s：每消费 1 元按实付 ÷（实付 + 赠送）折算为实付 %.4f 元，赠送金额不作为扣除。", p.c.Price.Yuan(), p.a.GiftFen.Yuan(), float64(p.c.Price)/float64(p.c.Price+p.a.GiftFen)))
	}
	if q.Penalty > 0 {
		all = append(all, clause(p.k.rules[refundPenalty], true, -q.Penalty, map[string]any{"penalty_percent": p.a.PenaltyPercent, "penalty_fen": q.Penalty},
			"合同约定消费者自身原因退费的违约金为所退费用的 %d%%，计 %s。", p.a.PenaltyPercent, q.Penalty.Yuan()))
	}
	if p.k.fault == consumerReason {
		all = append(all, clause(p.k.rules[refundFloor], q.Amount == 0, 0, map[string]any{"amount_fen": q.Amount},
			"已上课时的价款即使超过预付款，也不再向家长收取；退费最少为 0。"))
	}
	return all
}

func (p *pricing) interestClause(q Quote) Clause {
	r := p.k.rate
	return clause(r.rule, r.ppm > 0, 0, map[string]any{"mode": p.c.Mode, "year_ppm": r.ppm, "days_of_year": r.days, "amount_fen": q.Amount - q.Owed},
		"利息自合同解除（同意退费）之日起到实际退回之日，按年利率 %s 计，每日约 %s；随本金一并退回。", r.percent(), r.on(q.Amount-q.Owed, 1).Yuan())
}

func (p *pricing) answerClause() Clause {
	r := p.k.rules[autoAgree]
	return clause(r, true, 0, map[string]any{"requested_on": p.k.on}, "机构应在 %d 个工作日内答复；逾期不答复，视为同意。", r.Int())
}

func (p *pricing) stallClause() Clause {
	r := p.k.rules[stallAfter]
	return clause(r, true, 0, map[string]any{"repay_days": p.a.RepayDays}, "同意后超过 %d 日仍不退款，即为故意拖延或者无理拒绝。", r.Int())
}

// paidOn is the day of c's first payment.
func paidOn(c *Contract) day.Date { return day.Of(*c.PaidAt) }
