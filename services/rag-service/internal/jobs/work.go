package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/rag"
)

// arguments are a task as a job holds it.
type arguments struct {
	Digest       string `json:"key"` // of the document; see [rag.Key.Digest]
	Collection   string `json:"collection"`
	Source       string `json:"source"`
	Title        string `json:"title,omitempty"`
	Edition      string `json:"edition,omitempty"`
	From         string `json:"from,omitempty"`
	Until        string `json:"until,omitempty"`
	Jurisdiction string `json:"jurisdiction,omitempty"`
	Hash         string `json:"hash"`
	Bytes        int64  `json:"bytes"`
	Text         bool   `json:"text,omitempty"`
	Folder       bool   `json:"folder,omitempty"`
}

// Kind implements [river.JobArgs].
func (arguments) Kind() string { return "ingest" }

func argumentsOf(t rag.Task) arguments {
	return arguments{
		Digest: t.Digest(), Collection: t.Collection, Source: t.Source,
		Title: t.Title, Edition: t.Edition, From: t.From, Until: t.Until, Jurisdiction: t.Jurisdiction,
		Hash: t.Hash, Bytes: t.Bytes, Text: t.Text, Folder: t.Folder,
	}
}

func (a arguments) task() rag.Task {
	return rag.Task{
		Key:      rag.Key{Collection: a.Collection, Source: a.Source},
		Metadata: rag.Metadata{Title: a.Title, Edition: a.Edition, From: a.From, Until: a.Until, Jurisdiction: a.Jurisdiction},
		Hash:     a.Hash, Bytes: a.Bytes, Text: a.Text, Folder: a.Folder,
	}
}

// output is what a job notes about its last attempt.
type output struct {
	Status     rag.Status `json:"status"`
	Characters int        `json:"characters,omitempty"`
	Chunks     int        `json:"chunks,omitempty"`
	Reason     string     `json:"reason,omitempty"`
	Kind       string     `json:"kind,omitempty"` // of the fault
}

func outputOf(o rag.Outcome, err error) output {
	if err != nil {
		return output{Status: rag.Failed, Reason: fault.DetailOf(err), Kind: fault.KindOf(err).String()}
	}
	return output{Status: o.Status, Characters: o.Characters, Chunks: o.Chunks, Reason: o.Reason}
}

func (o output) outcome(source string) rag.Outcome {
	out := rag.Outcome{Source: source, Status: o.Status, Characters: o.Characters, Chunks: o.Chunks, Reason: o.Reason}
	if o.Status != rag.Failed {
		return out
	}
	for _, kind := range fault.Kinds() {
		if kind.String() == o.Kind {
			return rag.FailedOutcome(source, fault.New(kind, o.Reason))
		}
	}
	return rag.FailedOutcome(source, fault.New(fault.Internal, o.Reason))
}

type worker struct {
	river.WorkerDefaults[arguments]
	q *Queue
}

// Work implements [river.Worker].
func (w *worker) Work(ctx context.Context, job *river.Job[arguments]) error {
	q := w.q
	defer q.change()
	defer q.forgetStep(job.ID)
	j, err := q.jobOf(job.JobRow)
	if err != nil {
		return err
	}
	outcome, err := q.work(ctx, j, func(s rag.JobStep) {
		q.mu.Lock()
		q.steps[job.ID] = s
		q.mu.Unlock()
		q.change()
	})
	if err != nil && ctx.Err() != nil {
		switch {
		case errors.Is(context.Cause(ctx), rivertype.ErrJobCancelledRemotely):
			return err // River notes that it is cancelled
		case !errors.Is(ctx.Err(), context.DeadlineExceeded):
			return river.JobSnooze(0) // the service stops
		}
	}
	if noteErr := river.RecordOutput(ctx, outputOf(outcome, err)); noteErr != nil {
		return fmt.Errorf("noting what came of the job: %w", noteErr)
	}
	if err == nil {
		return nil
	}
	if kind := fault.KindOf(err); kind == fault.Unavailable || kind == fault.Busy {
		return river.JobSnooze(pause(j.ID, job.Metadata))
	}
	return errors.New(fault.DetailOf(err)) // the cause is in the log
}

func (q *Queue) forgetStep(id int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.steps, id)
}

// pause is how long a job waits for what is not there: half a second at first,
// then longer, up to 15 s and not all jobs at the same moment.
func pause(id int64, metadata []byte) time.Duration {
	const first, longest = 500 * time.Millisecond, 15 * time.Second
	var noted struct {
		Snoozes int `json:"snoozes"`
	}
	_ = json.Unmarshal(metadata, &noted) // River's own; without it the pause is the first
	d := min(first<<min(noted.Snoozes, 10), longest)
	return d + d*time.Duration(id%10)/20
}

// jobOf translates River's row.
func (q *Queue) jobOf(row *rivertype.JobRow) (rag.Job, error) {
	var a arguments
	if err := json.Unmarshal(row.EncodedArgs, &a); err != nil {
		return rag.Job{}, fmt.Errorf("job %d: %w", row.ID, err)
	}
	j := rag.Job{ID: row.ID, State: stateOf(row), Task: a.task(), Attempts: row.Attempt, Created: row.CreatedAt}
	if row.AttemptedAt != nil {
		j.Started = *row.AttemptedAt
	}
	if row.FinalizedAt != nil {
		j.Finished = *row.FinalizedAt
	}
	if j.State == rag.Waiting {
		j.Next = row.ScheduledAt
	}
	var o output
	if noted := row.Output(); noted != nil {
		if err := json.Unmarshal(noted, &o); err != nil {
			return rag.Job{}, fmt.Errorf("job %d: %w", row.ID, err)
		}
	}
	j.Outcome = o.outcome(a.Source)
	for _, e := range row.Errors {
		j.Errors = append(j.Errors, rag.JobError{At: e.At, Reason: e.Error})
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.State == rag.Running {
		j.Step = q.steps[row.ID]
	}
	return j, nil
}

func stateOf(row *rivertype.JobRow) rag.JobState {
	switch row.State {
	case rivertype.JobStateRunning:
		return rag.Running
	case rivertype.JobStateCompleted:
		return rag.Done
	case rivertype.JobStateDiscarded:
		return rag.Dead
	case rivertype.JobStateCancelled:
		return rag.Cancelled
	case rivertype.JobStateRetryable, rivertype.JobStateScheduled:
		return rag.Waiting
	case rivertype.JobStateAvailable, rivertype.JobStatePending:
	}
	if time.Until(row.ScheduledAt) > 0 {
		return rag.Waiting // a short pause
	}
	return rag.Queued
}

// riverStates are River's states of ours.
func riverStates(states []rag.JobState) []rivertype.JobState {
	var out []rivertype.JobState
	for _, s := range states {
		switch s {
		case rag.Queued:
			out = append(out, rivertype.JobStateAvailable, rivertype.JobStatePending)
		case rag.Running:
			out = append(out, rivertype.JobStateRunning)
		case rag.Waiting: // of the available ones those whose time has not come; see [Queue.Jobs]
			out = append(out, rivertype.JobStateRetryable, rivertype.JobStateScheduled, rivertype.JobStateAvailable)
		case rag.Done:
			out = append(out, rivertype.JobStateCompleted)
		case rag.Dead:
			out = append(out, rivertype.JobStateDiscarded)
		case rag.Cancelled:
			out = append(out, rivertype.JobStateCancelled)
		}
	}
	return out
}
