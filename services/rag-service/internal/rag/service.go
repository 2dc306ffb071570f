package rag

import (
	"log/slog"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/bm25"
)

// Options is what a [Service] works with.
type Options struct {
	Index     Index
	Reader    Reader
	Generator Generator
	Embedder  Embedder // nil for searches by words alone
	Reranker  Reranker // nil for none
	Logger    *slog.Logger
	// ManualsPath is the folder of manuals; empty when there is none.
	ManualsPath string
	// MaxFile is the largest file in bytes that is taken from the folder.
	MaxFile int64
	// Patience is how long a document waits for a reader that cannot be reached.
	Patience time.Duration
}

// Service ingests documents and answers questions. Its methods may be called at
// the same time.
type Service struct {
	index       Index
	reader      Reader
	generator   Generator
	reranker    Reranker
	logger      *slog.Logger
	manualsPath string
	maxFile     int64
	patience    time.Duration

	analyzer *bm25.Analyzer
	language *language

	questions *questions // nil without an embedder

	turn     chan struct{} // holds one token: one ingest at a time
	mu       sync.Mutex
	progress Progress
}

// New returns a service.
func New(o Options) *Service {
	a := bm25.NewAnalyzer()
	s := &Service{
		index: o.Index, reader: o.Reader, generator: o.Generator, reranker: o.Reranker, logger: o.Logger,
		manualsPath: o.ManualsPath, maxFile: o.MaxFile, patience: o.Patience,
		analyzer: a, language: newLanguage(a),
		turn:     make(chan struct{}, 1),
		progress: Progress{State: "idle"},
	}
	if o.Embedder != nil {
		s.questions = &questions{embedder: o.Embedder, vectors: map[string][]float32{}}
	}
	return s
}

// retry returns the policy for calls of the reader: while it is unreachable or
// busy it may be starting again.
func (s *Service) retry() retrypolicy.RetryPolicy[Reading] {
	const first, longest = 500 * time.Millisecond, 10 * time.Second
	return retrypolicy.NewBuilder[Reading]().
		HandleIf(func(_ Reading, err error) bool {
			kind := fault.KindOf(err)
			return err != nil && (kind == fault.Unavailable || kind == fault.Busy)
		}).
		WithBackoff(min(first, s.patience), max(longest, 2*first)).
		WithJitterFactor(0.1).
		WithMaxRetries(-1).
		WithMaxDuration(s.patience).
		ReturnLastFailure().
		Build()
}
