package escrow

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"xunguan/pkg/auth"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// ConfirmLesson is a parent's word that a lesson was given.
type ConfirmLesson struct {
	once.Key
	LessonOf
}

// ConfirmLesson releases the lesson's fee to the institution; while payouts of the
// institution are held, it notes that the fee waits. A lesson that was confirmed
// before, under any key, gets the same answer and no second release.
func (s *Service) ConfirmLesson(ctx context.Context, req ConfirmLesson) (LessonView, error) {
	return confirm(ctx, s, req, []lessonAt{{req.Contract, req.N}}, func(all []outcome) (LessonView, error) { return all[0].view, all[0].err })
}

// ConfirmLessons is a parent's word on several lessons, of one contract or of
// several: a week's, say.
type ConfirmLessons struct {
	once.Key
	Lessons []LessonRef `json:"lessons" minItems:"1" maxItems:"100"`
}

// LessonRef names a lesson.
type LessonRef struct {
	Contract string `json:"contract" minLength:"1" maxLength:"64"`
	N        int    `json:"n" minimum:"1" maximum:"2000" description:"its place in the schedule"`
}

// ConfirmedLessons is what became of each lesson, in the order of the request.
type ConfirmedLessons struct {
	Items []ConfirmedLesson `json:"items"`
}

// ConfirmedLesson is a lesson that is confirmed, or why it is not.
type ConfirmedLesson struct {
	Lesson  *LessonView    `json:"lesson,omitempty"`
	Problem *fault.Problem `json:"problem,omitempty" description:"absent if it is confirmed"`
}

// ConfirmLessons confirms each lesson that can be confirmed, as ConfirmLesson
// would; one that cannot keeps no other back.
func (s *Service) ConfirmLessons(ctx context.Context, req ConfirmLessons) (ConfirmedLessons, error) {
	lessons := make([]lessonAt, len(req.Lessons))
	for i, l := range req.Lessons {
		lessons[i] = lessonAt{l.Contract, l.N}
	}
	return confirm(ctx, s, req, lessons, func(all []outcome) (ConfirmedLessons, error) {
		return ConfirmedLessons{views(all, outcome.row)}, nil
	})
}

// confirm confirms lessons for ctx's caller, together with what others confirm at
// the same time, and makes the answer of what became of each; an error refuses req.
func confirm[Resp any](ctx context.Context, s *Service, req once.Keyed, lessons []lessonAt, answer func([]outcome) (Resp, error)) (resp Resp, err error) {
	call, err := once.NewCall(ctx, req)
	if err != nil {
		return resp, err
	}
	c := &confirming{ctx: ctx, by: auth.From(ctx), call: call, lessons: lessons, done: make(chan struct{})}
	c.say = func(all []outcome) (data []byte, err error) {
		if resp, err = answer(all); err != nil {
			return nil, err
		}
		return json.Marshal(resp)
	}
	if err := s.confirming.do(ctx, c, s.confirmGroup); err != nil {
		var zero Resp
		return zero, err
	}
	if call.Answer != nil {
		err = json.Unmarshal(call.Answer, &resp)
	}
	return resp, err
}

// confirmGroup confirms for a group. Who cannot be served without waiting for
// somebody else's lock, and everybody if the group as a whole fails, is served
// alone, so that nobody is kept back or refused for another's sake.
func (s *Service) confirmGroup(group []*confirming) {
	left, err := s.confirmTogether(group, false)
	if err != nil {
		left = group
	}
	for _, c := range group {
		if !c.left && err == nil {
			close(c.done)
		}
	}
	for _, c := range left {
		go func() {
			if _, err := s.confirmTogether([]*confirming{c}, true); err != nil {
				c.err = err
			}
			close(c.done)
		}()
	}
}

// groupLimit is how long a group may take, whoever still waits for it.
const groupLimit = 4 * time.Second

