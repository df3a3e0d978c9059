package licensing_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"xunguan/pkg/auth"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
	"xunguan/pkg/rule"
	"xunguan/services/licensing"
)

// facts is an application that holds: 180 m² and 40 pupils at once.
func facts() licensing.Facts {
	return licensing.Facts{
		Name: "示例星河美术培训中心", Category: licensing.CultureArts, Item: "美术", Kind: "non_subject", Mode: "offline",
		Address: "示例路 1 号 2 层", AreaM2: 180, Capacity: 40, LegalForm: "for_profit",
		Sponsor: licensing.Sponsor{Name: "示例文化发展有限公司", USCC: "91350100M000100Y43"},
	}
}

func TestFacts(t *testing.T) {
	for _, tt := range []struct {
		name string
		with func(*licensing.Facts)
		err  error
		want string
	}{
		{"whole", func(*licensing.Facts) {}, nil, ""},
		{"USCC too short", func(f *licensing.Facts) { f.Sponsor.USCC = "91350100M000100Y4" }, fault.Invalid, "/sponsor/uscc 长度"},
		{"USCC with a letter that is not used", func(f *licensing.Facts) { f.Sponsor.USCC = "9135O100M000100Y43" }, fault.Invalid, "/sponsor/uscc 字符"},
		{"USCC with a wrong organisation code", func(f *licensing.Facts) { f.Sponsor.USCC = "91350100M000100443" }, fault.Invalid, "/sponsor/uscc 组织机构代码校验位"},
		{"USCC with a wrong check digit", func(f *licensing.Facts) { f.Sponsor.USCC = "91350100M000100Y44" }, fault.Invalid, "/sponsor/uscc 校验位"},
		{"item of another category", func(f *licensing.Facts) { f.Item = "球类" }, fault.Invalid, "/item 文化艺术类的培训项目应为：音乐、美术"},
		{"subject item called non-subject", func(f *licensing.Facts) { f.Category, f.Item = licensing.Academic, "数学" }, fault.Invalid, "/kind"},
		{"art called a subject", func(f *licensing.Facts) { f.Kind = "subject" }, fault.Invalid, "/kind"},
		{"a name with a line feed", func(f *licensing.Facts) { f.Name = "示例\n培训中心" }, fault.Invalid, "/name"},
		{"an address that ends in blanks", func(f *licensing.Facts) { f.Address += " " }, fault.Invalid, "/address"},
		// 双减意见 (2021-07-24): no new subject institutions (design/domain.md §2.1)
		{"a new subject institution", func(f *licensing.Facts) { f.Category, f.Item, f.Kind = licensing.Academic, "数学", "subject" }, fault.Refused, "双减"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := facts()
			tt.with(&f)
			if err := f.Check(); !errors.Is(err, tt.err) || !strings.Contains(words(err), tt.want) {
				t.Errorf("%v, want %v with %q", words(err), tt.err, tt.want)
			}
		})
	}
}

// words is all that a person reads of err: detail, fields and rules.
func words(err error) string {
	if err == nil {
		return ""
	}
	p := problem(err)
	text := p.Detail
	for _, f := range p.Errors {
		text += " " + f.Pointer + " " + f.Detail
	}
	for _, r := range p.Rules {
		b, _ := json.Marshal(r)
		text += " " + string(b)
	}
	return text
}

var (
	threeM2 = rule.Rule{Key: "area.per_pupil_m2", Version: 1, Value: json.RawMessage(`3`), Unit: "m2", Jurisdiction: "000000", Source: "教监管厅函〔2022〕9号", Provenance: "P"}
	fiveM2  = rule.Rule{Key: "area.per_pupil_m2.sport", Version: 1, Value: json.RawMessage(`5`), Unit: "m2", Jurisdiction: "110000", Source: "北京市体育类校外培训机构设置标准", Provenance: "P"}
)

