package rag

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"
)

// Digest identifies the document without saying what it is called.
func (k Key) Digest() string {
	sum := sha256.Sum256([]byte(k.Collection + "\x00" + k.Source))
	return hex.EncodeToString(sum[:16])
}

// Task is a document that is to be ingested. Its original has been stored.
type Task struct {
	Key
	Metadata
	Hash   string // of the original
	Bytes  int64  // of the original
	Text   bool   // its bytes are text
	Folder bool   // it came from the manuals folder
}

// JobState is how far a job has come.
type JobState string

// The states of a job.
const (
	Queued    JobState = "queued"
	Running   JobState = "running"
	Waiting   JobState = "waiting" // for something that is not there; it is tried again by itself
	Done      JobState = "done"
	Dead      JobState = "dead"      // it failed, and is tried again when somebody says so
	Cancelled JobState = "cancelled" // somebody said so
)

// JobStates lists all states.
func JobStates() []JobState { return []JobState{Queued, Running, Waiting, Done, Dead, Cancelled} }

// Final reports whether the job changes no more by itself.
func (s JobState) Final() bool { return s == Done || s == Dead || s == Cancelled }

// Stage is what is being done for a document.
type Stage string

// The stages, in their order.
const (
	StageReading   Stage = "reading"   // the doc-processor is at it
	StageCutting   Stage = "cutting"   // into passages
	StageEmbedding Stage = "embedding" // when there is a model for it
	StageStoring   Stage = "storing"   // in the index
)

// JobStep is how far a running job has come.
type JobStep struct {
	Stage       Stage
	Done, Total int // pages or passages of the stage; 0 where that is not known
}

// Job is the ingest of a document.
type Job struct {
	ID    int64
	State JobState
	Task
	Attempts int
	Created  time.Time
	Started  time.Time // of the last attempt; zero before
	Finished time.Time // zero before
	Next     time.Time // a waiting job's next attempt
	// Outcome is what came of it so far: of the last attempt for a waiting job.
	Outcome Outcome
	// Step is how far a running job has come, as far as this process knows.
	Step JobStep
	// Errors are the attempts that failed, the oldest first.
	Errors []JobError
}

// JobError is why an attempt failed.
type JobError struct {
	At     time.Time
	Reason string
}

// JobFilter narrows a list of jobs; its zero value lets all pass.
type JobFilter struct {
	States []JobState
	Key    Key   // both fields, or the collection only
	Before int64 // jobs with a smaller ID
	Limit  int   // 0 for all
}

// Queue keeps tasks until they are done, whatever ends the process. All methods
// may be called at the same time.
type Queue interface {
	// Add makes a job of a task. When the newest job of the document that is not
	// final is about the same task, it is that; older ones of the document that have
	// not begun are cancelled, and those that are dead or cancelled forgotten. It is fault.Busy when too many wait.
	Add(ctx context.Context, t Task) (Job, error)
	// Job returns a job. One that is not there is fault.NotFound.
	Job(ctx context.Context, id int64) (Job, error)
	// Jobs lists jobs, the newest first.
	Jobs(ctx context.Context, f JobFilter) ([]Job, error)
	// Count counts the jobs of each state.
	Count(ctx context.Context) (map[JobState]int, error)
	// Cancel stops a job; a final one is left as it is.
	Cancel(ctx context.Context, id int64) (Job, error)
	// Remove forgets a final job.
	Remove(ctx context.Context, id int64) error
	// Retry queues a dead or cancelled job again. Others are fault.Conflict.
	Retry(ctx context.Context, id int64) (Job, error)
	// Forget cancels all jobs of a document, or of a collection when the key has no
	// source, waits until none of them runs, and removes them with all that was
	// noted about them. It returns their number.
	Forget(ctx context.Context, k Key) (int, error)
	// Changed returns a channel that is closed when something about any job, or about
	// the ingest, changes in this process.
	Changed() <-chan struct{}
	// Ping fails when the storage does not answer.
	Ping(ctx context.Context) error
	// Scrub overwrites what was removed, as far as the storage can; it says in words
	// what it could not.
	Scrub(ctx context.Context) (string, error)
}

