package escrow

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/rule"
)

// The rules that an institution is wound down by.
const (
	windHoldClause = "winddown.hold_clause"
	windOrder      = "winddown.order"
	windShare      = "winddown.share"
	windRemainder  = "winddown.remainder"
	windChoice     = "winddown.choice"
	windSilence    = "winddown.silence"
)

// windRules is all of them.
var windRules = []string{windHoldClause, windOrder, windShare, windRemainder, windChoice, windSilence}

// The states of a wind-down.
const (
	windProposed  = "PROPOSED"
	windOpen      = "OPEN"
	windPaying    = "PAYING"
	windDone      = "DONE"
	windWithdrawn = "WITHDRAWN"
)

var windStates = map[string]string{
	windProposed: "待复核", windOpen: "家长选择中", windPaying: "清退付款中", windDone: "清退完毕", windWithdrawn: "已撤回",
}

// windGrounds is what a wind-down may rest on.
var windGrounds = map[string]string{"list_decision": "列入黑名单的决定", "licence_revoked": "办学许可证被吊销、撤销或注销", "closed_abnormal": "机构异常关停"}

// windLaw is the law that the authority organises it by.
const windLaw = "民办教育促进法第五十八条、第五十九条"

// windFlow is the life of a wind-down. Until a family is paid, everything can be
// taken back.
var windFlow = flow.Machine{Name: "清退", Steps: []flow.Step{
	{From: windProposed, Action: "confirm", To: windOpen, Label: "复核同意，开始清退", Roles: []string{"examiner"}, Deadline: windChoice, Basis: windLaw},
	{From: windOpen, Action: "recheck", To: windProposed, Label: "名册更正，重新复核"},
	{From: windOpen, Action: "close", To: windPaying, Label: "选择期届满，开始付款"},
	{From: windPaying, Action: "finish", To: windDone, Label: "名册全部付清"},
	{From: windProposed, Action: "withdraw", To: windWithdrawn, Label: "撤回清退", Roles: []string{"examiner"}, Reason: true},
	{From: windOpen, Action: "withdraw", To: windWithdrawn, Label: "撤回清退", Roles: []string{"examiner"}, Reason: true},
	{From: windPaying, Action: "withdraw", To: windWithdrawn, Label: "撤回清退（已付的不变）", Roles: []string{"examiner"}, Reason: true},
}}

// The states of a family of the roster.
const (
	familyOpen = "OPEN"
	familyPaid = "PAID"
	familyVoid = "VOID"
)

var familyStates = map[string]string{familyOpen: "待清退", familyPaid: "已清退", familyVoid: "没有待退的费用"}

// familyFlow is what becomes of a family.
var familyFlow = flow.Machine{Name: "清退名册", Steps: []flow.Step{
	{From: familyOpen, Action: "choose", To: familyOpen, Label: "选择退费或转课", Roles: []string{"parent"}, Basis: "转课须家长同意；逾期未选择的退费"},
	{From: familyOpen, Action: "correct", To: familyOpen, Label: "更正应退金额", Roles: []string{"examiner"}, Reason: true, Basis: "法释〔2025〕4号第二十五条：经营者控制记录而不提供的，可以采信消费者的主张"},
	{From: familyOpen, Action: "pay", To: familyPaid, Label: "清退付款"},
	{From: familyOpen, Action: "void", To: familyVoid, Label: "没有待退的费用"},
	{From: familyVoid, Action: "draw", To: familyOpen, Label: "重新列入名册"},
}}

// What a family chooses; none is byRefund.
const (
	byRefund   = "refund"
	byTransfer = "transfer"
)

var choices = map[string]string{"": "尚未选择（逾期即退费）", byRefund: "退费", byTransfer: "转课"}

// WindDown is the end of an institution.
type WindDown struct {
	InstitutionID string
	ID            string
	Jurisdiction  string
	Manager       string
	State         string
	Ground        string
	DocumentNo    string
	Reason        string
	BegunOn       day.Date // claims are priced as of this day
	StoppedOn     day.Date
	LastHand      string
	ConfirmedOn   day.Date
	ChooseBy      day.Date
	Provisional   bool
	Round         int
	AfterID       string
	Drawn         bool
	CustodyHas    Fen
	CustodyClaims Fen
	DepositHas    Fen
	DepositClaims Fen
}

