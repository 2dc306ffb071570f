package rag

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"signpost.internal/pkg/fault"
)

// Status says what became of a document.
type Status string

// What can become of a document.
const (
	Success   Status = "success"   // stored, in the place of an older one if there was one
	Unchanged Status = "unchanged" // it was there already; nothing was written
	Failed    Status = "failed"    // not stored; what was there before still is
	Skipped   Status = "skipped"   // not a document, or no longer wanted
)

// Outcome is what became of one document.
type Outcome struct {
	Source     string
	Status     Status
	Characters int // of text
	Chunks     int
	// Reason says why it failed or was skipped, or what is missing from a
	// document that was stored.
	Reason string
	err    error
}

// Err returns the failure of a document that failed.
func (o Outcome) Err() error { return o.err }

// FailedOutcome is the outcome of a document that failed with err.
func FailedOutcome(source string, err error) Outcome {
	return Outcome{Source: source, Status: Failed, Reason: fault.DetailOf(err), err: err}
}

// Text is a document that was sent as text.
type Text struct {
	Name, Text string
	Metadata
}

// Upload is what is said of a document that is sent.
type Upload struct {
	Key
	Metadata
	Text bool // its bytes are text
}

// Submission is what became of a document that was sent: a job, or an outcome
// where there was nothing to do.
type Submission struct {
	Job     *Job
	Outcome Outcome // when there is no job
}

// item is a document that waits to be ingested.
type item struct {
	Upload
	folder bool
	// open returns the document's bytes, each time anew.
	open func() (io.ReadCloser, error)
}

func inMemory(data []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}

// IngestTexts stores documents that were sent as text, and returns when that is
// done. The outcomes are in the order of the documents. It fails with Malformed
// for names that are not plain relative paths; nothing is stored then.
func (s *Service) IngestTexts(ctx context.Context, collection string, texts []Text) ([]Outcome, error) {
	items := make([]item, len(texts))
	for i, t := range texts {
		u := Upload{Key: Key{collection, t.Name}, Metadata: t.Metadata, Text: true}
		if err := s.check(ctx, u); err != nil {
			return nil, err
		}
		items[i] = item{Upload: u, open: inMemory([]byte(t.Text))}
	}
	return s.ingest(ctx, items)
}

// IngestFile stores a PDF or an image of which nothing is said, and returns when
// that is done.
func (s *Service) IngestFile(ctx context.Context, k Key, data []byte) (Outcome, error) {
	return s.Ingest(ctx, Upload{Key: k}, data)
}

// Ingest stores a document that is sent, and returns when that is done.
func (s *Service) Ingest(ctx context.Context, u Upload, data []byte) (Outcome, error) {
	if err := s.check(ctx, u); err != nil {
		return Outcome{}, err
	}
	outcomes, err := s.ingest(ctx, []item{{Upload: u, open: inMemory(data)}})
	if err != nil {
		return Outcome{}, err
	}
	return outcomes[0], outcomes[0].err
}

// Submit keeps a document that is sent and returns before it is read. It needs a
// queue.
func (s *Service) Submit(ctx context.Context, u Upload, r io.Reader) (Submission, error) {
	if err := s.check(ctx, u); err != nil {
		return Submission{}, err
	}
	defer s.progress.begin(s.unfinished(ctx), 1)()
	defer s.progress.submitted()
	s.keep.RLock()
	defer s.keep.RUnlock()
	hash, size, err := s.originals.Put(ctx, r, s.maxFile)
	if err != nil {
		return Submission{}, err
	}
	// Who sends it by hand wants it, whatever was deleted before.
	if err := s.originals.Forget(ctx, u.Key); err != nil {
		return Submission{}, err
	}
	return s.enqueue(ctx, Task{Key: u.Key, Metadata: u.Metadata, Hash: hash, Bytes: size, Text: u.Text})
}

