package tipoff

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/division"
	"xunguan/pkg/event"
	"xunguan/pkg/flow"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
	tipoffv1 "xunguan/proto/tipoff/v1"
)

// Facts is what everyone who works on a tip-off may know: nothing of who told.
type Facts struct {
	ID            string   `json:"id"`
	Number        string   `json:"number"`
	Jurisdiction  string   `json:"jurisdiction"`
	State         State    `json:"state"`
	StateName     string   `json:"state_name"`
	Nature        Nature   `json:"nature"`
	Category      Category `json:"category,omitempty"`
	Summary       string   `json:"summary"`
	ReceivedOn    day.Date `json:"received_on"`
	HappenedOn    day.Date `json:"happened_on"`
	SubjectFacts  Subject  `json:"subject"`
	Owner         string   `json:"owner" description:"agency"`
	OwnerOffice   string   `json:"owner_office"`
	Returns       int      `json:"returns" description:"how often it was given back; the second time it goes to the arbiter"`
	Suggested     string   `json:"suggested_owner"`
	Reason        string   `json:"reason"`
	Due           day.Date `json:"due"`
	Provisional   bool     `json:"provisional"`
	Light         Light    `json:"light"`
	DaysLeft      int      `json:"days_left" description:"working days; negative when overdue"`
	AnsweredOn    day.Date `json:"answered_on"`
	ImportedReply bool     `json:"history" description:"it was answered before it came to this system"`
}

// Case is a tip-off as its owner handles it. The intake office sees Intake as well,
// the arbiter neither the text nor that.
type Case struct {
	Facts
	Text      string        `json:"text,omitempty" description:"word by word; for the intake office and the owner alone"`
	Clocks    []Clock       `json:"clocks"`
	Answers   []Answer      `json:"answers"`
	Questions []Question    `json:"questions,omitempty"`
	Timeline  []Entry       `json:"timeline"`
	Actions   []flow.Action `json:"actions" description:"what the caller may do now"`
	Intake    *IntakeCase   `json:"intake,omitempty"`
	Feedback  *Feedback     `json:"feedback,omitempty" description:"what the reporter said of the answer"`
	Requests  []Asked       `json:"identity_requests,omitempty" description:"for the intake office alone"`
	Photos    []Photo       `json:"photos,omitempty" description:"for those who may read the text"`
}

// IntakeCase is what the intake office knows besides.
type IntakeCase struct {
	Channel     string      `json:"channel"`
	SourceID    string      `json:"source_id"`
	Title       string      `json:"title"`
	Suggestion  Suggestion  `json:"suggestion"`
	HasIdentity bool        `json:"has_identity" description:"sealed; see identity-requests"`
	Candidates  []Licensed  `json:"candidates" description:"institutions that it may be about"`
	Duplicates  []Duplicate `json:"duplicates"`
	MergedInto  string      `json:"merged_into"`
}

// FindTip asks for one tip-off.
type FindTip struct {
	ID string `path:"id" minLength:"1" maxLength:"36"`
}

// FindTip is the tip-off as its caller may see it; NotFound out of scope.
func (s *Service) FindTip(ctx context.Context, req FindTip) (Case, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Case, error) {
		t, err := findTip(ctx, tx, req.ID)
		if err != nil {
			return Case{}, err
		}
		return s.file(ctx, tx, t)
	})
}

func (s *Service) file(ctx context.Context, tx pgx.Tx, t *Tip) (f Case, err error) {
	c := auth.From(ctx)
	if f.Clocks, err = s.lit(ctx, tx, t.ID); err != nil {
		return f, err
	}
	f.Facts = s.facts(t, f.Clocks)
	if f.Answers, err = listAnswers(ctx, tx, t.ID); err != nil {
		return f, err
	}
	if f.Feedback, err = findFeedback(ctx, tx, t.ID); err != nil {
		return f, err
	}
	if f.Timeline, err = listTimeline(ctx, tx, t.ID); err != nil {
		return f, err
	}
	if wordByWord(c, t) {
		f.Text = t.Text
		if f.Questions, err = listQuestions(ctx, tx, t.ID); err != nil {
			return f, err
		}
		if f.Photos, err = s.photos(ctx, tx, t.ID); err != nil {
			return f, err
		}
	}
	if has(c, intakeRole) {
		if f.Intake, err = s.intake(ctx, tx, t); err != nil {
			return f, err
		}
		f.Requests, err = s.requests(ctx, tx, t, c)
		f.Actions = actions(t, f.Intake, c)
		return f, err
	}
	f.Actions = actions(t, nil, c)
	f.Timeline = withoutIdentity(f.Timeline)
	return f, nil
}

