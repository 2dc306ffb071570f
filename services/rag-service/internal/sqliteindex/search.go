package sqliteindex

import (
	"cmp"
	"math/bits"
	"runtime"
	"slices"
	"sync"

	"github.com/viterin/vek/vek32"

	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

// scored is a chunk's place with its scores.
type scored struct {
	at           int32
	score        float64
	bm25, cosine float64
}

func (m *memory) search(q rag.Query) rag.Found {
	found := rag.Found{Total: m.live, Frequency: make([]int, len(q.Sparse.IDs))}
	for i, id := range q.Sparse.IDs {
		found.Frequency[i] = m.frequency[id]
	}
	allowed := m.allowed(q.Filter)
	var list []scored
	switch byWords, byMeaning := len(q.Sparse.IDs) > 0, q.Dense != nil; {
	case byWords && byMeaning:
		list = m.fuse(m.lexical(q.Sparse, allowed, q.Limit), m.dense(q.Dense, allowed, q.Limit), q.Limit)
	case byWords:
		list = m.lexical(q.Sparse, allowed, q.Limit)
	case byMeaning:
		list = m.dense(q.Dense, allowed, q.Limit)
	}
	for _, x := range list {
		h := m.hit(int(x.at))
		h.Score, h.BM25, h.Cosine = x.score, x.bm25, x.cosine
		found.Hits = append(found.Hits, h)
	}
	return found
}

// lexical returns the best chunks by BM25.
func (m *memory) lexical(query bm25.Vector, allowed *bitset, limit int) []scored {
	scores := m.borrow()
	defer m.scores.Put(scores)
	s := *scores
	var touched []int32
	for i, id := range query.IDs {
		weight := query.Values[i] * float32(bm25.IDF(m.live, m.frequency[id]))
		for _, p := range m.postings[id] {
			if m.chunks[p.at].document == nil || allowed != nil && !allowed.has(int(p.at)) {
				continue
			}
			if s[p.at] == 0 {
				touched = append(touched, p.at)
			}
			s[p.at] += weight * p.value
		}
	}
	best := newTop(limit, m.before(s))
	for _, at := range touched {
		if s[at] > 0 {
			best.offer(at)
		}
	}
	out := make([]scored, 0, len(best.heap))
	for _, at := range best.sorted() {
		out = append(out, scored{at: at, score: float64(s[at]), bm25: float64(s[at])})
	}
	for _, at := range touched {
		s[at] = 0
	}
	return out
}

// dense returns the best chunks by cosine. Each core looks at its share of the
// blocks.
func (m *memory) dense(query []float32, allowed *bitset, limit int) []scored {
	blocks := len(m.vectors.blocks)
	workers := min(runtime.GOMAXPROCS(0), blocks)
	if workers == 0 || limit <= 0 {
		return nil
	}
	scores := m.borrow()
	defer m.scores.Put(scores)
	s := *scores
	tops := make([]*top, workers)
	var wait sync.WaitGroup
	for w := range workers {
		tops[w] = newTop(limit, m.before(s))
		wait.Go(func() { m.scan(query, allowed, w*blocks/workers, (w+1)*blocks/workers, s, tops[w]) })
	}
	wait.Wait()
	best := tops[0]
	for _, other := range tops[1:] {
		for _, at := range other.heap {
			best.offer(at)
		}
	}
	out := make([]scored, 0, len(best.heap))
	for _, at := range best.sorted() {
		out = append(out, scored{at: at, score: float64(s[at]), cosine: float64(s[at])})
	}
	clear(s)
	return out
}

// scan offers the vectors of blocks from first to before last.
func (m *memory) scan(query []float32, allowed *bitset, first, last int, s []float32, best *top) {
	const words = blockRows / 64
	for block := first; block < last; block++ {
		for word := range words {
			n := block*words + word
			set := m.vectors.filled.word(n)
			if allowed != nil {
				set &= allowed.word(n)
			}
			for ; set != 0; set &= set - 1 {
				row := word*64 + bits.TrailingZeros64(set)
				at := block*blockRows + row
				cosine := vek32.Dot(query, m.vectors.row(at))
				if cosine <= 0 {
					continue
				}
				s[at] = cosine
				if len(best.heap) < best.limit || cosine >= s[best.heap[0]] {
					best.offer(int32(at))
				}
			}
		}
	}
}

// fuse joins two lists by reciprocal rank; see [rag.RRFK].
func (m *memory) fuse(words, meaning []scored, limit int) []scored {
	out := make([]scored, 0, len(words)+len(meaning))
	where := make(map[int32]int, len(words)+len(meaning))
	for _, list := range [][]scored{words, meaning} {
		for rank, x := range list {
			i, ok := where[x.at]
			if !ok {
				i = len(out)
				where[x.at] = i
				out = append(out, scored{at: x.at})
			}
			out[i].score += 1 / float64(rag.RRFK+rank)
			out[i].bm25 += x.bm25
			out[i].cosine += x.cosine
		}
	}
	slices.SortFunc(out, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), m.compare(a.at, b.at))
	})
	return out[:min(len(out), max(limit, 0))]
}

// before orders places by score, then source, then position.
func (m *memory) before(s []float32) func(a, b int32) bool {
	return func(a, b int32) bool {
		if s[a] != s[b] {
			return s[a] > s[b]
		}
		return m.compare(a, b) < 0
	}
}

// compare orders places by source and position.
func (m *memory) compare(a, b int32) int {
	x, y := &m.chunks[a], &m.chunks[b]
	return cmp.Or(cmp.Compare(x.document.source, y.document.source), cmp.Compare(x.chunk.Position, y.chunk.Position))
}

// borrow returns a slice of zeros with a place for each chunk.
func (m *memory) borrow() *[]float32 {
	if s, ok := m.scores.Get().(*[]float32); ok && cap(*s) >= len(m.chunks) {
		*s = (*s)[:len(m.chunks)]
		return s
	}
	s := make([]float32, len(m.chunks), len(m.chunks)+len(m.chunks)/8+64)
	return &s
}

// allowed returns the places of the documents that a filter lets pass; nil when
// it lets all.
func (m *memory) allowed(f rag.Filter) *bitset {
	if len(f.Sources)+len(f.Editions)+len(f.Jurisdictions) == 0 && f.On == "" {
		return nil
	}
	var set bitset
	for _, d := range m.documents {
		if f.Passes(d.source, d.metadata) {
			for _, at := range d.chunks {
				set.set(at)
			}
		}
	}
	return &set
}
