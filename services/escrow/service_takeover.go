package escrow

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
)

// OfferTakeover is another institution's offer to take over lessons (转课).
type OfferTakeover struct {
	once.Key
	ID          string   `path:"id" maxLength:"64" description:"of the wind-down"`
	Institution string   `json:"institution" minLength:"1" maxLength:"64" description:"id of the institution that takes over"`
	FirstLesson day.Date `json:"first_lesson" description:"lessons begin then at the earliest"`
	Note        string   `json:"note" minLength:"2" maxLength:"200" description:"place, times, teachers"`
}

// OfferTakeover lets families choose the caller's institution: for what there is of
// their money it gives all lessons that they are owed. NotFound if it is not the
// caller's, Refused unless it may take prepayments, into a bank's custody.
func (s *Service) OfferTakeover(ctx context.Context, req OfferTakeover) (WindDownView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (WindDownView, error) {
		by := auth.From(ctx)
		w, err := findWindDown(ctx, tx, req.ID)
		if err != nil {
			return WindDownView{}, err
		}
		i, err := findManaged(ctx, tx, req.Institution, by.Subject)
		if err != nil {
			return WindDownView{}, err
		}
		if err := sharePayouts(ctx, tx, w.InstitutionID); err != nil {
			return WindDownView{}, err
		}
		if w, err = findWindDown(ctx, tx, req.ID); err != nil { // as it is under the lock
			return WindDownView{}, err
		}
		if err := w.choosable(s.today()); err != nil {
			return WindDownView{}, err
		}
		if req.FirstLesson.Before(s.today()) {
			return WindDownView{}, fault.Fields(fault.Field{Pointer: "/first_lesson", Detail: "不得早于今天 " + s.today().String()})
		}
		if _, err := s.mayTakeOver(ctx, tx, i); err != nil {
			return WindDownView{}, err
		}
		t := Takeover{
			WindDownID: w.ID, ID: newID(), InstitutionID: i.ID, Manager: by.Subject, FirstLesson: req.FirstLesson, Note: req.Note, OfferedOn: s.today(),
		}
		if err := insertTakeover(ctx, tx, t); err != nil {
			return WindDownView{}, err
		}
		e := entry{s.Now(), byInstitution, by.Subject, "offer", fmt.Sprintf("%s愿意接收转课，最早 %s 开课：%s", i.Name, t.FirstLesson, t.Note)}
		if err := insertWindStep(ctx, tx, w.WindDown, e, nil); err != nil {
			return WindDownView{}, err
		}
		return s.showWindDown(ctx, tx, w.ID)
	})
}

// mayTakeOver returns Refused unless i may take prepayments, into a bank's custody.
func (s *Service) mayTakeOver(ctx context.Context, tx pgx.Tx, i Institution) (Account, error) {
	a, err := s.mayCollect(ctx, tx, i)
	if err == nil && a.Mode != custodyMode {
		err = fault.Refused.Errorf("%s的预收费不在银行托管之下，不能接收转课", i.Name)
	}
	return a, err
}

// ChooseAlternative is a parent's choice.
type ChooseAlternative struct {
	once.Key
	ID       string `path:"id" maxLength:"64"`
	Contract string `path:"contract" maxLength:"64"`
	Choice   string `json:"choice" enum:"refund,transfer"`
	Takeover string `json:"takeover,omitempty" maxLength:"64" description:"id of the offer; of a transfer"`
}

// ChooseAlternative may be asked again until the last day. Conflict after it.
func (s *Service) ChooseAlternative(ctx context.Context, req ChooseAlternative) (FamilyView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (FamilyView, error) {
		by := auth.From(ctx)
		if (req.Choice == byTransfer) != (req.Takeover != "") {
			return FamilyView{}, fault.Fields(fault.Field{Pointer: "/takeover", Detail: "转课须选明接收机构，退费则不填"})
		}
		w, err := findWindDown(ctx, tx, req.ID)
		if err != nil {
			return FamilyView{}, err
		}
		if err := sharePayouts(ctx, tx, w.InstitutionID); err != nil {
			return FamilyView{}, err
		}
		if w, err = findWindDown(ctx, tx, req.ID); err != nil { // as it is under the lock
			return FamilyView{}, err
		}
		f, err := lockFamily(ctx, tx, w.ID, req.Contract)
		if err != nil {
			return FamilyView{}, err
		}
		if by.Subject != f.Parent {
			return FamilyView{}, fault.Forbidden.Errorf("只有该合同的家长可以选择")
		}
		if err := w.choosable(s.today()); err != nil {
			return FamilyView{}, err
		}
		if _, err := familyFlow.Step(f.State, "choose", by); err != nil {
			return FamilyView{}, err
		}
		return s.choose(ctx, tx, w.WindDown, f, req)
	})
}

