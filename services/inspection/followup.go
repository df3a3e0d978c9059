package inspection

import (
	"slices"
	"strings"
	"time"

	"xunguan/pkg/auth"
	"xunguan/pkg/flow"
)

// The states of a follow-up.
const (
	fuProposed  = "PROPOSED"  // licensing was asked for an entry
	fuDecided   = "DECIDED"   // approved, not public yet
	fuPublished = "PUBLISHED" // in force: the decision travels
	fuDone      = "DONE"
	fuUndoing   = "UNDOING" // set aside: each effect is undone
	fuUndone    = "UNDONE"
	fuRefused   = "REFUSED"
)

var followUpNames = map[string]string{
	fuProposed: "已提请，待决定", fuDecided: "已决定，待公布", fuPublished: "已公布，待各方落实", fuDone: "各方均已落实",
	fuUndoing: "已撤销，待各方恢复", fuUndone: "各方均已恢复", fuRefused: "不予列入",
}

// FollowUpFlow is the steps of a black list decision through the suite. All but
// resume are the system's own.
var FollowUpFlow = flow.Machine{Name: "决定的后续", Steps: []flow.Step{
	{From: fuProposed, Action: "decided", To: fuDecided, Label: "同意列入"},
	{From: fuProposed, Action: "refused", To: fuRefused, Label: "不予列入"},
	{From: fuDecided, Action: "refused", To: fuRefused, Label: "不予列入"},
	{From: fuProposed, Action: "published", To: fuPublished, Label: "列入公布"},
	{From: fuDecided, Action: "published", To: fuPublished, Label: "列入公布"},
	{From: fuProposed, Action: "set_aside", To: fuUndone, Label: "公布前即撤销"},
	{From: fuDecided, Action: "set_aside", To: fuUndone, Label: "公布前即撤销"},
	{From: fuPublished, Action: "all_arrived", To: fuDone, Label: "拨付已暂停，举报均已答复"},
	{From: fuPublished, Action: "set_aside", To: fuUndoing, Label: "决定撤销"},
	{From: fuDone, Action: "set_aside", To: fuUndoing, Label: "决定撤销"},
	{From: fuUndoing, Action: "all_arrived", To: fuUndone, Label: "拨付已恢复，答复均已更正"},
	{From: fuProposed, Action: "resume", To: fuProposed, Label: "再次发出", Roles: []string{examinerRole, cityRole}},
	{From: fuPublished, Action: "resume", To: fuPublished, Label: "再次发出", Roles: []string{examinerRole, cityRole}},
	{From: fuUndoing, Action: "resume", To: fuUndoing, Label: "再次发出", Roles: []string{examinerRole, cityRole}},
}}

// Command is what a follow-up asks of other services, by an event.
type Command string

// The commands, each sent once for a follow-up.
const (
	AskForEntry    Command = "ask_for_entry"   // ListEntryWanted
	PublishResult  Command = "publish_result"  // ResultPublished
	WithdrawResult Command = "withdraw_result" // ResultPublished{withdrawn}
)

// commandOf is what is sent on entering a state, and again by resume.
var commandOf = map[string]Command{fuProposed: AskForEntry, fuPublished: PublishResult, fuUndoing: WithdrawResult}

// FactKind is what a follow-up learns from others' events.
type FactKind string

// The facts.
const (
	EntryDecided   FactKind = "entry_decided"
	EntryRefused   FactKind = "entry_refused"
	EntryPublished FactKind = "entry_published"
	EntrySetAside  FactKind = "entry_set_aside"
	PayoutsHeld    FactKind = "payouts_held"
	PayoutsResumed FactKind = "payouts_resumed"
	TipAnswered    FactKind = "tip_answered"
	TipAmended     FactKind = "tip_amended"
)

// Fact is one thing learnt; Tip is which, of the last two.
type Fact struct {
	Kind FactKind
	Tip  string
}

// Known is all that a follow-up has learnt. It only grows, so that the order in
// which facts come makes no difference to where they lead.
type Known struct {
	EntryID   string   `json:"entry_id"`
	Facts     string   `json:"facts"`
	Basis     string   `json:"basis"`
	WantedBy  string   `json:"wanted_by"`
	Tips      []string `json:"tips"`
	Decided   bool     `json:"decided"`
	Refused   bool     `json:"refused"`
	Published bool     `json:"published"`
	SetAside  bool     `json:"set_aside"`
	Held      bool     `json:"held"`
	Resumed   bool     `json:"resumed"`
	Answered  []string `json:"answered"`
	Amended   []string `json:"amended"`
}

