package escrow

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/due"
	"xunguan/pkg/fault"
	licensingv1 "xunguan/proto/licensing/v1"
)

// begun is a wind-down that examiner2 began, with its roster drawn.
func (h *house) begun(institution string) WindDownView {
	h.t.Helper()
	w := must(h.BeginWindDown(h.as("examiner2"), BeginWindDown{
		Key: h.key(), Institution: institution, Ground: "closed_abnormal", DocumentNo: "苏教监〔2026〕1号", Reason: "现场人去楼空，家长集中投诉",
	}))(h.t)
	h.wind()
	return h.windDown("examiner", w.ID)
}

// open is one that examiner confirmed, too.
func (h *house) open(institution string) WindDownView {
	h.t.Helper()
	w := h.begun(institution)
	must(h.ConfirmWindDown(h.as("examiner"), ConfirmWindDown{h.key(), w.ID}))(h.t)
	h.wind()
	return h.windDown("examiner", w.ID)
}

// wind applies what is due of wind-downs.
func (h *house) wind() int {
	h.t.Helper()
	return must(windClock(h.Service).Settle(h.t.Context()))(h.t)
}

func windClock(s *Service) *due.Clockwork {
	timers := slices.DeleteFunc(s.Timers(), func(t due.Timer) bool { return !strings.HasPrefix(t.Name, "wind_down.") })
	return &due.Clockwork{DB: s.DB, Now: s.Now, Timers: timers}
}

func winds(h *house, s *Service) error { return second(windClock(s).Settle(h.t.Context())) }

// doomed is a fresh institution with one family.
func (h *house) doomed() string {
	h.t.Helper()
	id := newID()
	h.learned(&licensingv1.Institution{Id: id, Name: "姑苏美术培训中心", Kind: "non_subject", Category: "culture_arts", Item: "美术"})
	h.account("principal", id)
	h.paid(h.terms(func(t *Terms) { t.Institution = id }))
	return id
}

// over lets the days for choosing pass, and families be paid.
func (h *house) over(w WindDownView) WindDownView {
	h.t.Helper()
	h.at(w.ChooseBy.AddDays(1).String())
	h.wind()
	return h.windDown("examiner", w.ID)
}

func (h *house) windDown(by, id string) WindDownView {
	h.t.Helper()
	return must(h.FindWindDown(h.as(by), FindWindDown{id}))(h.t)
}

// family is a contract of a roster, as by sees it.
func (h *house) family(by, windDown, contract string) FamilyView {
	h.t.Helper()
	for _, f := range must(h.ListFamilies(h.as(by), ListFamilies{ID: windDown}))(h.t).Items {
		if f.Contract == contract {
			return f
		}
	}
	h.t.Fatalf("%s does not see %s on the roster", by, contract)
	return FamilyView{}
}

// underDeposit makes bare an institution under a risk deposit of so much.
func (h *house) underDeposit(fen Fen) {
	h.t.Helper()
	must(h.ReportAccount(h.as("principal"), ReportAccount{
		Key: h.key(), Institution: "bare", Mode: depositMode, Bank: "苏州银行", AccountTail: "1234", AgreementNo: "协-保", OpenedOn: h.today(),
	}))(h.t)
	h.work(func(tx pgx.Tx) error {
		if err := openAccounts(h.t.Context(), tx, "bare", ""); err != nil || fen == 0 {
			return err
		}
		return post(h.t.Context(), tx, pledge("bare", "P-1", fen, h.Now()))
	})
}

