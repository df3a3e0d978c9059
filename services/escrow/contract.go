package escrow

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

// The states of a contract; cancelled is one more.
const (
	offered  = "OFFERED"
	signed   = "SIGNED"
	paid     = "PAID"
	finished = "FINISHED"
)

var contractStates = map[string]string{offered: "待家长签订", signed: "已签订，待付款", paid: "履行中", finished: "已结清", cancelled: "已取消"}

// contractFlow is the life of a contract.
var contractFlow = flow.Machine{Name: "合同", Steps: []flow.Step{
	{From: offered, Action: "sign", To: signed, Label: "签订合同", Roles: []string{"parent"}, Basis: "《中小学生校外培训服务合同（示范文本）》GF-2021-2604"},
	{From: offered, Action: "cancel", To: cancelled, Label: "取消合同", Roles: []string{"parent", "principal"}},
	{From: signed, Action: "pay", To: paid, Label: "付款到监管账户", Roles: []string{"parent"}, Basis: supervision},
	{From: signed, Action: "cancel", To: cancelled, Label: "取消合同", Roles: []string{"parent", "principal"}},
	{From: paid, Action: "pay", To: paid, Label: "支付下一期", Roles: []string{"parent"}, Basis: "合同约定的分期付款"},
	{From: paid, Action: "teacher", To: paid, Label: "更换教师", Roles: []string{"principal"}, Reason: true, Basis: "更换教师未经家长同意的，家长可以要求退费"},
	{From: paid, Action: "refunds", To: paid, Label: "申请退费", Roles: []string{"parent"}, Deadline: autoAgree, Basis: "未上课时的费用原路退回"},
	{From: paid, Action: "finish", To: finished, Label: "课时与费用全部了结"},
	{From: finished, Action: "object", To: paid, Label: "家长有异议，未出账的费用留住"},
}}

// Terms are what a contract is about.
type Terms struct {
	Institution string   `json:"institution" minLength:"1" maxLength:"64" description:"id of the institution"`
	Parent      string   `json:"parent" minLength:"1" maxLength:"64" description:"account id of the parent"`
	Pupil       string   `json:"pupil" minLength:"1" maxLength:"20" description:"what the pupil is called; seen by the two parties only"`
	Course      string   `json:"course" minLength:"1" maxLength:"40"`
	Billing     string   `json:"billing" enum:"lesson,period" description:"by the lesson, or for all of the period from first to last lesson"`
	Lessons     int      `json:"lessons" minimum:"1" maximum:"1000" description:"paid lessons"`
	GiftLessons int      `json:"gift_lessons,omitempty" minimum:"0" maximum:"1000" description:"lessons given for nothing, after the paid ones"`
	FirstLesson day.Date `json:"first_lesson"`
	LastLesson  day.Date `json:"last_lesson"`
	PriceFen    Fen      `json:"price_fen" minimum:"1" maximum:"100000000" description:"for all paid lessons, in 分"`
	Agreement
}

// longest is the longest schedule that is taken for no slip of the pen, in months.
const longest = 36

// check returns an Invalid fault that names every term which makes no sense for
// a contract that manager offers today.
func (t Terms) check(manager string, today day.Date) error {
	var wrong []fault.Field
	add := func(bad bool, pointer, detail string) {
		if bad {
			wrong = append(wrong, fault.Field{Pointer: pointer, Detail: detail})
		}
	}
	add(t.Parent == manager, "/parent", "机构负责人不能与自己签订合同")
	add(strings.TrimSpace(t.Pupil) == "", "/pupil", "不能为空白")
	add(strings.TrimSpace(t.Course) == "", "/course", "不能为空白")
	add(t.FirstLesson.Before(today), "/first_lesson", "首课日期不得早于今天 "+today.String())
	add(t.LastLesson.Before(t.FirstLesson), "/last_lesson", "末课日期不得早于首课日期")
	add(t.LastLesson.After(t.FirstLesson.AddMonths(longest)), "/last_lesson", fmt.Sprintf("首课与末课相距超过 %d 个月，请核对日期", longest))
	add(t.Lessons+t.GiftLessons == 1 && t.FirstLesson != t.LastLesson, "/last_lesson", "只有一课时，首课与末课应为同一天")
	add(t.PriceFen < Fen(t.Lessons), "/price_fen", "每课时不足 1 分，请核对总价与课时数")
	wrong = append(wrong, t.Agreement.check(t)...)
	if wrong != nil {
		return fault.Fields(wrong...)
	}
	return nil
}

