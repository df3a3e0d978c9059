package escrow

import (
	"bytes"
	"fmt"
	"time"

	"xunguan/pkg/day"
	"xunguan/services/escrow/bankfile"
)

// settledBefore is the moment before which everything is ordered on a day, where
// payouts are settled by period: every lesson on its own, or a week's together on
// Monday.
func settledBefore(period string, today day.Date) time.Time {
	if period == weekly {
		return monday(today).Start()
	}
	return today.Start()
}

// monday is the first day of d's week.
func monday(d day.Date) day.Date { return d.AddDays(-(int(d.Weekday()) + 6) % 7) }

// Instruction is one payment that the bank is told to make out of custody.
type Instruction struct {
	InstitutionID string
	ID            string
	AgreementNo   string
	Purpose       string // release, refund, or transfer to another institution's supervised account
	Amount        Fen
	Reference     string
	Original      string
	PayeeBank     string // of a transfer
	Payee         string // agreement number
}

func (i Instruction) record() bankfile.Record {
	if i.Purpose == "transfer" {
		return bankfile.Record{
			Kind: bankfile.Transfer, ID: i.ID, Agreement: i.AgreementNo, Amount: int64(i.Amount), Reference: i.Reference, Original: i.Original,
			PayeeBank: i.PayeeBank, Payee: i.Payee,
		}
	}
	return bankfile.Record{
		Kind: bankfile.Order, ID: i.ID, Agreement: i.AgreementNo, Purpose: i.Purpose, Amount: int64(i.Amount), Reference: i.Reference, Original: i.Original,
	}
}

// Settlement is a file of instructions to one bank.
type Settlement struct {
	ID      string
	Bank    string
	Day     day.Date
	Layout  string
	Charset string
	Records int
	SumOut  Fen
	Digest  string
}

// SettlementFile is a settlement with the file itself.
type SettlementFile struct {
	ID      string   `json:"id"`
	Bank    string   `json:"bank"`
	Day     day.Date `json:"day"`
	Records int      `json:"records"`
	OutFen  Fen      `json:"out_fen"`
	Digest  string   `json:"digest" description:"SHA-256, as in the trailer"`
	Name    string   `json:"name" description:"of the file"`
	Content []byte   `json:"content" description:"the file, base64"`
}

// file writes orders as s's file, and notes its digest and sums in s.
func (s *Settlement) file(orders []Instruction) (SettlementFile, error) {
	var b bytes.Buffer
	w, err := bankfile.NewWriter(&b, bankfile.Header{
		Layout: bankfile.Layout(s.Layout), Charset: bankfile.Charset(s.Charset), Content: bankfile.Orders, Bank: s.Bank, Day: s.Day, Part: 1, Parts: 1,
	})
	for i := 0; err == nil && i < len(orders); i++ {
		err = w.Write(orders[i].record())
	}
	if err != nil {
		return SettlementFile{}, err
	}
	t, err := w.Close()
	s.Records, s.SumOut, s.Digest = t.Records, Fen(t.Out), t.Digest
	return SettlementFile{
		ID: s.ID, Bank: s.Bank, Day: s.Day, Records: s.Records, OutFen: s.SumOut, Digest: s.Digest,
		Name: fmt.Sprintf("orders-%s-%s.%s", s.Day, s.ID, s.Layout), Content: b.Bytes(),
	}, err
}

// BankAccountView is a supervised account as its bank is told of it.
type BankAccountView struct {
	AgreementNo string   `json:"agreement_no"`
	Account     string   `json:"account" enum:"custody,deposit"`
	OpenedOn    day.Date `json:"opened_on"`
}

// BankPaymentView is a payment as the bank is told of it.
type BankPaymentView struct {
	AgreementNo string    `json:"agreement_no"`
	Reference   string    `json:"reference" description:"that the payer gave"`
	AmountFen   Fen       `json:"amount_fen"`
	At          time.Time `json:"at"`
}
