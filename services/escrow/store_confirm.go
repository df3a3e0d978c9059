package escrow

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/event"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// lockFreeSQL locks those of several contracts that nobody else has locked, and
// whose flags need not be judged, and in share their institutions' payouts. It
// waits for nobody.
const lockFreeSQL = `SELECT ` + contractColumns + ` FROM contracts c
	WHERE c.id = ANY ($1) AND NOT c.watched AND pg_try_advisory_xact_lock_shared(payouts_lock(c.institution_id))
	ORDER BY c.id FOR UPDATE OF c SKIP LOCKED`

// selectLessons is for after the lock: it sees what was committed before. OFFSET 0 has
// each lesson looked up by all of its key, not among all of its contract's.
const selectLessons = `SELECT l.contract_id, l.institution_id, ` + lessonColumns + `,
		EXISTS (SELECT FROM payouts p WHERE p.institution_id = l.institution_id AND p.held_since IS NOT NULL) AS held
	FROM (SELECT c.institution_id, c.id, x.n FROM unnest($1::text[], $2::int[]) AS x (contract_id, n) JOIN contracts c ON c.id = x.contract_id OFFSET 0) y
		JOIN lessons l ON l.institution_id = y.institution_id AND l.contract_id = y.id AND l.n = y.n`

// placedLesson is a lesson, where it is, and whether its institution's payouts are held.
type placedLesson struct {
	ContractID    string
	InstitutionID string
	Lesson
	Held bool
}

// byIndexSQL has what follows in the transaction run by plans that are made once and
// find everything by index: to plan a group's statements takes longer than to run
// them, and statistics may be older than the tables.
const byIndexSQL = `SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
	set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`

// readGroup recalls what the group was answered before, and locks and reads what
// it is about, in one round trip. It may run again.
func readGroup(ctx context.Context, tx pgx.Tx, group []*confirming, patient bool) (reading, error) {
	var b pgx.Batch
	var calls []*once.Call
	var lessons []lessonAt
	for _, c := range group {
		c.err, c.left, c.call.Err, c.call.Answer = nil, false, nil, nil
		calls, lessons = append(calls, c.call), append(lessons, c.lessons...)
	}
	b.Queue(byIndexSQL)
	once.Recall(&b, calls)
	r := queueReading(&b, lessons, patient)
	return r, tx.SendBatch(ctx, &b).Close()
}

// readLessons locks and reads lessons.
func readLessons(ctx context.Context, tx pgx.Tx, lessons []lessonAt, patient bool) (reading, error) {
	var b pgx.Batch
	r := queueReading(&b, lessons, patient)
	return r, tx.SendBatch(ctx, &b).Close()
}

// queueReading queues on b what fills the reading that it returns. With patience it
// is of everything there is, whole baskets; without, of what is free.
func queueReading(b *pgx.Batch, lessons []lessonAt, patient bool) reading {
	r := reading{contracts: map[string]*Contract{}, lessons: map[lessonAt]*Lesson{}, held: map[string]bool{}}
	ids, ns := make([]string, len(lessons)), make([]int, len(lessons))
	for i, at := range lessons {
		ids[i], ns[i] = at.contract, at.n
	}
	lock := lockFreeSQL
	if patient {
		lock = lockSQL
	}
	b.Queue(lock, ids).Query(func(rows pgx.Rows) error {
		all, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Contract])
		for _, c := range all {
			r.contracts[c.ID] = c
		}
		return err
	})
	b.Queue(selectLessons, ids, ns).Query(func(rows pgx.Rows) error {
		all, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[placedLesson])
		for _, l := range all {
			if r.contracts[l.ContractID] != nil {
				r.lessons[lessonAt{l.ContractID, l.N}], r.held[l.InstitutionID] = &l.Lesson, l.Held
			}
		}
		return err
	})
	return r
}

