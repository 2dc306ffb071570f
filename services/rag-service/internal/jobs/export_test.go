package jobs

import (
	"context"
	"fmt"
)

// LimitPages makes the file as good as on a full disk; 0 gives the room back.
func (q *Queue) LimitPages(ctx context.Context, pages int) error {
	if pages == 0 {
		pages = 1 << 30
	}
	_, err := q.db.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	return err
}
