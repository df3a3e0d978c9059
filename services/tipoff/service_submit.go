package tipoff

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
)

// SubmitTip is a tip-off by anyone: no account, no session.
type SubmitTip struct {
	once.Key
	Subject
	Jurisdiction string    `json:"jurisdiction,omitempty" pattern:"^([0-9]{6})?$" description:"six-digit division code of the place, if known"`
	Text         string    `json:"text" minLength:"5" maxLength:"5000" description:"what happened; please do not name yourself here"`
	HappenedOn   *day.Date `json:"happened_on,omitempty"`
	Identity     *Identity `json:"identity,omitempty" description:"optional; sealed to the intake office, unseen by those who handle the case"`
	Photos       []string  `json:"photos,omitempty" maxItems:"6" description:"ids of photos that were added"`
}

// Receipt is the answer to a tip-off. Its code is shown this once.
type Receipt struct {
	Number      string   `json:"number" description:"public number"`
	Code        string   `json:"code" description:"secret query code, in groups; it is stored nowhere and cannot be had again"`
	SubmittedOn day.Date `json:"submitted_on"`
	WhatNext    string   `json:"what_next"`
	Due         day.Date `json:"due" description:"by when there is to be an answer"`
	Provisional bool     `json:"provisional"`
	Warnings    []string `json:"warnings" description:"what in the text could give the reporter away"`
}

// submission is what once remembers of a SubmitTip: neither what it says nor its
// key, for either could be guessed from a plain hash.
type submission struct {
	once.Key
	Said string
}

// given is the answer as once keeps it: a Receipt without its code.
type given struct {
	Receipt Receipt
	Salt    string
}

// SubmitTip takes a tip-off in. Asked again with the same key it gives the same
// receipt, code and all.
func (s *Service) SubmitTip(ctx context.Context, req SubmitTip) (Receipt, error) {
	if err := req.check(); err != nil {
		return Receipt{}, err
	}
	said, err := json.Marshal(req)
	if err != nil {
		return Receipt{}, err
	}
	ctx = pg.Worker(auth.With(ctx, auth.Caller{}), "tipoff:submit")
	blind := submission{once.Key{IdempotencyKey: s.Pepper.blind(req.IdempotencyKey)}, hex.EncodeToString(s.Pepper.mac("said", string(said)))}
	g, err := once.Do(ctx, s.DB, blind, func(tx pgx.Tx) (given, error) { return s.submit(ctx, tx, req) })
	if err != nil {
		return Receipt{}, err
	}
	g.Receipt.Code = s.Pepper.code(g.Salt, req.IdempotencyKey).Shown()
	return g.Receipt, nil
}

func (s *Service) submit(ctx context.Context, tx pgx.Tx, req SubmitTip) (given, error) {
	t, err := s.newTip(ctx, tx, req)
	if err != nil {
		return given{}, err
	}
	if err := s.number(ctx, tx, t); err != nil {
		return given{}, err
	}
	salt := newSalt()
	if err := insertReceipt(ctx, tx, t.Number, s.Pepper.hash(t.Number, s.Pepper.code(salt, req.IdempotencyKey)), t.ID); err != nil {
		return given{}, err
	}
	if t.HasIdentity {
		sealed, err := s.Seal.close(*req.Identity)
		if err != nil {
			return given{}, err
		}
		if err := insertIdentity(ctx, tx, t.ID, sealed); err != nil {
			return given{}, err
		}
	}
	if err := s.Photos.Bind(ctx, tx, t.ID, "", req.Photos); err != nil {
		return given{}, err
	}
	grounds, err := s.start(ctx, tx, t, t.ReceivedOn, t.ReceivedOn, fromReceipt(t.Nature, t.Channel)...)
	if err != nil {
		return given{}, err
	}
	if err := saveAudit(ctx, tx, s.Now(), deed{t, flow.Step{Action: "submit", To: string(Received), Label: "收到举报"}, "", grounds}); err != nil {
		return given{}, err
	}
	r, err := receipt(ctx, tx, t)
	return given{r, salt}, err
}

