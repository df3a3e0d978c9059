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
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
	licensingv1 "xunguan/proto/licensing/v1"
)

// entryPublished opens a hold for a black list entry, once, and ends the holds
// that a white list entry puts an end to.
func (s *Service) entryPublished(ctx context.Context, tx pgx.Tx, e *licensingv1.ListEntry, of *licensingv1.Institution) error {
	if of == nil || e.GetState() != published {
		return nil // of a subject that is no institution
	}
	switch e.GetList() {
	case black:
		return s.hold(ctx, tx, e, of)
	case white:
		var since day.Date
		if err := since.UnmarshalText([]byte(e.GetSince())); err != nil {
			return err
		}
		return s.resume(ctx, tx, "", of.GetId(), since)
	}
	return nil
}

// hold stops the payouts of the institution of. It waits for the payouts that are
// under way, so that none comes after it.
func (s *Service) hold(ctx context.Context, tx pgx.Tx, e *licensingv1.ListEntry, of *licensingv1.Institution) error {
	if e.GetId() == "" {
		return errors.New("a list entry without id")
	}
	if done, err := causeDone(ctx, tx, e.GetId()); done || err != nil {
		return err
	}
	rules, err := rule.InForce(ctx, tx, of.GetJurisdiction(), s.today(), holdClause)
	if err != nil {
		return err
	}
	if err := lockPayouts(ctx, tx, of.GetId()); err != nil {
		return err
	}
	h := Hold{
		ID: newID(), InstitutionID: of.GetId(), Jurisdiction: of.GetJurisdiction(), Manager: of.GetManager(), CauseID: e.GetId(),
		Clause: rules[holdClause].Text(), Ground: rules[holdClause].Ground(map[string]any{"list_entry": e.GetId(), "list_entry_since": e.GetSince()}),
		DecidedBy: e.GetDecidedBy(), Since: s.today(),
	}
	if err := insertHold(ctx, tx, h); err != nil {
		return err
	}
	words := fmt.Sprintf("因列入黑名单（%s决定），自 %s 起暂停拨付，退费不受影响。依据：%s", h.DecidedBy, h.Since, h.Clause)
	if err := saveAccountEntry(ctx, tx, h.InstitutionID, entry{s.Now(), bySystem, "", "hold", words}); err != nil {
		return err
	}
	return event.Append(ctx, tx, Topic, h.InstitutionID, payoutsHeldFact(h))
}

// entryRemoved ends the hold of a black list entry. An entry that held nothing
// yet will hold nothing: the news of it may only be late.
func (s *Service) entryRemoved(ctx context.Context, tx pgx.Tx, e *licensingv1.ListEntry) error {
	if e.GetList() != black || e.GetId() == "" {
		return nil
	}
	if err := saveEnded(ctx, tx, e.GetId()); err != nil {
		return err
	}
	return s.resume(ctx, tx, e.GetId(), "", day.Date{})
}

// resume ends the hold of a list entry or, without one, those of an institution
// that began by a day. A timer then pays out what waited, if no other hold stands.
func (s *Service) resume(ctx context.Context, tx pgx.Tx, cause, institution string, by day.Date) error {
	holds, err := openHolds(ctx, tx, cause, institution, by)
	if err != nil {
		return err
	}
	for _, h := range holds {
		if err := lockPayouts(ctx, tx, h.InstitutionID); err != nil {
			return err
		}
		h.Until = s.today()
		was, err := endHold(ctx, tx, h)
		if err != nil {
			return err
		}
		if !was {
			continue
		}
		words := fmt.Sprintf("列入黑名单终止，%s 起的暂停拨付自 %s 解除", h.Since, h.Until)
		if err := saveAccountEntry(ctx, tx, h.InstitutionID, entry{s.Now(), bySystem, "", "resume", words}); err != nil {
			return err
		}
		if err := event.Append(ctx, tx, Topic, h.InstitutionID, payoutsResumed(h)); err != nil {
			return err
		}
	}
	return nil
}

