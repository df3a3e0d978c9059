package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"xunguan/scripts/kafka"
	"xunguan/scripts/stack"
)

// fetchKafka readies the server's programs.
func (r *real) fetchKafka(ctx context.Context) error {
	java, err := kafka.FindJava(ctx)
	if err != nil {
		return err
	}
	jars, err := kafka.Fetch(ctx, java, say)
	if err != nil {
		return err
	}
	from := "缓存里已有"
	if jars.Fetched {
		from = "这次取得"
	}
	r.report.engine("Apache Kafka %s（KRaft），%d 个 jar 共 %.1f MB，%s，sha256 逐个核对；Java %s", jars.Version, jars.Count, float64(jars.Bytes)/1e6, from, java.Version)
	r.kafka = kafka.Brokers{Jars: jars, Java: java, Dir: stack.Dir(r.dir.At("kafka")), Port: kafkaPort + r.offset, Count: 1}
	return nil
}

// start starts the broker and the database; both come up meanwhile.
func (r *real) start(ctx context.Context) error {
	place, err := stack.Place(r.dir)
	if err != nil {
		return err
	}
	server, err := stack.FindServer(ctx, r.data, 0, say)
	if err != nil {
		return err
	}
	r.postgres = stack.Cluster{Server: server, Data: place.At(stack.ClusterFolder), Port: postgresPort + r.offset, Password: rand.Text(), Connections: 300}
	if err := stack.Free(leftover, append(r.kafka.Ports(), r.port(postgresPort, "PostgreSQL"))...); err != nil {
		return err
	}
	if err := r.kafka.Format(ctx); err != nil {
		return err
	}
	if err := r.postgres.Init(ctx); err != nil {
		return err
	}
	if err := r.sup.Start(append(r.kafka.Processes(), r.postgres.Process())...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	if err := stack.WaitFor(ctx, r.postgres.URL()); err != nil {
		return err
	}
	if err := r.provision(ctx); err != nil {
		return err
	}
	return until(ctx, "Apache Kafka", func() error { return r.kafka.Cluster().Apply(ctx) })
}

// provision makes the database of the tests, and notes which server it is.
func (r *real) provision(ctx context.Context) error {
	d := stack.Database{Name: "xunguan_test", Password: rand.Text(), Keeper: true}
	if err := stack.Provision(ctx, r.postgres.URL(), "xunguan test", d); err != nil {
		return err
	}
	var err error
	if r.testDB, err = d.URL(r.postgres.URL()); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, r.postgres.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var version string
	if err := conn.QueryRow(ctx, `SHOW server_version`).Scan(&version); err != nil {
		return err
	}
	r.report.engine("PostgreSQL %s（%s）", version, r.postgres.Bin)
	return nil
}

// startConsul starts the agent, with a token for each service.
func (r *real) startConsul(ctx context.Context) (err error) {
	if r.consul, err = startConsul(ctx, string(r.dir), services); err != nil {
		return err
	}
	var self struct{ Config struct{ Version string } }
	if err := r.consul.call(ctx, "GET", "/v1/agent/self", r.consul.management, nil, &self); err != nil {
		return err
	}
	info, err := os.Stat(r.consul.binary)
	if err != nil {
		return err
	}
	r.report.engine("Consul %s，程序 %.1f MB，ACL 默认拒绝，%d 个服务各有令牌", self.Config.Version, float64(info.Size())/1e6, len(services))
	return nil
}

// services are all that have a token. The portal has one to find the others.
var services = []string{"rulebook", "licensing", "escrow", "inspection", "tipoff", "portal"}

// announced are those that others find by Consul.
var announced = slices.DeleteFunc(slices.Clone(services), func(s string) bool { return s == "portal" })

// until calls f until it succeeds, or ctx ends.
func until(ctx context.Context, what string, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s：%w（最后一次：%w）", what, context.Cause(ctx), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
