package portal

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/pg"
)

// sessionRow is a session as it is stored.
type sessionRow struct {
	Subject      string
	Roles        []string
	Agency       string
	Jurisdiction string
	Institution  string
	CreatedAt    time.Time
	SeenAt       time.Time
}

func findSession(ctx context.Context, tx pgx.Tx, id string, l Listener) (*Session, error) {
	r, err := pg.One[sessionRow](ctx, tx, "会话", `SELECT subject, roles, agency, jurisdiction, institution, created_at, seen_at
		FROM sessions WHERE hash = $1 AND listener = $2`, hash(id), l)
	if err != nil {
		return nil, err
	}
	c := auth.Caller{Subject: r.Subject, Roles: r.Roles, Agency: r.Agency, Jurisdiction: r.Jurisdiction, Institution: r.Institution}
	return &Session{Caller: c, CreatedAt: r.CreatedAt, SeenAt: r.SeenAt, id: id}, nil
}

func insertSession(ctx context.Context, tx pgx.Tx, s *Session, l Listener) error {
	c := s.Caller
	_, err := tx.Exec(ctx, `INSERT INTO sessions (hash, listener, subject, roles, agency, jurisdiction, institution, created_at, seen_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		hash(s.id), l, c.Subject, c.Roles, c.Agency, c.Jurisdiction, c.Institution, s.CreatedAt, s.SeenAt)
	return err
}

func touchSession(ctx context.Context, tx pgx.Tx, s *Session, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE sessions SET seen_at = $2 WHERE hash = $1`, hash(s.id), at)
	return err
}

func deleteSession(ctx context.Context, tx pgx.Tx, id string) error {
	_, err := tx.Exec(ctx, `DELETE FROM sessions WHERE hash = $1`, hash(id))
	return err
}

func deleteOld(ctx context.Context, tx pgx.Tx, sessions, logins time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM sessions WHERE created_at < $1`, sessions)
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM logins WHERE created_at < $1`, logins)
	}
	return err
}

// attempt is a login under way.
type attempt struct {
	Browser   []byte
	Nonce     string
	Verifier  string
	Target    string
	CreatedAt time.Time
}

func insertLogin(ctx context.Context, tx pgx.Tx, state string, l Listener, a attempt) error {
	_, err := tx.Exec(ctx, `INSERT INTO logins (hash, browser, listener, nonce, verifier, target, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		hash(state), a.Browser, l, a.Nonce, a.Verifier, a.Target, a.CreatedAt)
	return err
}

// takeLogin returns the login that state stands for, once.
func takeLogin(ctx context.Context, tx pgx.Tx, state string, l Listener) (attempt, error) {
	return pg.One[attempt](ctx, tx, "登录请求", `DELETE FROM logins WHERE hash = $1 AND listener = $2
		RETURNING browser, nonce, verifier, target, created_at`, hash(state), l)
}
