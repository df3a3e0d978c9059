// Package kafka runs Apache Kafka in KRaft mode on this machine: one broker, or
// three that keep each event three times. It pins the server by a lock of every
// jar's sha256, and listens on the loopback address only.
//
// What must always be true: nothing but the jars of the lock is run, verified at
// each start; a broker makes no topic that nobody declared; what it acknowledged
// survives a kill -9 of any one broker, and of the only one.
package kafka

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"xunguan/pkg/event"
	"xunguan/scripts/stack"
)

// clusterID names every cluster of this package: 16 bytes in base64, as Kafka wants it.
const clusterID = "eHVuZ3Vhbi1rYWZrYS0wMQ"

//go:embed log4j2.properties
var logging []byte

// Brokers is a cluster: Count brokers, 1 or 3, each a controller as well. Broker
// number n, from 1, keeps its data in Dir/n/data, serves clients at Port+2(n-1)
// and the other controllers at the port after that.
type Brokers struct {
	Jars  Jars
	Java  Java
	Dir   stack.Dir
	Port  int
	Count int
}

// Cluster is how services reach it.
func (b Brokers) Cluster() event.Cluster {
	c := event.Cluster{Copies: b.Count}
	for n := range b.Count {
		c.Brokers = append(c.Brokers, b.addr(n))
	}
	return c
}

// Ports are those that it is about to listen on.
func (b Brokers) Ports() (list []stack.Port) {
	for i := range 2 * b.Count {
		list = append(list, stack.Port{Number: b.Port + i, For: "Apache Kafka"})
	}
	return list
}

func (b Brokers) addr(n int) string    { return stack.Port{Number: b.Port + 2*n}.Addr() }
func (b Brokers) control(n int) string { return stack.Port{Number: b.Port + 2*n + 1}.Addr() }

// Format makes the brokers' folders, unless they are there.
func (b Brokers) Format(ctx context.Context) error {
	for n := range b.Count {
		dir := stack.Dir(b.Dir.At(strconv.Itoa(n + 1)))
		if err := os.MkdirAll(dir.At("tmp"), 0o700); err != nil {
			return err
		}
		err := errors.Join(
			os.WriteFile(dir.At("server.properties"), []byte(b.properties(n, dir)), 0o600),
			os.WriteFile(dir.At("log4j2.properties"), logging, 0o600),
		)
		if err != nil {
			return err
		}
		if _, err := os.Stat(dir.At("data", "meta.properties")); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		args := append(b.jvm(dir), "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", dir.At("server.properties"))
		if out, err := exec.CommandContext(ctx, b.Java.Path, args...).CombinedOutput(); err != nil { //nolint:gosec // the machine's Java on our jars
			return fmt.Errorf("不能建立 Apache Kafka 的数据目录（%w）：%s", err, strings.Join(strings.Fields(string(out[:min(len(out), 600)])), " "))
		}
	}
	return nil
}

// properties is broker n's configuration. A broker alone writes each event to the
// disk before it acknowledges it; of three, two have it. Groups are few, and so
// are the threads: a machine carries the three of them and the suite.
func (b Brokers) properties(n int, dir stack.Dir) string {
	var voters []string
	for i := range b.Count {
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, b.control(i)))
	}
	majority := b.Count/2 + 1
	lines := []string{
		"process.roles=broker,controller",
		fmt.Sprintf("node.id=%d", n+1),
		"controller.quorum.voters=" + strings.Join(voters, ","),
		fmt.Sprintf("listeners=PLAINTEXT://%s,CONTROLLER://%s", b.addr(n), b.control(n)),
		"advertised.listeners=PLAINTEXT://" + b.addr(n),
		"controller.listener.names=CONTROLLER",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs=" + dir.At("data"),
		"auto.create.topics.enable=false",
		"unclean.leader.election.enable=false",
		fmt.Sprintf("default.replication.factor=%d", b.Count),
		fmt.Sprintf("min.insync.replicas=%d", majority),
		fmt.Sprintf("offsets.topic.replication.factor=%d", b.Count),
		"offsets.topic.num.partitions=6",
		fmt.Sprintf("transaction.state.log.replication.factor=%d", b.Count),
		fmt.Sprintf("transaction.state.log.min.isr=%d", majority),
		fmt.Sprintf("share.coordinator.state.topic.replication.factor=%d", b.Count),
		fmt.Sprintf("share.coordinator.state.topic.min.isr=%d", majority),
		"group.initial.rebalance.delay.ms=0",
		"num.network.threads=2",
		"num.io.threads=4",
	}
	if b.Count == 1 {
		lines = append(lines, "log.flush.interval.messages=1")
	}
	return strings.Join(lines, "\n") + "\n"
}

// jvm is Java's arguments up to the class.
func (b Brokers) jvm(dir stack.Dir) []string {
	return []string{
		"-Xms96m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData", "-Djava.awt.headless=true",
		"-Djava.io.tmpdir=" + dir.At("tmp"), "-Dlog4j2.configurationFile=" + dir.At("log4j2.properties"),
		"-cp", strings.Join(b.Jars.paths, string(filepath.ListSeparator)),
	}
}

// Processes are the brokers, named kafka, or kafka-1 to kafka-3. One is stopped in
// order. Three are killed: the last of them would wait for a quorum that is gone.
func (b Brokers) Processes() (list []stack.Process) {
	for n := range b.Count {
		dir := stack.Dir(b.Dir.At(strconv.Itoa(n + 1)))
		p := stack.Process{Name: "kafka", Path: b.Java.Path, Args: append(b.jvm(dir), "kafka.Kafka", dir.At("server.properties")), Env: os.Environ()}
		if b.Count > 1 {
			p.Name, p.Stop = fmt.Sprintf("kafka-%d", n+1), syscall.SIGKILL
		}
		list = append(list, p)
	}
	return list
}
