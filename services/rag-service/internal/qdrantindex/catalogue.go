package qdrantindex

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"signpost.internal/pkg/fault"
)

// The catalogue is a collection of points without vectors: one for each
// collection, one for each document, one for each edition's terms, and the head.
// The head names the revision of the whole and holds the records that made it.
// Whoever wants to change something first writes down what the last revision
// changed, then puts a new head in the place of the one it knows, which Qdrant
// does for one writer only (a conditional upsert). That moment is the change:
// before it nobody sees any of it, after it everybody sees all, whatever
// dies when.

// head is the catalogue's first point.
type head struct {
	Format   int      `json:"format"`
	Revision int64    `json:"revision"`
	Recent   []string `json:"recent"` // the tokens of the last revisions' writers
	Changes  []record `json:"changes"`
}

const (
	catalogueFormat = 1
	recentTokens    = 64
)

// The fields of the catalogue's points.
const (
	fieldData     = "data"     // JSON
	fieldRevision = "revision" // of the head
	fieldStamp    = "stamp"    // the revision of a record
	fieldTerms    = "terms"    // of an edition
	fieldInstance = "instance" // of the collection that a record or terms are of
)

var headID = identifier("head")

// readHead returns the head; nil when there is none.
func (x *Index) readHead(ctx context.Context) (*head, error) {
	points, err := x.get(ctx, x.catalogue(), []*qdrant.PointId{qdrant.NewIDUUID(headID)})
	if status.Code(err) == codes.NotFound || err == nil && len(points) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var h head
	if err := json.Unmarshal([]byte(points[0].GetPayload()[fieldData].GetStringValue()), &h); err != nil {
		return nil, damaged(err)
	}
	if h.Format != catalogueFormat {
		return nil, fault.Newf(fault.Unavailable, "The collections in Qdrant were written by a newer version of the service (format %d, this one knows %d): start that version, or choose another QDRANT_PREFIX and ingest again.", h.Format, catalogueFormat)
	}
	return &h, nil
}

func damaged(err error) error {
	return fault.Wrap(fault.Unavailable, err, "The catalogue of the collections in Qdrant is damaged: restore it from a snapshot, or choose another QDRANT_PREFIX and ingest again.")
}

// get fetches points of the catalogue, or of a collection, by identifier.
func (x *Index) get(ctx context.Context, name string, ids []*qdrant.PointId) ([]*qdrant.RetrievedPoint, error) {
	return read(ctx, x, func(ctx context.Context, c *qdrant.Client) ([]*qdrant.RetrievedPoint, error) {
		return c.Get(ctx, &qdrant.GetPoints{
			CollectionName: name, Ids: ids, WithPayload: qdrant.NewWithPayload(true),
			ReadConsistency: x.consistency(), Timeout: seconds(x.o.Timeout),
		})
	})
}

// upsert writes points and waits until they are there.
func (x *Index) upsert(ctx context.Context, name string, points []*qdrant.PointStruct, only *qdrant.Filter, mode *qdrant.UpdateMode) error {
	_, err := write(ctx, x, func(ctx context.Context, c *qdrant.Client) (*qdrant.UpdateResult, error) {
		return update(c.Upsert(ctx, &qdrant.UpsertPoints{
			CollectionName: name, Points: points, Wait: qdrant.PtrOf(true), UpdateFilter: only, UpdateMode: mode,
			Ordering: &qdrant.WriteOrdering{Type: qdrant.WriteOrderingType_Strong}, Timeout: seconds(x.o.WriteTimeout),
		}))
	})
	return err
}

// writeRecords brings the points of records up to a revision. Points that are of
// that revision already, or of a later one, stay: whoever was held up must not
// undo what others did meanwhile.
func (x *Index) writeRecords(ctx context.Context, records []record, revision int64) error {
	if len(records) == 0 {
		return nil
	}
	points := make([]*qdrant.PointStruct, len(records))
	for i, r := range records {
		data, err := json.Marshal(r.kept())
		if err != nil {
			return err
		}
		values := map[string]*qdrant.Value{
			fieldStamp: qdrant.NewValueInt(revision),
			fieldData:  qdrant.NewValueString(string(data)),
		}
		if r.Document != nil {
			values[fieldInstance] = qdrant.NewValueString(r.Document.Instance)
		}
		points[i] = &qdrant.PointStruct{Id: qdrant.NewIDUUID(r.id()), Payload: values, Vectors: vectors(noWords, nil)}
	}
	older := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewRange(fieldStamp, &qdrant.Range{Lt: qdrant.PtrOf(float64(revision))})}}
	return x.upsert(ctx, x.catalogue(), points, older, nil)
}

// remove deletes points and waits until they are gone.
func (x *Index) remove(ctx context.Context, name string, which *qdrant.PointsSelector) error {
	_, err := write(ctx, x, func(ctx context.Context, c *qdrant.Client) (*qdrant.UpdateResult, error) {
		return update(c.Delete(ctx, &qdrant.DeletePoints{
			CollectionName: name, Points: which, Wait: qdrant.PtrOf(true),
			Ordering: &qdrant.WriteOrdering{Type: qdrant.WriteOrderingType_Strong}, Timeout: seconds(x.o.WriteTimeout),
		}))
	})
	return err
}

