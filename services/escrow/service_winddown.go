package escrow

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// BeginWindDown is an official's decision that an institution is to be wound down.
type BeginWindDown struct {
	once.Key
	Institution string   `json:"institution" minLength:"1" maxLength:"64" description:"id of the institution"`
	Ground      string   `json:"ground" enum:"list_decision,licence_revoked,closed_abnormal"`
	DocumentNo  string   `json:"document_no" minLength:"2" maxLength:"60" description:"of the decision, or of the finding on site"`
	Reason      string   `json:"reason" minLength:"4" maxLength:"500"`
	StoppedOn   day.Date `json:"stopped_on,omitzero" description:"since when it no longer teaches; for contracts billed by the period"`
}

// BeginWindDown holds payouts at once, lets the institution take nothing in any more
// and has the roster drawn, for another official to confirm. NotFound without an
// account in the caller's scope, Refused if the ground is not on record, Conflict if
// one is under way.
func (s *Service) BeginWindDown(ctx context.Context, req BeginWindDown) (WindDownView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (WindDownView, error) {
		by := auth.From(ctx)
		a, err := findAccount(ctx, tx, req.Institution) // is scoped
		if err != nil {
			return WindDownView{}, err
		}
		i, err := findInstitution(ctx, tx, req.Institution)
		if err != nil {
			return WindDownView{}, err
		}
		if err := req.check(i, s.today()); err != nil {
			return WindDownView{}, err
		}
		rules, err := rule.InForce(ctx, tx, a.Jurisdiction, s.today(), windRules...)
		if err != nil {
			return WindDownView{}, err
		}
		w := WindDown{
			InstitutionID: i.ID, ID: newID(), Jurisdiction: i.Jurisdiction, Manager: i.Manager, State: windProposed, Ground: req.Ground,
			DocumentNo: req.DocumentNo, Reason: req.Reason, BegunOn: s.today(), StoppedOn: req.StoppedOn, LastHand: by.Subject,
		}
		return s.begin(ctx, tx, w, rules[windHoldClause])
	})
}

// check returns Refused unless what is on record of i bears the ground out.
func (req BeginWindDown) check(i Institution, today day.Date) error {
	switch {
	case req.StoppedOn.After(today):
		return fault.Fields(fault.Field{Pointer: "/stopped_on", Detail: "不得晚于今天 " + today.String()})
	case req.Ground == "list_decision" && i.List != black:
		return fault.Refused.Errorf("%s不在黑名单内，不能以%s启动清退", i.Name, windGrounds[req.Ground])
	case req.Ground == "licence_revoked" && i.Status != "REVOKED" && i.Status != "CANCELLED":
		return fault.Refused.Errorf("%s的办学许可证状态为%s，不能以%s启动清退", i.Name, statusNames[i.Status], windGrounds[req.Ground])
	}
	return nil
}

func (s *Service) begin(ctx context.Context, tx pgx.Tx, w WindDown, clause rule.Rule) (WindDownView, error) {
	ground := clause.Ground(map[string]any{"wind_down": w.ID, "ground": w.Ground, "document_no": w.DocumentNo})
	h := Hold{
		ID: newID(), InstitutionID: w.InstitutionID, Jurisdiction: w.Jurisdiction, Manager: w.Manager, CauseID: w.ID, Clause: clause.Text(),
		Ground: ground, DecidedBy: byBureau, Since: s.today(),
	}
	words := fmt.Sprintf("启动机构终止清退（%s，%s）：%s。即日起暂停拨付，不得再收费", windGrounds[w.Ground], w.DocumentNo, w.Reason)
	e := entry{s.Now(), byBureau, w.LastHand, "begin", words}
	if err := s.beginHold(ctx, tx, h, e); err != nil {
		return WindDownView{}, err
	}
	if err := insertWindDown(ctx, tx, w); err != nil {
		return WindDownView{}, err
	}
	if err := saveWinding(ctx, tx, w.InstitutionID, windingBegun); err != nil {
		return WindDownView{}, err
	}
	return s.windStep(ctx, tx, windRow{WindDown: w}, e, ground)
}