// confirmTogether confirms for a group in one transaction, and returns who was left
// out of it: if it is not patient, those with a contract that somebody else has
// locked, or whose flags are to be judged anew. It runs as a worker; whose contract
// it is, seen asks.
func (s *Service) confirmTogether(group []*confirming, patient bool) (left []*confirming, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(group[0].ctx), groupLimit)
	defer cancel()
	defer func() { // nobody above us would
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	links := make([]trace.Link, len(group))
	for i, c := range group {
		links[i] = trace.LinkFromContext(c.ctx)
	}
	ctx, span := otel.Tracer("xunguan/services/escrow").Start(ctx, "confirm together", trace.WithLinks(links...))
	defer span.End()
	return pg.InTx(pg.Worker(ctx, "confirm"), s.DB, func(tx pgx.Tx) ([]*confirming, error) {
		read, err := readGroup(ctx, tx, group, patient)
		if err != nil {
			return nil, err
		}
		var left []*confirming
		written := confirmations{service: s, reading: read, at: s.Now(), alone: true}
		for _, c := range group {
			switch {
			case c.call.Err != nil || c.call.Answer != nil:
				c.err = c.call.Err
			case !patient && !read.all(c.lessons):
				c.left, left = true, append(left, c)
			default:
				if err := written.confirm(c); err != nil {
					return nil, err
				}
			}
		}
		if err := written.save(ctx, tx); err != nil {
			return nil, err
		}
		return left, nil
	})
}

// confirmBySilence confirms the lesson id, contract/n, that nobody answered for.
// Whoever answered between Next and the lock was in time.
func (s *Service) confirmBySilence(ctx context.Context, tx pgx.Tx, id string) error {
	contract, n, _ := strings.Cut(id, "/")
	nth, err := strconv.Atoi(n)
	if err != nil {
		return err
	}
	at := lessonAt{contract, nth}
	read, err := readLessons(ctx, tx, []lessonAt{at}, true)
	if err != nil {
		return err
	}
	c, l := read.contracts[contract], read.lessons[at]
	if c == nil || l == nil || l.State != taught || l.ConfirmBy.IsZero() || !s.today().After(l.ConfirmBy) {
		return nil
	}
	rules, err := rule.InForce(ctx, tx, c.Jurisdiction, l.AskedOn, autoConfirm)
	if err != nil {
		return err
	}
	state, err := bySystemStep(lessonFlow, l.State, "confirm_by_silence")
	if err != nil {
		return err
	}
	l.confirm(state, read.held[c.InstitutionID], s.today())
	l.BySilence = true
	written := confirmations{service: s, reading: read, at: s.Now()}
	words := fmt.Sprintf("%s自动确认第 %d 课时，%s", silent("家长", rules[autoConfirm]), l.N, l.payout())
	if err := written.add(ctx, c, l, entry{written.at, bySystem, "", "confirm_by_silence", words}); err != nil {
		return err
	}
	if err := written.save(ctx, tx); err != nil {
		return err
	}
	return s.allowObjection(ctx, tx, c, l)
}

// confirming is one caller's request to confirm lessons.
type confirming struct {
	ctx     context.Context //nolint:containedctx // the caller's, for its trace
	by      auth.Caller
	call    *once.Call
	lessons []lessonAt
	say     func([]outcome) ([]byte, error) // the answer to keep, or why there is none

	taken bool // by a group; under the groups' lock
	left  bool // by its group
	err   error
	done  chan struct{} // closed when err, or the answer, is final
}

// lessonAt is a lesson's place.
type lessonAt struct {
	contract string
	n        int
}

// outcome is what became of one lesson.
type outcome struct {
	view LessonView
	err  error
}

func (o outcome) row() ConfirmedLesson {
	if o.err != nil {
		p := fault.ProblemOf(o.err)
		return ConfirmedLesson{Problem: &p}
	}
	return ConfirmedLesson{Lesson: &o.view}
}

// reading is what was locked and read for a group.
type reading struct {
	contracts map[string]*Contract
	lessons   map[lessonAt]*Lesson
	held      map[string]bool // whether an institution's payouts are
}

// all reports whether the contracts of lessons were read.
func (r reading) all(lessons []lessonAt) bool {
	for _, at := range lessons {
		if r.contracts[at.contract] == nil {
			return false
		}
	}
	return true
}