// check fails for what cannot be said of a document.
func (s *Service) check(ctx context.Context, u Upload) error {
	if err := checkSource(u.Source); err != nil {
		return err
	}
	if err := CheckMetadata(u.Metadata); err != nil {
		return err
	}
	return s.CheckCollection(ctx, u.Collection)
}

// checkSource fails with Malformed for a name that could be another place than
// it says.
func checkSource(name string) error {
	switch {
	case !utf8.ValidString(name):
		return fault.New(fault.Malformed, "A file name is not valid UTF-8.")
	case len(name) > 1024:
		return fault.New(fault.Malformed, "A file name is longer than 1,024 bytes.")
	case strings.Contains(name, `\`), strings.ContainsFunc(name, unicode.IsControl), !fs.ValidPath(name), name == ".":
		return fault.New(fault.Malformed, `A file name must be a plain name, or a path like "folder/name.txt" without "..", backslashes or a slash in front.`)
	}
	return nil
}

// inFlight is how many documents are read at a time without a queue.
const inFlight = 2

// ingest stores the items and returns when that is done.
func (s *Service) ingest(ctx context.Context, items []item) ([]Outcome, error) {
	if s.queue != nil {
		return s.ingestQueued(ctx, items)
	}
	outcomes := make([]Outcome, len(items))
	slots := make(chan struct{}, inFlight)
	var wg sync.WaitGroup
	for i, it := range items {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			outcomes[i] = s.ingestNow(ctx, it)
		})
	}
	wg.Wait()
	return outcomes, ctx.Err()
}

// ingestNow stores an item without a queue.
func (s *Service) ingestNow(ctx context.Context, it item) Outcome {
	data, err := s.load(it)
	if err != nil {
		return FailedOutcome(it.Source, err)
	}
	sum := sha256.Sum256(data)
	t := Task{
		Key: it.Key, Metadata: it.Metadata, Hash: hex.EncodeToString(sum[:]), Bytes: int64(len(data)), Text: it.Text, Folder: it.folder,
	}
	o, err := s.store(ctx, t, func() ([]byte, error) { return data, nil }, func(JobStep) {})
	if err != nil {
		return FailedOutcome(it.Source, err)
	}
	return o
}

func (s *Service) load(it item) ([]byte, error) {
	r, err := it.open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // it was only read from
	if !it.folder {                  // it is in memory already
		return io.ReadAll(r)
	}
	data, err := io.ReadAll(io.LimitReader(r, s.maxFile+1))
	if err == nil && int64(len(data)) > s.maxFile {
		err = tooLarge(s.maxFile)
	}
	return data, err
}

func tooLarge(most int64) error {
	return fault.Newf(fault.TooLarge, "The file is larger than the %d MiB that are accepted.", most>>20)
}

// ingestQueued makes jobs of the items and waits for them.
func (s *Service) ingestQueued(ctx context.Context, items []item) ([]Outcome, error) {
	submissions, err := s.submit(ctx, items)
	if err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, len(items))
	for i, sub := range submissions {
		outcomes[i] = sub.Outcome
		if sub.Job == nil {
			continue
		}
		if outcomes[i], err = s.await(ctx, *sub.Job); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

// submit makes jobs of the items that are new. When the queue is full it waits
// for room.
func (s *Service) submit(ctx context.Context, items []item) ([]Submission, error) {
	defer s.progress.begin(s.unfinished(ctx), len(items))()
	submissions := make([]Submission, len(items))
	for i, it := range items {
		for {
			sub, err := s.submitOne(ctx, it)
			if err == nil {
				submissions[i] = sub
				break
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if fault.KindOf(err) != fault.Busy {
				s.logger.WarnContext(ctx, "document not taken", "fault", fault.KindOf(err).String(), "error", err)
				submissions[i] = Submission{Outcome: FailedOutcome(it.Source, err)}
				s.progress.finish(Failed)
				break
			}
			if err := s.change(ctx); err != nil {
				return nil, err
			}
		}
		s.progress.submitted()
	}
	return submissions, nil
}

// submitOne makes a job of an item that is new.
func (s *Service) submitOne(ctx context.Context, it item) (Submission, error) {
	s.keep.RLock()
	defer s.keep.RUnlock()
	if it.folder {
		sub, done, err := s.known(ctx, it)
		if err != nil || done {
			return sub, err
		}
	}
	r, err := it.open()
	if err != nil {
		return Submission{}, err
	}
	defer func() { _ = r.Close() }() // it was only read from
	hash, size, err := s.originals.Put(ctx, r, s.maxFile)
	if err != nil {
		return Submission{}, err
	}
	if !it.folder {
		if err := s.originals.Forget(ctx, it.Key); err != nil {
			return Submission{}, err
		}
	}
	return s.enqueue(ctx, Task{Key: it.Key, Metadata: it.Metadata, Hash: hash, Bytes: size, Text: it.Text, Folder: it.folder})
}

// known reports whether there is nothing to do for a file of the folder, without
// keeping a copy of it first.
func (s *Service) known(ctx context.Context, it item) (Submission, bool, error) {
	r, err := it.open()
	if err != nil {
		return Submission{}, false, err
	}
	defer func() { _ = r.Close() }() // it was only read from
	sum := sha256.New()
	size, err := io.Copy(sum, io.LimitReader(r, s.maxFile+1))
	if err != nil {
		return Submission{}, false, err
	}
	if size > s.maxFile {
		return Submission{}, false, tooLarge(s.maxFile)
	}
	hash := hex.EncodeToString(sum.Sum(nil))
	deleted, err := s.originals.Remembered(ctx, it.Key)
	if err != nil {
		return Submission{}, false, err
	}
	if deleted == hash {
		s.progress.finish(Skipped)
		return Submission{Outcome: Outcome{
			Source: it.Source, Status: Skipped,
			Reason: "It was deleted here, and the file has not changed since. Change it, or send it, and it is ingested again.",
		}}, true, nil
	}
	kept, err := s.originals.Exists(ctx, hash)
	if err != nil || !kept {
		return Submission{}, false, err
	}
	o, same, err := s.same(ctx, Task{Key: it.Key, Metadata: it.Metadata, Hash: hash, Folder: it.folder})
	if same {
		s.progress.finish(Unchanged)
	}
	return Submission{Outcome: o}, same, err
}

// enqueue makes a job of a task, if there is something to do. The caller holds
// s.keep.
func (s *Service) enqueue(ctx context.Context, t Task) (Submission, error) {
	o, same, err := s.same(ctx, t)
	if err != nil {
		return Submission{}, err
	}
	if same {
		s.progress.finish(Unchanged)
		return Submission{Outcome: o}, nil
	}
	j, err := s.queue.Add(ctx, t)
	return Submission{Job: &j}, err
}

// same reports whether the index holds a task's document already. What is said of
// it is brought up to date.
func (s *Service) same(ctx context.Context, t Task) (Outcome, bool, error) {
	before, there, err := s.index.State(ctx, t.Key)
	if err != nil {
		return Outcome{}, false, err
	}
	if !there || before.Hash != t.Hash || before.Version != Version || t.Folder && !before.Folder {
		return Outcome{}, false, nil
	}
	if now := before.with(t.Metadata); now != before.Metadata {
		if _, err := s.index.Describe(ctx, t.Key, now); err != nil {
			return Outcome{}, false, err
		}
	}
	return Outcome{Source: t.Source, Status: Unchanged, Characters: before.Characters, Chunks: before.Chunks}, true, nil
}

// lookAgain is how often a job is looked at that another process may do.
const lookAgain = 500 * time.Millisecond

// change waits until something about a job changes, or may have.
func (s *Service) change(ctx context.Context) error {
	select {
	case <-s.queue.Changed():
	case <-time.After(lookAgain):
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// await returns what came of a job. A document that waits for the reader longer
// than the service's patience has failed as far as the caller is concerned; its
// job goes on.
func (s *Service) await(ctx context.Context, j Job) (Outcome, error) {
	var waiting time.Time
	for {
		now, err := s.queue.Job(ctx, j.ID)
		if err != nil {
			return Outcome{}, err
		}
		switch now.State {
		case Done, Dead:
			return now.Outcome, nil
		case Cancelled:
			return FailedOutcome(j.Source, fault.New(fault.Conflict, "The ingest of this document was cancelled, or a newer edition was sent.")), nil
		case Waiting:
			if waiting.IsZero() {
				waiting = time.Now()
			}
			if cause := now.Outcome.err; cause != nil && time.Since(waiting) >= s.patience {
				return FailedOutcome(j.Source, fault.Wrap(fault.KindOf(cause), cause, fmt.Sprintf(
					"%s The document is kept as job %d and ingested as soon as that has passed.", now.Outcome.Reason, j.ID))), nil
			}
		case Queued, Running:
		}
		if err := s.change(ctx); err != nil {
			return Outcome{}, fmt.Errorf("waiting for the ingest of a document: %w", err)
		}
	}
}

// Work does a job; it is the [Worker] of the queue.
func (s *Service) Work(ctx context.Context, j Job, report func(JobStep)) (Outcome, error) {
	unlock, err := s.documents.lock(ctx, j.Digest())
	if err != nil {
		return Outcome{}, err
	}
	defer unlock()
	s.progress.current(j.Source)
	o, err := s.workOn(ctx, j, report)
	kind := fault.KindOf(err)
	switch {
	case err == nil:
		s.progress.finish(o.Status)
		s.logger.InfoContext(ctx, "document ingested", "job", j.ID, "status", string(o.Status), "chunks", o.Chunks)
		if s.Filling().State != FillWaiting { // documents do not bring a model back
			s.wake()
		}
		s.tidy()
	case ctx.Err() != nil:
	case kind == fault.Unavailable || kind == fault.Busy:
		s.logger.InfoContext(ctx, "document waits", "job", j.ID, "fault", kind.String(), "error", err)
	default:
		s.progress.finish(Failed)
		s.logger.WarnContext(ctx, "document not ingested", "job", j.ID, "fault", kind.String(), "error", err)
	}
	return o, err
}

func (s *Service) workOn(ctx context.Context, j Job, report func(JobStep)) (Outcome, error) {
	newest, err := s.queue.Jobs(ctx, JobFilter{Key: j.Key, Limit: 1})
	if err != nil {
		return Outcome{}, err
	}
	if len(newest) > 0 && newest[0].ID > j.ID && newest[0].State != Cancelled {
		return Outcome{Source: j.Source, Status: Skipped, Reason: "A newer edition was sent meanwhile."}, nil
	}
	return s.store(ctx, j.Task, func() ([]byte, error) { return s.originals.Get(ctx, j.Hash) }, report)
}

// Preview returns the beginning of a document's text, at most n characters.
func (s *Service) Preview(ctx context.Context, k Key, n int) (string, error) {
	hits, err := s.index.Around(ctx, k, 0, 200)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, h := range hits {
		if text.Len() > 4*n {
			break
		}
		text.WriteString(h.Chunk.Text)
		text.WriteByte('\n')
	}
	runes := []rune(strings.TrimSpace(text.String()))
	return string(runes[:min(n, len(runes))]), nil
}

// keyed is a lock for each of many things.
type keyed struct {
	mu    sync.Mutex
	locks map[string]*held
}

type held struct {
	token chan struct{}
	users int
}

// lock locks one of them until the returned function is called.
func (k *keyed) lock(ctx context.Context, name string) (unlock func(), err error) {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = map[string]*held{}
	}
	h := k.locks[name]
	if h == nil {
		h = &held{token: make(chan struct{}, 1)}
		k.locks[name] = h
	}
	h.users++
	k.mu.Unlock()
	leave := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if h.users--; h.users == 0 {
			delete(k.locks, name)
		}
	}
	select {
	case h.token <- struct{}{}:
		return func() { <-h.token; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
