package sqliteindex

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"testing"

	"signpost.internal/services/rag-service/internal/rag"
)

// LimitPages lets the file grow by some pages only, as a full disk does.
func (x *Index) LimitPages(ctx context.Context, t *testing.T, more int) {
	var pages int
	if err := x.db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if err := x.db.QueryRowContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages+more)).Scan(&pages); err != nil {
		t.Fatal(err)
	}
}

// SetFormat makes the file one of another format.
func (x *Index) SetFormat(ctx context.Context, t *testing.T, version int) {
	if _, err := x.db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version)); err != nil {
		t.Fatal(err)
	}
}

const schema1 = `
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
PRAGMA user_version = 1;
`

// WriteFormat1 writes a file as the service did before there were collections.
func WriteFormat1(ctx context.Context, t *testing.T, path string, documents ...rag.Document) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, schema1); err != nil {
		t.Fatal(err)
	}
	for i, d := range documents {
		if _, err := db.ExecContext(ctx, "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			i+1, d.Source, d.Title, d.Hash, d.Version, d.Pages, d.Characters, d.Folder); err != nil {
			t.Fatal(err)
		}
		for _, c := range d.Chunks {
			headings, err := json.Marshal(c.Headings)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(ctx, "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
				i+1, c.Position, c.Page, string(headings), c.Text, c.Aliases, c.Contents, encodeSparse(c.Sparse)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
