package sqliteindex

import (
	"slices"
	"strconv"
	"sync"

	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

// memory holds what searches of a collection need. Chunks have stable places in
// a slice; places of removed chunks stay empty until there are many of them.
type memory struct {
	collection string
	sources    []string // sorted
	documents  map[string]*document
	chunks     []entry
	postings   map[uint32][]posting
	frequency  map[uint32]int // of live chunks
	live       int            // searchable chunks
	dead       int            // empty places
	vectors    *matrix        // nil before the collection has an identity
	scores     sync.Pool      // *[]float32, all zero, for searches
}

type document struct {
	id         int64
	source     string
	metadata   rag.Metadata
	hash       string
	version    int
	pages      int
	characters int
	folder     bool
	chunks     []int // places, in order
}

// edition names what of the document the index holds; see [rag.ChunkRef].
func (d *document) edition() string { return strconv.FormatInt(d.id, 10) }

type entry struct {
	document *document // nil for an empty place
	chunk    rag.Chunk // without its vectors
	terms    []uint32
}

type posting struct {
	at    int32
	value float32
}

func newMemory(collection string) *memory {
	return &memory{
		collection: collection,
		documents:  map[string]*document{},
		postings:   map[uint32][]posting{},
		frequency:  map[uint32]int{},
	}
}

// add takes in a document whose row is id.
func (m *memory) add(id int64, d rag.Document) {
	doc := &document{
		id: id, source: d.Source, metadata: d.Metadata, hash: d.Hash, version: d.Version,
		pages: d.Pages, characters: d.Characters, folder: d.Folder,
	}
	for _, c := range d.Chunks {
		at := len(m.chunks)
		doc.chunks = append(doc.chunks, at)
		for i, id := range c.Sparse.IDs {
			m.postings[id] = append(m.postings[id], posting{at: int32(at), value: c.Sparse.Values[i]})
			m.frequency[id]++
		}
		e := entry{document: doc, chunk: c, terms: c.Sparse.IDs}
		e.chunk.Sparse, e.chunk.Dense = bm25.Vector{}, nil
		m.chunks = append(m.chunks, e)
		if len(e.terms) > 0 {
			m.live++
		}
		if c.Dense != nil {
			copy(m.vectors.row(at), c.Dense)
			m.vectors.mark(at)
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
		if m.vectors != nil {
			m.vectors.remove(at)
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
	if m.vectors != nil {
		m.vectors.compact(place, len(chunks))
	}
	m.chunks, m.dead = chunks, 0
}

// place returns where a document's chunk of the position is.
func (m *memory) place(d *document, position int) (int, bool) {
	i, found := slices.BinarySearchFunc(d.chunks, position, func(at, position int) int {
		return m.chunks[at].chunk.Position - position
	})
	if !found {
		return 0, false
	}
	return d.chunks[i], true
}

func (m *memory) state(d *document) rag.State {
	out := rag.State{
		Key: rag.Key{Collection: m.collection, Source: d.source}, Metadata: d.metadata, Hash: d.hash, Version: d.version,
		Pages: d.pages, Characters: d.characters, Folder: d.folder, Chunks: len(d.chunks),
	}
	if m.vectors != nil {
		for _, at := range d.chunks {
			if m.vectors.has(at) {
				out.Embedded++
			}
		}
	}
	return out
}

func (m *memory) hit(at int) rag.Hit {
	e := m.chunks[at]
	return rag.Hit{Source: e.document.source, Metadata: e.document.metadata, Chunk: e.chunk}
}
