package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/document"
	"signpost.internal/services/doc-processor/internal/office"
)

// Serve is a worker's life: it takes its settings, limits its memory, and
// answers requests until in ends. In ending, in takes the process with it even
// in the middle of a page, so that no worker outlives the service.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	frames := bufio.NewReader(in)
	var settings Settings
	if err := readFrame(frames, &settings); err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	limit := unix.Rlimit{Cur: settings.Memory, Max: settings.Memory}
	if err := unix.Setrlimit(unix.RLIMIT_AS, &limit); err != nil {
		return fmt.Errorf("limit the memory: %w", err)
	}
	// No dump of what a document left in memory when a worker crashes.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	desk, err := openDesk(ctx, settings)
	if err != nil {
		return errors.Join(err, writeFrame(out, response{Fault: &wireFault{
			Kind: fault.Unavailable, Detail: "The document reader cannot start.", Cause: err.Error(),
		}}))
	}
	defer desk.close()
	if err := writeFrame(out, response{}); err != nil {
		return err
	}

	requests := make(chan request)
	go func() {
		for {
			var r request
			if err := readFrame(frames, &r); err != nil {
				os.Exit(0) // the service is gone, or no longer makes sense
			}
			requests <- r
		}
	}()
	for r := range requests {
		a := answer(desk, r)
		a.Swollen = residentMemory() > swollen
		if err := writeFrame(out, a); err != nil {
			return err
		}
	}
	return nil
}

// swollen is the resident memory, in bytes, beyond which a worker is replaced.
// The sandbox's memory grows with a large document and never shrinks.
const swollen = 768 << 20

// residentMemory is the process's resident memory in bytes, 0 if unknown.
func residentMemory() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var all, resident int64
	if _, err := fmt.Sscan(string(statm), &all, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// answer does what the request asks for. A panic of a reader is the file's
// doing and costs only this answer.
func answer(d *desk, r request) (a response) {
	defer func() {
		if p := recover(); p != nil {
			d.drop()
			a = failed(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	switch r.Op {
	case opOpen:
		pages, err := d.open(r)
		if err != nil {
			return failed(err)
		}
		return response{Pages: pages}
	case opText:
		text, err := d.text(r)
		if err != nil {
			return failed(err)
		}
		return response{Text: &text}
	case opScan:
		scan, err := d.scan(r)
		if err != nil {
			return failed(err)
		}
		return response{Scan: &scan}
	case opPicture:
		picture, err := d.portray(r)
		if err != nil {
			return failed(err)
		}
		return response{Picture: picture}
	case opUnpack:
		parts, err := office.Unpack(r.Path, r.Kind, r.Dir, r.Password)
		if err != nil {
			return failed(err)
		}
		return response{Parts: parts}
	default:
		return failed(fmt.Errorf("unknown operation %q", r.Op))
	}
}

// failed translates an error for the wire.
func failed(err error) response {
	if errors.Is(err, document.ErrMemory) {
		return response{OutOfMemory: true}
	}
	var f *fault.Error
	if errors.As(err, &f) {
		w := &wireFault{Kind: f.Kind, Detail: f.Detail, Fields: f.Fields}
		if f.Cause != nil {
			w.Cause = f.Cause.Error()
		}
		return response{Fault: w}
	}
	return response{Fault: &wireFault{
		Kind: fault.Invalid, Detail: "The file is damaged and could not be read.", Cause: err.Error(),
	}}
}
