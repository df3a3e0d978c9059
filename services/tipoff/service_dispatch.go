package tipoff

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// TieTip is an intake officer's reading of a tip-off: what it is about, and its
// facts in words that do not give the reporter away.
type TieTip struct {
	once.Key
	ID string `path:"id" minLength:"1" maxLength:"36"`
	Subject
	Category Category `json:"category"`
	Nature   Nature   `json:"nature,omitempty" description:"REPORT if not given"`
	Summary  string   `json:"summary" minLength:"5" maxLength:"1000" description:"the facts for those who handle and inspect; never who told"`
}

// TieTip ties the tip-off to its subject. A summary in which a mobile phone's or
// identity card's number stands is refused.
func (s *Service) TieTip(ctx context.Context, req TieTip) (Done, error) {
	err := req.check()
	if err == nil {
		err = faceless(map[string]string{
			"/summary": req.Summary, "/institution_name": req.InstitutionName, "/place_address": req.PlaceAddress, "/place_signboard": req.PlaceSignboard,
		})
	}
	if err == nil && req.Category == Elsewhere {
		err = fault.Fields(fault.Field{Pointer: "/category", Detail: "不属于校外培训的，请用“退回并告知去处”"})
	}
	if err != nil {
		return Done{}, err
	}
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Done, error) {
		return s.act(ctx, tx, req.ID, "tie", func(t *Tip, _ flow.Step) (deed, error) {
			t.Subject, t.Category, t.Summary = req.Subject, req.Category, strings.TrimSpace(req.Summary)
			if t.Institution != "" {
				i, err := findInstitution(ctx, tx, t.Institution)
				if errors.Is(err, fault.NotFound) {
					err = fault.Fields(fault.Field{Pointer: "/institution", Detail: "没有这家机构"})
				}
				if err != nil {
					return deed{}, err
				}
				t.InstitutionName = i.Name
			}
			t.SubjectKeys = t.keys()
			grounds, err := s.become(ctx, tx, t, req.Nature)
			return deed{note: string(t.Category) + "：" + t.subjectName(), grounds: grounds}, err
		})
	})
}

// become makes t of nature n: the clocks from receipt become those of n.
func (s *Service) become(ctx context.Context, tx pgx.Tx, t *Tip, n Nature) ([]fault.Ground, error) {
	if n == "" {
		n = Report
	}
	if n == t.Nature {
		return nil, nil
	}
	was, are := fromReceipt(t.Nature, t.Channel), fromReceipt(n, t.Channel)
	t.Nature = n
	for _, name := range was {
		if !slices.Contains(are, name) {
			if err := deleteClock(ctx, tx, t.ID, name); err != nil {
				return nil, err
			}
		}
	}
	fresh := slices.DeleteFunc(slices.Clone(are), func(name string) bool { return slices.Contains(was, name) })
	return s.start(ctx, tx, t, t.ReceivedOn, t.ReceivedOn, fresh...)
}

// RejectTip sends back what is no matter of training.
type RejectTip struct {
	once.Key
	ID     string `path:"id" minLength:"1" maxLength:"36"`
	Reason string `json:"reason" minLength:"5" maxLength:"500" description:"why, and where the reporter should go"`
}

// RejectTip tells the reporter why, and where to go.
func (s *Service) RejectTip(ctx context.Context, req RejectTip) (Done, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Done, error) {
		return s.act(ctx, tx, req.ID, "reject", func(t *Tip, _ flow.Step) (deed, error) {
			t.Reason = req.Reason
			return deed{note: req.Reason}, nil
		})
	})
}

// ReopenTip takes a rejection back: a person's, or that of an import.
type ReopenTip struct {
	once.Key
	ID     string `path:"id" minLength:"1" maxLength:"36"`
	Reason string `json:"reason" minLength:"2" maxLength:"500"`
}

