package sqliteindex

import (
	"context"
	"maps"
	"slices"
	"strings"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/rag"
)

// Collections implements [rag.Index].
func (x *Index) Collections(context.Context) ([]rag.Collection, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var out []rag.Collection
	for _, name := range slices.Sorted(maps.Keys(x.collections)) {
		c := x.collections[name]
		out = append(out, rag.Collection{Name: name, Title: c.title, Embedding: c.active.of, Staged: c.staged.of})
	}
	return out, nil
}

// State implements [rag.Index].
func (x *Index) State(_ context.Context, k rag.Key) (rag.State, bool, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	c, err := x.of(k.Collection)
	if err != nil {
		return rag.State{}, false, err
	}
	d, ok := c.mem.documents[k.Source]
	if !ok {
		return rag.State{}, false, nil
	}
	return c.mem.state(d), true, nil
}

// Search implements [rag.Index].
func (x *Index) Search(ctx context.Context, q rag.Query) (rag.Found, error) {
	if err := ctx.Err(); err != nil {
		return rag.Found{}, err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	c, err := x.of(q.Collection)
	if err != nil {
		return rag.Found{}, err
	}
	switch {
	case q.Dense == nil:
	case c.active.of == nil:
		return rag.Found{}, fault.Newf(fault.Conflict, "Collection %q has no embeddings.", q.Collection)
	case len(q.Dense) != c.active.of.Dimension:
		return rag.Found{}, fault.Newf(fault.Conflict, "The question's embedding has %d dimensions, those of collection %q have %d.", len(q.Dense), q.Collection, c.active.of.Dimension)
	}
	return c.mem.search(q), nil
}

// Chunks implements [rag.Index].
func (x *Index) Chunks(_ context.Context, name, source string, offset, limit int) ([]rag.Hit, int, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	c, err := x.of(name)
	if err != nil {
		return nil, 0, err
	}
	var out []rag.Hit
	total := 0
	for _, s := range c.mem.sources {
		if !strings.Contains(s, source) {
			continue
		}
		places := c.mem.documents[s].chunks
		from := min(max(offset-total, 0), len(places))
		for _, at := range places[from:min(len(places), from+max(limit-len(out), 0))] {
			out = append(out, c.mem.hit(at))
		}
		total += len(places)
	}
	return out, total, nil
}

// Around implements [rag.Index].
func (x *Index) Around(_ context.Context, k rag.Key, first, last int) ([]rag.Hit, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	c, err := x.of(k.Collection)
	if err != nil {
		return nil, err
	}
	d, ok := c.mem.documents[k.Source]
	if !ok {
		return nil, nil
	}
	var out []rag.Hit
	for _, at := range d.chunks {
		if p := c.mem.chunks[at].chunk.Position; p >= first && p <= last {
			out = append(out, c.mem.hit(at))
		}
	}
	return out, nil
}

// Documents implements [rag.Index].
func (x *Index) Documents(_ context.Context, name string) ([]rag.State, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	c, err := x.of(name)
	if err != nil {
		return nil, err
	}
	out := make([]rag.State, len(c.mem.sources))
	for i, source := range c.mem.sources {
		out[i] = c.mem.state(c.mem.documents[source])
	}
	return out, nil
}

// Size implements [rag.Index].
func (x *Index) Size(_ context.Context, name string) (rag.Size, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	c, err := x.of(name)
	if err != nil {
		return rag.Size{}, err
	}
	return rag.Size{Documents: len(c.mem.sources), Chunks: len(c.mem.chunks) - c.mem.dead}, nil
}
