package escrow

import (
	"encoding/json"
	"errors"
	"testing"

	"xunguan/pkg/fault"
	"xunguan/services/escrow/bankfile"
	"xunguan/services/escrow/standin"
)

// desk is the bank of b at its daily work, whose books are kept in memory.
func (b *teller) desk(kept *[]byte) *standin.Desk {
	b.t.Helper()
	d := &standin.Desk{Bank: &standin.Bank{Name: bankName, Layout: bankfile.CSV, Charset: bankfile.GBK}}
	if *kept != nil {
		if err := json.Unmarshal(*kept, d); err != nil {
			b.t.Fatal(err)
		}
	}
	d.Client, d.Pledge = b.client, 1000000
	d.Keep = func(d *standin.Desk) (err error) { *kept, err = json.Marshal(d); return err }
	return d
}

// TestDesk is a bank that works by what it is told over HTTP alone: through days one by
// one, a jump of the clock over many, and a restart, all three sides agree and no file
// is late.
func TestDesk(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.GBK)
	var kept []byte
	work := func() {
		t.Helper()
		if err := b.desk(&kept).Work(t.Context(), b.Now()); err != nil { // each time from its books
			t.Fatal(err)
		}
		b.settle()
	}
	work()
	v := b.pays(b.terms())
	b.taught(v.ID, 1)
	b.confirmed(v.ID, 1)
	b.refunded(v.ID, 2)
	for _, on := range []string{"2026-03-03", "2026-03-04", "2026-03-25", "2026-03-26"} {
		b.at(on)
		if on == "2026-03-25" { // before the bank has told of the three weeks that passed
			b.paid(b.terms())
		}
		b.settle()
		work()
		work() // what is done is not done again
	}
	if then := b.reconciled("art", "2026-03-10"); then.UnconsumedFen != 450000 || *then.CoverPercent != 100 {
		t.Errorf("two weeks before the second payment: %+v", then)
	}
	if got := b.differences("art") + b.alerts("art"); got != "" {
		t.Errorf("differences and alerts: %s", got)
	}
	if n := b.count(`SELECT count(*) FROM bank_days WHERE state = 'RECONCILED'`); n != 24 {
		t.Errorf("%d days are reconciled, want 24", n)
	}
	last := b.reconciled("art", "2026-03-25")
	if last.ClosingFen == nil || *last.ClosingFen != 930000 || last.LedgerFen != 930000 || last.CoverPercent == nil || *last.CoverPercent != 100 {
		t.Errorf("in the end: %+v", last)
	}
	b.sound()
}

// TestDeskDeposit is that an institution of the other kind pledges once, when its
// account is opened.
func TestDeskDeposit(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.GBK)
	b.added("art")
	var kept []byte
	for _, on := range []string{"2026-03-03", "2026-03-04"} {
		b.at(on)
		b.settle()
		if err := b.desk(&kept).Work(t.Context(), b.Now()); err != nil {
			t.Fatal(err)
		}
	}
	b.settle()
	if got := b.reconciled("art", "2026-03-03").DepositFen; got == nil || *got != 1000000 {
		t.Errorf("the deposit: %v", got)
	}
	if n := b.count(`SELECT count(*) FROM movements WHERE account = 'deposit'`); n != 1 {
		t.Errorf("%d pledges", n)
	}
}

// TestBankIsTold is that a bank is told of its own accounts and payments, without whose
// they are, and nobody else of any.
func TestBankIsTold(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.UTF8)
	v := b.paid(b.terms())
	accounts := must(b.ListBankAccounts(b.as("bank"), ListBankAccounts{}))(t).Items
	if len(accounts) != 3 || accounts[0].AgreementNo != "协-art" || accounts[0].Account != custodyAccount {
		t.Errorf("accounts: %+v", accounts)
	}
	paid := must(b.ListBankPayments(b.as("bank"), ListBankPayments{To: b.today()}))(t).Items
	if len(paid) != 1 || paid[0].Reference != "REF-"+v.ID || paid[0].AmountFen != 480000 || paid[0].AgreementNo != "协-art" {
		t.Errorf("payments: %+v", paid)
	}
	for _, none := range []ListBankPayments{{To: b.today().AddDays(-1)}, {From: b.today().AddDays(1), To: b.today().AddDays(2)}} {
		if got := must(b.ListBankPayments(b.as("bank"), none))(t).Items; len(got) != 0 {
			t.Errorf("%+v: %+v", none, got)
		}
	}
	if _, err := b.ListBankPayments(b.as("bank2"), ListBankPayments{To: b.today()}); !errors.Is(err, fault.Refused) {
		t.Errorf("a bank that nobody registered: %v", err)
	}
}
