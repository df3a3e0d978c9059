package escrow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/rule"
)

// rosterBatch is how many contracts are drawn in one transaction.
const rosterBatch = 50

// draw puts the next contracts of an institution on its roster. A drawing goes on
// where it stopped; with the last contract, what there is is shared out, for people to
// see: it is shared out for good when the choices are closed.
func (s *Service) draw(ctx context.Context, tx pgx.Tx, id string) error {
	row, err := lockWindDown(ctx, tx, id)
	w := row.WindDown
	if err != nil || w.Drawn || w.State != windProposed && w.State != windOpen {
		return err
	}
	contracts, err := nextAffected(ctx, tx, w, rosterBatch)
	if err != nil {
		return err
	}
	for _, c := range contracts {
		if err := s.affect(ctx, tx, w, &c); err != nil {
			return err
		}
		w.AfterID = c.ID
	}
	if len(contracts) == rosterBatch {
		return saveWindDown(ctx, tx, w)
	}
	w.Drawn = true
	rules, err := s.share(ctx, tx, &w)
	if err != nil {
		return err
	}
	return s.windStepped(ctx, tx, w, entry{s.Now(), bySystem, "", "draw", fmt.Sprintf("名册已列（第 %d 次）", w.Round) + w.sharedWords()}, rules)
}

// affect puts c on w's roster, if there is something of it to give back: priced by the
// operator's fault, or by what gives the parent more.
func (s *Service) affect(ctx context.Context, tx pgx.Tx, w WindDown, c *Contract) error {
	schedule, err := listLessons(ctx, tx, c)
	if err != nil {
		return err
	}
	k := claim{whole: true, fault: operatorFault, ground: "stopped", stoppedOn: w.StoppedOn, on: w.BegunOn, merged: true}
	pending, err := pendingRefunds(ctx, tx, c)
	if err != nil {
		return err
	}
	_, objections := parted(pending)
	q, _, err := s.priceOf(ctx, tx, c, undone(schedule), k)
	if errors.Is(err, fault.Conflict) { // nothing is left of it
		if len(objections) == 0 {
			return nil
		}
		q, err = Quote{Basis: notGiven, Clauses: []Clause{}}, nil
	}
	if err != nil {
		return err
	}
	rules, err := rule.InForce(ctx, tx, c.Jurisdiction, w.BegunOn, autoAgree)
	if err != nil {
		return err
	}
	f := w.affected(c, q)
	f.object(objections, rules[autoAgree])
	return saveAffected(ctx, tx, f)
}

// parted is the refunds of lessons that were not given, and the objections to lessons
// that silence confirmed.
func parted(pending []Refund) (refunds, objections []Refund) {
	for _, r := range pending {
		if r.late() {
			objections = append(objections, r)
		} else {
			refunds = append(refunds, r)
		}
	}
	return refunds, objections
}

// hear brings an objection, of "wind-down/contract", into a roster that is drawn already.
func (s *Service) hear(ctx context.Context, tx pgx.Tx, id string) error {
	windDown, contract, _ := strings.Cut(id, "/")
	row, err := lockWound(ctx, tx, windDown)
	w := row.WindDown
	if err != nil || !w.Drawn || w.State != windProposed && w.State != windOpen {
		return err
	}
	c, err := findContract(ctx, tx, contract)
	if err != nil {
		return err
	}
	if err := s.affect(ctx, tx, w, &c.Contract); err != nil {
		return err
	}
	rules, err := s.share(ctx, tx, &w)
	if err != nil {
		return err
	}
	words := fmt.Sprintf("家长对自动确认的课时提出异议（合同 %s），作为有争议的债权列入名册", contract)
	return s.windStepped(ctx, tx, w, entry{s.Now(), bySystem, "", "hear", words + w.sharedWords()}, rules)
}

// share shares out among w's families what there is, by the rules of the day on which
// it was begun.
func (s *Service) share(ctx context.Context, tx pgx.Tx, w *WindDown) ([]fault.Ground, error) {
	if err := long(ctx, tx); err != nil {
		return nil, err
	}
	if err := saveVoid(ctx, tx, *w); err != nil {
		return nil, err
	}
	rules, err := rule.InForce(ctx, tx, w.Jurisdiction, w.BegunOn, windRules...)
	if err != nil {
		return nil, err
	}
	families, err := openFamilies(ctx, tx, *w)
	if err != nil {
		return nil, err
	}
	e, err := findEstate(ctx, tx, *w)
	if err != nil {
		return nil, err
	}
	grounds, err := w.shareOut(families, e, rules)
	if err != nil {
		return nil, err
	}
	return grounds, saveShares(ctx, tx, *w, families)
}

