package escrow

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/due"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// LessonOf names a lesson by its address.
type LessonOf struct {
	Contract string `path:"id" maxLength:"64"`
	N        int    `path:"n" minimum:"1" maximum:"2000" description:"its place in the schedule"`
}

// TeachLesson is the institution's word that a lesson was given.
type TeachLesson struct {
	once.Key
	LessonOf
	TaughtOn day.Date `json:"taught_on,omitzero" description:"today if absent; lessons may be given out of order"`
}

// TeachLesson asks the parent to confirm, by a day that the rulebook gives.
func (s *Service) TeachLesson(ctx context.Context, req TeachLesson) (LessonView, error) {
	return once.Do(ctx, s.DB, req, s.onLesson(ctx, req.LessonOf, "taught", func(tx pgx.Tx, b basket, l *Lesson) error {
		on := req.TaughtOn
		if on.IsZero() {
			on = s.today()
		}
		if err := l.teach(on, s.today()); err != nil {
			return err
		}
		if covered, err := isPaidFor(ctx, tx, b.own, l.N); err != nil {
			return err
		} else if !covered {
			return fault.Conflict.Errorf("第 %d 课时尚未付款，请家长先支付下一期", l.N)
		}
		words, err := s.askToConfirm(ctx, tx, b.own, l)
		if err != nil {
			return err
		}
		if err := s.saveStep(ctx, tx, b.own, *l, "taught", words); err != nil {
			return err
		}
		return s.review(ctx, tx, b, fmt.Sprintf("第 %d 课时已上课", l.N))
	}))
}

// askToConfirm sets the last day for the parent's answer, if silence means
// anything in c's jurisdiction, and returns it in words. Where a week or a month is
// confirmed at a time, the days count from its end.
func (s *Service) askToConfirm(ctx context.Context, tx pgx.Tx, c *Contract, l *Lesson) (string, error) {
	rules, err := rule.InForce(ctx, tx, c.Jurisdiction, s.today(), autoConfirm, onSilence)
	if err != nil {
		return "", err
	}
	l.ConfirmBy, l.Provisional = day.Date{}, false
	a, err := findAgreement(ctx, tx, c)
	if err != nil {
		return "", err
	}
	if !silenceConfirms(rules) {
		return fmt.Sprintf("第 %d 课时已于 %s 授课，待家长确认（当地规定：未经家长确认不拨付）", l.N, l.TaughtOn), nil
	}
	last, err := rule.Due(ctx, tx, rules[autoConfirm], a.cycleEnd(s.today()))
	l.ConfirmBy, l.Provisional = last.On, last.Provisional
	return fmt.Sprintf("第 %d 课时已于 %s 授课，请家长在 %s 前确认", l.N, l.TaughtOn, last.On), err
}

// silenceConfirms reports whether a lesson confirms itself when nobody answers.
func silenceConfirms(rules rule.Set) bool {
	return rules[onSilence].Text() == "confirms" && string(rules[autoConfirm].Value) != "null"
}

// MakeUpLesson moves a lesson that was not given to another day.
type MakeUpLesson struct {
	once.Key
	LessonOf
	OnDate day.Date `json:"on_date" description:"today at the earliest"`
	Reason string   `json:"reason" minLength:"1" maxLength:"200"`
}

// MakeUpLesson writes the new day on the schedule, and the old one in the history. A
// schedule that becomes too long by it is flagged.
func (s *Service) MakeUpLesson(ctx context.Context, req MakeUpLesson) (LessonView, error) {
	return once.Do(ctx, s.DB, req, s.onLesson(ctx, req.LessonOf, "make_up", func(tx pgx.Tx, b basket, l *Lesson) error {
		if req.OnDate.Before(s.today()) {
			return fault.Fields(fault.Field{Pointer: "/on_date", Detail: "不得早于今天 " + s.today().String()})
		}
		words := fmt.Sprintf("第 %d 课时由 %s 改到 %s 上课：%s", l.N, l.OnDate, req.OnDate, req.Reason)
		l.OnDate = req.OnDate
		if err := saveMoved(ctx, tx, b.own, *l); err != nil {
			return err
		}
		if err := s.note(ctx, tx, b.own, byInstitution, auth.From(ctx).Subject, "make_up", words); err != nil {
			return err
		}
		return s.judge(ctx, tx, b, words)
	}))
}

