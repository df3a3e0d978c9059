package inspection

import (
	"context"
	"embed"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/attach"
	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/due"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is inspection's schema.
func Migrations() fs.FS { dir, _ := fs.Sub(migrations, "migrations"); return dir }

// Service is inspection's use cases. Each is one transaction.
type Service struct {
	DB     *pgxpool.Pool
	Now    func() time.Time // legal time
	Photos *attach.Box
}

func (s *Service) today() day.Date { return day.Of(s.Now()) }

// page is how many rows a list has at most.
const page = 200

// Timers is what happens when a date passes.
func (s *Service) Timers() []due.Timer {
	return append(s.recounting(), due.Timer{Name: "overdue rectification", Next: nextOverdue, Apply: s.overdue}, s.Photos.Timer())
}

// deadline is the last day of the period that the rule key gives, from today on.
func (s *Service) deadline(ctx context.Context, tx pgx.Tx, jurisdiction, key string) (day.Due, fault.Ground, error) {
	set, err := rule.InForce(ctx, tx, jurisdiction, s.today(), key)
	if err != nil {
		return day.Due{}, fault.Ground{}, err
	}
	d, err := rule.Due(ctx, tx, set[key], s.today())
	return d, set[key].Ground(map[string]any{"from": s.today().String(), "due": d.On.String()}), err
}

// leastOfficers is the rule of how many must inspect.
func (s *Service) leastOfficers(ctx context.Context, tx pgx.Tx, jurisdiction string) (rule.Rule, error) {
	set, err := rule.InForce(ctx, tx, jurisdiction, s.today(), ruleOfficers)
	return set[ruleOfficers], err
}

// GetInbox asks for what waits for the caller.
type GetInbox struct{}

// Inbox is what waits for the caller, what is most urgent first.
type Inbox struct {
	Items []Item `json:"items"`
}

// GetInbox lists what waits for the caller's office, or for the institution that
// the caller manages.
func (s *Service) GetInbox(ctx context.Context, _ GetInbox) (Inbox, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Inbox, error) {
		c := auth.From(ctx)
		cal, err := rule.Calendar(ctx, tx)
		if err != nil {
			return Inbox{}, err
		}
		b := box{calendar: cal, today: s.today(), now: s.Now(), caller: c}
		if err := b.fill(ctx, tx); err != nil {
			return Inbox{}, err
		}
		return Inbox{b.sorted()}, nil
	})
}

// GetSummary asks for the figures.
type GetSummary struct{}

// PublicFigures is how many there are of each, everywhere or, to an official, of
// what its lists show.
type PublicFigures struct {
	Counts []Count   `json:"counts"`
	Place  string    `json:"place,omitempty" description:"the jurisdiction that is counted; absent is all"`
	AsOf   time.Time `json:"as_of" description:"legal time of the count"`
}

// GetSummary counts tasks, visits and rectifications by state. Figures only.
func (s *Service) GetSummary(ctx context.Context, _ GetSummary) (PublicFigures, error) {
	ctx, place := pg.Tally(ctx, "inspection:summary")
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (PublicFigures, error) {
		counts, err := countAll(ctx, tx)
		return PublicFigures{counts, division.Name(place), s.Now()}, err
	})
}

// Republish asks for the state of every task to be published anew.
type Republish struct {
	once.Key
	After string `json:"after,omitempty" maxLength:"64" description:"go on after this task"`
}

// Republished is how far that came.
type Republished struct {
	Published int    `json:"published"`
	After     string `json:"after"`
	Done      bool   `json:"done"`
}

// republishBatch is how many tasks one call publishes: it asks again for the rest.
const republishBatch = 500

// Republish publishes the state of the next tasks anew, for a consumer that lost
// its projection.
func (s *Service) Republish(ctx context.Context, req Republish) (Republished, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Republished, error) {
		done := Republished{After: req.After}
		err := elevated(ctx, tx, "republish", func() error {
			tasks, err := nextToRepublish(ctx, tx, req.After, republishBatch)
			if err != nil {
				return err
			}
			done.Done = len(tasks) < republishBatch
			for i := range tasks {
				if err := appendState(ctx, tx, &tasks[i]); err != nil {
					return err
				}
				done.Published, done.After = done.Published+1, tasks[i].ID
			}
			return nil
		})
		return done, err
	})
}
