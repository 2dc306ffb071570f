package job

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/jobfolder"
	"signpost.internal/pkg/problem"
	"signpost.internal/services/doc-processor/internal/document"
)

// Options are what a [Manager] is made of.
type Options struct {
	Dir       string // of the jobs
	Documents reader
	// ResultTTL is how long a finished job is kept; 0 for until it is deleted.
	ResultTTL time.Duration
	Logger    *slog.Logger
	// Ended is called when a job is finished; nil calls nothing.
	Ended func(context.Context, Job)
	// Webhook tells of the ends of jobs; nil where nobody may be told.
	Webhook Webhook
}

// Manager keeps the jobs. It is safe for use by many goroutines.
type Manager struct {
	o    Options
	lock *os.File
	stop context.CancelCauseFunc
	ctx  context.Context
	work sync.WaitGroup

	mu   sync.Mutex
	jobs map[string]*running
}

// running is a job of this run of the program.
type running struct {
	job     Job
	reading *document.Reading // nil when it was finished before this run
	cancel  context.CancelCauseFunc
	ended   chan struct{} // closed when nothing works on it any more
}

// errStopped and errDeleted are why a reading is cut short.
var (
	errStopped = errors.New("the service stops")
	errDeleted = errors.New("the job was deleted")
)

// Open takes up the jobs of the folder where an earlier run left them.
func Open(ctx context.Context, o Options) (*Manager, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of jobs: %w", err)
	}
	held, err := jobfolder.Lock(o.Dir, "doc-processor")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	m := &Manager{o: o, lock: held, ctx: ctx, stop: stop, jobs: map[string]*running{}}
	if err := m.recover(); err != nil {
		m.Close()
		return nil, err
	}
	m.work.Go(m.expire)
	return m, nil
}

// Close stops the readings, which the next run takes up again, and waits for
// their end.
func (m *Manager) Close() {
	m.stop(errStopped)
	m.work.Wait()
	_ = m.lock.Close()
}

// recover finds the jobs of the folder and goes on with those that have no end.
func (m *Manager) recover() error {
	if err := jobfolder.Clear(m.o.Dir); err != nil {
		return err
	}
	records, err := filepath.Glob(filepath.Join(m.o.Dir, "*", recordName))
	if err != nil {
		return err
	}
	var open []Job
	for _, path := range records {
		var j Job
		if err := jobfolder.Load(path, &j); err != nil {
			return fmt.Errorf("the record of a job cannot be read; mend or remove its folder: %w", err)
		}
		if j.ID != filepath.Base(filepath.Dir(path)) {
			return fmt.Errorf("the record of a job is in the folder of another: %s", path)
		}
		if !j.State.Finished() {
			open = append(open, j)
			continue
		}
		m.jobs[j.ID] = &running{job: j, ended: closed()}
		m.tell(m.jobs[j.ID])
	}
	slices.SortFunc(open, func(a, b Job) int { return a.Created.Compare(b.Created) })
	for _, j := range open {
		m.begin(j, m.o.Documents.AdmitAgain())
	}
	if len(open) > 0 {
		m.o.Logger.InfoContext(m.ctx, "jobs of an earlier run go on", "jobs", len(open))
	}
	return nil
}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// Draft is a job whose file is being received. Write the file, then Submit it or
// Discard it.
type Draft struct {
	manager *Manager
	reading *document.Reading
	dir     string
	file    *os.File
	digest  hash.Hash
	bytes   int64
}

// Create makes room for a job. When the queue is full it fails with Busy, before
// anything was received.
func (m *Manager) Create() (*Draft, error) {
	reading, err := m.o.Documents.Admit()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(m.o.Dir, jobfolder.Arriving)
	if err != nil {
		reading.End()
		return nil, jobfolder.Storage(err)
	}
	file, err := os.OpenFile(filepath.Join(dir, fileName), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		reading.End()
		return nil, errors.Join(jobfolder.Storage(err), os.RemoveAll(dir))
	}
	return &Draft{manager: m, reading: reading, dir: dir, file: file, digest: sha256.New()}, nil
}

// Write appends to the file.
func (d *Draft) Write(data []byte) (int, error) {
	n, err := d.file.Write(data)
	d.digest.Write(data[:n])
	d.bytes += int64(n)
	if err != nil {
		return n, jobfolder.Storage(err)
	}
	return n, nil
}

// Discard forgets a job that was not submitted; after Submit it does nothing.
func (d *Draft) Discard() {
	if d.dir == "" {
		return
	}
	d.reading.End()
	_ = d.file.Close()
	_ = os.RemoveAll(d.dir) // else at the next start
	d.dir = ""
}

