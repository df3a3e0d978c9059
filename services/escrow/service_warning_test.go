package escrow

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"xunguan/pkg/due"
	licensingv1 "xunguan/proto/licensing/v1"
	tipoffv1 "xunguan/proto/tipoff/v1"
)

// watch scores all institutions, as the timer does, and returns in how many steps.
func (h *house) watch() int {
	h.t.Helper()
	timers := slices.DeleteFunc(h.Timers(), func(t due.Timer) bool { return t.Name != watchTimer })
	return must((&due.Clockwork{DB: h.DB, Now: h.Now, Timers: timers}).Settle(h.t.Context()))(h.t)
}

func (h *house) warning(by, institution string) WarningCase {
	h.t.Helper()
	return must(h.FindWarning(h.as(by), FindWarning{institution}))(h.t)
}

func tip(id, institution string) *tipoffv1.Tip {
	return &tipoffv1.Tip{Id: id, SubjectKind: "INSTITUTION", InstitutionId: institution, ReceivedOn: "2026-04-01", Summary: "课程停了"}
}

// free is an institution that the seeded lot keeps free of the score.
const free = "c6"

// stalled is a house where art and free took tuition on 2026-03-02 and gave no
// lesson since, and other gave all.
func stalled(t *testing.T) *house {
	t.Helper()
	h := newHouse(t, "2026-03-02")
	h.learned(&licensingv1.Institution{Id: free, Name: "姑苏舞蹈中心", Kind: "non_subject", Item: "舞蹈"})
	h.account("principal", free)
	for _, institution := range []string{"art", free} {
		for n := range 3 {
			h.paid(h.terms(func(t *Terms) { t.Institution, t.Pupil = institution, fmt.Sprint("学员", n) }))
		}
	}
	h.at("2026-04-06")
	return h
}

// TestEarlyWarning is an institution that stops teaching: who is told, with what
// reasons, and that nobody is told of one that is kept free of the score.
func TestEarlyWarning(t *testing.T) {
	t.Parallel()
	h := stalled(t)
	if n := h.watch(); n != 2 { // one batch, and the end
		t.Fatalf("scored in %d steps", n)
	}
	w := h.warning("examiner", "art")
	if w.Band != yellow || w.Control || len(w.Reasons) != 1 || w.Reasons[0].Signal != "lag" || w.Since != d("2026-04-06") || len(w.Changes) != 1 {
		t.Fatalf("art: %+v", w)
	}
	// 48 lessons over 75 days; 17 of each of three pupils fell on 2026-03-09 to 04-05.
	if r := w.Reasons[0]; !strings.Contains(r.Explanation, "应上 51 课时，登记授课 0 课时") || r.Rules[0].Key != lagShare || r.Rules[0].Version != 1 ||
		r.Rules[0].Source == "" || r.Rules[0].Inputs["short"].(float64) != 51 {
		t.Errorf("reason %+v", r)
	}
	for by, want := range map[string]string{
		"examiner": "art=YELLOW maths=NONE c6=", "city": "art=YELLOW maths=NONE other=NONE c6=", "principal": "art=YELLOW maths=NONE c6=",
		"neighbour": "other=NONE", "principal2": "other=NONE", "market": "",
	} {
		var got []string
		for _, i := range must(h.ListWarnings(h.as(by), ListWarnings{}))(t).Items {
			got = append(got, i.Institution+"="+i.Band)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s is shown %v, want %s", by, got, want)
		}
	}
	if n := h.facts("WarningChanged"); n != 1 {
		t.Errorf("%d changes published, want art's alone", n)
	}
	if n := h.watch(); n != 0 {
		t.Errorf("scored again on the same day in %d steps", n)
	}
}

func TestWarningBandFollowsTheReasons(t *testing.T) {
	t.Parallel()
	h := stalled(t)
	h.watch()
	for n := range 6 {
		h.apply(&tipoffv1.TipReceived{Tip: tip(fmt.Sprint("t", n), "art")})
		h.apply(&tipoffv1.TipDispatched{Tip: tip(fmt.Sprint("t", n), "art")}) // the same once more
	}
	h.apply(&tipoffv1.TipReceived{Tip: tip("elsewhere", "")})
	h.at("2026-04-07")
	h.watch()
	w := h.warning("principal", "art")
	if w.Band != red || w.Since != d("2026-04-07") || len(w.Reasons) != 2 || !strings.Contains(w.Reasons[1].Explanation, "6 件") {
		t.Errorf("with six tip-offs: %+v", w)
	}
	for n := range 4 { // four of them are the same matter; what is said late of one changes nothing
		h.apply(&tipoffv1.TipMerged{Tip: tip(fmt.Sprint("t", n), "art"), Into: "t5"})
		h.apply(&tipoffv1.TipDispatched{Tip: tip(fmt.Sprint("t", n), "art")})
	}
	h.differs("art", -1000000, "missing") // 10,000 of 14,400 yuan are gone
	h.at("2026-04-08")
	h.watch()
	w = h.warning("examiner", "art")
	if w.Band != red || w.Since != d("2026-04-07") || len(w.Reasons) != 2 || w.Reasons[1].Signal != "cover" || !strings.Contains(w.Reasons[1].Explanation, "100% 降到 30%") {
		t.Errorf("with a gap in the cover: %+v", w)
	}
	if len(w.Changes) != 2 || w.Changes[0].Was != yellow || w.Changes[0].Band != red || w.Changes[1].Was != calm {
		t.Errorf("changes %+v", w.Changes)
	}
	if n := h.facts("WarningChanged"); n != 2 {
		t.Errorf("%d changes published", n)
	}
}

