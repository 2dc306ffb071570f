package qdrantindex

import (
	"context"
	"errors"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

// Stage implements [rag.Index].
func (x *Index) Stage(ctx context.Context, name string, id provider.EmbeddingIdentity) error {
	defer x.writers.lock("vectors\x00" + name)()
	var staged collectionRecord
	err := x.commit(ctx, func(s *state) ([]record, error) {
		c, err := s.find(name)
		if err != nil {
			return nil, err
		}
		staged = c.collectionRecord
		if c.Staged != nil && c.Staged.Check(id) == nil {
			return nil, nil
		}
		if staged.StagedPoints != "" {
			staged.Old = append(append([]string{}, staged.Old...), staged.StagedPoints)
		}
		staged.Staged, staged.StagedPoints, staged.StagedShards = &id, x.points(name, s.revision+1), x.o.Shards
		return []record{{Collection: &staged}}, nil
	})
	if err != nil {
		return err
	}
	if err := x.preparePoints(ctx, staged); err != nil {
		return err
	}
	x.sweepSoon()
	return nil
}

// filling returns the points and the identity that vectors are added to; nil when
// there are none.
func (r collectionRecord) filling() (string, *provider.EmbeddingIdentity) {
	if r.Staged != nil {
		return r.StagedPoints, r.Staged
	}
	return r.Points, r.Embedding
}

// Unembedded implements [rag.Index].
func (x *Index) Unembedded(ctx context.Context, name string, limit int) (out []rag.Unembedded, total int, err error) {
	err = x.again(func() (err error) {
		out, total, err = x.unembedded(ctx, name, limit)
		return err
	})
	return out, total, err
}

func (x *Index) unembedded(ctx context.Context, name string, limit int) ([]rag.Unembedded, int, error) {
	of, records, err := x.records(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	to, id := of.filling()
	if id == nil || len(records) == 0 {
		return nil, 0, nil
	}
	embedded, err := x.embedded(ctx, to)
	if err != nil {
		return nil, 0, err
	}
	var out []rag.Unembedded
	total := 0
	for _, r := range records {
		lack := r.Searchable - embedded[r.Edition]
		if lack <= 0 {
			continue
		}
		total += lack
		if len(out) >= limit {
			continue
		}
		if err := x.lacking(ctx, of, r, to, func(c rag.Chunk) {
			if len(out) < limit {
				out = append(out, rag.Unembedded{
					Ref:   rag.ChunkRef{Source: r.Source, Edition: r.Edition, Position: c.Position},
					Title: r.Metadata.Title, Headings: c.Headings, Text: c.Text,
				})
			}
		}); err != nil {
			return nil, 0, err
		}
	}
	return out, total, nil
}

// lacking visits the searchable chunks of a document without a vector in some
// points, by position.
func (x *Index) lacking(ctx context.Context, of collectionRecord, r documentRecord, in string, each func(rag.Chunk)) error {
	edition := qdrant.NewMatchKeyword(fieldEdition, r.Edition)
	have := map[string]struct{}{}
	err := x.scroll(ctx, &qdrant.ScrollPoints{
		CollectionName: in, WithPayload: qdrant.NewWithPayload(false),
		Filter: &qdrant.Filter{Must: []*qdrant.Condition{edition, qdrant.NewHasVector(dense)}},
	}, func(p *qdrant.RetrievedPoint) error {
		have[p.GetId().GetUuid()] = struct{}{}
		return nil
	})
	if err != nil {
		return err
	}
	found := map[int]rag.Chunk{}
	err = x.scroll(ctx, &qdrant.ScrollPoints{
		CollectionName: of.Points, WithPayload: qdrant.NewWithPayload(true),
		Filter: &qdrant.Filter{Must: []*qdrant.Condition{edition, qdrant.NewHasVector(sparse)}},
	}, func(p *qdrant.RetrievedPoint) error {
		if _, ok := have[p.GetId().GetUuid()]; !ok {
			_, c := decode(p.GetPayload())
			found[c.Position] = c
		}
		return nil
	})
	if err != nil {
		return err
	}
	for position := range r.Chunks {
		if c, ok := found[position]; ok {
			each(c)
		}
	}
	return nil
}

// Embed implements [rag.Index].
func (x *Index) Embed(ctx context.Context, name string, id provider.EmbeddingIdentity, list []rag.Embedding) error {
	defer x.writers.lock("vectors\x00" + name)()
	return x.again(func() error { return x.embed(ctx, name, id, list) })
}

func (x *Index) embed(ctx context.Context, name string, id provider.EmbeddingIdentity, list []rag.Embedding) error {
	if err := x.refresh(ctx); err != nil {
		return err
	}
	of, wanted, err := x.toEmbed(name, id, list)
	if err != nil || len(wanted) == 0 {
		return err
	}
	to, _ := of.filling()
	// The chunk goes with its vector where it is not there yet, and where it is it is
	// the same: one way for both.
	points, err := x.withVectors(ctx, of.Points, wanted)
	if err != nil {
		return err
	}
	if err := x.uploadPoints(ctx, to, points); err != nil {
		return err
	}
	// A collection that was promoted or dropped meanwhile has lost what was added to
	// the other points.
	if err := x.refresh(ctx); err != nil {
		return err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	c, err := x.state.find(name)
	if err != nil {
		return err
	}
	if now, _ := c.filling(); c.Instance != of.Instance || now != to {
		return errOvertaken
	}
	return nil
}

// toEmbed picks the vectors of chunks that are there, by the chunk's identifier.
func (x *Index) toEmbed(name string, id provider.EmbeddingIdentity, list []rag.Embedding) (collectionRecord, map[string][]float32, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	c, err := x.state.find(name)
	if err != nil {
		return collectionRecord{}, nil, err
	}
	_, current := c.filling()
	if current == nil {
		return collectionRecord{}, nil, fault.Newf(fault.Conflict, "Collection %q has no embeddings.", name)
	}
	if err := current.Check(id); err != nil {
		return collectionRecord{}, nil, err
	}
	wanted := map[string][]float32{}
	for _, v := range list {
		if len(v.Vector) != current.Dimension {
			return collectionRecord{}, nil, fault.Newf(fault.Conflict, "An embedding has %d dimensions, those of collection %q have %d.", len(v.Vector), name, current.Dimension)
		}
		if d, ok := c.documents[v.Ref.Source]; ok && d.Edition != "" && d.Edition == v.Ref.Edition {
			wanted[chunkID(d.Edition, v.Ref.Position).GetUuid()] = v.Vector
		}
	}
	return c.collectionRecord, wanted, nil
}

// withVectors fetches searchable chunks and gives each its vector.
func (x *Index) withVectors(ctx context.Context, from string, meanings map[string][]float32) ([]*qdrant.PointStruct, error) {
	var out []*qdrant.PointStruct
	var ids []*qdrant.PointId
	for id := range meanings {
		ids = append(ids, qdrant.NewIDUUID(id))
	}
	for len(ids) > 0 {
		batch := ids[:min(len(ids), fetchMost)]
		ids = ids[len(batch):]
		got, err := read(ctx, x, func(ctx context.Context, c *qdrant.Client) ([]*qdrant.RetrievedPoint, error) {
			return c.Get(ctx, &qdrant.GetPoints{
				CollectionName: from, Ids: batch, WithPayload: qdrant.NewWithPayload(true),
				WithVectors: qdrant.NewWithVectorsInclude(sparse), ReadConsistency: x.consistency(), Timeout: seconds(x.o.Timeout),
			})
		})
		if status.Code(err) == codes.NotFound {
			return nil, errOvertaken
		}
		if err != nil {
			return nil, err
		}
		for _, p := range got {
			if words := sparseOf(p); len(words.IDs) > 0 {
				out = append(out, &qdrant.PointStruct{Id: p.GetId(), Payload: p.GetPayload(), Vectors: vectors(words, meanings[p.GetId().GetUuid()])})
			}
		}
	}
	return out, nil
}

func sparseOf(p *qdrant.RetrievedPoint) bm25.Vector {
	v := p.GetVectors().GetVectors().GetVectors()[sparse].GetSparseVector()
	return bm25.Vector{IDs: v.GetIndices(), Values: v.GetValues()}
}

// Promote implements [rag.Index].
func (x *Index) Promote(ctx context.Context, name string) error {
	defer x.writers.lock("vectors\x00" + name)()
	var after collectionRecord
	err := x.again(func() (err error) {
		after, err = x.promote(ctx, name)
		return err
	})
	if err != nil {
		return err
	}
	if err := x.pointAlias(ctx, after); err != nil {
		return err
	}
	x.searched.Store(false) // chunks may have been embedded that were replaced meanwhile
	x.sweepSoon()
	return nil
}

// promote copies what no vector is needed for, and changes the record if the
// catalogue is still of the revision at which nothing was lacking.
func (x *Index) promote(ctx context.Context, name string) (after collectionRecord, err error) {
	if err := x.refresh(ctx); err != nil {
		return after, err
	}
	revision := x.revision()
	of, records, err := x.records(ctx, name)
	if err != nil {
		return after, err
	}
	if of.Staged == nil {
		return after, fault.Newf(fault.Conflict, "Collection %q has no other embeddings to change to.", name)
	}
	embedded, err := x.embedded(ctx, of.StagedPoints)
	if err != nil {
		return after, err
	}
	lack, total := 0, 0
	for _, r := range records {
		total += r.Searchable
		lack += max(0, r.Searchable-embedded[r.Edition])
	}
	if lack > 0 {
		return after, fault.Newf(fault.Conflict, "%d of %d passages of collection %q are not embedded yet.", lack, total, name)
	}
	if err := x.copyUnsearchable(ctx, of, records); err != nil {
		return after, err
	}
	err = x.commitAt(ctx, revision, func(s *state) ([]record, error) {
		c, err := s.find(name)
		if err != nil {
			return nil, err
		}
		after = c.collectionRecord
		after.Old = append(append([]string{}, after.Old...), after.Points)
		after.Points, after.Shards, after.Embedding = after.StagedPoints, after.StagedShards, after.Staged
		after.StagedPoints, after.StagedShards, after.Staged = "", 0, nil
		return []record{{Collection: &after}}, nil
	})
	return after, err
}

// copyUnsearchable copies the chunks without vectors to the staged points.
func (x *Index) copyUnsearchable(ctx context.Context, of collectionRecord, records []documentRecord) error {
	read := map[string]bool{}
	for _, r := range records {
		read[r.Edition] = r.Searchable < r.Chunks
	}
	var points []*qdrant.PointStruct
	err := x.scroll(ctx, &qdrant.ScrollPoints{
		CollectionName: of.Points, WithPayload: qdrant.NewWithPayload(true),
		Filter: &qdrant.Filter{MustNot: []*qdrant.Condition{qdrant.NewHasVector(sparse)}},
	}, func(p *qdrant.RetrievedPoint) error {
		if read[p.GetPayload()[fieldEdition].GetStringValue()] {
			points = append(points, &qdrant.PointStruct{Id: p.GetId(), Payload: p.GetPayload(), Vectors: vectors(noWords, nil)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := x.uploadPoints(ctx, of.StagedPoints, points); !errors.Is(err, errOvertaken) {
		return err
	}
	return errMoved
}
