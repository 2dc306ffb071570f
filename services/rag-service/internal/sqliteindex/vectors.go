package sqliteindex

import (
	"context"
	"database/sql"
	"encoding/json"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/rag"
)

const insertVector = "INSERT OR REPLACE INTO vectors (document, position, identity, vector) VALUES (?, ?, ?, ?)"

// filling returns the identity of which vectors are added.
func (c *collection) filling() identity {
	if c.staged.id != 0 {
		return c.staged
	}
	return c.active
}

// Stage implements [rag.Index].
func (x *Index) Stage(ctx context.Context, name string, id provider.EmbeddingIdentity) error {
	x.write.Lock()
	defer x.write.Unlock()
	c, err := x.of(name)
	if err != nil {
		return err
	}
	if c.staged.id != 0 && c.staged.of.Check(id) == nil {
		return nil
	}
	text, err := json.Marshal(id)
	if err != nil {
		return err
	}
	staged := identity{of: &id}
	err = x.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM identities WHERE id = ?", c.staged.id); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, "INSERT INTO identities (collection, staged, identity) VALUES (?, 1, ?)", name, string(text))
		if err != nil {
			return err
		}
		staged.id, err = result.LastInsertId()
		return err
	})
	if err != nil {
		return x.explain(err)
	}
	x.show(func() { c.staged = staged })
	return nil
}

// lacking are the searchable chunks of a collection without a vector of an identity.
const lacking = ` FROM documents d JOIN chunks c ON c.document = d.id
	WHERE d.collection = ? AND length(c.sparse) > 0 AND NOT EXISTS
	(SELECT 1 FROM vectors v WHERE v.document = c.document AND v.position = c.position AND v.identity = ?)`

// Unembedded implements [rag.Index].
func (x *Index) Unembedded(ctx context.Context, name string, limit int) ([]rag.Unembedded, int, error) {
	x.write.Lock() // no chunk or identity changes between the two queries
	defer x.write.Unlock()
	c, err := x.of(name)
	if err != nil {
		return nil, 0, err
	}
	to := c.filling()
	if to.id == 0 {
		return nil, 0, nil
	}
	var total int
	if err := x.db.QueryRowContext(ctx, "SELECT count(*)"+lacking, name, to.id).Scan(&total); err != nil {
		return nil, 0, x.explain(err)
	}
	var out []rag.Unembedded
	err = x.each(ctx, func(scan func(...any) error) error {
		var u rag.Unembedded
		var headings []byte
		if err := scan(&u.Ref.Source, &u.Ref.Edition, &u.Ref.Position, &u.Title, &headings, &u.Text); err != nil {
			return err
		}
		if err := json.Unmarshal(headings, &u.Headings); err != nil {
			return damaged(err)
		}
		out = append(out, u)
		return nil
	}, "SELECT d.source, d.id, c.position, d.title, c.headings, c.text"+lacking+" ORDER BY d.source, c.position LIMIT ?", name, to.id, max(limit, 0))
	return out, total, x.explain(err)
}

// Embed implements [rag.Index].
func (x *Index) Embed(ctx context.Context, name string, id provider.EmbeddingIdentity, vectors []rag.Embedding) error {
	x.write.Lock()
	defer x.write.Unlock()
	c, err := x.of(name)
	if err != nil {
		return err
	}
	to := c.filling()
	if to.id == 0 {
		return fault.Newf(fault.Conflict, "Collection %q has no embeddings.", name)
	}
	if err := to.of.Check(id); err != nil {
		return err
	}
	places := make([]int, len(vectors)) // -1 for a chunk that is no longer there
	for i, v := range vectors {
		if len(v.Vector) != to.of.Dimension {
			return fault.Newf(fault.Conflict, "An embedding has %d dimensions, those of collection %q have %d.", len(v.Vector), name, to.of.Dimension)
		}
		places[i] = c.find(v.Ref)
	}
	err = x.change(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, insertVector)
		if err != nil {
			return err
		}
		defer func() { _ = insert.Close() }() // the transaction's end closes it anyway
		for i, v := range vectors {
			if places[i] < 0 {
				continue
			}
			if _, err := insert.ExecContext(ctx, c.mem.chunks[places[i]].document.id, v.Ref.Position, to.id, encodeDense(v.Vector)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return x.explain(err)
	}
	if to.id == c.active.id {
		x.show(func() {
			for i, at := range places {
				if at >= 0 {
					copy(c.mem.vectors.row(at), vectors[i].Vector)
					c.mem.vectors.mark(at)
				}
			}
		})
	}
	return nil
}

// find returns the place of a chunk that is searched; -1 when it is not there.
func (c *collection) find(ref rag.ChunkRef) int {
	d, ok := c.mem.documents[ref.Source]
	if !ok || d.edition() != ref.Edition {
		return -1
	}
	at, ok := c.mem.place(d, ref.Position)
	if !ok || len(c.mem.chunks[at].terms) == 0 {
		return -1
	}
	return at
}

// Promote implements [rag.Index].
func (x *Index) Promote(ctx context.Context, name string) error {
	x.write.Lock()
	defer x.write.Unlock()
	c, err := x.of(name)
	if err != nil {
		return err
	}
	if c.staged.id == 0 {
		return fault.Newf(fault.Conflict, "Collection %q has no other embeddings to change to.", name)
	}
	staged, err := x.loadVectors(ctx, c, c.staged)
	if err != nil {
		return x.explain(err)
	}
	if lack := c.mem.live - staged.count; lack > 0 {
		return fault.Newf(fault.Conflict, "%d of %d passages of collection %q are not embedded yet.", lack, c.mem.live, name)
	}
	err = x.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM identities WHERE id = ?", c.active.id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE identities SET staged = 0 WHERE id = ?", c.staged.id)
		return err
	})
	if err != nil {
		return x.explain(err)
	}
	x.show(func() { c.active, c.staged, c.mem.vectors = c.staged, identity{}, staged })
	return nil
}
