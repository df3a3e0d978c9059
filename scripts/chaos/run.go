package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"xunguan/scripts/kafka"
)

const (
	diskSize    = 4 << 30 // of each engine's disk, which takes as much memory as is written
	kafkaFolder = "kafka" // of Apache Kafka's data, within a suite's; scripts/kafka numbers the brokers' in it
)

// harness is one call of make chaos: where its programs and data are.
type harness struct {
	config
	bin, weak string // programs as they are, and those that can do without a defence
	snapshot  string // data of a suite that is ready for the writers
	root      string
	engine    *kafka.Brokers // what the suite runs on instead of make up's own broker
	runs      int
	say       func(format string, args ...any)
}

// build compiles the suite, the witness and make up, as they are and with -tags weak.
func (h *harness) build(ctx context.Context) error {
	for bin, tags := range map[string]string{h.bin: "", h.weak: "weak"} {
		if tags != "" && h.Only == storm {
			continue
		}
		args := []string{"build", "-buildvcs=false", "-tags=" + tags, "-o", bin + "/", "./scripts/up", "./scripts/broker", "./scripts/chaos/witness"}
		for name := range services {
			owner := name
			if name == "provider" {
				owner = "portal"
			}
			args = append(args, "./services/"+owner+"/cmd/"+name)
		}
		cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // our own packages
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	return nil
}

// prepare makes the snapshot: demo data, and what people.know adds to them.
func (h *harness) prepare(ctx context.Context) error {
	dir := filepath.Join(h.root, "prepared")
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // PostgreSQL's account passes through it
		return err
	}
	s, err := start(ctx, h.bin, dir, h.Offset, "", h.engine, nil)
	if err != nil {
		return err
	}
	_, err = meet(ctx, s, true)
	if err == nil {
		_, err = drain(ctx, s, time.Minute)
	}
	s.stop(true)
	h.snapshot = dir
	return err
}

// copy makes a suite's data folder of the snapshot, with its engines on disks that
// can be filled, and starts it.
func (h *harness) copy(ctx context.Context, weak string) (*suite, error) {
	h.runs++
	dir := filepath.Join(h.root, fmt.Sprintf("%d%s", h.runs, weak))
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // as above
		return nil, err
	}
	var s *suite
	disks := map[string]disk{}
	for engine, folder := range h.folders() {
		at := filepath.Join(dir, "disk-"+engine)
		d, err := mount(at, diskSize, func() []int { return s.pids(engine) })
		if err != nil {
			return nil, fmt.Errorf("a disk for %s: %w", engine, err)
		}
		disks[engine] = d
		own := filepath.Join(at, filepath.Base(folder))
		err = errors.Join(
			os.MkdirAll(filepath.Dir(filepath.Join(dir, folder)), 0o755), //nolint:gosec // as above
			os.Symlink(own, filepath.Join(dir, folder)),
			clone(ctx, filepath.Join(h.snapshot, folder), at),
		)
		if err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"keys", "secrets.json"} {
		if err := clone(ctx, filepath.Join(h.snapshot, name), dir); err != nil {
			return nil, err
		}
	}
	bin := h.bin
	if weak != "" {
		bin = h.weak
	}
	s, err := start(ctx, bin, dir, h.Offset+100*(h.runs%8), weak, h.engine, disks) // no run waits for the ports of the last
	if err != nil {
		for _, d := range disks {
			_ = d.release()
		}
	}
	return s, err
}

// folders are where each engine keeps its data, within a suite's.
func (h *harness) folders() map[string]string {
	all := map[string]string{postgres: "postgres"}
	if h.engine == nil {
		all[broker] = "broker"
		return all
	}
	for i, p := range h.engine.Processes() {
		all[p.Name] = filepath.Join(kafkaFolder, strconv.Itoa(i+1))
	}
	return all
}

// clone copies from into the folder to, owners and all.
func clone(ctx context.Context, from, to string) error {
	out, err := exec.CommandContext(ctx, "cp", "-a", from, to+"/").CombinedOutput() //nolint:gosec // our own folders
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// discard ends a run and removes its data, unless they are to be kept: then its
// disks stay mounted, too.
func (h *harness) discard(s *suite, inOrder bool) {
	s.stop(inOrder)
	if h.Keep {
		return
	}
	for _, d := range s.disks {
		_ = d.release()
	}
	_ = os.RemoveAll(s.dir)
}

// errUndrained says that events were still to come when patience ended.
var errUndrained = errors.New("not drained")

// rest is how long there must be nothing new: timers look at what is due each
// second, and what they do are events, too.
const rest = 3 * time.Second

// drain waits until every event has taken effect everywhere and no more come, and
// returns what was then seen. If that takes long, it says what is waited for.
func drain(ctx context.Context, s *suite, patience time.Duration) (*facts, error) {
	until := time.Now().Add(patience)
	written, since := -1, time.Now()
	say := time.NewTicker(10 * time.Second)
	defer say.Stop()
	for {
		f, err := s.events(ctx)
		if err == nil {
			n, all := f.events(), left(f, services)
			if n != written || len(all) > 0 {
				select {
				case <-say.C:
					fmt.Printf("      等待排空：事件 %d（上次 %d），还差 %d 处：%s\n", n, written, len(all), strings.Join(all[:min(len(all), 3)], "；"))
				default:
				}
				written, since = n, time.Now()
			}
			if time.Since(since) > rest {
				return f, nil
			}
		}
		if ctx.Err() != nil {
			return f, ctx.Err()
		}
		if time.Now().After(until) {
			if err == nil {
				all := left(f, services)
				err = fmt.Errorf("%w: %d effects to come: %s", errUndrained, len(all), strings.Join(all[:min(len(all), 5)], "；"))
			}
			return f, err
		}
		pause(ctx, 200*time.Millisecond)
	}
}
