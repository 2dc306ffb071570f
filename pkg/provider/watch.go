package provider

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// watchdog ends calls that make no progress. All share one timer: setting one
// for each token of each stream is dearer than reading the token.
type watchdog struct {
	mu      sync.Mutex
	timer   *time.Timer
	watches map[*watch]struct{}
	zero    time.Time
	armed   atomic.Int64 // when the timer fires, as at counts; math.MaxInt64 for never
}

func newWatchdog() *watchdog {
	return &watchdog{watches: map[*watch]struct{}{}, zero: time.Now()}
}

// watch is one call's.
type watch struct {
	dog      *watchdog
	cancel   context.CancelCauseFunc
	deadline atomic.Int64
	late     atomic.Pointer[error] // why the call would be ended now
}

// at returns the moment that is after from now, in ns since zero.
func (d *watchdog) at(after time.Duration) int64 { return int64(time.Since(d.zero) + after) }

// watch returns a context that ends with the cause errSlowStart after timeout,
// unless there is progress before. The caller stops the watch.
func (d *watchdog) watch(ctx context.Context, timeout time.Duration) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{dog: d, cancel: cancel}
	w.late.Store(&errSlowStart)
	w.deadline.Store(d.at(timeout))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watches[w] = struct{}{}
	d.arm(w.deadline.Load())
	return ctx, w
}

// progress allows the call idle more until the next progress.
func (w *watch) progress(idle time.Duration) { w.allow(&errStalled, idle) }

// restart allows the call timeout to a first token once more.
func (w *watch) restart(timeout time.Duration) { w.allow(&errSlowStart, timeout) }

func (w *watch) allow(late *error, more time.Duration) {
	deadline := w.dog.at(more)
	w.late.Store(late)
	w.deadline.Store(deadline)
	// Mostly the timer fires before that anyway.
	if deadline < w.dog.armed.Load() {
		w.dog.mu.Lock()
		defer w.dog.mu.Unlock()
		w.dog.arm(deadline)
	}
}

func (w *watch) stop() {
	w.dog.mu.Lock()
	delete(w.dog.watches, w)
	w.dog.mu.Unlock()
	w.cancel(nil)
}

// arm has the timer fire at the deadline at the latest. mu is held.
func (d *watchdog) arm(deadline int64) {
	if d.timer != nil && deadline >= d.armed.Load() {
		return
	}
	d.armed.Store(deadline)
	after := time.Duration(deadline - d.at(0))
	if d.timer == nil {
		d.timer = time.AfterFunc(after, d.fire)
		return
	}
	d.timer.Reset(after)
}

// fire ends the calls whose time is over.
func (d *watchdog) fire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	// A deadline that becomes earlier from here on is seen below, or is armed
	// for by the call itself, which waits for mu.
	d.armed.Store(math.MaxInt64)
	now, next := d.at(0), int64(math.MaxInt64)
	for w := range d.watches {
		if deadline := w.deadline.Load(); deadline > now {
			next = min(next, deadline)
			continue
		}
		delete(d.watches, w)
		w.cancel(*w.late.Load())
	}
	if next < math.MaxInt64 {
		d.arm(next)
	}
}