// TestWindDown is the whole of one: three families in custody, one that asked for a
// refund before, one with lessons given and one in dispute.
func TestWindDown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	plain := h.paid(h.terms()).ID
	given := h.paid(h.terms(listed(600000), func(t *Terms) { t.Pupil = "大满" })).ID
	for n := 1; n <= 10; n++ {
		h.taught(given, n)
		h.confirmed(given, n)
	}
	h.taught(given, 11)
	must(h.DisputeLesson(h.as("parent"), DisputeLesson{h.key(), LessonOf{given, 11}, "没上"}))(t)
	h.at("2026-04-01")
	asked := must(h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: plain, Lessons: 3, Reason: "搬家"}))(t)

	w := h.begun("art")
	if w.State != windProposed || !w.Figures.Drawn || w.Figures.Families != 2 || w.Figures.ClaimFen != 480000+380000 || w.Figures.ShareFen != 860000 || w.Figures.Shortfall != 0 {
		t.Fatalf("drawn: %+v %+v", w, w.Figures)
	}
	if hold := h.holds("examiner", ListHolds{Institution: "art", State: holdOpen}); len(hold) != 1 || hold[0].CauseID != w.ID || !strings.Contains(hold[0].Clause, "清退") {
		t.Errorf("payouts: %+v", hold)
	}
	if _, err := h.OfferContract(h.as("principal"), OfferContract{h.key(), h.terms()}); !errors.Is(err, fault.Refused) {
		t.Errorf("a new contract: %v", err)
	}
	if _, err := h.FindWindDown(h.as("parent"), FindWindDown{w.ID}); !errors.Is(err, fault.NotFound) {
		t.Errorf("the parent sees what nobody confirmed: %v", err)
	}
	if _, err := h.ConfirmWindDown(h.as("examiner2"), ConfirmWindDown{h.key(), w.ID}); !errors.Is(err, fault.Forbidden) {
		t.Errorf("confirmed by who began it: %v", err)
	}
	at := "/wind-downs/" + w.ID
	if mine, others, parents := h.waits("examiner2", "wind_down"), h.waits("examiner", "wind_down"), h.waits("parent", "choice"); mine != "" || others != at || parents != "" {
		t.Errorf("waits to be confirmed by who began it %q, by another %q; for the parents %q", mine, others, parents)
	}
	must(h.ConfirmWindDown(h.as("examiner"), ConfirmWindDown{h.key(), w.ID}))(t)
	h.wind()
	if others, parents := h.waits("examiner", "wind_down"), h.waits("parent", "choice"); others != "" || parents != at+" "+at {
		t.Errorf("confirmed, waits for officials %q, for the parents %q", others, parents)
	}
	w = h.windDown("examiner", w.ID)
	if w.State != windOpen || w.ChooseBy != d("2026-04-16") || w.Figures.Families != 2 { // ten working days; 04-04 to 04-06 is a holiday
		t.Fatalf("confirmed: %+v", w)
	}
	for name, err := range map[string]error{
		"a refund asked for now":    second(h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: given, Whole: true, Reason: "x"})),
		"one agreed to now":         second(h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), asked.ID})),
		"a lesson said to be given": second(h.TeachLesson(h.as("principal"), TeachLesson{Key: h.key(), LessonOf: LessonOf{plain, 1}})),
	} {
		if !errors.Is(err, fault.Refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := h.family("parent", w.ID, given)
	if f.ClaimFen != 380000 || f.HeldFen != 380000 || f.Lessons != 38 || f.Party == nil || len(f.Clauses) == 0 || len(f.Actions) != 1 || f.Actions[0].Action != "choose" {
		t.Errorf("the parent's line: %+v", f)
	}
	if f = h.family("examiner", w.ID, given); f.Party != nil {
		t.Errorf("the official reads who it is: %+v", f.Party)
	}
	h.at("2026-04-16") // the last day belongs to the period
	if n := h.wind(); n != 0 {
		t.Errorf("%d steps before the last day passed", n)
	}
	w = h.over(w)
	if w.State != windDone || w.Figures.Paid != 2 || w.Figures.PaidFen != 860000 || w.Figures.Shortfall != 0 {
		t.Fatalf("in the end: %+v %+v", w, w.Figures)
	}
	for id, want := range map[string]Fen{plain: 480000, given: 380000} {
		c := h.contract("parent", id)
		if c.State != finished && id == plain || c.RefundedFen != want || c.HeldFen != h.waitingOf(id) {
			t.Errorf("%s: %s %+v", id, c.State, c.Money)
		}
	}
	if r := h.refund("parent", asked.ID); r.State != withdrawn {
		t.Errorf("the refund that was asked for before: %s", r.State)
	}
	steps := ""
	for _, s := range w.Timeline {
		steps += " " + s.Action
	}
	if steps != " begin draw confirm draw close finish" || len(w.Timeline[4].Rules) != 3 || w.Timeline[4].Rules[1].Source == "" {
		t.Errorf("history:%s %+v", steps, w.Timeline[4])
	}
	if n := h.facts("FamilySettled"); n != 2 || h.facts("WindDownChanged") != 6 {
		t.Errorf("%d families settled, %d changes", n, h.facts("WindDownChanged"))
	}
	h.sound()
}

// waitingOf is the fees of a contract's lessons that wait because payouts are held.
func (h *house) waitingOf(contract string) Fen {
	h.t.Helper()
	return Fen(h.count(`SELECT coalesce(sum(fee), 0) FROM lessons WHERE contract_id = $1 AND waits`, contract))
}

func second[T any](_ T, err error) error { return err }

// TestWindDownShort is a shortfall: of a risk deposit, and of what the bank has.
func TestWindDownShort(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, source string
		prepare      func(*house)
		institution  string
		paid         []Fen // by three families
		want         []Fen
	}{
		{"the deposit is short", bankrupt, func(h *house) { h.underDeposit(100000) }, "bare", []Fen{480000, 480000, 240000}, []Fen{40000, 40000, 20000}},
		{"a 分 is left", ourDefault, func(h *house) { h.underDeposit(100) }, "bare", []Fen{480000, 480000, 480000}, []Fen{34, 33, 33}},
		{"there is no deposit", law59, func(h *house) { h.underDeposit(0) }, "bare", []Fen{480000, 480000, 480000}, []Fen{0, 0, 0}},
		{"the deposit suffices", law59, func(h *house) { h.underDeposit(2000000) }, "bare", []Fen{480000, 480000, 240000}, []Fen{480000, 480000, 240000}},
		{"the bank has less than the books", bankrupt, func(h *house) { h.differs("art", -600000, "VOUCHER-1") }, "art", []Fen{480000, 480000, 240000}, []Fen{240000, 240000, 120000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "2026-03-02")
			if tt.institution == "bare" {
				tt.prepare(h)
			}
			var ids []string
			for i, fen := range tt.paid {
				ids = append(ids, h.paid(h.terms(func(t *Terms) { t.Institution, t.PriceFen, t.Pupil = tt.institution, fen, fmt.Sprint(i) })).ID)
			}
			if tt.institution != "bare" {
				tt.prepare(h)
			}
			h.at("2026-04-01")
			w := h.over(h.open(tt.institution))
			var sum Fen
			for i, id := range ids {
				f := h.family("parent", w.ID, id)
				r := h.refund("parent", f.Refund)
				sum += f.ShareFen
				if f.ShareFen != tt.want[i] || f.ShareFen+f.ShortfallFen != tt.paid[i] || r.AmountFen != tt.paid[i] {
					t.Errorf("family %d: %d of %d, want %d (%s)", i, f.ShareFen, f.ClaimFen, tt.want[i], tt.source)
				}
				if left := tt.paid[i] - tt.want[i]; (left > 0) != (r.State == agreed) {
					t.Errorf("family %d: the refund is %s with %d left", i, r.State, left)
				}
				for _, leg := range r.Paybacks { // in the end the institution's own property pays the rest
					if leg.State == legWaiting {
						must(h.ReceivePayback(h.as("parent"), ReceivePayback{h.key(), leg.ID}))(t)
					}
				}
				if r = h.refund("parent", f.Refund); r.State != paidBack {
					t.Errorf("family %d: %s", i, r.State)
				}
			}
			if w.State != windDone || sum != w.Figures.PaidFen {
				t.Errorf("%s: %d paid, figures %+v", w.State, sum, w.Figures)
			}
			for _, account := range []string{"refunds", "held", "owed"} {
				if n := h.count(`SELECT coalesce(sum(balance), 0) FROM balances WHERE institution_id = $1 AND account = $2`, tt.institution, account); n != 0 {
					t.Errorf("%d is left on %s", n, account)
				}
			}
			h.sound()
		})
	}
}

