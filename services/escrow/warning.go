package escrow

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/rule"
)

// The rules of the early warning. Days are complete days: the window ends with the
// day before the score's.
const (
	warnWindow      = "warning.window"
	warnBaseline    = "warning.baseline"
	leastLessons    = "warning.least_lessons"
	leastRefunds    = "warning.least_refunds"
	refundShare     = "warning.refund_share"
	refundRise      = "warning.refund_rise"
	refundPoints    = "warning.refund_points"
	lagShare        = "warning.lag_share"
	lagPoints       = "warning.lag_points"
	coverFall       = "warning.cover_fall"
	coverPoints     = "warning.cover_points"
	inflowRise      = "warning.inflow_rise"
	priceFall       = "warning.price_fall"
	discountPoints  = "warning.discount_points"
	tipCount        = "warning.tips"
	tipPoints       = "warning.tip_points"
	yellowFrom      = "warning.yellow"
	redFrom         = "warning.red"
	controlShare    = "warning.control"
	controlSeed     = "warning.control_seed"
	wholePercentage = 100
)

// WarningRules are the keys of the rules that the early warning decides by.
var WarningRules = []string{
	warnWindow, warnBaseline, leastLessons, leastRefunds, refundShare, refundRise, refundPoints, lagShare, lagPoints, coverFall, coverPoints,
	inflowRise, priceFall, discountPoints, tipCount, tipPoints, yellowFrom, redFrom, controlShare, controlSeed,
}

// calm is the band of a score below yellow and red, the levels of an alert.
const calm = "NONE"

var bandNames = map[string]string{calm: "无预警", yellow: "黄色预警", red: "红色预警"}

// Movements is what moved at one institution in some days.
type Movements struct {
	Paid    Fen // by parents
	Lessons int // that they bought with it, gifts included
	Asked   Fen // of refunds, on the day each was asked for
	Refunds int // asked for
	Due     int // lessons whose day came and that were not given back
	Taught  int // lessons, on the day each was taught
	Tips    int // tip-offs, merged ones counted once
}

// Cover is the money that is there for families, beside what they are owed.
type Cover struct{ There, Owed Fen }

// percent is how much of what is owed is there; what is more than all is all.
func (c Cover) percent() int {
	if c.Owed <= 0 {
		return wholePercentage
	}
	return int(min(max(c.There, 0)*wholePercentage/c.Owed, wholePercentage))
}

// Watched is what the score looks at of one institution on one day.
type Watched struct {
	Recent, Before Movements // of the window, and of the baseline before it
	Then, Now      Cover     // as the window began, and as it ended
}

// Reason is one signal that adds to a score.
type Reason struct {
	Signal      string         `json:"signal" enum:"refunds,lag,cover,discount,tips"`
	Points      int            `json:"points"`
	Explanation string         `json:"explanation"`
	Rules       []fault.Ground `json:"rules" description:"what was compared with what; inputs are beside the first"`
}

// Score is how much an institution moves as those did that vanished with families'
// money. It is a reason to look, and decides nothing.
type Score struct {
	Points  int
	Band    string
	Reasons []Reason
}

// Assess scores w. Each signal is silent below its threshold, gives half of its
// points there, and all of them at twice the threshold.
func Assess(w Watched, rules rule.Set) Score {
	s := Score{Band: calm, Reasons: []Reason{}}
	for _, signal := range []func(Watched, rule.Set) *Reason{refundsRise, lessonsLag, coverFalls, discounts, tipsCome} {
		if r := signal(w, rules); r != nil {
			s.Points += r.Points
			s.Reasons = append(s.Reasons, *r)
		}
	}
	switch at := int64(s.Points); {
	case at >= rules[redFrom].Int():
		s.Band = red
	case at >= rules[yellowFrom].Int():
		s.Band = yellow
	}
	return s
}

// because is a signal's words and what they rest on, made only when it speaks.
type because func() (words string, inputs map[string]any)

