// Package flow is state machines as tables. The same rows refuse an illegal
// move, say who may make a legal one and whether it needs a reason, name its
// deadline and legal basis, draw the buttons and print the diagram.
//
// What is not in the table is not allowed.
package flow

import (
	"fmt"
	"slices"
	"strings"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
)

// Step is one row: in state From, Action leads to To.
type Step struct {
	From, Action, To string
	Label            string   // what the button says
	Roles            []string // who may; none is the system alone
	Reason           bool     // a reason must be given
	Batch            bool     // may be taken for many cases at once: nothing is weighed in it that the rules do not check
	Deadline         string   // rule key of the period that begins with this step
	Attachments      []string // documents that must be there
	Basis            string   // the legal basis, for people to read
}

// Machine is the steps of one kind of case.
type Machine struct {
	Name  string
	Steps []Step
}

// Action is a step that a caller may take now.
type Action struct {
	Action string  `json:"action"`
	Label  string  `json:"label"`
	Method string  `json:"method"`
	Href   string  `json:"href" description:"path below the service's address"`
	Reason bool    `json:"reason" description:"a reason must be given"`
	Batch  bool    `json:"batch,omitempty" description:"may be taken for many cases at once, each checked on its own"`
	Basis  string  `json:"basis,omitempty"`
	Fields []Field `json:"fields,omitempty"`
	Shown  bool    `json:"shown,omitempty" description:"its answer is for the caller to read, this once"`
}

// Field is what an action asks for.
type Field struct {
	Name     string   `json:"name" description:"of the request's field; sponsor.name is a field within sponsor"`
	Label    string   `json:"label"`
	Type     string   `json:"type" description:"text, line: a short text, number, date, boolean, choice, fixed: its value and no other, list: texts, one a line, or any of choices, or photos: ids of photos that were added to the service before"`
	Required bool     `json:"required"`
	Choices  []string `json:"choices,omitempty"`
	Names    []string `json:"names,omitempty" description:"what people read for each of choices, where these say too little"`
	Value    string   `json:"value,omitempty" description:"what is there before anybody types; of a list one a line"`
}

// Step returns the row for action in state: Conflict if there is none,
// Forbidden if c may not take it.
func (m Machine) Step(state, action string, c auth.Caller) (Step, error) {
	for _, s := range m.Steps {
		if s.From == state && s.Action == action {
			if !s.allows(c) {
				return Step{}, fault.Forbidden.Errorf("您的角色不能%s", s.Label)
			}
			return s, nil
		}
	}
	return Step{}, fault.Conflict.Errorf("%s当前状态为 %s，不能进行 %s", m.Name, state, action)
}

// Actions returns what c may do in state. base is the path of the case; the
// path of an action is base, "/" and its name with hyphens for underscores.
func (m Machine) Actions(state, base string, c auth.Caller) []Action {
	actions := []Action{}
	for _, s := range m.Steps {
		if s.From == state && s.allows(c) {
			actions = append(actions, Action{
				Action: s.Action, Label: s.Label, Method: "POST", Reason: s.Reason, Batch: s.Batch, Basis: s.Basis,
				Href: base + "/" + strings.ReplaceAll(s.Action, "_", "-"),
			})
		}
	}
	return actions
}

func (s Step) allows(c auth.Caller) bool {
	return slices.ContainsFunc(s.Roles, func(r string) bool { return slices.Contains(c.Roles, r) })
}

// Check reports what is wrong with the table itself: a doubtful row twice, or
// one that nobody could read. Services call it in a test.
func (m Machine) Check() error {
	seen := map[string]bool{}
	for _, s := range m.Steps {
		at := s.From + "/" + s.Action
		switch {
		case seen[at]:
			return fmt.Errorf("%s: %s twice", m.Name, at)
		case s.From == "" || s.Action == "" || s.To == "" || s.Label == "":
			return fmt.Errorf("%s: %s is not whole", m.Name, at)
		}
		seen[at] = true
	}
	return nil
}

// Mermaid is the diagram of m for documents.
func (m Machine) Mermaid() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	for _, s := range m.Steps {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", s.From, s.To, s.Label)
	}
	return b.String()
}
