package rag

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"signpost.internal/services/rag-service/internal/bm25"
)

// Options is what a [Service] works with.
type Options struct {
	Index     Index
	Reader    Reader
	Generator Generator
	Embedder  Embedder // nil for searches by words alone
	Reranker  Reranker // nil for none
	// Queue and Originals make the ingest outlast the process. Without them, as in
	// tools, documents are ingested while the caller waits, nothing can be submitted,
	// and there is nothing to run.
	Queue     Queue
	Originals Originals
	// Shared says that other processes use the queue and the originals too.
	Shared bool
	Logger *slog.Logger
	// ManualsPath is the folder of manuals; empty when there is none.
	ManualsPath string
	// Watch is how often the folder is looked at for changes; 0 for never.
	Watch time.Duration
	// MaxFile is the largest file in bytes that is taken.
	MaxFile int64
	// Patience is how long a caller waits for a document that waits for the reader.
	Patience time.Duration
	// Searched learns of each search, and why meaning was not used; nil for nobody.
	Searched func(Method, Why)
}

// Service ingests documents and answers questions. Its methods may be called at
// the same time.
type Service struct {
	index       Index
	reader      Reader
	generator   Generator
	embedder    Embedder
	reranker    Reranker
	queue       Queue
	originals   Originals
	logger      *slog.Logger
	manualsPath string
	watchEvery  time.Duration
	maxFile     int64
	patience    time.Duration

	analyzer *bm25.Analyzer
	language *language

	questions *questions // nil without an embedder
	searched  func(Method, Why)

	progress  tracker
	documents keyed        // one change of a document at a time
	keep      sync.RWMutex // held while an original has no job or document yet
	asking    atomic.Int64 // questions that are being answered; see [Service.Asking]
	filling   filling
	woken     chan struct{} // something may lack vectors
	untidy    chan struct{} // originals may have become superfluous
	shared    bool
}

// New returns a service.
func New(o Options) *Service {
	a := bm25.NewAnalyzer()
	s := &Service{
		index: o.Index, reader: o.Reader, generator: o.Generator, embedder: o.Embedder, reranker: o.Reranker,
		queue: o.Queue, originals: o.Originals, logger: o.Logger,
		manualsPath: o.ManualsPath, watchEvery: o.Watch, maxFile: o.MaxFile, patience: o.Patience,
		analyzer: a, language: newLanguage(a),
		searched: o.Searched,
		woken:    make(chan struct{}, 1), untidy: make(chan struct{}, 1), shared: o.Shared,
	}
	if s.searched == nil {
		s.searched = func(Method, Why) {}
	}
	if o.Embedder != nil {
		s.questions = &questions{embedder: o.Embedder, vectors: map[string][]float32{}}
	}
	return s
}

// Run does what goes on in the background, until ctx ends: it removes originals
// that nothing refers to, watches the folder of manuals, and fills in vectors.
// ingestFolder says whether the folder is ingested at once.
func (s *Service) Run(ctx context.Context, ingestFolder bool) {
	var background sync.WaitGroup
	background.Go(func() { s.tidyUp(ctx) })
	background.Go(func() { s.watch(ctx, ingestFolder) })
	background.Go(func() { s.fill(ctx) })
	background.Wait()
}
