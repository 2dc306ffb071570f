package batch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/jobfolder"
	"signpost.internal/pkg/problem"
	"signpost.internal/services/notes-service/internal/review"
)

// Options are what a [Manager] is made of.
type Options struct {
	Dir string // of the batches
	// Make writes the letter of an item; key is the name of the key that sent it.
	Make func(ctx context.Context, item Item, key string) (*Result, error)
	// Parallel is how many letters are written at a time, of all batches together.
	Parallel int
	// ResultTTL is how long a finished batch is kept; 0 for until it is deleted.
	ResultTTL time.Duration
	Logger    *slog.Logger
}

// Manager keeps the batches. It is safe for use by many goroutines.
type Manager struct {
	o     Options
	lock  *os.File
	ctx   context.Context
	stop  context.CancelCauseFunc
	work  sync.WaitGroup
	turns chan struct{} // one for each letter that is written

	mu   sync.Mutex
	jobs map[string]*job
	open int // batches that are not finished, or are being received
}

// job is a batch in this run of the program. The fields below mu are the manager's
// to guard.
type job struct {
	cancel context.CancelCauseFunc // nil when it was finished before this run
	ended  chan struct{}           // closed when nothing works on it any more

	record record
	states []State // of the items, the first at 0
}

// Why a batch is cut short.
var (
	errStopped  = errors.New("the service stops")
	errCanceled = errors.New("the batch was cancelled")
	errDeleted  = errors.New("the batch was deleted")
)

const recordName = "job.json"

func (m *Manager) dir(id string) string { return filepath.Join(m.o.Dir, id) }

// file is the name of an item's file; items are counted from 1.
func (m *Manager) file(id string, item int, kind string) string {
	return filepath.Join(m.dir(id), fmt.Sprintf("%04d.%s", item, kind))
}

// The kinds of an item's files.
const (
	itemFile   = "item.json"
	resultFile = "result.json"
	startsFile = "starts"
)

// Open takes up the batches of the folder where an earlier run left them.
func Open(ctx context.Context, o Options) (*Manager, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of batches: %w", err)
	}
	held, err := jobfolder.Lock(o.Dir, "notes-service")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	m := &Manager{o: o, lock: held, ctx: ctx, stop: stop, jobs: map[string]*job{}, turns: make(chan struct{}, o.Parallel)}
	if err := m.recover(); err != nil {
		m.Close()
		return nil, err
	}
	m.work.Go(m.expire)
	return m, nil
}

// Close stops the writing, which the next run takes up again, and waits for its
// end.
func (m *Manager) Close() {
	m.stop(errStopped)
	m.work.Wait()
	_ = m.lock.Close()
}

// recover finds the batches of the folder and goes on with those that have no end.
func (m *Manager) recover() error {
	if err := jobfolder.Clear(m.o.Dir); err != nil {
		return err
	}
	paths, err := filepath.Glob(filepath.Join(m.o.Dir, "*", recordName))
	if err != nil {
		return err
	}
	var unfinished []*job
	for _, path := range paths {
		j := &job{ended: make(chan struct{})}
		if err := jobfolder.Load(path, &j.record); err != nil {
			return fmt.Errorf("the record of a batch cannot be read; mend or remove its folder: %w", err)
		}
		if j.record.ID != filepath.Base(filepath.Dir(path)) {
			return fmt.Errorf("the record of a batch is in the folder of another: %s", path)
		}
		if err := m.states(j); err != nil {
			return err
		}
		m.jobs[j.record.ID] = j
		if j.record.State.Finished() {
			close(j.ended)
			continue
		}
		unfinished = append(unfinished, j)
	}
	slices.SortFunc(unfinished, func(a, b *job) int { return a.record.Created.Compare(b.record.Created) })
	for _, j := range unfinished {
		m.open++
		m.begin(j)
	}
	if len(unfinished) > 0 {
		m.o.Logger.InfoContext(m.ctx, "batches of an earlier run go on", "batches", len(unfinished))
	}
	return nil
}

// states finds out which items have a result.
func (m *Manager) states(j *job) error {
	j.states = make([]State, j.record.Items)
	for i := range j.states {
		j.states[i] = Queued
		if slices.Contains(j.record.Deleted, i+1) {
			j.states[i] = Deleted
			continue
		}
		var r Result
		err := jobfolder.Load(m.file(j.record.ID, i+1, resultFile), &r)
		switch {
		case err == nil:
			j.states[i] = r.State
		case errors.Is(err, fs.ErrNotExist):
		default:
			return fmt.Errorf("the result of a batch cannot be read; mend or remove its folder: %w", err)
		}
	}
	return nil
}

