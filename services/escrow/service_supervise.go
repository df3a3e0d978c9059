package escrow

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// supervise judges the money of c's institutions at the end of its day: alerts that
// are new are raised, standing ones that no fact supports any more are closed.
func (s *Service) supervise(ctx context.Context, tx pgx.Tx, c comparison, from day.Date) error {
	places, err := placesOf(ctx, tx, c.institutions)
	if err != nil {
		return err
	}
	calendar, err := rule.Calendar(ctx, tx)
	if err != nil {
		return err
	}
	rules := map[string]rule.Set{}
	w := watched{comparison: c, transitFrom: from}
	for _, id := range c.institutions {
		place := places[id].Jurisdiction
		if rules[place] == nil {
			if rules[place], err = rule.Known(ctx, tx, place, c.day, alertRules...); err != nil {
				return err
			}
		}
		w.cycles = append(w.cycles, int(rules[place][depositCycle].Int()))
		w.months = append(w.months, int(rules[place][rollingMonths].Int()))
	}
	all, err := listFigures(ctx, tx, w)
	if err != nil {
		return err
	}
	var raised []Alert
	bands := make([]CoverBand, len(all))
	for n, f := range all {
		i := places[f.InstitutionID]
		bands[n] = CoverBand{i.ID, f.band(rules[i.Jurisdiction]), c.day}
		for _, j := range f.judge(rules[i.Jurisdiction], c.day) {
			a, err := s.alert(i, j, rules[i.Jurisdiction], calendar, c.day)
			if err != nil {
				return err
			}
			raised = append(raised, a)
		}
	}
	if err := tellBands(ctx, tx, places, bands); err != nil {
		return err
	}
	return saveAlerts(ctx, tx, c, raised)
}

// tellBands keeps the bands, and tells those that changed.
func tellBands(ctx context.Context, tx pgx.Tx, places map[string]Institution, bands []CoverBand) error {
	changed, err := saveBands(ctx, tx, bands)
	if err != nil || len(changed) == 0 {
		return err
	}
	var facts []event.Fact
	for _, b := range changed {
		fact, err := event.NewFact(ctx, b.InstitutionID, coverBandChanged(b, places[b.InstitutionID].Jurisdiction))
		if err != nil {
			return err
		}
		facts = append(facts, fact)
	}
	var b pgx.Batch
	event.AppendAll(&b, Topic, facts)
	return tx.SendBatch(ctx, &b).Close()
}

// alert is what was judged of i, with the last day for an answer.
func (s *Service) alert(i Institution, j Judged, rules rule.Set, calendar *day.Calendar, on day.Date) (Alert, error) {
	r := rules[alertAnswer]
	due, err := calendar.Due(s.today(), int(r.Int()), day.Unit(r.Unit))
	return Alert{
		InstitutionID: i.ID, ID: newID(), Jurisdiction: i.Jurisdiction, Manager: i.Manager, Day: on, Kind: j.Kind, Level: j.Level, Words: j.Words, Ground: j.Ground,
		RaisedOn: s.today(), Due: due.On, Provisional: due.Provisional, State: "OPEN",
	}, err
}

// lateFile notes that a bank's day, "bank/day", has passed without its file, and
// alerts whom it concerns.
func (s *Service) lateFile(ctx context.Context, tx pgx.Tx, id string) error {
	bank, on, _ := strings.Cut(id, "/")
	d, err := day.Parse(on)
	if err != nil {
		return err
	}
	if err := saveLate(ctx, tx, bank, d); err != nil {
		return err
	}
	calendar, err := rule.Calendar(ctx, tx)
	if err != nil {
		return err
	}
	institutions, err := institutionsOfBank(ctx, tx, bank)
	if err != nil {
		return err
	}
	rules := map[string]rule.Set{}
	var raised []Alert
	for _, i := range institutions {
		if rules[i.Jurisdiction] == nil {
			if rules[i.Jurisdiction], err = rule.InForce(ctx, tx, i.Jurisdiction, s.today(), alertAnswer, fileDue); err != nil {
				return err
			}
		}
		set := rules[i.Jurisdiction]
		words := fmt.Sprintf("%s：%s %s", alertKinds[lateBankFile].name, bank, d)
		a, err := s.alert(i, Judged{lateBankFile, red, words, set[fileDue].Ground(map[string]any{"bank": bank, "day": on})}, set, calendar, d)
		if err != nil {
			return err
		}
		raised = append(raised, a)
	}
	return insertAlerts(ctx, tx, raised)
}

