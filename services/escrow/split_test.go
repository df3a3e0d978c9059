package escrow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	licensingv1 "xunguan/proto/licensing/v1"
)

const (
	evasion  = "中消协：“买3个月赠3个月、分班次付款”（domain §1.4）"
	bigPacks = "domain §6：240–300 课时的大课包拆分或隐藏"
)

// TestStem is which names are one course.
func TestStem(t *testing.T) {
	for _, tt := range []struct{ a, b, source string }{
		{"素描一期", "素描二期", evasion},
		{"素描（第1期）", "素描【第二期】", evasion},
		{"素描 3班", "素描寒假班", evasion},
		{"素描第一阶段", "素描第二阶段", evasion},
		{"素描升级班", "素描", bigPacks},
		{"素描暑假集训班2026", "素描", evasion},
		{"ＰＹＴＨＯＮ 编程①期", "python编程", bigPacks},
		{"少儿街舞·春季", "少儿街舞（续费）", evasion},
		{"创意美术-A", "创意美术（周六班）A", evasion},
	} {
		if stem(tt.a) != stem(tt.b) {
			t.Errorf("%q is %q, %q is %q (%s)", tt.a, stem(tt.a), tt.b, stem(tt.b), tt.source)
		}
	}
	for _, tt := range [][2]string{{"素描", "国画"}, {"钢琴", "小提琴"}, {"一对一素描", "素描"}, {"中国舞", "街舞"}, {"（二）", "（三）"}, {"寒假班", "素描"}, {"100", "200"}} {
		if tt[0] != tt[1] && stem(tt[0]) == stem(tt[1]) {
			t.Errorf("%q and %q are both %q", tt[0], tt[1], stem(tt[0]))
		}
	}
}

func FuzzStem(f *testing.F) {
	for _, s := range []string{"素描（第2期）", "", "()", "期期期", "【【】", "第一二三期寒假", "\xff素描", "１期", "((a)b)", "《》"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := stem(s)
		switch {
		case stem(got) != got:
			t.Errorf("%q is %q, and that is %q", s, got, stem(got))
		case (got == "") != (normal(s) == ""):
			t.Errorf("%q is %q", s, got)
		case utf8.ValidString(s) && !utf8.ValidString(got):
			t.Errorf("%q is %q, which is no text", s, got)
		case stem(" "+s+" ") != got:
			t.Errorf("%q is %q, and with blanks %q", s, got, stem(" "+s+" "))
		}
	})
}

