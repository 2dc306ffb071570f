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

	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/chunk"
)

// Version identifies how documents become chunks and vectors. A document that
// was ingested under another version is ingested again.
const Version = chunk.Version*1000 + bm25.Version

// Document is a document as it stands in the index.
type Document struct {
	Source     string // its identity: the path below the manuals folder, with slashes, or the name it was sent under
	Title      string // may be empty
	Hash       string // SHA-256 of the original, in hex
	Version    int    // [Version] when it was ingested
	Pages      int    // 0 for a source without pages
	Characters int    // of text, all pages together
	Folder     bool   // it came from the manuals folder
	Chunks     []Chunk
}

// Chunk is a passage of a document.
type Chunk struct {
	Position int      // in the document, from 0
	Page     int      // from 1; 0 for a source without pages
	Headings []string // see [chunk.Passage]
	Text     string
	Aliases  string      // words under which it is found besides its own
	Contents bool        // a table of contents or an index: kept, never found
	Sparse   bm25.Vector // empty for Contents
}

// Hit is a chunk that an index returns.
type Hit struct {
	Source string
	Title  string
	Chunk  Chunk // without its vector
	Score  float64
}

// Found is what a search brings.
type Found struct {
	Hits []Hit // best first
	// Total is the number of searchable chunks, and Frequency, parallel to the
	// query's identifiers, the number of those that hold each term, both at the
	// moment of the search.
	Total     int
	Frequency []int
}

// State is what an index knows of one document without its text.
type State struct {
	Source     string
	Hash       string
	Version    int
	Characters int
	Folder     bool
	Chunks     int
}

// Size is how much an index holds.
type Size struct {
	Documents int
	Chunks    int
}

// Index stores documents and finds their chunks. All methods may be called at
// the same time. Readers see a document as it was before a change or after it,
// never a part of it. A change that returned nil survives a crash. Failures of
// the storage are fault.Unavailable and name the remedy.
type Index interface {
	// Put stores the document in the place of the one with the same source.
	Put(ctx context.Context, d Document) error
	// Delete removes a document; it reports whether there was one.
	Delete(ctx context.Context, source string) (bool, error)
	// State returns what is known of a document, and whether there is one.
	State(ctx context.Context, source string) (State, bool, error)
	// Search returns at most limit chunks with a positive BM25 score, best
	// first; equal scores are in the order of source and position.
	Search(ctx context.Context, query bm25.Vector, limit int) (Found, error)
	// Chunks lists the chunks of the documents whose source contains the
	// substring, by source and position, from offset, at most limit of them,
	// and says how many there are in all.
	Chunks(ctx context.Context, source string, offset, limit int) ([]Hit, int, error)
	// Documents lists all documents in alphabetical order of their sources.
	Documents(ctx context.Context) ([]State, error)
	// Size counts documents and chunks.
	Size(ctx context.Context) (Size, error)
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

// Generator is the text model.
type Generator interface {
	Chat(ctx context.Context, r provider.ChatRequest) (*provider.ChatResponse, error)
	// ChatStream is Chat for somebody who reads along.
	ChatStream(ctx context.Context, r provider.ChatRequest) iter.Seq2[provider.StreamEvent, error]
	CheckModel(model string) error
	Status(ctx context.Context) provider.Status
}
