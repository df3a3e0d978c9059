package tipoff

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/pg"
)

// Attitude is how a reporter was treated.
type Attitude string

// Enum lists the attitudes for the published document.
func (Attitude) Enum() []any { return []any{Attitude("GOOD"), Attitude("FAIR"), Attitude("POOR")} }

// Solved is whether the matter is settled, as its reporter says.
type Solved string

// Enum lists the answers for the published document.
func (Solved) Enum() []any { return []any{Solved("YES"), Solved("PARTLY"), Solved("NO")} }

// Feedback is what a reporter says of an answer.
type Feedback struct {
	Attitude Attitude `json:"attitude" description:"how the reporter was treated"`
	Solved   Solved   `json:"solved" description:"whether the matter is settled"`
	GivenOn  day.Date `json:"given_on"`
}

// RateTip is a reporter's answer to the two questions of the end.
type RateTip struct {
	TrackTip
	Attitude Attitude `json:"attitude" description:"how you were treated"`
	Solved   Solved   `json:"solved" description:"whether the matter is settled"`
}

// RateTip keeps what the reporter says; said again it replaces what was said. It
// is a Conflict before there is an answer.
func (s *Service) RateTip(ctx context.Context, req RateTip) (Track, error) {
	return s.byReceipt(ctx, "tipoff:rate", req.TrackTip, func(ctx context.Context, tx pgx.Tx, t *Tip) error {
		if answered, err := listAnswers(ctx, tx, t.ID); err != nil || len(answered) == 0 {
			if err == nil {
				err = fault.Conflict.Errorf("还没有答复，暂时不能评价")
			}
			return err
		}
		return saveFeedback(ctx, tx, t.ID, Feedback{req.Attitude, req.Solved, s.today()})
	})
}

// UnsolvedTip is a reporter's word that the matter is not settled.
type UnsolvedTip struct {
	TrackTip
	Text string `json:"text" minLength:"5" maxLength:"5000" description:"what is still not settled, and how one can see it"`
}

// UnsolvedTip sends an answered tip-off back to who answered it, once; its clocks
// begin again today. A second time, or before there is an answer, it is a Conflict.
func (s *Service) UnsolvedTip(ctx context.Context, req UnsolvedTip) (Track, error) {
	return s.byReceipt(ctx, "tipoff:unsolved", req.TrackTip, func(ctx context.Context, tx pgx.Tx, t *Tip) error {
		if t.State == Merged {
			var err error
			if t, err = lockTip(ctx, tx, t.MergedInto); err != nil {
				return err
			}
		}
		step, ok := own(t.State, "unsolved")
		switch {
		case !t.ReopenedOn.IsZero():
			return fault.Conflict.Errorf("已于 %s 重新办理过一次，不能再次要求", t.ReopenedOn)
		case !ok || t.Owner == "":
			return fault.Conflict.Errorf("还没有答复，或已在重新办理")
		}
		t.ReopenedOn = s.today()
		keys := fromAcceptance(t.Nature, t.Channel)
		if len(keys) == 0 {
			keys = fromReceipt(t.Nature, t.Channel)
			keys = keys[len(keys)-1:] // it has been accepted
		}
		grounds, err := s.start(ctx, tx, t, s.today(), s.today(), keys...)
		if err != nil {
			return err
		}
		if err := insertQuestion(ctx, tx, t.ID, step.Label, s.today()); err != nil {
			return err
		}
		if err := saveSupplement(ctx, tx, t.ID, req.Text, s.today()); err != nil { // which the arbiter does not see
			return err
		}
		_, err = s.take(ctx, tx, deed{tip: t, step: step, grounds: grounds})
		return err
	})
}

// byReceipt lets f change the tip-off that a receipt opens, and shows how it stands.
func (s *Service) byReceipt(ctx context.Context, worker string, req TrackTip, f func(context.Context, pgx.Tx, *Tip) error) (Track, error) {
	ctx = pg.Worker(auth.With(ctx, auth.Caller{}), worker)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Track, error) {
		t, err := s.opened(ctx, tx, req)
		if err == nil {
			t, err = lockTip(ctx, tx, t.ID)
		}
		if err != nil {
			return Track{}, err
		}
		if err := f(ctx, tx, t); err != nil {
			return Track{}, err
		}
		if t, err = findTip(ctx, tx, t.ID); err != nil {
			return Track{}, err
		}
		return s.track(ctx, tx, t)
	})
}

// holder is the office that has t on its desk, and since when.
func (s *Service) holder(ctx context.Context, tx pgx.Tx, t *Tip) (office string, since day.Date, err error) {
	switch t.State { //nolint:exhaustive // all others are with their department
	case Arbitration:
		if d, ok := division.Find(t.Jurisdiction); ok {
			office = Office("education", d.Parent)
		}
	case Received, Triaged, Returned, NotTraining:
		office = Office(intakeRole, t.Jurisdiction)
	default:
		office = t.office()
	}
	since, err = findHeld(ctx, tx, t.ID)
	return office, since, err
}