// confirmations is what a transaction confirms, gathered to be written together.
type confirmations struct {
	service *Service
	reading
	at    time.Time
	alone bool // the transaction has nothing else to do

	rows    []confirmation
	facts   []event.Fact
	calls   []*once.Call
	answers [][]byte
}

// confirmation is one lesson that is confirmed, and its line in the history.
type confirmation struct {
	contract *Contract
	lesson   *Lesson
	entry    entry
}

// confirm confirms c's lessons and keeps its answer. An error is not c's, but the
// transaction's.
func (w *confirmations) confirm(c *confirming) error {
	all := make([]outcome, len(c.lessons))
	for i, at := range c.lessons {
		view, err := w.one(c, at)
		if err != nil && fault.KindOf(err) == fault.Internal {
			return err
		}
		all[i] = outcome{view, err}
	}
	answer, err := c.say(all)
	if c.err = err; err == nil {
		w.calls, w.answers = append(w.calls, c.call), append(w.answers, answer)
	}
	return nil
}

// one confirms the lesson at a place.
func (w *confirmations) one(c *confirming, at lessonAt) (LessonView, error) {
	contract, lesson := w.contracts[at.contract], w.lessons[at]
	switch {
	case contract == nil || !contract.seen(c.by):
		return LessonView{}, fault.NotFound.Errorf("合同不存在")
	case lesson == nil:
		return LessonView{}, fault.NotFound.Errorf("课时不存在")
	case lesson.State == confirmed && c.by.Subject == contract.Parent: // it was said before
		return w.service.lesson(contract, *lesson, contract.sightOf(c.by, "")), nil
	}
	step, err := lessonFlow.Step(lesson.State, "confirm", c.by)
	if err != nil {
		return LessonView{}, err
	}
	lesson.confirm(step.To, w.held[contract.InstitutionID], w.service.today())
	words := fmt.Sprintf("第 %d 课时已确认，%s", lesson.N, lesson.payout())
	err = w.add(c.ctx, contract, lesson, entry{w.at, byParent, c.by.Subject, "confirm", words})
	return w.service.lesson(contract, *lesson, contract.sightOf(c.by, "")), err
}

// seen is the second wall in Go, for a transaction that has several callers: a
// person sees a contract of theirs.
func (c *Contract) seen(by auth.Caller) bool {
	return by.Agency == "" && by.Subject != "" && (by.Subject == c.Parent || by.Subject == c.Manager)
}

// add books l, which is confirmed, to c and notes what is to be told of it.
func (w *confirmations) add(ctx context.Context, c *Contract, l *Lesson, e entry) error {
	c.close(1)
	if !l.Waits {
		if err := c.release(l.Fee); err != nil {
			return err
		}
	}
	fact, err := event.NewFact(ctx, c.ID, lessonConfirmed(c, *l))
	w.facts = append(w.facts, fact)
	if err == nil && l.Fee > 0 && !l.Waits {
		fact, err = event.NewFact(ctx, c.ID, fundsReleased(c, *l))
		w.facts = append(w.facts, fact)
	}
	w.rows = append(w.rows, confirmation{c, l, e})
	return err
}

// save writes all of it, and judges anew the baskets that have an open flag.
func (w *confirmations) save(ctx context.Context, tx pgx.Tx) error {
	if len(w.calls) == 0 && len(w.rows) == 0 {
		return nil
	}
	watched := func(r confirmation) bool { return r.contract.Watched }
	if err := w.write(ctx, tx, w.alone && !slices.ContainsFunc(w.rows, watched)); err != nil {
		return err
	}
	for _, r := range w.rows {
		if !watched(r) {
			continue
		}
		b := basket{own: r.contract}
		for _, c := range w.contracts {
			if c.InstitutionID == b.own.InstitutionID && c.Basket == b.own.Basket {
				b.all = append(b.all, c)
			}
		}
		if err := w.service.review(ctx, tx, b, fmt.Sprintf("第 %d 课时已确认，%s", r.lesson.N, r.lesson.payout())); err != nil {
			return err
		}
	}
	return nil
}
