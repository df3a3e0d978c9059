package licensing

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/due"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// The places of the demo data.
const (
	gusu, wuzhong, huqiu, xiangcheng, park, xihu = "320508", "320506", "320505", "320507", "320571", "330106"
)

// A part is one institution of the demo data: what becomes of it, and when.
type part struct {
	place string
	fate  fate
	ago   int // working days since it was submitted or accepted; calendar days since it was licensed
	owner string
}

// A fate is how far an institution has come.
type fate string

const (
	waits        fate = "submitted"     // ago since submission
	returned     fate = "returned"      // ago since submission
	corrected    fate = "resubmitted"   // ago since it was submitted again
	notTaken     fate = "not accepted"  // ago since submission
	noOpinion    fate = "no opinion"    // ago since acceptance
	disagreed    fate = "disagreed"     // ago since acceptance
	oneChecked   fate = "one officer"   // ago since acceptance
	checked      fate = "checked"       // ago since acceptance
	announced    fate = "public notice" // ago since notice
	refused      fate = "refused"       // ago since acceptance
	withdrawn    fate = "withdrawn"     // ago since submission
	licensed     fate = "licensed"
	registered   fate = "registered"
	whiteAsked   fate = "white proposed"
	whiteSettled fate = "white approved"
	white        fate = "white"
	blackAsked   fate = "black proposed" // ago since licence; proposed today
	blackHeard   fate = "black heard"    // proposed long enough ago to be decided
	black        fate = "black"
)

// cast is the demo city: most of it in 姑苏区, some around it, some far away.
var cast = []part{
	{gusu, white, 300, "principal"},
	{gusu, white, 210, "principal"},
	{gusu, registered, 40, "principal"},
	{gusu, white, 280, "principal2"},
	{gusu, registered, 95, "principal2"},
	{gusu, returned, 3, "principal2"},

	{gusu, waits, 0, ""},
	{gusu, waits, 1, ""},
	{gusu, waits, 3, ""},
	{gusu, waits, 5, ""},
	{gusu, waits, 9, ""},
	{gusu, waits, 12, ""}, // met with silence: deemed accepted
	{gusu, returned, 4, ""},
	{gusu, corrected, 1, ""},
	{gusu, notTaken, 6, ""},
	{gusu, noOpinion, 3, ""},
	{gusu, noOpinion, 18, ""},
	{gusu, noOpinion, 24, ""},
	{gusu, disagreed, 8, ""},
	{gusu, oneChecked, 6, ""},
	{gusu, oneChecked, 19, ""},
	{gusu, checked, 9, ""},
	{gusu, checked, 26, ""},
	{gusu, announced, 2, ""},
	{gusu, announced, 4, ""},
	{gusu, announced, 8, ""},
	{gusu, announced, 14, ""},
	{gusu, refused, 15, ""},
	{gusu, withdrawn, 7, ""},

	{gusu, licensed, 3, ""},
	{gusu, licensed, 20, ""},
	{gusu, registered, 60, ""},
	{gusu, registered, 400, ""},
	{gusu, white, 50, ""},
	{gusu, white, 120, ""},
	{gusu, white, 330, ""},
	{gusu, white, 350, ""},
	{gusu, white, 500, ""}, // its year on the list is over
	{gusu, whiteAsked, 70, ""},
	{gusu, whiteSettled, 80, ""},
	{gusu, black, 420, ""},
	{gusu, black, 700, ""},
	{gusu, blackAsked, 260, ""},
	{gusu, blackHeard, 240, ""},
	{gusu, registered, 1080, ""}, // soon to expire
	{gusu, registered, 1110, ""},
	{gusu, licensed, 1150, ""}, // expired

	{wuzhong, waits, 2, ""},
	{wuzhong, noOpinion, 5, ""},
	{wuzhong, announced, 3, ""},
	{wuzhong, white, 200, ""},
	{wuzhong, registered, 130, ""},
	{huqiu, waits, 4, ""},
	{huqiu, white, 150, ""},
	{huqiu, registered, 30, ""},
	{xiangcheng, oneChecked, 4, ""},
	{xiangcheng, white, 90, ""},
	{park, waits, 1, ""},
	{park, white, 220, ""},
	{xihu, waits, 2, ""},
	{xihu, white, 160, ""},
	{xihu, registered, 75, ""},
}