// newTip is the tip-off that req makes. A licensed institution says where it is.
func (s *Service) newTip(ctx context.Context, tx pgx.Tx, req SubmitTip) (*Tip, error) {
	t := &Tip{
		ID: newID(s.today()), Jurisdiction: req.Jurisdiction, Channel: "web", State: Received, Nature: Report,
		ReceivedOn: s.today(), Subject: req.Subject, Text: strings.TrimSpace(req.Text),
		HasIdentity: req.Identity != nil && !req.Identity.empty(),
	}
	if req.HappenedOn != nil {
		t.HappenedOn = *req.HappenedOn
	}
	if t.HappenedOn.After(t.ReceivedOn) {
		return nil, fault.Fields(fault.Field{Pointer: "/happened_on", Detail: "不能晚于今天"})
	}
	if t.Institution != "" {
		if i, err := findInstitution(ctx, tx, t.Institution); err == nil {
			t.InstitutionName, t.Jurisdiction = i.Name, i.Jurisdiction
		}
	}
	if t.Jurisdiction == "" {
		t.Jurisdiction = s.Home
	}
	if _, ok := division.Find(t.Jurisdiction); !ok {
		return nil, fault.Fields(fault.Field{Pointer: "/jurisdiction", Detail: "没有这个行政区划代码"})
	}
	said := suggest(t.subjectName(), t.Text)
	if said.Category == Elsewhere && t.SubjectKind != Person { // who comes to this form speaks of training
		said = suggest("培训机构", t.Text)
	}
	t.Suggested, t.Words, t.SubjectKeys = said.Category, said.Words, t.keys()
	return t, nil
}

// number inserts t under a number of its own.
func (s *Service) number(ctx context.Context, tx pgx.Tx, t *Tip) error {
	for try := range 5 {
		n, err := newNumber(t.ReceivedOn, try)
		if err != nil {
			return err
		}
		t.Number = n
		if ok, err := insertTip(ctx, tx, t, theNumber); ok || err != nil {
			return err
		}
	}
	return errNumbers
}

// receipt is what t's reporter is told, but for the code.
func receipt(ctx context.Context, tx pgx.Tx, t *Tip) (Receipt, error) {
	cs, err := listClocks(ctx, tx, t.ID)
	if err != nil {
		return Receipt{}, err
	}
	r := Receipt{Number: t.Number, SubmittedOn: t.ReceivedOn, Warnings: []string{}}
	told := "接件人将甄别并分派承办单位"
	if c := next(cs); c != nil {
		told += "，最迟于 " + c.Due.String() + " 告知是否受理"
	}
	if c := last(cs); c != nil {
		r.Due, r.Provisional = c.Due, c.Provisional
		told += "，一般于 " + c.Due.String() + " 前答复"
	}
	r.WhatNext = told + "。期限自提交之日起算，部门之间转办不重新计算。请抄下受理编号和查询码：查询码只显示这一次，凭两者随时查看进度和答复。"
	if what := betrays(t.Text); what != "" {
		r.Warnings = append(r.Warnings, "您填写的内容中似乎有"+what+"。承办单位可以看到举报内容；如果那是您本人的，请凭编号和查询码补充说明，或另行提交不含该号码的举报。")
	}
	return r, nil
}

// TrackTip asks how a tip-off stands.
type TrackTip struct {
	Number string `json:"number" minLength:"1" maxLength:"64" example:"TS-2026-1122-0837"`
	Code   string `json:"code" minLength:"1" maxLength:"128" description:"as it was shown; spaces, hyphens and case do not matter"`
}

// Track is how a tip-off stands, for its reporter.
type Track struct {
	Number      string     `json:"number"`
	State       State      `json:"state"`
	StateName   string     `json:"state_name"`
	Merged      bool       `json:"merged" description:"it is handled together with others about the same matter"`
	Owner       string     `json:"owner" description:"office; empty before it is dispatched"`
	Holder      string     `json:"holder" description:"office on whose desk it is now"`
	HeldSince   day.Date   `json:"held_since" description:"the day on which it came to that office"`
	Since       day.Date   `json:"since"`
	Due         day.Date   `json:"due"`
	Provisional bool       `json:"provisional"`
	Reason      string     `json:"reason" description:"why it was sent back, and where to go"`
	Answers     []Answer   `json:"answers"`
	Questions   []Question `json:"questions"`
	Photos      []Photo    `json:"photos"`
	Notices     []string   `json:"notices" description:"each time that the reporter's identity was read, and why"`
	Feedback    *Feedback  `json:"feedback,omitempty" description:"what the reporter said of the answer"`
	CanReopen   bool       `json:"can_reopen" description:"the reporter may say, once, that it is still not settled"`
}

// errNoReceipt is the answer to a wrong pair, whatever is wrong with it.
var errNoReceipt = fault.NotFound.Errorf("没有找到：请核对受理编号和查询码")

