package escrow

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// Freeze is another authority's order about an account (冻结), as it was recorded: to
// freeze is not ours, nor to end it. While one stands, payouts are held.
type Freeze struct {
	InstitutionID string
	ID            string
	Jurisdiction  string
	Manager       string
	Account       string
	Authority     string
	DocumentNo    string
	Amount        Fen // 0 is all
	Since         day.Date
	Until         day.Date
	LiftedBy      string
}

// FreezeView is a freeze as people see it.
type FreezeView struct {
	ID          string        `json:"id"`
	Institution string        `json:"institution"`
	Account     string        `json:"account"`
	AccountText string        `json:"account_text"`
	Authority   string        `json:"authority"`
	DocumentNo  string        `json:"document_no"`
	AmountFen   Fen           `json:"amount_fen" description:"0 is all"`
	Since       day.Date      `json:"since"`
	Until       day.Date      `json:"until,omitzero"`
	LiftedBy    string        `json:"lifted_by,omitempty" description:"number of the document that ended it"`
	Actions     []flow.Action `json:"actions"`
}

// freezeFlow is what a person may do with the record of a freeze.
var freezeFlow = flow.Machine{Name: "冻结登记", Steps: []flow.Step{
	{From: "STANDS", Action: "lift", To: "LIFTED", Label: "登记解除冻结", Roles: []string{"examiner"}, Basis: "作出冻结的机关的解除文书"},
}}

func (f Freeze) view(by auth.Caller) FreezeView {
	v := FreezeView{f.ID, f.InstitutionID, f.Account, ledgerAccounts[f.Account].name, f.Authority, f.DocumentNo, f.Amount, f.Since, f.Until, f.LiftedBy, []flow.Action{}}
	if f.Until.IsZero() {
		v.Actions = withFields(freezeFlow.Actions("STANDS", "/v1/freezes/"+f.ID, by))
	}
	return v
}

// RecordFreeze is an official's record of another authority's order.
type RecordFreeze struct {
	once.Key
	Institution string   `json:"institution" minLength:"1" maxLength:"64" description:"id of the institution"`
	Account     string   `json:"account" enum:"custody,deposit"`
	Authority   string   `json:"authority" minLength:"2" maxLength:"60" description:"the court, or other authority"`
	DocumentNo  string   `json:"document_no" minLength:"2" maxLength:"60"`
	AmountFen   Fen      `json:"amount_fen,omitempty" minimum:"0" maximum:"100000000000000" description:"all if absent"`
	Since       day.Date `json:"since"`
}

// RecordFreeze records it and holds payouts while it stands. NotFound without an
// account in the caller's scope, Conflict if the document was recorded.
func (s *Service) RecordFreeze(ctx context.Context, req RecordFreeze) (FreezeView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (FreezeView, error) {
		a, err := findAccount(ctx, tx, req.Institution)
		if err != nil {
			return FreezeView{}, err
		}
		if req.Since.After(s.today()) {
			return FreezeView{}, fault.Fields(fault.Field{Pointer: "/since", Detail: "不得晚于今天 " + s.today().String()})
		}
		f := Freeze{
			InstitutionID: a.Institution, ID: newID(), Jurisdiction: a.Jurisdiction, Manager: a.Manager, Account: req.Account, Authority: req.Authority,
			DocumentNo: req.DocumentNo, Amount: req.AmountFen, Since: req.Since,
		}
		if err := insertFreeze(ctx, tx, f); err != nil {
			return FreezeView{}, err
		}
		clause := fmt.Sprintf("%s %s 冻结", f.Authority, f.DocumentNo)
		h := Hold{
			ID: newID(), InstitutionID: f.InstitutionID, Jurisdiction: f.Jurisdiction, Manager: f.Manager, CauseID: f.ID, Clause: clause,
			Ground:    fault.Ground{Source: clause, Inputs: map[string]any{"freeze": f.ID, "account": f.Account, "amount_fen": f.Amount}},
			DecidedBy: f.Authority, Since: s.today(),
		}
		words := fmt.Sprintf("登记%s（%s），自 %s 起冻结%s，拨付随之暂停", clause, ledgerAccounts[f.Account].name, f.Since, frozenSum(f.Amount))
		return f.view(auth.From(ctx)), s.beginHold(ctx, tx, h, entry{s.Now(), byBureau, auth.From(ctx).Subject, "freeze", words})
	})
}

func frozenSum(f Fen) string {
	if f == 0 {
		return "全部余额"
	}
	return f.Yuan()
}

// LiftFreeze is an official's record that the authority ended its order.
type LiftFreeze struct {
	once.Key
	ID         string `path:"id" maxLength:"64"`
	DocumentNo string `json:"document_no" minLength:"2" maxLength:"60" description:"of the authority's decision to end it"`
}

// LiftFreeze ends the record and the hold that came of it. Conflict if it was ended.
func (s *Service) LiftFreeze(ctx context.Context, req LiftFreeze) (FreezeView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (FreezeView, error) {
		f, err := lockFreeze(ctx, tx, req.ID)
		if err != nil {
			return FreezeView{}, err
		}
		if !f.Until.IsZero() {
			return FreezeView{}, fault.Conflict.Errorf("该冻结已于 %s 解除", f.Until)
		}
		f.Until, f.LiftedBy = s.today(), req.DocumentNo
		if err := saveLifted(ctx, tx, f); err != nil {
			return FreezeView{}, err
		}
		holds, err := openHolds(ctx, tx, f.ID, "", day.Date{})
		if err != nil {
			return FreezeView{}, err
		}
		for _, h := range holds {
			words := fmt.Sprintf("%s %s 解除冻结（%s），暂停的拨付随之恢复", f.Authority, f.DocumentNo, f.LiftedBy)
			if err := s.finishHold(ctx, tx, &h, entry{s.Now(), byBureau, auth.From(ctx).Subject, "lift", words}); err != nil {
				return FreezeView{}, err
			}
		}
		return f.view(auth.From(ctx)), nil
	})
}

// ListFreezes asks for the freezes in the caller's scope, newest first.
type ListFreezes struct {
	Institution string `query:"institution" maxLength:"64"`
	Page        int    `query:"page" minimum:"1" maximum:"10000"`
}

// Freezes is a page of them.
type Freezes struct {
	Items []FreezeView `json:"items"`
	Page  int          `json:"page"`
	More  bool         `json:"more"`
}

// ListFreezes returns those in the caller's scope.
func (s *Service) ListFreezes(ctx context.Context, req ListFreezes) (Freezes, error) {
	by, page := auth.From(ctx), max(req.Page, 1)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Freezes, error) {
		rows, err := listFreezes(ctx, tx, scopeOf(by), req.Institution, page)
		rows, more := cut(rows)
		return Freezes{views(rows, func(f Freeze) FreezeView { return f.view(by) }), page, more}, err
	})
}