// Family is one contract of the roster, and what its parent is owed.
type Family struct {
	InstitutionID string
	WindDownID    string
	ContractID    string
	Round         int
	State         string
	Mode          string
	Lessons       int // paid ones
	GiftLessons   int
	Taken         []int    // the lessons that are given back
	Objections    []string // refunds: of lessons that silence confirmed and the parent says were not given
	Objected      Fen      // of Amount: those lessons' fees
	Kept          Fen      // of Held: those of them that the bank has not paid out
	Held          Fen      // paid for what is given back, and supervised
	Amount        Fen      // that the quote comes to, and the objections
	Corrected     *Fen     // instead of it
	Correction    string
	Share         Fen // what there is money for
	Basis         string
	Clauses       []Clause
	Choice        string
	Takeover      string
	RefundID      string
	NewContract   string
	PaidOn        day.Date
}

// claim is what f is owed.
func (f Family) claim() Fen {
	if f.Corrected != nil {
		return *f.Corrected
	}
	return f.Amount
}

// weight is f's claim on the money that stands behind its contract: in custody its own
// lessons' fees, under the deposit all that it is owed.
func (f Family) weight() Fen {
	if f.Mode == depositMode {
		return f.claim()
	}
	return min(f.Held, f.claim())
}

// affected is what q makes of c on w's roster.
func (w WindDown) affected(c *Contract, q Quote) Family {
	f := Family{
		InstitutionID: c.InstitutionID, WindDownID: w.ID, ContractID: c.ID, Round: w.Round, State: familyOpen, Mode: c.Mode,
		Lessons: q.Lessons, GiftLessons: q.GiftLessons, Held: q.Amount - q.Owed + q.Deducted, Amount: q.Amount, Basis: q.Basis, Clauses: q.Clauses, Taken: []int{},
	}
	for _, l := range q.taken {
		f.Taken = append(f.Taken, l.N)
	}
	return f
}

// object makes the fees that a parent asks back for lessons which silence confirmed part
// of what f is owed: a disputed claim. The institution is not asked alone any more; it
// has until the last day of its answer to show the authority, which may correct the
// claim, that the lessons were given.
func (f *Family) object(objections []Refund, r rule.Rule) {
	f.Objections = []string{}
	var last day.Date
	for _, o := range objections {
		f.Objections = append(f.Objections, o.ID)
		f.Objected, f.Kept = f.Objected+o.Amount, f.Kept+o.Kept
		if o.AnswerBy.After(last) {
			last = o.AnswerBy
		}
	}
	if len(objections) == 0 {
		return
	}
	f.Held, f.Amount = f.Held+f.Kept, f.Amount+f.Objected
	words := fmt.Sprintf("自动确认后家长提出异议的 %d 课时，共 %s，作为有争议的债权列入名册：机构最迟在 %s 向主管部门举证，主管部门核实后可以更正（另一人复核）；没有更正的，采信家长的主张（法释〔2025〕4号第二十五条）",
		len(objections), f.Objected.Yuan(), last)
	f.Clauses = append(f.Clauses, Clause{Applies: true, AmountFen: f.Objected, Text: words, Rule: r.Ground(map[string]any{
		"objections": len(objections), "objected_fen": f.Objected, "in_custody_fen": f.Kept, "answer_by": last,
	})})
}

// hears returns Refused unless a parent may still bring an objection into w.
func (w WindDown) hears(today day.Date) error {
	switch {
	case w.State == windProposed, w.State == windOpen && !today.After(w.ChooseBy):
		return nil
	case w.State == windOpen:
		return fault.Refused.Errorf("该机构正在终止清退，异议已于 %s 截止，名册即将付款；付清之后可以再提出", w.ChooseBy)
	}
	return fault.Refused.Errorf("该机构的清退名册正在付款；付清之后可以再提出异议")
}

// undone is a schedule as an institution's end leaves it: what was asked back before is
// ahead again, and so is a lesson that the parent says was not given, for nobody is
// left to prove that it was.
func undone(schedule []Lesson) []Lesson {
	all := slices.Clone(schedule)
	for i, l := range all {
		if l.State == disputed || l.State == refunding && (l.TaughtOn.IsZero() || l.Reason != "") {
			all[i].State, all[i].Refund = scheduled, ""
		} else if l.State == refunding {
			all[i].State, all[i].Refund = taught, ""
		}
	}
	return all
}

