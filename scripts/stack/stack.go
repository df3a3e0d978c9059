// Package stack runs a set of processes on one machine: it finds and starts
// PostgreSQL, gives each service a database and a role of its own, and keeps
// alive what it has started.
//
// What must always be true: nothing that it started outlives it; PostgreSQL
// never runs as root, listens on the loopback address only and never loses what
// it has acknowledged; a secret is in an environment or in a file that only its
// owner may read, never among the arguments of a process. Its errors are one
// line of Chinese each, fit to show a person.
package stack

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Dir is a data folder: all that a suite keeps between two runs.
type Dir string

// At is the path of something in the folder.
func (d Dir) At(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// Lock makes the folder ours until release is called or the process ends. An
// error says who has it.
func (d Dir) Lock() (release func(), err error) {
	if err := os.MkdirAll(string(d), 0o755); err != nil { //nolint:gosec // PostgreSQL's account passes through it
		return nil, fmt.Errorf("不能建立数据目录：%w", err)
	}
	f, err := os.OpenFile(d.At("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("不能写数据目录：%w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		held, _ := os.ReadFile(f.Name())
		_ = f.Close()
		return nil, fmt.Errorf("%s 正被另一个 make up 使用（进程 %s）：请先停掉它（在它的终端按 Ctrl-C），或用 XUNGUAN_DATA 另选数据目录", d, strings.TrimSpace(string(held)))
	}
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintln(f, os.Getpid())
	}
	return func() { _ = f.Close() }, nil
}

// Room refuses to go on with less than need bytes free where the folder is.
func (d Dir) Room(need uint64) error {
	free, err := free(string(d))
	if err != nil {
		return fmt.Errorf("不能读取 %s 的磁盘余量：%w", d, err)
	}
	if free < need {
		return fmt.Errorf("磁盘空间不足：%s 所在磁盘只剩 %d MiB，至少需要 %d MiB：请先清理，或用 XUNGUAN_DATA 另选数据目录", d, free>>20, need>>20)
	}
	return nil
}

// free is how many bytes an ordinary user may still write at path.
func free(path string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil //nolint:gosec,unconvert // types differ by platform; both are positive
}

// Secrets are the passwords of one data folder. They are made once.
type Secrets struct {
	Suite    string            `json:"suite"`    // no secret: the mark of this suite's databases
	Postgres string            `json:"postgres"` // the superuser's, of a server of our own
	Database map[string]string `json:"database"` // by name of database, which is the name of its role
	OIDC     string            `json:"oidc"`     // the portal's at the login provider
}

// Secrets reads secrets.json, and first writes what it lacks for databases.
func (d Dir) Secrets(databases ...string) (Secrets, error) {
	s := Secrets{Database: make(map[string]string)}
	data, err := os.ReadFile(d.At("secrets.json"))
	if err == nil {
		err = json.Unmarshal(data, &s)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return s, fmt.Errorf("不能读取 %s（可用 make reset 清除后重来）：%w", d.At("secrets.json"), err)
	}
	missing := fill(&s.Suite)
	missing = fill(&s.Postgres) || missing
	missing = fill(&s.OIDC) || missing
	for _, name := range databases {
		password := s.Database[name]
		missing = fill(&password) || missing
		s.Database[name] = password
	}
	if !missing {
		return s, nil
	}
	return s, writeJSON(d.At("secrets.json"), s)
}

// fill gives s a value of 130 random bits, and reports whether it had none.
func fill(s *string) bool {
	if *s != "" {
		return false
	}
	*s = rand.Text()
	return true
}

// writeJSON replaces file by v in one step; only the owner may read it.
func writeJSON(file string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// Clear removes all of the folder but what holds no state: built and fetched
// programs, and the lock.
func (d Dir) Clear() error {
	var all error
	for _, dir := range []Dir{d, elsewhere(d)} {
		entries, err := os.ReadDir(string(dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		all = errors.Join(all, err)
		for _, e := range entries {
			if name := e.Name(); name != "bin" && name != "lock" && !strings.HasPrefix(name, npmFolder) {
				all = errors.Join(all, os.RemoveAll(dir.At(name)))
			}
		}
	}
	_ = os.Remove(string(elsewhere(d))) // if nothing is in it
	return all
}
