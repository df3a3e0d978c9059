package portal

import (
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"xunguan/pkg/app"
	"xunguan/pkg/pg"
)

// TestEachLayerWaitsLonger is the order of the limits: who asks must outlast whom
// he asks, or work goes on for nobody.
func TestEachLayerWaitsLonger(t *testing.T) {
	var service app.Config
	parser, err := kong.New(&service)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"--database-url=x", "--kafka-brokers=x", "--caller-keys=x=y"}); err != nil {
		t.Fatal(err)
	}
	limits := []time.Duration{visitCap, gatewayCap, service.Deadline, pg.Statement, pg.Lock}
	for i := range limits[1:] {
		if limits[i] <= limits[i+1] {
			t.Errorf("limit %d of %v is not more than the next", i, limits)
		}
	}
}
