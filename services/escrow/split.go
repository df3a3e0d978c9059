package escrow

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"xunguan/pkg/day"
	"xunguan/pkg/rule"
)

// splitWindow is the rule that says within how many days a family's orders are looked at
// together.
const splitWindow = "fee.split_window"

// How an order is kin to another: what the name of the one could hide of the other.
const (
	byRename = "renamed"
	byTurns  = "sibling"
	byBranch = "branch"
)

var kinships = map[string]string{byRename: "课程名称相近", byTurns: "轮流使用不同学员姓名", byBranch: "同一负责人的另一机构"}

// Kin is an order of the same family outside the basket. It names nobody.
type Kin struct {
	orderRow
	Basket string   `json:"basket"` // of it, and of its institution
	How    []string `json:"how"`
}

// kinRow is a candidate as SQL finds it.
type kinRow struct {
	orderRow
	InstitutionID, Basket, Pupil, Course string
}

// ordinal is what counts one course through: 第二期, 3班, 二阶段, 2026年.
var ordinal = regexp.MustCompile(`第?[0-9零〇一二三四五六七八九十百两]+(?:学期|阶段|课时|单元|期|班|级|季|轮|次|节|册|周|月|年)|[0-9]+`)

// season is what sells one course again: 寒假, 升级, 续费.
var season = regexp.MustCompile(`寒暑假|寒假|暑假|春季|夏季|秋季|冬季|周末|升级|进阶|提高|强化|冲刺|集训|续费|续报|续课|赠送|赠课|加课|补充|新版|学期|阶段|课程|课包|班级|期|班|版|课`)

// bracketed is what stands in brackets, folded to those of ASCII by normal.
var bracketed = regexp.MustCompile(`\([^()]*\)|\[[^\[\]]*\]|【[^【】]*】|〔[^〔〕]*〕|「[^「」]*」|《|》`)

// stem is what is left of a course's name without what a new name for the same course
// differs by; the name itself if that is all of it. The stem of a stem is itself.
func stem(course string) string {
	name := normal(course)
	for {
		next := name
		for _, drop := range []*regexp.Regexp{bracketed, ordinal, season, punctuation} {
			if rest := normal(drop.ReplaceAllString(next, "")); rest != "" { // what was apart may join into another letter
				next = rest
			}
		}
		if next == name {
			return name
		}
		name = next
	}
}

var punctuation = regexp.MustCompile(`[\p{P}\p{S}\p{Z}\p{C}]+`)

// stretch is from one moment to another.
type stretch struct{ start, end time.Time }

// windows is when orders were paid that may be kin to one of l's: in the days that its
// rules give, up to its own payment, or to the end of today. They do not overlap.
func (l looked) windows(now time.Time) (all []stretch) {
	for i, o := range l.orders {
		r, known := o.Rules[splitWindow]
		if !known || o.left() == 0 {
			continue
		}
		w := stretch{o.PaidOn.AddDays(-int(r.Int())).Start(), now}
		if at := l.rows[i].PaidAt; at != nil {
			w.end = *at
		}
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b stretch) int { return a.start.Compare(b.start) })
	apart := all[:0]
	for _, w := range all {
		if n := len(apart); n > 0 && !w.start.After(apart[n-1].end) {
			if w.end.After(apart[n-1].end) {
				apart[n-1].end = w.end
			}
			continue
		}
		apart = append(apart, w)
	}
	return apart
}

// kin is those of rows that a split order of c's family could hide in: paid before o or
// with it, within the days that o's rules give, for a course with the same stem, and
// either for the same pupil, or for another whose lessons begin when the others are
// over: children who are taught at the same time are two.
func (c *Contract) kin(o Order, at orderRow, rows []kinRow) (all []Kin) {
	r, known := o.Rules[splitWindow]
	if !known || o.left() == 0 {
		return nil
	}
	for _, k := range rows {
		switch {
		case k.Lessons+k.GiftLessons == 0 && k.Held == 0, stem(k.Course) != stem(c.Course):
		case k.PaidAt == nil, at.PaidAt != nil && k.PaidAt.After(*at.PaidAt):
		case day.Of(*k.PaidAt).DaysUntil(o.PaidOn) > int(r.Int()):
		default:
			if how := c.how(o, k); how != nil {
				all = append(all, Kin{k.orderRow, k.InstitutionID + "/" + k.Basket, how})
			}
		}
	}
	return all
}

// how is by what k differs from o's basket; nil if they are two children.
func (c *Contract) how(o Order, k kinRow) (how []string) {
	if normal(k.Pupil) != normal(c.Pupil) {
		if k.Last.IsZero() || !k.Last.Before(o.First) && !o.Last.Before(k.First) {
			return nil
		}
		how = append(how, byTurns)
	}
	if normal(k.Course) != normal(c.Course) {
		how = append(how, byRename)
	}
	if k.InstitutionID != c.InstitutionID {
		how = append(how, byBranch)
	}
	return how
}

