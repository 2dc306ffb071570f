package eval

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"strings"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/chunk"
	"signpost.internal/services/rag-service/internal/rag"
	"signpost.internal/services/rag-service/internal/sqliteindex"
)

// Service is the rag-service's own search over documents, without a model, on the
// embedded index in a temporary folder.
type Service struct {
	rag   *rag.Service
	index *sqliteindex.Index
	dir   string
	model string // of the embeddings; empty without
}

// Embedding names the embedding model and its dimensions; empty without one.
func (s *Service) Embedding() string { return s.model }

// NewService ingests documents, and embeds their passages when there is an
// embedder.
func NewService(ctx context.Context, documents []Document, embedder rag.Embedder) (*Service, error) {
	dir, err := os.MkdirTemp("", "rag-eval-")
	if err != nil {
		return nil, fmt.Errorf("a folder for the index: %w", err)
	}
	s := &Service{dir: dir}
	if s.index, err = sqliteindex.Open(ctx, dir); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.rag = rag.New(rag.Options{
		Index: s.index, Reader: pages{}, Generator: none{}, Embedder: embedder, Logger: slog.New(slog.DiscardHandler),
		MaxFile: 1 << 30, Patience: time.Second,
	})
	for _, d := range documents {
		outcome, err := s.rag.IngestFile(ctx, rag.Key{Collection: rag.DefaultCollection, Source: d.Name}, []byte(strings.Join(d.Pages, "\f")))
		if err == nil {
			err = outcome.Err()
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", d.Name, err), s.Close())
		}
	}
	if embedder != nil {
		if err := s.embed(ctx, embedder); err != nil {
			return nil, errors.Join(fmt.Errorf("embed the passages: %w", err), s.Close())
		}
	}
	return s, nil
}

// embedBatch is how many passages are embedded at a time.
const embedBatch = 64

func (s *Service) embed(ctx context.Context, embedder rag.Embedder) error {
	id, err := embedder.EmbeddingIdentity(ctx)
	if err != nil {
		return err
	}
	s.model = fmt.Sprintf("%s (%d dimensions)", id.Model, id.Dimension)
	if err := s.index.Stage(ctx, rag.DefaultCollection, id); err != nil {
		return err
	}
	for {
		chunks, _, err := s.index.Unembedded(ctx, rag.DefaultCollection, embedBatch)
		if err != nil {
			return err
		}
		if len(chunks) == 0 {
			return s.index.Promote(ctx, rag.DefaultCollection)
		}
		texts := make([]string, len(chunks))
		for i, c := range chunks {
			texts[i] = rag.EmbeddingText(c.Title, c.Headings, c.Text)
		}
		made, err := embedder.Embed(ctx, provider.Document, texts)
		if err != nil {
			return err
		}
		vectors := make([]rag.Embedding, len(chunks))
		for i, c := range chunks {
			vectors[i] = rag.Embedding{Ref: c.Ref, Vector: rag.Normal(made.Vectors[i])}
		}
		if err := s.index.Embed(ctx, rag.DefaultCollection, id, vectors); err != nil {
			return err
		}
	}
}

// Close removes the index.
func (s *Service) Close() error {
	var err error
	if s.index != nil {
		err = s.index.Close()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// Ask implements [Asker].
func (s *Service) Ask(ctx context.Context, question string, n int) (Answer, error) {
	answer, err := s.rag.Ask(ctx, rag.Question{Text: question, TopK: n}, nil)
	if err != nil {
		return Answer{}, err
	}
	out := Answer{Refused: answer.Refused, Text: answer.Text}
	for _, p := range answer.Passages {
		out.Cited = append(out.Cited, Cited{Document: p.Document(), Page: p.Page, Text: p.Text})
	}
	return out, nil
}

// pages reads a text with a form feed between two pages.
type pages struct{}

func (pages) Read(_ context.Context, _ string, data []byte) (rag.Reading, error) {
	var out rag.Reading
	for i, text := range strings.Split(string(data), "\f") {
		out.Pages = append(out.Pages, chunk.Page{Number: i + 1, Text: text})
	}
	return out, nil
}

// none is no model.
type none struct{}

var errNone = fault.New(fault.Unavailable, "There is no model here.")

func (none) Chat(context.Context, provider.ChatRequest) (*provider.ChatResponse, error) {
	return nil, errNone
}

func (none) ChatStream(context.Context, provider.ChatRequest) iter.Seq2[provider.StreamEvent, error] {
	return func(yield func(provider.StreamEvent, error) bool) { yield(provider.StreamEvent{}, errNone) }
}

func (none) CheckModel(string) error { return nil }

func (none) Status(context.Context) provider.Status { return provider.Status{State: provider.Off} }
