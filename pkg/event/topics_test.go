package event

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// newCluster is a broker, or three, without a topic.
func newCluster(t *testing.T, brokers int) Cluster {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(brokers))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return Cluster{k.ListenAddrs(), brokers}
}

// Whoever changes the list gives it a new number, and the sum of that here.
func TestTopicsVersion(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256(fmt.Append(nil, topics))
	if got, want := hex.EncodeToString(sum[:8]), map[int]string{2: "289514075da06716"}[TopicsVersion]; got != want {
		t.Errorf("version %d of the list was %q, and is %q", TopicsVersion, want, got)
	}
	for _, topic := range topics {
		if topic.Retention < 14*24*time.Hour {
			t.Errorf("%s is kept for %s only", topic.Name, topic.Retention)
		}
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	for _, brokers := range []int{1, 3} {
		c := newCluster(t, brokers)
		if err := c.Check(t.Context()); !errors.Is(err, ErrTopics) || strings.Count(err.Error(), "does not exist") != len(topics) {
			t.Errorf("%d brokers, no topics: %v", brokers, err)
		}
		for range 2 {
			if err := c.Apply(t.Context()); err != nil {
				t.Fatalf("%d brokers: %v", brokers, err)
			}
		}
		if err := c.Check(t.Context()); err != nil {
			t.Errorf("%d brokers: %v", brokers, err)
		}
	}
}

// TestCheckRefuses: each promise of the list, broken by itself.
func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		brokers            int
		partitions, copies int
		setting, value     string
		want               string // "" if it is as good
		mends              bool   // Apply does
	}{
		"fewer partitions":     {1, 3, 1, "", "", "escrow.events has 3 partitions, must have 6", false},
		"more partitions":      {1, 12, 1, "", "", "escrow.events has 12 partitions, must have 6", false},
		"one copy of three":    {3, 6, 1, "", "", "escrow.events has a replication factor of 1, must have 3", false},
		"acknowledged by one":  {3, 6, 3, "min.insync.replicas", "1", "escrow.events has min.insync.replicas=1, must have 2", true},
		"acknowledged by all":  {3, 6, 3, "min.insync.replicas", "3", "", true},
		"kept for a week":      {1, 6, 1, "retention.ms", "604800000", "escrow.events has retention.ms=604800000, must have 1209600000", true},
		"kept for ever":        {1, 6, 1, "retention.ms", "-1", "", true},
		"kept for three weeks": {1, 6, 1, "retention.ms", "1814400000", "", true},
		"kept up to a size":    {1, 6, 1, "retention.bytes", "1000000", "escrow.events has retention.bytes=1000000, must have -1", true},
		"last of a key kept":   {1, 6, 1, "cleanup.policy", "compact", "escrow.events has cleanup.policy=compact, must have delete", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, tt.brokers)
			wrong := c.config(topics[2])
			wrong.NumPartitions, wrong.ReplicationFactor = tt.partitions, tt.copies
			for i, e := range wrong.ConfigEntries {
				if e.ConfigName == tt.setting {
					wrong.ConfigEntries[i].ConfigValue = tt.value
				}
			}
			list := []kafka.TopicConfig{wrong}
			for _, topic := range append(topics[:2:2], topics[3:]...) {
				list = append(list, c.config(topic))
			}
			if err := c.create(t.Context(), list); err != nil {
				t.Fatal(err)
			}
			err := c.Check(t.Context())
			if tt.want == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if tt.want != "" && (!errors.Is(err, ErrTopics) || !strings.HasSuffix(err.Error(), "): "+tt.want)) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
			if err := c.Apply(t.Context()); tt.mends != (err == nil) {
				t.Errorf("applied: %v", err)
			}
			if tt.want == "" {
				if states, err := c.describe(t.Context()); err != nil || states["escrow.events"].settings[tt.setting] != tt.value {
					t.Errorf("took back %s: %v, %v", tt.value, states["escrow.events"].settings, err)
				}
			}
		})
	}
}

// A cluster that cannot be asked is not a wrong one.
func TestCheckAway(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := (Cluster{[]string{"127.0.0.1:1"}, 1}).Check(ctx); err == nil || errors.Is(err, ErrTopics) {
		t.Errorf("nobody there: %v", err)
	}
}

// What the embedded broker has no setting for, as Kafka would answer.
func TestCheckRefusesKafka(t *testing.T) {
	t.Parallel()
	for setting, of := range map[string]kmsg.ConfigResourceType{
		"auto.create.topics.enable": kmsg.ConfigResourceTypeBroker, "unclean.leader.election.enable": kmsg.ConfigResourceTypeTopic,
	} {
		for value, refused := range map[string]bool{"true": true, "false": false} {
			k, err := kfake.NewCluster(kfake.NumBrokers(1))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(k.Close)
			c := Cluster{k.ListenAddrs(), 1}
			if err := c.Apply(t.Context()); err != nil {
				t.Fatal(err)
			}
			k.ControlKey(int16(kmsg.DescribeConfigs), func(r kmsg.Request) (kmsg.Response, error, bool) {
				req := r.(*kmsg.DescribeConfigsRequest)
				k.KeepControl()
				if req.Resources[0].ResourceType != of {
					return nil, nil, false
				}
				return c.answer(req, setting, value), nil, true
			})
			if err := c.Check(t.Context()); refused != (errors.Is(err, ErrTopics) && strings.Contains(err.Error(), setting)) {
				t.Errorf("%s=%s: %v", setting, value, err)
			}
		}
	}
}

// answer has the settings of topics as they must be, and one more.
func (c Cluster) answer(req *kmsg.DescribeConfigsRequest, setting, value string) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
	for _, asked := range req.Resources {
		r := kmsg.NewDescribeConfigsResponseResource()
		r.ResourceType, r.ResourceName = asked.ResourceType, asked.ResourceName
		add := func(name, value string) {
			e := kmsg.NewDescribeConfigsResponseResourceConfig()
			e.Name, e.Value = name, &value
			r.Configs = append(r.Configs, e)
		}
		for _, s := range c.settings(topics[0]) {
			add(s.name, s.value)
		}
		add(setting, value)
		resp.Resources = append(resp.Resources, r)
	}
	return resp
}
