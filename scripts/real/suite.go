package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/scripts/stack"
)

// conformance runs on the engines the tests that otherwise run on stand-ins.
func (r *real) conformance(ctx context.Context) error {
	env := append(os.Environ(), "TEST_DATABASE_URL="+r.testDB, "TEST_KAFKA_BROKERS="+strings.Join(r.kafka.Cluster().Brokers, ","))
	return command(ctx, env, "go", "test", "-count=1", "-parallel=1", "-timeout=20m", "./pkg/event")
}

// promises runs the tests of what the engines promise by themselves, each on
// engines of its own: three brokers of which one is killed, an agent that denies by
// default and forgets who is there.
func (r *real) promises(ctx context.Context) error {
	return command(ctx, os.Environ(), "go", "test", "-count=1", "-p=1", "-tags=real", "-timeout=20m", "./scripts/kafka", "./scripts/real")
}

// command runs a command in our terminal; a status other than 0 is an error.
func command(ctx context.Context, env []string, args ...string) error {
	code, err := stack.Command(ctx, env, args...)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s 以 %d 结束", strings.Join(args, " "), code)
	}
	return err
}

// suite builds the suite, starts it on the engines, and waits until it is ready.
func (r *real) suite(ctx context.Context) error {
	for _, name := range []string{"up", "story"} {
		if err := command(ctx, os.Environ(), "go", "build", "-buildvcs=false", "-o", r.dir.At("bin", name), "./scripts/"+name); err != nil {
			return err
		}
	}
	var tokens []string
	for service, file := range r.consul.tokens {
		tokens = append(tokens, service+"="+file)
	}
	err := r.sup.Start(stack.Process{
		Name: "suite", Path: r.dir.At("bin", "up"), Once: true, Orphan: syscall.SIGTERM,
		Env: append(os.Environ(),
			"XUNGUAN_DATA="+r.dir.At("suite"), "XUNGUAN_PORT_OFFSET="+strconv.Itoa(r.offset), "DATABASE_URL="+r.postgres.URL(),
			"XUNGUAN_KAFKA_BROKERS="+strings.Join(r.kafka.Cluster().Brokers, ","), "XUNGUAN_KAFKA_COPIES=1",
			"XUNGUAN_CONSUL="+r.consul.addr, "XUNGUAN_CONSUL_TOKENS="+strings.Join(tokens, ";"), "PORTAL_RATE=0"),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyCap, fmt.Errorf("%.0f 分钟后仍未就绪；日志：%s", readyCap.Minutes(), r.dir.At("log", "suite.log")))
	defer cancel()
	return until(ctx, "门户", func() error { return r.ready(ctx) })
}

// ready asks the portal, which is ready only after all the others.
func (r *real) ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.port(publicPort, "").Addr()+"/readyz", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // the status alone would do
		return fmt.Errorf("%s %s", resp.Status, said)
	}
	return nil
}

// story plays it, and reads along to know when its middle is: at the third check
// of the third step, and of the sixth.
func (r *real) story(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, r.dir.At("bin", "story"), //nolint:gosec // just built
		"--public=http://"+r.port(publicPort, "").Addr(), "--staff=http://"+r.port(staffPort, "").Addr())
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var step, check, kills int
	var kill error
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Println(lines.Text())
		switch mark := strings.TrimSpace(lines.Text()); {
		case strings.HasPrefix(mark, "■"):
			step, check = step+1, 0
		case strings.HasPrefix(mark, "✓"):
			check++
		}
		if check == 3 && (step == 3 && kills == 0 || step == 6 && kills == 1) {
			kills++
			kill = errors.Join(kill, []func(context.Context) error{r.killBroker, r.killConsul}[kills-1](ctx))
		}
	}
	if err := errors.Join(cmd.Wait(), kill); err != nil {
		return fmt.Errorf("故事没有演完：%w", err)
	}
	if kills != 2 {
		return fmt.Errorf("故事里只杀了 %d 次", kills)
	}
	return nil
}

// killBroker kills it, and notes when it listens again; the story goes on meanwhile.
func (r *real) killBroker(ctx context.Context) error {
	pid := r.sup.PID(r.kafka.Processes()[0].Name)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("不能结束 Apache Kafka（pid %d）：%w", pid, err)
	}
	say("☠ kill -9 Apache Kafka（pid %d）", pid)
	began := time.Now()
	go func() {
		ctx, cancel := context.WithTimeout(ctx, answer)
		defer cancel()
		if until(ctx, "Apache Kafka", func() error { return r.kafka.Cluster().Check(ctx) }) == nil {
			say("☼ Apache Kafka 恢复，用时 %.1f 秒（pid %d）", time.Since(began).Seconds(), r.sup.PID(r.kafka.Processes()[0].Name))
		}
	}()
	return nil
}

// killConsul kills the agent and starts it again.
func (r *real) killConsul(ctx context.Context) error {
	pid := r.consul.process.Pid
	if err := r.consul.kill(); err != nil {
		return err
	}
	say("☠ kill -9 Consul（pid %d）", pid)
	began := time.Now()
	if err := r.consul.start(ctx); err != nil {
		return err
	}
	say("☼ Consul 恢复，用时 %.1f 秒（pid %d）", time.Since(began).Seconds(), r.consul.process.Pid)
	return nil
}

// verify sees that nothing is left unsaid or unheard, and that the engines are as
// they were before they were killed.
func (r *real) verify(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, drainCap, errors.New("到时未成"))
	defer cancel()
	if err := r.kafka.Cluster().Check(ctx); err != nil {
		return err
	}
	for _, name := range announced {
		if err := until(ctx, "Consul 里的 "+name, func() error { return r.registered(ctx, name) }); err != nil {
			return err
		}
	}
	for _, name := range services {
		if err := until(ctx, "数据库 "+name, func() error { return r.drained(ctx, name) }); err != nil {
			return err
		}
	}
	return nil
}

// registered says why the agent does not know one healthy instance of service.
func (r *real) registered(ctx context.Context, service string) error {
	var list []struct{ Service struct{ Port int } }
	if err := r.consul.call(ctx, http.MethodGet, "/v1/health/service/"+service+"?passing", r.consul.management, nil, &list); err != nil {
		return err
	}
	if len(list) != 1 {
		return fmt.Errorf("有 %d 个健康的实例，应为 1 个", len(list))
	}
	return nil
}

// drained says what of service's events is not with the broker, or is parked.
func (r *real) drained(ctx context.Context, service string) error {
	u, err := url.Parse(r.postgres.URL())
	if err != nil {
		return err
	}
	u.Path = "/xunguan_" + service
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var unsent, parked int
	if err := conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM outbox WHERE NOT pub), (SELECT count(*) FROM parked)`).Scan(&unsent, &parked); err != nil {
		return err
	}
	if counts := []int{unsent, parked}; slices.Max(counts) > 0 {
		return fmt.Errorf("%d 个事件未送出，%d 个被搁置", unsent, parked)
	}
	return nil
}
