// Command bench measures the suite and asserts nothing. It starts a suite of its
// own (scripts/up, in a throw-away folder, on free ports), and prints each figure
// as the least, the median and the most of several runs, beside what this machine
// can do at best, measured in the same run:
//
//   - start: seconds to READY without data and again with them; for each process
//     the seconds from its start until it says that it is ready, and its memory.
//   - confirm: lesson confirmations a second over HTTP, at escrow's own address. Each
//     caller confirms one lesson, or a class's, after the other, on contracts of its
//     own. Beside it the bare write: one SQL statement that writes the same rows, past
//     row-level security, over as many connections as there are callers. Then all at
//     one institution, and with a slower disk. Relay and consumer run all the while.
//     The processor time of each lesson is there too, for other people's work on the
//     machine changes that less than it changes what is done in a second.
//   - size: a confirmation's cost in a ledger of 200,000 entries and in one of 20
//     million, each of contracts that are over with all that is never pruned.
//   - latency: from when a commit was due until its event is applied, through
//     outbox, broker and inbox, with the embedded broker and with Apache Kafka.
//     Commits are due at a fixed rate, whether or not earlier ones have ended, so all
//     waiting counts. Beside it a bare commit, and a bare produce and fetch, each alone.
//   - overload: three times as many confirmations as escrow can do. What gets done
//     beside what it did when nobody was too many, how soon the others are refused,
//     and how long until all is as it was before.
//   - rules: the fee rules over a million contracts of the past, by escrow's own code in
//     this process, and its memory. Beside it the same rows read and thrown away.
//   - reconcile: a bank's day of 10,000 institutions and 1,000,000 movements. Its files
//     come in over HTTP, then escrow compares them. Once: a day is reconciled once.
//
// What must always be true: nothing of the suite outlives bench, and what could
// not be measured is an error, never a guess.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// CLI is the settings.
type CLI struct {
	Only    string `enum:",start,confirm,latency,overload,size,rules,reconcile" default:"" help:"Measure one part: start, confirm, latency, overload, size, rules or reconcile."`
	Seconds int    `help:"Seconds of each measurement; 0 is 5 for confirm, 20 for latency and 10 for overload."`
	Kafka   bool   `default:"true" negatable:"" help:"Measure latency with Apache Kafka, too (needs Java 17)."`
	Runs    int    `default:"3" help:"How often each figure is measured."`
	Callers []int  `default:"1,8,64" help:"Numbers of callers of confirm."`
	Entries int    `default:"20000000" help:"Entries of the larger of the two ledgers of size; 20 million take a quarter of an hour and 15 GB. 0 leaves size out."`
	JSON    string `name:"json" help:"Also write the figures to this file."`
	Dir     string `default:"/var/tmp" help:"Where the throw-away folder is made: on the disk to be measured."`
}

func main() {
	var cli CLI
	kong.Parse(&cli, kong.Name("bench"), kong.Description("量一量训管通:每秒课消、事件时延、启动时间、内存。"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := cli.run(ctx); err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(os.Stderr, "✗ "+strings.TrimSpace(line))
		}
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

func (c *CLI) run(ctx context.Context) (err error) {
	if c.Runs < 1 || c.Seconds < 0 {
		return errors.New("--runs 至少是 1,--seconds 不能为负")
	}
	r := &report{Machine: machine{At: time.Now().Format(time.DateTime)}}
	load, _ := os.ReadFile("/proc/loadavg") // not where there is no /proc
	r.Machine.Load = strings.Join(strings.Fields(string(load))[:min(3, len(strings.Fields(string(load))))], " ")
	s, err := newSuite(ctx, c.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	if err := c.starts(ctx, s, r); err != nil {
		return err
	}
	if err := r.Machine.look(ctx, s); err != nil {
		return err
	}
	if err := c.loads(ctx, s, r); err != nil {
		return err
	}
	if c.wants("reconcile") {
		m, end, err := openReconcile(ctx, s)
		if err != nil {
			return err
		}
		defer end()
		if err := m.run(ctx, r); err != nil {
			return err
		}
	}
	if c.wants("size") && c.Entries > 0 { // last: it begins with an empty ledger
		if err := c.measureSize(ctx, s, r); err != nil {
			return err
		}
	}
	r.print(os.Stdout)
	if c.JSON != "" {
		return r.write(c.JSON)
	}
	return nil
}

func (c *CLI) wants(part string) bool { return c.Only == "" || c.Only == part }

func (c *CLI) length(otherwise int) time.Duration {
	if c.Seconds > 0 {
		otherwise = c.Seconds
	}
	return time.Duration(otherwise) * time.Second
}

// starts measures starts, if that is wanted, and leaves the suite running.
func (c *CLI) starts(ctx context.Context, s *suite, r *report) error {
	if !c.wants("start") {
		_, _, err := s.start(ctx)
		return err
	}
	for range c.Runs {
		if err := errors.Join(s.stop(), s.reset()); err != nil {
			return err
		}
		for _, k := range [][2]string{{"cold", "首次启动"}, {"again", "再次启动"}} {
			if err := s.stop(); err != nil {
				return err
			}
			took, ready, err := s.start(ctx)
			if err != nil {
				return err
			}
			r.started(k[0], k[1], took, ready)
		}
		time.Sleep(3 * time.Second) // what the start itself used is given back
		if err := s.memory(r, "idle", "空闲内存"); err != nil {
			return err
		}
	}
	return nil
}

// loads measures the running suite.
func (c *CLI) loads(ctx context.Context, s *suite, r *report) error {
	var runs []func(context.Context, *report) error
	if c.wants("confirm") {
		m, end, err := openConfirm(ctx, c, s)
		if err != nil {
			return err
		}
		defer end()
		runs = append(runs, m.run)
	}
	if c.wants("latency") {
		m, end, err := openLatency(ctx, "latency", "内置代理", []string{s.addr(brokerPort)}, c.length(20), s)
		if err != nil {
			return err
		}
		defer end()
		runs = append(runs, m.run)
	}
	if c.wants("latency") && c.Kafka {
		brokers, stop, err := startKafka(ctx, s)
		if err != nil {
			return err
		}
		defer stop()
		m, end, err := openLatency(ctx, "kafka", "Apache Kafka", brokers, c.length(20), s)
		if err != nil {
			return err
		}
		defer end()
		runs = append(runs, m.run)
	}
	if c.wants("overload") {
		m, end, err := openOverload(ctx, c, s)
		if err != nil {
			return err
		}
		defer end()
		runs = append(runs, m.run)
	}
	if c.wants("rules") {
		m, end, err := openRules(ctx, s)
		if err != nil {
			return err
		}
		defer end()
		runs = append(runs, m.run)
	}
	for n := range c.Runs * len(runs) {
		say("第 %d/%d 轮", n/len(runs)+1, c.Runs)
		if err := runs[n%len(runs)](ctx, r); err != nil {
			return err
		}
		if n%len(runs) == len(runs)-1 {
			if err := s.memory(r, "loaded", "压测后内存"); err != nil {
				return err
			}
		}
	}
	return nil
}

// say tells a person one line, and when. Standard output is the table's.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}
