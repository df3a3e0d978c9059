package escrow

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"xunguan/services/escrow/bankfile"
)

func TestParentsInbox(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "2026-03-02")
	h.offer(h.terms())
	v := h.paid(h.terms())
	for n := 1; n <= 2; n++ {
		h.taught(v.ID, n)
	}
	must(h.DisputeLesson(h.as("parent"), DisputeLesson{h.key(), LessonOf{v.ID, 2}, "x"}))(t)
	for today, want := range map[string]string{"2026-03-02": "green 15", "2026-03-19": "yellow 2", "2026-03-23": "yellow 0", "2026-03-24": "red -1"} {
		h.at(today)
		i := must(h.Inbox(h.as("parent"), FindInbox{}))(t).Items
		if len(i) != 2 || i[0].Kind != "lesson" || i[1].Kind != "contract" || i[1].DaysLeft != nil {
			t.Fatalf("%s: %+v", today, i)
		}
		if got := fmt.Sprint(i[0].Light, " ", *i[0].DaysLeft); got != want {
			t.Errorf("%s: %s, want %s", today, got, want)
		}
	}
	if i := must(h.Inbox(h.as("principal"), FindInbox{}))(t).Items; len(i) != 1 || i[0].Kind != "dispute" {
		t.Errorf("the principal's inbox: %+v", i)
	}
	if i := must(h.Inbox(h.as("parent2"), FindInbox{}))(t).Items; i == nil || len(i) != 0 {
		t.Errorf("a stranger's inbox: %#v", i)
	}
}

// waits is the pages of what waits for by, of one kind.
func (h *house) waits(by, kind string) string {
	h.t.Helper()
	var all []string
	for _, i := range must(h.Inbox(h.as(by), FindInbox{}))(h.t).Items {
		if i.Kind == kind {
			all = append(all, i.Href)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestInboxOfDiscrepancies is that one waits for whoever may take the next step.
func TestInboxOfDiscrepancies(t *testing.T) {
	t.Parallel()
	b := withBank(t, "2026-03-02", bankfile.CSV, bankfile.UTF8)
	b.bank.Pay("协-art", "WECHAT-1", 99900)
	b.night()
	id := must(b.ListDiscrepancies(b.as("examiner"), ListDiscrepancies{Institution: "art", State: discrepancyOpen}))(t).Items[0].ID
	want := func(when string, of ...string) {
		t.Helper()
		for _, by := range []string{"examiner", "examiner2", "neighbour"} {
			page := ""
			if slices.Contains(of, by) {
				page = "/discrepancies/" + id
			}
			if got := b.waits(by, "discrepancy"); got != page {
				t.Errorf("%s: %q waits for %s, want %q", when, got, by, page)
			}
		}
	}
	want("found", "examiner", "examiner2")
	must(b.ExplainDiscrepancy(b.as("examiner"), ExplainDiscrepancy{b.key(), id, "机构误将押金收入专户"}))(t)
	want("explained", "examiner2")
	must(b.RejectDiscrepancy(b.as("examiner2"), RejectDiscrepancy{b.key(), id, "没有凭据"}))(t)
	want("rejected", "examiner", "examiner2")
	must(b.ExplainDiscrepancy(b.as("examiner2"), ExplainDiscrepancy{b.key(), id, "机构误将押金收入专户"}))(t)
	must(b.ConfirmDiscrepancy(b.as("examiner"), ConfirmDiscrepancy{b.key(), id}))(t)
	want("closed")
}
