package document

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// steady is an engine on which each page takes a second.
type steady struct {
	Engine
	pages map[string]int // of the file with this name

	mu   sync.Mutex
	read []string // names, in the order in which their pages were read
}

func (s *steady) Open(_ context.Context, src Source) (int, error) {
	return s.pages[filepath.Base(src.Path)], nil
}

func (s *steady) Text(ctx context.Context, src Source, page int) (PageText, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return PageText{}, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = append(s.read, filepath.Base(src.Path))
	return PageText{Text: fmt.Sprintf("These are the words of page %d of this document.", page+1)}, nil
}

// place writes a file that passes for a PDF.
func place(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("%PDF-1.7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newSteady(t *testing.T, engine Engine, timeout time.Duration) *Processor {
	t.Helper()
	p, err := New(Options{Engine: engine, SpoolDir: t.TempDir(), Parallel: 1, MaxQueue: 9, MaxPages: 500, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A letter that comes after a bundle is read next, and a stream of letters does
// not keep the bundle from its end.
func TestLetterOvertakesBundle(t *testing.T) {
	dir := t.TempDir()
	bundle, letter := place(t, dir, "bundle"), place(t, dir, "letter")
	synctest.Test(t, func(t *testing.T) {
		engine := &steady{pages: map[string]int{"bundle": 30, "letter": 1}}
		p := newSteady(t, engine, time.Hour)
		var group sync.WaitGroup
		read := func(path string) {
			r, err := p.Admit()
			if err != nil {
				t.Error(err)
				return
			}
			defer r.End()
			if _, err := r.ReadFile(t.Context(), File{Path: path}); err != nil {
				t.Error(err)
			}
		}
		group.Go(func() { read(bundle) })
		time.Sleep(10*time.Second + time.Millisecond)
		start := time.Now()
		read(letter)
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("the letter waited %v", took)
		}
		for range 40 { // always two at a time
			group.Go(func() { read(letter) })
			read(letter)
		}
		group.Wait()
		// Of eight turns one is the bundle's, so 19 pages need fewer than 160.
		if n := strings.Count(strings.Join(engine.read, " "), "bundle"); n != 30 {
			t.Errorf("%d pages of the bundle were read", n)
		}
		if i := slices.Index(engine.read[12:], "bundle"); i < 0 || i > 2*oldestEvery {
			t.Errorf("no page of the bundle among many letters: %v", engine.read)
		}
	})
}

// A document's time runs while it has a turn, not while it waits.
func TestWaitingDoesNotCount(t *testing.T) {
	dir := t.TempDir()
	one, two, long := place(t, dir, "one"), place(t, dir, "two"), place(t, dir, "long")
	synctest.Test(t, func(t *testing.T) {
		p := newSteady(t, &steady{pages: map[string]int{"one": 5, "two": 5, "long": 7}}, 6500*time.Millisecond)
		var group sync.WaitGroup
		for _, path := range []string{one, two} {
			group.Go(func() {
				r, err := p.Admit()
				if err != nil {
					t.Error(err)
					return
				}
				defer r.End()
				result, err := r.ReadFile(t.Context(), File{Path: path})
				if err != nil || len(result.Warnings) > 0 {
					t.Errorf("%v, %+v", err, result)
				}
			})
		}
		group.Wait()
		r, err := p.Admit()
		if err != nil {
			t.Fatal(err)
		}
		defer r.End()
		result, err := r.ReadFile(t.Context(), File{Path: long})
		if err != nil {
			t.Fatal(err)
		}
		if result.Pages[6].Error == "" || result.Pages[5].Error != "" {
			t.Errorf("after 6.5 s of 7: %+v", result.Pages)
		}
	})
}

// Progress tells each page once, the place in the queue and the time that is left.
func TestProgress(t *testing.T) {
	dir := t.TempDir()
	first, second := place(t, dir, "first"), place(t, dir, "second")
	synctest.Test(t, func(t *testing.T) {
		p := newSteady(t, &steady{pages: map[string]int{"first": 4, "second": 9}}, time.Hour)
		a, err := p.Admit()
		if err != nil {
			t.Fatal(err)
		}
		b, err := p.Admit()
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for r, path := range map[*Reading]string{a: first, b: second} {
			group.Go(func() {
				defer r.End()
				if _, err := r.ReadFile(t.Context(), File{Path: path}); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(2*time.Second + time.Millisecond)
		at, _ := b.Progress(0)
		if at.Stage != Layers || at.Pages != 9 || at.Ahead != 1 || at.Left == nil || *at.Left != 11*time.Second {
			t.Errorf("%+v", at)
		}
		var pages []int
		for {
			at, changed := b.Progress(len(pages))
			for _, s := range at.Settled {
				pages = append(pages, s.Page)
			}
			if at.Stage == Ended {
				break
			}
			<-changed
		}
		if !slices.Equal(pages, []int{1, 2, 3, 4, 5, 6, 7, 8, 9}) {
			t.Errorf("told of pages %v", pages)
		}
		group.Wait()
		if at, _ := a.Progress(0); at.Stage != Ended || at.Ahead != 0 || at.Read != 4 {
			t.Errorf("at the end %+v", at)
		}
	})
}

// Whoever stops waiting for a turn takes none away.
func TestGivenUpTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := &turns{workers: 1, free: 1}
		r := &Reading{left: 1}
		turns.enter(r)
		for range 200 {
			if err := turns.take(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				err := turns.take(ctx, r)
				if err == nil {
					turns.give()
				}
				done <- err
			}()
			synctest.Wait()
			go cancel()
			turns.give()
			if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if turns.free != 1 || len(r.waiting) != 0 {
			t.Errorf("%d free, %d waiting", turns.free, len(r.waiting))
		}
	})
}
