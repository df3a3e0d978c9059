package main

import (
	"context"
	"time"

	"xunguan/scripts/kafka"
	"xunguan/scripts/stack"
)

// kafkaPort is one of scripts/up's range that it does not use.
const kafkaPort = 8122

// startKafka starts one Apache Kafka broker beside the suite, and returns once it
// has the suite's topics.
func startKafka(ctx context.Context, s *suite) (brokers []string, stop func(), err error) {
	java, err := kafka.FindJava(ctx)
	if err != nil {
		return nil, nil, err
	}
	jars, err := kafka.Fetch(ctx, java, say)
	if err != nil {
		return nil, nil, err
	}
	dir := stack.Dir(s.data)
	b := kafka.Brokers{Jars: jars, Java: java, Dir: stack.Dir(dir.At("kafka")), Port: kafkaPort + s.offset, Count: 1}
	if err := b.Format(ctx); err != nil {
		return nil, nil, err
	}
	sup := stack.NewSupervisor(b.Dir, say)
	if err := sup.Start(b.Processes()...); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for err = b.Cluster().Apply(ctx); err != nil; err = b.Cluster().Apply(ctx) { // until it answers
		select {
		case <-ctx.Done():
			sup.Stop()
			return nil, nil, err
		case <-time.After(200 * time.Millisecond):
		}
	}
	return b.Cluster().Brokers, sup.Stop, nil
}
