package stack

import "syscall"

// DieWithParent has the kernel send sig when the thread that started the
// process ends, however it ends. That thread must therefore live as long as we do.
func DieWithParent(a *syscall.SysProcAttr, sig syscall.Signal) { a.Pdeathsig = sig }
