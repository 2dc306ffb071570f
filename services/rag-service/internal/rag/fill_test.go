package rag_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/indextest"
	"signpost.internal/services/rag-service/internal/rag"
)

// switchable is an embedding model that can be away, or another one.
type switchable struct {
	mu    sync.Mutex
	model meaning
	away  bool
	most  int // texts of a call
}

func (s *switchable) set(change func(*switchable)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *switchable) Embed(ctx context.Context, task provider.Task, texts []string) (*provider.EmbedResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = max(s.most, len(texts))
	if s.away {
		return nil, fault.New(fault.Unavailable, "The model is away.")
	}
	return s.model.Embed(ctx, task, texts)
}

func (s *switchable) EmbeddingIdentity(ctx context.Context) (provider.EmbeddingIdentity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return provider.EmbeddingIdentity{}, fault.New(fault.Unavailable, "The model is away.")
	}
	return s.model.EmbeddingIdentity(ctx)
}

func TestVectorsAreFilledIn(t *testing.T) {
	d := newDurable(t)
	d.close(t)
	model := &switchable{away: true}
	d.open(t, func(o *rag.Options) { o.Embedder = model })
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx, false) })
	defer running.Wait()
	defer cancel()
	for i := range 6 {
		d.ended(t, d.submit(t, fmt.Sprintf("%d.txt", i), relief+fmt.Sprint(i)).Job.ID, rag.Done)
	}
	if _, err := d.Embed(t.Context(), rag.DefaultCollection); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("without the model: %v", err)
	}
	collection := func() rag.CollectionInfo {
		t.Helper()
		info, err := d.CollectionNamed(t.Context(), rag.DefaultCollection)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	filled := func(axis int) {
		t.Helper()
		want := indextest.Identity(axis, 4)
		for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			info := collection()
			if info.Embedding != nil && info.Embedding.Check(want) == nil && info.Embedded == info.Chunks && info.Staged == nil {
				return
			}
		}
		t.Fatalf("the vectors are not filled in: %+v, %+v", collection(), d.Filling())
	}
	if info := collection(); info.Embedded != 0 || info.Embedding != nil {
		t.Errorf("before the model came: %+v", info)
	}
	model.set(func(s *switchable) { s.away = false })
	if _, err := d.Embed(t.Context(), rag.DefaultCollection); err != nil {
		t.Fatal(err)
	}
	filled(0)
	d.ended(t, d.submit(t, "late.txt", space).Job.ID, rag.Done)
	if state, _, _ := d.index.State(t.Context(), manual("late.txt")); state.Embedded != state.Chunks || state.Chunks == 0 {
		t.Errorf("a document that came later was stored without vectors: %+v", state)
	}
	// Another model: its vectors take the place of the former ones when they are whole.
	model.set(func(s *switchable) { s.model.axis = 1 })
	if info, err := d.Embed(t.Context(), rag.DefaultCollection); err != nil || info.Embedding == nil || info.Embedding.Check(indextest.Identity(0, 4)) != nil && info.Staged != nil {
		t.Errorf("while the others are filled in: %+v, %v", info, err)
	}
	filled(1)
	if model.most > 32 {
		t.Errorf("%d texts in a call, want at most 32", model.most)
	}
}

// TestReplaceUnderReaders replaces a document while 20 readers ask for it: none
// sees neither edition, or both.
func TestReplaceUnderReaders(t *testing.T) {
	d := newDurable(t)
	edition := func(n int) string { return fmt.Sprintf("%s This is edition number %d of it.", relief, n) }
	d.ended(t, d.submit(t, "relief.txt", edition(0)).Job.ID, rag.Done)
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 20 {
		readers.Go(func() {
			for ctx.Err() == nil {
				found, err := d.Find(t.Context(), rag.Question{Text: "What is the total of the debts for a debt relief order?", TopK: 10})
				if err != nil {
					t.Error(err)
					return
				}
				if len(found.Results) != 1 {
					t.Errorf("a reader sees %d editions", len(found.Results))
					return
				}
			}
		})
	}
	for n := 1; n <= 10; n++ {
		d.ended(t, d.submit(t, "relief.txt", edition(n)).Job.ID, rag.Done)
	}
	cancel()
	readers.Wait()
}
