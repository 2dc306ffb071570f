package document

import (
	"context"
	"slices"
	"sync"
	"time"
)

// oldestEvery is how often the turn goes to the oldest document, so that a large
// one comes to its end however many small ones arrive.
const oldestEvery = 8

// turns hands the workers to the documents, page by page: to the one with the
// fewest pages left, so that a bundle does not hold up a letter.
type turns struct {
	workers int

	mu      sync.Mutex
	free    int
	given   int
	queue   []*Reading              // admitted and not ended, oldest first
	perPage map[Stage]time.Duration // for a stage of which no page is done yet: none
}

// take waits for a turn of the document.
func (t *turns) take(ctx context.Context, r *Reading) error {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	ready := make(chan struct{})
	r.waiting = append(r.waiting, ready)
	t.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	i := slices.Index(r.waiting, ready)
	if i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
	}
	t.mu.Unlock()
	if i < 0 { // it came in the same moment
		t.give()
	}
	return context.Cause(ctx)
}

// give passes a turn on.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	var next *Reading
	for _, r := range t.queue {
		if len(r.waiting) == 0 {
			continue
		}
		if next == nil || r.left < next.left {
			next = r
		}
		if t.given%oldestEvery == oldestEvery-1 {
			break
		}
	}
	if next == nil {
		t.free++
		return
	}
	t.given++
	close(next.waiting[0])
	next.waiting = next.waiting[1:]
}

// took learns how long a page takes in a stage: the moving average of the last
// ten or so.
func (t *turns) took(s Stage, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	mean, known := t.perPage[s]
	if !known {
		mean = d
	}
	t.perPage[s] = mean + (d-mean)/10
}

func (t *turns) enter(r *Reading) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = append(t.queue, r)
}

func (t *turns) leave(r *Reading) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.queue, r); i >= 0 {
		t.queue = slices.Delete(t.queue, i, i+1)
	}
}

// work notes the document's stage, and how many pages wait for a turn in it or
// have one.
func (t *turns) work(r *Reading, s Stage, pages int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.at, r.left = s, pages
}

// place says how many documents come before this one, and about how long it will
// take from now; nil when no page was timed yet. What a document needs after its
// present stage, and before it was opened, is not known.
func (t *turns) place(r *Reading) (ahead int, eta *time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	work := time.Duration(r.left) * t.perPage[r.at]
	older := true
	for _, other := range t.queue {
		if other == r {
			older = false
			continue
		}
		if other.left < r.left || older && other.left == r.left {
			ahead++
			work += time.Duration(other.left) * t.perPage[other.at]
		}
	}
	if _, known := t.perPage[r.at]; known {
		d := work / time.Duration(t.workers)
		eta = &d
	}
	return ahead, eta
}
