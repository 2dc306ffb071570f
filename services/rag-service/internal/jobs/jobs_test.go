package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"signpost.internal/pkg/egress"
	"signpost.internal/pkg/fault"
	"signpost.internal/services/rag-service/internal/jobs"
	"signpost.internal/services/rag-service/internal/rag"
)

func TestMain(m *testing.M) {
	code := m.Run()
	stopPostgres()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// storage opens queues on the same place again and again.
type storage func(t *testing.T, change ...func(*jobs.Options)) *jobs.Queue

func open(t *testing.T, o jobs.Options, change []func(*jobs.Options)) *jobs.Queue {
	t.Helper()
	o.Logger, o.Workers, o.Most, o.Timeout = slog.New(slog.DiscardHandler), 2, 50, time.Minute
	for _, c := range change {
		c(&o)
	}
	q, err := jobs.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, q) })
	return q
}

// shut closes a queue, which may be closed already.
func shut(t *testing.T, q *jobs.Queue) {
	t.Helper()
	if err := errors.Join(q.Stop(context.Background()), q.Close()); err != nil {
		t.Error(err)
	}
}

// onEach runs a test on SQLite and on Postgres.
func onEach(t *testing.T, test func(t *testing.T, s storage)) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		test(t, func(t *testing.T, change ...func(*jobs.Options)) *jobs.Queue {
			t.Helper()
			return open(t, jobs.Options{Dir: dir}, change)
		})
	})
	t.Run("postgres", func(t *testing.T) {
		url := newDatabase(t)
		test(t, func(t *testing.T, change ...func(*jobs.Options)) *jobs.Queue {
			t.Helper()
			return open(t, jobs.Options{DatabaseURL: url, Dialer: egress.New(egress.Config{}, nil)}, change)
		})
	})
}

func task(source, hash string) rag.Task {
	return rag.Task{
		Key: rag.Key{Collection: "manuals", Source: source}, Metadata: rag.Metadata{Title: "T", Edition: "E", From: "2026-01-01", Until: "2026-12-31", Jurisdiction: "scotland"},
		Hash: hash, Bytes: 7, Text: true, Folder: true,
	}
}

func add(t *testing.T, q *jobs.Queue, tasks ...rag.Task) []int64 {
	t.Helper()
	var ids []int64
	for _, k := range tasks {
		j, err := q.Add(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, j.ID)
	}
	return ids
}

func start(t *testing.T, q *jobs.Queue, work rag.Worker) {
	t.Helper()
	if err := q.Start(t.Context(), work); err != nil {
		t.Fatal(err)
	}
}

func until(t *testing.T, q *jobs.Queue, id int64, state rag.JobState) rag.Job {
	t.Helper()
	var j rag.Job
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var err error
		if j, err = q.Job(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if j.State == state {
			return j
		}
	}
	t.Fatalf("job %d is %s, want %s: %+v", id, j.State, state, j)
	return j
}

func succeed(_ context.Context, j rag.Job, report func(rag.JobStep)) (rag.Outcome, error) {
	report(rag.JobStep{Stage: rag.StageStoring, Done: 1, Total: 1})
	return rag.Outcome{Source: j.Source, Status: rag.Success, Characters: 12, Chunks: 3, Reason: "r"}, nil
}

