package document

import (
	"context"
	"sync"
	"time"
)

// Stage is what is being done with a document.
type Stage string

// The stages, in their order.
const (
	Waiting    Stage = "waiting"    // for its first turn
	Layers     Stage = "text_layer" // the file's own characters are read
	Scanning   Stage = "ocr"        // pages without usable ones are read from their image
	Describing Stage = "vision"     // a model describes pages
	Ended      Stage = "ended"      // it is read, or could not be
)

// Progress is how far the reading of a document has come.
type Progress struct {
	Stage Stage
	Pages int // of the document; 0 until it is known
	Read  int // pages of whose text no more will come, or whose reading failed
	// Ahead is how many documents will be read before this one, and Left about how
	// long it will take from now; nil when that is not known.
	Ahead int
	Left  *time.Duration
	// Settled are the pages read since those that the caller knows of, in the
	// order in which their reading ended.
	Settled []Settled
}

// Settled is a page that has been read.
type Settled struct {
	Page   int // from 1
	Method Method
	Error  string // in words for the client; empty when it could be read
}

// Reading is a document that was admitted. End it in any case.
type Reading struct {
	processor *Processor
	end       sync.Once

	// Guarded by the turns' lock:
	at      Stage
	left    int             // pages of that stage
	waiting []chan struct{} // for a turn

	mu      sync.Mutex
	stage   Stage
	pages   int
	settled []Settled
	changed chan struct{} // closed at the next change
	clock   clock
}

// Admit makes room for a document. When the queue is full it fails with Busy.
func (p *Processor) Admit() (*Reading, error) {
	if p.admitted.Add(1) > int64(p.options.Parallel+p.options.MaxQueue) {
		p.admitted.Add(-1)
		return nil, p.full()
	}
	return p.newReading(), nil
}

// AdmitAgain makes room for a document that had been admitted by an earlier run
// of the program, also where the queue is full.
func (p *Processor) AdmitAgain() *Reading {
	p.admitted.Add(1)
	return p.newReading()
}

func (p *Processor) newReading() *Reading {
	r := &Reading{processor: p, stage: Waiting, changed: make(chan struct{}), at: Waiting, left: 1}
	p.turns.enter(r)
	return r
}

// End gives the document's place to others.
func (r *Reading) End() {
	r.end.Do(func() {
		r.processor.turns.leave(r)
		r.processor.admitted.Add(-1)
		r.set(func() {}) // whoever follows looks again
	})
}

// Progress says how far the reading has come, with the pages that were settled
// after the first known ones, and returns a channel that is closed when it has
// come further.
func (r *Reading) Progress(known int) (Progress, <-chan struct{}) {
	r.mu.Lock()
	p := Progress{Stage: r.stage, Pages: r.pages, Read: len(r.settled), Settled: r.settled[min(known, len(r.settled)):]}
	changed := r.changed
	r.mu.Unlock()
	if p.Stage != Ended {
		p.Ahead, p.Left = r.processor.turns.place(r)
	}
	return p, changed
}

// set changes what Progress tells.
func (r *Reading) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	close(r.changed)
	r.changed = make(chan struct{})
}

// turn does work on a worker, when it is the document's turn. The document's time
// runs meanwhile, not while it waits.
func (r *Reading) turn(ctx context.Context, work func()) error {
	t := r.processor.turns
	if err := t.take(ctx, r); err != nil {
		return err
	}
	defer t.give()
	r.clock.run()
	defer r.clock.rest()
	work()
	return nil
}

// clock ends a document whose time is over. It runs while at least one of its
// pages is being worked on.
type clock struct {
	mu      sync.Mutex
	busy    int
	left    time.Duration
	since   time.Time
	timer   *time.Timer
	expired func()
}

func (c *clock) run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy++; c.busy == 1 {
		c.since = time.Now()
		c.timer = time.AfterFunc(c.left, c.expired)
	}
}

func (c *clock) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy--; c.busy == 0 {
		c.timer.Stop()
		c.left -= time.Since(c.since)
	}
}
