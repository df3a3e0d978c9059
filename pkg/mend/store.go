package mend

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/fault"
)

const columns = `m.id, m.deed, m.topic, m.key, m.event, m.reason, m.asked_by, m.at,
	coalesce(e.ended_by, ''), e.at, coalesce(e.result, ''), coalesce(e.why, ''), coalesce(e.events, 0)`

func scan(row pgx.CollectableRow) (m Mending, err error) {
	err = row.Scan(&m.ID, &m.Deed, &m.Topic, &m.Key, &m.Event, &m.Reason, &m.AskedBy, &m.AskedAt, &m.EndedBy, &m.EndedAt, &m.Result, &m.Why, &m.Events)
	return m, err
}

// list returns the mendings that ended, the last first, or those that wait, the
// first first.
func list(ctx context.Context, tx pgx.Tx, ended bool) ([]Mending, error) {
	sql := `SELECT ` + columns + ` FROM mending m LEFT JOIN mended e ON e.mending = m.id WHERE e.mending IS NULL ORDER BY m.at LIMIT $1`
	if ended {
		sql = `SELECT ` + columns + ` FROM mended e JOIN mending m ON e.mending = m.id ORDER BY e.at DESC LIMIT $1`
	}
	rows, err := tx.Query(ctx, sql, most)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, scan)
	if all == nil {
		all = []Mending{} // JSON's [], not null
	}
	return all, err
}

// lockMending locks a mending that waits: NotFound if there is none with id, a
// Conflict if it has ended.
func lockMending(ctx context.Context, tx pgx.Tx, id string) (Mending, error) {
	if _, err := tx.Exec(ctx, `SELECT FROM mending WHERE id = $1 FOR UPDATE`, id); err != nil {
		return Mending{}, err
	}
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM mending m LEFT JOIN mended e ON e.mending = m.id WHERE m.id = $1`, id)
	if err != nil {
		return Mending{}, err
	}
	m, err := pgx.CollectExactlyOneRow(rows, scan)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		err = fault.NotFound.Errorf("没有此申请")
	case err == nil && m.Result != "":
		err = fault.Conflict.Errorf("此申请已经结束")
	}
	return m, err
}

func insertMending(ctx context.Context, tx pgx.Tx, m Mending, consumer string) error {
	_, err := tx.Exec(ctx, `INSERT INTO mending (id, consumer, topic, key, deed, event, reason, asked_by, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		m.ID, consumer, m.Topic, m.Key, m.Deed, m.Event, m.Reason, m.AskedBy, m.AskedAt)
	return err
}

func insertMended(ctx context.Context, tx pgx.Tx, m Mending, data []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO mended (mending, asked_by, ended_by, result, why, events, data, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		m.ID, m.AskedBy, m.EndedBy, m.Result, m.Why, m.Events, data, m.EndedAt)
	return err
}
