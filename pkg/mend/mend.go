// Package mend is where two people put right what events could not: one operator
// asks, with a reason, for what is parked under a key to be released, for the
// event that halts it to be given up, or for the service's own events to be sent
// again; another one approves, and only then it is done, whole or not at all.
//
// Every service has it at /v1/parked. Who asked, who ended it, when, why and how
// it went are in two tables, mending and mended, to which rows are only ever added.
// Operators see no case, and who works on cases is no operator.
package mend

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"xunguan/pkg/auth"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// Operator is the role of those who run the suite.
const Operator = "operator"

// What a desk lets operators do.
var (
	See = auth.Permit("operations:parked:read")
	Ask = auth.Permit("operations:mending:ask")
	End = auth.Permit("operations:mending:end")
)

// Grant is the Policy that adds what operators may to may, and takes from who is
// an operator whatever may says.
func Grant(may auth.Policy) auth.Policy {
	operators := auth.Roles(map[string][]auth.Permission{Operator: {See, Ask, End}})
	return func(c auth.Caller, p auth.Permission) bool {
		if slices.Contains(c.Roles, Operator) {
			return len(c.Roles) == 1 && operators(c, p)
		}
		return may(c, p)
	}
}

// Desk is one service's. Consumer is nil if it consumes nothing.
type Desk struct {
	DB       *pgxpool.Pool
	Consumer *event.Consumer
	Log      *slog.Logger
}

// most is how many rows of each kind a board shows, and released is how long a
// release may take.
const (
	most     = 200
	released = 28 * time.Second
)

// Routes publishes d on api.
func (d *Desk) Routes(api *kit.API) {
	kit.Route(api, "GET /v1/parked", "ShowBoard", See, d.ShowBoard)
	kit.Route(api, "POST /v1/parked/releases", "AskRelease", Ask, d.AskRelease)
	kit.Route(api, "POST /v1/parked/releases/{id}/approve", "ApproveRelease", End, d.ApproveRelease, kit.Within(released))
	kit.Route(api, "POST /v1/parked/releases/{id}/refuse", "RefuseRelease", End, d.RefuseRelease)
}

// Deed is what is asked for.
type Deed string

// The deeds.
const (
	Release Deed = "RELEASE" // all that is parked under a key
	Discard Deed = "DISCARD" // the event that halts it, for good
	Resend  Deed = "RESEND"  // the service's own events, from a time on; who has them drops them
)

// Result is how it ended.
type Result string

// The results.
const (
	Done    Result = "DONE"
	Failed  Result = "FAILED" // everything stays as it was
	Refused Result = "REFUSED"
)

// Mending is what was asked for, and how it ended if it did.
type Mending struct {
	ID      string     `json:"id"`
	Deed    Deed       `json:"deed" enum:"RELEASE,DISCARD,RESEND"`
	Topic   string     `json:"topic"`
	Key     string     `json:"key"`
	Event   string     `json:"event" description:"id of the event that halted the key; of a RESEND, since when"`
	Reason  string     `json:"reason"`
	AskedBy string     `json:"asked_by"`
	AskedAt time.Time  `json:"asked_at"`
	EndedBy string     `json:"ended_by,omitempty"`
	EndedAt *time.Time `json:"ended_at,omitempty"`
	Result  Result     `json:"result,omitempty" description:"empty while it waits for a second operator"`
	Why     string     `json:"why,omitempty" description:"it failed or was refused"`
	Events  int        `json:"events" description:"how many took effect, or will be sent again"`
}

// Board is what a service's events need people for.
type Board struct {
	Halted  []event.Halted `json:"halted" description:"the longest first, at most 200"`
	Waiting []Mending      `json:"waiting" description:"for a second operator"`
	Ended   []Mending      `json:"ended" description:"the last 200"`
	Outbox  Outbox         `json:"outbox"`
}

// Outbox is what is on its way to the broker.
type Outbox struct {
	Rows   int `json:"rows"`
	Oldest int `json:"oldest_seconds"`
}

// ShowBoard returns the board.
func (d *Desk) ShowBoard(ctx context.Context, _ struct{}) (Board, error) {
	rows, oldest, err := event.Backlog(ctx, d.DB)
	if err != nil {
		return Board{}, err
	}
	return pg.InTx(ctx, d.DB, func(tx pgx.Tx) (Board, error) {
		b := Board{Outbox: Outbox{rows, int(oldest.Seconds())}}
		var err error
		if b.Halted, err = event.ListHalted(ctx, tx, most); err != nil {
			return b, err
		}
		if b.Waiting, err = list(ctx, tx, false); err != nil {
			return b, err
		}
		b.Ended, err = list(ctx, tx, true)
		return b, err
	})
}

// AskRelease asks for a deed. Key and Event name what the board shows, so that
// nobody releases what they have not seen.
type AskRelease struct {
	once.Key
	Deed   Deed      `json:"deed" enum:"RELEASE,DISCARD,RESEND"`
	Topic  string    `json:"topic" minLength:"1" maxLength:"100"`
	Of     string    `json:"key,omitempty" maxLength:"200" description:"may be left out of a RESEND only: then it is every key"`
	Event  string    `json:"event,omitempty" maxLength:"200" description:"id of the event that halts the key; not for a RESEND"`
	Since  time.Time `json:"since,omitzero" description:"for a RESEND only"`
	Reason string    `json:"reason" minLength:"4" maxLength:"500"`
}

