package portal

import (
	"cmp"
	"net/http"
	"path"
	"slices"

	"github.com/google/uuid"

	"xunguan/pkg/flow"
)

// notTaught is what a parent says of a lesson with one tap.
var notTaught = say("contract.not_taught")

// waits is what waits for v at the escrow, the most urgent first. Without an
// answer the page does without: what is due stands on the contracts, too.
func (d *door) waits(r *http.Request, v visitor) []item {
	items, err := d.inboxOf(r, v, "escrow")
	if err != nil {
		d.note(r, err)
	}
	return items
}

// forParent calls lessons by their numbers and puts first those that wait for the
// parent's word, each with the days left until silence confirms it, and lets them
// say with one tap that there was none. A refund is applied for where it is calculated.
func (c *caseView) forParent(contract string, waits []item) {
	calculated(contract, c.Actions)
	for l := range c.Lists {
		parts := c.Lists[l].Parts
		for p := range parts {
			part := &parts[p]
			part.Actions = quick(part.Actions)
			n := fact{Facts: part.Facts}.At("n").Raw
			if n == "" {
				part.Waits = len(part.Actions) > 0 // what may be done stands first
			} else {
				part.Name, part.Facts = say("contract.lesson", n), fact{Facts: part.Facts}.without("n")
			}
			id := contract + "/" + n
			i := slices.IndexFunc(waits, func(w item) bool { return w.Kind == "lesson" && w.ID == id })
			if i < 0 {
				if n != "" && len(part.Actions) == 0 { // nothing to do with it: its day will do
					part.Folded, part.Note = true, fact{Facts: part.Facts}.Get("on_date")
				}
				continue
			}
			part.Waits = true
			if !waits[i].Due.IsZero() {
				part.Lamp, part.Note = &waits[i], say("contract.silence")
				part.Facts = fact{Facts: part.Facts}.without("confirm_by", "provisional") // which the lamp says
			}
		}
		slices.SortStableFunc(parts, func(a, b partView) int { return cmp.Compare(b.place(), a.place()) })
		if busy := slices.DeleteFunc(slices.Clone(parts), partView.idle); len(parts)-len(busy) > idleAtMost {
			c.Lists[l].Parts, c.Lists[l].Rest = busy, slices.DeleteFunc(parts, func(p partView) bool { return !p.idle() })
		}
	}
}

// idleAtMost is how many parts stand on the page though there is nothing to do with them.
const idleAtMost = 6

// idle reports whether p is a lesson with which there is nothing to do.
func (p partView) idle() bool { return p.Folded && p.Note != "" && len(p.Actions) == 0 }

func (p partView) place() int {
	if p.Waits {
		return 1
	}
	return 0
}

// quick adds to actions the objection that asks for nothing more.
func quick(actions []actionView) []actionView {
	i := slices.IndexFunc(actions, func(a actionView) bool { return path.Base(a.Href) == "dispute" })
	if i < 0 {
		return actions
	}
	a := actionView{Key: uuid.NewString(), CSRF: actions[i].CSRF, Action: actions[i].Action}
	a.Label, a.Reason = notTaught, false
	a.Fields = []flow.Field{{Name: "reason", Type: "fixed", Value: notTaught}}
	return slices.Insert(actions, i, a)
}

// OneTap reports whether a asks for nothing.
func (a actionView) OneTap() bool {
	return !slices.ContainsFunc(a.Fields, func(f flow.Field) bool { return f.Type != "fixed" })
}
