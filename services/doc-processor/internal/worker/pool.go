package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
)

// Options are what a pool is made of.
type Options struct {
	// Command is the program and arguments that run [Serve].
	Command []string
	// Env is the workers' whole environment, as "NAME=value".
	Env []string
	// Size is the largest number of workers.
	Size int
	// PageTimeout bounds one request to a worker.
	PageTimeout time.Duration
	Settings    Settings
	Logger      *slog.Logger
}

// retireAfter is after how many requests a worker is replaced: the OCR library
// keeps a little memory for each page.
const retireAfter = 500

// Pool is a [document.Engine] over worker processes, which are started when
// first needed and kept.
type Pool struct {
	options Options
	tokens  chan struct{} // one for each worker that may be busy
	warmUp  sync.Mutex    // held by the first start, which fills the cache

	stopping  chan struct{} // closed by Close
	closeOnce sync.Once

	mu     sync.Mutex
	idle   []*process
	warm   bool
	closed bool
}

// NewPool returns a pool without any worker running.
func NewPool(o Options) *Pool {
	o.Settings.PageTime = o.PageTimeout
	return &Pool{options: o, tokens: make(chan struct{}, o.Size), stopping: make(chan struct{})}
}

// Close stops the workers, busy ones when their requests end, and waits for
// all of them. Later requests fail with Unavailable.
func (p *Pool) Close() { p.closeOnce.Do(p.close) }

func (p *Pool) close() {
	close(p.stopping)
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, w := range idle {
		w.kill()
	}
	for range cap(p.tokens) {
		p.tokens <- struct{}{}
	}
}

// Open implements [document.Engine].
func (p *Pool) Open(ctx context.Context, src document.Source) (int, error) {
	r, err := p.do(ctx, request{Op: opOpen, Path: src.Path, Kind: src.Kind, Password: src.Password})
	if err != nil {
		return 0, err
	}
	return r.Pages, nil
}

// Text implements [document.Engine].
func (p *Pool) Text(ctx context.Context, src document.Source, page int) (document.PageText, error) {
	r, err := p.do(ctx, request{Op: opText, Path: src.Path, Kind: src.Kind, Password: src.Password, Page: page})
	if err != nil {
		return document.PageText{}, err
	}
	if r.Text == nil {
		return document.PageText{}, fmt.Errorf("%w: it gave no text", document.ErrCrashed)
	}
	return *r.Text, nil
}

// Scan implements [document.Engine].
func (p *Pool) Scan(ctx context.Context, src document.Source, page int) (document.PageScan, error) {
	r, err := p.do(ctx, request{Op: opScan, Path: src.Path, Kind: src.Kind, Password: src.Password, Page: page})
	if err != nil {
		return document.PageScan{}, err
	}
	if r.Scan == nil {
		return document.PageScan{}, fmt.Errorf("%w: it gave no scan", document.ErrCrashed)
	}
	return *r.Scan, nil
}

// Picture implements [document.Engine].
func (p *Pool) Picture(ctx context.Context, src document.Source, page int) ([]byte, error) {
	r, err := p.do(ctx, request{Op: opPicture, Path: src.Path, Kind: src.Kind, Password: src.Password, Page: page})
	if err != nil {
		return nil, err
	}
	if r.Picture == nil {
		return nil, fmt.Errorf("%w: it gave no picture", document.ErrCrashed)
	}
	return r.Picture, nil
}

// Unpack implements [document.Engine].
func (p *Pool) Unpack(ctx context.Context, src document.Source, dir string) ([]document.Part, error) {
	r, err := p.do(ctx, request{Op: opUnpack, Path: src.Path, Kind: src.Kind, Password: src.Password, Dir: dir})
	if err != nil {
		return nil, err
	}
	return r.Parts, nil
}

// do has a worker answer the request. The wait for a free worker counts
// against ctx only; the worker's time is bounded by PageTimeout too.
func (p *Pool) do(ctx context.Context, r request) (response, error) {
	select {
	case p.tokens <- struct{}{}:
		defer func() { <-p.tokens }()
	case <-p.stopping:
		return response{}, errStopping()
	case <-ctx.Done():
		return response{}, context.Cause(ctx)
	}
	w, err := p.worker(ctx, r.Path)
	if err != nil {
		return response{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.options.PageTimeout, document.ErrDeadline)
	defer cancel()
	answer, err := w.call(ctx, r)
	if err != nil {
		p.options.Logger.WarnContext(ctx, "a worker was lost", "op", string(r.Op), "error", err)
		return response{}, err
	}
	p.release(w, answer.OutOfMemory || answer.Swollen)
	switch {
	case answer.OutOfMemory:
		return response{}, document.ErrMemory
	case answer.Fault != nil:
		f := fault.New(answer.Fault.Kind, answer.Fault.Detail)
		f.Fields = answer.Fault.Fields
		if answer.Fault.Cause != "" {
			f.Cause = errors.New(answer.Fault.Cause)
		}
		return response{}, f
	}
	return answer, nil
}

func errStopping() error { return fault.New(fault.Unavailable, "The service is stopping.") }

// worker returns an idle worker, one that has the file open if there is one,
// or starts a new one.
func (p *Pool) worker(ctx context.Context, path string) (*process, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errStopping()
	}
	if n := len(p.idle); n > 0 {
		pick := n - 1
		for i, w := range p.idle {
			if w.path == path {
				pick = i
			}
		}
		w := p.idle[pick]
		p.idle = append(p.idle[:pick], p.idle[pick+1:]...)
		p.mu.Unlock()
		w.path = path
		return w, nil
	}
	warm := p.warm
	p.mu.Unlock()

	if !warm {
		p.warmUp.Lock()
		defer p.warmUp.Unlock()
	}
	w, err := start(ctx, p.options)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.warm = true
	p.mu.Unlock()
	w.path = path
	return w, nil
}

// release gives the worker back, or ends it.
func (p *Pool) release(w *process, spent bool) {
	w.served++
	p.mu.Lock()
	keep := !p.closed && !spent && w.served < retireAfter
	if keep {
		p.idle = append(p.idle, w)
	}
	p.mu.Unlock()
	if !keep {
		w.kill()
	}
}

// PIDs lists the process numbers of the idle workers.
func (p *Pool) PIDs() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	pids := make([]int, len(p.idle))
	for i, w := range p.idle {
		pids[i] = w.command.Process.Pid
	}
	return pids
}
