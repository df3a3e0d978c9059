package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// report is every figure, in the order in which they came.
type report struct {
	Machine machine   `json:"machine"`
	Figures []*figure `json:"figures"`
}

// figure is one thing measured, in each run.
type figure struct {
	Key  string    `json:"key"`
	What string    `json:"what"`
	Unit string    `json:"unit"`
	Runs []float64 `json:"runs"`
}

func (r *report) add(key, what, unit string, v float64) {
	i := slices.IndexFunc(r.Figures, func(f *figure) bool { return f.Key == key })
	if i < 0 {
		i, r.Figures = len(r.Figures), append(r.Figures, &figure{Key: key, What: what, Unit: unit})
	}
	r.Figures[i].Runs = append(r.Figures[i].Runs, v)
}

// started adds a start.
func (r *report) started(kind, what string, took time.Duration, ready map[string]float64) {
	r.add("start."+kind, what+" 到 READY", "s", took.Seconds())
	for _, name := range slices.Sorted(maps.Keys(ready)) {
		r.add("start."+kind+"."+name, "  "+what+" "+name, "s", ready[name])
	}
}

// ratio adds the sum of some of this run's figures divided by that of others.
func (r *report) ratio(key, what string, over, under []string) {
	sum := func(keys []string) (s float64) {
		for _, f := range r.Figures {
			if slices.Contains(keys, f.Key) {
				s += f.Runs[len(f.Runs)-1]
			}
		}
		return s
	}
	r.add(key, what, "×", sum(over)/sum(under))
}

// quotient adds, of each run, one figure divided by another.
func (r *report) quotient(key, what, over, under string) {
	of := func(key string) []float64 {
		i := slices.IndexFunc(r.Figures, func(f *figure) bool { return f.Key == key })
		return r.Figures[i].Runs
	}
	for i, v := range of(over) {
		r.add(key, what, "×", v/of(under)[i])
	}
}

// print writes the table.
func (r *report) print(w io.Writer) {
	wide := 0
	for _, f := range r.Figures {
		wide = max(wide, width(f.What))
	}
	line := func(what string, cells ...string) {
		fmt.Fprint(w, what, strings.Repeat(" ", wide-width(what)))
		for _, c := range cells {
			fmt.Fprint(w, strings.Repeat(" ", max(1, 11-width(c))), c)
		}
		fmt.Fprintln(w)
	}
	line("", "最小", "中位", "最大", "单位")
	for _, f := range r.Figures {
		runs := slices.Sorted(slices.Values(f.Runs))
		line(f.What, plain(runs[0]), plain(runs[len(runs)/2]), plain(runs[len(runs)-1]), f.Unit)
	}
	fmt.Fprintf(w, "\n%s\n", r.Machine)
}

// plain is v with as many digits as it deserves.
func plain(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// width is how many columns a terminal gives s: two to each Chinese character.
func width(s string) (n int) {
	for _, r := range s {
		n++
		if r >= 0x2e80 {
			n++
		}
	}
	return n
}

// write writes the figures as JSON.
func (r *report) write(file string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644) //nolint:gosec // figures are no secret
}

// machine is what the figures were measured on.
type machine struct {
	CPUs       int     `json:"cpus"`
	MemoryMiB  float64 `json:"memory_mib"`
	Load       string  `json:"load"` // averages before we began: others disturb
	PostgreSQL string  `json:"postgresql"`
	Go         string  `json:"go"`
	SyncP50    float64 `json:"sync_p50_ms"` // one fdatasync of 8 KiB overwritten
	SyncP99    float64 `json:"sync_p99_ms"`
	At         string  `json:"at"`
}

func (m machine) String() string {
	return fmt.Sprintf("机器:%d 核,内存 %.0f MiB,起始负载 %s;PostgreSQL %s,%s;落盘(fdatasync 8 KiB)p50 %.2f ms、p99 %.2f ms;%s",
		m.CPUs, m.MemoryMiB, m.Load, m.PostgreSQL, m.Go, m.SyncP50, m.SyncP99, m.At)
}

// look fills m.
func (m *machine) look(ctx context.Context, s *suite) error {
	m.CPUs, m.MemoryMiB, m.Go = runtime.NumCPU(), number("/proc/meminfo", "MemTotal:")/1024, runtime.Version()
	p, err := s.process("postgresql")
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, p.Database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, `SHOW server_version`).Scan(&m.PostgreSQL); err != nil {
		return err
	}
	took, err := syncs(filepath.Join(s.data, "sync"))
	m.SyncP50, m.SyncP99 = quantile(took, 0.5), quantile(took, 0.99)
	return err
}

// syncs is how long it takes to make 8 KiB durable, 500 times.
func syncs(file string) (took []time.Duration, err error) {
	f, err := os.Create(file) //nolint:gosec // in our own folder
	if err != nil {
		return nil, err
	}
	defer os.Remove(file)
	defer f.Close()
	page := make([]byte, 8<<10)
	for range 500 {
		began := time.Now()
		if _, err := f.WriteAt(page, 0); err != nil {
			return nil, err
		}
		if err := fdatasync(f); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}
