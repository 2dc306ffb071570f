package qdrantindex

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/rag"
)

const (
	// One call takes at most so many chunks, and about so many bytes of them.
	batchChunks = 256
	batchBytes  = 8 << 20
	// uploads is how many calls of one document are under way at once.
	uploads = 2
	// attempts bounds how often something is begun anew because somebody else was
	// faster.
	attempts = 20
)

// errOvertaken says that what was being written is no longer wanted as it is: the
// collection was changed under it, or somebody took it for abandoned.
var errOvertaken = errors.New("overtaken by another change")

// Put implements [rag.Index].
func (x *Index) Put(ctx context.Context, d rag.Document) error {
	for i, c := range d.Chunks {
		if c.Position != i {
			return fmt.Errorf("chunk %d of %s has position %d", i, d.Source, c.Position)
		}
	}
	defer x.writers.lock(d.Collection + "\x00" + d.Source)()
	return x.again(func() error { return x.put(ctx, d) })
}

func (x *Index) put(ctx context.Context, d rag.Document) error {
	edition := uuid.NewString()
	x.mu.Lock()
	x.making[edition] = struct{}{}
	x.mu.Unlock()
	into, err := x.begin(ctx, d, edition)
	if err == nil {
		if err = x.upload(ctx, into, edition, d); err == nil {
			err = x.publish(ctx, into, edition, d)
		}
	}
	x.mu.Lock()
	delete(x.making, edition)
	delete(x.fresh, edition)
	x.mu.Unlock()
	x.sweepSoon() // what was replaced, or has failed
	return err
}

// begin writes down that an edition is being made, so that readers pass over its
// chunks and somebody removes them if it comes to nothing.
func (x *Index) begin(ctx context.Context, d rag.Document, edition string) (into collectionRecord, err error) {
	err = x.commit(ctx, func(s *state) ([]record, error) {
		c, err := s.find(d.Collection)
		if err != nil {
			return nil, err
		}
		if err := checkDense(c.collectionRecord, d); err != nil {
			return nil, err
		}
		into = c.collectionRecord
		r := c.recordOf(d.Source)
		r.Pending = append(slices.Clone(r.Pending), pending{edition, x.o.Owner, time.Now().UTC()})
		return []record{{Document: &r}}, nil
	})
	return into, err
}

// recordOf returns the record of a document, an empty one if there is none.
func (c *collection) recordOf(source string) documentRecord {
	if d, ok := c.documents[source]; ok {
		return d.documentRecord
	}
	return documentRecord{Instance: c.Instance, Source: source}
}

// checkDense fails when the document has vectors that are not of the collection's
// identity.
func checkDense(c collectionRecord, d rag.Document) error {
	for _, chunk := range d.Chunks {
		switch {
		case chunk.Dense == nil:
		case c.Embedding == nil || d.Embedding == nil:
			return fault.Newf(fault.Conflict, "Collection %q has no embeddings of this kind.", c.Name)
		case len(chunk.Dense) != d.Embedding.Dimension:
			return fmt.Errorf("an embedding of %s has %d dimensions, its identity %d", d.Source, len(chunk.Dense), d.Embedding.Dimension)
		}
	}
	if c.Embedding != nil && d.Embedding != nil {
		return c.Embedding.Check(*d.Embedding)
	}
	return nil
}

// upload writes the chunks of an edition, and its terms.
func (x *Index) upload(ctx context.Context, into collectionRecord, edition string, d rag.Document) error {
	counted := termsOf(d).encode()
	points := make([]*qdrant.PointStruct, len(d.Chunks))
	for i, c := range d.Chunks {
		points[i] = &qdrant.PointStruct{Id: chunkID(edition, c.Position), Payload: payload(edition, c), Vectors: vectors(c.Sparse, c.Dense)}
	}
	if err := x.uploadPoints(ctx, into.Points, points); err != nil {
		return err
	}
	err := x.upsert(ctx, x.catalogue(), []*qdrant.PointStruct{{
		Id: qdrant.NewIDUUID(identifier(fieldTerms, edition)),
		Payload: map[string]*qdrant.Value{
			fieldInstance: qdrant.NewValueString(into.Instance),
			fieldEdition:  qdrant.NewValueString(edition),
			fieldTerms:    qdrant.NewValueString(counted),
		},
		Vectors: vectors(noWords, nil),
	}}, nil, nil)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fresh[edition] = counted
	return nil
}

