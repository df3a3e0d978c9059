package licensing

import (
	"context"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// RegisterLegalPerson is the registrar's word that an institution is a legal
// person now, with a USCC of its own.
type RegisterLegalPerson struct {
	once.Key
	ID           string   `path:"id" format:"uuid"`
	USCC         string   `json:"uscc" minLength:"1" maxLength:"64"`
	RegisteredOn day.Date `json:"registered_on"`
}

// RegisterLegalPerson keeps the institution's USCC. See Institution.Register for
// what it refuses; Conflict also if another institution has the code.
func (s *Service) RegisterLegalPerson(ctx context.Context, req RegisterLegalPerson) (Institution, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Institution, error) {
		i, err := lockInstitution(ctx, tx, req.ID)
		if err != nil {
			return i, err
		}
		if err := i.Register(auth.From(ctx), req.USCC, req.RegisteredOn, s.today()); err != nil {
			return i, err
		}
		if err := saveRegistration(ctx, tx, &i); err != nil {
			return i, err
		}
		step := flow.Step{From: string(i.Status), Action: "registration", To: string(i.Status), Label: "法人登记", Basis: "《民办教育促进法》第十九条"}
		if err := s.audit(ctx, tx, &i, step, "统一社会信用代码 "+i.USCC, nil); err != nil {
			return i, err
		}
		return i, publish(ctx, tx, &i)
	})
}

// audit keeps the audit entry of what was done to i.
func (s *Service) audit(ctx context.Context, tx pgx.Tx, i *Institution, step flow.Step, note string, grounds []fault.Ground) error {
	i.Show()
	return saveAudit(ctx, tx, s.Now(), deed{
		about: "institution", caseID: i.ID, jurisdiction: i.Jurisdiction, manager: i.Manager, step: step, note: note, grounds: grounds,
	})
}

// publish publishes i as it is now.
func publish(ctx context.Context, tx pgx.Tx, i *Institution) error {
	e, err := inForce(ctx, tx, i.ID)
	if err != nil {
		return err
	}
	return event.Append(ctx, tx, Topic, i.ID, institutionEvent(i, e))
}

// expireLicence cancels the licence of the institution id, which has run out
// (行政许可法 §70), and with it its list entry.
func (s *Service) expireLicence(ctx context.Context, tx pgx.Tx, id string) error {
	i, err := lockInstitution(ctx, tx, id)
	if err != nil {
		return err
	}
	from := i.Status
	i.Status, i.StatusSince = Cancelled, i.ValidUntil.AddDays(1)
	if err := saveStatus(ctx, tx, &i); err != nil {
		return err
	}
	step := flow.Step{From: string(from), Action: "expire", To: string(Cancelled), Label: "许可有效期届满未延续，注销", Basis: "《行政许可法》第七十条第一项"}
	if err := s.audit(ctx, tx, &i, step, "有效期至 "+i.ValidUntil.String(), nil); err != nil {
		return err
	}
	if e, err := inForce(ctx, tx, i.ID); err != nil || e != nil {
		if err == nil {
			err = s.endEntry(ctx, tx, &i, e, "end_with_licence", i.StatusSince)
		}
		if err != nil {
			return err
		}
	}
	return publish(ctx, tx, &i)
}

// GetInstitution asks for one institution.
type GetInstitution struct {
	ID string `path:"id" format:"uuid"`
}

// InstitutionPage is all that is known of an institution, and what the caller may
// do with it.
type InstitutionPage struct {
	Institution
	List     *ListEntry    `json:"list" description:"the entry in force"`
	History  []Attribute   `json:"history"`
	Actions  []flow.Action `json:"actions"`
	Timeline []Entry       `json:"timeline"`
}

// GetInstitution returns one institution: NotFound out of scope.
func (s *Service) GetInstitution(ctx context.Context, req GetInstitution) (InstitutionPage, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (p InstitutionPage, err error) {
		if p.Institution, err = findInstitution(ctx, tx, req.ID); err != nil {
			return p, err
		}
		p.Show()
		p.Actions = p.Institution.Actions(auth.From(ctx))
		if p.List, err = inForce(ctx, tx, req.ID); err != nil {
			return p, err
		}
		if p.List != nil {
			p.List.hide(auth.From(ctx))
		}
		if p.History, err = listHistory(ctx, tx, req.ID); err != nil {
			return p, err
		}
		p.Timeline, err = listTimeline(ctx, tx, req.ID)
		return p, err
	})
}

// ListInstitutions asks for the institutions that the caller may see.
type ListInstitutions struct {
	Status       Status `query:"status"`
	Jurisdiction string `query:"jurisdiction" pattern:"^[0-9]{6}$"`
	Name         string `query:"name" maxLength:"60" description:"part of the name"`
	Page         int    `query:"page" minimum:"1" maximum:"10000"`
}

// InstitutionList is one page of institutions, by name.
type InstitutionList struct {
	Items []Institution `json:"items"`
	More  bool          `json:"more" description:"there is a next page"`
}

// ListInstitutions lists the institutions that the caller may see.
func (s *Service) ListInstitutions(ctx context.Context, req ListInstitutions) (InstitutionList, error) {
	if err := known(req.Jurisdiction); err != nil {
		return InstitutionList{}, err
	}
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (l InstitutionList, err error) {
		found, err := listInstitutions(ctx, tx, req)
		l.Items, l.More = cut(found)
		for i := range l.Items {
			l.Items[i].Show()
		}
		return l, err
	})
}
