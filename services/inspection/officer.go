package inspection

import (
	"fmt"
	"slices"

	"xunguan/pkg/auth"
	"xunguan/pkg/day"
	"xunguan/pkg/fault"
)

// Reason is why an officer keeps away from an institution (行政处罚法 §43).
type Reason string

// The reasons: categories only, for they are published with a draw's file.
const (
	Relative Reason = "relative" // 近亲属有利害关系
	Former   Reason = "former"   // 曾在该机构任职
	Patch    Reason = "patch"    // 日常监管片区
	Own      Reason = "own"      // 自行申请回避
)

// Enum lists the reasons for the published document.
func (Reason) Enum() []any { return []any{Relative, Former, Patch, Own} }

// Avoidance is one institution that an officer keeps away from.
type Avoidance struct {
	InstitutionID string `json:"institution_id" minLength:"1" maxLength:"64"`
	Reason        Reason `json:"reason"`
}

// Officer is one enforcement officer. Its name is that of its office and account.
type Officer struct {
	ID           string      `json:"id" description:"account id"`
	Agency       Agency      `json:"agency"`
	Jurisdiction string      `json:"jurisdiction"`
	Office       string      `json:"office"`
	Certificate  string      `json:"certificate"`
	ValidUntil   day.Date    `json:"valid_until" description:"the certificate's last day"`
	Scope        []string    `json:"scope" description:"check items; none is all of the agency's"`
	Conflicts    []Avoidance `json:"conflicts"`
	Active       bool        `json:"active"`
	UpdatedBy    string      `json:"updated_by"`
	UpdatedOn    day.Date    `json:"updated_on"`
}

// Avoids reports whether o keeps away from an institution.
func (o Officer) Avoids(institution string) bool {
	return slices.ContainsFunc(o.Conflicts, func(a Avoidance) bool { return a.InstitutionID == institution })
}

// Covers reports whether o may check item.
func (o Officer) Covers(item string) bool { return len(o.Scope) == 0 || slices.Contains(o.Scope, item) }

// Fit returns Refused unless o may inspect an institution on a day.
func (o Officer) Fit(institution string, on day.Date) error {
	switch {
	case !o.Active:
		return fault.Refused.Errorf("%s %s 已不在执法检查人员名录库中", o.Office, o.ID)
	case on.After(o.ValidUntil):
		return fault.Refused.Errorf("%s %s 的执法证件（%s）已于 %s 到期，不得执法（《行政处罚法》第四十二条、第五十五条）", o.Office, o.ID, o.Certificate, o.ValidUntil)
	case o.Avoids(institution):
		return fault.Refused.Errorf("%s %s 与该机构有利害关系，应当回避（《行政处罚法》第四十三条）", o.Office, o.ID)
	}
	return nil
}

// Team checks who inspects an institution on a day: each once, each fit. others
// is who was recorded before.
func Team(officers []Officer, others []string, institution string, on day.Date) error {
	seen := slices.Clone(others)
	for _, o := range officers {
		if slices.Contains(seen, o.ID) {
			return fault.Fields(fault.Field{Pointer: "/officers", Detail: o.ID + " 重复"})
		}
		seen = append(seen, o.ID)
		if err := o.Fit(institution, on); err != nil {
			return err
		}
	}
	return nil
}

// OwnOffice returns Forbidden unless c acts for the office that o belongs to.
func (o Officer) OwnOffice(c auth.Caller) error {
	if Agency(c.Agency) != o.Agency || c.Jurisdiction != o.Jurisdiction {
		return fault.Forbidden.Errorf("%s 由其所在的%s维护", o.ID, o.Office)
	}
	return nil
}

// label is o for a list of names.
func (o Officer) label() string { return fmt.Sprintf("%s %s", o.Office, o.ID) }
