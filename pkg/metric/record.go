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

// Histogram returns f, in seconds, to record with.
func (f Figure) Histogram() metric.Float64Histogram {
	h, err := meter.Float64Histogram(f.Name, metric.WithUnit(f.Unit),
		metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10)) // otelhttp's
	if err != nil {
		otel.Handle(err)
	}
	return h
}

// Served is the labels of a request that was answered, as otelhttp has them.
func Served(method, route string, status int) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route),
		attribute.Int("http.response.status_code", status))
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