// Submit stores the job and begins it: what it returned survives the end of the
// program. A file that is of no kind that is read fails as [document.KindOf] says.
func (d *Draft) Submit(o Order) (Job, error) {
	j := Job{
		ID: rand.Text(), Name: o.Name, Understand: o.Understand, Cloud: o.Cloud, Webhook: o.Webhook, SHA256: hex.EncodeToString(d.digest.Sum(nil)), Bytes: d.bytes,
		State: Queued, Created: time.Now().UTC(),
	}
	if err := d.manager.checkWebhook(o.Webhook); err != nil {
		return Job{}, err
	}
	if err := errors.Join(d.file.Sync(), d.file.Close()); err != nil {
		return Job{}, jobfolder.Storage(err)
	}
	if _, err := document.KindOf(d.file.Name(), o.Name); err != nil {
		return Job{}, err
	}
	if o.Password != "" {
		if err := jobfolder.Save(filepath.Join(d.dir, passwordName), o.Password); err != nil {
			return Job{}, jobfolder.Storage(err)
		}
	}
	if err := jobfolder.Save(filepath.Join(d.dir, recordName), j); err != nil {
		return Job{}, jobfolder.Storage(err)
	}
	m := d.manager
	if err := os.Rename(d.dir, m.dir(j.ID)); err != nil {
		return Job{}, jobfolder.Storage(err)
	}
	d.dir = ""
	if err := jobfolder.SyncDir(m.o.Dir); err != nil {
		d.reading.End()
		return Job{}, errors.Join(jobfolder.Storage(err), os.RemoveAll(m.dir(j.ID)))
	}
	m.begin(j, d.reading)
	return j, nil
}

func (m *Manager) checkWebhook(address string) error {
	switch {
	case address == "":
		return nil
	case m.o.Webhook == nil:
		return &fault.Error{Kind: fault.Invalid, Detail: "No message can be sent to this address.", Fields: []fault.Field{{Name: "webhook", Detail: "nobody may be told of a job's end here: WEBHOOK_HOSTS lists no address"}}}
	}
	return m.o.Webhook.Check(address)
}

func (m *Manager) dir(id string) string { return filepath.Join(m.o.Dir, id) }

// begin starts the reading of a stored job.
func (m *Manager) begin(j Job, reading *document.Reading) {
	ctx, cancel := context.WithCancelCause(m.ctx)
	r := &running{job: j, reading: reading, cancel: cancel, ended: make(chan struct{})}
	m.mu.Lock()
	m.jobs[j.ID] = r
	m.mu.Unlock()
	m.work.Go(func() {
		defer reading.End() // last: it wakes those who follow
		defer close(r.ended)
		defer cancel(nil)
		m.run(ctx, r)
	})
}

// run reads the document of a job.
func (m *Manager) run(ctx context.Context, r *running) {
	if ctx.Err() != nil {
		return
	}
	j := r.job
	if j.Starts >= maxStarts {
		m.finish(ctx, r, j, fault.Newf(fault.Invalid, "The service was lost %d times while it read this document, so it is not tried again. The file may be made to exhaust its reader.", maxStarts))
		return
	}
	j.State, j.Starts = Running, j.Starts+1
	if err := m.update(r, j); err != nil {
		m.finish(ctx, r, j, err)
		return
	}
	start := time.Now()
	file := document.File{Path: filepath.Join(m.dir(j.ID), fileName), Name: j.Name, Cloud: j.Cloud}
	if err := jobfolder.Load(filepath.Join(m.dir(j.ID), passwordName), &file.Password); err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.finish(ctx, r, j, jobfolder.Storage(err))
		return
	}
	result, err := r.reading.ReadFile(ctx, file)
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, errStopped) {
			j.State, j.Starts = Queued, j.Starts-1
			if err := m.update(r, j); err != nil {
				m.o.Logger.WarnContext(ctx, "a job could not be noted as stopped", "job", j.ID, "error", err)
			}
		}
		return
	}
	j.Took = time.Since(start)
	if err == nil {
		if err = jobfolder.Save(filepath.Join(m.dir(j.ID), resultName), result); err != nil {
			err = jobfolder.Storage(err)
		}
	}
	m.finish(ctx, r, j, err)
}

