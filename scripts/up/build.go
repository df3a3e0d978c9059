package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"
)

// build compiles the suite's programs into <data>/bin and tells how far it is.
func (s *suite) build(ctx context.Context) error {
	programs := s.programs()
	say("编译 %d 个程序…", len(programs))
	// Git may be missing, or distrust the owner of a checkout: no stamp of it.
	args := append([]string{"build", "-buildvcs=false", "-o", s.data.At("bin") + "/"}, programs...)
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // our own packages
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("不能运行 go：请安装 Go 1.26 以上（https://go.dev/dl/）：%w", err)
	}
	var modules atomic.Int64
	done := make(chan struct{})
	go beat(done, func() {
		say("编译中…已用 %.0f 秒，下载了 %d 个模块", time.Since(began).Seconds(), modules.Load())
	})
	complaint := read(out, &modules)
	err = cmd.Wait()
	close(done)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("编译失败（%w）", err), errors.New(complaint))
	}
	say("编译完成，用时 %.1f 秒，下载了 %d 个模块", time.Since(began).Seconds(), modules.Load())
	return nil
}

// read counts the modules that go downloads and returns the end of what else it says.
func read(out io.Reader, modules *atomic.Int64) string {
	var rest []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "go: downloading ") {
			modules.Add(1)
		} else {
			rest = append(rest, lines.Text())
		}
	}
	return strings.Join(rest[max(0, len(rest)-20):], "\n")
}

// beat calls f every 10 s until done is closed.
func beat(done <-chan struct{}, f func()) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			f()
		}
	}
}
