// Package rag answers questions from manuals: it ingests documents into an
// index, finds the passages that bear on a question, and answers with them, with
// a model's words that were checked against them, or with the plain statement
// that the manuals do not cover the question.
//
// The package declares what it needs ([Index], [Reader], [Generator]); adapters
// provide it.
package rag

import (
	"context"
	"iter"
	"regexp"
	"slices"
	"strings"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/chunk"
)

// Version identifies how documents become chunks and vectors. A document that
// was ingested under another version is ingested again.
const Version = chunk.Version*1000 + bm25.Version

// DefaultCollection is the collection of callers that name none.
const DefaultCollection = "manuals"

// Collection is a set of documents that are searched together: the manuals of one
// team or scope.
type Collection struct {
	Name  string // its identity; see [CheckCollection]
	Title string // may be empty
	// Embedding is the identity of the vectors that searches compare; nil before
	// there are any.
	Embedding *provider.EmbeddingIdentity
	// Staged is the identity of the vectors that are being filled in beside them;
	// nil when none are.
	Staged *provider.EmbeddingIdentity
}

var collectionName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// CheckCollection fails with Invalid for a name that no collection can have.
func CheckCollection(name string) error {
	if collectionName.MatchString(name) {
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Detail: "Some fields are not acceptable.", Fields: []fault.Field{{
		Name: "collection", Detail: "must be up to 63 lower-case letters, digits and hyphens, such as debt-manuals",
	}}}
}

// Key identifies a document.
type Key struct {
	Collection string
	Source     string // the path below the manuals folder, with slashes, or the name it was sent under
}

// Metadata is what is said of a document from outside it. Empty fields are
// unknown.
type Metadata struct {
	Title        string // given, else found in the text
	Edition      string
	From, Until  string // the first and the last day on which it is in force, as 2006-01-02
	Jurisdiction string // a word such as england-wales, scotland or northern-ireland
}

// Document is a document as it stands in the index.
type Document struct {
	Key
	Metadata
	Hash       string // SHA-256 of the original, in hex
	Version    int    // [Version] when it was ingested
	Pages      int    // 0 for a source without pages
	Characters int    // of text, all pages together
	Folder     bool   // it came from the manuals folder
	Chunks     []Chunk
	// Embedding is the identity of the chunks' dense vectors; nil when they have none.
	Embedding *provider.EmbeddingIdentity
}

// Chunk is a passage of a document.
type Chunk struct {
	Position int      // in the document, from 0
	Page     int      // from 1; 0 for a source without pages
	Boxes    []Box    // where it stands on the page; none where that is not known
	Headings []string // see [chunk.Passage]
	Text     string
	Aliases  string // words under which it is found besides its own
	Contents bool   // a table of contents or an index: kept, never found
	// Sparse is empty for Contents, and for a text without words. A chunk is
	// searchable when it is not empty.
	Sparse bm25.Vector
	// Dense is the embedding by the document's Embedding, of length 1; nil when there
	// is none yet, and always for a chunk that is not searchable.
	Dense []float32
}

// Box is a rectangle on a page.
type Box = chunk.Box

// Query is what an index is asked for.
type Query struct {
	Collection string
	// Sparse is the query's BM25 vector; without identifiers nothing is searched by
	// words.
	Sparse bm25.Vector
	// Dense is the query's embedding by the collection's identity, of length 1; nil
	// for a search by words alone.
	Dense  []float32
	Filter Filter
	Limit  int
}

// Filter narrows a search to documents that meet all its conditions. Its zero
// value lets all pass.
type Filter struct {
	Sources       []string // one of these
	Editions      []string // one of these
	Jurisdictions []string // one of these
	On            string   // in force on this day, 2006-01-02, as far as is known
}

// Passes reports whether a document meets the filter's conditions.
func (f Filter) Passes(source string, m Metadata) bool {
	among := func(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }
	return among(f.Sources, source) && among(f.Editions, m.Edition) && among(f.Jurisdictions, m.Jurisdiction) &&
		(f.On == "" || (m.From == "" || m.From <= f.On) && (m.Until == "" || f.On <= m.Until))
}

// RRFK is the constant of reciprocal rank fusion: a chunk at place n, from 0, of a
// list adds 1/(RRFK+n) to its score, as Qdrant reckons.
const RRFK = 60

// Hit is a chunk that an index returns.
type Hit struct {
	Source string
	Metadata
	Chunk Chunk // without its vectors
	// Score is what the hits are ordered by: BM25 in a search by words, Cosine in
	// one by meaning, and their reciprocal rank fusion in one by both.
	Score float64
	// BM25 and Cosine are the scores of the two halves; 0 where that half did not
	// bring the chunk among its best.
	BM25, Cosine float64
}

// Found is what a search brings.
type Found struct {
	Hits []Hit // best first
	// Total is the number of searchable chunks of the collection, and Frequency,
	// parallel to the query's identifiers, the number of those that hold each term,
	// both at the moment of the search and whatever the filter.
	Total     int
	Frequency []int
}

// State is what an index knows of one document without its text.
type State struct {
	Key
	Metadata
	Hash       string
	Version    int
	Pages      int
	Characters int
	Folder     bool
	Chunks     int
	Embedded   int // chunks with a vector of the collection's identity
}

// Size is how much a collection holds.
type Size struct {
	Documents int
	Chunks    int
}