// ConfirmCycle is a parent's word on all lessons of a contract that were taught by a
// day: a week's, or a month's.
type ConfirmCycle struct {
	once.Key
	Contract string   `path:"id" maxLength:"64"`
	Until    day.Date `json:"until"`
}

// ConfirmCycle confirms each of them, as ConfirmLessons would. Conflict if none waits.
func (s *Service) ConfirmCycle(ctx context.Context, req ConfirmCycle) (ConfirmedLessons, error) {
	lessons, err := pg.InTx(ctx, s.DB, func(tx pgx.Tx) ([]lessonAt, error) {
		row, err := findContract(ctx, tx, req.Contract)
		if err != nil {
			return nil, err
		}
		return listTaught(ctx, tx, &row.Contract, req.Until)
	})
	if err != nil {
		return ConfirmedLessons{}, err
	}
	return confirm(ctx, s, req, lessons, func(all []outcome) (ConfirmedLessons, error) {
		if len(all) == 0 {
			return ConfirmedLessons{}, fault.Conflict.Errorf("到 %s 为止没有待确认的课时", req.Until)
		}
		return ConfirmedLessons{views(all, outcome.row)}, nil
	})
}

// ChangeTeacher is the institution's notice of another teacher.
type ChangeTeacher struct {
	once.Key
	Contract string `path:"id" maxLength:"64"`
	Teacher  string `json:"teacher" minLength:"1" maxLength:"40"`
	Reason   string `json:"reason" minLength:"1" maxLength:"200"`
}

// ChangeTeacher notes who teaches from now on. A parent who does not agree may end the
// contract as by the operator's fault.
func (s *Service) ChangeTeacher(ctx context.Context, req ChangeTeacher) (ContractView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (ContractView, error) {
		by := auth.From(ctx)
		b, err := lockBasket(ctx, tx, req.Contract)
		if err != nil {
			return ContractView{}, err
		}
		if err := b.own.take("teacher", by); err != nil {
			return ContractView{}, err
		}
		was, err := saveTeacher(ctx, tx, b.own, req.Teacher)
		if err != nil {
			return ContractView{}, err
		}
		words := fmt.Sprintf("教师由%s更换为%s：%s", orNone(was), req.Teacher, req.Reason)
		if err := s.note(ctx, tx, b.own, byInstitution, by.Subject, "teacher", words); err != nil {
			return ContractView{}, err
		}
		return s.show(ctx, tx, b.own.ID)
	})
}

// orNone is a teacher's name for people.
func orNone(name string) string {
	if name == "" {
		return "（合同未约定）"
	}
	return name
}

// DisputeLesson is a parent's word that a lesson was not given as agreed.
type DisputeLesson struct {
	once.Key
	LessonOf
	Reason string `json:"reason" minLength:"1" maxLength:"200" description:"seen by the two parties"`
}

// DisputeLesson holds that lesson's money, and no other, until the institution
// withdraws or the parent confirms.
func (s *Service) DisputeLesson(ctx context.Context, req DisputeLesson) (LessonView, error) {
	return once.Do(ctx, s.DB, req, s.onLesson(ctx, req.LessonOf, "dispute", func(tx pgx.Tx, b basket, l *Lesson) error {
		l.Reason, l.ConfirmBy, l.Provisional = req.Reason, day.Date{}, false
		words := fmt.Sprintf("家长对第 %d 课时提出异议，该课时费用 %s 暂不拨付", l.N, l.Fee.Yuan())
		if err := s.saveStep(ctx, tx, b.own, *l, "dispute", words); err != nil {
			return err
		}
		return event.Append(ctx, tx, ContractTopic, b.own.ID, lessonDisputed(b.own, *l))
	}))
}

