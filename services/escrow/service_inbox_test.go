package escrow

import (
	"fmt"
	"testing"
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
