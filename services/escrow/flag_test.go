package escrow

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"xunguan/pkg/day"
	"xunguan/pkg/rule"
)

// law is the fee rules as seeded for the nation, changed by key.
func law(values ...any) rule.Set {
	set := rule.Set{}
	for key, r := range map[string]struct {
		value any
		unit  string
	}{
		maxLessons: {60, "lesson"}, maxMonths: {3, "month"}, nonSubjectTo: {500000, "fen"}, earliest: {1, "month"}, renewFrom: {20, "lesson"},
		trainingLoan: {"forbidden", "text"},
	} {
		v, _ := json.Marshal(r.value)
		set[key] = rule.Rule{Key: key, Version: 1, Value: v, Unit: r.unit, Jurisdiction: "000000", Source: "教监管函〔2021〕2号", Provenance: "P"}
	}
	for i := 0; i+1 < len(values); i += 2 {
		key := values[i].(string)
		r := set[key]
		r.Key = key
		r.Value, _ = json.Marshal(values[i+1])
		set[key] = r
	}
	return set
}

// ordered is an order of n lessons and g gifts from first to last, paid on the
// first day.
func ordered(id string, n, g int, first, last string, held Fen) Order {
	return Order{Contract: id, PaidOn: d(first), Lessons: n, GiftLessons: g, First: d(first), Last: d(last), Held: held, Rules: law()}
}

func with(o Order, change func(*Order)) Order { change(&o); return o }

// renewal is an order of which some lessons remain, and one that begins on 2 June and
// was paid on a day.
func renewal(remaining int, paid string, change func(*Order)) []Order {
	next := with(ordered("b", 30, 0, "2026-06-02", "2026-08-02", 100000), func(o *Order) { o.PaidOn = d(paid) })
	if change != nil {
		change(&next)
	}
	return []Order{ordered("a", remaining, 0, "2026-03-02", "2026-05-16", 100000), next}
}

// termed is an order where terms start on days.
func termed(first, last string, starts ...string) Order {
	return with(ordered("a", 40, 0, first, last, 400000), func(o *Order) { o.Rules = law(termStarts, starts) })
}

// classed is an order of n lessons for a class, under the prices of Wuxi.
func classed(size, minutes int, online bool, n int, price Fen) Order {
	return with(ordered("a", n, 0, "2026-03-02", "2026-05-16", price), func(o *Order) {
		o.Agreed, o.Price, o.Bought = Agreement{ClassSize: size, LessonMinutes: minutes, Online: online}, price, n
		o.Rules = law(bandSmall, 9, bandMiddle, 34, maxFloat, 0.05, stdMinutes+"offline", 45, stdMinutes+"online", 30,
			guidance+"offline.small", 6000, guidance+"offline.middle", 4000, guidance+"offline.large", 2500)
	})
}

const (
	notice2021  = "domain §1.1 教监管函〔2021〕2号：3 个月或 60 课时"
	opinion2022 = "domain §1.1 教监管〔2022〕4号：非学科类不超过 5000 元"
	splitting   = "domain §1.4 中消协：拆分、赠送须合并计算"
	stands      = "architecture.md：three months: last ≤ first + 3 months passes, the next day is flagged"
	monthEnd    = "architecture.md：months end on the same day number or the month's last"
	beforeClass = "domain §1.1 开课前 1 个月（成都、海南；全国凭记忆）"
	bothApply   = "domain §1.3 浙江：课时、周期并存时从短"
	onlyFacts   = "issue 2：提示仅因事实解除"
	renewing    = "domain §1.1 剩余 20 课时或新课开课前 1 个月（成都；全国凭记忆）"
	noLoans     = "domain §1.1 教监管函〔2021〕2号：不得使用培训贷"
	crossing    = "domain §1.1 不得跨学期收费；学期起止按当地校历（§0）"
	wuxi        = "domain §1.4 无锡：35 人以上 25、10–35 人 40、10 人以下 60 元，上浮 5%"
)

