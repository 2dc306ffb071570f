package rag

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"signpost.internal/pkg/fault"
)

// Reranker is a model that says how well each text answers a question, in the
// order of the texts. It must be safe for concurrent use.
type Reranker interface {
	Rerank(ctx context.Context, question string, texts []string) ([]float64, error)
}

// reranked is how many of the best candidates the reranker reads. Text Embeddings
// Inference takes 32 texts of one request by default.
const reranked = 30

// rerank puts the best candidates into the reranker's order. It says in a word
// whether it did: without one nothing changes, nor when it fails, which is logged.
func (s *Service) rerank(ctx context.Context, question string, ranked []evidence) ([]evidence, Reranking) {
	if s.reranker == nil || len(ranked) == 0 {
		return ranked, NotReranked
	}
	best := slices.Clone(ranked[:min(len(ranked), reranked)])
	texts := make([]string, len(best))
	for i, e := range best {
		texts[i] = strings.Join(append(slices.Clone(e.hit.Chunk.Headings), e.hit.Chunk.Text), "\n")
	}
	scores, err := s.reranker.Rerank(ctx, question, texts)
	if err != nil {
		if ctx.Err() == nil {
			s.logger.WarnContext(ctx, "the reranker failed: passages keep the order of the search", "error", err)
		}
		return ranked, RerankFailed
	}
	for i := range best {
		best[i].score = scores[i]
	}
	slices.SortStableFunc(best, func(a, b evidence) int { return cmp.Compare(b.score, a.score) })
	return best, Reranked
}

// Reranking says what became of the reranker's part.
type Reranking string

// What may become of it.
const (
	NotReranked  Reranking = "none" // there is no reranker
	Reranked     Reranking = "done" // scores are the reranker's
	RerankFailed Reranking = "failed"
)

// Finding is what a search without an answer brings.
type Finding struct {
	Results   []Result // best first
	Covered   bool     // whether POST /query would answer rather than refuse
	Reranking Reranking
	Method    Method
	Notice    string // why the search was less than it could be; may be empty
	Took      time.Duration
}

// Result is a passage with where it stands.
type Result struct {
	Passage
	Title         string   // of the document; may be empty
	Headings      []string // as in [Chunk]
	Before, After *Chunk   // the document's chunks on either side; nil at its ends
}

// Find finds passages without answering. It fails as [Service.Ask] does, but needs
// no model.
func (s *Service) Find(ctx context.Context, q Question) (Finding, error) {
	began := time.Now()
	if err := s.askable(ctx, q); err != nil {
		return Finding{}, err
	}
	found, err := s.searchParts(ctx, q, q.TopK)
	if err != nil {
		return Finding{}, err
	}
	out := Finding{Covered: found.covered, Reranking: found.reranking, Method: found.method, Notice: found.notice, Results: make([]Result, len(found.passages))}
	for i, p := range found.passages {
		if out.Results[i], err = s.around(ctx, q.collection(), p); err != nil {
			return Finding{}, err
		}
	}
	out.Took = time.Since(began)
	return out, nil
}

// around adds a passage's headings and neighbours. Where its document has been
// replaced since it was found, these are missing.
func (s *Service) around(ctx context.Context, collection string, p Passage) (Result, error) {
	out := Result{Passage: p}
	hits, err := s.index.Around(ctx, Key{collection, p.Source}, p.Position-1, p.Last+1)
	if err != nil {
		return Result{}, err
	}
	here, texts := -1, []string{}
	for i, h := range hits {
		if p.Position <= h.Chunk.Position && h.Chunk.Position <= p.Last {
			here, texts = i, append(texts, h.Chunk.Text)
		}
	}
	if here < 0 || strings.Join(texts, "\n") != p.Text {
		return out, nil
	}
	out.Title, out.Headings = hits[here].Title, p.Headings
	for i := range hits {
		switch hits[i].Chunk.Position {
		case p.Position - 1:
			out.Before = &hits[i].Chunk
		case p.Last + 1:
			out.After = &hits[i].Chunk
		}
	}
	return out, nil
}

// filled fails when there is nothing to search.
func (s *Service) filled(ctx context.Context, collection string) error {
	size, err := s.index.Size(ctx, collection)
	if err != nil {
		return err
	}
	if size.Chunks == 0 {
		return fault.New(fault.Unavailable, "No manuals have been ingested yet: put them into the folder that MANUALS_PATH names and POST /ingest-all-manuals, or POST /ingest-pdf.")
	}
	return nil
}
