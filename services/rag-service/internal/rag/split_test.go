package rag_test

import (
	"fmt"
	"strings"
	"testing"

	"signpost.internal/services/rag-service/internal/rag"
)

func TestQuestionsAreSplit(t *testing.T) {
	const strange = "The manuals do not seem to cover this part: “Which vaccinations does a poodle need?”."
	for name, tt := range map[string]struct {
		question string
		topK     int
		covered  bool
		notice   string
		sources  string // in any order
	}{
		"one thing":                    {"How long does breathing space last?", 1, true, "", "space.txt"},
		"two things":                   {"How long does breathing space last? What is the total of debts for a debt relief order?", 2, true, "", "relief.txt space.txt"},
		"one of them is not covered":   {"How long does breathing space last? Which vaccinations does a poodle need?", 2, true, strange, "space.txt"},
		"neither is covered":           {"Which vaccinations does a poodle need? How often is a parrot fed?", 2, false, "", ""},
		"one leans on what is not":     {"Which vaccinations does a poodle need, and what is the total of its debts?", 2, false, "", ""},
		"fewer passages than parts":    {"How long does breathing space last? Which vaccinations does a poodle need?", 1, true, "", "space.txt"},
		"more parts than are searched": {"How long is it? Who starts it? What does it cost? Where is breathing space entered?", 5, false, "", "space.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.ingest(t)
			found, err := f.Find(t.Context(), rag.Question{Text: tt.question, TopK: tt.topK})
			if err != nil {
				t.Fatal(err)
			}
			if found.Covered != tt.covered || found.Notice != tt.notice || len(found.Results) > tt.topK {
				t.Errorf("covered %v, notice %q, %d passages", found.Covered, found.Notice, len(found.Results))
			}
			var sources []string
			for _, r := range found.Results {
				sources = append(sources, r.Source)
			}
			for want := range strings.FieldsSeq(tt.sources) {
				if !strings.Contains(fmt.Sprint(sources), want) {
					t.Errorf("%s is not among %v", want, sources)
				}
			}
		})
	}
	t.Run("an answer", func(t *testing.T) {
		f := newFixture(t)
		f.ingest(t)
		a, err := f.Ask(t.Context(), rag.Question{Text: "How long does breathing space last? Which vaccinations does a poodle need?", TopK: 4}, nil)
		if err != nil || a.Refused || !strings.Contains(a.Notice, strange) || !strings.Contains(a.Text, "60 days") {
			t.Errorf("%+v, %v", a, err)
		}
	})
}
