package main

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// report prints the figures of the storm.
func (h *harness) report(f *faults, j *journal, seen *facts, samples []sample, drained time.Duration, before, after map[string]usage) {
	total := 0
	fmt.Println("\n已确认的写入")
	for _, path := range slices.Sorted(maps.Keys(j.acked)) {
		fmt.Printf("  %-24s %6d\n", path, j.acked[path])
		total += j.acked[path]
	}
	fmt.Printf("  合计 %d，问了 %d 次；同一键再问一遍 %d 次；日志 %s\n", total, j.tries, j.repeated, j.file.Name())
	fmt.Print("  答复状态 ")
	for _, code := range slices.Sorted(maps.Keys(j.codes)) {
		fmt.Printf(" %d×%d", code, j.codes[code])
	}
	fmt.Println("\n\n故障              次数   恢复最久   中位")
	for _, part := range slices.Sorted(maps.Keys(f.kills)) {
		r := f.recovery[part]
		slices.Sort(r)
		if len(r) == 0 || part == witness {
			fmt.Printf("  杀 %-12s %5d\n", part, f.kills[part])
			continue
		}
		fmt.Printf("  杀 %-12s %5d %9.1fs %6.1fs\n", part, f.kills[part], r[len(r)-1].Seconds(), r[len(r)/2].Seconds())
	}
	for _, kind := range slices.Sorted(maps.Keys(f.other)) {
		fmt.Printf("  %-15s %5d\n", kind, f.other[kind])
	}
	fmt.Printf("\n事件 %d；消息代理上 %d，重复 %d，全部被去重；账每 100 毫秒看一次，看到 %d 次\n",
		seen.events(), len(seen.wire), len(seen.wire)-len(distinct(seen.wire)), len(samples))
	fmt.Printf("最后一次故障之后 %.1f 秒全部生效（上限 %.0f 秒）\n", drained.Seconds(), h.Drain.Seconds())
	fmt.Println("\n静止时          内存 MiB      线程    文件与连接    协程")
	for _, part := range slices.Sorted(maps.Keys(before)) {
		b, a := before[part], after[part]
		fmt.Printf("  %-12s %4d→%-4d  %3d→%-3d   %3d→%-3d   %4d→%-4d\n", part, b.RSS>>10, a.RSS>>10, b.Threads, a.Threads, b.Files, a.Files, b.Goroutines, a.Goroutines)
	}
	fmt.Println()
}
