package tipoff

import (
	"fmt"
	"slices"

	"xunguan/pkg/auth"
	"xunguan/pkg/flow"
)

// actions is what c may do with t now, each with the form that it asks for. in is
// what the intake office knows besides; nil for others.
func actions(t *Tip, in *IntakeCase, c auth.Caller) []flow.Action {
	all := []flow.Action{}
	for _, a := range Tips.Actions(string(t.State), "/v1/tips/"+t.ID, c) {
		if has(c, intakeRole) || has(c, cityRole) || t.Owner == c.Agency {
			a.Fields = form(a.Action, t, in)
			a.Reason = a.Reason && !slices.ContainsFunc(a.Fields, func(f flow.Field) bool { return f.Name == "reason" })
			all = append(all, a)
		}
	}
	if in != nil && t.HasIdentity {
		all = append(all, flow.Action{Action: "identity_request", Label: "申请查看举报人身份", Method: "POST", Href: "/v1/tips/" + t.ID + "/identity-requests", Reason: true})
	}
	return all
}

// form is what an action asks for, filled with what is known. Only the intake office
// ties and merges, and it has in.
func form(action string, t *Tip, in *IntakeCase) []flow.Field {
	switch action {
	case "tie":
		return tieForm(t, in)
	case "merge":
		return []flow.Field{into(in)}
	case "reject":
		return []flow.Field{{Name: "reason", Label: "理由与去处", Type: "text", Required: true}}
	case "dispatch":
		return []flow.Field{owner("owner", "承办单位", t.SuggestedOwner)}
	case "assign":
		return []flow.Field{owner("owner", "承办单位", t.SuggestedOwner), {Name: "reason", Label: "裁定理由", Type: "text", Required: true}}
	case "return":
		return []flow.Field{
			{Name: "reason", Label: "退单理由", Type: "choice", Required: true, Choices: returnReasons},
			owner("suggested", "建议承办单位", ""),
			{Name: "note", Label: "说明", Type: "text"},
		}
	case "ask":
		return []flow.Field{{Name: "text", Label: "需要补充的内容", Type: "text", Required: true}}
	case "answer":
		return []flow.Field{{Name: "text", Label: "答复", Type: "text", Required: true}}
	case "close":
		return []flow.Field{{Name: "note", Label: "说明", Type: "text"}}
	}
	return nil // at most a reason
}

// tieForm is filled with what the reporter and the words of the tip-off say.
func tieForm(t *Tip, in *IntakeCase) []flow.Field {
	category := string(t.matter())
	if t.matter() == Elsewhere {
		category = ""
	}
	return []flow.Field{
		{Name: "subject_kind", Label: "对象类型", Type: "choice", Required: true, Choices: []string{"INSTITUTION", "PLACE", "PERSON"}, Value: string(t.SubjectKind)},
		licensed(t, in),
		{Name: "institution_name", Label: "机构名称", Type: "line", Value: t.InstitutionName},
		{Name: "place_address", Label: "地址", Type: "line", Value: t.PlaceAddress},
		{Name: "place_signboard", Label: "招牌", Type: "line", Value: t.PlaceSignboard},
		{Name: "place_phone", Label: "招生电话", Type: "line", Value: t.PlacePhone},
		{Name: "person", Label: "被举报人", Type: "line", Value: t.Person},
		{Name: "category", Label: "类别", Type: "choice", Required: true, Choices: categoryNames(), Value: category},
		{Name: "nature", Label: "性质", Type: "choice", Choices: []string{"REPORT", "COMPLAINT", "BOTH", "PETITION"}, Value: string(t.Nature)},
		{Name: "summary", Label: "事实摘要（不得出现举报人信息）", Type: "text", Required: true, Value: t.Summary},
	}
}

// licensed is the choice of the institutions that t may be about; where none is
// alike, its id is asked for.
func licensed(t *Tip, in *IntakeCase) flow.Field {
	f := flow.Field{Name: "institution", Label: "在册机构", Type: "choice", Value: t.Institution}
	for _, l := range in.Candidates {
		f.Choices = append(f.Choices, l.ID)
		f.Names = append(f.Names, fmt.Sprintf("%s（%s，许可证 %s）", l.Name, l.Address, l.LicenceNumber))
	}
	if t.Institution != "" && !slices.Contains(f.Choices, t.Institution) {
		f.Choices, f.Names = append(f.Choices, t.Institution), append(f.Names, t.InstitutionName)
	}
	if f.Choices == nil {
		f.Label, f.Type = "在册机构编号", "line"
	}
	return f
}

// into is the choice of the tip-offs that are likely about the same; where there
// is none, a number is asked for.
func into(in *IntakeCase) flow.Field {
	f := flow.Field{Name: "into", Label: "并入", Type: "choice", Required: true}
	if len(in.Duplicates) == 0 {
		f.Label, f.Type = "并入的受理编号", "line"
		return f
	}
	for _, d := range in.Duplicates {
		f.Choices = append(f.Choices, d.Into)
		f.Names = append(f.Names, fmt.Sprintf("%s（%s 收到，%s，%s）", d.IntoNumber, d.IntoOn, d.Subject, d.Category))
	}
	return f
}

// owner is the choice of an agency.
func owner(name, label, value string) flow.Field {
	f := flow.Field{Name: name, Label: label, Type: "choice", Required: true, Value: value}
	for _, a := range Agency("").Enum() {
		f.Choices = append(f.Choices, string(a.(Agency)))
	}
	return f
}

func categoryNames() (names []string) {
	for _, c := range categories {
		names = append(names, string(c))
	}
	return names
}
