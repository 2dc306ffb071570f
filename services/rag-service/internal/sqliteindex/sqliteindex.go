// Package sqliteindex is the embedded index: rows in one SQLite file are the
// durable truth, and chunks and postings held in memory answer every question.
//
// The file is opened by one process at a time. A change is first committed, then
// shown to readers in one step, so that a reader sees a document before or after
// it and a crash leaves it before or after it.
package sqliteindex

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/bm25"
	"signpost.internal/services/rag-service/internal/rag"
)

// schemaVersion is kept in the file's user_version.
const schemaVersion = 1

const schema = `
CREATE TABLE documents (
	id         INTEGER PRIMARY KEY,
	source     TEXT NOT NULL UNIQUE,
	title      TEXT NOT NULL,
	hash       TEXT NOT NULL,
	version    INTEGER NOT NULL,
	pages      INTEGER NOT NULL,
	characters INTEGER NOT NULL,
	folder     INTEGER NOT NULL
) STRICT;
CREATE TABLE chunks (
	document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
	position INTEGER NOT NULL,
	page     INTEGER NOT NULL,
	headings TEXT NOT NULL,
	text     TEXT NOT NULL,
	aliases  TEXT NOT NULL,
	contents INTEGER NOT NULL,
	sparse   BLOB NOT NULL,
	PRIMARY KEY (document, position)
) STRICT, WITHOUT ROWID;
`

// Index is a [rag.Index] in one file.
type Index struct {
	db   *sql.DB
	path string

	write sync.Mutex // one writer at a time, from the commit to the memory
	mu    sync.RWMutex
	mem   *memory
}

// Open opens the index in dir, making both if they are not there, and loads it.
// It fails with a sentence that names the remedy when the folder cannot be
// written, the file is damaged or of a newer version, or another process has it.
func Open(ctx context.Context, dir string) (*Index, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("DATA_DIR %s cannot be made: %w", dir, err)
	}
	path := filepath.Join(dir, "index.db")
	pragmas := url.Values{"_pragma": {
		"locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "busy_timeout(2000)",
	}, "_txlock": {"immediate"}}
	dsn := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: pragmas.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.SetMaxOpenConns(1) // exclusive locking: readers use the memory
	x := &Index{db: db, path: path, mem: newMemory()}
	if err := x.prepare(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return x, nil
}

// Close closes the file.
func (x *Index) Close() error {
	x.write.Lock()
	defer x.write.Unlock()
	return x.db.Close()
}

func (x *Index) prepare(ctx context.Context) error {
	var version int
	if err := x.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return x.explain(err)
	}
	switch {
	case version == 0:
		if err := x.create(ctx); err != nil {
			return x.explain(err)
		}
	case version != schemaVersion:
		return fmt.Errorf("%s was written by a newer version of the service (format %d, this one knows %d): "+
			"start that version, or choose another DATA_DIR and ingest again", x.path, version, schemaVersion)
	}
	if err := x.load(ctx); err != nil {
		return x.explain(err)
	}
	return nil
}

func (x *Index) create(ctx context.Context) error {
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing; before, the first error counts
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion)); err != nil {
		return err
	}
	return tx.Commit()
}

// load reads all documents into the memory.
func (x *Index) load(ctx context.Context) error {
	documents, err := x.loadDocuments(ctx)
	if err != nil {
		return err
	}
	rows, err := x.db.QueryContext(ctx, "SELECT document, position, page, headings, text, aliases, contents, sparse FROM chunks ORDER BY document, position")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var id int64
		var c rag.Chunk
		var headings string
		var sparse sql.RawBytes
		if err := rows.Scan(&id, &c.Position, &c.Page, &headings, &c.Text, &c.Aliases, &c.Contents, &sparse); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(headings), &c.Headings); err != nil {
			return fmt.Errorf("the headings of a chunk: %w", err)
		}
		if c.Sparse, err = decodeVector(sparse); err != nil {
			return err
		}
		documents[id].Chunks = append(documents[id].Chunks, c)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	ordered := make([]*rag.Document, 0, len(documents))
	for _, d := range documents {
		ordered = append(ordered, d)
	}
	slices.SortFunc(ordered, func(a, b *rag.Document) int { return cmp.Compare(a.Source, b.Source) })
	for _, d := range ordered {
		x.mem.add(*d)
	}
	return nil
}

func (x *Index) loadDocuments(ctx context.Context) (map[int64]*rag.Document, error) {
	rows, err := x.db.QueryContext(ctx, "SELECT id, source, title, hash, version, pages, characters, folder FROM documents")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	documents := map[int64]*rag.Document{}
	for rows.Next() {
		var id int64
		var d rag.Document
		if err := rows.Scan(&id, &d.Source, &d.Title, &d.Hash, &d.Version, &d.Pages, &d.Characters, &d.Folder); err != nil {
			return nil, err
		}
		documents[id] = &d
	}
	return documents, rows.Err()
}

