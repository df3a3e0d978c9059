package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// tmpfs is a file system of a size that we can change while it is in use. It
// takes a root that may mount.
type tmpfs struct {
	path string
	size uint64
}

// mount makes path a disk of size bytes; without the right to, a limit on what
// pids may write stands for a full disk.
func mount(path string, size uint64, pids func() []int) (disk, error) {
	if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // PostgreSQL's account passes through it
		return nil, err
	}
	err := syscall.Mount("tmpfs", path, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0755", size))
	if errors.Is(err, syscall.EPERM) {
		return limit(pids), nil
	}
	return tmpfs{path, size}, err
}

func (t tmpfs) resize(size uint64) error {
	return syscall.Mount("tmpfs", t.path, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", size))
}

func (t tmpfs) fill(room uint64) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(t.path, &s); err != nil {
		return err
	}
	return t.resize((s.Blocks-s.Bfree)*uint64(s.Bsize) + room) //nolint:gosec // a positive size
}

func (t tmpfs) free() error { return t.resize(t.size) }

func (t tmpfs) release() error { return syscall.Unmount(t.path, syscall.MNT_DETACH) }

func (tmpfs) String() string { return "tmpfs" }

// limit forbids processes to make a file longer (RLIMIT_FSIZE). PostgreSQL takes
// that for a full disk, a Go program dies of the signal.
type limit func() []int

func (l limit) set(most uint64) error {
	var all error
	for _, pid := range l() {
		var r unix.Rlimit
		err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &r)
		if err == nil {
			r.Cur = min(most, r.Max)
			err = unix.Prlimit(pid, unix.RLIMIT_FSIZE, &r, nil)
		}
		if !errors.Is(err, syscall.ESRCH) {
			all = errors.Join(all, err)
		}
	}
	return all
}

func (l limit) fill(room uint64) error { return l.set(room) }
func (l limit) free() error            { return l.set(unix.RLIM_INFINITY) }
func (limit) release() error           { return nil }

func (limit) String() string { return "RLIMIT_FSIZE" }
