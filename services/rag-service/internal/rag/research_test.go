package rag_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/rag"
)

// investigate asks twice, with a listener and without, which must not differ.
func (f *fixture) investigate(t *testing.T, question string, iterations int) rag.Research {
	t.Helper()
	q := rag.Question{Text: question, TopK: 4}
	got, err := f.Investigate(t.Context(), q, iterations, nil)
	if err != nil {
		t.Fatal(err)
	}
	var steps []rag.Step
	text := ""
	aloud, err := f.Investigate(t.Context(), q, iterations, func(e rag.Event) {
		text += e.Text
		if e.Step != nil {
			steps = append(steps, *e.Step)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, aloud, cmpopts.IgnoreFields(rag.Answer{}, "Timings")); diff != "" {
		t.Errorf("aloud (+) it differs:\n%s", diff)
	}
	if diff := cmp.Diff(got.Steps, steps); diff != "" || text != got.Text {
		t.Errorf("told %q for %q (-steps +told):\n%s", text, got.Text, diff)
	}
	return got
}

func kinds(r rag.Research) string {
	var out []string
	for _, s := range r.Steps {
		out = append(out, string(s.Kind))
	}
	return strings.Join(out, " ")
}

func TestInvestigate(t *testing.T) {
	const both = "How long does breathing space last, and when may enforcement agents visit?"
	t.Run("two parts, no model", func(t *testing.T) {
		f := newFixture(t)
		f.ingest(t)
		got := f.investigate(t, both, 3)
		if kinds(got) != "analysis retrieval retrieval synthesis evaluation" || got.Iterations != 2 || got.Confidence != rag.High || got.Refused {
			t.Errorf("%s, %d searches, %s - %s", kinds(got), got.Iterations, got.Confidence, got.Reason)
		}
		for _, want := range []string{"60 days", "6 am and 9 pm"} {
			if !strings.Contains(got.Text, want) {
				t.Errorf("the answer lacks %q:\n%s", want, got.Text)
			}
		}
	})
	t.Run("with a model", func(t *testing.T) {
		f := newFixture(t)
		f.ingest(t)
		f.says("Breathing space lasts for 60 days [1]. Agents may visit between 6 am and 9 pm on any day [2]. It costs £12 [1].")
		got := f.investigate(t, both, 3)
		if got.Mode != rag.Generated || len(got.Sentences) != 2 || len(got.Unsupported) != 1 || got.Confidence != rag.Medium {
			t.Errorf("%+v, %s - %s", got.Answer, got.Confidence, got.Reason)
		}
	})
	t.Run("a part that is not covered", func(t *testing.T) {
		f := newFixture(t)
		f.ingest(t)
		got := f.investigate(t, "How long does breathing space last? Which vaccinations does a poodle need?", 5)
		if got.Refused || !strings.Contains(got.Text, "The manuals do not seem to cover this part: “Which vaccinations does a poodle need?”.") || got.Confidence != rag.Medium {
			t.Errorf("%s - %s:\n%s", got.Confidence, got.Reason, got.Text)
		}
		var reasons []string
		for _, s := range got.Steps {
			for _, d := range s.Dropped {
				reasons = append(reasons, d.Reason)
			}
		}
		if len(reasons) == 0 || reasons[0] != "does not support this part" {
			t.Errorf("dropped for %q", reasons)
		}
	})
	t.Run("nothing is covered", func(t *testing.T) {
		f := newFixture(t)
		f.ingest(t)
		got := f.investigate(t, "Which vaccinations does a standard poodle need?", 3)
		if !got.Refused || got.Confidence != rag.Low || got.Iterations != 1 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("no more searches than are allowed", func(t *testing.T) {
		f := newFixture(t)
		f.ingest(t)
		got := f.investigate(t, both, 1)
		if got.Iterations != 1 || !strings.Contains(got.Text, "Of the question's 2 parts, searched for: 1.") || got.Confidence == rag.High {
			t.Errorf("%d searches, %s:\n%s", got.Iterations, got.Confidence, got.Text)
		}
	})
	t.Run("the model proposes parts", func(t *testing.T) {
		f := newFixture(t)
		f.ingest(t)
		f.model.down = false
		f.model.answer = func(r provider.ChatRequest) (string, error) {
			if r.Schema != nil {
				return `{"questions": ["How long does breathing space last", "at what hours enforcement agents may visit", "What vaccinations does a poodle need?"]}`, nil
			}
			return "Breathing space lasts for 60 days [1]. Agents may visit between 6 am and 9 pm on any day [2].", nil
		}
		got := f.investigate(t, "My client wants to know how long breathing space would last her together with at what hours enforcement agents may visit", 3)
		if got.Iterations != 2 || !strings.Contains(got.Steps[0].Result, "1 of the model's parts were dropped") || got.Confidence != rag.High {
			t.Errorf("%d searches, %s - %s, %+v", got.Iterations, got.Confidence, got.Reason, got.Steps[0])
		}
	})
	t.Run("bad input", func(t *testing.T) {
		f := newFixture(t)
		f.ingest(t)
		for _, n := range []int{-1, 0, rag.MaxIterations + 1} {
			if _, err := f.Investigate(t.Context(), rag.Question{Text: "What?"}, n, nil); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%d iterations: %v", n, err)
			}
		}
		if _, err := f.Investigate(t.Context(), rag.Question{Text: " "}, 3, nil); fault.KindOf(err) != fault.Invalid {
			t.Errorf("blank: %v", err)
		}
	})
}
