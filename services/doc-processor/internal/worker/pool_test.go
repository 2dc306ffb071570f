package worker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"signpost.internal/pkg/fault"
	"signpost.internal/pkg/samplemanuals"
	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/worker"
	"signpost.internal/services/doc-processor/internal/workertest"
)

func TestMain(m *testing.M) {
	machine, remove, err := workertest.Prepare()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	theMachine = machine
	code := m.Run()
	remove()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if left := children(); len(left) > 0 && code == 0 {
		fmt.Fprintln(os.Stderr, "processes left:", left)
		code = 1
	}
	os.Exit(code)
}

// theMachine is set once by TestMain.
var theMachine workertest.Machine

// children lists this process's child processes.
func children() []int {
	var pids []int
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, task := range tasks {
		list, _ := os.ReadFile(task)
		for _, field := range strings.Fields(string(list)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// until polls a condition that another process brings about.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !met(); {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain until", what)
		}
		<-time.After(time.Millisecond)
	}
}

func spool(t *testing.T, kind document.Kind, data []byte) document.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return document.Source{Path: path, Kind: kind}
}

func render(t *testing.T, form samplemanuals.Form) []byte {
	t.Helper()
	markdown, err := os.ReadFile("../../../../docs/manuals/bankruptcy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, data, err := samplemanuals.Render(string(markdown), form)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// busy starts a scan on a worker that is known beforehand, and returns its
// process number once it works.
func busy(ctx context.Context, t *testing.T, pool *worker.Pool, src document.Source) (pid int, done <-chan error) {
	t.Helper()
	if _, err := pool.Open(ctx, src); err != nil {
		t.Fatal(err)
	}
	pid = pool.PIDs()[0]
	result := make(chan error, 1)
	go func() {
		_, err := pool.Scan(ctx, src, 0)
		result <- err
	}()
	until(t, "the worker is busy", func() bool { return len(pool.PIDs()) == 0 })
	return pid, result
}

func TestCrashCostsOneRequest(t *testing.T) {
	pool := theMachine.Pool(t, nil)
	src := spool(t, document.PDF, render(t, samplemanuals.Scan))
	pid, done := busy(t.Context(), t, pool, src)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, document.ErrCrashed) {
		t.Fatalf("got %v, want ErrCrashed", err)
	}
	if _, err := pool.Open(t.Context(), src); err != nil {
		t.Errorf("a fresh worker: %v", err)
	}
	if slices.Contains(pool.PIDs(), pid) {
		t.Error("the dead worker is still in the pool")
	}
}

func TestHangingWorkerIsKilledAtTheDeadline(t *testing.T) {
	pool := theMachine.Pool(t, func(o *worker.Options) { o.PageTimeout = 500 * time.Millisecond })
	src := spool(t, document.Text, []byte("words"))
	if _, err := pool.Open(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	pid := pool.PIDs()[0]
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Text(t.Context(), src, 0); !errors.Is(err, document.ErrDeadline) {
		t.Fatalf("got %v, want ErrDeadline", err)
	}
	if slices.Contains(children(), pid) {
		t.Error("the hanging worker is still there")
	}
}

func TestCancelStopsTheProcess(t *testing.T) {
	pool := theMachine.Pool(t, nil)
	src := spool(t, document.PDF, render(t, samplemanuals.Scan))
	ctx, cancel := context.WithCancel(t.Context())
	pid, done := busy(ctx, t, pool, src)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
	if slices.Contains(children(), pid) {
		t.Error("the worker still runs")
	}
}

func TestMemoryBomb(t *testing.T) {
	bomb, err := samplemanuals.OddBomb(600)
	if err != nil {
		t.Fatal(err)
	}
	pool := theMachine.Pool(t, nil)
	src := spool(t, document.PDF, bomb)
	if _, err := pool.Open(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Text(t.Context(), src, 0); !errors.Is(err, document.ErrMemory) {
		t.Errorf("got %v, want ErrMemory", err)
	}
	if left := pool.PIDs(); len(left) > 0 {
		t.Errorf("the worker was kept: %v", left)
	}
}

func TestAddressSpaceLimitIsSet(t *testing.T) {
	pool := theMachine.Pool(t, nil)
	if _, err := pool.Open(t.Context(), spool(t, document.Text, []byte("words"))); err != nil {
		t.Fatal(err)
	}
	pid := pool.PIDs()[0]
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(limits), strconv.Itoa(4<<30)) {
		t.Errorf("no limit of 4 GiB in:\n%s", limits)
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || string(environ) != "OMP_THREAD_LIMIT=1\x00" {
		t.Errorf("the worker's environment is %q (%v)", environ, err)
	}
}

func TestWorkersServeInTurn(t *testing.T) {
	pool := theMachine.Pool(t, func(o *worker.Options) { o.Size = 1 })
	src := spool(t, document.Text, []byte("words"))
	errs := make(chan error)
	for range 20 {
		go func() {
			text, err := pool.Text(t.Context(), src, 0)
			if err == nil && text.Text != "words" {
				err = fmt.Errorf("read %q", text.Text)
			}
			errs <- err
		}()
	}
	for range 20 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := len(pool.PIDs()); n != 1 {
		t.Errorf("%d workers, want 1", n)
	}
}

// A worker is replaced when it has served long enough, and no request notices.
func TestWorkersRetire(t *testing.T) {
	pool := theMachine.Pool(t, func(o *worker.Options) { o.Size = 1 })
	src := spool(t, document.Text, []byte("words"))
	if _, err := pool.Open(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	first := pool.PIDs()[0]
	served := 1
	for ; served < 1000 && slices.Contains(pool.PIDs(), first); served++ {
		if text, err := pool.Text(t.Context(), src, 0); err != nil || text.Text != "words" {
			t.Fatalf("request %d: %q, %v", served, text.Text, err)
		}
	}
	if served < 400 || served >= 1000 || slices.Contains(children(), first) {
		t.Errorf("after %d requests the workers are %v and the processes %v; the first was %d", served, pool.PIDs(), children(), first)
	}
	if _, err := pool.Text(t.Context(), src, 0); err != nil || len(pool.PIDs()) != 1 {
		t.Errorf("the next: %v, workers %v", err, pool.PIDs())
	}
}

func TestCloseLeavesNoProcess(t *testing.T) {
	pool := worker.NewPool(theMachine.Options())
	src := spool(t, document.Text, []byte("words"))
	if _, err := pool.Open(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	pid := pool.PIDs()[0]
	pool.Close()
	if slices.Contains(children(), pid) {
		t.Error("a worker is left")
	}
	if _, err := pool.Open(t.Context(), src); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("after Close: %v", err)
	}
}

// Both readers get through broken files in finite time and keep their worker,
// or lose it and say so.
func TestHostileFiles(t *testing.T) {
	whole := render(t, samplemanuals.Ligatures)
	encrypted, err := samplemanuals.OddEncrypted("secret")
	if err != nil {
		t.Fatal(err)
	}
	loop := []byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[2 0 R]/Count 1>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n")
	files := map[string][]byte{
		"header only": []byte("%PDF-1.7\n%%EOF\n"),
		"loop":        loop,
		"encrypted":   encrypted,
		"no xref":     append(slices.Clone(whole[:len(whole)/2]), "\n%%EOF\n"...),
		"huge size":   []byte("%PDF-1.4\ntrailer<</Size 99999999999/Root 1 0 R>>\nstartxref\n9\n%%EOF\n"),
	}
	for i := range 12 {
		broken := slices.Clone(whole)
		for at := 100 + i*37; at < len(broken)-20; at += 997 + i*101 {
			broken[at] ^= byte(1 << (i % 8))
		}
		files[fmt.Sprintf("bits %d", i)] = broken
	}
	for _, reader := range []string{worker.PDFiumReader, worker.LedongthucReader} {
		pool := theMachine.Pool(t, func(o *worker.Options) {
			o.Settings.Reader = reader
			o.PageTimeout = 5 * time.Second
		})
		for name, data := range files {
			t.Run(reader+"/"+name, func(t *testing.T) {
				src := spool(t, document.PDF, data)
				pages, err := pool.Open(t.Context(), src)
				if err == nil && pages > 0 {
					_, err = pool.Text(t.Context(), src, 0)
				}
				if fault.KindOf(err) == fault.Internal && err != nil &&
					!errors.Is(err, document.ErrCrashed) && !errors.Is(err, document.ErrMemory) && !errors.Is(err, document.ErrDeadline) {
					t.Errorf("unclassified: %v", err)
				}
			})
		}
	}
}