const from, to = "2026-03-02", "2026-05-16" // 75 days

// findingCases is what the fee rules find in the orders of a basket.
var findingCases = []struct {
	name   string
	source string
	kind   string
	orders []Order
	want   string // contract:rule …, in order
}{
	{"(a) 48 lessons over 75 days for 4,800 yuan", "issue 2 (a)", nonSubject, []Order{ordered("a", 48, 0, from, to, 480000)}, ""},
	{"nothing", notice2021, nonSubject, nil, ""},

	{"59 lessons", notice2021, nonSubject, []Order{ordered("a", 59, 0, from, to, 400000)}, ""},
	{"60 lessons", notice2021, nonSubject, []Order{ordered("a", 60, 0, from, to, 400000)}, ""},
	{"(b) 61 lessons", "issue 2 (b)", nonSubject, []Order{ordered("a", 61, 0, from, to, 400000)}, "a:fee.max_lessons"},
	{"gifts count: 59 and 1", splitting, nonSubject, []Order{ordered("a", 59, 1, from, to, 400000)}, ""},
	{"gifts count: 60 and 1", splitting, nonSubject, []Order{ordered("a", 60, 1, from, to, 400000)}, "a:fee.max_lessons"},
	{"gifts alone beyond the limit", splitting, nonSubject, []Order{ordered("a", 1, 60, from, to, 10000)}, "a:fee.max_lessons"},
	{"(c) 60, and 12 gifts with a second order", "issue 2 (c)", nonSubject, []Order{ordered("a", 60, 0, from, to, 300000), ordered("b", 4, 12, from, to, 40000)}, "b:fee.max_lessons"},
	{"two orders that reach the limit together", splitting, nonSubject, []Order{ordered("a", 30, 0, from, to, 200000), ordered("b", 30, 0, from, to, 200000)}, ""},
	{"two orders one over it", splitting, nonSubject, []Order{ordered("a", 30, 0, from, to, 200000), ordered("b", 31, 0, from, to, 200000)}, "b:fee.max_lessons"},
	{"the third order goes over", splitting, nonSubject, []Order{ordered("a", 30, 0, from, to, 100000), ordered("b", 30, 0, from, to, 100000), ordered("c", 1, 0, from, to, 5000)}, "c:fee.max_lessons"},
	{"once over, every later order is", splitting, nonSubject, []Order{ordered("a", 61, 0, from, to, 100000), ordered("b", 10, 0, from, to, 100000)}, "a:fee.max_lessons b:fee.max_lessons"},
	{"61 of which one was taught", onlyFacts, nonSubject, []Order{with(ordered("a", 60, 0, from, to, 400000), func(o *Order) { o.Begun = true })}, ""},
	{"the second order given back whole", onlyFacts, nonSubject, []Order{ordered("a", 60, 0, from, to, 300000)}, ""},
	{"an order with nothing ahead is not to blame", onlyFacts, nonSubject, []Order{ordered("a", 61, 0, from, to, 300000), {Contract: "b", PaidOn: d(from), Held: 10000, Rules: law()}}, "a:fee.max_lessons"},
	{"subject institutions too", notice2021, "subject", []Order{ordered("a", 61, 0, from, to, 400000)}, "a:fee.max_lessons"},
	{"40 where the place says 40", "domain §1.3：各地可另定", nonSubject, []Order{with(ordered("a", 40, 0, from, to, 400000), func(o *Order) { o.Rules = law(maxLessons, 40) })}, ""},
	{"41 where the place says 40", "domain §1.3：各地可另定", nonSubject, []Order{with(ordered("a", 41, 0, from, to, 400000), func(o *Order) { o.Rules = law(maxLessons, 40) })}, "a:fee.max_lessons"},
	{"each order by the rule of its own day", "行政处罚法 §37（domain 表头）", nonSubject, []Order{with(ordered("a", 50, 0, from, to, 100000), func(o *Order) { o.Rules = law(maxLessons, 60) }), with(ordered("b", 1, 0, from, to, 5000), func(o *Order) { o.Rules = law(maxLessons, 40) })}, "b:fee.max_lessons"},

	{"three months exactly", stands, nonSubject, []Order{ordered("a", 40, 0, "2026-03-02", "2026-06-02", 400000)}, ""},
	{"(d) three months and a day", "issue 2 (d)", nonSubject, []Order{ordered("a", 40, 0, "2026-03-02", "2026-06-03", 400000)}, "a:fee.max_months"},
	{"one day", stands, nonSubject, []Order{ordered("a", 1, 0, "2026-03-02", "2026-03-02", 10000)}, ""},
	{"from 30 November to 28 February", monthEnd, nonSubject, []Order{ordered("a", 40, 0, "2026-11-30", "2027-02-28", 400000)}, ""},
	{"from 30 November to 1 March", monthEnd, nonSubject, []Order{ordered("a", 40, 0, "2026-11-30", "2027-03-01", 400000)}, "a:fee.max_months"},
	{"from 30 November to 29 February of a leap year", monthEnd, nonSubject, []Order{ordered("a", 40, 0, "2027-11-30", "2028-02-29", 400000)}, ""},
	{"from 29 November to 28 February", monthEnd, nonSubject, []Order{ordered("a", 40, 0, "2026-11-29", "2027-02-28", 400000)}, ""},
	{"from 31 January to 30 April", monthEnd, nonSubject, []Order{ordered("a", 40, 0, "2026-01-31", "2026-04-30", 400000)}, ""},
	{"from 31 January to 1 May", monthEnd, nonSubject, []Order{ordered("a", 40, 0, "2026-01-31", "2026-05-01", 400000)}, "a:fee.max_months"},
	{"from 31 March to 30 June", monthEnd, nonSubject, []Order{ordered("a", 40, 0, "2026-03-31", "2026-06-30", 400000)}, ""},
	{"over the new year", stands, nonSubject, []Order{ordered("a", 40, 0, "2026-12-15", "2027-03-15", 400000)}, ""},
	{"over the new year, a day more", stands, nonSubject, []Order{ordered("a", 40, 0, "2026-12-15", "2027-03-16", 400000)}, "a:fee.max_months"},
	{"each order has its own span", stands, nonSubject, []Order{ordered("a", 20, 0, "2026-03-02", "2026-06-02", 100000), ordered("b", 20, 0, "2026-06-03", "2026-09-03", 100000)}, ""},
	{"both: 61 lessons over four months", bothApply, nonSubject, []Order{ordered("a", 61, 0, "2026-03-02", "2026-07-02", 400000)}, "a:fee.max_lessons a:fee.max_months"},
	{"few lessons over four months", bothApply, nonSubject, []Order{ordered("a", 10, 0, "2026-03-02", "2026-07-02", 100000)}, "a:fee.max_months"},

	{"5,000 yuan", opinion2022, nonSubject, []Order{ordered("a", 50, 0, from, to, 500000)}, ""},
	{"5,000.01 yuan", opinion2022, nonSubject, []Order{ordered("a", 50, 0, from, to, 500001)}, "a:fee.nonsubject_cap"},
	{"(e) 5,200 yuan", "issue 2 (e)", nonSubject, []Order{ordered("a", 52, 0, from, to, 520000)}, "a:fee.nonsubject_cap"},
	{"5,200 yuan at a subject institution", "domain §8.6：2021 年通知无金额上限", "subject", []Order{ordered("a", 52, 0, from, to, 520000)}, ""},
	{"two orders of 2,500", splitting, nonSubject, []Order{ordered("a", 25, 0, from, to, 250000), ordered("b", 25, 0, from, to, 250000)}, ""},
	{"two orders, a 分 over", splitting, nonSubject, []Order{ordered("a", 25, 0, from, to, 250000), ordered("b", 25, 0, from, to, 250001)}, "b:fee.nonsubject_cap"},
	{"5,200 of which 200 is gone", onlyFacts, nonSubject, []Order{ordered("a", 50, 0, from, to, 500000)}, ""},
	{"an order that holds nothing is not to blame", onlyFacts, nonSubject, []Order{ordered("a", 50, 0, from, to, 510000), ordered("b", 0, 3, from, to, 0)}, "a:fee.nonsubject_cap"},

	{"a month before class", beforeClass, nonSubject, []Order{with(ordered("a", 40, 0, "2026-04-02", "2026-06-02", 400000), func(o *Order) { o.PaidOn = d("2026-03-02") })}, ""},
	{"a month and a day before class", beforeClass, nonSubject, []Order{with(ordered("a", 40, 0, "2026-04-02", "2026-06-02", 400000), func(o *Order) { o.PaidOn = d("2026-03-01") })}, "a:fee.earliest_before_class"},
	{"class on 31 March, paid on 28 February", monthEnd, nonSubject, []Order{with(ordered("a", 40, 0, "2026-03-31", "2026-06-02", 400000), func(o *Order) { o.PaidOn = d("2026-02-28") })}, ""},
	{"class on 31 March, paid on 27 February", monthEnd, nonSubject, []Order{with(ordered("a", 40, 0, "2026-03-31", "2026-06-02", 400000), func(o *Order) { o.PaidOn = d("2026-02-27") })}, "a:fee.earliest_before_class"},
	{"paid early, but class has begun", onlyFacts, nonSubject, []Order{with(ordered("a", 40, 0, "2026-05-02", "2026-06-02", 400000), func(o *Order) { o.PaidOn, o.Begun = d("2026-03-02"), true })}, ""},
	{"paid after class began", beforeClass, nonSubject, []Order{with(ordered("a", 40, 0, "2026-03-02", "2026-06-02", 400000), func(o *Order) { o.PaidOn = d("2026-03-05") })}, ""},
	{"early, and 20 lessons remain", renewing, nonSubject, renewal(20, "2026-03-02", nil), ""},
	{"early, and 21 lessons remain", renewing, nonSubject, renewal(21, "2026-03-02", nil), "b:fee.renew_remaining_lessons"},
	{"21 remain, a month before the new class", renewing, nonSubject, renewal(21, "2026-05-02", nil), ""},
	{"21 remain, a month and a day before it", renewing, nonSubject, renewal(21, "2026-05-01", nil), "b:fee.renew_remaining_lessons"},
	{"billed by the period, 20 remain", renewing, nonSubject, renewal(20, "2026-03-02", func(o *Order) { o.Agreed.Billing = byPeriod }), "b:fee.earliest_before_class"},
	{"nothing remains: the first order again", renewing, nonSubject, renewal(0, "2026-03-02", nil), "b:fee.earliest_before_class"},
	{"21 remain, but the new class has begun", onlyFacts, nonSubject, renewal(21, "2026-03-02", func(o *Order) { o.Begun = true }), ""},

	{"a training loan", noLoans, nonSubject, []Order{with(ordered("a", 40, 0, from, to, 400000), func(o *Order) { o.Agreed.Loan = true })}, "a:fee.training_loan"},
	{"a training loan at a subject institution", noLoans, "subject", []Order{with(ordered("a", 40, 0, from, to, 400000), func(o *Order) { o.Agreed.Loan = true })}, "a:fee.training_loan"},
	{"a training loan, all given back", onlyFacts, nonSubject, []Order{with(ordered("a", 0, 0, from, to, 0), func(o *Order) { o.Agreed.Loan = true })}, ""},

	{"up to the last day before a term", crossing, nonSubject, []Order{termed("2026-03-02", "2026-05-16", "2026-05-17")}, ""},
	{"to the first day of a term", crossing, nonSubject, []Order{termed("2026-03-02", "2026-05-16", "2026-05-16")}, "a:fee.term_starts"},
	{"from the first day of a term", crossing, nonSubject, []Order{termed("2026-03-02", "2026-05-16", "2026-03-02")}, ""},
	{"over the second of two", crossing, nonSubject, []Order{termed("2026-08-03", "2026-10-16", "2026-03-02", "2026-09-01")}, "a:fee.term_starts"},
	{"a place without a school calendar", crossing, nonSubject, []Order{ordered("a", 40, 0, "2026-08-03", "2026-10-16", 400000)}, ""},

	{"a class of 9 at 63 yuan", wuxi, "subject", []Order{classed(9, 45, false, 10, 63000)}, ""},
	{"a class of 9 a 分 over", wuxi, "subject", []Order{classed(9, 45, false, 10, 63001)}, "a:price.guidance.offline.small"},
	{"a class of 10 at 42 yuan", wuxi, "subject", []Order{classed(10, 45, false, 10, 42000)}, ""},
	{"a class of 10 at the price of 9", wuxi, "subject", []Order{classed(10, 45, false, 10, 63000)}, "a:price.guidance.offline.middle"},
	{"a class of 34", wuxi, "subject", []Order{classed(34, 45, false, 10, 42001)}, "a:price.guidance.offline.middle"},
	{"a class of 35 at 26.25 yuan", wuxi, "subject", []Order{classed(35, 45, false, 10, 26250)}, ""},
	{"a class of 35 over it", wuxi, "subject", []Order{classed(35, 45, false, 10, 26251)}, "a:price.guidance.offline.large"},
	{"90 minutes cost twice as much", "domain §1.4 实际时长 ÷ 45 分钟", "subject", []Order{classed(10, 90, false, 10, 84000)}, ""},
	{"90 minutes over it", "domain §1.4 实际时长 ÷ 45 分钟", "subject", []Order{classed(10, 90, false, 10, 84001)}, "a:price.guidance.offline.middle"},
	{"30 minutes cost two thirds", "domain §1.4 实际时长 ÷ 45 分钟", "subject", []Order{classed(10, 30, false, 10, 28001)}, "a:price.guidance.offline.middle"},
	{"online without a price", wuxi, "subject", []Order{classed(10, 30, true, 10, 99999)}, ""},
	{"no guidance for what is no subject", "domain §1.4 仅学科类", nonSubject, []Order{classed(9, 45, false, 10, 99999)}, ""},
	{"no class size was agreed", wuxi, "subject", []Order{classed(0, 45, false, 10, 99999)}, ""},
	{"overpriced, all given back", onlyFacts, "subject", []Order{with(classed(9, 45, false, 10, 99999), func(o *Order) { o.Held, o.Lessons = 0, 0 })}, ""},

	{"all four at once", bothApply, nonSubject, []Order{with(ordered("a", 61, 0, "2026-03-02", "2026-07-02", 610000), func(o *Order) { o.PaidOn = d("2026-01-01") })}, "a:fee.max_lessons a:fee.max_months a:fee.nonsubject_cap a:fee.earliest_before_class"},
}

