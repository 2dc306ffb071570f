package httpserver_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/httpserver"
	"signpost.internal/pkg/problem"
)

func TestSpansNameTheRouteAndNothingOfTheClients(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	traces := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	s := httpserver.New(httpserver.Options{
		Logger: slog.New(slog.DiscardHandler), Registry: httpserver.NewRegistry(), Tracer: traces,
		Health: func(context.Context) any { return gin.H{} },
	})
	s.Router().GET("/files/:name", problem.Handler(func(c *gin.Context) error {
		if c.Param("name") == "gone-zebra" {
			return fault.New(fault.Unavailable, "The zebra is not there.")
		}
		return nil
	}))
	const parent = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, path := range []string{"/files/okoye-zebra?q=zebra", "/files/gone-zebra", "/zebra"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("traceparent", "00-"+parent+"-00f067aa0ba902b7-01")
		r.Header.Set("User-Agent", "zebra")
		s.Router().ServeHTTP(httptest.NewRecorder(), r)
	}
	spans := exporter.GetSpans()
	if len(spans) != 3 {
		t.Fatalf("%d spans", len(spans))
	}
	for i, want := range []struct{ name, status, kind string }{
		{"GET /files/:name", "200", ""}, {"GET /files/:name", "503", "unavailable"}, {"GET unmatched", "404", "not_found"},
	} {
		attributes := map[string]string{}
		for _, a := range spans[i].Attributes {
			attributes[string(a.Key)] = a.Value.String()
		}
		if spans[i].Name != want.name || attributes["http.response.status_code"] != want.status || attributes["error.type"] != want.kind {
			t.Errorf("%q %v, want %+v", spans[i].Name, attributes, want)
		}
		if spans[i].SpanContext.TraceID().String() != parent {
			t.Errorf("%q is not below its caller", spans[i].Name)
		}
		for key, value := range attributes {
			if strings.Contains(value, "zebra") {
				t.Errorf("%s=%s", key, value)
			}
		}
	}
}
