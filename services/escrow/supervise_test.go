package escrow

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/rule"
	"xunguan/services/escrow/bankfile"
)

// lawOf is rules by key and value.
func lawOf(values ...any) rule.Set {
	set := rule.Set{}
	for i := 0; i+1 < len(values); i += 2 {
		v, _ := json.Marshal(values[i+1])
		key := values[i].(string)
		set[key] = rule.Rule{Key: key, Version: 1, Value: v, Jurisdiction: "000000", Source: "测试", Provenance: "P"}
	}
	return set
}

func fen(f Fen) *Fen { return new(f) }

const (
	jiangsu  = "domain §1.3 江苏 苏教继函〔2021〕10号：额度不低于届时未消课资金总额"
	national = "domain §1.1 教监管函〔2021〕2号：最低额度不低于所有学员单个收费周期（3个月）的费用总额（据记忆）"
	zigong   = "domain §1.3 自贡：每笔 20% 进入最低余额账户，三个自然月滚动"
	hefei    = "domain §1.3 合肥：按规模、教学点、年检逐一核定"
	hangzhou = "domain §1.3 杭州：余额低于 30 万元（新设 10 万元），或一日支出超过 100 万元"
	hzWeek   = "domain §1.3 杭州：一周累计支出限额（数字未见，示例值）"
	zhejiang = "domain §1.3 浙江：黄、红两级，低于预设余额或异动超过预设值"
	quanzhou = "domain §1.3 泉州：大额异动预警（数额各地自定，示例值）"
	formulas = "domain §1.4：RED if balance < floor or day-out > dayLimit；YELLOW if week-out > weekLimit or balance < k×floor"
	coverOf  = "peers §6.3：覆盖率（余额与未消课负债之比）"
	bothWays = "domain §1.3 成都：托管与保证金并行"
)

// judgeCase is what the rules of a place find in the figures of a day.
type judgeCase struct {
	name, source string
	rules        rule.Set
	f            Figures
	want         string
}

