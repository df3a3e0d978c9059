package licensing_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	licensingv1 "xunguan/proto/licensing/v1"
	"xunguan/services/licensing"
)

// TestStory is steps 1 and 2 of the story, with the dates that the 2026 calendar
// gives: 2026-03-02 is a Monday, 04-04…06 is 清明.
func TestStory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := facts()
	f.Capacity = 70
	_, err := w.SubmitApplication(w.as("principal"), licensing.SubmitApplication{Key: w.key(), Jurisdiction: "320508", Facts: f})
	wants(t, "70 pupils in 180 m²", err, fault.Refused, "不得超过 60 人", `"key":"area.per_pupil_m2"`, `"value":3`, "九项规定", `"capacity":70`, `"max":60`)

	a := w.submit(facts())
	if a.State != licensing.Submitted || a.CorrectBy.String() != "2026-03-09" || a.InstitutionID == "" || a.Place != "江苏省苏州市姑苏区" {
		t.Errorf("submitted: %+v", a)
	}
	a = must(w.accept(a.ID))
	if a.State != licensing.Accepted || a.AcceptedOn.String() != "2026-03-02" || a.DecideBy.String() != "2026-03-30" || a.Deemed {
		t.Errorf("accepted: %+v", a)
	}
	_, err = w.notice(a.ID)
	wants(t, "notice without opinion", err, fault.Refused, "苏州市姑苏区文化和旅游局")
	must(w.opine("culture", a.ID, "agree"))
	_, err = w.notice(a.ID)
	wants(t, "notice without check", err, fault.Refused, `"key":"licence.site_officers"`, `"passed":0`)
	must(w.check("examiner", a.ID, true, 180))
	_, err = w.notice(a.ID)
	wants(t, "notice with one officer", err, fault.Refused, "不少于 2 名", `"value":2`, "第三十四条", `"passed":1`)
	must(w.check("examiner2", a.ID, true, 178.5))
	a = must(w.notice(a.ID))
	if a.State != licensing.PublicNotice || a.NoticeUntil.String() != "2026-03-09" {
		t.Errorf("announced: %+v", a)
	}
	for _, on := range []string{"2026-03-02", "2026-03-09"} {
		w.on(on)
		_, err = w.decide(a.ID, "grant")
		wants(t, "grant on "+on, err, fault.Refused, "公示期至 2026-03-09", "licence.public_notice", `"today":"`+on)
	}
	w.on("2026-03-10")
	a = must(w.decide(a.ID, "grant"))
	if a.State != licensing.Granted || a.LicenceNumber != "教民3205087000001号" || a.IssueBy.String() != "2026-03-24" || len(a.Grounds) != 3 {
		t.Errorf("granted: %+v", a)
	}
	page := must(w.GetInstitution(w.as("principal"), licensing.GetInstitution{ID: a.InstitutionID}))
	if i := page.Institution; i.Status != licensing.Active || i.ValidFrom.String() != "2026-03-10" || i.ValidUntil.String() != "2029-03-09" ||
		i.IssuedBy != "苏州市姑苏区教育局" || i.AreaM2 != 178.5 || i.Manager != "principal" || i.LicenceNumber != a.LicenceNumber {
		t.Errorf("institution: %+v", i)
	}
	want := "ApplicationSubmitted ApplicationAccepted ApplicationDecided LicenceIssued"
	all := w.events()
	if got := kinds(all, 0); got != want {
		t.Errorf("events %s, want %s", got, want)
	}
	for _, e := range all {
		if e.key != a.InstitutionID {
			t.Errorf("%s has the key %s", e.kind, e.key)
		}
	}
	issued := all[3].m.(*licensingv1.LicenceIssued).GetInstitution()
	if issued.GetId() != a.InstitutionID || issued.GetStatus() != "ACTIVE" || issued.GetManager() != "principal" || issued.GetCapacity() != 40 || issued.GetUscc() != "" {
		t.Errorf("%v", all[3])
	}
}

