package licensing_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"xunguan/services/licensing"
)

const usccAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY" // GB 32100-2015 §4: no I O S V Z

// TestCheckUSCC is the vectors of design/domain.md §7, and one of each flaw.
func TestCheckUSCC(t *testing.T) {
	for _, tt := range []struct {
		code string
		want licensing.Flaw
		say  string
	}{
		{"91350100M000100Y43", "", ""},
		{"9144030071526726XG", "", ""},
		{"91440300708461136T", "", ""},
		{"914403001922038216", "", ""},
		{"91110000802100433B", "", ""},
		{"91110108551385082Q", "", ""},
		{"91330100799655058B", "", ""},
		{"911101077776591113", "", ""},
		{"91110000600037341L", "", ""},
		{"121200004013590816", "", ""}, // 事业单位
		{"11330283002982634F", "", ""}, // 机关
		{"51610700305332460K", "", ""}, // 社团
		{"92510100MA61WJ3204", "", ""}, // 个体

		{"91110000600037341N", licensing.BadCheck, "校验位"},
		{"9111000060003IOZSV", licensing.BadCharset, "“I”"},
		{"91350200M000000510", licensing.BadCheck, "校验位"},
		{"91350128M00000019A", licensing.BadCheck, "校验位"},

		{"", licensing.BadLength, "现为 0 位"},
		{"91350100M000100Y4", licensing.BadLength, "现为 17 位"},
		{"91350100M000100Y433", licensing.BadLength, "现为 19 位"},
		{"91350100m000100y43", licensing.BadCharset, "小写"},
		{" 1350100M000100Y43", licensing.BadCharset, "“ ”"},
		{"９１３５０１００M000100Y43", licensing.BadCharset, "“９”"},
		{"统一社会信用代码统一社会信用代码十八", licensing.BadCharset, "“统”"},
		{"91350100M000100443", licensing.BadOrgDigit, "组织机构代码校验位"},
		{"91350100M000100Y44", licensing.BadCheck, "第 18 位"},
		{"91350100M000100\xff43", licensing.BadCharset, ""},
	} {
		got := licensing.CheckUSCC(tt.code)
		if say := got.Say(tt.code); got != tt.want || !strings.Contains(say, tt.say) || (say == "") != (got == "") {
			t.Errorf("%q: %q %q, want %q with %q", tt.code, got, say, tt.want, tt.say)
		}
	}
}

// TestOneWrongCharacter is what check digits are for: no single wrong character
// goes unseen, wherever it is.
func TestOneWrongCharacter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		head := rapid.StringOfN(rapid.SampledFrom([]rune(usccAlphabet)), 16, 16, -1).Draw(t, "head")
		code := []byte(licensing.SealUSCC(head))
		if flaw := licensing.CheckUSCC(string(code)); flaw != "" {
			t.Fatalf("%s: %s", code, flaw)
		}
		at := rapid.IntRange(0, 17).Draw(t, "at")
		was := code[at]
		code[at] = rapid.SampledFrom([]byte(usccAlphabet)).Filter(func(c byte) bool { return c != was }).Draw(t, "wrong")
		if licensing.CheckUSCC(string(code)) == "" {
			t.Fatalf("%s is valid with %c for %c at %d", code, code[at], was, at)
		}
	})
}

func FuzzCheckUSCC(f *testing.F) {
	f.Add("91350100M000100Y43")
	f.Add("9111000060003IOZSV")
	f.Add("")
	f.Fuzz(func(t *testing.T, code string) {
		flaw := licensing.CheckUSCC(code)
		if flaw == "" && licensing.SealUSCC(code[:16]) != code {
			t.Errorf("%q is valid, but sealed anew it is %q", code, licensing.SealUSCC(code[:16]))
		}
		if (flaw.Say(code) == "") != (flaw == "") {
			t.Errorf("%q: %q says %q", code, flaw, flaw.Say(code))
		}
	})
}
