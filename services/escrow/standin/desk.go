package standin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"xunguan/pkg/day"
	"xunguan/services/escrow/bankfile"
)

// Desk is the bank at its daily work with the supervision. It may be kept as JSON: what
// it did before, it does not do again.
type Desk struct {
	Bank   *Bank               `json:"bank"`
	Sent   day.Date            `json:"sent"`   // the last day whose file was taken
	Taken  int                 `json:"taken"`  // settlements
	Booked map[string]day.Date `json:"booked"` // payments of the last days, by reference
	Pledge int64               `json:"-"`      // 分 that an institution puts into its deposit account when that is opened
	Faults []Fault             `json:"-"`      // of the first settlement
	Client *Client             `json:"-"`
	Keep   func(*Desk) error   `json:"-"` // is called before anything of the desk's goes out
}

// ErrStranger is that no authority has registered the bank.
var ErrStranger = errors.New("the bank is not registered")

// overlap is how many days back it asks for payments again: one may have been on its
// way when the day ended.
const overlap = 3

// Work does what is to be done at a moment: it sends the file of every day that is over,
// takes the orders there are, and pays them. It may be called again at any time.
func (d *Desk) Work(ctx context.Context, now time.Time) error {
	since, err := d.Client.since(ctx, d.Bank.Name)
	if err != nil {
		return err
	}
	next, today := d.Sent.AddDays(1), day.Of(now)
	if next.Before(since) {
		next = since
	}
	var asked day.Date // at first all that was ever paid
	if !d.Sent.IsZero() {
		asked = d.Sent.AddDays(-overlap)
	}
	payments, err := d.Client.payments(ctx, asked, today.AddDays(-1))
	if err != nil {
		return err
	}
	if err := d.open(ctx, next); err != nil { // after the payments: each has its account
		return err
	}
	if err := d.report(ctx, next, today.AddDays(-1), payments); err != nil {
		return err
	}
	return d.pay(ctx, now)
}

// report sends the files of the days from one to another; none if that is over.
func (d *Desk) report(ctx context.Context, from, to day.Date, payments []payment) error {
	for on := from; !on.After(to); on = on.AddDays(1) {
		for len(payments) > 0 && !day.Of(payments[0].At).After(on) {
			d.book(payments[0])
			payments = payments[1:]
		}
		file, err := d.Bank.File(on)
		if err == nil {
			err = d.Keep(d)
		}
		if err != nil {
			return err
		}
		status, answer, err := d.Client.Send(ctx, "movements-"+on.String(), file)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("file of %s: %d %s", on, status, answer)
		}
		if err != nil {
			return err
		}
		d.Sent = on
		delete(d.Bank.Files, on.String())
	}
	for reference, on := range d.Booked {
		if on.Before(to.AddDays(-2 * overlap)) {
			delete(d.Booked, reference)
		}
	}
	return d.Keep(d)
}

// open opens the accounts that institutions reported since, as of a day.
func (d *Desk) open(ctx context.Context, on day.Date) error {
	accounts, err := d.Client.accounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if slices.ContainsFunc(d.Bank.Accounts, func(b *Account) bool { return b.Agreement == a.Agreement && b.Account == a.Account }) {
			continue
		}
		d.Bank.Open(a.Agreement, a.Account, 0)
		if a.Account == bankfile.Deposit && d.Pledge > 0 {
			d.Bank.Clock = on.Start
			d.Bank.Move(a.Agreement, a.Account, "deposit", "", d.Pledge)
		}
	}
	return nil
}

// book takes in a payment, once.
func (d *Desk) book(p payment) {
	key := p.Agreement + "/" + p.Reference
	if _, was := d.Booked[key]; was {
		return
	}
	if d.Booked == nil {
		d.Booked = map[string]day.Date{}
	}
	d.Booked[key] = day.Of(p.At)
	d.Bank.Clock = func() time.Time { return p.At }
	d.Bank.Pay(p.Agreement, p.Reference, p.Amount)
}

// pay takes orders until there are no more, and executes them.
func (d *Desk) pay(ctx context.Context, now time.Time) error {
	d.Bank.Clock = func() time.Time { return now }
	for {
		file, err := d.Client.Take(ctx, fmt.Sprintf("settlement-%06d", d.Taken), d.Bank.Layout, d.Bank.Charset)
		if err != nil || file == nil {
			return err
		}
		var faults []Fault
		if d.Taken == 0 {
			faults = d.Faults
		}
		if _, err := d.Bank.Execute(file, faults...); err != nil {
			return err
		}
		d.Taken++
		if err := d.Keep(d); err != nil {
			return err
		}
	}
}

// payment is what the supervision says that a parent paid.
type payment struct {
	Agreement string    `json:"agreement_no"`
	Reference string    `json:"reference"`
	Amount    int64     `json:"amount_fen"`
	At        time.Time `json:"at"`
}

// account is one that an institution reported.
type account struct {
	Agreement string `json:"agreement_no"`
	Account   string `json:"account"`
}

// since is the first day that the bank called name has to report.
func (c *Client) since(ctx context.Context, name string) (day.Date, error) {
	var register struct {
		Items []struct {
			Name  string   `json:"name"`
			Since day.Date `json:"since"`
		} `json:"items"`
	}
	if err := c.get(ctx, "/v1/banks", &register); err != nil {
		return day.Date{}, err
	}
	for _, b := range register.Items {
		if b.Name == name {
			return b.Since, nil
		}
	}
	return day.Date{}, ErrStranger
}

func (c *Client) payments(ctx context.Context, from, to day.Date) ([]payment, error) {
	asked := url.Values{"to": {to.String()}}
	if !from.IsZero() {
		asked.Set("from", from.String())
	}
	return all[payment](ctx, c, "/v1/bank-payments", asked)
}

func (c *Client) accounts(ctx context.Context) ([]account, error) {
	return all[account](ctx, c, "/v1/bank-accounts", url.Values{})
}

// all is every page of a list.
func all[T any](ctx context.Context, c *Client, path string, asked url.Values) ([]T, error) {
	var items []T
	for n := 1; ; n++ {
		asked.Set("page", fmt.Sprint(n))
		var page struct {
			Items []T  `json:"items"`
			More  bool `json:"more"`
		}
		if err := c.get(ctx, path+"?"+asked.Encode(), &page); err != nil {
			return nil, err
		}
		if items = append(items, page.Items...); !page.More {
			return items, nil
		}
	}
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path, http.NoBody)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", c.Token())
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