// whole is what a group of orders adds up to.
type whole struct {
	lessons     int
	held        Fen
	first, last day.Date
}

func (w whole) with(lessons int, held Fen, first, last day.Date) whole {
	w.lessons, w.held = w.lessons+lessons, w.held+held
	if lessons == 0 {
		return w
	}
	if w.first.IsZero() || first.Before(w.first) {
		w.first = first
	}
	if last.After(w.last) {
		w.last = last
	}
	return w
}

// split: what is limited for one order is limited for those, too, that it is divided
// into. It finds the order with which the sum of a family's orders goes over a limit
// that no basket of theirs goes over alone; kin is what was seen beside the basket.
func split(kind string, upTo []Order, kin []Kin) *Finding {
	o := upTo[len(upTo)-1]
	if len(kin) == 0 {
		return nil
	}
	var own, all whole
	baskets, parts, ids, hows := map[string]whole{}, []any{}, []string{}, map[string]bool{}
	for _, p := range upTo {
		if p.left() == 0 && p.Held == 0 {
			continue
		}
		own = own.with(p.left(), p.Held, p.First, p.Last)
		ids, parts = append(ids, p.Contract), append(parts, map[string]any{"contract": p.Contract, "lessons": p.left(), "held_fen": p.Held})
	}
	all = own
	for _, k := range kin {
		n := k.Lessons + k.GiftLessons
		all, baskets[k.Basket] = all.with(n, k.Held, k.First, k.Last), baskets[k.Basket].with(n, k.Held, k.First, k.Last)
		ids, parts = append(ids, k.Contract), append(parts, map[string]any{"contract": k.Contract, "lessons": n, "held_fen": k.Held, "how": k.How})
		for _, h := range k.How {
			hows[h] = true
		}
	}
	over, words := map[string]any{}, []string{}
	for _, l := range limits(kind, o.Rules) {
		if !l.over(all) || l.over(own) || slices.ContainsFunc(slices.Collect(maps.Values(baskets)), l.over) {
			continue
		}
		over[l.rule.Key] = map[string]any{"value": l.rule.Value, "version": l.rule.Version, "source": l.rule.Source}
		words = append(words, l.words(all))
	}
	if len(words) == 0 {
		return nil
	}
	return &Finding{Rule: o.Rules[splitWindow], Inputs: map[string]any{
		"contracts": parts, "over": over, "lessons": all.lessons, "held_fen": all.held, "first_lesson": all.first, "last_lesson": all.last, "paid_on": o.PaidOn,
	}, Explanation: fmt.Sprintf("疑似拆分收费，待核实：同一家庭 %d 日内的 %d 份合同（%s）%s，合并计算%s，而各自均未超过。不一定违规：主管部门核实不是拆分的，写明理由解除；退费或上课后合计不再超过的，本提示在复核时自动解除。",
		o.Rules[splitWindow].Int(), len(ids), strings.Join(ids, "、"), howWords(hows), strings.Join(words, "，"))}
}

func howWords(hows map[string]bool) string {
	var all []string
	for _, h := range []string{byRename, byTurns, byBranch} {
		if hows[h] {
			all = append(all, kinships[h])
		}
	}
	return strings.Join(all, "、")
}

// limit is one that an order is divided to stay under.
type limit struct {
	rule  rule.Rule
	over  func(whole) bool
	words func(whole) string
}

func limits(kind string, rules rule.Set) []limit {
	lessons, months, most := rules[maxLessons], rules[maxMonths], rules[nonSubjectTo]
	all := []limit{
		{lessons, func(w whole) bool { return w.lessons > int(lessons.Int()) }, func(w whole) string {
			return fmt.Sprintf("有 %d 课时尚未上课，超过 %d 课时", w.lessons, lessons.Int())
		}},
		{months, func(w whole) bool { return !w.first.IsZero() && w.last.After(w.first.AddMonths(int(months.Int()))) }, func(w whole) string {
			return fmt.Sprintf("课程从 %s 排到 %s，超过 %d 个月", w.first, w.last, months.Int())
		}},
	}
	if kind == nonSubject {
		all = append(all, limit{most, func(w whole) bool { return w.held > Fen(most.Int()) }, func(w whole) string {
			return fmt.Sprintf("预收未消课费用 %s，超过 %s", w.held.Yuan(), Fen(most.Int()).Yuan())
		}})
	}
	return all
}

// sameSplit reports whether f is what an official has examined before, or a part of it.
func (f Finding) sameSplit(was Flag) bool {
	known := map[string]bool{}
	parts, _ := was.Ground.Inputs["contracts"].([]any)
	for _, p := range parts {
		if part, ok := p.(map[string]any); ok {
			id, _ := part["contract"].(string)
			known[id] = true
		}
	}
	return was.ContractID == f.Contract && !slices.ContainsFunc(f.Inputs["contracts"].([]any), func(p any) bool {
		return !known[p.(map[string]any)["contract"].(string)]
	})
}
