package licensing

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

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

// SubmitApplication asks for a licence to open an institution.
type SubmitApplication struct {
	once.Key
	Jurisdiction string `json:"jurisdiction" pattern:"^[0-9]{6}$" description:"six-digit code of the county (GB/T 2260)" example:"320508"`
	Facts
}

// SubmitApplication receives an application. It returns Invalid for a bad USCC,
// place or item, and Refused for more pupils than the area rule allows.
func (s *Service) SubmitApplication(ctx context.Context, req SubmitApplication) (Application, error) {
	if err := County(req.Jurisdiction, "/jurisdiction"); err != nil {
		return Application{}, err
	}
	if err := req.Check(); err != nil {
		return Application{}, err
	}
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Application, error) {
		a := Application{
			ID: newID(), InstitutionID: newID(), Jurisdiction: req.Jurisdiction, Principal: auth.From(ctx).Subject,
			Facts: req.Facts, State: Submitted, Missing: []string{}, Clocks: Clocks{},
		}
		if err := s.receive(ctx, tx, &a); err != nil {
			return a, err
		}
		if err := insertApplication(ctx, tx, &a); err != nil {
			return a, err
		}
		return a, s.record(ctx, tx, &a, flow.Step{Action: "submit", To: string(Submitted), Label: "提交申请", Basis: "《民办教育促进法》第十二条"}, "", a.Grounds)
	})
}

// receive checks a's facts against the rules in force and starts the time for
// corrections.
func (s *Service) receive(ctx context.Context, tx pgx.Tx, a *Application) error {
	ground, err := s.fits(ctx, tx, a, a.AreaM2)
	if err != nil {
		return err
	}
	rules, err := rule.InForce(ctx, tx, a.Jurisdiction, s.today(), ruleComplete)
	if err != nil {
		return err
	}
	c, err := clock(ctx, tx, rules[ruleComplete], s.today())
	a.ReceivedOn, a.CorrectBy, a.Clocks["correct_by"], a.Grounds = s.today(), c.Due, c, []fault.Ground{ground}
	return err
}

// fits is Fits for a's pupils in area by the rule in force for a's category where
// there is one (sport needs more in some places), else by that for all.
func (s *Service) fits(ctx context.Context, tx pgx.Tx, a *Application, area float64) (fault.Ground, error) {
	key := ruleArea + "." + string(a.Category)
	rules, err := rule.InForce(ctx, tx, a.Jurisdiction, s.today(), key)
	if errors.Is(err, fault.Unavailable) {
		key = ruleArea
		rules, err = rule.InForce(ctx, tx, a.Jurisdiction, s.today(), key)
	}
	if err != nil {
		return fault.Ground{}, err
	}
	return Fits(rules[key], area, a.Capacity)
}

// record keeps the audit entry of a step, publishes it, and readies a to be shown.
func (s *Service) record(ctx context.Context, tx pgx.Tx, a *Application, step flow.Step, note string, grounds []fault.Ground) error {
	err := saveAudit(ctx, tx, s.Now(), deed{
		about: "application", caseID: a.ID, jurisdiction: a.Jurisdiction, manager: a.Principal, step: step, note: note, grounds: grounds,
	})
	if err != nil {
		return err
	}
	if e := applicationEvent(a, step.Action); e != nil {
		if err := event.Append(ctx, tx, Topic, a.InstitutionID, e); err != nil {
			return err
		}
	}
	c, err := rule.Calendar(ctx, tx)
	if err == nil {
		a.Show(c, s.today())
	}
	return err
}

// A move is one step of an application being made.
type move struct {
	*File
	tx      pgx.Tx
	today   day.Date
	note    string         // for the timeline
	grounds []fault.Ground // the rules that the step rests on
}

// move takes the step action of the application id, if the flow lets the caller;
// do says what else must be true and what it changes.
func (s *Service) move(ctx context.Context, tx pgx.Tx, id, action string, do func(*move) error) (Application, error) {
	f, err := lockFile(ctx, tx, id)
	if err != nil {
		return Application{}, err
	}
	step, err := step(Applications, stateNames, f.State, action, auth.From(ctx))
	if err != nil {
		return Application{}, err
	}
	return s.take(ctx, tx, &f, step, do)
}

func (s *Service) take(ctx context.Context, tx pgx.Tx, f *File, step flow.Step, do func(*move) error) (Application, error) {
	m := &move{File: f, tx: tx, today: s.today()}
	if err := do(m); err != nil {
		return Application{}, err
	}
	f.State = State(step.To)
	if m.grounds != nil {
		f.Grounds = m.grounds
	}
	if err := saveApplication(ctx, tx, &f.Application); err != nil {
		return Application{}, err
	}
	return f.Application, s.record(ctx, tx, &f.Application, step, m.note, m.grounds)
}