func (x *Index) uploadPoints(ctx context.Context, name string, points []*qdrant.PointStruct) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(uploads)
	for len(points) > 0 {
		n, bytes := 0, 0
		for n < len(points) && n < batchChunks && (n == 0 || bytes < batchBytes) {
			bytes += 64 + len(points[n].GetPayload()[fieldText].GetStringValue()) +
				4*len(points[n].GetVectors().GetVectors().GetVectors()[dense].GetDense().GetData()) +
				8*len(points[n].GetVectors().GetVectors().GetVectors()[sparse].GetSparse().GetIndices())
			n++
		}
		batch := points[:n]
		points = points[n:]
		group.Go(func() error {
			err := x.upsert(ctx, name, batch, nil, nil)
			if status.Code(err) == codes.NotFound { // dropped, or replaced by one with other vectors
				return errOvertaken
			}
			return err
		})
	}
	return group.Wait()
}

// publish makes an edition the one that is read.
func (x *Index) publish(ctx context.Context, into collectionRecord, edition string, d rag.Document) error {
	now := time.Now().UTC()
	return x.commit(ctx, func(s *state) ([]record, error) {
		c, err := s.find(d.Collection)
		if err != nil {
			return nil, err
		}
		r := c.recordOf(d.Source)
		at := slices.IndexFunc(r.Pending, func(p pending) bool { return p.Edition == edition })
		if c.Instance != into.Instance || c.Points != into.Points || at < 0 {
			return nil, errOvertaken
		}
		r.Pending = slices.Delete(slices.Clone(r.Pending), at, at+1)
		if r.Edition != "" {
			r.Retained = append(slices.Clone(r.Retained), retained{r.Edition, now})
		}
		r.Edition, r.Metadata = edition, d.Metadata
		r.Hash, r.Version, r.Pages, r.Characters, r.Folder = d.Hash, d.Version, d.Pages, d.Characters, d.Folder
		r.Chunks, r.Searchable = len(d.Chunks), 0
		for _, chunk := range d.Chunks {
			if len(chunk.Sparse.IDs) > 0 {
				r.Searchable++
			}
		}
		return []record{{Document: &r}}, nil
	})
}

// Describe implements [rag.Index].
func (x *Index) Describe(ctx context.Context, k rag.Key, m rag.Metadata) (bool, error) {
	there := false
	err := x.commit(ctx, func(s *state) ([]record, error) {
		there = false
		c, err := s.find(k.Collection)
		if err != nil {
			return nil, err
		}
		r := c.recordOf(k.Source)
		if there = r.Edition != ""; !there {
			return nil, nil
		}
		r.Metadata = m
		return []record{{Document: &r}}, nil
	})
	return there && err == nil, err
}

// Delete implements [rag.Index]. When it returns nothing of the document is left
// in any collection of Qdrant, which gives the room on its disk free in its own
// time.
func (x *Index) Delete(ctx context.Context, k rag.Key) (bool, error) {
	defer x.writers.lock(k.Collection + "\x00" + k.Source)()
	there := false
	err := x.commit(ctx, func(s *state) ([]record, error) {
		there = false
		c, err := s.find(k.Collection)
		if err != nil {
			return nil, err
		}
		r := c.recordOf(k.Source)
		if r.Edition == "" {
			// What is left of a deletion that failed half-way is finished now.
			there = len(r.Retained)+len(r.Dropping) > 0
			return nil, nil
		}
		there = true
		r.drop(r.Edition)
		for _, old := range r.Retained {
			r.drop(old.Edition)
		}
		r.Edition, r.Retained = "", nil
		return []record{{Document: &r}}, nil
	})
	if err != nil || !there {
		return false, err
	}
	if err := x.sweepDocuments(ctx, func(c *collection, d *document) bool { return c.Name == k.Collection && d.Source == k.Source }); err != nil {
		return false, err
	}
	// One more revision, for the last one names what it removed.
	return true, x.commit(ctx, func(*state) ([]record, error) { return []record{}, nil })
}