// withoutIdentity is es for handlers: that a reporter can be named, and that
// somebody looked, is not theirs to know.
func withoutIdentity(es []Entry) []Entry {
	kept := []Entry{}
	for _, e := range es {
		switch e.Action {
		case "identity_request", "identity_approve", "identity_read":
		default:
			kept = append(kept, e)
		}
	}
	return kept
}

// requests is what was asked about t's identity, with the approval that c may give.
func (s *Service) requests(ctx context.Context, tx pgx.Tx, t *Tip, c auth.Caller) ([]Asked, error) {
	found, err := listRequests(ctx, tx, t.ID, "")
	var all []Asked
	for _, r := range found {
		a := s.asked(r)
		switch base := "/v1/identity-requests/" + r.ID; {
		case a.State == "PENDING" && r.RequestedBy != c.Subject:
			a.Actions = []flow.Action{{Action: "identity_approve", Label: "同意查看", Method: "POST", Href: base + "/approve"}}
		case r.readable(c.Subject, s.Now()):
			a.Actions = []flow.Action{{Action: "identity_read", Label: "查看身份（只显示这一次，举报人会看到）", Method: "POST", Href: base + "/read", Shown: true}}
		}
		all = append(all, a)
	}
	return all, err
}

func (s *Service) intake(ctx context.Context, tx pgx.Tx, t *Tip) (*IntakeCase, error) {
	i := &IntakeCase{
		Channel: t.Channel, SourceID: t.SourceID, Title: t.Title, HasIdentity: t.HasIdentity, MergedInto: t.MergedInto,
		Suggestion: Suggestion{t.Suggested, t.Words},
	}
	var err error
	if i.Candidates, err = listInstitutions(ctx, tx, t.InstitutionName, t.PlaceAddress); err != nil {
		return nil, err
	}
	i.Duplicates, err = listDuplicates(ctx, tx, t.ID, alikeWithin)
	return i, err
}

// lit is a tip-off's clocks with their lights of today.
func (s *Service) lit(ctx context.Context, tx pgx.Tx, ids ...string) ([]Clock, error) {
	cs, err := listClocks(ctx, tx, ids...)
	if err != nil {
		return nil, err
	}
	cal, err := rule.Calendar(ctx, tx)
	for i := range cs {
		cs[i].Light = Green
		if cs[i].running() {
			cs[i].Light, cs[i].DaysLeft = light(cal, s.today(), cs[i].Due)
		}
	}
	return cs, err
}

func (s *Service) facts(t *Tip, cs []Clock) Facts {
	f := Facts{
		ID: t.ID, Number: t.Number, Jurisdiction: t.Jurisdiction, State: t.State, StateName: t.State.Name(), Nature: t.Nature,
		Category: t.Category, Summary: t.Summary, ReceivedOn: t.ReceivedOn, HappenedOn: t.HappenedOn, SubjectFacts: t.Subject,
		Owner: t.Owner, OwnerOffice: t.office(), Returns: t.Returns, Suggested: t.SuggestedOwner, Reason: t.Reason,
		AnsweredOn: t.AnsweredOn, ImportedReply: t.History, Light: Green,
	}
	if c := next(cs); c != nil {
		f.Due, f.Provisional, f.Light, f.DaysLeft = c.Due, c.Provisional, c.Light, c.DaysLeft
	}
	return f
}

// ListTips asks for the tip-offs that the caller's office works on.
type ListTips struct {
	State    State    `query:"state"`
	Category Category `query:"category" description:"as the officer says, else as the words suggest"`
	Text     string   `query:"q" maxLength:"60" description:"in number, subject or summary"`
	After    string   `query:"after" maxLength:"36" description:"id of the last one of the page before"`
}

