// Command real shows that the suite keeps its promises on what a bureau would run:
// it starts Apache Kafka, Consul and PostgreSQL, runs on them the tests of what
// talks to them, then the whole suite, and plays the whole story on that. In the
// middle of the story it kills the broker, and later the Consul agent, with signal
// 9. It says which versions it ran, what it fetched and how long each part took.
//
// What must always be true: it succeeds only if every part did; nothing that it
// started outlives it; each run begins with empty engines.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"xunguan/scripts/kafka"
	"xunguan/scripts/stack"
)

// The ports of the engines that choose none themselves, before XUNGUAN_PORT_OFFSET.
const (
	publicPort   = 8080
	staffPort    = 8081
	postgresPort = 8130
	kafkaPort    = 8150 // and the one after it
)

const (
	room     = 2 << 30          // what must be free on the disk
	answer   = 3 * time.Minute  // until an engine answers, on a machine that has much else to do
	readyCap = 15 * time.Minute // until the suite is built and ready
	drainCap = time.Minute      // until everything that was said has been heard
	leftover = 5 * time.Second  // until a port is free
)

type config struct {
	Data       string `default:".xunguan" env:"XUNGUAN_DATA" help:"Data folder; the run's own is real in it."`
	PortOffset int    `env:"XUNGUAN_PORT_OFFSET" help:"Added to every port."`
}

func main() {
	var c config
	kong.Parse(&c, kong.Name("real"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

// real is one run.
type real struct {
	data   stack.Dir // of all runs: fetched programs
	dir    stack.Dir // of this one
	offset int
	sup    *stack.Supervisor
	began  time.Time
	report report

	postgres stack.Cluster
	kafka    kafka.Brokers
	consul   *consulAgent
	testDB   string // URL
}

func run(ctx context.Context, c config) (err error) {
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return err
	}
	r := &real{data: stack.Dir(data), dir: stack.Dir(filepath.Join(data, "real")), offset: c.PortOffset, began: time.Now()}
	release, err := r.dir.Lock()
	if err != nil {
		return err
	}
	defer release()
	if err := errors.Join(r.dir.Room(room), r.dir.Clear()); err != nil {
		return err
	}
	r.sup = stack.NewSupervisor(r.dir, say)
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	go func() {
		select {
		case err := <-r.sup.Failed():
			fail(err)
		case <-ctx.Done():
		}
	}()
	err = r.play(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	err = errors.Join(err, r.end())
	if err == nil {
		r.report.print(os.Stdout, time.Since(r.began))
	}
	return err
}

// play is the run, up to its end.
func (r *real) play(ctx context.Context) error {
	for _, part := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"Apache Kafka：取得并核对", r.fetchKafka},
		{"Apache Kafka 与 PostgreSQL：启动", r.start},
		{"Consul：构建（只有第一次）、启动、令牌", r.startConsul},
		{"事件收发的测试在 Apache Kafka 上", r.conformance},
		{"引擎的测试：三个消息代理杀一个；Consul 默认拒绝、失忆后重新登记", r.promises},
		{"训管通：编译、启动、就绪", r.suite},
		{"故事：第三步中杀消息代理，第六步中杀 Consul", r.story},
		{"收尾核对：事件都送到、主题与登记如初", r.verify},
	} {
		say("■ %s", part.name)
		began := time.Now()
		if err := part.do(ctx); err != nil {
			return fmt.Errorf("%s：%w", part.name, err)
		}
		r.report.took(part.name, time.Since(began))
	}
	return nil
}

// end stops everything and sees that it is gone.
func (r *real) end() error {
	say("■ 全部停止")
	began := time.Now()
	var err error
	r.sup.Stop()
	ports := append(r.kafka.Ports(), r.port(postgresPort, "PostgreSQL"), r.port(publicPort, "公众门户"), r.port(staffPort, "工作台"))
	if r.consul != nil {
		err = r.consul.stop()
	}
	r.report.took("停止", time.Since(began))
	return errors.Join(err, stack.Free(leftover, ports...))
}

func (r *real) port(n int, what string) stack.Port {
	return stack.Port{Number: n + r.offset, For: what}
}

// say tells a person one line, and when.
func say(format string, args ...any) {
	fmt.Printf("%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}