// TestSplit is what a family's orders add up to.
func TestSplit(t *testing.T) {
	on := d("2026-03-02")
	order := func(id string, lessons, gifts int, held Fen, first, last string) orderRow {
		at := on.Start().Add(9 * time.Hour)
		return orderRow{Contract: id, PaidAt: &at, Lessons: lessons, GiftLessons: gifts, Held: held, First: d(first), Last: d(last)}
	}
	kin := func(r orderRow, institution, pupil, course string) kinRow {
		return kinRow{r, institution, pupil + course, pupil, course}
	}
	daysAgo := func(n int, k kinRow) kinRow {
		at := k.PaidAt.AddDate(0, 0, -n)
		k.PaidAt = &at
		return k
	}
	spring := func(id string, lessons int, held Fen) orderRow {
		return order(id, lessons, 0, held, "2026-03-02", "2026-05-16")
	}
	c := &Contract{ID: "b", InstitutionID: "art", Pupil: "小满", Course: "素描（二期）"}
	for _, tt := range []struct {
		name, source, kind string
		own                orderRow
		family             []kinRow
		want               string // the limits that are gone over, and how; "" is none
	}{
		{"a renamed course, 40 and 40 lessons", bigPacks, "subject", spring("b", 40, 0), []kinRow{kin(spring("a", 40, 0), "art", "小满", "素描一期")}, maxLessons + " renamed"},
		{"30 and 30", bigPacks, "subject", spring("b", 30, 0), []kinRow{kin(spring("a", 30, 0), "art", "小满", "素描一期")}, ""},
		{"gifts under another name", evasion, "subject", spring("b", 40, 0), []kinRow{kin(order("a", 1, 30, 0, "2026-03-02", "2026-05-16"), "art", "小满", "素描赠课")}, maxLessons + " renamed"},
		{"3 months and 3 more", evasion, "subject", spring("b", 20, 0), []kinRow{kin(order("a", 20, 0, 0, "2026-06-01", "2026-08-20"), "art", "小满", "素描暑假班")}, maxMonths + " renamed"},
		{"3,000 and 3,000 yuan", "教监管〔2022〕4号（domain §1.1）", nonSubject, spring("b", 20, 300000), []kinRow{kin(spring("a", 20, 300000), "art", "小满", "素描一期")}, nonSubjectTo + " renamed"},
		{"the same at a subject institution", "5000 元仅适用于非学科类（domain §8.6）", "subject", spring("b", 20, 300000), []kinRow{kin(spring("a", 20, 300000), "art", "小满", "素描一期")}, ""},
		{"another course", bigPacks, "subject", spring("b", 40, 0), []kinRow{kin(spring("a", 40, 0), "art", "小满", "国画")}, ""},
		{"a branch", bigPacks, "subject", spring("b", 40, 0), []kinRow{kin(spring("a", 40, 0), "maths", "小满", "素描（二期）")}, maxLessons + " branch"},
		{"siblings by turns", bigPacks, "subject", order("b", 40, 0, 0, "2026-05-18", "2026-07-31"), []kinRow{kin(order("a", 40, 0, 0, "2026-03-02", "2026-05-16"), "art", "大满", "素描（二期）")}, maxLessons + " " + maxMonths + " sibling"},
		{"siblings who are taught at the same time", "两个孩子", "subject", spring("b", 40, 0), []kinRow{kin(spring("a", 40, 0), "art", "大满", "素描（二期）")}, ""},
		{"30 days before", "fee.split_window（D）", "subject", spring("b", 40, 0), []kinRow{daysAgo(30, kin(spring("a", 40, 0), "art", "小满", "素描"))}, maxLessons + " renamed"},
		{"31 days before", "fee.split_window（D）", "subject", spring("b", 40, 0), []kinRow{daysAgo(31, kin(spring("a", 40, 0), "art", "小满", "素描"))}, ""},
		{"paid after it", "后付的一份被提示", "subject", spring("b", 40, 0), []kinRow{daysAgo(-1, kin(spring("a", 40, 0), "art", "小满", "素描"))}, ""},
		{"one basket is over by itself", "已有提示", "subject", spring("b", 61, 0), []kinRow{kin(spring("a", 5, 0), "art", "小满", "素描")}, ""},
		{"the other basket is over by itself", "已有提示", "subject", spring("b", 5, 0), []kinRow{kin(spring("a", 40, 0), "art", "小满", "素描"), kin(spring("a2", 40, 0), "art", "小满", "素描")}, ""},
		{"three of them", bigPacks, "subject", spring("b", 25, 0), []kinRow{kin(spring("a", 25, 0), "art", "小满", "素描"), kin(spring("a2", 25, 0), "maths", "小满", "素描三期")}, maxLessons + " renamed branch"},
		{"nothing is left of the other", "事实", "subject", spring("b", 40, 0), []kinRow{kin(order("a", 0, 0, 0, "2026-03-02", "2026-05-16"), "art", "小满", "素描")}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tt.own.order(on, seeded(t, on))
			f := split(tt.kind, []Order{o}, c.kin(o, tt.own, tt.family))
			got := ""
			if f != nil {
				for _, key := range []string{maxLessons, maxMonths, nonSubjectTo} {
					if _, over := f.Inputs["over"].(map[string]any)[key]; over {
						got += key + " "
					}
				}
				for _, how := range []string{byRename, byTurns, byBranch} {
					if strings.Contains(f.Explanation, kinships[how]) {
						got += how + " "
					}
				}
				for _, k := range tt.family {
					if !strings.Contains(f.Explanation, k.Contract) || !strings.Contains(f.Explanation, "待核实") || f.Rule.Key != splitWindow {
						t.Errorf("%s: %s", f.Rule.Key, f.Explanation)
					}
				}
			}
			if strings.TrimSpace(got) != tt.want {
				t.Errorf("%q, want %q (%s)", got, tt.want, tt.source)
			}
		})
	}
}

