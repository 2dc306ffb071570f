package job_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine reads files of three pages; those that hold "stick" never end.
type engine struct {
	document.Engine
	read atomic.Int64 // pages
}

func (*engine) Open(context.Context, document.Source) (int, error) { return 3, nil }

func (e *engine) Text(ctx context.Context, src document.Source, page int) (document.PageText, error) {
	data, err := os.ReadFile(src.Path)
	if err != nil {
		return document.PageText{}, err
	}
	if bytes.Contains(data, []byte("stick")) && page == 1 {
		<-ctx.Done()
		return document.PageText{}, context.Cause(ctx)
	}
	if bytes.Contains(data, []byte("break")) {
		return document.PageText{}, document.ErrCrashed
	}
	e.read.Add(1)
	return document.PageText{Text: fmt.Sprintf("These are the plain words of page %d.", page+1)}, nil
}

func open(t *testing.T, dir string, e *engine, change func(*job.Options)) *job.Manager {
	t.Helper()
	docs, err := document.New(document.Options{
		Engine: e, SpoolDir: filepath.Join(dir, "tmp"), Parallel: 4, MaxQueue: 1, MaxPages: 10, Timeout: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := job.Options{Dir: filepath.Join(dir, "jobs"), Documents: docs, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	m, err := job.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func submit(t *testing.T, m *job.Manager, content string) job.Job {
	t.Helper()
	d, err := m.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	if _, err := d.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	j, err := d.Submit(job.Order{Name: "letter.txt"})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// finished follows a job to its end.
func finished(t *testing.T, m *job.Manager, id string) job.Job {
	t.Helper()
	for {
		j, _, changed, err := m.Progress(id, 0)
		if err != nil {
			t.Fatal(err)
		}
		if changed == nil {
			return j
		}
		<-changed
	}
}

const pdf = "%PDF-1.7\n"

func TestJobIsReadAndKept(t *testing.T) {
	dir := t.TempDir()
	m := open(t, dir, &engine{}, nil)
	j := submit(t, m, pdf)
	if _, _, err := m.Result("nobody"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a job that is not there: %v", err)
	}
	j = finished(t, m, j.ID)
	if j.State != job.Done || j.Finished.IsZero() || j.Starts != 1 || j.Bytes != 9 || len(j.SHA256) != 64 {
		t.Errorf("%+v", j)
	}
	m.Close()

	e := &engine{}
	m = open(t, dir, e, nil)
	defer m.Close()
	again, result, err := m.Result(j.ID)
	if err != nil || again.State != job.Done || len(result.Pages) != 3 || !strings.Contains(result.Markdown, "page 3") {
		t.Errorf("after a restart: %+v, %+v, %v", again, result, err)
	}
	if e.read.Load() != 0 {
		t.Error("it was read again")
	}
}

func TestFailureIsKept(t *testing.T) {
	dir := t.TempDir()
	m := open(t, dir, &engine{}, nil)
	defer m.Close()
	j := finished(t, m, submit(t, m, pdf+"break").ID)
	if j.State != job.Failed || j.Problem == nil || !strings.Contains(j.Problem.Detail, "crashed") {
		t.Errorf("%+v", j)
	}
	if _, _, err := m.Result(j.ID); fault.KindOf(err) != fault.NotFound || !strings.Contains(fault.DetailOf(err), "crashed") {
		t.Errorf("its result: %v", err)
	}
	d, err := m.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	if _, err := d.Submit(job.Order{Name: "empty.pdf"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("an empty file: %v", err)
	}
}

// A stop leaves jobs that the next run finishes, once each.
func TestRestartGoesOn(t *testing.T) {
	dir := t.TempDir()
	m := open(t, dir, &engine{}, nil)
	var ids []string
	for i := range 4 {
		content := pdf
		if i < 2 {
			content += "stick"
		}
		ids = append(ids, submit(t, m, content).ID)
	}
	for _, id := range ids[2:] {
		finished(t, m, id)
	}
	m.Close()
	for _, id := range ids[:2] { // what kept them is over
		if err := os.WriteFile(filepath.Join(dir, "jobs", id, "file"), []byte(pdf), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "jobs", ".arriving-cut"), 0o700); err != nil {
		t.Fatal(err)
	}
	var ended atomic.Int64
	e := &engine{}
	m = open(t, dir, e, func(o *job.Options) { o.Ended = func(context.Context, job.Job) { ended.Add(1) } })
	defer m.Close()
	for _, id := range ids {
		if j := finished(t, m, id); j.State != job.Done || j.Starts != 1 {
			t.Errorf("%+v", j)
		}
	}
	if e.read.Load() != 6 || ended.Load() != 2 {
		t.Errorf("%d pages read, %d jobs ended; want 6 and 2", e.read.Load(), ended.Load())
	}
	if _, err := os.Stat(filepath.Join(dir, "jobs", ".arriving-cut")); !os.IsNotExist(err) {
		t.Errorf("a job that never arrived: %v", err)
	}
}

// A document that takes the service with it is given up.
func TestPoisonIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	m := open(t, dir, &engine{}, nil)
	id := submit(t, m, pdf+"stick").ID
	for { // until it is being read
		_, p, changed, err := m.Progress(id, 0)
		if err != nil {
			t.Fatal(err)
		}
		if p.Stage == document.Layers {
			break
		}
		<-changed
	}
	record := filepath.Join(dir, "jobs", id, "job.json")
	data, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	if !bytes.Contains(data, []byte(`"Starts":1`)) {
		t.Fatalf("the record of a job that is read: %s", data)
	}
	// As three losses of the program would leave it.
	if err := os.WriteFile(record, bytes.Replace(data, []byte(`"Starts":1`), []byte(`"Starts":3`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	m = open(t, dir, &engine{}, nil)
	defer m.Close()
	if j := finished(t, m, id); j.State != job.Failed || !strings.Contains(j.Problem.Detail, "3 times") {
		t.Errorf("%+v", j)
	}
}

func TestDeletionStopsAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	m := open(t, dir, &engine{}, nil)
	defer m.Close()
	done, stuck := submit(t, m, pdf).ID, submit(t, m, pdf+"stick").ID
	finished(t, m, done)
	for id, want := range map[string]job.Receipt{
		done:  {ID: done, Files: 3},
		stuck: {ID: stuck, Files: 2, Stopped: true},
	} {
		got, err := m.Delete(t.Context(), id)
		got.Bytes = 0
		if err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
		if _, err := m.Get(id); fault.KindOf(err) != fault.NotFound {
			t.Errorf("afterwards: %v", err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "jobs", "[^.]*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestQueueIsBounded(t *testing.T) {
	m := open(t, t.TempDir(), &engine{}, nil)
	defer m.Close()
	var ids []string
	for range 5 {
		ids = append(ids, submit(t, m, pdf+"stick").ID)
	}
	if _, err := m.Create(); fault.KindOf(err) != fault.Busy {
		t.Errorf("the sixth: %v", err)
	}
	if _, err := m.Delete(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	id := ""
	for range 1000 { // its place is free as soon as its goroutine has ended
		d, err := m.Create()
		if err == nil {
			d.Discard()
			id = "made"
			break
		}
	}
	if id == "" {
		t.Error("no place after a deletion")
	}
}

func TestTwoProgramsOnOneFolder(t *testing.T) {
	dir := t.TempDir()
	m := open(t, dir, &engine{}, nil)
	defer m.Close()
	docs, err := document.New(document.Options{Engine: &engine{}, SpoolDir: t.TempDir(), Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = job.Open(t.Context(), job.Options{Dir: filepath.Join(dir, "jobs"), Documents: docs, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "DATA_DIR") {
		t.Errorf("got %v", err)
	}
}

func TestResultsExpire(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := open(t, dir, &engine{}, func(o *job.Options) { o.ResultTTL = time.Hour })
		defer m.Close()
		id := submit(t, m, pdf).ID
		finished(t, m, id)
		time.Sleep(59 * time.Minute)
		if _, err := m.Get(id); err != nil {
			t.Errorf("after 59 minutes: %v", err)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if _, err := m.Get(id); fault.KindOf(err) != fault.NotFound {
			t.Errorf("after 62 minutes: %v", err)
		}
	})
	if left, _ := filepath.Glob(filepath.Join(dir, "jobs", "[^.]*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// hook notes what it is told; with hold it is not told until it is let go.
type hook struct {
	told chan string
	hold chan struct{}
	err  error
}

func (h *hook) Check(address string) error {
	if address == "bad" {
		return fault.New(fault.Invalid, "Bad.")
	}
	return nil
}

func (h *hook) Send(ctx context.Context, address, id, state string) error {
	if h.hold != nil {
		select {
		case <-h.hold:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	h.told <- address + " " + id + " " + state
	return h.err
}

func order(t *testing.T, m *job.Manager, o job.Order) (job.Job, error) {
	t.Helper()
	d, err := m.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	if _, err := d.Write([]byte(pdf)); err != nil {
		t.Fatal(err)
	}
	return d.Submit(o)
}

// A webhook is told once of a job's end, after a restart where it was not told
// before it, and a password is gone with the reading.
func TestWebhookIsToldOnce(t *testing.T) {
	dir := t.TempDir()
	slow := &hook{told: make(chan string, 9), hold: make(chan struct{})}
	m := open(t, dir, &engine{}, func(o *job.Options) { o.Webhook = slow })
	if _, err := order(t, m, job.Order{Name: "a.pdf", Webhook: "bad"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a bad address: %v", err)
	}
	j, err := order(t, m, job.Order{Name: "a.pdf", Webhook: "good", Password: "s£cret"})
	if err != nil {
		t.Fatal(err)
	}
	finished(t, m, j.ID)
	if left, err := filepath.Glob(filepath.Join(dir, "jobs", j.ID, "password*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	m.Close()
	if len(slow.told) > 0 {
		t.Error("told while it was held")
	}

	fast := &hook{told: make(chan string, 9), err: errors.New("nobody there")}
	m = open(t, dir, &engine{}, func(o *job.Options) { o.Webhook = fast })
	if got, want := <-fast.told, "good "+j.ID+" done"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	for {
		again, err := m.Get(j.ID)
		if err != nil {
			t.Fatal(err)
		}
		if again.Told == job.Undelivered {
			break
		}
		time.Sleep(time.Millisecond)
	}
	m.Close()

	m = open(t, dir, &engine{}, func(o *job.Options) { o.Webhook = fast })
	m.Close()
	if len(fast.told) > 0 {
		t.Error("told again")
	}
	m = open(t, dir, &engine{}, nil)
	defer m.Close()
	if _, err := order(t, m, job.Order{Name: "a.pdf", Webhook: "good"}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("where nobody may be told: %v", err)
	}
}
