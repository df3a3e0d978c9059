package tipoff

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/rule"
)

// AskReporter asks the reporter something, by way of the receipt.
type AskReporter struct {
	once.Key
	ID   string `path:"id" minLength:"1" maxLength:"36"`
	Text string `json:"text" minLength:"2" maxLength:"1000"`
}

// AskReporter stops the clocks until the reporter answers, or the owner goes on
// without.
func (s *Service) AskReporter(ctx context.Context, req AskReporter) (Done, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Done, error) {
		return s.act(ctx, tx, req.ID, "ask", func(t *Tip, _ flow.Step) (deed, error) {
			t.PausedOn = s.today()
			return deed{note: req.Text}, insertQuestion(ctx, tx, t.ID, req.Text, s.today())
		})
	})
}

// ResumeTip goes on without the reporter's answer.
type ResumeTip struct {
	once.Key
	ID     string `path:"id" minLength:"1" maxLength:"36"`
	Reason string `json:"reason" minLength:"2" maxLength:"500"`
}

// ResumeTip lets the clocks go on.
func (s *Service) ResumeTip(ctx context.Context, req ResumeTip) (Done, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Done, error) {
		return s.act(ctx, tx, req.ID, "resume", func(t *Tip, _ flow.Step) (deed, error) {
			return deed{note: req.Reason}, s.goOn(ctx, tx, t)
		})
	})
}

// ExtendTip asks for more time.
type ExtendTip struct {
	once.Key
	ID     string `path:"id" minLength:"1" maxLength:"36"`
	Reason string `json:"reason" minLength:"5" maxLength:"500"`
}

// ExtendTip extends the period for checking, or that of a petition, once. A second
// time, too late, or where no rule allows it, it is Refused.
func (s *Service) ExtendTip(ctx context.Context, req ExtendTip) (Done, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Done, error) {
		return s.act(ctx, tx, req.ID, "extend", func(t *Tip, _ flow.Step) (deed, error) {
			ground, err := s.extend(ctx, tx, t)
			t.Extended = true
			return deed{note: req.Reason, grounds: []fault.Ground{ground}}, err
		})
	})
}

func (s *Service) extend(ctx context.Context, tx pgx.Tx, t *Tip) (fault.Ground, error) {
	if t.Extended {
		return fault.Ground{}, fault.Refused.Errorf("期限只能延长一次")
	}
	cs, err := listClocks(ctx, tx, t.ID)
	if err != nil {
		return fault.Ground{}, err
	}
	for i := range cs {
		c := &cs[i]
		if by := extensions[c.Name]; by != "" && c.running() {
			return s.lengthen(ctx, tx, t, c, by)
		}
	}
	return fault.Ground{}, fault.Refused.Errorf("该事项的期限没有可以延长的规定")
}

// lengthen makes c longer by the rule named by, as in force where c began.
func (s *Service) lengthen(ctx context.Context, tx pgx.Tx, t *Tip, c *Clock, by string) (fault.Ground, error) {
	set, err := rule.InForce(ctx, tx, t.Jurisdiction, c.FromOn, by)
	if err != nil {
		return fault.Ground{}, err
	}
	ground := set[by].Ground(map[string]any{"was_due": c.Due.String(), "today": s.today().String()})
	switch {
	case s.today().After(c.Due):
		return ground, fault.Refused.Because("期限已于 "+c.Due.String()+" 届满，不能再延长", ground)
	case set[by].Unit != string(c.Unit):
		return ground, fault.Refused.Because("延长期限的单位与原期限不同", ground)
	}
	cal, err := rule.Calendar(ctx, tx)
	if err != nil {
		return ground, err
	}
	c.Extra = int(set[by].Int())
	if err := c.count(cal); err != nil {
		return ground, err
	}
	return ground, saveClock(ctx, tx, t.ID, c)
}

// AnswerTip is the owner's answer to the reporter.
type AnswerTip struct {
	once.Key
	ID   string `path:"id" minLength:"1" maxLength:"36"`
	Text string `json:"text" minLength:"5" maxLength:"4000"`
}

// AnswerTip answers the reporter, and those whose tip-offs were merged into this one.
func (s *Service) AnswerTip(ctx context.Context, req AnswerTip) (Done, error) {
	if err := faceless(map[string]string{"/text": req.Text}); err != nil {
		return Done{}, err
	}
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Done, error) {
		done, err := s.act(ctx, tx, req.ID, "answer", func(t *Tip, _ flow.Step) (deed, error) {
			t.AnsweredOn = s.today()
			_, err := insertAnswer(ctx, tx, t.ID, Answer{Text: req.Text, Office: who(ctx), GivenOn: s.today()})
			return deed{}, err
		})
		if err != nil {
			return Done{}, err
		}
		return done, s.answerMerged(ctx, tx, req)
	})
}

// answerMerged gives req's answer to what was merged into the tip-off, too; an
// owner does not see those.
func (s *Service) answerMerged(ctx context.Context, tx pgx.Tx, req AnswerTip) error {
	given := Answer{Text: req.Text, Office: who(ctx), GivenOn: s.today()}
	return asWorker(ctx, tx, "tipoff:answer", func() error {
		merged, err := lockBehind(ctx, tx, req.ID)
		for i := range merged {
			if t := &merged[i]; err == nil && t.ID != req.ID {
				err = s.answered(ctx, tx, t, given)
			}
		}
		return err
	})
}

// answered adds a to t by the system's own step and publishes that it is answered.
// A follow-up that was answered before adds nothing, but is said again: who asks
// twice has not heard.
func (s *Service) answered(ctx context.Context, tx pgx.Tx, t *Tip, a Answer) error {
	step, ok := own(t.State, "answer_result")
	fresh, err := insertAnswer(ctx, tx, t.ID, a)
	if err != nil {
		return err
	}
	if fresh && ok {
		if t.AnsweredOn.IsZero() {
			t.AnsweredOn = s.today()
		}
		if t.State == Waiting {
			if err := s.goOn(ctx, tx, t); err != nil {
				return err
			}
		}
		t.State = State(step.To)
		if err := s.meet(ctx, tx, t, step.Action); err != nil {
			return err
		}
		if err := saveTip(ctx, tx, t); err != nil {
			return err
		}
		if err := saveAudit(ctx, tx, s.Now(), deed{tip: t, step: step, note: a.FollowUpID}); err != nil {
			return err
		}
	}
	return event.Append(ctx, tx, Topic, t.ID, answeredFact(t, a))
}

// CloseTip ends a tip-off that was answered.
type CloseTip struct {
	once.Key
	ID   string `path:"id" minLength:"1" maxLength:"36"`
	Note string `json:"note,omitempty" maxLength:"500"`
}

// CloseTip closes the case. The receipt stays good.
func (s *Service) CloseTip(ctx context.Context, req CloseTip) (Done, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Done, error) {
		return s.act(ctx, tx, req.ID, "close", func(*Tip, flow.Step) (deed, error) { return deed{note: req.Note}, nil })
	})
}

// has reports whether c acts in role.
func has(c auth.Caller, role string) bool { return slices.Contains(c.Roles, role) }
