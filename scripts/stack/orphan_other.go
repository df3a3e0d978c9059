//go:build !linux

package stack

import "syscall"

// dieWithParent is for Linux only: elsewhere a kill -9 of us leaves orphans.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