// TestWindDownTakenBack is everything that can be, until a family is paid.
func TestWindDownTakenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	id := h.paid(h.terms()).ID
	h.taught(id, 1)
	h.at("2026-03-20")
	asked := must(h.RequestRefund(h.as("parent"), RequestRefund{Key: h.key(), Contract: id, Lessons: 3, Reason: "搬家"}))(t)
	w := h.open("art")
	h.confirmed(id, 1) // its fee waits
	h.at("2026-04-02") // the days to answer the refund are over, and nothing comes of it
	h.settle()
	if r := h.refund("parent", asked.ID); r.State != requested {
		t.Errorf("paid before the others: %s", r.State)
	}
	w = must(h.WithdrawWindDown(h.as("examiner2"), WithdrawWindDown{h.key(), w.ID, "决定被复议撤销"}))(t)
	h.settle()
	if r := h.refund("parent", asked.ID); w.State != windWithdrawn || r.State != paidBack || !r.BySilence {
		t.Errorf("%s: %+v", w.State, r)
	}
	if c := h.contract("parent", id); c.ReleasedFen != 10000 || c.Hold != "" {
		t.Errorf("payouts after it: %+v %q", c.Money, c.Hold)
	}
	again := h.open("art")
	if again.Figures.ClaimFen != 440000 {
		t.Errorf("begun again: %+v", again.Figures)
	}
	again = h.over(again)
	if _, err := h.WithdrawWindDown(h.as("examiner"), WithdrawWindDown{h.key(), again.ID, "决定被复议撤销"}); again.State != windDone || !errors.Is(err, fault.Conflict) {
		t.Errorf("%s, taken back: %v", again.State, err)
	}
	hold := h.holds("examiner", ListHolds{Institution: "art", State: holdOpen})[0]
	must(h.ResumePayouts(h.as("examiner"), ResumePayouts{h.key(), hold.ID, "移交清算组"}))(t)
	if err := h.try(`UPDATE families SET share = 0`); err == nil {
		t.Error("what a family was paid was rewritten")
	}
	h.sound()
}