// forty is an order of 40 lessons for 2,000 yuan.
func forty(change ...func(*Terms)) func(*Terms) {
	return both(append([]func(*Terms){func(t *Terms) { t.Lessons, t.PriceFen = 40, 200000 }}, change...)...)
}

func called(pupil, course string) func(*Terms) {
	return func(t *Terms) { t.Pupil, t.Course = pupil, course }
}

// suspected is that a contract has one open flag, of a split order.
func (h *house) suspected(id string, want bool) FlagView {
	h.t.Helper()
	v := h.contract("examiner", id)
	if got := v.OpenFlags == 1 && v.Flags[len(v.Flags)-1].Rule.Key == splitWindow; got != want || !want && v.OpenFlags != 0 {
		h.t.Fatalf("suspected %t, want %t: %+v", got, want, v.Flags)
	}
	if !want {
		return FlagView{}
	}
	return v.Flags[len(v.Flags)-1]
}

// TestSplitOrders is each disguise, through the use cases: the parent is warned, the
// second order is flagged and names the first, and giving lessons back clears it at the
// next review.
func TestSplitOrders(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, source  string
		first, second func(*Terms)
	}{
		{"a renamed course", evasion, forty(called("小满", "素描一期")), forty(called("小满", "素描二期"))},
		{"a branch", bigPacks, forty(), forty(func(t *Terms) { t.Institution = "maths" })},
		{"siblings by turns", bigPacks, forty(), forty(called("大满", "素描"), func(t *Terms) {
			t.FirstLesson, t.LastLesson = d("2026-05-17"), d("2026-06-01")
		})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "2026-03-02")
			first := h.paid(h.terms(tt.first)).ID
			h.suspected(first, false)
			terms := h.terms(tt.second)
			if terms.FirstLesson == d("2026-05-17") { // not too early: that has a flag of its own
				h.at("2026-04-01")
				terms.FirstLesson, terms.LastLesson = d("2026-05-01"), d("2026-06-01")
				h.refunded(first, 13) // which ends before that
			}
			v := h.sign(terms)
			if len(v.Warnings) != 1 || v.Warnings[0].Key != splitWindow {
				t.Fatalf("warned of %+v (%s)", v.Warnings, tt.source)
			}
			must(h.PayContract(h.as("parent"), PayContract{h.key(), v.ID, terms.PriceFen, "REF-2"}))(t)
			f := h.suspected(v.ID, true)
			if !strings.Contains(f.Explanation, first) || !strings.Contains(f.Explanation, v.ID) || f.Rule.Provenance != "D" || len(f.Rule.Inputs) == 0 {
				t.Errorf("%s: %s %+v", tt.source, f.Explanation, f.Rule)
			}
			h.refunded(first, 0) // of another basket: it is read, never locked
			h.suspected(v.ID, true)
			h.at(h.today().AddDays(1).String())
			h.settle()
			h.suspected(v.ID, false)
			if n := h.count(`SELECT count(*) FROM split_reviews`); n != 0 {
				t.Errorf("%d reviews are left", n)
			}
		})
	}
}

