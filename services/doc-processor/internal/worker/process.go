package worker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
)

// startTimeout bounds a worker's start, which compiles the PDF reader when the
// cache is empty.
const startTimeout = 3 * time.Minute

// process is a running worker, used by one caller at a time.
type process struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	errors  *tail

	path   string // the file it was last asked about
	served int
}

// start runs a worker and waits until it is ready.
func start(ctx context.Context, o Options) (*process, error) {
	// The worker outlives the request that it was started for.
	command := exec.CommandContext(context.WithoutCancel(ctx), o.Command[0], o.Command[1:]...)
	command.Env = append([]string{"OMP_THREAD_LIMIT=1"}, o.Env...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	stderr := &tail{}
	command.Stderr = stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	w := &process{command: command, in: in, out: bufio.NewReader(out), errors: stderr}

	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var ready response
	if err := w.exchange(ctx, o.Settings, &ready); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("a worker did not start: %w", err)
	}
	if ready.Fault != nil {
		w.kill()
		return nil, fault.Wrap(ready.Fault.Kind, errors.New(ready.Fault.Cause), ready.Fault.Detail)
	}
	return w, nil
}

// call has the worker answer the request. On any error the worker is gone.
func (w *process) call(ctx context.Context, r request) (response, error) {
	var answer response
	if err := w.exchange(ctx, r, &answer); err != nil {
		if ctx.Err() != nil {
			return response{}, context.Cause(ctx)
		}
		return response{}, err
	}
	return answer, nil
}

// exchange sends one frame and reads one. If ctx ends first, or the worker
// does, the worker is killed and waited for.
func (w *process) exchange(ctx context.Context, send, receive any) error {
	stop := context.AfterFunc(ctx, func() { _ = w.command.Process.Kill() })
	err := writeFrame(w.in, send)
	if err == nil {
		err = readFrame(w.out, receive)
	}
	if stop() && err == nil {
		return nil
	}
	w.kill()
	if w.errors.outOfMemory() {
		return document.ErrMemory
	}
	return fmt.Errorf("%w (%s)", document.ErrCrashed, w.command.ProcessState)
}

// kill ends the process and waits for its end.
func (w *process) kill() {
	_ = w.command.Process.Kill() // it may have ended by itself
	_ = w.in.Close()
	_ = w.command.Wait() // killed: the status says nothing new
}

// tail keeps the last part of what a worker writes to standard error. It is
// never logged: it may hold words of a document.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailLength = 64 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - tailLength; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

// outOfMemory recognises the last words of a process that met its limit.
func (t *tail) outOfMemory() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, sign := range []string{"out of memory", "cannot allocate memory", "bad_alloc", "Cannot allocate memory", "failed to reserve"} {
		if bytes.Contains(t.text, []byte(sign)) {
			return true
		}
	}
	return false
}
