package escrow

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"xunguan/pkg/rule"
	licensingv1 "xunguan/proto/licensing/v1"
	"xunguan/services/escrow/bankfile"
)

// TestCasesAreEnough counts the table cases that name their source, and those of them
// that are played by way of the API, too: at least 150 of either (issue 6, done means 1).
func TestCasesAreEnough(t *testing.T) {
	type table struct{ cases, played int }
	tables := map[string]*table{}
	add := func(name, source string, played bool) {
		if tables[name] == nil {
			tables[name] = &table{}
		}
		if strings.TrimSpace(source) == "" {
			t.Errorf("%s: a case without a source", name)
		}
		tables[name].cases++
		if played {
			tables[name].played++
		}
	}
	for _, c := range findingCases {
		add("flags", c.source, !slices.ContainsFunc(c.orders, func(o Order) bool { return !playable(o) }))
	}
	for _, c := range refundCases {
		name := "refunds"
		if c.source == remainders {
			name = "remainders"
		}
		add(name, c.source, c.local == nil)
	}
	for _, c := range feeCases {
		add("remainders", c.source, true)
	}
	for _, c := range silenceCases {
		add("silence", c.source, true)
	}
	for _, c := range judgeCases() {
		add("floors and alerts", c.source, c.playable())
	}
	for _, c := range reconcileCases() {
		add("reconciliation", c.source, true)
	}
	var all table
	for _, name := range []string{"flags", "refunds", "floors and alerts", "silence", "remainders", "reconciliation"} {
		c := tables[name]
		t.Logf("%s: %d cases with a source, %d of them by way of the API", name, c.cases, c.played)
		if c.played < 10 {
			t.Errorf("%s: only %d cases are played", name, c.played)
		}
		all.cases, all.played = all.cases+c.cases, all.played+c.played
	}
	t.Logf("together: %d cases with a source, %d of them by way of the API", all.cases, all.played)
	if all.cases < 150 || all.played < 150 {
		t.Errorf("%d cases, %d by way of the API: want 150 of either", all.cases, all.played)
	}
}

// TestFeesByHTTP is the same remainders by way of the API: what an offer's schedule says.
func TestFeesByHTTP(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	for _, tt := range feeCases {
		id := h.offer(h.terms(func(t *Terms) {
			if t.Lessons, t.PriceFen = tt.n, tt.price; tt.n == 1 {
				t.LastLesson = t.FirstLesson
			}
		}))
		var fees []Fen
		for _, l := range asked[Lessons](h, "parent", "/v1/contracts/"+id+"/lessons").Items {
			fees = append(fees, l.FeeFen)
		}
		if got := fmt.Sprint(fees); got != tt.want {
			t.Errorf("%s (%s): %s, want %s", tt.name, tt.source, got, tt.want)
		}
	}
}

// kindsBy is the kinds of alerts that a rule decides.
var kindsBy = map[string]string{
	custodyFloorRule: custodyFloor, depositFloorRule: depositFloor, rollingFloorRule: rollingFloor, fixedFloorRule: fixedFloor, floorStd: lowBalance,
	coverYellow: lowCover, coverRed: lowCover, dayOutLimit: muchInDay, weekOutLimit: muchInWeek, largeMovement: largeOut,
}

// playable reports whether c's figures can be brought about in a day, by one way of
// supervision and what the bank says.
func (c judgeCase) playable() bool {
	f := c.f
	switch {
	case len(c.rules) == 0, f.Cycle > 0 && f.InCustody > 0, f.WeekOut > f.DayOut, f.Unconsumed > f.InCustody && f.InCustody > 0:
		return false
	case f.Fixed > 0 && c.rules[fixedFloorRule].Key == "":
		return false
	case f.InTransit > 0 && f.InCustody == 0 && f.Unconsumed != f.InTransit:
		return false
	}
	return true
}

