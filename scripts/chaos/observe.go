package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	tipoffv1 "xunguan/proto/tipoff/v1"
)

// balance is what one snapshot of escrow's database says of its money: in how many
// places it contradicts itself, and by how many 分 all entries miss zero. An
// account's balance is the sum of its entries; a contract's account holds what was
// paid and neither released nor refunded, nor waits for a hold to end.
const balance = `WITH
	e AS (SELECT institution_id, account, contract_id, sum(amount) AS fen FROM entries GROUP BY 1, 2, 3),
	waiting AS (SELECT institution_id, contract_id, sum(fee) AS fen FROM lessons WHERE waits GROUP BY 1, 2)
SELECT (SELECT count(*) FROM balances b FULL JOIN e USING (institution_id, account, contract_id) WHERE coalesce(b.balance, 0) <> coalesce(e.fen, 0))
	+ (SELECT count(*) FROM contracts c
		LEFT JOIN balances h ON (h.institution_id, h.account, h.contract_id) = (c.institution_id, 'held', c.id)
		LEFT JOIN waiting w ON (w.institution_id, w.contract_id) = (c.institution_id, c.id)
		WHERE coalesce(-h.balance, 0) <> c.paid - c.released - c.refunded - coalesce(w.fen, 0)),
	(SELECT coalesce(sum(fen), 0)::bigint FROM e)`

// sample is one look at the money.
type sample struct {
	at          time.Time
	wrong, diff int64
}

// sampling looks at the money every 100 ms while the database is there, until ctx ends.
func (s *suite) sampling(ctx context.Context) (samples []sample) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx))
		}
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		if conn == nil || conn.IsClosed() {
			url, err := s.database("escrow")
			if err != nil {
				continue
			}
			if conn, err = connect(ctx, url); err != nil {
				conn = nil
				continue
			}
		}
		v := sample{at: time.Now()}
		if conn.QueryRow(ctx, balance).Scan(&v.wrong, &v.diff) == nil {
			samples = append(samples, v)
		}
	}
	return samples
}

// connect does not wait for what is stopped.
func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return pgx.Connect(ctx, url)
}

// published is one row of an outbox.
type published struct {
	ID, Version       int64
	Event, Topic, Key string
	Pub               bool
	Data              []byte
}

// applied is one effect, as the witness saw it; the slice's order is theirs.
type applied struct{ Event, Topic, Key string }

// facts is all that can be seen of a suite from outside.
type facts struct {
	outbox  map[string][]published       // by owner, in order
	places  map[string]map[string]int64  // by consumer, the version up to which it has each topic's keys
	parked  map[string]int               // by consumer
	witness []applied                    // in order
	wire    []applied                    // what the broker holds, in order within a key
	copies  map[string]map[string]string // by "consumer of what", then by key
	origin  map[string]map[string]string // the same, as the owners have it
	found   objects                      // what the suite says of what was promised
}

// query runs sql in the database name and calls row for each of its rows.
func query(ctx context.Context, s *suite, name, sql string, into []any, row func() error) error {
	url, err := s.database(name)
	if err != nil {
		return err
	}
	conn, err := connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return err
	}
	if _, err = pgx.ForEachRow(rows, into, row); err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// events reads outboxes, what became of them at the consumers, and the witness.
func (s *suite) events(ctx context.Context) (*facts, error) {
	f := &facts{outbox: map[string][]published{}, places: map[string]map[string]int64{}, parked: map[string]int{}}
	for _, owner := range owners {
		var p published
		err := query(ctx, s, owner, `SELECT id, version, event::text, topic, key, pub, data FROM outbox ORDER BY id`,
			[]any{&p.ID, &p.Version, &p.Event, &p.Topic, &p.Key, &p.Pub, &p.Data},
			func() error { f.outbox[owner] = append(f.outbox[owner], p); p.Data = nil; return nil })
		if err != nil {
			return nil, err
		}
	}
	for name, subscribed := range services {
		if len(subscribed) == 0 {
			continue
		}
		places, at, last, parked := map[string]int64{}, "", int64(0), 0
		err := errors.Join(
			query(ctx, s, name, `SELECT topic || ' ' || key, last FROM progress`, []any{&at, &last}, func() error { places[at] = last; return nil }),
			query(ctx, s, name, `SELECT count(*) FROM parked`, []any{&parked}, func() error { f.parked[name] = parked; return nil }))
		if err != nil {
			return nil, err
		}
		f.places[name] = places
	}
	var a applied
	return f, query(ctx, s, witness, `SELECT event, topic, key FROM applied ORDER BY n`, []any{&a.Event, &a.Topic, &a.Key},
		func() error { f.witness = append(f.witness, a); return nil })
}

// events is how many there are in all outboxes.
func (f *facts) events() (n int) {
	for _, rows := range f.outbox {
		n += len(rows)
	}
	return n
}