// ReopenTip puts the tip-off where it was before: its clocks run on from the day
// of submission.
func (s *Service) ReopenTip(ctx context.Context, req ReopenTip) (Done, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Done, error) {
		return s.act(ctx, tx, req.ID, "reopen", func(t *Tip, _ flow.Step) (deed, error) {
			t.Reason = ""
			cs, err := listClocks(ctx, tx, t.ID)
			for i := range cs {
				cs[i].MetOn = day.Date{}
				if err == nil {
					err = saveClock(ctx, tx, t.ID, &cs[i])
				}
			}
			grounds := []fault.Ground(nil)
			if err == nil && len(cs) == 0 { // an import rejected it before there was a clock
				grounds, err = s.start(ctx, tx, t, t.ReceivedOn, s.today(), fromReceipt(t.Nature, t.Channel)...)
			}
			return deed{note: req.Reason, grounds: grounds}, err
		})
	})
}

// DispatchTip gives a tip-off to an agency.
type DispatchTip struct {
	once.Key
	ID    string `path:"id" minLength:"1" maxLength:"36"`
	Owner Agency `json:"owner"`
}

// DispatchTip makes an agency its owner. The trace of a tip-off begins here.
func (s *Service) DispatchTip(ctx context.Context, req DispatchTip) (Done, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Done, error) {
		return s.act(ctx, tx, req.ID, "dispatch", func(t *Tip, _ flow.Step) (deed, error) { return s.hand(ctx, tx, t, req.Owner, "") })
	})
}

// hand gives t to owner.
func (s *Service) hand(ctx context.Context, tx pgx.Tx, t *Tip, owner Agency, why string) (deed, error) {
	t.Owner, t.SuggestedOwner = string(owner), ""
	d := deed{note: "承办单位：" + t.office()}
	if why != "" {
		d.note += "。" + why
	}
	if t.Channel != hotline || t.State == Arbitration {
		return d, nil
	}
	var err error
	d.grounds, err = s.start(ctx, tx, t, s.today(), s.today(), ruleHotlineReturn)
	return d, err
}

// ReturnTip gives a tip-off back.
type ReturnTip struct {
	once.Key
	ID        string       `path:"id" minLength:"1" maxLength:"36"`
	Reason    ReturnReason `json:"reason"`
	Note      string       `json:"note,omitempty" maxLength:"500"`
	Suggested Agency       `json:"suggested" description:"who should own it"`
}

// ReturnTip gives it back to the intake office, the second time to the arbiter. An
// order of the hotline that was kept past its day is one's own: Refused.
func (s *Service) ReturnTip(ctx context.Context, req ReturnTip) (Done, error) {
	if err := faceless(map[string]string{"/note": req.Note}); err != nil {
		return Done{}, err
	}
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Done, error) {
		return s.act(ctx, tx, req.ID, "return", func(t *Tip, _ flow.Step) (deed, error) {
			if string(req.Suggested) == t.Owner {
				return deed{}, fault.Fields(fault.Field{Pointer: "/suggested", Detail: "建议的承办单位不能是本单位"})
			}
			if err := s.mayReturn(ctx, tx, t); err != nil {
				return deed{}, err
			}
			note := string(req.Reason) + "；建议由" + Office(string(req.Suggested), t.Jurisdiction) + "承办"
			if req.Note != "" {
				note += "。" + req.Note
			}
			t.Owner, t.SuggestedOwner, t.Reason = "", string(req.Suggested), string(req.Reason)
			t.Returns++
			return deed{note: note}, nil
		})
	})
}

func (s *Service) mayReturn(ctx context.Context, tx pgx.Tx, t *Tip) error {
	cs, err := listClocks(ctx, tx, t.ID)
	for _, c := range cs {
		if c.Name == ruleHotlineReturn && s.today().After(c.Due) {
			return fault.Refused.Because("退单期限已于 "+c.Due.String()+" 届满，逾期未退的由贵单位承办", c.Ground)
		}
	}
	return err
}

// AssignTip is the arbiter's word.
type AssignTip struct {
	once.Key
	ID     string `path:"id" minLength:"1" maxLength:"36"`
	Owner  Agency `json:"owner"`
	Reason string `json:"reason" minLength:"2" maxLength:"500"`
}

// AssignTip gives the tip-off to an agency that may not return it.
func (s *Service) AssignTip(ctx context.Context, req AssignTip) (Done, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Done, error) {
		return s.act(ctx, tx, req.ID, "assign", func(t *Tip, _ flow.Step) (deed, error) {
			return s.hand(ctx, tx, t, req.Owner, "裁定理由："+req.Reason)
		})
	})
}