// TestTimeline: every step leaves one entry, with who, why and on what grounds.
func TestTimeline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.granted()
	p := must(w.GetApplication(w.as("principal"), licensing.GetApplication{ID: a.ID}))
	var got []string
	for _, e := range p.Timeline {
		got = append(got, e.Action+" "+e.Actor)
	}
	want := []string{
		"submit 申请人", "accept 苏州市姑苏区教育局（examiner）", "opinion 苏州市姑苏区文化和旅游局（culture）",
		"site_check 苏州市姑苏区教育局（examiner）", "site_check 苏州市姑苏区教育局（examiner2）",
		"notice 苏州市姑苏区教育局（examiner）", "grant 苏州市姑苏区教育局（examiner）",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	for at, keys := range map[int]string{0: "area.per_pupil_m2", 1: "licence.decide", 5: "licence.site_officers area.per_pupil_m2 licence.public_notice", 6: "licence.public_notice licence.validity licence.issue"} {
		var found []string
		for _, g := range p.Timeline[at].Grounds {
			if g.Version < 1 || g.Source == "" || g.Jurisdiction == "" || g.Provenance == "" || len(g.Inputs) == 0 {
				t.Errorf("ground is not whole: %+v", g)
			}
			found = append(found, g.Key)
		}
		if strings.Join(found, " ") != keys {
			t.Errorf("%s rests on %v, want %s", p.Timeline[at].Action, found, keys)
		}
	}
	if len(p.Actions) != 0 || len(p.Deadlines) != 4 || !p.Deadlines[3].Open || p.Deadlines[3].Name != "issue_by" {
		t.Errorf("actions %+v, deadlines %+v", p.Actions, p.Deadlines)
	}
}

// TestReturn: corrections may be asked for once, in time, with all that is
// missing (行政许可法 §32).
func TestReturn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	give := func(id string, missing ...string) (licensing.Application, error) {
		return w.ReturnApplication(w.as("examiner"), licensing.ReturnApplication{Key: w.key(), ID: id, Reason: "材料不全", Missing: missing})
	}
	a := w.submit(facts())
	_, err := give(a.ID, "消防证明", " ")
	wants(t, "an empty item", err, fault.Invalid, "/missing/1")
	w.on("2026-03-09") // the last day belongs to the period
	a = must(give(a.ID, "消防证明", "资产证明"))
	if a.State != licensing.Returned || len(a.Missing) != 2 {
		t.Errorf("returned: %+v", a)
	}
	_, err = w.accept(a.ID)
	wants(t, "accept what was returned", err, fault.Conflict)

	w.on("2026-03-12")
	again := func(f licensing.Facts) (licensing.Application, error) {
		return w.ResubmitApplication(w.as("principal"), licensing.ResubmitApplication{Key: w.key(), ID: a.ID, Facts: f})
	}
	f := facts()
	f.Capacity = 61
	_, err = again(f)
	wants(t, "corrected to too many pupils", err, fault.Refused, "area.per_pupil_m2")
	f.Sponsor.USCC = "91350100M000100Y44"
	_, err = again(f)
	wants(t, "corrected to a bad USCC", err, fault.Invalid, "/sponsor/uscc")
	f = facts()
	f.AreaM2, f.Capacity = 300, 90
	a = must(again(f))
	if a.State != licensing.Submitted || a.Capacity != 90 || a.ReceivedOn.String() != "2026-03-12" || a.CorrectBy.String() != "2026-03-19" || len(a.Missing) != 0 {
		t.Errorf("resubmitted: %+v", a)
	}
	_, err = give(a.ID, "还缺一项")
	wants(t, "returned twice", err, fault.Refused, "一次告知", "licence.complete_notice")

	late := w.submit(facts())
	w.on("2026-03-20")
	_, err = give(late.ID, "消防证明")
	wants(t, "returned too late", err, fault.Refused, "2026-03-19", "licence.complete_notice", `"value":5`)
}

