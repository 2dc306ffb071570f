package rag

import (
	"strings"
	"testing"

	"signpost.internal/services/rag-service/internal/bm25"
)

// Every entry of the thesaurus can be searched for.
func TestThesaurus(t *testing.T) {
	a := bm25.NewAnalyzer()
	for line := range strings.Lines(thesaurusText) {
		if _, err := parseThesaurus(a, line); err != nil {
			t.Errorf("%s: %v", strings.TrimSpace(line), err)
		}
	}
}