// WithdrawLesson takes back the institution's word that a lesson was given.
type WithdrawLesson struct {
	once.Key
	LessonOf
	Reason string `json:"reason" minLength:"1" maxLength:"200" description:"seen by the two parties"`
}

// WithdrawLesson puts a disputed lesson back on the schedule.
func (s *Service) WithdrawLesson(ctx context.Context, req WithdrawLesson) (LessonView, error) {
	return once.Do(ctx, s.DB, req, s.onLesson(ctx, req.LessonOf, "withdraw", func(tx pgx.Tx, b basket, l *Lesson) error {
		l.TaughtOn, l.AskedOn, l.Reason = day.Date{}, day.Date{}, req.Reason
		if err := s.saveStep(ctx, tx, b.own, *l, "withdraw", fmt.Sprintf("机构撤回第 %d 课时的授课登记", l.N)); err != nil {
			return err
		}
		return s.judge(ctx, tx, b, fmt.Sprintf("第 %d 课时重新排课", l.N)) // there is more ahead again
	}))
}

// onLesson is the transaction that takes a lesson one step by act, which saves it.
func (s *Service) onLesson(ctx context.Context, at LessonOf, action string, act func(pgx.Tx, basket, *Lesson) error) func(pgx.Tx) (LessonView, error) {
	return func(tx pgx.Tx) (LessonView, error) {
		by := auth.From(ctx)
		b, l, err := lockLesson(ctx, tx, at.Contract, at.N)
		if err != nil {
			return LessonView{}, err
		}
		if err := b.own.party(by); err != nil {
			return LessonView{}, err
		}
		if b.own.State != paid {
			return LessonView{}, fault.Conflict.Errorf("合同%s，不能办理课时", contractStates[b.own.State])
		}
		step, err := lessonFlow.Step(l.State, action, by)
		if err != nil {
			return LessonView{}, err
		}
		winding, err := windingOf(ctx, tx, b.own.InstitutionID)
		if err == nil && !heard(action) {
			err = frozen(winding)
		}
		if err != nil {
			return LessonView{}, err
		}
		l.State = step.To
		if err := act(tx, b, &l); err != nil {
			return LessonView{}, err
		}
		return s.lesson(b.own, l, b.own.sightOf(by, winding)), nil
	}
}

func (s *Service) saveStep(ctx context.Context, tx pgx.Tx, c *Contract, l Lesson, action, words string) error {
	if err := saveLesson(ctx, tx, c, l); err != nil {
		return err
	}
	by := auth.From(ctx)
	return s.note(ctx, tx, c, c.actor(by), by.Subject, action, words)
}

// heard reports whether action is a parent's word on a lesson that was given, or was not:
// that is heard to the end.
func heard(action string) bool {
	return action == "confirm" || action == "dispute" || action == "object"
}

// lesson is l of c as who has sight sees it.
func (s *Service) lesson(c *Contract, l Lesson, sees sight) LessonView {
	v := l.view(c.ID)
	if sees.party {
		v.Reason = l.Reason
	}
	if c.State == paid || c.State == finished {
		v.Actions = withFields(lessonFlow.Actions(l.State, "/v1/contracts/"+c.ID+"/lessons/"+strconv.Itoa(l.N), sees.caller))
	}
	v.Actions = slices.DeleteFunc(v.Actions, func(a flow.Action) bool {
		return a.Action == "object" && l.objectionable(s.today()) != nil || !heard(a.Action) && frozen(sees.winding) != nil
	})
	return v
}

// ListLessons asks for a contract's schedule.
type ListLessons struct {
	Contract string `path:"id" maxLength:"64"`
	Page     int    `query:"page" minimum:"1" maximum:"100"`
}

