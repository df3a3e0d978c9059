package portal

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/auth"
	"xunguan/pkg/clock"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
	"xunguan/pkg/mend"
	"xunguan/pkg/peer"
	"xunguan/pkg/pg"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is portal's schema.
func Migrations() fs.FS { dir, _ := fs.Sub(migrations, "migrations"); return dir }

// Service is portal's use cases and what they stand on.
type Service struct {
	DB      *pgxpool.Pool
	Signer  *Signer
	Peers   *http.Client // by name, as peer.Client makes it
	Find    peer.Lookup
	Names   []string // services that are asked for their document, readiness and clock
	Login   *Login   // nil: no provider is configured
	Terms   Terms
	Limits  Limits
	Desk    *mend.Desk // of portal's own events; nil: it consumes none
	Trial   bool
	Clock   *clock.Clock     // legal time, which the trial moves
	Machine func() time.Time // the machine's time, for sessions
	Log     *slog.Logger

	api      *kit.API // portal's own routes, made by Handler
	document document
	moving   sync.Mutex // one at a time moves the clock
	traces   Traces
}

const (
	touchAfter   = time.Minute      // a session's last use is written at most this often
	loginsExpire = 10 * time.Minute // from leaving for the provider to coming back
	purgeEvery   = 10 * time.Minute
)

// OpenSession logs c in at l under a new id.
func (s *Service) OpenSession(ctx context.Context, l Listener, c auth.Caller) (*Session, error) {
	now := s.Machine()
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (*Session, error) {
		n := &Session{Caller: c, CreatedAt: now, SeenAt: now, id: secret()}
		return n, insertSession(ctx, tx, n, l)
	})
}

// FindSession returns l's session with id, and counts it as used. It returns
// Unauthentic if there is none, or if it is over.
func (s *Service) FindSession(ctx context.Context, l Listener, id string) (*Session, error) {
	now := s.Machine()
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (*Session, error) {
		found, err := findSession(ctx, tx, id, l)
		if errors.Is(err, fault.NotFound) || err == nil && !now.Before(s.Terms.Ends(l, found)) {
			return nil, fault.Unauthentic.Errorf("登录已过期，请重新登录")
		}
		if err == nil && now.Sub(found.SeenAt) >= touchAfter {
			found.SeenAt = now
			err = touchSession(ctx, tx, found, now)
		}
		return found, err
	})
}

// CloseSession logs out whoever holds id.
func (s *Service) CloseSession(ctx context.Context, id string) error {
	_, err := pg.InTx(ctx, s.DB, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, deleteSession(ctx, tx, id) })
	return err
}

// Purge deletes, until ctx ends, the sessions and logins that are long over.
func (s *Service) Purge(ctx context.Context) error {
	for {
		_, err := pg.InTx(ctx, s.DB, func(tx pgx.Tx) (struct{}, error) {
			now := s.Machine()
			return struct{}{}, deleteOld(ctx, tx, now.Add(-s.Terms.Cap), now.Add(-loginsExpire))
		})
		if err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "purge", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(purgeEvery):
		}
	}
}