// TestCorrectFamily is that who corrects does not confirm, and what comes of it.
func TestCorrectFamily(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, source string
		amount       Fen
		want         string // share, from the institution, kept
	}{
		{"more: lessons were not given", article25, 480000, "470000 10000 0"},
		{"less: lessons were given and not entered", article15, 460000, "460000 0 10000"},
		{"nothing: no true contract", "主管部门核定", 0, "0 0 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "2026-03-02")
			id := h.paid(h.terms()).ID
			h.taught(id, 1)
			h.confirmed(id, 1)
			h.at("2026-04-01")
			w := h.open("art")
			if _, err := h.CorrectFamily(h.as("examiner"), CorrectFamily{h.key(), w.ID, id, 480001, "多于已付"}); !errors.Is(err, fault.Invalid) {
				t.Errorf("more than was paid: %v", err)
			}
			f := must(h.CorrectFamily(h.as("examiner"), CorrectFamily{h.key(), w.ID, id, tt.amount, "核对考勤与票据"}))(t)
			if f.ClaimFen != tt.amount || f.QuotedFen != 470000 || f.Correction == "" {
				t.Errorf("corrected: %+v", f)
			}
			if w = h.windDown("examiner", w.ID); w.State != windProposed {
				t.Errorf("not before another official again: %s", w.State)
			}
			if _, err := h.ConfirmWindDown(h.as("examiner"), ConfirmWindDown{h.key(), w.ID}); !errors.Is(err, fault.Forbidden) {
				t.Errorf("confirmed by who corrected it: %v", err)
			}
			must(h.ConfirmWindDown(h.as("examiner2"), ConfirmWindDown{h.key(), w.ID}))(t)
			h.wind()
			w = h.over(h.windDown("examiner", w.ID))
			f = h.family("parent", w.ID, id)
			got := fmt.Sprint(f.ShareFen, " 0 0")
			if f.Refund != "" {
				r := h.refund("parent", f.Refund)
				got = fmt.Sprint(f.ShareFen, r.FromInstitution, r.DeductedFen)
			}
			if got != tt.want || w.State != windDone {
				t.Errorf("%s: %s, want %s (%s)", w.State, got, tt.want, tt.source)
			}
			if _, err := h.CorrectFamily(h.as("examiner"), CorrectFamily{h.key(), w.ID, id, 1, "晚了一步"}); !errors.Is(err, fault.Conflict) {
				t.Errorf("corrected after it was paid: %v", err)
			}
			h.sound()
		})
	}
}

// TestWindDownGrounds is that a decision has to be on record.
func TestWindDownGrounds(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	begin := func(by, ground string) error {
		return second(h.BeginWindDown(h.as(by), BeginWindDown{Key: h.key(), Institution: "art", Ground: ground, DocumentNo: "文号", Reason: "理由说明"}))
	}
	for ground, want := range map[string]fault.Kind{"list_decision": fault.Refused, "licence_revoked": fault.Refused} {
		if err := begin("examiner", ground); !errors.Is(err, want) {
			t.Errorf("%s without a record: %v", ground, err)
		}
	}
	if err := begin("neighbour", "closed_abnormal"); !errors.Is(err, fault.NotFound) {
		t.Errorf("by another district: %v", err)
	}
	h.black("case-1", "art")
	if err := begin("examiner", "list_decision"); err != nil {
		t.Error(err)
	}
	if err := begin("examiner", "closed_abnormal"); !errors.Is(err, fault.Conflict) {
		t.Errorf("a second one: %v", err)
	}
}