const (
	saveLessonsSQL = `UPDATE lessons l SET state = $4, confirmed_on = $5, reason = '', by_silence = x.by_silence, waits = x.waits
		FROM unnest($1::text[], $2::text[], $3::int[], $6::bool[], $7::bool[]) AS x (institution_id, contract_id, n, by_silence, waits)
		WHERE l.institution_id = x.institution_id AND l.contract_id = x.contract_id AND l.n = x.n`
	saveContractsSQL = `UPDATE contracts c SET state = x.state, released = x.released, open = x.open
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[]) AS x (institution_id, id, state, released, open)
		WHERE c.institution_id = x.institution_id AND c.id = x.id`
	saveEntriesSQL = `INSERT INTO timeline (institution_id, contract_id, at, actor, account, action, summary)
		SELECT institution_id, contract_id, at, actor, account, action, summary
		FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[]) WITH ORDINALITY
			AS x (institution_id, contract_id, at, actor, account, action, summary, n) ORDER BY n`
)

// write writes all that w changes, in one round trip: each table with one
// statement, however many lessons there are. If nothing is to follow, it commits.
func (w *confirmations) write(ctx context.Context, tx pgx.Tx, last bool) error {
	var b pgx.Batch
	if len(w.rows) > 0 {
		w.queueLessons(&b)
		w.queueContracts(&b)
		w.queueEntries(&b)
		if err := w.queueTransfers(&b); err != nil {
			return err
		}
		event.AppendAll(&b, ContractTopic, w.facts)
	}
	if len(w.calls) > 0 {
		once.Keep(&b, w.calls, w.answers)
	}
	if last {
		return pg.Finish(ctx, tx, &b)
	}
	return tx.SendBatch(ctx, &b).Close()
}

func (w *confirmations) queueLessons(b *pgx.Batch) {
	var institutions, contracts []string
	var ns []int
	var silences, waits []bool
	for _, r := range w.rows {
		institutions, contracts, ns = append(institutions, r.contract.InstitutionID), append(contracts, r.contract.ID), append(ns, r.lesson.N)
		silences, waits = append(silences, r.lesson.BySilence), append(waits, r.lesson.Waits)
	}
	first := w.rows[0].lesson // all are confirmed, on the same day
	b.Queue(saveLessonsSQL, institutions, contracts, ns, first.State, first.ConfirmedOn, silences, waits)
}

func (w *confirmations) queueContracts(b *pgx.Batch) {
	var institutions, ids, states []string
	var released []Fen
	var open []int
	saved := map[*Contract]bool{}
	for _, r := range w.rows {
		if c := r.contract; !saved[c] {
			saved[c] = true
			institutions, ids, states = append(institutions, c.InstitutionID), append(ids, c.ID), append(states, c.State)
			released, open = append(released, c.Released), append(open, c.Open)
		}
	}
	b.Queue(saveContractsSQL, institutions, ids, states, released, open)
}

func (w *confirmations) queueEntries(b *pgx.Batch) {
	var institutions, contracts, actors, accounts, actions, summaries []string
	var times []time.Time
	for _, r := range w.rows {
		institutions, contracts, times = append(institutions, r.contract.InstitutionID), append(contracts, r.contract.ID), append(times, r.entry.at)
		actors, accounts = append(actors, r.entry.by), append(accounts, r.entry.account)
		actions, summaries = append(actions, r.entry.action), append(summaries, r.entry.summary)
	}
	b.Queue(saveEntriesSQL, institutions, contracts, times, actors, accounts, actions, summaries)
}

func (w *confirmations) queueTransfers(b *pgx.Batch) error {
	var booked []transfer
	for _, r := range w.rows {
		if r.lesson.Fee > 0 {
			booked = append(booked, r.contract.post(*r.lesson, r.entry.at))
		}
	}
	if booked == nil {
		return nil
	}
	args, err := postArgs(booked)
	if err == nil {
		b.Queue(postSQL, args...)
	}
	return err
}
