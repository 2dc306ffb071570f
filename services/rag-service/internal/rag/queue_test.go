package rag_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/jobs"
	"signpost.internal/services/rag-service/internal/originals"
	"signpost.internal/services/rag-service/internal/rag"
	"signpost.internal/services/rag-service/internal/sqliteindex"
)

// durable is a service with a queue and originals in one folder.
type durable struct {
	*rag.Service
	dir, folder string
	options     rag.Options
	index       *sqliteindex.Index
	queue       *jobs.Queue
	kept        *originals.Store
	reader      *reader
	stopped     bool
}

func newDurable(t *testing.T) *durable {
	t.Helper()
	d := &durable{dir: t.TempDir(), folder: t.TempDir(), reader: &reader{split: "\f"}}
	d.open(t)
	return d
}

// open starts the service, with change applied to its options.
func (d *durable) open(t *testing.T, change ...func(*rag.Options)) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	var err error
	if d.queue, err = jobs.Open(t.Context(), jobs.Options{Dir: d.dir, Logger: logger, Workers: 2, Most: 20, Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if d.kept, err = originals.Open(d.dir, ""); err != nil {
		t.Fatal(err)
	}
	if d.index, err = sqliteindex.Open(t.Context(), d.dir); err != nil {
		t.Fatal(err)
	}
	d.options = rag.Options{
		Index: d.index, Reader: d.reader, Generator: &model{down: true}, Logger: logger, Queue: d.queue, Originals: d.kept,
		ManualsPath: d.folder, MaxFile: 1 << 20, Patience: 300 * time.Millisecond,
	}
	for _, c := range change {
		c(&d.options)
	}
	d.Service = rag.New(d.options)
	if err := d.queue.Start(t.Context(), d.Work); err != nil {
		t.Fatal(err)
	}
	d.stopped = false
	t.Cleanup(func() { d.close(t) })
}

func (d *durable) close(t *testing.T) {
	t.Helper()
	if d.stopped {
		return
	}
	d.stopped = true
	if err := errors.Join(d.queue.Stop(context.Background()), d.queue.Close(), d.kept.Close(), d.index.Close()); err != nil {
		t.Error(err)
	}
}

func (d *durable) submit(t *testing.T, name, text string) rag.Submission {
	t.Helper()
	isText, _ := rag.KindOf(name)
	sub, err := d.Submit(t.Context(), rag.Upload{Key: manual(name), Text: isText}, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// ended waits until a job is in a state, and returns it.
func (d *durable) ended(t *testing.T, id int64, state rag.JobState) rag.Job {
	t.Helper()
	var j rag.Job
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var err error
		if j, err = d.Job(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if j.State == state {
			return j
		}
	}
	t.Fatalf("job %d is %s (%s), want %s", id, j.State, j.Outcome.Reason, state)
	return j
}

func (d *durable) idle(t *testing.T) rag.Progress {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		p, err := d.Progress(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if p.State == "idle" {
			return p
		}
	}
	t.Fatal("the ingest does not end")
	return rag.Progress{}
}

func TestQueuedIngest(t *testing.T) {
	d := newDurable(t)
	sub := d.submit(t, "relief.pdf", relief)
	j := d.ended(t, sub.Job.ID, rag.Done)
	if j.Outcome.Status != rag.Success || j.Outcome.Chunks != 1 || j.Hash == "" || j.Bytes != int64(len(relief)) {
		t.Errorf("job %+v", j)
	}
	original, err := d.Original(t.Context(), manual("relief.pdf"))
	if err != nil || string(original) != relief {
		t.Errorf("the original is %q, %v", original, err)
	}
	if again := d.submit(t, "relief.pdf", relief); again.Job != nil || again.Outcome.Status != rag.Unchanged {
		t.Errorf("sent again unchanged: %+v", again)
	}
	changed := d.submit(t, "relief.pdf", space)
	d.ended(t, changed.Job.ID, rag.Done)
	if state, _, _ := d.index.State(t.Context(), manual("relief.pdf")); state.Hash != changed.Job.Hash {
		t.Errorf("the document was not replaced: %+v", state)
	}
	if p := d.idle(t); p.Done != 1 || p.Failed != 0 {
		t.Errorf("progress %+v", p)
	}
}

func TestReaderThatComesBack(t *testing.T) {
	d := newDurable(t)
	down := fault.New(fault.Unavailable, "The document processor does not answer.")
	d.reader.fails = []error{down, fault.New(fault.Busy, "Busy.")}
	sub := d.submit(t, "relief.pdf", relief)
	waiting := d.ended(t, sub.Job.ID, rag.Waiting)
	if waiting.Outcome.Reason != down.Detail || waiting.Next.IsZero() {
		t.Errorf("the waiting job says %q, next %v", waiting.Outcome.Reason, waiting.Next)
	}
	d.ended(t, sub.Job.ID, rag.Done)
	if d.reader.calls != 3 {
		t.Errorf("%d calls of the reader, want 3", d.reader.calls)
	}
}

func TestReaderThatStaysAway(t *testing.T) {
	d := newDurable(t)
	d.reader.away = true
	for i := range 3 {
		write(t, d.folder, fmt.Sprintf("%d.pdf", i), relief+fmt.Sprint(i))
	}
	start := time.Now()
	report, err := d.IngestFolder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("gave up after %v", took)
	}
	for _, o := range report.Outcomes {
		if o.Status != rag.Failed || !strings.Contains(o.Reason, "does not answer") || !strings.Contains(o.Reason, "kept as job") {
			t.Errorf("outcome %+v", o)
		}
	}
	d.reader.mu.Lock()
	d.reader.away = false
	d.reader.mu.Unlock()
	d.idle(t)
	if size, _ := d.index.Size(t.Context(), rag.DefaultCollection); size.Documents != 3 {
		t.Errorf("%d documents after the reader came back, want 3", size.Documents)
	}
}

func TestDeadJobsAreRetried(t *testing.T) {
	d := newDurable(t)
	d.reader.fails = []error{fault.New(fault.Upstream, "The answer cannot be read."), fault.New(fault.Upstream, "Once more.")}
	first := d.submit(t, "a.pdf", relief)
	dead := d.ended(t, first.Job.ID, rag.Dead)
	if dead.Outcome.Err() == nil || fault.KindOf(dead.Outcome.Err()) != fault.Upstream || len(dead.Errors) != 1 {
		t.Errorf("the dead job %+v", dead)
	}
	if _, err := d.RetryJob(t.Context(), first.Job.ID); err != nil {
		t.Fatal(err)
	}
	d.ended(t, first.Job.ID, rag.Dead)
	if n, err := d.RetryDeadJobs(t.Context(), ""); n != 1 || err != nil {
		t.Errorf("RetryDeadJobs = %d, %v", n, err)
	}
	d.ended(t, first.Job.ID, rag.Done)
	if _, err := d.RetryJob(t.Context(), first.Job.ID); fault.KindOf(err) != fault.Conflict {
		t.Errorf("retrying a job that is done: %v", err)
	}
	if _, err := d.RetryJob(t.Context(), 4711); fault.KindOf(err) != fault.NotFound {
		t.Errorf("retrying no job: %v", err)
	}
}

func TestCancelStopsTheReading(t *testing.T) {
	d := newDurable(t)
	d.reader.hold = make(chan struct{})
	running := d.submit(t, "a.pdf", relief)
	d.ended(t, running.Job.ID, rag.Running)
	j, err := d.CancelJob(t.Context(), running.Job.ID)
	if err != nil || j.State != rag.Cancelled {
		t.Errorf("cancelled: %+v, %v", j, err)
	}
	d.reader.mu.Lock()
	active := d.reader.active
	d.reader.mu.Unlock()
	if active != 0 {
		t.Error("the reading goes on")
	}
	if _, there, _ := d.index.State(t.Context(), manual("a.pdf")); there {
		t.Error("the document was stored all the same")
	}
}

func TestFullQueueSaysSo(t *testing.T) {
	d := newDurable(t)
	d.reader.hold = make(chan struct{})
	for i := range 20 {
		d.submit(t, fmt.Sprintf("%d.pdf", i), relief+fmt.Sprint(i))
	}
	_, err := d.Submit(t.Context(), rag.Upload{Key: manual("late.pdf")}, strings.NewReader(space))
	var known *fault.Error
	if !errors.As(err, &known) || known.Kind != fault.Busy || known.RetryAfter == 0 {
		t.Errorf("the 21st document: %v", err)
	}
	close(d.reader.hold)
	d.idle(t)
	d.submit(t, "late.pdf", space)
}

func TestLaterEditionWins(t *testing.T) {
	d := newDurable(t)
	d.reader.hold = make(chan struct{})
	older := d.submit(t, "a.pdf", relief)
	d.ended(t, older.Job.ID, rag.Running)
	skipped := d.submit(t, "a.pdf", baily)
	latest := d.submit(t, "a.pdf", space)
	if same := d.submit(t, "a.pdf", space); same.Job.ID != latest.Job.ID {
		t.Errorf("the same file sent twice is two jobs, %d and %d", latest.Job.ID, same.Job.ID)
	}
	close(d.reader.hold)
	d.ended(t, latest.Job.ID, rag.Done)
	d.ended(t, older.Job.ID, rag.Done)
	if j, err := d.Job(t.Context(), skipped.Job.ID); fault.KindOf(err) != fault.NotFound && j.State != rag.Cancelled && j.Outcome.Status != rag.Skipped {
		t.Errorf("the edition in between is %+v, %v", j, err)
	}
	if state, _, _ := d.index.State(t.Context(), manual("a.pdf")); state.Hash != latest.Job.Hash {
		t.Error("the index does not hold the latest edition")
	}
}

func TestStopAndStart(t *testing.T) {
	d := newDurable(t)
	d.reader.hold = make(chan struct{})
	var ids []int64
	for i := range 4 {
		ids = append(ids, d.submit(t, fmt.Sprintf("%d.pdf", i), relief+fmt.Sprint(i)).Job.ID)
	}
	d.ended(t, ids[0], rag.Running)
	d.close(t)
	close(d.reader.hold)
	d.open(t)
	for _, id := range ids {
		d.ended(t, id, rag.Done)
	}
	if size, _ := d.index.Size(t.Context(), rag.DefaultCollection); size.Documents != 4 {
		t.Errorf("%d documents, want 4", size.Documents)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWatch(t *testing.T) {
	d := newDurable(t)
	d.close(t)
	write(t, d.folder, "relief.txt", relief)
	d.open(t, func(o *rag.Options) { o.Watch = 20 * time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx, true) })
	defer running.Wait()
	defer cancel()
	holds := func(name, text string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			hits, _, _ := d.index.Chunks(t.Context(), rag.DefaultCollection, name, 0, 1)
			if len(hits) == 1 && strings.Contains(hits[0].Chunk.Text, text) {
				return
			}
		}
		t.Fatalf("%s does not say %q", name, text)
	}
	holds("relief.txt", "£50,000")
	write(t, d.folder, "sub/space.txt", space)
	holds("sub/space.txt", "60 days")
	write(t, d.folder, "relief.txt", relief+" And it was changed.")
	holds("relief.txt", "And it was changed.")
	write(t, d.folder, rag.ListName, "file,edition,from,jurisdiction\nrelief.txt,\"6th\",2026-04-06,england-wales\n")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if state, _, _ := d.index.State(t.Context(), manual("relief.txt")); state.Edition == "6th" && state.From == "2026-04-06" && state.Jurisdiction == "england-wales" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the list was not read")
		}
	}
}