// reason is nil unless measured reaches the threshold. others are rules that were
// asked besides.
func reason(signal string, measured int64, rules rule.Set, threshold, points string, why because, others ...string) *Reason {
	from := rules[threshold].Int()
	if measured < from || measured <= 0 {
		return nil
	}
	full := max(2*from, 1)
	words, inputs := why()
	r := &Reason{
		Signal: signal, Points: int(rules[points].Int() * min(measured, full) / full), Explanation: words,
		Rules: []fault.Ground{rules[threshold].Ground(inputs), rules[points].Ground(nil)},
	}
	for _, key := range others {
		r.Rules = append(r.Rules, rules[key].Ground(nil))
	}
	return r
}

// average is what before comes to in a window, of what moved in the baseline.
func average[N Fen | int](before N, rules rule.Set) N {
	return before * N(rules[warnWindow].Int()) / N(max(rules[warnBaseline].Int(), 1))
}

func refundsRise(w Watched, rules rule.Set) *Reason {
	of, usual := w.Then.Owed+w.Recent.Paid, average(w.Before.Asked, rules)
	if of <= 0 || int64(w.Recent.Refunds) < rules[leastRefunds].Int() || w.Recent.Asked*wholePercentage < usual*Fen(rules[refundRise].Int()) {
		return nil
	}
	share := int64(w.Recent.Asked * wholePercentage / of)
	return reason("refunds", share, rules, refundShare, refundPoints, func() (string, map[string]any) {
		return fmt.Sprintf("近 %d 天家长申请退费 %d 笔、%s，占期初应付与新收合计 %s 的 %d%%（%d%% 起计分），此前同样天数平均为 %s。",
				rules[warnWindow].Int(), w.Recent.Refunds, w.Recent.Asked.Yuan(), of.Yuan(), share, rules[refundShare].Int(), usual.Yuan()),
			map[string]any{"refunds": w.Recent.Refunds, "asked_fen": w.Recent.Asked, "of_fen": of, "percent": share, "usual_fen": usual}
	}, refundRise, leastRefunds, warnWindow, warnBaseline)
}

func lessonsLag(w Watched, rules rule.Set) *Reason {
	if w.Recent.Due == 0 || int64(w.Recent.Due) < rules[leastLessons].Int() {
		return nil
	}
	short := max(w.Recent.Due-w.Recent.Taught, 0)
	share := int64(short * wholePercentage / w.Recent.Due)
	return reason("lag", share, rules, lagShare, lagPoints, func() (string, map[string]any) {
		return fmt.Sprintf("近 %d 天应上 %d 课时，登记授课 %d 课时，少上 %d 课时（%d%%，%d%% 起计分）。",
				rules[warnWindow].Int(), w.Recent.Due, w.Recent.Taught, short, share, rules[lagShare].Int()),
			map[string]any{"due": w.Recent.Due, "taught": w.Recent.Taught, "short": short, "percent": share}
	}, leastLessons, warnWindow)
}

func coverFalls(w Watched, rules rule.Set) *Reason {
	then, now := w.Then.percent(), w.Now.percent()
	return reason("cover", int64(then-now), rules, coverFall, coverPoints, func() (string, map[string]any) {
		return fmt.Sprintf("应付家长 %s，账上 %s；覆盖率 %d 天内由 %d%% 降到 %d%%（下降 %d 个百分点起计分）。",
				w.Now.Owed.Yuan(), w.Now.There.Yuan(), rules[warnWindow].Int(), then, now, rules[coverFall].Int()),
			map[string]any{"then_percent": then, "now_percent": now, "fall": then - now, "owed_fen": w.Now.Owed, "there_fen": w.Now.There}
	}, warnWindow)
}

