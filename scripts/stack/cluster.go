package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// superuser is the name of the administrator of a cluster of our own.
const superuser = "postgres"

// Cluster is a PostgreSQL of our own: where its data are and how it is reached.
type Cluster struct {
	Server
	Data        string // its folder
	Port        int
	Password    string // the superuser's
	Connections int    // the most at once
}

// ClusterFolder is where in a data folder, or in the one that stands for it, a
// cluster's data are.
const ClusterFolder = "postgres"

// Major is the release of the cluster of a data folder, 0 if there is none.
func (d Dir) Major() int {
	return max(majorOf(d.At(ClusterFolder)), majorOf(elsewhere(d).At(ClusterFolder)))
}

// majorOf is the release of the cluster in data, 0 if there is none.
func majorOf(data string) int {
	v, err := os.ReadFile(filepath.Join(data, "PG_VERSION")) //nolint:gosec // our own folder
	if err != nil {
		return 0
	}
	return number(string(v))
}

// Init makes the cluster's data, unless they are there. A half-made cluster is
// thrown away and made again.
func (c Cluster) Init(ctx context.Context, args ...string) error {
	if majorOf(c.Data) != 0 {
		return nil
	}
	making := c.Data + ".new"
	if err := os.RemoveAll(making); err != nil {
		return err
	}
	if err := c.Account.folder(making); err != nil {
		return fmt.Errorf("不能建立数据库目录：%w", err)
	}
	password := making + ".password"
	defer os.Remove(password)
	if err := errors.Join(os.WriteFile(password, []byte(c.Password), 0o600), c.Account.own(password)); err != nil {
		return err
	}
	args = append([]string{
		"-D", making, "-U", superuser, "--pwfile", password, "--auth=scram-sha-256", "--locale=C.UTF-8", "--encoding=UTF8",
	}, args...)
	cmd := exec.CommandContext(ctx, filepath.Join(c.Bin, "initdb"), args...) //nolint:gosec // the server's own program
	cmd.Dir, cmd.Env = "/", environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.Account.credential()}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("initdb 失败（%w）：%s", err, lastLine(said.String()))
	}
	return os.Rename(making, c.Data)
}

// environ is our environment without what would turn PostgreSQL's programs aside.
func environ() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PG") && !strings.HasPrefix(v, "LC_") && !strings.HasPrefix(v, "LANG") {
			env = append(env, v)
		}
	}
	return append(env, "LC_ALL=C.UTF-8")
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// Process is the server as a child: stopped fast, and without losing anything,
// also when we are killed.
func (c Cluster) Process() Process {
	return Process{
		Name: "postgresql", Path: filepath.Join(c.Bin, "postgres"), Dir: "/", Env: environ(),
		Account: c.Account, Stop: syscall.SIGINT, Orphan: syscall.SIGINT, Database: c.URL(),
		Args: []string{
			"-D", c.Data, "-p", strconv.Itoa(c.Port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
			"-c", "max_connections=" + strconv.Itoa(c.Connections), "-c", "shared_buffers=128MB", "-c", "max_wal_size=512MB",
			"-c", "password_encryption=scram-sha-256", "-c", "log_line_prefix=%m [%p] %u@%d ", "-c", "timezone=UTC", "-c", "log_timezone=Asia/Shanghai",
		},
	}
}

// URL is the superuser's connection.
func (c Cluster) URL() string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, c.Password), Host: Port{Number: c.Port}.Addr(),
		Path: "/postgres", RawQuery: "sslmode=disable",
	}
	return u.String()
}

// WaitFor returns when the server at url answers, or ctx ends.
func WaitFor(ctx context.Context, url string) error {
	for {
		conn, err := pgx.Connect(ctx, url)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL 没有应答：%w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
