package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startCap is how long PostgreSQL may take to answer for the first time.
const startCap = 60 * time.Second

// temporaryPrefix begins the names of temporary folders.
const temporaryPrefix = "xunguan-test-"

// Temporary starts a throw-away cluster with a database whose owner has no
// other power, and returns the owner's URL. end stops the cluster and removes
// every trace of it. It never gives up durability: package pg refuses that.
func Temporary(ctx context.Context, store Dir, say func(string, ...any)) (url string, end func(), err error) {
	server, err := FindServer(ctx, store, 0, say)
	if err != nil {
		return "", nil, err
	}
	root := place(server.Account)
	sweep(root)
	dir, err := os.MkdirTemp(root, temporaryPrefix)
	if err != nil {
		return "", nil, err
	}
	release, err := Dir(dir).Lock()
	if err != nil {
		return "", nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // the server's account passes through it
		return "", nil, err
	}
	sup := NewSupervisor(Dir(dir), say)
	end = func() { sup.Stop(); _ = os.RemoveAll(dir); release() }
	url, err = server.temporary(ctx, Dir(dir), sup)
	if err != nil {
		end()
		return "", nil, err
	}
	return url, end, nil
}

// memory is where Linux keeps files in memory, and ample is how much must be free there:
// the tests make and remove hundreds of schemas, each of two hundred files, and on a disk
// that is a third of their time.
const (
	memory = "/dev/shm"
	ample  = 6 << 30
)

// place is the folder for a throw-away cluster that account runs.
func place(account *Account) string {
	if room, err := free(memory); err == nil && room >= ample && account.enters(memory) {
		return memory
	}
	if root := os.TempDir(); account.enters(root) {
		return root
	}
	return "/var/tmp"
}

func (s Server) temporary(ctx context.Context, dir Dir, sup *Supervisor) (string, error) {
	if err := dir.Room(512 << 20); err != nil {
		return "", err
	}
	port, err := unused()
	if err != nil {
		return "", err
	}
	c := Cluster{Server: s, Data: dir.At("postgres"), Port: port, Password: rand.Text(), Connections: 400}
	if err := c.Init(ctx, "--no-sync"); err != nil {
		return "", err
	}
	p := c.Process()
	p.Stop, p.Orphan = syscall.SIGQUIT, syscall.SIGQUIT // nothing is worth a last checkpoint
	if err := sup.Start(p); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, startCap)
	defer cancel()
	if err := WaitFor(ctx, c.URL()); err != nil {
		return "", errors.Join(err, errors.New("日志最后一行："+tail(dir.At("log", "postgresql.log"))))
	}
	d := Database{Name: "xunguan_test", Password: strings.ToLower(rand.Text()), Keeper: true}
	if err := Provision(ctx, c.URL(), "xunguan test", d); err != nil {
		return "", err
	}
	return d.URL(c.URL())
}

// unused is a port that nobody listens on.
func unused() (int, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		return 0, err
	}
	defer lis.Close()
	_, port, err := net.SplitHostPort(lis.Addr().String())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

// sweep removes what makers that were killed have left in root: old folders that
// nobody has locked.
func sweep(root string) {
	left, _ := filepath.Glob(filepath.Join(root, temporaryPrefix+"*"))
	for _, dir := range left {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		if release, err := Dir(dir).Lock(); err == nil {
			_ = os.RemoveAll(dir)
			release()
		}
	}
}

// tail is the last line of a log.
func tail(file string) string {
	data, err := os.ReadFile(file) //nolint:gosec // our own log
	if err != nil {
		return err.Error()
	}
	return lastLine(string(data))
}
