package rag

import (
	"context"
	"sync"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
)

// How the filling in of vectors gives way.
const (
	lookForModel = 15 * time.Second      // between two looks for a model and for passages
	breath       = 20 * time.Millisecond // between two batches
	longestWay   = 3 * time.Second       // that a batch waits for questions
)

// FillState is how far the filling in of vectors has come.
type FillState string

// The states of filling in.
const (
	FillOff     FillState = "off"     // there is no model for it
	FillIdle    FillState = "idle"    // nothing lacks a vector
	FillRunning FillState = "running" // at work
	FillWaiting FillState = "waiting" // the model does not answer
)

// Filling is how far the filling in of vectors has come.
type Filling struct {
	State      FillState `json:"state"`
	Model      string    `json:"model"`
	Collection string    `json:"collection"` // at work on it
	Left       int       `json:"left"`       // passages without a vector
	// Staged says that the vectors are filled in beside those of another model, which
	// are searched until the new ones are whole.
	Staged bool   `json:"staged"`
	Reason string `json:"reason,omitempty"` // why it waits
}

// filling guards a Filling.
type filling struct {
	mu  sync.Mutex
	now Filling
}

func (f *filling) set(now Filling) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = now
}

// Filling returns how far the filling in of vectors has come.
func (s *Service) Filling() Filling {
	if s.embedder == nil {
		return Filling{State: FillOff}
	}
	s.filling.mu.Lock()
	defer s.filling.mu.Unlock()
	if s.filling.now.State == "" {
		return Filling{State: FillIdle}
	}
	return s.filling.now
}

// Asking notes that a question is being answered, until the returned function is
// called: the filling in of vectors gives way to it.
func (s *Service) Asking() (done func()) {
	s.asking.Add(1)
	return func() { s.asking.Add(-1) }
}

// wake lets the filling in look at once.
func (s *Service) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// Embed makes the filling in of a collection's vectors look at once whether there
// is something to do: a model that appeared, or another than the one that made
// the vectors. It fails with Unavailable where there is no model.
func (s *Service) Embed(ctx context.Context, collection string) (CollectionInfo, error) {
	c, err := s.collection(ctx, collection)
	if err != nil {
		return CollectionInfo{}, err
	}
	if s.embedder == nil {
		return CollectionInfo{}, fault.New(fault.Unavailable, "There is no model for embeddings: see EMBEDDING_PROVIDER and EMBEDDING_MODEL.")
	}
	id, err := s.embedder.EmbeddingIdentity(ctx)
	if err != nil {
		return CollectionInfo{}, err
	}
	if err := s.stage(ctx, c, id); err != nil {
		return CollectionInfo{}, err
	}
	s.wake()
	return s.CollectionNamed(ctx, collection)
}

// stage begins with vectors of the model that is there, unless the collection's
// are of it. Vectors that are searched stay until the new ones are whole.
func (s *Service) stage(ctx context.Context, c Collection, id provider.EmbeddingIdentity) error {
	now := c.Embedding
	if c.Staged != nil {
		now = c.Staged
	}
	if now != nil && now.Check(id) == nil {
		return nil
	}
	return s.index.Stage(ctx, c.Name, id)
}

// fill fills in the vectors that passages lack, until ctx ends: after every
// ingest, when a model appears, and beside the old ones when it is another model.
func (s *Service) fill(ctx context.Context) {
	if s.embedder == nil {
		return
	}
	complaint := ""
	for {
		err := s.fillAll(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			complaint = ""
		case err.Error() != complaint:
			complaint = err.Error()
			s.logger.InfoContext(ctx, "vectors are not filled in for now", "fault", fault.KindOf(err).String(), "error", err)
		}
		if err != nil {
			now := s.Filling()
			now.State, now.Reason = FillWaiting, fault.DetailOf(err)
			s.filling.set(now)
		}
		wait := time.NewTimer(lookForModel)
		select {
		case <-ctx.Done():
		case <-wait.C:
		case <-s.woken:
		}
		wait.Stop()
	}
}

func (s *Service) fillAll(ctx context.Context) error {
	collections, err := s.index.Collections(ctx)
	if err != nil {
		return err
	}
	var id *provider.EmbeddingIdentity
	for _, c := range collections {
		size, err := s.index.Size(ctx, c.Name)
		if err != nil {
			return err
		}
		if size.Documents == 0 {
			continue
		}
		if id == nil {
			found, err := s.embedder.EmbeddingIdentity(ctx)
			if err != nil {
				return err
			}
			id = &found
		}
		if err := s.fillCollection(ctx, c, *id); err != nil {
			return err
		}
	}
	if id != nil {
		s.filling.set(Filling{State: FillIdle, Model: id.Model})
	}
	return nil
}

// fillCollection fills in what a collection lacks.
func (s *Service) fillCollection(ctx context.Context, c Collection, id provider.EmbeddingIdentity) error {
	if err := s.stage(ctx, c, id); err != nil {
		return err
	}
	for {
		lacking, left, err := s.index.Unembedded(ctx, c.Name, embedBatch)
		if err != nil {
			return err
		}
		now, err := s.collection(ctx, c.Name)
		if err != nil {
			return err
		}
		if len(lacking) == 0 {
			if now.Staged == nil {
				return nil
			}
			if err := s.index.Promote(ctx, c.Name); fault.KindOf(err) == fault.Conflict && err != nil {
				continue // a document came in between
			} else if err != nil {
				return err
			}
			s.logger.InfoContext(ctx, "the search by meaning has whole vectors", "collection", c.Name, "model", id.Model)
			return nil
		}
		s.filling.set(Filling{State: FillRunning, Model: id.Model, Collection: c.Name, Left: left, Staged: now.Staged != nil && now.Embedding != nil})
		if err := s.giveWay(ctx); err != nil {
			return err
		}
		texts := make([]string, len(lacking))
		for i, u := range lacking {
			texts[i] = EmbeddingText(u.Title, u.Headings, u.Text)
		}
		vectors, err := s.embed(ctx, texts)
		if err != nil {
			return err
		}
		embeddings := make([]Embedding, len(lacking))
		for i, u := range lacking {
			embeddings[i] = Embedding{Ref: u.Ref, Vector: vectors[i]}
		}
		if err := s.index.Embed(ctx, c.Name, id, embeddings); err != nil {
			return err
		}
	}
}

// giveWay waits while questions are being answered, but not for ever.
func (s *Service) giveWay(ctx context.Context) error {
	deadline := time.Now().Add(longestWay)
	for pause := breath; ; pause = breath {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		if s.asking.Load() == 0 || time.Now().After(deadline) {
			return nil
		}
	}
}
