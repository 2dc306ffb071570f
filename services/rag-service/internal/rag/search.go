package rag

import (
	"context"

	"signpost.internal/services/rag-service/internal/bm25"
)

// The weights of a chunk's headings and of its document's title, in words of the
// text for each word of theirs.
const (
	headingWords = 2
	titleWords   = 0.5
)

// sparse returns the vector of a chunk.
func sparse(a *bm25.Analyzer, title string, c Chunk) bm25.Vector {
	fields := []bm25.Field{{Text: c.Text, Weight: 1}, {Text: title, Weight: titleWords}}
	for _, h := range c.Headings {
		fields = append(fields, bm25.Field{Text: h, Weight: headingWords})
	}
	return a.Document(fields...)
}

// Passage is a chunk that was found, with what to quote from it.
type Passage struct {
	Source   string
	Position int
	Page     int
	Text     string
	Quote    string
	Score    float64
}

// results is what a question found.
type results struct {
	passages []Passage
	covered  bool
}

// search finds at least n passages, if there are as many, and judges whether
// they cover the question.
func (s *Service) search(ctx context.Context, text string, n int) (results, error) {
	q := analyse(s.analyzer, s.ask, text)
	found, err := s.index.Search(ctx, q.vector, candidates)
	if err != nil {
		return results{}, err
	}
	if len(q.terms) == 0 {
		return results{}, nil
	}
	q.weigh(found)
	sc := newScorer(s.analyzer, q)
	ranked := sc.rank(found.Hits)
	r := results{covered: sc.covered(ranked)}
	for _, e := range diverse(s.analyzer, ranked, n) {
		r.passages = append(r.passages, Passage{
			Source: e.hit.Source, Position: e.hit.Chunk.Position, Page: e.hit.Chunk.Page,
			Text: e.hit.Chunk.Text, Quote: sc.quote(e.hit.Chunk), Score: e.score,
		})
	}
	return r, nil
}

// covered judges whether the passages answer the question at all: whether one of
// the best holds enough of what the question is about, together.
func (s *scorer) covered(ranked []evidence) bool {
	for _, e := range ranked[:min(len(ranked), 5)] {
		if e.cover >= minCover {
			return true
		}
	}
	return false
}

const minCover = 0.6