func TestHalfCopiedFileWaits(t *testing.T) {
	d := newDurable(t)
	d.close(t)
	d.open(t, func(o *rag.Options) { o.Watch = 50 * time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx, true) })
	defer running.Wait()
	defer cancel()
	time.Sleep(60 * time.Millisecond)
	for i := range 40 { // a slow copy, which grows between any two looks
		write(t, d.folder, "slow.pdf", strings.Repeat(relief+" ", i+1))
		time.Sleep(10 * time.Millisecond)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if size, _ := d.index.Size(t.Context(), rag.DefaultCollection); size.Documents == 1 {
			break
		}
	}
	if d.reader.calls != 1 {
		t.Errorf("the file was read %d times, want once it was whole", d.reader.calls)
	}
}

func TestListOfTheFolder(t *testing.T) {
	d := newDurable(t)
	write(t, d.folder, "scotland/space.txt", space)
	write(t, d.folder, "relief.txt", relief)
	write(t, d.folder, rag.ListName, "\uFEFFFile, Collection ,title,from,until\n"+
		"scotland/,scots,,,\nscotland/space.txt,,Moratorium,2026-01-01,\nrelief.txt,,,2026-13-01,\nrelief.txt,,Orders,2026-01-01\nnowhere.txt,,x,,\n")
	report, err := d.IngestFolder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"manuals.csv skipped", "manuals.csv failed", "manuals.csv failed", "relief.txt success", "scotland/space.txt success"}
	got := statuses(report.Outcomes)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	for _, o := range report.Outcomes {
		if o.Status == rag.Failed && !strings.Contains(o.Reason, "Line 4") && !strings.Contains(o.Reason, "Line 5") {
			t.Errorf("reason %q", o.Reason)
		}
	}
	state, there, err := d.index.State(t.Context(), rag.Key{Collection: "scots", Source: "scotland/space.txt"})
	if !there || err != nil || state.Title != "Moratorium" || state.From != "2026-01-01" {
		t.Errorf("state %+v, %v", state, err)
	}
}

