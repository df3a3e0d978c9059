// Package eventtest has a consumer read events that no broker ever had.
package eventtest

import (
	"context"
	"errors"
	"strconv"
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

// TB is what a test of testing and one of rapid have in common.
type TB interface {
	Helper()
	Fatal(args ...any)
}

// Play has c read all of ms and returns when it is through with them.
func Play(t TB, c *event.Consumer, ms ...event.Message) {
	t.Helper()
	var all []kafka.Message
	for _, m := range ms {
		all = append(all, kafka.Message{
			Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Key: []byte(m.Key), Value: m.Data, Headers: []kafka.Header{
				{Key: "id", Value: []byte(m.ID)}, {Key: "type", Value: []byte(m.Type)}, {Key: "version", Value: strconv.AppendInt(nil, m.Version, 10)},
			},
		})
	}
	Read(t, c, all...)
}

// Read is Play of messages as Kafka has them, which need not be events.
func Read(t TB, c *event.Consumer, ms ...kafka.Message) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	c.Reader = &script{ms, stop}
	_ = c.Run(ctx)
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Fatal("the consumer stands still")
	}
}