// judgeCases is what each rule finds, and what it does not, to the 分.
func judgeCases() []judgeCase {
	const (
		std, young = 30_000_000, 10_000_000 // Hangzhou's
		million    = 100_000_000
	)
	custody := lawOf(custodyFloorRule, "unconsumed_total")
	deposit := lawOf(depositFloorRule, "sum_of_one_cycle", floorMargin, 0.1)
	rolling := lawOf(rollingFloorRule, 0.2, floorMargin, 0.1)
	fixed := lawOf(fixedFloorRule, "per_institution", floorMargin, 0.1)
	line := lawOf(floorStd, std, floorNew, young, newWithin, 12)
	cover := lawOf(coverYellow, 1, coverRed, 0.8)
	out := lawOf(dayOutLimit, million, weekOutLimit, 3*million)
	old := d("2020-01-01")
	return []judgeCase{
		{"no rule, no alert", "domain：没有规则的地方不预警", rule.Set{}, Figures{Custody: fen(0), InCustody: 100, Unconsumed: 100, DayOut: 9e12}, ""},

		{"custody has all", jiangsu, custody, Figures{Custody: fen(480000), InCustody: 480000}, ""},
		{"custody has one 分 less", jiangsu, custody, Figures{Custody: fen(479999), InCustody: 480000}, "custody_floor RED"},
		{"custody has nothing", jiangsu, custody, Figures{Custody: fen(0), InCustody: 480000}, "custody_floor RED"},
		{"what is in transit counts", jiangsu, custody, Figures{Custody: fen(0), InTransit: 480000, InCustody: 480000}, ""},
		{"in transit, and one 分 short", jiangsu, custody, Figures{Custody: fen(0), InTransit: 479999, InCustody: 480000}, "custody_floor RED"},
		{"nothing is unconsumed", jiangsu, custody, Figures{Custody: fen(0)}, ""},
		{"full custody has no margin", jiangsu, lawOf(custodyFloorRule, "unconsumed_total", floorMargin, 0.1), Figures{Custody: fen(480000), InCustody: 480000}, ""},
		{"contracts under the deposit need none", jiangsu, custody, Figures{Custody: fen(480000), InCustody: 480000, Unconsumed: 960000}, ""},
		{"no account in custody", jiangsu, custody, Figures{Deposit: fen(0), InCustody: 0}, ""},

		{"the deposit is a cycle", national, deposit, Figures{Deposit: fen(1_100_000), Cycle: 1_000_000}, ""},
		{"just a cycle", national, deposit, Figures{Deposit: fen(1_000_000), Cycle: 1_000_000}, "deposit_floor YELLOW"},
		{"one 分 under the margin", national, deposit, Figures{Deposit: fen(1_099_999), Cycle: 1_000_000}, "deposit_floor YELLOW"},
		{"one 分 under the cycle", national, deposit, Figures{Deposit: fen(999_999), Cycle: 1_000_000}, "deposit_floor RED"},
		{"no deposit at all", national, deposit, Figures{Cycle: 1_000_000}, "deposit_floor RED"},
		{"no pupil, no floor", national, deposit, Figures{Deposit: fen(0)}, ""},
		{"custody is no deposit", national, deposit, Figures{Custody: fen(9_000_000), Deposit: fen(1), Cycle: 1_000_000}, "deposit_floor RED"},
		{"no margin here", national, lawOf(depositFloorRule, "sum_of_one_cycle"), Figures{Deposit: fen(1_000_000), Cycle: 1_000_000}, ""},

		{"a fifth of three months", zigong, rolling, Figures{Custody: fen(220_000), Recent: 1_000_000}, ""},
		{"just a fifth", zigong, rolling, Figures{Custody: fen(200_000), Recent: 1_000_000}, "rolling_floor YELLOW"},
		{"less than a fifth", zigong, rolling, Figures{Custody: fen(199_999), Recent: 1_000_000}, "rolling_floor RED"},
		{"a fifth is rounded up", zigong, lawOf(rollingFloorRule, 0.2), Figures{Custody: fen(200_000), Recent: 1_000_001}, "rolling_floor RED"},
		{"rounded up, and there", zigong, lawOf(rollingFloorRule, 0.2), Figures{Custody: fen(200_001), Recent: 1_000_001}, ""},
		{"both accounts count", zigong, rolling, Figures{Custody: fen(110_000), Deposit: fen(110_000), Recent: 1_000_000}, ""},
		{"nobody paid", zigong, rolling, Figures{Custody: fen(0)}, ""},

		{"what was set", hefei, fixed, Figures{Deposit: fen(5_500_000), Fixed: 5_000_000}, ""},
		{"just what was set", hefei, fixed, Figures{Deposit: fen(5_000_000), Fixed: 5_000_000}, "fixed_floor YELLOW"},
		{"less than was set", hefei, fixed, Figures{Deposit: fen(4_999_999), Fixed: 5_000_000}, "fixed_floor RED"},
		{"nothing was set", hefei, fixed, Figures{Deposit: fen(0)}, ""},
		{"set, where no rule lets it be", hefei, custody, Figures{Custody: fen(0), Fixed: 5_000_000}, ""},

		{"300,000 yuan", hangzhou, line, Figures{OpenedOn: old, Custody: fen(std), Unconsumed: 1}, ""},
		{"less than 300,000 yuan", hangzhou, line, Figures{OpenedOn: old, Custody: fen(std - 1), Unconsumed: 1}, "balance RED"},
		{"a new one, 100,000 yuan", hangzhou, line, Figures{OpenedOn: d("2025-03-03"), Custody: fen(young), Unconsumed: 1}, ""},
		{"a new one, less", hangzhou, line, Figures{OpenedOn: d("2025-03-03"), Custody: fen(young - 1), Unconsumed: 1}, "balance RED"},
		{"a year old to the day is not new", hangzhou, line, Figures{OpenedOn: d("2025-03-02"), Custody: fen(young), Unconsumed: 1}, "balance RED"},
		{"nobody has prepaid", hangzhou, line, Figures{OpenedOn: old, Custody: fen(0)}, ""},
		{"new, and no line for new ones", hangzhou, lawOf(floorStd, std, newWithin, 12), Figures{OpenedOn: d("2026-01-01"), Custody: fen(young), Unconsumed: 1}, "balance RED"},

		{"covered", coverOf, cover, Figures{Custody: fen(1000), Unconsumed: 1000}, ""},
		{"one 分 is not covered", coverOf, cover, Figures{Custody: fen(999), Unconsumed: 1000}, "cover YELLOW"},
		{"four fifths are covered", coverOf, cover, Figures{Custody: fen(800), Unconsumed: 1000}, "cover YELLOW"},
		{"less than four fifths", coverOf, cover, Figures{Custody: fen(799), Unconsumed: 1000}, "cover RED"},
		{"the deposit covers, too", bothWays, cover, Figures{Custody: fen(500), Deposit: fen(500), Unconsumed: 1000}, ""},
		{"what is in transit covers", coverOf, cover, Figures{Custody: fen(0), InTransit: 1000, Unconsumed: 1000}, ""},
		{"nothing to cover", coverOf, cover, Figures{Custody: fen(0)}, ""},

		{"a million yuan in a day", hangzhou, out, Figures{DayOut: million}, ""},
		{"more than a million in a day", hangzhou, out, Figures{DayOut: million + 1}, "day_out RED"},
		{"the week's limit", hzWeek, out, Figures{WeekOut: 3 * million}, ""},
		{"more in a week", hzWeek, out, Figures{WeekOut: 3*million + 1}, "week_out YELLOW"},
		{"both", formulas, out, Figures{DayOut: 4 * million, WeekOut: 4 * million}, "day_out RED; week_out YELLOW"},
		{"a large movement", quanzhou, lawOf(largeMovement, 5_000_000), Figures{Largest: 5_000_000}, "large YELLOW"},
		{"not so large", quanzhou, lawOf(largeMovement, 5_000_000), Figures{Largest: 4_999_999}, ""},
		{"nothing moved where all is large", quanzhou, lawOf(largeMovement, 0), Figures{}, ""},

		{"a place with red alone", zhejiang, lawOf(alertLevels, []string{"RED"}, coverYellow, 1, coverRed, 0.8), Figures{Custody: fen(999), Unconsumed: 1000}, ""},
		{"a place with both levels", zhejiang, lawOf(alertLevels, []string{"YELLOW", "RED"}, coverYellow, 1, coverRed, 0.8), Figures{Custody: fen(999), Unconsumed: 1000}, "cover YELLOW"},
		{
			"both modes, each its floor", bothWays, lawOf(custodyFloorRule, "unconsumed_total", depositFloorRule, "sum_of_one_cycle"),
			Figures{Custody: fen(999), Deposit: fen(499), InCustody: 1000, Cycle: 500},
			"custody_floor RED; deposit_floor RED",
		},
		{
			"both modes, both well", bothWays, lawOf(custodyFloorRule, "unconsumed_total", depositFloorRule, "sum_of_one_cycle"),
			Figures{Custody: fen(1000), Deposit: fen(500), InCustody: 1000, Cycle: 500},
			"",
		},
	}
}

