// Command verifydraw replays a published draw (GET /api/inspection/v1/draws/{id})
// and exits 0 only if all of it follows from the pools that were frozen and the
// seed that was committed to:
//
//	verifydraw [-commit HEX] [-frozen HEX] FILE
//
// With -commit and -frozen, as published before the seed was known, it also proves
// that the file is about that very draw, and not one made up as a whole.
package main

import (
	"flag"
	"fmt"
	"os"

	"xunguan/services/inspection"
)

func main() {
	commit := flag.String("commit", "", "公布种子之前公布的承诺（commit）")
	frozen := flag.String("frozen", "", "公布种子之前公布的冻结哈希（frozen_hash）")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "用法：make verify-draw FILE=抽取文件.json")
		os.Exit(2)
	}
	wrong, f := verify(flag.Arg(0), *commit, *frozen)
	if len(wrong) > 0 {
		for _, w := range wrong {
			fmt.Fprintln(os.Stderr, "✗", w)
		}
		os.Exit(1)
	}
	fmt.Printf("✓ 第 %d 轮抽取 %s 可重演：名录 %d 家、%d 人，抽中 %d 家\n", f.Round, f.ID, len(f.Targets), len(f.Officers), len(f.Drawn))
	for _, d := range f.Drawn {
		fmt.Printf("  %s（%s）：%v\n", d.Target, d.Stratum, d.Officers)
	}
}

// verify lists what is wrong with the draw in a file.
func verify(file, commit, frozen string) ([]string, inspection.File) {
	raw, err := os.ReadFile(file) //nolint:gosec // the caller names it
	if err != nil {
		return []string{err.Error()}, inspection.File{}
	}
	f, err := inspection.ReadFile(raw)
	if err != nil {
		return []string{err.Error()}, f
	}
	wrong := inspection.Replay(f)
	if commit != "" && commit != f.Commit {
		wrong = append(wrong, "承诺与事先公布的不同")
	}
	if frozen != "" && frozen != f.FrozenHash {
		wrong = append(wrong, "冻结的名录与事先公布的不同")
	}
	return wrong, f
}
