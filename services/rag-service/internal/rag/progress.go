package rag

import (
	"context"
	"sync"
	"time"
)

// Progress is how far the ingest has come since it last stood still.
type Progress struct {
	State   string `json:"state"` // idle or running
	Total   int    `json:"total"`
	Done    int    `json:"done"`
	Failed  int    `json:"failed"`
	Current string `json:"current"` // the document begun last; empty when idle
	// Waiting is how many wait for what is not there, and Dead how many failed and
	// wait for somebody to see to them, from earlier times too.
	Waiting int `json:"waiting"`
	Dead    int `json:"dead"`
	// ETA is how many seconds the rest takes at the present rate; null before that is
	// known.
	ETA *float64 `json:"eta_seconds"`
}

// tracker counts what the queue does not: what was done since it was empty.
type tracker struct {
	mu      sync.Mutex
	since   time.Time
	active  int // calls that submit
	pending int // documents that they have still to submit
	done    int
	failed  int
	last    string
}

// begin notes that n documents are about to be submitted, while so many jobs are
// unfinished. The returned function is called when that is over.
func (t *tracker) begin(unfinished, n int) (end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if unfinished == 0 && t.active == 0 {
		t.since, t.done, t.failed, t.last = time.Now(), 0, 0, ""
	}
	t.active++
	t.pending += n
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.active--; t.active == 0 {
			t.pending = 0
		}
	}
}

func (t *tracker) submitted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending = max(t.pending-1, 0)
}

func (t *tracker) current(source string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = source
}

func (t *tracker) finish(status Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
	if status == Failed {
		t.failed++
	}
}

// unfinished counts the jobs that have no end yet; 0 where that cannot be known.
func (s *Service) unfinished(ctx context.Context) int {
	if s.queue == nil {
		return 0
	}
	counts, err := s.queue.Count(ctx)
	if err != nil {
		return 0
	}
	return counts[Queued] + counts[Running] + counts[Waiting]
}

// Progress returns how far the ingest has come.
func (s *Service) Progress(ctx context.Context) (Progress, error) {
	p := Progress{State: "idle"}
	if s.queue == nil {
		return p, nil
	}
	counts, err := s.queue.Count(ctx)
	if err != nil {
		return p, err
	}
	t := &s.progress
	t.mu.Lock()
	defer t.mu.Unlock()
	left := counts[Queued] + counts[Running] + counts[Waiting]
	p.Done, p.Failed, p.Waiting, p.Dead = t.done, t.failed, counts[Waiting], counts[Dead]
	p.Total = t.done + left + t.pending
	if left == 0 && t.active == 0 {
		return p, nil
	}
	p.State, p.Current = "running", t.last
	if t.done > 0 && !t.since.IsZero() {
		eta := time.Since(t.since).Seconds() / float64(t.done) * float64(left+t.pending)
		p.ETA = &eta
	}
	return p, nil
}
