package sqliteindex

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"

	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

// memory holds what searches need. Chunks have stable places in a slice; places
// of removed chunks stay empty until there are many of them.
type memory struct {
	sources   []string // sorted
	documents map[string]*document
	chunks    []entry
	postings  map[uint32][]posting
	frequency map[uint32]int // of live chunks
	live      int            // searchable chunks
	dead      int            // empty places
	scores    sync.Pool      // *[]float32, all zero, for searches
}

type document struct {
	source     string
	title      string
	hash       string
	version    int
	characters int
	folder     bool
	chunks     []int // places, in order
}

func (d *document) state() rag.State {
	return rag.State{Source: d.source, Hash: d.hash, Version: d.version, Characters: d.characters, Folder: d.folder, Chunks: len(d.chunks)}
}

type entry struct {
	document *document // nil for an empty place
	chunk    rag.Chunk // without Sparse
	terms    []uint32
}

type posting struct {
	at    int32
	value float32
}

func newMemory() *memory {
	return &memory{
		documents: map[string]*document{},
		postings:  map[uint32][]posting{},
		frequency: map[uint32]int{},
	}
}

func (m *memory) add(d rag.Document) {
	doc := &document{source: d.Source, title: d.Title, hash: d.Hash, version: d.Version, characters: d.Characters, folder: d.Folder}
	for _, c := range d.Chunks {
		at := len(m.chunks)
		doc.chunks = append(doc.chunks, at)
		for i, id := range c.Sparse.IDs {
			m.postings[id] = append(m.postings[id], posting{at: int32(at), value: c.Sparse.Values[i]})
			m.frequency[id]++
		}
		e := entry{document: doc, chunk: c, terms: c.Sparse.IDs}
		e.chunk.Sparse = bm25.Vector{}
		m.chunks = append(m.chunks, e)
		if len(e.terms) > 0 {
			m.live++
		}
	}
	m.documents[d.Source] = doc
	i, _ := slices.BinarySearch(m.sources, d.Source)
	m.sources = slices.Insert(m.sources, i, d.Source)
}

func (m *memory) remove(source string) {
	doc, ok := m.documents[source]
	if !ok {
		return
	}
	for _, at := range doc.chunks {
		for _, id := range m.chunks[at].terms {
			if m.frequency[id]--; m.frequency[id] == 0 {
				delete(m.frequency, id)
			}
		}
		if len(m.chunks[at].terms) > 0 {
			m.live--
		}
		m.chunks[at] = entry{}
		m.dead++
	}
	delete(m.documents, source)
	i, _ := slices.BinarySearch(m.sources, source)
	m.sources = slices.Delete(m.sources, i, i+1)
	if m.dead > 1000 && m.dead > len(m.chunks)/4 {
		m.compact()
	}
}

// compact moves the chunks together and drops the postings of empty places.
func (m *memory) compact() {
	place := make([]int32, len(m.chunks))
	chunks := make([]entry, 0, len(m.chunks)-m.dead)
	for at, e := range m.chunks {
		place[at] = -1
		if e.document != nil {
			place[at] = int32(len(chunks))
			chunks = append(chunks, e)
		}
	}
	for _, d := range m.documents {
		for i, at := range d.chunks {
			d.chunks[i] = int(place[at])
		}
	}
	for id, list := range m.postings {
		kept := list[:0]
		for _, p := range list {
			if place[p.at] >= 0 {
				kept = append(kept, posting{at: place[p.at], value: p.value})
			}
		}
		if len(kept) == 0 {
			delete(m.postings, id)
			continue
		}
		m.postings[id] = kept
	}
	m.chunks, m.dead = chunks, 0
}

func (m *memory) search(query bm25.Vector, limit int) rag.Found {
	found := rag.Found{Total: m.live, Frequency: make([]int, len(query.IDs))}
	scores := m.borrow()
	defer m.scores.Put(scores)
	s := *scores
	var touched []int32
	for i, id := range query.IDs {
		found.Frequency[i] = m.frequency[id]
		weight := query.Values[i] * float32(bm25.IDF(m.live, m.frequency[id]))
		for _, p := range m.postings[id] {
			if m.chunks[p.at].document == nil {
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
		best.offer(at)
	}
	for _, at := range best.sorted() {
		found.Hits = append(found.Hits, m.hit(int(at), float64(s[at])))
	}
	for _, at := range touched {
		s[at] = 0
	}
	return found
}

// before orders places by score, then source, then position.
func (m *memory) before(s []float32) func(a, b int32) bool {
	return func(a, b int32) bool {
		if s[a] != s[b] {
			return s[a] > s[b]
		}
		x, y := &m.chunks[a], &m.chunks[b]
		if x.document.source != y.document.source {
			return x.document.source < y.document.source
		}
		return x.chunk.Position < y.chunk.Position
	}
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

func (m *memory) hit(at int, score float64) rag.Hit {
	e := m.chunks[at]
	return rag.Hit{Source: e.document.source, Title: e.document.title, Chunk: e.chunk, Score: score}
}

// top keeps the best few of many places: a heap with the worst kept at its root.
type top struct {
	limit  int
	before func(a, b int32) bool
	heap   []int32
}

func newTop(limit int, before func(a, b int32) bool) *top {
	return &top{limit: limit, before: before}
}

func (t *top) offer(at int32) {
	switch {
	case len(t.heap) < t.limit:
		t.heap = append(t.heap, at)
		for i := len(t.heap) - 1; i > 0 && t.before(t.heap[(i-1)/2], t.heap[i]); i = (i - 1) / 2 {
			t.heap[i], t.heap[(i-1)/2] = t.heap[(i-1)/2], t.heap[i]
		}
	case t.limit > 0 && t.before(at, t.heap[0]):
		t.heap[0] = at
		t.sink()
	}
}

func (t *top) sink() {
	for i := 0; ; {
		worst := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(t.heap); child++ {
			if t.before(t.heap[worst], t.heap[child]) {
				worst = child
			}
		}
		if worst == i {
			return
		}
		t.heap[i], t.heap[worst] = t.heap[worst], t.heap[i]
		i = worst
	}
}

func (t *top) sorted() []int32 {
	slices.SortFunc(t.heap, func(a, b int32) int {
		if t.before(a, b) {
			return -1
		}
		return 1
	})
	return t.heap
}

// encodeVector lays a vector out as pairs of 32-bit identifier and value, little endian.
func encodeVector(v bm25.Vector) []byte {
	out := make([]byte, 0, 8*len(v.IDs))
	for i, id := range v.IDs {
		out = binary.LittleEndian.AppendUint32(out, id)
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v.Values[i]))
	}
	return out
}

var errVector = errors.New("a chunk's vector is not a whole number of pairs")

func decodeVector(b []byte) (bm25.Vector, error) {
	if len(b)%8 != 0 {
		return bm25.Vector{}, errVector
	}
	n := len(b) / 8
	v := bm25.Vector{IDs: make([]uint32, n), Values: make([]float32, n)}
	for i := range n {
		v.IDs[i] = binary.LittleEndian.Uint32(b[8*i:])
		v.Values[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[8*i+4:]))
	}
	return v, nil
}