// payWaiting pays out fees of a contract that waited. The contract is due again
// while more wait; if a new hold came first, they wait on.
func (s *Service) payWaiting(ctx context.Context, tx pgx.Tx, contract string) error {
	b, lessons, err := lockLessons(ctx, tx, contract, `AND waits AND refund = '' ORDER BY n LIMIT $2`, pageSize)
	if err != nil || b.held || len(lessons) == 0 {
		return err
	}
	c, sum := b.own, Fen(0)
	for _, l := range lessons {
		if err := c.release(l.Fee); err != nil {
			return err
		}
		sum += l.Fee
		if err := event.Append(ctx, tx, ContractTopic, c.ID, fundsReleased(c, l)); err != nil {
			return err
		}
	}
	words := fmt.Sprintf("恢复拨付：暂停期间已确认的 %d 课时，共 %s", len(lessons), sum.Yuan())
	return savePaidOut(ctx, tx, c, lessons, entry{s.Now(), bySystem, "", "resume", words})
}

// ListHolds asks for the holds in the caller's scope, newest first.
type ListHolds struct {
	Institution string `query:"institution" maxLength:"64"`
	State       string `query:"state" enum:"OPEN,ENDED"`
	Page        int    `query:"page" minimum:"1" maximum:"10000"`
}

// Holds is a page of holds.
type Holds struct {
	Items []HoldView `json:"items"`
	Page  int        `json:"page"`
	More  bool       `json:"more"`
}

// ListHolds returns a manager's own, an education official's district's.
func (s *Service) ListHolds(ctx context.Context, req ListHolds) (Holds, error) {
	by, page := auth.From(ctx), max(req.Page, 1)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Holds, error) {
		rows, err := listHolds(ctx, tx, scopeOf(by), holdFilter{req.Institution, req.State, page})
		rows, more := cut(rows)
		return Holds{views(rows, func(r holdRow) HoldView { return r.viewBy(by) }), page, more}, err
	})
}

// Republish asks for the accounts, the bands of cover and the open holds to be published anew.
type Republish struct {
	once.Key
}

// Republished says of how many institutions there is something to publish.
type Republished struct {
	Institutions int `json:"institutions"`
}

// Republish publishes every account, every band of cover and every open hold anew, for a consumer that
// has lost its copy. A timer does it, an institution at a time, so that it
// survives a restart and holds up nobody.
func (s *Service) Republish(ctx context.Context, req Republish) (Republished, error) {
	return once.Do(pg.Worker(ctx, "republish"), s.DB, req, func(tx pgx.Tx) (Republished, error) {
		n, err := startRepublication(ctx, tx, newID())
		return Republished{n}, err
	})
}

// republish publishes the next institution of a run.
func (s *Service) republish(ctx context.Context, tx pgx.Tx, run string) error {
	institution, err := nextToTell(ctx, tx, run)
	if errors.Is(err, fault.NotFound) {
		return saveTold(ctx, tx, run, "")
	}
	if err != nil {
		return err
	}
	if err := s.tell(ctx, tx, institution); err != nil {
		return err
	}
	return saveTold(ctx, tx, run, institution)
}

func (s *Service) tell(ctx context.Context, tx pgx.Tx, institution string) error {
	if err := sharePayouts(ctx, tx, institution); err != nil {
		return err
	}
	a, err := findAccount(ctx, tx, institution)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return err
	}
	if err == nil {
		if err := event.Append(ctx, tx, Topic, institution, accountOpened(a)); err != nil {
			return err
		}
	}
	i, err := findInstitution(ctx, tx, institution)
	if err != nil {
		return err
	}
	bands, err := bandsOf(ctx, tx, institution)
	if err != nil {
		return err
	}
	for _, b := range bands {
		if err := event.Append(ctx, tx, Topic, institution, coverBandChanged(b, i.Jurisdiction)); err != nil {
			return err
		}
	}
	holds, err := openHolds(ctx, tx, "", institution, s.today())
	if err != nil {
		return err
	}
	for _, h := range holds {
		if err := event.Append(ctx, tx, Topic, institution, payoutsHeldFact(h)); err != nil {
			return err
		}
	}
	return nil
}
