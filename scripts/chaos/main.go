// Command chaos breaks a whole suite and checks that it keeps its promises. It
// starts make up as its child, has writers on every money and tip-off path write
// through the portal, kills and stops processes, cuts connections and fills disks
// by a seeded die, and knows from outside every write that was acknowledged.
//
// What must be true at the end: no acknowledged write is lost and none had its
// effect twice; the money of every contract adds up in every snapshot; each event
// took effect once and in order; every copy equals what its owner has; all of it
// within a minute of the last fault; no process has grown.
//
// A checker that cannot fail proves nothing: each defence is taken away once, in
// programs built with -tags weak, under the fault that it is for, and the run is
// only good if the checker then finds what is broken.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"xunguan/scripts/kafka"
)

type config struct {
	Seed    uint64        `help:"Seed of the die; 0 is a new one."`
	For     time.Duration `default:"3m" help:"How long faults last."`
	Kills   int           `default:"60" help:"Kills of services and engines that there must be at least."`
	Longest time.Duration `default:"20s" help:"The longest that a process is stopped."`
	Drain   time.Duration `default:"60s" help:"Within what everything must have taken effect after the last fault."`
	Only    string        `help:"storm: no defence is taken away; weak: only that; or the name of the one that is."`
	Offset  int           `name:"port-offset" env:"XUNGUAN_PORT_OFFSET" default:"2000" help:"Added to every port."`
	Keep    bool          `help:"Keep the data of every run."`
	Kafka   bool          `help:"The long form: the storm on Apache Kafka, three brokers, each event on three."`

	Programs string `type:"path" default:".xunguan/chaos" help:"Where the programs are built."`
}

// What Only may say besides a defence.
const (
	storm = "storm"
	all   = "weak"
)

func main() {
	var c config
	kong.Parse(&c, kong.Name("chaos"), kong.Description("反复杀进程、停进程、断网、写满磁盘，核对每一次已确认的写入。"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

func run(ctx context.Context, c config) error {
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())
	}
	root, err := os.MkdirTemp("/var/tmp", "xunguan-chaos-") // open to PostgreSQL's account, unlike some TMPDIRs
	if err == nil {
		err = os.Chmod(root, 0o755) //nolint:gosec // as above
	}
	if err != nil {
		return err
	}
	began := time.Now()
	h := &harness{config: c, root: root, bin: filepath.Join(c.Programs, "bin"), weak: filepath.Join(c.Programs, "bin-weak")}
	h.say = func(format string, args ...any) {
		fmt.Printf("%4.0fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	if !c.Keep {
		defer func() { _ = os.RemoveAll(root) }()
	}
	h.say("种子 %d（重来：make chaos SEED=%d）；数据 %s", c.Seed, c.Seed, root)
	if c.Kafka {
		h.Only = storm // whatever defence is missing shows on the short form's broker
		if h.engine, err = threeBrokers(ctx, h.say); err != nil {
			return err
		}
	}
	if err := h.build(ctx); err != nil {
		return err
	}
	h.say("编译完成；准备演示数据")
	if err := h.prepare(ctx); err != nil {
		return err
	}
	if h.Only == "" || h.Only == storm {
		if err := h.storm(ctx); err != nil {
			return err
		}
	}
	if h.Only != storm {
		if err := h.undefended(ctx); err != nil {
			return err
		}
	}
	h.say("全部通过")
	return nil
}

// threeBrokers is Apache Kafka as a bureau would run it, on this machine.
func threeBrokers(ctx context.Context, say func(string, ...any)) (*kafka.Brokers, error) {
	java, err := kafka.FindJava(ctx)
	if err != nil {
		return nil, err
	}
	jars, err := kafka.Fetch(ctx, java, say)
	return &kafka.Brokers{Jars: jars, Java: java, Count: 3}, err
}
