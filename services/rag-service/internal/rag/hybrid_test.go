package rag_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/indextest"
	"signpost.internal/services/rag-service/internal/rag"
)

// meaning is an embedding model that knows one thing: whether a text is about
// money that is owed.
type meaning struct {
	fails error
	axis  int
	asked int // questions that were embedded
}

func (m *meaning) Embed(_ context.Context, task provider.Task, texts []string) (*provider.EmbedResponse, error) {
	if task == provider.Query {
		m.asked++
	}
	if m.fails != nil {
		return nil, m.fails
	}
	out := &provider.EmbedResponse{Model: "meaning", Dimension: 4}
	for _, text := range texts {
		about := indextest.Unit(0.1, 1, 0, 0)
		for _, word := range []string{"debt relief", "skint"} {
			if strings.Contains(strings.ToLower(text), word) {
				about = indextest.Unit(1, 0.1, 0, 0)
			}
		}
		out.Vectors = append(out.Vectors, about)
	}
	return out, nil
}

func (m *meaning) EmbeddingIdentity(context.Context) (provider.EmbeddingIdentity, error) {
	return indextest.Identity(m.axis, 4), nil
}

// embedAll gives all passages of the fixture embeddings.
func embedAll(t *testing.T, index rag.Index, m *meaning) {
	t.Helper()
	ctx, id := t.Context(), indextest.Identity(m.axis, 4)
	if err := index.Stage(ctx, rag.DefaultCollection, id); err != nil {
		t.Fatal(err)
	}
	chunks, _, err := index.Unembedded(ctx, rag.DefaultCollection, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []rag.Embedding
	for _, c := range chunks {
		made, _ := m.Embed(ctx, provider.Document, []string{rag.EmbeddingText(c.Title, c.Headings, c.Text)})
		vectors = append(vectors, rag.Embedding{Ref: c.Ref, Vector: made.Vectors[0]})
	}
	if err := index.Embed(ctx, rag.DefaultCollection, id, vectors); err != nil {
		t.Fatal(err)
	}
	if err := index.Promote(ctx, rag.DefaultCollection); err != nil {
		t.Fatal(err)
	}
}

// A question that shares no word with its passage finds it by meaning. Where the
// question cannot be embedded the search goes by words and says so.
func TestHybrid(t *testing.T) {
	f := newFixture(t)
	m := &meaning{}
	s := rag.New(rag.Options{Index: f.index, Generator: f.model, Embedder: m, Logger: slog.New(slog.DiscardHandler)})
	if _, err := s.IngestTexts(t.Context(), rag.DefaultCollection, []rag.Text{{Name: "relief.txt", Text: relief}, {Name: "space.txt", Text: space}}); err != nil {
		t.Fatal(err)
	}
	question := rag.Question{Text: "Skint. Remedies?", TopK: 3}
	find := func() rag.Finding {
		t.Helper()
		found, err := s.Find(t.Context(), question)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := find(); found.Method != rag.ByWords || found.Notice != "" || len(found.Results) != 0 {
		t.Errorf("before there are embeddings: %+v", found)
	}
	embedAll(t, f.index, m)
	if found := find(); found.Method != rag.ByHybrid || found.Notice != "" || len(found.Results) == 0 || found.Results[0].Source != "relief.txt" {
		t.Errorf("by meaning: %+v", found)
	}
	question.Text += " Any?"
	m.fails = fault.New(fault.Unavailable, "It is down.")
	if found := find(); found.Method != rag.ByWords || !strings.Contains(found.Notice, "does not answer") || len(found.Results) != 0 {
		t.Errorf("with the model down: %+v", found)
	}
	question.Text = "Does a debt relief order stop creditors?"
	answer, err := s.Ask(t.Context(), question, nil)
	if err != nil || answer.Refused || !strings.Contains(answer.Notice, "by words alone") {
		t.Errorf("an answer with the model down: %+v, %v", answer, err)
	}
	m.fails, m.axis = nil, 1
	other := rag.New(rag.Options{Index: f.index, Generator: f.model, Embedder: m, Logger: slog.New(slog.DiscardHandler)})
	found, err := other.Find(t.Context(), question)
	if err != nil || found.Method != rag.ByWords || !strings.Contains(found.Notice, "not the one that the index was made with") || len(found.Results) == 0 {
		t.Errorf("with another model: %+v, %v", found, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := other.Find(ctx, question); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %v", err)
	}
}
