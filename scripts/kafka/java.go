package kafka

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// oldest is the first Java that Apache Kafka 4's brokers run on.
const oldest = 17

// Java is a Java on this machine.
type Java struct {
	Path    string
	Home    string
	Version string // as 17.0.15
}

// FindJava finds a Java that is new enough: JAVA_HOME's, else the one in PATH.
func FindJava(ctx context.Context) (Java, error) {
	var seen string
	var candidates []string
	if home := os.Getenv("JAVA_HOME"); home != "" {
		candidates = append(candidates, filepath.Join(home, "bin", "java"))
	}
	if path, err := exec.LookPath("java"); err == nil {
		candidates = append(candidates, path)
	}
	for _, path := range candidates {
		out, err := exec.CommandContext(ctx, path, "-version").CombinedOutput() //nolint:gosec // what JAVA_HOME names is the user's choice
		if err != nil {
			continue
		}
		version, major := javaVersion(string(out))
		if major < oldest {
			seen = fmt.Sprintf("，只有 %s（%s）", version, path)
			continue
		}
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		return Java{path, filepath.Dir(filepath.Dir(path)), version}, nil
	}
	return Java{}, fmt.Errorf("没有 JDK %d 以上%s，Apache Kafka 不能运行：请执行 apt-get install openjdk-%d-jdk-headless maven，或让 JAVA_HOME 指向已有的 JDK", oldest, seen, oldest)
}

var quoted = regexp.MustCompile(`version "((?:1\.)?(\d+)[^"]*)"`)

// javaVersion reads what java -version says. Before 9 the release was the second
// number, as in 1.8.
func javaVersion(said string) (version string, major int) {
	m := quoted.FindStringSubmatch(said)
	if m == nil {
		return "", 0
	}
	major, _ = strconv.Atoi(m[2]) // digits
	return m[1], major
}