func TestJudge(t *testing.T) {
	for _, tt := range judgeCases() {
		var got []string
		for _, j := range tt.f.judge(tt.rules, d("2026-03-02")) {
			got = append(got, j.Kind+" "+j.Level)
			if !strings.HasPrefix(j.Words, alertKinds[j.Kind].name) || j.Ground.Key == "" || len(j.Ground.Inputs) == 0 {
				t.Errorf("%s: %+v does not say why", tt.name, j)
			}
		}
		if s := strings.Join(got, "; "); s != tt.want {
			t.Errorf("%s (%s): %q, want %q", tt.name, tt.source, s, tt.want)
		}
	}
}

// TestTransit is which days have to be on the bank's books by a day: one working day
// after, in the week of 2026-03-02 and around the Qingming holiday.
func TestTransit(t *testing.T) {
	calendar := day.NewCalendar([]int{2026}, []day.Special{{Date: d("2026-04-04")}, {Date: d("2026-04-05")}, {Date: d("2026-04-06")}})
	for _, tt := range []struct{ on, from, to, after string }{
		{"2026-03-03", "2026-03-02", "2026-03-02", "2026-03-03"},
		{"2026-03-06", "2026-03-05", "2026-03-05", "2026-03-06"},
		{"2026-03-07", "", "", "2026-03-06"}, // a Saturday: nothing is due
		{"2026-03-09", "2026-03-06", "2026-03-08", "2026-03-09"},
		{"2026-04-06", "", "", "2026-04-03"}, // a holiday
		{"2026-04-07", "2026-04-03", "2026-04-06", "2026-04-07"},
	} {
		from, to, after, err := inTransitTo(d(tt.on), func(s day.Date) (day.Date, error) {
			due, err := calendar.Due(s, 1, day.WorkingDay)
			return due.On, err
		})
		if err != nil || from.String() != tt.from || to.String() != tt.to || after.String() != tt.after {
			t.Errorf("by %s: %s to %s, after %s, %v; want %s to %s, after %s", tt.on, from, to, after, err, tt.from, tt.to, tt.after)
		}
	}
}