// TestFits: same-period area for each pupil ≥ 3 m² (教监管厅函〔2022〕9号 九项规定),
// 5 m² for sport in Beijing (design/domain.md §2.4).
func TestFits(t *testing.T) {
	for _, tt := range []struct {
		name     string
		rule     rule.Rule
		area     float64
		capacity int
		most     int
		err      error
	}{
		{"the story's", threeM2, 180, 40, 60, nil},
		{"as many as fit", threeM2, 180, 60, 60, nil},
		{"one more", threeM2, 180, 61, 60, fault.Refused},
		{"the story's too many", threeM2, 180, 70, 60, fault.Refused},
		{"a part of a place is no place", threeM2, 179.9, 60, 59, fault.Refused},
		{"sport in Beijing", fiveM2, 180, 36, 36, nil},
		{"sport in Beijing, one more", fiveM2, 180, 37, 36, fault.Refused},
		{"less than one place", threeM2, 2.9, 1, 0, fault.Refused},
		{"rounding of floats", rule.Rule{Key: "area.per_pupil_m2", Value: json.RawMessage(`0.3`)}, 0.9, 3, 3, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ground, err := licensing.Fits(tt.rule, tt.area, tt.capacity)
			if !errors.Is(err, tt.err) {
				t.Fatalf("err = %v, want %v", err, tt.err)
			}
			if ground.Inputs["max"] != tt.most || ground.Inputs["area_m2"] != tt.area || ground.Inputs["capacity"] != tt.capacity || ground.Source != tt.rule.Source {
				t.Errorf("ground %+v, want max %d", ground, tt.most)
			}
		})
	}
	if _, err := licensing.Fits(rule.Rule{Value: json.RawMessage(`{}`)}, 100, 1); err == nil || errors.Is(err, fault.Refused) {
		t.Errorf("a rule without a number: %v, want a failure of ours", err)
	}
}

func TestCounty(t *testing.T) {
	for code, want := range map[string]string{
		"320508": "", "320571": "", "441900": "", // 姑苏区; 苏州工业园区; 东莞, a city without counties
		"320500": "不是县级", "320000": "不是县级", "000000": "不是县级",
		"320599": "没有代码为 320599", "999999": "没有代码为", "330103": "没有代码为", // 下城区 is no more
	} {
		err := licensing.County(code, "/jurisdiction")
		if (err == nil) != (want == "") || !strings.Contains(words(err), want) || want != "" && !strings.Contains(words(err), "/jurisdiction") {
			t.Errorf("%s: %v, want %q", code, words(err), want)
		}
	}
}