func TestDone(t *testing.T) {
	onEach(t, func(t *testing.T, s storage) {
		q := s(t)
		want := task("a/b.pdf", "h1")
		ids := add(t, q, want, want, task("c.pdf", "h2"))
		if ids[0] != ids[1] || ids[1] == ids[2] {
			t.Errorf("the same task twice, and another, are jobs %v", ids)
		}
		if j, err := q.Job(t.Context(), ids[0]); err != nil || j.State != rag.Queued || j.Task != want {
			t.Errorf("before: %+v, %v", j, err)
		}
		start(t, q, succeed)
		j := until(t, q, ids[0], rag.Done)
		if j.Outcome != (rag.Outcome{Source: "a/b.pdf", Status: rag.Success, Characters: 12, Chunks: 3, Reason: "r"}) || j.Started.IsZero() || j.Finished.IsZero() {
			t.Errorf("after: %+v", j)
		}
		until(t, q, ids[2], rag.Done)
		counts, err := q.Count(t.Context())
		if err != nil || counts[rag.Done] != 2 {
			t.Errorf("counts %v, %v", counts, err)
		}
		if _, err := q.Job(t.Context(), 1<<40); fault.KindOf(err) != fault.NotFound {
			t.Errorf("no such job: %v", err)
		}
		if err := q.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestFailures(t *testing.T) {
	onEach(t, func(t *testing.T, s storage) {
		q := s(t)
		var mu sync.Mutex
		fails := map[string][]error{
			"waits":  {fault.New(fault.Unavailable, "It is away."), fault.New(fault.Busy, "It is busy.")},
			"dies":   {fault.Wrap(fault.Invalid, errors.New("the cause"), "It is encrypted.")},
			"panics": {errors.New("panic")},
		}
		start(t, q, func(ctx context.Context, j rag.Job, report func(rag.JobStep)) (rag.Outcome, error) {
			mu.Lock()
			defer mu.Unlock()
			if left := fails[j.Source]; len(left) > 0 {
				fails[j.Source] = left[1:]
				if left[0].Error() == "panic" {
					panic("at the disco")
				}
				return rag.Outcome{}, left[0]
			}
			return succeed(ctx, j, report)
		})
		ids := add(t, q, task("waits", "1"), task("dies", "2"), task("panics", "3"))
		if j := until(t, q, ids[0], rag.Waiting); j.Next.IsZero() || !strings.HasPrefix(j.Outcome.Reason, "It is ") {
			t.Errorf("waiting: %+v", j)
		}
		until(t, q, ids[0], rag.Done)
		dead := until(t, q, ids[1], rag.Dead)
		if dead.Outcome.Reason != "It is encrypted." || fault.KindOf(dead.Outcome.Err()) != fault.Invalid || len(dead.Errors) != 1 || strings.Contains(dead.Errors[0].Reason, "cause") {
			t.Errorf("dead: %+v", dead)
		}
		until(t, q, ids[2], rag.Dead)
		listed, err := q.Jobs(t.Context(), rag.JobFilter{States: []rag.JobState{rag.Dead}})
		if err != nil || len(listed) != 2 || listed[0].ID != ids[2] {
			t.Errorf("dead jobs %+v, %v", listed, err)
		}
		if _, err := q.Retry(t.Context(), ids[0]); fault.KindOf(err) != fault.Conflict {
			t.Errorf("retrying what is done: %v", err)
		}
		for _, id := range ids[1:] {
			if _, err := q.Retry(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			until(t, q, id, rag.Done)
		}
		if err := q.Remove(t.Context(), ids[1]); err != nil {
			t.Error(err)
		}
		if _, err := q.Job(t.Context(), ids[1]); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a removed job: %v", err)
		}
	})
}

func TestCancel(t *testing.T) {
	onEach(t, func(t *testing.T, s storage) {
		q := s(t)
		began, stopped := make(chan struct{}), make(chan struct{})
		start(t, q, func(ctx context.Context, j rag.Job, report func(rag.JobStep)) (rag.Outcome, error) {
			if j.Source != "long" {
				return succeed(ctx, j, report)
			}
			close(began)
			<-ctx.Done()
			close(stopped)
			return rag.Outcome{}, ctx.Err()
		})
		id := add(t, q, task("long", "1"))[0]
		<-began
		if _, err := q.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		<-stopped
		until(t, q, id, rag.Cancelled)
		if _, err := q.Cancel(t.Context(), 1<<40); fault.KindOf(err) != fault.NotFound {
			t.Errorf("cancelling no job: %v", err)
		}
	})
}

func TestMost(t *testing.T) {
	onEach(t, func(t *testing.T, s storage) {
		q := s(t, func(o *jobs.Options) { o.Most = 2 })
		add(t, q, task("a", "1"), task("b", "2"))
		_, err := q.Add(t.Context(), task("c", "3"))
		var known *fault.Error
		if !errors.As(err, &known) || known.Kind != fault.Busy || known.RetryAfter <= 0 {
			t.Errorf("one too many: %v", err)
		}
	})
}

func TestNewerTask(t *testing.T) {
	onEach(t, func(t *testing.T, s storage) {
		q := s(t)
		ids := add(t, q, task("a", "1"), task("a", "2"), task("b", "1"))
		if j, err := q.Job(t.Context(), ids[0]); fault.KindOf(err) != fault.NotFound {
			t.Errorf("the older job of the document is %+v, %v", j, err)
		}
		listed, err := q.Jobs(t.Context(), rag.JobFilter{Key: rag.Key{Collection: "manuals", Source: "a"}})
		if err != nil || len(listed) != 1 || listed[0].ID != ids[1] {
			t.Errorf("jobs of the document %+v, %v", listed, err)
		}
		listed, err = q.Jobs(t.Context(), rag.JobFilter{Key: rag.Key{Collection: "manuals"}, Limit: 1})
		if err != nil || len(listed) != 1 || listed[0].ID != ids[2] {
			t.Errorf("the newest job %+v, %v", listed, err)
		}
		listed, err = q.Jobs(t.Context(), rag.JobFilter{Before: ids[2], Limit: 5})
		if err != nil || len(listed) != 1 || listed[0].ID != ids[1] {
			t.Errorf("the jobs before %+v, %v", listed, err)
		}
		if listed, err = q.Jobs(t.Context(), rag.JobFilter{Key: rag.Key{Collection: "others"}}); err != nil || len(listed) != 0 {
			t.Errorf("jobs of another collection %+v, %v", listed, err)
		}
	})
}

func TestForget(t *testing.T) {
	onEach(t, func(t *testing.T, s storage) {
		q := s(t)
		began := make(chan struct{}, 1)
		start(t, q, func(ctx context.Context, j rag.Job, report func(rag.JobStep)) (rag.Outcome, error) {
			if j.Hash != "long" {
				return succeed(ctx, j, report)
			}
			began <- struct{}{}
			<-ctx.Done()
			return rag.Outcome{}, ctx.Err()
		})
		first := add(t, q, task("a", "1"))[0]
		until(t, q, first, rag.Done)
		add(t, q, task("a", "long"))
		<-began
		n, err := q.Forget(t.Context(), rag.Key{Collection: "manuals", Source: "a"})
		if n != 2 || err != nil {
			t.Errorf("Forget = %d, %v", n, err)
		}
		until(t, q, add(t, q, task("b", "1"))[0], rag.Done)
		if n, err := q.Forget(t.Context(), rag.Key{Collection: "manuals"}); n != 1 || err != nil {
			t.Errorf("Forget of a collection = %d, %v", n, err)
		}
		if _, err := q.Scrub(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStopPutsBack(t *testing.T) {
	onEach(t, func(t *testing.T, s storage) {
		q := s(t)
		began := make(chan struct{}, 1)
		start(t, q, func(ctx context.Context, _ rag.Job, _ func(rag.JobStep)) (rag.Outcome, error) {
			began <- struct{}{}
			<-ctx.Done()
			return rag.Outcome{}, ctx.Err()
		})
		id := add(t, q, task("a", "1"))[0]
		<-began
		shut(t, q)
		q = s(t)
		if j, err := q.Job(t.Context(), id); err != nil || j.State != rag.Queued {
			t.Errorf("after the stop: %+v, %v", j, err)
		}
		start(t, q, succeed)
		until(t, q, id, rag.Done)
	})
}

func TestTwoProcessesOnOneFile(t *testing.T) {
	dir := t.TempDir()
	open(t, jobs.Options{Dir: dir}, nil)
	_, err := jobs.Open(t.Context(), jobs.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), Workers: 1, Most: 1, Timeout: time.Minute})
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "Another process") {
		t.Errorf("the second: %v", err)
	}
}

func TestDamagedFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "jobs.db"), []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := jobs.Open(t.Context(), jobs.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), Workers: 1, Most: 1, Timeout: time.Minute})
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "jobs.db") {
		t.Errorf("a damaged file: %v", err)
	}
}

// A full disk is said as such, loses nothing, and is got over without a restart.
func TestFullDisk(t *testing.T) {
	q := open(t, jobs.Options{Dir: t.TempDir()}, []func(*jobs.Options){func(o *jobs.Options) { o.Most = 10_000 }})
	before := add(t, q, task("a", "1"))[0]
	if err := q.LimitPages(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	var err error
	for n := 0; n < 1000 && err == nil; n++ {
		_, err = q.Add(t.Context(), task(fmt.Sprintf("%d-%s", n, strings.Repeat("x", 1000)), "2"))
	}
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "disk that holds DATA_DIR is full") {
		t.Fatalf("on a full disk: %v", err)
	}
	if err := q.LimitPages(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	after := add(t, q, task("b", "3"))[0]
	start(t, q, succeed)
	until(t, q, before, rag.Done)
	until(t, q, after, rag.Done)
}
