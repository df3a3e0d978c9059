package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// building lets one build at a time.
var building sync.Mutex

// consulBinary is the path of the Consul agent that the module scripts/consul
// pins. The first call for a version builds it, which takes minutes, and keeps it
// in the user's cache folder under the hash of go.mod and go.sum.
func consulBinary(ctx context.Context) (string, error) {
	building.Lock()
	defer building.Unlock()
	gomod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	module := filepath.Join(filepath.Dir(strings.TrimSpace(string(gomod))), "scripts", "consul")
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(module, name)) //nolint:gosec // ours
		if err != nil {
			return "", err
		}
		_, _ = sum.Write(data)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(cache, "xunguan", fmt.Sprintf("consul-%x", sum.Sum(nil)[:8]))
	start := time.Now()
	if _, err := os.Stat(binary); err != nil {
		fmt.Println("构建 Consul（只有第一次，约需 5–9 分钟）……")
		if err := buildConsul(ctx, module, binary); err != nil {
			return "", fmt.Errorf("不能构建 Consul：%w", err)
		}
	}
	said, err := exec.CommandContext(ctx, binary, "version").Output() //nolint:gosec // just built
	if err != nil {
		return "", fmt.Errorf("%s: %w", binary, err)
	}
	info, err := os.Stat(binary)
	if err != nil {
		return "", err
	}
	version, _, _ := strings.Cut(string(said), "\n")
	fmt.Printf("%s：%d MiB，用时 %.1f 秒，%s\n", version, info.Size()>>20, time.Since(start).Seconds(), binary)
	return binary, nil
}

// buildConsul puts the whole binary there or none.
func buildConsul(ctx context.Context, module, binary string) error {
	if err := os.MkdirAll(filepath.Dir(binary), 0o750); err != nil {
		return err
	}
	half := fmt.Sprintf("%s.%d", binary, os.Getpid())
	defer os.Remove(half)
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", half, "github.com/hashicorp/consul") //nolint:gosec // constants but for the path
	cmd.Dir, cmd.Stdout, cmd.Stderr = module, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if err := cmd.Run(); err != nil {
		return err
	}
	return os.Rename(half, binary)
}
