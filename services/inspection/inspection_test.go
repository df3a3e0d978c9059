package inspection

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

func TestFlows(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []flow.Machine{Flows[Random], Flows[Joint], Flows[Sweep], VisitFlow, PlaceVisitFlow, PartFlow, RectificationFlow, FollowUpFlow} {
		if err := m.Check(); err != nil {
			t.Error(err)
		}
		for _, s := range m.Steps {
			if s.To == s.From || slices.ContainsFunc(m.Steps, func(x flow.Step) bool { return x.From == s.From && x.To != s.From }) {
				continue
			}
			t.Errorf("%s: %s leads nowhere", m.Name, s.From)
		}
	}
	diagrams := flows(t)
	if !strings.Contains(string(raw), "flows.md") {
		t.Error("README.md does not name flows.md")
	}
	for name, m := range map[string]flow.Machine{"随机": Flows[Random], "联合": Flows[Joint], "排查": Flows[Sweep], "检查": VisitFlow, "整改": RectificationFlow, "后续": FollowUpFlow} {
		if !strings.Contains(diagrams, m.Mermaid()) {
			t.Errorf("flows.md does not have the diagram of %s; it is\n%s", name, m.Mermaid())
		}
	}
}

// flows is flows.md, written anew with -update in the environment.
func flows(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# 状态图\n\n由流程表生成（`UPDATE=1 go test -run TestFlows`），测试核对一致。\n")
	for _, m := range []flow.Machine{Flows[Random], Flows[Joint], Flows[Sweep], VisitFlow, PlaceVisitFlow, PartFlow, RectificationFlow, FollowUpFlow} {
		b.WriteString("\n## " + m.Name + "\n\n```mermaid\n" + m.Mermaid() + "```\n")
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("flows.md", []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile("flows.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(raw)); diff != "" {
		t.Errorf("flows.md is not what the tables say:\n%s", diff)
	}
	return string(raw)
}

func TestStreetOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ address, want string }{
		{"苏州市姑苏区观前街128号3楼", "苏州市姑苏区观前街"},
		{"姑苏区彩香新村12幢304室", "姑苏区彩香新村"},
		{"姑苏区人民路3188号万达广场A座1203室", "姑苏区人民路"},
		{"十梓街一号", "十梓街"},
		{"姑苏区平江路 甲 12 号", "姑苏区平江路"},
		{"双塔街道大成坊社区大儒巷5-2号", "双塔街道大成坊社区大儒巷"},
		{"彩香一村三区5栋101", "彩香一村"},
		{"万达广场A座1203", "万达广场"},
		{"干将东路６６６号１２０８室", "干将东路"},
		{"观前街十八号大院王家里弄3号", "观前街"},
		{"幸福家园2期8号楼乙单元501王女士家", "幸福家园"},
		{"12幢304", ""},
		{"", ""},
	} {
		if got := StreetOf(tt.address); got != tt.want {
			t.Errorf("StreetOf(%q) = %q, want %q", tt.address, got, tt.want)
		}
	}
}

func TestSignOf(t *testing.T) {
	t.Parallel()
	for sign, want := range map[string]string{
		"晨光书画":                "晨光书画",
		"李老师作文 13812345678":   "某老师作文",
		"小荷晚托0512-67201234招生": "小荷晚托招生",
		"张阿姨托管":               "某阿姨托管",
	} {
		if got := SignOf(sign); got != want {
			t.Errorf("SignOf(%q) = %q, want %q", sign, got, want)
		}
	}
}

func TestCheckPublic(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, address string
		ok            bool
	}{
		{"已停止举办并退费", "十梓街58号2楼", true},
		{"位于十梓街的场所已停办", "十梓街58号2楼", true},
		{"十梓街 58号2楼 已停办", "十梓街58号2楼", false},
		{"联系 138 1234 5678", "", false},
		{"证件 320508199001011234", "", false},
		{"电话0512-67201234", "", false},
	} {
		if err := CheckPublic(tt.text, tt.address); (err == nil) != tt.ok {
			t.Errorf("CheckPublic(%q, %q) = %v", tt.text, tt.address, err)
		}
	}
}

