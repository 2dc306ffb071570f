// Package batch writes many letters in the background. A batch is a folder with
// its record, an item for each letter and, in the end, a result for each:
// whatever ends the program, the next run goes on where this one was, and does
// nothing again that was done. It knows nothing of HTTP.
package batch

import (
	"encoding/json"
	"time"

	"signpost.internal/pkg/problem"
	"signpost.internal/services/notes-service/internal/drafting"
	"signpost.internal/services/notes-service/internal/paper"
)

// State says where a batch or an item stands.
type State string

// The states. Canceled is a batch's only, Failed and Deleted an item's.
const (
	Queued   State = "queued" // waits, also after a restart
	Running  State = "running"
	Done     State = "done"
	Canceled State = "canceled" // what was done stays
	Failed   State = "failed"   // there is a problem instead of a letter
	Deleted  State = "deleted"  // at its client's wish
)

// Finished reports whether nothing more will happen to it.
func (s State) Finished() bool { return s != Queued && s != Running }

// Item is a letter to write.
type Item struct {
	Ref     string // the caller's own name for it, or empty
	Draft   string // the draft's ID, the same however often the item is begun
	Request drafting.Request
	Format  drafting.Format
	// Refused says why it cannot be written; nil when it can.
	Refused *problem.Document `json:",omitempty"`
}

// Result is what became of an item.
type Result struct {
	State   State
	Draft   json.RawMessage `json:",omitempty"` // as /convert answers it
	Letter  paper.Letter
	Format  drafting.Format
	Problem *problem.Document `json:",omitempty"`
}

// record is what a batch's folder says about it.
type record struct {
	ID       string
	Key      string // the name of the key that sent it
	Items    int
	State    State
	Created  time.Time
	Finished time.Time
	Deleted  []int // items, at their client's wish
}

// Job is what is known of a batch.
type Job struct {
	ID       string
	State    State
	Created  time.Time
	Finished time.Time // zero before the end
	Items    int
	// Counts are how many items are in each state; the states that none is in are
	// not there.
	Counts map[State]int
}

// Receipt is what was deleted.
type Receipt struct {
	ID      string
	Stopped bool // it was not finished
	Files   int
	Bytes   int64
	Left    int // files that are still there: 0
}

// ClientReceipt is what was deleted of a client.
type ClientReceipt struct {
	Items     int
	Files     int
	Remaining int // items of the client that a new search finds: 0
}

// MaxItems is how many letters a batch may have.
const MaxItems = 1000

// The bounds of what waits and of what is tried again.
const (
	maxOpen   = 16 // batches that are not finished
	maxStarts = 3  // of an item that the program was lost on
	maxTries  = 5  // of an item that found the model busy
)
