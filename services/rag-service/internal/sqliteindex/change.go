package sqliteindex

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/rag"
)

// Create implements [rag.Index].
func (x *Index) Create(ctx context.Context, name, title string) error {
	x.write.Lock()
	defer x.write.Unlock()
	if _, there := x.collections[name]; there {
		return fault.Newf(fault.Conflict, "There is a collection %q already.", name)
	}
	if _, err := x.db.ExecContext(ctx, "INSERT INTO collections (name, title) VALUES (?, ?)", name, title); err != nil {
		return x.explain(err)
	}
	x.show(func() { x.collections[name] = &collection{title: title, mem: newMemory(name)} })
	return nil
}

// Drop implements [rag.Index].
func (x *Index) Drop(ctx context.Context, name string) (bool, error) {
	x.write.Lock()
	defer x.write.Unlock()
	if _, there := x.collections[name]; !there {
		return false, nil
	}
	err := x.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM collections WHERE name = ?", name); err != nil {
			return err
		}
		if name != rag.DefaultCollection {
			return nil
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO collections (name, title) VALUES (?, '')", name)
		return err
	})
	if err != nil {
		return false, x.explain(err)
	}
	x.show(func() {
		delete(x.collections, name)
		if name == rag.DefaultCollection {
			x.collections[name] = &collection{mem: newMemory(name)}
		}
	})
	return true, nil
}

// show changes the memory while nobody reads.
func (x *Index) show(change func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change()
}

// Put implements [rag.Index].
func (x *Index) Put(ctx context.Context, d rag.Document) error {
	x.write.Lock()
	defer x.write.Unlock()
	c, err := x.of(d.Collection)
	if err != nil {
		return err
	}
	if err := checkDense(c, d); err != nil {
		return err
	}
	var id int64
	err = x.change(ctx, func(tx *sql.Tx) error {
		id, err = store(ctx, tx, c, d)
		return err
	})
	if err != nil {
		return x.explain(err)
	}
	x.show(func() {
		c.mem.remove(d.Source)
		c.mem.add(id, d)
	})
	return nil
}

// checkDense fails when the document has vectors that are not of the
// collection's identity.
func checkDense(c *collection, d rag.Document) error {
	for _, chunk := range d.Chunks {
		if chunk.Dense == nil {
			continue
		}
		if c.active.of == nil || d.Embedding == nil {
			return fault.Newf(fault.Conflict, "Collection %q has no embeddings of this kind.", d.Collection)
		}
		if len(chunk.Dense) != d.Embedding.Dimension {
			return fmt.Errorf("an embedding of %s has %d dimensions, its identity %d", d.Source, len(chunk.Dense), d.Embedding.Dimension)
		}
	}
	if d.Embedding != nil && c.active.of != nil {
		return c.active.of.Check(*d.Embedding)
	}
	return nil
}

func store(ctx context.Context, tx *sql.Tx, c *collection, d rag.Document) (int64, error) {
	if _, err := tx.ExecContext(ctx, "DELETE FROM documents WHERE collection = ? AND source = ?", d.Collection, d.Source); err != nil {
		return 0, err
	}
	result, err := tx.ExecContext(ctx, `INSERT INTO documents (collection, source, title, edition, in_force, in_force_to, jurisdiction,
		hash, version, pages, characters, folder) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		d.Collection, d.Source, d.Title, d.Edition, d.From, d.Until, d.Jurisdiction, d.Hash, d.Version, d.Pages, d.Characters, d.Folder)
	if err != nil {
		return 0, err
	}
	id, err := result.LastInsertId()
	if err != nil {
		return 0, err
	}
	insert, err := tx.PrepareContext(ctx, "INSERT INTO chunks (document, position, page, boxes, headings, text, aliases, contents, sparse) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return 0, err
	}
	defer func() { _ = insert.Close() }() // the transaction's end closes it anyway
	for _, chunk := range d.Chunks {
		boxes, err := json.Marshal(chunk.Boxes)
		if err != nil {
			return 0, err
		}
		headings, err := json.Marshal(chunk.Headings)
		if err != nil {
			return 0, err
		}
		if _, err := insert.ExecContext(ctx, id, chunk.Position, chunk.Page, string(boxes), string(headings), chunk.Text, chunk.Aliases, chunk.Contents, encodeSparse(chunk.Sparse)); err != nil {
			return 0, err
		}
		if chunk.Dense == nil {
			continue
		}
		if _, err := tx.ExecContext(ctx, insertVector, id, chunk.Position, c.active.id, encodeDense(chunk.Dense)); err != nil {
			return 0, err
		}
	}
	return id, nil
}

// Describe implements [rag.Index].
func (x *Index) Describe(ctx context.Context, k rag.Key, m rag.Metadata) (bool, error) {
	x.write.Lock()
	defer x.write.Unlock()
	c, err := x.of(k.Collection)
	if err != nil {
		return false, err
	}
	d, there := c.mem.documents[k.Source]
	if !there {
		return false, nil
	}
	if _, err := x.db.ExecContext(ctx, "UPDATE documents SET title = ?, edition = ?, in_force = ?, in_force_to = ?, jurisdiction = ? WHERE id = ?",
		m.Title, m.Edition, m.From, m.Until, m.Jurisdiction, d.id); err != nil {
		return false, x.explain(err)
	}
	x.show(func() { d.metadata = m })
	return true, nil
}

// Delete implements [rag.Index].
func (x *Index) Delete(ctx context.Context, k rag.Key) (bool, error) {
	x.write.Lock()
	defer x.write.Unlock()
	c, err := x.of(k.Collection)
	if err != nil {
		return false, err
	}
	d, there := c.mem.documents[k.Source]
	if !there {
		return false, nil
	}
	if _, err := x.db.ExecContext(ctx, "DELETE FROM documents WHERE id = ?", d.id); err != nil {
		return false, x.explain(err)
	}
	x.show(func() { c.mem.remove(k.Source) })
	return true, nil
}