// closeChoices ends the days for choosing: shares are final, and paid from now on.
func (s *Service) closeChoices(ctx context.Context, tx pgx.Tx, id string) error {
	row, err := lockWound(ctx, tx, id)
	w := row.WindDown
	if err != nil || w.State != windOpen || !w.Drawn || !s.today().After(w.ChooseBy) {
		return err
	}
	if wait, err := objectionsWait(ctx, tx, w, s.today()); wait || err != nil {
		return err
	}
	if w.State, err = bySystemStep(windFlow, w.State, "close"); err != nil {
		return err
	}
	rules, err := s.share(ctx, tx, &w)
	if err != nil {
		return err
	}
	return s.windStepped(ctx, tx, w, entry{s.Now(), bySystem, "", "close", "选择期届满，开始按名册付款" + w.sharedWords()}, rules)
}

// payFamily pays one family, "wind-down/contract", what there is for it: once, however
// often it is tried.
func (s *Service) payFamily(ctx context.Context, tx pgx.Tx, id string) error {
	windDown, contract, _ := strings.Cut(id, "/")
	b, err := lockBasket(ctx, tx, contract)
	if err != nil {
		return err
	}
	w, err := findWindDown(ctx, tx, windDown) // shares the lock of payouts: it is not withdrawn meanwhile
	if err != nil {
		return err
	}
	row, err := lockFamily(ctx, tx, windDown, contract)
	f := row.Family
	if err != nil || w.State != windPaying || f.State == familyPaid {
		return err
	}
	objections, err := s.merge(ctx, tx, b.own)
	if err != nil {
		return err
	}
	if f.State == familyVoid { // nothing is owed: that is the answer to its objections
		return saveHeard(ctx, tx, b.own, objections, "")
	}
	r, taken, err := s.settled(ctx, tx, w.WindDown, b.own, &f, objections)
	if err != nil {
		return err
	}
	if len(taken)+len(objections) == 0 { // its parent has confirmed the last of them since
		f.State, f.Share = familyVoid, 0
		return saveFamily(ctx, tx, f)
	}
	if err := insertRefund(ctx, tx, r, taken); err != nil {
		return err
	}
	if err := saveHeard(ctx, tx, b.own, objections, r.ID); err != nil {
		return err
	}
	if r.State, err = bySystemStep(refundFlow, r.State, "wind_down"); err != nil {
		return err
	}
	if taken, err = refundedBy(ctx, tx, b.own, r.ID); err != nil {
		return err
	}
	return s.settleFamily(ctx, tx, w.WindDown, b, f, &r, taken)
}

// settleFamily pays r, by which f is settled: to its parent, or to whom it chose.
func (s *Service) settleFamily(ctx context.Context, tx pgx.Tx, w WindDown, b basket, f Family, r *Refund, taken []Lesson) error {
	c, by, words := b.own, way{}, ""
	var err error
	if f.Choice == byTransfer {
		if by.routes, by.newContract, words, err = s.takeOver(ctx, tx, w, f, c, taken); err != nil {
			return err
		}
	}
	if by.newContract == "" {
		if by.routes, err = listRoutes(ctx, tx, c); err != nil {
			return err
		}
		words += "机构终止清退，应退 " + r.Words() + "，按名册退 " + f.Share.Yuan()
	}
	if c.Mode == depositMode {
		by.source = depositMode
	}
	if left := r.Amount - f.Share; left > 0 {
		words += fmt.Sprintf("；差额 %s 由机构以自有财产继续退还", left.Yuan())
	}
	if err := s.payBackBy(ctx, tx, b, r, entry{s.Now(), bySystem, "", "wind_down", words}, by); err != nil {
		return err
	}
	f.State, f.RefundID, f.NewContract, f.PaidOn = familyPaid, r.ID, by.newContract, s.today()
	if err := saveFamily(ctx, tx, f); err != nil {
		return err
	}
	return event.Append(ctx, tx, ContractTopic, c.ID, familySettled(c, f))
}

// merge takes back what was asked for of c before: it is all part of the one refund. The
// objections among it are for the caller to settle.
func (s *Service) merge(ctx context.Context, tx pgx.Tx, c *Contract) (objections []Refund, err error) {
	pending, err := pendingRefunds(ctx, tx, c)
	if err != nil {
		return nil, err
	}
	again := Lesson{TaughtOn: s.today()}
	if _, err := s.askToConfirm(ctx, tx, c, &again); err != nil {
		return nil, err
	}
	refunds, objections := parted(pending)
	for _, r := range refunds {
		if err := saveWithdrawn(ctx, tx, r, again); err != nil {
			return nil, err
		}
	}
	for _, r := range pending {
		if r.State, err = bySystemStep(refundFlow, r.State, "merge"); err != nil {
			return nil, err
		}
		if err := saveRefund(ctx, tx, r); err != nil {
			return nil, err
		}
		if err := s.note(ctx, tx, c, bySystem, "", "merge", "退费申请 "+r.Words()+" 并入机构清退"); err != nil {
			return nil, err
		}
		if err := event.Append(ctx, tx, ContractTopic, c.ID, refundChanged(c, r)); err != nil {
			return nil, err
		}
	}
	return objections, nil
}

