package qdrantindex

import (
	"context"

	"github.com/qdrant/go-client/qdrant"

	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

// Fetch gets one point, and says how long its text is.
func (x *Index) Fetch(ctx context.Context) (int, error) {
	points, err := x.get(ctx, "any", []*qdrant.PointId{chunkID("edition", 0)})
	if err != nil || len(points) == 0 {
		return 0, err
	}
	return len(points[0].GetPayload()[fieldText].GetStringValue()), nil
}

// Store writes one point.
func (x *Index) Store(ctx context.Context) error {
	return x.upsert(ctx, "any", []*qdrant.PointStruct{{Id: chunkID("edition", 0), Vectors: vectors(bm25.Vector{}, nil)}}, nil, nil)
}

// Names for tests.
var (
	EncodeTerms = func(m map[uint32]int) string { return terms(m).encode() }
	DecodeTerms = decodeTerms
)

// Begin writes a document as far as one that was killed before it was published.
func (x *Index) Begin(ctx context.Context, d rag.Document) error {
	into, err := x.begin(ctx, d, "00000000-0000-4000-8000-000000000001")
	x.mu.Lock()
	x.making["00000000-0000-4000-8000-000000000001"] = struct{}{}
	x.mu.Unlock()
	if err != nil {
		return err
	}
	return x.upload(ctx, into, "00000000-0000-4000-8000-000000000001", d)
}

// Scatter writes chunks of no record.
func (x *Index) Scatter(ctx context.Context, d rag.Document) error {
	x.mu.RLock()
	points := x.state.collections[d.Collection].Points
	x.mu.RUnlock()
	return x.upload(ctx, collectionRecord{Points: points}, "00000000-0000-4000-8000-000000000002", d)
}
