package flow_test

import (
	"errors"
	"strings"
	"testing"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

var door = flow.Machine{Name: "门", Steps: []flow.Step{
	{From: "SHUT", Action: "open", To: "OPEN", Label: "开门", Roles: []string{"keeper"}},
	{From: "OPEN", Action: "shut", To: "SHUT", Label: "关门", Roles: []string{"keeper", "guest"}, Reason: true},
	{From: "OPEN", Action: "shut_by_wind", To: "SHUT", Label: "被风关上"},
}}

func TestStep(t *testing.T) {
	keeper, guest := auth.Caller{Roles: []string{"keeper"}}, auth.Caller{Roles: []string{"guest"}}
	for _, tt := range []struct {
		name, state, action string
		by                  auth.Caller
		to                  string
		err                 error
	}{
		{"legal", "SHUT", "open", keeper, "OPEN", nil},
		{"not this role", "SHUT", "open", guest, "", fault.Forbidden},
		{"not in this state", "SHUT", "shut", keeper, "", fault.Conflict},
		{"the system's own", "OPEN", "shut_by_wind", keeper, "", fault.Forbidden},
		{"unknown", "OPEN", "burn", keeper, "", fault.Conflict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := door.Step(tt.state, tt.action, tt.by)
			if s.To != tt.to || !errors.Is(err, tt.err) {
				t.Errorf("%q, %v; want %q, %v", s.To, err, tt.to, tt.err)
			}
		})
	}
}

func TestActions(t *testing.T) {
	got := door.Actions("OPEN", "/v1/doors/1", auth.Caller{Roles: []string{"guest"}})
	if len(got) != 1 || got[0].Href != "/v1/doors/1/shut" || !got[0].Reason {
		t.Errorf("guest at an open door: %+v", got)
	}
	if got := door.Actions("SHUT", "", auth.Caller{Roles: []string{"guest"}}); got == nil || len(got) != 0 {
		t.Errorf("guest at a shut door: %#v, want an empty list", got)
	}
}

func TestCheck(t *testing.T) {
	if err := door.Check(); err != nil {
		t.Error(err)
	}
	twice := flow.Machine{Steps: append(door.Steps, door.Steps[0])}
	if twice.Check() == nil {
		t.Error("a row twice was accepted")
	}
	if !strings.Contains(door.Mermaid(), "SHUT --> OPEN: 开门") {
		t.Error(door.Mermaid())
	}
}
