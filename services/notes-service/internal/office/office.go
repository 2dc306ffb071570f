// Package office turns Word files into PDF by way of LibreOffice, where it is
// installed: the PDF is tagged, so that a screen reader finds headings, lists and
// tables in it.
package office

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"signpost.internal/pkg/fault"
)

// Options are what a [Converter] is made of.
type Options struct {
	// Program is LibreOffice's, found as the shell finds it.
	Program string
	// Dir is where its profile and the files are while it works.
	Dir string
	// Parallel is how many conversions run at a time, Waiting how many more may wait.
	Parallel, Waiting int
	Timeout           time.Duration // of one conversion
}

// Converter converts files. It is safe for use by many goroutines.
type Converter struct {
	o        Options
	path     string
	profiles chan string // one for each conversion that runs
	admitted chan struct{}
	home     string
}

// ErrMissing is the error where LibreOffice is not installed.
var ErrMissing = errors.New("LibreOffice is not installed")

// Open finds the program. Each conversion that runs has a profile folder of its
// own, because LibreOffice runs once a profile.
func Open(o Options) (*Converter, error) {
	path, err := exec.LookPath(o.Program)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of LibreOffice's profiles: %w", err)
	}
	home, err := os.MkdirTemp(o.Dir, "office-*")
	if err != nil {
		return nil, fmt.Errorf("make the folder of LibreOffice's profiles: %w", err)
	}
	c := &Converter{o: o, path: path, home: home, profiles: make(chan string, o.Parallel), admitted: make(chan struct{}, o.Parallel+o.Waiting)}
	for i := range o.Parallel {
		c.profiles <- filepath.Join(home, fmt.Sprintf("profile-%d", i))
	}
	return c, nil
}

// Close waits for the conversions that run and removes the profiles.
func (c *Converter) Close() error {
	for range c.o.Parallel {
		<-c.profiles
	}
	return os.RemoveAll(c.home)
}

// PDF returns the Word file as a tagged PDF. It fails with Busy when too many wait,
// with Timeout, with the context's error, and with Upstream when LibreOffice makes
// no file.
func (c *Converter) PDF(ctx context.Context, docx []byte) ([]byte, error) {
	select {
	case c.admitted <- struct{}{}:
		defer func() { <-c.admitted }()
	default:
		busy := fault.New(fault.Busy, "Too many letters wait for LibreOffice.")
		busy.RetryAfter = 5 * time.Second
		return nil, busy
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, fault.Newf(fault.Timeout, "LibreOffice took longer than the %v that it may.", c.o.Timeout))
	defer cancel()
	var profile string
	select {
	case profile = <-c.profiles:
		defer func() { c.profiles <- profile }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	work, err := os.MkdirTemp(c.home, "letter-*")
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The letter could not be stored for LibreOffice.")
	}
	defer os.RemoveAll(work) //nolint:errcheck // the folder above it goes at the end
	return c.run(ctx, profile, work, docx)
}

// filter asks for tags, which PDF/UA has.
const filter = `pdf:writer_pdf_Export:{"UseTaggedPDF":{"type":"boolean","value":"true"},"PDFUACompliance":{"type":"boolean","value":"true"},"ExportBookmarks":{"type":"boolean","value":"true"}}`

func (c *Converter) run(ctx context.Context, profile, work string, docx []byte) ([]byte, error) {
	in := filepath.Join(work, "letter.docx")
	if err := os.WriteFile(in, docx, 0o600); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The letter could not be stored for LibreOffice.")
	}
	location := url.URL{Scheme: "file", Path: profile}
	// No arguments come from the letter: its text is in the file alone.
	command := exec.CommandContext(ctx, c.path, "-env:UserInstallation="+location.String(),
		"--headless", "--norestore", "--nolockcheck", "--nodefault", "--nologo", "--convert-to", filter, "--outdir", work, in)
	command.Env = []string{"HOME=" + profile, "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "TMPDIR=" + work, "SAL_USE_VCLPLUGIN=svp"}
	command.Dir = work
	// The program is a script that starts others: all of them are killed.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = 5 * time.Second
	err := command.Run()
	if ctx.Err() != nil {
		// What was cut may have left its profile broken or locked.
		_ = os.RemoveAll(profile)
		return nil, context.Cause(ctx)
	}
	pdf, readErr := os.ReadFile(filepath.Join(work, "letter.pdf"))
	if err != nil || readErr != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) {
		_ = os.RemoveAll(profile)
		return nil, fault.Wrap(fault.Upstream, errors.Join(err, readErr), "LibreOffice could not convert the letter.")
	}
	return pdf, nil
}
