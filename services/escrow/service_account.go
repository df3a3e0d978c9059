package escrow

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// ReportAccount is an institution's report of its supervised account.
type ReportAccount struct {
	once.Key
	Institution string   `json:"institution" minLength:"1" maxLength:"64" description:"id of the institution"`
	Mode        string   `json:"mode" enum:"custody,deposit" description:"custody 银行托管, deposit 风险保证金"`
	Bank        string   `json:"bank" minLength:"2" maxLength:"60"`
	AccountTail string   `json:"account_tail" pattern:"^[0-9]{4}$" description:"the last four digits of the account number"`
	AgreementNo string   `json:"agreement_no" minLength:"1" maxLength:"60" description:"number of the supervision agreement"`
	OpenedOn    day.Date `json:"opened_on"`
	InterestPPM int64    `json:"interest_ppm,omitempty" minimum:"0" maximum:"1000000" description:"a year's interest on the account, in millionths, as the bank agreed it: 0.2 % is 2000"`
}

// ReportAccount records the supervised account of an institution that the caller
// manages. NotFound if it is not theirs, Refused without a licence in force,
// Conflict for a second account.
func (s *Service) ReportAccount(ctx context.Context, req ReportAccount) (AccountView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (AccountView, error) {
		i, err := findManaged(ctx, tx, req.Institution, auth.From(ctx).Subject)
		if err != nil {
			return AccountView{}, err
		}
		if req.OpenedOn.After(s.today()) {
			return AccountView{}, fault.Fields(fault.Field{Pointer: "/opened_on", Detail: "开户日期不得晚于今天 " + s.today().String()})
		}
		if err := i.licensed(s.today()); err != nil {
			return AccountView{}, err
		}
		a := Account{
			ID: newID(), Institution: i.ID, Jurisdiction: i.Jurisdiction, Manager: i.Manager, Mode: req.Mode, Bank: req.Bank,
			AccountTail: req.AccountTail, AgreementNo: req.AgreementNo, OpenedOn: req.OpenedOn, ReportedOn: s.today(), InterestPPM: req.InterestPPM,
		}
		if err := saveAccount(ctx, tx, a); err != nil {
			return AccountView{}, err
		}
		if err := saveAccountEntry(ctx, tx, i.ID, entry{s.Now(), byInstitution, "", "report", "报备监管账户：" + a.Bank}); err != nil {
			return AccountView{}, err
		}
		if err := event.Append(ctx, tx, Topic, i.ID, accountOpened(a)); err != nil {
			return AccountView{}, err
		}
		return s.showAccount(ctx, tx, a, i)
	})
}

// FindAccount asks for the supervised account of an institution.
type FindAccount struct {
	Institution string `path:"institution" minLength:"1" maxLength:"64"`
}

// FindAccount returns an account in the caller's scope.
func (s *Service) FindAccount(ctx context.Context, req FindAccount) (AccountView, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (AccountView, error) {
		a, err := findAccount(ctx, tx, req.Institution)
		if err != nil {
			return AccountView{}, err
		}
		i, err := findInstitution(ctx, tx, req.Institution)
		if err != nil {
			return AccountView{}, err
		}
		return s.showAccount(ctx, tx, a, i)
	})
}

// showAccount is a, of i, with the hold that stands and its history.
func (s *Service) showAccount(ctx context.Context, tx pgx.Tx, a Account, i Institution) (v AccountView, err error) {
	v = a.view(i)
	holds, err := listHolds(ctx, tx, scopeOf(auth.From(ctx)), holdFilter{i.ID, holdOpen, 1})
	if err != nil {
		return v, err
	}
	if n := len(holds); n > 0 { // the newest comes first
		h := holds[n-1].viewBy(auth.From(ctx))
		v.Hold = &h
	}
	rules, err := rule.Known(ctx, tx, a.Jurisdiction, s.today(), fixedFloorRule)
	if err != nil {
		return v, err
	}
	_, mayFloor := rules[fixedFloorRule]
	v.Actions = a.actions(mayFloor, auth.From(ctx))
	v.Timeline, err = listAccountEntries(ctx, tx, i.ID)
	return v, err
}

// mayCollect returns where i's prepayments are supervised, and Refused unless it may
// take any: its licence is in force and its supervised account was reported.
func (s *Service) mayCollect(ctx context.Context, tx pgx.Tx, i Institution) (a Account, err error) {
	if err := i.licensed(s.today()); err != nil {
		return a, err
	}
	if err := collecting(ctx, tx, i); err != nil {
		return a, err
	}
	a, err = findAccount(ctx, tx, i.ID)
	if errors.Is(err, fault.NotFound) {
		err = fault.Refused.Errorf("%s尚未报备预收费资金监管专用账户，不得签约收费：预收费须全额进入本机构的监管账户（依据：%s）", i.Name, supervision)
	}
	return a, err
}

// keep takes over what licensing says of an institution.
func (s *Service) keep(ctx context.Context, tx pgx.Tx, i Institution) error {
	if i.ID == "" {
		return errors.New("an institution without id")
	}
	return saveInstitution(ctx, tx, i)
}
