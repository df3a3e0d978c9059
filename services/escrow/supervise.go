package escrow

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/rule"
)

// The rules that an institution's money is watched by. Not every place has each.
const (
	custodyFloorRule = "escrow.custody_floor"
	depositFloorRule = "escrow.deposit_floor"
	depositCycle     = "escrow.deposit_cycle"
	rollingFloorRule = "escrow.rolling_floor"
	rollingMonths    = "escrow.rolling_floor.months"
	fixedFloorRule   = "escrow.hefei_style_floor"
	floorStd         = "alert.balance_floor.std"
	floorNew         = "alert.balance_floor.new"
	newWithin        = "alert.new_institution"
	floorMargin      = "alert.floor_margin"
	coverYellow      = "alert.cover.yellow"
	coverRed         = "alert.cover.red"
	dayOutLimit      = "alert.day_out"
	weekOutLimit     = "alert.week_out"
	largeMovement    = "alert.large_movement"
	alertLevels      = "alert.levels"
	alertAnswer      = "alert.answer"
	alertHoldClause  = "alert.hold_clause"
)

// alertRules is all that alerts are judged by, and when they have to be answered.
var alertRules = []string{
	custodyFloorRule, depositFloorRule, depositCycle, rollingFloorRule, rollingMonths, fixedFloorRule, floorStd, floorNew, newWithin, floorMargin,
	coverYellow, coverRed, dayOutLimit, weekOutLimit, largeMovement, alertLevels, alertAnswer,
}

// The kinds of alerts.
const (
	custodyFloor = "custody_floor"
	depositFloor = "deposit_floor"
	rollingFloor = "rolling_floor"
	fixedFloor   = "fixed_floor"
	lowBalance   = "balance"
	lowCover     = "cover"
	muchInDay    = "day_out"
	muchInWeek   = "week_out"
	largeOut     = "large"
	lateBankFile = "late_file"
)

// alertKinds is what people call each kind, and whether it stands until a fact ends
// it; the others end when an official has looked into them.
var alertKinds = map[string]struct {
	name     string
	standing bool
}{
	custodyFloor: {"托管余额低于未消课资金总额", true},
	depositFloor: {"风险保证金低于最低额度", true},
	rollingFloor: {"余额低于滚动最低余额", true},
	fixedFloor:   {"余额低于核定的最低余额", true},
	lowBalance:   {"余额低于预警线", true},
	lowCover:     {"覆盖率不足", true},
	muchInDay:    {"单日支出过大", false},
	muchInWeek:   {"一周支出过大", false},
	largeOut:     {"大额异动", false},
	lateBankFile: {"银行对账文件逾期未报送", true},
}

const yellow, red = "YELLOW", "RED"

var levelNames = map[string]string{yellow: "黄色", red: "红色"}

// alertFlow is the life of an alert.
var alertFlow = flow.Machine{Name: "资金预警", Steps: []flow.Step{
	{From: "OPEN", Action: "close", To: "CLOSED", Label: "处置并办结", Roles: []string{"examiner"}, Reason: true, Deadline: alertAnswer, Basis: "浙江口径：县级研判、处置、办结"},
	{From: "OPEN", Action: "hold", To: "OPEN", Label: "暂停拨付", Roles: []string{"examiner"}, Reason: true, Basis: "资金监管协议"},
	{From: "OPEN", Action: "end", To: "CLOSED", Label: "事实已恢复正常"},
}}

// Figures is what an institution's money is judged by, at the end of a day, in 分.
type Figures struct {
	InstitutionID string
	OpenedOn      day.Date // of the first supervised account
	Custody       *Fen     // what the bank has; nil if there is no such account
	Deposit       *Fen
	InTransit     Fen // paid, and due at the bank later
	InCustody     Fen // not consumed, of contracts in custody
	Unconsumed    Fen // of all contracts
	Cycle         Fen // one charging cycle of contracts under the deposit
	Recent        Fen // paid in the months of the rolling floor
	Fixed         Fen // set for this institution; 0 is none
	DayOut        Fen // to the institution, or nobody knows where to: refunds do not count
	WeekOut       Fen
	Largest       Fen // movement out on the day
}

// has is all that stands behind the prepayments.
func (f Figures) has() Fen {
	sum := f.InTransit
	for _, b := range []*Fen{f.Custody, f.Deposit} {
		if b != nil {
			sum += *b
		}
	}
	return sum
}

// The bands of cover that the public is told.
const (
	coverEnough = "ENOUGH"
	coverLow    = "LOW"
	coverShort  = "SHORT"
)

