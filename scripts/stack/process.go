package stack

import (
	"os"
	"os/exec"
	"syscall"
)

// Process is a program to be kept running. Name names its log and its line in
// run.json.
type Process struct {
	Name     string
	Path     string
	Args     []string
	Env      []string       // all of it, "name=value"
	Dir      string         // where it runs; "" is here
	HTTP     string         // the URL it serves, if it does
	Database string         // the URL of its database, if it has one
	Once     bool           // its end is not mended but reported by Failed
	Account  *Account       // nil: our own
	Stop     syscall.Signal // asks it to end; 0 is SIGTERM
	Orphan   syscall.Signal // what it gets if we are killed, on Linux; 0 is SIGKILL
}

// stopSignal is what asks p to end.
func (p Process) stopSignal() syscall.Signal {
	if p.Stop == 0 {
		return syscall.SIGTERM
	}
	return p.Stop
}

// command is p with its output going to log. It has a process group of its own,
// so that a Ctrl-C in our terminal reaches us alone and we stop it in order.
func (p Process) command(log *os.File) *exec.Cmd {
	cmd := exec.Command(p.Path, p.Args...) //nolint:gosec,noctx // what to run is the point; a context would kill it
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = p.Env, p.Dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.Account.credential()}
	orphan := p.Orphan
	if orphan == 0 {
		orphan = syscall.SIGKILL
	}
	DieWithParent(cmd.SysProcAttr, orphan)
	return cmd
}