// Listed is a page of tip-offs.
type Listed struct {
	Items []Facts `json:"items"`
	Next  string  `json:"next" description:"for after; empty at the end"`
}

// ListTips lists the newest first, fifty at once. Without the category that an
// officer gives, the suggested one is shown to the intake office.
func (s *Service) ListTips(ctx context.Context, req ListTips) (Listed, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Listed, error) {
		tips, err := listTips(ctx, tx, tipFilter{string(req.State), string(req.Category), req.After, req.Text})
		if err != nil {
			return Listed{}, err
		}
		page := Listed{Items: []Facts{}}
		cs, err := s.clocksByTip(ctx, tx, tips)
		for i := range tips {
			f := s.facts(&tips[i], cs[tips[i].ID])
			f.Category = tips[i].matter()
			page.Items = append(page.Items, f)
		}
		if len(tips) == pageSize {
			page.Next = tips[pageSize-1].ID
		}
		return page, err
	})
}

func (s *Service) clocksByTip(ctx context.Context, tx pgx.Tx, tips []Tip) (map[string][]Clock, error) {
	ids := make([]string, len(tips))
	for i := range tips {
		ids[i] = tips[i].ID
	}
	all, err := s.lit(ctx, tx, ids...)
	by := map[string][]Clock{}
	for _, c := range all {
		by[c.TipID] = append(by[c.TipID], c)
	}
	return by, err
}

// Item is one thing that waits for the caller's office.
type Item struct {
	ID           string   `json:"id"`
	Kind         string   `json:"kind" description:"triage dispatch redispatch accept handle answered arbitrate identity"`
	Title        string   `json:"title"`
	Jurisdiction string   `json:"jurisdiction"`
	State        string   `json:"state"`
	Since        day.Date `json:"since"`
	Due          day.Date `json:"due"`
	Provisional  bool     `json:"provisional"`
	Light        Light    `json:"light"`
	DaysLeft     *int     `json:"days_left" description:"working days; negative when overdue, null without a deadline"`
	Href         string   `json:"href" description:"page of the staff console"`

	Paused bool    `json:"paused,omitempty" description:"no time runs: the reporter is waited for"`
	Terms  []Clock `json:"terms,omitempty" description:"every clock that runs"`
}

// Inbox is what waits.
type Inbox struct {
	Items []Item `json:"items"`
}

var waitingFor = map[State][2]string{
	Received: {"triage", "待甄别"}, Triaged: {"dispatch", "待分派"}, Returned: {"redispatch", "退单待再分派"},
	Dispatched: {"accept", "待受理"}, DispatchedAgain: {"accept", "待受理"}, Assigned: {"accept", "裁定指派，待受理"},
	Handling: {"handle", "待答复"}, Waiting: {"handle", "等待举报人补充"}, Arbitration: {"arbitrate", "待裁定承办单位"},
}

// states is what c's office has in its inbox.
func states(c auth.Caller) []string {
	switch {
	case has(c, intakeRole):
		return []string{string(Received), string(Triaged), string(Returned)}
	case has(c, cityRole):
		return []string{string(Arbitration)}
	}
	return []string{string(Dispatched), string(DispatchedAgain), string(Assigned), string(Handling), string(Waiting)}
}

// Inbox lists what waits for the caller's office, the oldest first.
func (s *Service) Inbox(ctx context.Context, _ struct{}) (Inbox, error) {
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Inbox, error) {
		c, box := auth.From(ctx), Inbox{Items: []Item{}}
		tips, err := listWaiting(ctx, tx, states(c))
		if err != nil {
			return box, err
		}
		cs, err := s.clocksByTip(ctx, tx, tips)
		if err != nil {
			return box, err
		}
		for i := range tips {
			box.Items = append(box.Items, item(&tips[i], cs[tips[i].ID]))
		}
		if !has(c, intakeRole) {
			return box, nil
		}
		requests, err := listRequests(ctx, tx, "", c.Subject)
		for _, r := range requests {
			box.Items = append(box.Items, Item{
				ID: r.ID, Kind: "identity", Title: "待批准查看举报人身份：" + r.Reason, Jurisdiction: r.Jurisdiction, State: "PENDING",
				Since: r.RequestedOn, Light: Green, Href: "/tips/" + r.TipID,
			})
		}
		return box, err
	})
}