// band is how far what stands behind the prepayments covers them, by the place's lines of
// cover: "" if it has none, or nothing is prepaid.
func (f Figures) band(rules rule.Set) string {
	lowest, short := rules[coverRed]
	least, low := rules[coverYellow]
	switch {
	case f.Unconsumed <= 0 || !short || !low:
		return ""
	case f.has() < share(lowest.Ratio(), f.Unconsumed):
		return coverShort
	case f.has() < share(least.Ratio(), f.Unconsumed):
		return coverLow
	}
	return coverEnough
}

// CoverBand is a band since the end of a day.
type CoverBand struct {
	InstitutionID string
	Band          string
	Since         day.Date
}

// Judged is one finding about an institution's money.
type Judged struct {
	Kind   string
	Level  string
	Words  string
	Ground fault.Ground
}

// judgement collects what is found about f under the rules of its place.
type judgement struct {
	Figures
	rules rule.Set
	found []Judged
}

// judge returns the alerts that f gives under rules, on a day. A place without a rule
// has no alert by it.
func (f Figures) judge(rules rule.Set, on day.Date) []Judged {
	j := &judgement{Figures: f, rules: rules}
	for _, x := range f.standards(rules, on) {
		j.under(x)
	}
	j.cover()
	j.outflow()
	return j.found
}

// add notes a finding by rule key, unless the place has no such level.
func (j *judgement) add(kind, level, key string, inputs map[string]any, format string, args ...any) {
	var levels []string
	if r, ok := j.rules[alertLevels]; ok && json.Unmarshal(r.Value, &levels) == nil && !slices.Contains(levels, level) {
		return
	}
	j.found = append(j.found, Judged{kind, level, alertKinds[kind].name + "：" + fmt.Sprintf(format, args...), j.rules[key].Ground(inputs)})
}

// under adds red if there is less than x asks for and, where a margin is asked for,
// yellow if it is less than that much more.
func (j *judgement) under(x standard) {
	inputs := maps.Clone(x.inputs)
	inputs["balance_fen"], inputs["floor_fen"] = x.has, x.floor
	soon := x.floor
	if m, ok := j.rules[floorMargin]; ok && x.margin {
		soon += share(m.Ratio(), x.floor)
	}
	switch {
	case x.has < x.floor:
		j.add(x.kind, red, x.key, inputs, "余额 %s，应不低于 %s", x.has.Yuan(), x.floor.Yuan())
	case x.has < soon:
		j.add(x.kind, yellow, x.key, inputs, "余额 %s，最低额度 %s，余量不足", x.has.Yuan(), x.floor.Yuan())
	}
}

// share is ratio of f, rounded up.
func share(ratio float64, f Fen) Fen { return Fen(math.Ceil(math.Round(ratio*float64(f)*1e6) / 1e6)) }

// standard is one floor that holds for an institution: what has to be there, what is,
// and what it is computed from.
type standard struct {
	kind, key  string
	has, floor Fen
	margin     bool // yellow already if it is nearly reached
	inputs     map[string]any
}

// standards is every floor that holds for f under rules, on a day.
func (f Figures) standards(rules rule.Set, on day.Date) (all []standard) {
	add := func(kind, key string, has, floor Fen, margin bool, inputs map[string]any) {
		if floor > 0 {
			all = append(all, standard{kind, key, has, floor, margin, inputs})
		}
	}
	if r, ok := rules[custodyFloorRule]; ok && r.Text() == "unconsumed_total" && f.Custody != nil { // in full custody the two are equal: no margin
		add(custodyFloor, custodyFloorRule, *f.Custody+f.InTransit, f.InCustody, false, map[string]any{"in_transit_fen": f.InTransit})
	}
	if r, ok := rules[depositFloorRule]; ok && r.Text() == "sum_of_one_cycle" && (f.Deposit != nil || f.Cycle > 0) {
		var has Fen
		if f.Deposit != nil {
			has = *f.Deposit
		}
		add(depositFloor, depositFloorRule, has, f.Cycle, true, map[string]any{"months": rules[depositCycle].Int()})
	}
	if r, ok := rules[rollingFloorRule]; ok {
		add(rollingFloor, rollingFloorRule, f.has(), share(r.Ratio(), f.Recent), true, map[string]any{"recent_fen": f.Recent, "months": rules[rollingMonths].Int()})
	}
	if r, ok := rules[fixedFloorRule]; ok && r.Text() == "per_institution" {
		add(fixedFloor, fixedFloorRule, f.has(), f.Fixed, true, map[string]any{})
	}
	if key, r := f.line(rules, on); key != "" && f.Unconsumed > 0 {
		add(lowBalance, key, f.has(), Fen(r.Int()), false, map[string]any{"unconsumed_fen": f.Unconsumed})
	}
	return all
}