// Unembedded is a chunk that lacks a vector.
type Unembedded struct {
	Ref ChunkRef
	// Title, Headings and Text are what is embedded.
	Title    string
	Headings []string
	Text     string
}

// EmbeddingText is the text of which a chunk's vector is made: the document's
// title, the headings above the chunk and what it says.
func EmbeddingText(title string, headings []string, text string) string {
	var b strings.Builder
	last := ""
	for _, h := range append([]string{title}, headings...) {
		if h != "" && h != last && !inside(text, h) {
			b.WriteString(h + "\n")
			last = h
		}
	}
	b.WriteString(text)
	return b.String()
}

// ChunkRef points to a chunk of one edition of a document.
type ChunkRef struct {
	Source   string
	Edition  string // opaque; another after the document was replaced
	Position int
}

// Embedding is the vector of a chunk, of length 1.
type Embedding struct {
	Ref    ChunkRef
	Vector []float32
}

// Index stores documents and finds their chunks. All methods may be called at
// the same time. Readers see a document as it was before a change or after it,
// never a part of it. A change that returned nil survives a crash. Failures of
// the storage are fault.Unavailable and name the remedy; a collection that is not
// there is fault.NotFound.
type Index interface {
	// Collections lists the collections in alphabetical order. [DefaultCollection]
	// is always among them.
	Collections(ctx context.Context) ([]Collection, error)
	// Create makes an empty collection of the name and title. One of that name is a
	// fault.Conflict.
	Create(ctx context.Context, name, title string) error
	// Drop removes a collection with all that is in it; it reports whether there was
	// one. The default collection stays, as empty as when it was new.
	Drop(ctx context.Context, name string) (bool, error)

	// Put stores the document in the place of the one with the same key. Dense
	// vectors of another identity than the collection's, or for a collection without
	// one, are a fault.Conflict: then nothing is stored.
	Put(ctx context.Context, d Document) error
	// Describe changes a document's metadata; it reports whether there is one.
	Describe(ctx context.Context, k Key, m Metadata) (bool, error)
	// Delete removes a document; it reports whether there was one.
	Delete(ctx context.Context, k Key) (bool, error)
	// State returns what is known of a document, and whether there is one.
	State(ctx context.Context, k Key) (State, bool, error)
	// Search returns at most q.Limit chunks, best first; equal scores are in the
	// order of source and position. Each half brings at most q.Limit chunks with a
	// positive score. A dense vector of another dimension than the collection's, or
	// for a collection without vectors, is a fault.Conflict.
	Search(ctx context.Context, q Query) (Found, error)
	// Chunks lists the chunks of the collection's documents whose source contains
	// the substring, by source and position, from offset, at most limit of them,
	// and says how many there are in all.
	Chunks(ctx context.Context, collection, source string, offset, limit int) ([]Hit, int, error)
	// Around returns the chunks of one document from position first to position
	// last, by position; none when there is no such document.
	Around(ctx context.Context, k Key, first, last int) ([]Hit, error)
	// Documents lists a collection's documents in alphabetical order of their sources.
	Documents(ctx context.Context, collection string) ([]State, error)
	// Size counts documents and chunks.
	Size(ctx context.Context, collection string) (Size, error)

	// Stage begins to fill in vectors of an identity beside those that are searched,
	// or goes on with it. Those staged for another identity are dropped.
	Stage(ctx context.Context, collection string, id provider.EmbeddingIdentity) error
	// Unembedded lists at most limit searchable chunks that lack a vector of the
	// staged identity, or of the collection's when none is staged, and says how many
	// there are in all. Without either identity there are none.
	Unembedded(ctx context.Context, collection string, limit int) ([]Unembedded, int, error)
	// Embed adds vectors of the staged identity, or of the collection's when none is
	// staged, to searchable chunks, in the place of those they have. Chunks that are
	// no longer there are passed over. Another identity, or none to add to, is a
	// fault.Conflict: then nothing is stored.
	Embed(ctx context.Context, collection string, id provider.EmbeddingIdentity, vectors []Embedding) error
	// Promote makes the staged vectors those that are searched, in one step, and
	// drops the ones before. While searchable chunks lack one, and when none are
	// staged, it is a fault.Conflict.
	Promote(ctx context.Context, collection string) error

	// Ping fails when the storage does not answer.
	Ping(ctx context.Context) error
	// Close lets the storage go.
	Close() error
}

// Reading is what a [Reader] made of a file.
type Reading struct {
	Pages []chunk.Page
	// Empty lists the pages, from 1, on which nothing could be read.
	Empty []int
}

// Reader turns a PDF or an image into text, page by page. Its errors carry a
// fault kind: Unavailable and Busy may go away, others are final.
type Reader interface {
	Read(ctx context.Context, name string, data []byte) (Reading, error)
}

// Embedder turns texts into vectors.
type Embedder interface {
	Embed(ctx context.Context, task provider.Task, texts []string) (*provider.EmbedResponse, error)
	EmbeddingIdentity(ctx context.Context) (provider.EmbeddingIdentity, error)
}

// Generator is the text model.
type Generator interface {
	Chat(ctx context.Context, r provider.ChatRequest) (*provider.ChatResponse, error)
	// ChatStream is Chat for somebody who reads along.
	ChatStream(ctx context.Context, r provider.ChatRequest) iter.Seq2[provider.StreamEvent, error]
	CheckModel(model string) error
	Status(ctx context.Context) provider.Status
}
