package portal

import (
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"xunguan/pkg/day"
)

// Institution is what the public may know of one, and when it last changed here.
type Institution struct {
	ID               string    `json:"id"`
	Name             string    `json:"name"`
	Jurisdiction     string    `json:"jurisdiction" description:"GB/T 2260 code"`
	JurisdictionName string    `json:"jurisdiction_name" db:"-"`
	Address          string    `json:"address"`
	Category         string    `json:"category"`
	Item             string    `json:"item"`
	Kind             string    `json:"kind" description:"subject or non_subject"`
	Mode             string    `json:"mode" description:"offline or online"`
	Status           string    `json:"status" description:"ACTIVE, SUSPENDED, REVOKED or CANCELLED"`
	StatusName       string    `json:"status_name" db:"-"`
	StatusSince      day.Date  `json:"since,omitzero" description:"the status holds since this day"`
	LicenceNumber    string    `json:"licence_number"`
	ValidFrom        day.Date  `json:"valid_from,omitzero"`
	ValidUntil       day.Date  `json:"valid_until,omitzero" description:"the last day"`
	IssuedBy         string    `json:"issued_by"`
	USCC             string    `json:"uscc" db:"uscc" description:"empty until the legal person is registered"`
	LegalForm        string    `json:"legal_form"`
	Capacity         int       `json:"capacity" description:"pupils at once"`
	List             *Listing  `json:"list,omitempty" db:"-" description:"the white or black list entry in force; absent is none"`
	Cover            string    `json:"cover,omitempty" description:"how far supervised money covers what is prepaid: ENOUGH, LOW or SHORT; a band, never a figure"`
	CoverSince       day.Date  `json:"cover_since,omitzero" description:"the day at whose end the band was found; it holds since"`
	Object           string    `json:"how_to_object" db:"-"`
	ChangedAt        time.Time `json:"as_of" description:"when this copy was last brought up to date"`
}

// Listing is a white or black list entry in force.
type Listing struct {
	List      string   `json:"list" description:"WHITE or BLACK"`
	Since     day.Date `json:"since,omitzero"`
	Until     day.Date `json:"until,omitzero" description:"the last day"`
	Basis     string   `json:"basis"`
	DecidedBy string   `json:"decided_by"`
	Objection string   `json:"objection" description:"how to object"`
}

// objection is how to object to an institution's entry when licensing gave no
// words of its own for it.
func (i *Institution) objection() string {
	if i.List != nil && i.List.Objection != "" {
		return i.List.Objection
	}
	office := i.IssuedBy
	if office == "" {
		office = say("institution.issuer")
	}
	return say("institution.how_to_object", office)
}

// Verdict is what i's entry comes to for who thinks of paying it, in a sentence,
// and whether that is good.
func (i Institution) Verdict() (v struct {
	Text string
	Good bool
},
) {
	listed := i.List != nil && i.List.List == "BLACK"
	switch {
	case i.Status == "SUSPENDED":
		v.Text = say("institution.verdict_suspended")
	case i.Status != "ACTIVE":
		v.Text = say("institution.verdict_none")
	case listed:
		v.Text = say("institution.verdict_black")
	case i.Cover == "SHORT":
		v.Text = say("institution.verdict_short")
	default:
		v.Text, v.Good = say("institution.verdict_good"), true
	}
	return v
}

// words is what a search looks at, in the form that terms have, each field on
// a line of its own so that no match runs over its end.
func (i *Institution) words() string {
	return normal(strings.Join([]string{i.Name, i.USCC, i.LicenceNumber, i.Address}, "\n"))
}

// normal makes what looks alike the same: full width is half width, capitals are small.
func normal(s string) string { return strings.ToLower(norm.NFKC.String(s)) }

// terms is what a query looks for: each word of it.
func terms(q string) []string {
	return strings.FieldsFunc(normal(q), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

// grams is what the column of that name has of a text that contains all terms:
// a term's pairs of neighbours, or its only character.
func grams(terms []string) []string {
	var all []string
	for _, t := range terms {
		r := []rune(t)
		if len(r) == 1 {
			all = append(all, t)
		}
		for i := range len(r) - 1 {
			all = append(all, string(r[i:i+2]))
		}
	}
	return all
}

// absent is what an empty search says. That a place is not in the directory
// does not make it illegal, and we do not say so.
var absent = say("home.absent")