// TestFreeOfTheScore is that the score of an institution that is kept free of it is
// there, so that it can be evaluated, and that no way leads to it until then.
func TestFreeOfTheScore(t *testing.T) {
	t.Parallel()
	h := stalled(t)
	h.watch()
	if n := h.count(`SELECT count(*) FROM warnings w JOIN warning_changes c USING (institution_id) WHERE w.control AND w.band = 'YELLOW' AND c.band = 'YELLOW' AND institution_id = $1`, free); n != 1 {
		t.Error("nothing is kept of it")
	}
	for _, by := range []string{"examiner", "city", "principal"} {
		w := h.warning(by, free)
		if !w.Control || w.Points != nil || w.Band != "" || len(w.Reasons) != 0 || len(w.Changes) != 0 || !w.On.IsZero() {
			t.Errorf("%s sees %+v", by, w)
		}
		if w.ControlRule.Key != controlSeed || w.ControlRule.Version != 1 || w.ControlRule.Inputs["institution"] != free {
			t.Errorf("the lot: %+v", w.ControlRule)
		}
		if n := h.seenBy(by, `warnings WHERE control`) + h.seenBy(by, `warning_changes WHERE control`) + h.seenBy(by, `tips`); n != 0 {
			t.Errorf("%s sees %d rows", by, n)
		}
	}
	for by, n := range map[string]int{"neighbour": 1, "market": 0, "parent": 0, "principal2": 1, "": 0, "examiner": 3} {
		if got := h.seenBy(by, `warning_arms`); got != n {
			t.Errorf("%q sees %d arms, want %d", by, got, n)
		}
	}
	h.black("case-1", "art")
	h.black("case-2", free)
	h.at("2026-04-20")
	if _, err := h.EvaluateWarnings(h.as("city"), EvaluateWarnings{On: d("2026-04-06"), Days: 15}); err == nil {
		t.Error("evaluated before the days were over")
	}
	e := must(h.EvaluateWarnings(h.as("city"), EvaluateWarnings{On: d("2026-04-06"), Days: 14}))(t)
	if got := fmt.Sprint(e.Arms); got != "[{false NONE 2 0} {false YELLOW 1 1} {true YELLOW 1 1}]" {
		t.Errorf("evaluated %s", got)
	}
	if e := must(h.EvaluateWarnings(h.as("neighbour"), EvaluateWarnings{On: d("2026-04-06"), Days: 14}))(t); fmt.Sprint(e.Arms) != "[{false NONE 1 0}]" {
		t.Errorf("the neighbour's: %v", e.Arms)
	}
}

// TestWatchGoesOn is that a run that was cut short goes on where it stopped, and
// that every institution is scored once.
func TestWatchGoesOn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	for n := range watchBatch {
		id := fmt.Sprintf("more-%02d", n)
		h.learned(&licensingv1.Institution{Id: id, Name: id, Kind: "non_subject", Item: "美术"})
		h.account("principal", id)
	}
	if n := h.watch(); n != 3 { // 50, 3, and the end
		t.Errorf("scored in %d steps", n)
	}
	if n := h.count(`SELECT count(*) FROM warnings WHERE on_date = '2026-03-02' AND band = 'NONE'`); n != watchBatch+3 {
		t.Errorf("%d scored", n)
	}
	if n := h.facts("WarningChanged") + h.count(`SELECT count(*) FROM warning_changes`); n != 0 {
		t.Errorf("%d changes of nothing", n)
	}
}

func TestWarningRoutes(t *testing.T) {
	t.Parallel()
	h := stalled(t)
	h.watch()
	api := newAPI(h.Service).Handler()
	for _, tt := range []struct {
		path, by string
		code     int
		want     string
	}{
		{"/v1/warnings", "examiner", 200, `"institution":"art","institution_name":"姑苏美术培训中心","jurisdiction":"320508","control":false`},
		{"/v1/warnings?band=CONTROL", "city", 200, `"items":[{"institution":"c6"`},
		{"/v1/warnings?band=RED", "city", 200, `"items":[]`},
		{"/v1/warnings?band=GREEN", "city", 400, "/query/band"},
		{"/v1/warnings", "parent", 403, "forbidden"},
		{"/v1/warnings", "", 401, "unauthentic"},
		{"/v1/warnings/art", "principal", 200, `"band_text":"黄色预警"`},
		{"/v1/warnings/art", "principal2", 404, "预警不存在"},
		{"/v1/warnings/art", "neighbour", 404, "预警不存在"},
		{"/v1/warning-evaluation?on=2026-04-06&days=1", "principal", 403, "forbidden"},
		{"/v1/warning-evaluation?on=2026-04-06&days=1", "city", 400, "/query/days"},
		{"/v1/warning-evaluation?on=2026-04-05&days=1", "examiner", 200, `"arms":[]`},
	} {
		if code, body := ask(t, api, http.MethodGet, tt.path, tt.by, "", ""); code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s of %s: %d %s, want %d %s", tt.path, tt.by, code, body, tt.code, tt.want)
		}
	}
}