func TestStanding(t *testing.T) {
	t.Parallel()
	r := func(visit string, a Agency, state string) Rectification {
		return Rectification{VisitID: visit, Agency: a, State: state}
	}
	for _, tt := range []struct {
		name string
		list []Rectification
		want string
	}{
		{"none", nil, ""},
		{"open", []Rectification{r("v", Market, rectOrdered)}, rectifying},
		{"one passed, one open", []Rectification{r("v", Market, rectPassed), r("v", Fire, rectSubmitted)}, rectifying},
		{"all passed", []Rectification{r("v", Market, rectPassed), r("v", Fire, rectPassed)}, rectified},
		{"one failed", []Rectification{r("v", Market, rectFailed), r("v", Fire, rectOrdered)}, failed},
		{"overdue", []Rectification{r("v", Market, rectOverdue)}, failed},
		{"failed and ordered again", []Rectification{r("v", Market, rectFailed), r("v", Market, rectOrdered)}, rectifying},
		{"failed, then passed", []Rectification{r("v", Market, rectFailed), r("v", Market, rectPassed)}, rectified},
	} {
		if got := Standing(tt.list); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	if got := Summary([]Outcome{NoProblem, NoProblem, Rectified}); got != "共检查 3 家；未发现问题 2 家；发现问题已责令改正，复查通过 1 家" {
		t.Error(got)
	}
	if got := Summary([]Outcome{OutcomeOf(2, "")}); got != outcomeNames[Noted] {
		t.Error(got)
	}
	if worst([]Outcome{NoProblem, Noted, Unrectified}) != Unrectified {
		t.Error("the worst of three is not the worst")
	}
}

func TestCheckAgencies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		kind     Kind
		agencies []Agency
		ok       bool
	}{
		{"two", Joint, []Agency{Market, Education}, true},
		{"one is no joint inspection", Joint, []Agency{Education}, false},
		{"one may sweep", Sweep, []Agency{Education}, true},
		{"the lead is missing", Joint, []Agency{Market, Fire}, false},
		{"twice", Joint, []Agency{Education, Education}, false},
	} {
		all, err := CheckAgencies(tt.kind, Education, tt.agencies)
		if (err == nil) != tt.ok || tt.ok && !slices.IsSorted(all) {
			t.Errorf("%s: %v, %v", tt.name, all, err)
		}
	}
}

func TestOfficerFit(t *testing.T) {
	t.Parallel()
	today := day.MustParse("2026-11-20")
	o := Officer{ID: "a", Active: true, ValidUntil: today, Conflicts: []Avoidance{{"i", Relative}}}
	for _, tt := range []struct {
		name string
		o    Officer
		at   string
		on   day.Date
		ok   bool
	}{
		{"last day", o, "j", today, true},
		{"expired", o, "j", today.AddDays(1), false},
		{"conflict", o, "i", today, false},
		{"struck off", Officer{ID: "a", ValidUntil: today}, "j", today, false},
	} {
		if err := tt.o.Fit(tt.at, tt.on); (err == nil) != tt.ok || err != nil && fault.KindOf(err) != fault.Refused {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := Team([]Officer{o, o}, nil, "j", today); fault.KindOf(err) != fault.Invalid {
		t.Errorf("the same officer twice: %v", err)
	}
	if err := Team([]Officer{o}, []string{"a"}, "j", today); fault.KindOf(err) != fault.Invalid {
		t.Errorf("who was recorded before: %v", err)
	}
}

// story is facts by letter: d decided, p published, h held, 1 and 2 answered, x
// set aside, r resumed, a and b amended, n refused.
var factOf = map[rune]Fact{
	'd': {Kind: EntryDecided}, 'p': {Kind: EntryPublished}, 'h': {Kind: PayoutsHeld}, '1': {TipAnswered, "t1"}, '2': {TipAnswered, "t2"},
	'x': {Kind: EntrySetAside}, 'r': {Kind: PayoutsResumed}, 'a': {TipAmended, "t1"}, 'b': {TipAmended, "t2"}, 'n': {Kind: EntryRefused},
}

func newKnown() FollowUp {
	f := FollowUp{ID: "f", State: fuProposed, Data: Known{Tips: []string{"t1", "t2"}}}
	f.WaitingFor = f.Data.Pending(f.State)
	return f
}

func play(t *testing.T, facts string) (FollowUp, string) {
	t.Helper()
	f, sent := newKnown(), ""
	for _, letter := range facts {
		var send []Command
		var err error
		if f, _, send, err = f.Learn(time.Time{}, factOf[letter]); err != nil {
			t.Fatalf("%s at %c: %v", facts, letter, err)
		}
		for _, c := range send {
			sent += map[Command]string{AskForEntry: "A", PublishResult: "P", WithdrawResult: "W"}[c]
		}
	}
	return f, sent
}

func TestFollowUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, facts, state, sent, waits string }{
		{"nothing yet", "", fuProposed, "", "list_entry_decided list_entry_published"},
		{"decided", "d", fuDecided, "", "list_entry_published"},
		{"refused", "n", fuRefused, "", ""},
		{"approved, then refused", "dn", fuRefused, "", ""},
		{"published", "dp", fuPublished, "P", "payouts_held tip_answered:t1 tip_answered:t2"},
		{"published without the decision seen", "p", fuPublished, "P", "payouts_held tip_answered:t1 tip_answered:t2"},
		{"held", "dph", fuPublished, "P", "tip_answered:t1 tip_answered:t2"},
		{"one answer", "dp1", fuPublished, "P", "payouts_held tip_answered:t2"},
		{"done", "dph12", fuDone, "P", ""},
		{"answers before the hold", "dp21h", fuDone, "P", ""},
		{"held before published", "dhp12", fuDone, "P", ""},
		{"everything before published", "h12p", fuDone, "P", ""},
		{"everything twice", "ddpphh1122", fuDone, "P", ""},
		{"set aside before public", "dx", fuUndone, "", ""},
		{"published after set aside", "dxp", fuUndone, "", ""},
		{"set aside before anything arrived", "dpx", fuUndoing, "PW", "payouts_resumed tip_amended:t1 tip_amended:t2"},
		{"set aside in the middle", "dph1x", fuUndoing, "PW", "payouts_resumed tip_amended:t1 tip_amended:t2"},
		{"late answers after set aside", "dpxh12", fuUndoing, "PW", "payouts_resumed tip_amended:t1 tip_amended:t2"},
		{"undone", "dph12xrab", fuUndone, "PW", ""},
		{"undone in another order", "dph12xbar", fuUndone, "PW", ""},
		{"resumed before set aside was seen", "dph12rxab", fuUndone, "PW", ""},
		{"set aside twice", "dph12xxrrabab", fuUndone, "PW", ""},
		{"facts after the end", "dph12xrabph12", fuUndone, "PW", ""},
	} {
		f, sent := play(t, tt.facts)
		if f.State != tt.state || sent != tt.sent || strings.Join(f.WaitingFor, " ") != tt.waits {
			t.Errorf("%s (%s): %s, sent %q, waits for %v; want %s, %q, %q", tt.name, tt.facts, f.State, sent, f.WaitingFor, tt.state, tt.sent, tt.waits)
		}
	}
}

