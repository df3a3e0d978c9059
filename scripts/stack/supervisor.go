package stack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// How a dead process is started again, and when it is given up: deathsMax times
// within deathsIn. All of stopCap is left to one that is asked to end.
const (
	firstPause  = 100 * time.Millisecond
	longestWait = 1200 * time.Millisecond // with the start itself, under 2 s
	deathsMax   = 10                      // a disk that is full for seconds is no reason to give up
	deathsIn    = 20 * time.Second
	stopCap     = 25 * time.Second
	logCap      = 20 << 20
)

// Supervisor keeps processes running. It writes their output to <Dir>/log and
// lists them in <Dir>/run.json.
type Supervisor struct {
	Dir Dir
	Say func(format string, args ...any) // tells a person one line

	patience time.Duration // stopCap, but in tests
	mu       sync.Mutex
	groups   [][]*child
	starts   chan func()
	failed   chan error
}

// Running is one line of run.json.
type Running struct {
	Name     string `json:"name"`
	PID      int    `json:"pid"`
	HTTP     string `json:"http"`     // URL, "" if it serves none
	Database string `json:"database"` // URL with the password, "" if it has none
}

// NewSupervisor returns a Supervisor that has started nothing.
func NewSupervisor(d Dir, say func(format string, args ...any)) *Supervisor {
	s := &Supervisor{Dir: d, Say: say, patience: stopCap, starts: make(chan func()), failed: make(chan error, 1)}
	go func() {
		// Pdeathsig follows the thread that forks. This one is ours for as long
		// as the Supervisor is in use.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for start := range s.starts {
			start()
		}
	}()
	return s
}

// Failed receives why the Supervisor gave a process up.
func (s *Supervisor) Failed() <-chan error { return s.failed }

// Start starts processes and keeps them running. Those of one call are stopped
// together, before those of an earlier one.
func (s *Supervisor) Start(processes ...Process) error {
	if err := os.MkdirAll(s.Dir.At("log"), 0o755); err != nil { //nolint:gosec // the operator's colleagues may read logs
		return err
	}
	var group []*child
	for _, p := range processes {
		group = append(group, &child{Process: p, sup: s, stop: make(chan struct{}), done: make(chan struct{})})
	}
	s.mu.Lock()
	s.groups = append(s.groups, group)
	s.mu.Unlock()
	for i, c := range group {
		cmd, err := c.start()
		if err != nil {
			for _, never := range group[i:] {
				close(never.done)
			}
			return fmt.Errorf("%s 无法启动：%w", c.Name, err)
		}
		go c.keep(cmd)
	}
	return nil
}

// Stop ends all processes, the last started first, and returns when none is
// left. One that has not ended after 25 s is killed.
func (s *Supervisor) Stop() {
	s.mu.Lock()
	groups := slices.Clone(s.groups)
	s.mu.Unlock()
	for _, group := range slices.Backward(groups) {
		var wait sync.WaitGroup
		for _, c := range group {
			wait.Go(c.end)
		}
		wait.Wait()
	}
	close(s.starts)
	_ = os.Remove(s.Dir.At("run.json"))
}

// PID is the process named so that runs, or ran last; 0 if there is none.
func (s *Supervisor) PID(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Concat(s.groups...) {
		if c.Name == name {
			return c.pid
		}
	}
	return 0
}

// record writes run.json.
func (s *Supervisor) record() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Running{}
	for _, c := range slices.Concat(s.groups...) {
		if c.pid != 0 {
			list = append(list, Running{c.Name, c.pid, c.HTTP, c.Database})
		}
	}
	return writeJSON(s.Dir.At("run.json"), list)
}

// child is one process and its successors.
type child struct {
	Process
	sup        *Supervisor
	pid        int // of the one that runs, or ran last; guarded by sup.mu
	stop, done chan struct{}
}

// start starts the process once.
func (c *child) start() (*exec.Cmd, error) {
	log, err := openLog(c.log())
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := c.command(log)
	started := make(chan error)
	c.sup.starts <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	c.sup.mu.Lock()
	c.pid = cmd.Process.Pid
	c.sup.mu.Unlock()
	if err := c.sup.record(); err != nil {
		c.sup.Say("不能写 run.json:%v", err)
	}
	return cmd, nil
}

// log is the file that the process writes to.
func (c *child) log() string { return c.sup.Dir.At("log", c.Name+".log") }

// keep waits for the process and starts it again, until it is told to stop or
// has failed too often. Being killed is no failure of its own.
func (c *child) keep(cmd *exec.Cmd) {
	defer close(c.done)
	var deaths, failures []time.Time
	for {
		why := c.wait(cmd)
		if why == nil {
			return
		}
		now := time.Now()
		old := func(t time.Time) bool { return now.Sub(t) > deathsIn }
		deaths = slices.DeleteFunc(append(deaths, now), old)
		if !killed(why) {
			failures = slices.DeleteFunc(append(failures, now), old)
		}
		if c.Once || len(failures) >= deathsMax {
			c.giveUp(why)
			return
		}
		pause := min(firstPause<<min(2*(len(deaths)-1), 10), longestWait)
		c.sup.Say("%s 退出（%v），%.1f 秒后重启；日志：%s", c.Name, why, pause.Seconds(), c.log())
		select {
		case <-c.stop:
			return
		case <-time.After(pause):
		}
		var err error
		if cmd, err = c.start(); err != nil {
			c.giveUp(err)
			return
		}
	}
}

// killed reports whether signal 9, which comes from outside, ended the process.
func killed(why error) bool {
	exit, ok := errors.AsType[*exec.ExitError](why)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// wait returns why the process died, or nil if it was told to.
func (c *child) wait(cmd *exec.Cmd) error {
	var err error
	died := make(chan struct{})
	go func() { err = cmd.Wait(); close(died) }()
	select {
	case <-died:
		if err == nil {
			err = errors.New("exit status 0")
		}
		return err
	case <-c.stop:
	}
	_ = cmd.Process.Signal(c.stopSignal())
	select {
	case <-died:
	case <-time.After(c.sup.patience):
		c.sup.Say("%s 在 %.0f 秒内没有停下，强制结束；日志：%s", c.Name, c.sup.patience.Seconds(), c.log())
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-died
	}
	return nil
}

// giveUp reports that the process is not started again.
func (c *child) giveUp(why error) {
	err := fmt.Errorf("%s 在 %.0f 秒内退出了 %d 次（最后一次：%w），不再重启；日志：%s，最后一行：%s", c.Name, deathsIn.Seconds(), deathsMax, why, c.log(), oneLine(tail(c.log())))
	if c.Once {
		err = fmt.Errorf("%s 退出（%w）；日志：%s，最后一行：%s", c.Name, why, c.log(), oneLine(tail(c.log())))
	}
	select {
	case c.sup.failed <- err:
	default: // another was first, and ends all
	}
}

// end stops the process for good.
func (c *child) end() {
	close(c.stop)
	<-c.done
}

// openLog opens file to append to; one that has grown over logCap is first put aside.
func openLog(file string) (*os.File, error) {
	if info, err := os.Stat(file); err == nil && info.Size() > logCap {
		if err := os.Rename(file, file+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(filepath.Clean(file), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}
