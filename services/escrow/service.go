package escrow

import (
	"context"
	"embed"
	"io/fs"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/pg"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is escrow's schema.
func Migrations() fs.FS { dir, _ := fs.Sub(migrations, "migrations"); return dir }

// Rules are the keys of the rulebook that escrow decides by.
var Rules = append([]string{flagAnswer, autoConfirm, lateDispute, onSilence, autoAgree, holdClause, fileDue, inTransit, settlement, reconcileAnswer, alertAnswer, alertHoldClause}, slices.Concat(feeRules, refundRules, WarningRules, windRules)...)

// Service is escrow's use cases. Each is one transaction.
type Service struct {
	DB  *pgxpool.Pool
	Now func() time.Time // legal time

	confirming groups
}

func (s *Service) today() day.Date { return day.Of(s.Now()) }

// newID returns an id that sorts by when it was made.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// Summarize asks for the totals.
type Summarize struct{}

// Summary is totals over everything, to an official over its jurisdiction; it names nobody.
type Summary struct {
	Institutions  int `json:"institutions" description:"known from licensing"`
	Accounts      int `json:"accounts" description:"supervised accounts reported"`
	Contracts     int `json:"contracts"`
	OpenContracts int `json:"open_contracts" description:"paid and not finished"`
	OpenFlags     int `json:"open_flags"`
	PaidFen       Fen `json:"paid_fen"`
	HeldFen       Fen `json:"held_fen"`
	ReleasedFen   Fen `json:"released_fen"`
	RefundedFen   Fen `json:"refunded_fen"`

	Place string    `json:"place,omitempty" db:"-" description:"the jurisdiction that is counted; absent is all"`
	AsOf  time.Time `json:"as_of" db:"-" description:"legal time of the count"`
}

// Summary counts for the public, and for an official what its lists show.
func (s *Service) Summary(ctx context.Context, _ Summarize) (Summary, error) {
	ctx, place := pg.Tally(ctx, "summary")
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Summary, error) {
		sum, err := findSummary(ctx, tx)
		sum.Place, sum.AsOf = division.Name(place), s.Now()
		return sum, err
	})
}

// note records what happened to c. by is one of the actors of a history.
func (s *Service) note(ctx context.Context, tx pgx.Tx, c *Contract, by, account, action, summary string) error {
	return saveEntry(ctx, tx, c, entry{s.Now(), by, account, action, summary})
}

type entry struct {
	at                           time.Time
	by, account, action, summary string
}
