// Package workertest gives tests real worker processes.
//
// The workers run the real program, built without the race detector even where
// the tests run with it: a limit on address space would kill a program with it.
package workertest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/worker"
)

// Machine is what workers need on this machine.
type Machine struct {
	Program  string // the built doc-processor
	CacheDir string // with the PDF reader's compiled form in it
}

// Prepare builds the program and fills the cache, which is kept between runs.
// Call it from TestMain; remove takes the program away again.
func Prepare() (m Machine, remove func(), err error) {
	dir, err := os.MkdirTemp("", "doc-processor-test-")
	if err != nil {
		return Machine{}, nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	m.Program = filepath.Join(dir, "doc-processor")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-o", m.Program, "signpost.internal/services/doc-processor/cmd/doc-processor")
	if out, err := build.CombinedOutput(); err != nil {
		remove()
		return Machine{}, nil, fmt.Errorf("build the program: %w\n%s", err, out)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		remove()
		return Machine{}, nil, err
	}
	m.CacheDir = filepath.Join(cache, "signpost", "pdfium")
	if err := m.warm(ctx, dir); err != nil {
		remove()
		return Machine{}, nil, err
	}
	return m, remove, nil
}

// warm has one worker start, which compiles the PDF reader if need be.
func (m Machine) warm(ctx context.Context, dir string) error {
	path := filepath.Join(dir, "note.txt")
	if err := os.WriteFile(path, []byte("warm"), 0o600); err != nil {
		return err
	}
	pool := worker.NewPool(m.Options())
	defer pool.Close()
	_, err := pool.Open(ctx, document.Source{Path: path, Kind: document.Text})
	return err
}

// Options are those of a pool of two workers.
func (m Machine) Options() worker.Options {
	return worker.Options{
		Command:     []string{m.Program, "worker"},
		Size:        2,
		PageTimeout: time.Minute,
		Logger:      slog.New(slog.DiscardHandler),
		Settings: worker.Settings{
			Reader:    worker.PDFiumReader,
			Languages: []string{"eng", "cym"},
			CacheDir:  m.CacheDir,
			Memory:    4 << 30,
			MaxPixels: 120_000_000,
		},
	}
}

// Pool returns a pool that ends with the test.
func (m Machine) Pool(t testing.TB, change func(*worker.Options)) *worker.Pool {
	t.Helper()
	o := m.Options()
	if change != nil {
		change(&o)
	}
	pool := worker.NewPool(o)
	t.Cleanup(pool.Close)
	return pool
}
