package escrow

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/services/escrow/bankfile"
)

func TestBand(t *testing.T) {
	t.Parallel()
	lines := lawOf(coverRed, 0.8, coverYellow, 1)
	for _, tt := range []struct {
		name string
		Figures
		rules []any
		want  string
	}{
		{"all of it", Figures{Custody: fen(1000), Unconsumed: 1000}, nil, coverEnough},
		{"with the deposit", Figures{Custody: fen(400), Deposit: fen(600), Unconsumed: 1000}, nil, coverEnough},
		{"one 分 less", Figures{Custody: fen(999), Unconsumed: 1000}, nil, coverLow},
		{"at the red line", Figures{Custody: fen(800), Unconsumed: 1000}, nil, coverLow},
		{"below it", Figures{Custody: fen(799), Unconsumed: 1000}, nil, coverShort},
		{"no account at all", Figures{Unconsumed: 1}, nil, coverShort},
		{"on its way counts", Figures{Custody: fen(0), InTransit: 1000, Unconsumed: 1000}, nil, coverEnough},
		{"nothing is prepaid", Figures{Custody: fen(1000)}, nil, ""},
		{"the place has no lines", Figures{Custody: fen(1), Unconsumed: 1000}, []any{coverRed, 0.8}, ""},
	} {
		rules := lines
		if tt.rules != nil {
			rules = lawOf(tt.rules...)
		}
		if got := tt.band(rules); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestCoverIsTold is that the public is told a band when it changes, and only then, and
// anew when a consumer has lost it.
func TestCoverIsTold(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.UTF8)
	told := func(want ...string) {
		t.Helper()
		if n := b.facts("CoverBandChanged"); n != int64(len(want)) {
			t.Errorf("%d were told, want %v", n, want)
		}
		if n := b.count(`SELECT count(*) FROM cover_bands WHERE institution_id = 'art' AND band = $1`, want[len(want)-1]); n != 1 {
			t.Errorf("the band is not %s", want[len(want)-1])
		}
	}
	b.pays(b.terms())
	b.night()
	told(coverEnough)
	b.night()
	told(coverEnough)
	b.bank.Move("协-art", bankfile.Custody, "other", "", -200000)
	b.night()
	told(coverEnough, coverShort)
	if n := b.count(`SELECT count(*) FROM cover_bands WHERE since = '2026-03-04'`); n != 1 {
		t.Error("since another day")
	}
	must(b.Republish(b.as("city"), Republish{b.key()}))(t)
	b.settle()
	told(coverEnough, coverShort, coverShort)
}

// TestButtons is what the money's pages offer: to the office alone, and only what it may
// still do.
func TestButtons(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.UTF8)
	b.pays(b.terms())
	b.bank.Move("协-art", bankfile.Custody, "other", "", -400000)
	b.night()
	offered := func(by string) string {
		t.Helper()
		var all []string
		for _, a := range must(b.ListAlerts(b.as(by), ListAlerts{Institution: "art", State: "OPEN", Level: red}))(t).Items {
			if a.Light == "" || a.DaysLeft == nil {
				t.Errorf("%s has no light", a.Kind)
			}
			for _, x := range a.Actions {
				all = append(all, x.Action)
			}
		}
		for _, h := range must(b.ListHolds(b.as(by), ListHolds{Institution: "art"}))(t).Items {
			for _, x := range h.Actions {
				all = append(all, x.Action)
			}
		}
		for _, x := range must(b.FindAccount(b.as(by), FindAccount{"art"}))(t).Actions {
			all = append(all, x.Action)
			if x.Fields[0].Name != "institution" || x.Fields[0].Value != "art" {
				t.Errorf("%s is about %+v", x.Action, x.Fields[0])
			}
		}
		return strings.Join(all, " ")
	}
	if got := offered("principal"); got != "" {
		t.Errorf("the institution is offered %s", got)
	}
	if got := offered("examiner"); got != "hold hold freezes" { // two alerts: custody_floor, cover
		t.Errorf("the office is offered %s", got)
	}
	for _, a := range must(b.ListAlerts(b.as("examiner"), ListAlerts{Institution: "art", Level: red}))(t).Items {
		must(b.HoldByAlert(b.as("examiner"), HoldByAlert{b.key(), a.ID, "逐日核查"}))(t)
	}
	if got := offered("examiner"); got != "resume resume freezes" {
		t.Errorf("after both were used: %s", got)
	}
	h := must(b.ListHolds(b.as("examiner"), ListHolds{Institution: "art"}))(t).Items[0]
	must(b.ResumePayouts(b.as("examiner"), ResumePayouts{b.key(), h.ID, "已补足"}))(t)
	if got := offered("examiner"); got != "resume freezes" {
		t.Errorf("after one was ended: %s", got)
	}
	b.black("case-1", "art")
	if got := offered("examiner"); got != "resume freezes" {
		t.Errorf("a hold by the black list is offered to be ended: %s", got)
	}
	if _, err := b.HoldByAlert(b.as("principal"), HoldByAlert{b.key(), h.CauseID, "逐日核查"}); !errors.Is(err, fault.Forbidden) && !errors.Is(err, fault.Conflict) {
		t.Errorf("by the institution: %v", err)
	}
}