// Put implements [rag.Index].
func (x *Index) Put(ctx context.Context, d rag.Document) error {
	x.write.Lock()
	defer x.write.Unlock()
	if err := x.store(ctx, d); err != nil {
		return x.explain(err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.mem.remove(d.Source)
	x.mem.add(d)
	return nil
}

func (x *Index) store(ctx context.Context, d rag.Document) error {
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing; before, the first error counts
	if _, err := tx.ExecContext(ctx, "DELETE FROM documents WHERE source = ?", d.Source); err != nil {
		return err
	}
	result, err := tx.ExecContext(ctx, "INSERT INTO documents (source, title, hash, version, pages, characters, folder) VALUES (?, ?, ?, ?, ?, ?, ?)",
		d.Source, d.Title, d.Hash, d.Version, d.Pages, d.Characters, d.Folder)
	if err != nil {
		return err
	}
	id, err := result.LastInsertId()
	if err != nil {
		return err
	}
	insert, err := tx.PrepareContext(ctx, "INSERT INTO chunks (document, position, page, headings, text, aliases, contents, sparse) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }() // the transaction's end closes it anyway
	for _, c := range d.Chunks {
		headings, err := json.Marshal(c.Headings)
		if err != nil {
			return err
		}
		if _, err := insert.ExecContext(ctx, id, c.Position, c.Page, string(headings), c.Text, c.Aliases, c.Contents, encodeVector(c.Sparse)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Delete implements [rag.Index].
func (x *Index) Delete(ctx context.Context, source string) (bool, error) {
	x.write.Lock()
	defer x.write.Unlock()
	result, err := x.db.ExecContext(ctx, "DELETE FROM documents WHERE source = ?", source)
	if err != nil {
		return false, x.explain(err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return false, x.explain(err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.mem.remove(source)
	return n > 0, nil
}

// Ping fails when the file cannot be read.
func (x *Index) Ping(ctx context.Context) error {
	var n int
	return x.explain(x.db.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM documents LIMIT 1)").Scan(&n))
}

// State implements [rag.Index].
func (x *Index) State(_ context.Context, source string) (rag.State, bool, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	d, ok := x.mem.documents[source]
	if !ok {
		return rag.State{}, false, nil
	}
	return d.state(), true, nil
}

// Search implements [rag.Index].
func (x *Index) Search(ctx context.Context, query bm25.Vector, limit int) (rag.Found, error) {
	if err := ctx.Err(); err != nil {
		return rag.Found{}, err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.mem.search(query, limit), nil
}

// Chunks implements [rag.Index].
func (x *Index) Chunks(_ context.Context, source string, offset, limit int) ([]rag.Hit, int, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var out []rag.Hit
	total := 0
	for _, name := range x.mem.sources {
		if !strings.Contains(name, source) {
			continue
		}
		d := x.mem.documents[name]
		for _, at := range d.chunks {
			if total >= offset && len(out) < limit {
				out = append(out, x.mem.hit(at, 0))
			}
			total++
		}
	}
	return out, total, nil
}

// Documents implements [rag.Index].
func (x *Index) Documents(context.Context) ([]rag.State, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := make([]rag.State, len(x.mem.sources))
	for i, source := range x.mem.sources {
		out[i] = x.mem.documents[source].state()
	}
	return out, nil
}

// Size implements [rag.Index].
func (x *Index) Size(context.Context) (rag.Size, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	size := rag.Size{Documents: len(x.mem.sources)}
	for _, d := range x.mem.documents {
		size.Chunks += len(d.chunks)
	}
	return size, nil
}

// explain translates SQLite's errors.
func (x *Index) explain(err error) error {
	if err == nil {
		return nil
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	var detail string
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		detail = "The disk that holds DATA_DIR is full: free some space, then try again. Nothing of what was stored before is lost."
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		detail = "The index in DATA_DIR cannot be written: give this service's user the right to write there, then try again."
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		detail = "Another process uses the index in DATA_DIR: stop it, or give each process a DATA_DIR of its own."
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		detail = "The index in DATA_DIR is damaged: move the file index.db away, start the service again and ingest the manuals again."
	case sqlite3.SQLITE_IOERR:
		detail = "The disk that holds DATA_DIR does not work as it should: see to the disk, then try again."
	default:
		return err
	}
	return fault.Wrap(fault.Unavailable, err, detail)
}
