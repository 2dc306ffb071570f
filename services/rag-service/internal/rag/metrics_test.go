package rag_test

import (
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/rag"
)

// TestSearchesAreCounted holds each way in which a search is made.
func TestSearchesAreCounted(t *testing.T) {
	f := newFixture(t)
	f.ingest(t)
	registry, m := prometheus.NewRegistry(), &meaning{}
	o := rag.Options{Index: f.index, Generator: f.model, Logger: slog.New(slog.DiscardHandler), Searched: rag.NewMetrics(registry).Searched}
	plain := rag.New(o)
	o.Embedder = m
	hybrid := rag.New(o)
	find := func(s *rag.Service, question string) {
		t.Helper()
		if _, err := s.Find(t.Context(), rag.Question{Text: question, TopK: 1}); err != nil {
			t.Fatal(err)
		}
	}
	find(plain, "breathing space")
	find(hybrid, "breathing space")
	embedAll(t, f.index, m)
	find(hybrid, "breathing space")
	find(hybrid, "breathing space?")
	m.axis = 1
	find(rag.New(o), "breathing space")
	m.fails = fault.New(fault.Unavailable, "It is down.")
	find(hybrid, "debt relief")
	find(plain, "?") // nothing is searched for
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "rag_searches_total" {
		t.Fatalf("%v, %v", families, err)
	}
	got := map[string]float64{}
	for _, series := range families[0].GetMetric() {
		labels := series.GetLabel() // in alphabetical order
		got[labels[0].GetValue()+" "+labels[1].GetValue()] = series.GetCounter().GetValue()
	}
	want := map[string]float64{"both ": 2, "words failed": 1, "words no_model": 1, "words no_vectors": 1, "words other_model": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("searches by method and why (-want +got):\n%s", diff)
	}
}
