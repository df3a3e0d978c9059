package event

import (
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestCommitEnds is a commit that no membership will ever take: its reader never
// joined and is closed.
func TestCommitEnds(t *testing.T) {
	t.Parallel()
	s := NewReader([]string{"127.0.0.1:1"}, "nobody", "x.events")
	ended := make(chan error, 1)
	go func() { ended <- s.CommitMessages(context.Background(), kafka.Message{Topic: "x.events"}) }()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("committed to nobody")
		}
	case <-time.After(10 * time.Second):
		t.Error("a commit waits for ever")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestStuck(t *testing.T) {
	a, b := partition{"x.events", 0}, partition{"x.events", 1}
	start := time.Unix(0, 0)
	stalls := map[partition]stall{}
	for _, tt := range []struct {
		name    string
		after   time.Duration
		lagging map[partition]int64
		want    bool
	}{
		{"first seen", 0, map[partition]int64{a: 5}, false},
		{"not long yet", 9 * time.Second, map[partition]int64{a: 5}, false},
		{"moved", 12 * time.Second, map[partition]int64{a: 6, b: 1}, false},
		{"long since the first look, not since it moved", 20 * time.Second, map[partition]int64{a: 6, b: 1}, false},
		{"one moves, the other does not", 23 * time.Second, map[partition]int64{a: 7, b: 1}, true},
		{"caught up", 40 * time.Second, nil, false},
		{"lags anew", 60 * time.Second, map[partition]int64{b: 1}, false},
	} {
		if got := stuck(stalls, tt.lagging, start.Add(tt.after)); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}
