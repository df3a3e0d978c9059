package escrow

import (
	"fmt"

	"xunguan/pkg/day"
	"xunguan/services/escrow/bankfile"
)

// The rules that banks report and pay by.
const (
	fileDue    = "bank.file_due"
	inTransit  = "bank.in_transit"
	settlement = "escrow.settlement"
)

// Bank is one that holds supervised accounts, in the register of the city that
// entered it (监管代理银行库).
type Bank struct {
	Name         string
	Subject      string // account id of who speaks for it
	Jurisdiction string
	Since        day.Date // the first day that it reports
	RegisteredBy string
}

// BankView is a bank as people see it.
type BankView struct {
	Name    string   `json:"name"`
	Subject string   `json:"subject" description:"account id of the bank's system"`
	Since   day.Date `json:"since" description:"the first day that it reports"`
}

func (b Bank) view() BankView { return BankView{b.Name, b.Subject, b.Since} }

// BankAccount is one supervised account as its bank knows it.
type BankAccount struct {
	InstitutionID string
	Account       string // custodyAccount or depositAccount
	Bank          string
	AgreementNo   string
	AccountTail   string
	OpenedOn      day.Date
	ReportedOn    day.Date
}

// The states of a bank's day.
const (
	dayExpected   = "EXPECTED"
	dayLate       = "LATE"
	dayReceived   = "RECEIVED"
	dayReconciled = "RECONCILED"
)

var dayStates = map[string]string{dayExpected: "待银行报送", dayLate: "逾期未报送", dayReceived: "已收齐，待对账", dayReconciled: "已对账"}

// BankDay is one day of one bank, and how far its files have come.
type BankDay struct {
	Bank        string
	Day         day.Date
	Due         day.Date
	Provisional bool
	State       string
	Files       int // parts that have come
	Records     int
	SumIn       Fen
	SumOut      Fen
}

// BankDayView is a bank's day as people see it.
type BankDayView struct {
	Bank        string   `json:"bank"`
	Day         day.Date `json:"day"`
	Due         day.Date `json:"due" description:"the last day for its file"`
	Provisional bool     `json:"provisional"`
	State       string   `json:"state" enum:"EXPECTED,LATE,RECEIVED,RECONCILED"`
	StateText   string   `json:"state_text"`
	Files       int      `json:"files" description:"parts that have come"`
	Records     int      `json:"records"`
	InFen       Fen      `json:"in_fen"`
	OutFen      Fen      `json:"out_fen"`
}

func (d BankDay) view() BankDayView {
	return BankDayView{d.Bank, d.Day, d.Due, d.Provisional, d.State, dayStates[d.State], d.Files, d.Records, d.SumIn, d.SumOut}
}

// BankFile is a file that was taken in.
type BankFile struct {
	ID      string   `json:"id"`
	Bank    string   `json:"bank"`
	Day     day.Date `json:"day"`
	Part    int      `json:"part"`
	Parts   int      `json:"parts"`
	Records int      `json:"records"`
	InFen   Fen      `json:"in_fen"`
	OutFen  Fen      `json:"out_fen"`
	Digest  string   `json:"digest"`
	State   string   `json:"state" description:"of the bank's day, with this file"`
	Again   bool     `json:"again,omitempty" description:"the same file came before: nothing changed"`
}

// later is the later of two days.
func later(a, b day.Date) day.Date {
	if a.Before(b) {
		return b
	}
	return a
}

// belongs returns what keeps a file with header h from being b's of a day up to today.
func (b Bank) belongs(h bankfile.Header, today day.Date) []bankfile.Problem {
	var wrong []bankfile.Problem
	add := func(bad bool, field, format string, args ...any) {
		if bad {
			wrong = append(wrong, bankfile.Problem{Line: 1, Field: field, Detail: fmt.Sprintf(format, args...)})
		}
	}
	add(h.Content != bankfile.Movements, "content", "应为 %s", bankfile.Movements)
	add(h.Bank != b.Name, "bank", "文件写明 %s，报送的是 %s", h.Bank, b.Name)
	add(h.Day.After(today), "day", "晚于今天 %s", today)
	add(h.Day.Before(b.Since), "day", "早于该行开始报送的日期 %s", b.Since)
	return wrong
}

// stagedRow is one record of a file on its way in.
type stagedRow struct {
	line   int
	record bankfile.Record
}

// signed is how much r's record adds to the account.
func (r stagedRow) signed() int64 {
	if r.record.Direction == bankfile.Out {
		return -r.record.Amount
	}
	return r.record.Amount
}

// problemsOf makes of what SQL finds wrong with staged lines what people read.
type lineProblem struct {
	Line int
	Kind string // unknown, ambiguous or repeated
	Text string // the agreement, or the day that said it first
}

func (p lineProblem) problem() bankfile.Problem {
	switch p.Kind {
	case "unknown":
		return bankfile.Problem{Line: p.Line, Field: "agreement", Detail: fmt.Sprintf("本行没有监管协议 %s 的这一账户", p.Text)}
	case "ambiguous":
		return bankfile.Problem{Line: p.Line, Field: "agreement", Detail: fmt.Sprintf("监管协议编号 %s 在本行对应多家机构，请先更正报备", p.Text)}
	default:
		return bankfile.Problem{Line: p.Line, Field: "id", Detail: fmt.Sprintf("流水号已在 %s 的文件中报送过", p.Text)}
	}
}
