// Package job reads documents in the background. A job is a folder with the file
// as it came, a record of how far it is, and in the end the result: whatever ends
// the program, the next run goes on where this one was. It knows nothing of HTTP.
package job

import (
	"context"
	"time"

	"signpost.internal/pkg/problem"
	"signpost.internal/services/doc-processor/internal/document"
)

// State says where a job stands.
type State string

// The states. A job that is none of the first two is finished.
const (
	Queued  State = "queued"  // waits for its first turn, also after a restart
	Running State = "running" // is being read
	Done    State = "done"    // there is a result
	Failed  State = "failed"  // there is a problem instead
)

// Finished reports whether nothing more will happen.
func (s State) Finished() bool { return s == Done || s == Failed }

// Job is what is known of a job.
type Job struct {
	ID      string
	Name    string // of the file, as its sender called it
	SHA256  string // of the file, in hex
	Bytes   int64  // of the file
	State   State
	Created time.Time
	// Understand is whether the result is to say what the document is.
	Understand bool `json:",omitempty"`
	// Cloud is whether a service on the internet is to read it.
	Cloud bool `json:",omitempty"`
	// Webhook is the address that is told of its end, Told how that went.
	Webhook string `json:",omitempty"`
	Told    Told   `json:",omitempty"`
	// Finished and Took, the time of the reading, are zero before the end.
	Finished time.Time
	Took     time.Duration
	// Starts is how often the reading began and had neither an end nor an orderly
	// stop: how often the program was lost on it, and once for a running one.
	Starts int
	// Problem says why it failed; nil unless it did.
	Problem *problem.Document `json:",omitempty"`
}

// Order is what is to be done with a job's file.
type Order struct {
	Name string // of the file
	// Password opens it if it is protected. It is kept until the file is read.
	Password   string
	Understand bool
	Cloud      bool
	Webhook    string // the address that is told of the job's end; empty for none
}

// Told says whether a job's webhook knows of its end.
type Told string

// What may have become of it. The empty value is for not yet.
const (
	Delivered   Told = "delivered"
	Undelivered Told = "failed" // after all attempts
)

// Webhook tells addresses of the ends of jobs.
type Webhook interface {
	// Check says whether the address may be told.
	Check(address string) error
	// Send tells the address, and tries again for a while.
	Send(ctx context.Context, address, id, state string) error
}

// Receipt is what was deleted.
type Receipt struct {
	ID      string
	Stopped bool // it was not finished
	Files   int
	Bytes   int64
	Left    int // files that are still there: 0
}

// maxStarts is how often the reading of a file is tried again after the program
// was lost on it.
const maxStarts = 3

// reader reads documents.
type reader interface {
	Admit() (*document.Reading, error)
	AdmitAgain() *document.Reading
}
