package escrow

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// settle orders what the bank has to pay for an institution: what was released for
// its lessons, unless payouts are held, and refunds in any case.
func (s *Service) settle(ctx context.Context, tx pgx.Tx, institution string) error {
	if err := sharePayouts(ctx, tx, institution); err != nil {
		return err
	}
	i, err := findInstitution(ctx, tx, institution)
	if err != nil {
		return err
	}
	rules, err := rule.InForce(ctx, tx, i.Jurisdiction, s.today(), settlement)
	if err != nil {
		return err
	}
	period := rules[settlement].Text()
	before := settledBefore(period, s.today())
	held, err := payoutsAreHeld(ctx, tx, institution)
	if err != nil {
		return err
	}
	if err := orderRefunds(ctx, tx, institution, s.today()); err != nil {
		return err
	}
	if !held {
		if err := orderReleases(ctx, tx, institution, period, before, s.today(), newID()); err != nil {
			return err
		}
	}
	return saveSettled(ctx, tx, institution, s.today().AddDays(1), before, held)
}

// TakeSettlement is a bank's asking for what it has to pay.
type TakeSettlement struct {
	once.Key
	Layout  string `json:"layout" enum:"csv,fixed"`
	Charset string `json:"charset" enum:"UTF-8,GBK"`
}

// settlementSize is how many instructions are one file; what is over is for the next.
const settlementSize = 10_000

// TakeSettlement makes a file of what the caller's bank was not told yet. NotFound
// if there is nothing; Invalid if it cannot be written in the charset.
func (s *Service) TakeSettlement(ctx context.Context, req TakeSettlement) (SettlementFile, error) {
	return once.Do(pg.Worker(ctx, "settlement"), s.DB, req, func(tx pgx.Tx) (SettlementFile, error) {
		b, err := findBankOf(ctx, tx, auth.From(ctx).Subject)
		if err != nil {
			return SettlementFile{}, err
		}
		if err := lockBank(ctx, tx, b.Name); err != nil {
			return SettlementFile{}, err
		}
		f := Settlement{ID: newID(), Bank: b.Name, Day: s.today(), Layout: req.Layout, Charset: req.Charset}
		orders, err := tellInstructions(ctx, tx, f)
		if err != nil {
			return SettlementFile{}, err
		}
		if len(orders) == 0 {
			return SettlementFile{}, fault.NotFound.Errorf("没有待下达的拨付、退费指令")
		}
		file, err := f.file(orders)
		if err != nil {
			return SettlementFile{}, fault.Invalid.Wrap(fmt.Errorf("settlement in %s: %w", f.Charset, err))
		}
		return file, insertSettlement(ctx, tx, f)
	})
}

// FindSettlement asks for a settlement file again.
type FindSettlement struct {
	ID string `path:"id" maxLength:"64"`
}

// FindSettlement returns a file of the caller's bank, byte for byte as it was.
func (s *Service) FindSettlement(ctx context.Context, req FindSettlement) (SettlementFile, error) {
	ctx = pg.Worker(ctx, "settlement")
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (SettlementFile, error) {
		b, err := findBankOf(ctx, tx, auth.From(ctx).Subject)
		if err != nil {
			return SettlementFile{}, err
		}
		f, err := findSettlement(ctx, tx, b.Name, req.ID)
		if err != nil {
			return SettlementFile{}, err
		}
		orders, err := listTold(ctx, tx, f.ID)
		if err != nil {
			return SettlementFile{}, err
		}
		was := f.Digest
		file, err := f.file(orders)
		if err == nil && f.Digest != was {
			err = fmt.Errorf("settlement %s reads otherwise than it was told", f.ID)
		}
		return file, err
	})
}

// ListBankAccounts asks a page of the supervised accounts at the caller's bank.
type ListBankAccounts struct {
	Page int `query:"page" minimum:"1" maximum:"10000"`
}

// BankAccounts is a page of them, in order of institution.
type BankAccounts struct {
	Items []BankAccountView `json:"items"`
	Page  int               `json:"page"`
	More  bool              `json:"more"`
}

// ListBankAccounts returns what institutions reported of the caller's bank: under which
// agreement it has to report which account.
func (s *Service) ListBankAccounts(ctx context.Context, req ListBankAccounts) (BankAccounts, error) {
	page := max(req.Page, 1)
	return atBank(ctx, s, func(tx pgx.Tx, b Bank) (BankAccounts, error) {
		rows, err := listAccountsAt(ctx, tx, b.Name, page)
		rows, more := cut(rows)
		return BankAccounts{rows, page, more}, err
	})
}

// ListBankPayments asks a page of what parents say they paid into the accounts at the
// caller's bank up to a day, that included.
type ListBankPayments struct {
	From day.Date `query:"from" description:"the first day; from the beginning if absent"`
	To   day.Date `query:"to" required:"true"`
	Page int      `query:"page" minimum:"1" maximum:"10000"`
}

// BankPayments is a page of them, the oldest first.
type BankPayments struct {
	Items []BankPaymentView `json:"items"`
	Page  int               `json:"page"`
	More  bool              `json:"more"`
}

// ListBankPayments returns the orders that the bank has to find on its books. Whose they
// are it is not told.
func (s *Service) ListBankPayments(ctx context.Context, req ListBankPayments) (BankPayments, error) {
	page := max(req.Page, 1)
	return atBank(ctx, s, func(tx pgx.Tx, b Bank) (BankPayments, error) {
		var from time.Time
		if !req.From.IsZero() {
			from = req.From.Start()
		}
		rows, err := listPaymentsAt(ctx, tx, b.Name, from, req.To.AddDays(1).Start(), page)
		rows, more := cut(rows)
		return BankPayments{rows, page, more}, err
	})
}

// atBank runs f for the bank that the caller speaks for: a bank has no jurisdiction,
// and sees no row.
func atBank[T any](ctx context.Context, s *Service, f func(pgx.Tx, Bank) (T, error)) (T, error) {
	ctx = pg.Worker(ctx, "bank")
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (none T, err error) {
		b, err := findBankOf(ctx, tx, auth.From(ctx).Subject)
		if err != nil {
			return none, err
		}
		return f(tx, b)
	})
}
