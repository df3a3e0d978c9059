package main

import (
	"fmt"
	"io"
	"time"
)

// report is what a run has to tell.
type report struct {
	engines []string
	parts   []string
}

// engine notes what was run: its version, and what it cost to have it.
func (r *report) engine(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	say("%s", line)
	r.engines = append(r.engines, line)
}

// took notes how long a part took.
func (r *report) took(what string, d time.Duration) {
	r.parts = append(r.parts, fmt.Sprintf("%7.1f 秒  %s", d.Seconds(), what))
}

func (r *report) print(w io.Writer, all time.Duration) {
	fmt.Fprintln(w, "\n引擎")
	for _, line := range r.engines {
		fmt.Fprintln(w, "  "+line)
	}
	fmt.Fprintln(w, "用时")
	for _, line := range r.parts {
		fmt.Fprintln(w, "  "+line)
	}
	fmt.Fprintf(w, "\n通过 %.0f 秒：整套系统在真实的 Kafka、Consul、PostgreSQL 上走完全部故事，消息代理与 Consul 各被杀过一次\n", all.Seconds())
}
