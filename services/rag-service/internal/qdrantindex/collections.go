package qdrantindex

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/rag"
)

// defaultCollection makes the default collection where there is none.
func (x *Index) defaultCollection(s *state) ([]record, error) {
	if _, there := s.collections[rag.DefaultCollection]; there {
		return nil, nil
	}
	return []record{x.newCollection(s, rag.DefaultCollection, "")}, nil
}

func (x *Index) newCollection(s *state, name, title string) record {
	return record{Collection: &collectionRecord{
		Name: name, Title: title, Instance: uuid.NewString(), Points: x.points(name, s.revision+1), Shards: x.o.Shards,
		Old: s.gone[name].Old, OldInstances: s.gone[name].OldInstances,
	}}
}

// prepareCollections makes what the catalogue names and is not there: whoever
// wrote the record may have died before it made the collection.
func (x *Index) prepareCollections(ctx context.Context) error {
	x.mu.RLock()
	all := make([]collectionRecord, 0, len(x.state.collections))
	for _, name := range x.state.names() {
		all = append(all, x.state.collections[name].collectionRecord)
	}
	x.mu.RUnlock()
	for _, c := range all {
		if err := x.preparePoints(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// preparePoints makes the collections of Qdrant that a record names, where they
// are not there, and has the alias point to the one that is read.
func (x *Index) preparePoints(ctx context.Context, r collectionRecord) error {
	if err := x.ensure(ctx, r.Points, r.Shards, r.Embedding); err != nil {
		return err
	}
	if r.StagedPoints != "" {
		if err := x.ensure(ctx, r.StagedPoints, r.StagedShards, r.Staged); err != nil {
			return err
		}
	}
	return x.pointAlias(ctx, r)
}

func (x *Index) ensure(ctx context.Context, name string, shards int, id *provider.EmbeddingIdentity) error {
	info, err := x.info(ctx, name)
	if err != nil {
		return err
	}
	if info == nil {
		words := &qdrant.SparseVectorParams{Modifier: qdrant.Modifier_Idf.Enum()}
		if shards > 1 {
			words.Modifier = nil // each shard would weigh words by what it holds itself: we do it
		}
		if err := x.createPoints(ctx, name, shards, id, map[string]*qdrant.SparseVectorParams{sparse: words}); err != nil {
			return err
		}
	} else if size := info.GetConfig().GetParams().GetVectorsConfig().GetParamsMap().GetMap()[dense].GetSize(); id != nil && int(size) != id.Dimension {
		return fault.Newf(fault.Unavailable, "The collection %s in Qdrant has vectors of %d dimensions, and its embeddings have %d: it was made anew by somebody else. Remove it and ingest again, or choose another QDRANT_PREFIX.", name, size, id.Dimension)
	}
	return x.indexField(ctx, name, fieldEdition, qdrant.FieldType_FieldTypeKeyword, info)
}

// createPoints makes a collection of Qdrant. One that is there already, made by
// another replica of the service at the same moment, is as good.
func (x *Index) createPoints(ctx context.Context, name string, shards int, id *provider.EmbeddingIdentity, words map[string]*qdrant.SparseVectorParams) error {
	request := &qdrant.CreateCollection{
		CollectionName: name,
		VectorsConfig:  qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{}),
		ShardNumber:    qdrant.PtrOf(uint32(shards)),
		Timeout:        seconds(x.o.WriteTimeout),
		Metadata: map[string]*qdrant.Value{
			metadataOwner:  qdrant.NewValueString(name),
			metadataFormat: qdrant.NewValueInt(catalogueFormat),
		},
	}
	if x.o.Replicas > 1 {
		request.ReplicationFactor = qdrant.PtrOf(uint32(x.o.Replicas))
	}
	consistency := x.o.WriteConsistency
	if consistency == 0 {
		consistency = x.o.Replicas
	}
	if consistency > 1 {
		request.WriteConsistencyFactor = qdrant.PtrOf(uint32(consistency))
	}
	if words != nil {
		request.SparseVectorsConfig = qdrant.NewSparseVectorsConfig(words)
	}
	if id != nil {
		request.VectorsConfig = qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{
			dense: {Size: uint64(id.Dimension), Distance: qdrant.Distance_Cosine, QuantizationConfig: x.quantization()},
		})
		request.Metadata["embedding_model"] = qdrant.NewValueString(id.Model)
		request.Metadata["embedding_dimension"] = qdrant.NewValueInt(int64(id.Dimension))
		request.Metadata["embedding_document_prefix"] = qdrant.NewValueString(id.DocumentPrefix)
		request.Metadata["embedding_query_prefix"] = qdrant.NewValueString(id.QueryPrefix)
	}
	_, err := write(ctx, x, func(ctx context.Context, c *qdrant.Client) (struct{}, error) {
		return struct{}{}, c.CreateCollection(ctx, request)
	})
	if status.Code(err) == codes.AlreadyExists {
		return nil
	}
	return err
}

func (x *Index) quantization() *qdrant.QuantizationConfig {
	switch x.o.Quantization {
	case Int8:
		return qdrant.NewQuantizationScalar(&qdrant.ScalarQuantization{
			Type: qdrant.QuantizationType_Int8, Quantile: qdrant.PtrOf(float32(0.99)), Memory: qdrant.Memory_Pinned.Enum(),
		})
	case Binary:
		return qdrant.NewQuantizationBinary(&qdrant.BinaryQuantization{Memory: qdrant.Memory_Pinned.Enum()})
	}
	return nil
}

// pointAlias has a collection's alias point to the points that are read: one
// call, which Qdrant carries out as a whole. We ourselves go by the record, of
// which the alias is a picture for people and other programs.
func (x *Index) pointAlias(ctx context.Context, r collectionRecord) error {
	_, err := write(ctx, x, func(ctx context.Context, c *qdrant.Client) (struct{}, error) {
		return struct{}{}, c.UpdateAliases(ctx, []*qdrant.AliasOperations{qdrant.NewAliasCreate(x.alias(r.Name), r.Points)})
	})
	return err
}

// removePoints removes a collection of Qdrant, which may be gone.
func (x *Index) removePoints(ctx context.Context, name string) error {
	_, err := write(ctx, x, func(ctx context.Context, c *qdrant.Client) (struct{}, error) {
		_, err := c.GetCollectionsClient().Delete(ctx, &qdrant.DeleteCollection{CollectionName: name, Timeout: seconds(x.o.WriteTimeout)})
		return struct{}{}, err
	})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	return err
}

// Collections implements [rag.Index].
func (x *Index) Collections(ctx context.Context) ([]rag.Collection, error) {
	if err := x.refresh(ctx); err != nil {
		return nil, err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	var out []rag.Collection
	for _, name := range x.state.names() {
		c := x.state.collections[name]
		out = append(out, rag.Collection{Name: name, Title: c.Title, Embedding: c.Embedding, Staged: c.Staged})
	}
	return out, nil
}

// Create implements [rag.Index].
func (x *Index) Create(ctx context.Context, name, title string) error {
	var made collectionRecord
	err := x.commit(ctx, func(s *state) ([]record, error) {
		if _, there := s.collections[name]; there {
			return nil, fault.Newf(fault.Conflict, "There is a collection %q already.", name)
		}
		r := x.newCollection(s, name, title)
		made = *r.Collection
		return []record{r}, nil
	})
	if err != nil {
		return err
	}
	return x.preparePoints(ctx, made)
}

// Drop implements [rag.Index].
func (x *Index) Drop(ctx context.Context, name string) (bool, error) {
	var after *collectionRecord
	err := x.commit(ctx, func(s *state) ([]record, error) {
		after = nil
		before, there := s.collections[name]
		if !there {
			return nil, nil
		}
		r := record{Collection: &collectionRecord{Name: name, Instance: uuid.NewString(), Gone: true}}
		if name == rag.DefaultCollection {
			r = x.newCollection(s, name, "")
		}
		r.Collection.Old = append(slices.Clone(before.Old), before.Points)
		if before.StagedPoints != "" {
			r.Collection.Old = append(r.Collection.Old, before.StagedPoints)
		}
		r.Collection.OldInstances = append(slices.Clone(before.OldInstances), before.Instance)
		after = r.Collection
		return []record{r}, nil
	})
	if err != nil || after == nil {
		return false, err
	}
	if !after.Gone {
		if err := x.preparePoints(ctx, *after); err != nil {
			return true, err
		}
	}
	return true, x.removeOld(ctx, *after)
}

// removeOld removes what a record lists as old, and then from the list.
func (x *Index) removeOld(ctx context.Context, r collectionRecord) error {
	for _, name := range r.Old {
		if err := x.removePoints(ctx, name); err != nil {
			return err
		}
	}
	for _, instance := range r.OldInstances {
		of := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchKeyword(fieldInstance, instance)}}
		if err := x.remove(ctx, x.catalogue(), qdrant.NewPointsSelectorFilter(of)); err != nil {
			return err
		}
	}
	return x.commit(ctx, func(s *state) ([]record, error) {
		now, there := s.gone[r.Name]
		if c, ok := s.collections[r.Name]; ok {
			now, there = c.collectionRecord, true
		}
		if !there {
			return nil, nil
		}
		now.Old = without(now.Old, r.Old)
		now.OldInstances = without(now.OldInstances, r.OldInstances)
		return []record{{Collection: &now}}, nil
	})
}

func without(list, gone []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(gone, s) })
}
