package portal

import (
	"net/url"
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
