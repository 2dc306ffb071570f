// Package sqliteindex is the embedded index: rows in one SQLite file are the
// durable truth, and chunks and postings held in memory answer every question.
//
// The file is opened by one process at a time. A change is first committed, then
// shown to readers in one step, so that a reader sees a document before or after
// it and a crash leaves it before or after it.
package sqliteindex

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/provider"
	"signpost.internal/services/rag-service/internal/rag"
)

// schemaVersion is kept in the file's user_version.
const schemaVersion = 2

// An identity is that of vectors: one of a collection is active, and one may be
// staged. A document that is replaced gets another id, which is never used again,
// so that a vector made for the text before cannot come to stand beside the new.
const schema = `
CREATE TABLE collections (
	name  TEXT PRIMARY KEY,
	title TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE identities (
	id         INTEGER PRIMARY KEY,
	collection TEXT NOT NULL REFERENCES collections (name) ON DELETE CASCADE,
	staged     INTEGER NOT NULL,
	identity   TEXT NOT NULL,
	UNIQUE (collection, staged)
) STRICT;
CREATE TABLE documents (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	collection   TEXT NOT NULL REFERENCES collections (name) ON DELETE CASCADE,
	source       TEXT NOT NULL,
	title        TEXT NOT NULL,
	edition      TEXT NOT NULL,
	in_force     TEXT NOT NULL,
	in_force_to  TEXT NOT NULL,
	jurisdiction TEXT NOT NULL,
	hash         TEXT NOT NULL,
	version      INTEGER NOT NULL,
	pages        INTEGER NOT NULL,
	characters   INTEGER NOT NULL,
	folder       INTEGER NOT NULL,
	UNIQUE (collection, source)
) STRICT;
CREATE TABLE chunks (
	document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
	position INTEGER NOT NULL,
	page     INTEGER NOT NULL,
	boxes    TEXT NOT NULL,
	headings TEXT NOT NULL,
	text     TEXT NOT NULL,
	aliases  TEXT NOT NULL,
	contents INTEGER NOT NULL,
	sparse   BLOB NOT NULL,
	PRIMARY KEY (document, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE vectors (
	document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
	position INTEGER NOT NULL,
	identity INTEGER NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
	vector   BLOB NOT NULL,
	UNIQUE (document, position, identity)
) STRICT;
CREATE INDEX vectors_of_identity ON vectors (identity);
`

// migrate2 brings a file of format 1 to format 2: its documents become those of
// the default collection.
const migrate2 = `
ALTER TABLE documents RENAME TO documents1;
ALTER TABLE chunks RENAME TO chunks1;
` + schema + `
INSERT INTO collections (name, title) VALUES ('` + rag.DefaultCollection + `', '');
INSERT INTO documents SELECT id, '` + rag.DefaultCollection + `', source, title, '', '', '', '', hash, version, pages, characters, folder FROM documents1;
INSERT INTO chunks SELECT document, position, page, 'null', headings, text, aliases, contents, sparse FROM chunks1;
DROP TABLE chunks1;
DROP TABLE documents1;
`

// Index is a [rag.Index] in one file.
type Index struct {
	db   *sql.DB
	path string

	write       sync.Mutex // one writer at a time, from the commit to the memory
	mu          sync.RWMutex
	collections map[string]*collection // changed with both locks held
}

// collection is what of a collection is held in memory.
type collection struct {
	title  string
	active identity
	staged identity
	mem    *memory
}

// identity is the row of an identity; its id is 0 when there is none.
type identity struct {
	id int64
	of *provider.EmbeddingIdentity
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
		"locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "secure_delete(1)", "busy_timeout(2000)",
	}, "_txlock": {"immediate"}}
	dsn := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: pragmas.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.SetMaxOpenConns(1) // exclusive locking: readers use the memory
	x := &Index{db: db, path: path, collections: map[string]*collection{}}
	if err := x.prepare(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return x, nil
}

// Scrub implements [rag.Scrubber]: what was deleted is overwritten in the file at
// once (secure_delete), and here the log of changes, which still has it, is
// emptied.
func (x *Index) Scrub(ctx context.Context) (string, error) {
	x.write.Lock()
	defer x.write.Unlock()
	_, err := x.db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return "", x.explain(err)
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
	var err error
	switch version {
	case schemaVersion:
		err = x.check(ctx)
	case 0:
		err = x.format(ctx, schema+"INSERT INTO collections (name, title) VALUES ('"+rag.DefaultCollection+"', '');")
	case 1:
		if err = x.check(ctx); err == nil {
			err = x.format(ctx, migrate2)
		}
	default:
		return fmt.Errorf("%s was written by a newer version of the service (format %d, this one knows %d): "+
			"start that version, or choose another DATA_DIR and ingest again", x.path, version, schemaVersion)
	}
	if err != nil {
		return x.explain(err)
	}
	return x.explain(x.load(ctx))
}

// check fails for a file whose structure is damaged, which would else be noticed
// only when the part is needed.
func (x *Index) check(ctx context.Context) error {
	var verdict string
	if err := x.db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return damaged(errors.New(verdict))
	}
	return nil
}

// format runs statements that bring the file to the format of this version.
func (x *Index) format(ctx context.Context, statements string) error {
	return x.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, statements+fmt.Sprintf("PRAGMA user_version = %d;", schemaVersion))
		return err
	})
}

// change runs a transaction.
func (x *Index) change(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing; before, the first error counts
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Ping fails when the file cannot be read.
func (x *Index) Ping(ctx context.Context) error {
	var n int
	return x.explain(x.db.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM documents LIMIT 1)").Scan(&n))
}

// of returns a collection. One of the locks is held.
func (x *Index) of(name string) (*collection, error) {
	c, ok := x.collections[name]
	if !ok {
		return nil, fault.Newf(fault.NotFound, "There is no collection %q.", name)
	}
	return c, nil
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
		return damaged(err)
	case sqlite3.SQLITE_IOERR:
		detail = "The disk that holds DATA_DIR does not work as it should: see to the disk, then try again."
	default:
		return err
	}
	return fault.Wrap(fault.Unavailable, err, detail)
}

func damaged(err error) error {
	return fault.Wrap(fault.Unavailable, err, "The index in DATA_DIR is damaged: move the file index.db away, start the service again and ingest the manuals again.")
}
