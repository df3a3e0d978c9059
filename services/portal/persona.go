package portal

import "xunguan/pkg/auth"

// Persona is somebody whom trial mode lets you be.
type Persona struct {
	Name   string // the account id
	Title  string // for people to read
	Caller auth.Caller
}

// Personas is everybody whom trial mode lets you be, in the order of the page
// 「以谁的身份进入？」. Each has a colleague, for what needs two people.
var Personas = personas()

func personas() []Persona {
	rows := []struct{ name, title, role, agency, jurisdiction string }{
		{"parent", "家长", "parent", "", ""},
		{"principal", "机构负责人", "principal", "", ""},
		{"examiner", "姑苏区教育局审批员", "examiner", "education", "320508"},
		{"culture", "姑苏区文化和旅游局审核员", "culture", "culture", "320508"},
		{"market", "姑苏区市场监督管理局执法员", "market", "market", "320508"},
		{"fire", "姑苏区消防救援大队检查员", "fire", "fire", "320508"},
		{"intake", "姑苏区举报受理员", "intake", "intake", "320508"},
		{"city", "苏州市教育局管理员", "city", "education", "320500"},
		{"operator", "苏州市平台运行员（不看案件）", "operator", "operations", "320500"},
	}
	var all []Persona
	for _, r := range rows {
		for _, p := range [][2]string{{r.name, r.title}, {r.name + "2", r.title + "（同事）"}} {
			all = append(all, Persona{p[0], p[1], auth.Caller{Subject: p[0], Roles: []string{r.role}, Agency: r.agency, Jurisdiction: r.jurisdiction}})
		}
	}
	return append(all, Persona{
		"neighbour", "吴中区教育局审批员（看不到姑苏区的事）",
		auth.Caller{Subject: "neighbour", Roles: []string{"examiner"}, Agency: "education", Jurisdiction: "320506"},
	}, Persona{
		"bank", "示例银行姑苏支行（系统账号，报送流水、领取拨付指令）",
		auth.Caller{Subject: "bank", Roles: []string{"bank"}},
	})
}

// findPersona returns the persona called name.
func findPersona(name string) (Persona, bool) {
	for _, p := range Personas {
		if p.Name == name {
			return p, true
		}
	}
	return Persona{}, false
}