// FollowUp is the process of one decision. Its id is that of the ListEntryWanted
// that began it.
type FollowUp struct {
	ID            string    `json:"id"`
	TaskID        string    `json:"task_id"`
	Type          string    `json:"type"`
	Jurisdiction  string    `json:"jurisdiction"`
	Agencies      []Agency  `json:"-"`
	InstitutionID string    `json:"institution_id"`
	Name          string    `json:"name"`
	State         string    `json:"state"`
	StateName     string    `json:"state_name" db:"-"`
	Since         time.Time `json:"since" description:"legal time"`
	WaitingFor    []string  `json:"waiting_for" description:"list_entry_decided, list_entry_published, payouts_held, tip_answered:<id>, payouts_resumed, tip_amended:<id>"`
	Waits         string    `json:"waits" db:"-" description:"what it waits for, in words"`
	Version       int       `json:"version"`
	Data          Known     `json:"data"`
}

// learn adds f to k and reports whether it was news.
func (k *Known) learn(f Fact) bool {
	flag := map[FactKind]*bool{
		EntryDecided: &k.Decided, EntryRefused: &k.Refused, EntryPublished: &k.Published, EntrySetAside: &k.SetAside,
		PayoutsHeld: &k.Held, PayoutsResumed: &k.Resumed,
	}[f.Kind]
	if flag != nil {
		news := !*flag
		*flag = true
		return news
	}
	list := &k.Answered
	if f.Kind == TipAmended {
		list = &k.Amended
	}
	if slices.Contains(*list, f.Tip) {
		return false
	}
	*list = append(slices.Clone(*list), f.Tip)
	slices.Sort(*list)
	return true
}

// Pending is what a follow-up in state waits for, in a fixed order.
func (k *Known) Pending(state string) []string {
	pending := []string{}
	add := func(is bool, what string) {
		if !is {
			pending = append(pending, what)
		}
	}
	tips := func(seen []string, what string) {
		for _, t := range k.Tips {
			add(slices.Contains(seen, t), what+":"+t)
		}
	}
	switch state {
	case fuProposed:
		add(k.Decided, "list_entry_decided")
		add(k.Published, "list_entry_published")
	case fuDecided:
		add(k.Published, "list_entry_published")
	case fuPublished:
		add(k.Held, string(PayoutsHeld))
		tips(k.Answered, string(TipAnswered))
	case fuUndoing:
		add(k.Resumed, string(PayoutsResumed))
		tips(k.Amended, string(TipAmended))
	}
	return pending
}

// action is the step that what is known calls for in f's state; "" if none.
func (f *FollowUp) action() string {
	k := &f.Data
	switch f.State {
	case fuProposed, fuDecided:
		switch {
		case k.SetAside:
			return "set_aside"
		case k.Published:
			return "published"
		case k.Refused:
			return "refused"
		case k.Decided && f.State == fuProposed:
			return "decided"
		}
	case fuPublished, fuDone:
		switch {
		case k.SetAside:
			return "set_aside"
		case f.State == fuPublished && len(k.Pending(f.State)) == 0:
			return "all_arrived"
		}
	case fuUndoing:
		if len(k.Pending(f.State)) == 0 {
			return "all_arrived"
		}
	}
	return ""
}

// Learn returns f having learnt facts at a time, the steps that it took and what
// it must send now. What it knew already changes nothing.
func (f FollowUp) Learn(at time.Time, facts ...Fact) (next FollowUp, steps []flow.Step, send []Command, err error) {
	news := false
	for _, fact := range facts {
		news = f.Data.learn(fact) || news
	}
	if !news {
		return f, nil, nil, nil
	}
	for a := f.action(); a != ""; a = f.action() {
		s, err := bySystem(FollowUpFlow, f.State, a)
		if err != nil {
			return f, nil, nil, err
		}
		f.State, f.Since = s.To, at
		steps = append(steps, s)
		if c, ok := commandOf[s.To]; ok {
			send = append(send, c)
		}
	}
	f.Version++
	f.WaitingFor = f.Data.Pending(f.State)
	return f, steps, send, nil
}

// Ended reports whether nothing more is expected.
func (f *FollowUp) Ended() bool {
	return f.State == fuDone || f.State == fuUndone || f.State == fuRefused
}

// Resume returns the command that c has sent again.
func (f *FollowUp) Resume(c auth.Caller) (Command, error) {
	if _, err := FollowUpFlow.Step(f.State, "resume", c); err != nil {
		return "", err
	}
	return commandOf[f.State], nil
}

// stuckAfter is how long a follow-up may wait for other services before it shows
// in the inbox. It is a matter of operation, not of law.
const stuckAfter = 10 * time.Minute

// Stuck reports whether f waits for services, not for people, longer than it should.
func (f *FollowUp) Stuck(now time.Time) bool {
	return (f.State == fuPublished || f.State == fuUndoing) && now.Sub(f.Since) > stuckAfter
}

// waits is what f waits for, for people to read.
func (f *FollowUp) waits() string {
	words := map[string]string{
		"list_entry_decided": "许可机关决定", "list_entry_published": "列入公布", "payouts_held": "暂停拨付", "tip_answered": "答复举报",
		"payouts_resumed": "恢复拨付", "tip_amended": "更正答复",
	}
	var list []string
	for _, w := range f.WaitingFor {
		kind, _, _ := strings.Cut(w, ":")
		if s := words[kind]; !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return strings.Join(list, "、")
}
