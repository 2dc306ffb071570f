package runner

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// Terminal prints lines from several goroutines, and one progress line that
// rewrites itself where the output is a terminal.
type Terminal struct {
	mu       sync.Mutex
	out      io.Writer
	rewrites bool
	progress string // what the progress line shows now
}

// NewTerminal returns a Terminal on out; rewrites says that out is a real
// terminal, where a line can be overwritten.
func NewTerminal(out io.Writer, rewrites bool) *Terminal {
	return &Terminal{out: out, rewrites: rewrites}
}

const clearLine = "\r\x1b[K"

// Line prints a line.
func (t *Terminal) Line(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rewrites && t.progress != "" {
		fmt.Fprint(t.out, clearLine)
	}
	fmt.Fprintf(t.out, format+"\n", args...)
	if t.rewrites && t.progress != "" {
		fmt.Fprint(t.out, t.progress)
	}
}

// Progress shows a line in place of the previous one; where lines cannot be
// rewritten, it prints each that differs.
func (t *Terminal) Progress(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := fmt.Sprintf(format, args...)
	if line == t.progress {
		return
	}
	t.progress = line
	if t.rewrites {
		fmt.Fprint(t.out, clearLine, line)
		return
	}
	fmt.Fprintln(t.out, line)
}

// EndProgress removes the progress line.
func (t *Terminal) EndProgress() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rewrites && t.progress != "" {
		fmt.Fprint(t.out, clearLine)
	}
	t.progress = ""
}

// Prefixed returns a writer that prints whole lines behind a name.
func (t *Terminal) Prefixed(name string) io.Writer { return &prefixed{terminal: t, name: name} }

type prefixed struct {
	terminal *Terminal
	name     string
	rest     []byte // a line that is not whole yet
}

func (p *prefixed) Write(b []byte) (int, error) {
	p.rest = append(p.rest, b...)
	for {
		line, rest, whole := bytes.Cut(p.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		p.terminal.Line("%s: %s", p.name, line)
		p.rest = rest
	}
}
