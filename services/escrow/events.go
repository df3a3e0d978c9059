package escrow

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/day"
	"xunguan/pkg/event"
	escrowv1 "xunguan/proto/escrow/v1"
	licensingv1 "xunguan/proto/licensing/v1"
	tipoffv1 "xunguan/proto/tipoff/v1"
)

// Topic carries the facts of an institution's account, keyed by institution, and
// ContractTopic those of a contract, keyed by contract: at a peak 10,000 lessons a
// second, which no service of the suite takes, so none has to read past them.
const (
	Topic         = "escrow.events"
	ContractTopic = "escrow.contracts"
)

// Events adds to m what escrow learns from licensing. Every event carries the
// whole state of its institution, so a repeated one changes nothing; a list entry
// holds payouts once, and resumes them once. Of tip-offs it learns that there is one.
func (s *Service) Events(m event.Mux) {
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceIssued) error {
		return s.learn(ctx, tx, e.GetInstitution())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceChanged) error {
		return s.learn(ctx, tx, e.GetInstitution())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceSuspended) error {
		return s.learn(ctx, tx, e.GetInstitution())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceRevoked) error {
		return s.learn(ctx, tx, e.GetInstitution())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.LicenceCancelled) error {
		return s.learn(ctx, tx, e.GetInstitution())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.ListEntryPublished) error {
		if err := s.learn(ctx, tx, e.GetInstitution()); err != nil {
			return err
		}
		return s.entryPublished(ctx, tx, e.GetEntry(), e.GetInstitution())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *licensingv1.ListEntryRemoved) error {
		if err := s.learn(ctx, tx, e.GetInstitution()); err != nil {
			return err
		}
		return s.entryRemoved(ctx, tx, e.GetEntry())
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *tipoffv1.TipReceived) error {
		return tipped(ctx, tx, e.GetTip(), false)
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *tipoffv1.TipDispatched) error {
		return tipped(ctx, tx, e.GetTip(), false)
	})
	event.On(m, func(ctx context.Context, tx pgx.Tx, _ string, e *tipoffv1.TipMerged) error {
		return tipped(ctx, tx, e.GetTip(), true)
	})
}

// learn keeps what an event says of an institution; a list entry may be about a
// subject that is none.
func (s *Service) learn(ctx context.Context, tx pgx.Tx, i *licensingv1.Institution) error {
	if i == nil {
		return nil
	}
	var until day.Date
	if err := until.UnmarshalText([]byte(i.GetValidUntil())); err != nil {
		return err
	}
	return s.keep(ctx, tx, Institution{
		ID: i.GetId(), Name: i.GetName(), Jurisdiction: i.GetJurisdiction(), Kind: i.GetKind(), Category: i.GetCategory(), Item: i.GetItem(),
		Status: i.GetStatus(), ValidUntil: until, Manager: i.GetManager(), List: i.GetList().GetList(),
	})
}

func accountOpened(a Account) *escrowv1.AccountOpened {
	return &escrowv1.AccountOpened{Account: &escrowv1.Account{
		InstitutionId: a.Institution, Jurisdiction: a.Jurisdiction, Mode: a.Mode, Bank: a.Bank, OpenedOn: a.OpenedOn.String(),
	}}
}

func contractSigned(c *Contract) *escrowv1.ContractSigned {
	return &escrowv1.ContractSigned{Contract: c.pb()}
}

func paymentReceived(c *Contract, id string, amount Fen) *escrowv1.PaymentReceived {
	return &escrowv1.PaymentReceived{Contract: c.pb(), PaymentId: id, AmountFen: int64(amount)}
}

func contractFlagged(c *Contract, f Flag) *escrowv1.ContractFlagged {
	return &escrowv1.ContractFlagged{Contract: c.pb(), Flag: f.pb()}
}

func flagClearedFact(c *Contract, f Flag) *escrowv1.FlagCleared {
	return &escrowv1.FlagCleared{Contract: c.pb(), Flag: f.pb()}
}

func lessonConfirmed(c *Contract, l Lesson) *escrowv1.LessonConfirmed {
	return &escrowv1.LessonConfirmed{Contract: c.pb(), Lesson: number(l.N), BySilence: l.BySilence}
}

func lessonDisputed(c *Contract, l Lesson) *escrowv1.LessonDisputed {
	return &escrowv1.LessonDisputed{Contract: c.pb(), Lesson: number(l.N)}
}

func fundsReleased(c *Contract, l Lesson) *escrowv1.FundsReleased {
	return &escrowv1.FundsReleased{Contract: c.pb(), Lesson: number(l.N), AmountFen: int64(l.Fee)}
}