// alerts is the alerts of an institution in short: "cover RED OPEN".
func (b *teller) alerts(institution string) string {
	b.t.Helper()
	var all []string
	for _, a := range must(b.ListAlerts(b.as("examiner"), ListAlerts{Institution: institution}))(b.t).Items {
		all = append(all, a.Kind+" "+a.Level+" "+a.State)
	}
	return strings.Join(all, "; ")
}

// TestAlerts is an institution whose money leaves: alerts come, hold its payouts, and
// go when the money is back.
func TestAlerts(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.UTF8)
	b.enact(largeMovement, "320508", "300000", "fen")
	v := b.pays(b.terms())
	b.night()
	if got := b.alerts("art"); got != "" {
		t.Fatalf("at first: %s", got)
	}
	b.bank.Move("协-art", bankfile.Custody, "other", "RENT", -300000)
	b.night()
	if got, want := b.alerts("art"), "custody_floor RED OPEN; cover RED OPEN; large YELLOW OPEN"; got != want {
		t.Fatalf("after 3,000 yuan left: %s, want %s", got, want)
	}
	ids := map[string]string{}
	for _, a := range must(b.ListAlerts(b.as("examiner"), ListAlerts{Institution: "art"}))(t).Items {
		ids[a.Kind] = a.ID
	}
	closing := func(by, kind string) error {
		_, err := b.CloseAlert(b.as(by), CloseAlert{b.key(), ids[kind], "已约谈并核实"})
		return err
	}
	holding := func(by, kind string) error {
		_, err := b.HoldByAlert(b.as(by), HoldByAlert{b.key(), ids[kind], "支出去向不明"})
		return err
	}
	for _, tt := range []struct {
		name string
		err  error
		want error
	}{
		{"the neighbour closes", closing("neighbour", largeOut), fault.NotFound},
		{"what stands is not closed by hand", closing("examiner", lowCover), fault.Refused},
		{"a movement is", closing("examiner", largeOut), nil},
		{"once", closing("examiner", largeOut), fault.Conflict},
		{"held on a yellow one", holding("examiner", largeOut), fault.Conflict},
		{"held on a red one", holding("examiner", lowCover), nil},
		{"held again", holding("examiner", lowCover), fault.Conflict},
	} {
		if !errors.Is(tt.err, tt.want) || (tt.err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, want %v", tt.name, tt.err, tt.want)
		}
	}
	b.taught(v.ID, 1)
	if l := b.confirmed(v.ID, 1); l.Waiting != onHold {
		t.Errorf("a fee went out while payouts were held: %+v", l)
	}
	b.refunded(v.ID, 1) // goes on
	b.bank.Move("协-art", bankfile.Custody, "correction", "T00000002", 300000)
	b.night()
	if got, want := b.alerts("art"), "custody_floor RED CLOSED; cover RED CLOSED; large YELLOW CLOSED"; got != want {
		t.Errorf("with the money back: %s, want %s", got, want)
	}
	hold := must(b.ListHolds(b.as("examiner"), ListHolds{Institution: "art", State: holdOpen}))(t).Items[0]
	resume := func(by string) error {
		_, err := b.ResumePayouts(b.as(by), ResumePayouts{b.key(), hold.ID, "资金已退回专户"})
		return err
	}
	if err := resume("neighbour"); !errors.Is(err, fault.NotFound) {
		t.Errorf("the neighbour resumes: %v", err)
	}
	if err := resume("examiner"); err != nil {
		t.Error(err)
	}
	if err := resume("examiner"); !errors.Is(err, fault.Conflict) {
		t.Errorf("resumed again: %v", err)
	}
	b.settle()
	if c := b.contract("parent", v.ID); c.Progress.OnHold != 0 || c.ReleasedFen != 10000 {
		t.Errorf("in the end: %+v", c.Progress)
	}
	b.sound()
}