func TestOffice(t *testing.T) {
	for _, tt := range [][3]string{
		{"education", "320508", "苏州市姑苏区教育局"},
		{"culture", "320508", "苏州市姑苏区文化和旅游局"},
		{"education", "320500", "苏州市教育局"},
		{"education", "110101", "北京市东城区教育局"},
		{"education", "429004", "仙桃市教育局"},
		{"fire", "330106", "杭州市西湖区消防救援大队"},
	} {
		if got := licensing.Office(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%s of %s is %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
}

// TestLicenceNumber: 教民 + county + 7 for training + serial (2004 rule,
// design/domain.md §2.3, whose example this is).
func TestLicenceNumber(t *testing.T) {
	if got := licensing.LicenceNumber("320505", 12); got != "教民3205057000012号" {
		t.Error(got)
	}
}

// TestFlows: the tables are sound, and the README shows them as they are.
func TestFlows(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []flow.Machine{licensing.Applications, licensing.ListEntries} {
		if err := m.Check(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(string(readme), m.Mermaid()) {
			t.Errorf("README.md does not show %s:\n%s", m.Name, m.Mermaid())
		}
	}
	if n := strings.Count(string(readme), "\n"); n > 40 {
		t.Errorf("README.md has %d lines", n)
	}
}

// TestApplicationsEnd: nobody is stuck in a state that is not an end, and no end
// has a way on.
func TestApplicationsEnd(t *testing.T) {
	ends := map[string]bool{"GRANTED": true, "REFUSED": true, "WITHDRAWN": true, "NOT_ACCEPTED": true}
	out := map[string]int{}
	for _, s := range licensing.Applications.Steps {
		if s.From != s.To {
			out[s.From]++
		}
	}
	for _, v := range licensing.State("").Enum() {
		state := string(v.(licensing.State))
		if ends[state] != (out[state] == 0) {
			t.Errorf("%s has %d ways on", state, out[state])
		}
	}
}

// TestActions: the buttons are those of the flow; each decision is its own, with the reason that the table asks for.
func TestActions(t *testing.T) {
	f := licensing.File{Application: licensing.Application{ID: "x", State: licensing.Accepted, Jurisdiction: "320508", Facts: facts()}}
	for _, tt := range []struct {
		by    string
		state licensing.State
		want  string
	}{
		{"examiner", licensing.Submitted, "accept return refuse_acceptance"},
		{"examiner", licensing.Accepted, "site_check notice refuse(reason)"},
		{"examiner", licensing.PublicNotice, "grant() refuse(reason)"},
		{"examiner", licensing.Granted, ""},
		{"culture", licensing.Accepted, "opinion site_check"},
		{"sport", licensing.Accepted, "site_check"}, // the opinion on 美术 is not theirs
		{"market", licensing.Accepted, "site_check"},
		{"principal", licensing.Submitted, "withdraw"},
		{"principal", licensing.Returned, "resubmit withdraw"},
		{"city", licensing.Submitted, ""},
	} {
		f.State = tt.state
		var got []string
		for _, a := range f.Actions(callers[tt.by]) {
			text := a.Action
			if strings.HasSuffix(a.Href, "/decide") {
				if a.Fields[0].Type != "fixed" || a.Fields[0].Value != a.Action {
					t.Errorf("%+v", a.Fields[0])
				}
				var asked []string
				for _, field := range a.Fields[1:] {
					asked = append(asked, field.Name)
				}
				text += "(" + strings.Join(asked, " ") + ")"
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s at %s: %v, want %s", tt.by, tt.state, got, tt.want)
		}
	}
}

// TestResubmitFilled: who corrects an application finds in each field what it says now.
func TestResubmitFilled(t *testing.T) {
	f := licensing.File{Application: licensing.Application{ID: "x", State: licensing.Returned, Jurisdiction: "320508", Facts: facts()}}
	for _, field := range f.Actions(callers["principal"])[0].Fields {
		if field.Value == "" {
			t.Errorf("%s is empty", field.Name)
		}
	}
}

// callers is the personas, and officials of roles that have none.
var callers = map[string]auth.Caller{
	"examiner":   {Subject: "examiner", Roles: []string{"examiner"}, Agency: "education", Jurisdiction: "320508"},
	"examiner2":  {Subject: "examiner2", Roles: []string{"examiner"}, Agency: "education", Jurisdiction: "320508"},
	"culture":    {Subject: "culture", Roles: []string{"culture"}, Agency: "culture", Jurisdiction: "320508"},
	"sport":      {Subject: "sport", Roles: []string{"sport"}, Agency: "sport", Jurisdiction: "320508"},
	"science":    {Subject: "science", Roles: []string{"science"}, Agency: "science", Jurisdiction: "320508"},
	"market":     {Subject: "market", Roles: []string{"market"}, Agency: "market", Jurisdiction: "320508"},
	"civil":      {Subject: "civil", Roles: []string{"civil"}, Agency: "civil", Jurisdiction: "320508"},
	"fire":       {Subject: "fire", Roles: []string{"fire"}, Agency: "fire", Jurisdiction: "320508"},
	"fire2":      {Subject: "fire2", Roles: []string{"fire"}, Agency: "fire", Jurisdiction: "320508"},
	"police":     {Subject: "police", Roles: []string{"police"}, Agency: "police", Jurisdiction: "320508"},
	"intake":     {Subject: "intake", Roles: []string{"intake"}, Agency: "intake", Jurisdiction: "320508"},
	"city":       {Subject: "city", Roles: []string{"city"}, Agency: "education", Jurisdiction: "320500"},
	"neighbour":  {Subject: "neighbour", Roles: []string{"examiner"}, Agency: "education", Jurisdiction: "320506"},
	"principal":  {Subject: "principal", Roles: []string{"principal"}},
	"principal2": {Subject: "principal2", Roles: []string{"principal"}},
	"parent":     {Subject: "parent", Roles: []string{"parent"}},
	"nobody":     {},
}
