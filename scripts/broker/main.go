// Command broker is the suite's embedded broker: Kafka's wire protocol in one Go
// process (franz-go's kfake), for trial and tests. It listens on the loopback
// address only. What it has acknowledged is on disk and survives a kill -9,
// consumers' offsets included.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/twmb/franz-go/pkg/kfake"

	"xunguan/pkg/event"
)

// Config is the broker's settings: flags, or variables like BROKER_DATA.
type Config struct {
	Port int    `default:"9092" help:"Port on 127.0.0.1; 0 is any."`
	Data string `required:"" help:"Folder of what it keeps."`
}

func main() {
	var c Config
	kong.Parse(&c, kong.Name("broker"), kong.DefaultEnvars("broker"))
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("service", "broker")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c, log); err != nil {
		log.Error("stopped", "err", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

// run serves until ctx ends, and then closes what is open. It makes the suite's
// topics, as event declares them.
func run(ctx context.Context, c Config, log *slog.Logger) error {
	cluster, err := open(c, log)
	if err != nil {
		return err
	}
	defer cluster.Close()
	log.Info("listening", "addr", strings.Join(cluster.ListenAddrs(), ","), "data", c.Data)
	if err := (event.Cluster{Brokers: cluster.ListenAddrs(), Copies: 1}).Apply(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// open starts a broker on what c.Data holds. Its address is what it tells clients
// to come back to, so a fixed port is what lets them survive its restart.
func open(c Config, log *slog.Logger) (*kfake.Cluster, error) {
	opts := []kfake.Opt{
		kfake.ClusterID("xunguan"), kfake.DataDir(c.Data), kfake.SyncWrites(), kfake.WithLogger(logger{log}), kfake.NumBrokers(1),
	}
	if c.Port != 0 {
		opts = append(opts, kfake.Ports(c.Port))
	}
	return kfake.NewCluster(opts...)
}

// logger passes on what kfake warns of.
type logger struct{ log *slog.Logger }

// Logf implements kfake.Logger.
func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error(fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.log.Warn(fmt.Sprintf(format, args...))
	case kfake.LogLevelNone, kfake.LogLevelInfo, kfake.LogLevelDebug:
	}
}