// Worker does a job. What it reports is shown to those who watch. An error of the
// kinds Unavailable and Busy lets the job wait; others end it.
type Worker func(ctx context.Context, j Job, report func(JobStep)) (Outcome, error)

// Originals keeps the files that documents were read from, by the SHA-256 of their
// content. All methods may be called at the same time.
type Originals interface {
	// Put stores what r holds, at most most bytes of it. Errors of r are returned as
	// they are; too many bytes are fault.TooLarge.
	Put(ctx context.Context, r io.Reader, most int64) (hash string, size int64, err error)
	// Get returns a file that was checked against its hash. One that is missing or
	// damaged is fault.NotFound.
	Get(ctx context.Context, hash string) ([]byte, error)
	// Exists reports whether there is a file.
	Exists(ctx context.Context, hash string) (bool, error)
	// Delete removes a file; it reports whether there was one.
	Delete(ctx context.Context, hash string) (bool, error)
	// Older lists the files that were stored before a time.
	Older(ctx context.Context, than time.Time) ([]string, error)
	// Remember notes that a file of the manuals folder was deleted here, so that it
	// does not come back until it changes. Neither its name nor its words are kept.
	Remember(ctx context.Context, k Key, hash string) error
	// Remembered returns the hash that was noted, or "".
	Remembered(ctx context.Context, k Key) (string, error)
	// Forget drops the note.
	Forget(ctx context.Context, k Key) error
	// Ping fails when the storage does not answer.
	Ping(ctx context.Context) error
}

// Jobs lists jobs, the newest first.
func (s *Service) Jobs(ctx context.Context, f JobFilter) ([]Job, error) { return s.queue.Jobs(ctx, f) }

// CountJobs counts the jobs of each state.
func (s *Service) CountJobs(ctx context.Context) (map[JobState]int, error) { return s.queue.Count(ctx) }

// Job returns a job.
func (s *Service) Job(ctx context.Context, id int64) (Job, error) { return s.queue.Job(ctx, id) }

// JobsChanged returns a channel that is closed when something about a job changes.
func (s *Service) JobsChanged() <-chan struct{} { return s.queue.Changed() }

// stopping is how long CancelJob waits for a job to stop.
const stopping = 10 * time.Second

// CancelJob cancels a job and waits until it has stopped, if it does so soon. A job
// that is final already is forgotten.
func (s *Service) CancelJob(ctx context.Context, id int64) (Job, error) {
	j, err := s.queue.Job(ctx, id)
	if err == nil && j.State.Final() {
		defer s.tidy()
		return j, s.queue.Remove(ctx, id)
	}
	j, err = s.queue.Cancel(ctx, id)
	for deadline := time.Now().Add(stopping); err == nil && !j.State.Final() && time.Now().Before(deadline); {
		if err = s.change(ctx); err == nil {
			j, err = s.queue.Job(ctx, id)
		}
	}
	return j, err
}

// RetryJob queues a dead or cancelled job again.
func (s *Service) RetryJob(ctx context.Context, id int64) (Job, error) {
	defer s.progress.begin(s.unfinished(ctx), 0)()
	return s.queue.Retry(ctx, id)
}

// RetryDeadJobs queues all dead jobs again, or those of a collection, and returns
// their number.
func (s *Service) RetryDeadJobs(ctx context.Context, collection string) (int, error) {
	if collection != "" {
		if err := s.CheckCollection(ctx, collection); err != nil {
			return 0, err
		}
	}
	dead, err := s.queue.Jobs(ctx, JobFilter{Key: Key{Collection: collection}, States: []JobState{Dead}})
	if err != nil {
		return 0, err
	}
	defer s.progress.begin(s.unfinished(ctx), 0)()
	for i, j := range dead {
		if _, err := s.queue.Retry(ctx, j.ID); err != nil {
			return i, err
		}
	}
	return len(dead), nil
}
