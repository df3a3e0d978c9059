package metric

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// meter passes on to the provider that package app sets, if it sets one.
var meter = otel.Meter("xunguan")

// Label is one of Labels with a value.
func Label(key, value string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String(key, value))
}

// Counter returns f to count with.
func (f Figure) Counter() metric.Int64Counter {
	c, err := meter.Int64Counter(f.Name, metric.WithUnit(f.Unit))
	if err != nil {
		otel.Handle(err)
	}
	return c
}

// Report says that a gauge is at v.
type Report func(v int64, labels ...metric.ObserveOption)

// Observe asks read for f whenever figures are sent.
func (f Figure) Observe(read func(context.Context, Report) error) {
	_, err := meter.Int64ObservableGauge(f.Name, metric.WithUnit(f.Unit), metric.WithInt64Callback(
		func(ctx context.Context, o metric.Int64Observer) error { return read(ctx, o.Observe) }))
	if err != nil {
		otel.Handle(err)
	}
}
