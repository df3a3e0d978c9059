// Package bankfile reads and writes the files that banks and the supervision
// exchange: what moved on supervised accounts, and what the bank is to pay out. A
// file is CSV or fixed-width, in UTF-8 or GBK; its header says which, so nothing is
// guessed. Its trailer has the count, the sums and a SHA-256 over all lines before.
//
// What must always be true: a file is read in bounded memory, whatever is in it; a
// file is whole and right, or every problem of it is named with its line; and what a
// Writer wrote, a Reader reads as it was.
package bankfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"xunguan/pkg/day"
)

// Bounds of one file, which may be one part of many.
const (
	MaxRecords  = 500_000
	MaxLine     = 1024 // bytes
	MaxProblems = 100  // reading ends there
	MaxAmount   = 1_000_000_000_000_000
)

// Version begins every header.
const Version = "XG1"

// Layout is how a line is cut into fields. Widths of fixed-width fields are in
// bytes; numbers are filled up with zeros on the left, texts with spaces on the right.
type Layout string

// Charset is how characters are written.
type Charset string

// Content is what a file is about.
type Content string

// What a header may say.
const (
	CSV   Layout = "csv"
	Fixed Layout = "fixed"

	UTF8 Charset = "UTF-8"
	GBK  Charset = "GBK"

	Movements Content = "movements" // from the bank: what moved, and what is there
	Orders    Content = "orders"    // to the bank: what it is to pay
)

// Header is the first line of a file.
type Header struct {
	Layout  Layout
	Charset Charset
	Content Content
	Bank    string
	Day     day.Date // the business day
	Part    int      // 1 is the first
	Parts   int      // of the day
}

// Kind is the first character of a line.
type Kind byte

// The kinds of records.
const (
	Movement Kind = 'M'
	Balance  Kind = 'B' // at the end of the day
	Order    Kind = 'P'
	Transfer Kind = 'X' // an order in favour of another supervised account
)

// The accounts of an agreement, and the directions of a movement.
const (
	Custody = "custody"
	Deposit = "deposit"
	In      = "in"
	Out     = "out"
)

// Purposes is what a movement or an order may be for.
var Purposes = []string{"tuition", "release", "refund", "transfer", "deposit", "correction", "interest", "fee", "other"}

// Record is one line between header and trailer. Which fields a kind has is in
// the table layouts; the others are empty.
type Record struct {
	Kind      Kind
	ID        string // the bank's of a movement, ours of an order; unique in the file
	Agreement string // number of the supervision agreement
	Account   string // Custody or Deposit
	Direction string // In or Out
	Amount    int64  // 分
	At        time.Time
	Purpose   string
	Reference string // of the payment, the order, or the movement that is corrected
	Original  string // reference of the payment that a refund goes back on, or a transfer is
	PayeeBank string // of a transfer
	Payee     string // agreement number of the account that a transfer goes to
}

// Trailer is the last line of a file.
type Trailer struct {
	Records int
	In      int64 // 分, of movements; 0 of orders
	Out     int64
	Digest  string // SHA-256 of every line before, each with "\n" after it
}

// add counts r; false if the sums overflow.
func (t *Trailer) add(r Record) bool {
	t.Records++
	sum := &t.Out
	switch {
	case r.Kind == Balance:
		return true
	case r.Direction == In:
		sum = &t.In
	}
	if *sum > maxSum-r.Amount {
		return false
	}
	*sum += r.Amount
	return true
}

const maxSum = 999_999_999_999_999_999 // 18 digits

// Problem is what is wrong with one line.
type Problem struct {
	Line   int    // physical, the first is 1
	Field  string // "" if it is the whole line
	Detail string // Chinese, fit to show a person
}

func (p Problem) String() string {
	if p.Field == "" {
		return fmt.Sprintf("第 %d 行：%s", p.Line, p.Detail)
	}
	return fmt.Sprintf("第 %d 行 %s：%s", p.Line, p.Field, p.Detail)
}

// field is one column of a kind of record.
type field struct {
	name   string
	width  int
	number bool
	text   func(*Record) string
	set    func(*Record, string) string // returns what is wrong, or ""
}

// texts are as long as what the suite lets people write: 60 characters.
const textWidth = 180

// stamp is when a movement was, on Shanghai's clock.
const stamp = "2006-01-02T15:04:05"