// start begins the period that the rule key gives, from from, as the deadline name.
func (m *move) start(ctx context.Context, name, key string, from day.Date) (day.Date, error) {
	rules, err := rule.InForce(ctx, m.tx, m.Jurisdiction, m.today, key)
	if err != nil {
		return day.Date{}, err
	}
	c, err := clock(ctx, m.tx, rules[key], from)
	m.Clocks[name] = c
	m.grounds = append(m.grounds, c.Ground)
	return c.Due, err
}

// accept accepts the application on today; past the time for corrections it was
// accepted on the day that it came (行政许可法 §32).
func (m *move) accept(ctx context.Context) (err error) {
	m.AcceptedOn = m.today
	if m.today.After(m.CorrectBy) {
		m.AcceptedOn, m.Deemed = m.ReceivedOn, true
		m.note = fmt.Sprintf("至 %s 未一次告知补正，自收到申请之日（%s）起视为受理", m.CorrectBy, m.ReceivedOn)
		m.grounds = append(m.grounds, m.Clocks["correct_by"].Ground)
	}
	m.DecideBy, err = m.start(ctx, "decide_by", ruleDecide, m.AcceptedOn)
	return err
}

// AcceptApplication is the office's word that an application is complete (受理).
type AcceptApplication struct {
	once.Key
	ID string `path:"id" format:"uuid"`
}

// AcceptApplication accepts an application; the time to decide begins.
func (s *Service) AcceptApplication(ctx context.Context, req AcceptApplication) (Application, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Application, error) {
		return s.move(ctx, tx, req.ID, "accept", func(m *move) error { return m.accept(ctx) })
	})
}

// deemAccepted accepts the application id that met with silence.
func (s *Service) deemAccepted(ctx context.Context, tx pgx.Tx, id string) error {
	f, err := lockFile(ctx, tx, id)
	if err != nil {
		return err
	}
	step, err := own(Applications, string(f.State), "deem_accepted")
	if err != nil {
		return err
	}
	_, err = s.take(ctx, tx, &f, step, func(m *move) error { return m.accept(ctx) })
	return err
}

// ReturnApplication asks the applicant for all that is missing (一次告知补正).
type ReturnApplication struct {
	once.Key
	ID      string   `path:"id" format:"uuid"`
	Reason  string   `json:"reason" minLength:"2" maxLength:"500"`
	Missing []string `json:"missing" minItems:"1" maxItems:"30" description:"all that is missing, at once"`
}

// ReturnApplication returns an application for corrections: once, and in time, else Refused.
func (s *Service) ReturnApplication(ctx context.Context, req ReturnApplication) (Application, error) {
	for i, item := range req.Missing {
		if strings.TrimSpace(item) == "" {
			return Application{}, fault.Fields(fault.Field{Pointer: fmt.Sprintf("/missing/%d", i), Detail: "不得为空"})
		}
	}
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Application, error) {
		return s.move(ctx, tx, req.ID, "return", func(m *move) error {
			if err := m.MayReturn(m.today); err != nil {
				return err
			}
			m.Returned, m.Missing, m.Reason = true, req.Missing, req.Reason
			m.note = req.Reason + "；需补正：" + strings.Join(req.Missing, "、")
			m.grounds = []fault.Ground{m.Clocks["correct_by"].Ground}
			return nil
		})
	})
}

// RefuseAcceptance is the office's word that it does not take the application (不予受理).
type RefuseAcceptance struct {
	once.Key
	ID     string `path:"id" format:"uuid"`
	Reason string `json:"reason" minLength:"2" maxLength:"500"`
}

// RefuseAcceptance ends an application before it is accepted.
func (s *Service) RefuseAcceptance(ctx context.Context, req RefuseAcceptance) (Application, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Application, error) {
		return s.move(ctx, tx, req.ID, "refuse_acceptance", func(m *move) error {
			m.Reason, m.note, m.DecidedOn = req.Reason, req.Reason, m.today
			return nil
		})
	})
}

// ResubmitApplication is the applicant's corrected application.
type ResubmitApplication struct {
	once.Key
	ID string `path:"id" format:"uuid"`
	Facts
}

// ResubmitApplication receives the corrected facts, which are checked anew.
func (s *Service) ResubmitApplication(ctx context.Context, req ResubmitApplication) (Application, error) {
	if err := req.Check(); err != nil {
		return Application{}, err
	}
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Application, error) {
		return s.move(ctx, tx, req.ID, "resubmit", func(m *move) error {
			m.Facts, m.Missing, m.Reason = req.Facts, []string{}, ""
			if err := s.receive(ctx, tx, &m.Application); err != nil {
				return err
			}
			m.grounds = m.Grounds
			return nil
		})
	})
}

