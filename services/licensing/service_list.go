package licensing

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
	licensingv1 "xunguan/proto/licensing/v1"
)

// ProposeListEntry proposes to put an institution on a list.
type ProposeListEntry struct {
	once.Key
	Institution string `json:"institution" format:"uuid"`
	List        List   `json:"list"`
	Facts       string `json:"facts" minLength:"2" maxLength:"1000" description:"what was found; it will be public"`
	Basis       string `json:"basis,omitempty" maxLength:"500" description:"more of the legal basis than the rule's own source"`
}

// ProposeListEntry proposes an entry. It is Refused for a white list entry if the
// institution lacks something, Conflict if one is proposed or in force already.
func (s *Service) ProposeListEntry(ctx context.Context, req ProposeListEntry) (ListEntry, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (ListEntry, error) {
		i, err := lockInstitution(ctx, tx, req.Institution)
		if err != nil {
			return ListEntry{}, err
		}
		c := auth.From(ctx)
		e := ListEntry{
			ID: newID(), InstitutionID: i.ID, Institution: i.Name, Jurisdiction: i.Jurisdiction, Manager: i.Manager,
			List: req.List, State: Proposed, Facts: req.Facts, Basis: req.Basis, ProposedOn: s.today(), ProposedBy: c.Subject,
			Office: officeOf(c), OfficeAgency: c.Agency, OfficePlace: c.Jurisdiction, Clocks: Clocks{},
		}
		if err := s.mayPropose(ctx, tx, &i, &e); err != nil {
			return e, err
		}
		if err := insertEntry(ctx, tx, &e); err != nil {
			return e, err
		}
		step := flow.Step{Action: "propose", To: string(Proposed), Label: "提出列入" + listNames[e.List]}
		return e, s.note(ctx, tx, &e, step, e.Facts, &licensingv1.ListEntryProposed{Entry: entryPB(&e)})
	})
}

// mayPropose checks e, a new entry of i, and starts the time to state one's case
// against a black list entry.
func (s *Service) mayPropose(ctx context.Context, tx pgx.Tx, i *Institution, e *ListEntry) error {
	rules, err := rule.InForce(ctx, tx, e.Jurisdiction, e.ProposedOn, e.List.termRule(), ruleStatement)
	if err != nil {
		return err
	}
	listed, err := listedOn(ctx, tx, i.ID)
	if err != nil {
		return err
	}
	if waits, err := pending(ctx, tx, i.ID, e.List); err != nil || waits {
		if err == nil {
			err = fault.Conflict.Errorf("该机构已有待决定或待公布的%s列入事项", listNames[e.List])
		}
		return err
	}
	if e.List == White {
		ground, err := i.MayBeWhite(rules[ruleWhiteTerm], listed)
		e.Grounds = []fault.Ground{ground}
		return err
	}
	if listed == Black {
		return fault.Conflict.Errorf("该机构已在黑名单")
	}
	c, err := clock(ctx, tx, rules[ruleStatement], e.ProposedOn)
	term := rules[ruleBlackTerm].Ground(map[string]any{"proposed_on": e.ProposedOn})
	e.StatementUntil, e.Clocks["statement_until"], e.Grounds = c.Due, c, []fault.Ground{c.Ground, term}
	return err
}

// listedOn is the list that the institution id is on; "" if none.
func listedOn(ctx context.Context, tx pgx.Tx, id string) (List, error) {
	e, err := inForce(ctx, tx, id)
	if err != nil || e == nil {
		return "", err
	}
	return e.List, nil
}

// note keeps the audit entry of a step of e, publishes fact, if any, and readies e
// to be shown.
func (s *Service) note(ctx context.Context, tx pgx.Tx, e *ListEntry, step flow.Step, note string, fact proto.Message) error {
	err := saveAudit(ctx, tx, s.Now(), deed{
		about: "list_entry", caseID: e.ID, jurisdiction: e.Jurisdiction, manager: e.Manager, step: step, note: note, grounds: e.Grounds,
	})
	if err != nil {
		return err
	}
	if fact != nil {
		if err := event.Append(ctx, tx, Topic, e.InstitutionID, fact); err != nil {
			return err
		}
	}
	c, err := rule.Calendar(ctx, tx)
	if err == nil {
		e.Show(c, s.today())
	}
	return err
}