// finish notes the end of a job, with what went wrong.
func (m *Manager) finish(ctx context.Context, r *running, j Job, failure error) {
	j.State, j.Finished = Done, time.Now().UTC()
	if failure != nil {
		doc := problem.Of(failure)
		j.State, j.Problem = Failed, &doc
	}
	if err := os.Remove(filepath.Join(m.dir(j.ID), passwordName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.o.Logger.WarnContext(ctx, "the password of a job could not be removed", "job", j.ID, "error", err)
	}
	if err := m.update(r, j); err != nil {
		// It is told to whoever asks; the next run tries it again.
		m.o.Logger.ErrorContext(ctx, "the end of a job could not be stored", "job", j.ID, "error", err)
	}
	m.o.Logger.InfoContext(ctx, "a job ended", "job", j.ID, "state", string(j.State), "duration_ms", j.Took.Milliseconds())
	if m.o.Ended != nil {
		m.o.Ended(ctx, j)
	}
	m.tell(r)
}

// tell has the job's webhook told that it is finished, in the background: a run
// of the program that ends before it is told leaves it to the next.
func (m *Manager) tell(r *running) {
	j := m.snapshot(r)
	if j.Webhook == "" || j.Told != "" || m.o.Webhook == nil {
		return
	}
	m.work.Go(func() {
		err := m.o.Webhook.Send(m.ctx, j.Webhook, j.ID, string(j.State))
		if m.ctx.Err() != nil {
			return
		}
		j.Told = Delivered
		if err != nil {
			j.Told = Undelivered
			m.o.Logger.WarnContext(m.ctx, "a webhook could not be told of a job's end", "job", j.ID, "error", err)
		}
		if _, gone := m.find(j.ID); gone != nil {
			return // the job was deleted meanwhile
		}
		if err := m.update(r, j); err != nil {
			m.o.Logger.WarnContext(m.ctx, "it could not be stored that a webhook was told", "job", j.ID, "error", err)
		}
	})
}

// update notes the job in memory in any case, and on disk.
func (m *Manager) update(r *running, j Job) error {
	m.mu.Lock()
	r.job = j
	m.mu.Unlock()
	if err := jobfolder.Save(filepath.Join(m.dir(j.ID), recordName), j); err != nil {
		return jobfolder.Storage(err)
	}
	return nil
}

func (m *Manager) find(id string) (*running, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.jobs[id]; r != nil {
		return r, nil
	}
	return nil, fault.New(fault.NotFound, "There is no such job. It may have been deleted, or its time (RESULT_TTL) was over.")
}

// Get returns a job.
func (m *Manager) Get(id string) (Job, error) {
	r, err := m.find(id)
	if err != nil {
		return Job{}, err
	}
	return m.snapshot(r), nil
}

func (m *Manager) snapshot(r *running) Job {
	m.mu.Lock()
	defer m.mu.Unlock()
	return r.job
}

// Progress says how far a job is, with the pages that were settled after the
// first known ones. The channel is closed when there is more to tell; it is nil
// when there will be no more.
func (m *Manager) Progress(id string, known int) (Job, document.Progress, <-chan struct{}, error) {
	r, err := m.find(id)
	if err != nil {
		return Job{}, document.Progress{}, nil, err
	}
	p, changed := document.Progress{Stage: document.Ended}, (<-chan struct{})(nil)
	if r.reading != nil {
		p, changed = r.reading.Progress(known)
	}
	select {
	case <-r.ended:
		changed = nil
	default:
	}
	return m.snapshot(r), p, changed, nil
}

// Result returns what was read. It fails with Conflict while the job is not
// finished, with NotFound when it failed: its Problem says why.
func (m *Manager) Result(id string) (Job, *document.Result, error) {
	r, err := m.find(id)
	if err != nil {
		return Job{}, nil, err
	}
	j := m.snapshot(r)
	switch j.State {
	case Done:
	case Failed:
		return j, nil, fault.New(fault.NotFound, "The document could not be read: "+j.Problem.Detail)
	default:
		f := fault.New(fault.Conflict, "The document is not read yet: ask again later, or follow the job's events.")
		f.RetryAfter = time.Second
		return j, nil, f
	}
	var result document.Result
	if err := jobfolder.Load(filepath.Join(m.dir(id), resultName), &result); err != nil {
		return j, nil, jobfolder.Storage(err)
	}
	return j, &result, nil
}

// File returns a job and the path of its file.
func (m *Manager) File(id string) (Job, string, error) {
	j, err := m.Get(id)
	return j, filepath.Join(m.dir(id), fileName), err
}

// Delete stops a job and removes all that there is of it. When it returns nothing
// works on it any more.
func (m *Manager) Delete(ctx context.Context, id string) (Receipt, error) {
	r, err := m.find(id)
	if err != nil {
		return Receipt{}, err
	}
	j := m.snapshot(r)
	if r.cancel != nil {
		r.cancel(errDeleted)
	}
	select {
	case <-r.ended:
	case <-ctx.Done():
		return Receipt{}, context.Cause(ctx)
	}
	receipt, err := remove(m.dir(id))
	if err != nil {
		return Receipt{}, err
	}
	m.mu.Lock()
	delete(m.jobs, id)
	m.mu.Unlock()
	receipt.ID, receipt.Stopped = id, !j.State.Finished()
	m.o.Logger.InfoContext(ctx, "a job was deleted", "job", id, "stopped", receipt.Stopped, "files", receipt.Files, "bytes", receipt.Bytes)
	return receipt, nil
}

// expire deletes finished jobs whose time is over.
func (m *Manager) expire() {
	if m.o.ResultTTL == 0 {
		return
	}
	every := time.NewTicker(min(m.o.ResultTTL, time.Minute))
	defer every.Stop()
	for {
		m.mu.Lock()
		var over []string
		for id, r := range m.jobs {
			if r.job.State.Finished() && time.Since(r.job.Finished) > m.o.ResultTTL {
				over = append(over, id)
			}
		}
		m.mu.Unlock()
		for _, id := range over {
			if _, err := m.Delete(m.ctx, id); err != nil && m.ctx.Err() == nil {
				m.o.Logger.WarnContext(m.ctx, "an old job could not be deleted", "job", id, "error", err)
			}
		}
		select {
		case <-every.C:
		case <-m.ctx.Done():
			return
		}
	}
}

var _ io.Writer = (*Draft)(nil)
