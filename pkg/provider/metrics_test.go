package provider_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"signpost.internal/pkg/provider"
	"signpost.internal/pkg/provider/providertest"
)

// TestMetrics holds what is counted of a call that falls back.
func TestMetrics(t *testing.T) {
	ollama, vllm := providertest.NewOllama(t, reply), providertest.NewVLLM(t, reply)
	registry := prometheus.NewRegistry()
	m := provider.NewMetrics(registry)
	c, err := provider.Open(config(t, both(ollama, vllm)), provider.Options{Observe: m.Observe, Switched: m.Switched})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ollama.Fail(500)
	if _, err := c.Chat(t.Context(), ask("x")); err != nil {
		t.Fatal(err)
	}
	if err := c.Switch(t.Context(), provider.Selection{Provider: "vllm"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Chat(t.Context(), ask("x")); err != nil {
		t.Fatal(err)
	}
	ollama.Fail(0)
	if _, err := c.Embed(t.Context(), provider.Document, []string{"rent"}); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, series := range f.GetMetric() {
			var labels []string
			for _, l := range series.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			name := f.GetName() + " " + strings.Join(labels, " ")
			if h := series.GetHistogram(); h != nil {
				got[name] = float64(h.GetSampleCount())
			} else if v := series.GetCounter().GetValue(); v != 0 {
				got[name] = v
			}
		}
	}
	maps.DeleteFunc(got, func(name string, _ float64) bool { return strings.HasPrefix(name, "llm_tokens_total") })
	want := map[string]float64{
		"llm_attempts_total chat server_error ollama": 1, "llm_attempts_total chat ok vllm": 2, "llm_attempts_total embed ok ollama": 1,
		"llm_fallbacks_total chat vllm": 1, "llm_provider_switches_total vllm": 1,
		"llm_attempt_duration_seconds chat ollama": 1, "llm_attempt_duration_seconds chat vllm": 2, "llm_attempt_duration_seconds embed ollama": 1,
		"llm_queue_seconds chat ollama": 1, "llm_queue_seconds chat vllm": 2, "llm_queue_seconds embed ollama": 1,
		"llm_first_token_seconds chat vllm": 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