// refresh brings the memory up to the catalogue's revision of this moment.
func (x *Index) refresh(ctx context.Context) error {
	if err := x.prepare(ctx); err != nil {
		return err
	}
	_, err := x.catchUp(ctx)
	return err
}

// catchUp is refresh after prepare; it returns the head that the memory now agrees
// with, or one that it is beyond.
func (x *Index) catchUp(ctx context.Context) (*head, error) {
	for try := 0; ; try++ {
		h, err := x.someHead(ctx)
		if err != nil {
			return nil, err
		}
		known := x.revision()
		if known > h.Revision {
			// Somebody was faster, unless a head that is read now is still behind.
			if h, err = x.someHead(ctx); err != nil {
				return nil, err
			}
			if h.Revision < known {
				return nil, x.lostCatalogue()
			}
		}
		h, err = x.follow(ctx, h)
		if !errors.Is(err, errNoTerms) {
			return h, err
		}
		if try == attempts {
			return nil, damaged(err)
		}
	}
}

// someHead is readHead where there must be one.
func (x *Index) someHead(ctx context.Context) (*head, error) {
	h, err := x.readHead(ctx)
	if err == nil && h == nil {
		err = x.lostCatalogue()
	}
	return h, err
}

// follow reads what happened between the memory's revision and a head's. Records
// that change meanwhile make the head move, and then it is read again: all that
// was seen is of revisions up to the last head's.
func (x *Index) follow(ctx context.Context, h *head) (*head, error) {
	if x.revision() >= h.Revision {
		return h, nil
	}
	x.catching.Lock()
	defer x.catching.Unlock()
	known := x.revision()
	if known >= h.Revision {
		return h, nil
	}
	newest := map[string]stamped{}
	for h.Revision > known+1 {
		records, err := x.since(ctx, known)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			newest[r.id()] = r
		}
		known = h.Revision
		if h, err = x.someHead(ctx); err != nil {
			return nil, err
		}
	}
	for _, r := range h.Changes {
		newest[r.id()] = stamped{r, h.Revision}
	}
	all := make([]stamped, 0, len(newest))
	for _, r := range newest {
		all = append(all, r)
	}
	// Collections come before their documents, each in the order of the revisions.
	slices.SortFunc(all, func(a, b stamped) int {
		if c := a.Collection != nil; c != (b.Collection != nil) {
			if c {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.revision, b.revision)
	})
	return h, x.absorb(ctx, all, h.Revision)
}

type stamped struct {
	record
	revision int64
}

// since lists the records that were written after a revision.
func (x *Index) since(ctx context.Context, revision int64) ([]stamped, error) {
	var out []stamped
	err := x.scroll(ctx, &qdrant.ScrollPoints{
		CollectionName: x.catalogue(),
		Filter:         &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewRange(fieldStamp, &qdrant.Range{Gt: qdrant.PtrOf(float64(revision))})}},
		WithPayload:    qdrant.NewWithPayload(true),
	}, func(p *qdrant.RetrievedPoint) error {
		var r record
		if err := json.Unmarshal([]byte(p.GetPayload()[fieldData].GetStringValue()), &r); err != nil {
			return damaged(err)
		}
		if r.id() == "" {
			return damaged(fmt.Errorf("record %s is empty", p.GetId().GetUuid()))
		}
		out = append(out, stamped{r, p.GetPayload()[fieldStamp].GetIntegerValue()})
		return nil
	})
	return out, err
}

// scroll visits all points that a request is for, page by page.
func (x *Index) scroll(ctx context.Context, request *qdrant.ScrollPoints, each func(*qdrant.RetrievedPoint) error) error {
	const page = 1000
	request.Limit, request.ReadConsistency, request.Timeout = qdrant.PtrOf(uint32(page)), x.consistency(), seconds(x.o.Timeout)
	type answer struct {
		points []*qdrant.RetrievedPoint
		next   *qdrant.PointId
	}
	for {
		got, err := read(ctx, x, func(ctx context.Context, c *qdrant.Client) (a answer, err error) {
			a.points, a.next, err = c.ScrollAndOffset(ctx, request)
			return a, err
		})
		if err != nil {
			return err
		}
		for _, p := range got.points {
			if err := each(p); err != nil {
				return err
			}
		}
		if got.next == nil {
			return nil
		}
		request.Offset = got.next
	}
}

