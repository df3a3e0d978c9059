package inspection

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
)

// RecordFinding is what an officer found on one item of its agency.
type RecordFinding struct {
	once.Key
	ID      string `path:"id" maxLength:"64"`
	Agency  Agency `path:"agency"`
	Item    string `json:"item" minLength:"1" maxLength:"20" description:"code of a check item"`
	Problem bool   `json:"problem" description:"whether the item was found wanting"`
	Detail  string `json:"detail" minLength:"2" maxLength:"1000"`

	Photos []string `json:"photos,omitempty" maxItems:"20" description:"ids of photos that were added; those that it has stay"`
	Seen   *string  `json:"seen,omitempty" maxLength:"64" description:"digest of the finding that this one was written in view of, empty if there was none; if another stands there now it is a conflict"`
}

// RecordFinding writes into the caller's agency's part; the same item again
// replaces what was written, until the agency signs. What was written in view of
// something else does not: two devices that were offline must not undo each other.
func (s *Service) RecordFinding(ctx context.Context, req RecordFinding) (VisitView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (VisitView, error) {
		t, v, p, officer, err := s.ownPart(ctx, tx, req.ID, req.Agency, "findings")
		if err != nil {
			return VisitView{}, err
		}
		item, err := s.checkable(ctx, tx, officer, req.Item)
		if err != nil {
			return VisitView{}, err
		}
		f := Finding{
			VisitID: v.ID, Agency: p.Agency, Jurisdiction: v.Jurisdiction, Item: item.Code, Title: item.Title, Basis: item.Basis,
			Problem: req.Problem, Detail: strings.TrimSpace(req.Detail), RecordedBy: officer.ID, RecordedOn: s.today(),
		}
		if err := s.unchanged(ctx, tx, f, req.Seen); err != nil {
			return VisitView{}, err
		}
		if err := saveFinding(ctx, tx, f); err != nil {
			return VisitView{}, err
		}
		if err := s.Photos.Bind(ctx, tx, v.ID, item.Code, req.Photos); err != nil {
			return VisitView{}, err
		}
		if err := s.partNote(ctx, tx, t, p, "findings", "记录检查事项", item.Code+" "+item.Title); err != nil {
			return VisitView{}, err
		}
		return s.viewVisit(ctx, tx, v)
	})
}

// unchanged returns Conflict if something stands where f goes that f's writer had
// not seen, as the digest seen says. Without seen f replaces what is there.
func (s *Service) unchanged(ctx context.Context, tx pgx.Tx, f Finding, seen *string) error {
	if seen == nil {
		return nil
	}
	all, err := listFindings(ctx, tx, f.VisitID, f.Agency)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(x Finding) bool { return x.Item == f.Item })
	if i < 0 || all[i].digest() == *seen || all[i].digest() == f.digest() {
		return nil
	}
	return fault.Conflict.Errorf("%s 已由 %s 于 %s 另行记录，与您填写时看到的不同，请选用其一或合并", f.Item, all[i].RecordedBy, all[i].RecordedOn)
}

// checkable is an item that officer may check: its own agency's, and in its scope.
func (s *Service) checkable(ctx context.Context, tx pgx.Tx, officer Officer, code string) (CheckItem, error) {
	item, err := findItem(ctx, tx, code)
	switch {
	case err != nil:
		return item, err
	case item.Agency != officer.Agency:
		return item, fault.Refused.Errorf("%s 是%s的抽查事项，本部门只能记录自己的事项", code, item.Agency.Name())
	case !officer.Covers(code):
		return item, fault.Refused.Errorf("%s 的执法事项范围不包括 %s", officer.label(), code)
	}
	return item, nil
}

// ownPart locks the caller's agency's part of a visit, with the caller as a fit
// officer, for an action.
func (s *Service) ownPart(ctx context.Context, tx pgx.Tx, id string, agency Agency, action string) (*Task, *Visit, *Part, Officer, error) {
	c := auth.From(ctx)
	fail := func(err error) (*Task, *Visit, *Part, Officer, error) { return nil, nil, nil, Officer{}, err }
	t, v, err := s.lockedVisit(ctx, tx, id)
	if err != nil {
		return fail(err)
	}
	if err := v.Own(c, agency); err != nil {
		return fail(err)
	}
	p, err := lockPart(ctx, tx, v, agency)
	if err != nil {
		return fail(err)
	}
	if _, err := PartFlow.Step(p.State, action, c); err != nil {
		return fail(err)
	}
	officer, err := findOfficer(ctx, tx, c.Subject)
	if err == nil {
		err = Team([]Officer{officer}, nil, v.InstitutionID, s.today())
	}
	if err != nil {
		return fail(err)
	}
	drawn, err := assigned(ctx, tx, v)
	if err == nil {
		err = Assigned(drawn, []Officer{officer})
	}
	return t, v, p, officer, err
}