// windStep saves w, which e has taken a step, and shows it.
func (s *Service) windStep(ctx context.Context, tx pgx.Tx, w windRow, e entry, rules ...fault.Ground) (WindDownView, error) {
	if err := s.windStepped(ctx, tx, w.WindDown, e, rules); err != nil {
		return WindDownView{}, err
	}
	return s.showWindDown(ctx, tx, w.ID)
}

func (s *Service) windStepped(ctx context.Context, tx pgx.Tx, w WindDown, e entry, rules []fault.Ground) error {
	if err := saveWindDown(ctx, tx, w); err != nil {
		return err
	}
	if err := insertWindStep(ctx, tx, w, e, rules); err != nil {
		return err
	}
	return event.Append(ctx, tx, Topic, w.InstitutionID, windDownChanged(w))
}

// onWindDown is the transaction that takes a wind-down one step by act, which saves it.
func (s *Service) onWindDown(ctx context.Context, id, action string, act func(pgx.Tx, windRow) (WindDownView, error)) func(pgx.Tx) (WindDownView, error) {
	return func(tx pgx.Tx) (WindDownView, error) {
		w, err := lockWound(ctx, tx, id)
		if err != nil {
			return WindDownView{}, err
		}
		step, err := windFlow.Step(w.State, action, auth.From(ctx))
		if err != nil {
			return WindDownView{}, err
		}
		w.State = step.To
		return act(tx, w)
	}
}

// lockWound locks an institution's payouts, so that nothing of its money moves, and
// then the wind-down.
func lockWound(ctx context.Context, tx pgx.Tx, id string) (windRow, error) {
	w, err := findWindDown(ctx, tx, id)
	if err != nil {
		return w, err
	}
	if err := lockPayouts(ctx, tx, w.InstitutionID); err != nil {
		return w, err
	}
	return lockWindDown(ctx, tx, id)
}

// ConfirmWindDown is another official's yes.
type ConfirmWindDown struct {
	once.Key
	ID string `path:"id" maxLength:"64"`
}

// ConfirmWindDown has families choose, by a day that the rulebook gives. From now on
// refunds are given by the roster alone, which is drawn once more. Forbidden to who
// began or corrected it last, Conflict while the roster is being drawn.
func (s *Service) ConfirmWindDown(ctx context.Context, req ConfirmWindDown) (WindDownView, error) {
	return once.Do(ctx, s.DB, req, s.onWindDown(ctx, req.ID, "confirm", func(tx pgx.Tx, w windRow) (WindDownView, error) {
		by := auth.From(ctx)
		switch {
		case by.Subject == w.LastHand:
			return WindDownView{}, fault.Forbidden.Errorf("启动清退、更正名册的人不能自己复核，请由另一人复核")
		case !w.Drawn:
			return WindDownView{}, fault.Conflict.Errorf("名册尚未列完，请稍后复核")
		}
		rules, err := rule.InForce(ctx, tx, w.Jurisdiction, s.today(), windChoice, windSilence)
		if err != nil {
			return WindDownView{}, err
		}
		end, err := rule.Due(ctx, tx, rules[windChoice], s.today())
		if err != nil {
			return WindDownView{}, err
		}
		if w.ConfirmedOn.IsZero() {
			w.ConfirmedOn = s.today()
		}
		w.ChooseBy, w.Provisional, w.Round, w.AfterID, w.Drawn = end.On, end.Provisional, w.Round+1, "", false
		if err := saveWinding(ctx, tx, w.InstitutionID, windingFrozen); err != nil {
			return WindDownView{}, err
		}
		inputs := map[string]any{"confirmed_on": s.today(), "choose_by": end.On, "provisional": end.Provisional}
		words := fmt.Sprintf("复核同意清退。家长可在 %s 前选择退费或转课，逾期未选择的退费；退费自今日起按清退名册统一办理", end.On)
		return s.windStep(ctx, tx, w, entry{s.Now(), byBureau, by.Subject, "confirm", words}, rules[windChoice].Ground(inputs), rules[windSilence].Ground(inputs))
	}))
}