// onDisk returns the files below dir that hold any of the texts.
func onDisk(t *testing.T, dir string, texts ...string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, text := range texts {
			if bytes.Contains(data, []byte(text)) {
				found = append(found, filepath.Base(path)+": "+text)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestDeletionLeavesNothing(t *testing.T) {
	const secret = "Mrs Quillfeather owes the Bank of Nowhere a sum of £1,234.56."
	d := newDurable(t)
	for i := range 5 {
		d.ended(t, d.submit(t, fmt.Sprintf("other-%d.txt", i), fmt.Sprintf("%s %d", relief, i)).Job.ID, rag.Done)
	}
	former := "A former edition spoke of Mr Oldershaw, and of nothing else at all."
	d.ended(t, d.submit(t, "quillfeather.txt", former).Job.ID, rag.Done)
	text := "Case note.\n\n" + strings.Repeat(secret+"\n\n"+space+"\n\n", 30)
	j := d.ended(t, d.submit(t, "quillfeather.txt", text).Job.ID, rag.Done)
	traces := []string{"Quillfeather", "quillfeather", "Oldershaw", j.Hash}
	if len(onDisk(t, d.dir, traces...)) == 0 {
		t.Fatal("the test finds nothing even before the deletion")
	}

	r, err := d.DeleteDocument(t.Context(), manual("quillfeather.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Proved() || r.Before.Documents != 1 || r.Before.Chunks == 0 || r.Before.Originals != 2 || r.Before.Jobs == 0 || r.After != (rag.Holding{}) || len(r.Hashes) != 2 {
		t.Errorf("receipt %+v", r)
	}
	for _, c := range r.Checks {
		if c.Looked == 0 {
			t.Errorf("nothing was looked for in %s", c.Where)
		}
	}
	if left := onDisk(t, d.dir, traces...); left != nil {
		t.Errorf("left on the disk: %v", left)
	}
	if _, err := d.DeleteDocument(t.Context(), manual("quillfeather.txt")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("deleted twice: %v", err)
	}
	if size, _ := d.index.Size(t.Context(), rag.DefaultCollection); size.Documents != 5 {
		t.Errorf("%d documents are left, want 5", size.Documents)
	}
}

// A question may quote the document, so that what is remembered of questions goes
// with it.
func TestDeletionForgetsQuestions(t *testing.T) {
	d := newDurable(t)
	d.ended(t, d.submit(t, "relief.txt", relief).Job.ID, rag.Done)
	d.ended(t, d.submit(t, "space.txt", space).Job.ID, rag.Done)
	m := &meaning{}
	embedAll(t, d.index, m)
	d.options.Embedder = m
	s := rag.New(d.options)
	asked := func() int {
		t.Helper()
		for range 2 {
			if found, err := s.Find(t.Context(), rag.Question{Text: "How long does breathing space last?", TopK: 1}); err != nil || found.Method != rag.ByHybrid {
				t.Fatalf("%+v, %v", found, err)
			}
		}
		return m.asked
	}
	if n := asked(); n != 1 {
		t.Fatalf("a question that is remembered was embedded %d times", n)
	}
	if _, err := s.DeleteDocument(t.Context(), manual("relief.txt")); err != nil {
		t.Fatal(err)
	}
	if n := asked(); n != 2 {
		t.Errorf("after the deletion the question was embedded %d times in all, want 2", n)
	}
}

func TestDeletionOfWhatIsBeingRead(t *testing.T) {
	d := newDurable(t)
	d.reader.hold = make(chan struct{})
	sub := d.submit(t, "a.pdf", relief)
	d.ended(t, sub.Job.ID, rag.Running)
	r, err := d.DeleteDocument(t.Context(), manual("a.pdf"))
	if err != nil || !r.Proved() || r.Before.Jobs != 1 || r.Before.Originals != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	close(d.reader.hold)
	d.idle(t)
	if size, _ := d.index.Size(t.Context(), rag.DefaultCollection); size.Documents != 0 {
		t.Error("the document came back")
	}
}

func TestDeletionOfASharedOriginal(t *testing.T) {
	d := newDurable(t)
	d.ended(t, d.submit(t, "a.txt", relief).Job.ID, rag.Done)
	d.ended(t, d.submit(t, "b.txt", relief).Job.ID, rag.Done)
	r, err := d.DeleteDocument(t.Context(), manual("a.txt"))
	if err != nil || len(r.Kept) != 1 || len(r.Hashes) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := d.Original(t.Context(), manual("b.txt")); err != nil {
		t.Error(err)
	}
	if !strings.Contains(strings.Join(r.Notes, " "), "manuals/b.txt") {
		t.Errorf("the other document is not named: %q", r.Notes)
	}
}

func TestDeletedFileOfTheFolderStaysAway(t *testing.T) {
	d := newDurable(t)
	write(t, d.folder, "relief.txt", relief)
	write(t, d.folder, "space.txt", space)
	if _, err := d.IngestFolder(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := d.DeleteDocument(t.Context(), manual("relief.txt"))
	if err != nil || !strings.Contains(strings.Join(r.Notes, " "), "still in the folder") {
		t.Fatalf("%+v, %v", r, err)
	}
	again := func() []string {
		t.Helper()
		report, err := d.IngestFolder(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return statuses(report.Outcomes)
	}
	if diff := cmp.Diff([]string{"relief.txt skipped", "space.txt unchanged"}, again()); diff != "" {
		t.Errorf("after the deletion (-want +got):\n%s", diff)
	}
	write(t, d.folder, "relief.txt", relief+" A new edition.")
	if diff := cmp.Diff([]string{"relief.txt success", "space.txt unchanged"}, again()); diff != "" {
		t.Errorf("after the change (-want +got):\n%s", diff)
	}
}

func TestDeleteCollection(t *testing.T) {
	d := newDurable(t)
	if _, err := d.CreateCollection(t.Context(), "team-b", "Team B"); err != nil {
		t.Fatal(err)
	}
	sub, err := d.Submit(t.Context(), rag.Upload{Key: rag.Key{Collection: "team-b", Source: "space.txt"}, Text: true}, strings.NewReader(space))
	if err != nil {
		t.Fatal(err)
	}
	d.ended(t, sub.Job.ID, rag.Done)
	d.ended(t, d.submit(t, "relief.txt", relief).Job.ID, rag.Done)
	r, err := d.DeleteCollection(t.Context(), "team-b")
	if err != nil || !r.Proved() || r.Before.Documents != 1 || r.Before.Jobs != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := d.Submit(t.Context(), rag.Upload{Key: rag.Key{Collection: "team-b", Source: "space.txt"}}, strings.NewReader(space)); fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), "manuals") {
		t.Errorf("sending to it afterwards: %v", err)
	}
	if left := onDisk(t, d.dir, "60 days", "space.txt", "team-b"); left != nil {
		t.Errorf("left on the disk: %v", left)
	}
}