// seedWords are what demo institutions are called. Each name also says 示例, so
// that none can be taken for a real one.
var seedWords = []string{
	"观前", "平江", "山塘", "枫桥", "沧浪", "桃坞", "星河", "云杉", "青禾", "晨曦", "海棠", "知秋", "木棉", "听雨", "白鹭", "远帆",
	"竹溪", "蒲公英", "小满", "拾光", "繁星", "松果", "蓝鲸", "麦田", "银杏", "朝露", "橘灯", "微澜", "萤火", "半夏", "流云", "鹿鸣",
	"初阳", "墨香", "清荷", "月桂", "石榴", "千帆", "飞鸟", "珊瑚", "紫藤", "丹枫", "雪松", "北斗", "凌霄", "溪谷", "向日葵", "纸鸢",
	"暖阳", "蜂巢", "湖畔", "芦苇", "帆影", "竹马", "风铃", "画眉", "春笋", "秋水", "长桥", "碧波", "荷塘", "龙井", "柳浪", "虹桥",
}

// seedItems are what they teach.
var seedItems = []struct {
	category Category
	item     string
	called   string
}{
	{CultureArts, "美术", "美术"},
	{CultureArts, "音乐", "音乐"},
	{CultureArts, "舞蹈", "舞蹈"},
	{CultureArts, "戏剧与影视", "戏剧"},
	{CultureArts, "中国传统艺术", "书画"},
	{Sport, "球类", "球类"},
	{Sport, "武术", "武术"},
	{Sport, "棋牌", "棋艺"},
	{Science, "机器人编程", "编程"},
	{Science, "创客", "创客"},
}

// Seed plays the demo city into an empty database by the real use cases, each as
// the person concerned and on its day. Its Idempotency-Keys are fixed, so that it
// goes on where it was interrupted, and does nothing once it is done.
func (s *Service) Seed(ctx context.Context) error {
	p := &player{service: s}
	done, err := pg.InTx(pg.Worker(ctx, "seed"), s.DB, func(tx pgx.Tx) (done bool, err error) {
		if p.base, done, err = startSeed(ctx, tx, s.today()); err != nil {
			return done, err
		}
		p.calendar, err = rule.Calendar(ctx, tx)
		return done, err
	})
	if err != nil || done {
		return err
	}
	if err := p.playAll(ctx); err != nil {
		return err
	}
	if _, err := pg.InTx(pg.Worker(ctx, "seed"), s.DB, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, endSeed(ctx, tx) }); err != nil {
		return err
	}
	clockwork := due.Clockwork{DB: s.DB, Now: s.Now, Timers: s.Timers()}
	_, err = clockwork.Settle(ctx) // silence and expiry, before anybody looks
	return err
}

// players is how many institutions are played side by side: commits wait for the
// disk together.
const players = 6

func (p *player) playAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(players)
	for n := range cast {
		g.Go(func() error {
			one := player{service: p.service, ctx: ctx, calendar: p.calendar, base: p.base, n: n}
			if one.play(cast[n]); one.err != nil {
				return fmt.Errorf("seed %d, %s: %w", n, cast[n].fate, one.err)
			}
			return nil
		})
	}
	return g.Wait()
}

// A player plays one institution. After an error it does nothing more.
type player struct {
	service  *Service
	ctx      context.Context //nolint:containedctx // one run of Seed
	calendar *day.Calendar
	base     day.Date // the day that all is relative to
	n        int      // which of cast
	steps    int      // of this one, so far
	err      error
}

// as plays use for who it concerns, on a day.
func as[Req, Resp any](p *player, by auth.Caller, on day.Date, use func(*Service, context.Context, Req) (Resp, error), req Req) (resp Resp) {
	if p.err != nil {
		return resp
	}
	p.steps++
	now := on.Start().Add(9*time.Hour + time.Duration(p.steps*7)*time.Minute)
	if machine := p.service.Now(); now.After(machine) {
		now = machine
	}
	then := &Service{DB: p.service.DB, Now: func() time.Time { return now }}
	resp, p.err = use(then, auth.With(p.ctx, by), req)
	return resp
}

// key is the Idempotency-Key of the next step: the same in every run.
func (p *player) key() once.Key {
	return once.Key{IdempotencyKey: fmt.Sprintf("seed-%03d-%02d", p.n, p.steps)}
}

// back is the working day n working days before d.
func (p *player) back(d day.Date, n int) day.Date {
	for {
		if working, _ := p.calendar.Working(d); working {
			if n == 0 {
				return d
			}
			n--
		}
		d = d.AddDays(-1)
	}
}