// TestRefundSteps is the dates that a parent sees of a refund, as it goes on.
func TestRefundSteps(t *testing.T) {
	t.Parallel()
	r := Refund{Lessons: 2, Amount: 20000, RequestedOn: d("2026-03-02"), AnswerBy: d("2026-03-09")}
	for _, tt := range []struct {
		name   string
		change func(*Refund)
		want   string
	}{
		{"it waits", func(r *Refund) { r.State = requested }, "✔2026-03-02 提出申 | 2026-03-09 机构最 | 2026-03-10 视为同"},
		{"silence", func(r *Refund) {
			r.State, r.BySilence, r.AgreedOn, r.PaidOn = paidBack, true, d("2026-03-10"), d("2026-03-10")
		}, "✔2026-03-02 提出申 | ✔2026-03-10 机构逾 | ✔2026-03-10 已原路"},
		{"agreed, and on its way", func(r *Refund) { r.State, r.AgreedOn = agreed, d("2026-03-03") }, "✔2026-03-02 提出申 | ✔2026-03-03 同意退 | 退款办"},
		{"a no", func(r *Refund) { r.State = rejected }, "✔2026-03-02 提出申 | 机构不"},
		{"in mediation", func(r *Refund) { r.State, r.MediateBy = mediation, d("2026-05-08") }, "✔2026-03-02 提出申 | 2026-05-08 调解最"},
		{"not settled", func(r *Refund) { r.State = unsettled }, "✔2026-03-02 提出申 | 调解未"},
		{"taken back", func(r *Refund) { r.State = withdrawn }, "✔2026-03-02 提出申 | ✔已撤回"},
	} {
		r := r
		tt.change(&r)
		var said []string
		for _, s := range r.steps() {
			line := ""
			if s.Done {
				line = "✔"
			}
			if !s.By.IsZero() {
				line += s.By.String() + " "
			}
			text := []rune(s.Text)
			said = append(said, line+string(text[:3]))
		}
		if got := strings.Join(said, " | "); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

// TestButtonsInAWindDown is that people are not offered what a wind-down refuses them.
func TestButtonsInAWindDown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	id := h.silently()
	h.taught(id, 3)
	must(h.object("parent", id, 1))(t)
	var w string
	shown := func(by string) string {
		ctx, all := h.as(by), []string{}
		add := func(of string, actions []flow.Action) {
			for _, a := range actions {
				all = append(all, of+a.Action)
			}
		}
		c := must(h.FindContract(ctx, FindContract{id}))(t)
		add("", c.Actions)
		for _, r := range c.Refunds {
			add("refund:", r.Actions)
		}
		for _, l := range must(h.ListLessons(ctx, ListLessons{Contract: id}))(t).Items[2:4] {
			add(fmt.Sprintf("%d:", l.N), l.Actions)
		}
		return strings.Join(all, " ")
	}
	for _, tt := range []struct {
		name              string
		happens           func()
		parent, principal string
	}{
		{"before", func() {}, "refunds refund:withdraw 3:confirm 3:dispute", "teacher refund:agree refund:reject 4:taught 4:make_up"},
		{"begun: objections are for the roster", func() { w = h.begun("art").ID }, "refunds refund:withdraw 3:confirm 3:dispute", "teacher 4:taught 4:make_up"},
		{"confirmed: all is for the roster", func() { must(h.ConfirmWindDown(h.as("examiner"), ConfirmWindDown{h.key(), w}))(t); h.wind() }, "3:confirm 3:dispute", "teacher"},
	} {
		tt.happens()
		if parent, principal := shown("parent"), shown("principal"); parent != tt.parent || principal != tt.principal {
			t.Errorf("%s: the parent sees %q, want %q; the institution %q, want %q", tt.name, parent, tt.parent, principal, tt.principal)
		}
	}
}