// Lessons is a page of a schedule.
type Lessons struct {
	Items []LessonView `json:"items"`
	Page  int          `json:"page"`
	More  bool         `json:"more"`
}

// ListLessons returns the schedule of a contract in the caller's scope.
func (s *Service) ListLessons(ctx context.Context, req ListLessons) (Lessons, error) {
	by, page := auth.From(ctx), max(req.Page, 1)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Lessons, error) {
		row, err := findContract(ctx, tx, req.Contract)
		if err != nil {
			return Lessons{}, err
		}
		all, err := pageLessons(ctx, tx, &row.Contract, page)
		if err != nil {
			return Lessons{}, err
		}
		all, more := cut(all)
		return Lessons{views(all, func(l Lesson) LessonView { return s.lesson(&row.Contract, l, row.sightOf(by, row.Winding)) }), page, more}, nil
	})
}

// Timers are the periods that end by themselves, and what is worked off piece by
// piece.
func (s *Service) Timers() []due.Timer {
	return []due.Timer{
		{Name: "lesson.silence", Apply: s.confirmBySilence, Next: func(ctx context.Context, tx pgx.Tx, today day.Date) (string, error) {
			contract, n, err := nextSilent(ctx, tx, today)
			return fmt.Sprintf("%s/%d", contract, n), err
		}},
		{Name: "refund.silence", Apply: s.agreeBySilence, Next: nextUnanswered},
		{Name: "payback.retry", Apply: s.retryByTime, Next: nextRetry},
		{Name: "refund.resume", Apply: s.payKept, Next: func(ctx context.Context, tx pgx.Tx, _ day.Date) (string, error) {
			return nextKept(ctx, tx)
		}},
		{Name: "payouts.resume", Apply: s.payWaiting, Next: func(ctx context.Context, tx pgx.Tx, _ day.Date) (string, error) {
			return nextWaiting(ctx, tx)
		}},
		{Name: "bank.day", Apply: s.expectFiles, Next: nextToExpect},
		{Name: "bank.late", Apply: s.lateFile, Next: nextLate},
		{Name: "bank.settle", Apply: s.settle, Next: nextToSettle},
		{Name: "bank.reconcile", Apply: s.reconcile, Next: nextToReconcile, AtOnce: reconcileAtOnce},
		{Name: "wind_down.draw", Apply: s.draw, Next: nextToDraw},
		{Name: "wind_down.hear", Apply: s.hear, Next: nextToHear},
		{Name: "wind_down.close", Apply: s.closeChoices, Next: nextToClose},
		{Name: "wind_down.pay", Apply: s.payFamily, Next: nextToPay},
		{Name: "wind_down.finish", Apply: s.finishWindDown, Next: nextToFinish},
		{Name: splitTimer, Apply: s.reviewSplit, Next: nextSplitReview},
		{Name: "republish", Apply: s.republish, Next: func(ctx context.Context, tx pgx.Tx, _ day.Date) (string, error) {
			return nextRepublication(ctx, tx)
		}},
		{Name: watchTimer, Apply: s.watch, Next: nextRun},
	}
}

// silent is in words why nobody's word counts as a yes.
func silent(who string, r rule.Rule) string {
	unit := map[string]string{"working_day": "个工作日", "calendar_day": "日"}[r.Unit]
	return fmt.Sprintf("系统：%s %d %s未答复，依 %s（第 %d 版，%s）", who, r.Int(), unit, r.Key, r.Version, r.Source)
}

// bySystemStep takes a step that no person may take.
func bySystemStep(m flow.Machine, state, action string) (string, error) {
	for _, s := range m.Steps {
		if s.From == state && s.Action == action && len(s.Roles) == 0 {
			return s.To, nil
		}
	}
	return "", fault.Conflict.Errorf("%s当前状态为 %s，不能进行 %s", m.Name, state, action)
}