func item(t *Tip, cs []Clock) Item {
	kind := waitingFor[t.State]
	it := Item{
		ID: t.ID, Kind: kind[0], Title: fmt.Sprintf("%s：%s（%s）", kind[1], t.subjectName(), t.matter()), Jurisdiction: t.Jurisdiction,
		State: string(t.State), Since: t.ReceivedOn, Light: Green, Href: "/tips/" + t.ID, Paused: t.State == Waiting,
		Terms: slices.DeleteFunc(slices.Clone(cs), func(c Clock) bool { return !c.running() }),
	}
	if c := next(cs); c != nil {
		left := c.DaysLeft
		it.Due, it.Provisional, it.Light, it.DaysLeft = c.Due, c.Provisional, c.Light, &left
	}
	return it
}

// Summary is how many tip-offs there are: to an official those that its list shows,
// to the public all, of which fewer than five of a kind are not told apart, so
// that nobody is found in a small place.
type Summary struct {
	Total      int     `json:"total"`
	ByState    []Count `json:"by_state"`
	ByCategory []Count `json:"by_category"`

	Place string    `json:"place,omitempty" description:"the jurisdiction that is counted; absent is all"`
	AsOf  time.Time `json:"as_of" description:"legal time of the count"`
}

// fewest is the least number that is told on its own.
const fewest = 5

// Summarise counts tip-offs.
func (s *Service) Summarise(ctx context.Context, _ struct{}) (Summary, error) {
	ctx, place := pg.Tally(ctx, "tipoff:summary")
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Summary, error) {
		byState, err := countTips(ctx, tx, `state`)
		if err != nil {
			return Summary{}, err
		}
		byCategory, err := countTips(ctx, tx, `CASE WHEN category = '' THEN suggested ELSE category END`)
		sum := Summary{ByState: byState, ByCategory: byCategory, Place: division.Name(place), AsOf: s.Now()}
		if place == "" {
			sum.ByState, sum.ByCategory = coarse(byState), coarse(byCategory)
		}
		for _, c := range sum.ByState {
			sum.Total += c.Count
		}
		return sum, err
	})
}

// coarse is counts with those of few put together, and left out if they are few
// even so.
func coarse(counts []Count) []Count {
	told, rest := []Count{}, 0
	for _, c := range counts {
		if c.Count >= fewest {
			told = append(told, c)
		} else {
			rest += c.Count
		}
	}
	if rest >= fewest {
		told = append(told, Count{"其余", rest})
	}
	return told
}

// Republish asks for the tip-offs that agencies own to be published anew.
type Republish struct {
	once.Key
	After string `json:"after,omitempty" maxLength:"36" description:"next of the answer before"`
}

// Republished is how far it came.
type Republished struct {
	Published int    `json:"published"`
	Next      string `json:"next" description:"empty when all are published"`
}

// Republish publishes the state of a thousand tip-offs, for a consumer that is new
// or lost its copy.
func (s *Service) Republish(ctx context.Context, req Republish) (Republished, error) {
	return once.Do(ctx, s.DB, req, func(tx pgx.Tx) (Republished, error) {
		var done Republished
		err := asWorker(ctx, tx, "tipoff:republish", func() error {
			tips, err := listOwned(ctx, tx, req.After)
			if err != nil {
				return err
			}
			cs, err := s.clocksByTip(ctx, tx, tips)
			for i := range tips {
				if err == nil {
					err = event.Append(ctx, tx, Topic, tips[i].ID, &tipoffv1.TipDispatched{Tip: tipPB(&tips[i], next(cs[tips[i].ID]))})
				}
			}
			done.Published = len(tips)
			if len(tips) == republishSize {
				done.Next = tips[len(tips)-1].ID
			}
			return err
		})
		return done, err
	})
}

// republishSize is how many are published in one transaction.
const republishSize = 1000
