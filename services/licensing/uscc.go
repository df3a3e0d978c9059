package licensing

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Flaw is the first thing that is wrong with a unified social credit code
// (统一社会信用代码, GB 32100-2015); "" is nothing.
type Flaw string

// The flaws, in the order in which they are looked for.
const (
	BadLength   Flaw = "length"      // not 18 characters
	BadCharset  Flaw = "charset"     // a character that the standard does not use
	BadOrgDigit Flaw = "org_digit"   // characters 9–17 are not an organisation code (GB 11714)
	BadCheck    Flaw = "check_digit" // the last character does not fit the others
)

// Enum lists the flaws for the published document.
func (Flaw) Enum() []any { return []any{"", BadLength, BadCharset, BadOrgDigit, BadCheck} }

// usccLength is how long a code is, and usccAlphabet what it is written in: no I O S V Z.
const (
	usccLength   = 18
	usccAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
)

// CheckUSCC returns the first flaw of code, or "".
func CheckUSCC(code string) Flaw {
	switch {
	case utf8.RuneCountInString(code) != usccLength:
		return BadLength
	case strings.Trim(code, usccAlphabet) != "" || len(code) != usccLength:
		return BadCharset
	case code[16] != orgDigit(code[8:16]):
		return BadOrgDigit
	case code[17] != usccDigit(code[:17]):
		return BadCheck
	}
	return ""
}

// Say is f in words fit for a person who wrote code.
func (f Flaw) Say(code string) string {
	switch f {
	case BadLength:
		return fmt.Sprintf("长度不符：统一社会信用代码应为 %d 位，现为 %d 位", usccLength, utf8.RuneCountInString(code))
	case BadCharset:
		bad, _ := utf8.DecodeRuneInString(strings.TrimLeft(code, usccAlphabet))
		if strings.ContainsRune(strings.ToLower(usccAlphabet), bad) {
			return fmt.Sprintf("字符不符：字母应大写，“%c”是小写", bad)
		}
		return fmt.Sprintf("字符不符：“%c”不是统一社会信用代码使用的字符（不用 I、O、S、V、Z）", bad)
	case BadOrgDigit:
		return "组织机构代码校验位不符：第 9 至 17 位不是有效的组织机构代码（GB 11714）"
	case BadCheck:
		return "校验位不符：第 18 位与前 17 位不符（GB 32100-2015）"
	}
	return ""
}

// SealUSCC returns the valid code that begins with head: 16 characters of the
// standard's alphabet. It is for demo data and tests.
func SealUSCC(head string) string {
	head += string(orgDigit(head[8:16]))
	return head + string(usccDigit(head))
}

// orgDigit is the check character of an organisation code (GB 11714). Its letters
// count from A = 10 with none left out.
func orgDigit(code string) byte {
	sum := 0
	for i, weight := range []int{3, 7, 9, 10, 5, 8, 4, 2} {
		v := int(code[i] - '0')
		if code[i] >= 'A' {
			v = int(code[i]-'A') + 10
		}
		sum += v * weight
	}
	const digits = "0123456789X0" // 11 is written 0
	return digits[11-sum%11]
}

// usccDigit is the check character of the first 17 (GB 32100): weights 3^i mod 31.
func usccDigit(code string) byte {
	sum, weight := 0, 1
	for _, c := range code {
		sum += strings.IndexRune(usccAlphabet, c) * weight
		weight = weight * 3 % 31
	}
	return usccAlphabet[(31-sum%31)%31]
}
