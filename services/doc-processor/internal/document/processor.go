package document

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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
	// Cloud reads documents whose senders ask for it; nil where that is not allowed.
	Cloud Cloud
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
		if err := os.RemoveAll(path); err != nil {
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
func (u *Upload) Read(ctx context.Context, f File) (*Result, error) {
	f.Path = u.file.Name()
	return u.ReadFile(ctx, f)
}

// File is a file to be read.
type File struct {
	Path string
	// Name is what its sender calls it. It serves only to tell apart the kinds of
	// text, and to refuse text that is named as something else.
	Name string
	// Password opens it if it is protected.
	Password string
	// Cloud has it read by the service on the internet.
	Cloud bool
}

// ReadFile reads a file. Its errors are faults of the file (Invalid, Unsupported,
// Locked) or of the moment (Unavailable, Canceled).
func (r *Reading) ReadFile(ctx context.Context, f File) (*Result, error) {
	defer r.set(func() { r.stage = Ended })
	kind, err := KindOf(f.Path, f.Name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.clock.left, r.clock.expired = r.processor.options.Timeout, func() { cancel(ErrDeadline) }
	src := Source{Path: f.Path, Kind: kind, Password: f.Password}
	if f.Cloud {
		return r.readInCloud(ctx, src)
	}
	return r.read(ctx, src)
}

// Picture draws a page, from 1, of a file into a JPEG file, at most
// [PictureSide] pixels long and wide. It fails with NotFound for a page that is not
// there, with Unsupported for a page that is no image.
func (p *Processor) Picture(ctx context.Context, f File, page int) ([]byte, error) {
	kind, err := KindOf(f.Path, f.Name)
	if err != nil {
		return nil, err
	}
	b := &binder{processor: p, turn: func(_ context.Context, work func()) error { work(); return nil }}
	defer b.close()
	leaves, err := b.leaves(ctx, Source{Path: f.Path, Kind: kind, Password: f.Password})
	if err != nil {
		return nil, p.refusal(ctx, err)
	}
	at, all := page-1, 0
	for _, l := range leaves {
		if all += l.pages; at >= l.pages {
			at -= l.pages
			continue
		}
		if l.src.Kind.Written() {
			return nil, fault.New(fault.Unsupported, "A text file has no pages to draw.")
		}
		picture, err := retried(ctx, func() ([]byte, error) { return p.options.Engine.Picture(ctx, l.src, at) })
		if err != nil {
			return nil, p.refusal(ctx, err)
		}
		return picture, nil
	}
	return nil, fault.Newf(fault.NotFound, "The document has %d pages.", all)
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
	kind, ok, err := officeKind(file, head[:n])
	if err != nil {
		return "", fmt.Errorf("read the spooled file: %w", err)
	}
	if !ok {
		kind, ok = Sniff(head[:n])
	}
	if !ok && maybeCSV(head[:n], name) {
		kind, ok = CSV, true
	}
	if !ok {
		return "", fault.New(fault.Unsupported, "The file's content is of no format that is read here, whatever its name. Accepted are "+Accepted+".")
	}
	if kind != Text {
		return kind, nil
	}
	if kind, ok = named(head[:n], name); !ok {
		return "", fault.New(fault.Unsupported, "The file's content is not what its name says: it may be plain text, which is accepted when it is named .txt or .md. Accepted are "+Accepted+".")
	}
	return kind, nil
}

// read reads the document page by page.
func (r *Reading) read(ctx context.Context, src Source) (*Result, error) {
	p := r.processor
	b := &binder{processor: p, turn: r.turn}
	defer b.close()
	leaves, err := b.leaves(ctx, src)
	if err != nil {
		return nil, p.refusal(ctx, err)
	}
	var sheets []sheet
	for _, l := range leaves {
		for at := range l.pages {
			sheets = append(sheets, sheet{leaf: l, at: at})
		}
	}
	r.each(ctx, Layers, sheets, func(ctx context.Context, i int) { sheets[i].layer(ctx, p.options.Engine) })
	p.mend(sheets, (*sheet).layerTexts)
	for i := range sheets {
		if s := &sheets[i]; s.leaf.src.Kind == PDF {
			s.doubt = p.options.Words.doubt(s.text)
		}
	}
	r.each(ctx, Scanning, sheets, func(ctx context.Context, i int) {
		s := &sheets[i]
		s.ocr(ctx, p.options.Engine)
		s.misled = s.scanned && s.doubt != "" && p.options.Words.better(s.scan, s.text.Text)
	})
	p.mend(sheets, (*sheet).scanTexts)
	setMarginsApart(sheets)
	result := &Result{Kind: leaves[0].src.Kind, Method: None, Pages: make([]Page, len(sheets))}
	for i := range sheets {
		result.Pages[i] = sheets[i].page(i + 1)
	}
	notices := slices.Concat(b.notices, r.describe(ctx, sheets, result.Pages))
	if err := context.Cause(ctx); err != nil && !errors.Is(err, ErrDeadline) {
		return nil, err
	}
	if err := p.assemble(ctx, sheets, result); err != nil {
		return nil, err
	}
	result.Warnings = append(result.Warnings, notices...)
	return result, nil
}

// each does the stage's work for every page that it is for, as many at a time as
// the document gets workers.
func (r *Reading) each(ctx context.Context, stage Stage, sheets []sheet, work func(context.Context, int)) {
	var todo []int
	for i := range sheets {
		s := &sheets[i]
		if stage == Layers && (s.leaf.src.Kind == PDF || s.leaf.src.Kind.Written()) || stage == Scanning && !s.settled() {
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
				r.settled = append(r.settled, sheets[i].outcome(i+1))
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
						r.settled = append(r.settled, sheets[i].outcome(i+1))
					}
				})
			}
		})
	}
	group.Wait()
}

// mend repairs the words of all pages with each other's. The first text of a page
// is the one whose words count; pages without any are left as they are.
func (p *Processor) mend(sheets []sheet, of func(*sheet) []*string) {
	var texts []string
	for i := range sheets {
		if own := of(&sheets[i]); len(own) > 0 {
			texts = append(texts, clean(*own[0]))
		}
	}
	words := NewVocabulary(p.options.Words, texts)
	for i := range sheets {
		for _, text := range of(&sheets[i]) {
			*text = words.Mend(clean(*text))
		}
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