// ListAlerts asks for alerts, those first that are due first.
type ListAlerts struct {
	Institution string `query:"institution" maxLength:"64"`
	Level       string `query:"level" enum:"YELLOW,RED"`
	State       string `query:"state" enum:"OPEN,CLOSED"`
	Page        int    `query:"page" minimum:"1" maximum:"10000"`
}

// Alerts is a page of them.
type Alerts struct {
	Items []AlertView `json:"items"`
	Page  int         `json:"page"`
	More  bool        `json:"more"`
}

// ListAlerts returns those in the caller's scope.
func (s *Service) ListAlerts(ctx context.Context, req ListAlerts) (Alerts, error) {
	by, page := auth.From(ctx), max(req.Page, 1)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Alerts, error) {
		calendar, err := rule.Calendar(ctx, tx)
		if err != nil {
			return Alerts{}, err
		}
		rows, err := listAlerts(ctx, tx, scopeOf(by), req, page)
		rows, more := cut(rows)
		return Alerts{views(rows, func(r alertRow) AlertView {
			v := showAlert(r, by)
			if v.State == "OPEN" {
				v.Light, v.DaysLeft = light(v.Due, s.today(), calendar)
			}
			return v
		}), page, more}, err
	})
}

// showAlert is r as by sees it: what stands is closed by a fact, not by a button, and
// payouts are held on a red alert alone, and once.
func showAlert(r alertRow, by auth.Caller) AlertView {
	v := r.view()
	for _, a := range alertFlow.Actions(r.State, "/v1/alerts/"+r.ID, by) {
		if a.Action == "close" && alertKinds[r.Kind].standing || a.Action == "hold" && (r.Level != red || r.Held) {
			continue
		}
		v.Actions = append(v.Actions, a)
	}
	return v
}

// CloseAlert is an official's word that a movement was looked into.
type CloseAlert struct {
	once.Key
	ID     string `path:"id" maxLength:"64"`
	Reason string `json:"reason" minLength:"4" maxLength:"500" description:"what was found, and done"`
}

// CloseAlert closes an alert about a movement. Refused for one that stands: it is
// closed when the balance is.
func (s *Service) CloseAlert(ctx context.Context, req CloseAlert) (AlertView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (AlertView, error) {
		by := auth.From(ctx)
		r, err := lockAlert(ctx, tx, req.ID)
		if err != nil {
			return AlertView{}, err
		}
		step, err := alertFlow.Step(r.State, "close", by)
		if err != nil {
			return AlertView{}, err
		}
		if alertKinds[r.Kind].standing {
			return AlertView{}, fault.Refused.Because("这是持续性预警，余额恢复到规定之上时自动解除，不能人工办结", r.Ground)
		}
		r.State, r.ClosedOn, r.ClosedBy, r.Reason = step.To, s.today(), by.Subject, req.Reason
		if err := saveAlert(ctx, tx, r.Alert); err != nil {
			return AlertView{}, err
		}
		words := fmt.Sprintf("办结%s预警（%s）：%s", levelNames[r.Level], r.Words, req.Reason)
		return showAlert(r, by), saveAccountEntry(ctx, tx, r.InstitutionID, entry{s.Now(), byBureau, by.Subject, "close", words})
	})
}

// HoldByAlert is an official's decision to hold payouts on a red alert.
type HoldByAlert struct {
	once.Key
	ID     string `path:"id" maxLength:"64"`
	Reason string `json:"reason" minLength:"4" maxLength:"500"`
}