func TestFindings(t *testing.T) {
	for _, tt := range findingCases {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, f := range Findings(tt.kind, tt.orders) {
				got = append(got, f.Contract+":"+f.Rule.Key)
				if !strings.Contains(f.Explanation, "解除") || len(f.Inputs) == 0 || f.Inputs["paid_on"] == (day.Date{}) {
					t.Errorf("%s explains %q of %v", f.Rule.Key, f.Explanation, f.Inputs)
				}
			}
			if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("%s (%s): found %q, want %q", tt.name, tt.source, g, tt.want)
			}
		})
	}
}

// playable reports whether o can be brought about by its parties: the nation's rules,
// terms that an offer may have, and nothing that has become of it since.
func playable(o Order) bool {
	return len(o.Rules) == len(law()) && string(o.Rules[maxLessons].Value) == "60" && !o.Begun && o.Lessons > 0 && o.Held >= Fen(o.Lessons) &&
		!o.First.Before(o.PaidOn) && (o.Lessons+o.GiftLessons > 1 || o.First == o.Last)
}

// TestFindingsByHTTP offers, signs and pays the same orders by way of the API; the
// examiner reads their flags.
func TestFindingsByHTTP(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-01-01")
	api := newAPI(h.Service).Handler()
	played := 0
	for i, tt := range findingCases {
		if slices.ContainsFunc(tt.orders, func(o Order) bool { return !playable(o) }) {
			continue
		}
		played++
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			do := func(by, path string, body any) (v ContractView) {
				sent := ""
				if body != nil {
					sent = asJSON(t, body)
				}
				code, answer := ask(t, api, http.MethodPost, path, by, h.key().IdempotencyKey, sent)
				if err := json.Unmarshal([]byte(answer), &v); err != nil || code != http.StatusOK {
					t.Fatalf("%s: %d %s", path, code, answer)
				}
				return v
			}
			ids := make([]string, len(tt.orders))
			for n, o := range tt.orders {
				h.at(o.PaidOn.String())
				terms := Terms{
					Institution: map[string]string{nonSubject: "art", "subject": "maths"}[tt.kind], Parent: "parent", Pupil: fmt.Sprint("学员", i), Course: strings.Repeat("琴", 1+i%39) + strings.Repeat("画", i/39), // the cases are no split of one another
					Billing: byLesson, Lessons: o.Lessons, GiftLessons: o.GiftLessons, FirstLesson: o.First, LastLesson: o.Last, PriceFen: o.Held, Agreement: o.Agreed,
				}
				if o.Agreed.Billing != "" {
					terms.Billing = o.Agreed.Billing
				}
				ids[n] = do("principal", "/v1/contracts", terms).ID
				do("parent", "/v1/contracts/"+ids[n]+"/sign", nil)
				do("parent", "/v1/contracts/"+ids[n]+"/pay", map[string]any{"amount_fen": o.Held, "reference": "REF-" + ids[n]})
			}
			var got []string
			for n, id := range ids {
				for _, f := range h.contract("examiner", id).Flags {
					if f.State == flagOpen {
						got = append(got, tt.orders[n].Contract+":"+f.Rule.Key)
					}
				}
			}
			if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("%s (%s): flagged %q, want %q", tt.name, tt.source, g, tt.want)
			}
		})
	}
	if played < 40 {
		t.Errorf("%d cases were played", played)
	}
}

