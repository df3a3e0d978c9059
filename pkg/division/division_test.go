package division_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"xunguan/pkg/division"
)

// walk is every division below code, and itself.
func walk(code string) []division.Division {
	d, _ := division.Find(code)
	all := []division.Division{d}
	for _, below := range division.Under(code) {
		all = append(all, walk(below.Code)...)
	}
	return all
}

func TestCounts(t *testing.T) {
	got := map[division.Level]int{}
	for _, d := range walk(division.Nation) {
		got[d.Level]++
	}
	want := map[division.Level]int{
		division.AtNation:   1,
		division.AtProvince: 34,            // 23 省 5 自治区 4 直辖市 2 特别行政区
		division.AtCity:     333,           // 民政部 2021 年末地级区划数
		division.AtCounty:   2844 + 18 + 8, // 2843 at the end of 2021, 三沙 as three instead of two; 香港 18, 澳门 8
		division.AtZone:     142,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		code, name string
		level      division.Level
		parent     string
	}{
		{"000000", "全国", division.AtNation, ""},
		{"320000", "江苏省", division.AtProvince, "000000"},
		{"320500", "江苏省苏州市", division.AtCity, "320000"},
		{"320508", "江苏省苏州市姑苏区", division.AtCounty, "320500"},
		{"320571", "江苏省苏州市苏州工业园区", division.AtZone, "320500"},
		{"110101", "北京市东城区", division.AtCounty, "110000"},
		{"120119", "天津市蓟州区", division.AtCounty, "120000"},
		{"310151", "上海市崇明区", division.AtCounty, "310000"},
		{"500229", "重庆市城口县", division.AtCounty, "500000"},
		{"429004", "湖北省仙桃市", division.AtCounty, "420000"},
		{"419001", "河南省济源市", division.AtCounty, "410000"},
		{"469007", "海南省东方市", division.AtCounty, "460000"},
		{"659001", "新疆维吾尔自治区石河子市", division.AtCounty, "650000"},
		{"441900", "广东省东莞市", division.AtCity, "440000"}, // has no county
		{"330113", "浙江省杭州市临平区", division.AtCounty, "330100"},
		{"810001", "香港特别行政区中西区", division.AtCounty, "810000"},
		{"710000", "台湾省", division.AtProvince, "000000"},
	} {
		d, ok := division.Find(tt.code)
		if got := division.Name(tt.code); !ok || got != tt.name || d.Level != tt.level || d.Parent != tt.parent {
			t.Errorf("%s is %+v %q %t, want %q, %s below %q", tt.code, d, got, ok, tt.name, tt.level, tt.parent)
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, code := range []string{
		"", "32", "3205", "32050", "3205080", "999999", "320599", "００００００", "32050８", " 320508",
		"110100", "500200", "320501", "429000", // headings of the list
		"330103", "350427", // 下城区, 沙县: no more since 2021
	} {
		if d, ok := division.Find(code); ok || division.Name(code) != "" || division.Ancestors(code) != nil || division.Under(code) != nil {
			t.Errorf("%q is %+v, want nothing", code, d)
		}
		if division.Covers(division.Nation, code) || division.Covers(code, "320508") {
			t.Errorf("%q covers or is covered", code)
		}
	}
}

func TestEveryDivisionHasItsParents(t *testing.T) {
	for _, d := range walk(division.Nation)[1:] {
		up := division.Ancestors(d.Code)
		if len(up) < 2 || up[0] != d.Code || up[1] != d.Parent || up[len(up)-1] != division.Nation {
			t.Errorf("above %s %s: %v", d.Code, d.Name, up)
		}
		p, _ := division.Find(d.Parent)
		if !strings.HasPrefix(d.Code, division.Prefix(p.Code)) || p.Level == division.AtCounty || p.Level == division.AtZone {
			t.Errorf("%s %s lies in %s %s", d.Code, d.Name, p.Code, p.Name)
		}
		if d.Name == "" || strings.ContainsAny(d.Name, " \t-") || !strings.HasSuffix(division.Name(d.Code), d.Name) {
			t.Errorf("%s is named %q, %q", d.Code, d.Name, division.Name(d.Code))
		}
	}
}

func TestUnder(t *testing.T) {
	var codes []string
	for _, d := range division.Under("320500") {
		codes = append(codes, d.Code)
	}
	want := []string{"320505", "320506", "320507", "320508", "320509", "320571", "320581", "320582", "320583", "320585"}
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Error(diff)
	}
	for code, n := range map[string]int{"000000": 34, "110000": 16, "500000": 38, "320508": 0} {
		if got := len(division.Under(code)); got != n {
			t.Errorf("%d right below %s, want %d", got, code, n)
		}
	}
}

func TestPrefix(t *testing.T) {
	for code, want := range map[string]string{
		"320508": "320508", "320500": "3205", "320000": "32", "000000": "", "441900": "4419", "429004": "429004", "110000": "11",
	} {
		if got := division.Prefix(code); got != want {
			t.Errorf("prefix of %s is %q, want %q", code, got, want)
		}
	}
}

func TestAncestors(t *testing.T) {
	for code, want := range map[string][]string{
		"320508": {"320508", "320500", "320000", "000000"},
		"110101": {"110101", "110000", "000000"},
		"429004": {"429004", "420000", "000000"},
		"000000": {"000000"},
	} {
		if diff := cmp.Diff(want, division.Ancestors(code)); diff != "" {
			t.Errorf("%s: %s", code, diff)
		}
	}
}

// TestCovers: a scope covers what it is above, by prefix as SQL sees it and by the tree alike.
func TestCovers(t *testing.T) {
	all := walk(division.Nation)
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.SampledFrom(all).Draw(t, "code").Code
		scope := rapid.OneOf(
			rapid.Custom(func(t *rapid.T) string { return rapid.SampledFrom(all).Draw(t, "any").Code }),
			rapid.SampledFrom(division.Ancestors(code)),
		).Draw(t, "scope")
		if got, want := division.Covers(scope, code), slices.Contains(division.Ancestors(code), scope); got != want {
			t.Fatalf("%s covers %s: %t, want %t", scope, code, got, want)
		}
	})
}