// TestJudgeByHTTP brings the same figures about: contracts are paid, the bank sends its
// file, and the alerts of the morning are read, of the kinds that the case's rules decide.
func TestJudgeByHTTP(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.UTF8)
	api := newAPI(b.Service).Handler()
	do := func(by, path string, body, into any) {
		t.Helper()
		code, answer := ask(t, api, http.MethodPost, path, by, b.key().IdempotencyKey, asJSON(t, body))
		if code != http.StatusOK || into != nil && json.Unmarshal([]byte(answer), into) != nil {
			t.Fatalf("%s: %d %s", path, code, answer)
		}
	}
	cases := slices.DeleteFunc(judgeCases(), func(c judgeCase) bool { return !c.playable() })
	for n, c := range cases {
		place := fmt.Sprintf("3205%02d", n+10)
		id := "case-" + place
		b.learned(&licensingv1.Institution{Id: id, Name: "美术培训中心", Kind: "subject", Jurisdiction: place})
		b.enacts(c.rules, place)
		primary := custodyMode
		if c.f.Custody == nil && (c.f.Deposit != nil || c.f.Cycle > 0) || c.f.Cycle > 0 {
			primary = depositMode
		}
		opened := c.f.OpenedOn
		if opened.IsZero() {
			opened = b.today()
		}
		account := map[string]any{"institution": id, "mode": primary, "bank": bankName, "account_tail": "1234", "agreement_no": "协-" + id, "opened_on": opened}
		do("principal", "/v1/accounts", account, nil)
		b.bank.Open("协-"+id, primary, 0)
		second := map[string]string{custodyMode: depositMode, depositMode: custodyMode}[primary]
		if c.f.Custody != nil && c.f.Deposit != nil {
			do("principal", "/v1/accounts/"+id+"/second", map[string]any{"mode": second, "bank": bankName, "account_tail": "4321", "agreement_no": "二-" + id, "opened_on": opened}, nil)
			b.bank.Open("二-"+id, second, 0)
		}
		pays := func(fen Fen, pupil string, atBank bool) {
			if fen == 0 {
				return
			}
			var v ContractView
			terms := b.terms(func(t *Terms) {
				t.Institution, t.Pupil, t.Lessons, t.PriceFen, t.LastLesson = id, pupil, 1, fen, t.FirstLesson
			})
			do("principal", "/v1/contracts", terms, &v)
			do("parent", "/v1/contracts/"+v.ID+"/sign", nil, nil)
			do("parent", "/v1/contracts/"+v.ID+"/pay", map[string]any{"amount_fen": fen, "reference": "REF-" + v.ID}, nil)
			if atBank && primary == custodyMode {
				b.bank.Pay("协-"+id, "REF-"+v.ID, int64(fen))
			}
		}
		owed := max(c.f.InCustody, c.f.Unconsumed, c.f.Recent, c.f.Cycle)
		pays(c.f.InTransit, "甲", false)
		pays(owed-c.f.InTransit, "乙", true)
		if c.f.Fixed > 0 {
			must(b.SetFloor(b.as("city"), SetFloor{b.key(), id, c.f.Fixed, "逐一核定"}))(t)
		}
		b.balances(id, primary, second, c.f)
	}
	b.night()
	for n, c := range cases {
		id := fmt.Sprintf("case-3205%02d", n+10)
		var got []string
		for _, a := range asked[Alerts](b.house, "city", "/v1/alerts?institution="+id).Items {
			if slices.ContainsFunc(slices.Collect(maps.Keys(c.rules)), func(key string) bool { return kindsBy[key] == a.Kind }) {
				got = append(got, a.Kind+" "+a.Level)
			}
		}
		slices.Sort(got)
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s (%s): %q, want %q", c.name, c.source, s, c.want)
		}
	}
}

// balances has the bank's accounts of a case's institution end the day as f says, with
// what left them.
func (b *teller) balances(id, primary, second string, f Figures) {
	b.t.Helper()
	for mode, want := range map[string]*Fen{custodyMode: f.Custody, depositMode: f.Deposit} {
		agreement := "协-" + id
		if mode == second {
			agreement = "二-" + id
		}
		for _, a := range b.bank.Accounts {
			if a.Agreement != agreement || a.Account != mode {
				continue
			}
			out := max(f.DayOut, f.Largest)
			if mode != primary {
				out = 0
			}
			if out > 0 {
				b.bank.Move(agreement, mode, "other", "", int64(out))
				b.bank.Move(agreement, mode, "other", "", -int64(out))
			}
			if want == nil {
				continue
			}
			switch delta := int64(*want) - a.Balance; {
			case delta > 0:
				b.bank.Move(agreement, mode, "other", "", delta)
			case delta < 0: // a correction is no outflow that anybody watches
				b.bank.Move(agreement, mode, "correction", "", delta)
			}
		}
	}
}

// enacts puts rules in force at a place: those of the nation stand beside them, but for
// the margin, which a case without one has not.
func (b *teller) enacts(rules rule.Set, place string) {
	b.t.Helper()
	if rules[floorMargin].Key == "" {
		b.enact(floorMargin, place, "0", "ratio")
	}
	if rules[rollingFloorRule].Key != "" {
		b.enact(rollingMonths, place, "3", "month")
	}
	for key, r := range rules {
		b.enact(key, place, string(r.Value), "text")
	}
}
