package document

import (
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
	// Parallel is how many pages, and how many documents, are read at a time.
	Parallel int
	// MaxQueue is how many documents may wait.
	MaxQueue int
	MaxPages int
	// Timeout bounds the reading of one document.
	Timeout time.Duration
	// Vision describes pages; nil for no descriptions.
	Vision *Vision
}

// Processor reads documents. It is safe for use by many goroutines.
type Processor struct {
	options  Options
	admitted atomic.Int64
	active   chan struct{}
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
	return &Processor{options: o, active: make(chan struct{}, o.Parallel)}, nil
}

// retryAfter is what a caller is told when the queue is full.
const retryAfter = 10 * time.Second

// Upload is a file being received. Close it in any case.
type Upload struct {
	processor *Processor
	file      *os.File
}

// Receive admits a document and returns where to write it. When the queue is
// full it fails with Busy, before anything was received.
func (p *Processor) Receive() (*Upload, error) {
	if p.admitted.Add(1) > int64(p.options.Parallel+p.options.MaxQueue) {
		p.admitted.Add(-1)
		busy := fault.Newf(fault.Busy, "%d documents are waiting already. Send this one again later.", p.options.MaxQueue)
		busy.RetryAfter = retryAfter
		return nil, busy
	}
	file, err := os.CreateTemp(p.options.SpoolDir, spooled)
	if err != nil {
		p.admitted.Add(-1)
		return nil, fmt.Errorf("spool the upload: %w", err)
	}
	return &Upload{processor: p, file: file}, nil
}

// Write appends to the file.
func (u *Upload) Write(data []byte) (int, error) { return u.file.Write(data) }

// Close removes the file.
func (u *Upload) Close() error {
	u.processor.admitted.Add(-1)
	return errors.Join(u.file.Close(), os.Remove(u.file.Name()))
}

// Read reads the received file. The name serves only to refuse text that is
// named as something else. Its errors are faults of the file (Invalid,
// Unsupported) or of the moment (Unavailable, Canceled).
func (u *Upload) Read(ctx context.Context, name string) (*Result, error) {
	kind, err := u.sniff(name)
	if err != nil {
		return nil, err
	}
	p := u.processor
	select {
	case p.active <- struct{}{}:
		defer func() { <-p.active }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.options.Timeout, ErrDeadline)
	defer cancel()
	return p.read(ctx, Source{Path: u.file.Name(), Kind: kind})
}

func (u *Upload) sniff(name string) (Kind, error) {
	head := make([]byte, SniffLength)
	n, err := u.file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
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
func (p *Processor) read(ctx context.Context, src Source) (*Result, error) {
	pages, err := retried(ctx, func() (int, error) { return p.options.Engine.Open(ctx, src) })
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
		p.each(ctx, sheets, func(ctx context.Context, i int) { sheets[i].layer(ctx, p.options.Engine, src, i) })
	}
	if src.Kind == PDF {
		p.mend(sheets, func(s *sheet) *string { return &s.text.Text })
	}
	p.each(ctx, sheets, func(ctx context.Context, i int) {
		if !sheets[i].settled(src.Kind) {
			sheets[i].ocr(ctx, p.options.Engine, src, i)
		}
	})
	p.mend(sheets, func(s *sheet) *string { return &s.scan.Text })
	result := &Result{Kind: src.Kind, Method: None, Pages: make([]Page, len(sheets))}
	for i := range sheets {
		result.Pages[i] = sheets[i].page(i+1, src.Kind)
	}
	notices := p.describe(ctx, src, sheets, result.Pages)
	if err := context.Cause(ctx); err != nil && !errors.Is(err, ErrDeadline) {
		return nil, err
	}
	if err := p.assemble(ctx, sheets, result); err != nil {
		return nil, err
	}
	result.Warnings = append(result.Warnings, notices...)
	return result, nil
}

// each runs work for every page, as many at a time as there are workers.
func (p *Processor) each(ctx context.Context, sheets []sheet, work func(context.Context, int)) {
	var group sync.WaitGroup
	var next atomic.Int64
	for range min(p.options.Parallel, len(sheets)) {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(sheets) {
					return
				}
				if ctx.Err() != nil {
					sheets[i].fail(context.Cause(ctx))
					continue
				}
				work(ctx, i)
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
