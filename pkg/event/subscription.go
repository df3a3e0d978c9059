package event

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"xunguan/pkg/dial"
	"xunguan/pkg/metric"
)

const (
	watching = 3 * time.Second  // between two looks at the lag
	patience = 10 * time.Second // that a partition may lag without moving
	letGo    = 5 * time.Second  // for a reader that is given up
)

// Subscription is a group's membership, and the Reader of its Consumer. It joins
// anew when a partition that has events does not move: kafka-go has readers that
// stop, and a broker may keep a partition for a member that is long dead. What is
// read twice by that, the inbox drops.
type Subscription struct {
	config kafka.ReaderConfig
	client kafka.Client
	end    context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	reader *kafka.Reader
	behind map[string]int64 // events of each topic, at the last look
}

// NewReader returns the Subscription for the Consumer named group. It starts at
// the oldest event, and reports events lost to retention rather than skip them.
func NewReader(brokers []string, group string, topics ...string) *Subscription {
	ctx, end := context.WithCancel(context.Background())
	s := &Subscription{
		config: kafka.ReaderConfig{
			Dialer:  &kafka.Dialer{DialFunc: dial.Context, Timeout: 10 * time.Second},
			Brokers: brokers, GroupID: group, GroupTopics: topics, StartOffset: kafka.FirstOffset,
			MinBytes: 1, MaxBytes: 10 << 20, MaxWait: 250 * time.Millisecond, QueueCapacity: 2 * batch,
			WatchPartitionChanges: true, OffsetOutOfRangeError: true,
			// A consumer that was killed keeps its partitions until its session ends:
			// 6 s is the least that Kafka allows. The default is 30 s, and 5 s more to
			// join again.
			SessionTimeout: 6 * time.Second, HeartbeatInterval: 2 * time.Second, RebalanceTimeout: 6 * time.Second, JoinGroupBackoff: time.Second,
		},
		client: kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport},
		end:    end, done: make(chan struct{}),
	}
	s.reader = kafka.NewReader(s.config)
	metric.ConsumerLag.Observe(s.report)
	go s.watch(ctx)
	return s
}

// FetchMessage waits for the next message.
func (s *Subscription) FetchMessage(ctx context.Context) (kafka.Message, error) {
	return s.current().FetchMessage(ctx)
}

// CommitMessages notes how far the group is.
func (s *Subscription) CommitMessages(ctx context.Context, m ...kafka.Message) error {
	return s.current().CommitMessages(ctx, m...)
}

// Close leaves the group.
func (s *Subscription) Close() error {
	s.end()
	<-s.done
	return s.current().Close()
}

func (s *Subscription) current() *kafka.Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reader
}

// rejoin leaves the group, as far as that goes in time, and joins it anew.
func (s *Subscription) rejoin() {
	s.mu.Lock()
	old := s.reader
	s.reader = kafka.NewReader(s.config)
	s.mu.Unlock()
	left := make(chan struct{})
	go func() { _ = old.Close(); close(left) }()
	select {
	case <-left:
	case <-time.After(letGo): // it is abandoned: Close may hang for minutes
	}
}

// partition is one of a topic's.
type partition struct {
	topic string
	n     int
}

// stall is where a partition's group stands, and since when.
type stall struct {
	at    int64
	since time.Time
}

// watch rejoins whenever a partition has lagged without moving.
func (s *Subscription) watch(ctx context.Context) {
	defer close(s.done)
	stalls := map[partition]stall{}
	for ctx.Err() == nil {
		pause(ctx, watching)
		lagging, err := s.lagging(ctx)
		if err != nil {
			continue // the broker is away: there is nothing to judge by
		}
		if stuck(stalls, lagging, time.Now()) && ctx.Err() == nil {
			slog.Default().Warn("events do not move, joining anew", "group", s.config.GroupID)
			s.rejoin()
			clear(stalls)
		}
	}
}

// stuck brings stalls up to date with the partitions that lag, and reports
// whether one of them has not moved for too long.
func stuck(stalls map[partition]stall, lagging map[partition]int64, now time.Time) bool {
	long := false
	for p := range stalls {
		if _, still := lagging[p]; !still {
			delete(stalls, p)
		}
	}
	for p, at := range lagging {
		if was, known := stalls[p]; !known || was.at != at {
			stalls[p] = stall{at, now}
			continue
		}
		long = long || now.Sub(stalls[p].since) >= patience
	}
	return long
}

// lagging returns how far the group is in every partition that has more.
func (s *Subscription) lagging(ctx context.Context) (map[partition]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, watching)
	defer cancel()
	meta, err := s.client.Metadata(ctx, &kafka.MetadataRequest{Topics: s.config.GroupTopics})
	if err != nil {
		return nil, err
	}
	all, ends := map[string][]int{}, map[string][]kafka.OffsetRequest{}
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			all[t.Name] = append(all[t.Name], p.ID)
			ends[t.Name] = append(ends[t.Name], kafka.FirstOffsetOf(p.ID), kafka.LastOffsetOf(p.ID))
		}
	}
	committed, err := s.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: s.config.GroupID, Topics: all})
	if err != nil {
		return nil, err
	}
	log, err := s.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: ends})
	if err != nil {
		return nil, err
	}
	at := map[partition]int64{}
	for topic, ps := range committed.Topics {
		for _, p := range ps {
			at[partition{topic, p.Partition}] = p.CommittedOffset
		}
	}
	lagging, behind := map[partition]int64{}, map[string]int64{}
	for topic, ps := range log.Topics {
		for _, p := range ps {
			key := partition{topic, p.Partition}
			offset := max(at[key], p.FirstOffset)
			behind[topic] += p.LastOffset - offset
			if offset < p.LastOffset {
				lagging[key] = offset
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behind = behind
	return lagging, nil
}

// report says how far the group is behind in each topic.
func (s *Subscription) report(_ context.Context, report metric.Report) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, n := range s.behind {
		report(n, metric.Label("topic", topic))
	}
	return nil
}