// DecideListEntry is a colleague's word on a proposed entry.
type DecideListEntry struct {
	once.Key
	ID       string `path:"id" format:"uuid"`
	Decision string `json:"decision" enum:"approve,refuse"`
	Reason   string `json:"reason,omitempty" maxLength:"500" description:"required with refuse"`
}

// DecideListEntry approves or refuses an entry: Forbidden for who proposed it and
// for other offices, Refused while a black list entry may be answered.
func (s *Service) DecideListEntry(ctx context.Context, req DecideListEntry) (ListEntry, error) {
	if req.Decision == "refuse" && strings.TrimSpace(req.Reason) == "" {
		return ListEntry{}, fault.Fields(fault.Field{Pointer: "/reason", Detail: "不予列入应当说明理由"})
	}
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (ListEntry, error) {
		_, e, err := lockEntry(ctx, tx, req.ID)
		if err != nil {
			return e, err
		}
		c := auth.From(ctx)
		step, err := step(ListEntries, entryStateNames, e.State, req.Decision, c)
		if err != nil {
			return e, err
		}
		if err := e.MayDecide(c); err != nil {
			return e, err
		}
		if err := e.Heard(s.today()); err != nil {
			return e, err
		}
		e.State, e.DecidedOn, e.DecidedAccount, e.DecidedBy, e.Reason = EntryState(step.To), s.today(), c.Subject, officeOf(c), req.Reason
		note := []string{req.Reason}
		if e.List == Black {
			heard, ground := e.hearing(s.today())
			note, e.Grounds = append(note, heard), append(e.Grounds, ground)
		}
		if err := saveEntry(ctx, tx, &e); err != nil {
			return e, err
		}
		return e, s.note(ctx, tx, &e, step, sentences(note...), &licensingv1.ListEntryDecided{Entry: entryPB(&e)})
	})
}

// sentences joins what parts say, without those that say nothing.
func sentences(parts ...string) string {
	said := slices.DeleteFunc(parts, func(p string) bool { return strings.TrimSpace(p) == "" })
	return strings.Join(said, "；")
}

// PublishListEntry puts an approved entry in force.
type PublishListEntry struct {
	once.Key
	ID string `path:"id" format:"uuid"`
}

// PublishListEntry publishes an entry, which ends the one on the other list. A
// white list entry is Refused if the institution has come to lack something.
func (s *Service) PublishListEntry(ctx context.Context, req PublishListEntry) (ListEntry, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (ListEntry, error) {
		i, e, err := lockEntry(ctx, tx, req.ID)
		if err != nil {
			return e, err
		}
		step, err := step(ListEntries, entryStateNames, e.State, "publish", auth.From(ctx))
		if err != nil {
			return e, err
		}
		if err := s.enforce(ctx, tx, &i, &e); err != nil {
			return e, err
		}
		e.State = EntryState(step.To)
		if err := saveEntry(ctx, tx, &e); err != nil {
			return e, err
		}
		return e, s.note(ctx, tx, &e, step, e.Basis, &licensingv1.ListEntryPublished{Entry: entryPB(&e), Institution: institutionPB(&i, &e)})
	})
}

// enforce gives e its term, from today, and ends the entry that was in force.
func (s *Service) enforce(ctx context.Context, tx pgx.Tx, i *Institution, e *ListEntry) error {
	rules, err := rule.InForce(ctx, tx, e.Jurisdiction, s.today(), e.List.termRule(), ruleReview, ruleSuit)
	if err != nil {
		return err
	}
	r := rules[e.List.termRule()]
	old, err := inForce(ctx, tx, i.ID)
	if err != nil {
		return err
	}
	since := map[string]any{"since": s.today()}
	ground := r.Ground(since)
	if e.List == White {
		listed := List("")
		if old != nil {
			listed = old.List
		}
		if ground, err = i.MayBeWhite(r, listed); err != nil {
			return err
		}
	}
	if old != nil {
		old.SupersededBy = e.ID
		if err := s.endEntry(ctx, tx, i, old, "supersede", s.today()); err != nil {
			return err
		}
	}
	e.Since, e.Until = s.today(), term(r, s.today())
	e.Basis, e.Objection = e.basisText(r), objection(rules[ruleReview], rules[ruleSuit])
	e.Grounds = append(e.Grounds, ground, rules[ruleReview].Ground(since), rules[ruleSuit].Ground(since))
	return nil
}

