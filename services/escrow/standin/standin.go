// Package standin is a bank that plays its part against the supervision, for tests
// and trials: it takes what parents pay, pays what it is told, and sends its files,
// with the faults of real banks when asked for them.
//
// What must always be true of it without a fault: its balances are its movements
// added up, and its files tell all of them, once.
package standin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"

	"xunguan/pkg/day"
	"xunguan/services/escrow/bankfile"
)

// Fault is one way in which a bank goes wrong.
type Fault string

// The faults of a file.
const (
	CutShort    Fault = "cut-short"    // broke off half-way
	WrongCount  Fault = "wrong-count"  // the trailer counts one more
	WrongSum    Fault = "wrong-sum"    // the trailer sums up one 分 more
	WrongDigest Fault = "wrong-digest" // the trailer's digest is another file's
	RecordTwice Fault = "record-twice" // a movement is told twice
	Reordered   Fault = "reordered"    // the movements come in another order
	LeftOut     Fault = "left-out"     // a movement is not told; it is told the next day
)

// The faults of paying out.
const (
	PaysTwice Fault = "pays-twice" // the first order is paid twice
	PaysLess  Fault = "pays-less"  // the first order is paid with one 分 less; the rest the next day
	PaysNot   Fault = "pays-not"   // the first order is forgotten
)

// Bank is the bank. It may be kept as JSON.
type Bank struct {
	Name     string            `json:"name"`
	Layout   bankfile.Layout   `json:"layout"`
	Charset  bankfile.Charset  `json:"charset"`
	Accounts []*Account        `json:"accounts"`
	Untold   []bankfile.Record `json:"untold"` // moved, and in no file yet
	Unpaid   []bankfile.Record `json:"unpaid"` // of an order that was paid short
	Serial   int               `json:"serial"` // of movements
	Files    map[string][]byte `json:"files"`  // by day, as sent
	Lagging  []bankfile.Record `json:"lagging"`
	Clock    func() time.Time  `json:"-"`
}

// Account is one supervised account.
type Account struct {
	Agreement string `json:"agreement"`
	Account   string `json:"account"` // bankfile.Custody or Deposit
	Balance   int64  `json:"balance"`
}

// Open opens an account.
func (b *Bank) Open(agreement, account string, balance int64) {
	b.Accounts = append(b.Accounts, &Account{agreement, account, balance})
}

// Move moves amount into an account, out of it if that is negative, and returns the
// movement's id.
func (b *Bank) Move(agreement, account, purpose, reference string, amount int64) string {
	for _, a := range b.Accounts {
		if a.Agreement != agreement || a.Account != account {
			continue
		}
		a.Balance += amount
		b.Serial++
		r := bankfile.Record{
			Kind: bankfile.Movement, ID: fmt.Sprintf("T%08d", b.Serial), Agreement: agreement, Account: account, Direction: bankfile.In, Amount: amount,
			At: b.Clock(), Purpose: purpose, Reference: reference,
		}
		if amount < 0 {
			r.Direction, r.Amount = bankfile.Out, -amount
		}
		b.Untold = append(b.Untold, r)
		return r.ID
	}
	panic("standin: no account " + agreement + " " + account)
}

// Pay is a parent's payment into custody.
func (b *Bank) Pay(agreement, reference string, amount int64) string {
	return b.Move(agreement, bankfile.Custody, "tuition", reference, amount)
}

// Execute pays what a settlement file orders.
func (b *Bank) Execute(file []byte, faults ...Fault) (paid int, err error) {
	f := bankfile.NewReader(bytes.NewReader(file))
	var orders []bankfile.Record
	for f.Next() {
		orders = append(orders, f.Record())
	}
	if f.Err() != nil || len(f.Problems()) > 0 {
		return 0, fmt.Errorf("settlement file: %w %v", f.Err(), f.Problems())
	}
	for _, left := range b.Unpaid {
		b.Move(left.Agreement, bankfile.Custody, left.Purpose, left.ID, -left.Amount)
	}
	b.Unpaid = nil
	for i, o := range orders {
		if o.Kind == bankfile.Transfer {
			b.transfer(o)
			continue
		}
		pay := func(amount int64) { b.Move(o.Agreement, bankfile.Custody, o.Purpose, o.ID, -amount) }
		switch {
		case i == 0 && has(faults, PaysNot):
			continue
		case i == 0 && has(faults, PaysLess):
			pay(o.Amount - 1)
			o.Amount = 1
			b.Unpaid = append(b.Unpaid, o)
			continue
		case i == 0 && has(faults, PaysTwice):
			pay(o.Amount)
		}
		pay(o.Amount)
	}
	return len(orders), nil
}

// transfer pays o to the supervised account that it names: at this bank it arrives at
// once, at another that one reports it.
func (b *Bank) transfer(o bankfile.Record) {
	b.Move(o.Agreement, bankfile.Custody, "transfer", o.ID, -o.Amount)
	if o.PayeeBank == b.Name {
		b.Move(o.Payee, bankfile.Custody, "transfer", o.Original, o.Amount)
	}
}

