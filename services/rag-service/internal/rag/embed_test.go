package rag

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
)

// embedder embeds every text alike, by the identity of an axis.
type embedder struct {
	axis  int
	fails error
	slow  time.Duration
	calls int // of Embed
}

func (e *embedder) vector() []float32 {
	v := make([]float32, 3)
	v[e.axis] = 2
	return v
}

func (e *embedder) Embed(ctx context.Context, task provider.Task, texts []string) (*provider.EmbedResponse, error) {
	e.calls++
	if task != provider.Query || len(texts) != 1 {
		return nil, fmt.Errorf("%d texts of the task %s", len(texts), task)
	}
	select {
	case <-time.After(e.slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if e.fails != nil {
		return nil, e.fails
	}
	return &provider.EmbedResponse{Vectors: [][]float32{e.vector()}, Model: fmt.Sprint(e.axis)}, nil
}

func (e *embedder) EmbeddingIdentity(context.Context) (provider.EmbeddingIdentity, error) {
	return e.identity(), nil
}

func (e *embedder) identity() provider.EmbeddingIdentity {
	return provider.EmbeddingIdentity{Model: fmt.Sprint(e.axis), Dimension: 3, Canary: [][]float32{e.vector()}}
}

func newQuestions(e Embedder) *questions {
	return &questions{embedder: e, vectors: map[string][]float32{}}
}

func TestQuestionsAreRemembered(t *testing.T) {
	e := &embedder{}
	q := newQuestions(e)
	for range 3 {
		v, err := q.embed(t.Context(), e.identity(), "a question ")
		if err != nil || len(v) != 3 || v[0] != 1 {
			t.Fatalf("embed = %v, %v", v, err)
		}
	}
	if e.calls != 1 {
		t.Errorf("the model was asked %d times", e.calls)
	}
	for i := range 2 * remembered {
		if _, err := q.embed(t.Context(), e.identity(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(q.vectors) != remembered || len(q.order) != remembered {
		t.Errorf("%d and %d are remembered, want %d", len(q.vectors), len(q.order), remembered)
	}
	// Another model: what the one before made is not taken for its own.
	before := e.identity()
	e.axis = 1
	if _, err := q.embed(t.Context(), before, "another question"); fault.KindOf(err) != fault.Conflict {
		t.Errorf("another model's embedding of a question: %v", err)
	}
	if v, err := q.embed(t.Context(), e.identity(), fmt.Sprint(2*remembered-1)); err != nil || v[1] != 1 {
		t.Errorf("embed = %v, %v", v, err)
	}
	if _, err := q.embed(t.Context(), before, fmt.Sprint(2*remembered-1)); fault.KindOf(err) != fault.Conflict {
		t.Errorf("another model's remembered embedding: %v", err)
	}
}

func TestSlowEmbedding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &embedder{slow: time.Minute}
		q := newQuestions(e)
		began := time.Now()
		if _, err := q.embed(t.Context(), e.identity(), "one"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a slow model: %v", err)
		}
		if took := time.Since(began); took != embedPatience {
			t.Errorf("the question waited %v", took)
		}
		began = time.Now()
		if _, err := q.embed(t.Context(), e.identity(), "two"); fault.KindOf(err) != fault.Unavailable || time.Since(began) != 0 {
			t.Errorf("the next question waited %v: %v", time.Since(began), err)
		}
		e.slow = 0
		time.Sleep(embedPause + time.Second)
		if _, err := q.embed(t.Context(), e.identity(), "three"); err != nil {
			t.Errorf("a model that is well again: %v", err)
		}
		e.slow = time.Second
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := q.embed(ctx, e.identity(), "four"); !errors.Is(err, context.Canceled) {
			t.Errorf("a question that nobody waits for: %v", err)
		}
		if _, err := q.embed(t.Context(), e.identity(), "five"); err != nil {
			t.Errorf("after a question that was given up: %v", err)
		}
	})
}

func TestEmbeddingText(t *testing.T) {
	for _, tt := range []struct {
		title    string
		headings []string
		text     string
		want     string
	}{
		{"Handbook", []string{"Housing", "Rent"}, "Pay it.", "Handbook\nHousing\nRent\nPay it."},
		{"", nil, "Pay it.", "Pay it."},
		{"Rent", []string{"Rent", "Arrears"}, "Arrears\nPay them.", "Rent\nArrears\nPay them."},
	} {
		if got := EmbeddingText(tt.title, tt.headings, tt.text); got != tt.want {
			t.Errorf("EmbeddingText(%q, %q, %q) = %q, want %q", tt.title, tt.headings, tt.text, got, tt.want)
		}
	}
}

// The scale of relatedness does not depend on how far apart a model puts texts.
func TestUnrelated(t *testing.T) {
	of := func(canary ...[]float32) provider.EmbeddingIdentity {
		return provider.EmbeddingIdentity{Canary: canary}
	}
	for _, tt := range []struct {
		name string
		id   provider.EmbeddingIdentity
		want float64
	}{
		{"far apart", of([]float32{1, 0}, []float32{0, 2}), 0},
		{"opposite", of([]float32{1, 0}, []float32{-1, 0}), 0},
		{"near", of([]float32{3, 4}, []float32{3, -4}, []float32{3, 0}), (-0.28 + 0.6 + 0.6) / 3},
		{"all the same", of([]float32{1, 1}, []float32{1, 1}), mostUnrelated},
		{"none", of(), 0},
	} {
		if got := unrelated(tt.id); math.Abs(got-tt.want) > 1e-6 {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	near := []evidence{{hit: Hit{Cosine: 0.75}, placed: true}, {hit: Hit{Cosine: 0.9}}}
	if got := related(near, 0.5); math.Abs(got-0.5) > 1e-6 {
		t.Errorf("related = %v, want that of the passage that names the country", got)
	}
}
