package review

import (
	"context"
	"sync"
)

// maxLedger bounds how many drafts a [Ledger] knows.
const maxLedger = 10_000

// Ledger knows which drafts there were since the start, and where they stand. It
// keeps nothing of what they say. It is safe for use by many goroutines.
type Ledger struct {
	mu    sync.Mutex
	known map[string]*entry
	order []string // the oldest first
}

type entry struct {
	state                      State
	unproved, template, method string
}

// NewLedger returns an empty Ledger.
func NewLedger() *Ledger { return &Ledger{known: map[string]*entry{}} }

// Save notes that there is a draft.
func (l *Ledger) Save(_ context.Context, d Draft) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[d.ID] != nil {
		return nil
	}
	l.known[d.ID] = &entry{state: Open, unproved: d.Unproved, template: d.Template, method: d.Method}
	if l.order = append(l.order, d.ID); len(l.order) > maxLedger {
		delete(l.known, l.order[0])
		l.order = l.order[1:]
	}
	return nil
}

// Decide notes a decision; of the draft returned only what it knows is set.
func (l *Ledger) Decide(_ context.Context, id string, d Decision) (Draft, error) {
	if err := d.Check(); err != nil {
		return Draft{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.known[id]
	if e == nil {
		return Draft{}, notFound()
	}
	state, err := next(e.state, e.unproved, d)
	if err != nil {
		return Draft{}, err
	}
	e.state = state
	if d.Action == Edit {
		e.unproved = EditedText
	}
	return Draft{ID: id, State: state, Unproved: e.unproved, Template: e.template, Method: e.method}, nil
}
