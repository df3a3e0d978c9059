package tipoff

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Category is what a tip-off complains of.
type Category string

// The categories, as the national platform and practice divide them
// (design/domain.md §4.1), and what is no matter of ours.
const (
	Prepaid    Category = "超期预收费"
	Refund     Category = "退费难"
	Unlicensed Category = "无证照培训"
	FalseAd    Category = "虚假宣传"
	Ahead      Category = "超标超前"
	Overpriced Category = "违规高收费"
	Holiday    Category = "占用节假日"
	Teachers   Category = "在职教师"
	Fire       Category = "消防安全"
	Other      Category = "其他"
	Elsewhere  Category = "非培训事项"
)

// categories is all but Elsewhere, in the order that breaks a tie.
var categories = []Category{Prepaid, Refund, Fire, Unlicensed, FalseAd, Ahead, Teachers, Holiday, Overpriced, Other}

// Enum lists the categories for the published document.
func (Category) Enum() []any {
	all := []any{Elsewhere}
	for _, c := range categories {
		all = append(all, c)
	}
	return all
}

// A Suggestion is what the words of a message suggest; a person decides.
type Suggestion struct {
	Category Category `json:"category"`
	Words    []string `json:"words" description:"the words that led to it"`
}

//go:embed words.tsv
var wordTable string

type wordRule struct {
	topic  string
	weight int
	words  *regexp.Regexp
}

// The topics of the table that are no categories, and how much of the first a
// message needs.
const (
	aboutTraining = "培训"
	aboutOther    = "非培训"
	enough        = 3
	inTitle       = 2 // times as much
)

var wordRules = must(parseWords(wordTable))

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the table is part of the program, and tested
	}
	return v
}

func parseWords(table string) ([]wordRule, error) {
	var rules []wordRule
	for line := range strings.Lines(table) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		cols := strings.Split(line, "\t")
		if len(cols) != 3 {
			return nil, fmt.Errorf("words: %q has not three columns", line)
		}
		weight, err := strconv.Atoi(cols[1])
		if err != nil {
			return nil, fmt.Errorf("words: %w", err)
		}
		words, err := regexp.Compile(cols[2])
		if err != nil {
			return nil, fmt.Errorf("words: %w", err)
		}
		rules = append(rules, wordRule{cols[0], weight, words})
	}
	return rules, nil
}

// suggest is the category that title and text suggest, and the words that led to
// it: those of the topic with the greatest sum of weights.
func suggest(title, text string) Suggestion {
	score, said := map[string]int{}, map[string][]string{}
	for _, r := range wordRules {
		for in, times := range map[string]int{title: inTitle, text: 1} {
			if word := r.words.FindString(in); word != "" {
				score[r.topic] += times * r.weight
				said[r.topic] = append(said[r.topic], word)
			}
		}
	}
	if score[aboutTraining]-score[aboutOther] < enough {
		return Suggestion{Elsewhere, distinct(said[aboutOther])}
	}
	best := Other
	for _, c := range categories {
		if score[string(c)] > score[string(best)] {
			best = c
		}
	}
	return Suggestion{best, distinct(append(said[string(best)], said[aboutTraining]...))}
}

func distinct(words []string) []string {
	slices.Sort(words)
	return append([]string{}, slices.Compact(words)...)
}

// A desk is an office that deals with what its words say.
type desk struct {
	words *regexp.Regexp
	to    string
}

// elsewhere is where to go with what is no matter of training: first match.
var elsewhere = []desk{
	{regexp.MustCompile(`驾校|驾培|驾驶|教练员|公交|地铁|客运|货运`), "交通运输主管部门"},
	{regexp.MustCompile(`幼儿园|学前教育`), "教育行政部门（学前教育）"},
	{regexp.MustCompile(`职业培训|技能培训|社保|劳动|工资|编制|档案`), "人力资源和社会保障部门"},
	{regexp.MustCompile(`物业|楼盘|小区|房产|购房|拆迁`), "住房和城乡建设部门"},
	{regexp.MustCompile(`学校|中学|小学|学区|入学|招生|教师`), "教育行政部门（基础教育）"},
	{regexp.MustCompile(`噪音|污染|垃圾|养殖`), "生态环境或城市管理部门"},
}

// whereTo is why a message that is no matter of training goes back, and where it
// should go.
func whereTo(title, text string) string {
	to := "12345政务服务便民热线，由其转有关主管部门"
	for _, in := range []string{title, text} {
		if i := slices.IndexFunc(elsewhere, func(d desk) bool { return d.words.MatchString(in) }); i >= 0 {
			to = elsewhere[i].to
			break
		}
	}
	return "所反映事项不属于校外培训监管职责，请向" + to + "反映"
}
