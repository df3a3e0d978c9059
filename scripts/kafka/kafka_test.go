package kafka

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xunguan/scripts/stack"
)

// The lock holds a server whose group protocol kafka-go speaks (4.0.0 dropped it,
// 4.0.1 took it back), and no jar twice.
func TestLock(t *testing.T) {
	t.Parallel()
	list, err := parse(lock)
	if err != nil {
		t.Fatal(err)
	}
	if v := version(list); v < "4.0.1" || !strings.Contains(string(pom), "<version>"+v+"</version>") {
		t.Errorf("version %s: older than 4.0.1, or not pom.xml's", v)
	}
	seen := make(map[string]bool)
	for _, j := range list {
		if seen[j.path] || j.size == 0 || filepath.Ext(j.path) != ".jar" {
			t.Errorf("%+v", j)
		}
		seen[j.path] = true
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("a", 64)
	for _, line := range []string{"", sum, sum + " 1", sum + " one a.jar", sum[1:] + " 1 a.jar", sum + " 1 ../a.jar", sum + " 1 /a.jar", sum + " 1 a b.jar"} {
		if got, err := parse(sum + " 1 a.jar\n" + line + "\n"); err == nil {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// A jar that is missing is fetched, one that differs by a byte is not run.
func TestVerify(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list := []jar{{"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", 5, "a.jar"}} // of "hello"
	if err := verify(dir, list); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no jar: %v", err)
	}
	for content, ok := range map[string]bool{"hello": true, "hellp": false, "": false} {
		if err := os.WriteFile(filepath.Join(dir, "a.jar"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := verify(dir, list); ok != (err == nil) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestJavaVersion(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]int{
		"openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment": 17,
		"java version \"1.8.0_401\"":                                          8,
		"openjdk version \"25\" 2025-09-16":                                   25,
		"The operation couldn't be completed.":                                0,
	} {
		if _, got := javaVersion(said); got != want {
			t.Errorf("%q: %d, want %d", said, got, want)
		}
	}
}

func TestFindJavaSaysWhatToInstall(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	t.Setenv("JAVA_HOME", "")
	_, err := FindJava(t.Context())
	if err == nil || !strings.Contains(err.Error(), "没有 JDK 17 以上") || !strings.Contains(err.Error(), "apt-get install") || strings.Contains(err.Error(), "\n") {
		t.Errorf("no Java: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "java"), []byte("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n"), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	if _, err = FindJava(t.Context()); err == nil || !strings.Contains(err.Error(), "只有 11.0.2") {
		t.Errorf("an old Java: %v", err)
	}
}

// What the suite's promises rest on, one broker or three.
func TestProperties(t *testing.T) {
	t.Parallel()
	for count, want := range map[int][]string{
		1: {"min.insync.replicas=1", "default.replication.factor=1", "log.flush.interval.messages=1", "controller.quorum.voters=1@127.0.0.1:901"},
		3: {
			"min.insync.replicas=2", "default.replication.factor=3", "offsets.topic.replication.factor=3",
			"controller.quorum.voters=1@127.0.0.1:901,2@127.0.0.1:903,3@127.0.0.1:905",
		},
	} {
		b := Brokers{Dir: "/data", Port: 900, Count: count}
		for n, addr := range b.Cluster().Brokers {
			got := b.properties(n, stack.Dir(t.TempDir()))
			for _, line := range append(want, "auto.create.topics.enable=false", "unclean.leader.election.enable=false", "advertised.listeners=PLAINTEXT://"+addr) {
				if !strings.Contains(got, line+"\n") {
					t.Errorf("broker %d of %d lacks %s", n+1, count, line)
				}
			}
		}
		if len(b.Ports()) != 2*count || b.Cluster().Copies != count {
			t.Errorf("%d brokers: ports %v, %+v", count, b.Ports(), b.Cluster())
		}
	}
}
