package rulebook

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
)

func TestFits(t *testing.T) {
	for _, tt := range []struct {
		key, unit, value string
		ok               bool
	}{
		{"fee.max_lessons", "lesson", `60`, true},
		{"fee.max_lessons", "lesson", `0`, true},
		{"fee.max_lessons", "lesson", `60.5`, false},
		{"fee.max_lessons", "lesson", `-1`, false},
		{"fee.max_lessons", "lesson", `1e9`, false},
		{"fee.max_lessons", "lesson", `"60"`, false},
		{"fee.max_lessons", "lesson", `null`, false},
		{"fee.max_lessons", "lesson", `[60]`, false},
		{"fee.max_lessons", "lesson", `{"value":60}`, false},
		{"fee.max_lessons", "lesson", `true`, false},
		{"fee.max_lessons", "month", `3`, false}, // not its unit
		{"licence.decide", "working_day", `3660`, true},
		{"licence.decide", "working_day", `3661`, false},
		{"tip.mediation", "working_day", `45`, true},  // 令20 §21
		{"tip.mediation", "calendar_day", `60`, true}, // 令121 §23
		{"tip.mediation", "month", `2`, false},
		{"price.max_float_up", "ratio", `0.05`, true}, // 无锡
		{"price.max_float_up", "ratio", `1.01`, false},
		{"area.per_pupil_m2", "m2", `3.5`, true},
		{"area.per_pupil_m2", "m2", `0`, false}, // would divide by it
		{"class.end.offline", "time_of_day", `"20:30"`, true},
		{"class.end.offline", "time_of_day", `"24:00"`, false},
		{"class.end.offline", "time_of_day", `"8:30"`, false},
		{"class.end.offline", "time_of_day", `2030`, false},
		{"escrow.parent_silence", "text", `"waits"`, true}, // 厦门
		{"escrow.parent_silence", "text", `"perhaps"`, false},
		{"escrow.parent_silence", "text", `""`, false},
		{"escrow.hold_clause", "clause", `"被列入黑名单期间暂停拨付"`, true},
		{"escrow.hold_clause", "clause", `" 暂停拨付"`, false},
		{"escrow.hold_clause", "clause", `"停"`, false},
		{"escrow.hold_clause", "clause", `"` + strings.Repeat("停", 301) + `"`, false},
		{"escrow.hold_clause", "clause", `7`, false},
		{"escrow.hold_clause", "text", `"暂停拨付"`, false},
		{"alert.levels", "list", `["RED"]`, true},
		{"alert.levels", "list", `["GREEN"]`, false},
		{"alert.levels", "list", `[]`, false},
		{"fee.term_starts", "dates", `["2026-03-02","2026-09-01"]`, true},
		{"fee.term_starts", "dates", `["2026-09-01","2026-03-02"]`, false},
		{"fee.term_starts", "dates", `["2026-03-02","2026-03-02"]`, false},
		{"fee.term_starts", "dates", `["2026-02-30"]`, false},
		{"fee.term_starts", "dates", `[]`, false},
		{"bulletin.days", "list", `[15,30]`, true},
		{"bulletin.days", "list", `[30,15]`, false},
		{"bulletin.days", "list", `[15,15]`, false},
		{"bulletin.days", "list", `[0]`, false},
		{"bulletin.days", "list", `[32]`, false},
	} {
		err := parameters[tt.key].Fits(tt.unit, json.RawMessage(tt.value))
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("%s %s %s: %v, want fitting %t", tt.key, tt.value, tt.unit, err, tt.ok)
		}
	}
}

// appendix is the keys of design/domain.md, Appendix A.
const appendix = `fee.max_months fee.max_lessons fee.nonsubject_cap fee.earliest_before_class fee.renew_remaining_lessons
fee.cash_sweep fee.private_collect_revoke price.std_minutes price.max_float_up escrow.parent_autoconfirm
escrow.org_refund_autoagree escrow.settle_after_confirm escrow.custody_floor escrow.deposit_floor escrow.hefei_style_floor
alert.balance_floor alert.day_out alert.week_out alert.levels refund.cooling_off_days refund.contract_free_days
refund.stall_after class.end online.lesson_max_min online.gap_min area.per_pupil_m2 staff.teaching_ratio_min
staff.per_class_ratio staff.record_requery licence.complete_notice licence.decide licence.decide_private_school licence.issue
licence.renew_before licence.close_announce inspect.publish inspect.ratio inspect.min_officers case.decide case.preserve
case.hearing_request case.hearing_notice case.serve case.pay case.late_rate case.limitation case.publish_scjg case.unpublish
case.public_term crime.transfer_decide crime.transfer tip.accept tip.check tip.filing_notice tip.mediation tip.hotline_return
tip.hotline_general tip.petition tip.reward_first duxue.max_schools duxue.visits_per_month duxue.visits_per_term
duxue.unrectified_urges bulletin.days bulletin.bottom_n yearcheck.hubei_rectify yearcheck.postpone blacklist.sponsor_ban
licence.validity licence.public_notice list.statement list.white_term list.black_term rectify.due flag.answer
refund.gift_lessons`