// TestExcess is that giving back what a flag names clears it, and less does not.
func TestExcess(t *testing.T) {
	over := ordered("a", 72, 0, "2026-03-02", "2026-05-16", 100000)
	excess := Findings(nonSubject, []Order{over})[0].Inputs["excess"].(int)
	for _, tt := range []struct{ back, want int }{{excess - 1, 1}, {excess, 0}} {
		if got := len(Findings(nonSubject, []Order{with(over, func(o *Order) { o.Lessons -= tt.back })})); got != tt.want {
			t.Errorf("after %d lessons back: %d findings, want %d", tt.back, got, tt.want)
		}
	}
}

func TestSettle(t *testing.T) {
	f := func(c, k string) Finding { return Finding{Contract: c, Rule: rule.Rule{Key: k}} }
	o := func(c, k string) Flag { return Flag{ContractID: c, RuleKey: k} }
	raise, clear := settle([]Finding{f("a", "x"), f("a", "y"), f("b", "x")}, []Flag{o("a", "x"), o("b", "y")})
	if len(raise) != 2 || raise[0].Rule.Key != "y" || raise[1].Contract != "b" {
		t.Errorf("raises %+v", raise)
	}
	if len(clear) != 1 || clear[0].ContractID != "b" || clear[0].RuleKey != "y" {
		t.Errorf("clears %+v", clear)
	}
}
