package licensing

import (
	"context"
	"embed"
	"io/fs"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/due"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
	licensingv1 "xunguan/proto/licensing/v1"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is licensing's schema.
func Migrations() fs.FS { dir, _ := fs.Sub(migrations, "migrations"); return dir }

// Service is licensing's use cases. Each is one transaction.
type Service struct {
	DB  *pgxpool.Pool
	Now func() time.Time // legal time
}

func (s *Service) today() day.Date { return day.Of(s.Now()) }

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// prefixOf is what the codes below a division that is asked for begin with.
func prefixOf(code string) string {
	if code == "" {
		return ""
	}
	return division.Prefix(code)
}

// clock counts r's period from from.
func clock(ctx context.Context, tx pgx.Tx, r rule.Rule, from day.Date) (Clock, error) {
	d, err := rule.Due(ctx, tx, r, from)
	return Clock{From: from, Due: d.On, Provisional: d.Provisional, Ground: r.Ground(map[string]any{"from": from})}, err
}

// own is the system's own step of m: what a timer does.
func own(m flow.Machine, state, action string) (flow.Step, error) {
	for _, s := range m.Steps {
		if s.From == state && s.Action == action && len(s.Roles) == 0 {
			return s, nil
		}
	}
	return flow.Step{}, fault.Conflict.Errorf("%s当前状态为 %s，不能进行 %s", m.Name, state, action)
}

// VerifyUSCC asks whether a unified social credit code is well formed.
type VerifyUSCC struct {
	Code string `path:"code" maxLength:"64"`
}

// Verdict is what VerifyUSCC finds.
type Verdict struct {
	Valid  bool   `json:"valid"`
	Reason Flaw   `json:"reason"`
	Detail string `json:"detail,omitempty" description:"the reason, for people to read"`
}

// VerifyUSCC checks a code by GB 32100-2015. A wrong code is an answer, not an error.
func (*Service) VerifyUSCC(_ context.Context, req VerifyUSCC) (Verdict, error) {
	flaw := CheckUSCC(req.Code)
	return Verdict{Valid: flaw == "", Reason: flaw, Detail: flaw.Say(req.Code)}, nil
}

// ListCategories asks what may be applied for.
type ListCategories struct{}

// Categories is the fields of training that are open to applications.
type Categories struct {
	Items []CategoryItems `json:"items"`
}

// CategoryItems is a field of training with its items.
type CategoryItems struct {
	Category Category `json:"category"`
	Name     string   `json:"name"`
	Items    []string `json:"items"`
}

// ListCategories lists the fields that one may apply in: there are to be no new
// subject institutions (see Facts.Check).
func (*Service) ListCategories(context.Context, ListCategories) (Categories, error) {
	var open Categories
	for _, c := range []Category{CultureArts, Sport, Science} {
		open.Items = append(open.Items, CategoryItems{c, c.Name(), fields[c].items})
	}
	return open, nil
}

// Summarise asks for the counts.
type Summarise struct{}

// Summary is how many institutions there are, everywhere or, to an official, in
// its jurisdiction.
type Summary struct {
	Institutions int            `json:"institutions" description:"all that were ever licensed"`
	ByStatus     map[Status]int `json:"by_status"`
	ByList       map[List]int   `json:"by_list" description:"entries in force"`
	Place        string         `json:"place,omitempty" description:"the jurisdiction that is counted; absent is all"`
	AsOf         time.Time      `json:"as_of" description:"legal time of the count"`
}

// Summarise counts what is public of every institution, and for an official of
// those that its lists show.
func (s *Service) Summarise(ctx context.Context, _ Summarise) (Summary, error) {
	ctx, place := pg.Tally(ctx, "summary")
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Summary, error) {
		sum, err := countSummary(ctx, tx)
		sum.Place, sum.AsOf = division.Name(place), s.Now()
		return sum, err
	})
}

// Republish asks for the state of every institution to be published anew.
type Republish struct {
	once.Key
}

// Republished says how many institutions will be published.
type Republished struct {
	Institutions int `json:"institutions"`
}

// Republish publishes the state of every institution and of its list entry in
// force anew, for a consumer that has lost its copy. A timer does it, a page at a
// time, so that it survives a restart and holds up nobody.
func (s *Service) Republish(ctx context.Context, req Republish) (Republished, error) {
	return once.Do(pg.Worker(ctx, "republish"), s.DB, req, func(tx pgx.Tx) (Republished, error) {
		n, err := startRepublication(ctx, tx, newID())
		return Republished{n}, err
	})
}

// republish publishes the next page of the run id.
func (s *Service) republish(ctx context.Context, tx pgx.Tx, id string) error {
	page, err := lockRepublished(ctx, tx, id)
	if err != nil {
		return err
	}
	last := ""
	for _, i := range page {
		last = i.ID
		e, err := inForce(ctx, tx, i.ID)
		if err != nil {
			return err
		}
		if err := event.Append(ctx, tx, Topic, i.ID, institutionEvent(&i, e)); err != nil {
			return err
		}
		if e == nil {
			continue
		}
		if err := event.Append(ctx, tx, Topic, i.ID, &licensingv1.ListEntryPublished{Entry: entryPB(e), Institution: institutionPB(&i, e)}); err != nil {
			return err
		}
	}
	return saveRepublication(ctx, tx, id, last, len(page))
}

// Timers is what licensing does when a date has passed.
func (s *Service) Timers() []due.Timer {
	return []due.Timer{
		{Name: "deemed acceptance", Next: nextSilent, Apply: s.deemAccepted},
		{Name: "licence expiry", Next: nextExpired, Apply: s.expireLicence},
		{Name: "list entry expiry", Next: nextOver, Apply: s.expireEntry},
		{Name: "application deadlines", Next: nextProvisional, Apply: s.recountApplication},
		{Name: "list entry deadlines", Next: nextProvisionalEntry, Apply: s.recountEntry},
		{
			Name:  "republish",
			Next:  func(ctx context.Context, tx pgx.Tx, _ day.Date) (string, error) { return nextRepublication(ctx, tx) },
			Apply: s.republish,
		},
	}
}