// basket names the pupil's course within the institution: what the fee rules
// look at together. Spelling, width and case of the names do not matter.
func (t Terms) basket() string {
	h := sha256.New()
	for _, s := range []string{t.Parent, normal(t.Pupil), normal(t.Course)} {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// normal is s without what a split order could be disguised by.
func normal(s string) string {
	return strings.Join(strings.Fields(cases.Fold().String(norm.NFKC.String(s))), "")
}

// Contract is one order: what was agreed, and where its money is.
type Contract struct {
	ID            string
	InstitutionID string
	Jurisdiction  string
	Manager       string
	Parent        string
	Pupil         string
	Course        string
	Basket        string
	State         string
	Lessons       int
	GiftLessons   int
	FirstLesson   day.Date
	LastLesson    day.Date // of what is left of the schedule
	Mode          string   // how the money is supervised: custodyMode or depositMode
	Price         Fen
	Paid          Fen
	Released      Fen
	Refunded      Fen
	Open          int  // lessons neither confirmed nor given back
	Watched       bool // an open flag stands in the basket
	OfferedOn     day.Date
	PaidAt        *time.Time
}

// offer is a contract on t with i, whose money is supervised by mode.
func offer(t Terms, i Institution, mode string) *Contract {
	return &Contract{
		InstitutionID: i.ID, Jurisdiction: i.Jurisdiction, Manager: i.Manager, Parent: t.Parent,
		Pupil: strings.TrimSpace(t.Pupil), Course: strings.TrimSpace(t.Course), Basket: t.basket(), State: offered,
		Lessons: t.Lessons, GiftLessons: t.GiftLessons, FirstLesson: t.FirstLesson, LastLesson: t.LastLesson, Mode: mode,
		Price: t.PriceFen, Open: t.Lessons + t.GiftLessons,
	}
}

// due is what c is paid with next under a; nothing once all is paid.
func (c *Contract) due(a Agreement) Fen { return a.next(c.Price, c.Paid) }

// Held is what is left to release or refund.
func (c *Contract) Held() Fen { return c.Paid - c.Released - c.Refunded }

// party returns Forbidden unless by is the person whose role the step asks for.
func (c *Contract) party(by auth.Caller) error {
	if by.Subject != c.Parent && by.Subject != c.Manager {
		return fault.Forbidden.Errorf("只有合同双方可以进行此操作")
	}
	return nil
}

// take moves c by action, if its state and by allow it.
func (c *Contract) take(action string, by auth.Caller) error {
	if err := c.party(by); err != nil {
		return err
	}
	step, err := contractFlow.Step(c.State, action, by)
	if err == nil {
		c.State = step.To
	}
	return err
}

// receive books amount as paid: the whole price or, by instalments, the next of them.
func (c *Contract) receive(amount, next Fen, at time.Time) error {
	if amount != next {
		return fault.Fields(fault.Field{Pointer: "/amount_fen", Detail: fmt.Sprintf("应付 %d 分（%s）", next, next.Yuan())})
	}
	if c.PaidAt == nil {
		c.PaidAt = &at
	}
	c.Paid += amount
	return nil
}

// release pays the fee of a confirmed lesson to the institution.
func (c *Contract) release(fee Fen) error {
	if fee < 0 || fee > c.Held() {
		return fmt.Errorf("contract %s holds %d, cannot release %d", c.ID, c.Held(), fee)
	}
	c.Released += fee
	c.close(0)
	return nil
}

// keep takes back a fee that was released and has not left the bank: it waits.
func (c *Contract) keep(fee Fen) error {
	if fee > c.Released {
		return fmt.Errorf("contract %s has released %d, cannot keep %d", c.ID, c.Released, fee)
	}
	c.Released -= fee
	if c.State == finished {
		c.State = paid
	}
	return nil
}

// giveBack pays a refund of lessons to the parent.
func (c *Contract) giveBack(amount Fen, lessons int) error {
	if amount < 0 || amount > c.Held() {
		return fmt.Errorf("contract %s holds %d, cannot refund %d", c.ID, c.Held(), amount)
	}
	c.Refunded += amount
	c.close(lessons)
	return nil
}

// close notes that n lessons are over; with the last of them and nothing held,
// the contract is finished. Gift lessons that are still owed keep it open, and so
// do fees that wait because payouts are held.
func (c *Contract) close(n int) {
	c.Open -= n
	if c.Open == 0 && c.Held() == 0 {
		c.State = finished
	}
}

// sight is how much of a contract a caller sees.
type sight struct {
	caller  auth.Caller
	party   bool   // one of the two parties
	winding string // how far the institution's end has come, for what it takes away
}

func (c *Contract) sightOf(by auth.Caller, winding string) sight {
	return sight{by, by.Subject != "" && (by.Subject == c.Parent || by.Subject == c.Manager), winding}
}

// Party is what only the two parties of a contract see of it.
type Party struct {
	Parent string `json:"parent" description:"account id"`
	Pupil  string `json:"pupil"`
}

// Money is where a contract's money is, in 分.
type Money struct {
	PaidFen     Fen `json:"paid_fen"`
	HeldFen     Fen `json:"held_fen" description:"in the supervised account"`
	ReleasedFen Fen `json:"released_fen"`
	RefundedFen Fen `json:"refunded_fen"`
}

// ContractLine is a contract in a list.
type ContractLine struct {
	ID              string   `json:"id"`
	Institution     string   `json:"institution"`
	InstitutionName string   `json:"institution_name"`
	Jurisdiction    string   `json:"jurisdiction"`
	Course          string   `json:"course"`
	Billing         string   `json:"billing"`
	State           string   `json:"state"`
	StateText       string   `json:"state_text"`
	Lessons         int      `json:"lessons" description:"paid lessons, as agreed"`
	GiftLessons     int      `json:"gift_lessons"`
	FirstLesson     day.Date `json:"first_lesson"`
	LastLesson      day.Date `json:"last_lesson" description:"of what is left of the schedule"`
	PriceFen        Fen      `json:"price_fen"`
	Money
	OpenFlags int    `json:"open_flags"`
	Party     *Party `json:"party,omitempty" description:"shown to the two parties only"`
}

func (c *Contract) line(institution, billing string, flags int, s sight) ContractLine {
	v := ContractLine{
		ID: c.ID, Institution: c.InstitutionID, InstitutionName: institution, Jurisdiction: c.Jurisdiction, Course: c.Course, Billing: billing,
		State: c.State, StateText: contractStates[c.State], Lessons: c.Lessons, GiftLessons: c.GiftLessons,
		FirstLesson: c.FirstLesson, LastLesson: c.LastLesson, PriceFen: c.Price,
		Money: Money{c.Paid, c.Held(), c.Released, c.Refunded}, OpenFlags: flags,
	}
	if s.party {
		v.Party = &Party{c.Parent, c.Pupil}
	}
	return v
}

// Progress is how far a contract's lessons are.
type Progress struct {
	Scheduled   int `json:"scheduled"`
	Taught      int `json:"taught" description:"waiting for the parent's word"`
	Confirmed   int `json:"confirmed"`
	Disputed    int `json:"disputed"`
	Refunding   int `json:"refunding"`
	Refunded    int `json:"refunded"`
	Cancelled   int `json:"cancelled" description:"gift lessons that went with a refund"`
	WaitingFen  Fen `json:"waiting_fen" description:"fees of lessons that wait for the parent's word"`
	DisputedFen Fen `json:"disputed_fen" description:"fees of disputed lessons"`
	OnHold      int `json:"on_hold" description:"confirmed lessons whose fee waits because payouts are held"`
	OnHoldFen   Fen `json:"on_hold_fen" description:"the fees of those"`
}

// ContractView is a contract with all that belongs to it.
type ContractView struct {
	ContractLine
	Agreement Agreement     `json:"agreement" description:"what the blanks of GF-2021-2604 are filled in with"`
	DueFen    Fen           `json:"due_fen" description:"what is to be paid next; 0 once all is paid"`
	Progress  Progress      `json:"progress"`
	Hold      string        `json:"hold,omitempty" description:"a sentence for people, while payouts of the institution are held"`
	Warnings  []Warning     `json:"warnings" description:"the flags that paying now would raise; for the two parties, before payment"`
	Flags     []FlagView    `json:"flags"`
	Refunds   []RefundView  `json:"refunds"`
	Actions   []flow.Action `json:"actions"`
	Timeline  []Entry       `json:"timeline"`
}

// fields is what the actions of a contract and its lessons ask for.
var fields = map[string][]flow.Field{
	"pay": {
		{Name: "amount_fen", Label: "付款金额（元），须等于本次应付的价款", Type: "yuan", Required: true},
		{Name: "reference", Label: "付款业务编号（银行回单上的）", Type: "line", Required: true},
	},
	"refunds": {
		{Name: "lessons", Label: "退课时数（自末课起）", Type: "number"},
		{Name: "whole", Label: "全部剩余课时", Type: "boolean"},
		{Name: "fault", Label: "因谁的原因", Type: "choice", Choices: []string{consumerReason, operatorFault}, Names: []string{bases[consumerReason], bases[operatorFault]}},
		{Name: "ground", Label: "非消费者原因的情形", Type: "choice", Choices: groundKeys, Names: groundNames},
		{Name: "stopped_on", Label: "按期收费的，自哪天起不再上课", Type: "date"},
		{Name: "reason", Label: "原因", Type: "text", Required: true},
	},
	"reject": {{Name: "reason", Label: "不同意的理由", Type: "text", Required: true}},
	"fail":   {{Name: "reason", Label: "调解未成的情况", Type: "text", Required: true}},
	"return": {{Name: "reason", Label: "银行退票原因", Type: "text", Required: true}},
	"settle": {
		{Name: "fault", Label: "认定为谁的原因", Type: "choice", Required: true, Choices: []string{consumerReason, operatorFault}, Names: []string{bases[consumerReason], bases[operatorFault]}},
		{Name: "ground", Label: "非消费者原因的情形", Type: "choice", Choices: groundKeys, Names: groundNames},
		{Name: "market_price_fen", Label: "打折前价格不合理的，按市场价认定的总价（元）", Type: "yuan"},
		{Name: "reason", Label: "调解协议或裁判文书", Type: "text", Required: true},
	},
	"taught": {{Name: "taught_on", Label: "授课日期", Type: "date"}},
	"make_up": {
		{Name: "on_date", Label: "新的上课日期", Type: "date", Required: true},
		{Name: "reason", Label: "原因", Type: "text", Required: true},
	},
	"teacher": {
		{Name: "teacher", Label: "新任教师", Type: "line", Required: true},
		{Name: "reason", Label: "原因", Type: "text", Required: true},
	},
	"dispute": {{Name: "reason", Label: "异议原因", Type: "text", Required: true}},
	"freezes": {
		{Name: "account", Label: "冻结的账户", Type: "choice", Required: true, Choices: []string{custodyAccount, depositAccount}, Names: []string{ledgerAccounts[custodyAccount].name, ledgerAccounts[depositAccount].name}},
		{Name: "authority", Label: "作出冻结的机关", Type: "line", Required: true},
		{Name: "document_no", Label: "文书号", Type: "line", Required: true},
		{Name: "amount_fen", Label: "冻结金额（元），不填为全部", Type: "yuan"},
		{Name: "since", Label: "冻结起始日", Type: "date", Required: true},
	},
	"floors": {
		{Name: "amount_fen", Label: "最低余额（元）", Type: "yuan", Required: true},
		{Name: "reason", Label: "理由（规模、教学点、年检结果）", Type: "text", Required: true},
	},
	"reverse":  {{Name: "transfer", Label: "冲正的编号", Type: "line", Required: true}},
	"lift":     {{Name: "document_no", Label: "解除冻结的文书号", Type: "line", Required: true}},
	"withdraw": {{Name: "reason", Label: "撤回原因", Type: "text", Required: true}},
	"object":   {{Name: "reason", Label: "说明（双方可见）", Type: "text", Required: true}},
	"clear":    {{Name: "reason", Label: "核实的情况", Type: "text", Required: true}},
	"correct": {
		{Name: "amount_fen", Label: "应退金额（元），0 为不列入名册", Type: "yuan", Required: true},
		{Name: "reason", Label: "更正的理由", Type: "text", Required: true},
	},
}

func withFields(actions []flow.Action) []flow.Action {
	for i := range actions {
		actions[i].Fields = fields[actions[i].Action]
	}
	return actions
}
