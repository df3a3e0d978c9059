package portal

import (
	"net/url"
	"strconv"
	"testing"
)

// TestBodyOf: a form's field names say what JSON its texts become.
func TestBodyOf(t *testing.T) {
	form := url.Values{
		"csrf": {"x"}, "text.reason": {" 材料不全 "}, "text.note": {" "}, "number.area_m2": {"178.5"}, "yuan.amount_fen": {"4,800.5"}, "boolean.passed": {"false"},
		"list.missing": {"消防证明\r\n\r\n章程"}, "text.sponsor.name": {"示例公司"}, "text.sponsor.uscc": {"91350100M000100Y43"},
	}
	const want = `{"amount_fen":480050,"area_m2":178.5,"missing":["消防证明","章程"],"passed":false,"reason":"材料不全","sponsor":{"name":"示例公司","uscc":"91350100M000100Y43"}}`
	if got, err := bodyOf(form); err != nil || string(got) != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
	for field, text := range map[string]string{"number.area_m2": "许多", "yuan.amount_fen": "0.005"} {
		if _, err := bodyOf(url.Values{field: {text}}); err == nil {
			t.Errorf("%s was taken for a number", text)
		}
	}
}

// TestIdleLessons: of many lessons those stand on a parent's page with which there is
// something to do, the others behind a line; few stand there all.
func TestIdleLessons(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ idle, shown, rest int }{{6, 7, 0}, {7, 1, 7}} {
		c := caseView{Lists: []listView{{Title: "课时"}}}
		for n := range tt.idle + 1 {
			p := partView{Facts: []fact{{Key: "n", Leaf: true, Raw: strconv.Itoa(n + 1)}, {Key: "on_date", Leaf: true, Raw: "2026-03-02", Text: "2026 年 3 月 2 日"}}}
			if n == 3 {
				p.Actions = []actionView{{}}
			}
			c.Lists[0].Parts = append(c.Lists[0].Parts, p)
		}
		c.forParent("c1", nil)
		if l := c.Lists[0]; len(l.Parts) != tt.shown || len(l.Rest) != tt.rest || tt.rest > 0 && l.Parts[0].Name != "第 4 课时" {
			t.Errorf("of %d idle: %d shown, %d behind a line", tt.idle, len(l.Parts), len(l.Rest))
		}
	}
}