// HoldByAlert holds the institution's payouts (暂停拨付) under the agreement's clause;
// refunds go on. Conflict if the alert is closed or has held them before, Refused
// unless it is red.
func (s *Service) HoldByAlert(ctx context.Context, req HoldByAlert) (AlertView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (AlertView, error) {
		by := auth.From(ctx)
		r, err := lockAlert(ctx, tx, req.ID)
		if err != nil {
			return AlertView{}, err
		}
		if _, err := alertFlow.Step(r.State, "hold", by); err != nil {
			return AlertView{}, err
		}
		if r.Level != red {
			return AlertView{}, fault.Refused.Because("只有红色预警可以暂停拨付", r.Ground)
		}
		rules, err := rule.InForce(ctx, tx, r.Jurisdiction, s.today(), alertHoldClause)
		if err != nil {
			return AlertView{}, err
		}
		clause := rules[alertHoldClause]
		h := Hold{
			ID: newID(), InstitutionID: r.InstitutionID, Jurisdiction: r.Jurisdiction, Manager: r.Manager, CauseID: r.ID, Clause: clause.Text(),
			Ground: clause.Ground(map[string]any{"alert": r.ID, "alert_rule": r.Ground.Key}), DecidedBy: byBureau, Since: s.today(),
		}
		words := fmt.Sprintf("因%s预警（%s）暂停拨付，退费不受影响：%s。依据：%s", levelNames[r.Level], r.Words, req.Reason, h.Clause)
		r.Held = true
		return showAlert(r, by), s.beginHold(ctx, tx, h, entry{s.Now(), byBureau, by.Subject, "hold", words})
	})
}

// beginHold holds payouts by h. It waits for the payouts that are under way.
func (s *Service) beginHold(ctx context.Context, tx pgx.Tx, h Hold, e entry) error {
	if err := lockPayouts(ctx, tx, h.InstitutionID); err != nil {
		return err
	}
	if done, err := causeDone(ctx, tx, h.CauseID); err != nil {
		return err
	} else if done {
		return fault.Conflict.Errorf("这一事由已经暂停过拨付")
	}
	if err := insertHold(ctx, tx, h); err != nil {
		return err
	}
	if err := saveAccountEntry(ctx, tx, h.InstitutionID, e); err != nil {
		return err
	}
	return event.Append(ctx, tx, Topic, h.InstitutionID, payoutsHeldFact(h))
}

// ResumePayouts is an official's decision that a hold on an alert is over.
type ResumePayouts struct {
	once.Key
	ID     string `path:"id" maxLength:"64" description:"of the hold"`
	Reason string `json:"reason" minLength:"4" maxLength:"500"`
}

// ResumePayouts ends a hold that an alert began, or a wind-down by which every family
// is paid; a timer pays out what waited. Refused for a hold by a list entry, by another
// authority's order or by a wind-down that goes on, which end by their own decisions.
func (s *Service) ResumePayouts(ctx context.Context, req ResumePayouts) (HoldView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (HoldView, error) {
		h, err := findHold(ctx, tx, req.ID)
		if err != nil {
			return HoldView{}, err
		}
		if !h.Endable {
			return HoldView{}, fault.Refused.Errorf("这一暂停因列入名单、其他机关的冻结或未完毕的清退而起，只能随其决定终止")
		}
		words := fmt.Sprintf("%s 起的暂停拨付自 %s 解除：%s", h.Since, s.today(), req.Reason)
		err = s.finishHold(ctx, tx, &h.Hold, entry{s.Now(), byBureau, auth.From(ctx).Subject, "resume", words})
		return h.view(), err
	})
}

// finishHold ends h. Conflict if it ended before.
func (s *Service) finishHold(ctx context.Context, tx pgx.Tx, h *Hold, e entry) error {
	if err := lockPayouts(ctx, tx, h.InstitutionID); err != nil {
		return err
	}
	h.Until = s.today()
	was, err := endHold(ctx, tx, *h)
	if err != nil {
		return err
	}
	if !was {
		return fault.Conflict.Errorf("这一暂停已经解除")
	}
	if err := saveAccountEntry(ctx, tx, h.InstitutionID, e); err != nil {
		return err
	}
	return event.Append(ctx, tx, Topic, h.InstitutionID, payoutsResumed(*h))
}
