package sqliteindex_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"signpost.internal/services/rag-service/internal/indextest"
	"signpost.internal/services/rag-service/internal/rag"
	"signpost.internal/services/rag-service/internal/sqliteindex"
)

// words draws n words from a vocabulary of 20,000 in which, as in a language, a
// few are frequent and most are rare.
func words(zipf *rand.Zipf, n int) string {
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "w%d ", zipf.Uint64())
	}
	return b.String()
}

// fill stores 100 documents of 100 chunks of 150 words.
func fill(b *testing.B, x *sqliteindex.Index) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.1, 8, 20_000)
	for document := range 100 {
		texts := make([]string, 100)
		for i := range texts {
			texts[i] = words(zipf, 150)
		}
		if err := x.Put(b.Context(), indextest.Document(fmt.Sprintf("%d.pdf", document), "1", texts...)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIndex10000Chunks(b *testing.B) {
	dir := b.TempDir()
	x, err := sqliteindex.Open(b.Context(), dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ingest", func(b *testing.B) {
		start := time.Now()
		fill(b, x)
		b.ReportMetric(10_000/time.Since(start).Seconds(), "chunks/s")
	})
	if err := x.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if x, err = sqliteindex.Open(b.Context(), dir); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := x.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
	if x, err = sqliteindex.Open(b.Context(), dir); err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	b.Run("search", func(b *testing.B) {
		r := rand.New(rand.NewPCG(3, 4))
		zipf := rand.NewZipf(r, 1.1, 8, 20_000)
		var took []time.Duration
		for b.Loop() {
			for range 300 {
				query := indextest.Query(words(zipf, 8), 80)
				start := time.Now()
				var found rag.Found
				if found, err = x.Search(b.Context(), query); err != nil || found.Total != 10_000 {
					b.Fatal(found.Total, err)
				}
				took = append(took, time.Since(start))
			}
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	})
}
