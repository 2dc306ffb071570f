package rag_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signpost.internal/pkg/samplemanuals"
	"signpost.internal/services/rag-service/internal/rag"
)

// What must hold for the questions that come with the sample manuals, which ask
// in an adviser's own words. The figures reached are in README.md.
const (
	rightPages   = 27 // of 30, the right page among the first four
	falseRefusal = 3  // at most, of 30
	rightRefusal = 14 // of 15
)

const manuals = "../../../../docs/manuals"

type questions struct {
	Covered []struct {
		Question, Document string
		Page               int
	}
	NotCovered []struct{ Question string } `json:"not_covered"`
}

// sampleText is the text of the sample manuals' pages, a form feed between two.
func sampleText(t testing.TB) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(manuals, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, path := range paths {
		if filepath.Base(path) == "README.md" {
			continue
		}
		markdown, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		source, err := samplemanuals.Parse(string(markdown))
		if err != nil {
			t.Fatal(err)
		}
		form := source.Form
		if form == "scan" { // its pages are those of the text form, which is quicker to make
			form = "text"
		}
		manual, _, err := samplemanuals.Render(string(markdown), form)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".md") + ".pdf"
		// The reader separates paragraphs by blank lines.
		out[name] = strings.ReplaceAll(strings.Join(manual.Pages, "\f"), "\n", "\n\n")
	}
	return out
}

func TestSampleQuestions(t *testing.T) {
	f := newFixture(t)
	f.reader.split = "\f"
	for name, text := range sampleText(t) {
		if _, err := f.IngestFile(t.Context(), manual(name), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(filepath.Join(manuals, "questions.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all questions
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	right, refused := 0, 0
	for _, q := range all.Covered {
		answer := f.ask(t, q.Question)
		if answer.Refused {
			refused++
		}
		if hasPage(answer.Passages, q.Document, q.Page) {
			right++
		} else {
			t.Logf("not found: %s, page %d: %s", q.Document, q.Page, q.Question)
		}
	}
	rightly := 0
	for _, q := range all.NotCovered {
		if f.ask(t, q.Question).Refused {
			rightly++
		} else {
			t.Logf("not refused: %s", q.Question)
		}
	}
	t.Logf("right page %d of %d, falsely refused %d, rightly refused %d of %d", right, len(all.Covered), refused, rightly, len(all.NotCovered))
	if right < rightPages || refused > falseRefusal || rightly < rightRefusal {
		t.Errorf("want at least %d right pages, at most %d false and at least %d right refusals", rightPages, falseRefusal, rightRefusal)
	}
}

func hasPage(passages []rag.Passage, document string, page int) bool {
	for _, p := range passages {
		if p.Document() == document && p.Page == page {
			return true
		}
	}
	return false
}
