package inspection

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
)

// box gathers what waits for one caller.
type box struct {
	calendar *day.Calendar
	today    day.Date
	now      time.Time
	caller   auth.Caller
	items    []Item
}

// fill adds everything that waits.
func (b *box) fill(ctx context.Context, tx pgx.Tx) error {
	tasks, err := listTasks(ctx, tx, b.caller, "", "", page)
	if err != nil {
		return err
	}
	for i := range tasks {
		if err := b.task(ctx, tx, &tasks[i]); err != nil {
			return err
		}
	}
	visits, err := listVisits(ctx, tx, b.caller, page)
	if err != nil {
		return err
	}
	for i := range visits {
		b.visit(&visits[i])
	}
	orders, err := listRectifications(ctx, tx, b.caller, page)
	if err != nil {
		return err
	}
	for i := range orders {
		b.rectification(&orders[i])
	}
	all, err := listFollowUps(ctx, tx, b.caller, page)
	for i := range all {
		b.followUp(&all[i])
	}
	return err
}

// task adds what t waits for from the office that leads it.
func (b *box) task(ctx context.Context, tx pgx.Tx, t *Task) error {
	if leads := t.LedBy(b.caller) == nil; !leads {
		return nil
	}
	it := Item{ID: t.ID, Jurisdiction: t.Jurisdiction, State: t.State, Since: day.Of(t.Since), Href: "/tasks/" + t.ID}
	label := ""
	switch t.State {
	case planned, committed, drawn:
		it.Kind, label, it.Due = "visit", "待检查", t.VisitOn
	case visited, rectified, closed:
		it.Kind, label, it.Due, it.Provisional = "publish", "待公示结果", t.PublishDue, t.Provisional
	case failed:
		it.Kind, label, it.Due, it.Provisional = "blacklist", "整改未通过，待处理", t.PublishDue, t.Provisional
	case orderedOff:
		place, err := findSweep(ctx, tx, t.ID)
		if err != nil {
			return err
		}
		it.Kind, label, it.Due, it.Provisional = "recheck", "责令停办，待复核", place.Due, place.Provisional
	default:
		return nil
	}
	it.Title = fmt.Sprintf("%s：%s", label, t.Title)
	b.add(it)
	return nil
}

// visit adds what v waits for: the caller's agency's part, or the institution's signature.
func (b *box) visit(v *Visit) {
	it := Item{ID: v.ID, Jurisdiction: v.Jurisdiction, State: v.State, Since: v.OnDay, Due: v.OnDay, Href: "/visits/" + v.ID}
	agency := Agency(b.caller.Agency)
	switch {
	case v.State == visitOpen && slices.Contains(v.Agencies, agency) && !slices.Contains(v.Signed, agency):
		it.Kind, it.Title = "sign", "待本部门填写并签字："+v.Name
	case v.State == visitSigned && agency == "" && slices.Contains(v.People, b.caller.Subject):
		it.Kind, it.Title = "institution_sign", "现场检查记录待机构签字："+v.Name
	case v.State == visitSigned && agency != "":
		it.Kind, it.Title = "institution_sign", "待被检查方签字或记录拒签："+v.Name
	default:
		return
	}
	b.add(it)
}

// rectification adds what r waits for: a report, or its re-inspection.
func (b *box) rectification(r *Rectification) {
	it := Item{
		ID: r.ID, Jurisdiction: r.Jurisdiction, State: r.State, Since: r.OrderedOn, Due: r.Due, Provisional: r.Provisional, Href: "/rectifications/" + r.ID,
	}
	open := r.State == rectOrdered || r.State == rectOverdue
	switch {
	case open && b.caller.Agency == "":
		it.Kind, it.Title = "rectify", "待提交整改情况："+r.Name
	case (r.State == rectSubmitted || r.State == rectOverdue) && Agency(b.caller.Agency) == r.Agency:
		it.Kind, it.Title = "verify", rectStateNames[r.State]+"，待复查："+r.Name
	default:
		return
	}
	b.add(it)
}

// followUp adds f if it has waited too long for other services.
func (b *box) followUp(f *FollowUp) {
	if !f.Stuck(b.now) || Agency(b.caller.Agency) != Education {
		return
	}
	since := day.Of(f.Since)
	b.add(Item{
		ID: f.ID, Kind: "follow_up", Title: fmt.Sprintf("%s：%s，仍在等待%s", f.Name, followUpNames[f.State], f.waits()),
		Jurisdiction: f.Jurisdiction, State: f.State, Since: since, Due: since, Href: "/follow-ups/" + f.ID,
	})
}

func (b *box) add(it Item) {
	it.Light, it.DaysLeft = light(b.calendar, b.today, it.Due)
	b.items = append(b.items, it)
}

// sorted is the items, the most urgent first.
func (b *box) sorted() []Item {
	slices.SortFunc(b.items, func(x, y Item) int {
		return cmp.Or(x.Due.Compare(y.Due), cmp.Compare(x.ID, y.ID), cmp.Compare(x.Kind, y.Kind))
	})
	if b.items == nil {
		return []Item{}
	}
	return b.items
}