// TestSilence: what was not answered in time is accepted as of its receipt
// (行政许可法 §32), by the timer or by a late officer, and not a day earlier.
func TestSilence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, late := w.submit(facts()), w.submit(facts())
	w.on("2026-03-09")
	if n := w.tick(); n != 0 {
		t.Errorf("%d accepted on the last day", n)
	}
	w.on("2026-03-10")
	late = must(w.accept(late.ID))
	if n, again := w.tick(), w.tick(); n != 1 || again != 0 {
		t.Errorf("%d, then %d accepted by silence, want 1, 0", n, again)
	}
	p := must(w.GetApplication(w.as("examiner"), licensing.GetApplication{ID: a.ID}))
	for _, a := range []licensing.Application{late, p.Application} {
		if a.State != licensing.Accepted || !a.Deemed || a.AcceptedOn.String() != "2026-03-02" || a.DecideBy.String() != "2026-03-30" {
			t.Errorf("%+v", a)
		}
	}
	last := p.Timeline[len(p.Timeline)-1]
	if last.Actor != "系统" || !strings.Contains(last.Note, "自收到申请之日（2026-03-02）起视为受理") || !strings.Contains(last.Basis, "第三十二条") {
		t.Errorf("timeline: %+v", last)
	}
	if got := kinds(w.events(), 2); got != "ApplicationAccepted ApplicationAccepted" {
		t.Error(got)
	}
}

// TestRefusals is each step that the rules or the flow do not allow.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	submitted, accepted, ready, announced := w.submit(facts()), w.accepted(), w.ready(), must(w.notice(w.ready().ID))
	disagreed := w.accepted()
	must(w.opine("culture", disagreed.ID, "disagree"))
	failed := w.accepted()
	must(w.opine("culture", failed.ID, "agree"))
	must(w.check("examiner", failed.ID, true, 180))
	must(w.check("examiner2", failed.ID, true, 180))
	must(w.check("fire", failed.ID, false, 180))
	outsiders := w.accepted()
	must(w.opine("culture", outsiders.ID, "agree"))
	must(w.check("fire", outsiders.ID, true, 180))
	must(w.check("fire2", outsiders.ID, true, 180))
	small := w.accepted()
	must(w.opine("culture", small.ID, "agree"))
	must(w.check("examiner", small.ID, true, 180))
	must(w.check("examiner2", small.ID, true, 119))
	before := w.all("audit")
	for _, tt := range []struct {
		name string
		do   func() (licensing.Application, error)
		kind error
		say  string
	}{
		{"accept twice", func() (licensing.Application, error) { return w.accept(accepted.ID) }, fault.Conflict, "办学许可申请目前为“审查中”，不能受理"},
		{"opinion before acceptance", func() (licensing.Application, error) { return w.opine("culture", submitted.ID, "agree") }, fault.Conflict, "目前为“待受理”"},
		{"opinion of the wrong office", func() (licensing.Application, error) { return w.opine("sport", accepted.ID, "agree") }, fault.Forbidden, "苏州市姑苏区文化和旅游局"},
		{"check before acceptance", func() (licensing.Application, error) { return w.check("examiner", submitted.ID, true, 180) }, fault.Conflict, "目前为“待受理”"},
		{"check signed twice", func() (licensing.Application, error) { return w.check("examiner", ready.ID, true, 180) }, fault.Conflict, "签字一次"},
		{"notice against the opinion", func() (licensing.Application, error) { return w.notice(disagreed.ID) }, fault.Refused, "不同意设立"},
		{"notice against a failed check", func() (licensing.Application, error) { return w.notice(failed.ID) }, fault.Refused, "消防救援大队核查人员 fire 认定现场不合格"},
		{"notice without an officer of education", func() (licensing.Application, error) { return w.notice(outsiders.ID) }, fault.Refused, "教育行政部门"},
		{"notice for less area than was declared", func() (licensing.Application, error) { return w.notice(small.ID) }, fault.Refused, "不得超过 39 人"},
		{"grant without notice", func() (licensing.Application, error) { return w.decide(ready.ID, "grant") }, fault.Conflict, "目前为“审查中”，不能准予许可"},
		{"grant during notice", func() (licensing.Application, error) { return w.decide(announced.ID, "grant") }, fault.Refused, "licence.public_notice"},
		{"refuse before acceptance", func() (licensing.Application, error) { return w.decide(submitted.ID, "refuse") }, fault.Conflict, "目前为“待受理”"},
		{"refuse without a reason", func() (licensing.Application, error) {
			return w.DecideApplication(w.as("examiner"), licensing.DecideApplication{Key: w.key(), ID: accepted.ID, Decision: "refuse"})
		}, fault.Invalid, "/reason"},
		{"a failed check without a note", func() (licensing.Application, error) {
			return w.SignSiteCheck(w.as("fire"), licensing.SignSiteCheck{Key: w.key(), ID: accepted.ID, AreaM2: 180, Certificate: "0001"})
		}, fault.Invalid, "/note"},
		{"withdrawn by another", func() (licensing.Application, error) {
			return w.WithdrawApplication(w.as("principal2"), licensing.WithdrawApplication{Key: w.key(), ID: submitted.ID})
		}, fault.NotFound, "申请不存在"},
		{"accepted by a neighbour", func() (licensing.Application, error) {
			return w.AcceptApplication(w.as("neighbour"), licensing.AcceptApplication{Key: w.key(), ID: submitted.ID})
		}, fault.NotFound, "申请不存在"},
		{"resubmitted without being returned", func() (licensing.Application, error) {
			return w.ResubmitApplication(w.as("principal"), licensing.ResubmitApplication{Key: w.key(), ID: submitted.ID, Facts: facts()})
		}, fault.Conflict, "目前为“待受理”"},
		{"no such application", func() (licensing.Application, error) { return w.accept("01900000-0000-7000-8000-000000000000") }, fault.NotFound, "申请不存在"},
		{"a place that is none", func() (licensing.Application, error) {
			return w.SubmitApplication(w.as("principal"), licensing.SubmitApplication{Key: w.key(), Jurisdiction: "320599", Facts: facts()})
		}, fault.Invalid, "/jurisdiction"},
		{"a city", func() (licensing.Application, error) {
			return w.SubmitApplication(w.as("principal"), licensing.SubmitApplication{Key: w.key(), Jurisdiction: "320500", Facts: facts()})
		}, fault.Invalid, "/jurisdiction"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.do()
			wants(t, tt.name, err, tt.kind, tt.say)
		})
	}
	if after := w.all("audit"); after != before {
		t.Errorf("refusals left %d audit entries", after-before)
	}
}

