package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"xunguan/scripts/stack"
)

// The ports of scripts/up, before the offset.
const (
	publicPort = 8080
	brokerPort = 8120
	lastPort   = 8140
)

// suite is a suite of our own: its throw-away data, and scripts/up while it runs.
type suite struct {
	data   string
	offset int
	up     *exec.Cmd  // nil if it was stopped
	ended  chan error // why it ended, once it has; closed
}

// newSuite makes the folder and builds the programs into it, so that no start pays
// for the compiler.
func newSuite(ctx context.Context, dir string) (*suite, error) {
	offset, err := freeOffset()
	if err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp(dir, "bench-xunguan-")
	if err != nil {
		return nil, fmt.Errorf("不能建立临时目录(可用 --dir 另选):%w", err)
	}
	s := &suite{data: data, offset: offset}
	say("编译到 %s,端口挪动 %d", data, offset)
	err = errors.Join(os.Chmod(data, 0o755), os.Mkdir(s.bin(), 0o755))                                                                                            //nolint:gosec // PostgreSQL's account passes through it
	out, berr := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", s.bin(), "./scripts/up", "./scripts/broker", "./services/...").CombinedOutput() //nolint:gosec // our own packages
	if berr != nil {
		err = errors.Join(err, fmt.Errorf("编译失败(%w):%s", berr, out))
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(data))
	}
	return s, nil
}

func (s *suite) bin(name ...string) string {
	return filepath.Join(append([]string{s.data, "bin"}, name...)...)
}

// freeOffset finds a place, below the ports that the kernel hands out, where all
// of a suite's ports are free. It is another each time: others look for one, too.
func freeOffset() (offset int, err error) {
	for range 100 {
		offset = 10000 + rand.N(14000) //nolint:gosec // no secret
		var ports []stack.Port
		for n := publicPort; n <= lastPort; n++ {
			ports = append(ports, stack.Port{Number: n + offset, For: "bench"})
		}
		if err = stack.Free(0, ports...); err == nil {
			return offset, nil
		}
	}
	return 0, fmt.Errorf("找不到空闲的端口:%w", err)
}

func (s *suite) addr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port+s.offset) }

func (s *suite) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.bin("up"), args...) //nolint:gosec,noctx // our own program; a context would kill it
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "DATABASE_URL=") { // we could not say what else that server has to do
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "XUNGUAN_DATA="+s.data, fmt.Sprintf("XUNGUAN_PORT_OFFSET=%d", s.offset), "PORTAL_RATE=0", // its limit is for people
		"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.05") // as deployed: a trial traces every click
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C reaches us alone, and we stop it in order
	return cmd
}

// start starts the suite and returns, once it is READY, what it took, and how many
// seconds each process took from its own start until it was ready.
func (s *suite) start(ctx context.Context) (took time.Duration, ready map[string]float64, err error) {
	cmd := s.command()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, nil, err
	}
	cmd.Stderr = cmd.Stdout
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	s.up, s.ended = cmd, make(chan error, 1)
	up := make(chan time.Duration, 1)
	go func() {
		last := follow(out, func() { up <- time.Since(began) })
		if err := cmd.Wait(); err != nil {
			s.ended <- fmt.Errorf("系统停止:%w\n%s", err, last)
		}
		close(s.ended)
	}()
	watched := make(chan map[string]float64, 1)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	go func() { watched <- s.watch(ctx) }()
	select {
	case took := <-up:
		say("READY,%.1f 秒", took.Seconds())
		return took, <-watched, nil
	case err := <-s.ended:
		s.up = nil
		return 0, nil, err
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
}

// follow reads out to its end, calls ready at the line READY, and returns the last
// lines.
func follow(out io.Reader, ready func()) string {
	var last []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "READY") {
			ready()
		}
		last = append(last[max(0, len(last)-4):], lines.Text())
	}
	return strings.Join(last, "\n")
}

// watch returns for each process the seconds from its start until it was ready, as
// soon as all are that run.json lists and the portal, the last, is among them.
func (s *suite) watch(ctx context.Context) map[string]float64 {
	took := make(map[string]float64)
	for ctx.Err() == nil {
		list, _ := s.running() // it is not there yet
		for _, p := range list {
			if took[p.Name] == 0 && s.answers(ctx, p) {
				took[p.Name] = age(p.PID)
			}
		}
		if took["portal"] > 0 && len(took) == len(list) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return took
}

// answers reports whether p works: by /readyz or, without one, because it answers.
func (s *suite) answers(ctx context.Context, p stack.Running) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	switch {
	case p.HTTP != "":
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.HTTP+"/readyz", http.NoBody)
		if err != nil {
			return false
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		_ = resp.Body.Close() // not read
		return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNotFound
	case p.Database != "":
		return stack.WaitFor(ctx, p.Database) == nil
	default:
		return stack.Port{Number: brokerPort + s.offset}.Listens(ctx) == nil
	}
}

// running is run.json.
func (s *suite) running() (list []stack.Running, err error) {
	data, err := os.ReadFile(filepath.Join(s.data, "run.json"))
	if err != nil {
		return nil, err
	}
	return list, json.Unmarshal(data, &list)
}

// process is the one of that name.
func (s *suite) process(name string) (stack.Running, error) {
	list, err := s.running()
	for _, p := range list {
		if p.Name == name {
			return p, nil
		}
	}
	return stack.Running{}, errors.Join(fmt.Errorf("%s 没有在运行", name), err)
}

// stop asks the suite to end and waits until it has.
func (s *suite) stop() error {
	if s.up == nil {
		return nil
	}
	_ = s.up.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	s.up = nil
	return <-s.ended
}

// reset removes the data and keeps the programs.
func (s *suite) reset() error {
	if out, err := s.command("reset").CombinedOutput(); err != nil {
		return fmt.Errorf("up reset:%w:%s", err, out)
	}
	return nil
}

// remove stops the suite and removes all of it.
func (s *suite) remove() error {
	return errors.Join(s.stop(), s.reset(), os.RemoveAll(s.data))
}

// memory notes what each process holds in memory.
func (s *suite) memory(r *report, kind, what string) error {
	list, err := s.running()
	if err != nil {
		return err
	}
	for _, p := range list {
		r.add("memory."+kind+"."+p.Name, what+" "+p.Name, "MiB", resident(p.PID))
	}
	return nil
}

// resident is the resident memory of pid in MiB. PostgreSQL's processes share
// theirs, so of a process with children it is the sum of proportional shares.
func resident(pid int) float64 {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if len(children) == 0 {
		return number(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:") / 1024
	}
	var sum float64
	for _, id := range append(strings.Fields(string(children)), strconv.Itoa(pid)) {
		sum += number("/proc/"+id+"/smaps_rollup", "Pss:")
	}
	return sum / 1024
}

// age is how many seconds ago pid was started.
func age(pid int) float64 {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	uptime, _ := os.ReadFile("/proc/uptime")
	var now, ticks float64
	_, _ = fmt.Sscan(string(uptime), &now)
	// After the name, which may hold anything, in brackets: the 20th field is the
	// start, in hundredths of a second since boot.
	if f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])); len(f) > 19 {
		ticks, _ = strconv.ParseFloat(f[19], 64)
	}
	return now - ticks/100
}

// number is the one that follows label in one of the kernel's files, else 0.
func number(file, label string) float64 {
	data, _ := os.ReadFile(file) //nolint:gosec // the kernel's file
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == label {
			n, _ := strconv.ParseFloat(f[1], 64)
			return n
		}
	}
	return 0
}
