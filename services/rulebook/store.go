package rulebook

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
)

const ruleColumns = `s.key, r.version, r.value, r.unit, s.jurisdiction, r.effective_from, r.effective_to, r.source, r.provenance`

// waitLonger lets tx wait for replicas that seed at the same time.
func waitLonger(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SELECT set_config('lock_timeout', '30s', true), set_config('statement_timeout', '30s', true)`)
	return err
}

// lockSeries returns the series of key at place, which is made if it is new, and
// keeps others from adding a version until tx ends.
func lockSeries(ctx context.Context, tx pgx.Tx, key, place string) (id int, err error) {
	err = tx.QueryRow(ctx, `INSERT INTO series (key, jurisdiction) VALUES ($1, $2)
		ON CONFLICT (key, jurisdiction) DO UPDATE SET key = EXCLUDED.key RETURNING id`, key, place).Scan(&id)
	return id, err
}

// lockAll keeps any version from being added until tx ends.
func lockAll(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SELECT id FROM series ORDER BY key, jurisdiction FOR UPDATE`)
	return err
}

// endFrom ends what is in force in series on from or would come later, on the
// day before, and returns it. A version whose time has not come is ended before
// it begins.
func endFrom(ctx context.Context, tx pgx.Tx, series int, from day.Date) ([]Rule, error) {
	return rules(ctx, tx, `UPDATE rules r SET effective_to = greatest($2::date, effective_from) - 1
		FROM series s
		WHERE r.series = $1 AND s.id = r.series AND (effective_to IS NULL OR effective_to >= greatest($2::date, effective_from))
		RETURNING `+ruleColumns, series, from)
}

// saveRule adds r to series and returns its version.
func saveRule(ctx context.Context, tx pgx.Tx, series int, r Rule) (version int, err error) {
	err = tx.QueryRow(ctx, `INSERT INTO rules (series, version, value, unit, effective_from, source, provenance)
		SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5, $6 FROM rules WHERE series = $1 RETURNING version`,
		series, r.Value, r.Unit, r.EffectiveFrom, r.Source, r.Provenance).Scan(&version)
	return version, err
}

// seeded reports whether series has r, or what came after it.
func seeded(ctx context.Context, tx pgx.Tx, series int, r Rule) (done bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM rules WHERE series = $1
		AND (effective_from > $2 OR effective_from = $2 AND value = $3 AND unit = $4))`,
		series, r.EffectiveFrom, r.Value, r.Unit).Scan(&done)
	return done, err
}

// listInForce is the rules in force on a day at any of places, of one key or all.
func listInForce(ctx context.Context, tx pgx.Tx, places []string, on day.Date, key string) ([]Rule, error) {
	return rules(ctx, tx, `SELECT `+ruleColumns+` FROM rules r JOIN series s ON s.id = r.series
		WHERE s.jurisdiction = ANY ($1) AND r.effective_from <= $2 AND (r.effective_to IS NULL OR r.effective_to >= $2)
		  AND ($3 = '' OR s.key = $3)`, places, on, key)
}

// listAll is every version that is or ever was in force, or will be.
func listAll(ctx context.Context, tx pgx.Tx) ([]Rule, error) {
	return rules(ctx, tx, `SELECT `+ruleColumns+` FROM rules r JOIN series s ON s.id = r.series
		WHERE r.effective_to IS NULL OR r.effective_to >= r.effective_from
		ORDER BY s.key, s.jurisdiction, r.version`)
}

// listVersions is every version of key at places, with who enacted it and why.
func listVersions(ctx context.Context, tx pgx.Tx, key string, places []string) ([]Version, error) {
	rows, err := tx.Query(ctx, `SELECT `+ruleColumns+`, a.at AS enacted_at, a.agency, a.place, a.reason
		FROM rules r JOIN series s ON s.id = r.series
		JOIN audit a ON a.action = 'enact' AND a.key = s.key AND a.jurisdiction = s.jurisdiction AND a.version = r.version
		WHERE s.key = $1 AND s.jurisdiction = ANY ($2)
		ORDER BY array_position($2, s.jurisdiction), r.version DESC`, key, places)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Version])
}

func rules(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]Rule, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Rule])
}

// listYears is the newest version of every published year, in order.
func listYears(ctx context.Context, tx pgx.Tx) ([]Year, error) {
	rows, err := tx.Query(ctx, `SELECT DISTINCT ON (year) year, version, source, days FROM calendars ORDER BY year, version DESC`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Year])
}

// lockYears is listYears, and keeps others from publishing until tx ends.
func lockYears(ctx context.Context, tx pgx.Tx) ([]Year, error) {
	if _, err := tx.Exec(ctx, `LOCK TABLE calendars IN SHARE ROW EXCLUSIVE MODE`); err != nil {
		return nil, err
	}
	return listYears(ctx, tx)
}

func saveYear(ctx context.Context, tx pgx.Tx, y Year) error {
	_, err := tx.Exec(ctx, `INSERT INTO calendars (year, version, source, days) VALUES ($1, $2, $3, $4)`, y.Year, y.Version, y.Source, y.Days)
	return err
}

// entry is one line of the audit.
type entry struct {
	action, key, jurisdiction string
	version                   int
	reason                    string
}

// record writes e down as done by ctx's caller.
func record(ctx context.Context, tx pgx.Tx, today day.Date, e entry) error {
	c := auth.From(ctx)
	_, err := tx.Exec(ctx, `INSERT INTO audit (legal_date, actor, agency, place, action, key, jurisdiction, version, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		today, c.Subject, c.Agency, c.Jurisdiction, e.action, e.key, e.jurisdiction, e.version, strings.TrimSpace(e.reason))
	return err
}
