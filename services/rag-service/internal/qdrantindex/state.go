package qdrantindex

import (
	"maps"
	"slices"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/rag"
)

// record is a point of the catalogue: what is known of one collection or of one
// document, or that nothing is left of a document. Exactly one of its parts is set.
type record struct {
	Collection *collectionRecord `json:"collection,omitempty"`
	Document   *documentRecord   `json:"document,omitempty"`
	// Gone is the identifier of the record of a document that is gone, whose name is
	// not kept.
	Gone string `json:"gone,omitempty"`
}

// id is the identifier of the record's point.
func (r record) id() string {
	switch {
	case r.Collection != nil:
		return identifier("collection", r.Collection.Name)
	case r.Document != nil:
		return r.Document.id()
	}
	return r.Gone
}

func (d *documentRecord) id() string { return identifier("document", d.Instance, d.Source) }

// kept is the record as it is kept after the revision that it is of.
func (r record) kept() record {
	if r.Document != nil && r.Document.nothing() {
		return record{Gone: r.id()}
	}
	return r
}

type collectionRecord struct {
	Name     string `json:"name"`
	Title    string `json:"title,omitempty"`
	Instance string `json:"instance"` // another one when it was dropped and made again
	Gone     bool   `json:"gone,omitempty"`
	// Points is the collection of Qdrant that holds the chunks.
	Points    string                      `json:"points,omitempty"`
	Shards    int                         `json:"shards,omitempty"` // of Points
	Embedding *provider.EmbeddingIdentity `json:"embedding,omitempty"`
	// StagedPoints is the one that is being filled with vectors of Staged.
	StagedPoints string                      `json:"staged_points,omitempty"`
	StagedShards int                         `json:"staged_shards,omitempty"`
	Staged       *provider.EmbeddingIdentity `json:"staged,omitempty"`
	// Old are collections of Qdrant, and OldInstances those of which documents, that
	// nobody reads any longer and that are to be removed.
	Old          []string `json:"old,omitempty"`
	OldInstances []string `json:"old_instances,omitempty"`
}

// documentRecord says which edition of a document is the one that is read. The
// chunks of an edition never change; they come before the record names it and go
// after it has ceased to.
type documentRecord struct {
	Instance   string       `json:"instance"`
	Source     string       `json:"source"`
	Edition    string       `json:"edition,omitempty"` // empty: there is no such document
	Metadata   rag.Metadata `json:"metadata"`
	Hash       string       `json:"hash,omitempty"`
	Version    int          `json:"version,omitempty"`
	Pages      int          `json:"pages,omitempty"`
	Characters int          `json:"characters,omitempty"`
	Folder     bool         `json:"folder,omitempty"`
	Chunks     int          `json:"chunks,omitempty"`
	Searchable int          `json:"searchable,omitempty"`
	// Pending editions are being written.
	Pending []pending `json:"pending,omitempty"`
	// Retained editions were read until a moment ago, and may still be by who began
	// before: their chunks are all there.
	Retained []retained `json:"retained,omitempty"`
	// Dropping editions are being removed.
	Dropping []string `json:"dropping,omitempty"`
}

type pending struct {
	Edition string    `json:"edition"`
	Owner   string    `json:"owner"`
	Since   time.Time `json:"since"`
}

type retained struct {
	Edition string    `json:"edition"`
	Since   time.Time `json:"since"`
}

// drop moves an edition to those that are being removed.
func (d *documentRecord) drop(edition string) {
	if edition != "" {
		d.Dropping = append(slices.Clone(d.Dropping), edition)
	}
}

// nothing reports whether the record says nothing any more.
func (d *documentRecord) nothing() bool {
	return d.Edition == "" && len(d.Pending)+len(d.Retained)+len(d.Dropping) == 0
}

// state is the catalogue in memory at one revision.
type state struct {
	revision    int64
	collections map[string]*collection // by name
	instances   map[string]*collection
	gone        map[string]collectionRecord // by name; those that were dropped and of which something is left
	byRecord    map[string]documentRecord   // of documents that something is known of, by the record's identifier
}

func newState() *state {
	return &state{collections: map[string]*collection{}, instances: map[string]*collection{}, gone: map[string]collectionRecord{}, byRecord: map[string]documentRecord{}}
}

type collection struct {
	collectionRecord
	documents map[string]*document // by source; also those that are not there yet, or no longer
	sources   []string             // of documents that are there, sorted
	frequency map[uint32]int
	total     int // searchable chunks
	chunks    int
	editions  map[string]*document // those that are read, and those retained
	excluded  map[string]struct{}  // editions that have chunks and are not read
	begun     int                  // counts editions that were begun
	lost      int                  // counts editions whose chunks ceased to be there
}

// document is a record and the terms of its edition.
type document struct {
	documentRecord
	terms       string
	from, until int64 // the revisions between which Edition is read
}

func newCollection(r collectionRecord) *collection {
	return &collection{
		collectionRecord: r,
		documents:        map[string]*document{}, frequency: map[uint32]int{},
		editions: map[string]*document{}, excluded: map[string]struct{}{},
	}
}

const always = int64(1) << 62

// find returns a collection by name.
func (s *state) find(name string) (*collection, error) {
	c, ok := s.collections[name]
	if !ok {
		return nil, fault.Newf(fault.NotFound, "There is no collection %q.", name)
	}
	return c, nil
}