// TrackTip answers who has both number and code. Any other pair is NotFound, after
// the same work: one hash, one look into an index, one comparison.
func (s *Service) TrackTip(ctx context.Context, req TrackTip) (Track, error) {
	ctx = auth.With(ctx, auth.Caller{})
	return pg.InTx(pg.Worker(ctx, "tipoff:track"), s.DB, func(tx pgx.Tx) (Track, error) {
		t, err := s.opened(ctx, tx, req)
		if err != nil {
			return Track{}, err
		}
		return s.track(ctx, tx, t)
	})
}

// opened is the tip-off that req opens.
func (s *Service) opened(ctx context.Context, tx pgx.Tx, req TrackTip) (*Tip, error) {
	number := parseNumber(req.Number)
	code, bad := parseCode(req.Code)
	if bad != nil {
		code = Code(strings.Repeat("0", codeLength+1)) // hashed all the same
	}
	hash, dummy := s.Pepper.hash(number, code), s.Pepper.mac("dummy", number)
	id, stored, err := findReceipt(ctx, tx, number, hash, dummy)
	if err != nil {
		return nil, err
	}
	if same := subtle.ConstantTimeCompare(hash, stored); same != 1 || bad != nil || id == "" {
		return nil, errNoReceipt
	}
	return findTip(ctx, tx, id)
}

func (s *Service) track(ctx context.Context, tx pgx.Tx, t *Tip) (Track, error) {
	k := Track{Number: t.Number, Since: t.ReceivedOn, Merged: t.State == Merged, Reason: "", Notices: []string{}}
	goesOn := t
	if k.Merged {
		var err error
		if goesOn, err = findTip(ctx, tx, t.MergedInto); err != nil {
			return k, err
		}
	}
	k.State, k.StateName, k.Owner = goesOn.State, goesOn.State.Name(), goesOn.office()
	if t.State == NotTraining {
		k.Reason = t.Reason
	}
	_, ends := own(goesOn.State, "unsolved")
	k.CanReopen = ends && goesOn.Owner != "" && goesOn.ReopenedOn.IsZero()
	var err error
	if k.Holder, k.HeldSince, err = s.holder(ctx, tx, goesOn); err != nil {
		return k, err
	}
	if k.Feedback, err = findFeedback(ctx, tx, t.ID); err != nil {
		return k, err
	}
	cs, err := listClocks(ctx, tx, goesOn.ID)
	if err != nil {
		return k, err
	}
	if c := last(cs); c != nil {
		k.Due, k.Provisional = c.Due, c.Provisional
	}
	if k.Answers, err = listAnswers(ctx, tx, t.ID); err != nil {
		return k, err
	}
	for i := range k.Answers {
		k.Answers[i].FollowUpID = ""
	}
	if k.Questions, err = listQuestions(ctx, tx, t.ID); err != nil {
		return k, err
	}
	if k.Photos, err = s.photos(ctx, tx, t.ID); err != nil {
		return k, err
	}
	requests, err := listRequests(ctx, tx, t.ID, "")
	for _, r := range requests {
		if !r.ReadOn.IsZero() {
			k.Notices = append(k.Notices, "您的身份信息曾于 "+r.ReadOn.String()+" 因“"+r.Reason+"”经两名工作人员批准后被查看")
		}
	}
	return k, err
}

// SupplementTip is a reporter's answer to what was asked.
type SupplementTip struct {
	TrackTip
	Text   string   `json:"text" minLength:"1" maxLength:"5000"`
	Photos []string `json:"photos,omitempty" maxItems:"6" description:"ids of photos that were added"`
}

// SupplementTip answers every open question of the tip-off, once, and adds photos to
// it; the clocks go on by as many days as they stood still.
func (s *Service) SupplementTip(ctx context.Context, req SupplementTip) (Track, error) {
	return s.byReceipt(ctx, "tipoff:supplement", req.TrackTip, func(ctx context.Context, tx pgx.Tx, t *Tip) error {
		step, ok := own(t.State, "supplement")
		if !ok {
			return fault.Conflict.Errorf("目前没有需要您补充的问题")
		}
		if err := saveSupplement(ctx, tx, t.ID, req.Text, s.today()); err != nil {
			return err
		}
		if err := s.Photos.Bind(ctx, tx, t.ID, "", req.Photos); err != nil {
			return err
		}
		if err := s.goOn(ctx, tx, t); err != nil {
			return err
		}
		_, err := s.take(ctx, tx, deed{tip: t, step: step})
		return err
	})
}
