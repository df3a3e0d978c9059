// Command witness is a consumer of every event of the suite. It applies them with
// the suite's own pkg/event and is killed, stopped and cut off like a service, but
// its effect is one that shows: a row more for each time that an event took
// effect. scripts/chaos counts the rows, and reads the order of each key off them.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing/fstest"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5"

	"xunguan/pkg/event"
	"xunguan/pkg/pg"
)

type config struct {
	DatabaseURL  string   `name:"database-url" required:"" help:"Database of its own."`
	KafkaBrokers []string `required:"" help:"Kafka brokers, separated by commas."`
	Topics       []string `required:"" help:"Topics, separated by commas."`
}

// migrations make the table that nothing but the effect of an event grows.
var migrations = fstest.MapFS{"0001_applied.sql": {Data: []byte(`-- +goose Up
CREATE TABLE applied (
    n     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event text NOT NULL,
    topic text NOT NULL,
    key   text NOT NULL
);`)}}

func main() {
	var c config
	kong.Parse(&c, kong.Name("witness"), kong.DefaultEnvars("witness"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil)).With("service", "witness")
	if err := run(ctx, c, log); err != nil {
		log.Error("stopped", "err", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

func run(ctx context.Context, c config, log *slog.Logger) error {
	db, err := pg.Open(ctx, c.DatabaseURL)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := pg.Migrate(ctx, db, migrations); err != nil {
		return err
	}
	reader := event.NewReader(c.KafkaBrokers, "witness", c.Topics...)
	consumer := &event.Consumer{Name: "witness", DB: db, Reader: reader, Handle: witness, Log: log}
	return consumer.Run(ctx)
}

func witness(ctx context.Context, tx pgx.Tx, m event.Message) error {
	_, err := tx.Exec(ctx, `INSERT INTO applied (event, topic, key) VALUES ($1, $2, $3)`, m.ID, m.Topic, m.Key)
	return err
}
