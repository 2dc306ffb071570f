// Package telemetry sends a service's traces to an OpenTelemetry collector, when
// the operator names one. Spans hold routes, names, numbers and times; nobody
// puts a question, a document or a client's name into one.
package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"signpost.internal/pkg/egress"
)

// Config is what an operator sets. The exporter also reads OpenTelemetry's other
// variables, such as OTEL_EXPORTER_OTLP_HEADERS.
type Config struct {
	Endpoint string `env:"OTEL_EXPORTER_OTLP_ENDPOINT" doc:"Address of an OpenTelemetry collector (OTLP over HTTP), such as http://localhost:4318, that traces are sent to. They name routes, models and times, never what was asked or answered. Unset sends none."`
}

// Validate reports a value that cannot work.
func (c Config) Validate() []error {
	if c.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return []error{fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %q: an address such as http://localhost:4318", c.Endpoint)}
	}
	return nil
}

// sendTimeout bounds one message to the collector.
const sendTimeout = 10 * time.Second

// Traces is where a service's spans go.
type Traces struct {
	trace.TracerProvider
	logger *slog.Logger
	close  func(context.Context) error
}

// Open returns the configured way for spans; without an endpoint they are
// dropped at no cost. It touches no network. The caller closes it.
func Open(ctx context.Context, cfg Config, dialer *egress.Dialer, service, version string, logger *slog.Logger) (*Traces, error) {
	if cfg.Endpoint == "" {
		return &Traces{noop.NewTracerProvider(), logger, func(context.Context) error { return nil }}, nil
	}
	base, err := url.Parse(cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	dialer.Allow(base)
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(base.JoinPath("v1", "traces").String()),
		otlptracehttp.WithHTTPClient(&http.Client{Transport: dialer.Transport(), Timeout: sendTimeout}))
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	// OpenTelemetry reports what went wrong in the background to one handler for
	// the whole process.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.WarnContext(context.WithoutCancel(ctx), "traces were not sent", "error", err)
	}))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter), // a bounded queue that drops when it is full
		sdktrace.WithResource(resource.NewSchemaless(semconv.ServiceName(service), semconv.ServiceVersion(version))),
	)
	return &Traces{provider, logger, provider.Shutdown}, nil
}

// Close sends what is left, for at most some seconds. That it could not is in
// the log.
func (t *Traces) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := t.close(ctx); err != nil {
		t.logger.WarnContext(ctx, "traces were not sent", "error", err)
	}
}
