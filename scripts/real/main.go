// Command real runs the suite on the engines that a bureau would run. So far it
// readies and tries one of them: the Consul agent.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := tryConsul(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

// tryConsul starts an agent, kills it, and sees it come back.
func tryConsul(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "xunguan-real-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	a, err := startConsul(ctx, dir, []string{"portal"})
	if err != nil {
		return err
	}
	if err := a.kill(); err != nil {
		return err
	}
	if err := a.start(ctx); err != nil {
		return err
	}
	return a.stop()
}
