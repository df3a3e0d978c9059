package inspection

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/once"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// SeedReady returns a check that the rules, and all institutions of licensing's
// own demo data, have arrived here.
func (s *Service) SeedReady(peers *http.Client) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := rule.Have(s.DB, Rules...)(ctx); err != nil {
			return err
		}
		if err := get(ctx, peers, "http://licensing/readyz", nil); err != nil {
			return err
		}
		var theirs struct {
			Institutions int `json:"institutions"`
		}
		if err := get(ctx, peers, "http://licensing/v1/summary", &theirs); err != nil {
			return err
		}
		ours, err := s.countInstitutions(ctx)
		if err == nil && (theirs.Institutions == 0 || ours < theirs.Institutions) {
			err = fault.Unavailable.Errorf("机构名录尚未到齐：%d / %d", ours, theirs.Institutions)
		}
		return err
	}
}

func (s *Service) countInstitutions(ctx context.Context) (int, error) {
	return pg.InTx(pg.Worker(ctx, "seed"), s.DB, func(tx pgx.Tx) (int, error) { return countInstitutions(ctx, tx) })
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

// seedPlace is where the demo data are played.
const seedPlace = "320508"

var seedAgencies = []Agency{Education, Fire, Market}

// seedOffice is the account ids of the offices' own people, as the personas are called.
var seedOffice = map[Agency][]string{
	Education: {"examiner", "examiner2"}, Culture: {"culture", "culture2"}, Market: {"market", "market2"}, Fire: {"fire", "fire2"},
}

// Seed fills the library of officers and plays the demo tasks through the use
// cases themselves, on days before the day of the first call. It does so once;
// played again after a crash it finds its own keys.
func (s *Service) Seed(ctx context.Context) error {
	var institutions []Institution
	start, err := pg.InTx(pg.Worker(ctx, "seed"), s.DB, func(tx pgx.Tx) (p player, err error) {
		p.base, p.done, err = seeded(ctx, tx, s.today())
		if err == nil && !p.done {
			institutions, err = listSeedable(ctx, tx, seedPlace)
		}
		if err != nil || p.done {
			return p, err
		}
		for _, o := range seedOfficers(p.base, institutions) {
			if err := addOfficer(ctx, tx, o); err != nil {
				return p, err
			}
		}
		return p, nil
	})
	if err != nil || start.done {
		return err
	}
	p := &player{s: *s, ctx: ctx, base: start.base, at: institutions}
	p.play()
	if p.err != nil {
		return p.err
	}
	_, err = pg.InTx(pg.Worker(ctx, "seed"), s.DB, func(tx pgx.Tx) (struct{}, error) { return struct{}{}, endSeed(ctx, tx) })
	return err
}

// seedOfficers is the personas and twelve more of their offices: two whose
// certificates have run out, and some that keep away from an institution.
func seedOfficers(base day.Date, at []Institution) []Officer {
	var all []Officer
	add := func(a Agency, id string, n int, until day.Date, avoid ...Avoidance) {
		if avoid == nil {
			avoid = []Avoidance{}
		}
		all = append(all, Officer{
			ID: id, Agency: a, Jurisdiction: seedPlace, Office: Office(a, seedPlace), ValidUntil: until, Scope: []string{}, Conflicts: avoid, Active: true,
			Certificate: fmt.Sprintf("苏姑%s执%04d（示例）", string([]rune(a.Name())[0]), n), UpdatedBy: "seed", UpdatedOn: base,
		})
	}
	for _, a := range []Agency{Education, Culture, Market, Fire} {
		until := base.AddMonths(48)
		add(a, seedOffice[a][0], 1, until)
		add(a, seedOffice[a][1], 2, until)
		for n := 3; n <= 5; n++ {
			id := fmt.Sprintf("%s-officer-%d", a, n)
			switch {
			case n == 5 && (a == Education || a == Fire):
				add(a, id, n, base.AddDays(-30))
			case n == 4 && len(at) > 0:
				add(a, id, n, until, Avoidance{at[0].ID, Relative}, Avoidance{at[len(at)-1].ID, Patch})
			default:
				add(a, id, n, until)
			}
		}
	}
	return all
}

// player plays the demo tasks. It stops at the first error.
type player struct {
	s     Service
	ctx   context.Context
	base  day.Date
	done  bool
	at    []Institution
	n     int // keys given out
	fates int // institutions used
	err   error
}

// on is the day that many days before the base, at work.
func (p *player) on(before int) {
	at := p.base.AddDays(-before).Start().Add(9 * time.Hour)
	p.s.Now = func() time.Time { return at }
}

func (p *player) key() once.Key {
	p.n++
	return once.Key{IdempotencyKey: fmt.Sprintf("inspection-seed-%04d", p.n)}
}

// as is somebody's context.
func (p *player) as(id string) context.Context {
	for a, ids := range seedOffice {
		if slices.Contains(ids, id) {
			return p.official(a, id)
		}
	}
	return auth.With(p.ctx, auth.Caller{Subject: id, Roles: []string{principalRole}})
}

var seedRoles = map[Agency]string{Education: examinerRole, Culture: cultureRole, Market: marketRole, Fire: fireRole}

func (p *player) official(a Agency, id string) context.Context {
	return auth.With(p.ctx, auth.Caller{Subject: id, Roles: []string{seedRoles[a]}, Agency: string(a), Jurisdiction: seedPlace})
}

// do calls use, unless something failed before.
func do[Req, Resp any](ctx context.Context, p *player, use func(*Service, context.Context, Req) (Resp, error), req Req) (resp Resp) {
	if p.err == nil {
		resp, p.err = use(&p.s, ctx, req)
	}
	return resp
}

// play makes a task of every state that a page can show.
func (p *player) play() {
	for _, fate := range []func(Institution){p.plannedOnly, p.halfSigned, p.unsigned, p.toPublish, p.ordered, p.submitted, p.failedAgain, p.published, p.refused} {
		if p.fates < len(p.at) {
			fate(p.at[p.fates])
			p.fates++
		}
	}
	p.randomDrawn()
	p.randomDone()
	p.sweepListed()
	p.sweepOrdered()
	p.sweepClosed()
}

func (p *player) joint(i Institution, title string, in int) TaskView {
	return do(p.as("examiner"), p, (*Service).PlanTask, PlanTask{
		Key: p.key(), Kind: Joint, Title: title + "（示例）", Agencies: seedAgencies, InstitutionID: i.ID, Reason: "日常监测发现异常（示例）",
		VisitOn: day.Of(p.s.Now()).AddDays(in),
	})
}

func (p *player) open(t TaskView, institution string) VisitView {
	return do(p.as("examiner"), p, (*Service).OpenVisit, OpenVisit{Key: p.key(), ID: t.ID, InstitutionID: institution})
}

var seedItems = map[Agency]string{Education: "ED-08", Market: "MK-02", Fire: "FI-01", Culture: "CU-01"}

// part fills and signs an agency's part, by those drawn or by the office's own.
func (p *player) part(v VisitView, a Agency, problem bool, who []string) {
	ctx := p.official(a, who[0])
	detail := "现场核查，未见异常。"
	if problem {
		detail = "现场核查，发现不符合规定，已拍照取证（示例）。"
	}
	do(ctx, p, (*Service).RecordFinding, RecordFinding{Key: p.key(), ID: v.ID, Agency: a, Item: seedItems[a], Problem: problem, Detail: detail})
	do(ctx, p, (*Service).SignPart, SignPart{Key: p.key(), ID: v.ID, Agency: a, Officers: who})
}

// visit plays one whole visit; problem is the agency that finds one.
func (p *player) visit(t TaskView, i Institution, problem Agency) VisitView {
	v := p.open(t, "")
	for _, a := range t.Agencies {
		p.part(v, a, a == problem, seedOffice[a])
	}
	return do(p.as(i.Manager), p, (*Service).SignVisit, SignVisit{Key: p.key(), ID: v.ID})
}

func (p *player) plannedOnly(i Institution) {
	p.on(1)
	p.joint(i, "超期预收费线索联合检查", 3)
}

func (p *player) halfSigned(i Institution) {
	p.on(0)
	v := p.open(p.joint(i, "虚假宣传线索联合检查", 0), "")
	p.part(v, Education, false, seedOffice[Education])
}

func (p *player) unsigned(i Institution) {
	p.on(1)
	t := p.joint(i, "消防安全联合检查", 0)
	v := p.open(t, "")
	for _, a := range t.Agencies {
		p.part(v, a, a == Fire, seedOffice[a])
	}
}

func (p *player) toPublish(i Institution) {
	p.on(25)
	p.visit(p.joint(i, "开学前联合检查", 0), i, "")
}

// order plays a visit that found a problem and the order that follows.
func (p *player) order(i Institution, title string, before int) RectificationView {
	p.on(before)
	v := p.visit(p.joint(i, title, 0), i, Market)
	return do(p.as("market"), p, (*Service).OrderRectification, OrderRectification{Key: p.key(), ID: v.ID, Demand: "立即撤下违规广告，提交整改报告（示例）"})
}

func (p *player) submit(i Institution, r RectificationView, before int) {
	p.on(before)
	do(p.as(i.Manager), p, (*Service).SubmitRectification, SubmitRectification{Key: p.key(), ID: r.ID, Text: "已撤下广告并培训员工（示例）"})
}

func (p *player) verify(r RectificationView, passed bool, before int) {
	p.on(before)
	verdict := "现场复查，已改正（示例）"
	if !passed {
		verdict = "现场复查，门店广告未撤（示例）"
	}
	do(p.as("market2"), p, (*Service).VerifyRectification, VerifyRectification{Key: p.key(), ID: r.ID, Passed: passed, Officers: seedOffice[Market], Verdict: verdict})
}

func (p *player) ordered(i Institution) { p.order(i, "广告专项联合检查", 6) }

func (p *player) submitted(i Institution) {
	p.submit(i, p.order(i, "广告回头看联合检查", 13), 1)
}

func (p *player) failedAgain(i Institution) {
	r := p.order(i, "屡次投诉联合检查", 20)
	p.submit(i, r, 8)
	p.verify(r, false, 3)
}

func (p *player) published(i Institution) {
	r := p.order(i, "暑期联合检查", 60)
	p.submit(i, r, 52)
	p.verify(r, true, 50)
	p.on(45)
	do(p.as("examiner"), p, (*Service).PublishTask, PublishTask{Key: p.key(), ID: r.TaskID})
}

func (p *player) refused(i Institution) {
	p.on(10)
	v := p.open(p.joint(i, "夜间培训联合检查", 0), "")
	for _, a := range seedAgencies {
		p.part(v, a, a == Education, seedOffice[a])
	}
	do(p.as("examiner"), p, (*Service).RefuseVisit, RefuseVisit{Key: p.key(), ID: v.ID, Reason: "负责人不在场，店员不愿签字（示例）", Witness: "社区网格员（示例）"})
}

func (p *player) random(title string, by Plan, in int) TaskView {
	return do(p.as("examiner"), p, (*Service).PlanTask, PlanTask{
		Key: p.key(), Kind: Random, Title: title + "（示例）", Agencies: seedAgencies, VisitOn: day.Of(p.s.Now()).AddDays(in), Plan: &by,
	})
}

// randomDrawn is drawn twice: an officer fell ill after the first round.
func (p *player) randomDrawn() {
	if len(p.at) == 0 {
		return
	}
	p.on(2)
	t := p.random("按信用等级双随机抽查", Plan{By: ByCredit}, 5)
	do(p.as("examiner"), p, (*Service).DrawTask, DrawTask{Key: p.key(), ID: t.ID})
	do(p.as("examiner"), p, (*Service).RevealTask, RevealTask{Key: p.key(), ID: t.ID})
	do(p.as("examiner2"), p, (*Service).RedrawTask, RedrawTask{Key: p.key(), ID: t.ID, Reason: "抽中人员因病不能出勤（示例）"})
	do(p.as("examiner2"), p, (*Service).RevealTask, RevealTask{Key: p.key(), ID: t.ID})
}

// randomDone is inspected by whoever was drawn.
func (p *player) randomDone() {
	if len(p.at) == 0 {
		return
	}
	p.on(40)
	t := p.random("季度双随机抽查", Plan{By: ByNone, Sample: min(2, len(p.at))}, 1)
	do(p.as("examiner"), p, (*Service).DrawTask, DrawTask{Key: p.key(), ID: t.ID})
	t = do(p.as("examiner2"), p, (*Service).RevealTask, RevealTask{Key: p.key(), ID: t.ID})
	p.on(39)
	for _, target := range t.Targets {
		v := p.open(t, target.InstitutionID)
		for _, a := range t.Agencies {
			p.part(v, a, false, p.drawnOf(a, target.Officers))
		}
		do(p.as("examiner"), p, (*Service).RefuseVisit, RefuseVisit{Key: p.key(), ID: v.ID, Reason: "负责人外出（示例）", Witness: "物业值班员（示例）"})
	}
	p.on(30)
	do(p.as("examiner"), p, (*Service).PublishTask, PublishTask{Key: p.key(), ID: t.ID})
}

// drawnOf is those of officers who are agency a's.
func (p *player) drawnOf(a Agency, officers []string) []string {
	var own []string
	for _, o := range do(p.as("examiner"), p, (*Service).ListOfficers, ListOfficers{Agency: a}).Officers {
		if slices.Contains(officers, o.ID) {
			own = append(own, o.ID)
		}
	}
	if own == nil && p.err == nil {
		p.err = fmt.Errorf("seed: no officer of %s was drawn", a)
	}
	return append(own, "")[:max(1, len(own))]
}

func (p *player) sweep(place Place, title string) TaskView {
	return do(p.as("examiner"), p, (*Service).PlanTask, PlanTask{
		Key: p.key(), Kind: Sweep, Title: title + "（示例）", Agencies: []Agency{Education, Market}, Place: &place, Reason: "网格巡查发现（示例）",
		VisitOn: day.Of(p.s.Now()),
	})
}

func (p *player) sweepListed() {
	p.on(2)
	p.sweep(Place{Signboard: "快乐晚托", Address: "姑苏区彩香新村12幢304室"}, "彩香新村疑似无证培训排查")
}

// orderOff plays a sweep up to the order to stop.
func (p *player) orderOff(place Place, title string) TaskView {
	t := p.sweep(place, title)
	v := p.open(t, "")
	seedItem := map[Agency]string{Education: "ED-09", Market: "MK-01"}
	for _, a := range t.Agencies {
		ctx := p.as(seedOffice[a][0])
		do(ctx, p, (*Service).RecordFinding, RecordFinding{Key: p.key(), ID: v.ID, Agency: a, Item: seedItem[a], Problem: true, Detail: "未取得许可开展培训（示例）"})
		do(ctx, p, (*Service).SignPart, SignPart{Key: p.key(), ID: v.ID, Agency: a, Officers: seedOffice[a]})
	}
	do(p.as("examiner"), p, (*Service).SignVisit, SignVisit{Key: p.key(), ID: v.ID})
	return do(p.as("examiner"), p, (*Service).ClosePlace, ClosePlace{Key: p.key(), ID: t.ID, Demand: "立即停止举办，退还所收费用（示例）", Officers: seedOffice[Education]})
}

func (p *player) sweepOrdered() {
	p.on(5)
	p.orderOff(Place{Signboard: "晨光书画", Address: "姑苏区十梓街58号2楼"}, "十梓街无证培训排查")
}

func (p *player) sweepClosed() {
	p.on(28)
	t := p.orderOff(Place{Signboard: "小荷作文", Address: "姑苏区干将东路666号1208室"}, "干将东路无证培训排查")
	p.on(20)
	do(p.as("examiner"), p, (*Service).RecheckPlace, RecheckPlace{Key: p.key(), ID: t.ID, Closed: true, Officers: []string{"examiner", "market"}, Note: "已搬离（示例）"})
	p.on(18)
	do(p.as("examiner"), p, (*Service).PublishTask, PublishTask{Key: p.key(), ID: t.ID})
}
