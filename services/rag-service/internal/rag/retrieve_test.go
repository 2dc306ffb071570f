package rag_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/services/rag-service/internal/rag"
)

// reranker scores texts that hold its word above the others, or fails.
type reranker struct {
	word string
	err  error
	read []string
}

func (r *reranker) Rerank(_ context.Context, _ string, texts []string) ([]float64, error) {
	r.read = texts
	scores := make([]float64, len(texts))
	for i, text := range texts {
		if strings.Contains(text, r.word) {
			scores[i] = 7
		}
	}
	return scores, r.err
}

func TestReranker(t *testing.T) {
	f := newFixture(t)
	f.ingest(t)
	r := &reranker{word: "£50,000"}
	s := rag.New(rag.Options{Index: f.index, Generator: f.model, Reranker: r, Logger: slog.New(slog.DiscardHandler)})
	q := rag.Question{Text: "On what day and date do agents visit after the standard application?", TopK: 3}
	plain, err := f.Find(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(plain.Results) != 3 || plain.Reranking != rag.NotReranked {
		t.Fatalf("%+v", plain)
	}
	found, err := s.Find(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if found.Reranking != rag.Reranked || found.Results[0].Source != "relief.txt" || found.Results[0].Score != 7 || found.Covered != plain.Covered {
		t.Errorf("%+v", found)
	}
	if len(r.read) != 3 || !slices.ContainsFunc(r.read, func(text string) bool { return strings.Contains(text, relief) }) {
		t.Errorf("the reranker reads %q", r.read)
	}

	r.err = errors.New("no such model")
	found, err = s.Find(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if found.Reranking != rag.RerankFailed || found.Results[0].Source != plain.Results[0].Source || found.Results[0].Score != plain.Results[0].Score {
		t.Errorf("after a failure: %+v", found)
	}
}

// A passage's neighbours are those of its own document, also where other sources
// contain its name.
func TestFindsNeighbours(t *testing.T) {
	f := newFixture(t)
	f.reader.split = "\f"
	pages := func(word string) string {
		return word + " one is the beginning of the book that we read here together.\f" +
			word + " two is about wombats and their burrows in the hills by the sea.\f" +
			word + " three is the end of the book that we read here together, at last."
	}
	for name, word := range map[string]string{"a/book.pdf": "Alpha", "book.pdf": "Beta", "z/book.pdf": "Gamma"} {
		if _, err := f.IngestFile(t.Context(), manual(name), []byte(pages(word))); err != nil {
			t.Fatal(err)
		}
	}
	for name, word := range map[string]string{"a/book.pdf": "Alpha", "book.pdf": "Beta", "z/book.pdf": "Gamma"} {
		for _, at := range []struct {
			page          string
			before, after bool
		}{{"one", false, true}, {"two", true, true}, {"three", true, false}} {
			found, err := f.Find(t.Context(), rag.Question{Text: word + " " + at.page, TopK: 1})
			if err != nil {
				t.Fatal(err)
			}
			r := found.Results[0]
			if r.Source != name || (r.Before != nil) != at.before || (r.After != nil) != at.after {
				t.Errorf("%s %s: %+v", word, at.page, r)
			}
			for _, c := range []*rag.Chunk{r.Before, r.After} {
				if c != nil && !strings.HasPrefix(c.Text, word) {
					t.Errorf("%s %s stands beside %q", word, at.page, c.Text)
				}
			}
		}
	}
}

// A list that goes on in the next chunk of its page is one passage with it, with
// one citation, between the neighbours of both.
func TestJoinsNeighbours(t *testing.T) {
	f := newFixture(t)
	f.reader.split = "\f"
	var page strings.Builder
	page.WriteString("A wombat carer needs these things before the licence is granted:\n\n")
	for _, thing := range []string{"a fence", "a stable", "a burrow", "a heater", "a scale", "a ledger", "a blanket", "a lamp"} {
		page.WriteString("• " + thing + strings.Repeat(" of good and solid make", 6) + "\n\n")
	}
	text := "An opening page about other animals altogether.\f" + page.String() + "\fA last page about birds and nothing else at all."
	if _, err := f.IngestFile(t.Context(), manual("carers.pdf"), []byte(text)); err != nil {
		t.Fatal(err)
	}
	found, err := f.Find(t.Context(), rag.Question{Text: "What does a wombat carer need for the licence?", TopK: 1})
	if err != nil || len(found.Results) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	r := found.Results[0]
	if r.Last == r.Position || r.Page != 2 || !strings.Contains(r.Text, "wombat carer") || !strings.Contains(r.Text, "a lamp") {
		t.Errorf("chunks %d to %d of page %d: %s", r.Position, r.Last, r.Page, r.Text)
	}
	if r.Before == nil || r.Before.Page != 1 || r.After == nil || r.After.Page != 3 {
		t.Errorf("between %+v and %+v", r.Before, r.After)
	}
}

// A passage that stands in two documents is found once and names both; with
// another figure it is another passage.
func TestCopies(t *testing.T) {
	f := newFixture(t)
	texts := []rag.Text{
		{Name: "a.txt", Text: relief},
		{Name: "b.txt", Text: relief},
		{Name: "old.txt", Text: strings.Replace(relief, "£50,000", "£30,000", 1)},
		{Name: "space.txt", Text: space},
	}
	if _, err := f.IngestTexts(t.Context(), rag.DefaultCollection, texts); err != nil {
		t.Fatal(err)
	}
	found, err := f.Find(t.Context(), rag.Question{Text: "How large may the debts be for a debt relief order?", TopK: 4})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, r := range found.Results {
		got[r.Source] = r.Also
	}
	if diff := cmp.Diff(map[string][]string{"a.txt": {"b.txt"}, "old.txt": nil}, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}
