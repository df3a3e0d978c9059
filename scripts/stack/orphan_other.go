//go:build !linux

package stack

import "syscall"

// DieWithParent is for Linux only: elsewhere a kill -9 of us leaves orphans.
func DieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