// endEntry takes e off its list by the system's own step action.
func (s *Service) endEntry(ctx context.Context, tx pgx.Tx, i *Institution, e *ListEntry, action string, on day.Date) error {
	step, err := own(ListEntries, string(e.State), action)
	if err != nil {
		return err
	}
	return s.takeOff(ctx, tx, i, e, step, on, step.Label)
}

func (s *Service) takeOff(ctx context.Context, tx pgx.Tx, i *Institution, e *ListEntry, step flow.Step, on day.Date, reason string) error {
	e.State, e.RemovedOn, e.Reason = EntryState(step.To), on, reason
	if err := saveEntry(ctx, tx, e); err != nil {
		return err
	}
	return s.note(ctx, tx, e, step, reason, &licensingv1.ListEntryRemoved{Entry: entryPB(e), Institution: institutionPB(i, nil)})
}

// RemoveListEntry takes an institution off a list before the entry's time.
type RemoveListEntry struct {
	once.Key
	ID     string `path:"id" format:"uuid"`
	Reason string `json:"reason" minLength:"2" maxLength:"500"`
}

// RemoveListEntry ends an entry that is in force.
func (s *Service) RemoveListEntry(ctx context.Context, req RemoveListEntry) (ListEntry, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (ListEntry, error) {
		i, e, err := lockEntry(ctx, tx, req.ID)
		if err != nil {
			return e, err
		}
		step, err := step(ListEntries, entryStateNames, e.State, "remove", auth.From(ctx))
		if err != nil {
			return e, err
		}
		return e, s.takeOff(ctx, tx, &i, &e, step, s.today(), req.Reason)
	})
}

// expireEntry ends the entry id, whose term is over.
func (s *Service) expireEntry(ctx context.Context, tx pgx.Tx, id string) error {
	i, e, err := lockEntry(ctx, tx, id)
	if err != nil {
		return err
	}
	return s.endEntry(ctx, tx, &i, &e, "expire", e.Until.AddDays(1))
}

// GetListEntry asks for one list entry.
type GetListEntry struct {
	ID string `path:"id" format:"uuid"`
}

// ListEntryPage is all that is known of an entry, and what the caller may do with it.
type ListEntryPage struct {
	ListEntry
	Actions  []flow.Action `json:"actions"`
	Timeline []Entry       `json:"timeline"`
}

// GetListEntry returns one entry: NotFound out of scope.
func (s *Service) GetListEntry(ctx context.Context, req GetListEntry) (ListEntryPage, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (p ListEntryPage, err error) {
		if p.ListEntry, err = findEntry(ctx, tx, req.ID); err != nil {
			return p, err
		}
		c, err := rule.Calendar(ctx, tx)
		if err != nil {
			return p, err
		}
		p.Show(c, s.today())
		p.Actions = p.ListEntry.Actions(auth.From(ctx), s.today())
		p.hide(auth.From(ctx))
		p.Timeline, err = listTimeline(ctx, tx, req.ID)
		return p, err
	})
}

// ListListEntries asks for the list entries that the caller may see.
type ListListEntries struct {
	State       EntryState `query:"state"`
	List        List       `query:"list"`
	Institution string     `query:"institution" format:"uuid"`
	Page        int        `query:"page" minimum:"1" maximum:"10000"`
}

// EntryList is one page of list entries, the newest first.
type EntryList struct {
	Items []ListEntry `json:"items"`
	More  bool        `json:"more" description:"there is a next page"`
}

// ListListEntries lists the list entries that the caller may see.
func (s *Service) ListListEntries(ctx context.Context, req ListListEntries) (EntryList, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (l EntryList, err error) {
		found, err := listListEntries(ctx, tx, req)
		if err != nil {
			return l, err
		}
		c, err := rule.Calendar(ctx, tx)
		l.Items, l.More = cut(found)
		for i := range l.Items {
			l.Items[i].Show(c, s.today())
			l.Items[i].hide(auth.From(ctx))
		}
		return l, err
	})
}
