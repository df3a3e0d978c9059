// Command broker is the suite's embedded broker: Kafka's wire protocol in one Go
// process (franz-go's kfake), for trial and tests. It listens on the loopback
// address only. What it has acknowledged is on disk and survives a kill -9,
// consumers' offsets included.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Config is the broker's settings: flags, or variables like BROKER_DATA.
type Config struct {
	Port       int      `default:"9092" help:"Port on 127.0.0.1; 0 is any."`
	Data       string   `required:"" help:"Folder of what it keeps."`
	Topics     []string `required:"" help:"Topics to have, separated by commas."`
	Partitions int32    `default:"6" help:"Partitions of a topic that is made."`
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

// run serves until ctx ends, and then closes what is open.
func run(ctx context.Context, c Config, log *slog.Logger) error {
	cluster, err := open(c, log)
	if err != nil {
		return err
	}
	log.Info("listening", "addr", strings.Join(cluster.ListenAddrs(), ","), "data", c.Data)
	<-ctx.Done()
	cluster.Close()
	return nil
}

// open starts a broker on what c.Data holds, and makes the topics that it lacks.
// Its address is what it tells clients to come back to, so a fixed port is what
// lets them survive its restart.
func open(c Config, log *slog.Logger) (*kfake.Cluster, error) {
	opts := []kfake.Opt{
		kfake.ClusterID("xunguan"), kfake.DataDir(c.Data), kfake.SyncWrites(), kfake.WithLogger(logger{log}),
		kfake.SeedTopics(c.Partitions, c.Topics...), kfake.NumBrokers(1),
	}
	if c.Port != 0 {
		opts = append(opts, kfake.Ports(c.Port))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, err
	}
	for _, topic := range c.Topics { // an old folder is not seeded again
		if cluster.TopicInfo(topic) == nil {
			err = errors.Join(err, cluster.CreateTopic(topic, c.Partitions, nil))
		}
	}
	if err != nil {
		cluster.Close()
		return nil, err
	}
	return cluster, nil
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