// facts is what the nth applicant says; drawn by n alone, so the same in every run.
func (p *player) facts() Facts {
	r := rand.New(rand.NewPCG(uint64(p.n), 2026)) //nolint:gosec // demo data need no secrecy
	it := seedItems[r.IntN(len(seedItems))]
	if p.n < 3 {
		it = seedItems[p.n] // 观前美术, 平江音乐, 山塘舞蹈
	}
	area := 80 + 10*r.IntN(30)
	form := forProfit
	if r.IntN(4) == 0 {
		form = nonProfit
	}
	place := cast[p.n].place
	word := seedWords[p.n]
	return Facts{
		Name: word + it.called + "示例培训中心", Category: it.category, Item: it.item, Kind: nonSubjectKind, Mode: "offline",
		Address: fmt.Sprintf("示例路 %d 号 %d 层", 1+r.IntN(300), 1+r.IntN(3)), AreaM2: float64(area), Capacity: area / (5 + r.IntN(3)), LegalForm: form,
		Sponsor: Sponsor{Name: word + "示例文化发展有限公司", USCC: SealUSCC(fmt.Sprintf("91%sMB%04d%02d", place, p.n, r.IntN(100)))},
	}
}

// officer is who acts for agency at the place of the nth: a persona in 姑苏区 and
// 吴中区, else somebody of the demo data.
func (p *player) officer(agency string, colleague bool) auth.Caller {
	place, role := cast[p.n].place, agency
	if agency == educationDept {
		role = examinerRole
	}
	name := fmt.Sprintf("seed-%s-%s", role, place)
	switch {
	case place == gusu && role != "sport" && role != "science" && role != "civil":
		name = role
	case place == wuzhong && role == examinerRole:
		name = "neighbour"
	}
	if colleague {
		name += "2"
	}
	return auth.Caller{Subject: name, Roles: []string{role}, Agency: agency, Jurisdiction: place}
}

func (p *player) owner() auth.Caller {
	name := cast[p.n].owner
	if name == "" {
		name = fmt.Sprintf("seed-manager-%02d", p.n)
	}
	return auth.Caller{Subject: name, Roles: []string{principalRole}}
}

// play plays c, as far as its fate goes.
func (p *player) play(c part) {
	switch c.fate {
	case waits:
		p.submit(p.back(p.base, c.ago))
	case returned, corrected:
		p.returnAndCorrect(c)
	case notTaken:
		on := p.back(p.base, c.ago)
		a := p.submit(on)
		as(p, p.officer(educationDept, false), p.back(p.base, c.ago-1), (*Service).RefuseAcceptance, RefuseAcceptance{Key: p.key(), ID: a.ID, Reason: "申请事项不属于本机关职权范围，请向市级行政审批部门申请"})
	case withdrawn:
		a := p.submit(p.back(p.base, c.ago))
		as(p, p.owner(), p.back(p.base, c.ago-2), (*Service).WithdrawApplication, WithdrawApplication{Key: p.key(), ID: a.ID, Reason: "租赁合同未能签订，暂不开办"})
	case noOpinion, disagreed, oneChecked, checked, refused:
		p.review(c.fate, p.back(p.base, c.ago))
	case announced:
		p.announce(p.back(p.base, c.ago))
	case licensed, registered, whiteAsked, whiteSettled, white, blackAsked, blackHeard, black:
		p.license(c)
	}
}

func (p *player) submit(on day.Date) Application {
	return as(p, p.owner(), on, (*Service).SubmitApplication, SubmitApplication{Key: p.key(), Jurisdiction: cast[p.n].place, Facts: p.facts()})
}

func (p *player) returnAndCorrect(c part) {
	on := p.back(p.base, c.ago)
	if c.fate == corrected {
		on = p.back(p.base, c.ago+4)
	}
	a := p.submit(on)
	as(p, p.officer(educationDept, false), on, (*Service).ReturnApplication, ReturnApplication{
		Key: p.key(), ID: a.ID, Reason: "申请材料不齐全", Missing: []string{"场所消防安全证明", "举办者资产来源及有效证明"},
	})
	if c.fate == corrected {
		as(p, p.owner(), p.back(p.base, c.ago), (*Service).ResubmitApplication, ResubmitApplication{Key: p.key(), ID: a.ID, Facts: p.facts()})
	}
}