// TestSplitPaidTogether: two payments at the same moment may miss each other, and the
// review of the day after finds them.
func TestSplitPaidTogether(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	var ids []string
	for n := range 2 {
		ids = append(ids, h.sign(h.terms(forty(called("小满", fmt.Sprintf("素描%d期", n+1))))).ID)
	}
	var g errgroup.Group
	for _, id := range ids {
		g.Go(func() error {
			return second(h.PayContract(h.as("parent"), PayContract{h.key(), id, 200000, "REF-" + id}))
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	h.work(func(tx pgx.Tx) error { // as if neither had seen the other
		_, err := tx.Exec(t.Context(), `DELETE FROM flags`)
		return err
	})
	h.at("2026-03-03")
	h.settle()
	if n := h.count(`SELECT count(DISTINCT contract_id) FROM flags WHERE state = 'OPEN' AND rule_key = $1`, splitWindow); n < 1 {
		t.Error("the day after found nothing")
	}
	if n := h.settle(); n != 0 {
		t.Errorf("%d more reviews on the same day", n)
	}
}

// TestClearFlag is what an official may clear by hand, and that it stays so until another
// order joins.
func TestClearFlag(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.paid(h.terms(forty(called("小满", "素描一期"))))
	v := h.paid(h.terms(forty(called("小满", "素描二期"))))
	f := h.suspected(v.ID, true)
	clears := func(by, id string) error {
		return second(h.ClearFlag(h.as(by), ClearFlag{h.key(), id, "一为素描，一为书法，已看课表"}))
	}
	if err := clears("neighbour", f.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("by another district: %v", err)
	}
	many := h.paid(h.terms(func(t *Terms) { t.Lessons, t.Course, t.PriceFen = 61, "国画", 200000 }))
	if err := clears("examiner", many.Flags[0].ID); !errors.Is(err, fault.Refused) {
		t.Errorf("a flag that rests on a fact: %v", err)
	}
	ok, others := race(func(int) error { return clears("examiner", f.ID) })
	if ok != 1 || others[fault.Conflict] != 19 {
		t.Errorf("cleared %d times, %v", ok, others)
	}
	h.at("2026-03-03")
	h.settle()
	h.taught(v.ID, 1)
	h.suspected(v.ID, false)
	third := h.paid(h.terms(forty(called("小满", "素描三期"))))
	h.suspected(third.ID, true)
}

// TestSplitIsSeenByWhoeverActs: a branch in another district, judged when an official of
// this one acts.
func TestSplitIsSeenByWhoeverActs(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.learned(&licensingv1.Institution{Id: "far", Name: "吴中美术二部", Kind: "non_subject", Category: "culture_arts", Item: "美术", Jurisdiction: "320506"})
	h.account("principal", "far")
	h.paid(h.terms(forty(func(t *Terms) { t.Institution = "far" })))
	v := h.paid(h.terms(forty()))
	h.suspected(v.ID, true)
	_, err := inTx(h.as("examiner"), h, func(tx pgx.Tx) error {
		ctx := h.as("examiner")
		b, err := lockBasket(ctx, tx, v.ID)
		if err != nil {
			return err
		}
		if err := h.judge(ctx, tx, b, "x"); err != nil {
			return err
		}
		if n := 0; tx.QueryRow(ctx, `SELECT count(*) FROM contracts WHERE institution_id = 'far'`).Scan(&n) != nil || n != 0 {
			t.Errorf("the examiner sees %d contracts of another district", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h.suspected(v.ID, true)
	if n := h.count(`SELECT count(*) FROM seen WHERE family::text LIKE '%小满%' OR family::text LIKE '%parent%'`); n != 0 {
		t.Errorf("%d rows of what was seen name somebody", n)
	}
}

// TestWindowsOfAFamily is that of what a family bought only that is read which one of the
// basket's orders can be kin to (fee.split_window), each payment once.
func TestWindowsOfAFamily(t *testing.T) {
	t.Parallel()
	rules := lawOf(splitWindow, 30)
	at := func(on string) *time.Time { return new(d(on).Start().Add(10 * time.Hour)) }
	now := d("2026-06-02").Start()
	for _, tt := range []struct {
		name string
		paid []*time.Time // nil is not paid yet
		left int
		want string
	}{
		{"one that is paid now", []*time.Time{nil}, 1, "2026-05-02..2026-06-02"},
		{"one that was paid", []*time.Time{at("2026-03-10")}, 1, "2026-02-08..2026-03-10"},
		{"an old one and one now", []*time.Time{at("2026-03-10"), nil}, 1, "2026-02-08..2026-03-10 2026-05-02..2026-06-02"},
		{"two within one window", []*time.Time{at("2026-05-10"), nil}, 1, "2026-04-10..2026-06-02"},
		{"one right before the other's", []*time.Time{at("2026-05-02"), nil}, 1, "2026-04-02..2026-06-02"},
		{"nothing is left of it", []*time.Time{at("2026-03-10")}, 0, ""},
	} {
		var l looked
		for _, p := range tt.paid {
			r := orderRow{PaidAt: p}
			l.rows = append(l.rows, r)
			l.orders = append(l.orders, Order{PaidOn: r.paidOn(d("2026-06-01")), Lessons: tt.left, Rules: rules})
		}
		var got []string
		for _, w := range l.windows(now) {
			got = append(got, day.Of(w.start).String()+".."+day.Of(w.end).String())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, got, tt.want)
		}
	}
}

// TestAPaymentReadsWhatTheRuleNeeds is that a family with thousands of contracts has as
// many rows read by a payment as one with five: what was paid before the window of the
// rule is not looked at. Rows are counted by PostgreSQL, and no time is taken.
func TestAPaymentReadsWhatTheRuleNeeds(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	reads := map[string]int64{}
	for parent, n := range map[string]int{"parent": 5, "parent2": 5000} {
		h.work(func(tx pgx.Tx) error {
			for _, sql := range []string{
				`INSERT INTO contracts (institution_id, id, jurisdiction, manager, parent, pupil, course, basket, state, lessons, gift_lessons, first_lesson, last_lesson, price, paid, open, offered_on, paid_at)
				 SELECT 'art', $1::text || n, '320508', 'principal', $1::text, '小满', '素描（二期）', 'b' || n, 'PAID', 2, 0, '2026-03-02', '2026-09-02', 2, 2, 2, '2025-01-02',
					timestamptz '2025-01-02 10:00+08' + n * interval '1 minute' FROM generate_series(1, $2::int) n`,
				`INSERT INTO lessons (institution_id, contract_id, n, gift, on_date, fee, state) SELECT institution_id, id, n, false, '2026-09-02', 1, 'SCHEDULED' FROM contracts, generate_series(1, 2) n
				 WHERE parent = $1 AND $2 > 0`,
				`INSERT INTO contract_terms (institution_id, contract_id) SELECT institution_id, id FROM contracts WHERE parent = $1 AND $2 > 0`,
			} {
				if _, err := tx.Exec(t.Context(), sql, parent, n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := h.try(`ANALYZE contracts, lessons, contract_terms`); err != nil {
		t.Fatal(err)
	}
	for _, parent := range []string{"parent", "parent2"} {
		near := h.paid(h.terms(func(t *Terms) { t.Parent, t.Course, t.Lessons, t.PriceFen = parent, "素描（三期）", 40, 40000 })) // is kin
		id := h.sign(h.terms(func(t *Terms) { t.Parent, t.Lessons, t.PriceFen = parent, 40, 40000 })).ID
		_, err := inTx(h.as(parent), h, func(tx pgx.Tx) error {
			b, err := lockBasket(t.Context(), tx, id)
			if err != nil {
				return err
			}
			before, err := rowsRead(t.Context(), tx)
			if err != nil {
				return err
			}
			all, err := h.look(t.Context(), tx, b.own)
			if err != nil {
				return err
			}
			if kin := all.kin(b.own); len(kin) != 1 || kin[0].Contract != near.ID {
				t.Errorf("kin: %+v", kin)
			}
			after, err := rowsRead(t.Context(), tx)
			reads[parent] = after - before
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if reads["parent"] == 0 || reads["parent2"] > reads["parent"]+20 { // of 5,000 contracts and 10,000 lessons
		t.Errorf("rows read for a payment: %v", reads)
	}
}

// rowsRead is how many rows the transaction has read so far.
func rowsRead(ctx context.Context, tx pgx.Tx) (n int64, err error) {
	err = tx.QueryRow(ctx, `SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables
		WHERE relname IN ('contracts', 'lessons', 'contract_terms')`).Scan(&n)
	return n, err
}