// look drains the suite and reads all that is compared. A timer that rested after
// a fault may wake meanwhile: then what was read does not belong together, and is
// read again.
func (s *suite) look(ctx context.Context, who *people, promised objects, patience time.Duration) (*facts, error) {
	for {
		f, late := drain(ctx, s, patience)
		if late != nil && !errors.Is(late, errUndrained) {
			return nil, late
		}
		if err := errors.Join(s.wire(ctx, f), s.views(ctx, f), s.read(ctx, f, who, promised)); err != nil {
			return nil, err
		}
		after, err := s.events(ctx)
		if err != nil || late != nil || after.events() == f.events() {
			return f, errors.Join(err, late)
		}
	}
}

// wire reads the broker's log to its end.
func (s *suite) wire(ctx context.Context, f *facts) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute) // the long form writes much
	defer cancel()
	c, err := kgo.NewClient(kgo.SeedBrokers(s.seeds()...), kgo.ConsumeTopics(topics()...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer c.Close()
	for quiet := 0; quiet < 3; {
		got := poll(ctx, c)
		if ctx.Err() != nil {
			return fmt.Errorf("the broker's log: %w", ctx.Err())
		}
		if got.NumRecords() == 0 {
			quiet++
		}
		got.EachRecord(func(r *kgo.Record) {
			a := applied{Topic: r.Topic, Key: string(r.Key)}
			for _, h := range r.Headers {
				if h.Key == "id" {
					a.Event = string(h.Value)
				}
			}
			f.wire = append(f.wire, a)
		})
	}
	return nil
}

// poll fetches what comes within a second.
func poll(ctx context.Context, c *kgo.Client) kgo.Fetches {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return c.PollFetches(ctx)
}

// listedSQL is the list that an institution is on, as its owner has it.
const listedSQL = `coalesce((SELECT e.list FROM list_entries e WHERE e.institution_id = i.id AND e.state = 'PUBLISHED'), '')`

// projections are the copies that consumers keep, each with what the owner has.
// Both statements say key and value.
var projections = []struct{ consumer, of, copied, owner, original string }{
	{
		"portal", "institutions", `SELECT id, concat_ws('|', name, jurisdiction, address, category, item, kind, mode, status, status_since, licence_number, valid_from, valid_until, issued_by, uscc, legal_form, capacity, list) FROM institutions`,
		"licensing", `SELECT id::text, concat_ws('|', name, jurisdiction, address, category, item, kind, mode, status, status_since, licence_number, valid_from, valid_until, issued_by, uscc, legal_form, capacity, ` + listedSQL + `) FROM institutions i`,
	},
	{
		"escrow", "institutions", `SELECT id, concat_ws('|', name, jurisdiction, kind, category, item, status, valid_until, manager, list) FROM institutions`,
		"licensing", `SELECT id::text, concat_ws('|', name, jurisdiction, kind, category, item, status, valid_until, manager, ` + listedSQL + `) FROM institutions i`,
	},
	{
		"inspection", "institutions", `SELECT id, concat_ws('|', name, jurisdiction, address, category, item, status, manager, list) FROM institutions`,
		"licensing", `SELECT id::text, concat_ws('|', name, jurisdiction, address, category, item, status, manager, ` + listedSQL + `) FROM institutions i`,
	},
	{
		"tipoff", "institutions", `SELECT id, concat_ws('|', name, jurisdiction, address, status, licence_number) FROM institutions`,
		"licensing", `SELECT id::text, concat_ws('|', name, jurisdiction, address, status, licence_number) FROM institutions`,
	},
	{
		"inspection", "holds", `SELECT cause_id, concat_ws('|', institution_id, resumed) FROM holds`,
		"escrow", `SELECT cause_id, concat_ws('|', institution_id, until IS NOT NULL) FROM holds`,
	},
}

// views reads the copies and what they are of.
func (s *suite) views(ctx context.Context, f *facts) error {
	f.copies, f.origin = map[string]map[string]string{}, map[string]map[string]string{}
	var all error
	read := func(to map[string]map[string]string, what, database, sql string) {
		var key, value string
		to[what] = map[string]string{}
		all = errors.Join(all, query(ctx, s, database, sql, []any{&key, &value}, func() error { to[what][key] = value; return nil }))
	}
	for _, p := range projections {
		what := p.consumer + " 的 " + p.of
		read(f.copies, what, p.consumer, p.copied)
		read(f.origin, what, p.owner, p.original)
	}
	const tips = "inspection 的 tips"
	read(f.copies, tips, "inspection", `SELECT id, concat_ws('|', number, jurisdiction, state, category, summary, owner) FROM tips`)
	said, err := lastTips(f.outbox["tipoff"])
	f.origin[tips] = said
	return errors.Join(all, err)
}

// lastTips is what tipoff last said of each tip-off: not all that happens to one
// is anybody else's business. Every event of it has the tip-off as its first field.
func lastTips(outbox []published) (map[string]string, error) {
	last := map[string]string{}
	for _, p := range outbox {
		var e tipoffv1.TipReceived
		if err := proto.Unmarshal(p.Data, &e); err != nil {
			return nil, err
		}
		t := e.GetTip()
		last[t.GetId()] = strings.Join([]string{t.GetNumber(), t.GetJurisdiction(), t.GetState(), t.GetCategory(), t.GetSummary(), t.GetOwner()}, "|")
	}
	return last, nil
}

// read asks the suite for everything that was promised.
func (s *suite) read(ctx context.Context, f *facts, who *people, promised objects) error {
	f.found = objects{}
	for object := range promised {
		kind, name, _ := strings.Cut(object, " ")
		var err error
		switch kind {
		case "contract":
			err = readContract(ctx, f.found, who, object, name)
		case "tip":
			err = readTip(ctx, f.found, who, object, name)
		case "entry":
			err = readState(ctx, f.found, who.examiner, object, "licensing/v1/list-entries/"+name)
		case "wind":
			err = readState(ctx, f.found, who.examiner, object, "escrow/v1/wind-downs/"+name)
		case "visit":
			err = readVisit(ctx, f.found, who, object, name)
		case "task":
			err = readState(ctx, f.found, who.examiner, object, "inspection/v1/tasks/"+name)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", object, err)
		}
	}
	return s.marks(ctx, f.found)
}

// marks counts what writers marked: once each, not more.
func (s *suite) marks(ctx context.Context, found objects) error {
	var all error
	for _, m := range []struct{ database, sql, kind, what string }{
		{"escrow", `SELECT course, count(*) FROM contracts WHERE course LIKE 'chaos-%' GROUP BY 1`, "course ", "contracts"},
		{"escrow", `SELECT document_no, count(*) FROM freezes WHERE document_no LIKE '（演练）%' GROUP BY 1`, "order ", "freezes"},
		{"escrow", `SELECT document_no, count(*) FROM freezes WHERE document_no LIKE '（演练）%' AND until IS NOT NULL GROUP BY 1`, "order ", "lifted"},
		{"escrow", `SELECT id, count(*) FROM (SELECT coalesce(reverses, id)::text AS id FROM transfers WHERE kind = 'difference' OR reverses IN (SELECT id FROM transfers WHERE kind = 'difference')) t GROUP BY 1`, "voucher ", "transfers"},
		{"escrow", `SELECT reference, count(*) FROM staged JOIN bank_files f ON f.id = file WHERE reference LIKE 'chaos-%' GROUP BY 1`, "movements ", "rows"},
		{"tipoff", `SELECT text, count(*) FROM tips WHERE text LIKE '演练 chaos-%' GROUP BY 1`, "text ", "tips"},
		{"tipoff", `SELECT source_id, count(*) FROM tips WHERE channel = 'chaos' GROUP BY 1`, "source ", "tips"},
	} {
		var name string
		var n int
		all = errors.Join(all, query(ctx, s, m.database, m.sql, []any{&name, &n}, func() error {
			found.set(m.kind+name, m.what, strconv.Itoa(n))
			return nil
		}))
	}
	return all
}

func readState(ctx context.Context, found objects, p *person, object, url string) error {
	var got struct{ State string }
	if err := read(p.get(ctx, url), &got); err != nil {
		return err
	}
	found.set(object, "state", got.State)
	return nil
}

// read reads a into v; what does not exist leaves v as it is.
func read(a answer, v any) error {
	if a.status == http.StatusNotFound {
		return nil
	}
	return a.into(v)
}

func readContract(ctx context.Context, found objects, who *people, object, id string) error {
	var c struct {
		State    string
		Paid     int `json:"paid_fen"`
		Released int `json:"released_fen"`
		Refunded int `json:"refunded_fen"`
		Refunds  []struct{ ID, State string }

		Agreement struct{ Teacher string }
	}
	var lessons struct {
		Items []struct {
			N     int
			State string
			Day   string `json:"on_date"`
		}
	}
	url := "escrow/v1/contracts/" + id
	if err := errors.Join(read(who.examiner.get(ctx, url), &c), read(who.examiner.get(ctx, url+"/lessons"), &lessons)); err != nil {
		return err
	}
	found.set(object, "state", c.State)
	found.set(object, "paid", strconv.Itoa(c.Paid))
	found.set(object, "released", strconv.Itoa(c.Released))
	found.set(object, "refunded", strconv.Itoa(c.Refunded))
	found.set(object, "teacher", c.Agreement.Teacher)
	for _, r := range c.Refunds {
		found.set(object, "refund "+r.ID, r.State)
	}
	for _, l := range lessons.Items {
		found.set(object, fmt.Sprint("lesson ", l.N), l.State)
		found.set(object, fmt.Sprint("day ", l.N), l.Day)
	}
	return nil
}

func readTip(ctx context.Context, found objects, who *people, object, receipt string) error {
	number, code, _ := strings.Cut(receipt, " ")
	var t struct {
		State   string
		Answers []struct{ Text string }
		Photos  []tipPhoto
	}
	if err := read(who.public.asks(ctx, "tipoff/v1/tips/track", map[string]string{"number": number, "code": code}), &t); err != nil {
		return err
	}
	found.set(object, "state", t.State)
	found.set(object, "answers", strconv.Itoa(len(t.Answers)))
	found.set(object, "photos", strconv.Itoa(seenPhotos(ctx, who.public, number, code, t.Photos)))
	return nil
}
