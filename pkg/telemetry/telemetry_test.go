package telemetry_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSpansReachTheCollector(t *testing.T) {
	var path string
	var body []byte
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		body, _ = io.ReadAll(r.Body)
	}))
	defer collector.Close()
	traces, err := telemetry.Open(t.Context(), telemetry.Config{Endpoint: collector.URL}, egress.New(egress.Config{}, nil), "a-service", "v1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, span := traces.Tracer("test").Start(t.Context(), "a span")
	span.End()
	traces.Close()
	if path != "/v1/traces" || !bytes.Contains(body, []byte("a span")) || !bytes.Contains(body, []byte("a-service")) {
		t.Errorf("%s got %q", path, body)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func TestNoEndpointNoSpans(t *testing.T) {
	traces, err := telemetry.Open(t.Context(), telemetry.Config{}, egress.New(egress.Config{}, nil), "a-service", "v1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, span := traces.Tracer("test").Start(t.Context(), "a span")
	if span.IsRecording() {
		t.Error("it records")
	}
	traces.Close()
}

func TestValidate(t *testing.T) {
	for endpoint, ok := range map[string]bool{
		"": true, "http://localhost:4318": true, "https://collector.example/otlp": true,
		"localhost:4318": false, "grpc://localhost:4317": false, "http://": false,
	} {
		faults := telemetry.Config{Endpoint: endpoint}.Validate()
		if (len(faults) == 0) != ok {
			t.Errorf("%q: %v", endpoint, faults)
		}
		for _, f := range faults {
			if !strings.HasPrefix(f.Error(), "OTEL_EXPORTER_OTLP_ENDPOINT: ") {
				t.Errorf("%q: %v", endpoint, f)
			}
		}
	}
}