// line is the rule of the balance below which a place wants to know, lower for a new
// institution; "" if it has none.
func (f Figures) line(rules rule.Set, on day.Date) (string, rule.Rule) {
	key := floorStd
	if r, ok := rules[newWithin]; ok && on.Before(f.OpenedOn.AddMonths(int(r.Int()))) {
		if _, ok := rules[floorNew]; ok {
			key = floorNew
		}
	}
	r, ok := rules[key]
	if !ok {
		return "", r
	}
	return key, r
}

func (j *judgement) cover() {
	if j.Unconsumed <= 0 {
		return
	}
	for _, c := range []struct{ key, level string }{{coverRed, red}, {coverYellow, yellow}} {
		r, ok := j.rules[c.key]
		if !ok || j.has() >= share(r.Ratio(), j.Unconsumed) {
			continue
		}
		j.add(lowCover, c.level, c.key, map[string]any{"balance_fen": j.has(), "unconsumed_fen": j.Unconsumed},
			"监管资金 %s，未消课 %s", j.has().Yuan(), j.Unconsumed.Yuan())
		return
	}
}

func (j *judgement) outflow() {
	for _, c := range []struct {
		key, kind, level string
		amount           Fen
		reached          bool // at the limit, not only beyond it
	}{
		{dayOutLimit, muchInDay, red, j.DayOut, false}, {weekOutLimit, muchInWeek, yellow, j.WeekOut, false}, {largeMovement, largeOut, yellow, j.Largest, true},
	} {
		r, ok := j.rules[c.key]
		limit := Fen(r.Int())
		if !ok || c.amount < limit || (c.amount == limit && !c.reached) || c.amount == 0 {
			continue
		}
		j.add(c.kind, c.level, c.key, map[string]any{"amount_fen": c.amount}, "%s，界限 %s", c.amount.Yuan(), limit.Yuan())
	}
}

// Alert is a yellow or red alert about an institution's money.
type Alert struct {
	InstitutionID string
	ID            string
	Jurisdiction  string
	Manager       string
	Day           day.Date
	Kind          string
	Level         string
	Words         string
	Ground        fault.Ground
	RaisedOn      day.Date
	Due           day.Date
	Provisional   bool
	State         string
	ClosedOn      day.Date
	ClosedBy      string
	Reason        string
}

// AlertView is an alert as people see it.
type AlertView struct {
	ID              string        `json:"id"`
	Institution     string        `json:"institution"`
	InstitutionName string        `json:"institution_name"`
	Jurisdiction    string        `json:"jurisdiction"`
	Day             day.Date      `json:"day"`
	Kind            string        `json:"kind"`
	KindText        string        `json:"kind_text"`
	Level           string        `json:"level" enum:"YELLOW,RED"`
	LevelText       string        `json:"level_text"`
	Words           string        `json:"words"`
	RaisedOn        day.Date      `json:"raised_on"`
	Due             day.Date      `json:"due"`
	Provisional     bool          `json:"provisional"`
	Light           string        `json:"light,omitempty" enum:"green,yellow,red" description:"of an open alert"`
	DaysLeft        *int          `json:"days_left,omitempty" description:"working days until due; negative is overdue"`
	State           string        `json:"state" enum:"OPEN,CLOSED"`
	ClosedOn        day.Date      `json:"closed_on,omitzero"`
	Reason          string        `json:"reason,omitempty" description:"why it was closed"`
	Rule            fault.Ground  `json:"rule"`
	Actions         []flow.Action `json:"actions"`
}

// alertRow is an alert with its institution's name, and whether payouts were held on it.
type alertRow struct {
	Alert
	InstitutionName string
	Held            bool
}

func (r alertRow) view() AlertView {
	return AlertView{
		ID: r.ID, Institution: r.InstitutionID, InstitutionName: r.InstitutionName, Jurisdiction: r.Jurisdiction, Day: r.Day, Kind: r.Kind,
		KindText: alertKinds[r.Kind].name, Level: r.Level, LevelText: levelNames[r.Level], Words: r.Words, RaisedOn: r.RaisedOn, Due: r.Due,
		Provisional: r.Provisional, State: r.State, ClosedOn: r.ClosedOn, Reason: r.Reason, Rule: r.Ground, Actions: []flow.Action{},
	}
}