// TestLateFile is a bank that says nothing: everybody concerned is alerted, until it
// has said it all.
func TestLateFile(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.UTF8)
	b.pays(b.terms())
	b.at("2026-03-03") // the last day
	b.settle()
	if got := b.alerts("art"); got != "" {
		t.Errorf("on the last day: %s", got)
	}
	b.at("2026-03-04")
	b.settle()
	if got := b.alerts("art") + " " + b.alerts("maths"); got != "late_file RED OPEN late_file RED OPEN" {
		t.Errorf("a day late: %s", got)
	}
	for by, want := range map[string]string{"examiner": "/accounts/art /accounts/maths", "principal": "/accounts/art /accounts/maths", "neighbour": "/accounts/other", "parent": ""} {
		if got := b.waits(by, "alert"); got != want {
			t.Errorf("%q waits for %s, want %q", got, by, want)
		}
	}
	if days := must(b.ListBankDays(b.as("bank"), ListBankDays{State: dayLate}))(t).Items; len(days) != 1 || days[0].Day != d("2026-03-02") {
		t.Errorf("late days: %+v", days)
	}
	b.told("2026-03-03")
	b.settle()
	if n := b.count(`SELECT count(*) FROM reconciliations`); n != 0 {
		t.Errorf("a day was reconciled before the one before it")
	}
	b.bank.Untold = nil
	b.told("2026-03-02")
	b.settle()
	if got := b.alerts("art"); got != "late_file RED CLOSED" {
		t.Errorf("when all has come: %s", got)
	}
	if n := b.count(`SELECT count(*) FROM bank_days WHERE state = 'RECONCILED'`); n != 2 {
		t.Errorf("%d days are reconciled", n)
	}
}

// TestFreeze is another authority's order: recorded, payouts held, and ended by its
// own document alone.
func TestFreeze(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms())
	record := func(by, institution, document, since string) (FreezeView, error) {
		return h.RecordFreeze(h.as(by), RecordFreeze{h.key(), institution, custodyAccount, "姑苏区人民法院", document, 100000, d(since)})
	}
	const order = "（2026）苏0508执1号"
	f := must(record("examiner", "art", order, "2026-03-01"))(t)
	for name, tt := range map[string]struct {
		by, institution, document, since string
		want                             error
	}{
		"the document again":          {"examiner", "art", order, "2026-03-01", fault.Conflict},
		"another district's":          {"examiner", "other", order, "2026-03-01", fault.NotFound},
		"without an account":          {"examiner", "bare", order, "2026-03-01", fault.NotFound},
		"an order of tomorrow":        {"examiner", "art", "（2026）苏0508执2号", "2026-03-03", fault.Invalid},
		"by the neighbour's examiner": {"neighbour", "art", "（2026）苏0508执2号", "2026-03-01", fault.NotFound},
	} {
		if _, err := record(tt.by, tt.institution, tt.document, tt.since); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	hold := must(h.ListHolds(h.as("examiner"), ListHolds{Institution: "art"}))(t).Items[0]
	if hold.DecidedBy != "姑苏区人民法院" || hold.Clause != "姑苏区人民法院 "+order+" 冻结" || hold.CauseID != f.ID {
		t.Errorf("%+v", hold)
	}
	if _, err := h.ResumePayouts(h.as("examiner"), ResumePayouts{h.key(), hold.ID, "自行解除"}); !errors.Is(err, fault.Refused) {
		t.Errorf("another authority's order was ended by us: %v", err)
	}
	h.taught(v.ID, 1)
	if l := h.confirmed(v.ID, 1); l.Waiting != onHold {
		t.Errorf("a fee went out of a frozen account: %+v", l)
	}
	h.refunded(v.ID, 1)
	lift := func() error {
		_, err := h.LiftFreeze(h.as("examiner"), LiftFreeze{h.key(), f.ID, "（2026）苏0508执3号"})
		return err
	}
	if err := lift(); err != nil {
		t.Fatal(err)
	}
	if err := lift(); !errors.Is(err, fault.Conflict) {
		t.Errorf("lifted again: %v", err)
	}
	h.settle()
	if c := h.contract("parent", v.ID); c.ReleasedFen != 10000 {
		t.Errorf("what waited: %+v", c.Money)
	}
	h.sound()
}

// TestFloors is one institution's own floor, where the place has such a rule.
func TestFloors(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.UTF8)
	set := func(by string) error {
		_, err := b.SetFloor(b.as(by), SetFloor{b.key(), "art", 500000, "三个教学点"})
		return err
	}
	if err := set("examiner"); !errors.Is(err, fault.Refused) {
		t.Errorf("a floor where there is no rule: %v", err)
	}
	b.enact(fixedFloorRule, "320508", `"per_institution"`, "text")
	if err := set("neighbour"); !errors.Is(err, fault.NotFound) {
		t.Errorf("the neighbour's floor: %v", err)
	}
	if err := set("examiner"); err != nil {
		t.Fatal(err)
	}
	b.pays(b.terms())
	b.night()
	if got := b.alerts("art"); got != "fixed_floor RED OPEN" {
		t.Errorf("4,800 yuan under a floor of 5,000: %s", got)
	}
	b.added("art")
	b.bank.Move("保-art", bankfile.Deposit, "deposit", "", 100000)
	b.night()
	if got := b.alerts("art"); got != "fixed_floor RED CLOSED" {
		t.Errorf("with a deposit of 1,000: %s", got)
	}
}

