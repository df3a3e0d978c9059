package tipoff

import (
	"context"
	"embed"
	"io/fs"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/attach"
	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is tipoff's schema. It needs a role <own role>_identity, which the
// own role may SET ROLE to and does not inherit from.
func Migrations() fs.FS { dir, _ := fs.Sub(migrations, "migrations"); return dir }

// Service is tipoff's use cases. Each is one transaction, but for an import, which
// is one for each hundred rows.
type Service struct {
	DB     *pgxpool.Pool
	Now    func() time.Time // legal time
	Pepper Pepper
	Seal   Seal
	Home   string // division whose intake office gets what names no place
	Photos *attach.Box
}

func (s *Service) today() day.Date { return day.Of(s.Now()) }

// Done is the tip-off after a step.
type Done struct {
	ID     string `json:"id"`
	Number string `json:"number"`
	State  State  `json:"state"`
}

// act takes the step named action on the tip-off id for ctx's caller, and lets
// change do what goes with it; what is met by the step is met. change may return
// what to note and the rules that it rests on.
func (s *Service) act(ctx context.Context, tx pgx.Tx, id, action string, change func(t *Tip, step flow.Step) (deed, error)) (Done, error) {
	t, err := lockTip(ctx, tx, id)
	if err != nil {
		return Done{}, err
	}
	c := auth.From(ctx)
	step, err := Tips.Step(string(t.State), action, c)
	if err == nil {
		err = t.ownedBy(step, c)
	}
	if err != nil {
		return Done{}, err
	}
	d, err := change(t, step)
	if err != nil {
		return Done{}, err
	}
	d.tip, d.step = t, step
	return s.take(ctx, tx, d)
}

// take writes d: the tip-off in its new state, its clocks, the audit, the fact.
func (s *Service) take(ctx context.Context, tx pgx.Tx, d deed) (Done, error) {
	t := d.tip
	t.State = State(d.step.To)
	if err := saveAudit(ctx, tx, s.Now(), d); err != nil {
		return Done{}, err
	}
	if err := s.meet(ctx, tx, t, d.step.Action); err != nil {
		return Done{}, err
	}
	fact, err := s.fact(ctx, tx, t, d.step.Action)
	if err != nil {
		return Done{}, err
	}
	if fact != nil {
		if err := event.Append(ctx, tx, Topic, t.ID, fact); err != nil {
			return Done{}, err
		}
	}
	if d.step.Action == "return" { // who gives it back sees it no more, not even to write so
		if err := pg.Mark(pg.Worker(ctx, "tipoff:return"), tx); err != nil {
			return Done{}, err
		}
	}
	return Done{t.ID, t.Number, t.State}, saveTip(ctx, tx, t)
}

// meet notes that the clocks which action meets were met today.
func (s *Service) meet(ctx context.Context, tx pgx.Tx, t *Tip, action string) error {
	names, meets := metBy[action]
	if !meets {
		return nil
	}
	cs, err := listClocks(ctx, tx, t.ID)
	for i := range cs {
		c := &cs[i]
		if err != nil || !c.running() || names != nil && !slices.Contains(names, c.Name) {
			continue
		}
		c.MetOn = s.today()
		err = saveClock(ctx, tx, t.ID, c)
	}
	return err
}

// start begins the clocks that keys name, counted from from by the rules in force
// on on.
func (s *Service) start(ctx context.Context, tx pgx.Tx, t *Tip, from, on day.Date, keys ...string) ([]fault.Ground, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	set, err := rule.InForce(ctx, tx, t.Jurisdiction, on, keys...)
	if err != nil {
		return nil, err
	}
	cal, err := rule.Calendar(ctx, tx)
	if err != nil {
		return nil, err
	}
	var grounds []fault.Ground
	for _, k := range keys {
		c, err := newClock(cal, set[k], from)
		if err != nil {
			return nil, err
		}
		if err := saveClock(ctx, tx, t.ID, &c); err != nil {
			return nil, err
		}
		grounds = append(grounds, c.Ground)
	}
	return grounds, nil
}

// fact is what is published of action; nil for steps that concern nobody else.
func (s *Service) fact(ctx context.Context, tx pgx.Tx, t *Tip, action string) (proto.Message, error) {
	cs, err := listClocks(ctx, tx, t.ID)
	if err != nil {
		return nil, err
	}
	return factOf(t, next(cs), action), nil
}

// Answer is what a reporter reads.
type Answer struct {
	Text       string   `json:"text"`
	Office     string   `json:"office"`
	GivenOn    day.Date `json:"on"`
	FollowUpID string   `json:"follow_up_id,omitempty"`
	Amended    bool     `json:"amended" description:"the decision behind an earlier answer was set aside"`
}

// Question is what a reporter was asked.
type Question struct {
	Text       string   `json:"text"`
	AskedOn    day.Date `json:"asked_on"`
	Answer     string   `json:"answer,omitempty"`
	AnsweredOn day.Date `json:"answered_on"`
}

// Entry is one line of a tip-off's timeline.
type Entry struct {
	OnDay     day.Date       `json:"on"`
	Actor     string         `json:"actor" description:"office and account, or 系统"`
	Action    string         `json:"action"`
	Label     string         `json:"label"`
	FromState string         `json:"from"`
	ToState   string         `json:"to"`
	Note      string         `json:"note"`
	Basis     string         `json:"basis"`
	Grounds   []fault.Ground `json:"grounds"`
}

// Licensed is an institution as licensing knows it.
type Licensed struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	Jurisdiction  string `json:"jurisdiction"`
	Address       string `json:"address"`
	Status        string `json:"status"`
	LicenceNumber string `json:"licence_number"`
}

// Count is how many tips there are of something.
type Count struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}