// discounts finds prepayments that rise while each lesson gets cheaper: gifts
// count as lessons.
func discounts(w Watched, rules rule.Set) *Reason {
	usual := average(w.Before.Paid, rules)
	if usual <= 0 || w.Before.Lessons == 0 || w.Recent.Lessons == 0 || w.Recent.Paid*wholePercentage < usual*Fen(rules[inflowRise].Int()) {
		return nil
	}
	was, is := w.Before.Paid/Fen(w.Before.Lessons), w.Recent.Paid/Fen(w.Recent.Lessons)
	fall := int64((was - is) * wholePercentage / max(was, 1))
	return reason("discount", fall, rules, priceFall, discountPoints, func() (string, map[string]any) {
		return fmt.Sprintf("近 %d 天收费 %s，为此前同样天数平均 %s 的 %d%%（须达到 %d%%），平均每课时（含赠送）由 %s 降到 %s（降 %d%%，%d%% 起计分）。",
				rules[warnWindow].Int(), w.Recent.Paid.Yuan(), usual.Yuan(), w.Recent.Paid*wholePercentage/usual, rules[inflowRise].Int(),
				was.Yuan(), is.Yuan(), fall, rules[priceFall].Int()),
			map[string]any{"paid_fen": w.Recent.Paid, "usual_fen": usual, "lesson_fen": is, "usual_lesson_fen": was, "percent": fall}
	}, inflowRise, warnWindow, warnBaseline)
}

func tipsCome(w Watched, rules rule.Set) *Reason {
	return reason("tips", int64(w.Recent.Tips), rules, tipCount, tipPoints, func() (string, map[string]any) {
		return fmt.Sprintf("近 %d 天收到涉及该机构的举报投诉 %d 件（%d 件起计分）。", rules[warnWindow].Int(), w.Recent.Tips, rules[tipCount].Int()),
			map[string]any{"tips": w.Recent.Tips}
	}, warnWindow)
}

// Control reports whether an institution is of those whose score nobody sees, so
// that one can tell what seeing it changes. Anybody can work it out: the first
// eight bytes of SHA-256 over the seed, a line feed and the id, as a number whose
// last two decimal digits are below the percentage.
func Control(institution string, rules rule.Set) bool {
	sum := sha256.Sum256([]byte(rules[controlSeed].Text() + "\n" + institution))
	return binary.BigEndian.Uint64(sum[:8])%wholePercentage < uint64(max(rules[controlShare].Int(), 0))
}

// EarlyWarning is an institution's place in the early warning. What is below Control is
// nothing for an institution that is kept free of the score.
type EarlyWarning struct {
	InstitutionID   string
	InstitutionName string
	Jurisdiction    string
	Control         bool
	Ground          fault.Ground // of Control
	AssignedOn      day.Date
	On              day.Date // of the score
	Points          int
	Band            string
	Since           day.Date // of the band
	Reasons         []Reason
}

// EarlyWarningView is a warning as people see it.
type EarlyWarningView struct {
	Institution     string       `json:"institution"`
	InstitutionName string       `json:"institution_name"`
	Jurisdiction    string       `json:"jurisdiction"`
	Control         bool         `json:"control" description:"kept free of the score by lot, so that its use can be evaluated; then there is nothing below"`
	ControlText     string       `json:"control_text"`
	ControlRule     fault.Ground `json:"control_rule" description:"the seed of the lot, and what it was applied to"`
	On              day.Date     `json:"on,omitzero" description:"the day of the score; it looks at the days before"`
	Points          *int         `json:"points,omitempty"`
	Band            string       `json:"band,omitempty" enum:"NONE,YELLOW,RED"`
	BandText        string       `json:"band_text,omitempty"`
	Since           day.Date     `json:"since,omitzero" description:"of the band"`
	Reasons         []Reason     `json:"reasons"`
}

func (w EarlyWarning) view() EarlyWarningView {
	v := EarlyWarningView{
		Institution: w.InstitutionID, InstitutionName: w.InstitutionName, Jurisdiction: w.Jurisdiction,
		Control: w.Control, ControlText: "使用评分", ControlRule: w.Ground, Reasons: []Reason{},
	}
	if w.Control {
		v.ControlText = "对照组：经公开种子抽签，不显示、不使用评分"
		return v
	}
	v.On, v.Points, v.Band, v.BandText, v.Since, v.Reasons = w.On, &w.Points, w.Band, bandNames[w.Band], w.Since, w.Reasons
	return v
}