// apportion shares pool among claims in proportion, to the 分: each gets its part
// rounded down, and the 分 that are left go to the largest remainders, among equals to
// the first. All are paid in full where pool suffices. No claim is negative.
func apportion(pool Fen, claims []Fen) []Fen {
	shares := slices.Clone(claims)
	pool = max(pool, 0)
	var total Fen
	for _, c := range claims {
		total += c
	}
	if pool >= total {
		return shares
	}
	left, order, rest := pool, make([]int, len(claims)), make([]uint64, len(claims))
	for i, c := range claims {
		hi, lo := bits.Mul64(uint64(pool), uint64(c)) //nolint:gosec // neither is negative
		part, over := bits.Div64(hi, lo, uint64(total))
		shares[i], rest[i], order[i] = Fen(part), over, i //nolint:gosec // at most c
		left -= shares[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rest[b], rest[a]) })
	for _, i := range order[:left] {
		shares[i]++
	}
	return shares
}

// estate is what there is for learners, by what stands behind their contracts.
type estate struct{ Custody, Deposit Fen }

// shareOut gives each of families its share, and notes in w what was shared by which
// rules. Refused where the law of the place has somebody paid before learners: then it
// is for the liquidators.
func (w *WindDown) shareOut(families []Family, e estate, rules rule.Set) ([]fault.Ground, error) {
	var order []string
	if json.Unmarshal(rules[windOrder].Value, &order) != nil || len(order) == 0 || order[0] != "learner_refunds" {
		return nil, fault.Refused.Because("当地规定退费不是第一顺序，须由清算组办理", rules[windOrder].Ground(nil))
	}
	claimed := map[string]Fen{}
	has := map[string]Fen{custodyMode: e.Custody, depositMode: e.Deposit}
	for _, mode := range []string{custodyMode, depositMode} {
		var claims []Fen
		var whose []int
		for i, f := range families {
			if f.Mode == mode {
				claims, whose = append(claims, f.weight()), append(whose, i)
				claimed[mode] += f.weight()
			}
		}
		for n, share := range apportion(has[mode], claims) {
			families[whose[n]].Share = share
		}
	}
	w.CustodyHas, w.CustodyClaims, w.DepositHas, w.DepositClaims = e.Custody, claimed[custodyMode], e.Deposit, claimed[depositMode]
	inputs := map[string]any{
		"families": len(families), "custody_fen": e.Custody, "custody_claims_fen": claimed[custodyMode], "deposit_fen": e.Deposit, "deposit_claims_fen": claimed[depositMode],
	}
	return []fault.Ground{rules[windOrder].Ground(inputs), rules[windShare].Ground(inputs), rules[windRemainder].Ground(inputs)}, nil
}

// sharedWords is what was shared, for people.
func (w WindDown) sharedWords() string {
	var words strings.Builder
	for _, p := range []struct {
		name        string
		has, claims Fen
	}{{"托管资金", w.CustodyHas, w.CustodyClaims}, {"风险保证金", w.DepositHas, w.DepositClaims}} {
		if p.claims == 0 {
			continue
		}
		fmt.Fprintf(&words, "；%s可用 %s，应退 %s", p.name, p.has.Yuan(), p.claims.Yuan())
		if p.has < p.claims {
			fmt.Fprintf(&words, "，按比例退 %s，差额 %s 由机构以自有财产继续退还", max(p.has, 0).Yuan(), (p.claims - max(p.has, 0)).Yuan())
		} else {
			words.WriteString("，全额退还")
		}
	}
	return words.String()
}

// WindStep is one line of a wind-down's history.
type WindStep struct {
	Entry
	Rules []fault.Ground `json:"rules" description:"that the step rests on, with what they were applied to"`
}

// Takeover is another institution's offer to take over lessons.
type Takeover struct {
	WindDownID    string   `json:"-"`
	ID            string   `json:"id"`
	InstitutionID string   `json:"institution"`
	Name          string   `json:"institution_name"`
	Manager       string   `json:"-"`
	FirstLesson   day.Date `json:"first_lesson" description:"lessons begin then at the earliest, and follow each other as before"`
	Note          string   `json:"note"`
	OfferedOn     day.Date `json:"offered_on"`
}