// TestCheckAgain: who found the place wanting may look again, and pass it.
func TestCheckAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.ready()
	must(w.check("fire", a.ID, false, 180))
	_, err := w.notice(a.ID)
	wants(t, "notice", err, fault.Refused, "不合格")
	must(w.check("fire", a.ID, true, 180))
	if a := must(w.notice(a.ID)); a.State != licensing.PublicNotice {
		t.Errorf("%+v", a)
	}
}

// TestOpinionChanges: the last opinion counts.
func TestOpinionChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.ready()
	must(w.opine("culture", a.ID, "disagree"))
	_, err := w.notice(a.ID)
	wants(t, "notice", err, fault.Refused, "不同意")
	must(w.opine("culture", a.ID, "agree"))
	must(w.notice(a.ID))
}

// TestEnds is every way in which an application ends without a licence.
func TestEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	announced := must(w.notice(w.ready().ID))
	returned := w.submit(facts())
	must(w.ReturnApplication(w.as("examiner"), licensing.ReturnApplication{Key: w.key(), ID: returned.ID, Reason: "材料不全", Missing: []string{"章程"}}))
	withdraw := func(id string) licensing.Application {
		return must(w.WithdrawApplication(w.as("principal"), licensing.WithdrawApplication{Key: w.key(), ID: id, Reason: "不办了"}))
	}
	for _, tt := range []struct {
		name string
		a    licensing.Application
		want licensing.State
	}{
		{"not accepted", must(w.RefuseAcceptance(w.as("examiner"), licensing.RefuseAcceptance{Key: w.key(), ID: w.submit(facts()).ID, Reason: "不属于本机关职权"})), licensing.NotAccepted},
		{"refused after review", must(w.decide(w.accepted().ID, "refuse")), licensing.Rejected},
		{"refused after notice", must(w.decide(announced.ID, "refuse")), licensing.Rejected},
		{"withdrawn at once", withdraw(w.submit(facts()).ID), licensing.Withdrawn},
		{"withdrawn instead of corrected", withdraw(returned.ID), licensing.Withdrawn},
		{"withdrawn during review", withdraw(w.accepted().ID), licensing.Withdrawn},
	} {
		p := must(w.GetApplication(w.as("principal"), licensing.GetApplication{ID: tt.a.ID}))
		if tt.a.State != tt.want || p.State != tt.want || p.Reason == "" || len(p.Actions) != 0 {
			t.Errorf("%s: %+v", tt.name, p)
		}
	}
	if n := w.all("institutions"); n != 0 {
		t.Errorf("%d institutions", n)
	}
}

