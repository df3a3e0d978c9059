package event

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestWriterSettings is what kafka-go would else do: lose what the broker never
// got, wait a second for each write, retry out of order, spread a key.
func TestWriterSettings(t *testing.T) {
	w := NewWriter([]string{"127.0.0.1:1"})
	if w.RequiredAcks != kafka.RequireAll || w.Async || w.MaxAttempts != 1 || w.AllowAutoTopicCreation {
		t.Errorf("acks %v, async %t, attempts %d, makes topics %t", w.RequiredAcks, w.Async, w.MaxAttempts, w.AllowAutoTopicCreation)
	}
	if w.BatchTimeout > 10*time.Millisecond || w.BatchSize != relayed || w.WriteTimeout > applyCap {
		t.Errorf("batches of %d after %s, written within %s", w.BatchSize, w.BatchTimeout, w.WriteTimeout)
	}
	if _, hash := w.Balancer.(*kafka.Hash); !hash {
		t.Errorf("balancer %T", w.Balancer)
	}
	if other := NewWriter(nil); other.Transport != w.Transport {
		t.Error("a writer has a transport of its own")
	}
}

// TestReaderSettings is the same for reading: start at the oldest event, tell what
// is out of range, see new partitions, commit when told to.
func TestReaderSettings(t *testing.T) {
	s := NewReader([]string{"127.0.0.1:1"}, "g", "t")
	defer s.Close()
	c := s.config
	if c.StartOffset != kafka.FirstOffset || !c.OffsetOutOfRangeError || !c.WatchPartitionChanges || c.CommitInterval != 0 || c.GroupID != "g" {
		t.Errorf("start %d, out of range told %t, partitions watched %t, commits after %s, group %s", c.StartOffset, c.OffsetOutOfRangeError, c.WatchPartitionChanges, c.CommitInterval, c.GroupID)
	}
}

// TestWatch: a handler that heeds no deadline stops the service, one that is only
// slow does not.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Consumer{Name: "test", Log: slog.New(slog.DiscardHandler)}
		stuck := make(chan error, 1)
		watched, end := context.WithCancel(t.Context())
		defer end()
		go func() { stuck <- c.Watch(watched) }()
		c.since.Store(time.Now().UnixNano())
		time.Sleep(stuckCap)
		c.since.Store(time.Now().UnixNano()) // the next one
		time.Sleep(stuckCap - time.Second)
		synctest.Wait()
		if len(stuck) > 0 {
			t.Fatal("stopped by an event that was not yet stuck")
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		select {
		case err := <-stuck:
			if err == nil || !strings.Contains(err.Error(), "stuck") {
				t.Errorf("%v", err)
			}
		default:
			t.Fatal("not stopped")
		}
		ctx, stop := context.WithCancel(t.Context())
		c.since.Store(0)
		go func() { stuck <- c.Watch(ctx) }()
		time.Sleep(time.Hour)
		stop()
		if err := <-stuck; err != nil {
			t.Errorf("idle: %v", err)
		}
	})
}