// AskRelease notes what the caller asks for. It is NotFound if the key is not
// halted, and a Conflict if something else halts it or somebody has asked already.
func (d *Desk) AskRelease(ctx context.Context, req AskRelease) (Mending, error) {
	return once.Do(ctx, d.DB, req, func(tx pgx.Tx) (Mending, error) {
		m := Mending{
			ID: uuid.Must(uuid.NewV7()).String(), Deed: req.Deed, Topic: req.Topic, Key: req.Of, Event: req.Event,
			Reason: req.Reason, AskedBy: auth.From(ctx).Subject, AskedAt: time.Now(),
		}
		if err := d.allowed(ctx, tx, req); err != nil {
			return m, err
		}
		if req.Deed == Resend {
			m.Event = req.Since.UTC().Format(time.RFC3339)
		}
		return m, insertMending(ctx, tx, m, d.name())
	})
}

func (d *Desk) name() string {
	if d.Consumer == nil {
		return ""
	}
	return d.Consumer.Name
}

// allowed returns what is wrong with req, as things are.
func (d *Desk) allowed(ctx context.Context, tx pgx.Tx, req AskRelease) error {
	if req.Deed == Resend {
		if req.Since.IsZero() {
			return fault.Fields(fault.Field{Pointer: "/since", Detail: "必填"})
		}
		return nil
	}
	if d.Consumer == nil {
		return fault.NotFound.Errorf("本服务不接收事件")
	}
	head, err := d.Consumer.Halted(ctx, tx, req.Topic, req.Of)
	if err != nil {
		return err
	}
	if head != req.Event {
		return fault.Conflict.Errorf("此键现在停在另一事件上，请刷新后重新申请")
	}
	waiting, err := list(ctx, tx, false)
	if err == nil && slices.ContainsFunc(waiting, func(m Mending) bool { return m.Topic == req.Topic && m.Key == req.Of && m.Deed != Resend }) {
		err = fault.Conflict.Errorf("此键已有申请在等待另一人审批")
	}
	return err
}

// ApproveRelease approves what a colleague asked for.
type ApproveRelease struct {
	once.Key
	ID string `path:"id" format:"uuid"`
}

// ApproveRelease does what was asked for. It is Forbidden to who asked, and a
// Conflict if it has ended. Of a deed that fails everything stays as it was, and
// the answer says why.
func (d *Desk) ApproveRelease(ctx context.Context, req ApproveRelease) (Mending, error) {
	return once.Do(ctx, d.DB, req, func(tx pgx.Tx) (Mending, error) {
		m, err := lockMending(ctx, tx, req.ID)
		if err != nil {
			return m, err
		}
		if m.AskedBy == auth.From(ctx).Subject {
			return m, fault.Forbidden.Errorf("申请人不能审批自己的申请，须由另一名运行人员审批")
		}
		var data []byte
		err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) {
			m.Events, data, err = d.do(ctx, tx, m)
			return err
		})
		switch {
		case errors.Is(err, fault.Unavailable), pg.Passing(err):
			return m, err // not now: nothing has ended
		case err != nil:
			m.Events = 0
			return d.end(ctx, tx, m, Failed, event.Cause(err), nil)
		}
		return d.end(ctx, tx, m, Done, "", data)
	})
}

// do does m and returns how many events that moved, and the data of a discarded one.
func (d *Desk) do(ctx context.Context, tx pgx.Tx, m Mending) (n int, data []byte, err error) {
	switch m.Deed {
	case Release:
		n, err = d.Consumer.Release(ctx, tx, m.Topic, m.Key)
	case Discard:
		data, n, err = d.Consumer.Discard(ctx, tx, m.Topic, m.Key, m.Event)
	case Resend:
		var since time.Time
		if since, err = time.Parse(time.RFC3339, m.Event); err == nil {
			n, err = event.Resend(ctx, tx, m.Topic, m.Key, since)
		}
	}
	return n, data, err
}

// RefuseRelease declines, or takes back, what was asked for.
type RefuseRelease struct {
	once.Key
	ID     string `path:"id" format:"uuid"`
	Reason string `json:"reason" minLength:"4" maxLength:"500"`
}

// RefuseRelease ends what was asked for without doing it. It is a Conflict if it
// has ended.
func (d *Desk) RefuseRelease(ctx context.Context, req RefuseRelease) (Mending, error) {
	return once.Do(ctx, d.DB, req, func(tx pgx.Tx) (Mending, error) {
		m, err := lockMending(ctx, tx, req.ID)
		if err != nil {
			return m, err
		}
		return d.end(ctx, tx, m, Refused, req.Reason, nil)
	})
}

// end notes how m ended, by the caller's word.
func (d *Desk) end(ctx context.Context, tx pgx.Tx, m Mending, result Result, why string, data []byte) (Mending, error) {
	now := time.Now()
	m.EndedBy, m.EndedAt, m.Result, m.Why = auth.From(ctx).Subject, &now, result, why
	d.Log.InfoContext(ctx, "mending", "id", m.ID, "deed", string(m.Deed), "result", string(result), "events", m.Events)
	return m, insertMended(ctx, tx, m, data)
}
