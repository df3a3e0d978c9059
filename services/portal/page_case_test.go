package portal

import (
	"net/url"
	"testing"
)

// TestBodyOf: a form's field names say what JSON its texts become.
func TestBodyOf(t *testing.T) {
	form := url.Values{
		"csrf": {"x"}, "text.reason": {" 材料不全 "}, "text.note": {" "}, "number.area_m2": {"178.5"}, "boolean.passed": {"false"},
		"list.missing": {"消防证明\r\n\r\n章程"}, "text.sponsor.name": {"示例公司"}, "text.sponsor.uscc": {"91350100M000100Y43"},
	}
	const want = `{"area_m2":178.5,"missing":["消防证明","章程"],"passed":false,"reason":"材料不全","sponsor":{"name":"示例公司","uscc":"91350100M000100Y43"}}`
	if got, err := bodyOf(form); err != nil || string(got) != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
	if _, err := bodyOf(url.Values{"number.area_m2": {"许多"}}); err == nil {
		t.Error("许多 was taken for a number")
	}
}
