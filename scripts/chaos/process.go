package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
)

// disk is where an engine keeps its data.
type disk interface {
	fill(room uint64) error // no more than room bytes can be written
	free() error            // they can again
	release() error         // for good
	String() string         // by what means
}

// What a full disk still has: nothing to speak of, or enough for tables to grow, but
// not for one more segment of PostgreSQL's log.
const (
	noRoom = 64 << 10
	noLog  = 8 << 20
)

// pids are the process of the part name and all that it has started: PostgreSQL
// is many.
func (s *suite) pids(name string) []int {
	all, err := s.running()
	p, ok := all[name]
	if err != nil || !ok {
		return nil
	}
	return append([]int{p.PID}, children(p.PID)...)
}

// signal sends sig to the part name, all of it.
func (s *suite) signal(name string, sig syscall.Signal) error {
	pids := s.pids(name)
	if len(pids) == 0 {
		return fmt.Errorf("%s does not run", name)
	}
	if err := syscall.Kill(pids[0], sig); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, pid := range pids[1:] {
		_ = syscall.Kill(pid, sig) // it may have followed already
	}
	return nil
}

// alive returns nil if the part name does what it is for.
func (s *suite) alive(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if i := slices.Index(s.brokers(), name); i >= 0 {
		return brokerAlive(ctx, s.seeds()[i])
	}
	switch name {
	case postgres:
		admin, err := s.admin()
		if err != nil {
			return err
		}
		conn, err := pgx.Connect(ctx, admin)
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	case witness:
		return nil // it answers nobody; that it works shows at the end
	}
	all, err := s.running()
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, all[name].HTTP+"/readyz", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

func brokerAlive(ctx context.Context, addr string) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RetryTimeout(time.Second))
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Ping(ctx)
}

// children are the processes that pid has started, as far as /proc tells.
func children(pid int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		b, err := os.ReadFile(file) //nolint:gosec // the kernel's
		if err != nil {
			continue
		}
		// pid (comm) state ppid …; comm may hold anything, but no later bracket
		after := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(after) > 1 && after[1] == strconv.Itoa(pid) {
			if child, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// usage is what a process takes.
type usage struct {
	RSS        int // KiB
	Threads    int
	Files      int // open, connections among them
	Goroutines int // as the service itself reports; 0 if it does not
}

// usage of the part name, by /proc and by what the service told the collector.
func (s *suite) usage(name string) (u usage, err error) {
	all, err := s.running()
	if err != nil {
		return u, err
	}
	dir := fmt.Sprintf("/proc/%d", all[name].PID)
	b, err := os.ReadFile(dir + "/status") //nolint:gosec // the kernel's
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(b)) {
		field := strings.Fields(line)
		switch {
		case len(field) < 2:
		case field[0] == "VmRSS:":
			u.RSS, err = strconv.Atoi(field[1])
		case field[0] == "Threads:":
			u.Threads, err = strconv.Atoi(field[1])
		}
		if err != nil {
			return u, err
		}
	}
	files, err := os.ReadDir(dir + "/fd")
	u.Files, u.Goroutines = len(files), s.collector.goroutines(name, all[name].PID)
	return u, err
}
