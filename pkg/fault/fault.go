// Package fault names the ways in which a request can go wrong.
//
// Adapters translate foreign errors (a driver's, the file system's) into a
// [Error] once; everything above adds context with %w or passes it on. The edge
// (package problem) turns the kind into an HTTP status and writes one access
// line. The package depends on the standard library only.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind says what sort of failure an error is. Each kind has exactly one HTTP
// status, listed in package problem.
type Kind int

// The kinds. Internal is the zero value: whatever nobody classified.
const (
	Internal        Kind = iota // a defect of ours
	Malformed                   // the request cannot be read at all
	Invalid                     // readable, but its content is not acceptable
	NotFound                    // no such thing
	NotAllowed                  // the thing exists, but not for this method
	Forbidden                   // not for this caller
	Conflict                    // at odds with the present state
	TooLarge                    // over a size limit
	Unsupported                 // a media type or variant that is not handled
	Busy                        // a bounded queue is full; retry later
	Unavailable                 // something this needs is not there
	Upstream                    // something this needs answered wrongly
	Timeout                     // the deadline passed
	Canceled                    // the caller went away
	NotImplemented              // planned, and not there yet
	Gone                        // was there in RMA-Demo, and will not come
	NotAcceptable               // not to be had in a form that the caller accepts
	Unauthenticated             // nobody knows who the caller is
	TooMany                     // more requests than the caller may send
	Locked                      // protected by a password that did not come with it
)

// String returns the kind's name as used in metrics and logs.
func (k Kind) String() string {
	names := [...]string{
		"internal", "malformed", "invalid", "not_found", "not_allowed", "forbidden", "conflict", "too_large",
		"unsupported", "busy", "unavailable", "upstream", "timeout", "canceled", "not_implemented", "gone",
		"not_acceptable", "unauthenticated", "too_many", "locked",
	}
	if k < 0 || int(k) >= len(names) {
		return "internal"
	}
	return names[k]
}

// Kinds returns every kind, in the order of their declaration.
func Kinds() []Kind {
	all := make([]Kind, 0, Locked+1)
	for k := Internal; k <= Locked; k++ {
		all = append(all, k)
	}
	return all
}

// Field is one fault of one field of a request.
type Field struct {
	Name   string `json:"field"`
	Detail string `json:"detail"`
}

// Error is a classified failure.
type Error struct {
	Kind Kind
	// Detail is a sentence for the client: what was wrong and what is accepted.
	// It never holds a prompt, a document's words or an internal address.
	Detail string
	// Fields lists the faulty fields of the request, if they are known.
	Fields []Field
	// RetryAfter, when positive, tells the client how long to wait.
	RetryAfter time.Duration
	// Cause goes to the log and never to the client.
	Cause error
}

// Error returns the detail followed by the cause.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Detail
	}
	return e.Detail + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New returns an error of the kind with a client-safe detail.
func New(kind Kind, detail string) *Error {
	return &Error{Kind: kind, Detail: detail}
}

// Newf is New with a formatted detail.
func Newf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// Wrap classifies a foreign error. The cause is logged, the detail is sent.
func Wrap(kind Kind, cause error, detail string) *Error {
	return &Error{Kind: kind, Detail: detail, Cause: cause}
}

// KindOf returns the kind of the first [Error] in err's tree; for errors that
// nobody classified, Canceled and Timeout are told from the context's errors.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	return Internal
}

// DetailOf returns the sentence that a client may see.
func DetailOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Detail
	}
	switch KindOf(err) {
	case Timeout:
		return "The request took longer than it is allowed to."
	case Canceled:
		return "The request was cancelled."
	}
	return "Something went wrong on our side. The log has the details under this request ID."
}