// WindDownView is a wind-down as people see it.
type WindDownView struct {
	ID              string        `json:"id"`
	Institution     string        `json:"institution"`
	InstitutionName string        `json:"institution_name"`
	Jurisdiction    string        `json:"jurisdiction"`
	State           string        `json:"state"`
	StateText       string        `json:"state_text"`
	Ground          string        `json:"ground" description:"list_decision, licence_revoked or closed_abnormal"`
	GroundText      string        `json:"ground_text"`
	DocumentNo      string        `json:"document_no"`
	BegunOn         day.Date      `json:"begun_on" description:"claims are priced as of this day"`
	ConfirmedOn     day.Date      `json:"confirmed_on,omitzero"`
	ChooseBy        day.Date      `json:"choose_by,omitzero" description:"a family that has not chosen by this day is refunded"`
	Provisional     bool          `json:"provisional,omitempty"`
	Takeovers       []Takeover    `json:"takeovers"`
	Figures         *WindFigures  `json:"figures,omitempty" description:"for the institution and officials"`
	Timeline        []WindStep    `json:"timeline,omitempty" description:"for the institution and officials"`
	Actions         []flow.Action `json:"actions"`
}

// WindFigures is the sums of a roster, in 分.
type WindFigures struct {
	Drawn     bool   `json:"drawn" description:"the roster is whole"`
	Reason    string `json:"reason"`
	Families  int    `json:"families"`
	Paid      int    `json:"paid"`
	Transfers int    `json:"transfers" description:"families that chose another institution"`
	ClaimFen  Fen    `json:"claim_fen" description:"all that families are owed"`
	HeldFen   Fen    `json:"held_fen" description:"of it: paid for lessons that are given back, and supervised"`
	ShareFen  Fen    `json:"share_fen" description:"of the claims: what there is money for"`
	PaidFen   Fen    `json:"paid_fen" description:"of the shares: paid"`
	Shortfall Fen    `json:"shortfall_fen" description:"of the claims: left to the institution's own property"`

	CustodyFen Fen `json:"custody_fen" description:"there was for learners in custody, when it was last shared out"`
	DepositFen Fen `json:"deposit_fen" description:"and on the risk deposit"`
}

// windRow is a wind-down with its institution's name.
type windRow struct {
	WindDown
	InstitutionName string
}

// concerns reports whether by is an official of the place, or acts for the institution.
func (w WindDown) concerns(by auth.Caller) bool { return by.Agency != "" || by.Subject == w.Manager }

func (r windRow) view(by auth.Caller, offers []Takeover) WindDownView {
	v := WindDownView{
		ID: r.ID, Institution: r.InstitutionID, InstitutionName: r.InstitutionName, Jurisdiction: r.Jurisdiction, State: r.State, StateText: windStates[r.State],
		Ground: r.Ground, GroundText: windGrounds[r.Ground], DocumentNo: r.DocumentNo, BegunOn: r.BegunOn, ConfirmedOn: r.ConfirmedOn,
		ChooseBy: r.ChooseBy, Provisional: r.Provisional, Takeovers: offers, Actions: withFields(windFlow.Actions(r.State, "/v1/wind-downs/"+r.ID, by)),
	}
	v.Actions = slices.DeleteFunc(v.Actions, func(a flow.Action) bool { return a.Action == "confirm" && (by.Subject == r.LastHand || !r.Drawn) })
	return v
}

