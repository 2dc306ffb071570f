package qdrantindex

import (
	"context"
	"errors"
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/rag"
)

// State implements [rag.Index].
func (x *Index) State(ctx context.Context, k rag.Key) (s rag.State, there bool, err error) {
	err = x.again(func() error {
		of, r, err := x.recordOf(ctx, k)
		if s, there = stateOf(k.Collection, r), r.Edition != ""; err != nil || !there || of.Embedding == nil {
			return err
		}
		embedded, err := read(ctx, x, func(ctx context.Context, c *qdrant.Client) (uint64, error) {
			return c.Count(ctx, &qdrant.CountPoints{
				CollectionName: of.Points, Exact: qdrant.PtrOf(true), Timeout: seconds(x.o.Timeout),
				Filter: &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchKeyword(fieldEdition, r.Edition), qdrant.NewHasVector(dense)}},
			})
		})
		s.Embedded = int(embedded)
		return err
	})
	if err != nil || !there {
		return rag.State{}, false, err
	}
	return s, true, nil
}

func (x *Index) recordOf(ctx context.Context, k rag.Key) (collectionRecord, documentRecord, error) {
	if err := x.refresh(ctx); err != nil {
		return collectionRecord{}, documentRecord{}, err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	c, err := x.state.find(k.Collection)
	if err != nil {
		return collectionRecord{}, documentRecord{}, err
	}
	return c.collectionRecord, c.recordOf(k.Source), nil
}

// again repeats what finds a collection of Qdrant gone, or itself overtaken by
// another change: it was promoted or dropped meanwhile, and the record now names
// another.
func (x *Index) again(do func() error) error {
	var err error
	for range attempts {
		if err = do(); !errors.Is(err, errOvertaken) && !errors.Is(err, errMoved) && status.Code(err) != codes.NotFound {
			return err
		}
	}
	return fault.Wrap(fault.Busy, err, "The collection is being changed by others all the time: try again.")
}

func stateOf(name string, r documentRecord) rag.State {
	return rag.State{
		Key: rag.Key{Collection: name, Source: r.Source}, Metadata: r.Metadata,
		Hash: r.Hash, Version: r.Version, Pages: r.Pages, Characters: r.Characters, Folder: r.Folder, Chunks: r.Chunks,
	}
}

// Documents implements [rag.Index].
func (x *Index) Documents(ctx context.Context, name string) (out []rag.State, err error) {
	err = x.again(func() error {
		of, records, err := x.records(ctx, name)
		if err != nil {
			return err
		}
		embedded := map[string]int{}
		if of.Embedding != nil && len(records) > 0 {
			if embedded, err = x.embedded(ctx, of.Points); err != nil {
				return err
			}
		}
		out = make([]rag.State, len(records))
		for i, r := range records {
			out[i] = stateOf(name, r)
			out[i].Embedded = embedded[r.Edition]
		}
		return nil
	})
	return out, err
}

// records lists the documents of a collection by source.
func (x *Index) records(ctx context.Context, name string) (collectionRecord, []documentRecord, error) {
	if err := x.refresh(ctx); err != nil {
		return collectionRecord{}, nil, err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	c, err := x.state.find(name)
	if err != nil {
		return collectionRecord{}, nil, err
	}
	out := make([]documentRecord, len(c.sources))
	for i, source := range c.sources {
		out[i] = c.documents[source].documentRecord
	}
	return c.collectionRecord, out, nil
}

// mostEditions bounds a list of editions that Qdrant counts.
const mostEditions = 1 << 20

// embedded counts the chunks with a dense vector, by edition.
func (x *Index) embedded(ctx context.Context, points string) (map[string]int, error) {
	return x.editions(ctx, points, &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewHasVector(dense)}})
}

