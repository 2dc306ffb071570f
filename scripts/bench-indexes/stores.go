package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/philippgille/chromem-go"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/env"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/qdrantindex"
	"signpost.internal/services/rag-service/internal/rag"
	"signpost.internal/services/rag-service/internal/sqliteindex"
)

// identity is that of the synthetic vectors.
var identity = provider.EmbeddingIdentity{Model: "synthetic", Dimension: dimension, Canary: [][]float32{unit(0), unit(1), unit(2)}}

func unit(at int) []float32 {
	v := make([]float32, dimension)
	v[at] = 1
	return v
}

// ours is an index of rag-service.
type ours struct {
	rag.Index
	used func() int64
	wait func(context.Context) error
}

func prepared(x rag.Index) error {
	ctx := context.Background()
	if _, err := x.Drop(ctx, rag.DefaultCollection); err != nil {
		return err
	}
	if err := x.Stage(ctx, rag.DefaultCollection, identity); err != nil {
		return err
	}
	return x.Promote(ctx, rag.DefaultCollection)
}

func (o ours) add(ctx context.Context, d rag.Document) error { return o.Put(ctx, d) }
func (o ours) memory() int64                                 { return o.used() }
func (o ours) close() error                                  { return o.Close() }
func (o ours) ready(ctx context.Context) error {
	if o.wait == nil {
		return nil
	}
	return o.wait(ctx)
}

func (o ours) find(ctx context.Context, sparse bm25.Vector, dense []float32) ([]string, error) {
	found, err := o.Search(ctx, rag.Query{Collection: rag.DefaultCollection, Sparse: sparse, Dense: dense, Limit: best})
	var names []string
	for _, h := range found.Hits {
		names = append(names, name(h.Source, h.Chunk.Position))
	}
	return names, err
}

func openEmbedded(dir string) (store, error) {
	x, err := sqliteindex.Open(context.Background(), dir)
	if err != nil {
		return nil, err
	}
	return ours{Index: x, used: resident}, prepared(x)
}

func openQdrant() (store, error) {
	x, err := qdrantindex.Open(qdrantindex.Options{
		URL: os.Getenv("QDRANT_TEST_URL"), Key: env.Secret(os.Getenv("QDRANT_TEST_API_KEY")), Dialer: egress.New(egress.Config{}, nil),
		Prefix: "bench", Shards: 1, Replicas: 1, Quantization: qdrantindex.Quantization(os.Getenv("QDRANT_TEST_QUANTIZATION")),
		Timeout: time.Minute, WriteTimeout: 5 * time.Minute,
	})
	if err != nil {
		return nil, err
	}
	return ours{Index: x, used: qdrantMemory, wait: qdrantIndexed}, prepared(x)
}

// qdrantMemory asks Qdrant's port of HTTP, where QDRANT_TEST_HTTP_URL names it.
func qdrantMemory() int64 {
	text, err := qdrantHTTP("/metrics")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "memory_resident_bytes "); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			return int64(n)
		}
	}
	return 0
}

// qdrantIndexed waits until Qdrant has built its graphs.
func qdrantIndexed(ctx context.Context) error {
	for ctx.Err() == nil {
		time.Sleep(2 * time.Second)
		text, err := qdrantHTTP("/collections/bench-" + rag.DefaultCollection)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		if err != nil {
			return err
		}
		if strings.Contains(text, `"status":"green"`) {
			return nil
		}
	}
	return ctx.Err()
}

func qdrantHTTP(path string) (string, error) {
	base := os.Getenv("QDRANT_TEST_HTTP_URL")
	if base == "" {
		return "", fmt.Errorf("QDRANT_TEST_HTTP_URL: %w", errors.ErrUnsupported)
	}
	request, err := http.NewRequest(http.MethodGet, base+path, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("api-key", os.Getenv("QDRANT_TEST_API_KEY"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// flat is chromem-go, which searches by meaning only.
type flat struct{ collection *chromem.Collection }

func openChromem(dir string) (store, error) {
	db, err := chromem.NewPersistentDB(dir, false)
	if err != nil {
		return nil, err
	}
	never := func(context.Context, string) ([]float32, error) { return nil, errors.New("nothing is embedded here") }
	c, err := db.CreateCollection("bench", nil, never)
	return flat{c}, err
}

func (f flat) add(ctx context.Context, d rag.Document) error {
	documents := make([]chromem.Document, len(d.Chunks))
	for i, c := range d.Chunks {
		documents[i] = chromem.Document{ID: name(d.Source, c.Position), Content: c.Text, Embedding: c.Dense}
	}
	return f.collection.AddDocuments(ctx, documents, 2)
}

func (f flat) find(ctx context.Context, sparse bm25.Vector, dense []float32) ([]string, error) {
	if len(sparse.IDs) > 0 {
		return nil, errors.ErrUnsupported
	}
	found, err := f.collection.QueryEmbedding(ctx, dense, best, nil, nil)
	var names []string
	for _, r := range found {
		names = append(names, r.ID)
	}
	return names, err
}

func (f flat) ready(context.Context) error { return nil }
func (f flat) memory() int64               { return resident() }
func (f flat) close() error                { return nil }
