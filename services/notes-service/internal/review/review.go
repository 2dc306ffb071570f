// Package review records what advisers decide about drafts. A [Store] keeps the
// drafts and the decisions in one SQLite file; a [Ledger] keeps no content, only
// which drafts there are to decide about.
package review

import (
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/notes-service/internal/paper"
)

// State says where a draft stands.
type State string

// The states.
const (
	Open     State = "open"     // nobody has decided
	Edited   State = "edited"   // changed, and not accepted yet
	Accepted State = "accepted" // it may go out
	Rejected State = "rejected"
)

// Action is what an adviser does.
type Action string

// The actions.
const (
	Accept Action = "accept"
	Edit   Action = "edit"
	Reject Action = "reject"
)

// Draft is what is kept of a draft.
type Draft struct {
	ID       string
	Created  time.Time
	Client   string // the name, empty for none
	Template string
	Method   string
	Unproved string // why it was not ready, empty when it was
	Notes    string
	Answer   []byte // what the caller was answered, JSON
	Letter   paper.Letter
	State    State
	Key      string // the name of the key that asked for it
}

// Decision is what an adviser decided.
type Decision struct {
	At     time.Time
	Action Action
	Reason string // required to reject
	Text   string // the letter's new Markdown, to edit
	// Unproved accepts a draft although it is not ready.
	Unproved bool
	Diff     string // of an edit, unified
	Key      string
}

// Bounds of a decision.
const (
	maxReason = 2000    // characters
	maxText   = 1 << 20 // bytes
)

// Check refuses a decision that cannot be one.
func (d Decision) Check() error {
	var fields []fault.Field
	bad := func(name, detail string) { fields = append(fields, fault.Field{Name: name, Detail: detail}) }
	switch d.Action {
	case Accept:
	case Edit:
		if strings.TrimSpace(d.Text) == "" {
			bad("text", "is empty: to edit is to send the letter's whole new text, in Markdown")
		}
	case Reject:
		if strings.TrimSpace(d.Reason) == "" {
			bad("reason", "is empty: a rejection says why")
		}
	default:
		bad("decision", "is not one of: accept, edit, reject")
	}
	if d.Text != "" && d.Action != Edit {
		bad("text", "belongs to edit only")
	}
	if len(d.Text) > maxText {
		bad("text", "is longer than the 1 MiB that are accepted")
	}
	if utf8.RuneCountInString(d.Reason) > maxReason {
		bad("reason", "is longer than the 2000 characters that are accepted")
	}
	if fields == nil {
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Detail: "Some fields are not acceptable.", Fields: fields}
}

// next is the state after a decision.
func next(now State, unproved string, d Decision) (State, error) {
	if now == Accepted || now == Rejected {
		return "", fault.Newf(fault.Conflict, "This draft is %s already: make a new one from the notes.", now)
	}
	switch d.Action {
	case Edit:
		return Edited, nil
	case Reject:
		return Rejected, nil
	default:
		if unproved != "" && !d.Unproved {
			return "", fault.New(fault.Conflict, `This draft is not proved: `+unproved+`. To accept it all the same, having checked it against the notes, send "accept_unproved": true.`)
		}
		return Accepted, nil
	}
}

// EditedText is why an edited letter is not ready: no machine has proved the new
// text.
const EditedText = "changed by hand, which was not proved against the notes"

// ClientKey is what one client's name is the same by: case, spaces and the way in
// which characters are encoded do not matter.
func ClientKey(name string) string {
	return cases.Fold().String(norm.NFKC.String(strings.Join(strings.Fields(name), " ")))
}

func notFound() error {
	return fault.New(fault.NotFound, "There is no such draft. It may have been deleted, or, where nothing is kept (NOTES_KEEP), the service was started again since.")
}
