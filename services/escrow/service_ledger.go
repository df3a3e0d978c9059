package escrow

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// FindStatement asks for an account of the ledger as of a moment.
type FindStatement struct {
	Institution string `path:"institution" minLength:"1" maxLength:"64"`
	Account     string `path:"account" enum:"custody,deposit,receivable,held,released,frozen,refunds,differences,pledged"`
	Contract    string `query:"contract" maxLength:"64" description:"whose; for held, and no other"`
	At          string `query:"at" maxLength:"35" description:"RFC 3339, legal time; now if absent" example:"2026-03-02T09:00:00+08:00"`
	Page        int    `query:"page" minimum:"1" maximum:"10000"`
}

// FindStatement returns an account in the caller's scope: its entries up to the
// moment, and what they add up to.
func (s *Service) FindStatement(ctx context.Context, req FindStatement) (Statement, error) {
	at := s.Now()
	if req.At != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, req.At); err != nil {
			return Statement{}, fault.Fields(fault.Field{Pointer: "/query/at", Detail: "不是 RFC 3339 时间，例如 2026-03-02T09:00:00+08:00"})
		}
	}
	if (req.Account == heldAccount) != (req.Contract != "") {
		return Statement{}, fault.Fields(fault.Field{Pointer: "/query/contract", Detail: "未消课预收费（held）按合同查询，其他账户按机构查询"})
	}
	page, about := max(req.Page, 1), ledgerAccounts[req.Account]
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Statement, error) {
		sum, err := findBalance(ctx, tx, req.Institution, req.Account, req.Contract, at)
		if err != nil {
			return Statement{}, err
		}
		rows, err := pageStatement(ctx, tx, req.Institution, req.Account, req.Contract, at, page)
		if err != nil {
			return Statement{}, err
		}
		rows, more := cut(rows)
		return Statement{
			Institution: req.Institution, Account: req.Account, AccountText: about.name, Side: about.side, Contract: req.Contract,
			At: at.In(s.Now().Location()).Format(time.RFC3339), BalanceFen: onSide(about.side, sum),
			Lines: views(rows, func(r entryRow) StatementLine { return r.line(about.side) }), Page: page, More: more,
		}, nil
	})
}

// RecordDifference is an official's finding that the bank's balance is not the
// ledger's.
type RecordDifference struct {
	once.Key
	Institution string `json:"institution" minLength:"1" maxLength:"64" description:"id of the institution"`
	Account     string `json:"account" enum:"custody,deposit"`
	AmountFen   Fen    `json:"amount_fen" minimum:"-100000000000" maximum:"100000000000" description:"what the bank has more than the ledger, in 分; negative is less"`
	Reference   string `json:"reference" minLength:"4" maxLength:"64" pattern:"^[!-~]+$" description:"the bank's voucher, unique for ever"`
	Reason      string `json:"reason" minLength:"1" maxLength:"200"`
}

// Difference is one that was booked.
type Difference struct {
	ID          string `json:"id" description:"of the transfer"`
	Institution string `json:"institution"`
	Account     string `json:"account"`
	AmountFen   Fen    `json:"amount_fen"`
	Reverses    string `json:"reverses,omitempty" description:"id of the difference that this one takes back"`
}

// RecordDifference brings the ledger to what the bank has, against the account of
// open differences. NotFound without a supervised account in the caller's scope,
// Conflict if the voucher was booked before or the bank would owe money.
func (s *Service) RecordDifference(ctx context.Context, req RecordDifference) (Difference, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Difference, error) {
		if req.AmountFen == 0 {
			return Difference{}, fault.Fields(fault.Field{Pointer: "/amount_fen", Detail: "差额不能为 0"})
		}
		if _, err := findAccount(ctx, tx, req.Institution); err != nil {
			return Difference{}, err
		}
		if err := openAccounts(ctx, tx, req.Institution, ""); err != nil {
			return Difference{}, err
		}
		t := difference(req.Institution, req.Account, req.Reference, req.AmountFen, s.Now())
		words := fmt.Sprintf("记入%s差额 %s：%s", ledgerAccounts[req.Account].name, req.AmountFen.Yuan(), req.Reason)
		return Difference{t.id, t.institution, req.Account, req.AmountFen, ""}, s.bookDifference(ctx, tx, t, words)
	})
}

// ReverseDifference takes back a difference that was booked by mistake.
type ReverseDifference struct {
	once.Key
	ID     string `path:"id" maxLength:"64"`
	Reason string `json:"reason" minLength:"1" maxLength:"200"`
}

// ReverseDifference books the same the other way round, naming the original.
// Conflict if it was reversed before.
func (s *Service) ReverseDifference(ctx context.Context, req ReverseDifference) (Difference, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Difference, error) {
		t, err := findDifference(ctx, tx, req.ID)
		if err != nil {
			return Difference{}, err
		}
		back := t.reversal(s.Now())
		bank := back.legs[0] // custody and deposit come before differences
		words := fmt.Sprintf("冲正%s差额 %s：%s", ledgerAccounts[bank.account].name, bank.amount.Yuan(), req.Reason)
		return Difference{back.id, t.institution, bank.account, bank.amount, t.id}, s.bookDifference(ctx, tx, back, words)
	})
}

func (s *Service) bookDifference(ctx context.Context, tx pgx.Tx, t transfer, words string) error {
	if err := post(ctx, tx, t); err != nil {
		return err
	}
	return saveAccountEntry(ctx, tx, t.institution, entry{s.Now(), byBureau, auth.From(ctx).Subject, t.kind, words})
}