// TestWindDownRaces is that everything is done once, whoever asks at the same moment.
func TestWindDownRaces(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	var ids []string
	for i := range 6 {
		ids = append(ids, h.paid(h.terms(func(t *Terms) { t.Pupil = fmt.Sprint(i) })).ID)
	}
	h.at("2026-04-01")
	ok, others := race(func(int) error {
		return second(h.BeginWindDown(h.as("examiner2"), BeginWindDown{Key: h.key(), Institution: "art", Ground: "closed_abnormal", DocumentNo: "文号", Reason: "理由说明"}))
	})
	if ok != 1 || others[fault.Conflict] != 19 {
		t.Fatalf("begun %d times, %v", ok, others)
	}
	if _, others = race(func(int) error {
		return winds(h, h.Service)
	}); len(others) != 0 {
		t.Fatalf("drawn: %v", others)
	}
	id := must(h.ListWindDowns(h.as("examiner"), ListWindDowns{}))(t).Items[0].ID
	ok, others = race(func(int) error { return second(h.ConfirmWindDown(h.as("examiner"), ConfirmWindDown{h.key(), id})) })
	if ok != 1 || others[fault.Conflict] != 19 {
		t.Fatalf("confirmed %d times, %v", ok, others)
	}
	h.wind()
	ok, others = race(func(i int) error {
		return second(h.ChooseAlternative(h.as("parent"), ChooseAlternative{h.key(), id, ids[i%6], byRefund, ""}))
	})
	if ok != 20 {
		t.Errorf("chosen %d times, %v", ok, others)
	}
	h.at("2026-05-06")
	_, others = race(func(i int) error { // timers of many replicas, and somebody who takes it back
		if i == 10 {
			return second(h.WithdrawWindDown(h.as("examiner2"), WithdrawWindDown{h.key(), id, "决定被复议撤销"}))
		}
		return winds(h, h.Service)
	})
	w := h.windDown("examiner", id)
	paidBacks := h.count(`SELECT count(*) FROM transfers WHERE kind = 'payback'`)
	if h.wind() != 0 || int64(w.Figures.Paid) != paidBacks || h.facts("FamilySettled") != paidBacks || w.State == windDone && paidBacks != 6 || len(others) > 0 && others[fault.Conflict] != 1 {
		t.Errorf("%s with %d paid, %d booked, %v", w.State, w.Figures.Paid, paidBacks, others)
	}
	h.sound()
}

// TestWindDownWalls asks the tables themselves, and looks for people in events.
func TestWindDownWalls(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	const pupil = "标记学员甲"
	h.paid(h.terms(func(t *Terms) { t.Pupil = pupil }))
	h.at("2026-04-01")
	w := h.begun("art")
	walls := func(when string, sees map[string]string) {
		t.Helper()
		for _, table := range []string{"wind_downs", "families", "wind_down_steps"} {
			for _, by := range []string{"examiner", "city", "principal", "parent", "neighbour", "market", "parent2", "principal2", ""} {
				if got := h.seenBy(by, table) > 0; got != named(sees[table], by) {
					t.Errorf("%s, %q sees %s: %t", when, by, table, got)
				}
			}
		}
	}
	inside := "examiner city principal"
	walls("before it is confirmed", map[string]string{"wind_downs": inside, "families": inside + " parent", "wind_down_steps": inside})
	must(h.ConfirmWindDown(h.as("examiner"), ConfirmWindDown{h.key(), w.ID}))(t)
	h.wind()
	everybody := inside + " parent parent2 principal2" // who may offer, or is offered
	walls("while offers come in", map[string]string{"wind_downs": everybody, "families": inside + " parent", "wind_down_steps": everybody})
	h.over(h.windDown("examiner", w.ID))
	walls("in the end", map[string]string{"wind_downs": inside + " parent", "families": inside + " parent", "wind_down_steps": inside + " parent"})
	for _, mark := range []string{pupil, `parent`} {
		if n := h.count(`SELECT count(*) FROM outbox WHERE position($1::bytea IN data) > 0`, []byte(mark)); n != 0 {
			t.Errorf("%d events contain %q", n, mark)
		}
	}
	if n := h.count(`SELECT count(*) FROM wind_down_steps WHERE summary LIKE '%' || $1 || '%'`, pupil); n != 0 {
		t.Errorf("%d steps contain the pupil", n)
	}
	for _, sql := range []string{`UPDATE wind_down_steps SET summary = ''`, `DELETE FROM wind_down_steps`} {
		if h.try(sql) == nil {
			t.Errorf("%s was let through", sql)
		}
	}
}
