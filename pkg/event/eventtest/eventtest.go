// Package eventtest has a consumer read events that no broker ever had.
package eventtest

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"xunguan/pkg/event"
)

// script is a Reader of what a test wrote down. It ends the run when all of it is
// committed.
type script struct {
	left []kafka.Message
	done func()
}

func (s *script) FetchMessage(ctx context.Context) (kafka.Message, error) {
	if len(s.left) == 0 {
		<-ctx.Done()
		return kafka.Message{}, ctx.Err()
	}
	m := s.left[0]
	s.left = s.left[1:]
	return m, nil
}

func (s *script) CommitMessages(context.Context, ...kafka.Message) error {
	if len(s.left) == 0 {
		s.done()
	}
	return nil
}

// Play has c read all of ms and returns when it is through with them.
func Play(t testing.TB, c *event.Consumer, ms ...event.Message) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	s := &script{done: stop}
	for _, m := range ms {
		s.left = append(s.left, kafka.Message{
			Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Key: []byte(m.Key), Value: m.Data, Headers: []kafka.Header{
				{Key: "id", Value: []byte(m.ID)}, {Key: "type", Value: []byte(m.Type)}, {Key: "version", Value: strconv.AppendInt(nil, m.Version, 10)},
			},
		})
	}
	c.Reader = s
	_ = c.Run(ctx)
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Fatal("the consumer stands still")
	}
}
