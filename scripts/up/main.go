// Command up is the one-command stack: the whole suite with demo data on one
// machine, each service a process of its own. It owns the data folder
// (.xunguan, or XUNGUAN_DATA) and the order of start and stop; package stack
// does the work. What must always be true: it says READY only when every service
// has said so itself, it leaves no process behind, and each thing that stands in
// its way is one line of Chinese that says what to do.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"xunguan/scripts/stack"
)

// CLI is the commands and what they share.
type CLI struct {
	Data       string `env:"XUNGUAN_DATA" help:"Data folder; .xunguan of the checkout if empty."`
	PortOffset int    `env:"XUNGUAN_PORT_OFFSET" help:"Added to every port."`
	Database   string `name:"database-url" env:"DATABASE_URL" help:"Administrator's URL of a PostgreSQL to use instead of one of our own."`

	Kafka  []string          `name:"kafka-brokers" env:"XUNGUAN_KAFKA_BROKERS" help:"Apache Kafka to use instead of the embedded broker, host:port, separated by commas."`
	Copies int               `name:"kafka-copies" env:"XUNGUAN_KAFKA_COPIES" default:"1" help:"How many copies of each event that Kafka keeps: 1 or 3."`
	Consul string            `env:"XUNGUAN_CONSUL" help:"Consul agent by which services find each other, host:port; without it they have fixed addresses."`
	Tokens map[string]string `name:"consul-tokens" env:"XUNGUAN_CONSUL_TOKENS" help:"File with each service's Consul token: service=file, separated by semicolons."`

	Up     UpCmd     `cmd:"" default:"1" help:"Build and run the suite until Ctrl-C."`
	Reset  ResetCmd  `cmd:"" help:"Remove its data. Refuses while it runs."`
	TestDB TestDBCmd `cmd:"" name:"test-db" help:"Run a command with TEST_DATABASE_URL of a throw-away PostgreSQL."`
}

func main() {
	var cli CLI
	k := kong.Parse(&cli, kong.Name("up"), kong.Description("一条命令运行整套训管通。"))
	err := cli.locate()
	if err == nil {
		err = k.Run(&cli)
	}
	if code, ok := errors.AsType[exitCode](err); ok {
		os.Exit(int(code))
	}
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(os.Stderr, "✗ "+strings.TrimSpace(line))
		}
		os.Exit(1)
	}
}

// exitCode is a command's, to be passed on without a word.
type exitCode int

// Error implements error.
func (c exitCode) Error() string { return "exit status " + strconv.Itoa(int(c)) }

// locate goes to the root of the checkout and makes Data an absolute path.
func (c *CLI) locate() error {
	root, err := checkout()
	if err != nil {
		return err
	}
	if c.Data == "" {
		c.Data = filepath.Join(root, ".xunguan")
	}
	if c.Data, err = filepath.Abs(c.Data); err != nil {
		return err
	}
	return os.Chdir(root)
}

// checkout is the nearest folder, from here up, of our module.
func checkout() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod")) //nolint:gosec // only looked at
		if err == nil && strings.HasPrefix(string(mod), "module xunguan\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s 不在训管通的代码目录里", here)
		}
	}
}

// say tells a person one line, and when.
func say(format string, args ...any) {
	fmt.Printf("%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

// untilStopped ends on one of signals, or when make or go run, which started us,
// is gone: killed, they cannot tell us. A second signal ends us at once.
func untilStopped(signals ...os.Signal) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(ctx, stop)
	parent := os.Getppid()
	go func() {
		for launcher(parent) && os.Getppid() == parent && ctx.Err() == nil {
			time.Sleep(500 * time.Millisecond)
		}
		if os.Getppid() != parent {
			cancel()
		}
	}()
	return ctx, cancel
}

// launcher reports whether pid is make or go, as far as the kernel tells (Linux).
func launcher(pid int) bool {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	name := strings.TrimSpace(string(comm))
	return name == "make" || name == "gmake" || name == "go"
}

// ResetCmd removes the data.
type ResetCmd struct{}

// Run implements the command. Programs, built or fetched, are kept: the next start
// is no colder than it must be.
func (ResetCmd) Run(cli *CLI) error {
	data := stack.Dir(cli.Data)
	release, err := data.Lock()
	if err != nil {
		return err
	}
	defer release()
	if cli.Database != "" {
		secrets, err := data.Secrets()
		if err != nil {
			return err
		}
		if err := stack.Drop(context.Background(), cli.Database, secrets.Suite, external(databases())...); err != nil {
			return err
		}
	}
	if err := data.Clear(); err != nil {
		return fmt.Errorf("不能清除 %s：%w", data, err)
	}
	fmt.Println("已清除", data, "的数据")
	return nil
}

// TestDBCmd runs a command beside a throw-away PostgreSQL.
type TestDBCmd struct {
	Command []string `arg:"" passthrough:"all" help:"The command and its arguments, after --."`
}

// Run implements the command.
func (t TestDBCmd) Run(cli *CLI) error {
	command := t.Command
	if command[0] == "--" {
		command = command[1:]
	}
	if len(command) == 0 {
		return errors.New("test-db -- 之后要有命令")
	}
	ctx, cancel := untilStopped(syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	signal.Notify(make(chan os.Signal, 1), os.Interrupt) // it reaches the command, and we end with that
	url, end, err := stack.Temporary(ctx, stack.Dir(cli.Data), say)
	if err != nil {
		return err
	}
	defer end()
	code, err := stack.Command(ctx, append(os.Environ(), "TEST_DATABASE_URL="+url), command...)
	if err != nil {
		return fmt.Errorf("%s 无法运行：%w", command[0], err)
	}
	if code != 0 {
		return exitCode(code)
	}
	return nil
}
