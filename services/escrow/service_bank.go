package escrow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
	"xunguan/services/escrow/bankfile"
)

// RegisterBank enters a bank into the city's register.
type RegisterBank struct {
	once.Key
	Name    string   `json:"name" minLength:"2" maxLength:"60" description:"as institutions report it with their accounts"`
	Subject string   `json:"subject" minLength:"1" maxLength:"64" description:"account id of the bank's system"`
	Since   day.Date `json:"since" description:"the first day that it reports"`
}

// RegisterBank lets the account speak for the bank, and expects a file of every day
// from then on. Conflict if either is registered.
func (s *Service) RegisterBank(ctx context.Context, req RegisterBank) (BankView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (BankView, error) {
		by := auth.From(ctx)
		if req.Since.IsZero() || req.Since.After(s.today()) {
			return BankView{}, fault.Fields(fault.Field{Pointer: "/since", Detail: "开始报送日期不得晚于今天 " + s.today().String()})
		}
		b := Bank{req.Name, req.Subject, by.Jurisdiction, req.Since, by.Subject}
		if err := insertBank(ctx, tx, b); err != nil {
			return BankView{}, err
		}
		return b.view(), s.expectDays(ctx, tx, b, s.today().AddDays(-1))
	})
}

// ListBanks asks for the register.
type ListBanks struct{}

// Banks is the register.
type Banks struct {
	Items []BankView `json:"items"`
}

// ListBanks returns all banks; the register is no secret.
func (s *Service) ListBanks(ctx context.Context, _ ListBanks) (Banks, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Banks, error) {
		all, err := listBanks(ctx, tx)
		return Banks{views(all, Bank.view)}, err
	})
}

// ListBankDays asks for the days of banks, newest first.
type ListBankDays struct {
	Bank  string `query:"bank" maxLength:"60"`
	State string `query:"state" enum:"EXPECTED,LATE,RECEIVED,RECONCILED"`
	Page  int    `query:"page" minimum:"1" maximum:"10000"`
}

// BankDays is a page of days.
type BankDays struct {
	Items []BankDayView `json:"items"`
	Page  int           `json:"page"`
	More  bool          `json:"more"`
}

// ListBankDays returns what came of banks and what did not; a bank sees its own.
func (s *Service) ListBankDays(ctx context.Context, req ListBankDays) (BankDays, error) {
	by, page := auth.From(ctx), max(req.Page, 1)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (BankDays, error) {
		subject := ""
		if by.Agency == "" {
			subject = by.Subject
		}
		rows, err := listBankDays(ctx, tx, subject, req.Bank, req.State, page)
		rows, more := cut(rows)
		return BankDays{views(rows, BankDay.view), page, more}, err
	})
}

// AddAccount is an institution's report of its other supervised account: beside
// custody one for its risk deposit, or beside a deposit one in custody.
type AddAccount struct {
	once.Key
	Institution string   `path:"institution" minLength:"1" maxLength:"64"`
	Mode        string   `json:"mode" enum:"custody,deposit" description:"custody 银行托管, deposit 风险保证金"`
	Bank        string   `json:"bank" minLength:"2" maxLength:"60"`
	AccountTail string   `json:"account_tail" pattern:"^[0-9]{4}$" description:"the last four digits of the account number"`
	AgreementNo string   `json:"agreement_no" minLength:"1" maxLength:"60" description:"number of the supervision agreement"`
	OpenedOn    day.Date `json:"opened_on"`
}