// editions counts chunks by edition.
func (x *Index) editions(ctx context.Context, points string, filter *qdrant.Filter) (map[string]int, error) {
	counts, err := read(ctx, x, func(ctx context.Context, c *qdrant.Client) ([]*qdrant.FacetHit, error) {
		return c.Facet(ctx, &qdrant.FacetCounts{
			CollectionName: points, Key: fieldEdition, Filter: filter,
			Limit: qdrant.PtrOf(uint64(mostEditions)), Exact: qdrant.PtrOf(true), Timeout: seconds(x.o.Timeout),
		})
	})
	if err != nil {
		return nil, err
	}
	out := make(map[string]int, len(counts))
	for _, c := range counts {
		out[c.GetValue().GetStringValue()] = int(c.GetCount())
	}
	return out, nil
}

// Size implements [rag.Index].
func (x *Index) Size(ctx context.Context, name string) (rag.Size, error) {
	if err := x.refresh(ctx); err != nil {
		return rag.Size{}, err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	c, err := x.state.find(name)
	if err != nil {
		return rag.Size{}, err
	}
	return rag.Size{Documents: len(c.sources), Chunks: c.chunks}, nil
}

// wanted is a chunk to be fetched.
type wanted struct {
	*documentRecord
	position int
}

// Chunks implements [rag.Index].
func (x *Index) Chunks(ctx context.Context, name, source string, offset, limit int) ([]rag.Hit, int, error) {
	var total int
	hits, err := x.fetch(ctx, name, func(c *collection) (list []wanted) {
		total = 0
		for _, s := range c.sources {
			if !strings.Contains(s, source) {
				continue
			}
			r := c.documents[s].documentRecord
			from := min(max(offset-total, 0), r.Chunks)
			for p := from; p < r.Chunks && len(list) < limit; p++ {
				list = append(list, wanted{&r, p})
			}
			total += r.Chunks
		}
		return list
	})
	return hits, total, err
}

// Around implements [rag.Index].
func (x *Index) Around(ctx context.Context, k rag.Key, first, last int) ([]rag.Hit, error) {
	return x.fetch(ctx, k.Collection, func(c *collection) (list []wanted) {
		r := c.recordOf(k.Source)
		if r.Edition == "" {
			return nil
		}
		for p := max(first, 0); p <= last && p < r.Chunks; p++ {
			list = append(list, wanted{&r, p})
		}
		return list
	})
}

// fetchMost is how many chunks one call fetches.
const fetchMost = 1000

// fetch gets chunks by their identifiers. choose picks them; it is called again
// when one of them is gone by then.
func (x *Index) fetch(ctx context.Context, name string, choose func(*collection) []wanted) ([]rag.Hit, error) {
	for range attempts {
		if err := x.refresh(ctx); err != nil {
			return nil, err
		}
		x.mu.RLock()
		c, err := x.state.find(name)
		var list []wanted
		var points string
		if err == nil {
			list, points = choose(c), c.Points
		}
		x.mu.RUnlock()
		if err != nil || len(list) == 0 {
			return nil, err
		}
		hits, err := x.fetchAll(ctx, points, list)
		if status.Code(err) == codes.NotFound {
			continue
		}
		if err != nil || len(hits) == len(list) {
			return hits, err
		}
	}
	return nil, fault.New(fault.Busy, "The collection is being changed by others all the time: ask again.")
}

func (x *Index) fetchAll(ctx context.Context, points string, list []wanted) ([]rag.Hit, error) {
	var hits []rag.Hit
	for len(list) > 0 {
		batch := list[:min(len(list), fetchMost)]
		list = list[len(batch):]
		ids := make([]*qdrant.PointId, len(batch))
		for i, w := range batch {
			ids[i] = chunkID(w.Edition, w.position)
		}
		got, err := x.get(ctx, points, ids)
		if err != nil {
			return nil, err
		}
		byID := make(map[string]*qdrant.RetrievedPoint, len(got))
		for _, p := range got {
			byID[p.GetId().GetUuid()] = p
		}
		for i, w := range batch {
			if p, ok := byID[ids[i].GetUuid()]; ok {
				_, chunk := decode(p.GetPayload())
				hits = append(hits, rag.Hit{Source: w.Source, Metadata: w.Metadata, Chunk: chunk})
			}
		}
	}
	return hits, nil
}
