package kafka

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

var (
	//go:embed jars.lock
	lock string
	//go:embed pom.xml
	pom []byte
)

// jar is one line of the lock.
type jar struct {
	sum  string // sha256, in hex
	size int64
	path string // in a Maven repository
}

// parse reads a lock: sha256, bytes and path of a jar on each line.
func parse(lock string) ([]jar, error) {
	var jars []jar
	for line := range strings.Lines(lock) {
		field := strings.Fields(line)
		if len(field) != 3 {
			return nil, fmt.Errorf("jars.lock: %q", line)
		}
		size, err := strconv.ParseInt(field[1], 10, 64)
		if sum, herr := hex.DecodeString(field[0]); err != nil || herr != nil || len(sum) != sha256.Size || !filepath.IsLocal(field[2]) {
			return nil, fmt.Errorf("jars.lock: %q", line)
		}
		jars = append(jars, jar{field[0], size, field[2]})
	}
	return jars, nil
}

// Jars is Apache Kafka's server on this machine.
type Jars struct {
	Version string
	Dir     string
	Count   int
	Bytes   int64
	Fetched bool // now, rather than before
	paths   []string
}

// Fetch returns the jars of the lock, each verified. Those that the user's cache
// folder lacks Maven fetches, as it is set up on this machine, mirrors included.
func Fetch(ctx context.Context, java Java, say func(string, ...any)) (Jars, error) {
	list, err := parse(lock)
	if err != nil {
		return Jars{}, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Jars{}, fmt.Errorf("不知道缓存放在哪里：%w", err)
	}
	sum := sha256.Sum256([]byte(lock))
	j := Jars{Version: version(list), Dir: filepath.Join(cache, "xunguan", "kafka-"+hex.EncodeToString(sum[:8])), Count: len(list)}
	for _, one := range list {
		j.Bytes += one.size
		j.paths = append(j.paths, filepath.Join(j.Dir, one.path))
	}
	err = verify(j.Dir, list)
	if err == nil {
		return j, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		say("缓存里的 Apache Kafka 不完整，重新取得：%v", err)
	}
	say("用 Maven 取得 Apache Kafka %s：%d 个 jar，%.0f MB…", j.Version, j.Count, float64(j.Bytes)/1e6)
	j.Fetched = true
	return j, j.fetch(ctx, java, list)
}

// version is that of the broker's own jar.
func version(list []jar) string {
	for _, one := range list {
		if strings.HasPrefix(one.path, "org/apache/kafka/kafka_2.13/") {
			return filepath.Base(filepath.Dir(one.path))
		}
	}
	return "?"
}

// fetch puts the jars into j.Dir, all of them or none.
func (j Jars) fetch(ctx context.Context, java Java, list []jar) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return errors.New("没有 Maven，取不到 Apache Kafka：请执行 apt-get install maven")
	}
	making := fmt.Sprintf("%s.new-%d", j.Dir, os.Getpid())
	defer os.RemoveAll(making)
	if err := os.MkdirAll(making, 0o750); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(making, "pom.xml"), pom, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "-C", copyGoal, "-DincludeScope=runtime", "-Dmdep.useRepositoryLayout=true", //nolint:gosec // constants
		"-DoutputDirectory="+making)
	cmd.Dir, cmd.Env = making, append(os.Environ(), "JAVA_HOME="+java.Home)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mvn 取不到 Apache Kafka（%w）：%s", err, strings.Join(strings.Fields(string(out[:min(len(out), 600)])), " "))
	}
	if err := verify(making, list); err != nil {
		return fmt.Errorf("不使用 Maven 取得的 jar，与 jars.lock 不符：%w", err)
	}
	if err := os.RemoveAll(j.Dir); err != nil {
		return err
	}
	return os.Rename(making, j.Dir)
}

// copyGoal is also lock.sh's.
const copyGoal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

// verify says what in dir is not as list has it.
func verify(dir string, list []jar) error {
	for _, one := range list {
		f, err := os.Open(filepath.Join(dir, one.path)) //nolint:gosec // parse made sure that it is in dir
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != one.sum {
			return fmt.Errorf("%s 的 sha256 是 %s，应为 %s", one.path, got, one.sum)
		}
	}
	return nil
}
