package inspection

import (
	"regexp"
	"strings"

	"xunguan/pkg/day"
	"xunguan/pkg/fault"
	"xunguan/pkg/flow"
)

const basisSweep = "《校外培训行政处罚暂行办法》（教育部令第53号）第十七条、第十八条；《无证无照经营查处办法》第五条、第六条、第十三条"

// sweepFlow is the ledger of an unlicensed place: 排查 – 责令 – 取缔.
var sweepFlow = flow.Machine{Name: kindNames[Sweep], Steps: []flow.Step{
	{From: planned, Action: "visits", To: visiting, Label: "上门核查", Roles: inspectors, Basis: basisSweep},
	{From: planned, Action: "cancel", To: cancelled, Label: "取消", Roles: inspectors, Reason: true},
	{From: visiting, Action: "all_visited", To: visited, Label: "核查完成", Deadline: rulePublish},
	{From: visited, Action: "close_place", To: orderedOff, Label: "责令停止举办", Roles: []string{examinerRole, marketRole}, Deadline: ruleRectify, Basis: basisSweep},
	{From: orderedOff, Action: "recheck", To: closed, Label: "复核，已停办即取缔销号", Roles: inspectors, Basis: basisSweep},
	{From: orderedOff, Action: "still_open", To: orderedOff, Label: "复核仍在举办"},
	{From: visited, Action: "publish", To: published, Label: "公示：未发现无证办学", Roles: inspectors},
	{From: closed, Action: "publish", To: published, Label: "公示取缔结果", Roles: inspectors},
}}

// Step of the ledger by the state of its task.
var stages = map[string]string{
	planned: "排查", visiting: "排查", visited: "排查", orderedOff: "责令", closed: "取缔", published: "取缔", cancelled: "取消",
}

// Sweeping is an entry of the ledger of unlicensed places.
type Sweeping struct {
	TaskID      string        `json:"task_id"`
	Signboard   string        `json:"signboard"`
	Address     string        `json:"address"`
	Phone       string        `json:"phone"`
	Demand      string        `json:"demand"`
	OrderedBy   string        `json:"ordered_by"`
	OrderedOn   day.Date      `json:"ordered_on"`
	Due         day.Date      `json:"due"`
	Provisional bool          `json:"provisional"`
	Ground      *fault.Ground `json:"rule"`
	Checks      []Recheck     `json:"checks"`
	ClosedOn    day.Date      `json:"closed_on"`
}

// Recheck is a look at whether a place that was ordered to stop has stopped.
type Recheck struct {
	On       day.Date `json:"on"`
	By       string   `json:"by"`
	Officers []string `json:"officers"`
	Closed   bool     `json:"closed"`
	Note     string   `json:"note"`
}

// stage is where in the ledger a place stands; one that was published without an
// order was no unlicensed training.
func (s Sweeping) stage(state string) string {
	if state == published && s.ClosedOn.IsZero() {
		return "不属实"
	}
	return stages[state]
}

const numerals = `[0-9０-９一二三四五六七八九十百零〇甲乙丙丁A-Za-zＡ-Ｚａ-ｚ]`

var (
	street = regexp.MustCompile(`^.*?(?:大道|街道|社区|小区|花园|新村|公寓|家园|[路街巷弄里村镇乡])`)
	// house is where an address becomes one door: a digit, a letter, or a numeral before 号, 幢….
	house = regexp.MustCompile(`[0-9０-９A-Za-zＡ-Ｚａ-ｚ#＃]|[一二三四五六七八九十百零〇甲乙丙丁附]+(?:号|幢|栋|座|楼|层|室|单元|门|户)`)
	room  = regexp.MustCompile(numerals + `[0-9０-９一二三四五六七八九十百零〇A-Za-z\-－—_#＃、.．之附()（）~～至]*(?:号楼|号院|号|幢|栋|座|楼|层|室|单元|门|户|弄|组|铺|房|#|＃)*`)
)

// StreetOf is an address down to the street or community: house, building and
// room are dropped, and with them whatever stands behind. What has no street in
// it loses everything from its first number on.
func StreetOf(address string) string {
	head := strings.Join(strings.Fields(address), "")
	if at := house.FindStringIndex(head); at != nil {
		head = head[:at[0]]
	}
	end := 0
	for m := street.FindStringIndex(head); m != nil; m = street.FindStringIndex(head[end:]) {
		end += m[1]
	}
	if end == 0 {
		return room.ReplaceAllString(head, "")
	}
	return head[:end]
}

var (
	phone = regexp.MustCompile(`[0-9０-９][0-9０-９\-－ ]{5,}[0-9０-９]`)
	named = regexp.MustCompile(`\p{Han}{1,3}?(老师|阿姨|先生|女士|校长|妈妈)`)
)

// SignOf is a signboard fit to publish: no phone, and nobody by name.
func SignOf(signboard string) string {
	s := phone.ReplaceAllString(strings.Join(strings.Fields(signboard), ""), "")
	return named.ReplaceAllString(s, "某$1")
}

var personal = regexp.MustCompile(`1[3-9][0-9]{9}|[0-9]{17}[0-9Xx]|0[0-9]{2,3}[-－ ]?[0-9]{7,8}`)

// CheckPublic returns Invalid if a text that is to be published holds a phone or
// identity number, or the place's whole address.
func CheckPublic(text, address string) error {
	plain := strings.Join(strings.Fields(text), "")
	whole := strings.Join(strings.Fields(address), "")
	switch {
	case personal.MatchString(plain):
		return fault.Fields(fault.Field{Pointer: "/statement", Detail: "公示内容不得含有电话或证件号码"})
	case whole != "" && whole != StreetOf(whole) && strings.Contains(plain, whole):
		return fault.Fields(fault.Field{Pointer: "/statement", Detail: "公示内容不得含有门牌号"})
	}
	return nil
}
