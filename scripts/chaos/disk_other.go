//go:build !linux

package main

import "errors"

func mount(string, uint64, func() []int) (disk, error) {
	return nil, errors.New("make chaos needs Linux: it fills disks and reads /proc")
}