// TestFollowUpAnyOrder: what comes between publication and its end leads to the
// same state and the same commands in every order, with every fact twice.
func TestFollowUpAnyOrder(t *testing.T) {
	t.Parallel()
	n := 0
	permute([]rune("h12rab"), func(order []rune) {
		for at := range len(order) + 1 { // where the decision is set aside
			facts := "dp" + string(order[:at]) + "x" + string(order[at:])
			doubled := ""
			for _, letter := range facts {
				doubled += string(letter) + string(letter)
			}
			f, sent := play(t, doubled)
			if f.State != fuUndone || sent != "PW" || len(f.WaitingFor) > 0 {
				t.Fatalf("%s: %s, sent %q, waits for %v", facts, f.State, sent, f.WaitingFor)
			}
			n++
		}
	})
	t.Logf("%d orders", n)
}

func permute(list []rune, see func([]rune)) {
	var walk func(int)
	walk = func(k int) {
		if k == len(list) {
			see(list)
			return
		}
		for i := k; i < len(list); i++ {
			list[k], list[i] = list[i], list[k]
			walk(k + 1)
			list[k], list[i] = list[i], list[k]
		}
	}
	walk(0)
}

func TestFollowUpResume(t *testing.T) {
	t.Parallel()
	examiner, market := auth.Caller{Roles: []string{examinerRole}}, auth.Caller{Roles: []string{marketRole}}
	for _, tt := range []struct {
		facts string
		by    auth.Caller
		want  Command
		kind  fault.Kind
	}{
		{"", examiner, AskForEntry, ""},
		{"p", examiner, PublishResult, ""},
		{"px", examiner, WithdrawResult, ""},
		{"ph12", examiner, "", fault.Conflict},
		{"d", examiner, "", fault.Conflict},
		{"p", market, "", fault.Forbidden},
	} {
		f, _ := play(t, tt.facts)
		c, err := f.Resume(tt.by)
		if c != tt.want || err == nil != (tt.kind == "") || err != nil && fault.KindOf(err) != tt.kind {
			t.Errorf("resume after %q: %q, %v", tt.facts, c, err)
		}
	}
	f, _ := play(t, "p")
	f.Since = time.Now()
	if f.Stuck(f.Since.Add(stuckAfter)) || !f.Stuck(f.Since.Add(stuckAfter+1)) {
		t.Error("stuck at the wrong time")
	}
}