// WithdrawApplication is the applicant's word that they no longer want it.
type WithdrawApplication struct {
	once.Key
	ID     string `path:"id" format:"uuid"`
	Reason string `json:"reason,omitempty" maxLength:"500"`
}

// WithdrawApplication ends an application before it is decided.
func (s *Service) WithdrawApplication(ctx context.Context, req WithdrawApplication) (Application, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Application, error) {
		return s.move(ctx, tx, req.ID, "withdraw", func(m *move) error {
			m.Reason, m.note = req.Reason, req.Reason
			return nil
		})
	})
}

// GiveOpinion is what the office of the category says to an application.
type GiveOpinion struct {
	once.Key
	ID      string `path:"id" format:"uuid"`
	Opinion string `json:"opinion" enum:"agree,disagree"`
	Text    string `json:"text" minLength:"2" maxLength:"500"`
}

// GiveOpinion keeps the opinion; the last one counts. Forbidden for any other
// office than that of the category.
func (s *Service) GiveOpinion(ctx context.Context, req GiveOpinion) (Application, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Application, error) {
		return s.move(ctx, tx, req.ID, "opinion", func(m *move) error {
			c := auth.From(ctx)
			if c.Agency != m.Route() {
				return fault.Forbidden.Errorf("%s类机构的行业意见由%s出具", m.Category.Name(), Office(m.Route(), m.Jurisdiction))
			}
			o := Opinion{Agency: c.Agency, Office: officeOf(c), Officer: c.Subject, Agree: req.Opinion == "agree", Text: req.Text, GivenOn: m.today}
			m.note = map[bool]string{true: "同意：", false: "不同意："}[o.Agree] + o.Text
			return saveOpinion(ctx, tx, m.ID, o)
		})
	})
}

// SignSiteCheck is what one officer saw at the place and signs for.
type SignSiteCheck struct {
	once.Key
	ID          string  `path:"id" format:"uuid"`
	Passed      bool    `json:"passed"`
	AreaM2      float64 `json:"area_m2" minimum:"1" maximum:"100000" description:"area for training, as measured"`
	Certificate string  `json:"certificate" minLength:"4" maxLength:"40" description:"number of the enforcement certificate"`
	Note        string  `json:"note,omitempty" maxLength:"500"`
}

// SignSiteCheck keeps an officer's check. Each signs for themselves, once:
// Conflict for who has passed the place already.
func (s *Service) SignSiteCheck(ctx context.Context, req SignSiteCheck) (Application, error) {
	if !req.Passed && strings.TrimSpace(req.Note) == "" {
		return Application{}, fault.Fields(fault.Field{Pointer: "/note", Detail: "认定不合格时应写明情况"})
	}
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Application, error) {
		return s.move(ctx, tx, req.ID, "site_check", func(m *move) error {
			c := auth.From(ctx)
			if m.signedBy(c.Subject) {
				return fault.Conflict.Errorf("您已对本申请的现场核查签字，每名核查人员签字一次")
			}
			k := SiteCheck{
				Agency: c.Agency, Office: officeOf(c), Officer: c.Subject, Certificate: req.Certificate,
				Passed: req.Passed, AreaM2: req.AreaM2, Note: req.Note, CheckedOn: m.today,
			}
			m.note = fmt.Sprintf("%s，实测 %g 平方米，执法证号 %s。%s", map[bool]string{true: "合格", false: "不合格"}[k.Passed], k.AreaM2, k.Certificate, k.Note)
			return saveSiteCheck(ctx, tx, m.ID, k)
		})
	})
}

// StartNotice announces that a licence is about to be granted (公示).
type StartNotice struct {
	once.Key
	ID string `path:"id" format:"uuid"`
}

// StartNotice begins the days of public notice. It is Refused without the
// category's opinion, without enough officers' checks, or if the measured area
// is too small for the pupils.
func (s *Service) StartNotice(ctx context.Context, req StartNotice) (Application, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Application, error) {
		return s.move(ctx, tx, req.ID, "notice", func(m *move) error {
			if err := m.Agreed(); err != nil {
				return err
			}
			rules, err := rule.InForce(ctx, tx, m.Jurisdiction, m.today, ruleOfficers)
			if err != nil {
				return err
			}
			inspected, err := m.Inspected(rules[ruleOfficers])
			if err != nil {
				return err
			}
			fits, err := s.fits(ctx, tx, &m.Application, m.Measured())
			if err != nil {
				return err
			}
			m.grounds, m.NoticeFrom = []fault.Ground{inspected, fits}, m.today
			m.NoticeUntil, err = m.start(ctx, "notice_until", ruleNotice, m.today)
			m.note = fmt.Sprintf("公示至 %s", m.NoticeUntil)
			return err
		})
	})
}

// DecideApplication is the office's decision.
type DecideApplication struct {
	once.Key
	ID       string `path:"id" format:"uuid"`
	Decision string `json:"decision" enum:"grant,refuse"`
	Reason   string `json:"reason,omitempty" maxLength:"500" description:"required with refuse"`
}

