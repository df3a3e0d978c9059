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
		{"parent", say("personas.parent"), "parent", "", ""},
		{"principal", say("personas.principal"), "principal", "", ""},
		{"examiner", say("personas.examiner"), "examiner", "education", "320508"},
		{"culture", say("personas.culture"), "culture", "culture", "320508"},
		{"market", say("personas.market"), "market", "market", "320508"},
		{"fire", say("personas.fire"), "fire", "fire", "320508"},
		{"intake", say("personas.intake"), "intake", "intake", "320508"},
		{"city", say("personas.city"), "city", "education", "320500"},
		{"operator", say("personas.operator"), "operator", "operations", "320500"},
	}
	var all []Persona
	for _, r := range rows {
		for _, p := range [][2]string{{r.name, r.title}, {r.name + "2", say("personas.colleague", r.title)}} {
			all = append(all, Persona{p[0], p[1], auth.Caller{Subject: p[0], Roles: []string{r.role}, Agency: r.agency, Jurisdiction: r.jurisdiction}})
		}
	}
	return append(all, Persona{
		"neighbour", say("personas.neighbour"),
		auth.Caller{Subject: "neighbour", Roles: []string{"examiner"}, Agency: "education", Jurisdiction: "320506"},
	}, Persona{
		"bank", say("personas.bank"),
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
