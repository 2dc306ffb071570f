package rag

import (
	"context"
	"math"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/bm25"
)

// The weights of a chunk's headings and of its document's title, in words of the
// text for each word of theirs.
const (
	headingWords = 2
	titleWords   = 0.5
	aliasWords   = 0.7
)

// sparse returns the vector of a chunk.
func sparse(a *bm25.Analyzer, title string, c Chunk) bm25.Vector {
	fields := []bm25.Field{{Text: c.Text, Weight: 1}, {Text: title, Weight: titleWords}, {Text: c.Aliases, Weight: aliasWords}}
	for _, h := range c.Headings {
		fields = append(fields, bm25.Field{Text: h, Weight: headingWords})
	}
	return a.Document(fields...)
}

// Passage is a chunk that was found, or neighbours that were joined, with what to quote from it.
type Passage struct {
	Metadata
	Source   string
	Also     []string // other documents that say the same in the same words
	Position int      // of its first chunk
	Last     int      // the position of its last chunk: passages may be joined of neighbours
	Page     int
	Boxes    []Box    // of all of it; see [Chunk]
	Headings []string // see [Chunk]
	Text     string
	Quote    string
	Score    float64
}

// results is what a question found.
type results struct {
	passages  []Passage
	covered   bool
	reranking Reranking
	method    Method
	notice    string // why the search was less than it could be; may be empty
}

// search finds at least n passages, if there are as many, and judges whether
// they cover the question.
func (s *Service) search(ctx context.Context, asked Question, n int) (results, error) {
	q := s.language.analyse(asked.Text)
	r := results{reranking: NotReranked, method: ByWords}
	if len(q.terms) == 0 {
		return r, nil
	}
	wanted := Query{Collection: asked.collection(), Sparse: q.vector, Filter: asked.Filter, Limit: candidates}
	sense, err := s.meaning(ctx, wanted.Collection, asked.Text)
	if err != nil {
		return results{}, err
	}
	wanted.Dense, r.notice = sense.vector, sense.notice
	found, err := s.candidates(ctx, &wanted, &q)
	if err != nil {
		return results{}, err
	}
	sc := newScorer(s.analyzer, q)
	ranked := sc.rank(found.Hits)
	r.covered = covered(ranked, q.known(), found.Total)
	switch {
	case wanted.Dense != nil:
		r.method = ByHybrid
		r.covered = r.covered && alsoRelated(ranked, unrelated(*sense.identity))
	case sense.vector != nil:
		sense.why = VectorsMoved
	}
	s.searched(r.method, sense.why)
	ranked, r.reranking = s.rerank(ctx, asked.Text, ranked)
	kept := diverse(s.analyzer, ranked, n)
	if err := s.join(ctx, wanted.Collection, kept, ranked); err != nil {
		return results{}, err
	}
	for _, e := range kept {
		r.passages = append(r.passages, Passage{
			Metadata: e.hit.Metadata, Headings: e.hit.Chunk.Headings,
			Source: e.hit.Source, Also: e.also, Position: e.hit.Chunk.Position, Last: e.hit.Chunk.Position + e.more, Page: e.hit.Chunk.Page, Boxes: e.hit.Chunk.Boxes,
			Text: e.hit.Chunk.Text, Quote: sc.quote(e.hit.Chunk), Score: e.score,
		})
	}
	return r, nil
}

// candidates asks the index, and again when a word of the question was taken for
// another. Embeddings that the index gave up since they were asked for are not
// wanted any more.
func (s *Service) candidates(ctx context.Context, wanted *Query, q *question) (Found, error) {
	found, err := s.index.Search(ctx, *wanted)
	if wanted.Dense != nil && fault.KindOf(err) == fault.Conflict {
		wanted.Dense = nil
		found, err = s.index.Search(ctx, *wanted)
	}
	if err != nil {
		return Found{}, err
	}
	q.weigh(found)
	misspelt, err := s.respell(ctx, wanted.Collection, q)
	if err != nil || !misspelt {
		return found, err
	}
	wanted.Sparse = q.vector
	if found, err = s.index.Search(ctx, *wanted); err != nil {
		return Found{}, err
	}
	q.weigh(found)
	return found, nil
}

// The rule of refusal. A question counts as covered when one of the best chunks
// supports it: when the share of the question's weight that stands in the chunk,
// with a premium where a heading asks the same or the question's words stand
// together, reaches a bar. The bar rises with the size of the index, because in
// more text more words meet by chance, and with the share of the question whose
// words stand nowhere in the manuals, which tells a question about something else
// from one that is put in other words. A chunk that does not name the country of
// the question supports nothing. The numbers were fitted on 226 questions over
// four corpora of 118 to 5,800 chunks and rounded; README.md has the figures.
const (
	headingPremium = 0.35
	pairsPremium   = 0.4
	barBase        = 0.25
	barSlope       = 0.03
	barStrange     = 0.5 // for a question of which the manuals know no word
	judged         = 5   // how many of the best chunks are looked at
)

// covered judges whether the ranked chunks, out of total, answer the question, of
// whose weight the manuals know a share.
func covered(ranked []evidence, known float64, total int) bool {
	return support(ranked) >= bar(known, total)
}

func support(ranked []evidence) float64 {
	best := 0.0
	for _, e := range ranked[:min(len(ranked), judged)] {
		if e.placed {
			best = math.Max(best, e.cover+headingPremium*e.heading+pairsPremium*e.pairs)
		}
	}
	return best
}

func bar(known float64, total int) float64 {
	return barBase + barSlope*math.Log(float64(max(total, 1))) + barStrange*(1-known)
}

// The rule of refusal in a search by meaning too. What the rule above counts as
// covered must also be related: one of the best passages is as near to the question
// as leastRelated, on a scale on which texts about different things are at 0 and
// the same text is at 1, or holds its words as fully as sureSupport. Fitted with
// the embeddings of all-MiniLM-L6-v2 on 131 questions over two sets of documents
// (35 of them not covered), and rounded; with no other model was it measured.
const (
	leastRelated = 0.28
	sureSupport  = 1.0
)

func alsoRelated(ranked []evidence, unrelated float64) bool {
	return related(ranked, unrelated) >= leastRelated || support(ranked) >= sureSupport
}

// related is how near the nearest of the best chunks is.
func related(ranked []evidence, unrelated float64) float64 {
	best := 0.0
	for _, e := range ranked[:min(len(ranked), judged)] {
		if e.placed {
			best = math.Max(best, (e.hit.Cosine-unrelated)/(1-unrelated))
		}
	}
	return best
}
