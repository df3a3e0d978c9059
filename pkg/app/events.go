package app

import (
	"strings"

	"xunguan/pkg/auth"
	"xunguan/pkg/event"
	"xunguan/pkg/fault"
	"xunguan/pkg/kit"
	"xunguan/pkg/mend"
)

// Consume applies the events of topics by m, as the consumer named after the service.
func (b *Base) Consume(m event.Mux, topics ...string) {
	r := event.NewReader(b.Config.KafkaBrokers, b.Name, topics...)
	b.OnStop("kafka reader", r.Close)
	b.Report("events whole", r.Whole)
	c := &event.Consumer{Name: b.Name, DB: b.DB, Reader: r, Handle: m.Handle, Concerns: m.Concerns, Log: b.Log}
	b.desk.Consumer = c
	b.Go(c.Run)
	b.Go(c.Watch)
}

// operated gives the service's API to may and to operators, and has it spare
// calls while too much waits to be published.
func (b *Base) operated(may auth.Policy) {
	b.desk = &mend.Desk{DB: b.DB, Log: b.Log}
	b.pressure = &event.Pressure{DB: b.DB, Limits: b.Config.Limits, Log: b.Log}
	b.API.Policy = mend.Grant(may)
	b.API.Spare = b.spare
}

// operate adds the desk, and the workers that watch the outbox and prune it.
func (b *Base) operate() {
	b.desk.Routes(b.API)
	b.Go(b.pressure.Run)
	b.Go((&event.Pruner{DB: b.DB, Keep: b.Config.Keep, Pressure: b.pressure, Log: b.Log}).Run)
}

// spare refuses jobs while much waits in the outbox, and writes without legal
// effect while very much does.
func (b *Base) spare(r kit.RouteInfo) error {
	level := b.pressure.Level()
	job := r.Class == kit.Reports && strings.HasPrefix(r.Pattern, "POST ")
	if level >= event.Busy && job || level >= event.Crowded && r.CanWait {
		return fault.Unavailable.Errorf("待发布的事件过多，此项暂缓办理，请稍后再试")
	}
	return nil
}