// AddAccount records the second account. NotFound without a first one, Conflict if
// the institution has one of the kind.
func (s *Service) AddAccount(ctx context.Context, req AddAccount) (AccountView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (AccountView, error) {
		i, err := findManaged(ctx, tx, req.Institution, auth.From(ctx).Subject)
		if err != nil {
			return AccountView{}, err
		}
		a, err := findAccount(ctx, tx, i.ID)
		if err != nil {
			return AccountView{}, err
		}
		if req.OpenedOn.After(s.today()) {
			return AccountView{}, fault.Fields(fault.Field{Pointer: "/opened_on", Detail: "开户日期不得晚于今天 " + s.today().String()})
		}
		if err := i.licensed(s.today()); err != nil {
			return AccountView{}, err
		}
		b := BankAccount{i.ID, req.Mode, req.Bank, req.AgreementNo, req.AccountTail, req.OpenedOn, s.today()}
		if err := insertBankAccount(ctx, tx, b); err != nil {
			return AccountView{}, err
		}
		words := fmt.Sprintf("报备%s：%s", ledgerAccounts[b.Account].name, b.Bank)
		if err := saveAccountEntry(ctx, tx, i.ID, entry{s.Now(), byInstitution, "", "report", words}); err != nil {
			return AccountView{}, err
		}
		return s.showAccount(ctx, tx, a, i)
	})
}

// SendBankFile is a bank's file of one day, or one part of it.
type SendBankFile struct {
	once.Key
}

// admitFile is the last step of a file; the digest is in it, so that the same key
// with another file is refused.
type admitFile struct {
	once.Key
	Digest string `json:"digest"`
}

// stageRows is how many records are staged in one transaction: none waits for its sender.
const stageRows = 2000

// SendBankFile takes in a file as it comes: whole and right, or not at all. Every
// problem is named with its line. The same file again changes nothing; Conflict if
// the part came before and was another. What it says is reconciled by a timer.
func (s *Service) SendBankFile(ctx context.Context, req SendBankFile, r io.Reader) (BankFile, error) {
	worker := pg.Worker(ctx, "bank file") // a bank has no jurisdiction, and sees no row
	b, err := pg.InTx(worker, s.DB, func(tx pgx.Tx) (Bank, error) { return findBankOf(ctx, tx, auth.From(ctx).Subject) })
	if err != nil {
		return BankFile{}, err
	}
	f, id := bankfile.NewReader(r), newID()
	taken, err := s.takeIn(worker, req, b, f, id)
	if err != nil || taken.ID != id {
		_, swept := pg.InTx(worker, s.DB, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, sweepStaged(worker, tx, id) })
		err = errors.Join(err, swept)
	}
	return taken, err
}

func (s *Service) takeIn(ctx context.Context, req SendBankFile, b Bank, f *bankfile.Reader, id string) (BankFile, error) {
	var wrong []bankfile.Problem
	if len(f.Problems()) == 0 {
		wrong = b.belongs(f.Header(), s.today())
	}
	if len(wrong) == 0 {
		found, err := s.stage(ctx, b, f, id)
		if err != nil {
			return BankFile{}, err
		}
		wrong = append(f.Problems(), found...)
	}
	if len(wrong) > 0 {
		return BankFile{}, refused(wrong)
	}
	return once.Do(ctx, s.DB, admitFile{req.Key, f.Trailer().Digest}, func(tx pgx.Tx) (BankFile, error) {
		return s.admit(ctx, tx, b, f, id)
	})
}

// refused is problems as the sender reads them.
func refused(problems []bankfile.Problem) error {
	fields := make([]fault.Field, len(problems))
	for i, p := range problems {
		fields[i] = fault.Field{Pointer: strings.TrimSuffix(fmt.Sprintf("/file/%d/%s", p.Line, p.Field), "/"), Detail: p.String()}
	}
	return fault.Fields(fields...)
}

// stage keeps the records of f, some at a time, and returns what is wrong with them.
func (s *Service) stage(ctx context.Context, b Bank, f *bankfile.Reader, id string) (wrong []bankfile.Problem, err error) {
	var rows []stagedRow
	keep := func() error {
		if len(rows) == 0 {
			return nil
		}
		found, err := pg.InTx(ctx, s.DB, func(tx pgx.Tx) ([]lineProblem, error) { return insertStaged(ctx, tx, b.Name, id, rows) })
		for _, p := range found {
			wrong = append(wrong, p.problem())
		}
		rows = rows[:0]
		return err
	}
	for len(wrong) < bankfile.MaxProblems && f.Next() {
		if rows = append(rows, stagedRow{f.Line(), f.Record()}); len(rows) == stageRows {
			if err := keep(); err != nil {
				return wrong, err
			}
		}
	}
	if f.Err() != nil {
		return wrong, f.Err()
	}
	return wrong, keep()
}

