package rag_test

import (
	"testing"

	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/rag"
)

// BenchmarkCheckedAnswer is a question over the sample manuals from the search to
// the checked answer of a model that takes no time.
func BenchmarkCheckedAnswer(b *testing.B) {
	f := newFixture(b)
	f.reader.split = "\f"
	for name, text := range sampleText(b) {
		if _, err := f.IngestFile(b.Context(), rag.Key{Collection: rag.DefaultCollection, Source: name}, []byte(text)); err != nil {
			b.Fatal(err)
		}
	}
	for name, down := range map[string]bool{"model": false, "passages": true} {
		b.Run(name, func(b *testing.B) {
			f.model.down = down
			f.model.answer = func(provider.ChatRequest) (string, error) {
				return "A standard breathing space ends after 60 days [1]. It starts on the day after the details are entered on the register [1]. It cannot be extended [1].", nil
			}
			for b.Loop() {
				if _, err := f.Ask(b.Context(), rag.Question{Text: "How long does a standard breathing space last?", TopK: 4}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