// unseeded is the keys for which Appendix A has no value.
var unseeded = map[string]bool{"alert.week_out": true} // 未核实

// TestSeedHasAppendixA: every key is there, or its sub-keys are.
func TestSeedHasAppendixA(t *testing.T) {
	seeded := map[string]bool{}
	for _, r := range parse[Rule](rulesJSON) {
		seeded[r.Key] = true
	}
	for key := range strings.FieldsSeq(appendix) {
		found := false
		for k := range parameters {
			if k != key && !strings.HasPrefix(k, key+".") {
				continue
			}
			found = true
			if !seeded[k] && !unseeded[k] {
				t.Errorf("%s has no value", k)
			}
		}
		if !found {
			t.Errorf("%s is missing", key)
		}
	}
}

// TestSeedRows: every row fits its parameter and says where it comes from.
func TestSeedRows(t *testing.T) {
	last := map[[2]string]day.Date{}
	for _, r := range parse[Rule](rulesJSON) {
		p, ok := parameters[r.Key]
		if !ok || p.Title == "" {
			t.Errorf("%s is no parameter, or has no title", r.Key)
		}
		if err := p.Fits(r.Unit, r.Value); err != nil {
			t.Errorf("%s of %s: %s %s: %v", r.Key, r.Jurisdiction, r.Value, r.Unit, err)
		}
		if _, ok := division.Find(r.Jurisdiction); !ok {
			t.Errorf("%s: no division %s", r.Key, r.Jurisdiction)
		}
		if !strings.Contains("V P S L memory D", r.Provenance) || r.Provenance == "" || len(r.Source) < 12 {
			t.Errorf("%s of %s: source %q, mark %q", r.Key, r.Jurisdiction, r.Source, r.Provenance)
		}
		id := [2]string{r.Key, r.Jurisdiction}
		if r.EffectiveFrom.IsZero() || !r.EffectiveFrom.After(last[id]) {
			t.Errorf("%s of %s: %s is not after %s", r.Key, r.Jurisdiction, r.EffectiveFrom, last[id])
		}
		last[id] = r.EffectiveFrom
	}
}

// TestSeedValues is what domain.md says, typed again.
func TestSeedValues(t *testing.T) {
	for _, tt := range []struct{ key, place, on, value, unit, mark string }{
		{"fee.max_months", nation, "2026-03-01", "3", "month", "P"},                    // §1.1
		{"fee.max_lessons", nation, "2026-03-01", "60", "lesson", "P"},                 // §1.1
		{"fee.nonsubject_cap", nation, "2026-03-01", "500000", "fen", "P"},             // §1.1: 5,000 yuan
		{"escrow.parent_autoconfirm", nation, "2026-03-01", "15", "working_day", "P"},  // §1.2
		{"escrow.parent_autoconfirm", "330000", "2026-03-01", "7", "working_day", "P"}, // §1.3
		{"escrow.org_refund_autoagree", nation, "2026-03-01", "5", "working_day", "P"}, // §1.2
		{"area.per_pupil_m2", nation, "2026-03-01", "3", "m2", "P"},                    // §2.4
		{"area.per_pupil_m2.sport", "110000", "2026-03-01", "5", "m2", "P"},            // §2.4
		{"licence.complete_notice", nation, "2026-03-01", "5", "working_day", "V"},     // 行政许可法 §32
		{"licence.decide", nation, "2026-03-01", "20", "working_day", "V"},             // §42
		{"licence.public_notice", nation, "2026-03-01", "5", "working_day", "L"},
		{"case.decide", nation, "2026-03-01", "90", "calendar_day", "V"},   // 行政处罚法 §60
		{"case.pay", nation, "2026-03-01", "15", "calendar_day", "V"},      // §67
		{"tip.mediation", nation, "2026-04-14", "45", "working_day", "V"},  // 令20 §21
		{"tip.mediation", nation, "2026-04-15", "60", "calendar_day", "P"}, // 令121 §23
		{"inspect.ratio.D", "410000", "2026-03-01", "0.3", "ratio", "P"},   // §3.1
	} {
		var got Rule
		for _, r := range parse[Rule](rulesJSON) {
			if r.Key == tt.key && r.Jurisdiction == tt.place && !r.EffectiveFrom.After(day.MustParse(tt.on)) {
				got = r
			}
		}
		if string(got.Value) != tt.value || got.Unit != tt.unit || got.Provenance != tt.mark {
			t.Errorf("%s of %s on %s is %s %s (%s), want %s %s (%s)", tt.key, tt.place, tt.on, got.Value, got.Unit, got.Provenance, tt.value, tt.unit, tt.mark)
		}
	}
	for key := range strings.FieldsSeq("fee.cash_sweep fee.private_collect_revoke escrow.settle_after_confirm tip.reward_first blacklist.sponsor_ban") {
		for _, r := range parse[Rule](rulesJSON) { // Appendix A: "only"
			if r.Key == key && r.Jurisdiction == nation {
				t.Errorf("%s is one place's, and shipped for the nation", key)
			}
		}
	}
}

