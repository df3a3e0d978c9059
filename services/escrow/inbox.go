package escrow

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/pg"
	"xunguan/pkg/rule"
)

// Item is one thing that waits for the caller, in the shape of every service's inbox.
type Item struct {
	ID           string   `json:"id"`
	Kind         string   `json:"kind" description:"flag, lesson, contract, refund, rejected, mediation, dispute, hold, alert, discrepancy, wind_down or choice"`
	Title        string   `json:"title"`
	Jurisdiction string   `json:"jurisdiction"`
	State        string   `json:"state"`
	Since        day.Date `json:"since"`
	Due          day.Date `json:"due,omitzero"`
	Provisional  bool     `json:"provisional"`
	Light        string   `json:"light" enum:"green,yellow,red"`
	DaysLeft     *int     `json:"days_left,omitempty" description:"working days until due; negative is overdue"`
	Href         string   `json:"href"`
}

// Inbox is what waits for the caller, the most urgent first.
type Inbox struct {
	Items []Item `json:"items"`
}

// soon is how many working days before the last day a light turns yellow.
const soon = 2

// light is how due stands, and the working days that are left: red after the last
// day, yellow on it and shortly before.
func light(due, today day.Date, c *day.Calendar) (string, *int) {
	if due.IsZero() {
		return "green", nil
	}
	left := c.WorkingDaysBetween(today, due)
	switch {
	case today.After(due):
		left = min(left, -1) // overdue by a weekend is overdue
		return "red", &left
	case left <= soon:
		return "yellow", &left
	}
	return "green", &left
}

// FindInbox asks for the caller's inbox.
type FindInbox struct{}

// Inbox returns an examiner's open flags, mediations, alerts, discrepancies and rosters to
// confirm; a parent's lessons to confirm, contracts to sign or pay, refunds that were
// refused and choices in a wind-down; a principal's refunds to answer, disputes, holds and alerts.
func (s *Service) Inbox(ctx context.Context, _ FindInbox) (Inbox, error) {
	by := auth.From(ctx)
	return pg.InTx(ctx, s.DB, func(tx pgx.Tx) (Inbox, error) {
		calendar, err := rule.Calendar(ctx, tx)
		if err != nil {
			return Inbox{}, err
		}
		rows, err := waiting(ctx, tx, by)
		if err != nil {
			return Inbox{}, err
		}
		return Inbox{views(rows, func(r waitingRow) Item {
			i := r.item()
			i.Light, i.DaysLeft = light(i.Due, s.today(), calendar)
			return i
		})}, nil
	})
}

func waiting(ctx context.Context, tx pgx.Tx, by auth.Caller) ([]waitingRow, error) {
	if by.Agency != "" {
		return waitingForOfficial(ctx, tx, scopeOf(by), by.Subject)
	}
	return waitingForParty(ctx, tx, by.Subject)
}

func (r waitingRow) item() Item {
	found, _, _ := strings.Cut(r.Words, "。") // what would clear it stands on its page
	titles := map[string]string{
		"flag":        fmt.Sprintf("%s · %s：%s", r.Institution, r.Course, found),
		"lesson":      fmt.Sprintf("%s · %s 第 %d 课时待确认", r.Institution, r.Course, r.N),
		"contract":    fmt.Sprintf("%s · %s %s", r.Institution, r.Course, contractStates[r.State]),
		"refund":      fmt.Sprintf("%s 退费申请 %s 待答复", r.Course, r.Fen.Yuan()),
		"rejected":    fmt.Sprintf("%s · %s 退费 %s 机构不同意，可申请调解", r.Institution, r.Course, r.Fen.Yuan()),
		"mediation":   fmt.Sprintf("%s · %s 退费 %s 待调解", r.Institution, r.Course, r.Fen.Yuan()),
		"dispute":     fmt.Sprintf("%s 第 %d 课时有异议，%s 暂不拨付", r.Course, r.N, r.Fen.Yuan()),
		"hold":        fmt.Sprintf("%s 暂停拨付（%s决定），%d 课时 %s 待恢复后拨付", r.Institution, r.Words, r.N, r.Fen.Yuan()),
		"alert":       fmt.Sprintf("%s：%s", r.Institution, found),
		"discrepancy": fmt.Sprintf("%s 对账差异：%s，差 %s，%s", r.Institution, discrepancyKinds[r.Words].name, r.Fen.Yuan(), discrepancyStates[r.State]),
		"wind_down":   fmt.Sprintf("%s 终止清退：名册待复核", r.Institution),
		"choice":      fmt.Sprintf("%s · %s 机构终止，应退 %s：请选择退费或转课", r.Institution, r.Course, r.Fen.Yuan()),
	}
	pages := map[string]string{
		"flag": "/flags/" + r.ID, "hold": "/accounts/" + r.Place, "alert": "/accounts/" + r.Place, "discrepancy": "/discrepancies/" + r.ID,
		"wind_down": "/wind-downs/" + r.Place, "choice": "/wind-downs/" + r.Place,
	}
	href := cmp.Or(pages[r.Kind], "/contracts/"+r.Contract)
	return Item{
		ID: r.ID, Kind: r.Kind, Title: titles[r.Kind], Jurisdiction: r.Jurisdiction, State: r.State, Since: r.Since, Due: r.Due,
		Provisional: r.Provisional, Href: href,
	}
}
