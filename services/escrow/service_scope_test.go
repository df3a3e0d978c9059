package escrow

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestSecondWall asks the tables themselves, without a WHERE.
func TestSecondWall(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	v := h.paid(h.terms(func(t *Terms) { t.Lessons = 61 }))
	h.taught(v.ID, 1)
	h.confirmed(v.ID, 1)
	h.refunded(v.ID, 1)
	h.black("case-1", "art")
	tables := []string{"accounts", "account_timeline", "holds", "contracts", "lessons", "balances", "entries", "transfers", "refunds", "flags", "timeline"}
	ofAccount := map[string]bool{"accounts": true, "account_timeline": true, "holds": true}
	for _, tt := range []struct {
		by   string
		sees bool
	}{
		{"examiner", true},
		{"city", true},
		{"principal", true},
		{"parent", true},
		{"neighbour", false},
		{"market", false},
		{"culture", false},
		{"parent2", false},
		{"principal2", false},
		{"", false},
	} {
		for _, table := range tables {
			want := tt.sees && (!ofAccount[table] || tt.by != "parent")
			if strings.HasPrefix(table, "account") && (tt.by == "neighbour" || tt.by == "principal2") {
				want = true // that of the institution in the other district
			}
			n := h.seenBy(tt.by, table)
			if got := n > 0; got != want {
				t.Errorf("%q sees %d rows of %s", tt.by, n, table)
			}
		}
	}
	h.unchangeable()
}

func (h *house) seenBy(by, table string) (n int) {
	h.t.Helper()
	ctx := h.t.Context()
	if by != "" {
		ctx = h.as(by)
	}
	_, err := inTx(ctx, h, func(tx pgx.Tx) error { return tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n) })
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// unchangeable is that what is append-only is so for the service itself.
func (h *house) unchangeable() {
	h.t.Helper()
	for _, sql := range []string{
		`UPDATE timeline SET summary = ''`, `DELETE FROM timeline`, `UPDATE entries SET amount = 1`, `DELETE FROM entries`, `TRUNCATE entries`,
		`UPDATE transfers SET at = now()`, `DELETE FROM transfers`, `TRUNCATE transfers`, `DELETE FROM balances`, `DELETE FROM payment_references`, `TRUNCATE timeline`,
		`UPDATE account_timeline SET summary = ''`, `DELETE FROM account_timeline`,
		`UPDATE contracts SET released = paid + 1`, `UPDATE contracts SET refunded = -1`,
	} {
		if err := h.try(sql); err == nil {
			h.t.Errorf("%s was let through", sql)
		}
	}
}

