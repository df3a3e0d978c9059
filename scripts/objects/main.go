// Command objects is the suite's S3 service for trial and tests: S3's protocol in
// one Go process (gofakes3), its objects in one bbolt file. It listens on the
// loopback address only and asks for no key. What it has acknowledged is on disk
// and survives a kill -9. A deployment has a real one (deploy/compose.yaml).
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3bolt"
)

// Config is its settings: flags, or variables like OBJECTS_DATA.
type Config struct {
	Port    int      `default:"8140" help:"Port on 127.0.0.1."`
	Data    string   `required:"" help:"Folder of what it keeps."`
	Buckets []string `help:"Buckets that it makes."`
}

func main() {
	var c Config
	kong.Parse(&c, kong.Name("objects"), kong.DefaultEnvars("objects"))
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("service", "objects")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c, log); err != nil {
		log.Error("stopped", "err", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

// run serves until ctx ends.
func run(ctx context.Context, c Config, log *slog.Logger) error {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return err
	}
	backend, err := s3bolt.NewFile(filepath.Join(c.Data, "objects.bolt"))
	if err != nil {
		return err
	}
	for _, name := range c.Buckets {
		if err := backend.CreateBucket(name); err != nil && !gofakes3.HasErrorCode(err, gofakes3.ErrBucketAlreadyExists) {
			return err
		}
	}
	lis, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.Port)) //nolint:noctx // it does not wait
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: gofakes3.New(backend, gofakes3.WithoutVersioning()).Server(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = srv.Shutdown(ending)
	}()
	log.Info("listening", "addr", lis.Addr().String(), "data", c.Data)
	if err := srv.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
