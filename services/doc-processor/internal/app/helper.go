package app

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/draw"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/doc-processor/internal/ocr"
	"signpost.internal/services/doc-processor/internal/worker"
)

// The first arguments with which the program runs itself.
const (
	workerArg   = "worker"
	checkOCRArg = "check-ocr"
)

// Helper returns what the program does when it was started by itself, and
// whether it was. The work returns the exit status.
func Helper(args []string) (work func() int, ok bool) {
	switch {
	case len(args) == 1 && args[0] == workerArg:
		return report(serveWorker), true
	case len(args) == 2 && args[0] == checkOCRArg:
		return report(func() error { return checkOCR(strings.Split(args[1], "+")) }), true
	default:
		return nil, false
	}
}

func report(work func() error) func() int {
	return func() int {
		if err := work(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
}

// serveWorker answers on a standard output of its own, so that nothing that a
// library prints can get between the frames.
func serveWorker() error {
	own, err := syscall.Dup(int(os.Stdout.Fd()))
	if err != nil {
		return fmt.Errorf("keep the standard output: %w", err)
	}
	syscall.CloseOnExec(own)
	if err := syscall.Dup3(int(os.Stderr.Fd()), int(os.Stdout.Fd()), 0); err != nil {
		return fmt.Errorf("redirect the standard output: %w", err)
	}
	out := os.NewFile(uintptr(own), "frames")
	defer out.Close()
	return worker.Serve(context.Background(), os.Stdin, out)
}

// checkOCR starts Tesseract and has it look at an empty page.
func checkOCR(languages []string) error {
	client, err := ocr.New(languages)
	if err != nil {
		return err
	}
	page := image.NewGray(image.Rect(0, 0, 64, 64))
	draw.Draw(page, page.Rect, image.White, image.Point{}, draw.Src)
	if _, err := client.Read(page, 70); err != nil {
		return err
	}
	return client.Close()
}

// How long an answer about OCR holds.
const (
	ocrGoodFor = time.Minute
	ocrBadFor  = 5 * time.Second
)

// ocrCheck finds out whether OCR works, in a process that ends at once: in this
// one Tesseract would stay in memory.
type ocrCheck struct {
	program   string
	languages []string
	env       []string

	mu    sync.Mutex
	until time.Time
	err   error
}

func newOCRCheck(program string, languages, env []string) *ocrCheck {
	return &ocrCheck{program: program, languages: languages, env: env}
}

// status returns nil, or why OCR does not work.
func (o *ocrCheck) status(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Now().Before(o.until) {
		return o.err
	}
	names := strings.Join(o.languages, "+")
	command := exec.CommandContext(ctx, o.program, checkOCRArg, names)
	command.Env = append([]string{"OMP_THREAD_LIMIT=1"}, o.env...)
	command.Stdout = io.Discard
	var said bytes.Buffer
	command.Stderr = &said
	err := command.Run()
	if ctx.Err() != nil {
		return ctx.Err() // nobody waited long enough to know
	}
	o.err, o.until = nil, time.Now().Add(ocrGoodFor)
	if err != nil {
		o.err = fault.Wrap(fault.Unavailable, fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes())),
			"Tesseract cannot read "+names+": scans cannot be read until its data for these languages are installed (packages tesseract-ocr-eng, tesseract-ocr-cym).")
		o.until = time.Now().Add(ocrBadFor)
	}
	return o.err
}
