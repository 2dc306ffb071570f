package office_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"signpost.internal/pkg/fault"
	"signpost.internal/services/notes-service/internal/docx"
	"signpost.internal/services/notes-service/internal/office"
	"signpost.internal/services/notes-service/internal/paper"
)

// program writes a script that stands in for LibreOffice.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "soffice")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// open returns a converter by the program, and its folder.
func open(t *testing.T, program string, timeout time.Duration) (*office.Converter, string) {
	t.Helper()
	dir := t.TempDir()
	c, err := office.Open(office.Options{Program: program, Dir: dir, Parallel: 1, Waiting: 1, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return c, dir
}

// out is the last argument's neighbour: soffice … --outdir OUT IN.
const makes = `for last; do in="$last"; done; printf '%%PDF-1.7 made' > "$(dirname "$in")/letter.pdf"` + "\n"

func TestConversion(t *testing.T) {
	c, dir := open(t, program(t, makes), time.Minute)
	pdf, err := c.PDF(t.Context(), []byte("word"))
	if err != nil || string(pdf) != "%PDF-1.7 made" {
		t.Fatalf("%q, %v", pdf, err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*", "letter-*"))
	if len(left) > 0 {
		t.Errorf("a letter is left: %v", left)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		want   fault.Kind
	}{
		"it fails":         {"exit 3", fault.Upstream},
		"it makes nothing": {"exit 0", fault.Upstream},
		"not a PDF":        {strings.Replace(makes, "%%PDF-1.7", "no", 1), fault.Upstream},
		"it hangs":         {"sleep 60", fault.Timeout},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := 20 * time.Second
			if tc.want == fault.Timeout {
				timeout = 200 * time.Millisecond
			}
			c, _ := open(t, program(t, tc.script), timeout)
			_, err := c.PDF(t.Context(), nil)
			if fault.KindOf(err) != tc.want {
				t.Errorf("got %v", err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Cancelling kills the program and what it started.
func TestCancelKillsAll(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	c, _ := open(t, program(t, "sleep 60 & echo $! > "+pidFile+"; wait"), time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := c.PDF(ctx, nil); done <- err }()
	var pid int
	for deadline := time.Now().Add(20 * time.Second); pid == 0 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		data, _ := os.ReadFile(pidFile)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(data)))
	}
	if pid == 0 {
		t.Fatal("it did not start")
	}
	cancel()
	if err := <-done; fault.KindOf(err) != fault.Canceled && err != context.Canceled { //nolint:errorlint // the cause itself
		t.Errorf("got %v", err)
	}
	for deadline := time.Now().Add(20 * time.Second); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what it started lives on")
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// alive tells a process that runs from one that ended, also where nobody has
// asked for its end yet.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return syscall.Kill(pid, 0) == nil
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return len(rest) > 0 && rest[0] != 'Z'
}

func TestBusy(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "gate")
	c, _ := open(t, program(t, "while [ ! -e "+gate+" ]; do sleep 0.02; done\n"+makes), time.Minute)
	var work sync.WaitGroup
	busy := make(chan error, 8)
	for range 8 {
		work.Go(func() {
			_, err := c.PDF(t.Context(), nil)
			busy <- err
		})
	}
	for range 6 {
		if err := <-busy; fault.KindOf(err) != fault.Busy {
			t.Errorf("got %v", err)
		}
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	work.Wait()
	for range 2 {
		if err := <-busy; err != nil {
			t.Errorf("got %v", err)
		}
	}
}

func TestMissing(t *testing.T) {
	if _, err := office.Open(office.Options{Program: "no-such-office", Dir: t.TempDir(), Parallel: 1}); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("got %v", err)
	}
}

// LibreOffice opens the Word file, and its PDF has the words, the pages' numbers
// and the tags of headings, lists and tables.
func TestLibreOffice(t *testing.T) {
	for _, need := range []string{"soffice", "pdftotext", "pdfinfo"} {
		if _, err := exec.LookPath(need); err != nil {
			t.Skipf("%s is not installed (make test-office installs LibreOffice): the Word file is not opened with it", need)
		}
	}
	c, dir := open(t, "soffice", 2*time.Minute)
	word, err := docx.Write(paper.Letter{
		Markdown: "```sender\nNorthtown Advice\n```\n\n```address\nMs Okoye\n12 Stryd y Bont\n```\n\n## Materion a drafodwyd\n\n- Ŵ ŵ £304 “x”\n\n| Creditor | Amount |\n|---|--:|\n| Lowell | £1,204.55 |\n\n" +
			strings.Repeat("A paragraph that fills the page.\n\n", 60) + "مرحبا",
		Title: "Cadarnhad", Language: "cy-GB", Mark: "DRAFT – not proved: why", Page: "Tudalen", Of: "o", Font: "Arial", Size: 11,
	})
	if err != nil {
		t.Fatal(err)
	}
	pdf, err := c.PDF(t.Context(), word)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "letter.pdf")
	if err := os.WriteFile(path, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	say := func(name string, args ...string) string {
		out, err := exec.CommandContext(t.Context(), name, args...).Output()
		if err != nil {
			t.Fatal(name, err)
		}
		return string(out)
	}
	text := say("pdftotext", "-layout", path, "-")
	for _, want := range []string{"Northtown Advice", "12 Stryd y Bont", "Materion a drafodwyd", "Ŵ ŵ £304 “x”", "£1,204.55"} {
		if !strings.Contains(text, want) {
			t.Errorf("the PDF lacks %q", want)
		}
	}
	pages := strings.Count(text, "\f")
	if pages < 2 || strings.Count(text, "DRAFT – not proved: why") != pages || !strings.Contains(text, "Tudalen 2 o "+strconv.Itoa(pages)) {
		t.Errorf("%d pages:\n%s", pages, text)
	}
	info := say("pdfinfo", path)
	if !strings.Contains(strings.Join(strings.Fields(info), " "), "Tagged: yes") {
		t.Errorf("it is not tagged:\n%s", info)
	}
	structure := say("pdfinfo", "-struct", path)
	for _, tag := range []string{"H2", "L ", "Table", "TH"} {
		if !strings.Contains(structure, tag) {
			t.Errorf("the structure lacks %s:\n%.600s", tag, structure)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
