package portal

import (
	"testing"

	"go.uber.org/goleak"

	"xunguan/pkg/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(ended{m}) }

// ended is tests that hang up on brokers in the end.
type ended struct{ *testing.M }

func (e ended) Run() int {
	defer event.Disconnect()
	return e.M.Run()
}
