package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"xunguan/pkg/metric"
)

// sending is how often figures are sent, unless OTEL_METRIC_EXPORT_INTERVAL says.
const sending = 15 * time.Second

// telemetry sends traces and figures to OTEL_EXPORTER_OTLP_ENDPOINT, if that is
// set; no figures if OTEL_METRICS_EXPORTER is none. It comes before any other
// closer and so is closed last: the others are told of, too.
func (a *App) telemetry(ctx context.Context) error {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { a.Log.Warn("telemetry", "err", err) }))
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	who := resource.NewSchemaless(attribute.String("service.name", a.Name),
		attribute.String("service.instance.id", fmt.Sprintf("%s-%d", host, os.Getpid())))
	traces, err := otlptracehttp.New(ctx)
	if err != nil {
		return err
	}
	tp := sdktrace.NewTracerProvider(sdktrace.WithBatcher(traces), sdktrace.WithResource(who))
	otel.SetTracerProvider(tp)
	ends := []func(context.Context) error{tp.Shutdown}
	if os.Getenv("OTEL_METRICS_EXPORTER") != "none" {
		figures, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return err
		}
		var often []sdkmetric.PeriodicReaderOption
		if os.Getenv("OTEL_METRIC_EXPORT_INTERVAL") == "" {
			often = append(often, sdkmetric.WithInterval(sending))
		}
		mp := sdkmetric.NewMeterProvider(sdkmetric.WithResource(who), sdkmetric.WithView(named),
			sdkmetric.WithReader(sdkmetric.NewPeriodicReader(figures, often...)))
		otel.SetMeterProvider(mp)
		ends = append(ends, mp.Shutdown)
		if err := runtime.Start(); err != nil {
			return err
		}
	}
	a.OnStop("telemetry", func() error { a.flush(ends); return nil })
	return nil
}

// flush ends all of ends, at once and in time.
func (a *App) flush(ends []func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), flush)
	defer cancel()
	errs := make([]error, len(ends))
	var all sync.WaitGroup
	for i, end := range ends {
		all.Go(func() { errs[i] = end(ctx) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		a.Log.Warn("last telemetry lost", "err", err)
	}
}

// named is the View that keeps the figures and labels of package metric, and no
// others.
func named(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	keys := make([]attribute.Key, len(metric.Labels))
	for n, l := range metric.Labels {
		keys[n] = attribute.Key(l)
	}
	s := sdkmetric.Stream{Name: i.Name, Description: i.Description, Unit: i.Unit, AttributeFilter: attribute.NewAllowKeysFilter(keys...)}
	if !slices.ContainsFunc(metric.All, func(f metric.Figure) bool { return f.Name == i.Name }) {
		s.Aggregation = sdkmetric.AggregationDrop{}
	}
	return s, true
}
