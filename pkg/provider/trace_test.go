package provider_test

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"signpost.internal/pkg/env"
	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/providertest"
)

const marker = "Quillfeather"

// traced opens a client whose spans the exporter gets.
func traced(t *testing.T, environ map[string]string) (*provider.Client, *tracetest.InMemoryExporter) {
	t.Helper()
	var cfg provider.Config
	if err := env.Load(&cfg, environ); err != nil {
		t.Fatal(err)
	}
	exporter := tracetest.NewInMemoryExporter()
	traces := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	c, err := provider.Open(cfg, provider.Options{TracerProvider: traces})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, exporter
}

// attributes returns a span's, and fails where times are not there or negative.
func attributes(t *testing.T, span tracetest.SpanStub, times ...attribute.Key) map[attribute.Key]any {
	t.Helper()
	all := map[attribute.Key]any{}
	for _, a := range span.Attributes {
		all[a.Key] = a.Value.AsInterface()
	}
	for _, key := range times {
		if seconds, ok := all[key].(float64); !ok || seconds < 0 {
			t.Errorf("%s: %v", key, all[key])
		}
		delete(all, key)
	}
	if span.SpanKind != trace.SpanKindClient {
		t.Errorf("kind %v", span.SpanKind)
	}
	return all
}

func address(t *testing.T, raw string) (string, int64) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseInt(port, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return host, number
}

// TestSpans holds the spans to OpenTelemetry's conventions, and that nothing of
// what was asked and answered is in them.
func TestSpans(t *testing.T) {
	first := providertest.NewVLLM(t, marker+" answers.")
	second := providertest.NewOllama(t, marker+" answers at length.")
	c, exporter := traced(t, map[string]string{
		"LLM_PROVIDER": "vllm", "VLLM_URL": first.URL, "LLM_FALLBACK": "ollama", "OLLAMA_URL": second.URL, "EMBEDDING_PROVIDER": "ollama",
	})
	host, vllmPort := address(t, first.URL)
	_, ollamaPort := address(t, second.URL)
	r := ask("Who is " + marker + "?")

	if _, err := c.Chat(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	first.Cut() // in the middle of the answer, whose beginning the error could quote
	for _, err := range c.ChatStream(t.Context(), r) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Embed(t.Context(), provider.Query, []string{marker}); err != nil {
		t.Fatal(err)
	}
	for range c.ChatStream(t.Context(), r) {
		break
	}
	spans := exporter.GetSpans()
	if len(spans) != 5 {
		t.Fatalf("%d spans: %v", len(spans), spans)
	}
	type all = map[attribute.Key]any
	const queue, chunk = "signpost.queue_time", "gen_ai.response.time_to_first_chunk"
	for i, want := range []struct {
		name  string
		code  codes.Code
		times []attribute.Key
		has   all
	}{
		{"chat " + providertest.VLLMModel, codes.Unset, []attribute.Key{queue, chunk}, all{
			"gen_ai.operation.name": "chat", "gen_ai.provider.name": "vllm", "gen_ai.request.model": providertest.VLLMModel, "gen_ai.request.stream": true,
			"gen_ai.response.model": providertest.VLLMModel, "gen_ai.response.finish_reasons": []string{"stop"},
			"gen_ai.usage.input_tokens": int64(7), "gen_ai.usage.output_tokens": int64(2),
			"server.address": host, "server.port": vllmPort, "signpost.attempt": int64(1),
		}},
		{"chat " + providertest.VLLMModel, codes.Error, []attribute.Key{queue, chunk}, all{
			"gen_ai.operation.name": "chat", "gen_ai.provider.name": "vllm", "gen_ai.request.model": providertest.VLLMModel, "gen_ai.request.stream": true,
			"error.type": "cut", "server.address": host, "server.port": vllmPort, "signpost.attempt": int64(1),
		}},
		{"chat llama3.2", codes.Unset, []attribute.Key{queue, chunk}, all{
			"gen_ai.operation.name": "chat", "gen_ai.provider.name": "ollama", "gen_ai.request.model": "llama3.2", "gen_ai.request.stream": true,
			"gen_ai.response.model": "llama3.2", "gen_ai.response.finish_reasons": []string{"stop"},
			"gen_ai.usage.input_tokens": int64(7), "gen_ai.usage.output_tokens": int64(4),
			"server.address": host, "server.port": ollamaPort, "signpost.attempt": int64(2), "signpost.fallback.reason": "vllm cut",
		}},
		{"embeddings nomic-embed-text", codes.Unset, []attribute.Key{queue}, all{
			"gen_ai.operation.name": "embeddings", "gen_ai.provider.name": "ollama", "gen_ai.request.model": "nomic-embed-text",
			"gen_ai.usage.input_tokens": int64(2), "gen_ai.embeddings.dimension.count": int64(providertest.Dimension),
			"server.address": host, "server.port": ollamaPort, "signpost.attempt": int64(1),
		}},
		{"chat " + providertest.VLLMModel, codes.Unset, []attribute.Key{queue, chunk}, all{ // the reader left
			"gen_ai.operation.name": "chat", "gen_ai.provider.name": "vllm", "gen_ai.request.model": providertest.VLLMModel, "gen_ai.request.stream": true,
			"server.address": host, "server.port": vllmPort, "signpost.attempt": int64(1),
		}},
	} {
		t.Run(fmt.Sprint(i, " ", want.name), func(t *testing.T) {
			if spans[i].Name != want.name || spans[i].Status.Code != want.code {
				t.Errorf("%s, %v; want %s, %v", spans[i].Name, spans[i].Status.Code, want.name, want.code)
			}
			if diff := cmp.Diff(want.has, attributes(t, spans[i], want.times...)); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, span := range spans {
		if whole := fmt.Sprintf("%+v", span); strings.Contains(whole, marker) {
			t.Errorf("words of a prompt or an answer: %s", whole)
		}
	}
	for _, request := range append(first.Requests(), second.Requests()...) {
		if request.Header.Get("Traceparent") != "" {
			t.Error("a model server was sent trace headers")
		}
	}
}