// WithdrawWindDown is an official's decision to stop one.
type WithdrawWindDown struct {
	once.Key
	ID     string `path:"id" maxLength:"64"`
	Reason string `json:"reason" minLength:"4" maxLength:"500"`
}

// WithdrawWindDown leaves all families that were not paid as they were before, ends
// the hold and lets the institution go on. What was paid stays paid.
func (s *Service) WithdrawWindDown(ctx context.Context, req WithdrawWindDown) (WindDownView, error) {
	return once.Do(ctx, s.DB, req, s.onWindDown(ctx, req.ID, "withdraw", func(tx pgx.Tx, w windRow) (WindDownView, error) {
		e := entry{s.Now(), byBureau, auth.From(ctx).Subject, "withdraw", "撤回清退，未付款的各家恢复原状，暂停的拨付随之恢复：" + req.Reason}
		if err := saveWinding(ctx, tx, w.InstitutionID, ""); err != nil {
			return WindDownView{}, err
		}
		holds, err := openHolds(ctx, tx, w.ID, "", day.Date{})
		if err != nil {
			return WindDownView{}, err
		}
		for _, h := range holds {
			if err := s.finishHold(ctx, tx, &h, e); err != nil {
				return WindDownView{}, err
			}
		}
		return s.windStep(ctx, tx, w, e)
	}))
}

// CorrectFamily is an official's correction of what a family is owed.
type CorrectFamily struct {
	once.Key
	ID        string `path:"id" maxLength:"64"`
	Contract  string `path:"contract" maxLength:"64"`
	AmountFen Fen    `json:"amount_fen" minimum:"0" maximum:"100000000" description:"what the family is owed in all; 0 takes it off the roster"`
	Reason    string `json:"reason" minLength:"4" maxLength:"500"`
}

// CorrectFamily notes it, and another official confirms the roster anew before anything
// is paid. Invalid if it is more than the parent has paid, Conflict once shares are
// being paid.
func (s *Service) CorrectFamily(ctx context.Context, req CorrectFamily) (FamilyView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (FamilyView, error) {
		by := auth.From(ctx)
		w, err := lockWound(ctx, tx, req.ID)
		if err != nil {
			return FamilyView{}, err
		}
		f, err := lockFamily(ctx, tx, w.ID, req.Contract)
		if err != nil {
			return FamilyView{}, err
		}
		if err := w.correctable(); err != nil {
			return FamilyView{}, err
		}
		if _, err := familyFlow.Step(f.State, "correct", by); err != nil {
			return FamilyView{}, err
		}
		c, err := findContract(ctx, tx, req.Contract)
		if err != nil {
			return FamilyView{}, err
		}
		if most := c.Paid - c.Refunded; req.AmountFen > most {
			return FamilyView{}, fault.Fields(fault.Field{Pointer: "/amount_fen", Detail: "不得超过家长已付、未退的 " + most.Yuan()})
		}
		was := f.claim()
		f.Corrected, f.Correction, f.Share = &req.AmountFen, req.Reason, 0
		if err := saveFamily(ctx, tx, f.Family); err != nil {
			return FamilyView{}, err
		}
		words := fmt.Sprintf("更正应退金额（合同 %s）：由 %s 更正为 %s，须另一人复核：%s", f.ContractID, was.Yuan(), req.AmountFen.Yuan(), req.Reason)
		return s.correct(ctx, tx, w, entry{s.Now(), byBureau, by.Subject, "correct", words}, f)
	})
}

func (s *Service) correct(ctx context.Context, tx pgx.Tx, w windRow, e entry, f familyRow) (FamilyView, error) {
	if w.State == windOpen {
		var err error
		if w.State, err = bySystemStep(windFlow, w.State, "recheck"); err != nil {
			return FamilyView{}, err
		}
	}
	w.LastHand = e.account
	rules, err := s.share(ctx, tx, &w.WindDown)
	if err != nil {
		return FamilyView{}, err
	}
	if err := s.windStepped(ctx, tx, w.WindDown, e, rules); err != nil {
		return FamilyView{}, err
	}
	if f, err = lockFamily(ctx, tx, w.ID, f.ContractID); err != nil {
		return FamilyView{}, err
	}
	return s.showFamily(ctx, tx, w.WindDown, f)
}

