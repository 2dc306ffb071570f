package rag_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"signpost.internal/services/rag-service/internal/rag"
	"signpost.internal/services/rag-service/internal/sqliteindex"
)

// BenchmarkQuery10000Chunks asks over 10,000 chunks of 150 words, from the
// question to the answer in passages, without a model.
func BenchmarkQuery10000Chunks(b *testing.B) {
	index, err := sqliteindex.Open(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer index.Close()
	s := rag.New(rag.Options{Index: index, Generator: &model{down: true}, Logger: slog.New(slog.DiscardHandler)})
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.1, 8, 20_000) // as in a language, few words are frequent
	sentence := func(n int) string {
		words := make([]string, n)
		for i := range words {
			words[i] = fmt.Sprintf("w%d", zipf.Uint64())
		}
		return strings.Join(words, " ") + "."
	}
	start := time.Now()
	for document := range 100 {
		var text strings.Builder
		for section := range 100 {
			fmt.Fprintf(&text, "## Section %d of %s\n\n", section, sentence(3))
			for range 10 {
				text.WriteString(sentence(15) + " ")
			}
			text.WriteString("\n\n")
		}
		if _, err := s.IngestTexts(b.Context(), rag.DefaultCollection, []rag.Text{{Name: fmt.Sprintf("%d.md", document), Text: text.String()}}); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(start)
	size, err := index.Size(b.Context(), rag.DefaultCollection)
	if err != nil || size.Chunks < 10_000 {
		b.Fatalf("%+v, %v", size, err)
	}
	var times []time.Duration
	for b.Loop() {
		for range 200 {
			question := sentence(8)
			begin := time.Now()
			if _, err := s.Ask(b.Context(), rag.Question{Text: question, TopK: 5}, nil); err != nil {
				b.Fatal(err)
			}
			times = append(times, time.Since(begin))
		}
	}
	slices.Sort(times)
	b.ReportMetric(float64(size.Chunks)/took.Seconds(), "chunks-ingested/s")
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
}
