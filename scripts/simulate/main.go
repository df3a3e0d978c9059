// Command simulate tests the early warning on institutions that never were: honest
// ones, some of them in trouble, and ones that abscond with families' money. What
// moves at them day by day is what moves in escrow's ledger, and is scored by
// escrow's own code under the rules that ship.
//
// What must always be true: a seed gives the same figures wherever it runs; a score
// sees nothing of the days after it; and the seeds that are reported are none that
// the rules were chosen by.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"xunguan/pkg/rule"
)

// CLI is the settings.
type CLI struct {
	Rules       string `default:"services/rulebook/seed/rules.json" help:"The rules, as the rulebook is seeded with them."`
	Seeds       int    `default:"10" help:"How many seeds."`
	Train       bool   `help:"Run the seeds that the rules were chosen by (1, 2, …) instead of those that are reported (101, 102, …)."`
	Assumptions bool   `help:"Print the assumptions, and run nothing."`
}

// reported is the first seed of those that nothing was chosen by.
const reported = 101

func main() {
	var cli CLI
	kong.Parse(&cli, kong.Name("simulate"), kong.Description("在模拟的诚信机构与卷款机构上检验风险预警。"))
	if err := cli.run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		os.Exit(1)
	}
}

func (c *CLI) run(w io.Writer) error {
	if c.Assumptions {
		assumed.table(w)
		return nil
	}
	if c.Seeds < 1 {
		return errors.New("--seeds 至少是 1")
	}
	rules, err := readRules(c.Rules)
	if err != nil {
		return err
	}
	first, what := uint64(reported), "报告用种子（调参从未使用）"
	if c.Train {
		first, what = 1, "训练种子（规则由此选定，不作报告）"
	}
	fmt.Fprintf(w, "%s：每个种子 %d 家机构，%d 天；卷款前 %d 天内的预警算命中\n", what, assumed.Institutions, assumed.Days, recently)
	report(w, first, first+uint64(c.Seeds), rules)
	return nil
}

// report prints the figures of seeds, one by one and together.
func report(w io.Writer, from, to uint64, rules rule.Set) {
	all := map[string]*result{"YELLOW": {}, "RED": {}}
	rows := map[string][]string{}
	for seed := from; seed < to; seed++ {
		for band, r := range backtest(assumed, seed, rules) {
			rows[band] = append(rows[band], r.line(fmt.Sprint(seed)))
			all[band].add(*r)
		}
	}
	for _, band := range bands {
		fmt.Fprintf(w, "\n%s 及以上\n\n种子 | 卷款 | 命中 | 误报机构 | 查准率 | 查全率 | 预警天数 25%% | 中位 | 75%% | 诚信机构每家每年误报\n---|---|---|---|---|---|---|---|---|---\n", band)
		for _, row := range append(rows[band], all[band].line("合计")) {
			fmt.Fprintln(w, row)
		}
	}
}