// showFamily is f as ctx's caller sees it.
func (s *Service) showFamily(ctx context.Context, tx pgx.Tx, w WindDown, f familyRow) (FamilyView, error) {
	offers, err := listTakeovers(ctx, tx, w.ID)
	return f.view(w, offers, auth.From(ctx), s.today()), err
}

// ListWindDowns asks for wind-downs, newest first.
type ListWindDowns struct {
	State string `query:"state" enum:"PROPOSED,OPEN,PAYING,DONE,WITHDRAWN"`
	Page  int    `query:"page" minimum:"1" maximum:"10000"`
}

// WindDowns is a page of them.
type WindDowns struct {
	Items []WindDownView `json:"items"`
	Page  int            `json:"page"`
	More  bool           `json:"more"`
}

// ListWindDowns returns an official's district's, a manager's own, those that a parent's
// contracts are in, and to managers those that wait for offers to take over.
func (s *Service) ListWindDowns(ctx context.Context, req ListWindDowns) (WindDowns, error) {
	by, page := auth.From(ctx), max(req.Page, 1)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (WindDowns, error) {
		rows, err := listWindDowns(ctx, tx, scopeOf(by), by, req.State, page)
		rows, more := cut(rows)
		return WindDowns{views(rows, func(r windRow) WindDownView { return r.view(by, []Takeover{}) }), page, more}, err
	})
}

// FindWindDown asks for one.
type FindWindDown struct {
	ID string `path:"id" maxLength:"64"`
}

// FindWindDown returns one in the caller's scope.
func (s *Service) FindWindDown(ctx context.Context, req FindWindDown) (WindDownView, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (WindDownView, error) { return s.showWindDown(ctx, tx, req.ID) })
}

// showWindDown is a wind-down as ctx's caller sees it; its figures and history are for
// whom it concerns.
func (s *Service) showWindDown(ctx context.Context, tx pgx.Tx, id string) (v WindDownView, err error) {
	w, err := findWindDown(ctx, tx, id)
	if err != nil {
		return v, err
	}
	offers, err := listTakeovers(ctx, tx, id)
	v = w.view(auth.From(ctx), offers)
	if err != nil || !w.concerns(auth.From(ctx)) {
		return v, err
	}
	figures, err := findWindFigures(ctx, tx, w.WindDown)
	if err != nil {
		return v, err
	}
	v.Figures = &figures
	v.Timeline, err = listWindSteps(ctx, tx, w.WindDown)
	return v, err
}

// ListFamilies asks for a roster.
type ListFamilies struct {
	ID    string `path:"id" maxLength:"64"`
	State string `query:"state" enum:"OPEN,PAID,VOID"`
	Page  int    `query:"page" minimum:"1" maximum:"10000"`
}

// Families is a page of a roster.
type Families struct {
	Items []FamilyView `json:"items"`
	Page  int          `json:"page"`
	More  bool         `json:"more"`
}

// ListFamilies returns those of a roster that the caller sees: a parent only his own.
// NotFound to whom it does not concern.
func (s *Service) ListFamilies(ctx context.Context, req ListFamilies) (Families, error) {
	by, page := auth.From(ctx), max(req.Page, 1)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Families, error) {
		w, err := findWindDown(ctx, tx, req.ID)
		if err != nil {
			return Families{}, err
		}
		rows, err := pageFamilies(ctx, tx, w.ID, req.State, page)
		if err == nil && len(rows) == 0 && page == 1 && !w.concerns(by) {
			err = fault.NotFound.Errorf("清退名册中没有您的合同")
		}
		if err != nil {
			return Families{}, err
		}
		offers, err := listTakeovers(ctx, tx, w.ID)
		rows, more := cut(rows)
		return Families{views(rows, func(r familyRow) FamilyView { return r.view(w.WindDown, offers, by, s.today()) }), page, more}, err
	})
}