// review plays an application that was accepted on a day, as far as fate goes.
func (p *player) review(f fate, on day.Date) Application {
	a := p.submit(p.back(on, 1))
	as(p, p.officer(educationDept, false), on, (*Service).AcceptApplication, AcceptApplication{Key: p.key(), ID: a.ID})
	if f == noOpinion {
		return a
	}
	opinion := GiveOpinion{Key: p.key(), ID: a.ID, Opinion: "agree", Text: "符合本类别设置标准，同意设立"}
	if f == disagreed {
		opinion.Opinion, opinion.Text = "disagree", "专业人员资质不足，不同意设立"
	}
	as(p, p.officer(fields[a.Category].agency, false), p.next(on, 1), (*Service).GiveOpinion, opinion)
	if f == disagreed {
		return a
	}
	p.check(a, p.officer(educationDept, false), p.next(on, 2), f != refused)
	if f == refused {
		as(p, p.officer(educationDept, false), p.next(on, 4), (*Service).DecideApplication, DecideApplication{
			Key: p.key(), ID: a.ID, Decision: "refuse", Reason: "办学场所只有一个安全出口，不符合《校外培训机构消防安全管理九项规定》",
		})
	} else if f != oneChecked {
		p.check(a, p.officer(educationDept, true), p.next(on, 2), true)
	}
	return a
}

// next is the working day n working days after d, but not after the base.
func (p *player) next(d day.Date, n int) day.Date {
	on, _ := p.calendar.Due(d, n, day.WorkingDay) // n is small
	if on.On.After(p.base) {
		return p.base
	}
	return on.On
}

func (p *player) check(a Application, by auth.Caller, on day.Date, passed bool) {
	note := "面积、疏散通道、监控设施与申报一致"
	if !passed {
		note = "只有一个安全出口"
	}
	as(p, by, on, (*Service).SignSiteCheck, SignSiteCheck{
		Key: p.key(), ID: a.ID, Passed: passed, AreaM2: a.AreaM2, Certificate: fmt.Sprintf("示例执法证 %04d", p.n), Note: note,
	})
}

// announce plays an application whose public notice began on a day.
func (p *player) announce(on day.Date) Application {
	a := p.review(checked, p.back(on, 4))
	return as(p, p.officer(educationDept, false), on, (*Service).StartNotice, StartNotice{Key: p.key(), ID: a.ID})
}

// license plays an institution that was licensed c.ago days ago, as far as its
// fate goes.
func (p *player) license(c part) {
	a := p.announce(p.back(p.base.AddDays(-c.ago), 6))
	on := p.next(a.NoticeUntil, 1)
	as(p, p.officer(educationDept, false), on, (*Service).DecideApplication, DecideApplication{Key: p.key(), ID: a.ID, Decision: "grant"})
	if c.fate == licensed {
		return
	}
	agency := registrars[a.LegalForm].agency
	head := map[string]string{forProfit: "91%sMA%04d26", nonProfit: "52%sMJ%04d26"}[a.LegalForm]
	as(p, p.officer(agency, false), p.next(on, 3), (*Service).RegisterLegalPerson, RegisterLegalPerson{
		Key: p.key(), ID: a.InstitutionID, USCC: SealUSCC(fmt.Sprintf(head, c.place, p.n)), RegisteredOn: p.next(on, 3),
	})
	proposed := map[fate]day.Date{
		white: p.next(on, 8), whiteAsked: p.next(on, 8), whiteSettled: p.next(on, 8),
		blackAsked: p.back(p.base, 1), blackHeard: p.back(p.base, 7), black: p.next(on, 60),
	}
	if day, ok := proposed[c.fate]; ok {
		list := White
		if c.fate == blackAsked || c.fate == blackHeard || c.fate == black {
			list = Black
		}
		p.list(a, list, c.fate, day)
	}
}

// list plays a list entry that was proposed on a day, as far as fate goes.
func (p *player) list(a Application, list List, f fate, on day.Date) {
	facts := "证照齐全，最近一年检查未发现违规"
	if list == Black {
		facts = "未经批准异地办学，逾期未整改"
	}
	e := as(p, p.officer(educationDept, f == blackHeard), on, (*Service).ProposeListEntry, ProposeListEntry{Key: p.key(), Institution: a.InstitutionID, List: list, Facts: facts})
	if f == whiteAsked || f == blackAsked || f == blackHeard {
		return
	}
	decided := p.next(on, 1)
	if list == Black {
		decided = p.next(e.StatementUntil, 1)
	}
	as(p, p.officer(educationDept, true), decided, (*Service).DecideListEntry, DecideListEntry{Key: p.key(), ID: e.ID, Decision: "approve"})
	if f == whiteSettled {
		return
	}
	as(p, p.officer(educationDept, false), p.next(decided, 1), (*Service).PublishListEntry, PublishListEntry{Key: p.key(), ID: e.ID})
}
