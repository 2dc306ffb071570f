package document

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"signpost.internal/pkg/fault"
)

// Options are what a [Processor] is made of.
type Options struct {
	Engine Engine
	Words  WordList
	// SpoolDir holds files while they are read. What an earlier run left
	// there is removed.
	SpoolDir string
	// Parallel is how many pages are read at a time.
	Parallel int
	// MaxQueue is how many documents are admitted beyond Parallel.
	MaxQueue int
	MaxPages int
	// Timeout bounds the reading of one document, without its waiting for a turn.
	Timeout time.Duration
	// Vision describes pages; nil for no descriptions.
	Vision *Vision
}

// Processor reads documents. It is safe for use by many goroutines.
type Processor struct {
	options  Options
	admitted atomic.Int64
	turns    *turns
}

// spooled is the pattern of the names of files in the spool.
const spooled = "upload-*"

// New returns a Processor whose spool is empty.
func New(o Options) (*Processor, error) {
	if err := os.MkdirAll(o.SpoolDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the spool: %w", err)
	}
	stale, err := filepath.Glob(filepath.Join(o.SpoolDir, spooled))
	if err != nil {
		return nil, fmt.Errorf("empty the spool: %w", err)
	}
	for _, path := range stale {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("empty the spool: %w", err)
		}
	}
	return &Processor{options: o, turns: &turns{workers: o.Parallel, free: o.Parallel, perPage: map[Stage]time.Duration{}}}, nil
}

// retryAfter is what a caller is told when the queue is full.
const retryAfter = 10 * time.Second

func (p *Processor) full() error {
	busy := fault.Newf(fault.Busy, "%d documents are waiting already. Send this one again later.", p.options.MaxQueue)
	busy.RetryAfter = retryAfter
	return busy
}

// Upload is a file being received. Close it in any case.
type Upload struct {
	*Reading
	file *os.File
}

// Receive admits a document and returns where to write it. When the queue is
// full it fails with Busy, before anything was received.
func (p *Processor) Receive() (*Upload, error) {
	reading, err := p.Admit()
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(p.options.SpoolDir, spooled)
	if err != nil {
		reading.End()
		return nil, fmt.Errorf("spool the upload: %w", err)
	}
	return &Upload{Reading: reading, file: file}, nil
}

// Write appends to the file.
func (u *Upload) Write(data []byte) (int, error) { return u.file.Write(data) }

// Close removes the file.
func (u *Upload) Close() error {
	u.End()
	return errors.Join(u.file.Close(), os.Remove(u.file.Name()))
}

// Read reads the received file, as [Reading.ReadFile].
func (u *Upload) Read(ctx context.Context, name string) (*Result, error) {
	return u.ReadFile(ctx, u.file.Name(), name)
}

// ReadFile reads the file at path. The name serves only to refuse text that is
// named as something else. Its errors are faults of the file (Invalid,
// Unsupported) or of the moment (Unavailable, Canceled).
func (r *Reading) ReadFile(ctx context.Context, path, name string) (*Result, error) {
	defer r.set(func() { r.stage = Ended })
	kind, err := KindOf(path, name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.clock.left, r.clock.expired = r.processor.options.Timeout, func() { cancel(ErrDeadline) }
	return r.read(ctx, Source{Path: path, Kind: kind})
}

// Picture draws a page, from 1, of the file at path into a JPEG file, at most
// [PictureSide] pixels long and wide. It fails with NotFound for a page that is not
// there, with Unsupported for a file without pages to draw.
func (p *Processor) Picture(ctx context.Context, path, name string, page int) ([]byte, error) {
	kind, err := KindOf(path, name)
	if err != nil {
		return nil, err
	}
	if kind == Text {
		return nil, fault.New(fault.Unsupported, "A text file has no pages to draw.")
	}
	src := Source{Path: path, Kind: kind}
	pages, err := retried(ctx, func() (int, error) { return p.options.Engine.Open(ctx, src) })
	if err != nil {
		return nil, p.refusal(ctx, err)
	}
	if page > pages {
		return nil, fault.Newf(fault.NotFound, "The document has %d pages.", pages)
	}
	picture, err := retried(ctx, func() ([]byte, error) { return p.options.Engine.Picture(ctx, src, page-1) })
	if err != nil {
		return nil, p.refusal(ctx, err)
	}
	return picture, nil
}

// KindOf says of what kind a file is, by its content. It fails with Invalid for
// an empty file, with Unsupported for one of no kind that is read.
func KindOf(path, name string) (Kind, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the spooled file: %w", err)
	}
	defer file.Close()
	head := make([]byte, SniffLength)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", fmt.Errorf("read the spooled file: %w", err)
	}
	if n == 0 {
		return "", fault.New(fault.Invalid, "The file is empty. Accepted are "+Accepted+".")
	}
	kind, ok := Sniff(head[:n])
	if !ok {
		return "", fault.New(fault.Unsupported, "The file's content is of no format that is read here, whatever its name. Accepted are "+Accepted+".")
	}
	if kind == Text && !mayNameText(name) {
		return "", fault.New(fault.Unsupported, "The file's content is not what its name says: it may be plain text, which is accepted when it is named .txt or .md. Accepted are "+Accepted+".")
	}
	return kind, nil
}