// AcceptTip is the owner's acceptance (受理).
type AcceptTip struct {
	once.Key
	ID string `path:"id" minLength:"1" maxLength:"36"`
}

// AcceptTip begins the clocks that run from acceptance, by the law of today.
func (s *Service) AcceptTip(ctx context.Context, req AcceptTip) (Done, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Done, error) {
		return s.act(ctx, tx, req.ID, "accept", func(t *Tip, _ flow.Step) (deed, error) {
			grounds, err := s.start(ctx, tx, t, s.today(), s.today(), fromAcceptance(t.Nature, t.Channel)...)
			return deed{grounds: grounds}, err
		})
	})
}

// MergeTip makes a tip-off part of another about the same matter.
type MergeTip struct {
	once.Key
	ID   string `path:"id" minLength:"1" maxLength:"36"`
	Into string `json:"into" minLength:"1" maxLength:"36" description:"id or number of the one whose case goes on"`
}

// MergeTip lets one case go on. Each reporter's receipt stays good and gets the
// answer; what was merged into this one before goes with it.
func (s *Service) MergeTip(ctx context.Context, req MergeTip) (Done, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Done, error) {
		into, err := s.goingOn(ctx, tx, req)
		if err != nil {
			return Done{}, err
		}
		return s.act(ctx, tx, req.ID, "merge", func(t *Tip, _ flow.Step) (deed, error) {
			if t.Jurisdiction != into.Jurisdiction {
				return deed{}, fault.Conflict.Errorf("不同辖区的举报不能并案")
			}
			t.MergedInto = into.ID
			if err := copyAnswers(ctx, tx, into.ID, t.ID); err != nil {
				return deed{}, err
			}
			return deed{note: "并入 " + into.Number}, moveMerged(ctx, tx, t.ID, into.ID)
		})
	})
}

// goingOn locks both of req's, in the order of their ids, and is the one to merge
// into.
func (s *Service) goingOn(ctx context.Context, tx pgx.Tx, req MergeTip) (*Tip, error) {
	var err error
	if req.Into, err = findID(ctx, tx, req.Into); err != nil {
		return nil, err
	}
	if req.ID == req.Into {
		return nil, fault.Fields(fault.Field{Pointer: "/into", Detail: "不能并入自己"})
	}
	locked := map[string]*Tip{}
	for _, id := range slices.Sorted(maps.Keys(map[string]bool{req.ID: true, req.Into: true})) {
		t, err := lockTip(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		locked[id] = t
	}
	into := locked[req.Into]
	if into.State == Merged || into.State == NotTraining || into.State == Closed {
		return nil, fault.Conflict.Errorf("%s 的状态为“%s”，不能并入", into.Number, into.State.Name())
	}
	return into, nil
}

// ListDuplicates asks which tip-offs may be one matter.
type ListDuplicates struct {
	Tip string `query:"tip" maxLength:"36" description:"of this one alone"`
}

// Duplicates is what may be merged; a person decides.
type Duplicates struct {
	Items []Duplicate `json:"items"`
}

// ListDuplicates offers pairs that name the same subject and matter within 30 days.
func (s *Service) ListDuplicates(ctx context.Context, req ListDuplicates) (Duplicates, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Duplicates, error) {
		items, err := listDuplicates(ctx, tx, req.Tip, alikeWithin)
		return Duplicates{items}, err
	})
}

// goOn ends t's waiting for its reporter: each running clock is longer by as much
// as it stood still.
func (s *Service) goOn(ctx context.Context, tx pgx.Tx, t *Tip) error {
	cs, err := listClocks(ctx, tx, t.ID)
	if err != nil {
		return err
	}
	cal, err := rule.Calendar(ctx, tx)
	for i := range cs {
		c := &cs[i]
		if err != nil || !c.running() {
			continue
		}
		if err = c.pause(cal, t.PausedOn, s.today()); err == nil {
			err = saveClock(ctx, tx, t.ID, c)
		}
	}
	t.PausedOn = day.Date{}
	return err
}

// who is ctx's caller's office.
func who(ctx context.Context) string {
	c := auth.From(ctx)
	return Office(c.Agency, c.Jurisdiction)
}