func refundRequested(c *Contract, r Refund) *escrowv1.RefundRequested {
	return &escrowv1.RefundRequested{Contract: c.pb(), Refund: r.pb()}
}

func refundAgreed(c *Contract, r Refund) *escrowv1.RefundAgreed {
	return &escrowv1.RefundAgreed{Contract: c.pb(), Refund: r.pb()}
}

func refundPaid(c *Contract, r Refund) *escrowv1.RefundPaid {
	return &escrowv1.RefundPaid{Contract: c.pb(), Refund: r.pb()}
}

func refundChanged(c *Contract, r Refund) *escrowv1.RefundChanged {
	return &escrowv1.RefundChanged{Contract: c.pb(), Refund: r.pb()}
}

func payoutsHeldFact(h Hold) *escrowv1.PayoutsHeld { return &escrowv1.PayoutsHeld{Hold: h.pb()} }

func payoutsResumed(h Hold) *escrowv1.PayoutsResumed {
	return &escrowv1.PayoutsResumed{Hold: h.pb()}
}

func windDownChanged(w WindDown) *escrowv1.WindDownChanged {
	return &escrowv1.WindDownChanged{WindDown: &escrowv1.WindDown{
		Id: w.ID, InstitutionId: w.InstitutionID, Jurisdiction: w.Jurisdiction, State: w.State, Ground: w.Ground, DocumentNo: w.DocumentNo,
		BegunOn: w.BegunOn.String(), ChooseBy: w.ChooseBy.String(),
	}}
}

func familySettled(c *Contract, f Family) *escrowv1.FamilySettled {
	return &escrowv1.FamilySettled{
		Contract: c.pb(), WindDownId: f.WindDownID, RefundId: f.RefundID, ClaimFen: int64(f.claim()), ShareFen: int64(f.Share), NewContract: f.NewContract,
	}
}

func warningChanged(w EarlyWarning, was string) *escrowv1.WarningChanged {
	e := &escrowv1.WarningChanged{
		InstitutionId: w.InstitutionID, Jurisdiction: w.Jurisdiction, Band: w.Band, Was: was, Points: number(w.Points), On: w.On.String(),
	}
	for _, r := range w.Reasons {
		e.Reasons = append(e.Reasons, &escrowv1.WarningReason{Signal: r.Signal, Points: number(r.Points), Explanation: r.Explanation})
	}
	return e
}

func coverBandChanged(b CoverBand, jurisdiction string) *escrowv1.CoverBandChanged {
	return &escrowv1.CoverBandChanged{InstitutionId: b.InstitutionID, Jurisdiction: jurisdiction, Band: b.Band, Since: b.Since.String()}
}

func (h Hold) pb() *escrowv1.Hold {
	return &escrowv1.Hold{
		Id: h.ID, InstitutionId: h.InstitutionID, Jurisdiction: h.Jurisdiction, Clause: h.Clause, DecidedBy: h.DecidedBy,
		CauseId: h.CauseID, Since: h.Since.String(), Until: h.Until.String(),
	}
}

// number fits n, which the contract's terms keep below 2001.
func number(n int) int32 { return int32(n) } //nolint:gosec // at most 2000

// pb is the money side of c: no parent, no pupil.
func (c *Contract) pb() *escrowv1.Contract {
	return &escrowv1.Contract{
		Id: c.ID, InstitutionId: c.InstitutionID, Jurisdiction: c.Jurisdiction, State: c.State, Course: c.Course,
		Lessons: number(c.Lessons), GiftLessons: number(c.GiftLessons), FirstLesson: c.FirstLesson.String(), LastLesson: c.LastLesson.String(),
		PriceFen: int64(c.Price), PaidFen: int64(c.Paid), ReleasedFen: int64(c.Released), RefundedFen: int64(c.Refunded),
	}
}

func (f Flag) pb() *escrowv1.Flag {
	inputs, _ := json.Marshal(f.Ground.Inputs) // was made of JSON values
	return &escrowv1.Flag{
		Id: f.ID, RuleKey: f.RuleKey, RuleVersion: number(f.Ground.Version), RuleValueJson: string(f.Ground.Value), RuleUnit: f.Ground.Unit,
		RuleJurisdiction: f.Ground.Jurisdiction, RuleSource: f.Ground.Source, InputsJson: string(inputs), Explanation: f.Explanation,
		Due: f.Due.String(), State: f.State,
	}
}

func (r Refund) pb() *escrowv1.Refund {
	return &escrowv1.Refund{
		Id: r.ID, State: r.State, Lessons: number(r.Lessons), AmountFen: int64(r.Amount), BySilence: r.BySilence,
		Fault: r.Fault, Basis: r.Basis, OwedFen: int64(r.Owed), DeductedFen: int64(r.Deducted),
	}
}
