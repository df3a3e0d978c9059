package escrow

import (
	"encoding/json"
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
	}{maxLessons: {60, "lesson"}, maxMonths: {3, "month"}, nonSubjectTo: {500000, "fen"}, earliest: {1, "month"}} {
		v, _ := json.Marshal(r.value)
		set[key] = rule.Rule{Key: key, Version: 1, Value: v, Unit: r.unit, Jurisdiction: "000000", Source: "教监管函〔2021〕2号", Provenance: "P"}
	}
	for i := 0; i+1 < len(values); i += 2 {
		key := values[i].(string)
		r := set[key]
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

const (
	notice2021  = "domain §1.1 教监管函〔2021〕2号：3 个月或 60 课时"
	opinion2022 = "domain §1.1 教监管〔2022〕4号：非学科类不超过 5000 元"
	splitting   = "domain §1.4 中消协：拆分、赠送须合并计算"
	stands      = "architecture.md：three months: last ≤ first + 3 months passes, the next day is flagged"
	monthEnd    = "architecture.md：months end on the same day number or the month's last"
	beforeClass = "domain §1.1 开课前 1 个月（成都、海南；全国凭记忆）"
	bothApply   = "domain §1.3 浙江：课时、周期并存时从短"
	onlyFacts   = "issue 2：提示仅因事实解除"
)

func TestFindings(t *testing.T) {
	const from, to = "2026-03-02", "2026-05-16" // 75 days
	for _, tt := range []struct {
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
		{"all four at once", bothApply, nonSubject, []Order{with(ordered("a", 61, 0, "2026-03-02", "2026-07-02", 610000), func(o *Order) { o.PaidOn = d("2026-01-01") })}, "a:fee.max_lessons a:fee.max_months a:fee.nonsubject_cap a:fee.earliest_before_class"},
	} {
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