// TestMoneyMachines is that the tables of steps are whole.
func TestMoneyMachines(t *testing.T) {
	if err := errors.Join(discrepancyFlow.Check(), alertFlow.Check()); err != nil {
		t.Error(err)
	}
}

// TestFloorsInForce is every floor by the rules of its place, with what it is computed
// from, and the list of those that were set.
func TestFloorsInForce(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.UTF8)
	floors := func() string {
		var all []string
		for _, x := range must(b.FindFloors(b.as("principal"), FindFloors{"art"}))(t).Items {
			if x.KindText == "" || x.Rule.Source == "" || x.Rule.Inputs["floor_fen"] != x.FloorFen || x.Met != (x.BalanceFen >= x.FloorFen) {
				t.Errorf("%+v", x)
			}
			all = append(all, fmt.Sprintf("%s %d/%d", x.Kind, x.BalanceFen, x.FloorFen))
		}
		return strings.Join(all, ", ")
	}
	if v := must(b.FindFloors(b.as("examiner"), FindFloors{"art"}))(t); v.Reconciled || v.On != d("2026-03-01") || len(v.Items) != 0 {
		t.Errorf("nothing is prepaid: %+v", v)
	}
	b.pays(b.terms())
	b.night()
	for _, tt := range []struct {
		source string
		do     func()
		want   string
	}{
		{"苏教继函〔2021〕10号：余额不低于届时未消课资金总额", func() {}, "custody_floor 480000/480000"},
		{"自贡：滚动三个自然月收费的20%", func() {
			b.enact(rollingFloorRule, "320508", "0.2", "ratio")
			b.enact(rollingMonths, "320508", "3", "month")
		}, "custody_floor 480000/480000, rolling_floor 480000/96000"},
		{"合肥：按机构核定", func() {
			b.enact(fixedFloorRule, "320508", `"per_institution"`, "text")
			must(b.SetFloor(b.as("examiner"), SetFloor{b.key(), "art", 500000, "三个教学点"}))(t)
		}, "custody_floor 480000/480000, rolling_floor 480000/96000, fixed_floor 480000/500000"},
		{"杭州：新机构的预警线较低", func() {
			b.enact(floorStd, "320508", "300000", "fen")
			b.enact(floorNew, "320508", "100000", "fen")
			b.enact(newWithin, "320508", "6", "month")
		}, "custody_floor 480000/480000, rolling_floor 480000/96000, fixed_floor 480000/500000, balance 480000/100000"},
		{"the newest that was set counts", func() {
			must(b.SetFloor(b.as("examiner"), SetFloor{b.key(), "art", 400000, "年检合格"}))(t)
			b.night()
		}, "custody_floor 480000/480000, rolling_floor 480000/96000, fixed_floor 480000/400000, balance 480000/100000"},
	} {
		tt.do()
		if got := floors(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.source, got, tt.want)
		}
	}
	list := func(by, institution string) []FloorLine {
		return must(b.ListFloors(b.as(by), ListFloors{Institution: institution}))(t).Items
	}
	if all := list("city", ""); len(all) != 1 || all[0].AmountFen != 400000 || !all[0].InForce || all[0].DecidedBy != "江苏省苏州市姑苏区主管部门" || all[0].Reason != "年检合格" || all[0].Rule.Source == "" {
		t.Errorf("in force: %+v", all)
	}
	if all := list("principal", "art"); len(all) != 2 || all[1].InForce || all[1].AmountFen != 500000 {
		t.Errorf("all that were ever set: %+v", all)
	}
	for _, by := range []string{"neighbour", "principal2"} {
		if _, err := b.FindFloors(b.as(by), FindFloors{"art"}); len(list(by, "")) != 0 || !errors.Is(err, fault.NotFound) {
			t.Errorf("%s sees floors, %v", by, err)
		}
	}
}