// DecideApplication grants the licence, once public notice is over, or refuses it.
func (s *Service) DecideApplication(ctx context.Context, req DecideApplication) (Application, error) {
	if req.Decision == "refuse" && strings.TrimSpace(req.Reason) == "" {
		return Application{}, fault.Fields(fault.Field{Pointer: "/reason", Detail: "不予许可应当说明理由"})
	}
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Application, error) {
		if req.Decision == "grant" {
			return s.grant(ctx, tx, req)
		}
		return s.move(ctx, tx, req.ID, "refuse", func(m *move) error {
			m.Reason, m.note, m.DecidedOn = req.Reason, req.Reason, m.today
			m.grounds = []fault.Ground{m.Clocks["decide_by"].Ground}
			return nil
		})
	})
}

// grant issues the licence: the institution exists from today on.
func (s *Service) grant(ctx context.Context, tx pgx.Tx, req DecideApplication) (Application, error) {
	var i Institution
	a, err := s.move(ctx, tx, req.ID, "grant", func(m *move) error {
		over, err := m.NoticeOver(m.today)
		if err != nil {
			return err
		}
		rules, err := rule.InForce(ctx, tx, m.Jurisdiction, m.today, ruleValidity)
		if err != nil {
			return err
		}
		serial, err := nextSerial(ctx, tx, m.Jurisdiction)
		if err != nil {
			return err
		}
		m.DecidedOn, m.Reason, m.LicenceNumber = m.today, req.Reason, LicenceNumber(m.Jurisdiction, serial)
		m.grounds = []fault.Ground{over, rules[ruleValidity].Ground(map[string]any{"valid_from": m.today})}
		m.IssueBy, err = m.start(ctx, "issue_by", ruleIssue, m.today)
		i = m.licensed(officeOf(auth.From(ctx)), m.Measured(), m.today, term(rules[ruleValidity], m.today))
		m.note = "许可证编号 " + m.LicenceNumber + "，有效期至 " + i.ValidUntil.String()
		return err
	})
	if err != nil {
		return a, err
	}
	if err := insertInstitution(ctx, tx, &i); err != nil {
		return a, err
	}
	issue := flow.Step{Action: "issue", To: string(Active), Label: "颁发办学许可证", Basis: "《行政许可法》第四十四条"}
	if err := s.audit(ctx, tx, &i, issue, i.LicenceNumber, a.Grounds); err != nil {
		return a, err
	}
	return a, event.Append(ctx, tx, Topic, i.ID, &licensingv1.LicenceIssued{Institution: institutionPB(&i, nil)})
}

// GetApplication asks for one application.
type GetApplication struct {
	ID string `path:"id" format:"uuid"`
}

// ApplicationPage is all that is known of an application, and what the caller may
// do with it.
type ApplicationPage struct {
	File
	Actions  []flow.Action `json:"actions"`
	Timeline []Entry       `json:"timeline"`
}

// GetApplication returns one application: NotFound out of scope.
func (s *Service) GetApplication(ctx context.Context, req GetApplication) (ApplicationPage, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (p ApplicationPage, err error) {
		if p.File, err = findFile(ctx, tx, req.ID); err != nil {
			return p, err
		}
		c, err := rule.Calendar(ctx, tx)
		if err != nil {
			return p, err
		}
		p.Show(c, s.today())
		p.Actions = p.File.Actions(auth.From(ctx))
		p.Timeline, err = listTimeline(ctx, tx, req.ID)
		return p, err
	})
}

// ListApplications asks for the applications that the caller may see.
type ListApplications struct {
	State        State  `query:"state"`
	Jurisdiction string `query:"jurisdiction" pattern:"^[0-9]{6}$"`
	Page         int    `query:"page" minimum:"1" maximum:"10000"`
}

// ApplicationList is one page of applications, the newest first.
type ApplicationList struct {
	Items []Application `json:"items"`
	More  bool          `json:"more" description:"there is a next page"`
}

// ListApplications lists the applications that the caller may see.
func (s *Service) ListApplications(ctx context.Context, req ListApplications) (ApplicationList, error) {
	if err := known(req.Jurisdiction); err != nil {
		return ApplicationList{}, err
	}
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (l ApplicationList, err error) {
		found, err := listApplications(ctx, tx, req)
		if err != nil {
			return l, err
		}
		c, err := rule.Calendar(ctx, tx)
		l.Items, l.More = cut(found)
		for i := range l.Items {
			l.Items[i].Show(c, s.today())
		}
		return l, err
	})
}

// cut is the first page of rows, and whether there are more.
func cut[T any](all []T) ([]T, bool) { return all[:min(len(all), pageSize)], len(all) > pageSize }