func (s *Service) partNote(ctx context.Context, tx pgx.Tx, t *Task, p *Part, action, label, text string) error {
	return saveNote(ctx, tx, note{
		task: t, agencies: []Agency{p.Agency}, actor: actorOf(auth.From(ctx)), action: action, label: label, from: p.State, to: p.State, text: text, at: s.Now(),
	})
}

// SignPart is an agency's signature under its own part.
type SignPart struct {
	once.Key
	ID       string   `path:"id" maxLength:"64"`
	Agency   Agency   `path:"agency"`
	Officers []string `json:"officers" minItems:"1" maxItems:"20" description:"account ids of the agency's officers who were there, the caller among them"`
	Note     string   `json:"note,omitempty" maxLength:"1000"`
}

// SignPart closes the caller's agency's part. After the last agency the record is
// shown to the institution, whose turn it is.
func (s *Service) SignPart(ctx context.Context, req SignPart) (VisitView, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (VisitView, error) {
		t, v, p, officer, err := s.ownPart(ctx, tx, req.ID, req.Agency, "sign")
		if err != nil {
			return VisitView{}, err
		}
		findings, err := listFindings(ctx, tx, v.ID, p.Agency)
		if err != nil {
			return VisitView{}, err
		}
		if len(findings) == 0 {
			return VisitView{}, fault.Refused.Errorf("本部门还没有记录任何检查事项，不能签字")
		}
		present, err := s.attend(ctx, tx, v, officer, req.Officers)
		if err != nil {
			return VisitView{}, err
		}
		if err := s.sign(ctx, tx, t, v, p, present, strings.TrimSpace(req.Note), findings); err != nil {
			return VisitView{}, err
		}
		return s.viewVisit(ctx, tx, v)
	})
}

// attend records who of an agency was there, and returns everybody who was.
func (s *Service) attend(ctx context.Context, tx pgx.Tx, v *Visit, signer Officer, ids []string) ([]string, error) {
	if !slices.Contains(ids, signer.ID) {
		return nil, fault.Fields(fault.Field{Pointer: "/officers", Detail: "应包括您本人"})
	}
	officers, err := findOfficers(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	before, err := listPresent(ctx, tx, v.ID)
	if err != nil {
		return nil, err
	}
	var present []string
	for _, p := range before {
		present = append(present, p.ID)
	}
	if err := Team(officers, present, v.InstitutionID, s.today()); err != nil {
		return nil, err
	}
	drawn, err := assigned(ctx, tx, v)
	if err == nil {
		err = Assigned(drawn, officers)
	}
	if err != nil {
		return nil, err
	}
	for _, o := range officers {
		if o.OwnOffice(auth.From(ctx)) != nil {
			return nil, fault.Fields(fault.Field{Pointer: "/officers", Detail: o.ID + " 不是本部门人员"})
		}
		if err := addPresent(ctx, tx, v.ID, o); err != nil {
			return nil, err
		}
		present = append(present, o.ID)
	}
	return present, nil
}

func (s *Service) sign(ctx context.Context, tx pgx.Tx, t *Task, v *Visit, p *Part, present []string, text string, findings []Finding) error {
	least, err := s.leastOfficers(ctx, tx, v.Jurisdiction)
	if err != nil {
		return err
	}
	last, err := v.Sign(p.Agency, present, least)
	if err != nil {
		return err
	}
	for _, f := range findings {
		if f.Problem {
			v.Problems++
		}
	}
	if last && !v.Place {
		i, err := findInstitution(ctx, tx, v.InstitutionID)
		if err != nil {
			return err
		}
		v.People = []string{i.Manager}
	}
	p.State, p.Note, p.SignedBy, p.SignedOn = partSigned, text, auth.From(ctx).Subject, s.today()
	if err := savePart(ctx, tx, p); err != nil {
		return err
	}
	if err := saveVisit(ctx, tx, v); err != nil {
		return err
	}
	grounds := []fault.Ground{}
	if last {
		grounds = append(grounds, least.Ground(map[string]any{"officers": len(present)}))
	}
	return s.step(ctx, tx, t, t.State, flow.Step{Action: "sign", To: t.State, Label: "部门签字", Roles: inspectors}, p.Agency.Name()+"："+v.Name, grounds...)
}
