package escrow

import (
	"os"
	"strings"
	"testing"

	"xunguan/pkg/day"
	"xunguan/pkg/flow"
)

// d is a date of a test's table.
func d(s string) day.Date { return day.MustParse(s) }

func TestYuan(t *testing.T) {
	for fen, want := range map[Fen]string{
		0: "0.00 元", 5: "0.05 元", 480000: "4,800.00 元", 123456789: "1,234,567.89 元", -150: "-1.50 元", 99999: "999.99 元",
	} {
		if got := fen.Yuan(); got != want {
			t.Errorf("%d fen is %q, want %q", fen, got, want)
		}
	}
}

// TestFlows is the tables of states themselves, and the README's pictures of them.
func TestFlows(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []flow.Machine{contractFlow, lessonFlow, refundFlow, paybackFlow, windFlow, familyFlow, flagFlow} {
		if err := m.Check(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(string(readme), m.Mermaid()) {
			t.Errorf("README.md does not have this diagram of %s:\n%s", m.Name, m.Mermaid())
		}
		names := map[string]map[string]string{"合同": contractStates, "课时": lessonStates, "退费": refundStates, "退款": legStates, "清退": windStates, "清退名册": familyStates, "提示": flagStates}[m.Name]
		for _, s := range m.Steps {
			if names[s.From] == "" || names[s.To] == "" {
				t.Errorf("%s: %s → %s has a state without a name", m.Name, s.From, s.To)
			}
		}
	}
}