// absorb takes records into the memory, with the terms of editions that are new.
func (x *Index) absorb(ctx context.Context, all []stamped, revision int64) error {
	records := make([]record, len(all))
	for i, r := range all {
		records[i] = r.record
	}
	x.mu.RLock()
	wanted := x.state.missing(records, x.fresh)
	x.mu.RUnlock()
	found, err := x.fetchTerms(ctx, wanted)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state.revision >= revision {
		return nil
	}
	for edition, t := range x.fresh {
		found[edition] = t
	}
	for _, r := range all {
		if err := x.state.absorb(r.record, r.revision, found); err != nil {
			return damaged(err)
		}
		if r.Document != nil {
			delete(x.fresh, r.Document.Edition)
		}
	}
	x.state.revision = revision
	return nil
}

// errNoTerms says that an edition's terms are not there: it was removed between
// the reading of its record and of them.
var errNoTerms = errors.New("the terms of an edition are not there")

// fetchTerms reads the terms of editions.
func (x *Index) fetchTerms(ctx context.Context, editions []string) (map[string]string, error) {
	found := make(map[string]string, len(editions))
	for batch := range slices.Chunk(editions, 200) {
		ids := make([]*qdrant.PointId, len(batch))
		for i, e := range batch {
			ids[i] = qdrant.NewIDUUID(identifier(fieldTerms, e))
		}
		points, err := x.get(ctx, x.catalogue(), ids)
		if err != nil {
			return nil, err
		}
		for _, p := range points {
			found[p.GetPayload()[fieldEdition].GetStringValue()] = p.GetPayload()[fieldTerms].GetStringValue()
		}
	}
	for _, e := range editions {
		if _, ok := found[e]; !ok {
			return nil, fmt.Errorf("edition %s: %w", e, errNoTerms)
		}
	}
	return found, nil
}

// commit changes the catalogue. decide is shown the newest state, under a lock
// that it must not wait in, and returns the records to write, nil for no change, or an
// error; it may be called more than once.
func (x *Index) commit(ctx context.Context, decide func(*state) ([]record, error)) error {
	return x.commitAt(ctx, 0, decide)
}

// commitAt is commit, but fails with errMoved when the catalogue is not of this
// revision; 0 stands for any.
func (x *Index) commitAt(ctx context.Context, revision int64, decide func(*state) ([]record, error)) error {
	if err := x.prepare(ctx); err != nil {
		return err
	}
	return x.replace(ctx, revision, decide)
}

// replace is commitAt after prepare.
func (x *Index) replace(ctx context.Context, revision int64, decide func(*state) ([]record, error)) error {
	x.committing.Lock()
	defer x.committing.Unlock()
	for ctx.Err() == nil {
		h, err := x.catchUp(ctx)
		if err != nil {
			return err
		}
		if revision != 0 && h.Revision != revision {
			return errMoved
		}
		x.mu.RLock()
		current := x.state.revision == h.Revision
		var changes []record
		if current {
			changes, err = decide(x.state)
		}
		x.mu.RUnlock()
		switch {
		case !current:
			continue // another of this process has caught up further
		case err != nil || changes == nil:
			return err
		}
		if x.written != h.Revision {
			if err := x.writeRecords(ctx, h.Changes, h.Revision); err != nil {
				return err
			}
			x.written = h.Revision
		}
		next, err := x.replaceHead(ctx, *h, changes)
		if err != nil {
			return err
		}
		if next == nil {
			continue // another writer was first
		}
		// From here on the change is made. What follows need not succeed: the next
		// writer, whoever it is, would do it.
		if err := x.writeRecords(ctx, changes, next.Revision); err == nil {
			x.written = next.Revision
		}
		_, err = x.catchUp(ctx)
		if err != nil {
			x.o.Logger.WarnContext(ctx, "the catalogue was changed and could not be read again", "error", err)
		}
		return nil
	}
	return ctx.Err()
}

// replaceHead puts a new head in the place of one; nil when another was first.
func (x *Index) replaceHead(ctx context.Context, h head, changes []record) (*head, error) {
	token := uuid.NewString()
	next := head{Format: catalogueFormat, Revision: h.Revision + 1, Recent: append(slices.Clone(h.Recent), token), Changes: changes}
	if n := len(next.Recent); n > recentTokens {
		next.Recent = next.Recent[n-recentTokens:]
	}
	point, err := headPoint(next)
	if err != nil {
		return nil, err
	}
	writeErr := x.upsert(ctx, x.catalogue(), []*qdrant.PointStruct{point},
		&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchInt(fieldRevision, h.Revision)}}, nil)
	// Whether it was this one is only known by looking, also after an error.
	seen, err := x.readHead(ctx)
	switch {
	case err == nil && seen != nil && slices.Contains(seen.Recent, token):
		return &next, nil
	case writeErr != nil:
		return nil, writeErr
	case err != nil:
		return nil, err
	}
	return nil, nil
}

func headPoint(h head) (*qdrant.PointStruct, error) {
	data, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return &qdrant.PointStruct{
		Id: qdrant.NewIDUUID(headID),
		Payload: map[string]*qdrant.Value{
			fieldRevision: qdrant.NewValueInt(h.Revision),
			fieldData:     qdrant.NewValueString(string(data)),
		},
		Vectors: vectors(noWords, nil),
	}, nil
}