// FamilyView is a line of the roster.
type FamilyView struct {
	Contract      string        `json:"contract"`
	Course        string        `json:"course"`
	State         string        `json:"state"`
	StateText     string        `json:"state_text"`
	Mode          string        `json:"mode" description:"custody 银行托管, deposit 风险保证金"`
	Lessons       int           `json:"lessons" description:"paid lessons that are given back"`
	GiftLessons   int           `json:"gift_lessons"`
	ClaimFen      Fen           `json:"claim_fen"`
	ObjectedFen   Fen           `json:"objected_fen" description:"of the claim: fees of lessons that silence confirmed and the parent says were not given"`
	HeldFen       Fen           `json:"held_fen" description:"paid for what is given back, and supervised"`
	ShareFen      Fen           `json:"share_fen" description:"what there is money for; final once families are paid"`
	ShortfallFen  Fen           `json:"shortfall_fen" description:"left to the institution's own property"`
	QuotedFen     Fen           `json:"quoted_fen" description:"the claim before it was corrected"`
	Correction    string        `json:"correction,omitempty" description:"why an official corrected the claim"`
	BasisText     string        `json:"basis_text"`
	Clauses       []Clause      `json:"clauses"`
	Choice        string        `json:"choice" enum:",refund,transfer"`
	ChoiceText    string        `json:"choice_text"`
	Takeover      string        `json:"takeover,omitempty" description:"id of the offer that was chosen"`
	Refund        string        `json:"refund,omitempty" description:"id"`
	NewContract   string        `json:"new_contract,omitempty" description:"with the institution that took over"`
	PaidOn        day.Date      `json:"paid_on,omitzero"`
	Party         *Party        `json:"party,omitempty" description:"shown to the two parties only"`
	Actions       []flow.Action `json:"actions"`
	InstitutionID string        `json:"institution"`
}

// familyRow is a family with what people see of its contract.
type familyRow struct {
	Family
	Course, Parent, Pupil, Manager string
}

func (r familyRow) view(w WindDown, offers []Takeover, by auth.Caller, today day.Date) FamilyView {
	v := FamilyView{
		Contract: r.ContractID, Course: r.Course, State: r.State, StateText: familyStates[r.State], Mode: r.Mode, Lessons: r.Lessons, GiftLessons: r.GiftLessons,
		ClaimFen: r.claim(), ObjectedFen: r.Objected, HeldFen: r.Held, ShareFen: r.Share, ShortfallFen: r.claim() - r.Share, QuotedFen: r.Amount, Correction: r.Correction,
		BasisText: bases[r.Basis], Clauses: r.Clauses, Choice: r.Choice, ChoiceText: choices[r.Choice], Takeover: r.Takeover, Refund: r.RefundID,
		NewContract: r.NewContract, PaidOn: r.PaidOn, InstitutionID: r.InstitutionID,
		Actions: withFields(familyFlow.Actions(r.State, "/v1/wind-downs/"+r.WindDownID+"/families/"+r.ContractID, by)),
	}
	v.Actions = slices.DeleteFunc(v.Actions, func(a flow.Action) bool {
		return a.Action == "choose" && w.choosable(today) != nil || a.Action == "correct" && w.correctable() != nil
	})
	for i := range v.Actions {
		if v.Actions[i].Action == "choose" {
			v.Actions[i].Fields = choiceFields(offers)
		}
	}
	if by.Subject != "" && (by.Subject == r.Parent || by.Subject == r.Manager) {
		v.Party = &Party{r.Parent, r.Pupil}
	}
	return v
}

// choiceFields is what a family is asked: a transfer only where somebody offered one.
func choiceFields(offers []Takeover) []flow.Field {
	choice := flow.Field{Name: "choice", Label: "选择", Type: "choice", Required: true, Choices: []string{byRefund}, Names: []string{choices[byRefund]}}
	if len(offers) == 0 {
		return []flow.Field{choice}
	}
	choice.Choices, choice.Names = append(choice.Choices, byTransfer), append(choice.Names, choices[byTransfer])
	to := flow.Field{Name: "takeover", Label: "转课到（选择退费的不填）", Type: "choice"}
	for _, t := range offers {
		to.Choices, to.Names = append(to.Choices, t.ID), append(to.Names, fmt.Sprintf("%s（最早 %s 开课）：%s", t.Name, t.FirstLesson, t.Note))
	}
	return []flow.Field{choice, to}
}

// choosable returns Conflict unless a family may choose today.
func (w WindDown) choosable(today day.Date) error {
	switch {
	case w.ConfirmedOn.IsZero() || w.State != windOpen:
		return fault.Conflict.Errorf("清退%s，现在不能选择", windStates[w.State])
	case today.After(w.ChooseBy):
		return fault.Conflict.Errorf("选择期到 %s 为止，已过", w.ChooseBy)
	}
	return nil
}

// correctable returns Conflict unless the roster may be corrected: shares that are
// being paid rest on it.
func (w WindDown) correctable() error {
	if w.State != windProposed && w.State != windOpen || !w.Drawn {
		return fault.Conflict.Errorf("清退%s，名册现在不能更正", windStates[w.State])
	}
	return nil
}
