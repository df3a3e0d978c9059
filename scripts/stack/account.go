package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Account is an unprivileged account of this machine. The nil Account is our own.
type Account struct {
	Name     string
	uid, gid uint32
}

// unprivileged is the account that PostgreSQL runs as: our own, unless we are
// root, which PostgreSQL refuses.
func unprivileged() (*Account, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is our own account
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
		if uerr == nil && gerr == nil && uid != 0 {
			return &Account{name, uint32(uid), uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("PostgreSQL 不能以 root 运行，而本机没有 postgres 或 nobody 账户：请执行 useradd --system postgres，或换普通用户运行")
}

func (a *Account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// own gives path to the account.
func (a *Account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// enters reports whether the account may enter dir and every folder above it.
func (a *Account) enters(dir string) bool {
	if a == nil {
		return true
	}
	cmd := exec.Command("/bin/sh", "-c", `cd "$0"`, dir) //nolint:gosec,noctx // it ends at once
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential()}
	return cmd.Run() == nil
}

// folder makes dir, for the account to write in and for nobody else to read.
func (a *Account) folder(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // the account passes through it
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return a.own(dir)
}

// Place is where the data and the programs of a server of our own lie: store, if
// the account that runs it can get there, else a folder under /var/tmp that
// stands for store.
func Place(store Dir) (Dir, error) {
	a, err := unprivileged()
	if err != nil {
		return "", err
	}
	return a.place(store)
}

func (a *Account) place(store Dir) (Dir, error) {
	if err := os.MkdirAll(string(store), 0o755); err != nil { //nolint:gosec // the account passes through it
		return "", fmt.Errorf("不能建立数据目录：%w", err)
	}
	if a.enters(string(store)) {
		return store, nil
	}
	dir := elsewhere(store)
	if err := os.Mkdir(string(dir), 0o755); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // as above
		return "", fmt.Errorf("不能建立数据目录：%w", err)
	}
	info, err := os.Lstat(string(dir)) // anybody may make a link or a folder in /var/tmp before us
	if err != nil {
		return "", err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(st.Uid) != os.Geteuid() {
		return "", fmt.Errorf("%s 不是我们自己的目录：请删除它，或用 XUNGUAN_DATA 另选数据目录", dir)
	}
	return dir, nil
}

// elsewhere is the folder under /var/tmp that stands for store.
func elsewhere(store Dir) Dir {
	sum := sha256.Sum256([]byte(store))
	return Dir("/var/tmp/xunguan-" + hex.EncodeToString(sum[:6]))
}