func (s *Service) choose(ctx context.Context, tx pgx.Tx, w WindDown, f familyRow, req ChooseAlternative) (FamilyView, error) {
	by, words := auth.From(ctx), "家长在机构清退中选择退费"
	if req.Choice == byTransfer {
		t, err := findTakeover(ctx, tx, w.ID, req.Takeover)
		if err != nil {
			return FamilyView{}, err
		}
		if f.Lessons == 0 {
			return FamilyView{}, fault.Conflict.Errorf("没有可以转课的正课课时")
		}
		words = "家长在机构清退中选择转课到" + t.Name
	}
	f.Choice, f.Takeover = req.Choice, req.Takeover
	if err := saveFamily(ctx, tx, f.Family); err != nil {
		return FamilyView{}, err
	}
	c, err := findContract(ctx, tx, f.ContractID)
	if err != nil {
		return FamilyView{}, err
	}
	if err := s.note(ctx, tx, &c.Contract, byParent, by.Subject, "choose", words); err != nil {
		return FamilyView{}, err
	}
	return s.showFamily(ctx, tx, w, f)
}

// takeOver makes f's share the payment of a contract with the institution that it
// chose, for the lessons taken. Where that cannot be done any more, words say why, and
// the family is refunded.
func (s *Service) takeOver(ctx context.Context, tx pgx.Tx, w WindDown, f Family, old *Contract, taken []Lesson) (by []route, contract, words string, err error) {
	t, err := findTakeover(ctx, tx, w.ID, f.Takeover)
	if err != nil {
		return nil, "", "", err
	}
	i, err := findInstitution(ctx, tx, t.InstitutionID)
	if err != nil {
		return nil, "", "", err
	}
	c, a, err := s.newContract(ctx, tx, t, i, f.Share, old, taken)
	if errors.Is(err, fault.Refused) || errors.Is(err, fault.Invalid) {
		return nil, "", fmt.Sprintf("不能转课到%s（%s），改为退费。", i.Name, err), nil
	}
	if err != nil {
		return nil, "", "", err
	}
	reference := "TAKEOVER-" + c.ID
	if err := s.receiveTakeover(ctx, tx, i, c, a, reference); err != nil {
		return nil, "", "", err
	}
	return []route{{reference, f.Share}}, c.ID, fmt.Sprintf("机构终止清退，%d 课时转课到%s，转入其监管账户 %s", c.Lessons, i.Name, f.Share.Yuan()), nil
}

// newContract is the contract by which i goes on with the lessons taken: as many, as
// far apart as they were, for share. Invalid if that makes no contract.
func (s *Service) newContract(ctx context.Context, tx pgx.Tx, t Takeover, i Institution, share Fen, old *Contract, taken []Lesson) (*Contract, Agreement, error) {
	account, err := s.mayTakeOver(ctx, tx, i)
	if err != nil {
		return nil, Agreement{}, err
	}
	first, last := taken[0].OnDate, taken[0].OnDate
	terms := Terms{Institution: i.ID, Parent: old.Parent, Pupil: old.Pupil, Course: old.Course, Billing: byLesson, PriceFen: share}
	for _, l := range taken {
		if l.OnDate.Before(first) {
			first = l.OnDate
		}
		if l.OnDate.After(last) {
			last = l.OnDate
		}
		if l.Gift {
			terms.GiftLessons++
		} else {
			terms.Lessons++
		}
	}
	terms.FirstLesson = t.FirstLesson
	if t.FirstLesson.Before(s.today()) {
		terms.FirstLesson = s.today()
	}
	terms.LastLesson = terms.FirstLesson.AddDays(first.DaysUntil(last))
	if err := terms.check(i.Manager, s.today()); err != nil {
		return nil, Agreement{}, err
	}
	c, a := offer(terms, i, account.Mode), terms.filled()
	c.ID, c.OfferedOn = newID(), s.today()
	a.Billing, a.InterestPPM = byLesson, account.InterestPPM
	if err := insertContract(ctx, tx, c, plan(terms)); err != nil {
		return nil, a, err
	}
	return c, a, insertAgreement(ctx, tx, c, a)
}

// receiveTakeover notes that both sides agreed to c, and books its payment. The fee
// rules judge it as any other.
func (s *Service) receiveTakeover(ctx context.Context, tx pgx.Tx, i Institution, c *Contract, a Agreement, reference string) error {
	b, err := lockBasket(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	c = b.own
	c.State = signed
	if err := savePrior(ctx, tx, c); err != nil {
		return err
	}
	if err := event.Append(ctx, tx, ContractTopic, c.ID, contractSigned(c)); err != nil {
		return err
	}
	c.State = paid
	if err := c.receive(c.Price, c.due(a), s.Now()); err != nil {
		return err
	}
	if err := saveContract(ctx, tx, c); err != nil {
		return err
	}
	held := c.hold(reference, c.Price, s.Now())
	if err := savePayment(ctx, tx, c, reference, held); err != nil {
		return err
	}
	if err := s.note(ctx, tx, c, bySystem, "", "take_over", fmt.Sprintf("转课：家长选择、机构接收，%s 已由原机构的监管资金转入", c.Price.Yuan())); err != nil {
		return err
	}
	if err := event.Append(ctx, tx, ContractTopic, c.ID, paymentReceived(c, held.id, c.Price)); err != nil {
		return err
	}
	all, err := s.look(ctx, tx, c)
	if err != nil {
		return err
	}
	if err := saveSeen(ctx, tx, c, i.Kind, all.kin(c), s.today()); err != nil {
		return err
	}
	return s.judgeBy(ctx, tx, b, all, "")
}
