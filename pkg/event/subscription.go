package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"xunguan/pkg/dial"
	"xunguan/pkg/metric"
)

const (
	watching = 3 * time.Second  // between two looks at the lag
	patience = 10 * time.Second // that a partition may lag without moving
	letGo    = 5 * time.Second  // for a reader that is given up
	noting   = 2 * time.Second  // for a commit of offsets
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

	next map[partition]int64 // the offset that follows what was read; of FetchMessage alone
	lost atomic.Int64        // events that were gone from Kafka before they were read

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
		end:    end, done: make(chan struct{}), next: map[partition]int64{},
	}
	s.reader = kafka.NewReader(s.config)
	metric.ConsumerLag.Observe(s.report)
	go s.watch(ctx)
	return s
}

// FetchMessage waits for the next message.
func (s *Subscription) FetchMessage(ctx context.Context) (kafka.Message, error) {
	m, err := s.current().FetchMessage(ctx)
	switch {
	case errors.Is(err, kafka.OffsetOutOfRange):
		return m, errors.Join(err, s.rewind(ctx))
	case err != nil:
		return m, err
	}
	s.follow(ctx, m)
	return m, nil
}

// follow tells when events between the one read before m and m are gone. The keys
// they were of are halted when their next event comes; what is missing their
// owners can send again.
func (s *Subscription) follow(ctx context.Context, m kafka.Message) {
	at := partition{m.Topic, m.Partition}
	next, known := s.next[at]
	s.next[at] = m.Offset + 1
	if known && m.Offset == next {
		return
	}
	state, err := s.state(ctx) // rare: this reader has just been given the partition
	if err != nil {
		delete(s.next, at)
		slog.Default().WarnContext(ctx, "where the group was is not known", "group", s.config.GroupID, "err", err)
		return // what is missing of m's key its version tells
	}
	if was := state[at].committed; was >= 0 && was < m.Offset && (!known || next < m.Offset) {
		s.lost.Add(m.Offset - was)
		slog.Default().ErrorContext(ctx, "events are gone from Kafka", "group", s.config.GroupID, "topic", m.Topic, "partition", m.Partition, "from", was, "to", m.Offset)
	}
}

// rewind has the group read those partitions from their beginning whose end lies
// before where it was: they lost what they had, or were made anew. What is read
// again the inbox and the versions drop.
func (s *Subscription) rewind(ctx context.Context) error {
	state, err := s.state(ctx)
	if err != nil {
		return err
	}
	var first []kafka.Message
	for at, o := range state {
		if o.committed > o.last {
			slog.Default().ErrorContext(ctx, "Kafka ends before where the group was, reading again", "group", s.config.GroupID, "topic", at.topic, "partition", at.n, "was", o.committed, "end", o.last)
			s.lost.Add(o.committed - o.last)
			first = append(first, kafka.Message{Topic: at.topic, Partition: at.n, Offset: o.first - 1})
		}
	}
	if err := s.CommitMessages(ctx, first...); err != nil {
		return err
	}
	s.rejoin()
	return nil
}

// Whole returns an error once events were gone from Kafka before this group read
// them.
func (s *Subscription) Whole(context.Context) error {
	if n := s.lost.Load(); n > 0 {
		return fmt.Errorf("%d events were gone from Kafka", n)
	}
	return nil
}

// CommitMessages notes how far the group is, if that can be done now. A reader that
// is between two memberships keeps the commit for the next one, and if it is closed
// before that it never answers.
func (s *Subscription) CommitMessages(ctx context.Context, m ...kafka.Message) error {
	ctx, cancel := context.WithTimeout(ctx, noting)
	defer cancel()
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

// offsets is what a partition holds, and how far the group is in it: -1 if it never
// was.
type offsets struct{ first, last, committed int64 }

// lagging returns how far the group is in every partition that has more.
func (s *Subscription) lagging(ctx context.Context) (map[partition]int64, error) {
	state, err := s.state(ctx)
	if err != nil {
		return nil, err
	}
	lagging, behind := map[partition]int64{}, map[string]int64{}
	for p, o := range state {
		offset := max(o.committed, o.first)
		behind[p.topic] += o.last - offset
		if offset < o.last {
			lagging[p] = offset
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behind = behind
	return lagging, nil
}

// state is of all partitions.
func (s *Subscription) state(ctx context.Context) (map[partition]offsets, error) {
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
	state := map[partition]offsets{}
	for topic, ps := range log.Topics {
		for _, p := range ps {
			state[partition{topic, p.Partition}] = offsets{p.FirstOffset, p.LastOffset, -1}
		}
	}
	for topic, ps := range committed.Topics {
		for _, p := range ps {
			at := partition{topic, p.Partition}
			if o, known := state[at]; known {
				o.committed = p.CommittedOffset
				state[at] = o
			}
		}
	}
	return state, nil
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