// read reads the document page by page.
func (r *Reading) read(ctx context.Context, src Source) (*Result, error) {
	p := r.processor
	pages, err := r.open(ctx, src)
	switch {
	case err != nil:
		return nil, p.refusal(ctx, err)
	case pages == 0:
		return nil, fault.New(fault.Invalid, "The document has no pages.")
	case pages > p.options.MaxPages:
		return nil, fault.Newf(fault.Invalid, "The document has %d pages; at most %d are accepted. Split it.", pages, p.options.MaxPages)
	}
	sheets := make([]sheet, pages)
	if src.Kind == PDF || src.Kind == Text {
		r.each(ctx, Layers, sheets, src.Kind, func(ctx context.Context, i int) { sheets[i].layer(ctx, p.options.Engine, src, i) })
	}
	if src.Kind == PDF {
		p.mend(sheets, func(s *sheet) *string { return &s.text.Text })
	}
	r.each(ctx, Scanning, sheets, src.Kind, func(ctx context.Context, i int) { sheets[i].ocr(ctx, p.options.Engine, src, i) })
	p.mend(sheets, func(s *sheet) *string { return &s.scan.Text })
	result := &Result{Kind: src.Kind, Method: None, Pages: make([]Page, len(sheets))}
	for i := range sheets {
		result.Pages[i] = sheets[i].page(i+1, src.Kind)
	}
	notices := r.describe(ctx, src, sheets, result.Pages)
	if err := context.Cause(ctx); err != nil && !errors.Is(err, ErrDeadline) {
		return nil, err
	}
	if err := p.assemble(ctx, sheets, result); err != nil {
		return nil, err
	}
	result.Warnings = append(result.Warnings, notices...)
	return result, nil
}

// open returns the document's number of pages.
func (r *Reading) open(ctx context.Context, src Source) (pages int, err error) {
	busy := r.turn(ctx, func() {
		pages, err = retried(ctx, func() (int, error) { return r.processor.options.Engine.Open(ctx, src) })
	})
	return pages, cmp.Or(busy, err)
}

// each does the stage's work for every page that it is for, as many at a time as
// the document gets workers.
func (r *Reading) each(ctx context.Context, stage Stage, sheets []sheet, kind Kind, work func(context.Context, int)) {
	var todo []int
	for i := range sheets {
		if stage == Layers || !sheets[i].settled(kind) {
			todo = append(todo, i)
		}
	}
	turns := r.processor.turns
	turns.work(r, stage, len(todo))
	r.set(func() {
		r.stage, r.pages = stage, len(sheets)
		if stage == Scanning { // of the others no more will come
			next := 0
			for i := range sheets {
				if next < len(todo) && todo[next] == i {
					next++
					continue
				}
				r.settled = append(r.settled, sheets[i].outcome(i+1, kind))
			}
		}
	})
	var group sync.WaitGroup
	var next, done atomic.Int64
	for range min(r.processor.options.Parallel, len(todo)) {
		group.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(todo) {
					return
				}
				i := todo[n]
				if err := r.turn(ctx, func() {
					start := time.Now()
					work(ctx, i)
					turns.took(stage, time.Since(start))
				}); err != nil {
					sheets[i].fail(err)
				}
				turns.work(r, stage, len(todo)-int(done.Add(1)))
				r.set(func() {
					if stage == Scanning {
						r.settled = append(r.settled, sheets[i].outcome(i+1, kind))
					}
				})
			}
		})
	}
	group.Wait()
}

// mend repairs the words of all pages with each other's.
func (p *Processor) mend(sheets []sheet, of func(*sheet) *string) {
	texts := make([]string, len(sheets))
	for i := range sheets {
		texts[i] = clean(*of(&sheets[i]))
	}
	words := NewVocabulary(p.options.Words, texts)
	for i := range sheets {
		*of(&sheets[i]) = words.Mend(texts[i])
	}
}

// retried repeats the work once on a fresh worker, when the first was lost.
func retried[T any](ctx context.Context, work func() (T, error)) (T, error) {
	result, err := work()
	if (errors.Is(err, ErrCrashed) || errors.Is(err, ErrMemory)) && ctx.Err() == nil {
		return work()
	}
	return result, err
}

// refusal turns the error that ended the reading of a document into one for
// the client.
func (p *Processor) refusal(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ErrDeadline) {
		return cause
	}
	if reason, ok := lost(err); ok {
		return fault.Wrap(fault.Invalid, err, "The document could not be read: "+reason+
			". It may be damaged, or made to exhaust its reader. Accepted are whole, ordinary files: "+Accepted+".")
	}
	return err
}

// lost says in words what happened to the worker, if that is what err is about.
func lost(err error) (string, bool) {
	for _, known := range []error{ErrCrashed, ErrMemory, ErrDeadline} {
		if errors.Is(err, known) {
			return known.Error(), true
		}
	}
	return "", false
}