// notices is the days off and the days worked instead, typed from the State
// Council's notices; 2026 is also in domain.md §0.
var notices = map[int][2]string{
	2024: {
		"01-01..01 02-10..17 04-04..06 05-01..05 06-10..10 09-15..17 10-01..07",
		"02-04 02-18 04-07 04-28 05-11 09-14 09-29 10-12",
	},
	2025: {
		"01-01..01 01-28..31 02-01..04 04-04..06 05-01..05 05-31..31 06-01..02 10-01..08",
		"01-26 02-08 04-27 09-28 10-11",
	},
	2026: {
		"01-01..03 02-15..23 04-04..06 05-01..05 06-19..21 09-25..27 10-01..07",
		"01-04 02-14 02-28 05-09 09-20 10-10",
	},
}

func TestSeedCalendar(t *testing.T) {
	years := parse[Year](calendarJSON)
	if len(years) != len(notices) {
		t.Errorf("%d years, want %d", len(years), len(notices))
	}
	for _, y := range years {
		if err := y.Check(); err != nil || !strings.Contains(y.Source, "国办发明电") || !strings.Contains(y.Source, "chinese-days@1.5.7") {
			t.Errorf("%d: %v, source %q", y.Year, err, y.Source)
		}
		want, got := map[string]bool{}, map[string]bool{}
		for span := range strings.FieldsSeq(notices[y.Year][0]) {
			for n := span[3:5]; n <= span[7:]; n = fmt.Sprintf("%02d", atoi(n)+1) {
				want[span[:3]+n] = false
			}
		}
		for d := range strings.FieldsSeq(notices[y.Year][1]) {
			want[d] = true
		}
		for _, d := range y.Days {
			got[strings.TrimPrefix(d.Date.String(), fmt.Sprint(y.Year, "-"))] = d.Working
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d: %s", y.Year, diff)
		}
	}
}

func atoi(s string) int { n, _ := strconv.Atoi(s); return n }

func TestMayRule(t *testing.T) {
	for _, tt := range []struct {
		own, place string
		may        bool
	}{
		{"320500", "320500", true},
		{"320500", "320508", true},
		{"320500", "320571", true}, // 苏州工业园区
		{"320500", "320100", false},
		{"320500", "320000", false},
		{"320500", "000000", false},
		{"110000", "110101", true}, // 直辖市
		{"", "320508", false},
		{"320500", "999999", false},
	} {
		err := mayRule(auth.Caller{Subject: "city", Jurisdiction: tt.own}, tt.place)
		if (err == nil) != tt.may || err != nil && !errors.Is(err, fault.Forbidden) {
			t.Errorf("%q rules for %s: %v, want %t", tt.own, tt.place, err, tt.may)
		}
	}
}

func TestNearest(t *testing.T) {
	rules := []Rule{
		{Key: "b", Jurisdiction: "000000"},
		{Key: "a", Jurisdiction: "000000"},
		{Key: "a", Jurisdiction: "320508"},
		{Key: "a", Jurisdiction: "320500"},
		{Key: "c", Jurisdiction: "320000"},
	}
	var got []string
	for _, r := range nearest(rules, division.Ancestors("320508")) {
		got = append(got, r.Key+" "+r.Jurisdiction)
	}
	if diff := cmp.Diff([]string{"a 320508", "b 000000", "c 320000"}, got); diff != "" {
		t.Error(diff)
	}
}