var (
	idField = field{"id", 64, false, func(r *Record) string { return r.ID }, func(r *Record, s string) string {
		r.ID = s
		return code(s, true)
	}}
	agreementField = field{"agreement", textWidth, false, func(r *Record) string { return r.Agreement }, func(r *Record, s string) string {
		r.Agreement = s
		return words(s)
	}}
	accountField = field{"account", 7, false, func(r *Record) string { return r.Account }, func(r *Record, s string) string {
		r.Account = s
		return oneOf(s, Custody, Deposit)
	}}
	directionField = field{"direction", 3, false, func(r *Record) string { return r.Direction }, func(r *Record, s string) string {
		r.Direction = s
		return oneOf(s, In, Out)
	}}
	amountField = field{"amount", 18, true, func(r *Record) string { return strconv.FormatInt(r.Amount, 10) }, func(r *Record, s string) (wrong string) {
		r.Amount, wrong = amount(s)
		if wrong == "" && r.Amount == 0 && r.Kind != Balance {
			wrong = "金额应大于 0"
		}
		return wrong
	}}
	atField = field{"at", len(stamp), false, func(r *Record) string { return r.At.In(day.Shanghai).Format(stamp) }, func(r *Record, s string) string {
		at, err := time.ParseInLocation(stamp, s, day.Shanghai)
		r.At = at
		if err != nil || at.Format(stamp) != s || at.Year() < 2000 {
			return "时间应为 2026-03-02T09:00:00 的形式"
		}
		return ""
	}}
	purposeField = field{"purpose", 10, false, func(r *Record) string { return r.Purpose }, func(r *Record, s string) string {
		r.Purpose = s
		return oneOf(s, Purposes...)
	}}
	referenceField = field{"reference", 64, false, func(r *Record) string { return r.Reference }, func(r *Record, s string) string {
		r.Reference = s
		return code(s, false)
	}}
	originalField = field{"original", 64, false, func(r *Record) string { return r.Original }, func(r *Record, s string) string {
		r.Original = s
		return code(s, false)
	}}
	payeeBankField = field{"payee_bank", textWidth, false, func(r *Record) string { return r.PayeeBank }, func(r *Record, s string) string {
		r.PayeeBank = s
		return words(s)
	}}
	payeeField = field{"payee", textWidth, false, func(r *Record) string { return r.Payee }, func(r *Record, s string) string {
		r.Payee = s
		return words(s)
	}}
)

var layouts = map[Kind][]field{
	Movement: {idField, agreementField, accountField, directionField, amountField, atField, purposeField, referenceField},
	Balance:  {agreementField, accountField, amountField},
	Order:    {idField, agreementField, purposeField, amountField, referenceField, originalField},
	Transfer: {idField, agreementField, amountField, referenceField, originalField, payeeBankField, payeeField},
}

// kinds is the records that a file of each content may have.
var kinds = map[Content][]Kind{Movements: {Movement, Balance}, Orders: {Order, Transfer}}

// The fields of header and trailer, by width; numbers are not negative.
var (
	headerWidths  = []int{5, 5, 9, textWidth, 10, 4, 4} // layout, charset, content, bank, day, part, parts
	trailerWidths = []int{9, 18, 18, 64}                // records, in, out, digest
)

// check returns what is wrong with h: the field, and why.
func (h Header) check() (name, wrong string) {
	for _, c := range []struct{ name, wrong string }{
		{"layout", oneOf(string(h.Layout), string(CSV), string(Fixed))},
		{"charset", oneOf(string(h.Charset), string(UTF8), string(GBK))},
		{"content", oneOf(string(h.Content), string(Movements), string(Orders))},
		{"bank", words(h.Bank)},
	} {
		if c.wrong != "" {
			return c.name, c.wrong
		}
	}
	switch {
	case h.Day.IsZero() || h.Day.Year() < 2000 || h.Day.Year() > 9999:
		return "day", "日期应为 2026-03-02 的形式"
	case h.Part < 1 || h.Parts > 9999 || h.Part > h.Parts:
		return "part", "分片序号应在 1 至总片数之间，总片数不超过 9999"
	}
	return "", ""
}

// code returns what is wrong with s as a reference of printable ASCII.
func code(s string, required bool) string {
	switch {
	case required && s == "":
		return "必填"
	case len(s) > 64:
		return "超过 64 个字符"
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "应为不含空格的字母、数字和符号"
	}
	return ""
}

// words returns what is wrong with s as a text for people.
func words(s string) string {
	switch {
	case s == "":
		return "必填"
	case !utf8.ValidString(s) || strings.ContainsRune(s, utf8.RuneError):
		return "含有无法识别的字符，请核对编码"
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\ufeff' }):
		return "含有控制字符"
	case strings.TrimSpace(s) != s:
		return "首尾有空白"
	case len(s) > textWidth:
		return "过长"
	}
	return ""
}

func oneOf(s string, all ...string) string {
	if slices.Contains(all, s) {
		return ""
	}
	return "应为 " + strings.Join(all, "、") + " 之一"
}

// amount reads whole 分.
func amount(s string) (n int64, wrong string) {
	digits := strings.TrimLeft(s, "0")
	switch {
	case s == "":
		return 0, "必填"
	case strings.HasPrefix(s, "-") || strings.HasPrefix(s, "("):
		return 0, "金额不能为负数，方向另有字段"
	case strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' }):
		return 0, "金额以分为单位，应为不带符号、小数点和千分位的整数"
	case digits == "":
		return 0, ""
	case len(digits) > 18:
		return 0, "金额超出范围"
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > MaxAmount {
		return 0, "金额超出范围"
	}
	return n, ""
}

// decode is b, written in c, as text; false if it is not.
func (c Charset) decode(b []byte) (string, bool) {
	if c == GBK {
		var err error
		if b, err = simplifiedchinese.GBK.NewDecoder().Bytes(b); err != nil {
			return "", false
		}
	}
	return string(b), utf8.Valid(b) && !strings.ContainsRune(string(b), utf8.RuneError)
}

// encode is s as c writes it.
func (c Charset) encode(s string) ([]byte, error) {
	if c == GBK {
		return simplifiedchinese.GBK.NewEncoder().Bytes([]byte(s))
	}
	return []byte(s), nil
}
