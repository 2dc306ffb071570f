package sqliteindex

import (
	"context"
	"fmt"
	"testing"
)

// LimitPages lets the file grow by a few pages only, as a full disk does.
func (x *Index) LimitPages(ctx context.Context, t *testing.T) {
	var pages int
	if err := x.db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if err := x.db.QueryRowContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages+4)).Scan(&pages); err != nil {
		t.Fatal(err)
	}
}

// SetFormat makes the file one of another format.
func (x *Index) SetFormat(ctx context.Context, t *testing.T, version int) {
	if _, err := x.db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version)); err != nil {
		t.Fatal(err)
	}
}
