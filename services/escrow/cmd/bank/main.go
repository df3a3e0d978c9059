// Command bank is the bank of trial mode: package standin's, at work against a running
// suite by HTTP alone, as the caller that the portal says it is. It moves no money, and
// refuses to start anywhere else.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"xunguan/pkg/app"
	"xunguan/pkg/day"
	"xunguan/services/escrow/bankfile"
	"xunguan/services/escrow/standin"
)

// Each field is a flag, -portal, and a variable, BANK_PORTAL.
type config struct {
	Portal  string          `required:"" help:"URL of the portal's door for staff and institutions."`
	Persona string          `default:"bank" help:"Whom the portal lets it be."`
	Bank    string          `default:"示例银行姑苏支行" help:"Its name in the register."`
	State   string          `required:"" help:"File that it keeps its books in."`
	Layout  string          `default:"csv" enum:"csv,fixed" help:"Of its files."`
	Charset string          `default:"GBK" enum:"UTF-8,GBK" help:"Of its files."`
	Pledge  int64           `default:"1000000" help:"分 that an institution puts into its deposit account when that is opened."`
	Faults  []standin.Fault `help:"What goes wrong with the first orders: pays-twice, pays-less, pays-not."`
	Trial   bool            `help:"Confirms that this is a trial: no money moves."`
}

const (
	look    = time.Second      // between looks at the clock
	again   = 10 * time.Minute // between looks for new orders on one day
	patient = time.Minute      // at most, after failure upon failure
	answer  = 30 * time.Second // to one call
)

func main() { app.Main("bank", build) }

func build(_ context.Context, a *app.App, c config) error {
	if !c.Trial {
		return errors.New("the bank moves no money: it starts with --trial only")
	}
	client := &http.Client{Timeout: answer}
	t := &trial{config: c, client: client}
	desk, err := restore(c)
	if err != nil {
		return err
	}
	desk.Client = &standin.Client{URL: c.Portal + "/api/escrow", Token: t.token, HTTP: client}
	a.Go(func(ctx context.Context) error { return t.run(ctx, a.Log, desk) })
	return nil
}

// restore is the desk as it was kept, or a new one.
func restore(c config) (*standin.Desk, error) {
	desk := &standin.Desk{Bank: &standin.Bank{Name: c.Bank, Layout: bankfile.Layout(c.Layout), Charset: bankfile.Charset(c.Charset)}}
	kept, err := os.ReadFile(c.State)
	if err == nil {
		err = json.Unmarshal(kept, desk)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the books in %s: %w", c.State, err)
	}
	desk.Pledge, desk.Faults = c.Pledge, c.Faults
	desk.Keep = func(d *standin.Desk) error { return keep(c.State, d) }
	return desk, os.MkdirAll(filepath.Dir(c.State), 0o700)
}

// keep writes the desk whole or not at all.
func keep(file string, d *standin.Desk) error {
	b, err := json.Marshal(d)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // where we were told to
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// trial is the suite that the bank works with: its legal time, and who we are to it.
type trial struct {
	config
	client *http.Client

	mu    sync.Mutex
	badge string
	until time.Time
}

// run works whenever a legal day has begun, and now and then in between.
func (t *trial) run(ctx context.Context, log *slog.Logger, desk *standin.Desk) error {
	var worked day.Date
	var last time.Time
	pause := look
	for {
		now, err := t.now(ctx)
		if err == nil && (worked != day.Of(now) || time.Since(last) > again) {
			if err = desk.Work(ctx, now); err == nil {
				worked, last = day.Of(now), time.Now()
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was told to end
		case err == nil:
			pause = look
		default:
			log.WarnContext(ctx, "bank", "err", err)
			pause = min(2*pause, patient)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// now is the suite's legal time.
func (t *trial) now(ctx context.Context) (time.Time, error) {
	var said struct{ Now time.Time }
	err := t.call(ctx, http.MethodGet, "/trial/clock", nil, &said)
	return said.Now, err
}

// token is the bank's caller token, as the Authorization header says it; without an
// answer it is none, and the call that it is for is refused.
func (t *trial) token() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.until) {
		return t.badge
	}
	ctx, cancel := context.WithTimeout(context.Background(), answer)
	defer cancel()
	body, _ := json.Marshal(map[string]string{"persona": t.Persona}) // strings marshal
	var in struct {
		Token   string
		Expires time.Time `json:"expires_at"`
	}
	if err := t.call(ctx, http.MethodPost, "/trial/login", body, &in); err != nil {
		return ""
	}
	t.badge, t.until = "Bearer "+in.Token, in.Expires.Add(-time.Minute)
	return t.badge
}

func (t *trial) call(ctx context.Context, method, path string, body []byte, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, t.Portal+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := t.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(said, into)
}