// admit makes the staged file id count.
func (s *Service) admit(ctx context.Context, tx pgx.Tx, b Bank, f *bankfile.Reader, id string) (BankFile, error) {
	h, t := f.Header(), f.Trailer()
	file := BankFile{
		ID: id, Bank: b.Name, Day: h.Day, Part: h.Part, Parts: h.Parts, Records: t.Records, InFen: Fen(t.In), OutFen: Fen(t.Out), Digest: t.Digest,
	}
	if err := lockBank(ctx, tx, b.Name); err != nil {
		return file, err
	}
	was, err := findBankFile(ctx, tx, b.Name, h.Day, h.Part)
	switch {
	case err == nil && was.Digest == t.Digest && was.Parts == h.Parts:
		was.Again = true
		return was, nil
	case err == nil:
		return file, fault.Conflict.Errorf("%s %s 第 %d 片已收到，内容与这次不同；更正请在次日文件中以冲正（correction）报送", b.Name, h.Day, h.Part)
	case !errors.Is(err, fault.NotFound):
		return file, err
	}
	again, err := repeatedLines(ctx, tx, b.Name, id)
	if err != nil {
		return file, err
	}
	if len(again) > 0 {
		return file, refused(views(again, lineProblem.problem))
	}
	if err := s.expectDays(ctx, tx, b, h.Day); err != nil {
		return file, err
	}
	if err := insertBankFile(ctx, tx, file, h, s.Now()); err != nil {
		return file, err
	}
	file.State, err = s.arrived(ctx, tx, file)
	return file, err
}

// arrived notes that one part more of a day has come. A whole day has the balance
// of every account.
func (s *Service) arrived(ctx context.Context, tx pgx.Tx, f BankFile) (state string, err error) {
	parts, others, err := countParts(ctx, tx, f)
	switch {
	case err != nil:
		return "", err
	case others:
		return "", fault.Conflict.Errorf("%s %s 先前的文件写明的总片数与这次的 %d 不同", f.Bank, f.Day, f.Parts)
	case parts < f.Parts:
		return dayExpected, nil
	}
	missing, example, err := withoutBalance(ctx, tx, f.Bank, f.Day)
	if err != nil {
		return "", err
	}
	if missing > 0 {
		return "", refused([]bankfile.Problem{{Line: f.Records + 2, Detail: fmt.Sprintf("缺少 %d 个账户的日终余额，例如监管协议 %s", missing, example)}})
	}
	return dayReceived, saveReceived(ctx, tx, f.Bank, f.Day)
}

// expectDays opens the days of b up to one. The period of a day runs from its end, or
// from the end of the day before it is opened: while we were away, or the bank was not
// registered, nobody could take its file in.
func (s *Service) expectDays(ctx context.Context, tx pgx.Tx, b Bank, upTo day.Date) error {
	from, err := nextBankDay(ctx, tx, b)
	if err != nil || from.After(upTo) {
		return err
	}
	calendar, err := rule.Calendar(ctx, tx)
	if err != nil {
		return err
	}
	var days []BankDay
	for d := from; !d.After(upTo); d = d.AddDays(1) {
		rules, err := rule.InForce(ctx, tx, b.Jurisdiction, d, fileDue)
		if err != nil {
			return err
		}
		due, err := calendar.Due(later(d, s.today().AddDays(-1)), int(rules[fileDue].Int()), day.Unit(rules[fileDue].Unit))
		if err != nil {
			return err
		}
		days = append(days, BankDay{Bank: b.Name, Day: d, Due: due.On, Provisional: due.Provisional})
	}
	return insertBankDays(ctx, tx, days)
}

// expectFiles opens the days that have passed of a bank.
func (s *Service) expectFiles(ctx context.Context, tx pgx.Tx, bank string) error {
	b, err := findBank(ctx, tx, bank)
	if err != nil {
		return err
	}
	return s.expectDays(ctx, tx, b, s.today().AddDays(-1))
}
