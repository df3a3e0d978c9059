package stack

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// Command runs a command in our terminal and returns its exit status, 128+n if
// signal n ended it. When ctx ends the command is asked to; it is waited for.
func Command(ctx context.Context, env []string, command ...string) (int, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // what to run is the point
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	// A Ctrl-C reaches the command as it reaches us: it is in our process group.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err := cmd.Run()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 0, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}
