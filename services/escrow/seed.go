package escrow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// SeedReady returns a check that all institutions of licensing's own demo data
// have arrived here.
func (s *Service) SeedReady(peers *http.Client) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := get(ctx, peers, "http://licensing/readyz", nil); err != nil {
			return err
		}
		var theirs struct {
			Institutions int `json:"institutions"`
		}
		if err := get(ctx, peers, "http://licensing/v1/summary", &theirs); err != nil {
			return err
		}
		ours, err := s.Summary(ctx, Summarize{})
		if err == nil && (theirs.Institutions == 0 || ours.Institutions < theirs.Institutions) {
			err = fault.Unavailable.Errorf("机构名录尚未到齐：%d / %d", ours.Institutions, theirs.Institutions)
		}
		return err
	}
}

func get(ctx context.Context, peers *http.Client, url string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := peers.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// How much demo data there is.
const (
	seedInstitutions = 40
	seedEach         = 3 // families at one institution
	seedAtOnce       = 6
)

// Seed plays the demo data through the use cases themselves, as the people
// concerned, on days before the day of the first call. It does so once; played
// again after a crash it finds its own keys.
func (s *Service) Seed(ctx context.Context) error {
	start, err := pg.InTx(pg.Worker(ctx, "seed"), s.DB, func(tx pgx.Tx) (seeding, error) { return beginSeed(ctx, tx, s.today()) })
	if err != nil || start.Done {
		return err
	}
	var g errgroup.Group
	g.SetLimit(seedAtOnce)
	for k, i := range start.institutions {
		g.Go(func() error {
			p := &player{s: s, ctx: ctx, today: start.Day, calendar: start.calendar, at: i}
			p.account(k)
			for n := range seedEach {
				p.family(k*seedEach + n)
			}
			return p.err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := s.seedBank(ctx, start.Day); err != nil {
		return err
	}
	_, err = pg.InTx(pg.Worker(ctx, "seed"), s.DB, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, endSeed(ctx, tx) })
	return err
}

// The bank of the demo data, whose system a program of the trial plays, and for how
// many days it has to report when the suite starts.
const (
	seedBankName = "示例银行姑苏支行"
	seedBankDays = 7
)

// seedBank has the city register the bank, and orders what it has to pay by now, so
// that it finds all of it when it first asks.
func (s *Service) seedBank(ctx context.Context, today day.Date) error {
	city := auth.With(ctx, auth.Caller{Subject: "city", Roles: []string{"city"}, Agency: "education", Jurisdiction: "320500"})
	_, err := s.RegisterBank(city, RegisterBank{once.Key{IdempotencyKey: "seed-bank"}, seedBankName, "bank", today.AddDays(-seedBankDays)})
	for err == nil {
		_, err = pg.InTx(pg.Worker(ctx, "seed"), s.DB, func(tx pgx.Tx) (struct{}, error) {
			id, err := nextToSettle(ctx, tx, s.today())
			if err != nil {
				return struct{}{}, err
			}
			return struct{}{}, s.settle(ctx, tx, id)
		})
	}
	if errors.Is(err, fault.NotFound) { // there is no more
		return nil
	}
	return err
}

type seeding struct {
	Day          day.Date
	Done         bool
	institutions []Institution
	calendar     *day.Calendar
}

func beginSeed(ctx context.Context, tx pgx.Tx, today day.Date) (seeding, error) {
	start, err := claimSeed(ctx, tx, today)
	if err != nil || start.Done {
		return start, err
	}
	if start.calendar, err = rule.Calendar(ctx, tx); err != nil {
		return start, err
	}
	start.institutions, err = listManaged(ctx, tx, start.Day, seedInstitutions)
	return start, err
}

// player plays the demo data of one institution. It stops at the first error.
type player struct {
	s        *Service
	ctx      context.Context
	today    day.Date
	calendar *day.Calendar
	at       Institution
	err      error
}

// on is the service n days before the seed's day, at ten in the morning.
func (p *player) on(daysAgo int) *Service {
	at := p.today.AddDays(-daysAgo).Start().Add(10 * time.Hour)
	return &Service{DB: p.s.DB, Now: func() time.Time { return at }}
}

// workingDaysAgo is how many days ago it was n working days ago.
func (p *player) workingDaysAgo(n int) int {
	ago := 0
	for p.calendar.WorkingDaysBetween(p.today.AddDays(-ago), p.today) < n {
		ago++
	}
	return ago
}

func (p *player) manager() context.Context {
	return auth.With(p.ctx, auth.Caller{Subject: p.at.Manager, Roles: []string{"principal"}, Institution: p.at.ID})
}

func (p *player) parent(name string) context.Context {
	return auth.With(p.ctx, auth.Caller{Subject: name, Roles: []string{"parent"}})
}

// play keeps p's first error. A case that has moved on since, by a timer or by a
// person, is left as it is.
func (p *player) play(err error) bool {
	if err == nil || errors.Is(err, fault.Conflict) {
		return err == nil
	}
	p.err = fmt.Errorf("seed %s: %w", p.at.ID, err)
	return false
}

func (p *player) key(what string) once.Key {
	return once.Key{IdempotencyKey: "seed-" + what}
}

func (p *player) account(k int) {
	mode := "custody"
	if k%5 == 4 {
		mode = "deposit"
	}
	_, err := p.on(60).ReportAccount(p.manager(), ReportAccount{
		Key: p.key("account-" + p.at.ID), Institution: p.at.ID, Mode: mode, Bank: seedBankName,
		AccountTail: fmt.Sprintf("%04d", 1000+k*37), AgreementNo: fmt.Sprintf("苏监管协〔2026〕%03d号", k+1), OpenedOn: p.today.AddDays(-61),
	})
	p.play(err)
}

// order is one contract of the demo data.
type order struct {
	ago     int // days ago it was offered, signed and paid
	begins  int // days after that
	lasts   int // days from the first lesson to the last
	months  int // and months; one of the two
	lessons int
	gifts   int
	price   Fen
	until   string // "offered", "signed", or paid
	loan    bool
}

// family plays the j-th family: each of twelve is another case.
func (p *player) family(j int) {
	if p.err != nil {
		return
	}
	who := fmt.Sprintf("seed-parent-%02d", j%30)
	switch j % 11 {
	case 3:
		who = "parent"
	case 7:
		who = "parent2"
	}
	name := fmt.Sprintf("小朋友%d", j)
	flagAgo := []int{0, p.workingDaysAgo(3), p.workingDaysAgo(6)}[j%3]
	switch j % 12 {
	case 0: // clean, and under way
		c := p.order(j, who, name, order{ago: 30, lasts: 75, lessons: 48, price: 480000})
		p.lessons(who, c, 5, p.workingDaysAgo(14))
	case 1: // 61 lessons
		p.order(j, who, name, order{ago: flagAgo, begins: 3, lasts: 80, lessons: 61, price: 488000})
	case 2: // 60 lessons, and 12 gifts in the same week
		p.order(j, who, name, order{ago: flagAgo + 3, begins: 4, lasts: 75, lessons: 60, price: 420000})
		p.order(j+1000, who, name, order{ago: flagAgo, begins: 7, lasts: 60, lessons: 4, gifts: 12, price: 40000})
	case 3: // 3 months and a day
		p.order(j, who, name, order{ago: flagAgo, begins: 5, months: 3, lasts: 1, lessons: 40, price: 400000})
	case 4: // 5,200 yuan, by a training loan
		p.order(j, who, name, order{ago: flagAgo, begins: 2, lasts: 70, lessons: 52, price: 520000, loan: true})
	case 5: // paid 45 days before class
		p.order(j, who, name, order{ago: flagAgo, begins: 45, lasts: 60, lessons: 30, price: 300000})
	case 6: // one disputed, one that waits for the last day
		c := p.order(j, who, name, order{ago: 40, lasts: 70, lessons: 30, price: 299900})
		p.lessons(who, c, 3, p.workingDaysAgo(15))
		p.dispute(who, c, 5)
	case 7: // a refund that waits, and more lessons bought too early
		c := p.order(j, who, name, order{ago: 35, lasts: 75, lessons: 40, price: 400000})
		p.order(j+2000, who, name, order{ago: flagAgo, begins: 45, lasts: 30, lessons: 10, price: 80000})
		p.lessons(who, c, 2, p.workingDaysAgo(8))
		p.refund(who, c, 10, p.workingDaysAgo(j%5+1), false)
	case 8: // flagged, and cleared by a refund
		c := p.order(j, who, name, order{ago: 28, begins: 3, lasts: 80, lessons: 61, price: 488000})
		p.refund(who, c, 1, 20, true)
	case 9:
		p.order(j, who, name, order{ago: 2, begins: 6, lasts: 60, lessons: 24, price: 240000, until: "offered"})
	case 10:
		p.order(j, who, name, order{ago: 1, begins: 6, lasts: 85, lessons: 62, price: 496000, until: "signed"})
	case 11: // finished
		c := p.order(j, who, name, order{ago: 50, lasts: 21, lessons: 4, price: 39999})
		p.lessons(who, c, 4, -1)
	}
}

// order offers, signs and pays, and returns the contract's id.
func (p *player) order(j int, who, pupil string, o order) string {
	if p.err != nil {
		return ""
	}
	s, n := p.on(o.ago), fmt.Sprint(j, "-", p.at.ID)
	first := p.today.AddDays(o.begins - o.ago)
	v, err := s.OfferContract(p.manager(), OfferContract{p.key("offer-" + n), Terms{
		Institution: p.at.ID, Parent: who, Pupil: pupil, Course: p.at.Item, Billing: "lesson", Lessons: o.lessons, GiftLessons: o.gifts,
		FirstLesson: first, LastLesson: first.AddMonths(o.months).AddDays(o.lasts), PriceFen: o.price,
		Agreement: Agreement{Loan: o.loan},
	}})
	if !p.play(err) || o.until == "offered" {
		return v.ID
	}
	_, err = s.SignContract(p.parent(who), SignContract{p.key("sign-" + n), v.ID})
	if !p.play(err) || o.until == "signed" {
		return v.ID
	}
	_, err = s.PayContract(p.parent(who), PayContract{p.key("pay-" + n), v.ID, o.price, "SEED-" + v.ID})
	p.play(err)
	return v.ID
}

// lessons has the first n lessons taught and confirmed, day by day, and one more
// taught waitAgo days ago that waits for an answer; none if that is negative.
func (p *player) lessons(who, contract string, n, waitAgo int) {
	for k := 1; k <= n && p.err == nil; k++ {
		s := p.on(25 - k)
		p.taught(s, contract, k)
		_, err := s.ConfirmLesson(p.parent(who), ConfirmLesson{p.key(fmt.Sprint("confirm-", k, "-", contract)), LessonOf{contract, k}})
		p.play(err)
	}
	if waitAgo >= 0 && p.err == nil {
		p.taught(p.on(waitAgo), contract, n+1)
	}
}

func (p *player) taught(s *Service, contract string, n int) {
	_, err := s.TeachLesson(p.manager(), TeachLesson{Key: p.key(fmt.Sprint("taught-", n, "-", contract)), LessonOf: LessonOf{contract, n}})
	p.play(err)
}

func (p *player) dispute(who, contract string, n int) {
	if p.err != nil {
		return
	}
	s := p.on(4)
	p.taught(s, contract, n)
	_, err := s.DisputeLesson(p.parent(who), DisputeLesson{p.key(fmt.Sprint("dispute-", n, "-", contract)), LessonOf{contract, n}, "当天老师请假，实际没有上课"})
	p.play(err)
}

func (p *player) refund(who, contract string, lessons, ago int, agree bool) {
	if p.err != nil {
		return
	}
	s := p.on(ago)
	r, err := s.RequestRefund(p.parent(who), RequestRefund{Key: p.key("refund-" + contract), Contract: contract, Lessons: lessons, Reason: "课程安排有变"})
	if !p.play(err) || !agree {
		return
	}
	_, err = s.AgreeRefund(p.manager(), AgreeRefund{p.key("agree-" + r.ID), r.ID})
	p.play(err)
}