func has(faults []Fault, f Fault) bool { return slices.Contains(faults, f) }

// File is the file of a day: what moved since the last one, and the balances. The
// same day again is the same file.
func (b *Bank) File(d day.Date, faults ...Fault) ([]byte, error) {
	if was, ok := b.Files[d.String()]; ok {
		return spoil(was, faults), nil
	}
	records := append(b.Lagging, b.Untold...)
	b.Lagging, b.Untold = nil, nil
	if has(faults, LeftOut) && len(records) > 0 {
		records, b.Lagging = records[1:], records[:1:1]
	}
	if has(faults, Reordered) {
		for i, j := 0, len(records)-1; i < j; i, j = i+1, j-1 {
			records[i], records[j] = records[j], records[i]
		}
	}
	for _, a := range b.Accounts {
		records = append(records, bankfile.Record{Kind: bankfile.Balance, Agreement: a.Agreement, Account: a.Account, Amount: a.Balance})
	}
	var out bytes.Buffer
	w, err := bankfile.NewWriter(&out, bankfile.Header{
		Layout: b.Layout, Charset: b.Charset, Content: bankfile.Movements, Bank: b.Name, Day: d, Part: 1, Parts: 1,
	})
	for i := 0; err == nil && i < len(records); i++ {
		err = w.Write(records[i])
		if err == nil && i == 0 && has(faults, RecordTwice) {
			err = w.Write(records[i])
		}
	}
	if err == nil {
		_, err = w.Close()
	}
	if err != nil {
		return nil, err
	}
	if has(faults, RecordTwice) { // it is sent right when it is sent again
		b.Untold = movementsOf(records)
		return out.Bytes(), nil
	}
	if b.Files == nil {
		b.Files = map[string][]byte{}
	}
	b.Files[d.String()] = out.Bytes()
	return spoil(out.Bytes(), faults), nil
}

func movementsOf(records []bankfile.Record) (moved []bankfile.Record) {
	for _, r := range records {
		if r.Kind == bankfile.Movement {
			moved = append(moved, r)
		}
	}
	return moved
}

// spoil is file as it is sent with faults.
func spoil(file []byte, faults []Fault) []byte {
	file = bytes.Clone(file)
	trailer := bytes.LastIndex(bytes.TrimSuffix(file, []byte("\n")), []byte("\n")) + 1
	for _, f := range faults {
		switch f { //nolint:exhaustive // the others are no faults of the bytes
		case CutShort:
			return file[:trailer/2]
		case WrongCount:
			file = more(file, trailer, 0)
		case WrongSum:
			file = more(file, trailer, 1)
		case WrongDigest:
			file[len(file)-2] = "0123456789abcdef0"[bytes.IndexByte([]byte("0123456789abcdef"), file[len(file)-2])+1]
		}
	}
	return file
}

// more is file with one more in a number of its trailer, of whichever layout.
func more(file []byte, trailer, field int) []byte {
	head, tail := file[:trailer], string(file[trailer:])
	if strings.HasPrefix(tail, "T,") {
		parts := strings.Split(tail, ",")
		var n int64
		_, _ = fmt.Sscan(parts[field+1], &n) // we wrote it
		parts[field+1] = fmt.Sprint(n + 1)
		return append(head, strings.Join(parts, ",")...)
	}
	at, width := 1, 9
	if field == 1 {
		at, width = 10, 18
	}
	var n int64
	_, _ = fmt.Sscanf(tail[at:at+width], "%d", &n) // we wrote it
	return append(head, tail[:at]+fmt.Sprintf("%0*d", width, n+1)+tail[at+width:]...)
}

// Client is the bank's line to the supervision.
type Client struct {
	URL   string
	Token func() string // the bank's caller token
	HTTP  *http.Client
}

// Send sends a file under an Idempotency-Key, and returns status and answer.
func (c *Client) Send(ctx context.Context, key string, file []byte) (status int, answer string, err error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "movements")
	if err == nil {
		_, err = part.Write(file)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		return 0, "", err
	}
	return c.post(ctx, "/v1/bank-files", key, form.FormDataContentType(), &body)
}

// Take takes the next settlement file, if there is one.
func (c *Client) Take(ctx context.Context, key string, layout bankfile.Layout, charset bankfile.Charset) (file []byte, err error) {
	asked := strings.NewReader(fmt.Sprintf(`{"layout":%q,"charset":%q}`, layout, charset))
	status, answer, err := c.post(ctx, "/v1/settlements", key, "application/json", asked)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound:
		return nil, nil
	case status != http.StatusOK:
		return nil, fmt.Errorf("settlement: %d %s", status, answer)
	}
	var got struct {
		Content []byte `json:"content"`
	}
	return got.Content, json.Unmarshal([]byte(answer), &got)
}

func (c *Client) post(ctx context.Context, path, key, kind string, body io.Reader) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+path, body)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", c.Token())
	r.Header.Set("Idempotency-Key", key)
	r.Header.Set("Content-Type", kind)
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(all), err
}