// settled is the refund that settles f, and the lessons that it gives back, beside those
// of objections. A lesson that the parent has confirmed since was given, and its fee is not.
func (s *Service) settled(ctx context.Context, tx pgx.Tx, w WindDown, c *Contract, f *Family, objections []Refund) (r Refund, taken []Lesson, err error) {
	a, err := findAgreement(ctx, tx, c)
	if err != nil {
		return r, nil, err
	}
	schedule, err := listLessons(ctx, tx, c)
	if err != nil {
		return r, nil, err
	}
	for _, l := range schedule {
		if slices.Contains(f.Taken, l.N) && l.State != confirmed {
			taken = append(taken, l)
		}
	}
	p := &pricing{c: c, a: a}
	p.price(schedule)
	held := p.sum(among(taken), asPaid) + f.Kept
	given := f.Held - held
	q := begin(f.Basis, taken)
	if len(taken) == 0 {
		q.Basis, q.Lessons = notGiven, len(objections)
	}
	q.Amount, q.Clauses, f.Share = max(0, f.claim()-given), f.Clauses, max(0, f.Share-given)
	q.Owed, q.Deducted = max(0, q.Amount-held), max(0, held-q.Amount)
	r = Refund{
		ID: newID(), InstitutionID: c.InstitutionID, ContractID: c.ID, State: requested, Whole: true, Fault: operatorFault, Ground: "stopped",
		StoppedOn: w.StoppedOn, Reason: "机构终止清退", RequestedOn: s.today(), AnswerBy: s.today(), WindDown: w.ID, Share: &f.Share, Kept: f.Kept,
	}
	r.adopt(q)
	return r, taken, nil
}

// finishWindDown notes that every family is paid. Payouts stay held: what is left is for
// the institution's staff and other creditors, by whoever liquidates it.
func (s *Service) finishWindDown(ctx context.Context, tx pgx.Tx, id string) error {
	row, err := lockWound(ctx, tx, id)
	w := row.WindDown
	if err != nil || w.State != windPaying {
		return err
	}
	if w.State, err = bySystemStep(windFlow, w.State, "finish"); err != nil {
		return err
	}
	figures, err := findWindFigures(ctx, tx, w)
	if err != nil {
		return err
	}
	if err := saveWinding(ctx, tx, w.InstitutionID, windingOver); err != nil {
		return err
	}
	rules, err := rule.InForce(ctx, tx, w.Jurisdiction, w.BegunOn, windOrder)
	if err != nil {
		return err
	}
	words := fmt.Sprintf("名册全部付清：%d 份合同，共 %s，差额 %s；其余款项仍暂停拨付，由清算组依法定顺序处理", figures.Paid, figures.PaidFen.Yuan(), figures.Shortfall.Yuan())
	ground := rules[windOrder].Ground(map[string]any{"families": figures.Paid, "paid_fen": figures.PaidFen, "shortfall_fen": figures.Shortfall})
	return s.windStepped(ctx, tx, w, entry{s.Now(), bySystem, "", "finish", words}, []fault.Ground{ground})
}

// collecting returns Refused while an institution that is wound down may take in nothing.
func collecting(ctx context.Context, tx pgx.Tx, i Institution) error {
	winding, err := windingOf(ctx, tx, i.ID)
	if err == nil && winding != "" {
		err = fault.Refused.Errorf("%s正在终止清退，不得再收取预收费（依据：%s）", i.Name, windLaw)
	}
	return err
}

// frozen returns Refused while what belongs to the lessons of an institution that has
// come so far is given back by a roster alone, so that no family goes before another.
func frozen(winding string) error {
	if winding == windingFrozen {
		return fault.Refused.Errorf("该机构正在终止清退，退费按清退名册统一办理，各家同一顺序（依据：%s）", windLaw)
	}
	return nil
}

// unfrozen is frozen of c's institution.
func unfrozen(ctx context.Context, tx pgx.Tx, c *Contract) error {
	winding, err := windingOf(ctx, tx, c.InstitutionID)
	if err != nil {
		return err
	}
	return frozen(winding)
}

// undecided returns Refused if so far an end has come that nobody takes r this step any
// more: an objection that its parent stands by is for the roster as soon as a wind-down
// has begun, everything else once it is frozen.
func (r Refund) undecided(winding, action string) error {
	if winding == windingBegun && r.late() && action != "withdraw" {
		return fault.Refused.Errorf("该机构正在终止清退，对自动确认课时的异议列入清退名册，由主管部门核实（依据：%s）", windLaw)
	}
	return frozen(winding)
}

// hearing returns Refused unless a parent may object today to a lesson of c.
func (s *Service) hearing(ctx context.Context, tx pgx.Tx, c *Contract) error {
	winding, err := windingOf(ctx, tx, c.InstitutionID)
	if err != nil || winding != windingFrozen {
		return err
	}
	w, err := findWinding(ctx, tx, c.InstitutionID)
	if errors.Is(err, fault.NotFound) { // it is being paid, and c is not on its roster
		return WindDown{State: windPaying}.hears(s.today())
	}
	if err != nil {
		return err
	}
	return w.hears(s.today())
}
