package portal

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

// get fills v with a service's public answer.
func (s *Service) get(ctx context.Context, name, path string, v any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+name+path, nil)
	if err != nil {
		return err
	}
	resp, err := s.Peers.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(v)
}

// probeCap is how long a peer has to say that it is ready: less than portal
// itself is given by package app.
const probeCap = 800 * time.Millisecond

// probeClient asks without a breaker: a peer that is still starting must not be
// shut out for it.
var probeClient = &http.Client{Timeout: probeCap}

// Held makes of check one that has held for ever once it has held.
func Held(check func(context.Context) error) func(context.Context) error {
	var held atomic.Bool
	return func(ctx context.Context) error {
		if held.Load() {
			return nil
		}
		err := check(ctx)
		held.Store(err == nil)
		return err
	}
}

// PeersReady returns nil if every peer says that it is ready.
func (s *Service) PeersReady(ctx context.Context) error {
	var mu sync.Mutex
	var all sync.WaitGroup
	var away []string
	for _, name := range s.Names {
		all.Go(func() {
			if err := s.probe(ctx, name); err != nil {
				mu.Lock()
				defer mu.Unlock()
				away = append(away, name)
			}
		})
	}
	all.Wait()
	if len(away) > 0 {
		slices.Sort(away)
		return fault.Unavailable.Errorf("尚未就绪：%v", away)
	}
	return nil
}

// probe returns nil as soon as one instance of the service says that it is ready.
func (s *Service) probe(ctx context.Context, name string) error {
	at, err := s.Find(ctx, name)
	if err != nil {
		return err
	}
	err = fmt.Errorf("no instance of %s", name)
	for _, addr := range at {
		if err = ready(ctx, addr); err == nil {
			return nil
		}
	}
	return err
}

func ready(ctx context.Context, addr string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := probeClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", addr, resp.Status)
	}
	return nil
}

// CaughtUp returns nil if the directory has as many institutions as licensing.
func (s *Service) CaughtUp(ctx context.Context) error {
	var summary struct {
		Institutions *int `json:"institutions"`
	}
	if err := s.get(ctx, "licensing", "/v1/summary", &summary); err != nil {
		return err
	}
	if summary.Institutions == nil {
		return fault.Unavailable.Errorf("licensing 的汇总没有机构数")
	}
	have, err := pg.InTx(ctx, s.DB, func(tx pgx.Tx) (int, error) { return countInstitutions(ctx, tx) })
	if err == nil && have < *summary.Institutions {
		err = fault.Unavailable.Errorf("名录尚缺 %d 家机构", *summary.Institutions-have)
	}
	return err
}
