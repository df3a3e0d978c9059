package event_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
)

// topic is that of the test under way.
var topic = "school.events"

// newBroker is an embedded broker of the test's own with its topic. With
// TEST_KAFKA_BROKERS, as make real sets it, the same tests run on that cluster, one
// after the other (-parallel 1), each with a topic of a new name.
func newBroker(t testing.TB, partitions int) []string {
	t.Helper()
	if real := os.Getenv("TEST_KAFKA_BROKERS"); real != "" {
		brokers := strings.Split(real, ",")
		topic = "school." + uuid.NewString()
		made, err := newClient(t, brokers).CreateTopics(t.Context(), &kafka.CreateTopicsRequest{
			Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: -1}},
		})
		if err == nil {
			err = made.Errors[topic]
		}
		if err != nil {
			t.Fatal(err)
		}
		return brokers
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(int32(partitions), topic)) //nolint:gosec // a few
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}

// newClient is a client that hangs up as the test ends.
func newClient(t testing.TB, brokers []string) *kafka.Client {
	t.Helper()
	transport := new(kafka.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport}
}
