package main

import (
	"os"
	"syscall"
)

// fdatasync is how PostgreSQL makes its log durable on Linux.
func fdatasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
