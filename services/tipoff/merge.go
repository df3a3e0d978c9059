package tipoff

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"xunguan/pkg/day"
)

// alikeWithin is how many days apart two tip-offs about one subject and matter
// are offered for merging. It is a matter of search, not of law: a person decides.
const alikeWithin = 30

// narrow is s with full-width letters, digits and signs as ASCII.
func narrow(s string) string { return width.Narrow.String(s) }

// key is s reduced to what tells one name or address from another: letters and
// digits, without width, case, spaces and signs.
func key(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, narrow(s))
}

// A body is named by what it is called and what it is, after the last word of what
// is wanted of it. In running text the plain words for a school name too much.
var (
	body     = regexp.MustCompile(`[\p{Han}A-Za-z0-9]{2,16}?(?:培训学校|培训中心|培训机构|艺术学校|舞蹈学校|文武学校|实验学校|武校|舞蹈中心|舞蹈会所|美语|亲子园|培训班|驾校|幼儿园|小学|中学|[一二三四五六七八九十]中|职业中专|学校)`)
	plain    = regexp.MustCompile(`(?:驾校|幼儿园|小学|中学|[一二三四五六七八九十]中|中专|学校)$`)
	preamble = regexp.MustCompile(`^.*(?:关于|再次|强烈|请求|呼吁|希望|反映|投诉|举报|咨询|质疑|反对|建议|要求|严管|严查|查处|取缔|关停|位于|包庇)对?`)
)

// named is the body that title, else text, names; "" if none.
func named(title, text string) string {
	for _, in := range []string{title, text} {
		name := preamble.ReplaceAllString(body.FindString(in), "")
		if len([]rune(name)) >= minKey && (in == title || !plain.MatchString(name)) {
			return name
		}
	}
	return ""
}

// minKey is how much of a name or address it takes to tell one from another.
const minKey = 4

// keys is what two tip-offs about the same subject have in common.
func (s Subject) keys() []string {
	keys := []string{}
	add := func(kind, text string) {
		if len([]rune(text)) >= minKey {
			keys = append(keys, kind+":"+text)
		}
	}
	add("id", s.Institution)
	add("name", key(s.InstitutionName))
	add("place", key(s.PlaceAddress))
	if s.PlaceAddress == "" {
		add("sign", key(s.PlaceSignboard))
	}
	return keys
}

// matter is the category that t is about, as far as it is known.
func (t *Tip) matter() Category {
	if t.Category != "" {
		return t.Category
	}
	return t.Suggested
}

// Duplicate is a tip-off that another may be merged into.
type Duplicate struct {
	Tip        string   `json:"tip" description:"id of the one that is not dispatched yet, the later if neither is"`
	Number     string   `json:"number"`
	Into       string   `json:"into" description:"id of the other, whose case goes on"`
	IntoNumber string   `json:"into_number"`
	Subject    string   `json:"subject" description:"what both name"`
	Category   Category `json:"category"`
	ReceivedOn day.Date `json:"received_on"`
	IntoOn     day.Date `json:"into_received_on"`
}
