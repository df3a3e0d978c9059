package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Port is a port of the loopback address, and what it is for.
type Port struct {
	Number int
	For    string
}

// Addr is host:port.
func (p Port) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Number)) }

// Free returns one line for each of ports that another process has. It allows
// grace for one that is just going.
func Free(grace time.Duration, ports ...Port) error {
	deadline := time.Now().Add(grace)
	for {
		var taken []error
		for _, p := range ports {
			if err := p.free(); err != nil {
				taken = append(taken, err)
			}
		}
		if len(taken) == 0 || time.Now().After(deadline) {
			return errors.Join(taken...)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (p Port) free() error {
	lis, err := net.Listen("tcp", p.Addr()) //nolint:noctx // it does not wait
	if err == nil {
		return lis.Close()
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("端口 %d（%s）不能使用：%w", p.Number, p.For, err)
	}
	who := "另一个进程"
	if pid, name, ok := holder(p.Number); ok {
		who = fmt.Sprintf("进程 %d(%s)", pid, name)
	}
	return fmt.Errorf("端口 %d（%s）已被%s占用：请先停掉它，或让所有端口一起挪开，例如 XUNGUAN_PORT_OFFSET=1000 make up", p.Number, p.For, who)
}

// Listens returns when somebody listens on the port, or ctx ends.
func (p Port) Listens(ctx context.Context) error {
	var dial net.Dialer
	for {
		conn, err := dial.DialContext(ctx, "tcp", p.Addr())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("端口 %d 上没有应答：%w", p.Number, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// holder finds the process that listens on port, where the kernel tells (Linux).
func holder(port int) (pid int, name string, ok bool) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		inode := listening(table, port)
		if inode == "" {
			continue
		}
		links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
		for _, link := range links {
			if to, err := os.Readlink(link); err == nil && to == "socket:["+inode+"]" {
				dir := filepath.Dir(filepath.Dir(link))
				comm, _ := os.ReadFile(filepath.Join(dir, "comm")) //nolint:gosec // the kernel's file
				pid, err := strconv.Atoi(filepath.Base(dir))
				return pid, strings.TrimSpace(string(comm)), err == nil
			}
		}
	}
	return 0, "", false
}

// listening is the inode of the socket that listens on port by one of the
// kernel's tables, or "".
func listening(table string, port int) string {
	f, err := os.Open(table) //nolint:gosec // one of two names
	if err != nil {
		return ""
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		field := strings.Fields(lines.Text())
		if len(field) > 9 && strings.HasSuffix(field[1], suffix) && field[3] == "0A" {
			return field[9]
		}
	}
	return ""
}