// TestDecideConcurrently: 20 officers decide at once; there is one licence.
func TestDecideConcurrently(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.announced()
	var g errgroup.Group
	done := make(chan licensing.Application, 20)
	for range 20 {
		g.Go(func() error {
			a, err := w.decide(a.ID, "grant")
			if err == nil {
				done <- a
			} else if !errors.Is(err, fault.Conflict) {
				return err
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(done) != 1 || w.all("institutions") != 1 || w.all("serials WHERE last = 1") != 1 {
		t.Errorf("%d granted, %d institutions", len(done), w.all("institutions"))
	}
}

// TestSerials: 20 licences granted at once, and refused grants between them, take
// serials without a gap.
func TestSerials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []string
	for range 20 {
		ids = append(ids, must(w.notice(w.ready().ID)).ID)
	}
	fresh := w.ready()
	w.on("2026-03-10")
	var g errgroup.Group
	numbers := make(chan string, len(ids))
	for _, id := range ids {
		g.Go(func() error {
			if _, err := w.decide(fresh.ID, "grant"); err == nil {
				return errors.New("granted without notice")
			}
			a, err := w.decide(id, "grant")
			numbers <- a.LicenceNumber
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	close(numbers)
	seen := map[string]bool{}
	for n := range numbers {
		seen[n] = true
	}
	for i := range ids {
		if n := fmt.Sprintf("教民3205087%06d号", i+1); !seen[n] {
			t.Errorf("%s is missing among %v", n, seen)
		}
	}
}

// TestAgain: the same key acts once, and says the same again.
func TestAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := licensing.SubmitApplication{Key: w.key(), Jurisdiction: "320508", Facts: facts()}
	first := must(w.SubmitApplication(w.as("principal"), req))
	again := must(w.SubmitApplication(w.as("principal"), req))
	if first.ID != again.ID || w.all("applications") != 1 || w.all("audit") != 1 || w.all("outbox") != 1 {
		t.Errorf("%s then %s, %d applications", first.ID, again.ID, w.all("applications"))
	}
	req.Capacity = 41
	_, err := w.SubmitApplication(w.as("principal"), req)
	wants(t, "the same key with other facts", err, fault.KeyReused)
}

// TestLights: green, yellow from three working days before the end, red after it;
// a period that runs into a year without a calendar is provisional.
func TestLights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.submit(facts()) // corrections until Monday 03-09
	for on, want := range map[string]string{
		"2026-03-02": "green 5", "2026-03-03": "green 4", "2026-03-04": "yellow 3", "2026-03-08": "yellow 1", "2026-03-09": "yellow 0", "2026-03-10": "red -1", "2026-03-11": "red -2",
	} {
		w.on(on)
		p := must(w.GetApplication(w.as("examiner"), licensing.GetApplication{ID: a.ID}))
		if d := p.Deadlines[0]; fmt.Sprint(d.Light, " ", d.DaysLeft) != want || d.Provisional || d.Rule.Key != "licence.complete_notice" {
			t.Errorf("on %s: %+v, want %s", on, d, want)
		}
	}
	w.on("2026-12-28")
	if a := w.accepted(); !a.Deadlines[1].Provisional || a.Deadlines[1].Due != a.DecideBy {
		t.Errorf("20 working days from 2026-12-28: %+v", a.Deadlines[1])
	}
}

// TestOneDayOfWait: the clock's day is the legal day in Shanghai.
func TestShanghai(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	night := day.MustParse("2026-03-03").Start() // 16:00 UTC on the 2nd
	w.now.Store(&night)
	if a := w.submit(facts()); a.ReceivedOn.String() != "2026-03-03" {
		t.Errorf("received on %s", a.ReceivedOn)
	}
}

// TestInbox: each step waits for the office that has to take it, and for nobody else.
func TestInbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	submitted, accepted := w.submit(facts()), w.accepted()
	ready := w.ready()
	half := w.accepted()
	must(w.check("examiner", half.ID, true, 180))
	against := w.accepted()
	must(w.opine("culture", against.ID, "disagree"))
	announced := must(w.notice(w.ready().ID))
	returned := w.submit(facts())
	must(w.ReturnApplication(w.as("examiner"), licensing.ReturnApplication{Key: w.key(), ID: returned.ID, Reason: "材料不全", Missing: []string{"章程"}}))
	name := map[string]string{submitted.ID: "submitted", accepted.ID: "accepted", ready.ID: "ready", half.ID: "half", against.ID: "against", announced.ID: "announced", returned.ID: "returned"}
	inbox := func(who string) string {
		var got []string
		for _, i := range must(w.ReadInbox(w.as(who), licensing.ReadInbox{})).Items {
			got = append(got, i.Kind+":"+name[i.ID])
			if i.Href != "/applications/"+i.ID || (i.DaysLeft == nil) != (i.Kind == "resubmit") || i.Title == "" {
				t.Errorf("%+v", i)
			}
			// No time runs while the applicant is waited for; else the period of this step does.
			runs, waits := map[string]string{"accept": "correct_by", "resubmit": ""}[i.Kind], i.Kind == "resubmit"
			if runs == "" && !waits {
				runs = "decide_by"
			}
			if i.ID == announced.ID {
				runs += " notice_until"
			}
			var terms []string
			for _, d := range i.Terms {
				terms = append(terms, d.Name)
			}
			if i.Paused != waits || strings.Join(terms, " ") != runs {
				t.Errorf("%s: paused %t, terms %v, want %s", i.Kind, i.Paused, terms, runs)
			}
		}
		slices.Sort(got)
		return strings.Join(got, " ")
	}
	for who, want := range map[string]string{
		"examiner":   "accept:submitted decide:against notice:ready site_check:accepted",
		"examiner2":  "accept:submitted decide:against notice:ready site_check:accepted site_check:half",
		"culture":    "opinion:accepted opinion:half site_check:against",
		"fire":       "site_check:accepted site_check:against site_check:half",
		"sport":      "",
		"market":     "",
		"city":       "",
		"neighbour":  "",
		"principal":  "resubmit:returned",
		"principal2": "",
	} {
		if got := inbox(who); got != want {
			t.Errorf("%s: %s\nwant %s", who, got, want)
		}
	}
	w.after(announced.NoticeUntil)
	if got := inbox("examiner"); !strings.Contains(got, "decide:announced") {
		t.Errorf("after notice: %s", got)
	}
}

// TestLists: a list has what the caller may see, and no more.
func TestLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	submitted, accepted := w.submit(facts()), w.accepted()
	list := func(who string, q licensing.ListApplications) int {
		l := must(w.ListApplications(w.as(who), q))
		if l.Items == nil || l.More {
			t.Errorf("%s: %+v", who, l)
		}
		return len(l.Items)
	}
	for _, tt := range []struct {
		who  string
		q    licensing.ListApplications
		want int
	}{
		{"examiner", licensing.ListApplications{}, 2},
		{"examiner", licensing.ListApplications{State: submitted.State}, 1},
		{"examiner", licensing.ListApplications{State: accepted.State, Jurisdiction: "320508"}, 1},
		{"city", licensing.ListApplications{Jurisdiction: "320508"}, 2},
		{"city", licensing.ListApplications{Jurisdiction: "320500"}, 2},
		{"city", licensing.ListApplications{Jurisdiction: "320506"}, 0},
		{"examiner", licensing.ListApplications{Page: 2}, 0},
		{"principal", licensing.ListApplications{}, 2},
		{"principal2", licensing.ListApplications{}, 0},
		{"neighbour", licensing.ListApplications{}, 0},
		{"neighbour", licensing.ListApplications{Jurisdiction: "320508"}, 0},
		{"culture", licensing.ListApplications{}, 2},
		{"intake", licensing.ListApplications{}, 0},
		{"nobody", licensing.ListApplications{}, 0},
	} {
		if got := list(tt.who, tt.q); got != tt.want {
			t.Errorf("%s %+v: %d, want %d", tt.who, tt.q, got, tt.want)
		}
	}
	_, err := w.ListApplications(w.as("examiner"), licensing.ListApplications{Jurisdiction: "999999"})
	wants(t, "a place that is none", err, fault.Invalid, "/query/jurisdiction")
}