// absorb takes in a record as of a revision. termsOf gives the terms of an edition.
func (s *state) absorb(r record, revision int64, termsOf map[string]string) error {
	if r.Collection != nil {
		s.absorbCollection(*r.Collection)
		return nil
	}
	var d documentRecord
	if r.Document != nil {
		d = *r.Document
	} else if known, ok := s.byRecord[r.Gone]; ok {
		d = documentRecord{Instance: known.Instance, Source: known.Source}
	}
	c, ok := s.instances[d.Instance]
	if !ok {
		return nil // never known here, or of a collection that was dropped
	}
	if d.nothing() {
		delete(s.byRecord, d.id())
	} else {
		s.byRecord[d.id()] = d
	}
	return c.absorb(d, revision, termsOf)
}

func (s *state) absorbCollection(r collectionRecord) {
	delete(s.gone, r.Name)
	if r.Gone && len(r.Old)+len(r.OldInstances) > 0 {
		s.gone[r.Name] = r
	}
	before, ok := s.collections[r.Name]
	switch {
	case ok && before.Instance == r.Instance && !r.Gone:
		before.collectionRecord = r
		return
	case ok:
		delete(s.collections, r.Name)
		delete(s.instances, before.Instance)
	}
	if !r.Gone {
		c := newCollection(r)
		s.collections[r.Name], s.instances[r.Instance] = c, c
	}
}

func (c *collection) absorb(r documentRecord, revision int64, termsOf map[string]string) error {
	before := c.documents[r.Source]
	if before == nil {
		before = &document{}
	}
	after := &document{documentRecord: r, terms: before.terms, from: before.from, until: always}
	if before.Edition != r.Edition {
		after.from, after.terms = revision, termsOf[r.Edition]
		if err := c.reckon(before, -1); err != nil {
			return err
		}
		if err := c.reckon(after, 1); err != nil {
			return err
		}
	}
	c.listed(r.Source, before.Edition != "", r.Edition != "")
	c.turn(before, after, revision)
	if r.nothing() {
		delete(c.documents, r.Source)
	} else {
		c.documents[r.Source] = after
	}
	return nil
}

// reckon adds an edition's chunks and terms to the collection's numbers, or takes
// them away.
func (c *collection) reckon(d *document, sign int) error {
	if d.Edition == "" {
		return nil
	}
	c.total += sign * d.Searchable
	c.chunks += sign * d.Chunks
	return decodeTerms(d.terms, func(id uint32, count int) {
		if c.frequency[id] += sign * count; c.frequency[id] == 0 {
			delete(c.frequency, id)
		}
	})
}

// listed keeps the sorted list of sources.
func (c *collection) listed(source string, was, is bool) {
	at, _ := slices.BinarySearch(c.sources, source)
	switch {
	case is && !was:
		c.sources = slices.Insert(c.sources, at, source)
	case was && !is:
		c.sources = slices.Delete(c.sources, at, at+1)
	}
}

// turn keeps the editions that are read and those that are not, as one record of a
// document follows another.
func (c *collection) turn(before, after *document, revision int64) {
	was := members(before.documentRecord)
	is := members(after.documentRecord)
	for edition, role := range is {
		if was[edition] == "" && role == rolePending {
			c.begun++
		}
		if role == roleRead {
			delete(c.excluded, edition)
		} else {
			c.excluded[edition] = struct{}{}
		}
	}
	for edition, role := range was {
		there := is[edition] == roleRead || is[edition] == roleRetained
		if !there && (role == roleRead || role == roleRetained) {
			c.lost++
			delete(c.editions, edition)
		}
		if is[edition] == "" {
			delete(c.excluded, edition)
		}
	}
	if before.Edition != "" && before.Edition != after.Edition {
		if old, ok := c.editions[before.Edition]; ok {
			old.until = revision
		}
	}
	if after.Edition != "" {
		c.editions[after.Edition] = after
	}
}

const (
	rolePending  = "pending"
	roleRead     = "read"
	roleRetained = "retained"
	roleDropping = "dropping"
)

// members returns all editions of a document and what each is.
func members(d documentRecord) map[string]string {
	all := map[string]string{}
	for _, p := range d.Pending {
		all[p.Edition] = rolePending
	}
	for _, r := range d.Retained {
		all[r.Edition] = roleRetained
	}
	for _, e := range d.Dropping {
		all[e] = roleDropping
	}
	if d.Edition != "" {
		all[d.Edition] = roleRead
	}
	return all
}

// missing lists the editions of records whose terms are not known yet.
func (s *state) missing(records []record, known map[string]string) []string {
	made := map[string]bool{}
	for _, r := range records {
		if r.Collection != nil && !r.Collection.Gone {
			made[r.Collection.Instance] = true
		}
	}
	var out []string
	for _, r := range records {
		if r.Document == nil || r.Document.Edition == "" || s.instances[r.Document.Instance] == nil && !made[r.Document.Instance] {
			continue
		}
		if _, ok := known[r.Document.Edition]; ok {
			continue
		}
		if c := s.instances[r.Document.Instance]; c != nil {
			if d := c.documents[r.Document.Source]; d != nil && d.Edition == r.Document.Edition {
				continue
			}
		}
		out = append(out, r.Document.Edition)
	}
	return out
}

// names lists the collections in alphabetical order.
func (s *state) names() []string { return slices.Sorted(maps.Keys(s.collections)) }