func TestPrivacy(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	const pupil, parent, reason = "标记学员甲", "parent", "标记原因乙"
	v := h.paid(h.terms(func(t *Terms) { t.Lessons, t.Pupil = 61, pupil }))
	h.taught(v.ID, 1)
	h.taught(v.ID, 2)
	must(h.DisputeLesson(h.as(parent), DisputeLesson{h.key(), LessonOf{v.ID, 1}, reason}))(t)
	h.confirmed(v.ID, 2)
	r := must(h.RequestRefund(h.as(parent), RequestRefund{Key: h.key(), Contract: v.ID, Lessons: 2, Reason: reason}))(t)
	must(h.AgreeRefund(h.as("principal"), AgreeRefund{h.key(), r.ID}))(t)
	for _, mark := range []string{pupil, parent, reason} {
		if n := h.count(`SELECT count(*) FROM outbox WHERE position($1::bytea IN data) > 0 OR key = $2`, []byte(mark), mark); n != 0 {
			t.Errorf("%d events contain %q", n, mark)
		}
		if n := h.count(`SELECT count(*) FROM timeline WHERE summary LIKE '%' || $1 || '%'`, mark); n != 0 {
			t.Errorf("%d entries contain %q", n, mark)
		}
	}
	if n := h.count(`SELECT count(*) FROM outbox`); n < 8 {
		t.Errorf("only %d events were looked through", n)
	}
	for by, want := range map[string]bool{"parent": true, "principal": true, "examiner": false, "city": false} {
		text := asJSON(t, h.contract(by, v.ID)) + asJSON(t, must(h.ListLessons(h.as(by), ListLessons{Contract: v.ID}))(t)) +
			asJSON(t, must(h.ListContracts(h.as(by), ListContracts{}))(t)) + asJSON(t, must(h.Inbox(h.as(by), FindInbox{}))(t)) +
			asJSON(t, must(h.ListFlags(h.as(by), ListFlags{}))(t)) + asJSON(t, must(h.FindRefund(h.as(by), FindRefund{r.ID}))(t))
		for _, mark := range []string{pupil, `"parent"`, reason} {
			if got := strings.Contains(text, mark); got != want {
				t.Errorf("%s reads %s: %t, want %t", by, mark, got, want)
			}
		}
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	clean := h.paid(h.terms()).ID
	flagged := h.paid(h.terms(func(t *Terms) { t.Lessons, t.Institution = 61, "maths" })).ID
	open := h.offer(h.terms(func(t *Terms) { t.Parent = "parent2" }))
	abroad := h.offer(h.terms(func(t *Terms) { t.Institution = "other" }))
	for _, tt := range []struct {
		by   string
		req  ListContracts
		want string
	}{
		{"parent", ListContracts{}, abroad + flagged + clean},
		{"parent2", ListContracts{}, open},
		{"principal", ListContracts{}, open + flagged + clean},
		{"principal2", ListContracts{}, abroad},
		{"examiner", ListContracts{}, open + flagged + clean},
		{"neighbour", ListContracts{}, abroad},
		{"city", ListContracts{}, abroad + open + flagged + clean},
		{"market", ListContracts{}, ""},
		{"city", ListContracts{Flagged: true}, flagged},
		{"city", ListContracts{State: offered}, abroad + open},
		{"city", ListContracts{Institution: "maths"}, flagged},
		{"city", ListContracts{Page: 2}, ""},
	} {
		got := ""
		for _, c := range must(h.ListContracts(h.as(tt.by), tt.req))(t).Items {
			got += c.ID
		}
		if got != tt.want {
			t.Errorf("%s lists %+v: %s, want %s", tt.by, tt.req, got, tt.want)
		}
	}
	all := must(h.ListLessons(h.as("parent"), ListLessons{Contract: flagged}))(t)
	rest := must(h.ListLessons(h.as("parent"), ListLessons{Contract: flagged, Page: 2}))(t)
	if len(all.Items) != 50 || !all.More || len(rest.Items) != 11 || rest.More {
		t.Errorf("pages of %d and %d lessons", len(all.Items), len(rest.Items))
	}
	if s := must(h.Summary(context.Background(), Summarize{}))(t); s.Contracts != 4 || s.OpenFlags != 1 || s.PaidFen != 960000 || s.HeldFen != 960000 || s.Accounts != 3 {
		t.Errorf("summary %+v", s)
	}
	// An official counts what its lists show; the neighbour has one contract without a flag.
	for by, want := range map[string]Summary{
		"examiner":  {Contracts: 3, OpenFlags: 1, PaidFen: 960000, Accounts: 2, Institutions: 4, Place: "江苏省苏州市姑苏区"},
		"neighbour": {Contracts: 1, OpenFlags: 0, PaidFen: 0, Accounts: 1, Institutions: 1, Place: "江苏省苏州市吴中区"},
		"city":      {Contracts: 4, OpenFlags: 1, PaidFen: 960000, Accounts: 3, Institutions: 5, Place: "江苏省苏州市"},
		"market":    {Place: "江苏省苏州市姑苏区"},
		"parent":    {Contracts: 4, OpenFlags: 1, PaidFen: 960000, Accounts: 3, Institutions: 5},
	} {
		s := must(h.Summary(h.as(by), Summarize{}))(t)
		if s.Contracts != want.Contracts || s.OpenFlags != want.OpenFlags || s.PaidFen != want.PaidFen || s.Accounts != want.Accounts || s.Institutions != want.Institutions || s.Place != want.Place {
			t.Errorf("%s counts %+v, want %+v", by, s, want)
		}
		if want.Place != "" {
			if flags := must(h.ListFlags(h.as(by), ListFlags{State: "OPEN"}))(t).Items; len(flags) != s.OpenFlags {
				t.Errorf("%s counts %d flags and lists %d", by, s.OpenFlags, len(flags))
			}
		}
	}
}
