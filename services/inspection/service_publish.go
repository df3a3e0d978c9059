package inspection

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/division"
	"xunguan/pkg/event"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	inspectionv1 "xunguan/proto/inspection/v1"
)

// PublishTask makes the result of a task public.
type PublishTask struct {
	once.Key
	ID        string `path:"id" maxLength:"64"`
	Statement string `json:"statement,omitempty" maxLength:"1000" description:"added to the result; the public and those who tipped off read it"`
}

// PublishTask publishes what came of a task: from then on each agency reads the
// others' parts, and whoever tipped off gets an answer.
func (s *Service) PublishTask(ctx context.Context, req PublishTask) (TaskView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (TaskView, error) {
		t, err := s.led(ctx, tx, req.ID)
		if err != nil {
			return TaskView{}, err
		}
		if err := s.conclude(ctx, tx, t, req.Statement); err != nil {
			return TaskView{}, err
		}
		if err := s.take(ctx, tx, t, "publish", t.Result); err != nil {
			return TaskView{}, err
		}
		if err := s.disclose(ctx, tx, t); err != nil {
			return TaskView{}, err
		}
		return s.viewTask(ctx, tx, t)
	})
}

// conclude fills in t's outcome and result.
func (s *Service) conclude(ctx context.Context, tx pgx.Tx, t *Task, statement string) error {
	if _, err := t.machine().Step(t.State, "publish", auth.From(ctx)); err != nil {
		return err
	}
	outcome, text, address, err := s.outcome(ctx, tx, t)
	if err != nil {
		return err
	}
	if err := CheckPublic(statement, address); err != nil {
		return err
	}
	t.Outcome, t.Result, t.PublishedOn = outcome, text, s.today()
	if statement = strings.TrimSpace(statement); statement != "" {
		t.Result += "。" + statement
	}
	return nil
}

// outcome is what came of t, in a code and in words, and the address not to publish.
func (s *Service) outcome(ctx context.Context, tx pgx.Tx, t *Task) (o Outcome, text, address string, err error) {
	if t.Kind == Sweep {
		place, err := findSweep(ctx, tx, t.ID)
		if err != nil {
			return "", "", "", err
		}
		if o = Unfounded; !place.ClosedOn.IsZero() {
			o = PlaceShut
		}
		return o, outcomeNames[o], place.Address, nil
	}
	visits, err := listVisitsOf(ctx, tx, t.ID)
	if err != nil {
		return "", "", "", err
	}
	orders, err := listRectificationsOf(ctx, tx, t.ID)
	if err != nil {
		return "", "", "", err
	}
	var all []Outcome
	for _, v := range visits {
		ofVisit := slices.DeleteFunc(slices.Clone(orders), func(r Rectification) bool { return r.VisitID != v.ID })
		all = append(all, OutcomeOf(v.Problems, Standing(ofVisit)))
	}
	return worst(all), Summary(all), "", nil
}

// disclose opens t's visits to all its agencies and publishes its result.
func (s *Service) disclose(ctx context.Context, tx pgx.Tx, t *Task) error {
	if err := openVisits(ctx, tx, t.ID); err != nil {
		return err
	}
	if err := appendFindings(ctx, tx, t); err != nil {
		return err
	}
	if t.Outcome == PlaceShut {
		if err := event.Append(ctx, tx, Topic, t.ID, &inspectionv1.PlaceClosed{Task: taskPB(t), Subject: taskPB(t).GetSubject()}); err != nil {
			return err
		}
	}
	return event.Append(ctx, tx, Topic, t.ID, resultPB(t))
}

// ListResults asks for published results.
type ListResults struct {
	Jurisdiction string `query:"jurisdiction" pattern:"^[0-9]{6}$"`
}

// ResultList is published results, the newest first.
type ResultList struct {
	Results []PublicResult `json:"results"`
}

// ListResults lists what everybody may read: of a place its street, nobody's name.
func (s *Service) ListResults(ctx context.Context, req ListResults) (ResultList, error) {
	return pg.InTx(pg.Worker(ctx, "inspection:results"), s.DB, func(tx pgx.Tx) (ResultList, error) {
		all, err := listResults(ctx, tx, division.Prefix(req.Jurisdiction), page)
		return ResultList{all}, err
	})
}