// Submit stores a batch and begins it: what it returned survives the end of the
// program. It fails with Busy when too many are not finished.
func (m *Manager) Submit(items []Item, key string) (Job, error) {
	m.mu.Lock()
	if m.open >= maxOpen {
		m.mu.Unlock()
		busy := fault.Newf(fault.Busy, "%d batches are not finished yet: send this one when one is.", maxOpen)
		busy.RetryAfter = 30 * time.Second
		return Job{}, busy
	}
	m.open++
	m.mu.Unlock()
	j, err := m.store(items, key)
	if err != nil {
		m.mu.Lock()
		m.open--
		m.mu.Unlock()
		return Job{}, err
	}
	m.mu.Lock()
	m.jobs[j.record.ID] = j
	m.mu.Unlock()
	m.begin(j)
	return m.snapshot(j), nil
}

// store writes a batch's folder, which is there whole or not at all.
func (m *Manager) store(items []Item, key string) (_ *job, err error) {
	j := &job{ended: make(chan struct{}), states: slices.Repeat([]State{Queued}, len(items))}
	j.record = record{ID: rand.Text(), Key: key, Items: len(items), State: Queued, Created: time.Now().UTC()}
	dir, err := os.MkdirTemp(m.o.Dir, jobfolder.Arriving)
	if err != nil {
		return nil, jobfolder.Storage(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	for i, item := range items {
		item.Draft = rand.Text()
		// The folder's names are made to last once, with the record.
		if err := jobfolder.Write(filepath.Join(dir, fmt.Sprintf("%04d.%s", i+1, itemFile)), item); err != nil {
			return nil, jobfolder.Storage(err)
		}
	}
	if err := jobfolder.Save(filepath.Join(dir, recordName), j.record); err != nil {
		return nil, jobfolder.Storage(err)
	}
	if err := os.Rename(dir, m.dir(j.record.ID)); err != nil {
		return nil, jobfolder.Storage(err)
	}
	dir = m.dir(j.record.ID)
	if err := jobfolder.SyncDir(m.o.Dir); err != nil {
		return nil, jobfolder.Storage(err)
	}
	return j, nil
}

// begin starts the work on a stored batch.
func (m *Manager) begin(j *job) {
	ctx, cancel := context.WithCancelCause(m.ctx)
	m.mu.Lock()
	j.cancel = cancel
	m.mu.Unlock()
	m.work.Go(func() {
		defer cancel(nil)
		m.run(ctx, j)
		m.mu.Lock()
		m.open--
		m.mu.Unlock()
		close(j.ended)
	})
}

// run writes the letters of a batch that have none yet.
func (m *Manager) run(ctx context.Context, j *job) {
	start := time.Now()
	var letters sync.WaitGroup
	for i := range j.record.Items {
		if m.state(j, i) != Queued {
			continue
		}
		if !m.turn(ctx) {
			break
		}
		letters.Go(func() {
			defer func() { <-m.turns }()
			m.letter(ctx, j, i)
		})
	}
	letters.Wait()
	cause := context.Cause(ctx)
	if errors.Is(cause, errStopped) || errors.Is(cause, errDeleted) {
		return
	}
	end := Done
	if errors.Is(cause, errCanceled) {
		end = Canceled
	}
	m.mu.Lock()
	j.record.State, j.record.Finished = end, time.Now().UTC()
	r := j.record
	m.mu.Unlock()
	if err := jobfolder.Save(filepath.Join(m.dir(r.ID), recordName), r); err != nil {
		// It is told to whoever asks; the next run finds that nothing is left to do.
		m.o.Logger.ErrorContext(ctx, "the end of a batch could not be stored", "batch", r.ID, "error", err)
	}
	counts := m.snapshot(j).Counts
	m.o.Logger.InfoContext(ctx, "a batch ended", "batch", r.ID, "state", string(end), "items", r.Items,
		"done", counts[Done], "failed", counts[Failed], "duration_ms", time.Since(start).Milliseconds())
}

// turn waits until a letter may be written; false says that none may any more.
func (m *Manager) turn(ctx context.Context) bool {
	select {
	case m.turns <- struct{}{}:
		if ctx.Err() == nil {
			return true
		}
		<-m.turns
	case <-ctx.Done():
	}
	return false
}

func (m *Manager) state(j *job, i int) State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return j.states[i]
}

// letter writes one letter and stores what became of it.
func (m *Manager) letter(ctx context.Context, j *job, i int) {
	m.mu.Lock()
	if j.states[i] != Queued {
		m.mu.Unlock()
		return
	}
	j.states[i], j.record.State = Running, Running
	id, key := j.record.ID, j.record.Key
	m.mu.Unlock()
	settle := func(s State) {
		m.mu.Lock()
		j.states[i] = s
		m.mu.Unlock()
	}
	result, err := m.make(ctx, id, i+1, key)
	if err != nil && ctx.Err() != nil {
		settle(Queued) // it was cut short, and has no result
		return
	}
	if err != nil {
		doc := problem.Of(err)
		result = &Result{State: Failed, Problem: &doc}
	}
	if err := jobfolder.Save(m.file(id, i+1, resultFile), result); err != nil {
		m.o.Logger.ErrorContext(ctx, "a letter of a batch could not be stored", "batch", id, "item", i+1, "error", err)
		settle(Failed) // in this run; the next tries it again
		return
	}
	settle(result.State)
}

// make has the letter of an item written, again when the model was busy.
func (m *Manager) make(ctx context.Context, id string, number int, key string) (*Result, error) {
	var item Item
	if err := jobfolder.Load(m.file(id, number, itemFile), &item); err != nil {
		return nil, jobfolder.Storage(err)
	}
	if item.Refused != nil {
		return &Result{State: Failed, Problem: item.Refused}, nil
	}
	starts := m.file(id, number, startsFile)
	text, _ := os.ReadFile(starts) // none at the first start
	begun, _ := strconv.Atoi(string(text))
	if begun >= maxStarts {
		return nil, fault.Newf(fault.Invalid, "The service was lost %d times while it wrote this letter, so it is not tried again.", maxStarts)
	}
	if err := os.WriteFile(starts, []byte(strconv.Itoa(begun+1)), 0o600); err != nil {
		return nil, jobfolder.Storage(err)
	}
	defer func() { _ = os.Remove(starts) }() // it ended, or was stopped in good order
	for try := 1; ; try++ {
		result, err := m.guarded(ctx, item, key)
		var known *fault.Error
		if fault.KindOf(err) != fault.Busy || try == maxTries || !errors.As(err, &known) {
			return result, err
		}
		select {
		case <-time.After(min(max(known.RetryAfter, time.Second), 30*time.Second)):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// guarded turns a panic into an error: one poisonous note costs one letter.
func (m *Manager) guarded(ctx context.Context, item Item, key string) (r *Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			m.o.Logger.ErrorContext(ctx, "a letter of a batch panicked", "stack", string(debug.Stack()))
			r, err = nil, fault.New(fault.Internal, "")
		}
	}()
	return m.o.Make(ctx, item, key)
}

func (m *Manager) find(id string) (*job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if j := m.jobs[id]; j != nil {
		return j, nil
	}
	return nil, fault.New(fault.NotFound, "There is no such batch. It may have been deleted, or its time (RESULT_TTL) was over.")
}

func (m *Manager) snapshot(j *job) Job {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := j.record
	out := Job{ID: r.ID, State: r.State, Created: r.Created, Finished: r.Finished, Items: r.Items, Counts: map[State]int{}}
	for _, s := range j.states {
		out.Counts[s]++
	}
	return out
}

// Get returns a batch.
func (m *Manager) Get(id string) (Job, error) {
	j, err := m.find(id)
	if err != nil {
		return Job{}, err
	}
	return m.snapshot(j), nil
}

// Result returns what became of an item, counted from 1, and the caller's name for
// it. An item that is not finished has its state alone. It fails with NotFound.
func (m *Manager) Result(id string, number int) (ref string, _ *Result, err error) {
	j, err := m.find(id)
	if err != nil {
		return "", nil, err
	}
	if number < 1 || number > j.record.Items {
		return "", nil, fault.Newf(fault.NotFound, "The batch has items 1 to %d.", j.record.Items)
	}
	state := m.state(j, number-1)
	if state == Deleted {
		return "", &Result{State: Deleted}, nil
	}
	var item Item
	if err := jobfolder.Load(m.file(id, number, itemFile), &item); err != nil {
		return "", nil, jobfolder.Storage(err)
	}
	if !state.Finished() {
		return item.Ref, &Result{State: state}, nil
	}
	var r Result
	if err := jobfolder.Load(m.file(id, number, resultFile), &r); err != nil {
		return item.Ref, nil, jobfolder.Storage(err)
	}
	return item.Ref, &r, nil
}

// Cancel stops a batch and keeps what is done of it. When it returns nothing works
// on it any more. It fails with Conflict for one that is finished.
func (m *Manager) Cancel(ctx context.Context, id string) (Job, error) {
	j, err := m.find(id)
	if err != nil {
		return Job{}, err
	}
	if m.snapshot(j).State.Finished() {
		return Job{}, fault.New(fault.Conflict, "The batch is finished already.")
	}
	err = m.end(ctx, j, errCanceled)
	return m.snapshot(j), err
}

// end stops the work on a batch and waits for its end.
func (m *Manager) end(ctx context.Context, j *job, why error) error {
	m.mu.Lock()
	cancel := j.cancel
	m.mu.Unlock()
	if cancel != nil {
		cancel(why)
	}
	select {
	case <-j.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Delete stops a batch and removes all that there is of it.
func (m *Manager) Delete(ctx context.Context, id string) (Receipt, error) {
	j, err := m.find(id)
	if err != nil {
		return Receipt{}, err
	}
	before := m.snapshot(j)
	if err := m.end(ctx, j, errDeleted); err != nil {
		return Receipt{}, err
	}
	r, err := jobfolder.Remove(m.dir(id))
	if err != nil {
		return Receipt{}, err
	}
	m.mu.Lock()
	delete(m.jobs, id)
	m.mu.Unlock()
	receipt := Receipt{ID: id, Stopped: !before.State.Finished(), Files: r.Files, Bytes: r.Bytes, Left: r.Left}
	m.o.Logger.InfoContext(ctx, "a batch was deleted", "batch", id, "stopped", receipt.Stopped, "files", r.Files, "bytes", r.Bytes)
	return receipt, nil
}

// DeleteClient removes a client's items, with their results, from all batches. It
// fails with Conflict, before anything was removed, while a batch that has some is
// not finished.
func (m *Manager) DeleteClient(client string) (ClientReceipt, error) {
	found, err := m.ofClient(client)
	if err != nil {
		return ClientReceipt{}, err
	}
	for j := range found {
		if !m.snapshot(j).State.Finished() {
			return ClientReceipt{}, fault.Newf(fault.Conflict, "Batch %s has notes of this client and is not finished: cancel it, or ask again when it is.", j.record.ID)
		}
	}
	var receipt ClientReceipt
	for j, numbers := range found {
		for _, number := range numbers {
			for _, kind := range []string{itemFile, resultFile, startsFile} {
				switch err := os.Remove(m.file(j.record.ID, number, kind)); {
				case err == nil:
					receipt.Files++
				case !errors.Is(err, fs.ErrNotExist):
					return receipt, jobfolder.Storage(err)
				}
			}
			receipt.Items++
		}
		m.mu.Lock()
		j.record.Deleted = append(j.record.Deleted, numbers...)
		for _, number := range numbers {
			j.states[number-1] = Deleted
		}
		r := j.record
		m.mu.Unlock()
		if err := jobfolder.Save(filepath.Join(m.dir(r.ID), recordName), r); err != nil {
			return receipt, jobfolder.Storage(err)
		}
	}
	left, err := m.ofClient(client)
	for _, numbers := range left {
		receipt.Remaining += len(numbers)
	}
	return receipt, err
}

// ofClient finds the items of a client.
func (m *Manager) ofClient(client string) (map[*job][]int, error) {
	m.mu.Lock()
	jobs := make([]*job, 0, len(m.jobs))
	for _, j := range m.jobs {
		jobs = append(jobs, j)
	}
	m.mu.Unlock()
	found := map[*job][]int{}
	for _, j := range jobs {
		for number := 1; number <= j.record.Items; number++ {
			var item Item
			err := jobfolder.Load(m.file(j.record.ID, number, itemFile), &item)
			if errors.Is(err, fs.ErrNotExist) { // deleted
				continue
			}
			if err != nil {
				return nil, jobfolder.Storage(err)
			}
			if review.ClientKey(item.Request.Client) == review.ClientKey(client) {
				found[j] = append(found[j], number)
			}
		}
	}
	return found, nil
}

// expire deletes finished batches whose time is over.
func (m *Manager) expire() {
	if m.o.ResultTTL == 0 {
		return
	}
	every := time.NewTicker(min(m.o.ResultTTL, time.Minute))
	defer every.Stop()
	for {
		m.mu.Lock()
		var over []string
		for id, j := range m.jobs {
			if j.record.State.Finished() && time.Since(j.record.Finished) > m.o.ResultTTL {
				over = append(over, id)
			}
		}
		m.mu.Unlock()
		for _, id := range over {
			if _, err := m.Delete(m.ctx, id); err != nil && m.ctx.Err() == nil {
				m.o.Logger.WarnContext(m.ctx, "an old batch could not be deleted", "batch", id, "error", err)
			}
		}
		select {
		case <-every.C:
		case <-m.ctx.Done():
			return
		}
	}
}
