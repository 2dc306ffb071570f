package sqliteindex

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/rag"
)

// load reads all collections into the memory.
func (x *Index) load(ctx context.Context) error {
	if err := x.loadCollections(ctx); err != nil {
		return err
	}
	if err := x.loadIdentities(ctx); err != nil {
		return err
	}
	documents, err := x.loadDocuments(ctx)
	if err != nil {
		return err
	}
	if err := x.loadChunks(ctx, documents); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(documents)) {
		d := documents[id]
		x.collections[d.Collection].mem.add(id, *d)
	}
	for _, c := range x.collections {
		if c.active.id == 0 {
			continue
		}
		if c.mem.vectors, err = x.loadVectors(ctx, c, c.active); err != nil {
			return err
		}
	}
	return nil
}

// each runs a query and a function for each of its rows.
func (x *Index) each(ctx context.Context, row func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := x.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (x *Index) loadCollections(ctx context.Context) error {
	return x.each(ctx, func(scan func(...any) error) error {
		var name, title string
		if err := scan(&name, &title); err != nil {
			return err
		}
		x.collections[name] = &collection{title: title, mem: newMemory(name)}
		return nil
	}, "SELECT name, title FROM collections")
}

func (x *Index) loadIdentities(ctx context.Context) error {
	return x.each(ctx, func(scan func(...any) error) error {
		var id int64
		var name, text string
		var staged bool
		if err := scan(&id, &name, &staged, &text); err != nil {
			return err
		}
		of := &provider.EmbeddingIdentity{}
		if err := json.Unmarshal([]byte(text), of); err != nil {
			return damaged(fmt.Errorf("the identity of embeddings: %w", err))
		}
		if staged {
			x.collections[name].staged = identity{id, of}
		} else {
			x.collections[name].active = identity{id, of}
		}
		return nil
	}, "SELECT id, collection, staged, identity FROM identities")
}

func (x *Index) loadDocuments(ctx context.Context) (map[int64]*rag.Document, error) {
	documents := map[int64]*rag.Document{}
	err := x.each(ctx, func(scan func(...any) error) error {
		var id int64
		var d rag.Document
		if err := scan(&id, &d.Collection, &d.Source, &d.Title, &d.Edition, &d.From, &d.Until, &d.Jurisdiction,
			&d.Hash, &d.Version, &d.Pages, &d.Characters, &d.Folder); err != nil {
			return err
		}
		documents[id] = &d
		return nil
	}, "SELECT id, collection, source, title, edition, in_force, in_force_to, jurisdiction, hash, version, pages, characters, folder FROM documents")
	return documents, err
}

func (x *Index) loadChunks(ctx context.Context, documents map[int64]*rag.Document) error {
	return x.each(ctx, func(scan func(...any) error) error {
		var id int64
		var c rag.Chunk
		var boxes, headings, sparse sql.RawBytes
		if err := scan(&id, &c.Position, &c.Page, &boxes, &headings, &c.Text, &c.Aliases, &c.Contents, &sparse); err != nil {
			return err
		}
		if err := json.Unmarshal(boxes, &c.Boxes); err != nil {
			return damaged(fmt.Errorf("the boxes of a chunk: %w", err))
		}
		if err := json.Unmarshal(headings, &c.Headings); err != nil {
			return damaged(fmt.Errorf("the headings of a chunk: %w", err))
		}
		var err error
		if c.Sparse, err = decodeSparse(sparse); err != nil {
			return damaged(err)
		}
		d, ok := documents[id]
		if !ok {
			return damaged(fmt.Errorf("a chunk of document %d, which is not there", id))
		}
		d.Chunks = append(d.Chunks, c)
		return nil
	}, "SELECT document, position, page, boxes, headings, text, aliases, contents, sparse FROM chunks ORDER BY document, position")
}

// loadVectors reads the vectors of an identity of a collection.
func (x *Index) loadVectors(ctx context.Context, c *collection, of identity) (*matrix, error) {
	documents := make(map[int64]*document, len(c.mem.documents))
	for _, d := range c.mem.documents {
		documents[d.id] = d
	}
	out := newMatrix(of.of.Dimension)
	err := x.each(ctx, func(scan func(...any) error) error {
		var id int64
		var position int
		var vector sql.RawBytes
		if err := scan(&id, &position, &vector); err != nil {
			return err
		}
		d, ok := documents[id]
		if !ok {
			return damaged(fmt.Errorf("an embedding of document %d, which is not there", id))
		}
		at, ok := c.mem.place(d, position)
		if !ok {
			return damaged(fmt.Errorf("an embedding of chunk %d of document %d, which is not there", position, id))
		}
		if err := decodeDense(vector, out.row(at)); err != nil {
			return damaged(err)
		}
		out.mark(at)
		return nil
	}, "SELECT document, position, vector FROM vectors WHERE identity = ?", of.id)
	return out, err
}
