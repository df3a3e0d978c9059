package main

import (
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Assumptions is all that the simulation takes for granted, each with what it rests
// on. "假设" is our own guess: no figure of it was found anywhere.
type Assumptions struct {
	Days         int     `is:"模拟天数（自 2024-09-01 起）" from:"假设：一年半，含两个寒假与一个暑假"`
	Institutions int     `is:"每个种子的机构数" from:"假设"`
	Absconding   float64 `is:"其中将卷款失联的比例" from:"假设：没有见到任何统计；查准率随它而变，报告另给每家诚信机构每年的误报数"`
	Pupils       float64 `is:"在读学员数的中位数（对数正态，σ 0.6，截在 30 至 500）" from:"假设"`
	Cycle        float64 `is:"同一学员两次缴费相隔的天数" from:"假设：接近 domain.md §1.1 的 3 个月"`
	MinLessons   int     `is:"每份合同最少课时" from:"假设"`
	MaxLessons   int     `is:"每份合同最多课时" from:"domain.md §1.1：60 课时上限"`
	MinPrice     int     `is:"每课时最低价（元）" from:"假设；domain.md §1.4 学科指导价 15 至 80 元，非学科更高"`
	MaxPrice     int     `is:"每课时最高价（元）" from:"同上"`
	Gift         float64 `is:"平时带赠课（2 至 6 节）的合同比例" from:"假设"`
	Deposit      float64 `is:"以风险保证金方式监管的机构比例，其余为银行托管" from:"假设；两种方式见 domain.md §1.1"`
	Taught       float64 `is:"平时到期课时当日授课的比例" from:"假设"`
	MadeUp       float64 `is:"未授课时在 7 至 14 天内补上的比例" from:"假设"`
	Prompt       float64 `is:"家长 0 至 3 天内确认的比例，其余 21 天后视为确认" from:"domain.md §1.2：15 个工作日；比例为假设"`
	Withdraw     float64 `is:"平时每份在读合同每 30 天申请退费的概率" from:"假设"`
	Unhappy      float64 `is:"每有 1% 课时未授，退费概率增加的百分数" from:"假设"`
	TipRate      float64 `is:"平时每 100 名学员每 30 天的举报投诉件数" from:"假设"`
	TipMissed    float64 `is:"每一未授课时引出举报投诉的概率" from:"假设"`
	TipRefused   float64 `is:"失联前每一被拖延的退费申请引出举报投诉的概率" from:"假设；domain.md §6 第 3 条：退费拖延是主要投诉"`
	Promotions   float64 `is:"诚信机构每年促销次数（每次 14 天，降价 10% 至 25%，收费增至 1.3 至 1.8 倍）" from:"假设；这是误报的来源之一"`
	Troubles     float64 `is:"诚信机构每年遇到教师离职等困难的次数（21 天，少上 20% 至 50%，之后照补）" from:"假设；这是误报的来源之一"`
	Winter       float64 `is:"寒假两周内到期课时改期的比例" from:"假设；这是误报的来源之一"`
	TopUp        int     `is:"保证金机构补足保证金的间隔天数" from:"假设"`
	Gap          float64 `is:"每家机构每 30 天出现一次银行差额（不足 3%，3 天后查清）的概率" from:"假设"`
	Sudden       float64 `is:"失联者中事前无征兆、只在最后 10 天停课的比例" from:"假设"`
	Decline      float64 `is:"其余失联者由出现征兆到失联的天数中位数（对数正态，σ 0.4，截在 30 至 150）" from:"domain.md §6 第 6 条：失联前 3 个月内低价促销、失联前一个月仍在销售 [P]；分布为假设"`
	Lure         float64 `is:"其中以打折揽收的比例（前六成时间，降价 20% 至 50%，收费增至 1.5 至 3 倍）" from:"domain.md §6 第 6 条“历史低价”套餐 [P 弱]；比例为假设"`
	Private      float64 `is:"打折揽收中不进监管账户的比例" from:"domain.md §6 痛点 2：引导私下转账 [P]；比例为假设"`
	Idle         float64 `is:"失联时授课比例最多降低（各家为此数的三分之一至全部）" from:"domain.md §6 第 6 条：欠薪、教师离职、停课通知 [P 弱]；比例为假设"`
	Drain        float64 `is:"保证金机构中失联前把保证金逐步挪走一半的比例，其余只是不再补足" from:"假设"`
}

// assumed is the assumptions as reported.
var assumed = Assumptions{
	Days: 540, Institutions: 400, Absconding: 0.05, Pupils: 110, Cycle: 80, MinLessons: 20, MaxLessons: 60, MinPrice: 60, MaxPrice: 200, Gift: 0.2,
	Deposit: 0.3, Taught: 0.93, MadeUp: 0.9, Prompt: 0.6, Withdraw: 0.025, Unhappy: 12, TipRate: 0.15, TipMissed: 0.002, TipRefused: 0.15,
	Promotions: 1.2, Troubles: 0.3, Winter: 0.35, TopUp: 30, Gap: 0.03,
	Sudden: 0.15, Decline: 75, Lure: 0.8, Private: 0.4, Idle: 0.9, Drain: 0.5,
}

// table writes the assumptions as Markdown.
func (a Assumptions) table(w io.Writer) {
	fmt.Fprintln(w, "| 假设 | 取值 | 来源 |\n|---|---|---|")
	t, v := reflect.TypeFor[Assumptions](), reflect.ValueOf(a)
	for i := range t.NumField() {
		f := t.Field(i)
		fmt.Fprintf(w, "| `%s` %s | %v | %s |\n", f.Name, f.Tag.Get("is"), v.Field(i), strings.TrimSpace(f.Tag.Get("from")))
	}
}
