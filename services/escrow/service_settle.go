package escrow

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
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
